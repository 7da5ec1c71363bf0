//! A set of hashes that may say yes by mistake and never says no by mistake, in a few bits a hash.
//!
//! It lives as long as an import and is never stored. It grows by layers, each twice the size of the one before.

/// Bits a hash, and how many of them a hash sets: about one in a hundred answers is a needless look.
const BITS_A_HASH: usize = 12;
const PROBES: u32 = 4;
const SMALLEST: usize = 1 << 12;

/// Hashes of one day's events.
#[derive(Debug, Default)]
pub(super) struct HashFilter(Vec<Layer>);

#[derive(Debug)]
struct Layer {
    words: Vec<u64>,
    size: usize,
    room: usize,
}

impl Layer {
    fn new(room: usize) -> Self {
        let words = (room * BITS_A_HASH).div_ceil(64).next_power_of_two();
        Self { words: vec![0; words], size: room, room }
    }

    /// The word and the bit of each probe: all in reach of one multiplication of the hash.
    fn places(words: usize, hash: i64) -> impl Iterator<Item = (usize, u64)> {
        let mask = words - 1;
        let mixed = hash.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (0..PROBES).map(move |probe| {
            let part = mixed.rotate_left(probe * 16);
            let word = usize::try_from(part >> 6 & 0xFFFF_FFFF).unwrap_or(0) & mask;
            (word, 1 << (part & 63))
        })
    }

    fn insert(&mut self, hash: i64) {
        for (word, bit) in Self::places(self.words.len(), hash) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
        self.room = self.room.saturating_sub(1);
    }

    fn may_hold(&self, hash: i64) -> bool {
        Self::places(self.words.len(), hash).all(|(word, bit)| self.words.get(word).is_some_and(|word| word & bit != 0))
    }
}

impl HashFilter {
    /// Adds hashes, whose number is known so that they share a layer.
    pub(super) fn extend(&mut self, hashes: impl ExactSizeIterator<Item = i64>) {
        if self.0.last().is_none_or(|layer| layer.room < hashes.len()) {
            let before: usize = self.0.iter().map(|layer| layer.size).sum();
            self.0.push(Layer::new(SMALLEST.max(before).max(hashes.len())));
        }
        if let Some(layer) = self.0.last_mut() {
            hashes.for_each(|hash| layer.insert(hash));
        }
    }

    /// How many hashes were added.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|layer| layer.size - layer.room).sum()
    }

    /// The memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|layer| layer.words.len() * size_of::<u64>()).sum()
    }

    /// Whether a hash may have been added; false is certain.
    pub(super) fn may_hold(&self, hash: i64) -> bool {
        self.0.iter().any(|layer| layer.may_hold(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::KeyHash;

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
