//! tokenbook's own JSONL: one JSON object on each line, with the fields of the CSV. Tags may also be in an object
//! `tags`.
//!
//! It is stricter than most readers. A name may occur once, even in another case than a known field. A number has one
//! spelling, `null` means "not reported", and a text is not a number. The reader skips the values of unknown fields.

use crate::domain::meter::Meter;
use crate::fault::Code;
use crate::import::events::intern::SharedNames;
use crate::import::events::sink::Sink;
use crate::import::format::{Beginning, Format, How, RecordReader, Redacted};
use crate::import::own::plain::Shape;
use crate::import::record::field::{Field, Fields, REQUIRED, meant, outcome};
use crate::import::record::json::{FIELD_LIMIT, Object, check_depth, kind, no_repetition, number, object, text};
use crate::text::problem::{Problem, excerpt, excerpt_name, visible};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// tokenbook's own JSONL.
pub const FORMAT: Format = Format {
    name: "jsonl",
    stored: "jsonl",
    summary: "tokenbook JSONL: the fields of the CSV as one object a line; tags also in an object \"tags\"",
    example: r#"{"event_id":"r1","timestamp":"2026-10-05T09:12:04Z","model":"gpt-5.4","department":"Legal","input_tokens":850,"output_tokens":42}"#,
    // Anything else that begins like JSON comes to this format last, and its reader reports what is wrong. Other
    // vendors' records may have an `event_id` too.
    recognises: |head| REQUIRED.iter().all(|name| head.has(name)) && !head.has("body"),
    how: How::Own(begin),
    ..Format::PLAIN
};

struct JsonlReader {
    shape: Shape,
}

fn begin(first: &str) -> Result<Beginning, Problem> {
    if first.starts_with('[') {
        let expected = "one object on each line (`jq -c '.[]'` converts it)";
        return Err(Problem::line("the file is a JSON array", expected).coded(Code::JsonShape));
    }
    if first.trim() == "{" {
        let expected = "one object on each line (`jq -c .` converts it)";
        return Err(Problem::line("an object spread over several lines", expected).coded(Code::JsonShape));
    }
    Ok(Beginning { reader: Box::new(JsonlReader { shape: Shape::of(first) }), header: false, ignored: Vec::new() })
}

/// Collects a record and checks that no name occurs twice.
struct OneRecord<'a> {
    record: Fields<'a>,
    unknown: Vec<Cow<'a, str>>,
    known: Vec<Cow<'a, str>>,
}

