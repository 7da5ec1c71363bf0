//! Appending events: sorted batches, exact duplicates, daily sums and digests, in one transaction a file.
//!
//! A row whose key is taken is compared with the row that has it: the same id and content is a duplicate, the same id
//! with other content a conflict, another id a true collision that takes the next free key of its half of the day. Nothing
//! is ever deleted, so a walk from an event's key to the first free one, in each half, meets it if it is there.
//!
//! That walk stays within a day. An id on another day is always a conflict, so those are found in bulk before the commit.

pub mod conflict;
pub(in crate::ledger) mod days;
mod distant;
mod grow;
pub(in crate::ledger) mod hash_filter;
pub mod ids;
pub(in crate::ledger) mod insert;
pub(in crate::ledger) mod known;
mod naming;
mod outcome;
pub(in crate::ledger) mod record;
mod seal;
pub mod summarise;

use crate::domain::calendar::{Calendar, Day};
use crate::domain::event::PromptSize;
use crate::domain::meter::Meter;
use crate::domain::quantities::{Quantities, QuantityOverflow};
use crate::domain::usage::UsageLine;
use crate::ledger::facts::batch_seal::BatchSeal;
use crate::ledger::file::gather::METER_COLUMNS;
use crate::ledger::read::thresholds;
use crate::ledger::sums::adder::Adder;
use crate::ledger::sums::month_seals;
use crate::rows::batch::{Batch, Class, Names, Row};
use crate::rows::key::{EventKey, Half};

use crate::ledger::append::conflict::{AtKey, Conflict, Stored, Why};
use crate::ledger::append::days::Days;
use crate::ledger::append::ids::IdLists;
use crate::ledger::append::insert::{Classed, Inserter};
use crate::ledger::append::known::{Batches, Known};
use crate::ledger::facts::quarantine;
use crate::ledger::file::retracted::Retracted;
use crate::ledger::names::numbers::{self, Numbers};
use crate::ledger::sums::recount;

use crate::ledger::append::summarise::{NewClass, PlacedBatch, PlacedDay, Summariser, Summary, SummedDay};
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::seals;
use crate::ledger::facts::sealed_events;
use crate::ledger::facts::{batch_days, prices};
use crate::ledger::file::transaction::Write;
use crate::ledger::file::watch::Watch;
use crate::ledger::sums::{Grain, Months};
use crate::ledger::{Ledger, LedgerError, Result, stored};
use rusqlite::{CachedStatement, Connection};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeFrom;
use std::sync::Arc;

pub use outcome::Appended;

const INSERT_METER: &str = "INSERT INTO event_meter (key, meter, quantity) VALUES (?1, ?2, ?3)";
const NEXT_BATCH: &str = "SELECT coalesce(max(id), 0) + 1 FROM batch";

/// Rows that are placed with one guess whether they are there already.
const RUN: usize = 1_024;

/// A first batch so large is hardly the last.
const LARGE_BATCH: usize = 200_000;

/// The most conflicts that are described; the import is refused by the first.
const CONFLICT_LIMIT: usize = 100;

