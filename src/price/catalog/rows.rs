//! Turns quotes into price rows and counts every quote: used, set aside, or not asked for.
//!
//! Two quotes with one key and start must agree. If they do not, neither is used, because nothing shows which is right.
//! No other price may apply in place of one that cannot be used. Without the price for larger prompts, the price for
//! smaller ones would apply to all, so that one is set aside as well. Without a later price, the earlier one would
//! continue, so it ends. The rows are in the order of their keys and starts, whatever the order of the file.

use super::quote::{Entry, Fate, Quote, Reason, Slot, Use};
use super::{Inexact, Terms, providers};
use crate::domain::currency::Currency;
use crate::domain::decimal::{self, DecimalError};
use crate::domain::event::ServiceTier;
use crate::domain::name::Name;
use crate::domain::rate::{Rate, RateError, Stated};
use crate::domain::secret::looks_secret;
use crate::domain::timestamp::Timestamp;
use crate::price::read::ListedPrice;
use crate::price::{PriceKey, PriceRow};
use std::collections::{BTreeMap, BTreeSet};

/// The result of reading a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogList {
    /// Its prices, in the order of keys and starts.
    pub prices: Vec<ListedPrice>,
    /// The counts of its content.
    pub counts: Counts,
    /// The prices that did not become rows, by reason, model and key.
    pub asides: Vec<Aside>,
    /// The prices that were moved to the nearest rate.
    pub snapped: Vec<Snapped>,
    /// Providers that the table of names lacks, with the number of their models.
    pub unknown_providers: BTreeMap<String, u64>,
    /// Keys with a price that could not be read.
    pub unresolved: BTreeSet<PriceKey>,
    /// Patterns of `--only` that match no model.
    pub unmatched: Vec<String>,
}

/// The content of a catalogue in numbers. `quotes` is the sum of the three fields after it, `models` of the four fields
/// after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Prices in the file.
    pub quotes: u64,
    /// Prices that became rows, alone or together with an equal price.
    pub quotes_used: u64,
    /// Prices that are set aside.
    pub quotes_aside: u64,
    /// Prices of models that were not asked for.
    pub quotes_not_asked: u64,
    /// Models in the file.
    pub models: u64,
    /// Models with a price among the rows.
    pub models_priced: u64,
    /// Models whose prices are all set aside.
    pub models_aside: u64,
    /// Models for which the file has no price.
    pub models_without_price: u64,
    /// Models that were not asked for.
    pub models_not_asked: u64,
    /// Models for which the catalogue also has patterns, which tokenbook does not follow.
    pub patterns: u64,
    /// Rows with the price 0.
    pub free: u64,
}

/// A price that did not become a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Aside {
    /// The reason.
    pub reason: Reason,
    /// The provider and the model, as `provider/model`.
    pub model: String,
    /// Its place in the model.
    pub key: String,
    /// Its text.
    pub text: String,
    /// Its line.
    pub line: u64,
}

/// A price that was moved to the nearest rate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapped {
    /// The provider and the model, as `provider/model`.
    pub model: String,
    /// Its place in the model.
    pub key: String,
    /// Its text.
    pub text: String,
    /// The rate that replaces it.
    pub rate: Rate,
}

/// One use of a quote. A rate of `None` ends the key.
struct Offer {
    entry: usize,
    quote: Option<usize>,
    line: u64,
    rate: Option<Rate>,
}

/// A model with tokenbook's names.
struct Named {
    at: usize,
    shown: String,
    provider: Name,
    models: Vec<Name>,
}

struct Listing<'a> {
    terms: &'a Terms,
    offers: BTreeMap<(PriceKey, Timestamp), Vec<Offer>>,
    /// Why quotes are set aside, by the positions of the entry and the quote.
    reasons: BTreeMap<(usize, usize), Reason>,
    snapped: BTreeSet<Snapped>,
    /// Keys and starts of prices that cannot be used.
    unresolved: BTreeSet<(PriceKey, Timestamp)>,
}

