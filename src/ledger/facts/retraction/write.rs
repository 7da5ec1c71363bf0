//! Carries out a planned retraction, if the ledger has not changed since.

use super::plan::expect_kind;
use super::{FACT, Plan, Refused, Stored, Taken, payload};
use crate::domain::number::{CostImportId, EntryId};
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::seals;
use crate::ledger::chain::{self, Kind, Signed};
use crate::ledger::facts::costs;
use crate::ledger::facts::quarantine::{self, Outcome};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::sums::month_seals;
use crate::ledger::sums::recount;
use crate::ledger::{LedgerError, Result};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;

const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM retraction";
const INSERT: &str =
    "INSERT INTO retraction (id, entry, import, cost_import, whole, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const INSERT_KEY: &str = "INSERT INTO retracted_event (key, retraction) VALUES (?1, ?2)";

impl Transaction<'_> {
    /// Carries out a plan. Returns [`LedgerError::Changed`] if the ledger has changed since the plan.
    pub fn retract(&self, plan: &Plan, reason: &str, now: Timestamp, actor: &str) -> Result<()> {
        let connection = self.connection();
        if chain::head(connection)? != plan.head {
            return Err(LedgerError::Changed);
        }
        let months: BTreeSet<i64> = plan.changed.iter().map(|day| day.day.month().code()).collect();
        month_seals::guard_months(connection, self.ledger(), &months)?;
        recount::exchange(connection, self.ledger(), plan.changed.iter().map(|day| (day.day, day.sums.as_slice())))?;
        month_seals::seal_months(connection, self.ledger(), &months)?;
        let parts = (next(connection)?..).zip(&plan.parts);
        let stored = parts.map(|(id, part)| Stored {
            id,
            taken: Taken::Import(part.made.row.id),
            whole: plan.all,
            reason,
            keys: &part.keys,
            open_again: &part.open_again,
            closed: &part.closed,
        });
        let all: Vec<Stored<'_>> = stored.collect();
        append(connection, &all, Signed { now, actor })
    }

    /// Retracts an import of costs. The amounts that it replaced are in force again.
    pub fn retract_costs(&self, costs: &CostsTaken, reason: &str, now: Timestamp, actor: &str) -> Result<()> {
        let connection = self.connection();
        let taken = Taken::Costs(costs.import);
        let id = next(connection)?;
        let stored = Stored { id, taken, whole: true, reason, keys: &[], open_again: &[], closed: &[] };
        append(connection, &[stored], Signed { now, actor })
    }
}

fn next(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row(NEXT, [], |row| row.get(0))?)
}

/// Appends retractions, an entry for each.
fn append(connection: &Connection, all: &[Stored<'_>], signed: Signed<'_>) -> Result<()> {
    let payloads: Vec<Vec<u8>> = all.iter().map(payload).collect();
    chain::append_each(connection, &FACT, signed, &payloads, |place, entry| {
        let Some(stored) = all.get(place) else { return Ok(()) };
        let (import, costs) = match stored.taken {
            Taken::Import(import) => (Some(import), None),
            Taken::Costs(import) => (None, Some(import)),
        };
        let row = (stored.id, entry, import, costs, stored.whole, stored.reason);
        connection.prepare_cached(INSERT)?.execute(row)?;
        let mut statement = connection.prepare_cached(INSERT_KEY)?;
        stored.keys.iter().try_for_each(|key| statement.execute((key.number(), stored.id)).map(|_| ()))?;
        quarantine::decide(connection, entry, stored.open_again, Outcome::OpenAgain, stored.reason)?;
        quarantine::decide(connection, entry, stored.closed, Outcome::Retracted, stored.reason)
    })
}

/// An import of costs that can be retracted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostsTaken {
    import: CostImportId,
    /// The file.
    pub file: String,
    /// The number of lines that it brought.
    pub lines: u64,
    /// Later imports of its source whose files had some of its lines and must come again: entry and file.
    pub again: Vec<(EntryId, String)>,
}

const COSTS: &str = "SELECT id, file, (SELECT count(*) FROM provider_cost c WHERE c.import = i.id) \
    FROM cost_import i WHERE entry = ?1";
const COSTS_TAKEN: &str = "SELECT entry FROM retraction WHERE cost_import = ?1";
const COSTS_AGAIN: &str = "SELECT i.entry, i.file FROM cost_import i JOIN cost_import a ON a.id = ?1 \
    WHERE i.source = a.source AND i.entry > a.entry AND i.duplicates > 0 \
    AND (i.digest, i.format, i.options) <> (a.digest, a.format, a.options) \
    AND NOT EXISTS (SELECT 1 FROM retraction r WHERE r.cost_import = i.id) ORDER BY i.entry";

impl Snapshot<'_> {
    /// The import of costs to retract, by its entry.
    pub fn taking_costs(&self, entry: EntryId) -> std::result::Result<CostsTaken, Refused> {
        CostsTaken::of(self.connection(), entry)
    }
}

impl Transaction<'_> {
    /// The import of costs to retract, by its entry.
    pub fn taking_costs(&self, entry: EntryId) -> std::result::Result<CostsTaken, Refused> {
        CostsTaken::of(self.connection(), entry)
    }
}

impl CostsTaken {
    fn of(connection: &Connection, entry: EntryId) -> std::result::Result<Self, Refused> {
        expect_kind(connection, entry, Kind::Cost)?;
        seals::guard_facts(connection, &costs::FACT)?;
        seals::guard_facts(connection, &FACT)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found: Option<(CostImportId, String, i64)> = connection.query_row(COSTS, [entry], read).optional()?;
        let (import, file, lines) = found.ok_or(Refused::NoEntry(entry))?;
        if let Some(by) = connection.query_row(COSTS_TAKEN, [import], |row| row.get(0)).optional()? {
            return Err(Refused::Already { entry, by });
        }
        let mut statement = connection.prepare(COSTS_AGAIN)?;
        let again = statement.query_map([import], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let again = again.collect::<rusqlite::Result<_>>()?;
        Ok(Self { import, file, lines: u64::try_from(lines).unwrap_or(0), again })
    }
}
