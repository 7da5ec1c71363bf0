//! Plans a retraction on one state of the ledger: which rows it covers, the totals without them, and which files must
//! come again.

use crate::domain::calendar::{Day, DayFinder};
use crate::domain::count::Count;
use crate::domain::number::{BatchId, EntryId, ImportId, QuarantinedId};
use crate::domain::period::Period;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Tally, UsageLine};
use crate::fault::Code;
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::{self, Kind};
use crate::ledger::facts::imports::{ImportMade, ImportRow};
use crate::ledger::facts::retraction::recorded::{self, NearSpan, RecordedSpan};
use crate::ledger::facts::sealed_events::{Proof, Sealed};
use crate::ledger::facts::{imports, quarantine};
use crate::ledger::file::retracted::Retracted;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::read::class::Classes;
use crate::ledger::read::revision::Live;
use crate::ledger::read::scan::Columns;
use crate::ledger::sums::recount;
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::canonical::USAGE;
use crate::rows::key::{EventKey, KeyHash};
use rusqlite::{Connection, OptionalExtension};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Which events of an import to retract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen<'a> {
    /// All.
    All,
    /// The events with these ids.
    Ids(&'a [String]),
}

/// Why nothing is retracted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The chain has no such entry.
    #[error("entry {0}: does not exist in the ledger, expected the entry of an import")]
    NoEntry(EntryId),
    /// The entry is something else.
    #[error("entry {entry}: is of kind {found}, expected {expected}")]
    OtherKind {
        /// The entry.
        entry: EntryId,
        /// Its kind.
        found: &'static str,
        /// The kind that can be retracted this way.
        expected: &'static str,
    },
    /// It was retracted before.
    #[error("entry {entry}: was retracted before by entry {by}")]
    Already {
        /// The entry.
        entry: EntryId,
        /// The retraction's entry.
        by: EntryId,
    },
    /// It brought no such events, or they were retracted.
    #[error("entry {entry}: brought no event with the id {}, or it was retracted before", quoted(ids))]
    NoEvent {
        /// The entry.
        entry: EntryId,
        /// The ids.
        ids: Vec<String>,
    },
    /// A program recorded nothing of a source between two instants that still counts.
    #[error("nothing that counts of source {source_name:?} was recorded from {from} to {to}{}", recorded::already(*.retracted))]
    NothingRecorded {
        /// The source.
        source_name: String,
        /// From this instant.
        from: Timestamp,
        /// To this instant.
        to: Timestamp,
        /// How many commits of that span were retracted already.
        retracted: usize,
        /// What was recorded of the source before and after.
        near: Vec<NearSpan>,
        /// The sources of which something was recorded that still counts.
        sources: BTreeSet<String>,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Refused {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::NoEntry(_) => Code::EntryUnknown,
            Self::OtherKind { .. } => Code::EntryOtherKind,
            Self::Already { .. } => Code::AlreadyRetracted,
            Self::NoEvent { .. } => Code::EventNotOfEntry,
            Self::NothingRecorded { .. } => Code::NothingRecorded,
            Self::Ledger(error) => error.code(),
        }
    }
}

fn quoted(ids: &[String]) -> String {
    ids.iter().map(|id| format!("{id:?}")).collect::<Vec<_>>().join(", ")
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Ledger(error.into())
    }
}

/// Imports of which something is taken back, and the rows of them that are.
#[derive(Debug)]
pub struct Taking {
    /// In the order of their entries.
    imports: Vec<ImportMade>,
    all: bool,
    /// The batches that are taken back, each with the number of its import.
    batches: FxHashMap<BatchId, ImportId>,
    keys: Vec<EventKey>,
    classes: Classes,
    /// The digests that prove them.
    sealed: Sealed,
}

impl Taking {
    /// The days that its events may have.
    pub fn days(&self) -> Result<Vec<Day>> {
        let mut days: BTreeSet<Day> = self.keys.iter().map(|key| key.day()).collect();
        for made in self.imports.iter().filter(|_| self.all) {
            days.extend(made.row.days()?.into_iter().flat_map(Period::days));
        }
        Ok(days.into_iter().collect())
    }
}

/// An event that is taken back by itself.
#[derive(Debug)]
struct Single {
    key: EventKey,
    batch: BatchId,
    id: String,
    /// The import with which it goes.
    import: ImportId,
}

/// What a retraction changes on a day.
#[derive(Debug)]
pub struct DayPlan {
    pub(super) day: Day,
    /// The totals without the retracted rows.
    pub(super) sums: Vec<UsageLine>,
    events: u64,
    revisions: u64,
    /// Rows of the batches that are taken back, by their import, whether or not they count.
    own: FxHashMap<ImportId, i64>,
    singles: Vec<Single>,
}

