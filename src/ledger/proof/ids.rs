//! Proves that the lists hold the ids of the events, and that each id occurs once. Each task takes a part of the
//! buckets.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "hashes of 46 bits and their buckets, and counts of lists in memory"
)]

use crate::domain::calendar::Day;
use crate::domain::number::SourceId;
use crate::ledger::Result;
use crate::ledger::append::ids::{BUCKET_BITS, DatedHash, REST_BITS, encode, runs};
use crate::ledger::chain::fact::Finding;
use crate::ledger::file::retracted::Retracted;
use crate::ledger::file::transaction::Snapshot;
use crate::rows::key::{EventKey, Half};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use std::ops::Range;

const KEYS: &str = "SELECT key FROM usage_event WHERE key BETWEEN ?1 AND ?2";
const LISTS: &str = "SELECT bucket, ids FROM id_bucket WHERE bucket BETWEEN ?1 AND ?2 ORDER BY bucket";
const ID_AND_SOURCE: &str = "SELECT e.id, i.source, e.batch FROM usage_event e JOIN batch b ON b.id = e.batch \
    JOIN import i ON i.id = b.import WHERE e.key = ?1";

/// Events whose key does not contain the hash of their id, with that hash, because other ids took their keys. `None`
/// for revisions, which have no id of their own.
#[derive(Debug, Default)]
pub struct Strays {
    keys: FxHashSet<EventKey>,
    /// Those with their own id, by its hash.
    by_hash: Vec<(i64, EventKey)>,
}

impl Strays {
    /// Records the hash of an event's id.
    pub(in crate::ledger) fn displaced(&mut self, key: EventKey, hash: i64) {
        self.keys.insert(key);
        self.by_hash.push((hash, key));
    }

    /// Records that an event has no id of its own.
    pub(in crate::ledger) fn without_id(&mut self, key: EventKey) {
        self.keys.insert(key);
    }

    /// Joins the events of several days.
    pub fn of_all(days: impl Iterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for day in days {
            all.keys.extend(day.keys);
            all.by_hash.extend(day.by_hash);
        }
        all.by_hash.sort_unstable();
        all
    }

    /// The events whose ids have hashes in a range.
    fn with_hashes(&self, first: i64, last: i64) -> &[(i64, EventKey)] {
        let place = |end: i64| self.by_hash.partition_point(|(hash, _)| *hash < end);
        self.by_hash.get(place(first)..place(last + 1)).unwrap_or_default()
    }
}

/// The proof for a part of the ids.
#[derive(Debug, Default)]
pub struct IdsProof {
    /// The number of lists that do not match the events.
    pub wrong_lists: u64,
    /// The errors in the ids.
    pub findings: Vec<Finding>,
}

