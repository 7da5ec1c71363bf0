//! Numbers that a ledger gives to names, classes and batches. Each kind is a type of its own, so that nobody takes one for
//! another. A number means nothing outside its ledger.

macro_rules! numbers {
    ($($(#[$doc:meta])+ $name:ident,)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(i64);

        impl $name {
            /// A number that nothing has: where it does not matter which one, or it was not read.
            pub const NONE: Self = Self(0);

            /// The number as the ledger has it.
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// The number as the ledger has it.
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

numbers! {
    /// The number of a source of events.
    SourceId,
    /// The number of a tag set.
    TagSetId,
    /// The number of a model.
    ModelId,
    /// The number of a service tier.
    TierId,
    /// The number of what many events have in common.
    ClassId,
    /// The number of events that were appended together.
    BatchId,
    /// The number of an import of usage.
    ImportId,
    /// The number of an import of costs.
    CostImportId,
    /// The number of a quarantined line.
    QuarantinedId,
    /// The number of an entry of the chain.
    EntryId,
    /// The number of a payer that rules name for a tag set. Reports count them; no ledger has them.
    RulePayerId,
}

impl EntryId {
    /// The number of a chain's first entry.
    pub const FIRST: Self = Self(1);

    /// The number of the entry after it.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number of the entry before it.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Who pays for usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayerOf {
    /// The payer that the usage's own tags name.
    Tags(TagSetId),
    /// Another payer, by a rule.
    Rule(RulePayerId),
}
