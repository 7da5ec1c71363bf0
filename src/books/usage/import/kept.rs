//! What an import stores of its file and of bad lines.

use super::ImportOptions;
use crate::domain::number::ImportId;
use crate::domain::secret::looks_secret;
use crate::domain::timestamp::Timestamp;
use crate::import::read::parse::{BadLine, Context, Parsed};
use crate::ledger::LedgerError;
use crate::ledger::append::Appended;
use crate::ledger::facts::imports::FileFacts;
use crate::ledger::facts::quarantine::Held;
use crate::ledger::file::transaction::Transaction;
use std::collections::BTreeMap;

/// A quarantined line in its stored form.
pub(super) fn held(bad: &BadLine, context: &Context) -> Held {
    let at = bad.redacted.timestamp.as_deref().and_then(|text| Timestamp::parse(text).ok());
    Held {
        line: i64::try_from(bad.problem.line).unwrap_or(i64::MAX),
        field: bad.problem.field.clone().unwrap_or_default(),
        what: bad.problem.what.clone(),
        expected: bad.problem.expected.clone(),
        // If the id is a secret, the line is stored without an id, and is not recognised later.
        event_id: bad.redacted.id.clone().filter(|id| !looks_secret(id)).unwrap_or_default(),
        day: at.map(|at| i64::from(context.calendar.day_of(at).number())),
        kept: bad.redacted.kept.clone(),
    }
}

/// The bad lines of a file.
#[derive(Debug, Default)]
pub(super) struct NewLines {
    /// The lines that the quarantine lacks.
    pub(super) held: Vec<Held>,
    /// The number of all lines that wait for a decision.
    pub(super) open: u64,
    /// The number of lines that each earlier import had quarantined.
    pub(super) known: BTreeMap<ImportId, i64>,
}

/// Whether to record an import: if it brought something, or if it is the first import of a file with only known events.
/// If the imports that brought those are retracted, the ledger then knows that this file must come again.
pub(super) fn is_to_be_recorded(
    write: &Transaction<'_>,
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
    // A log that is still written would be another file after each byte of its last line.
    Ok(left == 0 || !write.has_lines(facts)?)
}

/// The facts that an import records of its file.
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