impl Snapshot<'_> {
    /// The buckets in this many parts of about the same size.
    pub fn parts_of_ids(parts: i64) -> Vec<Range<i64>> {
        let (all, parts) = (1 << BUCKET_BITS, parts.clamp(1, 1 << BUCKET_BITS));
        (0..parts).map(|part| part * all / parts..(part + 1) * all / parts).collect()
    }

    /// Compares some lists with the events, and finds ids that occur twice.
    ///
    /// In each half of a day, keys are sorted by hash, so a part of the hashes is a few rows of each day.
    pub fn prove_ids(&self, buckets: &Range<i64>, days: Option<(Day, Day)>, strays: &Strays) -> Result<IdsProof> {
        let mut found = self.dated_hashes(buckets, days, strays)?;
        found.sort_unstable();
        let mut proof = IdsProof { wrong_lists: self.wrong_lists(buckets, &found)?, findings: Vec::new() };
        let retracted = Retracted::all(self.connection())?;
        for alike in found.chunk_by(|(one, _), (other, _)| one.hash() == other.hash()) {
            if alike.len() > 1 {
                proof.findings.extend(self.repeated(alike, &retracted)?);
            }
        }
        Ok(proof)
    }

    fn dated_hashes(
        &self,
        buckets: &Range<i64>,
        days: Option<(Day, Day)>,
        strays: &Strays,
    ) -> Result<Vec<(DatedHash, EventKey)>> {
        let (first_hash, last_hash) = (buckets.start << REST_BITS, (buckets.end << REST_BITS) - 1);
        let mut statement = self.connection().prepare_cached(KEYS)?;
        let mut found = Vec::new();
        let mut day = days.map(|(first, _)| first);
        while let Some(today) = day {
            let mut read = 0;
            for half in Half::BOTH {
                let range = [first_hash, last_hash].map(|hash| EventKey::new(today, hash).in_half(half).number());
                let mut rows = statement.query(range)?;
                while let Some(row) = rows.next()? {
                    read += 1;
                    let own = EventKey::from_number(row.get(0)?).filter(|key| !strays.keys.contains(key));
                    found.extend(own.map(|key| (DatedHash::of(key), key)));
                }
            }
            self.watch().check()?;
            self.watch().add(read);
            day = today.next().filter(|next| days.is_some_and(|(_, last)| *next <= last));
        }
        let of_part = strays.with_hashes(first_hash, last_hash).iter();
        found.extend(of_part.map(|(hash, key)| (DatedHash::of(EventKey::new(key.day(), *hash)), *key)));
        Ok(found)
    }

    /// The number of lists that do not match these sorted events.
    fn wrong_lists(&self, buckets: &Range<i64>, found: &[(DatedHash, EventKey)]) -> Result<u64> {
        let (mut wrong, mut waiting) = (0, Vec::new());
        for run in runs::read(self.connection())? {
            match run {
                Some(run) => waiting.extend(run.ids.into_iter().filter(|id| buckets.contains(&id.bucket()))),
                // Only one of all tasks reports it.
                None => wrong += u64::from(buckets.start == 0),
            }
        }
        waiting.sort_unstable();
        let mut waiting = waiting.into_iter().peekable();
        // An id is in a run or in its bucket.
        let mut listed = Vec::with_capacity(found.len());
        for (id, _) in found {
            while waiting.next_if(|waiting| waiting < id).is_some() {
                wrong += 1;
            }
            if waiting.next_if_eq(id).is_none() {
                listed.push(*id);
            }
        }
        wrong += u64::try_from(waiting.count()).unwrap_or(u64::MAX);
        Ok(wrong + self.wrong_buckets(buckets, &listed)?)
    }

    /// The number of buckets that do not hold these ids.
    fn wrong_buckets(&self, buckets: &Range<i64>, ids: &[DatedHash]) -> Result<u64> {
        // Rows before the first or after the last bucket are wrong, too.
        let first = if buckets.start == 0 { i64::MIN } else { buckets.start };
        let last = if buckets.end == 1 << BUCKET_BITS { i64::MAX } else { buckets.end - 1 };
        let mut statement = self.connection().prepare_cached(LISTS)?;
        let mut rows = statement.query([first, last])?;
        let (mut wrong, mut list) = (0, Vec::new());
        let mut expected = ids.chunk_by(|one, other| one.bucket() == other.bucket()).peekable();
        let bucket_of = |chunk: &&[DatedHash]| chunk.first().map_or(0, |id| id.bucket());
        while let Some(row) = rows.next()? {
            let bucket: i64 = row.get(0)?;
            while expected.next_if(|chunk| bucket_of(chunk) < bucket).is_some() {
                wrong += 1;
            }
            let Some(chunk) = expected.next_if(|chunk| bucket_of(chunk) == bucket) else {
                wrong += 1;
                continue;
            };
            encode(chunk, REST_BITS, &mut list);
            wrong += u64::from(row.get_ref(1)?.as_blob().ok() != Some(&list));
        }
        Ok(wrong + u64::try_from(expected.count()).unwrap_or(u64::MAX))
    }

    /// Ids that several of these events share. All have one hash.
    fn repeated(&self, alike: &[(DatedHash, EventKey)], retracted: &Retracted) -> Result<Vec<Finding>> {
        let mut statement = self.connection().prepare_cached(ID_AND_SOURCE)?;
        let mut days: BTreeMap<(String, SourceId), Vec<Day>> = BTreeMap::new();
        for (_, key) in alike {
            let mut rows = statement.query([key.number()])?;
            // An event without a batch is reported with its day.
            if let Some(row) = rows.next()?
                && !retracted.has(*key, row.get(2)?)
            {
                days.entry((row.get(0)?, row.get(1)?)).or_default().push(key.day());
            }
        }
        let mut findings = Vec::new();
        for ((id, _), days) in days {
            for (one, other) in days.iter().zip(days.iter().skip(1)) {
                findings.push(if one == other {
                    format!("event {id:?} is stored under {one} twice")
                } else {
                    format!("event {id:?} is stored under {one} and under {other}")
                });
            }
        }
        Ok(findings)
    }
}
