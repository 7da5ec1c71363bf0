//! The same id on the day before or after: an event exported once in local time and once in UTC.
//!
//! Events are keyed by day, so another day's row of the same id has another key. For every new event the hashes of the
//! neighbouring days are looked at: in a filter over a day's hashes where many events are new, by single probes where
//! few are. Days without events cost nothing. A hash that is found is only a suspicion.
//!
//! Here it is known, too, which halves of a day have events, and so where the next ones go.

use crate::domain::batch::Row;
use crate::domain::calendar::Day;
use crate::domain::key::{EventKey, Half};
use crate::ledger::Result;
use crate::ledger::hash_filter::HashFilter;
use rusqlite::{Connection, Statement};
use rustc_hash::{FxHashMap, FxHashSet};

const EVENTS_OF_DAY: &str = "SELECT coalesce(sum(events), 0) FROM usage_daily WHERE day = ?1";
const PROBE: &str = "SELECT 1 FROM usage_event WHERE key = ?1";
const WALK: &str = "SELECT key FROM usage_event WHERE key BETWEEN ?1 AND ?2";

/// An event goes to the late half of a day that has more than so many for each that comes with it: few of them fall on
/// the same page. So a day has that many in its main half before any in its late half.
const LATE_FACTOR: usize = 32;

/// Walking along a day to fill a filter costs about an eighth of a probe a row.
const WALK_FACTOR: i64 = 8;

/// The memory that filters may take: that of some fifteen million events.
const FILTER_BYTES: usize = 32 << 20;

pub(super) struct Neighbours<'w> {
    connection: &'w Connection,
    probe: Statement<'w>,
    walk: Statement<'w>,
    any_late: Statement<'w>,
    days: FxHashMap<Day, Known>,
    /// The days with events in their late half.
    late: FxHashSet<Day>,
}

/// What is known of a day, the events of this import included.
enum Known {
    /// How many events it has.
    Events(i64),
    /// The hashes of all its events.
    Hashes(HashFilter),
}

impl<'w> Neighbours<'w> {
    pub(super) fn new(connection: &'w Connection) -> Result<Self> {
        let (probe, walk, any_late) =
            (connection.prepare(PROBE)?, connection.prepare(WALK)?, connection.prepare(WALK)?);
        Ok(Self { connection, probe, walk, any_late, days: FxHashMap::default(), late: FxHashSet::default() })
    }

    /// Looks at how many events a day has, before any are added to it.
    pub(super) fn begin(&mut self, day: Day) -> Result<()> {
        self.forget_far_from(day);
        for near in [day.previous(), Some(day), day.next()].into_iter().flatten() {
            if !self.days.contains_key(&near) {
                let events: i64 = self.connection.query_row(EVENTS_OF_DAY, [near.number()], |row| row.get(0))?;
                // Of an empty day all hashes are known from the start.
                let known = if events == 0 { Known::Hashes(HashFilter::default()) } else { Known::Events(events) };
                self.days.insert(near, known);
                let (first, last) = EventKey::range_of_half(near, Half::Late);
                if events > 0 && self.any_late.exists([first.number(), last.number()])? {
                    self.late.insert(near);
                }
            }
        }
        Ok(())
    }

    /// Once filters take much memory, those of days that are not near are given up: they can be filled again.
    fn forget_far_from(&mut self, day: Day) {
        let bytes = |known: &Known| if let Known::Hashes(filter) = known { filter.bytes() } else { 0 };
        if self.days.values().map(bytes).sum::<usize>() < FILTER_BYTES {
            return;
        }
        for (other, known) in &mut self.days {
            if let Known::Hashes(filter) = known
                && other.number().abs_diff(day.number()) > 2
            {
                *known = Known::Events(i64::try_from(filter.len()).unwrap_or(i64::MAX));
            }
        }
    }

    /// How many events a day has that was begun.
    pub(super) fn events(&self, day: Day) -> usize {
        match self.days.get(&day) {
            Some(Known::Events(events)) => usize::try_from(*events).unwrap_or(0),
            Some(Known::Hashes(filter)) => filter.len(),
            None => 0,
        }
    }

    /// The halves of a day that was begun and has events.
    pub(super) fn halves(&self, day: Day) -> &'static [Half] {
        match (self.events(day), self.late.contains(&day)) {
            (0, _) => &[],
            (_, false) => &[Half::Main],
            (_, true) => &Half::BOTH,
        }
    }

    /// The half of a day that was begun where so many new events go.
    pub(super) fn half_for(&self, day: Day, rows: usize) -> Half {
        if rows.saturating_mul(LATE_FACTOR) <= self.events(day) { Half::Late } else { Half::Main }
    }

    /// Whether a hash is certainly on no event of a day that was appended before this batch.
    pub(super) fn lacks(&self, key: EventKey) -> bool {
        matches!(self.days.get(&key.day()), Some(Known::Hashes(filter)) if !filter.may_hold(key.hash()))
    }

    /// The new rows of a day whose hash may stand on a neighbouring day as well, with that day.
    pub(super) fn suspects<'r>(&mut self, day: Day, fresh: &[&'r Row]) -> Result<Vec<(&'r Row, Day)>> {
        let mut suspects = Vec::new();
        let rows = i64::try_from(fresh.len()).unwrap_or(i64::MAX);
        for near in [day.previous(), day.next()].into_iter().flatten() {
            if let Some(Known::Events(events)) = self.days.get(&near)
                && events / WALK_FACTOR <= rows
            {
                let filter = self.filled(near)?;
                self.days.insert(near, Known::Hashes(filter));
            }
            let halves = self.halves(near);
            let filter = match self.days.get(&near) {
                Some(Known::Hashes(filter)) => Some(filter),
                _ => None,
            };
            for row in fresh.iter().filter(|row| filter.is_none_or(|filter| filter.may_hold(row.key.hash()))) {
                for half in halves {
                    if self.probe.exists([row.key.on(near).in_half(*half).number()])? {
                        suspects.push((*row, near));
                        break;
                    }
                }
            }
        }
        Ok(suspects)
    }

    fn filled(&mut self, day: Day) -> Result<HashFilter> {
        let mut hashes = Vec::new();
        let (first, last) = EventKey::range_of(day);
        let mut keys = self.walk.query([first.number(), last.number()])?;
        while let Some(row) = keys.next()? {
            let key: i64 = row.get(0)?;
            hashes.extend(EventKey::from_number(key).map(EventKey::hash));
        }
        let mut filter = HashFilter::default();
        filter.extend(hashes.into_iter());
        Ok(filter)
    }

    /// Counts new events of a day.
    pub(super) fn appended(&mut self, day: Day, keys: impl ExactSizeIterator<Item = EventKey> + Clone) {
        if keys.clone().any(|key| key.half() == Half::Late) {
            self.late.insert(day);
        }
        match self.days.get_mut(&day) {
            Some(Known::Hashes(filter)) => filter.extend(keys.map(EventKey::hash)),
            Some(Known::Events(events)) => *events += i64::try_from(keys.len()).unwrap_or(i64::MAX),
            None => {}
        }
    }
}
