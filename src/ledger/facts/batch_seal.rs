//! What an import records of each of its batches.

use crate::domain::number::BatchId;
use crate::domain::period::Month;
use crate::ledger::facts::batch_days;
use crate::ledger::read::day_digest::DaySeal;

/// A batch: its number, its events, and the digest over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSeal {
    /// The number.
    pub id: BatchId,
    /// The month that all its events post to; `None` if each posts to its own.
    pub posted: Option<Month>,
    /// Events.
    pub events: i64,
    /// BLAKE3 over the digests of its days.
    pub digest: [u8; 32],
    /// Its days.
    pub(in crate::ledger) days: Vec<DaySeal>,
}

impl BatchSeal {
    /// Whether its digest and its number of events match its days.
    pub(in crate::ledger) fn is_of_its_days(&self, source: &str) -> bool {
        let events: u64 = self.days.iter().map(|day| day.events).fold(0, u64::saturating_add);
        u64::try_from(self.events) == Ok(events)
            && self.digest == batch_days::batch_digest(source, self.posted, &self.days)
    }
}

/// What an earlier import had brought of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// Events that were duplicates of the earlier import's events.
    pub events: i64,
    /// Lines that it had quarantined in the same way.
    pub lines: i64,
}
