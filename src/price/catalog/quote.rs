//! What the readers of catalogues hand over: models with their prices as written in the file, and the meaning of each
//! price.
//!
//! Every price of the file becomes a quote, which is used or set aside with a reason. So all prices can be counted.

use super::tree::Node;
use crate::domain::meter::Meter;
use crate::domain::timestamp::Timestamp;
use std::fmt;

/// A model of a catalogue.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The provider, as the catalogue names it.
    pub(super) provider: String,
    /// The exact names it is used by; the first is shown.
    pub(super) names: Vec<String>,
    /// The line it begins on.
    pub(super) line: u64,
    /// Whether the catalogue also means names that are like a pattern.
    pub(super) patterns: bool,
    /// Its prices.
    pub(super) quotes: Vec<Quote>,
    /// When prices of it end.
    pub(super) ends: Vec<(Slot, Timestamp)>,
}

/// One price, as it stands in the file.
#[derive(Debug, Clone)]
pub(super) struct Quote {
    /// Where it stands in the model.
    pub(super) key: String,
    /// Its text.
    pub(super) text: String,
    /// Its line.
    pub(super) line: u64,
    /// What it is for.
    pub(super) fate: Fate,
}

/// What becomes of a price.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It is the price of these.
    Uses(Vec<Use>),
    /// It cannot be kept as a row.
    Aside(Reason),
}

/// What a price is for, within a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) meter: Meter,
    pub(super) tier: String,
    /// 0 for the base price, -1 where the size cannot be read.
    pub(super) prompt_above: i64,
}

/// A price put to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) slot: Slot,
    /// The units the price is for.
    pub(super) per: u32,
    /// When it starts; `None` for the date that is asked for.
    pub(super) from: Option<Timestamp>,
    /// What it is multiplied by for this use, as the catalogue writes it.
    pub(super) times: Option<String>,
}

/// Why a price of a catalogue is not among the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing we count is priced by it.
    NoMeter,
    /// A key of the catalogue that this version does not know.
    UnknownKey,
    /// It is in force at some hours only, or is the other price of one that is.
    HourOfDay,
    /// It holds under a condition that is no service tier: a region, a route, a way of searching.
    Condition,
    /// A factor on other prices under a condition.
    Factor,
    /// So much is free in a day or a month.
    Allowance,
    /// The same thing may be charged by the token as well.
    Alternative,
    /// It depends on a size we do not count.
    Size,
    /// The catalogue says that it varies.
    Varies,
    /// It ended before the date that is asked for.
    Past,
    /// The model has no exact name, only a pattern.
    Nameless,
    /// It contradicts another price for the same.
    Contradiction,
    /// The price of the same for larger prompts is set aside, and this one would take its place.
    Partial,
    /// In a unit that is no currency.
    ForeignUnit,
    /// Its model or provider has a name we cannot keep.
    BadName,
    /// The threshold of the prompt's size cannot be read.
    BadThreshold,
    /// Not a number.
    NotANumber,
    /// Below zero.
    Negative,
    /// Not a whole number of nano-units per million; `--snap` takes the nearest.
    Inexact,
    /// Finer than a nano-unit per million, so that the nearest would be another price.
    TooFine,
    /// Above the highest price.
    TooLarge,
}

impl Reason {
    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoMeter => "no meter counts it",
            Self::UnknownKey => "a key that this version does not know",
            Self::HourOfDay => "depends on the hour of the day",
            Self::Condition => "holds under a condition that is no service tier",
            Self::Factor => "a factor on other prices under a condition",
            Self::Allowance => "a free allowance",
            Self::Alternative => "may be charged beside or instead of tokens",
            Self::Size => "depends on a size that is not counted",
            Self::Varies => "varies, says the catalogue",
            Self::Past => "ended before --valid-from",
            Self::Nameless => "its model has a pattern and no exact name",
            Self::Contradiction => "contradicts another price for the same",
            Self::Partial => "the price of the same for larger prompts is set aside",
            Self::ForeignUnit => "in a unit that is no currency",
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
    /// A price that is used once, from the date that is asked for.
    pub(super) fn used(key: impl Into<String>, node: &Node, slot: Slot, per: u32) -> Self {
        Self::of(key, node, Fate::Uses(vec![Use { slot, per, from: None, times: None }]))
    }

    /// A price that is not used.
    pub(super) fn aside(key: impl Into<String>, node: &Node, reason: Reason) -> Self {
        Self::of(key, node, Fate::Aside(reason))
    }

    /// A price with its fate.
    pub(super) fn of(key: impl Into<String>, node: &Node, fate: Fate) -> Self {
        Self { key: key.into(), text: node.shown(), line: node.line, fate }
    }
}

impl Entry {
    /// A model without prices so far.
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
