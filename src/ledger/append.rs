//! Appending events: sorted batches, exact duplicates, daily sums and digests, in one transaction a file.
//!
//! A row whose key is taken is compared with the row that has it: the same id and content is a duplicate, the same id
//! with other content a conflict, another id a true collision that takes the next free key of its day. Nothing is ever
//! deleted, so a walk from an event's key to the first free one meets it if it is there.

use crate::domain::batch::{Batch, Names, Row};
use crate::domain::calendar::{Day, DayFinder};
use crate::domain::canonical::{self, Encoder, EventParts};
use crate::domain::event::Band;
use crate::domain::key::{EventKey, KeyHash};
use crate::domain::quantities::Quantities;
use crate::domain::usage::{UsageKey, UsageSums};
use crate::ledger::conflict::{Conflict, Stored};
use crate::ledger::daily;
use crate::ledger::dictionary::{self, Numbers};
use crate::ledger::neighbours::Neighbours;
use crate::ledger::payload::BatchSeal;
use crate::ledger::scan::{self, Columns};
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
    key_hash: KeyHash,
    numbers: Numbers,
    thresholds: FxHashMap<String, Vec<i64>>,
    /// The thresholds of each model by its place.
    model_thresholds: Vec<Vec<i64>>,
    days: DayFinder,
    sums: UsageSums,
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

/// A day's part of a batch as its digest holds it.
pub(super) struct DaySeal {
    pub(super) day: Day,
    pub(super) events: u64,
    pub(super) digest: [u8; 32],
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

/// Hashes encoded events in the order they come.
pub(super) struct DayHasher {
    hasher: blake3::Hasher,
    encoder: Encoder,
    events: u64,
}

/// Enough bytes for the hash to work on several blocks at once.
const HASH_BUFFER: usize = 1 << 16;

impl DayHasher {
    pub(super) fn new() -> Self {
        Self { hasher: blake3::Hasher::new(), encoder: Encoder::new(), events: 0 }
    }

    pub(super) fn add(&mut self, parts: EventParts<'_>, quantities: &Quantities) {
        canonical::event(&mut self.encoder, parts, quantities);
        self.events += 1;
        if self.encoder.as_bytes().len() >= HASH_BUFFER {
            self.hasher.update(self.encoder.as_bytes());
            self.encoder.clear();
        }
    }

    pub(super) fn seal(mut self, day: Day) -> DaySeal {
        self.hasher.update(self.encoder.as_bytes());
        DaySeal { day, events: self.events, digest: *self.hasher.finalize().as_bytes() }
    }
}

impl<'w> Appender<'w> {
    /// An appender for the events of a source.
    pub fn new(write: &'w Write<'_>, source_name: &str, key_hash: KeyHash) -> Result<Self> {
        let connection = write.connection();
        let source = dictionary::source(connection, source_name)?;
        Ok(Self {
            connection,
            insert: connection.prepare(INSERT)?,
            insert_meter: connection.prepare(INSERT_METER)?,
            source,
            source_name: source_name.to_owned(),
            key_hash,
            numbers: Numbers::default(),
            thresholds: crate::ledger::prices::thresholds(connection)?,
            model_thresholds: Vec::new(),
            days: DayFinder::new(write.ledger().settings().calendar),
            sums: UsageSums::new(),
            neighbours: Neighbours::new(connection)?,
            stored: Stored::new(connection, source)?,
            next_batch: connection.query_row(NEXT_BATCH, [], |row| row.get(0))?,
            outcome: Appended::default(),
            conflicts: Vec::new(),
        })
    }

    /// Appends a batch, whose rows are sorted. Conflicts are gathered; [`Appender::finish`] returns them.
    pub fn append(&mut self, batch: &Batch, names: &Names) -> Result<()> {
        self.numbers.extend(self.connection, names)?;
        for model in names.models.iter().skip(self.model_thresholds.len()) {
            self.model_thresholds.push(self.thresholds.get(model.name.as_str()).cloned().unwrap_or_default());
        }
        let id = self.next_batch;
        self.stored.own_batch(id);
        let mut days = Vec::new();
        for rows in batch.rows().chunk_by(|a, b| a.key.day() == b.key.day()) {
            days.extend(self.append_day(id, batch, rows)?);
        }
        if days.is_empty() {
            return Ok(());
        }
        let events = days.iter().map(|day| day.events).sum();
        self.outcome.seals.push(BatchSeal {
            id,
            events: stored(events)?,
            digest: batch_digest(&self.source_name, &days),
        });
        self.next_batch += 1;
        Ok(())
    }

