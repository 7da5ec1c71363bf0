//! Upgrades of the file to a newer schema. They are appended and never changed.

use crate::domain::number::EntryId;
use crate::ledger::Result;
use crate::ledger::chain::Kind;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::rows::canonical::Encoder;
use rusqlite::Connection;

/// How the chain records upgrades.
pub(in crate::ledger) const FACT: Fact =
    Fact { kind: Kind::Migrate, tables: &["migration"], payloads, is_sealed: false };

/// An upgrade from one version of the schema to a newer one, with the digest of the new schema's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Migration {
    pub(in crate::ledger) from: u32,
    pub(in crate::ledger) to: u32,
    pub(in crate::ledger) digest: [u8; 32],
}

const INSERT: &str = "INSERT INTO migration (entry, from_version, to_version, digest) VALUES (?1, ?2, ?3, ?4)";
const ALL: &str = "SELECT entry, from_version, to_version, digest FROM migration ORDER BY entry";

impl Migration {
    /// The payload of the upgrade.
    pub(in crate::ledger) fn payload(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.u64(u64::from(self.from)).u64(u64::from(self.to)).blob(&self.digest);
        encoder.into_bytes()
    }

    /// Writes the row of an entry.
    pub(in crate::ledger) fn insert(&self, connection: &Connection, entry: EntryId) -> Result<()> {
        connection.execute(INSERT, (entry, self.from, self.to, &self.digest[..]))?;
        Ok(())
    }
}

/// The payloads of all migrations by entry, computed from the table.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    let mut payloads = Payloads::default();
    while let Some(row) = rows.next()? {
        let migration = Migration { from: row.get(1)?, to: row.get(2)?, digest: row.get(3)? };
        payloads.insert(row.get(0)?, migration.payload());
    }
    Ok(payloads)
}
