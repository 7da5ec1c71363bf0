//! The same id on the day before or after: an event exported once in local time and once in UTC.
//!
//! Events are keyed by day, so another day's row of the same id has another key. For every new event the hashes of the
//! neighbouring days are looked at: by walking along them when many events are new, by single probes when few are.
//! Days that were empty before and are not in the batch cost nothing. A hash that is found is only a suspicion.

use crate::domain::batch::{Batch, Row};
use crate::domain::calendar::Day;
use crate::domain::key::EventKey;
use crate::ledger::Result;
use rusqlite::{Connection, OptionalExtension, Statement};
use rustc_hash::FxHashMap;

const EVENTS_OF_DAY: &str = "SELECT coalesce(sum(events), 0) FROM usage_daily WHERE day = ?1";
const PROBE: &str = "SELECT 1 FROM usage_event WHERE key = ?1";
const WALK: &str = "SELECT key FROM usage_event WHERE key BETWEEN ?1 AND ?2 ORDER BY key";

/// Walking along a day costs about an eighth of a probe a row.
const WALK_FACTOR: i64 = 8;

pub(super) struct Neighbours<'w> {
    connection: &'w Connection,
    probe: Statement<'w>,
    walk: Statement<'w>,
    /// Events of a day, those of this import included.
    events: FxHashMap<Day, i64>,
}

impl<'w> Neighbours<'w> {
    pub(super) fn new(connection: &'w Connection) -> Result<Self> {
        let (probe, walk) = (connection.prepare(PROBE)?, connection.prepare(WALK)?);
        Ok(Self { connection, probe, walk, events: FxHashMap::default() })
    }

    /// Tells of new events of a day.
    pub(super) fn appended(&mut self, day: Day, events: i64) {
        // The sum in the ledger holds them already when the day is asked for the first time after this.
        if let Some(known) = self.events.get_mut(&day) {
            *known += events;
        }
    }

    fn events(&mut self, day: Day) -> Result<i64> {
        if let Some(events) = self.events.get(&day) {
            return Ok(*events);
        }
        let events = self.connection.query_row(EVENTS_OF_DAY, [day.number()], |row| row.get(0))?;
        self.events.insert(day, events);
        Ok(events)
    }

    /// The new rows of a day whose hash stands on a neighbouring day as well, with that day.
    pub(super) fn suspects<'r>(&mut self, _batch: &Batch, day: Day, fresh: &[&'r Row]) -> Result<Vec<(&'r Row, Day)>> {
        let mut suspects = Vec::new();
        if fresh.is_empty() {
            return Ok(suspects);
        }
        let rows = i64::try_from(fresh.len()).unwrap_or(i64::MAX);
        for near in [day.previous(), day.next()].into_iter().flatten() {
            let events = self.events(near)?;
            if events == 0 {
                continue;
            }
            if events / WALK_FACTOR <= rows {
                self.walk_along(near, fresh, &mut suspects)?;
            } else {
                for row in fresh {
                    let found: Option<i64> =
                        self.probe.query_row([row.key.on(near).number()], |row| row.get(0)).optional()?;
                    suspects.extend(found.map(|_| (*row, near)));
                }
            }
        }
        Ok(suspects)
    }

    /// Both the day's keys and the new rows are sorted by hash: one pass along both.
    fn walk_along<'r>(&mut self, near: Day, fresh: &[&'r Row], suspects: &mut Vec<(&'r Row, Day)>) -> Result<()> {
        let (first, last) = EventKey::range_of(near);
        let mut stored = self.walk.query([first.number(), last.number()])?;
        let mut rows = fresh.iter().peekable();
        while let Some(found) = stored.next()? {
            let key: i64 = found.get(0)?;
            while rows.next_if(|row| row.key.on(near).number() < key).is_some() {}
            while let Some(row) = rows.next_if(|row| row.key.on(near).number() == key) {
                suspects.push((row, near));
            }
            if rows.peek().is_none() {
                break;
            }
        }
        Ok(())
    }
}
