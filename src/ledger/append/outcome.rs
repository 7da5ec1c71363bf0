//! What became of a file's events, and which imports had brought those that were there already.

use super::Appender;
use crate::domain::calendar::Day;
use crate::ledger::Result;
use crate::ledger::chain::logs::Log;
use crate::ledger::facts::batch_seal::{BatchSeal, Overlap};
use crate::ledger::read::revision::History;
use rusqlite::OptionalExtension;
use std::collections::BTreeMap;

const IMPORT_OF: &str = "SELECT import FROM batch WHERE id = ?1";

/// What became of a file's events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Events that are new, revisions among them.
    pub accepted: u64,
    /// Revisions: records that were there and say more now.
    pub revisions: u64,
    /// Events that were there with the same content.
    pub duplicates: u64,
    /// Their lines, if that was asked for.
    pub repeated: Vec<u64>,
    /// Of those, states of records that the ledger has more of, which it had not seen.
    pub older: u64,
    /// The first day of the new events.
    pub first_day: Option<Day>,
    /// The last day of the new events.
    pub last_day: Option<Day>,
    /// Quarantined lines whose events were among them.
    pub(in crate::ledger) resolved: Vec<i64>,
    /// The batches that were appended.
    pub(in crate::ledger) seals: Vec<BatchSeal>,
    /// Events that are new and were retracted before: they count again.
    pub returned: u64,
    /// What of the file each earlier import had brought.
    pub(crate) overlaps: BTreeMap<i64, Overlap>,
}

impl Appended {
    /// The same, with so many lines that each import had set aside before.
    #[must_use]
    pub fn knowing(mut self, lines: BTreeMap<i64, i64>) -> Self {
        for (import, lines) in lines {
            self.overlaps.entry(import).or_default().lines += lines;
        }
        self
    }
}

impl Appender<'_> {
    /// Says which imports had brought what was there already.
    pub(super) fn note_overlaps(&mut self) -> Result<()> {
        if !self.repeated.is_empty() {
            self.ledger.guard_logs(&[Log::Batches])?;
        }
        let mut statement = self.connection.prepare_cached(IMPORT_OF)?;
        for (batch, events) in &self.repeated {
            // What the file itself has twice is no overlap: its import has no row yet.
            if let Some(import) = statement.query_row([batch], |row| row.get(0)).optional()? {
                self.outcome.overlaps.entry(import).or_default().events += events;
            }
        }
        Ok(())
    }

    /// Counts a duplicate state of a record for every batch that holds a part of that record.
    pub(super) fn note_repeated(&mut self, history: &History) {
        for (batch, _) in history.places() {
            *self.repeated.entry(batch).or_default() += 1;
        }
    }
}
