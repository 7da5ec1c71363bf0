//! Recognises known events many at a time. An import of known events mostly compares.
//!
//! It reads contents back by many keys at once. A file in no order returns to the same day again and again, each time
//! with many of its events. In that case it reads the day once and keeps a key and a fingerprint of each event: 128
//! bits of xxh3 over id and content, with a random seed for this import. So nobody can make another event with the same
//! fingerprint. This module only ever concludes that an event is known and equal. For all others,
//! [`Stored`](crate::ledger::append::conflict::Stored) decides row by row whether they are new, a conflict or a
//! collision.

use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::domain::event::PromptSize;
use crate::domain::number::{BatchId, ClassId};
use crate::domain::quantities::Frequent;
use crate::ledger::append::naming::{ClassOf, ClassedRow};
use crate::ledger::file::gather::METER_COLUMNS;
use crate::ledger::file::gather::{self, Gathered, RawEvent};
use crate::ledger::file::retracted::Retracted;
use crate::ledger::read::scan::{self, Pieces};
use crate::ledger::{Ledger, LedgerError, Result};
use crate::rows::batch::{Batch, Row};
use crate::rows::key::{EventKey, HASH_BITS, Half};
use rusqlite::{CachedStatement, params_from_iter};
use rustc_hash::{FxHashMap, FxHashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The keys of one statement. More keys gain little.
const KEYS: usize = 64;

/// The memory for fingerprints, enough for about five million events.
const DAYS_BYTES: usize = 128 << 20;

/// A day is read if an import repeatedly brings at least one in this many of its events,
const WORTH_KEEPING: usize = 16;
/// and in any case if it brings one in this many: then reading all is no slower than looking some up.
const WORTH_READING: usize = 4;

const RARE_KEYS: &str = "SELECT DISTINCT key FROM event_meter WHERE key BETWEEN ?1 AND ?2";

/// Looks up events by many keys at a time.
pub(in crate::ledger) struct KnownEvents<'w> {
    ledger: &'w Ledger,
    by_keys: CachedStatement<'w>,
    by_range: CachedStatement<'w>,
    rare_keys: CachedStatement<'w>,
    retracted: Arc<Retracted>,
    seed: u64,
    days: FxHashMap<Day, DayKnown>,
    /// The number of events of the days in memory.
    held: usize,
    scratch: Vec<u8>,
}

/// Whether further batches of an import are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Batches {
    More,
    Unknown,
}

/// The events of a day, without those that have rare meters.
#[derive(Debug, Default)]
struct DayKnown {
    /// In key order.
    fingerprints: Vec<Fingerprint>,
    /// The batches of these events.
    batches: Vec<BatchId>,
}

/// The position of an event in its day, the position of its batch among the day's, and 128 bits of its content.
#[derive(Debug, Clone, Copy)]
struct Fingerprint {
    place: u64,
    bits: [u64; 2],
}

/// A fingerprint packs two numbers into 64 bits: the key without its day, and the index of the batch among those of the day.
const PLACE_BITS: u32 = HASH_BITS + 1;
const BATCH_BITS: u32 = u64::BITS - PLACE_BITS;

impl Fingerprint {
    fn of(key: i64, batch: usize, bits: [u64; 2]) -> Option<Self> {
        let batch = u64::try_from(batch).ok().filter(|batch| *batch < 1 << BATCH_BITS)?;
        Some(Self { place: place_of(key) << BATCH_BITS | batch, bits })
    }

    const fn place(&self) -> u64 {
        self.place >> BATCH_BITS
    }

    fn batch(&self) -> usize {
        usize::try_from(self.place & ((1 << BATCH_BITS) - 1)).unwrap_or(usize::MAX)
    }
}

/// A key without its day.
const fn place_of(key: i64) -> u64 {
    key.cast_unsigned() & ((1 << PLACE_BITS) - 1)
}

