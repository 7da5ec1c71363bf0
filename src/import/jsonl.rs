//! Our own JSONL: one JSON object a line, with the fields of the CSV, and tags in an object `tags` as well.
//!
//! Stricter than the usual readers: a name may stand once, also when it differs in case from a known field; a number
//! has one spelling; `null` is "not reported"; texts are not numbers. Values of unknown fields are skipped unread.

use crate::domain::meter::Meter;
use crate::import::field::{Field, Fields, meant, quantity};
use crate::import::format::{Beginning, Format, RecordReader, Redacted};
use crate::import::plain;
use crate::import::sink::Sink;
use crate::text::problem::{Problem, excerpt};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// The most fields an object may have, and how deep values may nest.
const FIELD_LIMIT: usize = 1_024;
const DEPTH_LIMIT: usize = 64;

/// Our own JSONL.
pub const FORMAT: Format = Format {
    name: "jsonl",
    summary: "tokenbook JSONL: the fields of the CSV as one object a line; tags also in an object \"tags\"",
    recognises: |first| first.starts_with(['{', '[']),
    begin,
};

struct JsonlReader;

fn begin(first: &str) -> Result<Beginning, Problem> {
    if first.starts_with('[') {
        return Err(Problem::line("the file is a JSON array", "one object a line (jq -c '.[]' makes that)"));
    }
    if first.trim() == "{" {
        return Err(Problem::line("an object spread over several lines", "one object a line (jq -c . makes that)"));
    }
    Ok(Beginning { reader: Box::new(JsonlReader), header: false, ignored: Vec::new() })
}

/// An object's fields in their order, values unread.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

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

/// A field's name, borrowed where it has no escapes.
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

fn object<'a>(text: &'a str, what: &str) -> Result<Object<'a>, Problem> {
    if !text.trim_start().starts_with('{') {
        return Err(Problem::line(format!("{what} is {}", kind(text)), "a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| {
        let place = if error.column() > 0 { format!(" at column {}", error.column()) } else { String::new() };
        Problem::line(format!("{}{place}", reason(&error)), "one JSON object on the line")
    })
}

/// What the parser says, without a place that counts from the start of the text it was given.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or("not JSON").to_owned()
}

fn kind(text: &str) -> &'static str {
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
fn text<'a>(field: &str, value: &'a RawValue) -> Result<Option<Cow<'a, str>>, Problem> {
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
fn number(field: &str, value: &RawValue) -> Result<Option<i64>, Problem> {
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

/// Gathers a record and sees that no name stands twice.
struct Gathered<'a> {
    record: Fields<'a>,
    unknown: Vec<Cow<'a, str>>,
    known: Vec<Cow<'a, str>>,
}

impl<'a> Gathered<'a> {
    fn of(fields: Object<'a>) -> Result<Self, Problem> {
        let mut gathered =
            Self { record: Fields::default(), unknown: Vec::new(), known: Vec::with_capacity(fields.0.len()) };
        for (name, value) in fields.0 {
            gathered.add(name, value)?;
        }
        gathered.no_name_twice()?;
        Ok(gathered)
    }

    fn add(&mut self, name: Cow<'a, str>, value: &'a RawValue) -> Result<(), Problem> {
        let record = &mut self.record;
        let required = |text: Option<Cow<'a, str>>| text.ok_or_else(|| Problem::field(&name, "is null", "a value"));
        match name.as_ref() {
            "event_id" => record.id = required(text(&name, value)?)?,
            "timestamp" => record.timestamp = required(text(&name, value)?)?,
            "model" => record.model = required(text(&name, value)?)?,
            "provider" => record.provider = text(&name, value)?.unwrap_or_default(),
            "service_tier" => record.tier = text(&name, value)?.unwrap_or_default(),
            "total_tokens" => record.total = number(&name, value)?,
            "department" | "project" | "environment" => self.tag(name.clone(), text(&name, value)?),
            "tags" => self.tags(value)?,
            _ => return self.add_other(name, value),
        }
        self.known.push(name);
        Ok(())
    }

    fn add_other(&mut self, name: Cow<'a, str>, value: &'a RawValue) -> Result<(), Problem> {
        if let Some(meter) = Meter::from_field(&name) {
            if let Some(quantity) = number(&name, value)? {
                self.record.meters.push((meter, quantity));
            }
            self.known.push(name);
        } else if let Some(Field::Tag(key)) = Field::named(&name) {
            let value = text(&name, value)?;
            self.tag(Cow::Owned(key), value);
            self.known.push(name);
        } else {
            check_depth(&name, value)?;
            self.unknown.push(name);
        }
        Ok(())
    }

    fn tag(&mut self, key: Cow<'a, str>, value: Option<Cow<'a, str>>) {
        // An empty text says as little as null.
        self.record.tags.extend(value.filter(|value| !value.is_empty()).map(|value| (key, value)));
    }

    fn tags(&mut self, value: &'a RawValue) -> Result<(), Problem> {
        if value.get().starts_with('n') {
            return Ok(());
        }
        let mut names = Vec::new();
        for (key, value) in object(value.get(), "tags")?.0 {
            let text = text(&format!("tags.{key}"), value)?;
            names.push(key.clone());
            self.tag(key, text);
        }
        no_repetition(names)
    }

