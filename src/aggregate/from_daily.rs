//! Usage from the daily sums. Where a price changes inside a day, that day's events of that model are read instead.

use crate::aggregate::{AggregateError, DayChanges, PriceChanges, priced_at};
use crate::domain::calendar::Day;
use crate::domain::key::EventKey;
use crate::domain::period::Period;
use crate::domain::usage::{UsageLine, UsageSums};
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
    let mut sums = UsageSums::new();
    let recounter = snapshot.recounter()?;
    let start = snapshot.ledger().settings().calendar.start_of(day);
    let (first, last) = EventKey::range_of(day);
    snapshot.events(first, last, Columns::Usage, |event| {
        if changes.contains_key(&event.model) {
            let key = recounter.key_at(event, priced_at(changes, event.model, start, event.at))?;
            sums.add(key, event.at, &event.quantities)?;
        }
        Ok(())
    })?;
    Ok(sums.take())
}