/// Appends the events of one file.
pub struct Appender<'w> {
    connection: &'w Connection,
    ledger: &'w Ledger,
    daily: Adder<'w>,
    /// Few, so they are written once.
    months: Months,
    /// What records that grew add to months, written after those, since it is added to what is there.
    grown_months: Months,
    insert: Inserter<'w>,
    insert_meter: CachedStatement<'w>,
    source: i64,
    source_name: String,
    numbers: Numbers,
    /// The names of the models of this import, by their places.
    models: Vec<String>,
    thresholds: FxHashMap<String, Arc<[i64]>>,
    calendar: Calendar,
    /// The classes of this import, by their places.
    classes: Vec<Class>,
    /// Classes that the summariser has not been told.
    untold: Vec<NewClass>,
    days: Days<'w>,
    ids: IdLists<'w>,
    /// New events whose conflict with one of another day is noted.
    distant: FxHashSet<EventKey>,
    stored: Stored<'w>,
    known: Known<'w>,
    /// What was taken back: as if it had never come.
    retracted: Arc<Retracted>,
    /// Whether most of the last run of rows were there already.
    mostly_known: bool,
    /// Whether the outcome lists the lines of events that were there.
    lists_repeated: bool,
    /// How many batches have come.
    batches: usize,
    /// Quarantined lines that wait for events of these ids.
    waiting: FxHashMap<String, Vec<i64>>,
    next_batch: i64,
    first_batch: i64,
    /// Whether the last row was there already: then the next one probably is, too.
    found_before: bool,
    outcome: Appended,
    conflicts: Vec<Conflict>,
    /// The models of records that grew into another band, by day.
    grown: BTreeMap<Day, BTreeSet<i64>>,
    /// What those have grown by.
    grown_by: Vec<UsageLine>,
    /// The days of events that were compared with another state of theirs.
    compared: BTreeSet<Day>,
    /// The older states that this file has of records, by the keys of these.
    older: FxHashMap<EventKey, Quantities>,
    /// For each earlier batch, how many events of this file it already had.
    repeated: FxHashMap<i64, i64>,
    forms: Option<seal::Forms>,
}

/// What became of one row.
enum Placed {
    Fresh(EventKey),
    Duplicate,
    Revision(EventKey),
    Conflict,
}

/// The rows of a day as far as they are placed.
struct DaySoFar<'b> {
    /// The half of the day that new rows go to.
    half: Half,
    /// The halves that had events before these.
    halves: &'static [Half],
    placed: PlacedDay,
    /// New for certain, and written together.
    unwritten: Vec<Classed<'b>>,
}

impl<'w> Appender<'w> {
    /// An appender for the events of a source.
    pub fn new(write: &'w Write<'_>, source_name: &str) -> Result<Self> {
        let connection = write.connection();
        write.leave_out_checks(true)?;
        // A name that was changed would give usage to somebody else.
        write.ledger().guard_logs(&Log::NAMES)?;
        write.ledger().guard_logs(&[Log::TagSets])?;
        let source = numbers::source(connection, source_name)?;
        let first_batch = connection.query_row(NEXT_BATCH, [], |row| row.get(0))?;
        // They cut the sums into bands.
        seals::guard_facts(connection, &prices::FACT)?;
        let thresholds = thresholds::by_name(connection)?;
        let retracted = write.ledger().retracted()?;
        Ok(Self {
            connection,
            ledger: write.ledger(),
            daily: Adder::new(connection, Grain::Day)?,
            months: Months::default(),
            grown_months: Months::default(),
            insert: Inserter::new(connection)?,
            insert_meter: connection.prepare_cached(INSERT_METER)?,
            source,
            source_name: source_name.to_owned(),
            numbers: Numbers::default(),
            models: Vec::new(),
            thresholds: thresholds.into_iter().map(|(model, list)| (model, list.into())).collect(),
            calendar: write.ledger().settings().calendar,
            classes: Vec::new(),
            untold: Vec::new(),
            found_before: false,
            days: Days::new(connection, &retracted)?,
            ids: IdLists::new(connection, write.ledger().path())?,
            distant: FxHashSet::default(),
            stored: Stored::new(connection, source, &retracted)?,
            known: Known::new(write.ledger(), &retracted)?,
            retracted,
            mostly_known: false,
            lists_repeated: false,
            batches: 0,
            waiting: quarantine::waiting(write.ledger(), source_name)?,
            next_batch: first_batch,
            first_batch,
            outcome: Appended::default(),
            conflicts: Vec::new(),
            grown: BTreeMap::new(),
            compared: BTreeSet::new(),
            grown_by: Vec::new(),
            older: FxHashMap::default(),
            repeated: FxHashMap::default(),
            forms: None,
        })
    }

    /// The same appender, which also lists the lines of events that are in the ledger already.
    pub fn listing_repeated(self) -> Self {
        Self { lists_repeated: true, ..self }
    }

    fn note_duplicate(&mut self, row: &Row) {
        self.outcome.duplicates += 1;
        if self.lists_repeated {
            self.outcome.repeated.push(row.line);
        }
    }

