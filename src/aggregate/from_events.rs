//! Usage from the events themselves: exact.

use crate::aggregate::{AggregateError, DayChanges, PriceChanges, priced_at};
use crate::domain::calendar::Day;
use crate::domain::key::EventKey;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Tally, UsageKey, UsageLine, UsageSums};
use crate::ledger::class::Classes;
use crate::ledger::scan::Columns;
use crate::ledger::transaction::Snapshot;
use rayon::prelude::*;
use std::borrow::Cow;

/// Parts each half of a day's keys is split into, so that a period of few days has work for every thread.
const PARTS_OF_DAY: i64 = 4;

/// Which threads read a day's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The one that asks, on its own reader.
    One,
    /// All of them, each a part, on readers of their own.
    All,
}

/// The usage of a day's events of some models, in the order of its keys. The caller must compare it with the
/// day's sums.
pub fn of_day(
    snapshot: &Snapshot<'_>,
    day: Day,
    changes: &PriceChanges<'_>,
    classes: &Classes,
    threads: Threads,
    of_models: impl Fn(i64) -> bool + Sync + Send,
) -> Result<Vec<UsageLine>, AggregateError> {
    let parts = visit(snapshot, day, threads, UsageSums::new, |sums: &mut UsageSums, part, reader| {
        add_part(reader, part, classes, changes, &of_models, sums)
    })?;
    let mut total = UsageSums::new();
    for sums in parts {
        total.merge(sums)?;
    }
    Ok(total.take())
}

/// The usage of a day as its sums have it: whatever the instants at which its parts are priced.
pub(super) fn of_whole_day(lines: &[UsageLine], start: Timestamp) -> Result<Cow<'_, [UsageLine]>, QuantityOverflow> {
    if lines.iter().all(|line| line.key.priced_at == start) {
        return Ok(Cow::Borrowed(lines));
    }
    let mut whole = UsageSums::new();
    for line in lines {
        whole.add_to(UsageKey { priced_at: start, ..line.key }, line)?;
    }
    Ok(Cow::Owned(whole.take()))
}

/// The part of a day's keys between two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) day: Day,
    pub(super) first: EventKey,
    pub(super) last: EventKey,
}

/// Runs over the events of a day, each part with a reader and an accumulator of its own.
pub(super) fn visit<T: Send>(
    snapshot: &Snapshot<'_>,
    day: Day,
    threads: Threads,
    start: impl Fn() -> T + Sync + Send,
    each: impl Fn(&mut T, Part, &Snapshot<'_>) -> Result<(), AggregateError> + Sync + Send,
) -> Result<Vec<T>, AggregateError> {
    let run = |part: Part, snapshot: &Snapshot<'_>| {
        let mut accumulator = start();
        each(&mut accumulator, part, snapshot)?;
        Ok(accumulator)
    };
    match threads {
        Threads::One => {
            let (first, last) = EventKey::range_of(day);
            Ok(vec![run(Part { day, first, last }, snapshot)?])
        }
        Threads::All => {
            let readers = snapshot.readers();
            parts(day).into_par_iter().map(|part| readers.read(|snapshot| run(part, snapshot))).collect()
        }
    }
}

fn parts(day: Day) -> Vec<Part> {
    EventKey::parts_of(day, PARTS_OF_DAY).map(|(first, last)| Part { day, first, last }).collect()
}

fn add_part(
    reader: &Snapshot<'_>,
    part: Part,
    classes: &Classes,
    changes: &PriceChanges<'_>,
    of_models: impl Fn(i64) -> bool,
    sums: &mut UsageSums,
) -> Result<(), AggregateError> {
    let calendar = reader.ledger().settings().calendar;
    let start = calendar.start_of(part.day);
    let end = part.day.next().map_or(start, |next| calendar.start_of(next));
    let mut inside = DayChanges::default();
    let mut tally = Tally::new();
    reader.events(classes, part.first, part.last, Columns::Usage, |event| {
        let model = event.class.model;
        if !of_models(model) {
            return Ok(());
        }
        inside.entry(model).or_insert_with(|| changes.within(model, start, end));
        let priced_at = priced_at(&inside, model, start, event.at);
        let key = (event.class.number, event.class.band(&event.quantities)?, priced_at);
        Ok(tally.add(key, event.at, &event.quantities)?)
    })?;
    tally.drain(sums, |(class, band, priced_at)| {
        Ok::<_, AggregateError>(classes.get(class)?.usage_key(part.day, priced_at, band))
    })
}
