//! The digest over a batch's events of a day.

use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::domain::quantities::Quantities;
use crate::rows::canonical::{self, Encoder, EventParts};

/// The part of a batch that belongs to a day, with its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct DaySeal {
    pub(in crate::ledger) day: Day,
    pub(in crate::ledger) events: u64,
    pub(in crate::ledger) digest: [u8; 32],
}

/// Hashes encoded events in the order in which they come.
pub(in crate::ledger) struct DayHasher {
    hasher: blake3::Hasher,
    encoder: Encoder,
    events: u64,
}

/// Large enough for the hash to work on several blocks at once.
const HASH_BUFFER: usize = 1 << 16;

impl DayHasher {
    pub(in crate::ledger) fn new() -> Self {
        Self { hasher: blake3::Hasher::new(), encoder: Encoder::new(), events: 0 }
    }

    pub(in crate::ledger) fn add(&mut self, parts: EventParts<'_>, quantities: &Quantities) {
        canonical::event(&mut self.encoder, parts, quantities);
        self.events.one_more();
        if self.encoder.as_bytes().len() >= HASH_BUFFER {
            self.hasher.update(self.encoder.as_bytes());
            self.encoder.clear();
        }
    }

    pub(in crate::ledger) fn seal(mut self, day: Day) -> DaySeal {
        self.hasher.update(self.encoder.as_bytes());
        DaySeal { day, events: self.events, digest: *self.hasher.finalize().as_bytes() }
    }
}