/// The rows from a catalogue's entries.
pub(super) fn list(entries: &[Entry], terms: &Terms) -> CatalogList {
    let mut listing = Listing {
        terms,
        offers: BTreeMap::new(),
        reasons: BTreeMap::new(),
        snapped: BTreeSet::new(),
        unresolved: BTreeSet::new(),
    };
    let asked: Vec<bool> = entries.iter().map(|entry| is_asked(entry, terms)).collect();
    for (at, entry) in entries.iter().enumerate().filter(|(at, _)| asked.get(*at) == Some(&true)) {
        listing.add(at, entry);
    }
    let (prices, priced) = listing.rows();
    let mut counts = Counts { free: count(prices.iter().filter(|price| is_free(price))), ..Counts::default() };
    let (mut asides, mut unknown_providers) = (Vec::new(), BTreeMap::new());
    for (at, entry) in entries.iter().enumerate() {
        let quotes = count(entry.quotes.iter());
        counts.models += 1;
        counts.quotes += quotes;
        if asked.get(at) != Some(&true) {
            counts.models_not_asked += 1;
            counts.quotes_not_asked += quotes;
            continue;
        }
        counts.patterns += u64::from(entry.patterns);
        let (provider, known) = providers::ours(&entry.provider);
        if !known {
            *unknown_providers.entry(provider.to_owned()).or_default() += 1;
        }
        match (priced.contains(&at), quotes) {
            (true, _) => counts.models_priced += 1,
            (false, 0) => counts.models_without_price += 1,
            (false, _) => counts.models_aside += 1,
        }
        let before = asides.len();
        asides.extend(entry.quotes.iter().enumerate().filter_map(|(place, quote)| {
            let reason = *listing.reasons.get(&(at, place))?;
            Some(aside(entry, quote, reason))
        }));
        let set_aside = count(asides.iter().skip(before));
        counts.quotes_aside += set_aside;
        counts.quotes_used += quotes - set_aside;
    }
    asides.sort();
    let unmatched = unmatched(entries, terms);
    let Listing { snapped, unresolved, .. } = listing;
    CatalogList {
        prices,
        counts,
        asides,
        snapped: snapped.into_iter().collect(),
        unknown_providers,
        unresolved: unresolved.into_iter().map(|(key, _)| key).collect(),
        unmatched,
    }
}

fn is_asked(entry: &Entry, terms: &Terms) -> bool {
    let (provider, _) = providers::ours(&entry.provider);
    let meant = |name: &String| terms.only.iter().any(|pattern| pattern.means(provider, name));
    terms.only.is_empty() || entry.names.iter().any(meant)
}

fn unmatched(entries: &[Entry], terms: &Terms) -> Vec<String> {
    let means_some = |pattern: &super::Pattern| {
        entries.iter().any(|entry| {
            let (provider, _) = providers::ours(&entry.provider);
            entry.names.iter().any(|name| pattern.means(provider, name))
        })
    };
    terms.only.iter().filter(|pattern| !means_some(pattern)).map(|pattern| pattern.as_str().to_owned()).collect()
}

fn aside(entry: &Entry, quote: &Quote, reason: Reason) -> Aside {
    Aside { reason, model: shown(entry), key: quote.key.clone(), text: quote.text.clone(), line: quote.line }
}

fn shown(entry: &Entry) -> String {
    let (provider, _) = providers::ours(&entry.provider);
    let name = entry.names.first().map_or("", String::as_str);
    format!("{provider}/{}", if looks_secret(name.trim()) { "(looks like a secret, not shown)" } else { name })
}

