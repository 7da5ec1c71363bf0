//! One decision in the guard file: a transaction that takes units of all counters of a request, or of none.

use super::returned::{Returned, give};
use super::states::{load, store};
use super::status::SETTLE;
use super::{GuardFile, GuardFileError, clock};
use crate::control::breaker::{Ended, State as Phase, Taken};
use crate::control::decide::{Reason, Refused, State, Touched, Verdict, decide, settle};
use crate::control::enforced::{Enforced, Form, units};
use crate::control::period::back;
use crate::control::span::Seconds;
use crate::domain::calendar::{Calendar, Day};
use crate::domain::timestamp::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// A limit has at most so many counters. Values beyond share one.
const MOST_COUNTERS: usize = 100_000;

/// The counter of the values beyond.
const OTHER: &str = "(other)";

const NANOS: i64 = 1_000_000_000;

/// A holder that was not seen for so long does not count when units are divided.
const LIVE: i64 = 60 * NANOS;

/// How long a lease of a rate lasts.
const BUCKET_LEASE: i64 = NANOS;

const FIND: &str =
    "SELECT id FROM counter WHERE name = ?1 AND measure = ?2 AND scope = ?3 AND subject = ?4 AND form = ?5";
const MAKE: &str = "INSERT INTO counter (name, measure, scope, subject, form) VALUES (?1, ?2, ?3, ?4, ?5)";
const COUNT: &str = "SELECT COUNT(*) FROM counter WHERE name = ?1 AND measure = ?2 AND scope = ?3";
pub(super) const HELD: &str =
    "SELECT COALESCE(SUM(amount), 0) FROM lease WHERE counter = ?1 AND until > ?2 AND holder IS NOT ?3";
const LEASE: &str = "INSERT INTO lease (counter, holder, amount, until) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT DO UPDATE SET amount = excluded.amount, until = excluded.until";
/// A process that was forgotten is known again.
const SEE: &str = "INSERT INTO holder (id, name, seen) VALUES (?1, '', ?2) \
    ON CONFLICT DO UPDATE SET seen = excluded.seen WHERE seen < ?3 OR seen > ?2";
const TALLY: &str = "INSERT INTO tally (minute, counter, reason, requests) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT DO UPDATE SET requests = requests + excluded.requests";

/// When and for whom a transaction happens.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Now.
    pub now: Timestamp,
    /// The calendar of the ledger.
    pub calendar: Calendar,
    /// How long a day also counts what was granted.
    pub settled_for: Seconds,
    /// The source under which the traffic will be recorded.
    pub source: &'a str,
    /// The process; `None` for a decision without leases.
    pub holder: Option<i64>,
}

impl Moment<'_> {
    /// The billing day.
    pub fn day(&self) -> Day {
        self.calendar.day_of(self.now)
    }

    /// The first day that counts what was granted.
    pub(super) fn first_granted(&self) -> Day {
        let days = self.settled_for.get().div_euclid(86_400);
        back(self.day(), usize::try_from(days).unwrap_or(usize::MAX).min(4_000))
    }
}

/// What a request asks of one counter.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The limit.
    pub limit: &'a Enforced,
    /// The value that the counter is for; empty if the limit has one counter.
    pub value: &'a str,
    /// The units that the request lacks.
    pub needed: i64,
    /// All its units.
    pub asked: i64,
    /// Units that stay for requests of a higher priority.
    pub kept: i64,
    /// How many units to take in advance; 0 for none.
    pub size: i64,
    /// Units that the process holds already and keeps.
    pub left: i64,
}

/// Whether a decision is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// What was asked for counts as used, at once and without a settlement.
    Estimate,
    /// What was asked for is taken, to be settled later.
    Reservation,
    /// Nothing is kept.
    Nothing,
}

/// A decision with what was taken in advance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The decision.
    pub verdict: Verdict,
    /// For each counter: what the process got.
    pub leases: Vec<Lease>,
}

