//! Retracts together the commits that a program recorded in a span of time.
//!
//! Each commit of a recorder is an import, so a gateway makes thousands of them. The user knows when the gateway was wrong.
//! So the span selects commits by the time of recording, not by the times of their events.

use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::ledger::facts::imports::ImportMade;
use crate::ledger::facts::retraction::Refused;
use crate::text::problem::listed;
use std::fmt;

/// What a program recorded of a source between two instants, both included. A commit counts with the time of its entry in the
/// chain, which is the time of the last call that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedSpan<'a> {
    /// The source.
    pub source: &'a Name,
    /// From this instant.
    pub from: Timestamp,
    /// To this instant.
    pub to: Timestamp,
}

impl RecordedSpan<'_> {
    /// Whether an import is a commit of it.
    pub(super) fn has(&self, made: &ImportMade) -> bool {
        self.is_of_source(made) && (self.from..=self.to).contains(&made.at)
    }

    fn is_of_source(&self, made: &ImportMade) -> bool {
        made.row.is_recorded() && made.row.source == self.source.as_str()
    }

    /// Why there is nothing to take back. The imports are in the order of their entries.
    pub(super) fn nothing(&self, imports: &[ImportMade]) -> Refused {
        let standing: Vec<&ImportMade> = imports.iter().filter(|made| made.retracted.is_none()).collect();
        let of_source: Vec<&ImportMade> = standing.iter().copied().filter(|made| self.is_of_source(made)).collect();
        let before = of_source.iter().rev().copied().filter(|made| made.at < self.from);
        let after = of_source.iter().copied().filter(|made| made.at > self.to);
        Refused::NothingRecorded {
            source_name: self.source.to_string(),
            from: self.from,
            to: self.to,
            retracted: imports.iter().filter(|made| self.has(made)).count(),
            near: NearSpan::first_of(before).into_iter().chain(NearSpan::first_of(after)).collect(),
            sources: standing
                .iter()
                .filter(|made| made.row.is_recorded())
                .map(|made| made.row.source.clone())
                .collect(),
        }
    }
}

/// Commits of one hour that were recorded before or after a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearSpan {
    /// When the first was made.
    pub first: Timestamp,
    /// When the last was made.
    pub last: Timestamp,
    /// How many there are.
    pub commits: usize,
}

impl NearSpan {
    /// The commits of the hour of the first of some that are in the order of time, or in the opposite order.
    fn first_of<'m>(mut commits: impl Iterator<Item = &'m ImportMade>) -> Option<Self> {
        let nearest = commits.next()?.at;
        let hour = |at: Timestamp| at.seconds().div_euclid(3_600);
        let mut span = Self { first: nearest, last: nearest, commits: 1 };
        for made in commits.take_while(|made| hour(made.at) == hour(nearest)) {
            span.first = span.first.min(made.at);
            span.last = span.last.max(made.at);
            span.commits = span.commits.saturating_add(1);
        }
        Some(span)
    }
}

impl fmt::Display for NearSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commits = listed(self.commits, "commit", "commits");
        if self.first == self.last {
            return write!(f, "{commits} at {}", self.first);
        }
        write!(f, "{commits} from {} to {}", self.first, self.last)
    }
}

/// How a message names commits of a span that were taken back before.
pub(super) fn already(retracted: usize) -> String {
    match retracted {
        0 => String::new(),
        _ => format!(", as {} retracted already", listed(retracted, "commit was", "commits were")),
    }
}
