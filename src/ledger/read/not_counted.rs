//! Reads which rows do not count.

use crate::domain::calendar::Day;
use crate::ledger::Result;
use crate::ledger::file::retracted::Retracted;
use crate::rows::key::EventKey;
use rusqlite::Connection;

const BATCHES: &str = "SELECT b.id FROM retraction r JOIN import i ON i.id = r.import JOIN batch b ON b.import = i.id \
    WHERE r.whole = 1 AND i.first_day <= ?2 AND i.last_day >= ?1";
const KEYS: &str = "SELECT key FROM retracted_event WHERE key BETWEEN ?1 AND ?2";

impl Retracted {
    /// The rows that do not count, on the days from one key to another.
    pub(in crate::ledger) fn between(connection: &Connection, first: EventKey, last: EventKey) -> Result<Self> {
        let days = [i64::from(first.day().number()), i64::from(last.day().number())];
        let mut batches = connection.prepare_cached(BATCHES)?;
        let batches = batches.query_map(days, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut keys = connection.prepare_cached(KEYS)?;
        let range = [EventKey::range_of(first.day()).0.number(), EventKey::range_of(last.day()).1.number()];
        let keys = keys.query_map(range, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(Self { batches, keys })
    }

    /// The rows that do not count, on all days.
    pub(in crate::ledger) fn all(connection: &Connection) -> Result<Self> {
        Self::between(connection, EventKey::range_of(Day::FIRST).0, EventKey::range_of(Day::LAST).1)
    }
}
