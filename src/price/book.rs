//! A price book in memory: finds the price in force for a meter of an event.
//!
//! It resolves in this order. The tier must match exactly. If a row that names the event's provider is in force, rows
//! for any provider do not count. Then the highest threshold below the prompt's size wins, then the latest start.
//! `reasoning` falls back to `output`; nothing else falls back. The instant is an argument, so the book never uses
//! today's price.
//!
//! If no price in force names the model, whatever its meter or tier, tokenbook follows the alias in force. All prices then
//! come from the model that the alias names.

use crate::domain::currency::Currency;
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::meter::Meter;
use crate::domain::name::Name;
use crate::domain::rate::Rate;
use crate::domain::timestamp::Timestamp;
use crate::price::nearest::{nearest_names, undated};
use crate::price::{Aliases, PriceRow};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A rate in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The currency.
    pub currency: Currency,
    /// The rate.
    pub rate: Rate,
}

/// A book's answer for a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The price in force.
    Priced(Price),
    /// Requests of a model whose prices do not name them. They cost nothing and are not unpriced.
    NotCharged,
    /// No price is in force.
    NoPrice,
    /// The price depends on the prompt's size, which the record does not report.
    PromptUnknown,
}

/// A price with its row in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a> {
    /// The price.
    pub price: Price,
    /// The model of the row.
    pub model: &'a Name,
    /// The meter of the row. For `reasoning` it may be `output`.
    pub meter: Meter,
    /// The provider of the row; `None` for any.
    pub provider: Option<&'a Name>,
    /// The prompt size above which it applies.
    pub prompt_above: i64,
    /// The start of the price.
    pub valid_from: Timestamp,
}

/// Why there is no price to quote.
enum NotQuoted {
    NoPrice,
    PromptUnknown,
}

/// The prices of one book.
#[derive(Debug, Default)]
pub struct Book {
    models: FxHashMap<Box<str>, ModelPrices>,
    aliases: Arc<Aliases>,
    /// The instants at which some price or alias starts or ends, sorted.
    starts: Vec<Timestamp>,
}

#[derive(Debug)]
struct ModelPrices {
    /// The name that the prices are listed under.
    model: Name,
    keys: BTreeMap<(Meter, ServiceTier), Vec<History>>,
    starts: BTreeSet<Timestamp>,
}

/// The prices of one key over time.
#[derive(Debug)]
struct History {
    provider: Option<Name>,
    prompt_above: i64,
    /// By start. A later row with the same start has replaced the earlier one.
    prices: BTreeMap<Timestamp, Option<Price>>,
}

impl History {
    fn in_force(&self, at: Timestamp) -> Option<(Timestamp, Price)> {
        self.prices.range(..=at).next_back().and_then(|(start, price)| price.map(|price| (*start, price)))
    }
}

