//! The heading of a sheet.

use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Snapshot;
use crate::sheet::Heading;

/// The heading of a sheet of this state, of a period or "all". An error if the settings were changed that it tells.
pub(super) fn heading_of(snapshot: &Snapshot<'_>, report: &str, period: String) -> Result<Heading, LedgerError> {
    snapshot.prove_settings()?;
    let settings = snapshot.ledger().settings();
    Ok(Heading {
        report: report.to_owned(),
        period,
        time_zone: settings.calendar.zone_name().to_owned(),
        currency: settings.currency,
        ledger_head: snapshot.head().to_string(),
        closed: false,
        caveats: Vec::new(),
    })
}
