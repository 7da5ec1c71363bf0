//! What a user states about a file, if the file does not state it itself.
//!
//! The ledger records all of it with the import, because it changes what the import reads.

use crate::domain::calendar::Calendar;
use crate::domain::event::PromptBound;
use crate::domain::timestamp::{Timestamp, TimestampError};
use crate::import::record::column_map::ColumnMap;
use crate::import::record::{Record, Value};
use crate::text::problem::Problem;
use chrono::NaiveDateTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The user's statements about a file.
#[derive(Debug, Clone, Default)]
pub struct Stated {
    /// The time for records without one.
    pub at: Option<Timestamp>,
    /// The zone for times without one.
    pub zone: Option<Calendar>,
    /// Whether prompt tokens include cached ones, if records do not show it.
    pub prompt: Option<PromptTokens>,
    /// The user's map of columns or paths.
    pub map: Option<Arc<ColumnMap>>,
    /// The most tokens of each prompt, for records of several requests.
    pub prompts_within: PromptBounds,
}

/// The most tokens of each prompt in records of several requests, as the user states: for one model, or for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptBounds {
    every: Option<PromptBound>,
    by_model: BTreeMap<String, PromptBound>,
}

impl PromptBounds {
    /// Adds a bound for a model, or for all models without their own. Returns whether there was none before.
    pub fn state(&mut self, model: Option<&str>, bound: PromptBound) -> bool {
        match model {
            None => self.every.replace(bound).is_none(),
            Some(model) => self.by_model.insert(model.to_owned(), bound).is_none(),
        }
    }

    /// The bound of a model.
    pub fn of(&self, model: &str) -> Option<PromptBound> {
        self.by_model.get(model).copied().or(self.every)
    }

    fn spelling(&self) -> impl Iterator<Item = String> + '_ {
        let every = self.every.map(|bound| format!("prompts within {}", bound.tokens()));
        let of_model = |(model, bound): (&String, &PromptBound)| format!("prompts within {model}={}", bound.tokens());
        every.into_iter().chain(self.by_model.iter().map(of_model))
    }
}

/// The two conventions for reporting cached prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptTokens {
    /// Prompt tokens include those read from and written to a cache.
    WithCache,
    /// Cached tokens are reported beside the prompt tokens.
    WithoutCache,
}

impl PromptTokens {
    /// The names of the option's values.
    pub const NAMES: [&'static str; 2] = ["with-cache", "without-cache"];

    /// The convention with a name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "with-cache" => Some(Self::WithCache),
            "without-cache" => Some(Self::WithoutCache),
            _ => None,
        }
    }

    /// The convention's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WithCache => "with-cache",
            Self::WithoutCache => "without-cache",
        }
    }
}

impl Stated {
    /// Everything that the user stated, in one spelling, one statement on each line.
    pub fn spelling(&self) -> Vec<String> {
        let mut said = Vec::new();
        said.extend(self.at.map(|at| format!("at {at}")));
        said.extend(self.zone.map(|zone| format!("zone {}", zone.zone_name())));
        said.extend(self.prompt.map(|prompt| format!("prompt tokens {}", prompt.name())));
        said.extend(self.map.as_ref().map(|map| format!("map {}", map.digest())));
        said.extend(self.prompts_within.spelling());
        said
    }
}

/// The expected form of RFC 3339, for messages.
const RFC_3339: &str = "RFC 3339 with an offset, such as 2026-10-01T08:30:00Z";

/// An instant in RFC 3339 with an offset.
pub fn instant(record: &Record<'_>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = record.text(name)? else { return Ok(None) };
    Timestamp::parse(&text).map(Some).map_err(|error| Problem::value(&record.path_of(name), &text, error, RFC_3339))
}

/// An instant of a vendor whose times have no zone and are documented as UTC. An offset is accepted too.
pub fn instant_utc(record: &Record<'_>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = record.text(name)? else { return Ok(None) };
    zoned(&text, Some(Calendar::UTC)).map(Some).map_err(|error| {
        Problem::value(&record.path_of(name), &text, error, "a date and time such as 2026-10-01 08:30:00")
    })
}

/// An instant of a vendor that does not document the zone of times without an offset. The user must state the zone.
pub fn instant_assumed(record: &Record<'_>, name: &str, reading: &Stated) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = record.text(name)? else { return Ok(None) };
    zoned(&text, reading.zone).map(Some).map_err(|error| {
        let expected = match error {
            TimestampError::NoOffset => "an offset, or --assume-zone ZONE such as --assume-zone UTC",
            _ => "a date and time such as 2026-10-01 08:30:00",
        };
        Problem::value(&record.path_of(name), &text, error, expected)
    })
}