impl Book {
    /// The book from rows in the order of their import.
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a PriceRow>) -> Self {
        let mut book = Self::default();
        let mut starts = BTreeSet::new();
        for row in rows {
            starts.insert(row.valid_from);
            book.insert(row);
        }
        book.starts = starts.into_iter().collect();
        book
    }

    /// The same book, which also knows its models by their aliases.
    pub fn under(mut self, aliases: Arc<Aliases>) -> Self {
        self.starts.extend(aliases.starts());
        self.starts.sort_unstable();
        self.starts.dedup();
        Self { aliases, ..self }
    }

    fn insert(&mut self, row: &PriceRow) {
        let model = self.models.entry(row.key.model.as_str().into()).or_insert_with(|| ModelPrices {
            model: row.key.model.clone(),
            keys: BTreeMap::new(),
            starts: BTreeSet::new(),
        });
        model.starts.insert(row.valid_from);
        let histories = model.keys.entry((row.key.meter, row.key.tier.clone())).or_default();
        let price = row.rate.map(|rate| Price { currency: row.currency, rate });
        let same = |h: &&mut History| h.provider == row.key.provider && h.prompt_above == row.key.prompt_above;
        if let Some(history) = histories.iter_mut().find(same) {
            history.prices.insert(row.valid_from, price);
            return;
        }
        let prices = BTreeMap::from([(row.valid_from, price)]);
        histories.push(History { provider: row.key.provider.clone(), prompt_above: row.key.prompt_above, prices });
    }

    /// The price of a meter at an instant, for a model, a tier and a band of prompt sizes.
    pub fn resolve(&self, model: &Model, tier: &ServiceTier, meter: Meter, band: Band, at: Timestamp) -> Resolution {
        if meter.is_measure() {
            return Resolution::NotCharged;
        }
        let Some((prices, provider)) = self.prices_of(model, at) else {
            return if meter == Meter::Request { Resolution::NotCharged } else { Resolution::NoPrice };
        };
        match prices.quoted(provider, tier, meter, band, at) {
            Ok(quoted) => Resolution::Priced(quoted.price),
            Err(NotQuoted::NoPrice) if meter == Meter::Request && !prices.name_requests(provider) => {
                Resolution::NotCharged
            }
            Err(NotQuoted::NoPrice) => Resolution::NoPrice,
            Err(NotQuoted::PromptUnknown) => Resolution::PromptUnknown,
        }
    }

    /// The prices of a model at an instant, and the provider whose rows apply. If a price is in force for the model's
    /// own name, it wins over the prices of its alias.
    fn prices_of<'a>(&'a self, model: &'a Model, at: Timestamp) -> Option<(&'a ModelPrices, Option<&'a Name>)> {
        let usages = model.provider.as_ref();
        let own = self.models.get(model.name.as_str()).map(|prices| (prices, usages));
        if own.is_some_and(|(prices, provider)| prices.is_in_force(provider, at)) {
            return own;
        }
        let alias = self.aliases.target_of(model, at);
        let alias = alias.and_then(|found| Some((self.models.get(found.model)?, found.provider.or(usages))));
        alias.or(own)
    }

    /// The lowest and the highest rate of a meter over all sizes of a prompt. `None` where some size has no price, or a price in
    /// another currency.
    pub fn rates_of_any_prompt(
        &self,
        model: &Model,
        tier: &ServiceTier,
        meter: Meter,
        at: Timestamp,
        currency: Currency,
    ) -> Option<(Rate, Rate)> {
        let (prices, _) = self.prices_of(model, at)?;
        let sizes = std::iter::once(0).chain(prices.thresholds());
        let rate = |size| match self.resolve(model, tier, meter, Band::Above(size), at) {
            Resolution::Priced(price) if price.currency == currency => Some(price.rate),
            _ => None,
        };
        let rates: BTreeSet<Rate> = sizes.map(rate).collect::<Option<_>>()?;
        Some((*rates.first()?, *rates.last()?))
    }

    /// Whether some price of a name, or of what it stands for, depends on the size of the prompt: whenever it holds.
    pub fn depends_on_prompt(&self, model: &str) -> bool {
        let names = std::iter::once(model).chain(self.aliases.targets(model));
        names.filter_map(|name| self.models.get(name)).flat_map(ModelPrices::thresholds).any(|size| size > 0)
    }

    /// The prompt sizes above which a model has other prices at an instant, ascending. The first is 0.
    pub fn prompt_sizes(&self, model: &Model, at: Timestamp) -> BTreeSet<i64> {
        let prices = self.prices_of(model, at).map(|(prices, _)| prices);
        std::iter::once(0).chain(prices.into_iter().flat_map(ModelPrices::thresholds)).collect()
    }

    /// The row from which [`Book::resolve`] takes a price, if there is one.
    pub fn quoted<'a>(
        &'a self,
        model: &'a Model,
        tier: &ServiceTier,
        meter: Meter,
        band: Band,
        at: Timestamp,
    ) -> Option<Quoted<'a>> {
        let (prices, provider) = self.prices_of(model, at)?;
        prices.quoted(provider, tier, meter, band, at).ok()
    }

    /// The priced names nearest to a name that never had a price, as a hint for a person.
    pub fn nearest(&self, model: &str) -> Vec<&str> {
        if self.models.contains_key(model) {
            return Vec::new();
        }
        nearest_names(model, self.models.keys().map(AsRef::as_ref))
    }

    /// The providers in the prices of a name, or of what it stands for, at any time. `None` stands for any provider.
    pub fn providers_of(&self, model: &str) -> BTreeSet<Option<&Name>> {
        let names = std::iter::once(model).chain(self.aliases.targets(model));
        let histories =
            names.filter_map(|name| self.models.get(name)).flat_map(|prices| prices.keys.values().flatten());
        histories.map(|history| history.provider.as_ref()).collect()
    }

    /// The model of a name, with its provider if all prices of the name have the same.
    pub fn model_named(&self, name: &Name) -> Model {
        let mut providers = self.providers_of(name.as_str()).into_iter();
        let provider = match (providers.next(), providers.next()) {
            (Some(only), None) => only.cloned(),
            _ => None,
        };
        Model { provider, name: name.clone() }
    }

    /// The name without the date of a model that has no price, if that name has one.
    pub fn undated<'m>(&self, model: &'m str) -> Option<&'m str> {
        let undated = undated(model)?;
        (self.providers_of(model).is_empty() && !self.providers_of(undated).is_empty()).then_some(undated)
    }

    /// Whether a name, or what it stands for, has a price at a service tier, at any time.
    pub fn has_tier(&self, model: &str, tier: &ServiceTier) -> bool {
        let mut names = std::iter::once(model).chain(self.aliases.targets(model));
        names.any(|name| self.models.get(name).is_some_and(|prices| prices.keys.keys().any(|(_, of)| of == tier)))
    }

    /// The instants strictly inside a span at which a price of the model starts or ends, or at which its name starts to
    /// stand for another.
    pub fn changes_within(&self, model: &str, after: Timestamp, before: Timestamp) -> Vec<Timestamp> {
        let starts = |name: &str| self.models.get(name).into_iter().flat_map(|prices| prices.starts.iter().copied());
        let of_targets = self.aliases.targets(model).flat_map(starts);
        let all = starts(model).chain(self.aliases.starts_of(model)).chain(of_targets);
        all.filter(|start| *start > after && *start < before).collect()
    }

    /// The first instant after another at which some price or alias starts or ends.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        self.starts.get(self.epoch(after)).copied()
    }

    /// The number of starts up to an instant. Two instants with the same number have the same prices.
    pub fn epoch(&self, at: Timestamp) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }
}

