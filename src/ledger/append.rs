//! Appending events: sorted batches, exact duplicates, daily sums and digests, in one transaction a file.
//!
//! A row whose key is taken is compared with the row that has it: the same id and content is a duplicate, the same id
//! with other content a conflict, another id a true collision that takes the next free key of its day. Nothing is ever
//! deleted, so a walk from an event's key to the first free one meets it if it is there.

use crate::domain::batch::{Batch, Names, Row};
use crate::domain::calendar::{Calendar, Day};
use crate::domain::canonical::Encoder;
use crate::domain::event::Model;
use crate::domain::key::EventKey;
use crate::domain::quantities::QuantityOverflow;
use crate::ledger::conflict::{Conflict, Stored};
use crate::ledger::daily;
use crate::ledger::dictionary::{self, Numbers};
use crate::ledger::neighbours::Neighbours;
use crate::ledger::payload::BatchSeal;
use crate::ledger::scan::{self, Columns};
use crate::ledger::summarise::{
    DayHasher, DaySeal, NewNames, PlacedBatch, PlacedDay, Summariser, Summary, SummedDay, places,
};
use crate::ledger::transaction::Write;
use crate::ledger::{LedgerError, Result, stored};
use rusqlite::{Connection, Statement};
use rustc_hash::FxHashMap;

const INSERT: &str = "INSERT INTO usage_event (key, batch, model, tier, tag_set, kind, prompt, input, cache_read, \
    cache_write, cache_write_1h, output, reasoning, request, at, line, id) \
    VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) ON CONFLICT (key) DO NOTHING";
const INSERT_METER: &str = "INSERT INTO event_meter (key, meter, quantity) VALUES (?1, ?2, ?3)";
const NEXT_BATCH: &str = "SELECT coalesce(max(id), 0) + 1 FROM batch";

/// The most conflicts that are described; the import is refused by the first.
const CONFLICT_LIMIT: usize = 100;

/// Appends the events of one file.
pub struct Appender<'w> {
    connection: &'w Connection,
    insert: Statement<'w>,
    insert_meter: Statement<'w>,
    source: i64,
    source_name: String,
    numbers: Numbers,
    thresholds: FxHashMap<String, Vec<i64>>,
    calendar: Calendar,
    /// Names that the summariser has not been told.
    untold: NewNames,
    neighbours: Neighbours<'w>,
    stored: Stored<'w>,
    next_batch: i64,
    outcome: Appended,
    conflicts: Vec<Conflict>,
}

/// What became of a file's events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Events that are new.
    pub accepted: u64,
    /// Events that were there with the same content.
    pub duplicates: u64,
    /// The first day of the new events.
    pub first_day: Option<Day>,
    /// The last day of the new events.
    pub last_day: Option<Day>,
    /// The batches that were appended.
    pub(super) seals: Vec<BatchSeal>,
}

/// What became of one row.
enum Placed {
    Fresh(EventKey),
    Duplicate,
    Conflict,
}

/// The digest of a batch over the digests of its days.
pub(super) fn batch_digest(source: &str, days: &[DaySeal]) -> [u8; 32] {
    let mut encoder = Encoder::new();
    encoder.text(source).count(days.len());
    for day in days {
        encoder.i64(i64::from(day.day.number())).u64(day.events).blob(&day.digest);
    }
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 batch of events");
    hasher.update(encoder.as_bytes());
    *hasher.finalize().as_bytes()
}

impl<'w> Appender<'w> {
    /// An appender for the events of a source.
    pub fn new(write: &'w Write<'_>, source_name: &str) -> Result<Self> {
        let connection = write.connection();
        let source = dictionary::source(connection, source_name)?;
        Ok(Self {
            connection,
            insert: connection.prepare(INSERT)?,
            insert_meter: connection.prepare(INSERT_METER)?,
            source,
            source_name: source_name.to_owned(),
            numbers: Numbers::default(),
            thresholds: crate::ledger::prices::thresholds(connection)?,
            calendar: write.ledger().settings().calendar,
            untold: NewNames::default(),
            neighbours: Neighbours::new(connection)?,
            stored: Stored::new(connection, source)?,
            next_batch: connection.query_row(NEXT_BATCH, [], |row| row.get(0))?,
            outcome: Appended::default(),
            conflicts: Vec::new(),
        })
    }

