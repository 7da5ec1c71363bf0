//! Events on their way into the ledger: many rows, with their names stored once beside them.
//!
//! An import hands a [`Batch`] to the ledger. Its rows are sorted by key, then by line. All ids are in one buffer, and
//! rows have numbers instead of names. The numbers are positions in the import's [`Names`], not the ledger's numbers.

use crate::domain::event::{Model, PromptSize, ServiceTier};
use crate::domain::meter::Meter;
use crate::domain::outcome::Outcome;
use crate::domain::quantities::{Frequent, Quantities};
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use crate::rows::key::EventKey;
use crate::rows::packed::Packed;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;

/// One event of a batch. Names are positions in [`Names`].
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The key of its day and id, before collisions.
    pub key: EventKey,
    /// The instant.
    pub at: Timestamp,
    /// The line of the file, from 1.
    pub line: u64,
    /// The position of its class.
    pub class: u32,
    /// The positions of its parts in the batch.
    spans: Spans,
    packed: Packed,
}

/// An event without its id and its quantities.
#[derive(Debug, Clone, Copy)]
pub struct EventHead {
    /// The key of its day and id, before collisions.
    pub key: EventKey,
    /// The instant.
    pub at: Timestamp,
    /// The line of the file, from 1.
    pub line: u64,
    /// The position of its class.
    pub class: u32,
}

#[derive(Debug, Clone, Copy)]
struct Spans {
    id: u32,
    rare: u32,
    id_length: u16,
    rare_length: u8,
}

/// What many events have in common. Names are positions in [`Names`].
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
    /// How the calls ended, if that is reported.
    pub outcome: Option<Outcome>,
}

/// Events in the order in which they are appended.
#[derive(Debug, Default)]
pub struct Batch {
    rows: Vec<Row>,
    ids: String,
    /// Rare meters, and quantities of frequent meters that are too large to be packed.
    rare: Vec<(Meter, i64)>,
    /// Whether its records may be later states of known records.
    pub records: Records,
}

/// Whether records are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Records {
    /// Records are final: an id has one content.
    #[default]
    Final,
    /// A record may come again with larger counts: a bucket that fills, a session that continues.
    Growing,
}

/// Consecutive rows of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Part<'b> {
    batch: &'b Batch,
    rows: &'b [Row],
}

/// The batch has reached the size that its spans can address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch holds at most 4 GiB of ids")]
pub struct BatchFull;

impl BatchFull {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::LineInvalid
    }
}

