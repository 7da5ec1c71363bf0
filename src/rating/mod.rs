//! Usage times prices: rated lines, and the rounding of amounts that add up.
//!
//! Nothing is rounded here except in [`allocate`], which makes the parts of a total add up to it.
#![deny(clippy::indexing_slicing, clippy::as_conversions)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod allocate;
pub mod rate;

use crate::domain::currency::Currency;
use crate::domain::meter::Meter;
use crate::domain::money::Amount;
use crate::domain::number::PayerOf;
use crate::domain::usage::UsageLine;

/// Usage with the cost of each meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatedLine {
    /// The usage.
    pub usage: UsageLine,
    /// Who pays for it.
    pub payer: PayerOf,
    /// One charge for each reported meter, in the order of the meters.
    pub charges: Vec<Charge>,
    /// The number of the line's events with an unpriced meter above 0.
    pub unpriced_events: i64,
    /// Whether it is part of a line with such events. The part's own count of them may be 0.
    pub of_unpriced: bool,
}

impl RatedLine {
    /// Whether a part of it has no price.
    pub fn has_unpriced(&self) -> bool {
        self.charges.iter().any(|charge| matches!(charge.cost, Cost::Unpriced(_)))
    }
}

/// The cost of a quantity of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// The meter.
    pub meter: Meter,
    /// The quantity.
    pub quantity: i64,
    /// The cost.
    pub cost: Cost,
}

/// The cost, or why it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Exactly this much.
    Priced(Amount),
    /// Nothing: a quantity of 0, or requests of a model whose prices do not name them.
    NotCharged,
    /// Unknown.
    Unpriced(Unpriced),
}

/// Why there is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unpriced {
    /// No price is in force.
    NoPrice,
    /// The price depends on the prompt's size, which the record does not report.
    PromptUnknown,
    /// The price is in another currency, and there is no exchange rate.
    Unconverted(Currency),
}

impl Unpriced {
    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoPrice => "no price in force",
            Self::PromptUnknown => "the price depends on the prompt size, which the record does not report",
            Self::Unconverted(_) => "the price is in another currency and there is no exchange rate",
        }
    }
}