    /// What became of the events; an error if any conflicted.
    pub fn finish(self) -> Result<Appended> {
        if self.conflicts.is_empty() { Ok(self.outcome) } else { Err(LedgerError::Conflicts(self.conflicts)) }
    }

    /// Appends the rows of one day.
    fn append_day(&mut self, batch_id: i64, batch: &Batch, rows: &[Row]) -> Result<Option<DaySeal>> {
        let Some(day) = rows.first().map(|row| row.key.day()) else { return Ok(None) };
        self.neighbours.begin(day)?;
        let mut hasher = DayHasher::new();
        let mut fresh = Vec::with_capacity(rows.len());
        let mut displaced = false;
        for row in rows {
            match self.place(batch_id, batch, row)? {
                Placed::Fresh(key) => {
                    displaced |= key != row.key;
                    fresh.push(row);
                    self.keep(batch, row, key, &mut hasher)?;
                }
                Placed::Duplicate => self.outcome.duplicates += 1,
                Placed::Conflict => {}
            }
        }
        self.look_at_neighbours(batch, day, &fresh)?;
        for line in self.sums.take() {
            daily::add(self.connection, &line)?;
        }
        if fresh.is_empty() {
            return Ok(None);
        }
        self.outcome.accepted += hasher.events;
        self.outcome.first_day = Some(self.outcome.first_day.map_or(day, |first| first.min(day)));
        self.outcome.last_day = Some(self.outcome.last_day.map_or(day, |last| last.max(day)));
        // After a collision rows stand in another order than they came in; the digest is over the order they stand in.
        if displaced { self.seal_as_stored(batch_id, day).map(Some) } else { Ok(Some(hasher.seal(day))) }
    }

    /// Finds the row's place: a free key, or the row that is there already.
    fn place(&mut self, batch_id: i64, batch: &Batch, row: &Row) -> Result<Placed> {
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

    /// Counts a new row in the day's sums and digest, and keeps its rare meters.
    fn keep(&mut self, batch: &Batch, row: &Row, key: EventKey, hasher: &mut DayHasher) -> Result<()> {
        for (meter, quantity) in batch.rare(row) {
            self.insert_meter.execute((key.number(), meter.code(), quantity))?;
        }
        let quantities = batch.quantities(row);
        let (model, tier, tags) = places(row);
        let missing = || LedgerError::Corrupt("a row names something its import does not".to_owned());
        let priced_at = self.days.start_of(row.key.day());
        let (model_number, model_form) = self.numbers.models.get(model).ok_or_else(missing)?;
        let (tier_number, tier_form) = self.numbers.tiers.get(tier).ok_or_else(missing)?;
        let (tags_number, tags_form) = self.numbers.tag_sets.get(tags).ok_or_else(missing)?;
        let thresholds = self.model_thresholds.get(model).ok_or_else(missing)?;
        let size = if thresholds.is_empty() { 0 } else { quantities.prompt_size()? };
        let usage = UsageKey {
            day: row.key.day(),
            priced_at,
            source: self.source,
            tag_set: *tags_number,
            model: *model_number,
            tier: *tier_number,
            band: Band::of(row.prompt, size, thresholds),
        };
        self.sums.add(usage, row.at, &quantities)?;
        let parts = EventParts {
            key: key.number(),
            line: stored(row.line)?,
            kind: 0,
            id: batch.id(row),
            at: row.at,
            model: model_form,
            tier: tier_form,
            tags: tags_form,
            prompt: row.prompt,
        };
        hasher.add(parts, &quantities);
        Ok(())
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

    /// The hash that keys are made with, for finding events by id.
    pub const fn key_hash(&self) -> KeyHash {
        self.key_hash
    }
}

/// The places of a row's model, tier and tag set.
fn places(row: &Row) -> (usize, usize, usize) {
    // Places count names in memory, so they fit the machine's word.
    let wide = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
    (wide(row.model), usize::from(row.tier), wide(row.tags))
}
