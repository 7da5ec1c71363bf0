//! What the ledger has recorded, as the guard file knows it.
//!
//! A day of a source counts what was granted, and the most by which the ledger ever had more. So a request counts once: before, while and
//! after its record comes in.

use super::decide::{Moment, find, start};
use super::{GuardFile, GuardFileError, clock};
use crate::control::enforced::Enforced;
use crate::control::period::back;
use crate::domain::calendar::Day;
use crate::domain::number::EntryId;
use rusqlite::{Connection, TransactionBehavior};
use rustc_hash::FxHashMap;

/// Tallies older than this many minutes are deleted: a week.
const TALLIES: i64 = 10_080;

/// Days for which a cell is kept.
const KEPT: usize = 2 * 366;

/// A process that was not seen for a day is forgotten.
const FORGOTTEN: i64 = 86_400 * 1_000_000_000;

const CELLS: &str =
    "SELECT counter, cell, source, posted FROM cell JOIN counter ON counter.id = counter WHERE form = 1 AND cell >= ?1";
const POST: &str = "INSERT INTO cell (counter, cell, source, posted, extra) VALUES (?1, ?2, ?3, ?4, MAX(?4, 0)) \
    ON CONFLICT DO UPDATE SET posted = excluded.posted, \
    extra = MAX(excluded.posted - granted, extra - MAX(posted - excluded.posted, 0), 0)";

/// What the ledger has of a source on a day, in units of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted<'a> {
    /// The limit.
    pub limit: &'a Enforced,
    /// The value that the counter is for; empty if the limit has one counter.
    pub value: &'a str,
    /// The billing day.
    pub day: Day,
    /// The source.
    pub source: &'a str,
    /// The units, rounded up.
    pub units: i64,
}

/// The state of the ledger that the file knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The last entry.
    pub head: EntryId,
    /// Its hash.
    pub hash: Vec<u8>,
    /// The entry of the policy whose counters were filled.
    pub policy: EntryId,
}

impl GuardFile {
    /// The state of the ledger that the file knows.
    pub fn seen(&self) -> Result<Seen, GuardFileError> {
        Ok(seen(&self.connection)?)
    }

    /// Posts what the ledger has from a day on, the first of all open periods. `before` is what the file knew when the ledger was read. If
    /// another process has posted a newer state since then, nothing happens. Days before that stay for two years: the clock may be set back.
    pub fn post(
        &mut self,
        posted: &[Posted<'_>],
        state: &Seen,
        before: &Seen,
        first: Day,
        moment: &Moment<'_>,
    ) -> Result<(), GuardFileError> {
        self.check_place()?;
        self.sync_for(posted.iter().map(|posted| posted.limit))?;
        let boot = self.boot.clone();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = clock::settle(&transaction, moment.now, boot.as_deref())?;
        let known = seen(&transaction)?;
        if known != *before && known.head > state.head {
            return Ok(());
        }
        let mut cells = cells(&transaction, first)?;
        for (cell, units) in sums(&transaction, posted)? {
            if cells.remove(&cell) != Some(units) {
                transaction.prepare_cached(POST)?.execute((cell.0, cell.1, &cell.2, units))?;
            }
        }
        for (cell, _) in cells.into_iter().filter(|(_, units)| *units != 0) {
            transaction.prepare_cached(POST)?.execute((cell.0, cell.1, &cell.2, 0))?;
        }
        let old = "DELETE FROM cell WHERE cell < ?1 AND counter IN (SELECT id FROM counter WHERE form = 1)";
        transaction.execute(old, [i64::from(back(moment.calendar.day_of(now), KEPT).number())])?;
        forget(&transaction, now.seconds().div_euclid(60), now.nanos())?;
        transaction.execute(
            "UPDATE guard SET head = ?1, head_hash = ?2, policy = ?3",
            (state.head.number(), &state.hash, state.policy.number()),
        )?;
        transaction.commit()?;
        Ok(())
    }
}

fn seen(connection: &Connection) -> rusqlite::Result<Seen> {
    connection.query_row("SELECT head, head_hash, policy FROM guard", [], |row| {
        Ok(Seen { head: EntryId::new(row.get(0)?), hash: row.get(1)?, policy: EntryId::new(row.get(2)?) })
    })
}

/// A counter's day of a source.
type Cell = (i64, u16, String);

/// What the file knows of the ledger from a day on.
fn cells(connection: &Connection, first: Day) -> rusqlite::Result<FxHashMap<Cell, i64>> {
    let mut statement = connection.prepare(CELLS)?;
    let cell = |row: &rusqlite::Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?));
    statement.query_map([first.number()], cell)?.collect()
}

/// The units by counter, day and source. Counters that have not started start. Values beyond the most that a limit counts come together.
fn sums(connection: &Connection, posted: &[Posted<'_>]) -> rusqlite::Result<FxHashMap<Cell, i64>> {
    let mut ids: FxHashMap<(&str, &str, &str), i64> = FxHashMap::default();
    let mut sums = FxHashMap::default();
    for one in posted {
        let key = (one.limit.common.name.as_str(), one.limit.bound.measure.name(), one.value);
        let id = match ids.get(&key) {
            Some(id) => *id,
            None => match find(connection, one.limit, one.value)? {
                Some(id) => id,
                None => start(connection, one.limit, one.value)?,
            },
        };
        ids.insert(key, id);
        let slot = sums.entry((id, one.day.number(), one.source.to_owned())).or_insert(0_i64);
        *slot = slot.saturating_add(one.units);
    }
    Ok(sums)
}

fn forget(connection: &Connection, minute: i64, now: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM tally WHERE minute < ?1", [minute.saturating_sub(TALLIES)])?;
    let before = now.saturating_sub(FORGOTTEN);
    connection.execute("DELETE FROM lease WHERE holder IN (SELECT id FROM holder WHERE seen < ?1)", [before])?;
    connection.execute("DELETE FROM holder WHERE seen < ?1", [before])?;
    Ok(())
}
