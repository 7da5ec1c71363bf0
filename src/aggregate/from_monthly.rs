//! Usage from the monthly sums, which know the payer and not the day: a few thousand however large the ledger is.

use crate::aggregate::PriceChanges;
use crate::domain::period::Period;
use crate::domain::usage::UsageLine;
use crate::ledger::LedgerError;
use crate::ledger::transaction::Snapshot;

/// The usage of whole months. `None` where a price changes inside one of them, since that takes the days.
pub fn usage(
    snapshot: &Snapshot<'_>,
    period: Period,
    changes: &PriceChanges<'_>,
) -> Result<Option<Vec<UsageLine>>, LedgerError> {
    let lines = snapshot.monthly_usage(period)?;
    let calendar = snapshot.ledger().settings().calendar;
    for of_month in lines.chunk_by(|a, b| a.key.day == b.key.day) {
        let Some(first) = of_month.first() else { continue };
        let end = calendar.start_of(first.key.day.month().next().first());
        let mut models: Vec<i64> = of_month.iter().map(|line| line.key.model).collect();
        models.sort_unstable();
        models.dedup();
        if models.into_iter().any(|model| !changes.within(model, first.key.priced_at, end).is_empty()) {
            return Ok(None);
        }
    }
    Ok(Some(lines))
}
