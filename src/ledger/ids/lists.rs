//! Adding new ids to their lists, in bulk: each bucket is read and written once for some million events.

use super::{DatedHash, decode, encode};
use crate::domain::key::{EventKey, KeyHash, SourceHasher};
use crate::ledger::transaction::Write;
use crate::ledger::watch::Watch;
use crate::ledger::{LedgerError, Result};
use rusqlite::{Connection, OptionalExtension, Row, Statement};
use rustc_hash::FxHashMap;

const ANY: &str = "SELECT EXISTS (SELECT 1 FROM id_bucket)";
const LIST: &str = "SELECT ids FROM id_bucket WHERE bucket = ?1";
const PUT: &str = "INSERT OR REPLACE INTO id_bucket (bucket, ids) VALUES (?1, ?2)";

/// So many new ids wait in memory, eight bytes each.
const WAIT: usize = 1 << 23;

/// Adds ids to their lists.
pub(in crate::ledger) struct IdLists<'w> {
    list: Statement<'w>,
    put: Statement<'w>,
    /// Whether all lists are empty.
    empty: bool,
    /// New ids that are not in their lists: sorted runs, one after the other.
    waiting: Vec<DatedHash>,
    merged: Merged,
}

/// The list of one bucket with its new ids.
#[derive(Default)]
struct Merged {
    before: Vec<DatedHash>,
    all: Vec<DatedHash>,
    list: Vec<u8>,
}

/// A hash of a new id that has events on several days: the key it leads to on each.
pub(in crate::ledger) type Suspect = Vec<EventKey>;

impl<'w> IdLists<'w> {
    pub(in crate::ledger) fn new(connection: &'w Connection) -> Result<Self> {
        let any: bool = connection.query_row(ANY, [], |row| row.get(0))?;
        let (list, put) = (connection.prepare(LIST)?, connection.prepare(PUT)?);
        Ok(Self { list, put, empty: !any, waiting: Vec::new(), merged: Merged::default() })
    }

    /// Takes the ids of new events, sorted. Returns whether so many wait that they should be written.
    pub(in crate::ledger) fn add(&mut self, ids: &[DatedHash]) -> bool {
        self.waiting.extend_from_slice(ids);
        self.waiting.len() >= WAIT
    }

    /// Writes the ids that wait. Returns the hashes among them that have events on several days.
    pub(in crate::ledger) fn write(&mut self, watch: &Watch) -> Result<Vec<Suspect>> {
        let mut waiting = std::mem::take(&mut self.waiting);
        // This sort finds sorted runs and merges them.
        waiting.sort();
        let mut suspects = Vec::new();
        for (number, ids) in waiting.chunk_by(|one, other| one.bucket() == other.bucket()).enumerate() {
            if number.is_multiple_of(1_024) {
                watch.check()?;
            }
            self.write_bucket(ids, &mut suspects)?;
        }
        self.empty &= waiting.is_empty();
        waiting.clear();
        self.waiting = waiting;
        Ok(suspects)
    }

    fn write_bucket(&mut self, ids: &[DatedHash], suspects: &mut Vec<Suspect>) -> Result<()> {
        let Some(bucket) = ids.first().map(|id| id.bucket()) else { return Ok(()) };
        let Merged { before, all, list } = &mut self.merged;
        before.clear();
        if !self.empty {
            let wrong = || {
                LedgerError::Corrupt(format!("list {bucket} of the ids is damaged (tokenbook rebuild makes it anew)"))
            };
            let read = |row: &Row<'_>| Ok(decode(bucket, row.get_ref(0)?.as_blob()?, before));
            if let Some(read) = self.list.query_row([bucket], read).optional()? {
                read.ok_or_else(wrong)?;
            }
        }
        merge(before, ids, all);
        note_suspects(all, ids, suspects);
        encode(all, list);
        self.put.execute((bucket, &*list))?;
        Ok(())
    }
}

/// Merges two sorted lists.
fn merge(one: &[DatedHash], other: &[DatedHash], all: &mut Vec<DatedHash>) {
    all.clear();
    all.reserve(one.len() + other.len());
    let mut one = one.iter().copied().peekable();
    for id in other {
        while let Some(before) = one.next_if(|before| before <= id) {
            all.push(before);
        }
        all.push(*id);
    }
    all.extend(one);
}