    /// Appends a batch on this thread alone: placed, summed and kept.
    pub fn append(&mut self, batch: Batch, names: &Names, summariser: &mut Summariser) -> Result<()> {
        self.new_names(&names.after(self.named()))?;
        let mut placed = self.place(batch)?;
        if placed.is_empty() { Ok(()) } else { self.keep(&summariser.summarise(&mut placed)?) }
    }

    /// What sums the batches of this appender, on this thread or another.
    pub fn summariser(&self) -> Summariser {
        Summariser::new(self.source, self.calendar)
    }

    /// Puts the rows of a batch, which are sorted, in their places. Conflicts are gathered; [`Appender::finish`] returns
    /// them.
    pub fn place(&mut self, batch: Batch) -> Result<PlacedBatch> {
        let id = self.next_batch;
        self.stored.own_batch(id);
        self.batches += 1;
        self.insert.begin_batch();
        let mut days = Vec::new();
        let mut first = 0;
        for rows in batch.rows().chunk_by(|a, b| a.key.day() == b.key.day()) {
            days.extend(self.place_day(id, &batch, rows, first)?);
            first += u32::try_from(rows.len()).map_err(|_| QuantityOverflow)?;
        }
        if days.is_empty() {
            return Ok(PlacedBatch { id, batch, days, classes: Vec::new() });
        }
        self.next_batch += 1;
        Ok(PlacedBatch { id, batch, days, classes: std::mem::take(&mut self.untold) })
    }

    /// Writes what was summed of a batch. Batches must come in the order they were placed.
    pub fn keep(&mut self, summary: &Summary) -> Result<()> {
        let mut seals = Vec::with_capacity(summary.days.len());
        for SummedDay { lines, seal, first, displaced } in &summary.days {
            if *first {
                self.daily.add_to_none(lines)?;
            } else {
                lines.iter().try_for_each(|line| self.daily.add(line))?;
            }
            for line in lines {
                self.months.count(self.ledger, &self.numbers.payers, line)?;
            }
            // The digest is over the rows that stand there, in the order they stand in.
            let seal = match displaced {
                Some(keys) => self.seal_as_stored(summary.id, seal.day, keys)?,
                None => *seal,
            };
            self.outcome.accepted += seal.events;
            self.outcome.first_day = Some(self.outcome.first_day.map_or(seal.day, |first| first.min(seal.day)));
            self.outcome.last_day = Some(self.outcome.last_day.map_or(seal.day, |last| last.max(seal.day)));
            seals.push(seal);
        }
        let events = stored(seals.iter().map(|seal| seal.events).sum())?;
        self.outcome.seals.push(BatchSeal {
            id: summary.id,
            posting_period: None,
            events,
            digest: batch_days::batch_digest(&self.source_name, None, &seals),
            days: seals,
        });
        self.ids.add(&summary.ids)
    }

    /// What became of the events; an error if any conflicted. Days on which records have grown are read again, watched.
    pub fn finish(mut self, watch: &Watch) -> Result<Appended> {
        self.write_ids(watch)?;
        self.note_overlaps()?;
        let lines = [self.months, self.grown_months].map(|mut months| months.take());
        let of_lines = lines.iter().flatten().map(|line| line.key.day);
        let changed = of_lines.chain(self.grown.keys().copied()).map(|day| day.month().code()).collect();
        month_seals::guard_months(self.connection, self.ledger, &changed)?;
        self.daily.finish()?;
        let mut monthly = Adder::new(self.connection, Grain::Month)?;
        lines.iter().flatten().try_for_each(|line| monthly.add(line))?;
        recount::renew(self.connection, (self.ledger, watch), &self.grown, &self.grown_by)?;
        sealed_events::guard_days(self.connection, (self.ledger, watch), &self.compared, self.first_batch)?;
        month_seals::seal_months(self.connection, self.ledger, &changed)?;
        self.outcome.resolved.sort_unstable();
        if self.conflicts.is_empty() { Ok(self.outcome) } else { Err(LedgerError::Conflicts(self.conflicts)) }
    }

