//! JSONL records in their usual form, read in one pass: no escapes, no unknown fields, nothing nested but `tags`.
//!
//! This is a shortcut and never decides. Anything unusual or wrong gives `None`, and the JSON reader of
//! [`jsonl`](crate::import::own::jsonl) reads the line and reports the error. Both readers give the same result for
//! every line that this one reads.

use crate::domain::meter::Meter;
use crate::import::record::field::{Fields, outcome, whole};
use memchr::memchr3;
use std::borrow::Cow;

/// The names of a file's first record, in their order. Most records have the same names, or some of them.
#[derive(Debug, Default)]
pub struct Shape(Vec<Expected>);

/// A name as a record spells it, and the field it belongs to.
#[derive(Debug)]
struct Expected {
    spelled: String,
    name: OwnName,
}

/// A name of tokenbook's own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnName {
    Id,
    Timestamp,
    Model,
    Provider,
    Tier,
    Outcome,
    Department,
    Project,
    Environment,
    Tags,
    Total,
    Meter(Meter),
}

impl OwnName {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "event_id" => Self::Id,
            "timestamp" => Self::Timestamp,
            "model" => Self::Model,
            "provider" => Self::Provider,
            "service_tier" => Self::Tier,
            "outcome" => Self::Outcome,
            "department" => Self::Department,
            "project" => Self::Project,
            "environment" => Self::Environment,
            "tags" => Self::Tags,
            "total_tokens" => Self::Total,
            _ => Self::Meter(Meter::from_field(name)?),
        })
    }

    /// A number that no other name has.
    fn number(self) -> u32 {
        match self {
            Self::Id => 0,
            Self::Timestamp => 1,
            Self::Model => 2,
            Self::Provider => 3,
            Self::Tier => 4,
            Self::Department => 5,
            Self::Project => 6,
            Self::Environment => 7,
            Self::Tags => 8,
            Self::Total => 9,
            Self::Outcome => 10,
            Self::Meter(meter) => 11 + u32::from(meter.code()),
        }
    }
}

impl Shape {
    /// The shape of a record, as far as it has the usual form.
    pub fn of(line: &str) -> Self {
        let mut shape = Self::default();
        let mut cursor = Cursor { rest: line };
        let mut fields = Fields::default();
        let none = Self::default();
        let mut members = Members { shape: &none, next: 0, seen: 0 };
        let mut before = line;
        let _usual = cursor.members(|cursor| {
            before = cursor.rest;
            let name = members.name(cursor)?;
            let spelled = before.get(..before.len() - cursor.rest.len()).unwrap_or("").to_owned();
            shape.0.push(Expected { spelled, name });
            value(cursor, name, &mut fields)
        });
        shape
    }

    /// The fields of a record in its usual form.
    pub fn record<'a>(&self, line: &'a str) -> Option<Fields<'a>> {
        let mut cursor = Cursor { rest: line };
        let mut fields = Fields::default();
        let mut members = Members { shape: self, next: 0, seen: 0 };
        cursor.members(|cursor| {
            let name = members.name(cursor)?;
            value(cursor, name, &mut fields)
        })?;
        let end = cursor.rest.trim_end_matches([' ', '\r']);
        end.is_empty().then_some(fields)
    }
}

/// Reads the members of one record.
struct Members<'s> {
    shape: &'s Shape,
    /// The position of the name that is expected next.
    next: usize,
    /// The names seen so far, one bit for each.
    seen: u64,
}

impl Members<'_> {
    /// Reads a name and the colon after it; `None` if the name is unknown or occurred before.
    fn name(&mut self, cursor: &mut Cursor<'_>) -> Option<OwnName> {
        let mut expected = self.shape.0.iter().enumerate().skip(self.next);
        let found = expected.find_map(|(place, expected)| {
            Some((place, expected.name, cursor.rest.strip_prefix(expected.spelled.as_str())?))
        });
        let name = if let Some((place, name, rest)) = found {
            self.next = place + 1;
            cursor.rest = rest;
            name
        } else {
            OwnName::of(cursor.name()?)?
        };
        let bit = 1 << name.number();
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh.then_some(name)
    }
}

/// Reads the value of a name.
fn value<'a>(cursor: &mut Cursor<'a>, name: OwnName, fields: &mut Fields<'a>) -> Option<()> {
    match name {
        OwnName::Id => fields.id = Cow::Borrowed(cursor.text()?),
        OwnName::Timestamp => fields.timestamp = Cow::Borrowed(cursor.text()?),
        OwnName::Model => fields.model = Cow::Borrowed(cursor.text()?),
        OwnName::Provider => fields.provider = Cow::Borrowed(cursor.text_or_null()?),
        OwnName::Tier => fields.tier = Cow::Borrowed(cursor.text_or_null()?),
        OwnName::Outcome => fields.outcome = outcome(cursor.text_or_null()?).ok()?,
        OwnName::Department => tag(cursor, "department", fields)?,
        OwnName::Project => tag(cursor, "project", fields)?,
        OwnName::Environment => tag(cursor, "environment", fields)?,
        OwnName::Tags => {
            let before = fields.tags.len();
            cursor.members(|cursor| {
                let key = cursor.name()?;
                let twice = fields.tags.iter().skip(before).any(|(known, _)| known == key);
                let value = cursor.text().filter(|value| !twice && !value.is_empty())?;
                fields.tags.push((Cow::Borrowed(key), Cow::Borrowed(value)));
                Some(())
            })?;
        }
        OwnName::Total => fields.total = cursor.amount()?.whole(),
        OwnName::Meter(meter) => fields.meters.extend(cursor.amount()?.whole().map(|quantity| (meter, quantity))),
    }
    Some(())
}

fn tag<'a>(cursor: &mut Cursor<'a>, key: &'static str, fields: &mut Fields<'a>) -> Option<()> {
    let value = cursor.text_or_null()?;
    if !value.is_empty() {
        fields.tags.push((Cow::Borrowed(key), Cow::Borrowed(value)));
    }
    Some(())
}

/// The value of a meter.
enum Amount {
    Whole(i64),
    NotReported,
}

impl Amount {
    const fn whole(self) -> Option<i64> {
        match self {
            Self::Whole(quantity) => Some(quantity),
            Self::NotReported => None,
        }
    }
}

/// The unread part of a line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Skips a required character.
    fn take(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(character)?;
        Some(())
    }

    /// Skips one space, if there is one. More spaces are unusual.
    fn space(&mut self) {
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
    }

    /// Reads the members of an object, which has at least one.
    fn members(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take('{')?;
        loop {
            member(self)?;
            if self.take('}').is_some() {
                return Some(());
            }
            self.take(',')?;
            self.space();
        }
    }

    /// Reads the name of a member and the colon after it.
    fn name(&mut self) -> Option<&'a str> {
        let name = self.text()?;
        self.take(':')?;
        self.space();
        Some(name)
    }

    /// A text without escapes and control characters. Tabs are the only control characters that a line may have.
    fn text(&mut self) -> Option<&'a str> {
        self.take('"')?;
        let end = memchr3(b'"', b'\\', b'\t', self.rest.as_bytes())?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A text, or null, which means the same as an empty text.
    fn text_or_null(&mut self) -> Option<&'a str> {
        if self.null() { Some("") } else { self.text() }
    }

    fn null(&mut self) -> bool {
        let rest = self.rest.strip_prefix("null");
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A whole number, or null.
    fn amount(&mut self) -> Option<Amount> {
        if self.null() {
            return Some(Amount::NotReported);
        }
        let end = self.rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        whole(digits).map(Amount::Whole)
    }
}