/// Notes hashes of new ids that stand under several days of a list.
fn note_suspects(all: &[DatedHash], new: &[DatedHash], suspects: &mut Vec<Suspect>) {
    for alike in all.chunk_by(|one, other| one.hash() == other.hash()) {
        let (Some(first), Some(last)) = (alike.first(), alike.last()) else { continue };
        if first.day() != last.day() && new.binary_search_by_key(&first.hash(), |id| id.hash()).is_ok() {
            let mut keys: Suspect = alike.iter().filter_map(|id| id.key()).collect();
            keys.dedup();
            suspects.push(keys);
        }
    }
}

const FORGET: &str = "DELETE FROM id_bucket";
const SOURCES: &str = "SELECT id, name FROM source";
const EVENTS: &str = "SELECT e.key, e.id, c.source FROM usage_event e JOIN event_class c ON c.id = e.class \
    WHERE c.kind = 0 ORDER BY e.key";

impl Write<'_> {
    /// Makes the lists of ids again from the events.
    pub(in crate::ledger) fn rebuild_ids(&self, key_hash: KeyHash) -> Result<()> {
        let connection = self.connection();
        connection.execute(FORGET, [])?;
        let mut sources = connection.prepare(SOURCES)?;
        let hasher = |row: &Row<'_>| Ok((row.get(0)?, SourceHasher::new(key_hash, &row.get::<_, String>(1)?)));
        let mut hashers: FxHashMap<i64, SourceHasher> =
            sources.query_map([], hasher)?.collect::<rusqlite::Result<_>>()?;
        let mut lists = IdLists::new(connection)?;
        let mut statement = connection.prepare(EVENTS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (key, source): (i64, i64) = (row.get(0)?, row.get(2)?);
            let missing = || LedgerError::Corrupt("a key is out of range".to_owned());
            let day = EventKey::from_number(key).ok_or_else(missing)?.day();
            let id = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            let hasher = hashers
                .get_mut(&source)
                .ok_or_else(|| LedgerError::Corrupt(format!("event {id:?} is of a source that is not there")))?;
            if lists.add(&[DatedHash::of(EventKey::new(day, hasher.hash(id)))]) {
                lists.write(self.watch())?;
            }
        }
        lists.write(self.watch()).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Day;
    use crate::ledger::schema;
    use std::collections::{BTreeMap, BTreeSet};
    use std::error::Error;

    /// The lists after ids were written in so many goes, and the hashes that were found on several days.
    fn after(
        ids: &[DatedHash],
        goes: usize,
    ) -> std::result::Result<(Vec<(i64, Vec<u8>)>, BTreeSet<i64>), Box<dyn Error>> {
        let connection = Connection::open_in_memory()?;
        schema::create(&connection)?;
        let mut lists = IdLists::new(&connection)?;
        let mut suspects = BTreeSet::new();
        for part in ids.chunks(ids.len().div_ceil(goes)) {
            lists.add(part);
            let found = lists.write(&Watch::default())?;
            suspects.extend(found.iter().flatten().map(|key| key.hash()));
        }
        let mut statement = connection.prepare("SELECT bucket, ids FROM id_bucket ORDER BY bucket")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((rows.collect::<rusqlite::Result<_>>()?, suspects))
    }

    #[test]
    fn the_lists_do_not_depend_on_how_often_they_are_written() -> std::result::Result<(), Box<dyn Error>> {
        // Few hashes in few buckets, so that many stand on several days.
        let mut seed = 20_261_129_u64;
        let mut below = |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((seed >> 33) % most)
        };
        let mut ids = Vec::new();
        for _ in 0..3_000 {
            let (bucket, rest, day) = (below(40)?, below(60)?, below(25)?);
            let day = Day::from_number(20_700 + day).ok_or("no such day")?;
            ids.push(DatedHash::of(EventKey::new(day, bucket << super::super::REST_BITS | rest)));
        }
        let mut days: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
        for id in &ids {
            days.entry(id.hash()).or_default().insert(id.day());
        }
        let expected: BTreeSet<i64> = days.iter().filter(|(_, days)| days.len() > 1).map(|(hash, _)| *hash).collect();
        assert!(expected.len() > 100 && expected.len() < days.len(), "{} of {}", expected.len(), days.len());
        let (whole, found) = after(&ids, 1)?;
        assert_eq!(found, expected);
        for goes in [2, 3, 7, 100, ids.len()] {
            assert_eq!(after(&ids, goes)?, (whole.clone(), expected.clone()), "{goes}");
        }
        Ok(())
    }
}
