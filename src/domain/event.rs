//! One usage event: what a request, or a vendor's bucket of requests, used.

use crate::domain::meter::Meter;
use crate::domain::name::{self, Name, NameError};
use crate::domain::outcome::Outcome;
use crate::domain::quantities::Quantities;
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use std::fmt;

/// The largest quantity of one meter in a single event. A larger one is a mistake in the source.
pub const QUANTITY_LIMIT: i64 = 1_000_000_000_000;

/// A model as its vendor names it, and the provider if the source reports it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Model {
    /// The vendor or gateway that served it.
    pub provider: Option<Name>,
    /// The model's name, exactly.
    pub name: Name,
}

/// The service tier a request was billed under: `standard`, `batch`, `flex`, `priority` or a vendor's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceTier(Name);

impl ServiceTier {
    /// The name of the tier that an empty field means.
    pub const STANDARD: &'static str = "standard";

    /// A tier by its name: lower-case letters, digits, `_` and `-`; empty is standard.
    pub fn new(name: &str) -> Result<Self, TierError> {
        Self::with(name, Name::new)
    }

    /// A tier read from a ledger.
    pub fn recorded(name: &str) -> Result<Self, TierError> {
        Self::with(name, Name::recorded)
    }

    /// The tier for usage that names no other.
    pub fn standard() -> Self {
        Self(Name::own(Self::STANDARD))
    }

    fn with(name: &str, checked: impl FnOnce(&str) -> Result<Name, NameError>) -> Result<Self, TierError> {
        let name = if name.is_empty() { Self::STANDARD } else { name };
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        if name.len() > 32 || !name.bytes().all(allowed) {
            return Err(TierError);
        }
        Ok(Self(checked(name).map_err(|_: NameError| TierError)?))
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

/// The text is not a service tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a service tier: up to 32 lower-case letters, digits, _ and -")]
pub struct TierError;

impl TierError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::TierInvalid
    }
}

/// What is known of the prompt's size. Some prices depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PromptSize {
    /// One request: the size is the sum of its prompt meters.
    Exact,
    /// Several requests in one record: each is at most the sum. Nothing else is known.
    UpToSum,
    /// Several requests in one record. The user states the most tokens that each has.
    Within(PromptBound),
}

/// The most tokens that a prompt has, in a record of several requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptBound(i64);

impl PromptBound {
    /// A bound of 1,000 tokens to [`QUANTITY_LIMIT`].
    pub fn new(tokens: i64) -> Option<Self> {
        (1_000..=QUANTITY_LIMIT).contains(&tokens).then_some(Self(tokens))
    }

    /// The tokens.
    pub const fn tokens(self) -> i64 {
        self.0
    }
}

impl PromptSize {
    /// The frozen code in the ledger and in digests.
    pub const fn code(self) -> i64 {
        match self {
            Self::Exact => 0,
            Self::UpToSum => 1,
            Self::Within(bound) => bound.tokens(),
        }
    }

    /// The prompt size of a code.
    pub fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Exact),
            1 => Some(Self::UpToSum),
            tokens => PromptBound::new(tokens).map(Self::Within),
        }
    }

    /// The prompt size of a record whose prompts have a bound. One request needs no bound, because its size is known.
    pub const fn within(self, bound: PromptBound) -> Self {
        match self {
            Self::Exact => self,
            Self::UpToSum | Self::Within(_) => Self::Within(bound),
        }
    }
}

/// The range of prompt sizes between two thresholds of a model's prices. A price applies to whole bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// Prompts above this threshold (0: all up to the first) and up to the next.
    Above(i64),
    /// The record does not show on which side of a threshold its requests were.
    Unknown,
}

impl Band {
    /// The band of an event among a model's thresholds (sorted ascending, all above 0).
    pub fn of(prompt: PromptSize, size: i64, thresholds: &[i64]) -> Self {
        let most = match prompt {
            PromptSize::Exact | PromptSize::UpToSum => size,
            PromptSize::Within(bound) => size.min(bound.tokens()),
        };
        let below = thresholds.iter().copied().take_while(|threshold| most > *threshold).last();
        match (prompt, below) {
            (_, None) => Self::Above(0),
            (PromptSize::Exact, Some(threshold)) => Self::Above(threshold),
            (PromptSize::UpToSum | PromptSize::Within(_), Some(_)) => Self::Unknown,
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

/// The issuer's id of an event, stored byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Box<str>);

impl EventId {
    /// An id of 1 to 256 bytes of visible characters, without white space around it.
    pub fn new(id: &str) -> Result<Self, NameError> {
        name::check_id(id)?;
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

/// What a record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// One request, unless it states a number of requests.
    Request,
    /// A vendor's sum over several requests. Their number is known only if the record states it.
    Bucket,
}

/// How much one event used, and what that shows about its prompt.
///
/// It reports at least one meter, each once, from 0 to [`QUANTITY_LIMIT`]. The number of requests and the prompt's size
/// are derived here and nowhere else. So the same record is the same event, whichever way it comes in. Sums and
/// differences of quantities have no such limits: see [`Quantities`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventUsage {
    quantities: Quantities,
    prompt: PromptSize,
}

/// Why quantities are not the usage of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// No meter is reported, not even a zero.
    #[error("no meter is reported")]
    Nothing,
    /// A meter is given twice.
    #[error("{} is given twice", .0.field())]
    Twice(Meter),
    /// A quantity is below 0 or above the limit.
    #[error("{} {} is not from 0 to {QUANTITY_LIMIT}", .0.field(), .1)]
    OutOfRange(Meter, i64),
}

impl UsageError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::EventInvalid
    }
}

