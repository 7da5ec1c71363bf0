//! Documents that say how the books are kept, such as the limits. They are appended as they were given and never changed.
//! The ledger does not know what they mean.

use crate::domain::calendar::Day;
use crate::domain::number::EntryId;
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::seals;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::{Result, chain, values};
use crate::rows::canonical::Encoder;
use rusqlite::Connection;

/// How the chain records documents.
pub(in crate::ledger) const FACT: Fact = Fact { kind: Kind::Policy, tables: &["policy"], payloads, is_sealed: true };

/// The name of the document with the limits.
pub const LIMITS: &str = "limits";

/// A document as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Its entry of the chain.
    pub entry: EntryId,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who recorded it.
    pub actor: String,
    /// Which document it is.
    pub name: String,
    /// Its text.
    pub document: String,
    /// The first billing day that it applies to.
    pub first_day: Day,
}

const INSERT: &str = "INSERT INTO policy (entry, name, document, first_day) VALUES (?1, ?2, ?3, ?4)";
const ALL: &str = "SELECT p.entry, e.at, e.actor, p.name, p.document, p.first_day \
    FROM policy p JOIN entry e ON e.seq = p.entry ORDER BY p.entry";
const ROWS: &str = "SELECT entry, name, first_day, document FROM policy ORDER BY entry";

impl Transaction<'_> {
    /// Appends a document. Returns its entry.
    pub fn append_policy(
        &self,
        name: &str,
        document: &str,
        first_day: Day,
        now: Timestamp,
        actor: &str,
    ) -> Result<EntryId> {
        let connection = self.connection();
        let recorded = payload(name, first_day.number().into(), document);
        chain::append(connection, &FACT, Signed { now, actor }, &recorded, |entry| {
            connection.execute(INSERT, (entry, name, document, first_day.number()))?;
            Ok(())
        })
    }

    /// Every document of a name, as this transaction sees them, in the order of their entries.
    pub fn policies(&self, name: &str) -> Result<Vec<StoredPolicy>> {
        seals::guard_facts(self.connection(), &FACT)?;
        of_name(self.connection(), name)
    }
}

impl Snapshot<'_> {
    /// Every document of a name, in the order of their entries.
    pub fn policies(&self, name: &str) -> Result<Vec<StoredPolicy>> {
        self.prove_kind(&FACT)?;
        self.prove_entries()?;
        of_name(self.connection(), name)
    }
}

/// The document in force on a day: the one with the latest first day, of those that apply by then.
pub fn in_force(policies: &[StoredPolicy], day: Day) -> Option<&StoredPolicy> {
    let started = policies.iter().filter(|policy| policy.first_day <= day);
    started.max_by_key(|policy| (policy.first_day, policy.entry))
}

fn of_name(connection: &Connection, name: &str) -> Result<Vec<StoredPolicy>> {
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut policies = Vec::new();
    while let Some(row) = rows.next()? {
        let policy = StoredPolicy {
            entry: row.get(0)?,
            at: chain::instant(row.get(1)?)?,
            actor: row.get(2)?,
            name: row.get(3)?,
            document: row.get(4)?,
            first_day: values::day(row.get(5)?)?,
        };
        policies.extend(Some(policy).filter(|policy| policy.name == name));
    }
    Ok(policies)
}

/// The payloads of all documents by entry, computed from the table.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let mut statement = connection.prepare_cached(ROWS)?;
    let mut rows = statement.query([])?;
    let mut payloads = Payloads::default();
    while let Some(row) = rows.next()? {
        let (name, document): (String, String) = (row.get(1)?, row.get(3)?);
        payloads.insert(row.get(0)?, payload(&name, row.get(2)?, &document));
    }
    Ok(payloads)
}

fn payload(name: &str, first_day: i64, document: &str) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.text(name).i64(first_day).text(document);
    encoder.into_bytes()
}
