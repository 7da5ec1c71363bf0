//! Savings: what the same usage would have cost under other offers.
//!
//! The report recomputes recorded usage and never forecasts. It compares only usage for which both the contract and the
//! offer have an amount. It leaves the rest out on both sides and counts it. Amounts are exact, in the charged
//! currency, until [`sheet()`] rounds them. This module reads no file and never adds offers up, because they are
//! alternatives.
//!
//! Flow: [`Offers::read`] the file, load the books it names, [`compare()`], [`sheet()`].
#![deny(clippy::indexing_slicing, clippy::as_conversions)]

mod compare;
mod offer;
mod read;
mod sheet;
mod spread;
mod tally;
#[cfg(test)]
mod tests;

pub use compare::compare;
pub use offer::Offers;
pub use sheet::{By, sheet};

use crate::domain::currency::Currency;
use crate::domain::money::Amount;
use crate::domain::ratio::Overflow;
use crate::domain::usage::Dictionary;
use crate::fault::Code;
use crate::price::Book;
use crate::rating::{RatedLine, Unpriced};
use crate::report::by::{Choice, Dimension};
use crate::report::{
    Detail, FileKind, Inputs, MonthBefore, MonthFile, Payers, Reads, Report, ReportError, Screen, UserFile,
};
use crate::sheet::Sheet;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

pub(super) const REPORT: Report = Report {
    name: "savings",
    summary: "What other offers would have cost",
    by: Choice::Some { allowed: &[Dimension::Department], default: &[] },
    detail: |_| Detail::Lines,
    month_before: MonthBefore::Left,
    reads: Reads::File(FileKind::Offers),
    payers: Payers::Matter,
    sheet: of_inputs,
    screen: Screen::Always,
    month_files: &[
        MonthFile { name: "savings.csv", by: &[], departments: None },
        MonthFile { name: "savings-by-department.csv", by: &[Dimension::Department], departments: None },
    ],
};

/// The inputs' usage compared with their offers.
fn of_inputs(inputs: &Inputs<'_>) -> Result<Sheet, ReportError> {
    let Some(UserFile::Offers(offers)) = inputs.file else {
        return Err(ReportError::Lacks { report: REPORT.name, needed: FileKind::Offers.what() });
    };
    let months = u32::try_from(inputs.period.months().count()).ok().and_then(NonZeroU32::new);
    let usage = Usage {
        lines: inputs.rated.lines()?,
        names: inputs.names,
        book: inputs.book,
        books: inputs.books,
        thresholds: inputs.thresholds,
        months: months.unwrap_or(NonZeroU32::MIN),
    };
    let by = if inputs.by.contains(&Dimension::Department) { By::Department } else { By::Offer };
    Ok(sheet(&compare(offers, &usage)?, by, inputs.heading.clone())?)
}

/// The usage with its charges, and the prices to compare it with.
#[derive(Debug, Clone, Copy)]
pub struct Usage<'a> {
    /// The usage, rated with the ledger's own book: what is priced there was really charged.
    pub lines: &'a [RatedLine],
    /// The names in the usage.
    pub names: &'a Dictionary,
    /// The ledger's own book.
    pub book: &'a str,
    /// Price books by name, including the ledger's own.
    pub books: &'a BTreeMap<String, Book>,
    /// The prompt sizes at which the bands of a model are cut, ascending, by the model's name: every threshold of any
    /// of its prices. Without the substitute's thresholds, its price applies to a band as a whole.
    pub thresholds: &'a BTreeMap<String, Vec<i64>>,
    /// The number of calendar months that the period touches.
    pub months: NonZeroU32,
}

/// The result of one offer for the usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The offer's name.
    pub offer: String,
    /// The currency of all amounts.
    pub currency: Currency,
    /// The number of calendar months that the amounts cover.
    pub months: NonZeroU32,
    /// By department, with `(unallocated)` for usage without one. They add up to the total.
    pub departments: BTreeMap<String, Figures>,
    /// All departments.
    pub total: Figures,
    /// What is not compared, by reason.
    pub left_out: Vec<LeftOut>,
    /// Substitutes that matched no usage.
    pub unused: Vec<Unused>,
}

