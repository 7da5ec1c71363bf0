//! Usage from the single events: exact.

use crate::aggregate::{AggregateError, DayChanges, PriceChanges, priced_at};
use crate::domain::calendar::Day;
use crate::domain::number::ModelId;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Tally, UsageKey, UsageLine, UsageSums};
use crate::ledger::LedgerError;
use crate::ledger::facts::sealed_events::Sealed;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::read::class::Classes;
use crate::ledger::read::scan::{Columns, StoredEvent};
use crate::rows::key::EventKey;
use rayon::prelude::*;
use std::borrow::Cow;

/// The parts into which each half of a day's keys is split, so that a period of few days has work for every thread.
const PARTS_OF_DAY: i64 = 4;

/// How a day's events are read.
#[derive(Debug, Clone, Copy)]
pub enum ReadBy<'a> {
    /// By the calling thread, on its own reader, without proof. The caller must compare the totals of the events with
    /// the day's.
    ByOne,
    /// Like `ByOne`, but all threads read a part each, on their own readers.
    ByAll,
    /// By the calling thread, with proof that the chain records every event. For use when more than the totals matters.
    Proved(&'a Sealed),
}

/// The usage of a day's events of some models, in the order of its keys.
pub fn of_day(
    snapshot: &Snapshot<'_>,
    day: Day,
    changes: &PriceChanges<'_>,
    classes: &Classes,
    reading: ReadBy<'_>,
    of_models: impl Fn(ModelId) -> bool + Sync + Send,
) -> Result<Vec<UsageLine>, AggregateError> {
    let parts = visit(snapshot, day, reading, UsageSums::new, |sums: &mut UsageSums, part, reader| {
        add_part(reader, part, classes, changes, &of_models, sums)
    })?;
    let mut total = UsageSums::new();
    for sums in parts {
        total.merge(sums)?;
    }
    Ok(total.take())
}

/// The usage of a day as in its totals, ignoring the instants at which its parts are priced.
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

/// The day's keys between two keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) day: Day,
    first: EventKey,
    last: EventKey,
    /// The proof, if required. The part must then be the whole day.
    sealed: Option<&'a Sealed>,
}

impl Part<'_> {
    /// Passes on what amounts depend on, for each event.
    pub(super) fn events<'c>(
        self,
        reader: &Snapshot<'_>,
        classes: &'c Classes,
        each: impl FnMut(&StoredEvent<'c>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        match self.sealed {
            Some(sealed) => reader.sealed_events(classes, self.day, sealed, each),
            None => reader.events(classes, self.first, self.last, Columns::Usage, each),
        }
    }
}

/// Visits the events of a day. Each part has its own reader and accumulator.
pub(super) fn visit<T: Send>(
    snapshot: &Snapshot<'_>,
    day: Day,
    reading: ReadBy<'_>,
    start: impl Fn() -> T + Sync + Send,
    each: impl Fn(&mut T, Part<'_>, &Snapshot<'_>) -> Result<(), AggregateError> + Sync + Send,
) -> Result<Vec<T>, AggregateError> {
    let run = |part: Part<'_>, snapshot: &Snapshot<'_>| {
        let mut accumulator = start();
        each(&mut accumulator, part, snapshot)?;
        Ok(accumulator)
    };
    let sealed = match reading {
        ReadBy::ByAll => {
            let readers = snapshot.readers();
            let part = |(first, last)| Part { day, first, last, sealed: None };
            let parts: Vec<Part<'_>> = EventKey::parts_of(day, PARTS_OF_DAY).map(part).collect();
            return parts.into_par_iter().map(|part| readers.read(|snapshot| run(part, snapshot))).collect();
        }
        ReadBy::ByOne => None,
        ReadBy::Proved(sealed) => Some(sealed),
    };
    let (first, last) = EventKey::range_of(day);
    Ok(vec![run(Part { day, first, last, sealed }, snapshot)?])
}

fn add_part(
    reader: &Snapshot<'_>,
    part: Part<'_>,
    classes: &Classes,
    changes: &PriceChanges<'_>,
    of_models: impl Fn(ModelId) -> bool,
    sums: &mut UsageSums,
) -> Result<(), AggregateError> {
    let calendar = reader.ledger().settings().calendar;
    let start = calendar.start_of(part.day);
    let end = part.day.next().map_or(start, |next| calendar.start_of(next));
    let mut inside = DayChanges::default();
    let mut tally = Tally::new();
    part.events(reader, classes, |event| {
        let model = event.class.model;
        if !of_models(model) {
            return Ok(());
        }
        inside.entry(model).or_insert_with(|| changes.within(model, start, end));
        let priced_at = priced_at(&inside, model, start, event.at);
        let key = (event.class.number, event.class.band(&event.quantities)?, priced_at);
        Ok(tally.add(key, event.at, &event.quantities)?)
    })?;
    let posted = part.day.month();
    tally.drain(sums, |(class, band, priced_at)| {
        Ok::<_, AggregateError>(classes.get(class)?.usage_key(part.day, posted, priced_at, band))
    })
}
