//! How prices that replaced others change months with usage.
//!
//! A replacement applies from the start of the price it replaces, so it changes the cost of months that may have been
//! reported. Each month is computed from one state of the ledger, with the old prices and with the new ones. Totals
//! serve both: a replacement has the key and start of the replaced price, so it does not cut totals differently.

use crate::aggregate::fold::Basis;
use crate::books::setup::rules;
use crate::books::statement::reading::Reading;
use crate::books::statement::reports::{Detail, MonthBefore, Request, books};
use crate::books::watching::watched;
use crate::books::{Books, BooksError, Observer, Stage};
use crate::domain::money::{Amount, fixed_point};
use crate::domain::name::Name;
use crate::domain::period::{Month, Period};
use crate::ledger::facts::prices::Replacement;
use crate::ledger::file::watch::Watch;
use crate::ledger::read::class::StatedPrompts;
use crate::report::by::Dimension;
use crate::report::group::Totals;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A month whose cost changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The price book it was computed with.
    pub book: Name,
    /// The month.
    pub month: Month,
    /// The cost with the replaced prices.
    pub before: MonthCost,
    /// The current cost.
    pub after: MonthCost,
}

/// What a month's usage costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthCost {
    /// The exact amount of everything with a price.
    pub amount: Amount,
    /// Events with something unpriced.
    pub unpriced_events: i64,
}

impl Moved {
    /// Both amounts with the currency's decimals, or with all decimals if they differ by less.
    pub fn amounts(&self, digits: u8) -> (String, String) {
        let rounded = |cost: MonthCost| fixed_point(cost.amount.minor_units(digits), digits);
        let both = (rounded(self.before), rounded(self.after));
        if both.0 == both.1 { (self.before.amount.to_string(), self.after.amount.to_string()) } else { both }
    }
}

impl Books {
    /// The months whose cost changed by replaced prices, for each book.
    pub fn price_moves(&self, replaced: &[Replacement], observer: &dyn Observer) -> Result<Vec<Moved>, BooksError> {
        if replaced.is_empty() {
            return Ok(Vec::new());
        }
        watched(observer, |watch| self.watched_moves(replaced, watch))
    }

    fn watched_moves(&self, replaced: &[Replacement], watch: &Arc<Watch>) -> Result<Vec<Moved>, BooksError> {
        let snapshot = self.ledger.snapshot()?.watched(watch)?;
        watch.begin(Stage::Usage, None);
        let first =
            replaced.iter().map(|Replacement { new, .. }| self.settings().calendar.day_of(new.valid_from)).min();
        let (Some(start), Some((earliest, latest))) = (first, snapshot.days()?) else { return Ok(Vec::new()) };
        let (rows, aliases) = (snapshot.prices()?, snapshot.aliases()?);
        let after = books(&rows, &aliases);
        // A later row with the same key and start counts.
        let with_old: Vec<_> = rows.into_iter().chain(replaced.iter().map(|replaced| replaced.old.clone())).collect();
        let before = books(&with_old, &aliases);
        let rules = rules::of_snapshot(&snapshot)?;
        let no_caveats = StatedPrompts::default();
        let cost = |book: &Name, books: &BTreeMap<String, _>, month: Month| {
            let Some(book) = books.get(book.as_str()) else { return Ok(None) };
            let reading = Reading { snapshot: &snapshot, book, books, rules: &rules, stated: &no_caveats };
            month_cost(&reading, month)
        };
        let names: BTreeSet<&Name> = replaced.iter().map(|Replacement { new, .. }| &new.key.book).collect();
        let mut moved = Vec::new();
        if start > latest {
            return Ok(moved);
        }
        for book in names {
            for month in Period::between(start.max(earliest), latest).months() {
                let costs = (cost(book, &before, month)?, cost(book, &after, month)?);
                if let (Some(before), Some(after)) = costs
                    && before != after
                {
                    moved.push(Moved { book: book.clone(), month, before, after });
                }
            }
        }
        Ok(moved)
    }
}

fn month_cost(reading: &Reading<'_>, month: Month) -> Result<Option<MonthCost>, BooksError> {
    let request = Request {
        detail: Detail::Groups(vec![Dimension::Department]),
        month_before: MonthBefore::Left,
        basis: Basis::Sums,
        ..Request::of(month.period())
    };
    let read = reading.of(&request)?;
    let mut totals = Totals::NONE;
    for group in read.rated.grouped(&[Dimension::Department], &read.names)?.groups().values() {
        totals.add(group)?;
    }
    Ok(Some(MonthCost { amount: totals.amount, unpriced_events: totals.unpriced_events }))
}
