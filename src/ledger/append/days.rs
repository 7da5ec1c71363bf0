//! The days that an import comes to: how many events each has, in which halves, and so where the next ones go.
//!
//! The hashes of a day that was empty before the import are known in a filter, so most new events are known to be new
//! without a look into the table.

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

/// An event goes to the side half of a day that has more than so many for each that comes with it: few of them fall on
/// the same page. So a day has that many in its main half before any in its side half.
const LATE_FACTOR: usize = 32;

/// The memory that filters may take: that of some fifteen million events.
const FILTER_BYTES: usize = 32 << 20;

pub(in crate::ledger) struct Days<'w> {
    connection: &'w Connection,
    any: CachedStatement<'w>,
    /// Whether rows stand that no sum counts.
    retracted: bool,
    known: FxHashMap<Day, Known>,
    /// The days with events in their side half.
    aside: FxHashSet<Day>,
}

/// What is known of a day, the events of this import included.
enum Known {
    /// How many events it has.
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

    /// Looks at how many events a day has, before any are added to it.
    pub(in crate::ledger) fn begin(&mut self, day: Day) -> Result<()> {
        self.forget_far_from(day);
        if self.known.contains_key(&day) {
            return Ok(());
        }
        let (first, last) = EventKey::range_of(day);
        // Rows that were taken back are in no sum, and stand there all the same.
        let events: i64 = if self.retracted {
            self.connection.query_row(ROWS_OF_DAY, [first.number(), last.number()], |row| row.get(0))?
        } else {
            self.connection.query_row(EVENTS_OF_DAY, [day.number()], |row| row.get(0))?
        };
        let events = usize::try_from(events).unwrap_or(0);
        // Of an empty day all hashes are known from the start.
        let known = if events == 0 { Known::Hashes(HashFilter::default()) } else { Known::Events(events) };
        self.known.insert(day, known);
        let (first, last) = EventKey::range_of_half(day, Half::Aside);
        if events > 0 && self.any.exists([first.number(), last.number()])? {
            self.aside.insert(day);
        }
        Ok(())
    }

    /// Once filters take much memory, those of days that are not near are given up.
    fn forget_far_from(&mut self, day: Day) {
        let bytes = |known: &Known| if let Known::Hashes(filter) = known { filter.bytes() } else { 0 };
        if self.known.values().map(bytes).sum::<usize>() < FILTER_BYTES {
            return;
        }
        for (other, known) in &mut self.known {
            if let Known::Hashes(filter) = known
                && other.number().abs_diff(day.number()) > 2
                && filter.len() > 0
            {
                *known = Known::Events(filter.len());
            }
        }
    }

    /// How many events a day has that was begun.
    pub(in crate::ledger) fn events(&self, day: Day) -> usize {
        match self.known.get(&day) {
            Some(Known::Events(events)) => *events,
            Some(Known::Hashes(filter)) => filter.len(),
            None => 0,
        }
    }

    /// The halves of a day that was begun and has events.
    pub(in crate::ledger) fn halves(&self, day: Day) -> &'static [Half] {
        match (self.events(day), self.aside.contains(&day)) {
            (0, _) => &[],
            (_, false) => &[Half::Main],
            (_, true) => &Half::BOTH,
        }
    }

    /// The half of a day that was begun where so many new events go.
    pub(in crate::ledger) fn half_for(&self, day: Day, rows: usize) -> Half {
        if rows.saturating_mul(LATE_FACTOR) <= self.events(day) { Half::Aside } else { Half::Main }
    }

    /// Whether a hash is certainly on no event of a day that was appended before this batch.
    pub(in crate::ledger) fn lacks(&self, key: EventKey) -> bool {
        matches!(self.known.get(&key.day()), Some(Known::Hashes(filter)) if !filter.may_hold(key.hash()))
    }

    /// Counts new events of a day.
    pub(in crate::ledger) fn appended(&mut self, day: Day, keys: impl ExactSizeIterator<Item = EventKey> + Clone) {
        if keys.clone().any(|key| key.half() == Half::Aside) {
            self.aside.insert(day);
        }
        match self.known.get_mut(&day) {
            Some(Known::Hashes(filter)) => filter.extend(keys.map(EventKey::hash)),
            Some(Known::Events(events)) => events.more(keys.len()),
            None => {}
        }
    }
}
