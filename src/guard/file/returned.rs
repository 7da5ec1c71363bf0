//! Books what requests did not use, and what they used beyond their reservation.

use super::decide::{HELD, Moment};
use super::states::{give_back, grant, load, store};
use crate::control::decide::State;
use crate::control::enforced::{Enforced, Form};
use crate::domain::timestamp::Timestamp;
use rusqlite::Connection;

/// Units that come back, or that were used beyond what was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned<'a> {
    /// The limit.
    pub limit: &'a Enforced,
    /// The number of its counter in the file.
    pub counter: i64,
    /// When they were taken: the day of a budget and the slice of a window follow from it.
    pub taken_at: Timestamp,
    /// The units; below 0 if more were used than taken.
    pub units: i64,
    /// They are the rest of a lease of a rate, which counted as if it were in the bucket.
    pub is_rest: bool,
}

/// Books what came back.
pub(super) fn give(connection: &Connection, returned: &Returned<'_>, moment: &Moment<'_>) -> rusqlite::Result<()> {
    let Returned { limit, counter, taken_at, units, is_rest } = *returned;
    if let Form::Period { .. } = limit.form {
        let day = moment.calendar.day_of(taken_at);
        return if units >= 0 {
            give_back(connection, counter, day, moment.source, units)
        } else {
            grant(connection, counter, day, moment.source, units.saturating_neg())
        };
    }
    if is_rest {
        return end_lease(connection, returned, moment);
    }
    let before = load(connection, Some(counter), limit, moment)?;
    let mut after = before.clone();
    match (&limit.form, &mut after) {
        (Form::Bucket { flow, .. }, State::Bucket(bucket)) if units >= 0 => bucket.put_back(*flow, units, moment.now),
        (Form::Bucket { flow, .. }, State::Bucket(bucket)) => bucket.force(*flow, units.saturating_neg(), moment.now),
        // The window was cleared since.
        (_, State::Breaker(counter)) if units >= 0 && counter.has_forgotten(taken_at) => {}
        (_, State::Breaker(counter)) if units >= 0 => {
            let slice = counter.window().number(taken_at);
            counter.window_mut().put_back(slice, units);
        }
        (_, State::Breaker(counter)) => counter.window_mut().add(units.saturating_neg(), moment.now),
        _ => {}
    }
    store(connection, counter, &before, &after, moment)
}

/// Ends a lease of a rate. Until then its units counted as if they were in the bucket, so they may be put there. After its time the
/// bucket has filled up in their place.
fn end_lease(connection: &Connection, returned: &Returned<'_>, moment: &Moment<'_>) -> rusqlite::Result<()> {
    let Returned { limit, counter, units, .. } = *returned;
    let (now, holder) = (moment.now.nanos(), moment.holder);
    let end = "UPDATE lease SET until = 0 WHERE counter = ?1 AND holder = ?2 AND until > ?3";
    let held: i64 = connection.prepare_cached(HELD)?.query_row((counter, now, None::<i64>), |row| row.get(0))?;
    if connection.prepare_cached(end)?.execute((counter, holder, now))? == 0 {
        return Ok(());
    }
    let before = load(connection, Some(counter), limit, moment)?;
    let mut after = before.clone();
    if let (Form::Bucket { flow, .. }, State::Bucket(bucket)) = (&limit.form, &mut after) {
        bucket.hold(*flow, held, moment.now);
        bucket.put_back(*flow, units, moment.now);
    }
    store(connection, counter, &before, &after, moment)
}