/// The answer to a process that asks for units.
#[derive(Debug)]
pub enum Granted {
    /// A decision.
    Decided(Answer),
    /// Nothing was decided, because the time of the file is later than the time of the process. The units that the process holds may be too old.
    Later(Timestamp),
}

/// What a process got of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    /// The number of the counter; `None` if it has not started.
    pub counter: Option<i64>,
    /// Units taken in advance.
    pub units: i64,
    /// When their day or slice began; for a quota, a second before they were taken.
    pub since: i64,
    /// They are valid until then.
    pub until: i64,
    /// What was left in the counter afterwards.
    pub free: i64,
}

impl GuardFile {
    /// Decides on a request at the time of the file. Books what came back first.
    pub fn decide(
        &mut self,
        asked: &[Asked<'_>],
        returned: &[Returned<'_>],
        moment: &Moment<'_>,
        count: Count,
    ) -> Result<Answer, GuardFileError> {
        let limits = asked.iter().map(|asked| asked.limit).chain(returned.iter().map(|returned| returned.limit));
        self.in_transaction(limits, moment, |transaction, moment| {
            for returned in returned {
                give(transaction, returned, moment)?;
            }
            if count != Count::Nothing {
                return decide_in(transaction, asked, moment, count);
            }
            transaction.execute_batch("SAVEPOINT trial")?;
            let answer = decide_in(transaction, asked, moment, count);
            transaction.execute_batch("ROLLBACK TO trial; RELEASE trial")?;
            answer
        })
    }

    /// Decides on a request for a process that holds units. Books what came back first.
    pub fn grant(
        &mut self,
        asked: &[Asked<'_>],
        returned: &[Returned<'_>],
        moment: &Moment<'_>,
    ) -> Result<Granted, GuardFileError> {
        let limits = asked.iter().map(|asked| asked.limit).chain(returned.iter().map(|returned| returned.limit));
        self.in_transaction(limits, moment, |transaction, at| {
            if at.now > moment.now {
                return Ok(Granted::Later(at.now));
            }
            for returned in returned {
                give(transaction, returned, at)?;
            }
            decide_in(transaction, asked, at, Count::Reservation).map(Granted::Decided)
        })
    }

    /// Takes units in advance for a process that still has some, after booking what came back. `None` for a counter that has not started,
    /// and for a breaker that is not closed.
    pub fn renew(
        &mut self,
        asked: &[Asked<'_>],
        returned: &[Returned<'_>],
        moment: &Moment<'_>,
    ) -> Result<Vec<Option<Lease>>, GuardFileError> {
        let limits = asked.iter().map(|asked| asked.limit).chain(returned.iter().map(|returned| returned.limit));
        self.in_transaction(limits, moment, |transaction, moment| {
            for returned in returned {
                give(transaction, returned, moment)?;
            }
            let live = live_holders(transaction, moment)?;
            asked.iter().map(|asked| renew_one(transaction, asked, live, moment)).collect()
        })
    }

    /// One transaction at the time of the file. An error undoes it.
    pub(super) fn in_transaction<'l, T>(
        &mut self,
        limits: impl Iterator<Item = &'l Enforced>,
        moment: &Moment<'_>,
        work: impl FnOnce(&Connection, &Moment<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, GuardFileError> {
        self.check_place()?;
        self.sync_for(limits)?;
        let boot = self.boot.clone();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = clock::settle(&transaction, moment.now, boot.as_deref())?;
        let before = newest_counter(&transaction)?;
        let result = work(&transaction, &Moment { now, ..*moment })?;
        let is_started = newest_counter(&transaction)? != before;
        transaction.commit()?;
        if is_started && !self.is_full_sync {
            // If a power cut lost a new quota, its bucket would be full again. A write that waits for the disk keeps everything before it.
            self.set_full_sync(true)?;
            self.connection.execute("UPDATE guard SET boot = boot", [])?;
        }
        Ok(result)
    }

    /// Books units that came back or were used beyond what was taken.
    pub fn book(&mut self, returned: &[Returned<'_>], moment: &Moment<'_>) -> Result<(), GuardFileError> {
        self.decide(&[], returned, moment, Count::Reservation).map(|_| ())
    }

    /// Settles a request that a breaker tries, or one that may have filled its window. Returns what is free in the window; `None` if the
    /// breaker is not closed.
    pub fn settle_breaker(
        &mut self,
        limit: &Enforced,
        counter: i64,
        taken: Taken,
        ended: Ended,
        moment: &Moment<'_>,
    ) -> Result<Option<i64>, GuardFileError> {
        self.in_transaction(std::iter::once(limit), moment, |transaction, moment| {
            let before = load(transaction, Some(counter), limit, moment)?;
            let mut after = before.clone();
            settle(limit, &mut after, taken, ended, moment.now);
            store(transaction, counter, &before, &after, moment)?;
            let State::Breaker(mut breaker) = after else { return Ok(None) };
            let free = units(limit.bound).saturating_sub(breaker.used(moment.now));
            Ok((*breaker.phase() == Phase::Closed).then_some(free))
        })
    }

    /// Registers a process and returns its number.
    pub fn register(&mut self, name: &str, now: Timestamp) -> Result<i64, GuardFileError> {
        self.check_place()?;
        self.connection.execute("INSERT INTO holder (name, seen) VALUES (?1, ?2)", (name, now.nanos()))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Budgets and windows are written so that a power cut forgets nothing. A rate starts empty after one, so it need not be.
    pub(super) fn sync_for<'l>(&mut self, mut limits: impl Iterator<Item = &'l Enforced>) -> rusqlite::Result<()> {
        let forgets = |limit: &Enforced| matches!(limit.form, Form::Bucket { .. }) || limit.common.shadow;
        let is_full = self.boot.is_none() || !limits.all(forgets);
        if is_full == self.is_full_sync { Ok(()) } else { self.set_full_sync(is_full) }
    }

    fn set_full_sync(&mut self, is_full: bool) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", if is_full { "FULL" } else { "NORMAL" })?;
        self.is_full_sync = is_full;
        Ok(())
    }
}

fn newest_counter(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT MAX(id) FROM counter")?.query_row([], |row| row.get(0))
}

fn renew_one(
    connection: &Connection,
    asked: &Asked<'_>,
    live: i64,
    moment: &Moment<'_>,
) -> rusqlite::Result<Option<Lease>> {
    let Some(id) = find(connection, asked.limit, asked.value)? else { return Ok(None) };
    let mut before = load(connection, Some(id), asked.limit, moment)?;
    if let State::Breaker(counter) = &mut before
        && *counter.state(moment.now) != Phase::Closed
    {
        return Ok(None);
    }
    hold(connection, Some(id), asked, &mut before, moment)?;
    let mut after = before.clone();
    let lease = Lease { counter: Some(id), ..take_ahead(asked, &mut after, live, moment) };
    store(connection, id, &before, &after, moment)?;
    note_lease(connection, id, asked, &lease, moment)?;
    Ok(Some(lease))
}

/// What tells a counter from others: name, measure, scope, value and form.
pub(super) fn key<'a>(limit: &'a Enforced, value: &'a str) -> (&'a str, &'static str, String, &'a str, i64) {
    let (form, scope) = match &limit.form {
        Form::Period { .. } => (1, limit.spelled.clone()),
        // The slices of another window are others.
        Form::Breaker(breaker) => (2, format!("{}; window {}", limit.spelled, breaker.window)),
        Form::Bucket { .. } => (3, limit.spelled.clone()),
    };
    (limit.common.name.as_str(), limit.bound.measure.name(), scope, value, form)
}

/// The number of a counter, if it has started; that of the counter for the rest, if the limit has too many.
pub(super) fn find(connection: &Connection, limit: &Enforced, value: &str) -> rusqlite::Result<Option<i64>> {
    let by = |value| {
        let key = key(limit, value);
        connection.prepare_cached(FIND)?.query_row(key, |row| row.get(0)).optional()
    };
    match by(value)? {
        None if limit.each().is_some() => by(OTHER),
        found => Ok(found),
    }
}

/// The number of a counter, which starts if it has not.
pub(super) fn start(connection: &Connection, limit: &Enforced, value: &str) -> rusqlite::Result<i64> {
    if let Some(known) = find(connection, limit, value)? {
        return Ok(known);
    }
    let mut key = key(limit, value);
    let is_full = limit.each().is_some() && {
        let known: i64 = connection.prepare_cached(COUNT)?.query_row((key.0, key.1, &key.2), |row| row.get(0))?;
        usize::try_from(known).unwrap_or(0) >= MOST_COUNTERS
    };
    if is_full {
        key.3 = OTHER;
    }
    connection.prepare_cached(MAKE)?.execute(key)?;
    Ok(connection.last_insert_rowid())
}

fn decide_in(
    connection: &Connection,
    asked: &[Asked<'_>],
    moment: &Moment<'_>,
    count: Count,
) -> rusqlite::Result<Answer> {
    let (mut ids, mut before) = (Vec::new(), Vec::new());
    for asked in asked {
        let id = find(connection, asked.limit, asked.value)?;
        let mut state = load(connection, id, asked.limit, moment)?;
        hold(connection, id, asked, &mut state, moment)?;
        ids.push(id);
        before.push(state);
    }
    let mut after = before.clone();
    let mut touched: Vec<Touched<'_>> = Vec::new();
    for (asked, state) in asked.iter().zip(&mut after) {
        let Asked { limit, needed, asked, kept, .. } = *asked;
        touched.push(Touched { limit, state, needed, asked, kept });
    }
    let verdict = decide(&mut touched, moment.now);
    let live = live_holders(connection, moment)?;
    let mut leases = vec![Lease::default(); asked.len()];
    for (place, ((asked, state), lease)) in asked.iter().zip(&mut after).zip(&mut leases).enumerate() {
        if verdict.took(place) {
            if count == Count::Estimate
                && let Form::Breaker(_) = asked.limit.form
            {
                let probe = verdict.probes.iter().find(|(of, _)| *of == place).map(|(_, probe)| *probe);
                let taken = Taken { units: asked.asked, at: moment.now, probe };
                settle(asked.limit, state, taken, Ended::Used(asked.asked), moment.now);
            }
            *lease = take_ahead(asked, state, live, moment);
        }
    }
    for (place, asked) in asked.iter().enumerate() {
        let (Some(before), Some(after)) = (before.get(place), after.get(place)) else { continue };
        let known = ids.get(place).copied().flatten();
        let id = match known {
            Some(id) => id,
            None if verdict.took(place) => start(connection, asked.limit, asked.value)?,
            None => continue,
        };
        store(connection, id, before, after, moment)?;
        if count == Count::Estimate && verdict.took(place) && matches!(asked.limit.form, Form::Period { .. }) {
            let cell = (id, moment.day().number(), moment.source, asked.asked);
            connection.prepare_cached(SETTLE)?.execute(cell)?;
        }
        if let Some(lease) = leases.get_mut(place) {
            lease.counter = Some(id);
            if asked.size > 0 && verdict.took(place) {
                note_lease(connection, id, asked, lease, moment)?;
            }
        }
    }
    note_refusals(connection, &verdict, &ids, moment)?;
    Ok(Answer { verdict, leases })
}

/// Notes what a process holds.
fn note_lease(
    connection: &Connection,
    id: i64,
    asked: &Asked<'_>,
    lease: &Lease,
    moment: &Moment<'_>,
) -> rusqlite::Result<()> {
    let Some(holder) = moment.holder else { return Ok(()) };
    let amount = lease.units.saturating_add(asked.left);
    connection.prepare_cached(LEASE)?.execute((id, holder, amount, lease.until))?;
    Ok(())
}

/// Counts what others hold of a rate as if it were in the bucket.
fn hold(
    connection: &Connection,
    id: Option<i64>,
    asked: &Asked<'_>,
    state: &mut State,
    moment: &Moment<'_>,
) -> rusqlite::Result<()> {
    let (Some(id), Form::Bucket { flow, .. }, State::Bucket(bucket)) = (id, &asked.limit.form, state) else {
        return Ok(());
    };
    let parameters = (id, moment.now.nanos(), moment.holder);
    let held: i64 = connection.prepare_cached(HELD)?.query_row(parameters, |row| row.get(0))?;
    bucket.hold(*flow, held.saturating_add(asked.left), moment.now);
    Ok(())
}

fn live_holders(connection: &Connection, moment: &Moment<'_>) -> rusqlite::Result<i64> {
    let Some(holder) = moment.holder else { return Ok(1) };
    let now = moment.now.nanos();
    let step = now.saturating_sub(NANOS);
    connection.prepare_cached(SEE)?.execute((holder, now, step))?;
    let count: i64 = connection
        .prepare_cached("SELECT COUNT(*) FROM holder WHERE seen BETWEEN ?1 AND ?2")?
        .query_row([now.saturating_sub(LIVE), now], |row| row.get(0))?;
    Ok(count.max(1))
}

/// Takes units in advance: at most what was asked for, and a part of what is left.
fn take_ahead(asked: &Asked<'_>, state: &mut State, live: i64, moment: &Moment<'_>) -> Lease {
    let now = moment.now;
    let (free, since, until) = match (&asked.limit.form, &mut *state) {
        (Form::Period { most, .. }, State::Period { used, ends }) => {
            let start = |day| moment.calendar.start_of(day);
            let next = start(crate::control::period::forward(moment.day(), 1));
            (most.saturating_sub(*used), start(moment.day()).nanos(), next.min(*ends).nanos())
        }
        // Threads may hand over instants that are a little older.
        (Form::Bucket { flow, .. }, State::Bucket(bucket)) => {
            let (since, until) = (now.nanos().saturating_sub(BUCKET_LEASE), now.nanos().saturating_add(BUCKET_LEASE));
            (bucket.level(*flow, now), since, until)
        }
        (Form::Breaker(breaker), State::Breaker(counter)) => {
            let window = counter.window();
            let (start, end) = window.bounds(window.number(now));
            let limit = units(breaker.bound);
            let is_closed = *counter.phase() == Phase::Closed;
            (if is_closed { limit.saturating_sub(counter.used(now)) } else { 0 }, start, end)
        }
        _ => (0, 0, 0),
    };
    let before = free.saturating_add(asked.needed);
    let share = before.checked_div_euclid(live.saturating_mul(4)).unwrap_or(0);
    let ahead = asked.size.min(share).saturating_sub(asked.needed).min(free).max(0);
    if ahead > 0 {
        match (&asked.limit.form, state) {
            (_, State::Period { used, .. }) => *used = used.saturating_add(ahead),
            (Form::Bucket { flow, .. }, State::Bucket(bucket)) => bucket.force(*flow, ahead, now),
            (_, State::Breaker(counter)) => counter.window_mut().add(ahead, now),
            _ => {}
        }
    }
    Lease { counter: None, units: ahead, since, until, free: free.saturating_sub(ahead) }
}

fn note_refusals(
    connection: &Connection,
    verdict: &Verdict,
    ids: &[Option<i64>],
    moment: &Moment<'_>,
) -> rusqlite::Result<()> {
    for Refused { place, reason, .. } in verdict.refused.iter().chain(&verdict.shadowed) {
        let Some(id) = ids.get(*place).copied().flatten() else { continue };
        tally(connection, id, *reason, 1, moment.now)?;
        let now = moment.now.nanos();
        connection.prepare_cached("UPDATE counter SET wanted = ?2 WHERE id = ?1")?.execute((id, now))?;
    }
    Ok(())
}

/// Counts refused requests of the minute.
pub(super) fn tally(
    connection: &Connection,
    counter: i64,
    reason: Reason,
    requests: i64,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let minute = now.seconds().div_euclid(60);
    connection.prepare_cached(TALLY)?.execute((minute, counter, reason.name(), requests))?;
    Ok(())
}
