//! What the counters of budgets used, day by day.
//!
//! Every line is given to the counters whose scope it is in, after rules and weights have decided who pays. Sums are whole
//! numbers, so the order of lines and the number of threads cannot show.

use crate::control::limit::{Budget, Measure};
use crate::control::scope::Usage;
use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::domain::number::{ModelId, PayerOf};
use crate::domain::quantities::QuantityOverflow;
use crate::domain::tags::TagSet;
use crate::domain::usage::Dictionary;
use crate::rating::{Cost, RatedLine};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// What a counter used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Femto-units of everything that has a price.
    pub amount: i128,
    /// Tokens of the budget's meters.
    pub tokens: i128,
    /// Requests: events, or what events that stand for several requests report.
    pub requests: i128,
    /// Events of which a part has no price. The amount does not include it.
    pub unpriced_events: i64,
    /// Whether a part of something unpriced counts as less than one event.
    pub is_partly_unpriced: bool,
}

impl Used {
    /// What was used of a measure.
    pub const fn of(&self, measure: Measure) -> i128 {
        match measure {
            Measure::Amount => self.amount,
            Measure::Tokens => self.tokens,
            Measure::Requests => self.requests,
        }
    }

    /// Whether nothing was used.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another line or day used.
    pub fn add(&mut self, other: &Self) -> Result<(), QuantityOverflow> {
        let sum = |one: i128, other: i128| one.checked_add(other).ok_or(QuantityOverflow);
        self.amount = sum(self.amount, other.amount)?;
        self.tokens = sum(self.tokens, other.tokens)?;
        self.requests = sum(self.requests, other.requests)?;
        let unpriced = self.unpriced_events.checked_add(other.unpriced_events);
        self.unpriced_events = unpriced.ok_or(QuantityOverflow)?;
        self.is_partly_unpriced |= other.is_partly_unpriced;
        Ok(())
    }

    fn of_line(line: &RatedLine, budget: &Budget) -> Result<Self, QuantityOverflow> {
        let mut used = Self { unpriced_events: line.unpriced_events, ..Self::default() };
        used.is_partly_unpriced = line.unpriced_events > 0 || line.of_unpriced;
        for charge in &line.charges {
            match charge.cost {
                Cost::Priced(amount) => {
                    let sum = used.amount.checked_add(amount.femtos());
                    used.amount = sum.ok_or(QuantityOverflow)?;
                }
                Cost::Unpriced(_) => used.is_partly_unpriced = true,
                Cost::NotCharged => {}
            }
            if budget.counts(charge.meter) {
                used.tokens = used.tokens.checked_add(charge.quantity.into()).ok_or(QuantityOverflow)?;
            }
        }
        let stated = line.usage.quantities.get(Meter::Request).unwrap_or(0);
        used.requests = stated.max(line.usage.events).into();
        Ok(used)
    }
}

/// A counter: the place of its budget, and the value that it is for. Without a value: the budget has one counter, or it has one for
/// each value and this is usage that has none.
pub type Counter = (usize, Option<String>);

/// What counters used on each day.
pub type ByDay = BTreeMap<Counter, BTreeMap<Day, Used>>;

/// Counts lines for budgets. Each thread has its own.
#[derive(Debug)]
pub struct Counting<'a> {
    budgets: &'a [Budget],
    /// The counters met so far.
    counters: Vec<Counter>,
    places: FxHashMap<Counter, usize>,
    /// The counters of usage of a payer and a model. Lines have few of these pairs.
    known: FxHashMap<(PayerOf, ModelId), Vec<usize>>,
    sums: FxHashMap<(usize, Day), Used>,
}

impl<'a> Counting<'a> {
    /// No lines yet.
    pub fn of(budgets: &'a [Budget]) -> Self {
        Self {
            budgets,
            counters: Vec::new(),
            places: FxHashMap::default(),
            known: FxHashMap::default(),
            sums: FxHashMap::default(),
        }
    }

    /// Counts a line.
    pub fn add(&mut self, line: &RatedLine, names: &Dictionary) -> Result<(), QuantityOverflow> {
        let pair = (line.payer, line.usage.key.model);
        if !self.known.contains_key(&pair) {
            let counters = self.counters_of(pair, names);
            self.known.insert(pair, counters);
        }
        for place in self.known.get(&pair).map_or(&[][..], Vec::as_slice) {
            let Some(budget) = self.counters.get(*place).and_then(|(budget, _)| self.budgets.get(*budget)) else {
                continue;
            };
            let used = Used::of_line(line, budget)?;
            self.sums.entry((*place, line.usage.key.day)).or_default().add(&used)?;
        }
        Ok(())
    }

    /// The counters that usage of a payer and a model counts in.
    fn counters_of(&mut self, (payer, model): (PayerOf, ModelId), names: &Dictionary) -> Vec<usize> {
        let nobody = TagSet::new();
        let tags = names.tags_of(payer).unwrap_or(&nobody);
        let Some(model) = names.models.get(&model) else { return Vec::new() };
        let usage = Usage { tags, model };
        let mut counters = Vec::new();
        for (place, budget) in self.budgets.iter().enumerate() {
            if !budget.common.scope.has(usage) {
                continue;
            }
            // With one counter for each value, usage without a value is kept apart, so that somebody can say how much it is.
            let subject = budget.common.each.as_ref().and_then(|each| each.of(usage)).map(str::to_owned);
            let next = self.counters.len();
            let counter = (place, subject);
            let at = *self.places.entry(counter.clone()).or_insert(next);
            if at == next {
                self.counters.push(counter);
            }
            counters.push(at);
        }
        counters
    }

    /// What was counted, by counter and day.
    pub fn into_days(self) -> ByDay {
        let mut days = ByDay::new();
        for ((place, day), used) in self.sums {
            if let Some(counter) = self.counters.get(place) {
                days.entry(counter.clone()).or_default().insert(day, used);
            }
        }
        days
    }
}

/// Adds what another thread counted.
pub fn merge(all: &mut ByDay, other: ByDay) -> Result<(), QuantityOverflow> {
    for (counter, days) in other {
        let known = all.entry(counter).or_default();
        for (day, used) in days {
            known.entry(day).or_default().add(&used)?;
        }
    }
    Ok(())
}

/// Whether a budget with one counter for each value leaves out a value, because another budget of the same period names that
/// value itself and limits the same measure of all its usage. One that refuses is replaced only by one that refuses.
pub fn is_left_out(budgets: &[Budget], budget: &Budget, measure: Measure, value: &str) -> bool {
    let Some(each) = &budget.common.each else { return false };
    budgets.iter().any(|other| {
        other.common.each.is_none()
            && other.per == budget.per
            && other.bounds.iter().any(|bound| bound.measure == measure)
            && other.meters == budget.meters
            && (other.refuses() || !budget.refuses())
            && other.common.scope.replaces(&budget.common.scope, each, value)
    })
}
