//! Adds new ids to their lists in bulk: each bucket is read and written once, for any number of ids.
//!
//! This is not worth it for a few ids. They become a run (`runs.rs`), and go to their buckets together with earlier
//! runs once there are many.
//!
//! New ids wait in sorted runs. If there are many, the runs go to an unnamed file beside the ledger and are merged from
//! there. Rewriting every list for every few million ids would cost more than the events themselves.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "lengths of lists in memory, and places in a file that was just written"
)]

use super::runs::{self, Run};
use super::{DatedHash, REST_BITS, decode, encode};
use crate::domain::number::SourceId;
use crate::ledger::file::transaction::Transaction;
use crate::ledger::file::watch::Watch;
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::key::{EventKey, KeyHash, SourceHasher};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use rustc_hash::FxHashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

const ANY: &str = "SELECT EXISTS (SELECT 1 FROM id_bucket)";
const LIST: &str = "SELECT ids FROM id_bucket WHERE bucket = ?1";
const PUT: &str = "INSERT OR REPLACE INTO id_bucket (bucket, ids) VALUES (?1, ?2)";

/// The number of new ids that wait in memory, eight bytes each.
const ROOM: usize = 1 << 23;
/// The number of ids of a run that are read from the file at a time.
const WINDOW: u64 = 1 << 11;
/// The bytes of an id in the file.
const BYTES: u64 = 8;

/// Adds ids to their lists.
pub(in crate::ledger) struct IdLists<'w> {
    connection: &'w Connection,
    list: CachedStatement<'w>,
    put: CachedStatement<'w>,
    /// Whether all lists are empty.
    empty: bool,
    folder: PathBuf,
    room: usize,
    /// The number of ids that may wait in runs of the ledger.
    most: usize,
    /// New ids that are not in their lists yet, each run sorted.
    runs: Vec<Vec<DatedHash>>,
    held: usize,
    /// Runs that did not fit in memory.
    spilled: Option<Spilled>,
    merged: Merged,
}

/// Runs in an unnamed file, with the bytes of each.
struct Spilled {
    file: File,
    runs: Vec<Range<u64>>,
}

/// A run that is read from start to end.
struct Cursor {
    window: Vec<DatedHash>,
    at: usize,
    /// The part of it that is in the file.
    rest: Range<u64>,
}

/// The list of one bucket, including its new ids.
#[derive(Default)]
struct Merged {
    before: Vec<DatedHash>,
    all: Vec<DatedHash>,
    list: Vec<u8>,
}

/// A hash of a new id with events on several days: the keys of these events.
pub(in crate::ledger) type Suspect = Vec<EventKey>;

