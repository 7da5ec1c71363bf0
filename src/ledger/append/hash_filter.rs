//! A set of hashes in a few bits each. It may wrongly answer yes, but never wrongly no.
//!
//! It lives as long as an import and is never stored. It grows by layers, each twice the size of the one before.
#![expect(clippy::arithmetic_side_effects, reason = "places in a table of words, and bits of a word")]

use crate::rows::key::HASH_BITS;
use std::ops::Range;

/// Bits for each hash, and how many of them a hash sets, one in each word of a block. About one in a hundred answers
/// causes a needless lookup.
const BITS_A_HASH: usize = 12;
const PROBES: usize = 4;
const SMALLEST: usize = 1 << 12;

/// The hashes of one day's events.
#[derive(Debug, Default)]
pub(in crate::ledger) struct HashFilter(Vec<Layer>);

#[derive(Debug)]
struct Layer {
    words: Vec<u64>,
    size: usize,
    room: usize,
}

impl Layer {
    fn new(room: usize) -> Self {
        let words = (room * BITS_A_HASH).div_ceil(64).next_power_of_two().max(PROBES);
        Self { words: vec![0; words], size: room, room }
    }

    /// The block of a hash, from its first bits, and one bit for each word of the block. Hashes that come in order find
    /// their blocks in order, so each block is loaded into the cache once.
    fn place(&self, hash: i64) -> (Range<usize>, [u64; PROBES]) {
        let blocks = (self.words.len() / PROBES).ilog2();
        let block = usize::try_from(hash >> (HASH_BITS - blocks)).unwrap_or(0);
        let mixed = hash.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let bits = [40, 46, 52, 58].map(|shift| 1 << (mixed >> shift & 63));
        (block * PROBES..(block + 1) * PROBES, bits)
    }

    fn insert(&mut self, hash: i64) {
        let (block, bits) = self.place(hash);
        for (word, bit) in self.words.get_mut(block).unwrap_or_default().iter_mut().zip(bits) {
            *word |= bit;
        }
        self.room = self.room.saturating_sub(1);
    }

    fn may_hold(&self, hash: i64) -> bool {
        let (block, bits) = self.place(hash);
        self.words.get(block).unwrap_or_default().iter().zip(bits).all(|(word, bit)| word & bit != 0)
    }
}

impl HashFilter {
    /// Adds hashes. Their number is known, so they share a layer.
    pub(in crate::ledger) fn extend(&mut self, hashes: impl ExactSizeIterator<Item = i64>) {
        if self.0.last().is_none_or(|layer| layer.room < hashes.len()) {
            let before: usize = self.0.iter().map(|layer| layer.size).sum();
            self.0.push(Layer::new(SMALLEST.max(before).max(hashes.len())));
        }
        if let Some(layer) = self.0.last_mut() {
            hashes.for_each(|hash| layer.insert(hash));
        }
    }

    /// The number of hashes added.
    pub(in crate::ledger) fn len(&self) -> usize {
        self.0.iter().map(|layer| layer.size - layer.room).sum()
    }

    /// The memory it takes.
    pub(in crate::ledger) fn bytes(&self) -> usize {
        self.0.iter().map(|layer| layer.words.len() * size_of::<u64>()).sum()
    }

    /// Whether a hash may have been added. `false` is certain.
    pub(in crate::ledger) fn may_hold(&self, hash: i64) -> bool {
        self.0.iter().any(|layer| layer.may_hold(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::key::KeyHash;

    #[test]
    fn what_was_added_is_always_found_and_little_else() {
        let hash = |number: i64| KeyHash::FULL.hash("default", &number.to_string());
        let mut filter = HashFilter::default();
        assert!(!filter.may_hold(hash(0)));
        filter.extend((0..10).map(hash).collect::<Vec<_>>().into_iter());
        filter.extend((10..100_000).map(hash).collect::<Vec<_>>().into_iter());
        assert_eq!(filter.len(), 100_000);
        assert!(filter.bytes() > 100_000 * BITS_A_HASH / 8);
        assert!((0..100_000).all(|number| filter.may_hold(hash(number))));
        let mistakes = (100_000..200_000).filter(|number| filter.may_hold(hash(*number))).count();
        assert!(mistakes < 5_000, "{mistakes} of 100,000");
    }
}