impl ModelPrices {
    fn quoted(
        &self,
        provider: Option<&Name>,
        tier: &ServiceTier,
        meter: Meter,
        band: Band,
        at: Timestamp,
    ) -> Result<Quoted<'_>, NotQuoted> {
        match (meter, self.listed(provider, tier, meter, band, at)) {
            (Meter::Reasoning, Err(NotQuoted::NoPrice)) => self.listed(provider, tier, Meter::Output, band, at),
            (_, found) => found,
        }
    }

    fn listed(
        &self,
        provider: Option<&Name>,
        tier: &ServiceTier,
        meter: Meter,
        band: Band,
        at: Timestamp,
    ) -> Result<Quoted<'_>, NotQuoted> {
        // The key borrows nothing from `tier`, so the search compares the pairs.
        let histories = self.keys.iter().find(|((m, t), _)| *m == meter && t == tier).map(|(_, histories)| histories);
        let in_force = |named: bool| {
            let belongs = move |h: &&History| {
                if named { provider.is_some() && h.provider.as_ref() == provider } else { h.provider.is_none() }
            };
            histories.into_iter().flatten().filter(belongs).filter_map(move |h| {
                let (valid_from, price) = h.in_force(at)?;
                let provider = h.provider.as_ref();
                Some(Quoted { price, model: &self.model, meter, provider, prompt_above: h.prompt_above, valid_from })
            })
        };
        let mut prices: Vec<Quoted<'_>> = in_force(true).collect();
        if prices.is_empty() {
            prices = in_force(false).collect();
        }
        let reached = match band {
            Band::Above(threshold) => threshold,
            Band::Unknown if prices.iter().any(|quoted| quoted.prompt_above > 0) => {
                return Err(NotQuoted::PromptUnknown);
            }
            Band::Unknown => 0,
        };
        let reached = prices.into_iter().filter(|quoted| quoted.prompt_above <= reached);
        reached.max_by_key(|quoted| quoted.prompt_above).ok_or(NotQuoted::NoPrice)
    }

    /// The prompt sizes above which some row has a price, be it in force or not.
    fn thresholds(&self) -> impl Iterator<Item = i64> {
        self.keys.values().flatten().map(|history| history.prompt_above)
    }

    /// Whether any price is in force for usage of a provider.
    fn is_in_force(&self, provider: Option<&Name>, at: Timestamp) -> bool {
        let mut histories = self.keys.values().flatten();
        histories.any(|h| (h.provider.is_none() || h.provider.as_ref() == provider) && h.in_force(at).is_some())
    }

    fn name_requests(&self, provider: Option<&Name>) -> bool {
        let of_requests = self.keys.iter().filter(|((meter, _), _)| *meter == Meter::Request);
        of_requests
            .flat_map(|(_, histories)| histories)
            .any(|h| h.provider.is_none() || h.provider.as_ref() == provider)
    }
}