    /// Places the rows of one day, the first of which is at a place of the batch.
    fn place_day(&mut self, batch_id: i64, batch: &Batch, rows: &[Row], first: u32) -> Result<Option<PlacedDay>> {
        let Some(day) = rows.first().map(|row| row.key.day()) else { return Ok(None) };
        self.days.begin(day)?;
        if self.mostly_known {
            let large = self.batches > 1 || batch.len() >= LARGE_BATCH;
            let expected = if large { Batches::More } else { Batches::Unknown };
            self.known.prepare(day, self.days.events(day), rows.len(), expected)?;
        }
        let mut so_far = DaySoFar {
            half: self.days.half_for(day, rows.len()),
            halves: self.days.halves(day),
            placed: PlacedDay {
                day,
                rows: Vec::with_capacity(rows.len()),
                revisions: Vec::new(),
                first: self.days.events(day) == 0,
                displaced: false,
            },
            unwritten: Vec::with_capacity(rows.len()),
        };
        let mut places = first..;
        for run in rows.chunks(RUN) {
            self.place_run(batch_id, batch, run, &mut places, &mut so_far)?;
        }
        let DaySoFar { half, placed, unwritten, .. } = so_far;
        self.insert.write(batch_id, batch, half, &unwritten)?;
        self.days.appended(day, placed.rows.iter().map(|(_, key)| *key));
        Ok((!placed.rows.is_empty() || placed.displaced).then_some(placed))
    }

