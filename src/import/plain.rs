//! Records of our JSONL in their usual form, read in one pass: no escapes, no unknown fields, nothing nested but `tags`.
//!
//! A shortcut, never a judge: whatever is unusual or wrong gives `None`, and the line goes to the JSON reader of
//! [`jsonl`](crate::import::jsonl), which says what is the matter. What is read here, that one reads alike.

use crate::domain::meter::Meter;
use crate::import::field::{Fields, quantity};
use std::borrow::Cow;

/// The fields of a record in its usual form.
pub fn record(line: &str) -> Option<Fields<'_>> {
    let mut cursor = Cursor { rest: line };
    let mut fields = Fields::default();
    let mut seen = Seen::default();
    cursor.members(|cursor, name| member(cursor, name, &mut fields, &mut seen))?;
    let end = cursor.rest.trim_end_matches([' ', '\r']);
    end.is_empty().then_some(fields)
}

/// Which names have come: a bit for each.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    /// Notes a name by its number; `None` when it has come before.
    fn note(&mut self, number: u32) -> Option<()> {
        let bit = 1 << number;
        let fresh = self.0 & bit == 0;
        self.0 |= bit;
        fresh.then_some(())
    }
}

fn member<'a>(cursor: &mut Cursor<'a>, name: &'a str, fields: &mut Fields<'a>, seen: &mut Seen) -> Option<()> {
    match name {
        "event_id" => {
            seen.note(0)?;
            fields.id = Cow::Borrowed(cursor.text()?);
        }
        "timestamp" => {
            seen.note(1)?;
            fields.timestamp = Cow::Borrowed(cursor.text()?);
        }
        "model" => {
            seen.note(2)?;
            fields.model = Cow::Borrowed(cursor.text()?);
        }
        "provider" => {
            seen.note(3)?;
            fields.provider = Cow::Borrowed(cursor.text_or_null()?);
        }
        "service_tier" => {
            seen.note(4)?;
            fields.tier = Cow::Borrowed(cursor.text_or_null()?);
        }
        "department" => seen.note(5).and_then(|()| tag(cursor, name, fields))?,
        "project" => seen.note(6).and_then(|()| tag(cursor, name, fields))?,
        "environment" => seen.note(7).and_then(|()| tag(cursor, name, fields))?,
        "tags" => {
            seen.note(8)?;
            let before = fields.tags.len();
            cursor.members(|cursor, key| {
                let twice = fields.tags.iter().skip(before).any(|(known, _)| known == key);
                let value = cursor.text().filter(|value| !twice && !value.is_empty())?;
                fields.tags.push((Cow::Borrowed(key), Cow::Borrowed(value)));
                Some(())
            })?;
        }
        "total_tokens" => {
            seen.note(9)?;
            fields.total = match cursor.amount(name)? {
                Amount::Whole(total) => Some(total),
                Amount::NotReported => None,
            };
        }
        _ => {
            let meter = Meter::from_field(name)?;
            seen.note(10 + u32::from(meter.code()))?;
            if let Amount::Whole(quantity) = cursor.amount(name)? {
                fields.meters.push((meter, quantity));
            }
        }
    }
    Some(())
}

fn tag<'a>(cursor: &mut Cursor<'a>, key: &'a str, fields: &mut Fields<'a>) -> Option<()> {
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

/// What is left of a line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Goes past a character that must come.
    fn take(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(character)?;
        Some(())
    }

    /// Goes past one space, if there is one: more are unusual.
    fn space(&mut self) {
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
    }

    /// Goes along the members of an object, of which there is at least one.
    fn members(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take('{')?;
        loop {
            let name = self.text()?;
            self.take(':')?;
            self.space();
            member(self, name)?;
            if self.take('}').is_some() {
                return Some(());
            }
            self.take(',')?;
            self.space();
        }
    }

    /// A text without escapes and control characters.
    fn text(&mut self) -> Option<&'a str> {
        self.take('"')?;
        let end = self.rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    /// Such a text; null says as little as an empty one.
    fn text_or_null(&mut self) -> Option<&'a str> {
        if self.null() { Some("") } else { self.text() }
    }

    fn null(&mut self) -> bool {
        let rest = self.rest.strip_prefix("null");
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A whole number, or null.
    fn amount(&mut self, field: &str) -> Option<Amount> {
        if self.null() {
            return Some(Amount::NotReported);
        }
        let end = self.rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        quantity(field, digits).ok().map(Amount::Whole)
    }
}
