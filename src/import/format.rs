//! Defines a format: its names, how to recognise a file of it, and how to read its records.

use crate::import::events::Events;
use crate::import::events::intern::SharedNames;
use crate::import::events::sink::Sink;
use crate::import::record::Record;
use crate::import::record::head::FileHead;
use crate::import::record::pages::Pages;
use crate::import::record::reading::Stated;
use crate::import::record::shapes;
use crate::text::problem::Problem;
use std::collections::BTreeSet;
use std::fmt;

/// How to read files of one format.
#[derive(Debug)]
pub struct Format {
    /// The name for `--format`.
    pub name: &'static str,
    /// The stored name: the name with a version of how its fields are interpreted. Imports record it.
    pub stored: &'static str,
    /// One line for the list of formats.
    pub summary: &'static str,
    /// An example record, or a header and a record.
    pub example: &'static str,
    /// Names of arrays that contain the records, if a page or export wraps them in an object.
    pub pages: &'static [&'static str],
    /// Whether a record with the same id may come again with larger counts: a bucket that fills, a session that
    /// continues.
    pub cumulative: bool,
    /// What amounts depend on but its records do not report, for the caveats of reports. Empty if they report
    /// everything.
    pub untold: &'static str,
    /// Fields of a record, or of an envelope's body, with its id, its time and its usage. The quarantine stores only
    /// these of a bad record.
    pub kept: Kept,
    /// Whether a file with this beginning has the format.
    pub recognises: fn(&FileHead) -> bool,
    /// How its records are read.
    pub how: How,
}

/// The fields of a bad record that the quarantine may store, because they cannot contain a prompt.
#[derive(Debug)]
pub struct Kept {
    /// Fields that may be the id. The first one present counts.
    pub ids: &'static [&'static str],
    /// Fields that may be the time.
    pub times: &'static [&'static str],
    /// Fields with numbers of usage.
    pub usage: &'static [&'static str],
}

/// Reads one record and passes on its events.
pub type ReadRecord = fn(&Record<'_>, &Stated, &mut Events<'_, '_>) -> Result<(), Problem>;

/// How records are read.
#[derive(Debug)]
pub enum How {
    /// One of tokenbook's own formats. The function takes the first line that is not blank.
    Own(fn(&str) -> Result<Beginning, Problem>),
    /// Each record by itself, from JSON or from CSV with a header.
    Records(ReadRecord),
    /// All records of a file together, because some of them give others their meaning.
    Gathered(fn(&Stated) -> Box<dyn RecordReader>),
}

/// The start of reading a file: its reader, and whether the first line is used up.
pub struct Beginning {
    /// Reads the lines.
    pub reader: Box<dyn RecordReader>,
    /// Whether the first line was a header.
    pub header: bool,
    /// Fields of the file that events do not have.
    pub ignored: Vec<String>,
}

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beginning").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Reads lines of one file, on any thread.
pub trait RecordReader: Send + Sync {
    /// Reads one line and passes its events to the sink. `ignored` collects the fields that are not read.
    fn read(&self, line: u64, text: &str, sink: &mut Sink<'_>, ignored: &mut BTreeSet<String>) -> Result<(), Problem>;

    /// Passes on events that are known only at the end of the file. A problem names its line.
    fn end(&self, _sink: &mut Sink<'_>) -> Result<(), Problem> {
        Ok(())
    }

    /// The line with only its known fields, for the quarantine. It contains no prompt, and of tags only what a good
    /// line would store.
    fn redact(&self, text: &str, names: &SharedNames) -> Redacted;

    /// What a line without events is, if it contains usage in a shape that no format reads.
    fn unread(&self, text: &str) -> Option<&'static str> {
        shapes::unread(text)
    }

    /// What the pages reported about further pages.
    fn pages(&self) -> Pages {
        Pages::None
    }

    /// Whether a cut last line without a line end could still be read, but wrongly.
    fn may_be_cut(&self, last_line: &str) -> bool;
}

/// What the quarantine may store of a bad line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redacted {
    /// The known fields, unchanged.
    pub kept: String,
    /// The event's id, if it can be read.
    pub id: Option<String>,
    /// The event's instant, if it can be read.
    pub timestamp: Option<String>,
}

impl Format {
    /// The values that most formats share.
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

    /// Whether records of a file may be later states of known ones: by the format, or by the user's map.
    pub fn grows(&self, reading: &Stated) -> bool {
        self.cumulative || reading.map.as_ref().is_some_and(|map| map.grows)
    }
}
