//! The key of an event in one 63-bit number: its billing day, a half of that day, and a hash of its issuer and id.
//!
//! `day << 47 | aside << 46 | hash` is unique, clustered by day, and evenly spread within each half of a day, in a
//! single B-tree. The hash is xxh3 (frozen with the format). tokenbook does not rely on it to be unique: on a hit it
//! compares the full ids, and a true collision takes the next free key of its half.
//!
//! Events that arrive a few at a time on a day with many go into the side half. The pages of the main half are full, so
//! each such event would split a page there.

use crate::domain::calendar::Day;
use xxhash_rust::xxh3::Xxh3;

/// Bits of a key below its day.
const BITS_OF_DAY: u32 = 47;
/// Bits of a key that hold the hash.
pub const HASH_BITS: u32 = 46;
const HASH_MASK: i64 = (1 << HASH_BITS) - 1;
const LATE: i64 = 1 << HASH_BITS;

/// The key of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(i64);

/// A half of a day's keys. An id is in one of them only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The first half: events that arrived while the day had few, or many at once.
    Main,
    /// The second half: events that arrived a few at a time on a day with many.
    Aside,
}

impl Half {
    /// Both halves, in the order of their keys.
    pub const BOTH: [Self; 2] = [Self::Main, Self::Aside];

    /// The other half.
    pub const fn other(self) -> Self {
        match self {
            Self::Main => Self::Aside,
            Self::Aside => Self::Main,
        }
    }
}

impl EventKey {
    /// The key of a day and a hash in the main half. Only the low 46 bits of the hash count.
    pub fn new(day: Day, hash: i64) -> Self {
        Self(i64::from(day.number()) << BITS_OF_DAY | (hash & HASH_MASK))
    }

    /// A key read from the ledger; `None` if its day is out of range.
    pub fn from_number(number: i64) -> Option<Self> {
        Day::from_number(number >> BITS_OF_DAY).map(|_| Self(number))
    }

    /// The number in the ledger.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The billing day.
    pub fn day(self) -> Day {
        Day::from_number(self.0 >> BITS_OF_DAY).unwrap_or(Day::LAST)
    }

    /// The half of the day.
    pub const fn half(self) -> Half {
        if self.0 & LATE == 0 { Half::Main } else { Half::Aside }
    }

    /// The 46 bits of the hash.
    pub const fn hash(self) -> i64 {
        self.0 & HASH_MASK
    }

    /// The key with the same hash in the main half of another day.
    pub fn on(self, day: Day) -> Self {
        Self::new(day, self.0)
    }

    /// The key with the same hash and day in a half.
    pub const fn in_half(self, half: Half) -> Self {
        match half {
            Half::Main => Self(self.0 & !LATE),
            Half::Aside => Self(self.0 | LATE),
        }
    }

    /// The next key of the same half, from its end to its start.
    pub fn next_in_half(self) -> Self {
        Self(self.0 & !HASH_MASK | (self.0 + 1) & HASH_MASK)
    }

    /// The number of such steps from another key of the same half to this one.
    pub const fn steps_from(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0) & HASH_MASK
    }

    /// The first key of its eighth of a half. If a day has more events than a batch, each eighth is sorted by itself.
    pub const fn start_of_eighth(self) -> Self {
        Self(self.0 & !(HASH_MASK >> 3))
    }

    /// The first and the last key of a day.
    pub fn range_of(day: Day) -> (Self, Self) {
        (Self::new(day, 0), Self::new(day, HASH_MASK).in_half(Half::Aside))
    }

    /// The first and the last key of a half of a day.
    pub fn range_of_half(day: Day, half: Half) -> (Self, Self) {
        (Self::new(day, 0).in_half(half), Self::new(day, HASH_MASK).in_half(half))
    }

    /// The keys of a day in parts: the given number for each half, each with about the same number of events.
    pub fn parts_of(day: Day, parts: i64) -> impl Iterator<Item = (Self, Self)> {
        let step = (HASH_MASK + 1) / parts;
        let part = move |half: Half, part: i64| {
            let last = if part + 1 == parts { HASH_MASK } else { (part + 1) * step - 1 };
            (Self::new(day, part * step).in_half(half), Self::new(day, last).in_half(half))
        };
        Half::BOTH.into_iter().flat_map(move |half| (0..parts).map(move |number| part(half, number)))
    }
}

/// How ids are hashed. Tests narrow the hash to force collisions and wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash {
    /// The bits that are kept. The other bits of the 46 are set, which puts the hashes at the end of each half of the
    /// day.
    kept: i64,
}

impl KeyHash {
    /// The hash of every real ledger.
    pub const FULL: Self = Self { kept: HASH_MASK };

    /// A hash of this many bits, at the end of each half of the day's keys. For tests of collisions.
    pub const fn narrowed(bits: u32) -> Self {
        Self { kept: (1 << bits) - 1 }
    }

    /// The hash of an id and its issuer.
    pub fn hash(self, source: &str, id: &str) -> i64 {
        let mut hasher = Xxh3::new();
        hasher.update(source.as_bytes());
        hasher.update(&[0]);
        hasher.update(id.as_bytes());
        let folded = i64::from_ne_bytes((hasher.digest() >> 18).to_ne_bytes());
        (folded & self.kept) | (HASH_MASK & !self.kept)
    }
}

/// [`KeyHash`] for one source. It hashes the issuer's name once for many ids.
#[derive(Debug, Clone)]
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
        let folded = i64::from_ne_bytes((digest >> 18).to_ne_bytes());
        (folded & self.kept.kept) | (HASH_MASK & !self.kept.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_frozen() {
        assert_eq!(KeyHash::FULL.hash("default", "req_1"), SourceHasher::new(KeyHash::FULL, "default").hash("req_1"));
        assert_eq!(KeyHash::FULL.hash("default", "req_1"), 40_681_990_724_628, "keys in every ledger depend on it");
        assert_ne!(KeyHash::FULL.hash("a", "b"), KeyHash::FULL.hash("", "ab"));
    }

    #[test]
    fn the_next_key_wraps_within_its_half() -> Result<(), &'static str> {
        let day = Day::from_number(20_000).ok_or("no day")?;
        for half in Half::BOTH {
            let (first, last) = EventKey::range_of_half(day, half);
            assert_eq!(last.next_in_half(), first);
            assert_eq!(first.next_in_half().number(), first.number() + 1);
            assert_eq!((first.steps_from(last), last.steps_from(first)), (1, HASH_MASK));
            assert_eq!((first.day(), last.day(), first.half(), last.half()), (day, day, half, half));
            assert_eq!(last.in_half(half.other()).in_half(half), last);
        }
        let narrowed = KeyHash::narrowed(3).hash("default", "x");
        assert!((HASH_MASK - 7..=HASH_MASK).contains(&narrowed));
        Ok(())
    }

    #[test]
    fn the_parts_of_a_day_are_all_of_it() -> Result<(), &'static str> {
        let day = Day::from_number(20_000).ok_or("no day")?;
        for parts in [1, 3, 4] {
            let ranges: Vec<_> = EventKey::parts_of(day, parts).collect();
            let (first, last) = EventKey::range_of(day);
            assert_eq!(ranges.first().map(|range| range.0), Some(first));
            assert_eq!(ranges.last().map(|range| range.1), Some(last));
            assert!(ranges.windows(2).all(|pair| matches!(pair, [a, b] if a.1.number() + 1 == b.0.number())));
        }
        let next = day.next().map(|next| EventKey::range_of(next).0.number());
        assert_eq!(next, Some(EventKey::range_of(day).1.number() + 1));
        Ok(())
    }
}