/// An import that is taken back, all of it or some of its events, and what goes with it.
#[derive(Debug)]
pub struct Part {
    /// The import.
    pub made: ImportMade,
    /// Quarantined lines that wait again, because their events are retracted.
    pub open_again: Vec<QuarantinedId>,
    /// Quarantined lines that are taken back with the import.
    pub closed: Vec<QuarantinedId>,
    /// The keys of events that are retracted one by one, sorted.
    pub(super) keys: Vec<EventKey>,
}

/// What a retraction covers, with its consequences.
#[derive(Debug)]
pub struct Plan {
    /// The imports, at least one, in the order of their entries. Each has a retraction of its own in the chain.
    pub parts: Vec<Part>,
    /// Whether all of them is taken back.
    pub all: bool,
    /// The number of retracted events.
    pub events: u64,
    /// The number of retracted revisions of grown records.
    pub revisions: u64,
    /// Their first and last day.
    pub days: Option<(Day, Day)>,
    /// Later imports whose files may contain some of the events. These were counted as duplicates, so the files must
    /// come again.
    pub again: Vec<ImportMade>,
    /// Other imports of an identical file, which still count.
    pub alike: Vec<ImportMade>,
    /// The state of the ledger that the plan is for.
    pub head: chain::Head,
    pub(super) changed: Vec<DayPlan>,
}

impl Plan {
    /// How many quarantined lines wait again.
    pub fn open_again(&self) -> usize {
        self.parts.iter().map(|part| part.open_again.len()).sum()
    }

    /// How many quarantined lines are taken back with their imports.
    pub fn closed(&self) -> usize {
        self.parts.iter().map(|part| part.closed.len()).sum()
    }
}

const ENTRY_KIND: &str = "SELECT kind FROM entry WHERE seq = ?1";
const BATCHES: &str = "SELECT id, import FROM batch ORDER BY id";
const BATCH_OF: &str = "SELECT batch FROM usage_event WHERE key = ?1";
const IMPORT_OF: &str = "SELECT i.entry FROM batch b JOIN import i ON i.id = b.import WHERE b.id = ?1";

/// Returns an error if an entry is not of a kind that can be retracted this way.
pub(super) fn expect_kind(connection: &Connection, entry: EntryId, kind: Kind) -> std::result::Result<(), Refused> {
    let found: Option<u8> = connection.query_row(ENTRY_KIND, [entry], |row| row.get(0)).optional()?;
    let found = found.ok_or(Refused::NoEntry(entry))?;
    if found == kind.code() {
        return Ok(());
    }
    let found = Kind::from_code(found).map_or("unknown", Kind::name);
    Err(Refused::OtherKind { entry, found, expected: kind.name() })
}

