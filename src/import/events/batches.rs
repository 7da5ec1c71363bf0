//! From chunks to batches: events wait until their day is complete, as long as memory allows. They leave in the order
//! of their keys.
//!
//! A page of the ledger holds neighbouring keys of one day, in no order of time. A day that arrives in one piece writes
//! each of its pages once. A day that arrives in several visits writes all its pages each time. Only the events and
//! their chunks decide when a batch is made, so the ledger is the same for any number of threads.

use crate::rows::batch::{Batch, BatchFull};
use crate::rows::key::EventKey;
use std::collections::BTreeMap;

/// The approximate number of events in a batch.
pub const BATCH_EVENTS: usize = 250_000;

/// Limits for the number of waiting events.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The number of events that makes a batch.
    pub batch: usize,
    /// The most events that wait for their day to become complete.
    pub held: usize,
}

impl Limits {
    /// The limits of an import: about 200 MB at most.
    pub const IMPORT: Self = Self { batch: BATCH_EVENTS, held: 2_000_000 };
}

/// The most days that the waiting events of a file in time order may touch, stragglers included.
const FEW_DAYS: u16 = 7;

/// A day counts as complete when the next day has brought one event for this many before it. Then no more stragglers
/// come.
const STRAGGLING: usize = 16;

/// Sorted events, with the number of events in each eighth of a day.
#[derive(Debug, Default)]
pub struct Waiting {
    parts: Vec<Batch>,
    events: usize,
    by_eighth: BTreeMap<EventKey, usize>,
}

/// Events whose days are complete, as far as they will be.
#[derive(Debug)]
pub struct Whole {
    /// Parts, with the number of rows already taken from each.
    parts: Vec<(Batch, usize)>,
    events: usize,
    by_eighth: BTreeMap<EventKey, usize>,
}

impl Waiting {
    /// The number of waiting events.
    pub const fn events(&self) -> usize {
        self.events
    }

    /// Takes the events of a chunk, each part sorted.
    pub fn add(&mut self, parts: Vec<Batch>) {
        for part in parts {
            self.events += part.len();
            for rows in part.rows().chunk_by(|a, b| a.key.start_of_eighth() == b.key.start_of_eighth()) {
                let Some(first) = rows.first() else { continue };
                *self.by_eighth.entry(first.key.start_of_eighth()).or_default() += rows.len();
            }
            self.parts.push(part);
        }
    }

    /// Takes the events that should wait no longer. If only few events share a page of the ledger, it takes more. That
    /// is the case if they are spread over many days, or if all are of one day.
    pub fn take_enough(&mut self, limits: Limits) -> Result<Option<Whole>, BatchFull> {
        let (Some((first, _)), Some((last, _))) = (self.by_eighth.first_key_value(), self.by_eighth.last_key_value())
        else {
            return Ok(None);
        };
        let (first_day, last_day) = (first.day(), last.day());
        if self.events < limits.batch {
            return Ok(None);
        }
        if last_day.number() - first_day.number() > FEW_DAYS {
            return Ok((self.events >= 2 * limits.batch).then(|| self.take_all()));
        }
        let start = EventKey::new(last_day, 0);
        let of_last_day: usize = self.by_eighth.range(start..).map(|(_, events)| events).sum();
        let before = self.events - of_last_day;
        if before >= of_last_day && of_last_day >= before / STRAGGLING {
            return self.take_before(start).map(Some);
        }
        Ok((self.events >= limits.held).then(|| self.take_all()))
    }

    /// Takes all waiting events.
    pub fn take_all(&mut self) -> Whole {
        let Self { parts, events, by_eighth } = std::mem::take(self);
        Whole { parts: parts.into_iter().map(|part| (part, 0)).collect(), events, by_eighth }
    }

    fn take_before(&mut self, key: EventKey) -> Result<Whole, BatchFull> {
        let mut before = Vec::new();
        for mut part in std::mem::take(&mut self.parts) {
            let place = part.rows().partition_point(|row| row.key < key);
            if place < part.len() {
                let rest = if place == 0 { std::mem::take(&mut part) } else { part.split_off(place)? };
                self.parts.push(rest);
            }
            if place > 0 {
                before.push((part, 0));
            }
        }
        let rest = self.by_eighth.split_off(&key);
        let by_eighth = std::mem::replace(&mut self.by_eighth, rest);
        let events = by_eighth.values().sum();
        self.events -= events;
        Ok(Whole { parts: before, events, by_eighth })
    }
}

impl Whole {
    /// The number of events left.
    pub const fn events(&self) -> usize {
        self.events
    }