/// The instant of a text: a day, or a day and a time after `T` or a space, with an offset or in the zone.
pub fn zoned(text: &str, zone: Option<Calendar>) -> Result<Timestamp, TimestampError> {
    let text = text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |plain| format!("{plain}Z"));
    let mut spelled = match text.len() {
        10 => format!("{text}T00:00:00"),
        _ => text.clone(),
    };
    if spelled.as_bytes().get(10) == Some(&b' ') {
        spelled.replace_range(10..11, "T");
    }
    // Also minutes only, as in 2026-07-03T01:00, and the offsets of databases, as in +00.
    if spelled.len() == 16 {
        spelled.push_str(":00");
    }
    if let Some(at) = spelled.rfind(['+', '-'])
        && at > 18
        && spelled.len() == at + 3
    {
        spelled.push_str(":00");
    }
    match Timestamp::parse(&spelled) {
        Err(TimestampError::NoOffset) => local(&spelled, zone.ok_or(TimestampError::NoOffset)?),
        other => other,
    }
}

/// The instant at which a clock of a zone shows a time. It is an error if the clock shows it twice or never.
fn local(spelled: &str, zone: Calendar) -> Result<Timestamp, TimestampError> {
    // All digits were already checked, as if the time were in UTC.
    Timestamp::parse(&format!("{spelled}Z"))?;
    let naive = NaiveDateTime::parse_from_str(spelled, "%Y-%m-%dT%H:%M:%S%.f").map_err(|_| TimestampError::Form)?;
    zone.instant_of(naive).ok_or(TimestampError::Calendar)
}

/// An instant in seconds since 1970, with decimals or without.
pub fn epoch(record: &Record<'_>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = record.scalar(name)? else { return Ok(None) };
    let wrong = |what: &str| {
        Problem::value(&record.path_of(name), &text, what, "seconds since 1970, between the years 2015 and 2099")
    };
    seconds(&text).ok_or_else(|| wrong("is not a time in seconds")).map(Some)
}

fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 10 || fraction.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds: i64 = whole.parse().ok()?;
    Timestamp::from_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?)
}

/// An instant in whole units of a second since 1970: `per_second` is 1,000 for milliseconds.
pub fn epoch_in(record: &Record<'_>, name: &str, per_second: i64) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = record.scalar(name)? else { return Ok(None) };
    let nanos = text.parse::<i64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let at = nanos.and_then(|units| units.checked_mul(1_000_000_000 / per_second)).and_then(Timestamp::from_nanos);
    let expected = "a time since 1970 in the unit of this format, between the years 2015 and 2099";
    at.ok_or_else(|| Problem::value(&record.path_of(name), &text, "cannot be read as a time", expected)).map(Some)
}

/// Whether a field is a number, so that it may be a time since 1970.
pub fn is_number(record: &Record<'_>, name: &str) -> bool {
    match record.value(name) {
        Some(Value::Json(raw)) => raw.get().starts_with(|c: char| c.is_ascii_digit()),
        Some(Value::Cell(text)) => text.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_needs_one() {
        let (utc, new_york) = (Calendar::of_zone("UTC").ok(), Calendar::of_zone("America/New_York").ok());
        let cases = [
            ("2026-10-01 08:30:00.5", utc, "2026-10-01T08:30:00.500Z"),
            ("2026-10-01T08:30:00+00:00", None, "2026-10-01T08:30:00Z"),
            ("2026-10-01 08:30:00+00", None, "2026-10-01T08:30:00Z"),
            ("2026-10-01 08:30:00 UTC", None, "2026-10-01T08:30:00Z"),
            ("2026-10-01 08:30", utc, "2026-10-01T08:30:00Z"),
            ("2026-10-01", new_york, "2026-10-01T04:00:00Z"),
        ];
        for (text, zone, expected) in cases {
            assert_eq!(zoned(text, zone).map(|at| at.to_string()), Ok(expected.to_owned()), "{text}");
        }
        assert_eq!(zoned("2026-10-01 08:30:00", None), Err(TimestampError::NoOffset));
        assert_eq!(zoned("2026-03-08 02:30:00", new_york), Err(TimestampError::Calendar), "the clock skips it");
        assert_eq!(zoned("2026-11-01 01:30:00", new_york), Err(TimestampError::Calendar), "the clock shows it twice");
        for text in ["06/07/2026", "2026-02-30", "2026-10-01 8:30", "", "2026-10-01 08:30:61"] {
            assert!(zoned(text, utc).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_keep_their_decimals() {
        assert_eq!(seconds("1748000000.25").map(|at| at.to_string()), Some("2025-05-23T11:33:20.250Z".to_owned()));
        for text in ["1748000000000", "-1", "1e9", "12", "1748000000.", ".5", ""] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
