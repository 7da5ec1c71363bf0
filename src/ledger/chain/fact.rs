//! A kind of recorded fact: its tables, and how to compute the payloads of its entries from them.
//!
//! A payload covers every column of its rows, including their numbers. So a row that was changed, moved or added gives
//! another payload.

use crate::domain::number::EntryId;
use crate::ledger::Result;
use crate::ledger::chain::Kind;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// The payloads of the entries of one kind, computed from the rows of some tables.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Payloads {
    pub(in crate::ledger) by_entry: BTreeMap<EntryId, Vec<u8>>,
    pub(in crate::ledger) strays: Vec<String>,
}

impl Payloads {
    /// Adds the payload of the rows that name an entry.
    pub(in crate::ledger) fn insert(&mut self, entry: EntryId, payload: Vec<u8>) {
        if self.by_entry.insert(entry, payload).is_some() {
            self.stray(format!("entry {entry} has two rows, and records one"));
        }
    }

    /// Adds rows that no entry can record.
    pub(in crate::ledger) fn stray(&mut self, finding: String) {
        self.strays.push(finding);
    }

    /// The payloads by entry.
    pub(in crate::ledger) fn iter(&self) -> impl Iterator<Item = (EntryId, &[u8])> {
        self.by_entry.iter().map(|(entry, payload)| (*entry, payload.as_slice()))
    }

    /// Rows that no entry can record.
    pub(in crate::ledger) fn strays(&self) -> &[String] {
        &self.strays
    }

    /// Computes the payloads of a table whose rows name their entries.
    pub(in crate::ledger) fn of_rows<'r, T>(rows: &'r [(T, EntryId)], payload: impl Fn(&[&'r T]) -> Vec<u8>) -> Self {
        let mut by_entry: BTreeMap<EntryId, Vec<&T>> = BTreeMap::new();
        for (row, entry) in rows {
            by_entry.entry(*entry).or_default().push(row);
        }
        let by_entry = by_entry.into_iter().map(|(entry, rows)| (entry, payload(&rows))).collect();
        Self { by_entry, strays: Vec::new() }
    }
}

/// A kind of entry: the tables with what its entries record, and how to compute its payloads from them.
pub(in crate::ledger) struct Fact {
    pub(in crate::ledger) kind: Kind,
    pub(in crate::ledger) tables: &'static [&'static str],
    pub(in crate::ledger) payloads: fn(&Connection) -> Result<Payloads>,
    /// Whether amounts or the reading of usage depend on it. Such a kind has a seal.
    pub(in crate::ledger) is_sealed: bool,
}

impl Fact {
    /// Computes the payloads of all entries of the kind from the tables.
    pub(in crate::ledger) fn payloads(&self, connection: &Connection) -> Result<Payloads> {
        (self.payloads)(connection)
    }
}

/// A difference to the recorded state, in words.
pub type Finding = String;
