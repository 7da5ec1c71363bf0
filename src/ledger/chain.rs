//! The hash chain: every import, price list and decision is an entry that contains the hash of the previous one.
//!
//! `hash = BLAKE3(context; version, kind, seq, prev, at, actor, payload, state)` over a frozen binary encoding.
//! Changing or dropping an entry changes every later hash. A chain cannot show that its end was cut off, or that
//! somebody replaced all of it. To detect that, keep a head outside the file (every import prints it) and give it to
//! `verify --head`.

pub mod fact;
pub mod logs;
pub(in crate::ledger) mod seals;

use crate::domain::number::EntryId;
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::fact::Fact;
use crate::ledger::chain::seals::{FactsHasher, What};
use crate::ledger::{Damage, LedgerError, Result, fits};
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, OptionalExtension, Row};
use std::fmt;

const CONTEXT: &str = "tokenbook 2026 ledger chain";
const VERSION: u8 = 1;

/// What an entry records. Codes are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The ledger was made.
    Genesis,
    /// A file was imported.
    Import,
    /// Prices were imported.
    Price,
    /// Rules of attribution were imported.
    Rule,
    /// A document that says how the books are kept was applied.
    Policy,
    /// The file was upgraded to a newer schema.
    Migrate,
    /// Aliases of models were imported.
    Alias,
    /// Quarantined lines were discarded, with a reason.
    Discard,
    /// Departments of the registry were imported.
    Department,
    /// A provider's cost report was imported.
    Cost,
    /// A map of columns was stored under a name.
    Map,
    /// Thresholds of budgets were reached.
    Alert,
    /// An import, or some of its events, was retracted.
    Retract,
}

impl Kind {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Genesis => 1,
            Self::Import => 2,
            Self::Price => 3,
            Self::Rule => 5,
            Self::Policy => 6,
            Self::Migrate => 11,
            Self::Alias => 12,
            Self::Discard => 18,
            Self::Department => 19,
            Self::Cost => 20,
            Self::Map => 21,
            Self::Alert => 22,
            Self::Retract => 24,
        }
    }

    /// The kind's name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Import => "import",
            Self::Price => "price",
            Self::Rule => "rule",
            Self::Policy => "policy",
            Self::Migrate => "migrate",
            Self::Alias => "alias",
            Self::Discard => "discard",
            Self::Department => "department",
            Self::Cost => "cost",
            Self::Map => "map",
            Self::Alert => "alert",
            Self::Retract => "retract",
        }
    }

    /// The kind with a code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Genesis),
            2 => Some(Self::Import),
            3 => Some(Self::Price),
            5 => Some(Self::Rule),
            6 => Some(Self::Policy),
            11 => Some(Self::Migrate),
            12 => Some(Self::Alias),
            18 => Some(Self::Discard),
            19 => Some(Self::Department),
            20 => Some(Self::Cost),
            21 => Some(Self::Map),
            22 => Some(Self::Alert),
            24 => Some(Self::Retract),
            _ => None,
        }
    }
}

/// The last entry of a chain: what an auditor keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number, from 1.
    pub entry: EntryId,
    /// Its hash.
    pub hash: [u8; 32],
    /// When it was made.
    pub at: Timestamp,
}

/// The hash in hexadecimal.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.hash))
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('?', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// An entry as stored in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1 without gaps.
    pub number: EntryId,
    /// The code of its kind.
    pub kind: u8,
    /// When it was made; never earlier than the previous entry.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// What it records, in the encoding of its kind.
    pub payload: Vec<u8>,
    /// The digest over all seals after it.
    pub state: [u8; 32],
    /// The hash of the previous entry; zeros for the first.
    pub prev: [u8; 32],
    /// Its own hash.
    pub hash: [u8; 32],
}

