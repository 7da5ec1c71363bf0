//! The heading of a sheet.

use crate::domain::period::Period;
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Snapshot;
use crate::sheet::{Heading, State};

/// The heading of a report of a period.
pub(super) fn heading_of_period(snapshot: &Snapshot<'_>, report: &str, period: Period) -> Result<Heading, LedgerError> {
    Ok(Heading { state: Some(State::Open), ..heading_of(snapshot, report, period.to_string())? })
}

/// The heading of a list; `which` describes its rows. Returns an error if the ledger's settings differ from the chain.
pub(super) fn heading_of(
    snapshot: &Snapshot<'_>,
    report: &str,
    which: impl Into<String>,
) -> Result<Heading, LedgerError> {
    snapshot.prove_settings()?;
    let settings = snapshot.ledger().settings();
    Ok(Heading {
        report: report.to_owned(),
        period: which.into(),
        state: None,
        time_zone: settings.calendar.zone_name().to_owned(),
        currency: settings.currency,
        ledger_head: snapshot.head().to_string(),
        caveats: Vec::new(),
    })
}
