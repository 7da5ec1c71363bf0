//! The events that a format makes from a record and hands to the sink, and the arithmetic of disjoint meters.
//!
//! Vendors report totals and parts of them. The ledger keeps parts that do not overlap. [`Meters::rest`] subtracts the
//! parts from a total, and rejects a record whose parts exceed the total.

pub mod batches;
pub mod buckets;
pub mod intern;
pub mod sink;

use crate::domain::event::Span;
use crate::domain::meter::Meter;
use crate::domain::outcome::Outcome;
use crate::domain::secret::looks_secret;
use crate::domain::timestamp::Timestamp;
use crate::import::events::sink::{Draft, Sink};
use crate::import::record::Record;
use crate::price::catalog::providers;
use crate::text::problem::Problem;
use std::borrow::Cow;

/// An event as a format found it.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// The issuer's id, or a natural key.
    pub id: Cow<'a, str>,
    /// When it was used.
    pub at: Timestamp,
    /// The provider; empty if unknown.
    pub provider: Cow<'a, str>,
    /// The provider that the form of the id implies. It counts if neither the record nor the user names one. Empty if
    /// the id implies none.
    pub implied: Cow<'a, str>,
    /// The model.
    pub model: Cow<'a, str>,
    /// The tier; empty for standard.
    pub tier: Cow<'a, str>,
    /// The tags.
    pub tags: Tags<'a>,
    /// How much was used.
    pub meters: Meters,
    /// The vendor's total of tokens.
    pub total: Option<i64>,
    /// Whether it is one request or a bucket.
    pub span: Span,
    /// How the call ended, if the record reports it.
    pub outcome: Option<Outcome>,
}

impl<'a> Event<'a> {
    /// One request.
    pub fn request(id: impl Into<Cow<'a, str>>, at: Timestamp, model: impl Into<Cow<'a, str>>) -> Self {
        Self {
            id: id.into(),
            at,
            provider: Cow::Borrowed(""),
            implied: Cow::Borrowed(""),
            model: model.into(),
            tier: Cow::Borrowed(""),
            tags: Tags::default(),
            meters: Meters::default(),
            total: None,
            span: Span::Request,
            outcome: None,
        }
    }

    /// A vendor's sum over requests.
    pub fn bucket(id: impl Into<Cow<'a, str>>, at: Timestamp, model: impl Into<Cow<'a, str>>) -> Self {
        Self { span: Span::Bucket, ..Self::request(id, at, model) }
    }
}

/// The tags of a record, each key once.
#[derive(Debug, Clone, Default)]
pub struct Tags<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Tags<'a> {
    /// Adds a tag if it has a value. If a key comes twice, the first value stays, because the better source adds first.
    pub fn add(&mut self, key: impl Into<Cow<'a, str>>, value: Option<Cow<'a, str>>) {
        let key = key.into();
        let Some(value) = value.filter(|value| !value.is_empty()) else { return };
        if !self.0.iter().any(|(known, _)| *known == key) {
            self.0.push((key, value));
        }
    }

    /// Adds a tag with a free key. Characters that a key may not have become `_`.
    pub fn add_free(&mut self, key: &str, value: Option<Cow<'a, str>>) {
        if looks_secret(key) {
            // The text stays unchanged, so that later checks recognise it as a secret and reject it.
            return self.add(key.to_owned(), value);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
        let key: String = key.chars().take(64).map(|c| if allowed(c) { c } else { '_' }).collect();
        if !key.is_empty() {
            self.add(key, value);
        }
    }

    /// Adds every field of a record as a tag. It skips objects and arrays, because they do not name a payer.
    pub fn add_all(&mut self, record: &Record<'a>) -> Result<(), Problem> {
        for (name, _) in record.fields() {
            if !record.is_list(name) && !record.is_object(name) {
                self.add_free(name, record.scalar(name)?);
            }
        }
        Ok(())
    }
}

/// Quantities, each meter at most once.
#[derive(Debug, Clone, Default)]
pub struct Meters(Vec<(Meter, i64)>);

impl Meters {
    /// Adds a quantity, if it is reported.
    pub fn put(&mut self, meter: Meter, quantity: Option<i64>) {
        let Some(quantity) = quantity else { return };
        match self.0.iter_mut().find(|(known, _)| *known == meter) {
            Some((_, sum)) => *sum = sum.saturating_add(quantity),
            None => self.0.push((meter, quantity)),
        }
    }