impl Batch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { rows: Vec::new(), ids: String::new(), rare: Vec::new(), records: Records::Final }
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
        let start = wide(row.spans.id);
        self.ids.get(start..start.saturating_add(usize::from(row.spans.id_length))).unwrap_or("")
    }

    /// The quantities of a row of this batch.
    pub fn quantities(&self, row: &Row) -> Quantities {
        let mut quantities = Quantities::from_frequent(row.packed.unpacked());
        for (meter, quantity) in self.unpacked(row) {
            quantities.set(*meter, *quantity);
        }
        quantities
    }

    /// The frequent meters of a row of this batch.
    pub fn frequent(&self, row: &Row) -> Frequent {
        let mut frequent = row.packed.unpacked();
        for (meter, quantity) in self.unpacked(row) {
            if let Some(place) = meter.frequent() {
                frequent.set(place, *quantity);
            }
        }
        frequent
    }

    /// The rare meters of a row of this batch.
    pub fn rare(&self, row: &Row) -> impl Iterator<Item = (Meter, i64)> {
        self.unpacked(row).iter().copied().filter(|(meter, _)| meter.frequent().is_none())
    }

    fn unpacked(&self, row: &Row) -> &[(Meter, i64)] {
        let start = wide(row.spans.rare);
        self.rare.get(start..start.saturating_add(usize::from(row.spans.rare_length))).unwrap_or(&[])
    }

    /// Adds an event. Its rare meters must be sorted.
    pub fn push(
        &mut self,
        head: EventHead,
        id: &str,
        frequent: &Frequent,
        rare: &[(Meter, i64)],
    ) -> Result<(), BatchFull> {
        let before = self.rare.len();
        let packed = Packed::of(frequent, |meter, quantity| self.rare.push((meter, quantity)));
        self.rare.extend_from_slice(rare);
        let spans = self.spans(id, before)?;
        let EventHead { key, at, line, class } = head;
        self.rows.push(Row { key, at, line, class, spans, packed });
        Ok(())
    }

    /// Adds a row of another batch.
    fn copy(&mut self, other: &Self, row: &Row) -> Result<(), BatchFull> {
        let before = self.rare.len();
        self.rare.extend_from_slice(other.unpacked(row));
        let spans = self.spans(other.id(row), before)?;
        self.rows.push(Row { spans, ..*row });
        Ok(())
    }

    /// Stores an id, and returns its span and the span of the rare meters from a position on.
    fn spans(&mut self, id: &str, rare: usize) -> Result<Spans, BatchFull> {
        let spans = Spans {
            id: u32::try_from(self.ids.len()).map_err(|_| BatchFull)?,
            id_length: u16::try_from(id.len()).map_err(|_| BatchFull)?,
            rare: u32::try_from(rare).map_err(|_| BatchFull)?,
            rare_length: u8::try_from(self.rare.len() - rare).map_err(|_| BatchFull)?,
        };
        self.ids.push_str(id);
        Ok(spans)
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.ids.clear();
        self.rare.clear();
        self.records = Records::Final;
    }

    /// Drops all rows after the first ones. Their data stays in the buffers, unused.
    pub fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }

    /// The batch in the order of appending: by key, and rows of one key in their original order. It moves ids too, so
    /// that appending reads them sequentially.
    pub fn sorted(self) -> Result<Self, BatchFull> {
        let order = self.order();
        if order.is_sorted() { Ok(self) } else { self.in_order(&sorted(order)) }
    }

    /// The batch [sorted](Batch::sorted). If its events are of one day or two, it is cut at the ends of eighths of a
    /// day. This runs for each chunk of a file while the chunk is in the processor's cache.
    pub fn sorted_by_eighths(&self) -> Result<Vec<Self>, BatchFull> {
        let order = sorted(self.order());
        let (Some((first, _)), Some((last, _))) = (order.first(), order.last()) else { return Ok(Vec::new()) };
        if last.day().number() - first.day().number() > 1 {
            return Ok(vec![self.in_order(&order)?]);
        }
        order
            .chunk_by(|(a, _), (b, _)| a.start_of_eighth() == b.start_of_eighth())
            .map(|part| self.in_order(part))
            .collect()
    }

    /// The keys of the rows, with their positions.
    fn order(&self) -> Vec<(EventKey, u32)> {
        self.rows.iter().map(|row| row.key).zip(0..).collect()
    }

    fn in_order(&self, order: &[(EventKey, u32)]) -> Result<Self, BatchFull> {
        let rows = || order.iter().filter_map(|(_, place)| self.rows.get(wide(*place)));
        let ids = rows().map(|row| usize::from(row.spans.id_length)).sum();
        let mut ordered = Self::with_room(order.len(), ids);
        rows().try_for_each(|row| ordered.copy(self, row))?;
        Ok(ordered)
    }

    /// All rows.
    pub fn whole(&self) -> Part<'_> {
        Part { batch: self, rows: &self.rows }
    }

    /// Some rows, by their positions.
    pub fn part(&self, places: Range<usize>) -> Part<'_> {
        Part { batch: self, rows: self.rows.get(places).unwrap_or(&[]) }
    }

    /// Merges sorted parts into one batch. Rows of one key keep the order of the parts. It reuses the memory of a spare
    /// batch.
    pub fn merged(parts: &[Part<'_>], spare: Self) -> Result<Self, BatchFull> {
        let rows = || parts.iter().flat_map(|part| part.rows);
        let mut merged = spare;
        merged.clear();
        merged.rows.reserve_exact(rows().count());
        merged.ids.reserve_exact(rows().map(|row| usize::from(row.spans.id_length)).sum());
        let mut rests: Vec<_> = parts.iter().map(|part| part.rows.iter()).collect();
        // The next key of each part that has one. The smallest key comes first, then the earliest part.
        let mut next: BinaryHeap<Reverse<(EventKey, usize)>> = BinaryHeap::with_capacity(parts.len());
        next.extend(
            parts.iter().enumerate().filter_map(|(n, part)| part.rows.first().map(|row| Reverse((row.key, n)))),
        );
        while let Some(mut smallest) = next.peek_mut() {
            let number = smallest.0.1;
            let (Some(part), Some(rest)) = (parts.get(number), rests.get_mut(number)) else { break };
            if let Some(row) = rest.next() {
                merged.copy(part.batch, row)?;
            }
            match rest.as_slice().first() {
                Some(row) => smallest.0.0 = row.key,
                None => drop(PeekMut::pop(smallest)),
            }
        }
        Ok(merged)
    }

    fn with_room(rows: usize, ids: usize) -> Self {
        Self { rows: Vec::with_capacity(rows), ids: String::with_capacity(ids), ..Self::new() }
    }

    /// Moves the rows from a position on into a new batch.
    pub fn split_off(&mut self, place: usize) -> Result<Self, BatchFull> {
        let mut rest = Self::new();
        for row in self.rows.get(place..).unwrap_or(&[]) {
            rest.copy(self, row)?;
        }
        self.rows.truncate(place);
        Ok(rest)
    }
}

