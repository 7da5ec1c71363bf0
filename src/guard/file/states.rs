//! The state of a counter in the guard file.

use super::decide::Moment;
use crate::control::breaker::{BreakerCounter, Probe, State as Phase};
use crate::control::bucket::{Bucket, Flow};
use crate::control::decide::State;
use crate::control::enforced::{Enforced, Form};
use crate::control::limit::{Breaker, Per};
use crate::control::period::{containing, forward};
use crate::control::window::Window;
use crate::domain::calendar::Day;
use crate::domain::timestamp::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

const NANOS: i64 = 1_000_000_000;

/// A day counts what was granted on it for a while. Afterwards the ledger's figure alone counts.
const USED: &str = "SELECT CASE WHEN cell < ?4 THEN posted ELSE granted END, CASE WHEN cell < ?4 THEN 0 ELSE extra END \
    FROM cell WHERE counter = ?1 AND cell BETWEEN ?2 AND ?3";
const GRANT: &str = "INSERT INTO cell (counter, cell, source, granted) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT DO UPDATE SET \
    granted = CASE WHEN granted > 9223372036854775807 - excluded.granted THEN 9223372036854775807 ELSE granted + excluded.granted END";
const GIVE_BACK: &str = "UPDATE cell SET granted = MAX(granted - ?4, 0), extra = MAX(extra, posted - MAX(granted - ?4, 0)) \
    WHERE counter = ?1 AND cell = ?2 AND source = ?3";
const SLICES: &str = "SELECT cell, granted FROM cell WHERE counter = ?1";
const SLICE: &str = "INSERT INTO cell (counter, cell, source, granted) VALUES (?1, ?2, '', ?3) \
    ON CONFLICT DO UPDATE SET granted = excluded.granted";
const NO_SLICE: &str = "DELETE FROM cell WHERE counter = ?1 AND cell = ?2";
const NO_LATER_SLICE: &str = "DELETE FROM cell WHERE counter = ?1 AND cell > ?2";
const PHASE: &str = "SELECT state, since, round, cleared FROM breaker WHERE counter = ?1";
const PROBES: &str = "SELECT until, passed FROM probe WHERE counter = ?1 ORDER BY place";
const KEEP_PHASE: &str = "INSERT INTO breaker (counter, state, since, round, cleared) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET state = excluded.state, since = excluded.since, round = excluded.round, \
    cleared = excluded.cleared";
const BUCKET: &str = "SELECT base, full FROM bucket WHERE counter = ?1";
const KEEP_BUCKET: &str = "INSERT INTO bucket (counter, base, full) VALUES (?1, ?2, ?3) \
    ON CONFLICT DO UPDATE SET base = excluded.base, full = excluded.full";

/// The days that count together with a day.
pub(super) fn days(per: Per, day: Day) -> (Day, Day) {
    let period = containing(per, day);
    (period.first(), period.last())
}

/// The state of a counter; that of a new one without a number.
pub(super) fn load(
    connection: &Connection,
    id: Option<i64>,
    limit: &Enforced,
    moment: &Moment<'_>,
) -> rusqlite::Result<State> {
    match &limit.form {
        Form::Period { per, .. } => {
            let (first, last) = days(*per, moment.day());
            let used = match id {
                Some(id) => {
                    let parameters = (id, first.number(), last.number(), moment.first_granted().number());
                    used(connection, parameters)?
                }
                None => 0,
            };
            Ok(State::Period { used, ends: moment.calendar.start_of(forward(last, 1)) })
        }
        Form::Bucket { flow, .. } => Ok(State::Bucket(bucket(connection, id, *flow)?)),
        Form::Breaker(breaker) => {
            let mut counter = self::breaker(connection, id, breaker)?;
            counter.bring_back(breaker, moment.now);
            Ok(State::Breaker(counter))
        }
    }
}

/// The sum of what days used; at most what a counter holds.
fn used(connection: &Connection, parameters: (i64, u16, u16, u16)) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(USED)?;
    let mut rows = statement.query(parameters)?;
    let mut sum = 0_i64;
    while let Some(row) = rows.next()? {
        sum = sum.saturating_add(row.get(0)?).saturating_add(row.get(1)?);
    }
    Ok(sum)
}

fn bucket(connection: &Connection, id: Option<i64>, flow: Flow) -> rusqlite::Result<Bucket> {
    let Some(id) = id else { return Ok(Bucket::default()) };
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let known: Option<(i64, i64)> = connection.prepare_cached(BUCKET)?.query_row([id], row).optional()?;
    Ok(match known {
        None => Bucket::default(),
        // It was emptied then.
        Some((base, -1)) => Bucket::empty(flow, Timestamp::from_nanos(base).unwrap_or(Timestamp::LATEST)),
        Some(full) => Bucket::full_again(full),
    })
}

