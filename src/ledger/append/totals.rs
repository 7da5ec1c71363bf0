//! What the new events of an import add to the totals by day and by month.

use crate::domain::calendar::Day;
use crate::domain::number::{ModelId, TagSetId};
use crate::domain::usage::UsageLine;
use crate::ledger::append::summarise::SummedDay;
use crate::ledger::file::watch::{Watch, WatchedLedger};
use crate::ledger::sums::adder::Adder;
use crate::ledger::sums::month_seals;
use crate::ledger::sums::{Grain, Months, recount};
use crate::ledger::{Ledger, Result};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// The sums of an import.
pub(super) struct Sums<'w> {
    ledger: &'w Ledger,
    daily: Adder<'w>,
    /// Few, so they are written once.
    months: Months,
    /// What records that grew add to months, written after those, since it is added to what they have.
    grown_months: Months,
    /// The models of records that grew into another band, by day.
    grown: BTreeMap<Day, BTreeSet<ModelId>>,
    /// What those have grown by.
    grown_by: Vec<UsageLine>,
}

impl<'w> Sums<'w> {
    /// Nothing added yet.
    pub(super) fn new(ledger: &'w Ledger) -> Result<Self> {
        Ok(Self {
            ledger,
            daily: Adder::new(&ledger.connection, Grain::Day)?,
            months: Months::default(),
            grown_months: Months::default(),
            grown: BTreeMap::new(),
            grown_by: Vec::new(),
        })
    }

    /// Adds a day's part of a batch.
    pub(super) fn add(&mut self, day: &SummedDay, payers: &FxHashMap<TagSetId, TagSetId>) -> Result<()> {
        if day.first {
            self.daily.add_to_none(&day.lines)?;
        } else {
            day.lines.iter().try_for_each(|line| self.daily.add(line))?;
        }
        day.lines.iter().try_for_each(|line| self.months.count(self.ledger, payers, line))
    }

    /// Adds what a record has grown by.
    pub(super) fn grow(&mut self, by: &UsageLine, payers: &FxHashMap<TagSetId, TagSetId>) -> Result<()> {
        self.daily.add(by)?;
        self.grown_months.count(self.ledger, payers, by)
    }

    /// Notes that a record has grown into another band: the sums of its model and day are computed again at the end.
    pub(super) fn grow_into_another_band(&mut self, by: UsageLine) {
        self.grown.entry(by.key.day).or_default().insert(by.key.model);
        self.grown_by.push(by);
    }

    /// Writes the sums of months, and of records that grew into another band. Returns the months that have changed,
    /// which are to be sealed.
    pub(super) fn finish(self, watch: &Watch) -> Result<BTreeSet<i64>> {
        let (ledger, connection) = (self.ledger, &self.ledger.connection);
        let lines = [self.months, self.grown_months].map(|mut months| months.take());
        let of_lines = lines.iter().flatten().map(|line| line.key.day);
        let changed = of_lines.chain(self.grown.keys().copied()).map(|day| day.month().code()).collect();
        month_seals::guard_months(connection, ledger, &changed)?;
        self.daily.finish()?;
        let mut monthly = Adder::new(connection, Grain::Month)?;
        lines.iter().flatten().try_for_each(|line| monthly.add(line))?;
        recount::renew(WatchedLedger { ledger, watch }, &self.grown, &self.grown_by)?;
        Ok(changed)
    }
}
