//! Compares a snapshot with the chain before its data is trusted.

use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::seals::{self, Seals, What, all, altered, changed, digest_of_facts, prove_log, root};
use crate::ledger::file::connection::Ledger;
use crate::ledger::file::settings;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::{Result, chain};

impl Ledger {
    /// Returns an error if the rows of logs differ from the recorded ones, before a decision depends on them.
    pub(in crate::ledger) fn guard_logs(&self, logs: &[Log]) -> Result<()> {
        let seals = seals::all(&self.connection)?;
        let mut proved = self.proved_logs.borrow_mut();
        for log in logs {
            if !proved.is_as_sealed(&self.connection, *log, seals::extent(&seals, *log))? {
                return Err(seals::changed(log.name()));
            }
        }
        Ok(())
    }
}

impl Snapshot<'_> {
    /// The seals of this state, after a comparison with the newest entry.
    pub(in crate::ledger) fn seals(&self) -> Result<&Seals> {
        if let Some(seals) = self.seals.get() {
            return Ok(seals);
        }
        let newest = chain::newest(self.connection())?;
        let seals = all(self.connection())?;
        let holds = newest.is_some_and(|newest| newest.hash == newest.computed_hash() && newest.state == root(&seals));
        if !holds {
            return Err(altered());
        }
        Ok(self.seals.get_or_init(|| seals))
    }

    /// Returns an error if the facts of a kind, with these payloads, differ from the recorded ones.
    pub(in crate::ledger) fn prove_facts(&self, fact: &Fact, payloads: &Payloads) -> Result<()> {
        let sealed = self.seals()?.get(&(What::Facts(fact.kind).code(), 0)).copied();
        let found = digest_of_facts(payloads)?;
        let same = match sealed {
            Some(sealed) => sealed == found,
            None => payloads.iter().next().is_none(),
        };
        if same { Ok(()) } else { Err(changed(&format!("rows of kind {}", fact.kind.name()))) }
    }

    /// Returns an error if the facts of a kind differ from the recorded ones.
    pub(in crate::ledger) fn prove_kind(&self, fact: &Fact) -> Result<()> {
        self.prove_facts(fact, &fact.payloads(self.connection())?)
    }

    /// Returns an error if the settings differ from those in the first entry.
    pub fn prove_settings(&self) -> Result<()> {
        self.prove_kind(&settings::FACT)
    }

    /// Returns an error if an entry of the chain does not match its hash, or does not follow the previous one. This
    /// proves actors and times.
    pub fn prove_entries(&self) -> Result<()> {
        let mut prev = [0; 32];
        chain::entries(self.connection(), |entry| {
            let follows = entry.prev == prev && entry.hash == entry.computed_hash();
            prev = entry.hash;
            if follows { Ok(()) } else { Err(changed(&format!("entry {} of the chain", entry.number))) }
        })
    }

    /// Returns an error if the rows of logs differ from the recorded ones.
    pub(in crate::ledger) fn prove_logs(&self, logs: &[Log]) -> Result<()> {
        let seals = self.seals()?;
        logs.iter().try_for_each(|log| prove_log(self.connection(), seals, *log))
    }
}
