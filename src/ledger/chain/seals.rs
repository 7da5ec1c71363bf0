//! Seals: digests of what reports read, and the state of the ledger, which every entry of the chain holds.
//!
//! Anyone who can write the file can change totals, prices and names in it. A report that read such a change would bill
//! it, although no entry records it. So each kind of fact, the totals of each month and the tag sets have a digest, and
//! the newest entry of the chain holds the digest over all of these. Code that reads facts, totals or names for an
//! amount computes their digest again and compares it. This detects changes to the current state. `verify` proves more:
//! it computes the totals again from the events.

use crate::domain::number::EntryId;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::logs::{self, Extent, Log};
use crate::ledger::chain::{self, Kind};
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::canonical::Encoder;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// The subject of a seal. Codes are frozen: codes above 0 are kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum What {
    /// The totals of a month. The span is the month.
    Month,
    /// The seals of the days of a month. The span is the month.
    Days,
    /// A table that only grows. The span is its last number.
    Log(Log),
    /// The facts that entries of a kind record. The span is 0.
    Facts(Kind),
}

impl What {
    pub(in crate::ledger) fn code(self) -> i64 {
        match self {
            Self::Month => 0,
            Self::Days => -1,
            Self::Log(log) => log.code(),
            Self::Facts(kind) => i64::from(kind.code()),
        }
    }
}

pub(in crate::ledger) type Digest = [u8; 32];
/// The seals of a state, by subject and span.
pub(in crate::ledger) type Seals = BTreeMap<(i64, i64), Digest>;

const ALL: &str = "SELECT what, span, digest FROM seal ORDER BY what, span";
pub(in crate::ledger) const SET: &str =
    "INSERT INTO seal (what, span, digest) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET digest = excluded.digest";
pub(in crate::ledger) const FORGET: &str = "DELETE FROM seal WHERE what = ?1 AND span = ?2";
pub(in crate::ledger) const FORGET_ALL: &str = "DELETE FROM seal";

pub(in crate::ledger) fn all(connection: &Connection) -> Result<Seals> {
    let mut statement = connection.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut seals = Seals::new();
    while let Some(row) = rows.next()? {
        seals.insert((row.get(0)?, row.get(1)?), chain::digest(&row.get::<_, Vec<u8>>(2)?)?);
    }
    Ok(seals)
}

pub(in crate::ledger) fn set(connection: &Connection, what: What, span: i64, digest: &Digest) -> Result<()> {
    connection.prepare_cached(SET)?.execute((what.code(), span, &digest[..]))?;
    Ok(())
}

/// The digest over all seals: the state of the ledger.
pub(in crate::ledger) fn root(seals: &Seals) -> Digest {
    let mut encoder = Encoder::new();
    encoder.count(seals.len());
    for ((what, span), digest) in seals {
        encoder.i64(*what).i64(*span).raw(digest);
    }
    derived("tokenbook 2026 state", encoder.as_bytes())
}

pub(in crate::ledger) fn derived(context: &str, bytes: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}

/// The state for a new entry of a kind, after its rows were appended. It first seals the facts of its kind and new rows
/// of logs. The totals of months are sealed where they change.
pub(in crate::ledger) fn state_after(connection: &Connection, fact: &Fact) -> Result<Digest> {
    if let Some(digest) = facts(connection, fact)? {
        set(connection, What::Facts(fact.kind), 0, &digest)?;
    }
    state_of_logs(connection)
}

/// The state after rows of logs were appended, which are sealed first.
pub(in crate::ledger) fn state_of_logs(connection: &Connection) -> Result<Digest> {
    let mut seals = all(connection)?;
    for log in Log::ALL {
        let sealed = extent(&seals, log);
        let now = sealed.with_newer(connection, log)?;
        if now != sealed {
            connection.prepare_cached(FORGET)?.execute((log.code(), sealed.last))?;
            set(connection, What::Log(log), now.last, &now.digest)?;
            seals.remove(&(log.code(), sealed.last));
            seals.insert((log.code(), now.last), now.digest);
        }
    }
    Ok(root(&seals))
}

/// The digest of the facts of a kind, if amounts depend on them.
pub(in crate::ledger) fn facts(connection: &Connection, fact: &Fact) -> Result<Option<Digest>> {
    fact.is_sealed.then(|| digest_of_facts(&fact.payloads(connection)?)).transpose()
}

