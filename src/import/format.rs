//! Defines a format: its names, how to recognise a file of it, and how to read its records.

use crate::import::events::Events;
use crate::import::events::intern::SharedNames;
use crate::import::events::sink::Sink;
use crate::import::record::Record;
use crate::import::record::head::Head;
use crate::import::record::pages::Pages;
use crate::import::record::reading::Reading;
use crate::import::record::shapes;
use crate::text::problem::Problem;
use std::collections::BTreeSet;
use std::fmt;

/// How files of a format are read.
#[derive(Debug)]
pub struct Format {
    /// The name for `--format`.
    pub name: &'static str,
    /// The name with the version of what its fields are taken to mean, as it is kept with an import.
    pub stored: &'static str,
    /// One line for the list of formats.
    pub summary: &'static str,
    /// A record, or a header and one.
    pub example: &'static str,
    /// Arrays whose elements are the records, where they stand in an object of their own: pages, exports.
    pub pages: &'static [&'static str],
    /// Whether a record with the same id may come again and say more: a bucket that fills, a session that goes on.
    pub cumulative: bool,
    /// What its records do not tell and amounts depend on, for the caveats of reports; empty where they tell all.
    pub untold: &'static str,
    /// Fields, of a record or of an envelope's body, that hold its id and its time, and fields whose numbers are usage:
    /// all that is kept of a bad record.
    pub kept: Kept,
    /// Whether a file that begins so is of the format.
    pub recognises: fn(&Head) -> bool,
    /// How its records are read.
    pub how: How,
}

/// Which fields of a bad record may be kept, since they cannot hold a prompt.
#[derive(Debug)]
pub struct Kept {
    /// Fields that may be the id, the first one found counting.
    pub ids: &'static [&'static str],
    /// Fields that may be the time.
    pub times: &'static [&'static str],
    /// Fields that are numbers, or hold numbers, of usage.
    pub usage: &'static [&'static str],
}

/// Reads one record and hands its event, or events, on.
pub type ReadRecord = fn(&Record<'_>, &Reading, &mut Events<'_, '_>) -> Result<(), Problem>;

/// How records are read.
#[derive(Debug)]
pub enum How {
    /// One of our own formats: from the first line that is not blank.
    Own(fn(&str) -> Result<Beginning, Problem>),
    /// Each record for itself, from JSON or from CSV with a header.
    Records(ReadRecord),
    /// All records of a file together, since some say what others mean.
    Gathered(fn(&Reading) -> Box<dyn RecordReader>),
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

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beginning").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Reads lines of one file, on any thread.
pub trait RecordReader: Send + Sync {
    /// Reads one line and hands its event, or events, to the sink. `ignored` gathers fields that are not read.
    fn read(&self, line: u64, text: &str, sink: &mut Sink<'_>, ignored: &mut BTreeSet<String>) -> Result<(), Problem>;

    /// Hands over what only the end of the file could tell. A problem names the line it is about.
    fn end(&self, _sink: &mut Sink<'_>) -> Result<(), Problem> {
        Ok(())
    }

    /// The line without anything that is not a known field, for the quarantine: nobody's prompt is kept, and of tags no
    /// more than of a good line.
    fn redact(&self, text: &str, names: &SharedNames) -> Redacted;

    /// What a line that gave no event is, where it holds usage in a shape that is not read.
    fn unread(&self, text: &str) -> Option<&'static str> {
        shapes::unread(text)
    }

    /// What was read of pages.
    fn pages(&self) -> Pages {
        Pages::None
    }

    /// Whether a last line without a line end may have been cut and still be read, but wrongly.
    fn may_be_cut(&self, last_line: &str) -> bool;
}

/// What of a bad line may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redacted {
    /// The known fields, as they stand.
    pub kept: String,
    /// The event's id, where it can be read.
    pub id: Option<String>,
    /// The event's instant, where it can be read.
    pub timestamp: Option<String>,
}

impl Format {
    /// What most formats have in common.
    pub const PLAIN: Self = Self {
        name: "",
        stored: "",
        summary: "",
        example: "",
        pages: &[],
        cumulative: false,
        untold: "",
        kept: Kept { ids: &[], times: &[], usage: &[] },
        recognises: |_| false,
        how: How::Own(|_| Err(Problem::line("a format without a reader", "one"))),
    };

    /// Whether records of a file may be later states of known ones: by the format, or as the user's map says.
    pub fn grows(&self, reading: &Reading) -> bool {
        self.cumulative || reading.map.as_ref().is_some_and(|map| map.grows)
    }
}
