//! Usage from the monthly totals. They know the payer and not the day, and are a few thousand for a ledger of any size.

use crate::aggregate::PriceChanges;
use crate::domain::calendar::Day;
use crate::domain::period::Period;
use crate::domain::usage::UsageLine;
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Snapshot;

/// The usage of whole months. `None` if a price changes inside one of them, because that needs the days.
pub fn usage(
    snapshot: &Snapshot<'_>,
    period: Period,
    changes: &PriceChanges<'_>,
) -> Result<Option<Vec<UsageLine>>, LedgerError> {
    let lines = snapshot.monthly_usage(period)?;
    snapshot.prove_months(period, &lines, changes.names())?;
    let calendar = snapshot.ledger().settings().calendar;
    let end = |first: Day| calendar.start_of(first.month().next().first());
    Ok(changes.are_outside(&lines, end).then_some(lines))
}
