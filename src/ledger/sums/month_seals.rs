//! The seals of months: over the totals by payer, and over the seals of the days.

use crate::domain::period::{Month, Period};
use crate::domain::usage::{Dictionary, UsageLine};
use crate::ledger::chain::seals::{self, FORGET, Seals, What, changed, derived, set};
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::names::dictionary;
use crate::ledger::sums::day_seals;
use crate::ledger::sums::{self, Grain};
use crate::ledger::{Damage, Ledger, LedgerError, Result};
use crate::rows::canonical::{self, Encoder};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// The seals of months, each over its totals by payer, with names in place of numbers. Lines must be totals by month.
pub(in crate::ledger) fn of_sums(lines: &[UsageLine], names: &Dictionary) -> Result<Seals> {
    let mut by_month: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
    for line in lines {
        by_month.entry(line.key.day.month().code()).or_default().push(form(line, names)?);
    }
    let seal = |(month, mut forms): (i64, Vec<Vec<u8>>)| {
        // Numbers belong to one file, names do not, so the order must not depend on numbers.
        forms.sort_unstable();
        let mut encoder = Encoder::new();
        encoder.i64(month).count(forms.len());
        for form in &forms {
            encoder.blob(form);
        }
        ((What::Month.code(), month), derived("tokenbook 2026 sums of a month", encoder.as_bytes()))
    };
    Ok(by_month.into_iter().map(seal).collect())
}

/// The seals of months over the seals of their days.
pub(in crate::ledger) fn of_days(connection: &Connection, period: Period) -> Result<Seals> {
    let mut by_month: BTreeMap<i64, Encoder> = BTreeMap::new();
    for (day, seal) in day_seals::of_period(connection, period)? {
        let days = by_month.entry(day.month().code()).or_default();
        days.i64(i64::from(day.number())).raw(&seal.bytes());
    }
    let seal = |(month, days): (i64, Encoder)| {
        ((What::Days.code(), month), derived("tokenbook 2026 days of a month", days.as_bytes()))
    };
    Ok(by_month.into_iter().map(seal).collect())
}

/// Both seals of a month, computed from the tables.
fn of_month(connection: &Connection, ledger: &Ledger, month: Month, names: &Dictionary) -> Result<Seals> {
    let lines = sums::lines(connection, ledger, Grain::Month, month.first()..=month.first())?;
    let mut seals = of_sums(&lines, names)?;
    seals.extend(of_days(connection, month.period())?);
    Ok(seals)
}

/// The two seals of each month.
const OF_MONTHS: [What; 2] = [What::Month, What::Days];

fn form(line: &UsageLine, names: &Dictionary) -> Result<Vec<u8>> {
    let missing =
        |what: &str| LedgerError::Corrupt(Damage::Reference, format!("a total names a {what} that does not exist"));
    let key = &line.key;
    let mut encoder = Encoder::new();
    encoder.text(names.sources.get(&key.source).ok_or_else(|| missing("source"))?);
    encoder.raw(&canonical::tags(names.tags(key.tag_set).ok_or_else(|| missing("payer"))?));
    encoder.raw(&canonical::model(names.models.get(&key.model).ok_or_else(|| missing("model"))?));
    encoder.raw(&canonical::tier(names.tiers.get(&key.tier).ok_or_else(|| missing("service tier"))?));
    encoder.i64(key.band.code()).i64(line.events).i64(line.active);
    encoder.i64(line.first_at.nanos()).i64(line.last_at.nanos());
    for (meter, quantity) in line.quantities.iter() {
        encoder.u8(meter.code()).i64(quantity);
    }
    Ok(encoder.into_bytes())
}

/// Returns an error if the totals of months differ from those that imports made, before more is added to them.
pub(in crate::ledger) fn guard_months(connection: &Connection, ledger: &Ledger, months: &BTreeSet<i64>) -> Result<()> {
    let (seals, names) = (seals::all(connection)?, dictionary::of_payers(connection)?);
    for code in months {
        let month = month_of(*code)?;
        let found = of_month(connection, ledger, month, &names)?;
        let same = |what: What| found.get(&(what.code(), *code)) == seals.get(&(what.code(), *code));
        if !OF_MONTHS.into_iter().all(same) {
            return Err(changed(&format!("sums of usage of {month}")));
        }
    }
    Ok(())
}

fn month_of(code: i64) -> Result<Month> {
    Month::from_code(code)
        .ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("the month {code} is out of range")))
}

/// Seals the totals of changed months.
pub(in crate::ledger) fn seal_months(connection: &Connection, ledger: &Ledger, months: &BTreeSet<i64>) -> Result<()> {
    let names = dictionary::of_payers(connection)?;
    for code in months {
        let found = of_month(connection, ledger, month_of(*code)?, &names)?;
        for what in OF_MONTHS {
            match found.get(&(what.code(), *code)) {
                Some(digest) => set(connection, what, *code, digest)?,
                None => {
                    connection.prepare_cached(FORGET)?.execute((what.code(), code))?;
                }
            }
        }
    }
    Ok(())
}

impl Snapshot<'_> {
    /// Returns an error if the totals of a period's months differ from those that imports made. `lines` must be all
    /// totals by month and payer.
    pub fn prove_months(&self, period: Period, lines: &[UsageLine], names: &Dictionary) -> Result<()> {
        self.prove_spans(What::Month, period, &of_sums(lines, names)?)
    }

    /// Returns an error if the seals of a period's days differ from those that imports made.
    pub fn prove_days(&self, period: Period) -> Result<()> {
        self.prove_spans(What::Days, period, &of_days(self.connection(), period.whole_months())?)
    }

    fn prove_spans(&self, what: What, period: Period, found: &Seals) -> Result<()> {
        let (first, last) = (period.first().month().code(), period.last().month().code());
        let sealed: Seals = self
            .seals()?
            .range((what.code(), first)..=(what.code(), last))
            .map(|(key, digest)| (*key, *digest))
            .collect();
        if *found == sealed {
            return Ok(());
        }
        let differs = |key: &&(i64, i64)| found.get(key) != sealed.get(key);
        let month = found.keys().chain(sealed.keys()).find(differs).and_then(|(_, month)| Month::from_code(*month));
        let month = month.map_or_else(String::new, |month| format!(" of {month}"));
        Err(changed(&format!("sums of usage{month}")))
    }
}