fn breaker(connection: &Connection, id: Option<i64>, breaker: &Breaker) -> rusqlite::Result<BreakerCounter> {
    let Some(id) = id else { return Ok(BreakerCounter::new(breaker)) };
    let empty = Window::new(breaker.window);
    let mut used = BTreeMap::new();
    let mut statement = connection.prepare_cached(SLICES)?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        let start = Timestamp::from_nanos(row.get::<_, i64>(0)?.saturating_mul(NANOS)).unwrap_or(Timestamp::LATEST);
        let slot = used.entry(empty.number(start)).or_insert(0_i64);
        *slot = slot.saturating_add(row.get(1)?);
    }
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let known: Option<(i64, i64, i64, i64)> = connection.prepare_cached(PHASE)?.query_row([id], row).optional()?;
    let (phase, since, round, cleared) = known.unwrap_or_default();
    let phase = match phase {
        0 => Phase::Closed,
        1 => Phase::Open { since: Timestamp::from_nanos(since).unwrap_or(Timestamp::LATEST) },
        _ => {
            let mut statement = connection.prepare_cached(PROBES)?;
            let probe = |row: &rusqlite::Row<'_>| {
                let until = Timestamp::from_nanos(row.get(0)?).unwrap_or(Timestamp::LATEST);
                Ok(Probe { until, passed: row.get(1)? })
            };
            Phase::HalfOpen { probes: statement.query_map([id], probe)?.collect::<rusqlite::Result<_>>()? }
        }
    };
    Ok(BreakerCounter::with(
        phase,
        u64::try_from(round).unwrap_or(0),
        Window::with(breaker.window, used),
        Timestamp::from_nanos(cleared),
    ))
}

/// Writes what changed of a counter.
pub(super) fn store(
    connection: &Connection,
    id: i64,
    before: &State,
    after: &State,
    moment: &Moment<'_>,
) -> rusqlite::Result<()> {
    match (before, after) {
        (State::Period { used: before, .. }, State::Period { used: after, .. }) if before != after => {
            let granted = after.saturating_sub(*before);
            grant(connection, id, moment.day(), moment.source, granted)
        }
        (State::Bucket(before), State::Bucket(after)) if before != after => {
            let (base, full) = after.full_at();
            connection.prepare_cached(KEEP_BUCKET)?.execute((id, base, full))?;
            Ok(())
        }
        (State::Breaker(before), State::Breaker(after)) if before != after => {
            store_slices(connection, id, before.window(), after.window())?;
            store_phase(connection, id, before, after)
        }
        _ => Ok(()),
    }
}

/// Adds units to a day of a source.
pub(super) fn grant(connection: &Connection, id: i64, day: Day, source: &str, units: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(GRANT)?.execute((id, day.number(), source, units))?;
    Ok(())
}

/// Takes units from a day of a source that were not used.
pub(super) fn give_back(connection: &Connection, id: i64, day: Day, source: &str, units: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(GIVE_BACK)?.execute((id, day.number(), source, units))?;
    Ok(())
}

fn store_slices(connection: &Connection, id: i64, before: &Window, after: &Window) -> rusqlite::Result<()> {
    let start = |slice: i64| after.bounds(slice).0.div_euclid(NANOS);
    // If the clock was set back, the units of later slices count in an earlier one now.
    let last = after.slices().keys().next_back().map_or(i64::MIN, |slice| start(*slice));
    connection.prepare_cached(NO_LATER_SLICE)?.execute((id, last))?;
    for slice in before.slices().keys().filter(|slice| !after.slices().contains_key(slice)) {
        connection.prepare_cached(NO_SLICE)?.execute((id, start(*slice)))?;
    }
    for (slice, used) in after.slices().iter().filter(|(slice, used)| before.slices().get(slice) != Some(*used)) {
        connection.prepare_cached(SLICE)?.execute((id, start(*slice), used))?;
    }
    Ok(())
}

fn store_phase(
    connection: &Connection,
    id: i64,
    before: &BreakerCounter,
    after: &BreakerCounter,
) -> rusqlite::Result<()> {
    let is_same = before.phase() == after.phase() && before.round() == after.round();
    if is_same && before.cleared() == after.cleared() {
        return Ok(());
    }
    let (number, since) = match after.phase() {
        Phase::Closed => (0, 0),
        Phase::Open { since } => (1, since.nanos()),
        Phase::HalfOpen { .. } => (2, 0),
    };
    let round = i64::try_from(after.round()).unwrap_or(i64::MAX);
    connection.prepare_cached(KEEP_PHASE)?.execute((
        id,
        number,
        since,
        round,
        after.cleared().map_or(0, Timestamp::nanos),
    ))?;
    connection.prepare_cached("DELETE FROM probe WHERE counter = ?1")?.execute([id])?;
    let Phase::HalfOpen { probes } = after.phase() else { return Ok(()) };
    let insert = "INSERT INTO probe (counter, place, until, passed) VALUES (?1, ?2, ?3, ?4)";
    for (place, probe) in (0_i64..).zip(probes) {
        connection.prepare_cached(insert)?.execute((id, place, probe.until.nanos(), probe.passed))?;
    }
    Ok(())
}
