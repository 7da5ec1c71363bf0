//! The results of the catalogues' readers: models with their prices as written in the file, and the meaning of each
//! price.
//!
//! Every price of the file becomes a quote. A quote is used or set aside with a reason, so all prices are counted.

use super::tree::Node;
use crate::domain::meter::Meter;
use crate::domain::timestamp::Timestamp;
use std::fmt;

/// A model of a catalogue.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The provider, as the catalogue names it.
    pub(super) provider: String,
    /// The exact names of the model in usage. Messages show the first.
    pub(super) names: Vec<String>,
    /// The line on which it begins.
    pub(super) line: u64,
    /// Whether the catalogue also uses a pattern for its names.
    pub(super) patterns: bool,
    /// Its prices.
    pub(super) quotes: Vec<Quote>,
    /// The instants at which prices of it end.
    pub(super) ends: Vec<(Slot, Timestamp)>,
}

/// One price, as written in the file.
#[derive(Debug, Clone)]
pub(super) struct Quote {
    /// Its place in the model.
    pub(super) key: String,
    /// Its text.
    pub(super) text: String,
    /// Its line.
    pub(super) line: u64,
    /// Its use.
    pub(super) fate: Fate,
}

/// How a price is used.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It is the price of these.
    Uses(Vec<Use>),
    /// It cannot become a row.
    Aside(Reason),
}

/// What a price is for, in a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) meter: Meter,
    pub(super) tier: String,
    /// 0 for the base price, -1 if the size cannot be read.
    pub(super) prompt_above: i64,
}

/// One use of a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) slot: Slot,
    /// The units the price is for.
    pub(super) per: u32,
    /// The start; `None` for the date that the user chose.
    pub(super) from: Option<Timestamp>,
    /// The factor for this use, as the catalogue writes it.
    pub(super) times: Option<String>,
}

/// Why a price of a catalogue did not become a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It prices nothing that tokenbook counts.
    NoMeter,
    /// This version does not know the catalogue's key.
    UnknownKey,
    /// It applies at some hours only, or it is the price for the other hours.
    HourOfDay,
    /// It applies under a condition that is not a service tier: a region, a route, a way of searching.
    Condition,
    /// It is a factor on other prices under a condition.
    Factor,
    /// It is a free amount in a day or a month.
    Allowance,
    /// The same thing may also be charged by the token.
    Alternative,
    /// It depends on a size that tokenbook does not count.
    Size,
    /// The catalogue says that it varies.
    Varies,
    /// It ended before the date that the user chose.
    Past,
    /// The model has no exact name, only a pattern.
    Nameless,
    /// It contradicts another price for the same.
    Contradiction,
    /// The price of the same thing for larger prompts is set aside, and this one would apply in its place.
    Partial,
    /// Its unit is not a currency.
    ForeignUnit,
    /// tokenbook cannot store the name of its model or provider.
    BadName,
    /// The threshold of the prompt's size cannot be read.
    BadThreshold,
    /// It is not a number.
    NotANumber,
    /// It is below zero.
    Negative,
    /// It is not a whole number of nano-units per million. `--snap` takes the nearest.
    Inexact,
    /// It is finer than a nano-unit per million, so the nearest would be another price.
    TooFine,
    /// It is above the highest price.
    TooLarge,
}

impl Reason {
    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoMeter => "no meter counts it",
            Self::UnknownKey => "a key that this version does not know",
            Self::HourOfDay => "depends on the hour of the day",
            Self::Condition => "applies under a condition that is not a service tier",
            Self::Factor => "a factor on other prices under a condition",
            Self::Allowance => "a free allowance",
            Self::Alternative => "may be charged beside or instead of tokens",
            Self::Size => "depends on a size that is not counted",
            Self::Varies => "varies, says the catalogue",
            Self::Past => "ended before --valid-from",
            Self::Nameless => "its model has a pattern and no exact name",
            Self::Contradiction => "contradicts another price for the same",
            Self::Partial => "the price of the same for larger prompts is set aside",
            Self::ForeignUnit => "in a unit that is not a currency",
            Self::BadName => "its model or provider has a name that cannot be kept",
            Self::BadThreshold => "a prompt size that cannot be read",
            Self::NotANumber => "not a number",
            Self::Negative => "below zero",
            Self::Inexact => "not a whole number of nano-units per million (--snap takes the nearest)",
            Self::TooFine => "finer than a nano-unit per million",
            Self::TooLarge => "above 9,223,372,036 per million",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Slot {
    /// A meter at a tier, for prompts above a size.
    pub(super) fn new(meter: Meter, tier: &str, prompt_above: i64) -> Self {
        Self { meter, tier: tier.to_owned(), prompt_above }
    }
}

impl Quote {
    /// A price with a single use, from the date that the user chose.
    pub(super) fn used(key: impl Into<String>, node: &Node, slot: Slot, per: u32) -> Self {
        Self::of(key, node, Fate::Uses(vec![Use { slot, per, from: None, times: None }]))
    }

    /// A price that is set aside.
    pub(super) fn aside(key: impl Into<String>, node: &Node, reason: Reason) -> Self {
        Self::of(key, node, Fate::Aside(reason))
    }

    /// A price with its use.
    pub(super) fn of(key: impl Into<String>, node: &Node, fate: Fate) -> Self {
        Self { key: key.into(), text: node.shown(), line: node.line, fate }
    }
}

impl Entry {
    /// A model without prices yet.
    pub(super) fn new(provider: &str, name: &str, line: u64) -> Self {
        Self {
            provider: provider.to_owned(),
            names: vec![name.to_owned()],
            line,
            patterns: false,
            quotes: Vec::new(),
            ends: Vec::new(),
        }
    }
}
