//! From events back to daily sums: what `rebuild` writes, `verify` compares, and rating from raw events starts from.

use crate::domain::calendar::{Day, DayFinder};
use crate::domain::event::Band;
use crate::domain::key::EventKey;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Tally, UsageLine, UsageSums};
use crate::ledger::class::Classes;
use crate::ledger::scan::{self, Columns};
use crate::ledger::transaction::Write;
use crate::ledger::{LedgerError, Result, daily};
use rusqlite::Connection;
use std::collections::BTreeSet;

const DAYS_OF_EVENTS: &str = "SELECT min(key), max(key) FROM usage_event";

/// The first and the last day that events stand under.
pub(super) fn days_of_events(connection: &Connection) -> Result<Option<(Day, Day)>> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let keys: (Option<i64>, Option<i64>) = connection.query_row(DAYS_OF_EVENTS, [], row)?;
    let day = |key: i64| {
        EventKey::from_number(key)
            .map(EventKey::day)
            .ok_or_else(|| LedgerError::Corrupt("a key is out of range".to_owned()))
    };
    match keys {
        (Some(first), Some(last)) => Ok(Some((day(first)?, day(last)?))),
        _ => Ok(None),
    }
}

/// The sums of one day's events, of some models or of all.
pub(super) fn sums_of_day(
    connection: &Connection,
    classes: &Classes,
    (day, start): (Day, Timestamp),
    models: Option<&BTreeSet<i64>>,
) -> Result<Vec<UsageLine>> {
    let mut tally = Tally::new();
    let (first, last) = EventKey::range_of(day);
    scan::events(connection, classes, first, last, Columns::Usage, |event| {
        if models.is_none_or(|models| models.contains(&event.class.model)) {
            tally.add((event.class.number, event.class.band(&event.quantities)?), event.at, &event.quantities)?;
        }
        Ok(())
    })?;
    lines_of_day(tally, classes, day, start)
}

/// The sums of one day by class and band, as lines.
pub(super) fn lines_of_day(
    mut tally: Tally<(i64, Band)>,
    classes: &Classes,
    day: Day,
    start: Timestamp,
) -> Result<Vec<UsageLine>> {
    let mut sums = UsageSums::new();
    tally.drain(&mut sums, |(class, band)| Ok::<_, LedgerError>(classes.get(class)?.usage_key(day, start, band)))?;
    Ok(sums.take())
}

const DELETE: &str = "DELETE FROM usage_daily";
const DELETE_METERS: &str = "DELETE FROM usage_daily_meter";
const DELETE_MODEL: &str = "DELETE FROM usage_daily WHERE model = ?1";
const DELETE_MODEL_METERS: &str = "DELETE FROM usage_daily_meter WHERE model = ?1";

impl Write<'_> {
    /// Makes the daily sums anew from the events. Returns the number of sums.
    pub fn rebuild(&self) -> Result<u64> {
        let connection = self.connection();
        connection.execute(DELETE, [])?;
        connection.execute(DELETE_METERS, [])?;
        self.recount(None)
    }

    /// Makes the daily sums of models anew: when a price has brought a threshold that cuts their bands.
    pub(super) fn rebuild_models(&self, models: &BTreeSet<i64>) -> Result<()> {
        let connection = self.connection();
        for model in models {
            connection.execute(DELETE_MODEL, [model])?;
            connection.execute(DELETE_MODEL_METERS, [model])?;
        }
        self.recount(Some(models)).map(|_| ())
    }

    fn recount(&self, models: Option<&BTreeSet<i64>>) -> Result<u64> {
        let connection = self.connection();
        let calendar = self.ledger().settings().calendar;
        let classes = Classes::read(connection, DayFinder::new(calendar))?;
        let mut written = 0;
        let Some((first, last)) = days_of_events(connection)? else { return Ok(0) };
        let mut day = Some(first);
        while let Some(today) = day {
            for line in sums_of_day(connection, &classes, (today, calendar.start_of(today)), models)? {
                daily::add(connection, &line)?;
                written += 1;
            }
            day = today.next().filter(|next| *next <= last);
        }
        Ok(written)
    }
}