    /// Appends a batch on this thread alone: placed, summed and kept.
    pub fn append(&mut self, batch: Batch, names: &Names, summariser: &mut Summariser) -> Result<()> {
        match self.place(batch, names)? {
            Some(mut placed) => self.keep(&summariser.summarise(&mut placed)?),
            None => Ok(()),
        }
    }

    /// What sums the batches of this appender, on this thread or another.
    pub fn summariser(&self) -> Summariser {
        Summariser::new(self.source, self.calendar)
    }

    /// Puts the rows of a batch, which are sorted, in their places. `None` when all were there already. Conflicts are
    /// gathered; [`Appender::finish`] returns them.
    pub fn place(&mut self, batch: Batch, names: &Names) -> Result<Option<PlacedBatch>> {
        self.new_names(names)?;
        let id = self.next_batch;
        self.stored.own_batch(id);
        let mut days = Vec::new();
        let mut first = 0;
        for rows in batch.rows().chunk_by(|a, b| a.key.day() == b.key.day()) {
            days.extend(self.place_day(id, &batch, rows, first)?);
            first += u32::try_from(rows.len()).map_err(|_| QuantityOverflow)?;
        }
        if days.is_empty() {
            return Ok(None);
        }
        self.next_batch += 1;
        Ok(Some(PlacedBatch { id, batch, days, names: std::mem::take(&mut self.untold) }))
    }

    /// Writes what was summed of a batch. Batches must come in the order they were placed.
    pub fn keep(&mut self, summary: &Summary) -> Result<()> {
        let mut seals = Vec::with_capacity(summary.days.len());
        for SummedDay { lines, seal, displaced } in &summary.days {
            for line in lines {
                daily::add(self.connection, line)?;
            }
            let (day, events) = (seal.day, seal.events);
            self.outcome.accepted += events;
            self.outcome.first_day = Some(self.outcome.first_day.map_or(day, |first| first.min(day)));
            self.outcome.last_day = Some(self.outcome.last_day.map_or(day, |last| last.max(day)));
            // The digest is over the order rows stand in.
            let digest = if *displaced { self.seal_as_stored(summary.id, day)?.digest } else { seal.digest };
            seals.push(DaySeal { day, events, digest });
        }
        let events = stored(seals.iter().map(|seal| seal.events).sum())?;
        self.outcome.seals.push(BatchSeal { id: summary.id, events, digest: batch_digest(&self.source_name, &seals) });
        Ok(())
    }

    /// Gives numbers to names that have none yet, and notes them for the summariser.
    fn new_names(&mut self, names: &Names) -> Result<()> {
        let (models, tag_sets, tiers) =
            (self.numbers.models.len(), self.numbers.tag_sets.len(), self.numbers.tiers.len());
        self.numbers.extend(self.connection, names)?;
        let new_models = self.numbers.models.iter().cloned().zip(&names.models).skip(models);
        let thresholds = |model: &Model| self.thresholds.get(model.name.as_str()).cloned().unwrap_or_default();
        self.untold.models.extend(new_models.map(|(number, model)| (number, thresholds(model))));
        self.untold.tag_sets.extend(self.numbers.tag_sets.iter().skip(tag_sets).cloned());
        self.untold.tiers.extend(self.numbers.tiers.iter().skip(tiers).cloned());
        Ok(())
    }

    /// What became of the events; an error if any conflicted.
    pub fn finish(self) -> Result<Appended> {
        if self.conflicts.is_empty() { Ok(self.outcome) } else { Err(LedgerError::Conflicts(self.conflicts)) }
    }

    /// Places the rows of one day, the first of which is at a place of the batch.
    fn place_day(&mut self, batch_id: i64, batch: &Batch, rows: &[Row], first: u32) -> Result<Option<PlacedDay>> {
        let Some(day) = rows.first().map(|row| row.key.day()) else { return Ok(None) };
        self.neighbours.begin(day)?;
        let mut fresh = Vec::with_capacity(rows.len());
        let mut placed = PlacedDay { day, rows: Vec::with_capacity(rows.len()), displaced: false };
        for (place, row) in (first..).zip(rows) {
            match self.place_row(batch_id, batch, row)? {
                Placed::Fresh(key) => {
                    placed.displaced |= key != row.key;
                    placed.rows.push((place, key));
                    fresh.push(row);
                    for (meter, quantity) in batch.rare(row) {
                        self.insert_meter.execute((key.number(), meter.code(), quantity))?;
                    }
                }
                Placed::Duplicate => self.outcome.duplicates += 1,
                Placed::Conflict => {}
            }
        }
        self.look_at_neighbours(batch, day, &fresh)?;
        Ok((!fresh.is_empty()).then_some(placed))
    }

