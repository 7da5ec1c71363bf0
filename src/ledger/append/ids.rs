//! The ids of the whole ledger, by their hashes: an id is unique for its source, whatever its day.
//!
//! Events are keyed by day, so an id on another day has another key. The table `id_bucket` has the hash and the day of
//! each event. Its rows are buckets of hashes: sorted lists, which take about five bytes an id. The ids of small
//! imports wait in `id_run`, in a few lists, until there are many. Both tables are derived from the events. An equal hash is
//! only a suspicion, so the ids are compared.
//!
//! A revision has the id and day of its record. It has no place of its own here.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "packs hashes of 46 bits and days of 16 into 64 bits; what is read back is checked"
)]

mod lists;
pub(in crate::ledger) mod runs;

use crate::domain::calendar::Day;
use crate::ledger::leb128;
use crate::rows::key::{EventKey, HASH_BITS};
pub(in crate::ledger) use lists::IdLists;

/// Bits of a hash that name its bucket.
pub(in crate::ledger) const BUCKET_BITS: u32 = 17;
/// Bits of a hash within its bucket.
pub(in crate::ledger) const REST_BITS: u32 = HASH_BITS - BUCKET_BITS;
const DAY_BITS: u32 = 16;

/// The hash of an id and the day of its event, in the order of hashes: `hash << 16 | day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct DatedHash(u64);

impl DatedHash {
    /// The hash and day of an id's key.
    pub(in crate::ledger) fn of(key: EventKey) -> Self {
        Self(key.hash().cast_unsigned() << DAY_BITS | u64::from(key.day().number()))
    }

    /// The id's key in the main half of its day.
    fn key(self) -> Option<EventKey> {
        Day::from_number(self.day().cast_signed()).map(|day| EventKey::new(day, self.hash()))
    }

    pub(in crate::ledger) const fn hash(self) -> i64 {
        (self.0 >> DAY_BITS).cast_signed()
    }

    const fn day(self) -> u64 {
        self.0 & ((1 << DAY_BITS) - 1)
    }

    pub(in crate::ledger) const fn bucket(self) -> i64 {
        self.hash() >> REST_BITS
    }

    /// The given number of lower bits of the hash.
    const fn rest(self, bits: u32) -> u64 {
        self.0 >> DAY_BITS & ((1 << bits) - 1)
    }
}

/// Writes a list of ids, which are sorted and have equal hashes except for the given number of bits. The list has the
/// first day, counted from the calendar's first; the number of days from it to the last; then for each id the step from
/// the previous one in `rest * days + day after the first`. All numbers have seven bits a byte, low ones first.
pub(in crate::ledger) fn encode(ids: &[DatedHash], rest_bits: u32, list: &mut Vec<u8>) {
    list.clear();
    let days = || ids.iter().map(|id| id.day());
    let (Some(first), Some(last)) = (days().min(), days().max()) else { return };
    let span = last - first + 1;
    leb128(list, first.saturating_sub(u64::from(Day::FIRST.number())));
    leb128(list, span);
    let mut before = 0;
    for id in ids {
        let place = id.rest(rest_bits) * span + (id.day() - first);
        leb128(list, place.wrapping_sub(before));
        before = place;
    }
}

/// Reads a list of ids whose hashes have these upper bits and the given number of others; `None` if it is not a valid
/// list.
fn decode(upper: i64, rest_bits: u32, mut list: &[u8], ids: &mut Vec<DatedHash>) -> Option<()> {
    ids.clear();
    let first = take(&mut list)?.checked_add(u64::from(Day::FIRST.number()))?;
    let span = take(&mut list)?;
    if span == 0 || first.checked_add(span)? > u64::from(Day::LAST.number()) + 1 {
        return None;
    }
    let upper = u64::try_from(upper).ok()?;
    let mut place = 0_u64;
    while !list.is_empty() {
        place = place.checked_add(take(&mut list)?)?;
        let (rest, day) = (place / span, first + place % span);
        if rest >> rest_bits != 0 {
            return None;
        }
        ids.push(DatedHash((upper << rest_bits | rest) << DAY_BITS | day));
    }
    Some(())
}

fn take(list: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = list.split_first()?;
        *list = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(hash: i64, day: i64) -> Option<DatedHash> {
        Some(DatedHash::of(EventKey::new(Day::from_number(day)?, hash)))
    }

    fn round(bucket: i64, ids: &[DatedHash]) -> (Vec<u8>, Option<Vec<DatedHash>>) {
        let (mut list, mut read) = (Vec::new(), Vec::new());
        encode(ids, REST_BITS, &mut list);
        let done = decode(bucket, REST_BITS, &list, &mut read);
        (list, done.map(|()| read))
    }

    #[test]
    fn the_form_is_frozen() -> Result<(), &'static str> {
        let bucket = 5 << REST_BITS;
        let ids = [(bucket, 20_727), (bucket, 20_727), (bucket | 1, 20_726), (bucket + 1_000, 20_730)];
        let ids = ids.into_iter().map(|(hash, day)| id(hash, day)).collect::<Option<Vec<_>>>().ok_or("a day")?;
        // 4,291 days after the first, 5 days; positions 1, 1, 5 and 5,004.
        let (list, read) = round(5, &ids);
        assert_eq!(list, [0xC3, 0x21, 5, 1, 0, 4, 0x87, 0x27], "every ledger holds lists like this");
        assert_eq!(read.as_ref(), Some(&ids));
        Ok(())
    }

    #[test]
    fn the_ends_of_all_ranges_come_back() -> Result<(), &'static str> {
        let (first, last) = (i64::from(Day::FIRST.number()), i64::from(Day::LAST.number()));
        let end = (1 << REST_BITS) - 1;
        for bucket in [0, 1, (1 << BUCKET_BITS) - 1] {
            let hash = |rest: i64| bucket << REST_BITS | rest;
            let pairs = [(0, first), (0, last), (1, first), (end, first), (end, last), (end, last)];
            for length in 1..=pairs.len() {
                let ids = pairs.iter().take(length).map(|(rest, day)| id(hash(*rest), *day));
                let ids = ids.collect::<Option<Vec<_>>>().ok_or("a day")?;
                let (list, read) = round(bucket, &ids);
                assert_eq!(read.as_ref(), Some(&ids));
                assert!(ids.iter().all(|id| id.bucket() == bucket && id.key().map(DatedHash::of) == Some(*id)));
                // A part of a list is invalid, or is another list.
                for cut in 0..list.len() {
                    let mut part = Vec::new();
                    let done = decode(bucket, REST_BITS, list.get(..cut).unwrap_or_default(), &mut part);
                    assert!(done.is_none() || part.len() < ids.len());
                }
            }
        }
        let mut read = Vec::new();
        for wrong in [
            &[][..],
            &[0],
            &[0, 0],
            &[0, 0x80],
            &[0xFF; 12],
            &[0, 0xFF, 0xFF, 0x7F],
            &[0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        ] {
            assert_eq!(decode(0, REST_BITS, wrong, &mut read), None, "{wrong:?}");
        }
        Ok(())
    }
}
