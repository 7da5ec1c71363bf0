//! What a user says about an import: who issued the ids, how the file is read, and what must be true of it.
//!
//! What changes the events of a file is kept with its import, in one spelling; what only refuses files is not.

use crate::books::usage::doubts::Unregistered;
use crate::books::usage::import::ImportError;
use crate::domain::hashed_tags::HashedTags;
use crate::domain::tags::{IgnoredTags, Tag};
use crate::fault::Code;
use crate::import::record::reading::Reading;
use crate::text::problem::{Problem, counted, grouped};
use std::collections::BTreeSet;

/// How a file is imported.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Who issued the ids.
    pub source: String,
    /// The format's name, or any that fits.
    pub format: Option<&'static str>,
    /// Tags for events that lack them.
    pub fill: Vec<Tag>,
    /// Tags that are left out of every event.
    pub ignored: IgnoredTags,
    /// Tags of which keyed hashes are kept in place of the values.
    pub hashed: HashedTags,
    /// Who served events that do not tell; empty for not known.
    pub provider: String,
    /// What is said about the file that it does not say itself.
    pub reading: Reading,
    /// What to do with bad lines.
    pub quarantine: Quarantine,
    /// Whether to keep what was imported.
    pub run: Run,
    /// What is known of a last line without a line end.
    pub last_line: LastLine,
    /// How many bad lines are listed when a file is refused.
    pub listed: usize,
    /// The most bytes that a file may hold once it is decompressed; as many as it has if not said.
    pub max_bytes: Option<u64>,
    /// How many lines, but for headers and blank ones, the file is known to have.
    pub expect_rows: Option<u64>,
    /// What fields mean that nobody knows.
    pub unknown_fields: UnknownFields,
    /// What to do with departments that are not in the registry.
    pub unregistered: Unregistered,
}

/// The source of our own formats.
pub const DEFAULT_SOURCE: &str = "default";

impl ImportOptions {
    /// Nothing special: any format, no filling, bad lines refuse the file.
    pub fn plain() -> Self {
        Self {
            source: DEFAULT_SOURCE.to_owned(),
            format: None,
            fill: Vec::new(),
            ignored: IgnoredTags::default(),
            hashed: HashedTags::default(),
            provider: String::new(),
            reading: Reading::default(),
            quarantine: Quarantine::Refuse,
            run: Run::Real,
            last_line: LastLine::NotKnown,
            listed: LISTED,
            max_bytes: None,
            expect_rows: None,
            unknown_fields: UnknownFields::Named,
            unregistered: Unregistered::Warn,
        }
    }

    /// The tags for events that lack them, as they are kept.
    pub(in crate::books) fn fill(&self) -> Vec<Tag> {
        let kept = |tag: &Tag| {
            let value = self.hashed.value(tag.key.as_str(), tag.value.as_str());
            Tag { key: tag.key.clone(), value: value.unwrap_or_else(|| tag.value.clone()) }
        };
        self.fill.iter().map(kept).collect()
    }

    /// What changes the events of a file, in one spelling. Which tags are hashed is part of it, and the key is not. Ignored tags sort before any value with line breaks.
    pub(in crate::books) fn spelling(&self) -> String {
        let mut tags: Vec<String> = self.fill().iter().map(|tag| format!("tag {}={}", tag.key, tag.value)).collect();
        tags.extend(self.ignored.keys().map(|key| format!("ignore-tag {key}")));
        tags.extend(self.hashed.keys().map(|key| format!("hash-tag {key}")));
        tags.sort();
        tags.extend((!self.provider.is_empty()).then(|| format!("provider {}", self.provider)));
        tags.extend(self.reading.spelling());
        tags.extend((self.last_line == LastLine::Unfinished).then(|| "tail".to_owned()));
        tags.join("\n")
    }

    /// Refuses a file that has other rows than is known of it.
    pub(in crate::books) fn check_rows(&self, file: &str, rows: u64) -> Result<(), ImportError> {
        let Some(expected) = self.expect_rows.filter(|expected| *expected != rows) else { return Ok(()) };
        let what = format!("the file has {} beside headers and blank lines", counted(rows, "row", "rows"));
        Err(refused(
            file,
            Problem::line(what, format!("{}, as was said of it", grouped(expected))).coded(Code::RowCount),
        ))
    }

    /// Refuses fields that nobody knows, where that is asked for.
    pub(in crate::books) fn check_fields(&self, file: &str, unknown: &BTreeSet<String>) -> Result<(), ImportError> {
        if self.unknown_fields == UnknownFields::Named || unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let what = format!("fields that are not known: {}", names.join(", "));
        let expected = "known fields only (without --strict-fields they are not read)";
        Err(refused(file, Problem::line(what, expected).coded(Code::FieldUnknown)))
    }
}

fn refused(file: &str, problem: Problem) -> ImportError {
    ImportError::File { file: file.to_owned(), problem }
}

/// What happens to a file with bad lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantine {
    /// It is refused whole.
    Refuse,
    /// Up to so many bad lines are set aside and the good ones imported.
    UpTo(usize),
}

/// Whether an import is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It is.
    Real,
    /// All is done and then undone: at once, or when the rehearsal ends where there is one ([`Books::rehearse`]).
    ///
    /// [`Books::rehearse`]: crate::books::Books::rehearse
    Dry,
}

/// What is known of a last line without a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLine {
    /// Nothing: the file is refused where it may have been cut unnoticed.
    NotKnown,
    /// It is whole.
    Complete,
    /// It is still being written: it is left for the next import of the file.
    Unfinished,
}

/// What becomes of a file with fields that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// They are named once and not read.
    Named,
    /// It is refused.
    Refused,
}

/// How many bad lines are listed if nothing else is asked for.
pub const LISTED: usize = 1_000;
/// The most lines one import can set aside.
pub const QUARANTINE_LIMIT: usize = 100_000;
