//! One usage event: what a request, or a vendor's bucket of requests, used.

use crate::domain::name::{self, NAME_LIMIT, Name, NameError};
use crate::domain::quantities::Quantities;
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use std::fmt;

/// The most a single event may report on one meter: more is a mistake in the source.
pub const QUANTITY_LIMIT: i64 = 1_000_000_000_000;

/// A model as its vendor names it, and the vendor where the source tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Model {
    /// The vendor or gateway that served it.
    pub provider: Option<Name>,
    /// The model's name, exactly.
    pub name: Name,
}

/// The service tier a request was billed under: `standard`, `batch`, `flex`, `priority` or another of a vendor's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceTier(Name);

impl ServiceTier {
    /// The name of the tier that an empty field means.
    pub const STANDARD: &'static str = "standard";

    /// A tier by its name: lower-case letters, digits, `_` and `-`; empty is standard.
    pub fn new(name: &str) -> Result<Self, TierError> {
        let name = if name.is_empty() { Self::STANDARD } else { name };
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        if name.len() > 32 || !name.bytes().all(allowed) {
            return Err(TierError);
        }
        Ok(Self(Name::new(name).map_err(|_: NameError| TierError)?))
    }

    /// The tier's name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ServiceTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not a service tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a service tier: up to 32 lower-case letters, digits, _ and -")]
pub struct TierError;

/// What is known of the prompt's size, on which some prices depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PromptSize {
    /// One request: its size is the sum of its prompt meters.
    Exact,
    /// Several requests in one record: each is at most the sum, and more is not known.
    UpToSum,
}

impl PromptSize {
    /// The frozen code in the ledger and in digests.
    pub const fn code(self) -> u8 {
        match self {
            Self::Exact => 0,
            Self::UpToSum => 1,
        }
    }

    /// The form of a code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Exact),
            1 => Some(Self::UpToSum),
            _ => None,
        }
    }
}

/// The range of prompt sizes between two thresholds of a model's prices. A price holds for whole bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// Prompts larger than this threshold (0: all up to the first) and not larger than the next.
    Above(i64),
    /// The record does not tell on which side of a threshold its requests were.
    Unknown,
}

impl Band {
    /// The band of an event among a model's thresholds (sorted ascending, all above 0).
    pub fn of(prompt: PromptSize, size: i64, thresholds: &[i64]) -> Self {
        let below = thresholds.iter().copied().take_while(|threshold| size > *threshold).last();
        match (prompt, below) {
            (_, None) => Self::Above(0),
            (PromptSize::Exact, Some(threshold)) => Self::Above(threshold),
            (PromptSize::UpToSum, Some(_)) => Self::Unknown,
        }
    }

    /// The number in the ledger: the threshold, or -1.
    pub const fn code(self) -> i64 {
        match self {
            Self::Above(threshold) => threshold,
            Self::Unknown => -1,
        }
    }

    /// The band of a number in the ledger.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            -1 => Some(Self::Unknown),
            0.. => Some(Self::Above(code)),
            _ => None,
        }
    }
}

/// The issuer's id of an event, byte for byte as it was issued.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Box<str>);

impl EventId {
    /// An id of 1 to 256 bytes of visible characters, without white space around it.
    pub fn new(id: &str) -> Result<Self, NameError> {
        name::check(id, NAME_LIMIT)?;
        Ok(Self(id.into()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A usage event with all its names spelled out: the form for embedders and for showing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEvent {
    /// The issuer's id of the event, unique for its source.
    pub id: EventId,
    /// When it was used.
    pub at: Timestamp,
    /// The model that was used.
    pub model: Model,
    /// The tier it was billed under.
    pub tier: ServiceTier,
    /// Who used it, as the source says.
    pub tags: TagSet,
    /// What is known of the prompt's size.
    pub prompt: PromptSize,
    /// What was used.
    pub quantities: Quantities,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_at_the_threshold_is_below_it() {
        let thresholds = [200_000, 400_000];
        assert_eq!(Band::of(PromptSize::Exact, 200_000, &thresholds), Band::Above(0));
        assert_eq!(Band::of(PromptSize::Exact, 200_001, &thresholds), Band::Above(200_000));
        assert_eq!(Band::of(PromptSize::Exact, 400_001, &thresholds), Band::Above(400_000));
        assert_eq!(Band::of(PromptSize::UpToSum, 200_000, &thresholds), Band::Above(0));
        assert_eq!(Band::of(PromptSize::UpToSum, 200_001, &thresholds), Band::Unknown);
        assert_eq!(Band::of(PromptSize::UpToSum, 9_000_000, &[]), Band::Above(0));
    }

    #[test]
    fn tiers_have_one_spelling() {
        assert_eq!(ServiceTier::new("").map(|t| t.to_string()), Ok("standard".to_owned()));
        assert!(ServiceTier::new("Batch").is_err());
    }
}
