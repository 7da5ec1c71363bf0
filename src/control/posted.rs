//! What the ledger has of the budgets that refuse, by day and source, in the units of their counters.
//!
//! Every line is given to the counters whose scope it is in, after rules and weights have decided who pays.

use crate::control::ask::nanos;
use crate::control::enforced::{Counted, Enforced, Form};
use crate::control::limit::Measure;
use crate::control::scope::Usage;
use crate::domain::calendar::Day;
use crate::domain::meter::{Meter, Unit};
use crate::domain::number::{ModelId, PayerOf, SourceId};
use crate::domain::quantities::QuantityOverflow;
use crate::domain::tags::TagSet;
use crate::domain::usage::Dictionary;
use crate::rating::{Cost, RatedLine};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// A counter: the place of its limit, and its value; empty if the limit has one counter.
pub type Counter = (usize, String);

/// Sums by counter, day and source: femto-units of an amount, or a number.
pub type Sums = BTreeMap<(Counter, Day, String), i128>;

/// Counts lines. Each thread has its own.
#[derive(Debug)]
pub struct Counting<'a> {
    limits: &'a [Enforced],
    counters: Vec<Counter>,
    places: FxHashMap<Counter, usize>,
    /// The counters of usage of a payer and a model. Lines have few of these pairs.
    known: FxHashMap<(PayerOf, ModelId), Vec<usize>>,
    sums: FxHashMap<(usize, Day, SourceId), i128>,
}

impl<'a> Counting<'a> {
    /// No lines yet.
    pub fn of(limits: &'a [Enforced]) -> Self {
        let (places, known, sums) = (FxHashMap::default(), FxHashMap::default(), FxHashMap::default());
        Self { limits, counters: Vec::new(), places, known, sums }
    }

    /// Counts a line.
    pub fn add(&mut self, line: &RatedLine, names: &Dictionary) -> Result<(), QuantityOverflow> {
        let pair = (line.payer, line.usage.key.model);
        if !self.known.contains_key(&pair) {
            let counters = self.counters_of(pair, names);
            self.known.insert(pair, counters);
        }
        for place in self.known.get(&pair).map_or(&[][..], Vec::as_slice) {
            let Some(limit) = self.counters.get(*place).and_then(|(limit, _)| self.limits.get(*limit)) else {
                continue;
            };
            let used = used(line, limit)?;
            let slot = self.sums.entry((*place, line.usage.key.day, line.usage.key.source)).or_insert(0);
            *slot = slot.checked_add(used).ok_or(QuantityOverflow)?;
        }
        Ok(())
    }

    fn counters_of(&mut self, (payer, model): (PayerOf, ModelId), names: &Dictionary) -> Vec<usize> {
        let nobody = TagSet::new();
        let tags = names.tags_of(payer).unwrap_or(&nobody);
        let Some(model) = names.models.get(&model) else { return Vec::new() };
        let mut counters = Vec::new();
        let periods = self.limits.iter().enumerate().filter(|(_, limit)| matches!(limit.form, Form::Period { .. }));
        for (place, limit) in periods {
            let value = match limit.counter(Usage { tags, model }) {
                None => continue,
                Some(Counted::Whole) => String::new(),
                Some(Counted::Value(value)) => value.to_owned(),
            };
            let next = self.counters.len();
            let at = *self.places.entry((place, value.clone())).or_insert(next);
            if at == next {
                self.counters.push((place, value));
            }
            counters.push(at);
        }
        counters
    }

    /// Adds what was counted to sums of other threads.
    pub fn add_to(self, sums: &mut Sums, names: &Dictionary) -> Result<(), QuantityOverflow> {
        for ((place, day, source), used) in self.sums {
            let Some(counter) = self.counters.get(place) else { continue };
            let source = names.sources.get(&source).cloned().unwrap_or_default();
            let slot = sums.entry((counter.clone(), day, source)).or_insert(0);
            *slot = slot.checked_add(used).ok_or(QuantityOverflow)?;
        }
        Ok(())
    }
}

/// A sum in units of a counter: an amount in nano-units, rounded up.
pub fn units(limit: &Enforced, sum: i128) -> i64 {
    let units = if limit.bound.measure == Measure::Amount { nanos(sum) } else { sum };
    i64::try_from(units).unwrap_or(i64::MAX)
}

fn used(line: &RatedLine, limit: &Enforced) -> Result<i128, QuantityOverflow> {
    let counts = |meter: Meter| match &limit.meters {
        None => meter.unit() == Unit::Tokens,
        Some(meters) => meters.contains(&meter),
    };
    let parts: Vec<i128> = match limit.bound.measure {
        Measure::Requests => {
            let stated = line.usage.quantities.get(Meter::Request).unwrap_or(0);
            vec![stated.max(line.usage.events).into()]
        }
        Measure::Tokens => {
            line.charges.iter().filter(|charge| counts(charge.meter)).map(|charge| charge.quantity.into()).collect()
        }
        Measure::Amount => {
            let priced = line.charges.iter().filter_map(|charge| match charge.cost {
                Cost::Priced(amount) => Some(amount.femtos()),
                Cost::NotCharged | Cost::Unpriced(_) => None,
            });
            priced.collect()
        }
    };
    parts.into_iter().try_fold(0_i128, i128::checked_add).ok_or(QuantityOverflow)
}