/// A substitute that matched no usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// The model that it would replace.
    pub from: String,
    /// Whether it has conditions.
    pub is_conditional: bool,
}

/// Exact amounts of the compared usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// What was really charged.
    pub charged: Amount,
    /// What the offer would charge.
    pub offered: Amount,
    /// Charged less offered: above zero is a saving.
    pub difference: Amount,
    /// Tokens that are not compared.
    pub uncompared_tokens: i128,
}

impl Figures {
    fn new(charged: Amount, offered: Amount, uncompared_tokens: i128) -> Result<Self, Overflow> {
        Ok(Self { charged, offered, difference: charged.minus(offered)?, uncompared_tokens })
    }

    fn total<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Result<Self, Overflow> {
        let nothing = Self::new(Amount::ZERO, Amount::ZERO, 0)?;
        parts.into_iter().try_fold(nothing, |sum, part| {
            let tokens = sum.uncompared_tokens.checked_add(part.uncompared_tokens).ok_or(Overflow)?;
            Self::new(sum.charged.plus(part.charged)?, sum.offered.plus(part.offered)?, tokens)
        })
    }
}

/// A quantity that is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// The reason.
    pub reason: Reason,
    /// The unit: tokens, searches …
    pub unit: &'static str,
    /// How much.
    pub quantity: i128,
}

/// Why a quantity is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The contract's charge is unknown.
    Contract(Unpriced),
    /// The offer's charge is unknown.
    Offer(Unpriced),
    /// A price of the substitute starts or ends within the day.
    PriceChange,
    /// It exceeds what the flat plan includes, and the plan has no price for it.
    BeyondIncluded,
    /// The flat plan includes only tokens.
    NotTokens,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(why) => write!(f, "contract: {}", why.reason()),
            Self::Offer(why) => write!(f, "offer: {}", why.reason()),
            Self::PriceChange => f.write_str("offer: a price of the substitute changes within the day"),
            Self::BeyondIncluded => f.write_str("beyond the included tokens, which have no price"),
            Self::NotTokens => f.write_str("the plan includes tokens only"),
        }
    }
}

/// Why usage cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SavingsError {
    /// An offer's book is unknown or empty.
    #[error("offer {offer:?}: the book {book:?} contains no prices, expected a book with prices")]
    NoPrices {
        /// The offer's name.
        offer: String,
        /// The book's name.
        book: String,
    },
    /// A condition names a tag that no usage has.
    #[error("offer {offer:?}: no usage has the tag {key:?}, expected {}", named(known, "a tag that usage has"))]
    NoTag {
        /// The offer's name.
        offer: String,
        /// The key of the tag.
        key: String,
        /// The keys that usage has.
        known: Vec<String>,
    },
    /// A substitute has no price for any usage that it matched.
    #[error("{0}")]
    NoPriceOf(Box<NoPriceOf>),
    /// An amount does not fit.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// A substitute without any price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPriceOf {
    /// The offer's name.
    pub offer: String,
    /// The substitute.
    pub model: String,
    /// Its provider.
    pub provider: Option<String>,
    /// Its service tier.
    pub tier: String,
    /// The providers for which the book has prices of it.
    pub providers: Vec<String>,
}

impl fmt::Display for NoPriceOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offer, model, provider, tier, providers } = self;
        let of = provider.as_deref().unwrap_or("any provider");
        write!(f, "offer {offer:?}: no price for the substitute {model:?} of {of} at the tier {tier}, expected ")?;
        if providers.iter().any(|other| other == of) {
            f.write_str("a tier that has prices, in `to_tier`")
        } else if providers.is_empty() {
            f.write_str("prices of it in the offer's book")
        } else {
            write!(f, "`to_provider` to be {}, for which there are prices", providers.join(" or "))
        }
    }
}

fn named(names: &[String], otherwise: &str) -> String {
    if names.is_empty() { otherwise.to_owned() } else { format!("one of {}", names.join(", ")) }
}

impl SavingsError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::NoPrices { .. } => Code::OfferWithoutPrices,
            Self::NoTag { .. } => Code::TagUnused,
            Self::NoPriceOf(_) => Code::SubstituteWithoutPrices,
            Self::Overflow(error) => error.code(),
        }
    }
}
