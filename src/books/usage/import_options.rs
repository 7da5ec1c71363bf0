//! The user's options for an import: who issued the ids, how to read the file, and what must be true of it.
//!
//! Options that change the events of a file are recorded with its import, in one spelling. Options that only reject
//! files are not recorded.

use crate::books::usage::doubts::Unregistered;
use crate::books::usage::import::ImportError;
use crate::domain::hashed_tags::HashedTags;
use crate::domain::tags::{IgnoredTags, Tag};
use crate::fault::Code;
use crate::import::record::reading::Stated;
use crate::text::problem::{Problem, counted, grouped};
use std::collections::BTreeSet;

/// The options of an import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The source that issued the ids.
    pub source: String,
    /// The format's name; `None` to detect it.
    pub format: Option<&'static str>,
    /// Tags for events that lack them.
    pub fill: Vec<Tag>,
    /// Tags that are left out of every event.
    pub ignored: IgnoredTags,
    /// Tags whose values are stored as keyed hashes.
    pub hashed: HashedTags,
    /// The provider for events that name none; empty if unknown.
    pub provider: String,
    /// What the user states about the file.
    pub reading: Stated,
    /// What to do with bad lines.
    pub quarantine: Quarantine,
    /// Whether to commit the import.
    pub run: Run,
    /// What the user states about a last line without a line end.
    pub last_line: LastLine,
    /// The most bad lines to list when a file is rejected.
    pub listed: usize,
    /// The most bytes of a file after decompression; `None` for no limit.
    pub max_bytes: Option<u64>,
    /// The expected number of lines, without headers and blank lines.
    pub expect_rows: Option<u64>,
    /// How to treat unknown fields.
    pub unknown_fields: UnknownFields,
    /// How to treat departments that the registry lacks.
    pub unregistered: Unregistered,
}

/// The default source.
pub const DEFAULT_SOURCE: &str = "default";

impl ImportOptions {
    /// Detects the format, adds no tags, and rejects files with bad lines.
    pub fn plain() -> Self {
        Self {
            source: DEFAULT_SOURCE.to_owned(),
            format: None,
            fill: Vec::new(),
            ignored: IgnoredTags::default(),
            hashed: HashedTags::default(),
            provider: String::new(),
            reading: Stated::default(),
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

    /// The tags for events that lack them, in their stored form.
    pub(in crate::books) fn fill(&self) -> Vec<Tag> {
        let kept = |tag: &Tag| {
            let value = self.hashed.value(tag.key.as_str(), tag.value.as_str());
            Tag { key: tag.key.clone(), value: value.unwrap_or_else(|| tag.value.clone()) }
        };
        self.fill.iter().map(kept).collect()
    }

    /// The options that change the events of a file, in one spelling. It includes which tags are hashed, but not the
    /// key. Ignored tags sort before any value with line breaks.
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

    /// Rejects a file with another number of rows than expected.
    pub(in crate::books) fn check_rows(&self, file: &str, rows: u64) -> Result<(), ImportError> {
        let Some(expected) = self.expect_rows.filter(|expected| *expected != rows) else { return Ok(()) };
        let what = format!("the file has {}, not counting headers and blank lines", counted(rows, "row", "rows"));
        Err(refused(
            file,
            Problem::line(what, format!("{}, as --expect-rows says", grouped(expected))).coded(Code::RowCount),
        ))
    }

    /// Rejects unknown fields, if the options require it.
    pub(in crate::books) fn check_fields(&self, file: &str, unknown: &BTreeSet<String>) -> Result<(), ImportError> {
        if self.unknown_fields == UnknownFields::Named || unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let what = format!("unknown fields: {}", names.join(", "));
        let expected = "known fields only (without --strict-fields, tokenbook ignores them)";
        Err(refused(file, Problem::line(what, expected).coded(Code::FieldUnknown)))
    }
}

fn refused(file: &str, problem: Problem) -> ImportError {
    ImportError::File { file: file.to_owned(), problem }
}

/// How to treat a file with bad lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantine {
    /// Reject it whole.
    Refuse,
    /// Quarantine up to this many bad lines and import the others.
    UpTo(usize),
}

/// Whether to commit an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Commit it.
    Real,
    /// Do everything, then undo it: at once, or when the rehearsal ends ([`Books::rehearse`]).
    ///
    /// [`Books::rehearse`]: crate::books::Books::rehearse
    Dry,
}

/// What the user states about a last line without a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLine {
    /// Nothing. The file is rejected if the line may have been cut unnoticed.
    NotKnown,
    /// The line is complete.
    Complete,
    /// The line is still being written. It is left for the next import of the file.
    Unfinished,
}

/// How to treat a file with unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// Name them once and ignore them.
    Named,
    /// Reject it.
    Refused,
}

/// The default number of bad lines to list.
pub const LISTED: usize = 1_000;
/// The most lines that one import can quarantine.
pub const QUARANTINE_LIMIT: usize = 100_000;