impl Entry {
    /// The hash the entry should have.
    pub fn computed_hash(&self) -> [u8; 32] {
        let mut encoder = Encoder::new();
        encoder.u8(VERSION).u8(self.kind).i64(self.number.number()).raw(&self.prev).i64(self.at.nanos());
        encoder.text(&self.actor).blob(&self.payload).raw(&self.state);
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(encoder.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

const INSERT: &str =
    "INSERT INTO entry (seq, kind, at, actor, payload, state, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// The actor and the time of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// When.
    pub now: Timestamp,
    /// Who.
    pub actor: &'a str,
}

// Rows refer to an entry that is inserted after them, because the entry holds the state after the rows.
const DEFER: &str = "PRAGMA defer_foreign_keys = ON";

/// The largest payload of an entry: with the rest of its row it is below the 16 MiB that a value of the file may have.
const PAYLOAD_LIMIT: usize = (16 << 20) - (16 << 10);

/// Appends an entry after the rows that it records. The rows get its number, which is returned. Its time is never
/// earlier than the previous entry's, whatever the clock shows.
pub(super) fn append(
    connection: &Connection,
    fact: &Fact,
    Signed { now, actor }: Signed<'_>,
    payload: &[u8],
    rows: impl FnOnce(EntryId) -> Result<()>,
) -> Result<EntryId> {
    fits_an_entry(payload)?;
    let place = NextEntry::next(connection, now)?;
    seals::guard_facts(connection, fact)?;
    connection.execute_batch(DEFER)?;
    rows(place.number)?;
    let state = seals::state_after(connection, fact)?;
    insert(connection, fact.kind, &place, actor, payload, state)?;
    Ok(place.number)
}

/// Appends many entries of a kind that has a seal, like [`append`] for each payload. What the kind recorded before is read
/// once, not once for each entry. `rows` gets the place of the payload and the number of its entry.
pub(super) fn append_each(
    connection: &Connection,
    fact: &Fact,
    Signed { now, actor }: Signed<'_>,
    payloads: &[Vec<u8>],
    mut rows: impl FnMut(usize, EntryId) -> Result<()>,
) -> Result<()> {
    payloads.iter().try_for_each(|payload| fits_an_entry(payload))?;
    seals::guard_facts(connection, fact)?;
    let mut hasher = FactsHasher::of(&fact.payloads(connection)?);
    connection.execute_batch(DEFER)?;
    for (at, payload) in payloads.iter().enumerate() {
        let place = NextEntry::next(connection, now)?;
        rows(at, place.number)?;
        hasher.add(place.number, payload);
        seals::set(connection, What::Facts(fact.kind), 0, &hasher.digest())?;
        let state = seals::state_of_logs(connection)?;
        insert(connection, fact.kind, &place, actor, payload, state)?;
    }
    // The tables must say what was hashed.
    seals::guard_facts(connection, fact)
}

/// Refuses a payload that is larger than an entry can be, before anything is written.
fn fits_an_entry(payload: &[u8]) -> Result<()> {
    if payload.len() > PAYLOAD_LIMIT {
        return Err(LedgerError::TooMuch { bytes: payload.len(), most: PAYLOAD_LIMIT });
    }
    Ok(())
}

/// The place of the next entry in the chain.
struct NextEntry {
    number: EntryId,
    prev: [u8; 32],
    at: Timestamp,
}

impl NextEntry {
    fn next(connection: &Connection, now: Timestamp) -> Result<Self> {
        let last = last(connection)?;
        Ok(match last {
            Some(last) => Self { number: last.entry.next(), prev: last.hash, at: now.max(last.at) },
            None => Self { number: EntryId::FIRST, prev: [0; 32], at: now },
        })
    }
}

/// Inserts an entry at its place.
fn insert(
    connection: &Connection,
    kind: Kind,
    place: &NextEntry,
    actor: &str,
    payload: &[u8],
    state: [u8; 32],
) -> Result<()> {
    let actor = if actor.is_empty() { "unknown" } else { actor };
    let mut entry = Entry {
        number: place.number,
        kind: kind.code(),
        at: place.at,
        actor: actor.to_owned(),
        payload: payload.to_vec(),
        state,
        prev: place.prev,
        hash: [0; 32],
    };
    entry.hash = entry.computed_hash();
    connection.prepare_cached(INSERT)?.execute((
        place.number,
        entry.kind,
        place.at.nanos(),
        actor,
        payload,
        &state[..],
        &place.prev[..],
        &entry.hash[..],
    ))?;
    Ok(())
}

const HEAD: &str = "SELECT seq, hash, at FROM entry ORDER BY seq DESC LIMIT 1";

/// The last entry.
pub(super) fn head(connection: &Connection) -> Result<Head> {
    last(connection)?.ok_or_else(|| LedgerError::Corrupt(Damage::Chain, "its chain is empty".to_owned()))
}

fn last(connection: &Connection) -> Result<Option<Head>> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: Option<(EntryId, Vec<u8>, i64)> = connection.prepare_cached(HEAD)?.query_row([], row).optional()?;
    found.map(|(entry, hash, at)| Ok(Head { entry, hash: digest(&hash)?, at: instant(at)? })).transpose()
}

const STATE: &str = "SELECT state FROM entry ORDER BY seq DESC LIMIT 1";

/// The state in the newest entry; `None` if there is no entry yet.
pub(super) fn state(connection: &Connection) -> Result<Option<[u8; 32]>> {
    let state: Option<Vec<u8>> = connection.prepare_cached(STATE)?.query_row([], |row| row.get(0)).optional()?;
    state.map(|state| digest(&state)).transpose()
}

const HAS: &str = "SELECT EXISTS (SELECT 1 FROM entry WHERE kind = ?1)";

/// Whether the chain has an entry of a kind.
pub(super) fn has(connection: &Connection, kind: Kind) -> Result<bool> {
    Ok(connection.query_row(HAS, [kind.code()], |row| row.get(0))?)
}

const NEWEST: &str = "SELECT seq, kind, at, actor, payload, prev, hash, state FROM entry ORDER BY seq DESC LIMIT 1";

/// The newest entry with its content.
pub(super) fn newest(connection: &Connection) -> Result<Option<Entry>> {
    let mut statement = connection.prepare_cached(NEWEST)?;
    let mut rows = statement.query([])?;
    rows.next()?.map(entry).transpose()
}

const ENTRIES: &str = "SELECT seq, kind, at, actor, payload, prev, hash, state FROM entry ORDER BY seq";

/// Every entry in order.
pub(super) fn entries(connection: &Connection, mut each: impl FnMut(Entry) -> Result<()>) -> Result<()> {
    let mut statement = connection.prepare(ENTRIES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(entry(row)?)?;
    }
    Ok(())
}

fn entry(row: &Row<'_>) -> Result<Entry> {
    Ok(Entry {
        number: row.get(0)?,
        kind: fits(row.get(1)?, "entry kind")?,
        at: instant(row.get(2)?)?,
        actor: row.get(3)?,
        payload: row.get(4)?,
        prev: digest(&row.get::<_, Vec<u8>>(5)?)?,
        hash: digest(&row.get::<_, Vec<u8>>(6)?)?,
        state: digest(&row.get::<_, Vec<u8>>(7)?)?,
    })
}

pub(super) fn digest(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| LedgerError::Corrupt(Damage::Value, format!("a digest has {} bytes, expected 32", bytes.len())))
}

pub(super) fn instant(nanos: i64) -> Result<Timestamp> {
    Timestamp::from_nanos(nanos)
        .ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("the instant {nanos} is out of range")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_entry_is_frozen() {
        let entry = Entry {
            number: EntryId::FIRST,
            kind: Kind::Genesis.code(),
            at: Timestamp::EARLIEST,
            actor: "auditor".to_owned(),
            payload: b"payload".to_vec(),
            state: [7; 32],
            prev: [0; 32],
            hash: [0; 32],
        };
        assert_eq!(
            hex(&entry.computed_hash()),
            "ed902c1b4838bc0b81e55b2839222d79e66e2d88531f4edfd5e247e243bbcb88",
            "chains in every ledger depend on it"
        );
    }
}
