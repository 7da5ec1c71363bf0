//! What a request may use, and what it used, in the units of counters: requests, tokens, and nano-units of the currency.
//!
//! A request is asked for before anybody knows what it will use. So it is reserved at the dearest reading of what is known, with a bound
//! on the answer that the policy states. What was used is counted exactly.

use crate::control::limit::{Admission, Measure};
use crate::domain::currency::Currency;
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::meter::{Meter, Unit};
use crate::domain::quantities::Quantities;
use crate::domain::rate::Rate;
use crate::domain::timestamp::Timestamp;
use crate::price::{Book, Resolution};
use std::collections::BTreeSet;

/// Femto-units in a nano-unit of the currency.
pub const FEMTOS: i128 = 1_000_000;

/// What is known of a request before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// What is known of its usage: `input`, or `input` with the meters of the cache.
    pub known: &'a Quantities,
    /// The most tokens that the answer has; `None` if the request states no maximum.
    pub output_at_most: Option<i64>,
}

/// Usage to count: what is reserved for a request, or what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load<'a> {
    quantities: &'a Quantities,
    /// Tokens reserved for the answer.
    answer: i64,
    /// Whether the prompt may be split over the meters of the cache in any way.
    is_split_unknown: bool,
    /// Whether it is one request if the quantities do not say how many.
    is_request: bool,
}

/// What a load costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Femto-units of all that has a price.
    pub femtos: i128,
    /// Whether everything has a price.
    pub is_whole: bool,
}

impl<'a> Load<'a> {
    /// What to reserve for a request.
    pub fn asked(ask: Ask<'a>, admission: &Admission) -> Self {
        let known =
            |meters: &[Meter]| meters.iter().filter_map(|meter| ask.known.get(*meter)).reduce(i64::saturating_add);
        let stated = known(&[Meter::Output, Meter::Reasoning]);
        let most = match (ask.output_at_most, stated) {
            (Some(most), stated) => most.saturating_sub(stated.unwrap_or(0)).max(0),
            (None, Some(_)) => 0,
            (None, None) => admission.output_unknown,
        };
        let answer = admission.output_at_most.map_or(most, |bound| most.min(bound));
        let is_split_unknown = known(&[Meter::CacheRead, Meter::CacheWrite, Meter::CacheWrite1h]).is_none();
        Self { quantities: ask.known, answer, is_split_unknown, is_request: true }
    }

    /// What was used.
    pub const fn used(quantities: &'a Quantities) -> Self {
        Self { quantities, answer: 0, is_split_unknown: false, is_request: true }
    }

    /// What a record reports. If it sums several requests and does not say how many, none is charged for.
    pub const fn recorded(quantities: &'a Quantities) -> Self {
        Self { quantities, answer: 0, is_split_unknown: false, is_request: false }
    }

    /// Requests: one, unless more are stated.
    pub fn requests(self) -> i64 {
        self.quantities.get(Meter::Request).unwrap_or(1).max(1)
    }

    /// Tokens of some meters, or of all whose unit is the token.
    pub fn tokens(self, meters: Option<&BTreeSet<Meter>>) -> i64 {
        let counts = |meter: Meter| meters.map_or(meter.unit() == Unit::Tokens, |meters| meters.contains(&meter));
        let known = self.quantities.iter().filter(|(meter, _)| counts(*meter)).map(|(_, quantity)| quantity);
        let answer = if counts(Meter::Output) || counts(Meter::Reasoning) { self.answer } else { 0 };
        known.fold(answer, i64::saturating_add)
    }

    /// Nano-units of the currency, rounded up; `None` if something that is used has no price. More than a counter holds is the most that it
    /// holds, which no limit allows.
    pub fn nanos(self, tariff: &Tariff) -> Option<i64> {
        let Cost { femtos, is_whole } = self.cost(tariff);
        is_whole.then(|| i64::try_from(nanos(femtos)).unwrap_or(i64::MAX))
    }

