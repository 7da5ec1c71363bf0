//! Upgrading a ledger's file to the newest schema.

use crate::books::watching::watched;
use crate::books::{Act, Books, Observer};
use crate::ledger::chain::Signed;
use crate::ledger::proof::upgrade::Upgraded;
use crate::ledger::{Ledger, LedgerError};
use std::path::Path;

impl Books {
    /// Upgrades a ledger's file to the newest schema; `None` if it has that already. `copy` receives the old file and
    /// must not exist. Nothing changes unless the upgraded ledger verifies.
    pub fn upgrade(
        path: &Path,
        copy: &Path,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Option<Upgraded>, LedgerError> {
        let signed = Signed { now: act.now, actor: act.actor };
        watched(observer, |watch| {
            let mut proceed = || if observer.stop() { Err(LedgerError::Stopped) } else { Ok(()) };
            Ledger::upgrade(
                path,
                copy,
                signed,
                watch,
                |trial| Self::read(trial)?.all_proved(watch).map(drop),
                &mut proceed,
            )
        })
    }
}
