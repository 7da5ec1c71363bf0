//! Reads JSON objects strictly: a name occurs once, a number has one spelling, and values stay unread until needed.
//!
//! This module does not know what a field means. It reads a whole number from its literal, never by way of a float.

use crate::import::record::field::quantity;
use crate::text::problem::Problem;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The most fields an object may have.
pub const FIELD_LIMIT: usize = 1_024;
/// How deep values may be nested.
const DEPTH_LIMIT: usize = 64;

/// An object's fields in their order, with unread values.
pub struct Object<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(24);
                while let Some((Key(name), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    if fields.len() == FIELD_LIMIT {
                        return Err(A::Error::custom(format!("more than {FIELD_LIMIT} fields")));
                    }
                    fields.push((name, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A field's name, borrowed if it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Reads the fields of a text that is one object.
pub fn object<'a>(text: &'a str, what: &str) -> Result<Object<'a>, Problem> {
    if !text.trim_start().starts_with('{') {
        return Err(Problem::line(format!("{what} is {}", kind(text)), "a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| {
        let place = if error.column() > 0 { format!(" at column {}", error.column()) } else { String::new() };
        Problem::line(format!("{}{place}", reason(&error)), "one JSON object on the line")
    })
}

/// The parser's message, without the position, which would count from the start of the given text.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or("not JSON").to_owned()
}

/// The kind of a value, for messages.
pub fn kind(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "not JSON",
    }
}

/// The text of a value; `None` for null.
pub fn text<'a>(field: &str, value: &'a RawValue) -> Result<Option<Cow<'a, str>>, Problem> {
    match value.get().as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => match serde_json::from_str::<Key<'a>>(value.get()) {
            Ok(Key(text)) => Ok(Some(text)),
            Err(error) => Err(Problem::field(field, reason(&error), "a text")),
        },
        _ => Err(Problem::field(field, format!("is {}", kind(value.get())), "a text")),
    }
}

/// The whole number of a value; `None` for null.
pub fn number(field: &str, value: &RawValue) -> Result<Option<i64>, Problem> {
    match value.get().as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'-' | b'0'..=b'9') => quantity(field, value.get()).map(Some),
        _ => Err(Problem::value(
            field,
            value.get(),
            format!("is {}", kind(value.get())),
            "a whole number without quotes, or null",
        )),
    }
}

/// Rejects names that occur twice.
pub fn no_repetition(mut names: Vec<Cow<'_, str>>) -> Result<(), Problem> {
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Problem::field(&pair[0], "stands twice in the object", "each name once")),
        None => Ok(()),
    }
}

/// Rejects a value that is nested too deep, without recursion.
pub fn check_depth(name: &str, value: &str) -> Result<(), Problem> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in value.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            // More closing than opening brackets is not JSON, but the reader reports that.
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_LIMIT {
            return Err(Problem::field(name, format!("nests deeper than {DEPTH_LIMIT} levels"), "a record of usage"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_that_of_open_brackets_in_any_text() {
        let deep = "[".repeat(DEPTH_LIMIT + 1);
        for (text, fits) in [("]}", true), ("}[", true), ("\"[\\\"[\"", true), (deep.as_str(), false)] {
            assert_eq!(check_depth("x", text).is_ok(), fits, "{text}");
        }
    }
}
