//! tokenbook's own CSV: a header that names fields, then one event on each line.
//!
//! Fields may be in any order. An empty field means "not reported", which is not zero. `tag.KEY` columns are tags.

use crate::fault::Code;
use crate::import::events::intern::SharedNames;
use crate::import::events::sink::Sink;
use crate::import::format::{Beginning, Format, How, RecordReader, Redacted};
use crate::import::record::field::{Field, Fields, REQUIRED, meant, outcome, quantity};
use crate::text::csv_line::{self, SplitError};
use crate::text::problem::{Problem, excerpt, excerpt_name};
use crate::text::table::delimiter;
use memchr::{memchr, memchr_iter};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// tokenbook's own CSV.
pub const FORMAT: Format = Format {
    name: "csv",
    stored: "csv",
    summary: "tokenbook CSV: event_id,timestamp,model and any of provider, department, project, environment, service_tier, meters, tag.KEY",
    example: "event_id,timestamp,model,department,input_tokens,output_tokens",
    recognises: |head| !head.is_json(),
    how: How::Own(begin),
    ..Format::PLAIN
};

struct CsvReader {
    header: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    field: Option<Field>,
}

fn begin(header: &str) -> Result<Beginning, Problem> {
    let mut names = Vec::new();
    csv_line::split(header, &mut names).map_err(|error| Problem::line(error.to_string(), "a header of field names"))?;
    delimiter(header, &names)?;
    let mut columns: Vec<Column> = Vec::new();
    for name in &names {
        if columns.iter().any(|column| column.name == *name) {
            return Err(Problem::field(name, "stands twice in the header", "each field once"));
        }
        let field = Field::named(name);
        if field.is_none()
            && let Some(meant) = meant(name)
        {
            return Err(Problem::field(name, "is not a field", meant).coded(Code::FieldMisspelt));
        }
        columns.push(Column { name: name.clone().into_owned(), field });
    }
    for required in REQUIRED {
        if !columns.iter().any(|column| column.name == required) {
            let expected = format!("the fields {}, or a map of your columns (--map)", REQUIRED.join(","));
            return Err(Problem::field(required, "is missing from the header", expected).coded(Code::FieldMissing));
        }
    }
    let ignored = columns.iter().filter(|column| column.field.is_none()).map(|column| column.name.clone()).collect();
    Ok(Beginning { reader: Box::new(CsvReader { header: header.to_owned(), columns }), header: true, ignored })
}

impl CsvReader {
    fn fields<'a>(&self, text: &'a str) -> Result<Vec<Cow<'a, str>>, Problem> {
        let mut values = Vec::with_capacity(self.columns.len());
        csv_line::split(text, &mut values).map_err(explain)?;
        if values.len() == self.columns.len() { Ok(values) } else { Err(self.other_number_of(values.len())) }
    }

    /// Whether a line without quotes has as many fields as the header.
    fn is_whole(&self, text: &str) -> bool {
        fields_of(text) == self.columns.len()
    }

    /// The error for a line without quotes that has more or fewer fields than the header.
    fn other_number(&self, text: &str) -> Problem {
        self.other_number_of(fields_of(text))
    }

    fn other_number_of(&self, fields: usize) -> Problem {
        Problem::line(format!("{fields} fields"), format!("{}, as the header has", self.columns.len()))
    }
}

/// The number of fields in a line without quotes.
fn fields_of(text: &str) -> usize {
    memchr_iter(b',', text.as_bytes()).count() + 1
}

impl Column {
    /// Puts a value into its field of a record. An empty value is not reported.
    fn put<'a>(&'a self, value: Cow<'a, str>, record: &mut Fields<'a>) -> Result<(), Problem> {
        if value.is_empty() {
            return Ok(());
        }
        match &self.field {
            None => {}
            Some(Field::Id) => record.id = value,
            Some(Field::Timestamp) => record.timestamp = value,
            Some(Field::Model) => record.model = value,
            Some(Field::Provider) => record.provider = value,
            Some(Field::Tier) => record.tier = value,
            Some(Field::Outcome) => record.outcome = outcome(&value)?,
            Some(Field::Tag(key)) => record.tags.push((Cow::Borrowed(key), value)),
            Some(Field::Meter(meter)) => record.meters.push((*meter, quantity(&self.name, &value)?)),
            Some(Field::Total) => record.total = Some(quantity(&self.name, &value)?),
        }
        Ok(())
    }
}

/// Describes why a line cannot be split.
pub fn explain(error: SplitError) -> Problem {
    let expected = match error {
        SplitError::Unclosed => "a closing quote (a field cannot contain a line break)",
        SplitError::AfterQuote | SplitError::InsideField => "a quoted field, with quotes inside it doubled",
    };
    Problem::line(error.to_string(), expected)
}

impl RecordReader for CsvReader {
    fn read(&self, line: u64, text: &str, sink: &mut Sink<'_>, _ignored: &mut BTreeSet<String>) -> Result<(), Problem> {
        if text == self.header {
            return Err(Problem::line("the header is repeated here", "an event"));
        }
        let mut record = Fields::default();
        if memchr(b'"', text.as_bytes()).is_some() {
            for (column, value) in self.columns.iter().zip(self.fields(text)?) {
                column.put(value, &mut record)?;
            }
        } else {
            // Without quotes, each comma ends a field, so no list of fields is needed.
            let mut columns = self.columns.iter();
            let mut start = 0;
            for end in memchr_iter(b',', text.as_bytes()).chain([text.len()]) {
                let Some(column) = columns.next() else { return Err(self.other_number(text)) };
                let put = column.put(Cow::Borrowed(text.get(start..end).unwrap_or("")), &mut record);
                // If a line has another number of fields, a value may be in the wrong column.
                put.map_err(|problem| if self.is_whole(text) { problem } else { self.other_number(text) })?;
                start = end + 1;
            }
            if columns.next().is_some() {
                return Err(self.other_number(text));
            }
        }
        sink.push_fields(line, &record)
    }

    fn redact(&self, text: &str, names: &SharedNames) -> Redacted {
        let Ok(values) = self.fields(text) else {
            return Redacted { kept: String::new(), id: None, timestamp: None };
        };
        let of = |wanted: &Field| {
            let found = self.columns.iter().zip(&values).find(|(column, _)| column.field.as_ref() == Some(wanted));
            found.map(|(_, value)| value.clone().into_owned())
        };
        let tag = |(column, value): (&Column, &Cow<'_, str>)| match &column.field {
            Some(Field::Tag(key)) => Some((key.clone(), value.clone().into_owned())),
            _ => None,
        };
        let tags: Vec<(String, String)> = self.columns.iter().zip(&values).filter_map(tag).collect();
        let id = of(&Field::Id).map(|id| names.hashed().id(&id, &tags).into_owned());
        let kept = |(column, value): (&Column, &Cow<'_, str>)| {
            let value = match column.field.as_ref()? {
                Field::Id => id.as_deref().map(Cow::Borrowed),
                Field::Tag(key) => names.kept_of(key, value),
                _ => Some(Cow::Borrowed(value.as_ref())),
            };
            value.map(|value| format!("{}={}", excerpt_name(&column.name), excerpt(&value)))
        };
        let kept: Vec<String> = self.columns.iter().zip(&values).filter_map(kept).collect();
        Redacted { kept: kept.join(" "), id, timestamp: of(&Field::Timestamp) }
    }

    fn may_be_cut(&self, last_line: &str) -> bool {
        !last_line.ends_with('"')
    }
}
