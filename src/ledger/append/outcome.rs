//! What became of a file's events, and which imports had brought the repeated ones.

use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::domain::number::{BatchId, ImportId, QuarantinedId};
use crate::domain::quantities::Quantities;
use crate::ledger::append::conflict::Conflict;
use crate::ledger::chain::logs::Log;
use crate::ledger::facts::batch_seal::{BatchSeal, Overlap};
use crate::ledger::facts::quarantine;
use crate::ledger::read::revision::History;
use crate::ledger::{Ledger, LedgerError, Result};
use crate::rows::batch::Row;
use crate::rows::key::EventKey;
use rusqlite::OptionalExtension;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

const IMPORT_OF: &str = "SELECT import FROM batch WHERE id = ?1";

/// The most conflicts that are described. The first conflict already rejects the import.
const CONFLICT_LIMIT: usize = 100;

/// The outcome for a file's events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// New events, including revisions.
    pub accepted: u64,
    /// Revisions: known records that have grown.
    pub revisions: u64,
    /// Known events with the same content.
    pub duplicates: u64,
    /// Their lines, if requested.
    pub repeated: Vec<u64>,
    /// Of these: unknown states of records for which the ledger has larger counts.
    pub older: u64,
    /// The first day of the new events.
    pub first_day: Option<Day>,
    /// The last day of the new events.
    pub last_day: Option<Day>,
    /// Quarantined lines that these events resolve.
    pub(in crate::ledger) resolved: Vec<QuarantinedId>,
    /// The batches that were appended.
    pub(in crate::ledger) seals: Vec<BatchSeal>,
    /// New events that had been retracted and count again.
    pub returned: u64,
    /// What each earlier import had brought of the file.
    pub(crate) overlaps: BTreeMap<ImportId, Overlap>,
}

impl Appended {
    /// The same, with the number of lines that each import had quarantined before.
    #[must_use]
    pub fn knowing(mut self, lines: BTreeMap<ImportId, i64>) -> Self {
        for (import, lines) in lines {
            self.overlaps.entry(import).or_default().lines.more(lines);
        }
        self
    }
}

/// What became of one row.
pub(super) enum Placed {
    /// It is new.
    Fresh(EventKey),
    /// It, or a later state of its record, was there.
    Duplicate,
    /// It is a later state of a record.
    Revision(EventKey),
    /// Its id is there with other content.
    Conflict,
}

/// What became of the rows of a file so far.
pub(super) struct Verdicts<'w> {
    ledger: &'w Ledger,
    /// What is reported when all went well.
    pub(super) appended: Appended,
    conflicts: Vec<Conflict>,
    /// Whether the lines of repeated events are listed.
    lists_repeated: bool,
    /// For each earlier batch: how many events of this file it already had.
    repeated: FxHashMap<BatchId, i64>,
    /// The older states that this file has of records, by the keys of the records.
    older: FxHashMap<EventKey, Quantities>,
    /// Quarantined lines that wait for events of these ids.
    waiting: FxHashMap<String, Vec<QuarantinedId>>,
}

impl<'w> Verdicts<'w> {
    /// No rows yet, of a source.
    pub(super) fn new(ledger: &'w Ledger, source_name: &str) -> Result<Self> {
        Ok(Self {
            ledger,
            appended: Appended::default(),
            conflicts: Vec::new(),
            lists_repeated: false,
            repeated: FxHashMap::default(),
            older: FxHashMap::default(),
            waiting: quarantine::waiting(ledger, source_name)?,
        })
    }

    /// Lists the lines of repeated events from here on.
    pub(super) const fn list_repeated(&mut self) {
        self.lists_repeated = true;
    }

    /// Counts a row that repeats an event.
    pub(super) fn duplicate(&mut self, row: &Row) {
        self.appended.duplicates.one_more();
        if self.lists_repeated {
            self.appended.repeated.push(row.line);
        }
    }

    /// Notes that a batch had the event of a row.
    pub(super) fn note_batch(&mut self, batch: BatchId) {
        self.repeated.entry(batch).or_default().one_more();
    }

    /// Counts a repeated state of a record for every batch that holds a part of the record.
    pub(super) fn note_history(&mut self, history: &History) {
        for (batch, _) in history.places() {
            self.note_batch(batch);
        }
    }

    /// Counts an older state of a record.
    pub(super) fn note_older(&mut self, original: EventKey, state: Quantities) {
        self.older.insert(original, state);
        self.appended.older.one_more();
    }

    /// Whether this file has another older state of a record.
    pub(super) fn has_other_older(&self, original: EventKey, state: &Quantities) -> bool {
        self.older.get(&original).is_some_and(|other| other != state)
    }

    /// Resolves the quarantined lines that waited for an id.
    pub(super) fn resolve(&mut self, id: &str) {
        if !self.waiting.is_empty()
            && let Some(lines) = self.waiting.remove(id)
        {
            self.appended.resolved.extend(lines);
        }
    }

    /// Whether another conflict is worth a description.
    pub(super) const fn has_room_for_conflict(&self) -> bool {
        self.conflicts.len() < CONFLICT_LIMIT
    }

    /// Keeps a conflict, which refuses the import.
    pub(super) fn conflict(&mut self, conflict: Conflict) {
        self.conflicts.push(conflict);
    }

    /// Keeps the seal of a batch.
    pub(super) fn batch(&mut self, seal: BatchSeal) {
        let Appended { accepted, first_day, last_day, seals, .. } = &mut self.appended;
        seal.days.iter().for_each(|day| accepted.more(day.events));
        let days = || seal.days.iter().map(|day| day.day);
        *first_day = first_day.iter().copied().chain(days()).min();
        *last_day = last_day.iter().copied().chain(days()).max();
        seals.push(seal);
    }

    /// Notes which imports had brought the repeated events.
    pub(super) fn note_overlaps(&mut self) -> Result<()> {
        if !self.repeated.is_empty() {
            self.ledger.guard_logs(&[Log::Batches])?;
        }
        let mut statement = self.ledger.connection.prepare_cached(IMPORT_OF)?;
        for (batch, events) in &self.repeated {
            // A repetition inside the file is not an overlap: its import has no row yet.
            if let Some(import) = statement.query_row([batch], |row| row.get(0)).optional()? {
                self.appended.overlaps.entry(import).or_default().events.more(*events);
            }
        }
        Ok(())
    }

    /// What became of the events; an error if any conflicted.
    pub(super) fn finish(mut self) -> Result<Appended> {
        self.appended.resolved.sort_unstable();
        if self.conflicts.is_empty() { Ok(self.appended) } else { Err(LedgerError::Conflicts(self.conflicts)) }
    }
}
