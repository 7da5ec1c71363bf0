//! The rows that do not count, in memory.

use crate::domain::number::BatchId;
use crate::rows::key::EventKey;
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// The rows of some days that do not count. Usually there are none.
#[derive(Debug, Clone, Default)]
pub(in crate::ledger) struct Retracted {
    pub(in crate::ledger) batches: FxHashSet<BatchId>,
    pub(in crate::ledger) keys: FxHashSet<i64>,
}

impl Retracted {
    /// Whether all rows count.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.keys.is_empty()
    }

    /// Whether a row of a batch does not count.
    pub(in crate::ledger) fn has(&self, key: EventKey, batch: BatchId) -> bool {
        self.batches.contains(&batch) || self.keys.contains(&key.number())
    }

    /// The same, with more batches and keys.
    pub(in crate::ledger) fn and(
        &self,
        batches: impl IntoIterator<Item = BatchId>,
        keys: impl IntoIterator<Item = EventKey>,
    ) -> Self {
        let mut more = self.clone();
        more.batches.extend(batches);
        more.keys.extend(keys.into_iter().map(EventKey::number));
        more
    }
}

/// The retractions, as read under a seal.
pub(in crate::ledger) type Remembered = (Option<[u8; 32]>, Arc<Retracted>);
