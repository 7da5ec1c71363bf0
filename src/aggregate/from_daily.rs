//! Usage from the daily sums. Where a price changes inside a day, that day's events of that model are read instead.

use crate::aggregate::{AggregateError, DayChanges, PriceChanges, priced_at};
use crate::domain::calendar::Day;
use crate::domain::key::EventKey;
use crate::domain::period::Period;
use crate::domain::usage::{Tally, UsageLine, UsageSums};
use crate::ledger::scan::Columns;
use crate::ledger::transaction::Snapshot;
use std::collections::BTreeMap;

/// The usage of a period. Every line can be priced as a whole at its instant.
pub fn usage(
    snapshot: &Snapshot<'_>,
    period: Period,
    changes: &PriceChanges<'_>,
) -> Result<Vec<UsageLine>, AggregateError> {
    let mut lines = snapshot.daily_usage(period)?;
    let split = days_to_split(snapshot, &lines, changes);
    if split.is_empty() {
        return Ok(lines);
    }
    lines.retain(|line| !split.get(&line.key.day).is_some_and(|models| models.contains_key(&line.key.model)));
    for (day, changes) in &split {
        lines.extend(split_day(snapshot, *day, changes)?);
    }
    lines.sort_unstable_by_key(|line| line.key);
    Ok(lines)
}

/// The usage of a period, the days of each month added up: each line is of the first of them, and priced there. `None`
/// where a price changes inside one of the months. A day is read at a time.
pub fn usage_by_month(
    snapshot: &Snapshot<'_>,
    period: Period,
    changes: &PriceChanges<'_>,
) -> Result<Option<Vec<UsageLine>>, AggregateError> {
    let calendar = snapshot.ledger().settings().calendar;
    let mut sums = UsageSums::new();
    for day in period.days() {
        let first = day.month().first().max(period.first());
        let priced_at = calendar.start_of(first);
        for mut line in snapshot.daily_usage(Period::between(day, day))? {
            line.key.day = first;
            line.key.priced_at = priced_at;
            sums.add(line)?;
        }
    }
    let lines = sums.take();
    let end = |first: Day| calendar.start_of(first.month().next().first());
    Ok(changes.are_outside(&lines, end).then_some(lines))
}

fn days_to_split(
    snapshot: &Snapshot<'_>,
    lines: &[UsageLine],
    changes: &PriceChanges<'_>,
) -> BTreeMap<Day, DayChanges> {
    let calendar = snapshot.ledger().settings().calendar;
    let mut split: BTreeMap<Day, DayChanges> = BTreeMap::new();
    for of_day in lines.chunk_by(|a, b| a.key.day == b.key.day) {
        let Some(first) = of_day.first() else { continue };
        let (day, start) = (first.key.day, first.key.priced_at);
        let Some(end) = day.next().map(|next| calendar.start_of(next)) else { continue };
        let mut models: Vec<i64> = of_day.iter().map(|line| line.key.model).collect();
        models.sort_unstable();
        models.dedup();
        for model in models {
            let inside = changes.within(model, start, end);
            if !inside.is_empty() {
                split.entry(day).or_default().insert(model, inside);
            }
        }
    }
    split
}

fn split_day(snapshot: &Snapshot<'_>, day: Day, changes: &DayChanges) -> Result<Vec<UsageLine>, AggregateError> {
    let classes = snapshot.classes()?;
    let mut tally = Tally::new();
    let start = snapshot.ledger().settings().calendar.start_of(day);
    let (first, last) = EventKey::range_of(day);
    snapshot.events(&classes, first, last, Columns::Usage, |event| {
        if changes.contains_key(&event.class.model) {
            let priced_at = priced_at(changes, event.class.model, start, event.at);
            let key = (event.class.number, event.class.band(&event.quantities)?, priced_at);
            tally.add(key, event.at, &event.quantities)?;
        }
        Ok(())
    })?;
    let mut sums = UsageSums::new();
    tally.drain(&mut sums, |(class, band, priced_at)| {
        Ok::<_, AggregateError>(classes.get(class)?.usage_key(day, priced_at, band))
    })?;
    Ok(sums.take())
}
