//! New ids of small imports: lists that wait until there are many ids.
//!
//! A thousand ids belong to a thousand buckets, each on a separate page. So the ids of an import wait in one list,
//! which takes a page or two. A lookup reads all waiting lists: a few bytes for each id, and no more than [`MOST`] ids.
//! A new list absorbs earlier ones that are not much longer, so there are few lists however small the imports are.

use super::{DatedHash, decode, encode};
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::key::HASH_BITS;
use rusqlite::Connection;

/// The most ids that wait. Reading this many takes a few milliseconds; beyond it, all are written to their buckets.
pub(super) const MOST: usize = 1 << 18;

/// A list absorbs the previous one unless that is more than this many times as long.
const LONGER: usize = 2;

const ALL: &str = "SELECT id, ids FROM id_run ORDER BY id";
const ADD: &str = "INSERT INTO id_run (ids) VALUES (?1)";
const FORGET: &str = "DELETE FROM id_run WHERE id = ?1";
const FORGET_ALL: &str = "DELETE FROM id_run";

/// A list of new ids, sorted.
pub(in crate::ledger) struct Run {
    number: i64,
    pub(in crate::ledger) ids: Vec<DatedHash>,
}

/// All runs; `None` for a damaged one.
pub(in crate::ledger) fn read(connection: &Connection) -> Result<Vec<Option<Run>>> {
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, list) = (row.get(0)?, row.get_ref(1)?.as_blob().ok());
        let mut ids = Vec::new();
        let read = list.and_then(|list| decode(0, HASH_BITS, list, &mut ids));
        runs.push(read.map(|()| Run { number, ids }));
    }
    Ok(runs)
}

/// All runs. Returns an error if one is damaged.
pub(super) fn all(connection: &Connection) -> Result<Vec<Run>> {
    let runs: Option<Vec<Run>> = read(connection)?.into_iter().collect();
    runs.ok_or_else(|| {
        LedgerError::Corrupt(Damage::Index, "a list of new ids is damaged (`tokenbook rebuild` mends it)".to_owned())
    })
}

/// Adds new ids. `runs` must be all runs.
pub(super) fn add(connection: &Connection, mut runs: Vec<Run>, new: &[DatedHash]) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let mut ids = new.to_vec();
    while let Some(last) = runs.pop_if(|last| last.ids.len() <= ids.len().saturating_mul(LONGER)) {
        connection.prepare_cached(FORGET)?.execute([last.number])?;
        ids.extend(last.ids);
    }
    // The absorbed runs are sorted, which makes this sort fast.
    ids.sort();
    let mut list = Vec::new();
    encode(&ids, HASH_BITS, &mut list);
    connection.prepare_cached(ADD)?.execute([list])?;
    Ok(())
}

/// Removes all runs.
pub(super) fn forget(connection: &Connection) -> Result<()> {
    connection.prepare_cached(FORGET_ALL)?.execute([])?;
    Ok(())
}