impl<'w> KnownEvents<'w> {
    pub(in crate::ledger) fn new(ledger: &'w Ledger, retracted: &Arc<Retracted>) -> Result<Self> {
        let connection = &ledger.connection;
        let keys: Vec<String> = (1..=KEYS).map(|number| format!("(?{number})")).collect();
        let by_keys = format!(
            "SELECT gather({}) FROM (VALUES {}) k CROSS JOIN usage_event e ON e.key = k.column1",
            gather::ALL,
            keys.join(", ")
        );
        let by_range = format!("SELECT gather({}) {}", gather::ALL, scan::FROM);
        Ok(Self {
            ledger,
            by_keys: connection.prepare_cached(&by_keys)?,
            by_range: connection.prepare_cached(&by_range)?,
            rare_keys: connection.prepare_cached(RARE_KEYS)?,
            retracted: Arc::clone(retracted),
            seed: RandomState::new().build_hasher().finish(),
            days: FxHashMap::default(),
            held: 0,
            scratch: Vec::new(),
        })
    }

    /// Reads a day with this many events, if it is worth it for this many rows of a batch.
    pub(in crate::ledger) fn prepare(&mut self, day: Day, events: usize, rows: usize, expected: Batches) -> Result<()> {
        let dense = rows.saturating_mul(WORTH_READING) >= events;
        let again = expected == Batches::More && rows.saturating_mul(WORTH_KEEPING) >= events;
        // An empty day is not worth storing, because this import may fill it.
        if events == 0 || self.days.contains_key(&day) || !dense && !again {
            return Ok(());
        }
        let size = size_of::<Fingerprint>();
        if self.held.saturating_add(events).saturating_mul(size) > DAYS_BYTES {
            if !dense || events.saturating_mul(size) > DAYS_BYTES {
                return Ok(());
            }
            self.days.clear();
            self.held = 0;
        }
        let known = self.read(day, events)?;
        self.held.more(known.fingerprints.len());
        self.days.insert(day, known);
        Ok(())
    }