    /// What it costs.
    pub fn cost(self, tariff: &Tariff) -> Cost {
        let prompt = self.quantities.prompt_size().unwrap_or(i64::MAX);
        let mut cost = Cost { femtos: 0, is_whole: true };
        let Some(prices) = tariff.of_prompt(prompt) else { return Cost { is_whole: false, ..cost } };
        let mut charge = |price: Option<Rate>, quantity: i64| match price {
            Some(price) => cost.femtos = cost.femtos.saturating_add(price.price_of(quantity).femtos()),
            None => cost.is_whole = false,
        };
        for (meter, quantity) in self.quantities.iter().filter(|(meter, quantity)| *quantity > 0 && !meter.is_measure())
        {
            let price = if meter == Meter::Input && self.is_split_unknown { prices.prompt() } else { prices.of(meter) };
            charge(price, quantity);
        }
        if self.is_request && self.quantities.get(Meter::Request).is_none() {
            charge(prices.of(Meter::Request), 1);
        }
        if self.answer > 0 {
            charge(prices.of(Meter::Output).max(prices.of(Meter::Reasoning)), self.answer);
        }
        cost
    }
}

/// What a load comes to, computed once for all its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    requests: i64,
    tokens: i64,
    nanos: Option<i64>,
}

impl Totals {
    /// The totals of a load. The amount is computed only if some counter needs it.
    pub fn of(load: Load<'_>, tariff: &Tariff, counts_money: bool) -> Self {
        let nanos = if counts_money { load.nanos(tariff) } else { None };
        Self { requests: load.requests(), tokens: load.tokens(None), nanos }
    }

    /// The units of a measure; `None` if a price is missing.
    pub const fn units(&self, measure: Measure) -> Option<i64> {
        match measure {
            Measure::Requests => Some(self.requests),
            Measure::Tokens => Some(self.tokens),
            Measure::Amount => self.nanos,
        }
    }
}

/// Femto-units as nano-units, rounded up.
pub fn nanos(femtos: i128) -> i128 {
    femtos.saturating_add(FEMTOS.saturating_sub(1)).div_euclid(FEMTOS)
}

/// The prices of a model at an instant, for prompts of every size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff(Vec<(i64, Prices)>);

/// The price of each meter, by its code; `None` where it has none. What is not charged costs 0.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prices([Option<Rate>; Meter::ALL.len()]);

impl Tariff {
    /// The prices of a model that are in force at an instant, in a currency.
    pub fn of(book: &Book, model: &Model, tier: &ServiceTier, at: Timestamp, currency: Currency) -> Self {
        let sizes = book.prompt_sizes(model, at);
        let prices = |size| (size, Prices::of_band(book, model, tier, Band::Above(size), at, currency));
        Self(sizes.into_iter().map(prices).collect())
    }

    /// The prices of one band, for prompts of any size.
    pub fn of_band(
        book: &Book,
        model: &Model,
        tier: &ServiceTier,
        band: Band,
        at: Timestamp,
        currency: Currency,
    ) -> Self {
        Self(vec![(0, Prices::of_band(book, model, tier, band, at, currency))])
    }

    /// The prices for a prompt of a size.
    fn of_prompt(&self, size: i64) -> Option<&Prices> {
        self.0.iter().rfind(|(above, _)| *above == 0 || size > *above).map(|(_, prices)| prices)
    }
}

impl Prices {
    fn of_band(book: &Book, model: &Model, tier: &ServiceTier, band: Band, at: Timestamp, currency: Currency) -> Self {
        let mut prices = Self([None; Meter::ALL.len()]);
        for (meter, slot) in Meter::ALL.into_iter().zip(&mut prices.0) {
            *slot = match book.resolve(model, tier, meter, band, at) {
                Resolution::Priced(price) if price.currency == currency => Some(price.rate),
                Resolution::NotCharged => Some(Rate::FREE),
                Resolution::Priced(_) | Resolution::NoPrice | Resolution::PromptUnknown => None,
            };
        }
        prices
    }

    fn of(&self, meter: Meter) -> Option<Rate> {
        self.0.get(usize::from(meter.code())).copied().flatten()
    }

    /// The dearest price that a token of the prompt may have; `None` if input has none.
    fn prompt(&self) -> Option<Rate> {
        let written = self.of(Meter::CacheWrite).max(self.of(Meter::CacheWrite1h));
        self.of(Meter::Input).map(|input| written.map_or(input, |written| written.max(input)))
    }
}

/// A part of units: a payer's weight in the whole, rounded up.
pub fn part_of(units: i64, part: i64, whole: i64) -> i64 {
    let product = i128::from(units).saturating_mul(part.into());
    let whole = i128::from(whole.max(1));
    let rounded = product.saturating_add(whole.saturating_sub(1)).div_euclid(whole);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}
