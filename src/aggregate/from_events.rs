//! Usage from the events themselves, on all threads: exact, and independent of the daily sums.

use crate::aggregate::{AggregateError, DayChanges, PriceChanges, priced_at};
use crate::domain::calendar::Day;
use crate::domain::key::EventKey;
use crate::domain::period::Period;
use crate::domain::usage::{Tally, UsageLine, UsageSums};
use crate::ledger::class::Classes;
use crate::ledger::scan::Columns;
use crate::ledger::transaction::{Readers, Snapshot};
use crate::ledger::watch::Stage;
use rayon::prelude::*;

/// Parts each half of a day's keys is split into, so that a period of one day has work for every thread.
const PARTS_OF_DAY: i64 = 4;

/// The usage of a period.
pub fn usage(
    snapshot: &Snapshot<'_>,
    period: Period,
    changes: &PriceChanges<'_>,
) -> Result<Vec<UsageLine>, AggregateError> {
    let classes = snapshot.classes()?;
    snapshot.watch().begin(Stage::Events, snapshot.events_within(period));
    let sums = visit(&snapshot.readers(), period, UsageSums::new, |sums: &mut UsageSums, part, reader| {
        add_part(reader, part, &classes, changes, sums)
    })?;
    let mut total = UsageSums::new();
    for sums in sums {
        total.merge(sums)?;
    }
    Ok(total.take())
}

/// The part of a day's keys between two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) day: Day,
    pub(super) first: EventKey,
    pub(super) last: EventKey,
}

/// Runs over the parts of a period on all threads, each with a reader and an accumulator of its own.
pub(super) fn visit<T: Send>(
    readers: &Readers,
    period: Period,
    start: impl Fn() -> T + Sync + Send,
    each: impl Fn(&mut T, Part, &Snapshot<'_>) -> Result<(), AggregateError> + Sync + Send,
) -> Result<Vec<T>, AggregateError> {
    let parts = parts(period);
    let chunk = parts.len().div_ceil(rayon::current_num_threads() * 4).max(1);
    let run = |parts: &[Part]| {
        readers.read(|snapshot| {
            let mut accumulator = start();
            parts.iter().try_for_each(|part| each(&mut accumulator, *part, snapshot))?;
            Ok(accumulator)
        })
    };
    parts.par_chunks(chunk).map(run).collect()
}

fn parts(period: Period) -> Vec<Part> {
    let of_day = |day: Day| EventKey::parts_of(day, PARTS_OF_DAY).map(move |(first, last)| Part { day, first, last });
    period.days().flat_map(of_day).collect()
}

fn add_part(
    reader: &Snapshot<'_>,
    part: Part,
    classes: &Classes,
    changes: &PriceChanges<'_>,
    sums: &mut UsageSums,
) -> Result<(), AggregateError> {
    let calendar = reader.ledger().settings().calendar;
    let start = calendar.start_of(part.day);
    let end = part.day.next().map_or(start, |next| calendar.start_of(next));
    let mut inside = DayChanges::default();
    let mut tally = Tally::new();
    reader.events(classes, part.first, part.last, Columns::Usage, |event| {
        let model = event.class.model;
        inside.entry(model).or_insert_with(|| changes.within(model, start, end));
        let priced_at = priced_at(&inside, model, start, event.at);
        let key = (event.class.number, event.class.band(&event.quantities)?, priced_at);
        Ok(tally.add(key, event.at, &event.quantities)?)
    })?;
    tally.drain(sums, |(class, band, priced_at)| {
        Ok::<_, AggregateError>(classes.get(class)?.usage_key(part.day, priced_at, band))
    })
}