    /// The next batch, in key order. It has at least this many events if so many are left. `None` after the last. It
    /// reuses the memory of a spare batch.
    pub fn next_batch(&mut self, at_least: usize, spare: impl FnOnce() -> Batch) -> Result<Option<Batch>, BatchFull> {
        let mut events = 0;
        while events < at_least || self.events - events < at_least / 2 {
            let Some((_, more)) = self.by_eighth.pop_first() else { break };
            events += more;
        }
        if events == 0 {
            return Ok(None);
        }
        self.events -= events;
        let end = self.by_eighth.first_key_value().map(|(key, _)| *key);
        let mut parts = Vec::with_capacity(self.parts.len());
        for (part, gone) in &mut self.parts {
            let from = *gone;
            *gone = end.map_or(part.len(), |end| part.rows().partition_point(|row| row.key < end));
            parts.push(part.part(from..*gone));
        }
        let batch = Batch::merged(&parts, spare())?;
        self.parts.retain(|(part, gone)| *gone < part.len());
        Ok(Some(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Day;
    use crate::domain::quantities::Frequent;
    use crate::domain::timestamp::Timestamp;
    use crate::rows::batch::EventHead;
    use crate::rows::key::HASH_BITS;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { batch: 8, held: 40 };
    const HASHES: i64 = 1 << HASH_BITS;

    /// A chunk of events, from days after 2026-10-01 and hashes. Line numbers distinguish the events.
    fn chunk(events: &[(u16, i64)], first_line: u64) -> Result<Vec<Batch>, BatchFull> {
        let mut batch = Batch::new();
        for (line, (day, hash)) in (first_line..).zip(events) {
            let key = EventKey::new(Day::from_number(20_727 + i64::from(*day)).unwrap_or(Day::LAST), *hash);
            let head = EventHead { key, at: Timestamp::EARLIEST, line, class: 0 };
            batch.push(head, &line.to_string(), &Frequent::NONE, &[])?;
        }
        batch.sorted_by_eighths()
    }

    /// All batches of a list of chunks.
    fn batches(chunks: &[Vec<(u16, i64)>]) -> Result<Vec<Batch>, BatchFull> {
        let (mut waiting, mut batches, mut line) = (Waiting::default(), Vec::new(), 1);
        let mut deliver = |mut whole: Whole| {
            while let Some(batch) = whole.next_batch(LIMITS.batch, Batch::new)? {
                batches.push(batch);
            }
            assert_eq!(whole.events(), 0);
            Ok(())
        };
        for events in chunks {
            waiting.add(chunk(events, line)?);
            line += u64::try_from(events.len()).unwrap_or(0);
            waiting.take_enough(LIMITS)?.map(&mut deliver).transpose()?;
            assert!(waiting.events() < LIMITS.held);
        }
        deliver(waiting.take_all())?;
        Ok(batches)
    }

    /// The days and hashes of a batch.
    fn rows(batch: &Batch) -> Vec<(u16, i64)> {
        batch.rows().iter().map(|row| (row.key.day().number() - 20_727, row.key.hash())).collect()
    }

    proptest! {
        /// Every event comes in exactly one batch, with its own id, in the order of keys, and in the order of lines if
        /// keys are equal.
        #[test]
        fn each_event_comes_once_and_in_order(
            chunks in prop::collection::vec(prop::collection::vec((0_u16..12, 0_i64..20), 0..30), 0..20),
            spread in prop::sample::select(vec![1_u16, 3, 12]),
        ) {
            let scaled = |(day, hash): (u16, i64)| (day % spread, hash * (HASHES / 20));
            let chunks: Vec<Vec<_>> = chunks.into_iter().map(|chunk| chunk.into_iter().map(scaled).collect()).collect();
            let expected: Vec<(u16, i64)> = chunks.concat();
            let mut found = vec![None; expected.len()];
            for batch in batches(&chunks)? {
                prop_assert!(batch.rows().is_sorted_by_key(|row| (row.key, row.line)));
                for (row, place) in batch.rows().iter().zip(rows(&batch)) {
                    prop_assert_eq!(batch.id(row), row.line.to_string());
                    let line = usize::try_from(row.line)?;
                    prop_assert_eq!(found.get_mut(line - 1).and_then(|found| found.replace(place)), None);
                }
            }
            prop_assert_eq!(found, expected.into_iter().map(Some).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_day_waits_until_it_is_whole_and_goes_in_the_order_of_its_keys() -> Result<(), BatchFull> {
        let spread = |day: u16, events: i64| (0..events).map(|n| (day, n * (HASHES / events))).collect::<Vec<_>>();
        let chunks: Vec<Vec<_>> = [spread(0, 32), spread(1, 32)].concat().chunks(4).map(<[_]>::to_vec).collect();
        let batches = batches(&chunks)?;
        let sizes: Vec<usize> = batches.iter().map(Batch::len).collect();
        assert_eq!(sizes, [8, 8, 8, 8, 8, 8, 8, 8]);
        assert!(batches.iter().flat_map(rows).is_sorted(), "no batch goes back to where one before it was");
        Ok(())
    }

    #[test]
    fn what_is_too_much_to_wait_goes_on_though_its_day_is_not_whole() -> Result<(), BatchFull> {
        let chunks: Vec<Vec<_>> =
            (0..25).map(|chunk| (0..4).map(|n| (0, n * (HASHES / 4) + chunk)).collect()).collect();
        let batches = batches(&chunks)?;
        assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), 100);
        assert!(!batches.iter().flat_map(rows).is_sorted());
        Ok(())
    }
}
