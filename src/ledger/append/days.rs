//! The days of an import: how many events each has and in which halves, which decides where new ones go.
//!
//! A filter knows the hashes of a day that was empty before the import. So most new events are known to be new without
//! a look into the table.

use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::ledger::Result;
use crate::ledger::append::hash_filter::HashFilter;
use crate::ledger::file::retracted::Retracted;
use crate::rows::key::{EventKey, Half};
use rusqlite::{CachedStatement, Connection};
use rustc_hash::{FxHashMap, FxHashSet};

const EVENTS_OF_DAY: &str = "SELECT coalesce(sum(events), 0) FROM usage_daily WHERE day = ?1";
const ROWS_OF_DAY: &str = "SELECT count(*) FROM usage_event WHERE key BETWEEN ?1 AND ?2";
const ANY: &str = "SELECT 1 FROM usage_event WHERE key BETWEEN ?1 AND ?2";

/// New events go to the side half if the day has more than this many for each of them, because few of them would share
/// a page. So a day has at least this many in its main half before any go to its side half.
const LATE_FACTOR: usize = 32;

/// The memory for filters, enough for about fifteen million events.
const FILTER_BYTES: usize = 32 << 20;

pub(in crate::ledger) struct Days<'w> {
    connection: &'w Connection,
    any: CachedStatement<'w>,
    /// Whether the ledger has rows that no total counts.
    retracted: bool,
    known: FxHashMap<Day, KnownOfDay>,
    /// The days with events in their side half.
    aside: FxHashSet<Day>,
}

/// What is known of a day, including the events of this import.
enum KnownOfDay {
    /// The number of its events.
    Events(usize),
    /// The hashes of all its events.
    Hashes(HashFilter),
}

impl<'w> Days<'w> {
    pub(in crate::ledger) fn new(connection: &'w Connection, retracted: &Retracted) -> Result<Self> {
        let any = connection.prepare_cached(ANY)?;
        let (known, aside) = (FxHashMap::default(), FxHashSet::default());
        Ok(Self { connection, any, retracted: !retracted.is_empty(), known, aside })
    }

    /// Reads how many events a day has. Call it before adding any to the day.
    pub(in crate::ledger) fn begin(&mut self, day: Day) -> Result<()> {
        self.forget_far_from(day);
        if self.known.contains_key(&day) {
            return Ok(());
        }
        let (first, last) = EventKey::range_of(day);
        // Retracted rows are in no total, but they are stored.
        let events: i64 = if self.retracted {
            self.connection.query_row(ROWS_OF_DAY, [first.number(), last.number()], |row| row.get(0))?
        } else {
            self.connection.query_row(EVENTS_OF_DAY, [day.number()], |row| row.get(0))?
        };
        let events = usize::try_from(events).unwrap_or(0);
        // All hashes of an empty day are known from the start.
        let known = if events == 0 { KnownOfDay::Hashes(HashFilter::default()) } else { KnownOfDay::Events(events) };
        self.known.insert(day, known);
        let (first, last) = EventKey::range_of_half(day, Half::Aside);
        if events > 0 && self.any.exists([first.number(), last.number()])? {
            self.aside.insert(day);
        }
        Ok(())
    }

    /// If filters take too much memory, drops the filters of days that are not near.
    fn forget_far_from(&mut self, day: Day) {
        let bytes = |known: &KnownOfDay| if let KnownOfDay::Hashes(filter) = known { filter.bytes() } else { 0 };
        if self.known.values().map(bytes).sum::<usize>() < FILTER_BYTES {
            return;
        }
        for (other, known) in &mut self.known {
            if let KnownOfDay::Hashes(filter) = known
                && other.number().abs_diff(day.number()) > 2
                && filter.len() > 0
            {
                *known = KnownOfDay::Events(filter.len());
            }
        }
    }

    /// The number of events of a begun day.
    pub(in crate::ledger) fn events(&self, day: Day) -> usize {
        match self.known.get(&day) {
            Some(KnownOfDay::Events(events)) => *events,
            Some(KnownOfDay::Hashes(filter)) => filter.len(),
            None => 0,
        }
    }

    /// The halves of a begun day that have events.
    pub(in crate::ledger) fn halves(&self, day: Day) -> &'static [Half] {
        match (self.events(day), self.aside.contains(&day)) {
            (0, _) => &[],
            (_, false) => &[Half::Main],
            (_, true) => &Half::BOTH,
        }
    }

    /// The half of a begun day for this many new events.
    pub(in crate::ledger) fn half_for(&self, day: Day, rows: usize) -> Half {
        if rows.saturating_mul(LATE_FACTOR) <= self.events(day) { Half::Aside } else { Half::Main }
    }

    /// Whether certainly no event of a day had this hash before this batch.
    pub(in crate::ledger) fn lacks(&self, key: EventKey) -> bool {
        matches!(self.known.get(&key.day()), Some(KnownOfDay::Hashes(filter)) if !filter.may_hold(key.hash()))
    }

    /// Counts new events of a day.
    pub(in crate::ledger) fn appended(&mut self, day: Day, keys: impl ExactSizeIterator<Item = EventKey> + Clone) {
        if keys.clone().any(|key| key.half() == Half::Aside) {
            self.aside.insert(day);
        }
        match self.known.get_mut(&day) {
            Some(KnownOfDay::Hashes(filter)) => filter.extend(keys.map(EventKey::hash)),
            Some(KnownOfDay::Events(events)) => events.more(keys.len()),
            None => {}
        }
    }
}
