//! What of a file and of its bad lines is kept with an import.

use super::ImportOptions;
use crate::domain::secret::looks_secret;
use crate::domain::timestamp::Timestamp;
use crate::import::read::parse::{BadLine, Context, Parsed};
use crate::ledger::LedgerError;
use crate::ledger::append::Appended;
use crate::ledger::facts::imports::FileFacts;
use crate::ledger::facts::quarantine::Held;
use crate::ledger::file::transaction::Write;
use std::collections::BTreeMap;

/// A line that was set aside, as the quarantine holds it.
pub(super) fn held(bad: &BadLine, context: &Context) -> Held {
    let at = bad.redacted.timestamp.as_deref().and_then(|text| Timestamp::parse(text).ok());
    Held {
        line: i64::try_from(bad.problem.line).unwrap_or(i64::MAX),
        field: bad.problem.field.clone().unwrap_or_default(),
        what: bad.problem.what.clone(),
        expected: bad.problem.expected.clone(),
        // A line whose id is a secret is one without an id: the line is not known again.
        event_id: bad.redacted.id.clone().filter(|id| !looks_secret(id)).unwrap_or_default(),
        day: at.map(|at| i64::from(context.calendar.day_of(at).number())),
        kept: bad.redacted.kept.clone(),
    }
}

/// The bad lines of a file.
#[derive(Debug, Default)]
pub(super) struct NewLines {
    /// Those that are not in the quarantine yet.
    pub(super) held: Vec<Held>,
    /// How many of all wait for a decision.
    pub(super) open: u64,
    /// How many each import had set aside before.
    pub(super) known: BTreeMap<i64, i64>,
}

/// Whether an import is recorded: if it brought something, or if it is the first of a file all of which was there. Should the
/// imports that brought that be retracted, this file is known to be one that must come in again.
pub(super) fn is_to_be_recorded(
    write: &Write<'_>,
    facts: &FileFacts,
    appended: &Appended,
    (held, left): (&[Held], u64),
) -> Result<bool, LedgerError> {
    if appended.accepted > 0 || !held.is_empty() {
        return Ok(true);
    }
    if appended.overlaps.is_empty() || write.has_whole(facts)? {
        return Ok(false);
    }
    // A log that is still written is another file with each byte of its last line.
    Ok(left == 0 || !write.has_lines(facts)?)
}

/// What an import tells of its file.
pub(super) fn facts(file: &str, options: &ImportOptions, parsed: &Parsed) -> FileFacts {
    FileFacts {
        source: options.source.clone(),
        file: file.to_owned(),
        format: parsed.format.to_owned(),
        options: options.spelling(),
        digest: parsed.digest.digest,
        bytes: parsed.digest.bytes,
        lines: parsed.counts.lines,
        header: parsed.counts.header,
        blank: parsed.counts.blank,
        quarantined: parsed.counts.bad,
    }
}