impl<'a> OneRecord<'a> {
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
            "outcome" => record.outcome = outcome(&text(&name, value)?.unwrap_or_default())?,
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
            check_depth(&name, value.get())?;
            self.unknown.push(name);
        }
        Ok(())
    }

    fn tag(&mut self, key: Cow<'a, str>, value: Option<Cow<'a, str>>) {
        // An empty text means the same as null.
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

impl RecordReader for JsonlReader {
    fn read(&self, line: u64, text: &str, sink: &mut Sink<'_>, ignored: &mut BTreeSet<String>) -> Result<(), Problem> {
        if let Some(record) = self.shape.record(text) {
            return sink.push_fields(line, &record);
        }
        let gathered = OneRecord::of(object(text, "the record")?)?;
        for name in &gathered.unknown {
            if ignored.contains(name.as_ref()) {
                continue;
            }
            if let Some(meant) = meant(name) {
                return Err(Problem::field(name, "is not a field", meant).coded(Code::FieldMisspelt));
            }
            if ignored.len() < FIELD_LIMIT {
                ignored.insert(name.clone().into_owned());
            }
        }
        sink.push_fields(line, &gathered.record)
    }

    fn redact(&self, line: &str, names: &SharedNames) -> Redacted {
        let Ok(Object(fields)) = object(line, "the record") else {
            return Redacted { kept: String::new(), id: None, timestamp: None };
        };
        let of = |wanted: &str| {
            let value = fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| text(wanted, value));
            value.and_then(Result::ok).flatten().map(Cow::into_owned)
        };
        let (mut others, mut tags) = (Vec::new(), Vec::new());
        for (name, value) in &fields {
            match Field::named(name) {
                Some(Field::Tag(key)) => tags.push((name.to_string(), key, *value)),
                Some(_) => others.push((name.as_ref(), *value)),
                None if name == "tags" => {
                    let inner = object(value.get(), "tags").map_or_else(|_| Vec::new(), |tags| tags.0);
                    tags.extend(inner.into_iter().map(|(key, value)| (format!("tags.{key}"), key.into_owned(), value)));
                }
                None => {}
            }
        }
        let spelled = |value: &RawValue| text("tags", value).ok().flatten().map(Cow::into_owned).unwrap_or_default();
        let texts: Vec<(&String, String)> = tags.iter().map(|(_, key, value)| (key, spelled(value))).collect();
        let id = of("event_id").map(|id| names.hashed().id(&id, &texts).into_owned());
        let mut kept: Vec<String> = Vec::new();
        for (name, value) in others {
            kept.push(match &id {
                Some(id) if name == "event_id" => format!("{name}={}", excerpt(id)),
                _ => kept_value(name, value, |text| Some(Cow::Borrowed(text))).unwrap_or_default(),
            });
        }
        for (name, key, value) in &tags {
            kept.extend(kept_value(name, value, |text| names.kept_of(key, text)));
        }
        Redacted { kept: kept.join(" "), id, timestamp: of("timestamp") }
    }

    fn may_be_cut(&self, _last_line: &str) -> bool {
        // A cut object is no longer JSON.
        false
    }
}

/// A field in the form that the quarantine stores: its value and not its spelling, because a secret can be spelled in
/// many ways.
fn kept_value(
    name: &str,
    value: &RawValue,
    kept: impl for<'t> FnOnce(&'t str) -> Option<Cow<'t, str>>,
) -> Option<String> {
    let name = excerpt_name(name);
    Some(match value.get().as_bytes().first() {
        Some(b'"') => match text(&name, value) {
            Ok(Some(text)) => format!("{name}={}", excerpt(&kept(&text)?)),
            _ => format!("{name}=(not a text)"),
        },
        Some(b'{' | b'[') => format!("{name}=({})", kind(value.get())),
        _ => format!("{name}={}", excerpt_number(&kept(value.get())?)),
    })
}

/// A number, or another value that is not a text, in its spelling in the file.
fn excerpt_number(spelled: &str) -> String {
    visible(spelled.chars().take(NUMBER_SHOWN).collect())
}

/// The most characters of a number that are stored.
const NUMBER_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The results of both readers for a line after another: the shortcut, and the reader for all forms.
    fn both_ways(first: &str, line: &str) -> (Option<String>, Option<String>) {
        let shown = |fields: &Fields<'_>| format!("{fields:?}");
        let slow = object(line, "the record").and_then(OneRecord::of);
        // Only the reader for all forms reads unknown fields.
        let slow = slow.ok().filter(|gathered| gathered.unknown.is_empty());
        (Shape::of(first).record(line).as_ref().map(shown), slow.map(|gathered| shown(&gathered.record)))
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
        fn the_shortcut_reads_what_the_reader_of_all_forms_reads(first in objects(), line in objects()) {
            for first in [first.as_str(), line.as_str(), ""] {
                let (fast, slow) = both_ways(first, &line);
                if fast.is_some() {
                    prop_assert_eq!(fast, slow);
                }
            }
        }
    }

    #[test]
    fn the_usual_form_takes_the_shortcut() {
        for line in [
            r#"{"event_id":"a","timestamp":"t","model":"m","provider":null,"department":"D","input_tokens":5}"#,
            r#"{"event_id": "a", "tags": {"team": "x"}, "output_tokens": 0}"#,
        ] {
            for first in [line, ""] {
                let (fast, slow) = both_ways(first, line);
                assert!(fast.is_some(), "{line}");
                assert_eq!(fast, slow);
            }
        }
    }
}
