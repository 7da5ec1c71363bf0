//! Usage from the daily totals. If a price of a model changes inside a day, the events of that model and day are read
//! instead.

use crate::aggregate::from_events::{self, ReadBy};
use crate::aggregate::{AggregateError, DayChanges, Events, PriceChanges};
use crate::domain::calendar::Day;
use crate::domain::usage::UsageLine;
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Snapshot;
use std::sync::Arc;

/// Passes on the usage of a day, line by line. A single price instant applies to each line.
pub fn of_day<E: From<LedgerError> + From<AggregateError>>(
    snapshot: &Snapshot<'_>,
    day: Day,
    changes: &PriceChanges<'_>,
    events: impl FnOnce() -> Result<Arc<Events>, LedgerError>,
    mut each: impl FnMut(UsageLine) -> Result<(), E>,
) -> Result<(), E> {
    let calendar = snapshot.ledger().settings().calendar;
    let start = calendar.start_of(day);
    let end = day.next().map_or(start, |next| calendar.start_of(next));
    let (mut inside, mut changed) = (DayChanges::default(), Vec::new());
    snapshot.each_daily_line(day, |line| {
        let model = line.key.model;
        let changes = inside.entry(model).or_insert_with(|| changes.within(model, start, end));
        if changes.is_empty() {
            return each(line);
        }
        changed.push(line);
        Ok(())
    })?;
    inside.retain(|_, changes| !changes.is_empty());
    if inside.is_empty() {
        return Ok(());
    }
    let of_changed = |model| inside.contains_key(&model);
    let Events { classes, sealed } = &*events()?;
    let lines = from_events::of_day(snapshot, day, changes, classes, ReadBy::Proved(sealed), of_changed)?;
    changed.sort_unstable_by_key(|line| line.key);
    if *from_events::of_whole_day(&lines, start).map_err(AggregateError::from)? != changed[..] {
        return Err(LedgerError::events_of_other_sums(day).into());
    }
    lines.into_iter().try_for_each(each)
}
