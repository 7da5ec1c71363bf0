//! What the guard file shows: what counters know, and what was refused.

use super::decide::{Moment, find, key, tally};
use super::states::{load, store};
use super::{GuardFile, GuardFileError};
use crate::control::decide::{Reason, State};
use crate::control::enforced::Enforced;
use crate::control::window::IGNORED_STEP_BACK;
use crate::domain::timestamp::Timestamp;
use rusqlite::TransactionBehavior;
use std::collections::BTreeSet;

const NANOS: i64 = 1_000_000_000;

const COUNTERS: &str = "SELECT id, subject FROM counter WHERE name = ?1 AND measure = ?2 AND scope = ?3 AND form = ?4 \
    ORDER BY subject";
const REFUSED: &str = "SELECT COALESCE(SUM(requests), 0) FROM tally WHERE counter = ?1 AND minute > ?2";
const HELD: &str = "SELECT COALESCE(SUM(amount), 0) FROM lease WHERE counter = ?1 AND until > ?2";

pub(super) const SETTLE: &str = "INSERT INTO cell (counter, cell, source, settled) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT DO UPDATE SET settled = settled + excluded.settled";
const MISSING: &str = "SELECT subject, cell, source, settled, posted FROM cell JOIN counter ON counter.id = counter \
    WHERE name = ?1 AND measure = ?2 AND scope = ?3 AND form = ?4 AND settled > posted ORDER BY subject, cell, source";

const WANTED: &str =
    "SELECT id FROM counter WHERE wanted BETWEEN ?1 AND ?2 UNION SELECT counter FROM breaker WHERE state <> 0";

/// More was settled for a day and a source than the ledger has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The value that the counter is for; empty if its limit has one counter.
    pub value: String,
    /// The number of the billing day.
    pub day: i64,
    /// The source.
    pub source: String,
    /// Units that requests settled.
    pub settled: i64,
    /// Units that the ledger has.
    pub posted: i64,
}

/// What the file knows of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The value that it is for; empty if its limit has one counter.
    pub value: String,
    /// Its state.
    pub state: State,
    /// Units that processes held when they last took some.
    pub held: i64,
    /// Requests refused within the last hour.
    pub refused: i64,
}

impl GuardFile {
    /// The counters of a limit that have started, by value.
    pub fn counters(&self, limit: &Enforced, moment: &Moment<'_>) -> Result<Vec<Known>, GuardFileError> {
        let (name, measure, scope, _, form) = key(limit, "");
        let mut statement = self.connection.prepare_cached(COUNTERS)?;
        let ids: Vec<(i64, String)> = statement
            .query_map((name, measure, scope, form), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut known = Vec::new();
        for (id, value) in ids {
            let state = load(&self.connection, Some(id), limit, moment)?;
            let hour = moment.now.seconds().div_euclid(60).saturating_sub(60);
            let refused = self.connection.prepare_cached(REFUSED)?.query_row([id, hour], |row| row.get(0))?;
            let held = self.connection.prepare_cached(HELD)?.query_row([id, moment.now.nanos()], |row| row.get(0))?;
            known.push(Known { value, state, held, refused });
        }
        Ok(known)
    }

    /// Closes a breaker and clears its window. `false` if it has not started.
    pub fn reset(&mut self, limit: &Enforced, value: &str, moment: &Moment<'_>) -> Result<bool, GuardFileError> {
        self.in_transaction(std::iter::once(limit), moment, |transaction, moment| {
            let Some(id) = find(transaction, limit, value)? else { return Ok(false) };
            let before = load(transaction, Some(id), limit, moment)?;
            let mut after = before.clone();
            if let State::Breaker(counter) = &mut after {
                counter.reset(moment.now);
            }
            store(transaction, id, &before, &after, moment)?;
            Ok(true)
        })
    }

    /// Counts requests that a process refused by itself, by counter and reason.
    pub fn tally_all(&mut self, refused: &[(i64, Reason, i64)], now: Timestamp) -> Result<(), GuardFileError> {
        if refused.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (counter, reason, requests) in refused {
            tally(&transaction, *counter, *reason, *requests, now)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Forgets a process that gave everything back.
    pub fn forget_holder(&mut self, holder: i64) -> Result<(), GuardFileError> {
        self.connection.execute("DELETE FROM lease WHERE holder = ?1", [holder])?;
        self.connection.execute("UPDATE holder SET seen = 0 WHERE id = ?1", [holder])?;
        Ok(())
    }

    /// Adds what requests settled, by counter and day. It is for people and decides nothing.
    pub fn note_settled(&mut self, settled: &[(i64, i64, i64)], source: &str) -> Result<(), GuardFileError> {
        if settled.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (counter, day, units) in settled {
            transaction.prepare_cached(SETTLE)?.execute((counter, day, source, units))?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Days and sources for which more was settled than the ledger has.
    pub fn missing(&self, limit: &Enforced) -> Result<Vec<Missing>, GuardFileError> {
        let (name, measure, scope, _, form) = key(limit, "");
        let mut statement = self.connection.prepare_cached(MISSING)?;
        let missing = |row: &rusqlite::Row<'_>| {
            let (value, day, source) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Missing { value, day, source, settled: row.get(3)?, posted: row.get(4)? })
        };
        Ok(statement.query_map((name, measure, scope, form), missing)?.collect::<rusqlite::Result<_>>()?)
    }

    /// The counters that refused a request within the last second, and those of breakers that do not let all requests pass.
    pub fn wanted(&self, now: Timestamp) -> Result<BTreeSet<i64>, GuardFileError> {
        // Another process may know a later time, if the clock was set back.
        let (since, until) = (now.nanos().saturating_sub(NANOS), now.nanos().saturating_add(IGNORED_STEP_BACK));
        let mut statement = self.connection.prepare_cached(WANTED)?;
        let found = statement.query_map([since, until], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(found)
    }
}
