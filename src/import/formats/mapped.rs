//! Any CSV or JSONL, through a map that the user writes (`--map`): see [`crate::import::record::column_map`].
//!
//! This format has no vendor. The map says what the numbers include, the form of times and the natural key. A path
//! leads through objects, and through texts that contain an object. The last name of a path may differ in case, as
//! headers do.

use crate::domain::meter::Meter;
use crate::domain::timestamp::Timestamp;
use crate::import::events::{Event, Events, lowered, natural_key};
use crate::import::format::{Format, How};
use crate::import::record::Record;
use crate::import::record::column_map::{ColumnMap, FieldPlace, TimeForm};
use crate::import::record::field::{outcome, quantity};
use crate::import::record::json;
use crate::import::record::reading::{Stated, zoned};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// The format of any file that a map describes.
pub const FORMAT: Format = Format {
    name: "mapped",
    stored: "mapped/1",
    summary: "any CSV or JSONL, by a map of its columns (--map FILE)",
    example: r#"[fields]
event_id = "Request ID"
timestamp = "when"
model = "model"
input_tokens = "usage.prompt"
cache_read_tokens = "usage.cached"
[tags]
department = "headers.X-Department"
[constants]
provider = "openai"
[time]
format = "local"
zone = "Europe/Berlin""#,
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one record by the map.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let Some(map) = &reading.map else { return Err(Problem::line("no map is given", "--map FILE")) };
    let id = id(record, map)?;
    let at = timestamp(record, map)?;
    let constant = |name: &str| map.constants.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let told = |name: &str, place: &Option<FieldPlace>| match place {
        None => Ok(constant(name)),
        Some(place) => Ok(find(record, name, place)?.or_else(|| constant(name))),
    };
    let model = told("model", &map.model)?.ok_or_else(|| missing("model", map.model.as_ref()))?;
    let mut event = if map.bucket { Event::bucket(id, at, model) } else { Event::request(id, at, model) };
    event.provider = Cow::Owned(told("provider", &map.provider)?.unwrap_or_default());
    event.tier = Cow::Owned(lowered(&told("service_tier", &map.tier)?.unwrap_or_default()));
    if let Some(place) = &map.outcome {
        event.outcome = outcome(&lowered(&find(record, "outcome", place)?.unwrap_or_default()))?;
    }
    for (key, place) in &map.tags {
        event.tags.add(key.clone(), find(record, key, place)?.map(Cow::Owned));
    }
    for (key, value) in &map.constants {
        if !matches!(key.as_str(), "model" | "provider" | "service_tier") {
            event.tags.add(key.clone(), Some(Cow::Owned(value.clone())));
        }
    }
    meters(record, map, &mut event)?;
    events.push(&event)
}

fn missing(name: &str, place: Option<&FieldPlace>) -> Problem {
    let place =
        place.map_or_else(String::new, |place| format!(" in {:?} (line {} of the map)", place.path, place.line));
    Problem::field(name, format!("is missing{place}"), "a value")
}

fn id(record: &Record<'_>, map: &ColumnMap) -> Result<String, Problem> {
    if let [place] = map.id.as_slice() {
        return find(record, "event_id", place)?.ok_or_else(|| missing("event_id", Some(place)));
    }
    let mut parts = Vec::new();
    for place in &map.id {
        parts.push((place.path.as_str(), find(record, "event_id", place)?));
    }
    let parts: Vec<(&str, Option<&str>)> = parts.iter().map(|(path, value)| (*path, value.as_deref())).collect();
    Ok(natural_key("mapped", &parts))
}

fn timestamp(record: &Record<'_>, map: &ColumnMap) -> Result<Timestamp, Problem> {
    let place = &map.timestamp;
    let text = find(record, "timestamp", place)?.ok_or_else(|| missing("timestamp", Some(place)))?;
    let (read, form) = match map.form {
        TimeForm::Rfc3339 => (Timestamp::parse(&text).ok(), "RFC 3339 with an offset"),
        TimeForm::Local => (
            zoned(&text, map.zone).ok(),
            "a local date and time that occurs once in the zone, such as 2026-10-27 15:05:29",
        ),
        TimeForm::Epoch(units) => (epoch(&text, units), "a time since 1970 in the unit of the map, from 2015 on"),
    };
    let expected = format!("{form} (line {} and [time] of the map)", place.line);
    read.ok_or_else(|| Problem::value("timestamp", &text, "cannot be read as a time", expected))
}