impl Snapshot<'_> {
    /// Looks up an import to retract from, by its entry.
    pub fn taking(
        &self,
        entry: EntryId,
        chosen: Chosen<'_>,
        key_hash: KeyHash,
    ) -> std::result::Result<Taking, Refused> {
        expect_kind(self.connection(), entry, Kind::Import)?;
        let found = self.imports_made()?.into_iter().find(|made| made.entry == entry);
        let made = found.ok_or(Refused::NoEntry(entry))?;
        if let Some(by) = made.retracted {
            return Err(Refused::Already { entry, by });
        }
        let source = made.row.source.clone();
        let whole = self.taking_all(vec![made])?;
        let Chosen::Ids(ids) = chosen else { return Ok(whole) };
        let retracted = Retracted::all(self.connection())?;
        let (mut keys, mut missing) = (BTreeSet::new(), Vec::new());
        let mut batch_of = self.connection().prepare_cached(BATCH_OF)?;
        for id in ids {
            let mut found = false;
            for key in self.keys_of(id, &source, key_hash)? {
                let batch: BatchId = batch_of.query_row([key.number()], |row| row.get(0))?;
                if whole.batches.contains_key(&batch) && !retracted.has(key, batch) {
                    found = true;
                    keys.insert(key);
                }
            }
            if !found {
                missing.push(id.clone());
            }
        }
        if keys.is_empty() || !missing.is_empty() {
            return Err(Refused::NoEvent { entry, ids: missing });
        }
        Ok(Taking { all: false, batches: FxHashMap::default(), keys: keys.into_iter().collect(), ..whole })
    }

    /// Looks up what a program recorded of a source between two instants, and what of it still counts.
    pub fn taking_recorded(&self, recorded: RecordedSpan<'_>) -> std::result::Result<Taking, Refused> {
        let mut imports = self.imports_made()?;
        let others = imports.extract_if(.., |made| !recorded.has(made) || made.retracted.is_some());
        let others: Vec<ImportMade> = others.collect();
        if imports.is_empty() {
            return Err(recorded.nothing(&others));
        }
        Ok(self.taking_all(imports)?)
    }

    /// All of some imports.
    fn taking_all(&self, imports: Vec<ImportMade>) -> Result<Taking> {
        self.prove_logs(&[Log::Overlaps, Log::Quarantine, Log::Outcomes])?;
        let numbers: BTreeSet<ImportId> = imports.iter().map(|made| made.row.id).collect();
        let mut statement = self.connection().prepare_cached(BATCHES)?;
        let mut rows = statement.query([])?;
        let mut batches = FxHashMap::default();
        while let Some(row) = rows.next()? {
            let import = row.get(1)?;
            if numbers.contains(&import) {
                batches.insert(row.get(0)?, import);
            }
        }
        let calendar = self.ledger().settings().calendar;
        let classes = Classes::read(self.connection(), DayFinder::new(calendar))?;
        let days: Vec<Period> = imports.iter().filter_map(|made| made.row.days().transpose()).collect::<Result<_>>()?;
        let (first, last) = (days.iter().map(|days| days.first()).min(), days.iter().map(|days| days.last()).max());
        // Imports without events have no days to prove.
        let days = first.zip(last).map(|(first, last)| Period::between(first, last));
        let sealed = days.map_or(Ok(Sealed::default()), |days| self.sealed(days, &classes))?;
        Ok(Taking { imports, all: true, batches, keys: Vec::new(), classes, sealed })
    }

    /// Reads every event of a day, and computes its totals with and without the retracted rows. Returns an error if the
    /// totals with them differ from the stored ones, because a change of the events must not get into the totals.
    pub fn retraction_of_day(&self, day: Day, taking: &Taking) -> Result<DayPlan> {
        let (first, last) = EventKey::range_of(day);
        let (connection, classes) = (self.connection(), &taking.classes);
        let retracted = Retracted::between(connection, first, last)?;
        let named = retracted.and(taking.batches.keys().copied(), taking.keys.iter().copied());
        let before = Live::of_day(connection, retracted, day)?;
        // What a later state added to a retracted one means nothing by itself.
        let later = before.grown().after_states(|key, batch| named.has(key, batch))?;
        let later: FxHashMap<EventKey, BatchId> = later.into_iter().collect();
        let after = Live::of_day(connection, named.and([], later.keys().copied()), day)?;
        let (mut with, mut rest) = (Tally::new(), Tally::new());
        let (mut events, mut revisions, mut own, mut singles) = (0_u64, 0_u64, FxHashMap::default(), Vec::new());
        let mut proof = Proof::of(connection, day, &taking.sealed)?;
        self.events(classes, first, last, Columns::All, |event| {
            proof.see(event)?;
            if let Some(import) = taking.batches.get(&event.batch) {
                let own: &mut i64 = own.entry(*import).or_default();
                own.one_more();
            }
            before.tally(classes, event, &mut with)?;
            after.tally(classes, event, &mut rest)?;
            if before.has(event) && !after.has(event) {
                if event.class.kind == USAGE {
                    events.one_more();
                } else {
                    revisions.one_more();
                }
                if !taking.batches.contains_key(&event.batch) {
                    let import = taking.import_of(later.get(&event.key).copied())?;
                    singles.push(Single { key: event.key, batch: event.batch, id: event.id.clone(), import });
                }
            }
            Ok(())
        })?;
        proof.end()?;
        if events == 0 && revisions == 0 {
            return Ok(DayPlan { day, sums: Vec::new(), events, revisions, own, singles });
        }
        let start = self.ledger().settings().calendar.start_of(day);
        let [with, sums] = [with, rest].map(|tally| recount::lines_of_day(tally, classes, day, start));
        recount::guard_day(connection, self.ledger(), day, &with?)?;
        Ok(DayPlan { day, sums: sums?, events, revisions, own, singles })
    }

    /// The whole retraction, with the changes of its days.
    pub fn retraction(&self, taking: Taking, days: Vec<DayPlan>) -> Result<Plan> {
        taking.guard_counts(&days)?;
        let changed: Vec<DayPlan> = days.into_iter().filter(|day| day.events > 0 || day.revisions > 0).collect();
        let (events, revisions) = (sum(&changed, |day| day.events), sum(&changed, |day| day.revisions));
        let singles: Vec<&Single> = changed.iter().flat_map(|day| &day.singles).collect();
        let mut import_of = self.connection().prepare_cached(IMPORT_OF)?;
        let mut entries: BTreeSet<EntryId> = taking.imports.iter().map(|made| made.entry).collect();
        for single in &singles {
            entries.insert(import_of.query_row([single.batch], |row| row.get(0))?);
        }
        let (again, alike) = self.others_concerned(&taking, &entries)?;
        let parts = self.parts(taking.imports, taking.all, &entries, &singles)?;
        let days = changed.first().zip(changed.last()).map(|(first, last)| (first.day, last.day));
        Ok(Plan { parts, all: taking.all, events, revisions, days, again, alike, head: self.head().clone(), changed })
    }

    /// The imports that have to be repeated, and the other imports of the same files.
    fn others_concerned(
        &self,
        taking: &Taking,
        entries: &BTreeSet<EntryId>,
    ) -> Result<(Vec<ImportMade>, Vec<ImportMade>)> {
        let reading = |row: &ImportRow| (row.source.clone(), row.digest, row.format.clone(), row.options.clone());
        let own: BTreeSet<ImportId> = taking.imports.iter().map(|made| made.row.id).collect();
        let files: BTreeSet<_> = taking.imports.iter().map(|made| reading(&made.row)).collect();
        let overlapping = imports::overlapping(self.connection(), |earlier| taking.all && own.contains(&earlier))?;
        let (mut again, mut alike) = (Vec::new(), Vec::new());
        let others = self.imports_made()?.into_iter();
        for other in others.filter(|other| other.retracted.is_none() && !own.contains(&other.row.id)) {
            // The file itself, read in the same way, must not come again.
            if files.contains(&reading(&other.row)) {
                alike.extend(Some(other).filter(|other| other.row.accepted > 0));
            } else if overlapping.contains(&other.row.id) || entries.contains(&other.entry) {
                again.push(other);
            }
        }
        Ok((again, alike))
    }

    /// The imports with what goes with each.
    fn parts(
        &self,
        imports: Vec<ImportMade>,
        all: bool,
        entries: &BTreeSet<EntryId>,
        singles: &[&Single],
    ) -> Result<Vec<Part>> {
        let by_id: BTreeMap<&str, ImportId> =
            singles.iter().map(|single| (single.id.as_str(), single.import)).collect();
        let by_entry: BTreeMap<EntryId, ImportId> = imports.iter().map(|made| (made.entry, made.row.id)).collect();
        let none = BTreeMap::new();
        let whole = if all { &by_entry } else { &none };
        let opened = quarantine::to_open_again(self.connection(), whole, entries, |id| by_id.contains_key(id))?;
        let mut open_again: BTreeMap<ImportId, Vec<QuarantinedId>> = BTreeMap::new();
        for (line, entry, id) in opened {
            // The line's event came with one of the imports, or is a single that goes with one.
            let import = by_entry.get(&entry).or_else(|| by_id.get(id.as_str()));
            open_again.entry(import.copied().unwrap_or(ImportId::NONE)).or_default().push(line);
        }
        let mut closed = if all { quarantine::open_by_import(self.connection())? } else { BTreeMap::new() };
        let mut keys: BTreeMap<ImportId, Vec<EventKey>> = BTreeMap::new();
        for single in singles {
            keys.entry(single.import).or_default().push(single.key);
        }
        let part = |made: ImportMade| {
            let taken = |of: &mut BTreeMap<ImportId, Vec<QuarantinedId>>| of.remove(&made.row.id).unwrap_or_default();
            let (open_again, closed) = (taken(&mut open_again), taken(&mut closed));
            let mut keys = keys.remove(&made.row.id).unwrap_or_default();
            keys.sort_unstable();
            Part { made, open_again, closed, keys }
        };
        Ok(imports.into_iter().map(part).collect())
    }
}

