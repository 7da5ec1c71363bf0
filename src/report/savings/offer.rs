//! Offers: other terms under which the same usage could have been bought.
//!
//! Every offer that exists can be computed. Its percentages and its exchange rate are one exact ratio. Its flat plan
//! has either a price beyond the included tokens or none. It changes something. [`read`](super::read) describes how to
//! write offers.

use crate::domain::currency::Currency;
use crate::domain::event::{Model, ServiceTier};
use crate::domain::money::Amount;
use crate::domain::name::{Name, TagValue};
use crate::domain::rate::Rate;
use crate::domain::ratio::Ratio;
use crate::domain::tags::{TagKey, TagSet};
use std::collections::BTreeSet;

/// The offers of a file in its order, and the currency of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers {
    /// The currency that is really paid.
    pub(super) charged: Charged,
    pub(super) list: Vec<Offer>,
}

impl Offers {
    /// The currency of the comparison.
    pub fn currency(&self) -> Currency {
        self.charged.currency
    }

    /// The names of the price books that the offers need in addition to the ledger's own.
    pub fn books(&self) -> BTreeSet<&str> {
        let named = self.list.iter().filter_map(|offer| match &offer.pricing {
            Pricing::Book(priced) => priced.book.as_ref(),
            Pricing::Plan(_) => None,
        });
        named.map(Name::as_str).collect()
    }
}

/// The currency in which the contract is really paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charged {
    pub(super) currency: Currency,
    /// Units of that currency for one unit of the ledger's.
    pub(super) rate: Ratio,
}

/// One offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) name: Name,
    /// The currency of its prices and its fee.
    pub(super) currency: Currency,
    pub(super) pricing: Pricing,
    /// Converts a bill in the offer's currency to the payment in the charged one. Discount, card fee, exchange spread
    /// and exchange rate are one ratio, so there is one rounding.
    pub(super) factor: Ratio,
}

/// How an offer's bill is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pricing {
    /// A monthly fee, independent of usage.
    Plan(Plan),
    /// Prices by meter.
    Book(Priced),
}

/// A flat plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) monthly_fee: Amount,
    pub(super) allowance: Allowance,
}

/// What a flat plan's fee covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// All usage, tokens and everything else.
    Everything,
    /// A number of tokens a month, and nothing else.
    Tokens {
        /// Tokens included in a month.
        included: i64,
        /// The price of further tokens; `None` if they cannot be bought.
        beyond: Option<Rate>,
    },
}

/// Prices of a book, for the used models or for substitutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Priced {
    /// The book; `None` for the ledger's own.
    pub(super) book: Option<Name>,
    /// The first one that matches counts.
    pub(super) substitutes: Vec<Substitute>,
}

/// Another model for some of the usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Substitute {
    /// The model that was used.
    pub(super) from: Name,
    /// The substitute. Without a provider, only prices for any provider apply.
    pub(super) to: Model,
    pub(super) conditions: Vec<Condition>,
}

/// The conditions on usage for a substitute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Tier(ServiceTier),
    Tag(TagKey, TagValue),
}

impl Substitute {
    /// Whether the substitute applies to usage of a model and tier with these tags.
    pub(super) fn matches(&self, model: &Model, tier: &ServiceTier, tags: Option<&TagSet>) -> bool {
        let holds = |condition: &Condition| match condition {
            Condition::Tier(wanted) => wanted == tier,
            Condition::Tag(key, value) => tags.and_then(|tags| tags.get(key.as_str())) == Some(value.as_str()),
        };
        self.from == model.name && self.conditions.iter().all(holds)
    }
}