fn epoch(text: &str, units: i64) -> Option<Timestamp> {
    let whole = if text.bytes().all(|b| b.is_ascii_digit()) { text } else { text.strip_suffix(".0")? };
    let units_since: i64 = whole.parse().ok()?;
    Timestamp::from_nanos(units_since.checked_mul(1_000_000_000 / units)?)
}

fn meters(record: &Record<'_>, map: &ColumnMap, event: &mut Event<'_>) -> Result<(), Problem> {
    let mut told = Vec::new();
    for column in &map.quantities {
        let name = column.meter.field();
        let Some(text) = find(record, name, &column.place)? else { continue };
        let count = number(name, &text, map, &column.place)?;
        let scaled = count.checked_mul(column.unit).filter(|scaled| *scaled <= crate::domain::event::QUANTITY_LIMIT);
        let scaled = scaled.ok_or_else(|| Problem::value(name, &text, "is implausibly large in its unit", "less"))?;
        told.push((column.meter, scaled));
    }
    for (meter, count) in &told {
        let parts = match meter {
            Meter::Input => &map.input_includes,
            Meter::Output => &map.output_includes,
            _ => {
                event.meters.put(*meter, Some(*count));
                continue;
            }
        };
        let part = |part: &Meter| (part.field(), told.iter().find(|(meter, _)| meter == part).map(|(_, count)| *count));
        let parts: Vec<(&str, Option<i64>)> = parts.iter().map(part).collect();
        event.meters.rest(*meter, (meter.field(), Some(*count)), &parts)?;
    }
    for (whole, parts) in [(Meter::Input, &map.input_includes), (Meter::Output, &map.output_includes)] {
        let has = |meter: &Meter| told.iter().any(|(known, count)| known == meter && *count > 0);
        if !told.iter().any(|(known, _)| *known == whole)
            && let Some(part) = parts.iter().find(|part| has(part))
        {
            let what = format!("is missing, but its part {} is reported", part.field());
            return Err(Problem::field(whole.field(), what, "the field, because the map says that it includes them"));
        }
    }
    if let Some(place) = &map.total
        && let Some(text) = find(record, "total_tokens", place)?
    {
        event.total = Some(number("total_tokens", &text, map, place)?);
    }
    Ok(())
}

fn number(name: &str, text: &str, map: &ColumnMap, place: &FieldPlace) -> Result<i64, Problem> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if map.loose && !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    quantity(name, whole).map_err(|problem| Problem {
        expected: format!("{} in {:?} (line {} of the map)", problem.expected, place.path, place.line),
        ..problem
    })
}

/// The value at a place; `None` if the record does not report it. It is an error if the table has no such column.
fn find(record: &Record<'_>, name: &str, place: &FieldPlace) -> Result<Option<String>, Problem> {
    if record.knows(&place.path) {
        return scalar(record, &place.path, place);
    }
    let (first, rest) = place.path.split_once('.').unwrap_or((&place.path, ""));
    if record.knows(first) && !rest.is_empty() {
        let mut holder = String::new();
        let inner = record.embedded(first, &mut holder).map_err(|problem| at_map(problem, place))?;
        let inner_place = FieldPlace { path: rest.to_owned(), line: place.line };
        return inner.map_or(Ok(None), |inner| find(&inner, name, &inner_place));
    }
    match record.ignoring_case(&place.path) {
        Some(own) => scalar(record, own, place),
        None if record.is_table() => {
            let what = format!("has no column {:?} (line {} of the map)", place.path, place.line);
            Err(Problem::field(name, what, "a column of the file's header"))
        }
        None => Ok(None),
    }
}

/// A text or number. A list must have a single element, because some gateways log headers as lists.
fn scalar(record: &Record<'_>, name: &str, place: &FieldPlace) -> Result<Option<String>, Problem> {
    if !record.is_list(name) {
        return record.scalar(name).map(|text| text.map(Cow::into_owned)).map_err(|problem| at_map(problem, place));
    }
    match record.values(name)?.unwrap_or_default().as_slice() {
        [] => Ok(None),
        [one] if one.get().starts_with('"') => json::text(name, one).map(|text| text.map(Cow::into_owned)),
        [one] => Ok(Some(one.get().to_owned())),
        _ => Err(at_map(record.wrong(name, "is several values", "one"), place)),
    }
}

fn at_map(problem: Problem, place: &FieldPlace) -> Problem {
    Problem { expected: format!("{} (line {} of the map)", problem.expected, place.line), ..problem }
}
