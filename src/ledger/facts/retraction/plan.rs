//! What a retraction takes back, worked out on one state of the ledger: which rows, what the sums are without them, and which
//! files must come in again.

use crate::domain::calendar::{Day, DayFinder};
use crate::domain::count::Count;
use crate::domain::number::BatchId;
use crate::domain::period::Period;
use crate::domain::usage::{Tally, UsageLine};
use crate::fault::Code;
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::{self, Kind};
use crate::ledger::facts::imports::{ImportMade, ImportRow};
use crate::ledger::facts::sealed_events::{Proof, Sealed};
use crate::ledger::facts::{imports, quarantine};
use crate::ledger::file::retracted::Retracted;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::read::class::Classes;
use crate::ledger::read::revision::Live;
use crate::ledger::read::scan::Columns;
use crate::ledger::sums::recount;
use crate::ledger::values;
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::canonical::USAGE;
use crate::rows::key::{EventKey, KeyHash};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;

/// Which events of an import are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen<'a> {
    /// All.
    All,
    /// Those of these ids.
    Ids(&'a [String]),
}

/// Why nothing is taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The chain has no such entry.
    #[error("entry {0}: is not in the ledger, expected the entry of an import")]
    NoEntry(i64),
    /// The entry is something else.
    #[error("entry {entry}: is of kind {found}, expected {expected}")]
    OtherKind {
        /// The entry.
        entry: i64,
        /// Its kind.
        found: &'static str,
        /// The kind that can be taken back so.
        expected: &'static str,
    },
    /// It was taken back before.
    #[error("entry {entry}: was retracted already, by entry {by}")]
    Already {
        /// The entry.
        entry: i64,
        /// The retraction's entry.
        by: i64,
    },
    /// It brought no such events, or they were taken back.
    #[error("entry {entry}: brought no event with the id {}, or it was retracted already", quoted(ids))]
    NoEvent {
        /// The entry.
        entry: i64,
        /// The ids.
        ids: Vec<String>,
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

/// An import of which something is taken back, and the rows of it that are.
#[derive(Debug)]
pub struct Taking {
    made: ImportMade,
    all: bool,
    batches: Vec<BatchId>,
    keys: Vec<EventKey>,
    classes: Classes,
    /// What proves them.
    sealed: Sealed,
}

impl Taking {
    /// The days that its events may stand under.
    pub fn days(&self) -> Result<Vec<Day>> {
        if !self.all {
            let days: BTreeSet<Day> = self.keys.iter().map(|key| key.day()).collect();
            return Ok(days.into_iter().collect());
        }
        match (self.made.row.first_day, self.made.row.last_day) {
            (Some(first), Some(last)) => Ok(Period::between(values::day(first)?, values::day(last)?).days().collect()),
            _ => Ok(Vec::new()),
        }
    }
}

/// What a retraction changes of a day.
#[derive(Debug)]
pub struct DayPlan {
    pub(super) day: Day,
    /// The sums without it.
    pub(super) sums: Vec<UsageLine>,
    events: u64,
    revisions: u64,
    /// Rows of the batches that are taken back, whether or not they count.
    own: u64,
    /// Events that are taken back one by one: each with its batch and its id.
    singles: Vec<(EventKey, BatchId, String)>,
}

/// What a retraction takes back, and what it entails.
#[derive(Debug)]
pub struct Plan {
    /// The import.
    pub made: ImportMade,
    /// Whether all of it is taken back.
    pub all: bool,
    /// Events that are taken back.
    pub events: u64,
    /// Revisions that are taken back: of records that grew.
    pub revisions: u64,
    /// The first and the last day of these.
    pub days: Option<(Day, Day)>,
    /// Quarantined lines that wait again, since their events are taken back.
    pub open_again: Vec<i64>,
    /// Quarantined lines that are taken back with their import.
    pub closed: Vec<i64>,
    /// Later imports whose files may hold some of the events: those were counted as duplicates and must come in again.
    pub again: Vec<ImportMade>,
    /// Other imports of the very same file, which still count.
    pub alike: Vec<ImportMade>,
    /// The state of the ledger that this is about.
    pub head: chain::Head,
    pub(super) changed: Vec<DayPlan>,
    /// The keys of events that are taken back one by one, sorted.
    pub(super) keys: Vec<i64>,
}

const ENTRY_KIND: &str = "SELECT kind FROM entry WHERE seq = ?1";
const BATCHES: &str = "SELECT id FROM batch WHERE import = ?1 ORDER BY id";
const BATCH_OF: &str = "SELECT batch FROM usage_event WHERE key = ?1";
const IMPORT_OF: &str = "SELECT i.entry FROM batch b JOIN import i ON i.id = b.import WHERE b.id = ?1";

/// An error if an entry is not of a kind that can be taken back so.
pub(super) fn expect_kind(connection: &Connection, entry: i64, kind: Kind) -> std::result::Result<(), Refused> {
    let found: Option<u8> = connection.query_row(ENTRY_KIND, [entry], |row| row.get(0)).optional()?;
    let found = found.ok_or(Refused::NoEntry(entry))?;
    if found == kind.code() {
        return Ok(());
    }
    let found = Kind::from_code(found).map_or("unknown", Kind::name);
    Err(Refused::OtherKind { entry, found, expected: kind.name() })
}

impl Snapshot<'_> {
    /// Looks an import up of which something is to be taken back, by its entry.
    pub fn taking(&self, entry: i64, chosen: Chosen<'_>, key_hash: KeyHash) -> std::result::Result<Taking, Refused> {
        expect_kind(self.connection(), entry, Kind::Import)?;
        self.prove_logs(&[Log::Overlaps, Log::Quarantine, Log::Outcomes])?;
        let found = self.imports_made()?.into_iter().find(|made| made.entry == entry);
        let made = found.ok_or(Refused::NoEntry(entry))?;
        if let Some(by) = made.retracted {
            return Err(Refused::Already { entry, by });
        }
        let mut statement = self.connection().prepare_cached(BATCHES)?;
        let batches: Vec<BatchId> =
            statement.query_map([made.row.id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let calendar = self.ledger().settings().calendar;
        let classes = Classes::read(self.connection(), DayFinder::new(calendar))?;
        // An import without events has no days to prove.
        let days = made.row.days()?;
        let sealed = days.map_or(Ok(Sealed::default()), |days| self.sealed(days, &classes))?;
        let Chosen::Ids(ids) = chosen else {
            return Ok(Taking { made, all: true, batches, keys: Vec::new(), classes, sealed });
        };
        let retracted = Retracted::all(self.connection())?;
        let (mut keys, mut missing) = (BTreeSet::new(), Vec::new());
        let mut batch_of = self.connection().prepare_cached(BATCH_OF)?;
        for id in ids {
            let mut found = false;
            for key in self.keys_of(id, &made.row.source, key_hash)? {
                let batch: BatchId = batch_of.query_row([key.number()], |row| row.get(0))?;
                if batches.contains(&batch) && !retracted.has(key, batch) {
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
        Ok(Taking { made, all: false, batches: Vec::new(), keys: keys.into_iter().collect(), classes, sealed })
    }

    /// Reads every event of a day, and makes its sums with and without what is taken back. An error if those with it are not
    /// the ones that are there: what was changed in the events must not come into the sums.
    pub fn retraction_of_day(&self, day: Day, taking: &Taking) -> Result<DayPlan> {
        let (first, last) = EventKey::range_of(day);
        let (connection, classes) = (self.connection(), &taking.classes);
        let retracted = Retracted::between(connection, first, last)?;
        let named = retracted.and(&taking.batches, &taking.keys);
        let before = Live::of_day(connection, retracted, day)?;
        // What a later state added to one that is taken back says nothing by itself.
        let later = before.grown().after_states(|key, batch| named.has(key, batch))?;
        let after = Live::of_day(connection, named.and(&[], &later), day)?;
        let (mut with, mut rest) = (Tally::new(), Tally::new());
        let (mut events, mut revisions, mut own, mut singles) = (0_u64, 0_u64, 0_u64, Vec::new());
        let mut proof = Proof::of(connection, day, &taking.sealed)?;
        self.events(classes, first, last, Columns::All, |event| {
            proof.see(event)?;
            own.more(u64::from(taking.batches.contains(&event.batch)));
            before.tally(classes, event, &mut with)?;
            after.tally(classes, event, &mut rest)?;
            if before.has(event) && !after.has(event) {
                if event.class.kind == USAGE {
                    events.one_more();
                } else {
                    revisions.one_more();
                }
                if !taking.all || !named.has(event.key, event.batch) {
                    singles.push((event.key, event.batch, event.id.clone()));
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

    /// The whole of a retraction, with what its days change.
    pub fn retraction(&self, taking: Taking, days: Vec<DayPlan>) -> Result<Plan> {
        // What was moved to another import would stay, and come in again with the file.
        if taking.all && Ok(sum(&days, |day| day.own)) != u64::try_from(taking.made.row.accepted) {
            let what = format!("the events of {} are not as many as its entry records", taking.made.row.file);
            return Err(LedgerError::Corrupt(Damage::Events, what));
        }
        let changed: Vec<DayPlan> = days.into_iter().filter(|day| day.events > 0 || day.revisions > 0).collect();
        let (events, revisions) = (sum(&changed, |day| day.events), sum(&changed, |day| day.revisions));
        let singles: Vec<&(EventKey, BatchId, String)> = changed.iter().flat_map(|day| &day.singles).collect();
        let mut import_of = self.connection().prepare_cached(IMPORT_OF)?;
        let mut entries = BTreeSet::from([taking.made.entry]);
        for (_, batch, _) in &singles {
            entries.insert(import_of.query_row([batch], |row| row.get(0))?);
        }
        let ids: BTreeSet<&str> = singles.iter().map(|(_, _, id)| id.as_str()).collect();
        let own = &taking.made.row;
        let whole = taking.all.then_some((own.id, taking.made.entry));
        let open_again = quarantine::to_open_again(self.connection(), whole, &entries, &ids)?;
        let closed = if taking.all { quarantine::open_of(self.connection(), own.id)? } else { Vec::new() };
        let overlapping = if taking.all { imports::overlapping(self.connection(), own.id)? } else { BTreeSet::new() };
        let (mut again, mut alike) = (Vec::new(), Vec::new());
        let others =
            self.imports_made()?.into_iter().filter(|other| other.retracted.is_none() && other.row.id != own.id);
        for other in others {
            let row = &other.row;
            // The file itself, read in the same way, is what must not come again.
            let reading = |row: &ImportRow| (row.source.clone(), row.digest, row.format.clone(), row.options.clone());
            if reading(row) == reading(own) {
                alike.extend(Some(other).filter(|other| other.row.accepted > 0));
            } else if overlapping.contains(&row.id) || entries.contains(&other.entry) {
                again.push(other);
            }
        }
        let mut keys: Vec<i64> = singles.iter().map(|(key, _, _)| key.number()).collect();
        keys.sort_unstable();
        let days = changed.first().zip(changed.last()).map(|(first, last)| (first.day, last.day));
        let (all, made, head) = (taking.all, taking.made, self.head().clone());
        Ok(Plan { made, all, events, revisions, days, open_again, closed, again, alike, head, changed, keys })
    }
}

fn sum(days: &[DayPlan], of: impl Fn(&DayPlan) -> u64) -> u64 {
    days.iter().map(of).sum()
}