/// All entries are different, so rows of one key keep their order.
fn sorted(mut order: Vec<(EventKey, u32)>) -> Vec<(EventKey, u32)> {
    order.sort_unstable();
    order
}

/// A place in memory as an index: numbers of rows, names and bytes in memory fit the machine's word.
pub(crate) fn wide(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The names that an import has met so far. A name's position never changes.
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

/// The number of names of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameCounts {
    /// Models.
    pub models: usize,
    /// Tag sets.
    pub tag_sets: usize,
    /// Service tiers.
    pub tiers: usize,
    /// Classes of events.
    pub classes: usize,
}

impl Names {
    /// The names after the given number of each kind.
    #[must_use]
    pub fn after(&self, counts: NameCounts) -> Self {
        fn rest<T: Clone>(names: &[T], count: usize) -> Vec<T> {
            names.get(count..).unwrap_or_default().to_vec()
        }
        Self {
            models: rest(&self.models, counts.models),
            tag_sets: rest(&self.tag_sets, counts.tag_sets),
            tiers: rest(&self.tiers, counts.tiers),
            classes: rest(&self.classes, counts.classes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_any_size_come_back() -> Result<(), BatchFull> {
        let mut frequent = Frequent::NONE;
        for (place, quantity) in
            [(0, 0), (1, i64::from(u32::MAX)), (2, i64::from(u32::MAX) + 1), (6, 1_000_000_000_000)]
        {
            frequent.set(place, quantity);
        }
        let rare = [(Meter::WebSearch, 7)];
        let mut batch = Batch::new();
        for key in (0..3).rev() {
            let key = EventKey::new(crate::domain::calendar::Day::LAST, key);
            batch.push(EventHead { key, at: Timestamp::EARLIEST, line: 1, class: 0 }, "id", &frequent, &rare)?;
        }
        let mut merged = Batch::merged(&[batch.sorted()?.whole()], Batch::new())?;
        let rest = merged.split_off(1)?;
        assert_eq!((merged.len(), rest.len()), (1, 2));
        for (batch, row) in
            [(&merged, merged.rows()), (&rest, rest.rows())].iter().flat_map(|(b, r)| r.iter().map(move |r| (b, r)))
        {
            assert_eq!(batch.frequent(row), frequent);
            assert_eq!(batch.rare(row).collect::<Vec<_>>(), rare);
            assert_eq!(batch.quantities(row).get(Meter::WebSearch), Some(7));
            assert_eq!(batch.quantities(row).get(Meter::Request), Some(1_000_000_000_000));
            assert_eq!(batch.id(row), "id");
        }
        assert!(size_of::<Row>() <= 72);
        Ok(())
    }
}