impl<'w> IdLists<'w> {
    /// Lists of the ledger at a path.
    pub(in crate::ledger) fn new(connection: &'w Connection, ledger: &Path) -> Result<Self> {
        let any: bool = connection.query_row(ANY, [], |row| row.get(0))?;
        let (list, put) = (connection.prepare_cached(LIST)?, connection.prepare_cached(PUT)?);
        let folder = ledger.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self {
            connection,
            list,
            put,
            empty: !any,
            folder: folder.to_owned(),
            room: ROOM,
            most: runs::MOST,
            runs: Vec::new(),
            held: 0,
            spilled: None,
            merged: Merged::default(),
        })
    }

    /// Takes the ids of new events, sorted.
    pub(in crate::ledger) fn add(&mut self, ids: &[DatedHash]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.runs.push(ids.to_vec());
        self.held += ids.len();
        if self.held < self.room {
            return Ok(());
        }
        let spilled = self.spill();
        spilled.map_err(|error| LedgerError::Io { path: self.folder.clone(), error })
    }

    /// Moves the runs in memory to the file.
    fn spill(&mut self) -> std::io::Result<()> {
        let mut spilled = match self.spilled.take() {
            Some(spilled) => spilled,
            None => Spilled { file: tempfile::tempfile_in(&self.folder)?, runs: Vec::new() },
        };
        let mut end = spilled.runs.last().map_or(0, |run| run.end);
        let mut file = BufWriter::new(&mut spilled.file);
        file.seek(SeekFrom::Start(end))?;
        for run in self.runs.drain(..) {
            for id in &run {
                file.write_all(&id.0.to_le_bytes())?;
            }
            let start = end;
            end += BYTES * u64::try_from(run.len()).unwrap_or(u64::MAX);
            spilled.runs.push(start..end);
        }
        file.flush()?;
        drop(file);
        self.held = 0;
        self.spilled = Some(spilled);
        Ok(())
    }

    /// Writes the waiting ids. Returns those hashes with events on several days.
    pub(in crate::ledger) fn write(&mut self, watch: &Watch) -> Result<Vec<Suspect>> {
        let waiting = runs::all(self.connection)?;
        let ids = waiting.iter().map(|run| run.ids.len()).sum::<usize>().saturating_add(self.held);
        if self.spilled.is_none() && ids <= self.most {
            self.write_run(waiting)
        } else {
            self.write_buckets(waiting, watch)
        }
    }

    /// Writes new ids to the runs.
    fn write_run(&mut self, runs: Vec<Run>) -> Result<Vec<Suspect>> {
        let mut new: Vec<DatedHash> = self.runs.drain(..).flatten().collect();
        self.held = 0;
        // Each batch's ids are sorted, which makes this sort fast.
        new.sort();
        let mut alike = new.clone();
        for run in &runs {
            like(&new, &run.ids, &mut alike);
        }
        for of_bucket in new.chunk_by(|one, other| one.bucket() == other.bucket()) {
            let Some(bucket) = of_bucket.first().map(|id| id.bucket()) else { continue };
            self.read_bucket(bucket)?;
            like(of_bucket, &self.merged.before, &mut alike);
        }
        alike.sort_unstable();
        let mut suspects = Vec::new();
        note_suspects(&alike, &new, &mut suspects);
        runs::add(self.connection, runs, &new)?;
        Ok(suspects)
    }

    /// Writes the new ids to their buckets, and also all ids that wait in runs.
    fn write_buckets(&mut self, waiting: Vec<Run>, watch: &Watch) -> Result<Vec<Suspect>> {
        let folder = self.folder.clone();
        let io = |error| LedgerError::Io { path: folder.clone(), error };
        let mut spilled = self.spilled.take();
        self.runs.extend(waiting.into_iter().map(|run| run.ids));
        runs::forget(self.connection)?;
        let mut cursors: Vec<Cursor> = self.runs.drain(..).map(|window| Cursor { window, at: 0, rest: 0..0 }).collect();
        self.held = 0;
        for run in spilled.as_mut().map(|spilled| std::mem::take(&mut spilled.runs)).into_iter().flatten() {
            cursors.push(Cursor { window: Vec::new(), at: 0, rest: run });
        }
        let mut file = spilled.map(|spilled| spilled.file);
        cursors.iter_mut().try_for_each(|cursor| cursor.fill(&mut file)).map_err(io)?;
        let (mut suspects, mut ids) = (Vec::new(), Vec::new());
        for number in 0_u32.. {
            let Some(bucket) = cursors.iter().filter_map(Cursor::peek).map(DatedHash::bucket).min() else { break };
            if number.is_multiple_of(1_024) {
                watch.check()?;
            }
            ids.clear();
            cursors.iter_mut().try_for_each(|cursor| cursor.take(bucket, &mut file, &mut ids)).map_err(io)?;
            ids.sort_unstable();
            self.write_bucket(&ids, &mut suspects)?;
        }
        self.empty &= ids.is_empty();
        Ok(suspects)
    }

    fn write_bucket(&mut self, ids: &[DatedHash], suspects: &mut Vec<Suspect>) -> Result<()> {
        let Some(bucket) = ids.first().map(|id| id.bucket()) else { return Ok(()) };
        self.read_bucket(bucket)?;
        let Merged { before, all, list } = &mut self.merged;
        merge(before, ids, all);
        note_suspects(all, ids, suspects);
        encode(all, REST_BITS, list);
        self.put.execute((bucket, &*list))?;
        Ok(())
    }

    /// Reads the list of a bucket, which may be empty.
    fn read_bucket(&mut self, bucket: i64) -> Result<()> {
        let before = &mut self.merged.before;
        before.clear();
        if self.empty {
            return Ok(());
        }
        let read = |row: &Row<'_>| Ok(decode(bucket, REST_BITS, row.get_ref(0)?.as_blob()?, before));
        match self.list.query_row([bucket], read).optional()? {
            Some(None) => {
                let what = format!("list {bucket} of the ids is damaged (`tokenbook rebuild` mends it)");
                Err(LedgerError::Corrupt(Damage::Index, what))
            }
            Some(Some(())) | None => Ok(()),
        }
    }
}

impl Cursor {
    fn peek(&self) -> Option<DatedHash> {
        self.window.get(self.at).copied()
    }

    /// Takes the ids of a bucket, if they are next.
    fn take(&mut self, bucket: i64, file: &mut Option<File>, ids: &mut Vec<DatedHash>) -> std::io::Result<()> {
        while let Some(id) = self.peek().filter(|id| id.bucket() == bucket) {
            ids.push(id);
            self.at += 1;
            if self.at == self.window.len() {
                self.fill(file)?;
            }
        }
        Ok(())
    }

    /// Reads the next ids from the file after the previous ones are taken.
    fn fill(&mut self, file: &mut Option<File>) -> std::io::Result<()> {
        if let Some(file) = file.as_mut().filter(|_| self.at == self.window.len() && !self.rest.is_empty()) {
            let end = self.rest.end.min(self.rest.start + BYTES * WINDOW);
            let mut bytes = vec![0; usize::try_from(end - self.rest.start).unwrap_or(0)];
            file.seek(SeekFrom::Start(self.rest.start))?;
            file.read_exact(&mut bytes)?;
            self.rest.start = end;
            self.at = 0;
            self.window.clear();
            self.window.extend(bytes.as_chunks().0.iter().map(|id| DatedHash(u64::from_le_bytes(*id))));
        }
        Ok(())
    }
}

