//! The key of an event: its billing day and a hash of who issued it and its id, in one 63-bit number.
//!
//! `day << 47 | hash`: unique, clustered by day, and evenly spread within a day, in a single B-tree. The hash is xxh3
//! (frozen with the format); it is not trusted to be unique. On a hit the full ids are compared, and a true collision
//! takes the next free key of its day.

use crate::domain::calendar::Day;
use xxhash_rust::xxh3::Xxh3;

/// Bits of a key that hold the hash.
pub const HASH_BITS: u32 = 47;
const HASH_MASK: i64 = (1 << HASH_BITS) - 1;

/// The key of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(i64);

impl EventKey {
    /// The key of a day and a hash, of which the low 47 bits count.
    pub fn new(day: Day, hash: i64) -> Self {
        Self(i64::from(day.number()) << HASH_BITS | (hash & HASH_MASK))
    }

    /// A key read from the ledger; `None` when its day is out of range.
    pub fn from_number(number: i64) -> Option<Self> {
        Day::from_number(number >> HASH_BITS).map(|_| Self(number))
    }

    /// The number in the ledger.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The billing day.
    pub fn day(self) -> Day {
        Day::from_number(self.0 >> HASH_BITS).unwrap_or(Day::LAST)
    }

    /// The 47 bits of the hash.
    pub const fn hash(self) -> i64 {
        self.0 & HASH_MASK
    }

    /// The same hash on another day.
    pub fn on(self, day: Day) -> Self {
        Self::new(day, self.0)
    }

    /// The next key of the same day, from its last to its first.
    pub fn next_in_day(self) -> Self {
        Self(self.0 & !HASH_MASK | (self.0 + 1) & HASH_MASK)
    }

    /// How many such steps lead from another key of the same day to this one.
    pub const fn steps_from(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0) & HASH_MASK
    }

    /// The first key of its eighth of the day: what is sorted together when a day has more events than a batch.
    pub const fn start_of_eighth(self) -> Self {
        Self(self.0 & !(HASH_MASK >> 3))
    }

    /// The first and the last key of a day.
    pub fn range_of(day: Day) -> (Self, Self) {
        (Self::new(day, 0), Self::new(day, HASH_MASK))
    }
}

/// How ids are hashed. Tests narrow the hash to make collisions and wrapping happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash {
    /// Bits that are kept; the rest of the 47 are set, which puts the hashes at the end of the day.
    kept: i64,
}

impl KeyHash {
    /// The hash of every real ledger.
    pub const FULL: Self = Self { kept: HASH_MASK };

    /// A hash of so few bits at the end of the day's keys, for tests of collisions.
    pub const fn narrowed(bits: u32) -> Self {
        Self { kept: (1 << bits) - 1 }
    }

    /// The hash of an id and its issuer.
    pub fn hash(self, source: &str, id: &str) -> i64 {
        let mut hasher = Xxh3::new();
        hasher.update(source.as_bytes());
        hasher.update(&[0]);
        hasher.update(id.as_bytes());
        let folded = i64::from_ne_bytes((hasher.digest() >> 17).to_ne_bytes());
        (folded & self.kept) | (HASH_MASK & !self.kept)
    }
}

/// [`KeyHash`] for one source: many ids are hashed, the issuer's name once.
#[derive(Clone)]
pub struct SourceHasher {
    kept: KeyHash,
    prefix: Vec<u8>,
}

impl SourceHasher {
    /// A hasher for the ids of a source.
    pub fn new(hash: KeyHash, source: &str) -> Self {
        let mut prefix = source.as_bytes().to_vec();
        prefix.push(0);
        Self { kept: hash, prefix }
    }

    /// The hash of an id, equal to [`KeyHash::hash`].
    pub fn hash(&mut self, id: &str) -> i64 {
        let length = self.prefix.len();
        self.prefix.extend_from_slice(id.as_bytes());
        let digest = xxhash_rust::xxh3::xxh3_64(&self.prefix);
        self.prefix.truncate(length);
        let folded = i64::from_ne_bytes((digest >> 17).to_ne_bytes());
        (folded & self.kept.kept) | (HASH_MASK & !self.kept.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_frozen() {
        assert_eq!(KeyHash::FULL.hash("default", "req_1"), SourceHasher::new(KeyHash::FULL, "default").hash("req_1"));
        assert_eq!(KeyHash::FULL.hash("default", "req_1"), 81_363_981_449_256, "keys in every ledger depend on it");
        assert_ne!(KeyHash::FULL.hash("a", "b"), KeyHash::FULL.hash("", "ab"));
    }

    #[test]
    fn the_next_key_wraps_within_its_day() {
        let Some(day) = Day::from_number(20_000) else { return };
        let (first, last) = EventKey::range_of(day);
        assert_eq!(last.next_in_day(), first);
        assert_eq!(first.next_in_day().number(), first.number() + 1);
        assert_eq!((first.steps_from(last), last.steps_from(first)), (1, HASH_MASK));
        assert_eq!(last.day(), day);
        let narrowed = KeyHash::narrowed(3).hash("default", "x");
        assert!((HASH_MASK - 7..=HASH_MASK).contains(&narrowed));
    }
}
