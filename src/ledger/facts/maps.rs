//! Maps of columns, stored under a name. They are appended and never changed. A later map with the same name replaces
//! an earlier one, and both stay readable, because imports used them.

use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::seals;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::{Result, chain};
use crate::rows::canonical::Encoder;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// How the chain records maps.
pub(in crate::ledger) const FACT: Fact = Fact { kind: Kind::Map, tables: &["column_map"], payloads, is_sealed: true };

const INSERT: &str = "INSERT INTO column_map (id, entry, name, map) VALUES (?1, ?2, ?3, ?4)";
const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM column_map";
const ALL: &str = "SELECT name, map, entry, id FROM column_map ORDER BY id";
const KEPT: &str = "SELECT m.name, m.map, e.at FROM column_map m JOIN entry e ON e.seq = m.entry ORDER BY m.id";

impl Transaction<'_> {
    /// Stores a map under a name. Returns `false` and appends nothing if the ledger has the same map already.
    pub fn keep_map(&self, name: &Name, map: &str, now: Timestamp, actor: &str) -> Result<bool> {
        let connection = self.connection();
        seals::guard_facts(connection, &FACT)?;
        if in_force(connection)?.get(name.as_str()).is_some_and(|kept| kept == map) {
            return Ok(false);
        }
        let id: i64 = connection.query_row(NEXT, [], |row| row.get(0))?;
        let recorded = payload(id, name.as_str(), map);
        chain::append(connection, &FACT, Signed { now, actor }, &recorded, |entry| {
            connection.execute(INSERT, (id, entry, name.as_str(), map))?;
            Ok(())
        })?;
        Ok(true)
    }
}

impl Snapshot<'_> {
    /// The maps in force by name, with the instants at which they were stored.
    pub fn kept_maps(&self) -> Result<BTreeMap<String, (String, Timestamp)>> {
        self.prove_kind(&FACT)?;
        self.prove_entries()?;
        let mut statement = self.connection().prepare(KEPT)?;
        let mut rows = statement.query([])?;
        let mut maps = BTreeMap::new();
        while let Some(row) = rows.next()? {
            maps.insert(row.get(0)?, (row.get(1)?, chain::instant(row.get(2)?)?));
        }
        Ok(maps)
    }

    /// The maps in force by name.
    pub fn maps(&self) -> Result<BTreeMap<String, String>> {
        self.prove_kind(&FACT)?;
        in_force(self.connection())
    }
}

fn in_force(connection: &Connection) -> Result<BTreeMap<String, String>> {
    let mut statement = connection.prepare(ALL)?;
    let maps = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(maps.collect::<rusqlite::Result<_>>()?)
}

/// The payload of a map: its number, its name and its text.
fn payload(id: i64, name: &str, map: &str) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.i64(id).text(name).text(map);
    encoder.into_bytes()
}

/// The payloads of all maps by entry, computed from the table.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    let mut payloads = Payloads::default();
    while let Some(row) = rows.next()? {
        let (name, map): (String, String) = (row.get(0)?, row.get(1)?);
        payloads.insert(row.get(2)?, payload(row.get(3)?, &name, &map));
    }
    Ok(payloads)
}
