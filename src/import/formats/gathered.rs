//! Reads files whose records make sense only together: keeps the relevant lines, in a small form, until the end.
//!
//! Any thread may add a line at any time. The result depends only on the order of the lines in the file.

use crate::import::events::Events;
use crate::import::events::intern::SharedNames;
use crate::import::events::sink::Sink;
use crate::import::format::{Format, RecordReader, Redacted};
use crate::import::formats::codex_cli;
use crate::import::record::Record;
use crate::import::record::shapes;
use crate::import::vendor::redacted;
use crate::text::problem::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The most lines of one file that can be stored.
const LINES: usize = 4_000_000;

/// Selects what a format stores of a record as JSON: nothing, or what its events need.
pub type Keep = fn(&Record<'_>) -> Result<Option<String>, Problem>;
/// Makes events from all stored lines, in their order. A problem refers to one line.
pub type Finish = fn(&BTreeMap<u64, String>, &mut Pushing<'_, '_>) -> Result<(), Problem>;

/// Receives the events of all lines.
#[derive(Debug)]
pub struct Pushing<'s, 'c>(&'s mut Sink<'c>);

impl<'c> Pushing<'_, 'c> {
    /// Receives the events of one line.
    pub fn at(&mut self, line: u64) -> Events<'_, 'c> {
        Events::of(line, self.0)
    }
}

/// A reader that stores lines.
pub struct Gathering {
    format: &'static Format,
    keep: Keep,
    finish: Finish,
    kept: Mutex<BTreeMap<u64, String>>,
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering").field("format", &self.format.name).finish_non_exhaustive()
    }
}

impl Gathering {
    /// A reader of a format.
    pub fn new(format: &'static Format, keep: Keep, finish: Finish) -> Self {
        Self { format, keep, finish, kept: Mutex::default() }
    }
}

impl RecordReader for Gathering {
    fn read(
        &self,
        line: u64,
        text: &str,
        _sink: &mut Sink<'_>,
        _ignored: &mut BTreeSet<String>,
    ) -> Result<(), Problem> {
        let Some(kept) = (self.keep)(&Record::of_json(text)?)? else { return Ok(()) };
        let mut lines = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= LINES {
            return Err(Problem::line("the file has more than 4,000,000 lines of usage", "one session in each file"));
        }
        if lines.contains_key(&line) {
            // The order of records gives them their meaning, but threads bring them in any order.
            return Err(Problem::line(
                "the line contains several records",
                "one record on each line, as the tool writes its log",
            ));
        }
        lines.insert(line, kept);
        Ok(())
    }

    fn end(&self, sink: &mut Sink<'_>) -> Result<(), Problem> {
        let lines = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        (self.finish)(&lines, &mut Pushing(sink))
    }

    fn unread(&self, text: &str) -> Option<&'static str> {
        // A forked session of Codex repeats counts that give no event. It contains no records of other tools.
        if self.format.name == codex_cli::FORMAT.name { shapes::unread(text) } else { shapes::unread_or_counts(text) }
    }

    fn redact(&self, text: &str, _names: &SharedNames) -> Redacted {
        Record::of_json(text).map(|record| redacted(self.format, &record)).unwrap_or_default()
    }

    fn may_be_cut(&self, _last_line: &str) -> bool {
        // A cut object is no longer JSON.
        false
    }
}