/// Adds the known ids that share a hash with new ones to a list. Both inputs are sorted.
fn like(new: &[DatedHash], known: &[DatedHash], list: &mut Vec<DatedHash>) {
    let mut new = new.iter().map(|id| id.hash()).peekable();
    for id in known {
        while new.next_if(|hash| *hash < id.hash()).is_some() {}
        if new.peek() == Some(&id.hash()) {
            list.push(*id);
        }
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

/// Records hashes of new ids that a list has on several days.
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

/// The number of ids in a run during a rebuild.
const RUN: usize = 1 << 18;

const FORGET: &str = "DELETE FROM id_bucket";
const SOURCES: &str = "SELECT id, name FROM source";
const EVENTS: &str = "SELECT e.key, e.id, c.source FROM usage_event e JOIN event_class c ON c.id = e.class \
    WHERE c.kind = 0 ORDER BY e.key";

impl Transaction<'_> {
    /// Rebuilds the lists of ids from the events.
    pub(in crate::ledger) fn rebuild_ids(&self, key_hash: KeyHash) -> Result<()> {
        let connection = self.connection();
        connection.execute(FORGET, [])?;
        runs::forget(connection)?;
        let mut sources = connection.prepare(SOURCES)?;
        let hasher = |row: &Row<'_>| Ok((row.get(0)?, SourceHasher::new(key_hash, &row.get::<_, String>(1)?)));
        let mut hashers: FxHashMap<SourceId, SourceHasher> =
            sources.query_map([], hasher)?.collect::<rusqlite::Result<_>>()?;
        let mut lists = IdLists::new(connection, self.ledger().path())?;
        lists.most = 0;
        let mut statement = connection.prepare(EVENTS)?;
        let mut rows = statement.query([])?;
        let mut run = Vec::with_capacity(RUN);
        while let Some(row) = rows.next()? {
            let (key, source): (i64, SourceId) = (row.get(0)?, row.get(2)?);
            let missing = || LedgerError::Corrupt(Damage::Value, "a key is out of range".to_owned());
            let day = EventKey::from_number(key).ok_or_else(missing)?.day();
            let id = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            let hasher = hashers.get_mut(&source).ok_or_else(|| {
                LedgerError::Corrupt(Damage::Reference, format!("event {id:?} is of a source that does not exist"))
            })?;
            run.push(DatedHash::of(EventKey::new(day, hasher.hash(id))));
            if run.len() == RUN {
                run.sort_unstable();
                lists.add(&run)?;
                run.clear();
            }
        }
        run.sort_unstable();
        lists.add(&run)?;
        lists.write(self.watch()).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Day;
    use crate::ledger::file::schema;
    use std::collections::{BTreeMap, BTreeSet};
    use std::error::Error;

    /// The lists by bucket, and the hashes found on several days.
    type Written = (Vec<(i64, Vec<u8>)>, BTreeSet<i64>);

    /// Writes the ids in `goes` parts, spilling to the file after `room` ids and to their buckets after `most`, and
    /// reads the lists back. It writes the ids that still wait at the end to their buckets.
    fn after(ids: &[DatedHash], goes: usize, room: usize, most: usize) -> std::result::Result<Written, Box<dyn Error>> {
        let (connection, folder) = (Connection::open_in_memory()?, tempfile::tempdir()?);
        schema::create(&connection)?;
        let mut lists = IdLists::new(&connection, &folder.path().join("l.db"))?;
        (lists.room, lists.most) = (room, most);
        let mut suspects = BTreeSet::new();
        for part in ids.chunks(ids.len().div_ceil(goes)) {
            for run in part.chunks(97) {
                let mut run = run.to_vec();
                run.sort_unstable();
                lists.add(&run)?;
            }
            let found = lists.write(&Watch::default())?;
            suspects.extend(found.iter().flatten().map(|key| key.hash()));
        }
        let runs = runs::all(&connection)?;
        assert!(runs.iter().map(|run| run.ids.len()).sum::<usize>() <= most && runs.len() < 14, "few runs wait");
        lists.write_buckets(runs, &Watch::default())?;
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "the file has no name");
        let mut statement = connection.prepare("SELECT bucket, ids FROM id_bucket ORDER BY bucket")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((rows.collect::<rusqlite::Result<_>>()?, suspects))
    }

    #[test]
    fn the_lists_do_not_depend_on_how_often_they_are_written_or_on_room() -> std::result::Result<(), Box<dyn Error>> {
        // Few hashes in few buckets, so that many occur on several days.
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
        let (whole, found) = after(&ids, 1, ROOM, 0)?;
        assert_eq!(found, expected);
        for goes in [1, 2, 3, 7, 100, ids.len()] {
            for room in [1, 97, 98, 500, 100_000] {
                for most in [0, 1, 96, 1_000, 5_000] {
                    let written = after(&ids, goes, room, most)?;
                    assert_eq!(written, (whole.clone(), expected.clone()), "{goes} {room} {most}");
                }
            }
        }
        Ok(())
    }
}
