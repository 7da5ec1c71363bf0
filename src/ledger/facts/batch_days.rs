//! The days of each batch. A batch's digest covers the digests of its days, so one day can be proved without the
//! others.

use crate::domain::number::BatchId;
use crate::domain::period::Month;
use crate::ledger::read::day_digest::DaySeal;
use crate::ledger::values;
use crate::ledger::{Result, chain, fits};
use crate::rows::canonical::Encoder;
use rusqlite::Connection;
use std::collections::BTreeMap;

const INSERT: &str = "INSERT INTO batch_day (batch, day, events, digest) VALUES (?1, ?2, ?3, ?4)";
const ALL: &str = "SELECT batch, day, events, digest FROM batch_day ORDER BY batch, day";
/// Stores the days of a batch.
pub(in crate::ledger) fn insert(connection: &Connection, batch: BatchId, days: &[DaySeal]) -> Result<()> {
    let mut statement = connection.prepare_cached(INSERT)?;
    for DaySeal { day, events, digest } in days {
        statement.execute((batch, day.number(), crate::ledger::stored(*events)?, &digest[..]))?;
    }
    Ok(())
}

/// The digest of a batch: over the digests of its days, and the month that all of them post to, if that is not their
/// own.
pub(in crate::ledger) fn batch_digest(source: &str, posted: Option<Month>, days: &[DaySeal]) -> [u8; 32] {
    let mut encoder = Encoder::new();
    encoder.text(source).optional_i64(posted.map(Month::code)).count(days.len());
    for day in days {
        encoder.i64(i64::from(day.day.number())).u64(day.events).blob(&day.digest);
    }
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 batch of events");
    hasher.update(encoder.as_bytes());
    *hasher.finalize().as_bytes()
}

/// The days of every batch, as stored.
pub(in crate::ledger) fn by_batch(connection: &Connection) -> Result<BTreeMap<BatchId, Vec<DaySeal>>> {
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut days: BTreeMap<BatchId, Vec<DaySeal>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let digest = chain::digest(&row.get::<_, Vec<u8>>(3)?)?;
        let events = fits(row.get(2)?, "a number of events")?;
        days.entry(row.get(0)?).or_default().push(DaySeal { day: values::day(row.get(1)?)?, events, digest });
    }
    Ok(days)
}
