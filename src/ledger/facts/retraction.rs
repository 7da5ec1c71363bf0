//! Retractions: the rows of an import, or some of its events, stay stored, and nothing counts them.
//!
//! `Retracted` is the only type that decides whether a row counts. Everything that reads events uses it: totals,
//! proofs, comparison with known events, growing records. Digests of batches cover all rows, because rows never change.

mod plan;
mod recorded;
mod write;

pub use plan::{Chosen, DayPlan, Part, Plan, Refused, Taking};
pub use recorded::{NearSpan, RecordedSpan};
pub use write::CostsTaken;

use crate::domain::number::{CostImportId, EntryId, ImportId, QuarantinedId};
use crate::ledger::chain::Kind;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::seals;
use crate::ledger::facts::quarantine::{self, Outcome};
use crate::ledger::file::retracted::Retracted;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::{Ledger, Result, values};
use crate::rows::canonical::Encoder;
use crate::rows::key::EventKey;
use rusqlite::Connection;

use std::collections::BTreeMap;
use std::sync::Arc;

/// How the chain records retractions.
pub(in crate::ledger) const FACT: Fact = Fact {
    kind: Kind::Retract,
    tables: &["retraction", "retracted_event", "quarantine_outcome"],
    payloads,
    is_sealed: true,
};

impl Snapshot<'_> {
    /// Returns an error if the retractions in the tables differ from the recorded ones.
    pub fn prove_retractions(&self) -> Result<()> {
        self.prove_kind(&FACT)
    }
}

impl Ledger {
    /// The retractions on all days, for code that appends. They are read and compared with their seal once for each
    /// seal.
    pub(in crate::ledger) fn retracted(&self) -> Result<Arc<Retracted>> {
        let seal = seals::of_facts(&self.connection, &FACT)?;
        if let Some((of, retracted)) = &*self.retracted.borrow()
            && *of == seal
        {
            return Ok(Arc::clone(retracted));
        }
        seals::guard_facts(&self.connection, &FACT)?;
        let retracted = Arc::new(Retracted::all(&self.connection)?);
        self.retracted.replace(Some((seal, Arc::clone(&retracted))));
        Ok(retracted)
    }
}

/// What was retracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// An import of usage, by its number.
    Import(ImportId),
    /// An import of costs, by its number.
    Costs(CostImportId),
}

/// A stored retraction.
struct Stored<'a> {
    id: i64,
    taken: Taken,
    whole: bool,
    reason: &'a str,
    /// The keys of single events, sorted.
    keys: &'a [EventKey],
    /// Quarantined lines that are open again, and those retracted with their import, sorted.
    open_again: &'a [QuarantinedId],
    closed: &'a [QuarantinedId],
}

/// The payload of a retraction: what was retracted and why, a digest over the keys of single events, which may be many,
/// and the quarantined lines that it decides.
fn payload(stored: &Stored<'_>) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let (import, costs) = match stored.taken {
        Taken::Import(import) => (Some(import), None),
        Taken::Costs(import) => (None, Some(import)),
    };
    encoder
        .i64(stored.id)
        .optional_i64(import.map(ImportId::number))
        .optional_i64(costs.map(CostImportId::number))
        .u8(u8::from(stored.whole))
        .text(stored.reason);
    list(&mut encoder, stored.keys, EventKey::number);
    list(&mut encoder, stored.open_again, QuarantinedId::number);
    list(&mut encoder, stored.closed, QuarantinedId::number);
    encoder.into_bytes()
}

/// Encodes how many numbers there are, and their digest.
fn list<T: Copy>(encoder: &mut Encoder, all: &[T], number: impl Fn(T) -> i64) {
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 retracted numbers");
    for one in all {
        hasher.update(&number(*one).to_be_bytes());
    }
    encoder.count(all.len()).blob(hasher.finalize().as_bytes());
}

const RETRACTIONS: &str = "SELECT id, entry, import, cost_import, whole, reason FROM retraction ORDER BY id";
const RETRACTED_KEYS: &str = "SELECT retraction, key FROM retracted_event ORDER BY retraction, key";

/// The payloads of all retractions by entry, computed from the tables.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let mut keys: BTreeMap<i64, Vec<EventKey>> = BTreeMap::new();
    let mut statement = connection.prepare_cached(RETRACTED_KEYS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.entry(row.get(0)?).or_default().push(values::key(row.get(1)?)?);
    }
    let mut payloads = Payloads::default();
    let mut open = quarantine::outcomes(connection, Outcome::OpenAgain)?;
    let mut closed = quarantine::outcomes(connection, Outcome::Retracted)?;
    let mut statement = connection.prepare_cached(RETRACTIONS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, entry, reason): (i64, EntryId, String) = (row.get(0)?, row.get(1)?, row.get(5)?);
        let taken = match (row.get(2)?, row.get(3)?) {
            (Some(import), None) => Taken::Import(import),
            (None, Some(import)) => Taken::Costs(import),
            _ => {
                payloads.stray(format!("retraction {id} names no import, or more than one"));
                continue;
            }
        };
        let mut lines_of = |decided: &mut BTreeMap<EntryId, Vec<(QuarantinedId, String)>>| {
            let lines = decided.remove(&entry).unwrap_or_default();
            if lines.iter().any(|(_, other)| *other != reason) {
                payloads.stray(format!("retraction {id} decides on quarantined lines for another reason than its own"));
            }
            lines.into_iter().map(|(line, _)| line).collect::<Vec<QuarantinedId>>()
        };
        let (open_again, closed) = (lines_of(&mut open), lines_of(&mut closed));
        let (keys, whole) = (keys.remove(&id).unwrap_or_default(), row.get(4)?);
        let stored =
            Stored { id, taken, whole, reason: &reason, keys: &keys, open_again: &open_again, closed: &closed };
        payloads.insert(entry, payload(&stored));
    }
    for retraction in keys.into_keys() {
        payloads.stray(format!("retracted events name retraction {retraction}, which does not exist"));
    }
    for entry in open.into_keys().chain(closed.into_keys()) {
        payloads.stray(format!("entry {entry} retracts quarantined lines, but is not a retraction"));
    }
    Ok(payloads)
}