fn is_free(price: &ListedPrice) -> bool {
    price.row.rate.is_some_and(Rate::is_free)
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

impl Listing<'_> {
    fn add(&mut self, at: usize, entry: &Entry) {
        let (provider, _) = providers::ours(&entry.provider);
        let models: Vec<Name> = entry.names.iter().filter_map(|name| Name::new(name).ok()).collect();
        let provider = Name::new(provider).ok().filter(|_| !models.is_empty());
        let named = provider.map(|provider| Named { at, shown: shown(entry), provider, models });
        for (place, quote) in entry.quotes.iter().enumerate() {
            let fate = match (&quote.fate, &named) {
                (Fate::Aside(reason), _) => Err(*reason),
                (Fate::Uses(_), None) => Err(Reason::BadName),
                // All uses are examined, to find every key that has no price because of this.
                (Fate::Uses(uses), Some(named)) => {
                    let fates = uses.iter().map(|put| self.put(named, place, quote, put));
                    fates.fold(Ok(()), Result::and)
                }
            };
            if let Err(reason) = fate {
                self.reasons.insert((at, place), reason);
            }
        }
        for (slot, from) in &entry.ends {
            let keys = named.as_ref().and_then(|named| self.keys(named, slot).ok()).unwrap_or_default();
            for key in keys {
                let offer = Offer { entry: at, quote: None, line: entry.line, rate: None };
                self.offers.entry((key, *from)).or_default().push(offer);
            }
        }
    }

    fn put(&mut self, named: &Named, place: usize, quote: &Quote, put: &Use) -> Result<(), Reason> {
        let from = put.from.unwrap_or(self.terms.valid_from);
        let keys = self.keys(named, &put.slot)?;
        let text = match &put.times {
            None => Ok(quote.text.clone()),
            Some(factor) => decimal::product(&quote.text, factor),
        };
        let rate = match text.map_err(RateError::Decimal).and_then(|text| Rate::stated(&text, put.per)) {
            _ if put.slot.prompt_above < 0 => Err(Reason::BadThreshold),
            Ok(Stated::Exact(rate)) => Ok(rate),
            Ok(Stated::Near(rate)) if self.terms.inexact == Inexact::Snap => {
                let (model, key, text) = (named.shown.clone(), quote.key.clone(), quote.text.clone());
                self.snapped.insert(Snapped { model, key, text, rate });
                Ok(rate)
            }
            Ok(Stated::Near(_)) => Err(Reason::Inexact),
            Err(error) => Err(reason(error)),
        };
        let rate = rate.inspect_err(|_| self.unresolved.extend(keys.iter().map(|key| (key.clone(), from))))?;
        for key in keys {
            let offer = Offer { entry: named.at, quote: Some(place), line: quote.line, rate: Some(rate) };
            self.offers.entry((key, from)).or_default().push(offer);
        }
        Ok(())
    }

    /// The keys of a slot, one for each name of the model.
    fn keys(&self, named: &Named, slot: &Slot) -> Result<Vec<PriceKey>, Reason> {
        let tier = ServiceTier::new(&slot.tier).map_err(|_| Reason::Condition)?;
        let key = |model: &Name| PriceKey {
            book: self.terms.book.clone(),
            provider: Some(named.provider.clone()),
            model: model.clone(),
            tier: tier.clone(),
            meter: slot.meter,
            prompt_above: slot.prompt_above,
        };
        Ok(named.models.iter().map(key).collect())
    }

    /// One row for each key and start, and the entries that have a row.
    fn rows(&mut self) -> (Vec<ListedPrice>, BTreeSet<usize>) {
        let mut offers = std::mem::take(&mut self.offers);
        for (place, offers) in &offers {
            if offers.iter().any(|offer| offers.first().is_some_and(|first| offer.rate != first.rate)) {
                self.set_aside(offers, Reason::Contradiction);
                self.unresolved.insert(place.clone());
            }
        }
        offers.retain(|place, _| !self.unresolved.contains(place));
        let largest = self.largest_unresolved();
        offers.retain(|(key, _), offers| {
            let stays = largest.get(&base(key)).is_none_or(|above| key.prompt_above >= *above);
            if !stays {
                self.set_aside(offers, Reason::Partial);
            }
            stays
        });
        let (mut prices, mut priced) = (BTreeMap::new(), BTreeSet::new());
        for ((key, valid_from), offers) in offers {
            let Some(first) = offers.first() else { continue };
            priced.extend(offers.iter().filter(|offer| offer.rate.is_some()).map(|offer| offer.entry));
            prices.insert((key, valid_from), (first.line, first.rate));
        }
        for (key, from) in &self.unresolved {
            let before = prices.range(..(key.clone(), *from)).next_back().filter(|((before, _), _)| before == key);
            if let Some(((key, _), (line, Some(_)))) = before {
                let (key, line) = (key.clone(), *line);
                prices.insert((key, *from), (line, None));
            }
        }
        let price = |((key, valid_from), (line, rate))| ListedPrice {
            line,
            row: PriceRow { key, valid_from, currency: Currency::USD, rate },
        };
        (prices.into_iter().map(price).collect(), priced)
    }

    fn set_aside(&mut self, offers: &[Offer], reason: Reason) {
        let quotes = offers.iter().filter_map(|offer| Some((offer.entry, offer.quote?)));
        self.reasons.extend(quotes.map(|quote| (quote, reason)));
    }

    /// For each key without its prompt size: the largest size whose price cannot be used, if there is one.
    fn largest_unresolved(&self) -> BTreeMap<PriceKey, i64> {
        let mut largest = BTreeMap::new();
        for (key, _) in self.unresolved.iter().filter(|(key, _)| key.prompt_above != 0) {
            // A size that cannot be read may be any.
            let above = if key.prompt_above < 0 { i64::MAX } else { key.prompt_above };
            let known = largest.entry(base(key)).or_insert(above);
            *known = above.max(*known);
        }
        largest
    }
}

/// The key for prompts of any size.
fn base(key: &PriceKey) -> PriceKey {
    PriceKey { prompt_above: 0, ..key.clone() }
}

fn reason(error: RateError) -> Reason {
    match error {
        RateError::Decimal(DecimalError::NotPlain) => Reason::NotANumber,
        RateError::Decimal(DecimalError::TooManyDigits) | RateError::TooFine => Reason::TooFine,
        RateError::Negative => Reason::Negative,
        RateError::TooLarge => Reason::TooLarge,
    }
}
