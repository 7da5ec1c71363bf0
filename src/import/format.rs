//! The registry of formats. A new one is a file of its own and a line in [`FORMATS`].

use crate::import::events::Events;
use crate::import::formats as of;
use crate::import::head::Head;
use crate::import::intern::SharedNames;
use crate::import::pages::Pages;
use crate::import::reading::Reading;
use crate::import::record::Record;
use crate::import::sink::Sink;
use crate::import::{csv, jsonl, shapes, vendor};
use crate::text::problem::Problem;
use std::collections::BTreeSet;

/// How files of a format are read.
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

    /// Starts reading a file, from its first line that is not blank.
    pub fn begin(&'static self, first: &str, reading: &Reading) -> Result<Beginning, Problem> {
        match self.how {
            How::Own(begin) => begin(first),
            How::Records(read) => vendor::begin(self, read, first, reading),
            How::Gathered(reader) => Ok(Beginning { reader: reader(reading), header: false, ignored: Vec::new() }),
        }
    }
}

/// Every format, in the order in which they are tried on a file.
pub const FORMATS: &[Format] = &[
    jsonl::FORMAT,
    of::claude_code::FORMAT,
    of::codex_cli::FORMAT,
    of::litellm::FORMAT,
    of::helicone::FORMAT,
    of::langfuse::FORMAT,
    of::vercel_gateway::FORMAT,
    of::openrouter::FORMAT,
    of::openrouter_daily::FORMAT,
    of::bedrock_logs::FORMAT,
    of::azure_apim::FORMAT,
    of::vertex_logs::FORMAT,
    of::otlp::FORMAT,
    of::openai_usage::FORMAT,
    of::openai_activity::FORMAT,
    of::anthropic_usage::FORMAT,
    of::deepseek::FORMAT,
    of::openai_chat::FORMAT,
    of::openai_responses::FORMAT,
    of::anthropic_messages::FORMAT,
    of::gemini::FORMAT,
    of::bedrock_converse::FORMAT,
    of::cohere_chat::FORMAT,
    of::bodies::FORMAT,
    of::mapped::FORMAT,
    csv::FORMAT,
];

/// The format of a name.
pub fn named(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The format an import was stored with.
pub fn stored(stored: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.stored == stored)
}

/// The format of a file that begins so, or of a record within it.
pub fn known(head: &Head) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.recognises)(head))
}

/// The same. What nobody knows is taken for one of our own, whose readers say what is wrong.
pub fn recognised(head: &Head) -> Option<&'static Format> {
    known(head).or_else(|| named(if head.is_json() { jsonl::FORMAT.name } else { csv::FORMAT.name }))
}