impl Taking {
    /// The import that an event goes with which is taken back by itself: of a state that it continues, or the only one.
    fn import_of(&self, batch_before: Option<BatchId>) -> Result<ImportId> {
        let of_batch = batch_before.and_then(|batch| self.batches.get(&batch)).copied();
        let only = || self.imports.first().map(|made| made.row.id);
        of_batch
            .or_else(only)
            .ok_or_else(|| LedgerError::Corrupt(Damage::Events, "an event goes with no import".to_owned()))
    }

    /// An error if whole imports have other events than they brought. What was moved to another import would stay, and come in
    /// again with the file.
    fn guard_counts(&self, days: &[DayPlan]) -> Result<()> {
        let mut own: FxHashMap<ImportId, i64> = FxHashMap::default();
        for (import, rows) in days.iter().flat_map(|day| &day.own) {
            let own = own.entry(*import).or_default();
            *own = own.saturating_add(*rows);
        }
        let differs = |made: &&ImportMade| own.get(&made.row.id).copied().unwrap_or(0) != made.row.accepted;
        match self.imports.iter().filter(|_| self.all).find(differs) {
            None => Ok(()),
            Some(made) => {
                let what = format!("the number of events of {} differs from what its entry records", made.row.file);
                Err(LedgerError::Corrupt(Damage::Events, what))
            }
        }
    }
}

fn sum(days: &[DayPlan], of: impl Fn(&DayPlan) -> u64) -> u64 {
    days.iter().map(of).sum()
}