    /// Places some rows of a day. If most of those before were there already, all of these are looked for at once.
    fn place_run<'b>(
        &mut self,
        batch_id: i64,
        batch: &Batch,
        run: &'b [Row],
        places: &mut RangeFrom<u32>,
        so_far: &mut DaySoFar<'b>,
    ) -> Result<()> {
        let DaySoFar { half, halves, .. } = *so_far;
        let same = if self.mostly_known { self.same(batch, run, halves)? } else { Vec::new() };
        let before = self.outcome.duplicates;
        for ((number, row), place) in run.iter().enumerate().zip(places) {
            if let Some(Some(batch)) = same.get(number) {
                self.note_duplicate(row);
                *self.repeated.entry(*batch).or_default() += 1;
                continue;
            }
            let class = self.class_of(row)?;
            let own = row.key.in_half(half);
            let found = if self.is_new(own) {
                self.stored.begin_row();
                self.insert.promise(own);
                so_far.unwritten.push((row, class.0));
                Placed::Fresh(own)
            } else {
                self.insert.write(batch_id, batch, half, &so_far.unwritten)?;
                so_far.unwritten.clear();
                self.place_row((batch_id, batch), row, class, (own, halves))?
            };
            self.found_before = !matches!(found, Placed::Fresh(_));
            match found {
                Placed::Fresh(key) => {
                    so_far.placed.displaced |= key != own;
                    so_far.placed.rows.push((place, key));
                    if !self.waiting.is_empty()
                        && let Some(lines) = self.waiting.remove(batch.id(row))
                    {
                        self.outcome.resolved.extend(lines);
                    }
                    self.insert_rare(batch, row, key, class.1)?;
                    self.outcome.returned += u64::from(self.stored.has_passed_retracted());
                }
                Placed::Duplicate => self.note_duplicate(row),
                Placed::Revision(key) => {
                    so_far.placed.displaced = true;
                    so_far.placed.revisions.push(key);
                }
                Placed::Conflict => {}
            }
        }
        let known = usize::try_from(self.outcome.duplicates - before).unwrap_or(usize::MAX);
        self.mostly_known = known > run.len() / 2;
        Ok(())
    }

    /// The batches of the rows of a run that are in the ledger, the same.
    fn same(&mut self, batch: &Batch, run: &[Row], halves: &[Half]) -> Result<Vec<Option<i64>>> {
        let rows = run.iter().map(|row| Ok((row, self.class_of(row)?))).collect::<Result<Vec<_>>>()?;
        self.known.same(batch, &rows, halves)
    }

    /// Whether no event can have a hash on its day, in either half: none of this batch up to here, none before it.
    fn is_new(&self, key: EventKey) -> bool {
        key.half() == Half::Main && self.insert.is_beyond_table(key)
            || self.insert.is_beyond_batch(key) && self.days.lacks(key)
    }

    /// The number of a row's class, and what that tells of its prompt.
    fn class_of(&self, row: &Row) -> Result<(i64, PromptSize)> {
        let place = usize::try_from(row.class).unwrap_or(usize::MAX);
        match (self.numbers.classes.get(place), self.classes.get(place)) {
            (Some(number), Some(class)) => Ok((*number, class.prompt)),
            _ => Err(LedgerError::Bug("a row is of a class its import does not name".to_owned())),
        }
    }

    /// Finds the row's place: a free key, its own or the next, or the row that is there already, in either half.
    fn place_row(
        &mut self,
        (batch_id, batch): (i64, &Batch),
        row: &Row,
        class: (i64, PromptSize),
        (own, halves): (EventKey, &[Half]),
    ) -> Result<Placed> {
        self.stored.begin_row();
        let other = own.half().other();
        if halves.contains(&other) {
            let (at, key) = self.walk(own.in_half(other), batch, row, class)?;
            if matches!(at, AtKey::Same | AtKey::Different) {
                return self.known_at(batch_id, batch, row, class, (at, key));
            }
        }
        if !self.found_before && self.insert.try_one(batch_id, batch, (row, class.0), own)? {
            return Ok(Placed::Fresh(own));
        }
        let (at, key) = self.walk(own, batch, row, class)?;
        match at {
            AtKey::Nothing if self.insert.try_one(batch_id, batch, (row, class.0), key)? => Ok(Placed::Fresh(key)),
            AtKey::Nothing | AtKey::Another => Err(LedgerError::Bug(format!("no key of {} is free", own.day()))),
            AtKey::Same | AtKey::Different => self.known_at(batch_id, batch, row, class, (at, key)),
        }
    }

    /// Walks from a key of a half to the row's event or to the first free key: where, and what is there. Another event where
    /// the half is full.
    fn walk(
        &mut self,
        start: EventKey,
        batch: &Batch,
        row: &Row,
        class: (i64, PromptSize),
    ) -> Result<(AtKey, EventKey)> {
        let mut key = start;
        loop {
            match self.stored.compare(key, batch, row, class)? {
                AtKey::Another => key = key.next_in_half(),
                at => return Ok((at, key)),
            }
            if key == start {
                return Ok((AtKey::Another, key));
            }
        }
    }

    /// What becomes of a row whose event was found.
    fn known_at(
        &mut self,
        batch_id: i64,
        batch: &Batch,
        row: &Row,
        class: (i64, PromptSize),
        (at, key): (AtKey, EventKey),
    ) -> Result<Placed> {
        if at == AtKey::Same {
            *self.repeated.entry(self.stored.batch_met()).or_default() += 1;
            return Ok(Placed::Duplicate);
        }
        self.compared.insert(key.day());
        self.differing(batch_id, batch, row, class, key)
    }

    /// Writes the meters that have no column.
    fn insert_rare(&mut self, batch: &Batch, row: &Row, key: EventKey, prompt: PromptSize) -> Result<()> {
        let requests = batch.frequent(row).get(METER_COLUMNS);
        // Of one request it is known that it is one.
        let told = prompt == PromptSize::Exact && requests == Some(1);
        let requests = requests.filter(|_| !told).map(|requests| (Meter::Request, requests));
        for (meter, quantity) in requests.into_iter().chain(batch.rare(row)) {
            self.insert_meter.execute((key.number(), meter.code(), quantity))?;
            self.stored.added_rare(key.day());
        }
        Ok(())
    }

    fn conflict(&mut self, batch: &Batch, row: &Row, other: EventKey, why: Why) -> Result<()> {
        let class = usize::try_from(row.class).ok().and_then(|place| self.classes.get(place));
        if let Some(class) = class
            && self.conflicts.len() < CONFLICT_LIMIT
        {
            self.conflicts.push(self.stored.describe(batch, row, *class, &self.numbers, (other, why))?);
        }
        Ok(())
    }
}
