//! What a meter costs, and when.
//!
//! Price rows never change. A later row with the same key and start replaces the earlier row, and a row without a rate
//! ends its key. [`Book`] answers the one question of rating: which price is in force at an event's instant?
#![deny(clippy::indexing_slicing, clippy::as_conversions)]

pub mod alias;
pub mod alias_list;
pub mod book;
pub mod catalog;
pub mod change;
pub mod check;
pub mod nearest;
pub mod read;

use crate::domain::currency::Currency;
use crate::domain::event::ServiceTier;
use crate::domain::meter::Meter;
use crate::domain::name::Name;
use crate::domain::rate::Rate;
use crate::domain::timestamp::Timestamp;

pub use alias::Aliases;
pub use book::{Book, Price, Quoted, Resolution};

/// What a price is for. Two rows with one key are prices of the same thing at different times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceKey {
    /// The price book: the ledger's own, or another for comparison.
    pub book: Name,
    /// The provider; `None` for any.
    pub provider: Option<Name>,
    /// The model, exactly.
    pub model: Name,
    /// The service tier, exactly: batch never falls back to standard.
    pub tier: ServiceTier,
    /// The meter.
    pub meter: Meter,
    /// 0 for the base price. Otherwise the price applies to the whole request if its prompt is larger than this.
    pub prompt_above: i64,
}

/// One row of a price list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    /// What the price is for.
    pub key: PriceKey,
    /// The start. The price applies until the next row with the same key.
    pub valid_from: Timestamp,
    /// The currency.
    pub currency: Currency,
    /// The price; `None` ends the key, so no price is in force from then on.
    pub rate: Option<Rate>,
}