    fn no_name_twice(&mut self) -> Result<(), Problem> {
        no_repetition(std::mem::take(&mut self.known))?;
        if self.unknown.len() > 1 {
            no_repetition(self.unknown.clone())?;
        }
        Ok(())
    }
}

fn no_repetition(mut names: Vec<Cow<'_, str>>) -> Result<(), Problem> {
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Problem::field(&pair[0], "stands twice in the object", "each name once")),
        None => Ok(()),
    }
}

/// Refuses a value that nests too deep, without recursion.
fn check_depth(name: &str, value: &RawValue) -> Result<(), Problem> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in value.get().bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth -= 1,
            _ => {}
        }
        if depth > DEPTH_LIMIT {
            return Err(Problem::field(name, format!("nests deeper than {DEPTH_LIMIT} levels"), "a record of usage"));
        }
    }
    Ok(())
}

impl RecordReader for JsonlReader {
    fn read(&self, line: u64, text: &str, sink: &mut Sink<'_>, ignored: &mut BTreeSet<String>) -> Result<(), Problem> {
        if let Some(record) = plain::record(text) {
            return sink.push_fields(line, &record);
        }
        let gathered = Gathered::of(object(text, "the record")?)?;
        for name in &gathered.unknown {
            if ignored.contains(name.as_ref()) {
                continue;
            }
            if let Some(meant) = meant(name) {
                return Err(Problem::field(name, "is not a field", meant));
            }
            if ignored.len() < FIELD_LIMIT {
                ignored.insert(name.clone().into_owned());
            }
        }
        sink.push_fields(line, &gathered.record)
    }

    fn redact(&self, line: &str) -> Redacted {
        let Ok(Object(fields)) = object(line, "the record") else {
            return Redacted { kept: String::new(), id: None, timestamp: None };
        };
        let known = |name: &str| Field::named(name).is_some() || name == "tags";
        let kept: Vec<String> = fields
            .iter()
            .filter(|(name, _)| known(name))
            .map(|(name, value)| format!("{name}={}", excerpt(value.get())))
            .collect();
        let of = |wanted: &str| {
            let value = fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| text(wanted, value));
            value.and_then(Result::ok).flatten().map(Cow::into_owned)
        };
        Redacted { kept: kept.join(" "), id: of("event_id"), timestamp: of("timestamp") }
    }

    fn may_be_cut(&self, _last_line: &str) -> bool {
        // A cut object is not JSON any more.
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both_ways(line: &str) -> (Option<String>, Option<String>) {
        let shown = |fields: &Fields<'_>| format!("{fields:?}");
        let slow = object(line, "the record").and_then(Gathered::of);
        // Unknown fields are for the reader of all forms.
        let slow = slow.ok().filter(|gathered| gathered.unknown.is_empty());
        (plain::record(line).as_ref().map(shown), slow.map(|gathered| shown(&gathered.record)))
    }

    fn names() -> impl Strategy<Value = String> {
        let known = [
            "event_id",
            "timestamp",
            "model",
            "provider",
            "service_tier",
            "department",
            "project",
            "environment",
            "tag.team",
            "total_tokens",
            "input_tokens",
            "output_tokens",
            "requests",
            "web_searches",
            "Model",
            "x",
            "",
        ];
        proptest::sample::select(known.to_vec()).prop_map(str::to_owned)
    }

    fn values() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-z0-9é:. -]{0,8}".prop_map(|text| format!("\"{text}\"")),
            4 => (0_i64..3_000_000_000_000).prop_map(|number| number.to_string()),
            2 => Just("null".to_owned()),
            1 => proptest::sample::select(vec![
                "01", "-1", "1.0", "1e3", "true", "\"a\\u0041\"", "\"a\tb\"", "[]", "{}", " 7", "nullx", "\"open", "",
            ]).prop_map(str::to_owned),
        ]
    }

    fn objects() -> impl Strategy<Value = String> {
        let members = proptest::collection::vec((names(), values()), 0..6);
        let tags = proptest::option::of(proptest::collection::vec(("[a-c]{0,2}", values()), 0..4));
        let marks = proptest::sample::select(vec![(",", ":"), (", ", ": "), (" ,", ":"), (",  ", ":")]);
        let ends = proptest::sample::select(vec!["", "\r", " ", " x", "}", "{}"]);
        (members, tags, marks, ends).prop_map(|(members, tags, (comma, colon), end)| {
            let member = |(name, value): (String, String)| format!("\"{name}\"{colon}{value}");
            let mut all: Vec<String> = members.into_iter().map(member).collect();
            all.extend(tags.map(|tags| {
                let tags: Vec<String> = tags.into_iter().map(member).collect();
                format!("\"tags\"{colon}{{{}}}", tags.join(comma))
            }));
            format!("{{{}}}{end}", all.join(comma))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn the_shortcut_reads_what_the_reader_of_all_forms_reads(line in objects()) {
            let (fast, slow) = both_ways(&line);
            if fast.is_some() {
                prop_assert_eq!(fast, slow);
            }
        }
    }

    #[test]
    fn the_usual_form_takes_the_shortcut() {
        for line in [
            r#"{"event_id":"a","timestamp":"t","model":"m","provider":null,"department":"D","input_tokens":5}"#,
            r#"{"event_id": "a", "tags": {"team": "x"}, "output_tokens": 0}"#,
        ] {
            let (fast, slow) = both_ways(line);
            assert!(fast.is_some(), "{line}");
            assert_eq!(fast, slow);
        }
    }
}
