//! Prices in another currency than the ledger's. Usage that has no other prices stays unpriced.

use crate::books::{Books, BooksError};
use crate::domain::currency::Currency;
use std::collections::{BTreeMap, BTreeSet};

/// Models whose only prices are in one other currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignPrices {
    /// The currency.
    pub currency: Currency,
    /// The models.
    pub models: BTreeSet<String>,
    /// The number of these models' events in the ledger.
    pub events: u64,
}

impl Books {
    /// Models with prices in the ledger's own price book, but none in the ledger's currency.
    pub fn foreign_prices(&self) -> Result<Vec<ForeignPrices>, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let settings = self.settings();
        let mut currencies: BTreeMap<String, BTreeSet<Currency>> = BTreeMap::new();
        for row in snapshot.prices()?.iter().filter(|row| row.key.book == settings.book) {
            currencies.entry(row.key.model.to_string()).or_default().insert(row.currency);
        }
        currencies.retain(|_, currencies| !currencies.contains(&settings.currency));
        if currencies.is_empty() {
            return Ok(Vec::new());
        }
        let events = snapshot.events_by_model()?;
        let mut foreign: BTreeMap<Currency, ForeignPrices> = BTreeMap::new();
        for (model, currencies) in currencies {
            let Some(currency) = currencies.first().copied() else { continue };
            let empty = || ForeignPrices { currency, models: BTreeSet::new(), events: 0 };
            let of_currency = foreign.entry(currency).or_insert_with(empty);
            of_currency.events = of_currency.events.saturating_add(events.get(&model).copied().unwrap_or(0));
            of_currency.models.insert(model);
        }
        Ok(foreign.into_values().collect())
    }
}
