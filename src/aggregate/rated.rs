//! From usage to rated lines: charges, and how many events of a line have something unpriced.

use crate::aggregate::from_events::visit;
use crate::aggregate::{AggregateError, DayChanges, PriceChanges, priced_at};
use crate::domain::calendar::Day;
use crate::domain::currency::Currency;
use crate::domain::meter::Meter;
use crate::domain::period::Period;
use crate::domain::usage::{Dictionary, UsageKey, UsageLine};
use crate::ledger::LedgerError;
use crate::ledger::scan::Columns;
use crate::ledger::transaction::Snapshot;
use crate::ledger::watch::Stage;
use crate::price::Book;
use crate::rating::rate::Rater;
use crate::rating::{Charge, Cost, RatedLine};
use rustc_hash::{FxHashMap, FxHashSet};

/// Rates usage with a book, unless events have to be read to tell how many of them lack some price.
pub fn rated_as_it_is(
    usage: Vec<UsageLine>,
    book: &Book,
    names: &Dictionary,
    currency: Currency,
) -> Option<Vec<RatedLine>> {
    let (lines, partly) = rate(usage, book, names, currency);
    partly.is_empty().then_some(lines)
}

/// The rated lines, and the unpriced meters of those that are priced in part: their events are not counted yet.
fn rate(usage: Vec<UsageLine>, book: &Book, names: &Dictionary, currency: Currency) -> (Vec<RatedLine>, Partly) {
    let mut rater = Rater::new(book, names, currency);
    let (mut lines, mut partly) = (Vec::with_capacity(usage.len()), Partly::default());
    for line in usage {
        let charges = rater.charges(&line);
        let unpriced_events = match unpriced(&charges) {
            Unpriced::Nothing => 0,
            Unpriced::Everything => line.active,
            Unpriced::Some(meters) => {
                partly.insert(line.key, meters);
                0
            }
        };
        lines.push(RatedLine { usage: line, charges, unpriced_events, of_unpriced: false });
    }
    (lines, partly)
}

/// Rates usage with a book. Events are read only where a line is priced in part.
pub fn rated(
    snapshot: &Snapshot<'_>,
    usage: Vec<UsageLine>,
    book: &Book,
    names: &Dictionary,
    currency: Currency,
    changes: &PriceChanges<'_>,
) -> Result<Vec<RatedLine>, AggregateError> {
    let (mut lines, partly) = rate(usage, book, names, currency);
    if !partly.is_empty() {
        let days: FxHashSet<Day> = partly.keys().map(|key| key.day).collect();
        let mut read = lines.iter().filter(|line| days.contains(&line.usage.key.day)).map(|line| line.usage.events);
        let events = read.try_fold(0_i64, i64::checked_add);
        snapshot.watch().begin(Stage::Unpriced, events.and_then(|events| u64::try_from(events).ok()));
        let counts = count(snapshot, &partly, changes)?;
        for line in &mut lines {
            if partly.contains_key(&line.usage.key) {
                // Something unpriced was summed, so some event has it.
                let events = counts.get(&line.usage.key).copied().ok_or_else(|| daily_sums_differ(&line.usage.key))?;
                line.unpriced_events += events;
            }
        }
    }
    Ok(lines)
}

fn daily_sums_differ(key: &UsageKey) -> AggregateError {
    let what = format!("the daily sums of {} are not those of its events (tokenbook rebuild makes them anew)", key.day);
    AggregateError::Ledger(LedgerError::Corrupt(what))
}

enum Unpriced {
    Nothing,
    /// All that was used: every active event has something unpriced.
    Everything,
    /// These meters, beside others that are priced.
    Some(Vec<Meter>),
}

fn unpriced(charges: &[Charge]) -> Unpriced {
    let meters: Vec<Meter> =
        charges.iter().filter(|charge| matches!(charge.cost, Cost::Unpriced(_))).map(|charge| charge.meter).collect();
    if meters.is_empty() {
        return Unpriced::Nothing;
    }
    let all = charges
        .iter()
        .filter(|charge| charge.quantity > 0 && charge.meter != Meter::Request)
        .all(|charge| meters.contains(&charge.meter));
    if all && !meters.contains(&Meter::Request) { Unpriced::Everything } else { Unpriced::Some(meters) }
}

type Partly = FxHashMap<UsageKey, Vec<Meter>>;
type Counts = FxHashMap<UsageKey, i64>;

/// Counts the events with one of a line's unpriced meters above 0.
fn count(snapshot: &Snapshot<'_>, partly: &Partly, changes: &PriceChanges<'_>) -> Result<Counts, AggregateError> {
    let days = partly.keys().map(|key| key.day);
    let (Some(first), Some(last)) = (days.clone().min(), days.max()) else { return Ok(Counts::default()) };
    let period = Period::between(first, last);
    let classes = snapshot.classes()?;
    let counted = visit(&snapshot.readers(), period, Counts::default, |counts, part, reader| {
        if !partly.keys().any(|key| key.day == part.day) {
            return Ok(());
        }
        let calendar = reader.ledger().settings().calendar;
        let start = calendar.start_of(part.day);
        let end = part.day.next().map_or(start, |next| calendar.start_of(next));
        let mut inside = DayChanges::default();
        reader.events(&classes, part.first, part.last, Columns::Usage, |event| {
            let model = event.class.model;
            inside.entry(model).or_insert_with(|| changes.within(model, start, end));
            let priced_at = priced_at(&inside, model, start, event.at);
            let key = event.class.usage_key(part.day, priced_at, event.class.band(&event.quantities)?);
            let has_unpriced =
                |meters: &Vec<Meter>| meters.iter().any(|meter| event.quantities.get(*meter).is_some_and(|q| q > 0));
            if partly.get(&key).is_some_and(has_unpriced) {
                *counts.entry(key).or_default() += 1;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    let mut total = Counts::default();
    for (key, events) in counted.into_iter().flatten() {
        *total.entry(key).or_default() += events;
    }
    Ok(total)
}