impl EventUsage {
    /// What one request used. If the meters do not count requests, it is one request. If they count several, the event
    /// is their sum.
    pub fn request(meters: impl IntoIterator<Item = (Meter, i64)>) -> Result<Self, UsageError> {
        Self::new(Span::Request, meters)
    }

    /// What a vendor's bucket of requests used. If the meters do not count requests, their number is unknown.
    pub fn bucket(meters: impl IntoIterator<Item = (Meter, i64)>) -> Result<Self, UsageError> {
        Self::new(Span::Bucket, meters)
    }

    /// What a record used.
    pub fn new(span: Span, meters: impl IntoIterator<Item = (Meter, i64)>) -> Result<Self, UsageError> {
        let mut quantities = Quantities::NONE;
        for (meter, quantity) in meters {
            if !(0..=QUANTITY_LIMIT).contains(&quantity) {
                return Err(UsageError::OutOfRange(meter, quantity));
            }
            if quantities.get(meter).is_some() {
                return Err(UsageError::Twice(meter));
            }
            quantities.set(meter, quantity);
        }
        if quantities.is_empty() {
            return Err(UsageError::Nothing);
        }
        if span == Span::Request && quantities.get(Meter::Request).is_none() {
            quantities.set(Meter::Request, 1);
        }
        let is_one = quantities.get(Meter::Request) == Some(1);
        let prompt = if is_one { PromptSize::Exact } else { PromptSize::UpToSum };
        Ok(Self { quantities, prompt })
    }

    /// What was used.
    pub const fn quantities(&self) -> &Quantities {
        &self.quantities
    }

    /// What is known of the prompt's size.
    pub const fn prompt(&self) -> PromptSize {
        self.prompt
    }
}

/// A usage event with all its names in full. Embedders build it, and tokenbook shows single events with it. Every part
/// is valid by itself and in combination with the others.
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
    /// The tags that the source reports.
    pub tags: TagSet,
    /// What was used.
    pub usage: EventUsage,
    /// How the call ended, if the source reports it.
    pub outcome: Option<Outcome>,
}

impl UsageEvent {
    /// An event of the standard tier and without tags.
    pub fn new(id: EventId, at: Timestamp, model: Model, usage: EventUsage) -> Self {
        Self { id, at, model, tier: ServiceTier::standard(), tags: TagSet::new(), usage, outcome: None }
    }

    /// The same event with tags.
    pub fn with_tags(self, tags: TagSet) -> Self {
        Self { tags, ..self }
    }

    /// The same event, billed under a tier.
    pub fn with_tier(self, tier: ServiceTier) -> Self {
        Self { tier, ..self }
    }

    /// The same event with an outcome of its call.
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..self }
    }
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
        let within =
            |tokens| PromptBound::new(tokens).map(|bound| Band::of(PromptSize::Within(bound), 9_000_000, &thresholds));
        assert_eq!(within(200_000), Some(Band::Above(0)));
        assert_eq!(within(200_001), Some(Band::Unknown), "larger and smaller prompts are both possible");
        assert_eq!(within(999), None);
        for code in [0, 1, 1_000, QUANTITY_LIMIT] {
            assert_eq!(PromptSize::from_code(code).map(PromptSize::code), Some(code));
        }
        assert_eq!((PromptSize::from_code(2), PromptSize::from_code(-1)), (None, None));
    }

    #[test]
    fn requests_and_the_prompt_are_derived_from_the_meters() {
        use PromptSize::{Exact, UpToSum};
        let input = (Meter::Input, 5);
        let cases = [
            (EventUsage::request([input]), Some(1), Exact),
            (EventUsage::request([input, (Meter::Request, 1)]), Some(1), Exact),
            (EventUsage::request([input, (Meter::Request, 5)]), Some(5), UpToSum),
            (EventUsage::request([input, (Meter::Request, 0)]), Some(0), UpToSum),
            (EventUsage::bucket([input]), None, UpToSum),
            (EventUsage::bucket([input, (Meter::Request, 1)]), Some(1), Exact),
            (EventUsage::bucket([(Meter::WebSearch, QUANTITY_LIMIT)]), None, UpToSum),
        ];
        for (usage, requests, prompt) in cases {
            let found = usage.map(|usage| (usage.quantities().get(Meter::Request), usage.prompt()));
            assert_eq!(found, Ok((requests, prompt)));
        }
    }

    #[test]
    fn what_no_event_can_report_is_refused() {
        assert_eq!(EventUsage::request([]), Err(UsageError::Nothing));
        for meter in Meter::ALL {
            for quantity in [-1, QUANTITY_LIMIT + 1, i64::MIN, i64::MAX] {
                assert_eq!(EventUsage::request([(meter, quantity)]), Err(UsageError::OutOfRange(meter, quantity)));
            }
            assert_eq!(EventUsage::bucket([(meter, 1), (meter, 1)]), Err(UsageError::Twice(meter)));
            assert!(EventUsage::bucket([(meter, 0)]).is_ok());
        }
        let said = UsageError::OutOfRange(Meter::Input, -1).to_string();
        assert_eq!(said, "input_tokens -1 is not from 0 to 1000000000000");
    }

    #[test]
    fn tiers_have_one_spelling() {
        assert_eq!(ServiceTier::new("").map(|t| t.to_string()), Ok("standard".to_owned()));
        assert!(ServiceTier::new("Batch").is_err());
    }
}
