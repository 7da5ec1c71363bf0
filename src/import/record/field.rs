//! The fields of tokenbook's own formats, and how to read their values.

use crate::domain::event::QUANTITY_LIMIT;
use crate::domain::meter::Meter;
use crate::domain::outcome::Outcome;
use crate::domain::timestamp::Timestamp;
use crate::text::problem::{Problem, nearest};
use smallvec::SmallVec;
use std::borrow::Cow;

/// A field of tokenbook's own formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// `event_id`
    Id,
    /// `timestamp`
    Timestamp,
    /// `model`
    Model,
    /// `provider`
    Provider,
    /// `service_tier`
    Tier,
    /// `outcome`
    Outcome,
    /// `department`, `project`, `environment`, or `tag.KEY`: the key.
    Tag(String),
    /// A meter's field.
    Meter(Meter),
    /// `total_tokens`: not stored, but the meters must add up to it.
    Total,
}

/// Fields with a fixed name, except the meters.
const PLAIN: [&str; 10] = [
    "event_id",
    "timestamp",
    "model",
    "provider",
    "service_tier",
    "outcome",
    "department",
    "project",
    "environment",
    "total_tokens",
];
/// The fields that every record requires.
pub const REQUIRED: [&str; 3] = ["event_id", "timestamp", "model"];

impl Field {
    /// The field with a name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "event_id" => Self::Id,
            "timestamp" => Self::Timestamp,
            "model" => Self::Model,
            "provider" => Self::Provider,
            "service_tier" => Self::Tier,
            "outcome" => Self::Outcome,
            "department" | "project" | "environment" => Self::Tag(name.to_owned()),
            "total_tokens" => Self::Total,
            _ => match name.strip_prefix("tag.") {
                Some(key) => Self::Tag(key.to_owned()),
                None => Self::Meter(Meter::from_field(name)?),
            },
        })
    }
}

/// The known field that an unknown one probably means. The import rejects such a field, because ignoring a mistyped
/// meter would lose its tokens. It ignores any other unknown field and reports it once.
pub fn meant(name: &str) -> Option<&'static str> {
    let known = || PLAIN.into_iter().chain(Meter::ALL.into_iter().map(Meter::field));
    nearest(name, known())
}

/// A record's fields as texts or numbers, before any check across fields.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    /// The id.
    pub id: Cow<'a, str>,
    /// The time.
    pub timestamp: Cow<'a, str>,
    /// The model.
    pub model: Cow<'a, str>,
    /// The provider; empty if unknown.
    pub provider: Cow<'a, str>,
    /// The tier; empty for standard.
    pub tier: Cow<'a, str>,
    /// How the call ended.
    pub outcome: Option<Outcome>,
    /// Tags with values. The inline capacity suffices for most records, here and for meters.
    pub tags: SmallVec<[(Cow<'a, str>, Cow<'a, str>); 4]>,
    /// Reported quantities.
    pub meters: SmallVec<[(Meter, i64); 8]>,
    /// The vendor's total, if there is one.
    pub total: Option<i64>,
}

/// Reads a quantity: a whole number in its one spelling, up to the limit.
pub fn quantity(field: &str, text: &str) -> Result<i64, Problem> {
    whole(text).ok_or_else(|| bad_quantity(field, text))
}

/// A quantity, if the text is one.
pub fn whole(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if !matches!(bytes, [b'0'] | [b'1'..=b'9', ..]) || bytes.len() > LONGEST_QUANTITY {
        return None;
    }
    let mut value = 0;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    (value <= QUANTITY_LIMIT).then_some(value)
}

/// The number of digits of the largest quantity.
const LONGEST_QUANTITY: usize = 13;

/// Describes why a text is not a quantity.
pub fn bad_quantity(field: &str, text: &str) -> Problem {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let negative = text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let what = match () {
        () if digits && text.starts_with('0') => "has a leading zero",
        () if digits => "is implausibly large",
        () if negative => "is negative",
        () => "is not a whole number",
    };
    Problem::value(field, text, what, "a whole number from 0 to 1000000000000 in plain digits, or nothing")
}

/// Reads how a call ended. An empty text means "not reported".
pub fn outcome(text: &str) -> Result<Option<Outcome>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let known = Outcome::named(text);
    let unknown = || Problem::value("outcome", text, "is not an outcome", "completed, failed or cancelled, or nothing");
    known.map(Some).ok_or_else(unknown)
}

/// Reads an instant.
pub fn timestamp(text: &str) -> Result<Timestamp, Problem> {
    let expected =
        "RFC 3339 with an offset, such as 2026-10-01T08:30:00Z or 2026-10-01T08:30:00.250+02:00, from 2015 on";
    Timestamp::parse(text).map_err(|error| Problem::value("timestamp", text, error, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_one_spelling() {
        assert_eq!(QUANTITY_LIMIT.to_string().len(), LONGEST_QUANTITY);
        assert_eq!(quantity("f", "0"), Ok(0));
        assert_eq!(quantity("f", "1000000000000"), Ok(QUANTITY_LIMIT));
        let bad = [
            "",
            "-1",
            "-0",
            "+1",
            "01",
            "1.0",
            "1e2",
            "1,234",
            "0x10",
            "1_000",
            "١٢",
            "NaN",
            " 1",
            "1000000000001",
            "9223372036854775808",
            "18446744073709551615",
            "1.23E+12",
            "########",
            "99999999999999999999999",
        ];
        for text in bad {
            assert!(quantity("f", text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_field_has_its_name() {
        for name in PLAIN.into_iter().chain(Meter::ALL.into_iter().map(Meter::field)) {
            assert!(Field::named(name).is_some(), "{name}");
        }
        assert_eq!(meant("Input_Tokens"), Some("input_tokens"));
        assert_eq!(meant("cost"), None);
        assert_eq!(meant("prompt"), None);
    }
}
