//! Every table of facts, and how the chain records its rows.
//!
//! `verify` proves both directions: an entry has exactly the rows that it records, and each row belongs to an entry of
//! its kind. A table that is in none of these lists fails a test.

use crate::domain::number::EntryId;
use crate::ledger::Result;
use crate::ledger::chain::fact::Finding;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::{Entry, Kind};
use crate::ledger::facts::{
    alerts, aliases, costs, departments, imports, maps, migration, policies, prices, quarantine, retraction, rules,
};
use crate::ledger::file::{schema, settings};
use crate::text::problem::counted;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Every kind of entry that this version makes.
pub(in crate::ledger) const FACTS: [&Fact; 13] = [
    &settings::FACT,
    &migration::FACT,
    &imports::FACT,
    &prices::FACT,
    &rules::FACT,
    &policies::FACT,
    &aliases::FACT,
    &quarantine::FACT,
    &departments::FACT,
    &costs::FACT,
    &maps::FACT,
    &alerts::FACT,
    &retraction::FACT,
];

/// The names in events. The digests of the events prove each name that an event uses.
const NAMES: [&str; 6] = ["source", "meter", "service_tier", "model", "tag_set", "event_class"];

/// The events, which the digests of their batches prove, day by day.
#[cfg(test)]
const EVENTS: [&str; 3] = ["usage_event", "event_meter", "event_link"];

/// Tables derived from the events, which `verify` compares with them.
#[cfg(test)]
const DERIVED: [&str; 8] = [
    "usage_daily",
    "usage_daily_meter",
    "usage_monthly",
    "usage_monthly_meter",
    "day_seal",
    "seal",
    "id_bucket",
    "id_run",
];

/// What each entry should record, by entry and kind, computed from the tables.
pub(in crate::ledger) struct Expected(BTreeMap<(EntryId, u8), Vec<u8>>);

impl Expected {
    /// Reads every table of facts. Rows that no entry can record are findings.
    pub(in crate::ledger) fn read(connection: &Connection, findings: &mut Vec<Finding>) -> Result<Self> {
        let mut expected = BTreeMap::new();
        for Fact { kind, payloads, .. } in FACTS {
            let Payloads { by_entry, strays } = payloads(connection)?;
            findings.extend(strays);
            expected.extend(by_entry.into_iter().map(|(entry, payload)| ((entry, kind.code()), payload)));
        }
        Ok(Self(expected))
    }

    /// The error for an entry that does not match the tables.
    pub(in crate::ledger) fn differs(&mut self, entry: &Entry) -> Option<Finding> {
        let expected = self.0.remove(&(entry.number, entry.kind));
        let same = expected.is_some_and(|expected| expected == entry.payload);
        (!same).then(|| format!("the tables differ from what entry {} records", entry.number))
    }

    /// Rows that name an entry of another kind, or one that does not exist.
    pub(in crate::ledger) fn unrecorded(self) -> impl Iterator<Item = Finding> {
        self.0.into_keys().map(|(entry, kind)| {
            let what = Kind::from_code(kind).map_or("unknown", Kind::name);
            format!("rows of kind {what} name entry {entry}, which does not record them")
        })
    }
}

/// Rows of the chain, of facts and of names that violate a CHECK or a column type, or that an index lacks. The tables
/// of events and totals may be large, so they are proved row by row instead.
pub(in crate::ledger) fn broken_tables(connection: &Connection) -> Result<Vec<Finding>> {
    let mut tables: Vec<&str> = FACTS.iter().flat_map(|fact| fact.tables).copied().chain(NAMES).collect();
    tables.push("entry");
    tables.sort_unstable();
    tables.dedup();
    let mut findings = Vec::new();
    for table in tables {
        for condition in schema::checks(table) {
            let sql = format!("SELECT count(*) FROM {table} WHERE NOT ({condition})");
            let broken: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
            if broken > 0 {
                let rows = counted(broken, "row breaks", "rows break");
                findings.push(format!("table {table}: {rows} the condition {condition}"));
            }
        }
        let mut statement = connection.prepare(&format!("PRAGMA foreign_key_check({table})"))?;
        if statement.exists([])? {
            findings.push(format!("table {table}: a row refers to a row that does not exist"));
        }
        let mut statement = connection.prepare(&format!("PRAGMA integrity_check({table})"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: String = row.get(0)?;
            if line != "ok" {
                findings.push(format!("table {table}: {line}"));
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_table_is_proved_in_some_way() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let connection = Connection::open_in_memory()?;
        crate::ledger::file::schema::create(&connection)?;
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
        let tables: BTreeSet<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let facts = FACTS.iter().flat_map(|fact| fact.tables).copied();
        let known: BTreeSet<String> =
            facts.chain(NAMES).chain(EVENTS).chain(DERIVED).chain(["entry"]).map(str::to_owned).collect();
        assert_eq!(tables, known);
        let kinds: BTreeSet<u8> = FACTS.iter().map(|fact| fact.kind.code()).collect();
        let made: BTreeSet<u8> = (0..=u8::MAX).filter(|code| Kind::from_code(*code).is_some()).collect();
        assert_eq!(kinds, made, "each kind of entry has its payloads");
        Ok(())
    }
}
