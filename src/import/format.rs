//! The registry of formats. A new one is a file of its own and a line in [`FORMATS`].

use crate::import::sink::Sink;
use crate::import::{csv, jsonl};
use crate::text::problem::Problem;
use std::collections::BTreeSet;

/// How files of a format are read.
pub struct Format {
    /// The name for `--format`.
    pub name: &'static str,
    /// One line for the list of formats.
    pub summary: &'static str,
    /// Whether a file that begins with this text is of the format.
    pub recognises: fn(&str) -> bool,
    /// Starts reading a file, from its first line that is not blank.
    pub begin: fn(&str) -> Result<Beginning, Problem>,
}

/// A file begun: its reader, and whether the first line is used up.
pub struct Beginning {
    /// Reads the lines.
    pub reader: Box<dyn RecordReader>,
    /// Whether the first line was a header.
    pub header: bool,
    /// Fields the file has and events have not.
    pub ignored: Vec<String>,
}

/// Reads lines of one file, on any thread.
pub trait RecordReader: Send + Sync {
    /// Reads one line and hands its event, or events, to the sink. `ignored` gathers fields that are not read.
    fn read(&self, line: u64, text: &str, sink: &mut Sink<'_>, ignored: &mut BTreeSet<String>) -> Result<(), Problem>;

    /// The line without anything that is not a known field, for the quarantine: nobody's prompt is kept.
    fn redact(&self, text: &str) -> Redacted;

    /// Whether a last line without a line end may have been cut and still be read, but wrongly.
    fn may_be_cut(&self, last_line: &str) -> bool;
}

/// What of a bad line may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The known fields, as they stand.
    pub kept: String,
    /// The event's id, where it can be read.
    pub id: Option<String>,
    /// The event's instant, where it can be read.
    pub timestamp: Option<String>,
}

/// Every format, in the order in which they are tried on a file.
pub const FORMATS: &[Format] = &[jsonl::FORMAT, csv::FORMAT];

/// The format of a name.
pub fn named(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The format of a file that begins with a line.
pub fn recognised(first_line: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.recognises)(first_line))
}
