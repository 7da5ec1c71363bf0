//! Sums and digests of events that have found their places: work beside the appending, on another thread.
//!
//! A [`Summariser`] needs nothing of the ledger but what comes with each batch, and gives back what the appender writes:
//! the daily sums and the digest of each day.

use crate::domain::batch::{Batch, Row};
use crate::domain::calendar::{Calendar, Day, DayFinder};
use crate::domain::canonical::{self, Encoder, EventParts};
use crate::domain::event::Band;
use crate::domain::key::EventKey;
use crate::domain::quantities::Quantities;
use crate::domain::usage::{UsageKey, UsageLine, UsageSums};
use crate::ledger::{LedgerError, Result, stored};

/// A batch whose new rows are in the ledger.
#[derive(Debug)]
pub struct PlacedBatch {
    /// Its number.
    pub(super) id: i64,
    /// Its rows, those that were there already among them.
    pub(super) batch: Batch,
    /// Its new rows by day.
    pub(super) days: Vec<PlacedDay>,
    /// The names that came with it.
    pub(super) names: NewNames,
}

/// The new rows of a day: places in the batch, and the keys they got.
#[derive(Debug)]
pub(super) struct PlacedDay {
    pub(super) day: Day,
    pub(super) rows: Vec<(u32, EventKey)>,
    /// Whether some row got another key than its own, so that rows stand in another order than they came in.
    pub(super) displaced: bool,
}

/// A name's number in the ledger and its canonical form.
pub(super) type Numbered = (i64, Vec<u8>);

/// Names that no batch before has brought, in the order of their places.
#[derive(Debug, Default)]
pub(super) struct NewNames {
    /// With the thresholds of the model's prices.
    pub(super) models: Vec<(Numbered, Vec<i64>)>,
    pub(super) tag_sets: Vec<Numbered>,
    pub(super) tiers: Vec<Numbered>,
}

/// What the appender writes for a batch.
#[derive(Debug)]
pub struct Summary {
    pub(super) id: i64,
    pub(super) days: Vec<SummedDay>,
}

/// A day's part of a batch.
#[derive(Debug)]
pub(super) struct SummedDay {
    pub(super) lines: Vec<UsageLine>,
    pub(super) seal: DaySeal,
    pub(super) displaced: bool,
}

/// A day's part of a batch as its digest holds it.
#[derive(Debug)]
pub(super) struct DaySeal {
    pub(super) day: Day,
    pub(super) events: u64,
    pub(super) digest: [u8; 32],
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

/// Sums and digests the batches of one import.
#[derive(Debug)]
pub struct Summariser {
    source: i64,
    days: DayFinder,
    names: NewNames,
}

impl Summariser {
    pub(super) fn new(source: i64, calendar: Calendar) -> Self {
        Self { source, days: DayFinder::new(calendar), names: NewNames::default() }
    }

    /// The sums and digests of a batch. Batches must come in the order they were placed.
    pub fn summarise(&mut self, placed: &mut PlacedBatch) -> Result<Summary> {
        self.names.models.append(&mut placed.names.models);
        self.names.tag_sets.append(&mut placed.names.tag_sets);
        self.names.tiers.append(&mut placed.names.tiers);
        let days = placed.days.iter().map(|day| self.day(&placed.batch, day)).collect::<Result<_>>()?;
        Ok(Summary { id: placed.id, days })
    }

    fn day(&mut self, batch: &Batch, placed: &PlacedDay) -> Result<SummedDay> {
        let (mut sums, mut hasher) = (UsageSums::new(), DayHasher::new());
        for (place, key) in &placed.rows {
            let row = usize::try_from(*place).ok().and_then(|place| batch.rows().get(place)).ok_or_else(missing)?;
            self.add(batch, row, *key, &mut sums, &mut hasher)?;
        }
        Ok(SummedDay { lines: sums.take(), seal: hasher.seal(placed.day), displaced: placed.displaced })
    }

    fn add(
        &mut self,
        batch: &Batch,
        row: &Row,
        key: EventKey,
        sums: &mut UsageSums,
        hasher: &mut DayHasher,
    ) -> Result<()> {
        let quantities = batch.quantities(row);
        let (model, tier, tags) = places(row);
        let priced_at = self.days.start_of(key.day());
        let ((model_number, model_form), thresholds) = self.names.models.get(model).ok_or_else(missing)?;
        let (tier_number, tier_form) = self.names.tiers.get(tier).ok_or_else(missing)?;
        let (tags_number, tags_form) = self.names.tag_sets.get(tags).ok_or_else(missing)?;
        let size = if thresholds.is_empty() { 0 } else { quantities.prompt_size()? };
        let usage = UsageKey {
            day: key.day(),
            priced_at,
            source: self.source,
            tag_set: *tags_number,
            model: *model_number,
            tier: *tier_number,
            band: Band::of(row.prompt, size, thresholds),
        };
        sums.add(usage, row.at, &quantities)?;
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
}

fn missing() -> LedgerError {
    LedgerError::Corrupt("a row names something its import does not".to_owned())
}

/// The places of a row's model, tier and tag set.
pub(super) fn places(row: &Row) -> (usize, usize, usize) {
    // Places count names in memory, so they fit the machine's word.
    let wide = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
    (wide(row.model), usize::from(row.tier), wide(row.tags))
}