    /// Adds the remainder of a total after its parts. The parts may have been added before or not.
    pub fn rest(
        &mut self,
        meter: Meter,
        whole: (&str, Option<i64>),
        parts: &[(&str, Option<i64>)],
    ) -> Result<(), Problem> {
        let (name, Some(whole)) = whole else {
            let told = parts.iter().find(|(_, part)| part.is_some_and(|part| part > 0));
            return match told {
                None => Ok(()),
                Some((part, _)) => {
                    Err(Problem::field(whole.0, format!("is missing, but its part {part} is reported"), "the field"))
                }
            };
        };
        let sum: i64 = parts.iter().filter_map(|(_, part)| *part).fold(0, i64::saturating_add);
        if sum > whole {
            let told: Vec<String> =
                parts.iter().filter_map(|(name, part)| part.map(|part| format!("{name} {part}"))).collect();
            let what = format!("{whole} is less than the sum of its parts: {}", told.join(", "));
            return Err(Problem::field(name, what, "a number that includes its parts"));
        }
        self.put(meter, Some(whole - sum));
        Ok(())
    }

    /// The quantity of a meter.
    pub fn get(&self, meter: Meter) -> Option<i64> {
        self.0.iter().find(|(known, _)| *known == meter).map(|(_, quantity)| *quantity)
    }

    /// Whether anything except requests was used.
    pub fn any(&self) -> bool {
        self.0.iter().any(|(meter, quantity)| *meter != Meter::Request && !meter.is_measure() && *quantity > 0)
    }

    /// The quantities.
    pub fn as_slice(&self) -> &[(Meter, i64)] {
        &self.0
    }
}

/// Receives the events of one record.
#[derive(Debug)]
pub struct Events<'s, 'c> {
    line: u64,
    sink: &'s mut Sink<'c>,
}

impl<'s, 'c> Events<'s, 'c> {
    /// Receives the events of a record that begins at a line.
    pub fn of(line: u64, sink: &'s mut Sink<'c>) -> Self {
        Self { line, sink }
    }

    /// The line at which the record begins.
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// Checks an event and stores it.
    pub fn push(&mut self, event: &Event<'_>) -> Result<(), Problem> {
        let draft = Draft {
            id: &event.id,
            at: event.at,
            provider: &event.provider,
            implied: &event.implied,
            model: &event.model,
            tier: &event.tier,
            tags: &event.tags.0,
            meters: event.meters.as_slice(),
            total: event.total,
            span: event.span,
            outcome: event.outcome,
        };
        self.sink.push(self.line, &draft)
    }
}

/// A text in lower case. A secret stays unchanged, so that later checks recognise and reject it.
pub fn lowered(text: &str) -> String {
    if looks_secret(text) { text.to_owned() } else { text.to_ascii_lowercase() }
}

/// The name that price lists use for a provider, even if a gateway uses another.
pub fn provider(theirs: &str) -> Cow<'static, str> {
    Cow::Owned(providers::ours(theirs).0.to_owned())
}

/// The natural key, in words, of a record without an id. If it is too long for an id, its digest.
pub fn natural_key(kind: &str, parts: &[(&str, Option<&str>)]) -> String {
    let mut key = kind.to_owned();
    for (name, value) in parts {
        if let Some(value) = value {
            key.extend(["|", *name, "=", *value]);
        }
    }
    if key.len() <= crate::domain::name::NAME_LIMIT && !key.chars().any(char::is_control) {
        return key;
    }
    format!("{kind}|{}", blake3::hash(key.as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_off_a_whole() {
        let mut meters = Meters::default();
        let parts = [("cached", Some(3)), ("audio", None), ("written", Some(2))];
        assert_eq!(meters.rest(Meter::Input, ("prompt", Some(10)), &parts), Ok(()));
        assert_eq!(meters.get(Meter::Input), Some(5));
        let more = Meters::default().rest(Meter::Input, ("prompt", Some(4)), &parts).map_err(|p| p.to_string());
        let says = "prompt: 4 is less than the sum of its parts: cached 3, written 2, expected a number that includes its parts";
        assert_eq!(more, Err(says.to_owned()));
        assert!(Meters::default().rest(Meter::Input, ("prompt", None), &parts).is_err());
        assert_eq!(Meters::default().rest(Meter::Input, ("prompt", None), &[("cached", Some(0))]), Ok(()));
    }

    #[test]
    fn a_natural_key_is_an_id() {
        assert_eq!(natural_key("a", &[("x", Some("1")), ("y", None)]), "a|x=1");
        let long = "x".repeat(300);
        assert_eq!(natural_key("a", &[("x", Some(&long))]).len(), 66);
    }
}
