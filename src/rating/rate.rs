//! Rating: the price in force at each line's own instant, times its quantities.

use crate::domain::currency::Currency;
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::meter::{FREQUENT, Meter};
use crate::domain::number::{ModelId, TierId};
use crate::domain::usage::{Dictionary, UsageLine};
use crate::price::{Book, Resolution};
use crate::rating::{Charge, Cost, Unpriced};
use rustc_hash::FxHashMap;

/// Rates lines with one book. It caches resolved prices, because thousands of lines share them.
#[derive(Debug)]
pub struct Rater<'a> {
    book: &'a Book,
    names: &'a Dictionary,
    currency: Currency,
    /// The prices resolved so far by model, tier, band and epoch of prices, for each meter's number.
    resolved: FxHashMap<(ModelId, TierId, Band, usize), [Option<Resolution>; Meter::ALL.len()]>,
}

impl<'a> Rater<'a> {
    /// A rater for amounts of a currency.
    pub fn new(book: &'a Book, names: &'a Dictionary, currency: Currency) -> Self {
        Self { book, names, currency, resolved: FxHashMap::default() }
    }

    /// The cost of each reported meter of a line. It leaves out measures of calls, because they are not usage.
    pub fn charges(&mut self, line: &UsageLine) -> Vec<Charge> {
        let Self { book, names, currency, resolved } = self;
        let key = &line.key;
        let memory = (key.model, key.tier, key.band, book.epoch(key.priced_at));
        let resolved = resolved.entry(memory).or_insert([None; Meter::ALL.len()]);
        let resolve = |meter| match (names.models.get(&key.model), names.tiers.get(&key.tier)) {
            (Some(model), Some(tier)) => book.resolve(model, tier, meter, key.band, key.priced_at),
            _ => Resolution::NoPrice,
        };
        let mut cost = |meter: Meter, quantity| {
            if quantity == 0 {
                return Cost::NotCharged;
            }
            let known = resolved.get_mut(usize::from(meter.code()));
            priced(
                known.map_or_else(|| resolve(meter), |known| *known.get_or_insert_with(|| resolve(meter))),
                *currency,
                quantity,
            )
        };
        let mut charges = Vec::with_capacity(FREQUENT);
        let used = line.quantities.iter().filter(|(meter, _)| !meter.is_measure());
        charges.extend(used.map(|(meter, quantity)| Charge { meter, quantity, cost: cost(meter, quantity) }));
        charges
    }
}

/// The cost of a quantity, if another model or tier had been used.
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
