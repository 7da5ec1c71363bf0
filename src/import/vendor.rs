//! Reads files of formats that pass on records one by one: JSON, one record on each line or many in a document, or CSV.
//!
//! It also splits a page, which is an object with an array of records, if the page is on one line.

pub mod batch_line;
pub mod envelope;

use crate::domain::timestamp::Timestamp;
use crate::import::events::Events;
use crate::import::events::intern::SharedNames;
use crate::import::events::sink::Sink;
use crate::import::format::{Beginning, Format, ReadRecord, RecordReader, Redacted};
use crate::import::own::csv::explain;
use crate::import::record::pages::{Pages, PagesRead, followed};
use crate::import::record::reading::Stated;
use crate::import::record::{Record, Value};
use crate::text::csv_line;
use crate::text::problem::{Problem, excerpt, excerpt_name};
use crate::text::table::delimiter;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The most numbers of a bad record that are stored.
const KEPT: usize = 40;

struct JsonReader {
    format: &'static Format,
    read: ReadRecord,
    reading: Stated,
    pages: PagesRead,
}

struct CellReader {
    format: &'static Format,
    read: ReadRecord,
    reading: Stated,
    header: String,
    columns: Vec<String>,
}

/// Starts reading a file of a format.
pub fn begin(format: &'static Format, read: ReadRecord, first: &str, reading: &Stated) -> Result<Beginning, Problem> {
    let reading = reading.clone();
    if first.trim_start().starts_with(['{', '[']) {
        let reader = JsonReader { format, read, reading, pages: PagesRead::default() };
        return Ok(Beginning { reader: Box::new(reader), header: false, ignored: Vec::new() });
    }
    let mut names = Vec::new();
    csv_line::split(first, &mut names).map_err(|error| Problem::line(error.to_string(), "a header of field names"))?;
    delimiter(first, &names)?;
    let columns: Vec<String> = names.into_iter().map(Cow::into_owned).collect();
    for (at, name) in columns.iter().enumerate() {
        if columns[..at].contains(name) {
            return Err(Problem::field(name, "stands twice in the header", "each field once"));
        }
    }
    let reader = CellReader { format, read, reading, header: first.to_owned(), columns };
    Ok(Beginning { reader: Box::new(reader), header: true, ignored: Vec::new() })
}

impl JsonReader {
    fn each(&self, record: &Record<'_>, events: &mut Events<'_, '_>) -> Result<(), Problem> {
        let Some(page) = self.format.pages.iter().find(|page| record.is_list(page)) else {
            return (self.read)(record, &self.reading, events);
        };
        self.pages.note(followed(record)?);
        let records = record.list(page)?.unwrap_or_default();
        records.iter().try_for_each(|record| (self.read)(record, &self.reading, events))
    }
}

impl RecordReader for JsonReader {
    fn read(&self, line: u64, text: &str, sink: &mut Sink<'_>, _ignored: &mut BTreeSet<String>) -> Result<(), Problem> {
        self.each(&Record::of_json(text)?, &mut Events::of(line, sink))
    }

    fn redact(&self, text: &str, _names: &SharedNames) -> Redacted {
        Record::of_json(text).map(|record| redacted(self.format, &record)).unwrap_or_default()
    }

    fn pages(&self) -> Pages {
        self.pages.said()
    }

    fn may_be_cut(&self, _last_line: &str) -> bool {
        // A cut object is no longer JSON.
        false
    }
}

impl CellReader {
    fn record<'a>(&'a self, text: &'a str) -> Result<Record<'a>, Problem> {
        let mut cells = Vec::with_capacity(self.columns.len());
        csv_line::split(text, &mut cells).map_err(explain)?;
        if cells.len() != self.columns.len() {
            let expected = format!("{}, as the header has", self.columns.len());
            return Err(Problem::line(format!("{} fields", cells.len()), expected));
        }
        Ok(Record::of_cells(&self.columns, cells))
    }
}

impl RecordReader for CellReader {
    fn read(&self, line: u64, text: &str, sink: &mut Sink<'_>, _ignored: &mut BTreeSet<String>) -> Result<(), Problem> {
        if text == self.header {
            return Err(Problem::line("the header is repeated here", "an event"));
        }
        (self.read)(&self.record(text)?, &self.reading, &mut Events::of(line, sink))
    }

    fn redact(&self, text: &str, _names: &SharedNames) -> Redacted {
        self.record(text).map(|record| redacted(self.format, &record)).unwrap_or_default()
    }

    fn may_be_cut(&self, last_line: &str) -> bool {
        !last_line.ends_with('"')
    }
}

/// The id, the time and the usage numbers of a bad record, also inside an envelope.
pub fn redacted(format: &Format, record: &Record<'_>) -> Redacted {
    let body = record.object("body").ok().flatten();
    let places: Vec<&Record<'_>> = std::iter::once(record).chain(&body).collect();
    let first = |own: &str, names: &[&str]| {
        let names: Vec<&str> = std::iter::once(own).chain(names.iter().copied()).collect();
        let found = places.iter().flat_map(|place| names.iter().map(|name| place.scalar(name)));
        found.filter_map(Result::ok).flatten().next().map(Cow::into_owned)
    };
    let id = first("event_id", format.kept.ids);
    let timestamp = first("timestamp", format.kept.times).map(spelled);
    let mut kept = Vec::new();
    kept.extend(id.as_ref().map(|id| format!("id={}", excerpt(id))));
    kept.extend(timestamp.as_ref().map(|at| format!("time={}", excerpt(at))));
    for place in places {
        for name in format.kept.usage {
            numbers(place, name, &mut kept);
        }
    }
    Redacted { kept: kept.join(" "), id, timestamp }
}

/// A time in the spelling from which the quarantine finds its day.
fn spelled(text: String) -> String {
    let seconds = text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    seconds.and_then(Timestamp::from_nanos).map_or(text, |at| at.to_string())
}

fn numbers(record: &Record<'_>, name: &str, kept: &mut Vec<String>) {
    if kept.len() >= KEPT {
        return;
    }
    if let Ok(Some(inner)) = record.object(name) {
        let names: Vec<String> = inner.fields().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            numbers(&inner, &name, kept);
        }
        return;
    }
    let text = match record.value(name) {
        Some(Value::Json(raw)) => raw.get(),
        Some(Value::Cell(text)) => text,
        None => return,
    };
    if text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'"' | b',')) {
        kept.push(format!("{}={}", excerpt_name(&record.path_of(name)), excerpt(text)));
    }
}