    /// Finds the row's place: a free key, or the row that is there already.
    fn place_row(&mut self, batch_id: i64, batch: &Batch, row: &Row) -> Result<Placed> {
        let mut key = row.key;
        loop {
            if self.insert(batch_id, batch, row, key)? {
                return Ok(Placed::Fresh(key));
            }
            if self.stored.has_id(key, batch.id(row))? {
                return self.compare(batch, row, key);
            }
            key = key.next_in_day();
            if key == row.key {
                return Err(LedgerError::Corrupt(format!("no key of {} is free", row.key.day())));
            }
        }
    }

    fn insert(&mut self, batch_id: i64, batch: &Batch, row: &Row, key: EventKey) -> Result<bool> {
        let number = |list: &[(i64, Vec<u8>)], place: usize| list.get(place).map_or(0, |(id, _)| *id);
        let (model, tier, tags) = places(row);
        let insert = &mut self.insert;
        insert.raw_bind_parameter(1, key.number())?;
        insert.raw_bind_parameter(2, batch_id)?;
        insert.raw_bind_parameter(3, number(&self.numbers.models, model))?;
        insert.raw_bind_parameter(4, number(&self.numbers.tiers, tier))?;
        insert.raw_bind_parameter(5, number(&self.numbers.tag_sets, tags))?;
        insert.raw_bind_parameter(6, row.prompt.code())?;
        for (parameter, quantity) in (7..).zip(row.frequent.iter()) {
            insert.raw_bind_parameter::<usize, _>(parameter, quantity)?;
        }
        insert.raw_bind_parameter(14, row.at.nanos())?;
        insert.raw_bind_parameter(15, stored(row.line)?)?;
        insert.raw_bind_parameter(16, batch.id(row))?;
        Ok(insert.raw_execute()? == 1)
    }

    /// Whether a row is the one that has its key already, to the last field.
    fn compare(&mut self, batch: &Batch, row: &Row, key: EventKey) -> Result<Placed> {
        let (model, tier, tags) = places(row);
        let number = |list: &[(i64, Vec<u8>)], place: usize| list.get(place).map(|(id, _)| *id);
        let numbers = (
            number(&self.numbers.models, model),
            number(&self.numbers.tiers, tier),
            number(&self.numbers.tag_sets, tags),
        );
        if self.stored.is_same(key, row, &batch.quantities(row), numbers)? {
            return Ok(Placed::Duplicate);
        }
        self.conflict(batch, row, key)?;
        Ok(Placed::Conflict)
    }

    fn conflict(&mut self, batch: &Batch, row: &Row, other: EventKey) -> Result<()> {
        if self.conflicts.len() < CONFLICT_LIMIT {
            let numbers = &self.numbers;
            self.conflicts.push(self.stored.describe(batch, row, numbers, other)?);
        }
        Ok(())
    }

    /// An id is unique in the whole ledger: the days before and after a new event's must not have it.
    fn look_at_neighbours(&mut self, batch: &Batch, day: Day, fresh: &[&Row]) -> Result<()> {
        for (row, near) in self.neighbours.suspects(day, fresh)? {
            if let Some(other) = self.stored.find(row.key.on(near), batch.id(row))? {
                self.conflict(batch, row, other)?;
            }
        }
        Ok(())
    }

    fn seal_as_stored(&self, batch_id: i64, day: Day) -> Result<DaySeal> {
        let dictionary = scan::Forms::read(self.connection)?;
        let mut hasher = DayHasher::new();
        let (first, last) = EventKey::range_of(day);
        scan::events(self.connection, first, last, Columns::All, |event| {
            if event.batch == batch_id {
                hasher.add(dictionary.parts(event)?, &event.quantities);
            }
            Ok(())
        })?;
        Ok(hasher.seal(day))
    }
}
