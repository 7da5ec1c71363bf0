//! What of a file and of its bad lines is kept with an import.

use super::ImportOptions;
use crate::domain::secret::looks_secret;
use crate::domain::timestamp::Timestamp;
use crate::import::parse::{BadLine, Context, Parsed};
use crate::ledger::imports::FileFacts;
use crate::ledger::quarantine::Held;

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
