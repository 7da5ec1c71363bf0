//! Rating: the price in force at each line's own instant, times its quantities.

use crate::domain::currency::Currency;
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::meter::Meter;
use crate::domain::usage::{Dictionary, UsageLine};
use crate::price::{Book, Resolution};
use crate::rating::{Charge, Cost, Unpriced};
use rustc_hash::FxHashMap;

/// Rates lines with one book. Remembers resolved prices, as thousands of lines share them.
pub struct Rater<'a> {
    book: &'a Book,
    names: &'a Dictionary,
    currency: Currency,
    resolved: FxHashMap<(i64, i64, Band, usize, Meter), Resolution>,
}

impl<'a> Rater<'a> {
    /// A rater for amounts of a currency.
    pub fn new(book: &'a Book, names: &'a Dictionary, currency: Currency) -> Self {
        Self { book, names, currency, resolved: FxHashMap::default() }
    }

    /// What each reported meter of a line costs.
    pub fn charges(&mut self, line: &UsageLine) -> Vec<Charge> {
        let charge = |(meter, quantity)| Charge { meter, quantity, cost: self.cost(line, meter, quantity) };
        line.quantities.iter().map(charge).collect()
    }

    fn cost(&mut self, line: &UsageLine, meter: Meter, quantity: i64) -> Cost {
        if quantity == 0 {
            return Cost::NotCharged;
        }
        priced(self.resolve(line, meter), self.currency, quantity)
    }

    fn resolve(&mut self, line: &UsageLine, meter: Meter) -> Resolution {
        let key = &line.key;
        let memory = (key.model, key.tier, key.band, self.book.epoch(key.priced_at), meter);
        if let Some(known) = self.resolved.get(&memory) {
            return *known;
        }
        let names = (self.names.models.get(&key.model), self.names.tiers.get(&key.tier));
        let resolution = match names {
            (Some(model), Some(tier)) => self.book.resolve(model, tier, meter, key.band, key.priced_at),
            _ => Resolution::NoPrice,
        };
        self.resolved.insert(memory, resolution);
        resolution
    }
}

/// What a quantity costs under another model or tier than it was used with.
pub fn cost_as(
    book: &Book,
    model: &Model,
    tier: &ServiceTier,
    line: &UsageLine,
    meter: Meter,
    currency: Currency,
) -> Cost {
    match line.quantities.get(meter) {
        None | Some(0) => Cost::NotCharged,
        Some(quantity) => {
            priced(book.resolve(model, tier, meter, line.key.band, line.key.priced_at), currency, quantity)
        }
    }
}

fn priced(resolution: Resolution, currency: Currency, quantity: i64) -> Cost {
    match resolution {
        Resolution::Priced(price) if price.currency == currency => Cost::Priced(price.rate.price_of(quantity)),
        Resolution::Priced(price) => Cost::Unpriced(Unpriced::Unconverted(price.currency)),
        Resolution::NotCharged => Cost::NotCharged,
        Resolution::NoPrice => Cost::Unpriced(Unpriced::NoPrice),
        Resolution::PromptUnknown => Cost::Unpriced(Unpriced::PromptUnknown),
    }
}
