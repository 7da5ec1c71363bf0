//! Rates the days of a period on all threads and gives them to their payers. Lines are folded into accumulators, not
//! kept.
//!
//! Each day is work for one thread. A thread has its own reader, prices and accumulator. Chance decides which thread
//! takes which day, so an accumulator may depend on the lines it receives but not on their order.
//!
//! A thread that reads a day compares its totals, or its events, with the day's seal. At the end, the seals of all days
//! are compared with the seals of their months.

use crate::aggregate::attributed::Attribution;
use crate::aggregate::from_events::{self, ReadBy};
use crate::aggregate::rated::LineRater;
use crate::aggregate::{AggregateError, Events, PriceChanges, from_daily};
use crate::attribute::Rules;
use crate::domain::calendar::Day;
use crate::domain::period::Period;
use crate::domain::usage::{Dictionary, UsageLine};
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::file::watch::Stage;
use crate::price::Book;
use crate::rating::RatedLine;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The source of usage. Both give the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The totals by day, or by month if days need not be distinguished.
    Sums,
    /// Every event.
    Events,
}

/// Everything needed to rate the days of a period.
#[derive(Debug)]
pub struct Rating<'a> {
    /// The prices.
    pub book: &'a Book,
    /// The instants at which prices change inside days.
    pub changes: PriceChanges<'a>,
    /// The names in the usage.
    pub names: &'a Dictionary,
    /// The rules that decide who pays.
    pub rules: &'a Rules,
}

/// Passes a period's rated lines to accumulators. Each comes with the names of its lines' numbers.
pub fn fold<T: Send, E: From<LedgerError> + From<AggregateError> + Send>(
    snapshot: &Snapshot<'_>,
    rating: &Rating<'_>,
    period: Period,
    basis: Basis,
    start: impl Fn() -> T + Sync,
    each: impl Fn(&mut T, RatedLine, &Dictionary) -> Result<(), E> + Sync,
) -> Result<Vec<(T, Dictionary)>, E> {
    let work = Work::new(rating, basis, period);
    let events = snapshot.events_within(period);
    if basis == Basis::Events && events != Some(0) {
        snapshot.watch().begin(Stage::Events, events);
    }
    let readers = snapshot.readers();
    let helped = Mutex::new(Vec::new());
    let own = rayon::in_place_scope(|scope| {
        for _ in 1..rayon::current_num_threads().min(work.days.len()) {
            scope.spawn(|_| {
                // If a helper cannot open the ledger in this state, it has taken no day, and the others continue
                // without it.
                if !work.is_over()
                    && let Ok(result) = readers.read(|reader| Ok::<_, LedgerError>(work.run(reader, &start, &each)))
                {
                    helped.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
        work.run(snapshot, &start, &each)
    });
    let helped = helped.into_inner().unwrap_or_else(PoisonError::into_inner);
    let kept = std::iter::once(own).chain(helped).collect::<Result<_, E>>()?;
    snapshot.prove_days(period)?;
    Ok(kept)
}

/// The days that wait for a thread, and what all threads share.
struct Work<'a> {
    rating: &'a Rating<'a>,
    basis: Basis,
    period: Period,
    days: Vec<Day>,
    next: AtomicUsize,
    /// How to read a day's events if only their totals are compared. If there are fewer days than threads, all threads
    /// read each day.
    reading: ReadBy<'static>,
    /// Loaded when events are first read.
    events: Mutex<Option<Arc<Events>>>,
    is_counting: AtomicBool,
}

impl<'a> Work<'a> {
    fn new(rating: &'a Rating<'a>, basis: Basis, period: Period) -> Self {
        let days: Vec<Day> = period.days().collect();
        let reading = if days.len() < rayon::current_num_threads() { ReadBy::ByAll } else { ReadBy::ByOne };
        let (events, is_counting) = (Mutex::new(None), AtomicBool::new(false));
        Self { rating, basis, period, days, next: AtomicUsize::new(0), reading, events, is_counting }
    }

    fn is_over(&self) -> bool {
        self.next.load(Ordering::Relaxed) >= self.days.len()
    }

    fn run<T, E: From<LedgerError> + From<AggregateError>>(
        &self,
        snapshot: &Snapshot<'_>,
        start: impl Fn() -> T,
        each: impl Fn(&mut T, RatedLine, &Dictionary) -> Result<(), E>,
    ) -> Result<(T, Dictionary), E> {
        let Rating { book, names, rules, .. } = self.rating;
        let mut rater = LineRater::new(book, names, snapshot.ledger().settings().currency);
        let mut attribution = Attribution::new(rules, names);
        let mut total = start();
        while let Some(day) = self.days.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let each = |line, names: &Dictionary| each(&mut total, line, names);
            if let Err(error) = self.day(snapshot, *day, &mut rater, &mut attribution, each) {
                self.next.store(self.days.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok((total, attribution.into_names()))
    }

    fn day<E: From<LedgerError> + From<AggregateError>>(
        &self,
        snapshot: &Snapshot<'_>,
        day: Day,
        rater: &mut LineRater<'_>,
        attribution: &mut Attribution<'_>,
        mut each: impl FnMut(RatedLine, &Dictionary) -> Result<(), E>,
    ) -> Result<(), E> {
        let changes = &self.rating.changes;
        let mut events = 0_i64;
        let rate = |line: UsageLine| {
            events = events.saturating_add(line.events);
            rater.rated(line).map_or(Ok(()), |line| attribution.give(line, &mut each))
        };
        match self.basis {
            Basis::Sums => from_daily::of_day(snapshot, day, changes, || self.events(snapshot), rate)?,
            Basis::Events => {
                let calendar = snapshot.ledger().settings().calendar;
                let start = calendar.start_of(day);
                let end = day.next().map_or(start, |next| calendar.start_of(next));
                let Events { classes, sealed } = &*self.events(snapshot)?;
                // Totals do not show what was used before a price changed.
                let reading = if changes.any_within(start, end) { ReadBy::Proved(sealed) } else { self.reading };
                let lines = from_events::of_day(snapshot, day, changes, classes, reading, |_| true)?;
                let whole = from_events::of_whole_day(&lines, start).map_err(AggregateError::from)?;
                snapshot.prove_sums_of_day(day, &whole)?;
                lines.into_iter().try_for_each(rate)?;
            }
        }
        if rater.has_waiting() {
            if self.basis == Basis::Sums && !self.is_counting.swap(true, Ordering::Relaxed) {
                snapshot.watch().begin(Stage::Unpriced, Some(0));
            }
            snapshot.watch().expect(u64::try_from(events).unwrap_or(0));
            let Events { classes, sealed } = &*self.events(snapshot)?;
            for line in rater.counted(snapshot, day, changes, classes, ReadBy::Proved(sealed))? {
                attribution.give(line, &mut each)?;
            }
        }
        attribution.divide_shared(each)
    }

    fn events(&self, snapshot: &Snapshot<'_>) -> Result<Arc<Events>, LedgerError> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        match &*events {
            Some(known) => Ok(Arc::clone(known)),
            None => Ok(Arc::clone(events.insert(Arc::new(Events::of(snapshot, self.period)?)))),
        }
    }
}
