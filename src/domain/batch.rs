//! Events on their way into the ledger: many rows with their names held once beside them.
//!
//! A [`Batch`] is what an import hands to the ledger: rows sorted by key, then by line, ids in one buffer, and numbers
//! instead of names. The numbers are places in the import's [`Names`], not the ledger's.

use crate::domain::event::{Model, PromptSize, ServiceTier};
use crate::domain::key::EventKey;
use crate::domain::meter::Meter;
use crate::domain::quantities::{Frequent, Quantities};
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;

/// One event of a batch. Names are places in [`Names`].
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The key its day and id lead to, before collisions.
    pub key: EventKey,
    /// The instant.
    pub at: Timestamp,
    /// The line of the file, from 1.
    pub line: u64,
    /// Where the id is in the batch's buffer.
    pub id: IdSpan,
    /// The place of what it has in common with others.
    pub class: u32,
    /// The frequent meters.
    pub frequent: Frequent,
    /// Where the rare meters are in the batch's list.
    pub rare: (u32, u8),
}

/// What many events have in common. Names are places in [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class {
    /// The model.
    pub model: u32,
    /// The tag set.
    pub tags: u32,
    /// The tier.
    pub tier: u16,
    /// What is known of the prompt.
    pub prompt: PromptSize,
}

/// A span of the buffer that holds the ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdSpan {
    /// Where it begins.
    pub start: u32,
    /// Its length in bytes.
    pub length: u16,
}

/// Events in the order they are appended.
#[derive(Debug, Default)]
pub struct Batch {
    rows: Vec<Row>,
    ids: String,
    rare: Vec<(Meter, i64)>,
}

/// A batch holds as much as its spans can address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch holds at most 4 GiB of ids")]
pub struct BatchFull;

impl Batch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { rows: Vec::new(), ids: String::new(), rare: Vec::new() }
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The id of a row of this batch.
    pub fn id(&self, row: &Row) -> &str {
        let start = usize::try_from(row.id.start).unwrap_or(usize::MAX);
        self.ids.get(start..start.saturating_add(usize::from(row.id.length))).unwrap_or("")
    }

    /// The quantities of a row of this batch.
    pub fn quantities(&self, row: &Row) -> Quantities {
        let mut quantities = Quantities::from_frequent(row.frequent);
        for (meter, quantity) in self.rare(row) {
            quantities.set(*meter, *quantity);
        }
        quantities
    }

    /// The rare meters of a row of this batch.
    pub fn rare(&self, row: &Row) -> &[(Meter, i64)] {
        let start = usize::try_from(row.rare.0).unwrap_or(usize::MAX);
        self.rare.get(start..start.saturating_add(usize::from(row.rare.1))).unwrap_or(&[])
    }

    /// Adds a row; `place` gets the spans of its id and rare meters.
    pub fn push(
        &mut self,
        id: &str,
        rare: &[(Meter, i64)],
        place: impl FnOnce(IdSpan, (u32, u8)) -> Row,
    ) -> Result<(), BatchFull> {
        let start = u32::try_from(self.ids.len()).map_err(|_| BatchFull)?;
        let length = u16::try_from(id.len()).map_err(|_| BatchFull)?;
        let rare_start = u32::try_from(self.rare.len()).map_err(|_| BatchFull)?;
        let rare_length = u8::try_from(rare.len()).map_err(|_| BatchFull)?;
        self.ids.push_str(id);
        self.rare.extend_from_slice(rare);
        self.rows.push(place(IdSpan { start, length }, (rare_start, rare_length)));
        Ok(())
    }

    /// Drops all rows but the first ones. What the others had in the buffers stays there, unused.
    pub fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }

    /// Batches as one, in the order rows are appended in: by key, rows of one key as they came. Ids are moved along, so
    /// that appending reads them one after the other.
    pub fn merged(parts: &[Self]) -> Result<Self, BatchFull> {
        let rows: usize = parts.iter().map(Self::len).sum();
        let ids: usize = parts.iter().map(|part| part.ids.len()).sum();
        let mut order = Vec::with_capacity(rows);
        for (number, part) in (0_u64..).zip(parts) {
            let came = (number << 32..).zip(&part.rows);
            order.extend(came.map(|(came, row)| (row.key, came)));
        }
        // All different: rows of one key stay as they came.
        order.sort_unstable();
        let mut merged = Self { rows: Vec::with_capacity(rows), ids: String::with_capacity(ids), rare: Vec::new() };
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        for (_, came) in order {
            let Some(part) = parts.get(place(came >> 32)) else { continue };
            let Some(row) = part.rows.get(place(came & u64::from(u32::MAX))) else { continue };
            merged.push(part.id(row), part.rare(row), |id, rare| Row { id, rare, ..*row })?;
        }
        Ok(merged)
    }

    /// Cuts the rows from a place on off into a batch of their own.
    pub fn split_off(&mut self, place: usize) -> Result<Self, BatchFull> {
        let mut rest = Self::new();
        for row in self.rows.get(place..).unwrap_or(&[]) {
            rest.push(self.id(row), self.rare(row), |id, rare| Row { id, rare, ..*row })?;
        }
        self.rows.truncate(place);
        Ok(rest)
    }
}

/// The names an import has met so far. A name's place never changes.
#[derive(Debug, Default)]
pub struct Names {
    /// Models.
    pub models: Vec<Model>,
    /// Tag sets.
    pub tag_sets: Vec<TagSet>,
    /// Service tiers.
    pub tiers: Vec<ServiceTier>,
    /// Classes of events.
    pub classes: Vec<Class>,
}