pub(in crate::ledger) fn digest_of_facts(payloads: &Payloads) -> Result<Digest> {
    if let Some(stray) = payloads.strays().first() {
        return Err(LedgerError::Corrupt(Damage::Rows, stray.clone()));
    }
    Ok(FactsHasher::of(payloads).digest())
}

/// The digest of the facts of a kind, entry by entry.
pub(in crate::ledger) struct FactsHasher(blake3::Hasher);

impl FactsHasher {
    /// Of what is recorded already. The caller compares that with its seal.
    pub(in crate::ledger) fn of(payloads: &Payloads) -> Self {
        let mut hasher = Self(blake3::Hasher::new_derive_key("tokenbook 2026 facts of a kind"));
        payloads.iter().for_each(|(entry, payload)| hasher.add(entry, payload));
        hasher
    }

    /// Adds an entry behind the others.
    pub(in crate::ledger) fn add(&mut self, entry: EntryId, payload: &[u8]) {
        let mut encoder = Encoder::new();
        encoder.i64(entry.number()).blob(payload);
        self.0.update(encoder.as_bytes());
    }

    /// The digest of all so far.
    pub(in crate::ledger) fn digest(&self) -> Digest {
        *self.0.finalize().as_bytes()
    }
}

/// The sealed extent of a log.
pub(in crate::ledger) fn extent(seals: &Seals, log: Log) -> Extent {
    let sealed = seals.iter().find(|((what, _), _)| *what == log.code());
    sealed.map_or(Extent::NONE, |((_, last), digest)| Extent { last: *last, digest: *digest })
}

/// Returns an error if the rows of a log differ from the recorded ones.
pub(in crate::ledger) fn prove_log(connection: &Connection, seals: &Seals, log: Log) -> Result<()> {
    let same = Extent::NONE.with_newer(connection, log)? == extent(seals, log);
    if same { Ok(()) } else { Err(changed(log.name())) }
}

/// Returns an error if the rows of logs differ from the recorded ones, before a decision depends on them.
pub(in crate::ledger) fn guard_logs(connection: &Connection, logs: &[Log]) -> Result<()> {
    let seals = all(connection)?;
    logs.iter().try_for_each(|log| prove_log(connection, &seals, *log))
}

/// Returns an error if the seals differ from those that the newest entry holds. Every append checks this first, because
/// it seals what it adds to, and must not seal an unrecorded change with it.
///
/// It compares the settings too, because the zone decides the day of an event.
pub(in crate::ledger) fn guard(connection: &Connection, settings: &Fact) -> Result<()> {
    let seals = all(connection)?;
    let newest = chain::newest(connection)?;
    if newest.is_none_or(|newest| newest.hash != newest.computed_hash() || newest.state != root(&seals)) {
        return Err(altered());
    }
    for log in Log::ALL {
        if !logs::ends_at(connection, log, extent(&seals, log).last)? {
            return Err(changed(log.name()));
        }
    }
    let sealed = seals.get(&(What::Facts(Kind::Genesis).code(), 0));
    if facts(connection, settings)?.as_ref() == sealed { Ok(()) } else { Err(changed("settings")) }
}

pub(in crate::ledger) fn altered() -> LedgerError {
    LedgerError::Corrupt(Damage::Rows, "its content does not match the newest entry of the chain".to_owned())
}

/// The seal of the facts of a kind; `None` if it has no entry.
pub(in crate::ledger) fn of_facts(connection: &Connection, fact: &Fact) -> Result<Option<Digest>> {
    Ok(all(connection)?.get(&(What::Facts(fact.kind).code(), 0)).copied())
}

/// Returns an error if the facts of a kind differ from the recorded ones, before more are appended.
pub(in crate::ledger) fn guard_facts(connection: &Connection, fact: &Fact) -> Result<()> {
    if fact.kind == Kind::Genesis {
        // The first entry has nothing before it.
        return Ok(());
    }
    let Some(digest) = facts(connection, fact)? else { return Ok(()) };
    let sealed = of_facts(connection, fact)?;
    let same = sealed.map_or(!chain::has(connection, fact.kind)?, |sealed| sealed == digest);
    if same { Ok(()) } else { Err(changed(&format!("rows of kind {}", fact.kind.name()))) }
}

pub(in crate::ledger) fn changed(what: &str) -> LedgerError {
    LedgerError::Corrupt(
        Damage::Rows,
        format!("the {what} were changed: they differ from what the newest entry of the chain records"),
    )
}
