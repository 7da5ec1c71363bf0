//! Alerts: thresholds of budgets that were reached. Each is appended once and never changed. A falling figure takes none back.

use crate::domain::calendar::Day;
use crate::domain::number::EntryId;
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::seals;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::{Result, chain, fits, values};
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// How the chain records alerts.
pub(in crate::ledger) const FACT: Fact = Fact { kind: Kind::Alert, tables: &["alert"], payloads, is_sealed: true };

/// What makes an alert the same as another. One is recorded once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertKey {
    /// The budget's name.
    pub budget: String,
    /// Its scope and meters in one spelling.
    pub scope: String,
    /// What it counts.
    pub measure: String,
    /// The value that the counter is for; empty if the budget has one counter.
    pub subject: String,
    /// The first day of its period.
    pub first_day: Day,
    /// The last day.
    pub last_day: Day,
    /// The threshold in hundredths of a percent.
    pub threshold: u32,
    /// The limit that was stated, as decimal text.
    pub stated: String,
}

/// A threshold that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What it is about.
    pub key: AlertKey,
    /// What was used, as decimal text.
    pub figure: String,
    /// The ledger's last entry when that was computed.
    pub seen: EntryId,
    /// The entry of the policy in force.
    pub policy: EntryId,
}

/// An alert as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAlert {
    /// Its entry of the chain.
    pub entry: EntryId,
    /// Its place in the entry, from 1.
    pub place: u32,
    /// When it was recorded.
    pub at: Timestamp,
    /// The alert.
    pub alert: Alert,
}

const INSERT: &str = "INSERT INTO alert (entry, place, budget, scope, measure, subject, first_day, last_day, threshold, stated, \
    figure, seen, policy) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const ALL: &str = "SELECT a.budget, a.scope, a.measure, a.subject, a.first_day, a.last_day, a.threshold, a.stated, a.figure, \
    a.seen, a.policy, a.entry, a.place, e.at FROM alert a JOIN entry e ON e.seq = a.entry ORDER BY a.entry, a.place";

impl Transaction<'_> {
    /// Appends alerts as one entry, in their order, which are their places from 1. Returns the entry.
    pub fn append_alerts(&self, alerts: &[Alert], now: Timestamp, actor: &str) -> Result<EntryId> {
        let connection = self.connection();
        let recorded = payload(alerts);
        chain::append(connection, &FACT, Signed { now, actor }, &recorded, |entry| {
            let mut statement = connection.prepare_cached(INSERT)?;
            for (place, Alert { key, figure, seen, policy }) in (1_u32..).zip(alerts) {
                let AlertKey { budget, scope, measure, subject, first_day, last_day, threshold, stated } = key;
                let (first, last) = (first_day.number(), last_day.number());
                statement.execute(rusqlite::params![
                    entry, place, budget, scope, measure, subject, first, last, threshold, stated, figure, seen, policy
                ])?;
            }
            Ok(())
        })
    }

    /// Every alert, as this transaction sees them, in the order of entries and places.
    pub fn alerts(&self) -> Result<Vec<StoredAlert>> {
        seals::guard_facts(self.connection(), &FACT)?;
        all(self.connection())
    }
}

impl Snapshot<'_> {
    /// Every alert, in the order of entries and places.
    pub fn alerts(&self) -> Result<Vec<StoredAlert>> {
        self.prove_kind(&FACT)?;
        self.prove_entries()?;
        all(self.connection())
    }
}

fn all(connection: &Connection) -> Result<Vec<StoredAlert>> {
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(StoredAlert {
            entry: row.get(11)?,
            place: row.get(12)?,
            at: chain::instant(row.get(13)?)?,
            alert: alert(row)?,
        });
    }
    Ok(alerts)
}

fn alert(row: &Row<'_>) -> Result<Alert> {
    let key = AlertKey {
        budget: row.get(0)?,
        scope: row.get(1)?,
        measure: row.get(2)?,
        subject: row.get(3)?,
        first_day: values::day(row.get(4)?)?,
        last_day: values::day(row.get(5)?)?,
        threshold: fits(row.get(6)?, "threshold")?,
        stated: row.get(7)?,
    };
    Ok(Alert { key, figure: row.get(8)?, seen: row.get(9)?, policy: row.get(10)? })
}

/// The payloads of all alerts by entry, computed from the table. Their places must follow each other from 1.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let mut by_entry: BTreeMap<EntryId, Vec<Alert>> = BTreeMap::new();
    let mut payloads = Payloads::default();
    for StoredAlert { entry, place, alert, .. } in rows_of_entries(connection)? {
        let of_entry = by_entry.entry(entry).or_default();
        of_entry.push(alert);
        if usize::try_from(place) != Ok(of_entry.len()) {
            payloads.stray(format!("alert {entry}.{place} is not at its place"));
        }
    }
    for (entry, alerts) in by_entry {
        payloads.insert(entry, payload(&alerts));
    }
    Ok(payloads)
}

const ROWS: &str = "SELECT budget, scope, measure, subject, first_day, last_day, threshold, stated, figure, seen, policy, entry, \
    place FROM alert ORDER BY entry, place";

/// Every alert, also of an entry that does not exist.
fn rows_of_entries(connection: &Connection) -> Result<Vec<StoredAlert>> {
    let mut statement = connection.prepare_cached(ROWS)?;
    let mut rows = statement.query([])?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        let (entry, place, at) = (row.get(11)?, row.get(12)?, Timestamp::EARLIEST);
        alerts.push(StoredAlert { entry, place, at, alert: alert(row)? });
    }
    Ok(alerts)
}

fn payload(alerts: &[Alert]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.count(alerts.len());
    for Alert { key, figure, seen, policy } in alerts {
        encoder.text(&key.budget).text(&key.scope).text(&key.measure).text(&key.subject);
        encoder.i64(key.first_day.number().into()).i64(key.last_day.number().into()).i64(key.threshold.into());
        encoder.text(&key.stated).text(figure).i64(seen.number()).i64(policy.number());
    }
    encoder.into_bytes()
}