    /// For sorted rows of a day: the batch that has the same id and content under the row's own key, in one of these
    /// halves.
    pub(in crate::ledger) fn same(
        &mut self,
        batch: &Batch,
        rows: &[ClassedRow<'_>],
        halves: &[Half],
    ) -> Result<Vec<Option<BatchId>>> {
        let mut same = vec![None; rows.len()];
        for half in halves {
            let missed: Vec<ClassedRow<'_>> =
                same.iter().zip(rows).filter(|(same, _)| same.is_none()).map(|(_, row)| *row).collect();
            let found = self.same_in(*half, batch, &missed)?;
            same.iter_mut().filter(|same| same.is_none()).zip(found).for_each(|(same, found)| *same = found);
        }
        Ok(same)
    }

    fn same_in(&mut self, half: Half, batch: &Batch, rows: &[ClassedRow<'_>]) -> Result<Vec<Option<BatchId>>> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let (first, last) = (first.row.key, last.row.key);
        if self.days.contains_key(&first.day()) {
            return Ok(self.same_fingerprints(half, batch, first.day(), rows));
        }
        let rare = self.with_rare_meters(first.in_half(half), last.in_half(half))?;
        let mut same = Vec::with_capacity(rows.len());
        for rows in rows.chunks(KEYS) {
            let keys = rows.iter().map(|classed| Some(classed.row.key.in_half(half).number()));
            let keys = keys.chain(std::iter::repeat(None)).take(KEYS);
            let gathered = self.ledger.gatherer.run(&mut self.by_keys, params_from_iter(keys))?;
            let mut found = gathered.rows().iter().peekable();
            for classed in rows {
                // Two rows with one key, which are the same event twice, meet the same stored row.
                let own = classed.row.key.in_half(half);
                let key = own.number();
                while found.next_if(|raw| raw.key < key).is_some() {}
                let there = found.peek().filter(|raw| raw.key == key && !rare.contains(&raw.key));
                let there = there.filter(|raw| !self.retracted.has(own, raw.batch));
                let there = there.filter(|raw| is_same(&gathered, raw, batch, *classed));
                same.push(there.map(|raw| raw.batch));
            }
            self.ledger.gatherer.give_back(gathered);
        }
        Ok(same)
    }

    fn same_fingerprints(
        &mut self,
        half: Half,
        batch: &Batch,
        day: Day,
        rows: &[ClassedRow<'_>],
    ) -> Vec<Option<BatchId>> {
        let Self { days, seed, scratch, .. } = self;
        let Some(DayKnown { fingerprints, batches }) = days.get(&day) else { return vec![None; rows.len()] };
        let start = rows.first().map_or(0, |first| place_of(first.row.key.in_half(half).number()));
        let first = fingerprints.partition_point(|known| known.place() < start);
        let mut known = fingerprints.get(first..).unwrap_or(&[]).iter().peekable();
        let batch_of = |&ClassedRow { row, class }: &ClassedRow<'_>| {
            let place = place_of(row.key.in_half(half).number());
            while known.next_if(|known| known.place() < place).is_some() {}
            let there = known.peek().filter(|known| known.place() == place)?;
            let after = scan::after_midnight(day, row.at);
            let frequent = of_columns(batch, row, class.prompt)?;
            let bits = fingerprint(*seed, scratch, class.number, after, &frequent, batch.id(row).as_bytes());
            batches.get(there.batch()).filter(|_| there.bits == bits).copied()
        };
        rows.iter().map(batch_of).collect()
    }

    fn read(&mut self, day: Day, events: usize) -> Result<DayKnown> {
        let (first, last) = EventKey::range_of(day);
        let rare = self.with_rare_meters(first, last)?;
        let mut known = DayKnown { fingerprints: Vec::with_capacity(events), batches: Vec::new() };
        let mut places: FxHashMap<BatchId, usize> = FxHashMap::default();
        let mut pieces = Pieces::of(first, last);
        while let Some(piece) = pieces.next() {
            let gathered = self.ledger.gatherer.run(&mut self.by_range, piece)?;
            let taken = |raw: &&RawEvent| {
                let key = EventKey::from_number(raw.key);
                key.is_some_and(|key| self.retracted.has(key, raw.batch))
            };
            for raw in gathered.rows().iter().filter(|raw| !rare.contains(&raw.key) && !taken(raw)) {
                let (id, scratch) = (gathered.id(raw), &mut self.scratch);
                let bits = fingerprint(self.seed, scratch, raw.class, raw.after_midnight, &raw.frequent, id);
                let place = *places.entry(raw.batch).or_insert_with(|| {
                    let place = known.batches.len();
                    known.batches.push(raw.batch);
                    place
                });
                // If a day has more batches, the events of the others are looked up one by one.
                known.fingerprints.extend(Fingerprint::of(raw.key, place, bits));
            }
            pieces.passed(piece, &gathered);
            self.ledger.gatherer.give_back(gathered);
        }
        Ok(known)
    }

    /// The keys of a day's events with rare meters, between two keys.
    fn with_rare_meters(&mut self, first: EventKey, last: EventKey) -> Result<FxHashSet<i64>> {
        let keys = self.rare_keys.query_map([first.number(), last.number()], |row| row.get(0))?;
        keys.collect::<rusqlite::Result<_>>().map_err(LedgerError::from)
    }
}

/// Whether a row equals the event that was read.
fn is_same(gathered: &Gathered, raw: &RawEvent, batch: &Batch, classed: ClassedRow<'_>) -> bool {
    let ClassedRow { row, class: ClassOf { number, prompt } } = classed;
    raw.class == number
        && raw.after_midnight == scan::after_midnight(row.key.day(), row.at)
        && of_columns(batch, row, prompt) == Some(raw.frequent)
        && gathered.id(raw) == batch.id(row).as_bytes()
}

/// A row's meters as its event's columns would hold them; `None` if it has other meters too.
fn of_columns(batch: &Batch, row: &Row, prompt: PromptSize) -> Option<Frequent> {
    let mut frequent = batch.frequent(row);
    let requests = frequent.take(METER_COLUMNS);
    let told = if prompt == PromptSize::Exact { Some(1) } else { None };
    (requests == told && batch.rare(row).next().is_none()).then_some(frequent)
}

fn fingerprint(
    seed: u64,
    scratch: &mut Vec<u8>,
    class: ClassId,
    after_midnight: i64,
    frequent: &Frequent,
    id: &[u8],
) -> [u64; 2] {
    scratch.clear();
    for word in [class.number(), after_midnight].into_iter().chain(frequent.words()) {
        scratch.extend_from_slice(&word.to_le_bytes());
    }
    scratch.extend_from_slice(id);
    let bits = xxh3_128_with_seed(scratch, seed).to_le_bytes();
    let (low, high) = (bits.first_chunk().copied(), bits.last_chunk().copied());
    [low, high].map(|half| u64::from_le_bytes(half.unwrap_or_default()))
}
