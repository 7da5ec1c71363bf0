//! Rebuilds everything that is derived: totals, lists of ids, seals.

use crate::domain::calendar::Day;
use crate::domain::period::Period;
use crate::ledger::chain::logs::{Extent, Log};
use crate::ledger::chain::seals::{FORGET_ALL, SET, Seals, What, all, facts, root};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::names::dictionary;
use crate::ledger::proof::registry::FACTS;
use crate::ledger::sums::month_seals::{of_days, of_sums};
use crate::ledger::{Damage, LedgerError};
use crate::ledger::{Ledger, Result, chain, sums};
use crate::rows::key::KeyHash;
use rusqlite::Connection;

/// The correct seals, computed from everything that they cover.
fn computed(connection: &Connection, ledger: &Ledger) -> Result<Seals> {
    let mut seals = of_sums(&sums::all_months(connection, ledger)?, &dictionary::of_payers(connection)?)?;
    seals.extend(of_days(connection, Period::between(Day::FIRST, Day::LAST))?);
    for log in Log::ALL {
        let Extent { last, digest } = Extent::NONE.with_newer(connection, log)?;
        // A log without rows has no seal.
        if last != 0 {
            seals.insert((log.code(), last), digest);
        }
    }
    for fact in FACTS {
        // A kind without an entry was never sealed.
        if chain::has(connection, fact.kind)?
            && let Some(digest) = facts(connection, fact)?
        {
            seals.insert((What::Facts(fact.kind).code(), 0), digest);
        }
    }
    Ok(seals)
}

const TABLES: [&str; 5] = ["usage_daily", "usage_daily_meter", "day_seal", "usage_monthly", "usage_monthly_meter"];

impl Transaction<'_> {
    /// Rebuilds the daily and monthly totals and the lists of ids from the events. Returns the number of daily totals.
    pub fn rebuild(&self, key_hash: KeyHash) -> Result<u64> {
        let connection = self.connection();
        self.rebuild_ids(key_hash)?;
        for table in TABLES {
            connection.execute(&format!("DELETE FROM {table}"), [])?;
        }
        let written = self.recount(None)?;
        let state = self.rebuild_seals()?;
        if chain::state(connection)? != Some(state) {
            let what = "the events do not match the newest entry of the chain; nothing was rebuilt";
            return Err(LedgerError::Corrupt(Damage::Events, what.to_owned()));
        }
        Ok(written)
    }

    /// Computes all seals again, and returns their state.
    fn rebuild_seals(&self) -> Result<[u8; 32]> {
        let connection = self.connection();
        let seals = computed(connection, self.ledger())?;
        connection.execute(FORGET_ALL, [])?;
        for ((what, span), digest) in &seals {
            connection.prepare_cached(SET)?.execute((what, span, &digest[..]))?;
        }
        Ok(root(&seals))
    }
}

impl Snapshot<'_> {
    /// Seals that do not match the tables, or that differ from those in the newest entry.
    pub fn changed_seals(&self) -> Result<Vec<String>> {
        let (stored, computed) = (all(self.connection())?, computed(self.connection(), self.ledger())?);
        let mut findings = Vec::new();
        if stored != computed {
            findings.push("the seals differ from their rows (run `tokenbook rebuild`)".to_owned());
        }
        if chain::newest(self.connection())?.is_none_or(|newest| newest.state != root(&computed)) {
            findings.push("the tables differ from the state that the newest entry records".to_owned());
        }
        Ok(findings)
    }
}
