//! Computes totals and digests of placed events, on another thread than the appending.
//!
//! A [`Summariser`] needs only what comes with each batch. It returns what the appender writes: the daily totals and
//! the digest of each day.

use crate::domain::calendar::{Calendar, Day};
use crate::domain::event::{Band, PromptSize};
use crate::domain::number::BatchId;
use crate::domain::usage::{Tally, UsageKey, UsageLine};
use crate::ledger::append::ids::DatedHash;
use crate::ledger::read::day_digest::DayHasher;
use crate::ledger::read::day_digest::DaySeal;
use crate::ledger::read::revision::Payer;
use crate::ledger::{LedgerError, Result, stored};
use crate::rows::batch::{Batch, wide};
use crate::rows::canonical::EventParts;
use crate::rows::canonical::USAGE;
use crate::rows::key::EventKey;
use std::sync::Arc;

/// A batch whose new rows are stored.
#[derive(Debug)]
pub struct PlacedBatch {
    /// Its number.
    pub(in crate::ledger) id: BatchId,
    /// Its rows, including known ones.
    pub(in crate::ledger) batch: Batch,
    /// Its new rows by day.
    pub(in crate::ledger) days: Vec<PlacedDay>,
    /// The classes that came with it.
    pub(in crate::ledger) classes: Vec<NewClass>,
}

impl PlacedBatch {
    /// Whether all its rows were known.
    pub const fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// The batch, to reuse its memory.
    pub fn into_batch(self) -> Batch {
        self.batch
    }
}

/// The new rows of a day: their positions in the batch, and their keys.
#[derive(Debug)]
pub(in crate::ledger) struct PlacedDay {
    pub(in crate::ledger) day: Day,
    pub(in crate::ledger) rows: Vec<(u32, EventKey)>,
    /// The keys of later states of records.
    pub(in crate::ledger) revisions: Vec<EventKey>,
    /// Whether these are the day's first events.
    pub(in crate::ledger) first: bool,
    /// Whether the stored rows differ from those that came, in content or order: some row got another key, or a later
    /// state of a record became a revision.
    pub(in crate::ledger) displaced: bool,
}

/// A class that no earlier batch has brought.
#[derive(Debug)]
pub(in crate::ledger) struct NewClass {
    pub(in crate::ledger) payer: Payer,
    pub(in crate::ledger) prompt: PromptSize,
    /// Its canonical form.
    pub(in crate::ledger) form: Vec<u8>,
    /// The thresholds of the model's prices.
    pub(in crate::ledger) thresholds: Arc<[i64]>,
}

/// What the appender writes for a batch.
#[derive(Debug)]
pub struct Summary {
    pub(in crate::ledger) id: BatchId,
    pub(in crate::ledger) days: Vec<SummedDay>,
    /// The ids of its new events, sorted.
    pub(in crate::ledger) ids: Vec<DatedHash>,
}

/// A day's part of a batch.
#[derive(Debug)]
pub(in crate::ledger) struct SummedDay {
    /// In key order.
    pub(in crate::ledger) lines: Vec<UsageLine>,
    pub(in crate::ledger) seal: DaySeal,
    pub(in crate::ledger) first: bool,
    /// All its keys in order, if its rows are not stored as they came.
    pub(in crate::ledger) displaced: Option<Vec<EventKey>>,
}

/// Computes totals and digests for the batches of one import.
#[derive(Debug)]
pub struct Summariser {
    calendar: Calendar,
    /// By position.
    classes: Vec<NewClass>,
    /// Empty between days. It reuses the memory of the previous day.
    tally: Tally<(u32, Band)>,
}

impl Summariser {
    pub(in crate::ledger) fn new(calendar: Calendar) -> Self {
        Self { calendar, classes: Vec::new(), tally: Tally::new() }
    }

    /// The totals and digests of a batch. Batches must come in the order in which they were placed.
    pub fn summarise(&mut self, placed: &mut PlacedBatch) -> Result<Summary> {
        self.classes.append(&mut placed.classes);
        let mut tally = std::mem::take(&mut self.tally);
        let days = placed.days.iter().map(|day| self.day(&placed.batch, day, &mut tally)).collect::<Result<_>>()?;
        self.tally = tally;
        Ok(Summary { id: placed.id, days, ids: ids(placed)? })
    }

    fn day(&self, batch: &Batch, placed: &PlacedDay, tally: &mut Tally<(u32, Band)>) -> Result<SummedDay> {
        let mut hasher = DayHasher::new();
        for (place, key) in &placed.rows {
            let row = batch.rows().get(wide(*place)).ok_or_else(missing)?;
            let class = self.class(row.class)?;
            let quantities = batch.quantities(row);
            let size = if class.thresholds.is_empty() { 0 } else { quantities.prompt_size()? };
            tally.add((row.class, Band::of(class.prompt, size, &class.thresholds)), row.at, &quantities)?;
            let (key, line) = (key.number(), stored(row.line)?);
            let parts = EventParts { key, line, kind: USAGE, id: batch.id(row), at: row.at, class: &class.form };
            hasher.add(parts, &quantities);
        }
        let (day, posted, priced_at) = (placed.day, placed.day.month(), self.calendar.start_of(placed.day));
        let lines = tally.lines(|(class, band)| {
            let Payer { source, tag_set, model, tier } = self.class(class)?.payer;
            Ok::<_, LedgerError>(UsageKey { day, posted, priced_at, source, tag_set, model, tier, band })
        })?;
        let displaced = placed.displaced.then(|| {
            let mut keys: Vec<EventKey> = placed.rows.iter().map(|(_, key)| *key).collect();
            keys.extend(&placed.revisions);
            keys.sort_unstable();
            keys
        });
        Ok(SummedDay { lines, seal: hasher.seal(day), first: placed.first, displaced })
    }

    fn class(&self, place: u32) -> Result<&NewClass> {
        self.classes.get(wide(place)).ok_or_else(missing)
    }
}

/// The hashes of new events' ids, with their days. The events may have other keys than their own.
fn ids(placed: &PlacedBatch) -> Result<Vec<DatedHash>> {
    let mut ids = Vec::with_capacity(placed.days.iter().map(|day| day.rows.len()).sum());
    for (place, _) in placed.days.iter().flat_map(|day| &day.rows) {
        let row = placed.batch.rows().get(wide(*place)).ok_or_else(missing)?;
        ids.push(DatedHash::of(row.key));
    }
    // The rows of each day are sorted already, which makes this sort fast.
    ids.sort();
    Ok(ids)
}

fn missing() -> LedgerError {
    LedgerError::Bug("a row names something its import does not".to_owned())
}
