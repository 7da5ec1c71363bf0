//! Daily sums: usage by day and everything a price or a payer depends on. Derived, like an index.

use crate::domain::calendar::Day;
use crate::domain::event::Band;
use crate::domain::meter::{FREQUENT, Meter};
use crate::domain::period::Period;
use crate::domain::quantities::{Frequent, Quantities, QuantityOverflow};
use crate::domain::usage::{UsageKey, UsageLine};
use crate::ledger::transaction::Snapshot;
use crate::ledger::{LedgerError, Result, chain, fits};
use rusqlite::{Connection, Row};

const ADD: &str = "INSERT INTO usage_daily (day, posting_period, source, tag_set, model, tier, band, events, active, \
    first_at, last_at, input, cache_read, cache_write, cache_write_1h, output, reasoning, request) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
    ON CONFLICT DO UPDATE SET events = events + excluded.events, active = active + excluded.active, \
    first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at), \
    input = coalesce(input + excluded.input, input, excluded.input), \
    cache_read = coalesce(cache_read + excluded.cache_read, cache_read, excluded.cache_read), \
    cache_write = coalesce(cache_write + excluded.cache_write, cache_write, excluded.cache_write), \
    cache_write_1h = coalesce(cache_write_1h + excluded.cache_write_1h, cache_write_1h, excluded.cache_write_1h), \
    output = coalesce(output + excluded.output, output, excluded.output), \
    reasoning = coalesce(reasoning + excluded.reasoning, reasoning, excluded.reasoning), \
    request = coalesce(request + excluded.request, request, excluded.request)";
const ADD_METER: &str = "INSERT INTO usage_daily_meter (day, posting_period, source, tag_set, model, tier, band, meter, quantity) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET quantity = quantity + excluded.quantity";

/// Adds a line to the table. A sum beyond 64 bits would be a REAL, which the STRICT table refuses.
pub(super) fn add(connection: &Connection, line: &UsageLine) -> Result<()> {
    let key = &line.key;
    let (day, posting) = (i64::from(key.day.number()), key.day.month().code());
    let mut statement = connection.prepare_cached(ADD)?;
    let head = [day, posting, key.source, key.tag_set, key.model, key.tier, key.band.code()];
    let counts = [line.events, line.active, line.first_at.nanos(), line.last_at.nanos()];
    for (parameter, value) in (1_usize..).zip(head.iter().chain(&counts)) {
        statement.raw_bind_parameter(parameter, value)?;
    }
    for (parameter, quantity) in (12_usize..).zip(line.quantities.frequent().iter()) {
        statement.raw_bind_parameter(parameter, quantity)?;
    }
    statement.raw_execute().map_err(too_large)?;
    for (meter, quantity) in line.quantities.rare() {
        let mut statement = connection.prepare_cached(ADD_METER)?;
        for (parameter, value) in (1_usize..).zip(head.iter().chain(&[i64::from(meter.code()), *quantity])) {
            statement.raw_bind_parameter(parameter, value)?;
        }
        statement.raw_execute().map_err(too_large)?;
    }
    Ok(())
}

/// A sum of whole numbers that is none any more has left 64 bits.
fn too_large(error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error() {
        Some(code) if code.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_DATATYPE => QuantityOverflow.into(),
        _ => error.into(),
    }
}

const READ: &str = "SELECT day, source, tag_set, model, tier, band, events, active, first_at, last_at, input, cache_read, \
    cache_write, cache_write_1h, output, reasoning, request, posting_period FROM usage_daily WHERE day BETWEEN ?1 AND ?2 \
    ORDER BY day, posting_period, source, tag_set, model, tier, band";
const READ_METERS: &str = "SELECT day, source, tag_set, model, tier, band, meter, quantity FROM usage_daily_meter \
    WHERE day BETWEEN ?1 AND ?2 ORDER BY day, posting_period, source, tag_set, model, tier, band, meter";
const OUTSIDE: &str = "SELECT coalesce(sum(events) FILTER (WHERE day < ?1), 0), \
    coalesce(sum(events) FILTER (WHERE day > ?2), 0) FROM usage_daily WHERE day < ?1 OR day > ?2";
const DAYS: &str = "SELECT min(day), max(day) FROM usage_daily";

impl Snapshot<'_> {
    /// The sums of a period's days, in the order of their keys. Each line is priced at the start of its day.
    pub fn daily_usage(&self, period: Period) -> Result<Vec<UsageLine>> {
        daily_usage(self.connection(), self.ledger(), period.first(), period.last())
    }

    /// Events before the first and after the last day of a period.
    pub fn events_outside(&self, period: Period) -> Result<(i64, i64)> {
        let days = [period.first().number(), period.last().number()];
        Ok(self.connection().query_row(OUTSIDE, days, |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// The first and the last day with usage.
    pub fn days(&self) -> Result<Option<(Day, Day)>> {
        let days: (Option<i64>, Option<i64>) =
            self.connection().query_row(DAYS, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        match days {
            (Some(first), Some(last)) => Ok(Some((day(first)?, day(last)?))),
            _ => Ok(None),
        }
    }
}

pub(super) fn day(number: i64) -> Result<Day> {
    Day::from_number(number).ok_or_else(|| LedgerError::Corrupt(format!("the day {number} is out of range")))
}

pub(super) fn daily_usage(
    connection: &Connection,
    ledger: &crate::ledger::Ledger,
    first: Day,
    last: Day,
) -> Result<Vec<UsageLine>> {
    let calendar = ledger.settings().calendar;
    let mut lines: Vec<UsageLine> = Vec::new();
    let mut statement = connection.prepare_cached(READ)?;
    let mut rows = statement.query([first.number(), last.number()])?;
    let mut start = None;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let (day, priced_at) = match start {
            Some((known, day, at)) if known == number => (day, at),
            _ => {
                let day = day(number)?;
                (day, calendar.start_of(day))
            }
        };
        start = Some((number, day, priced_at));
        let key = UsageKey { day, priced_at, ..usage_key(row, day, priced_at)? };
        lines.push(UsageLine {
            key,
            events: row.get(6)?,
            active: row.get(7)?,
            first_at: chain::instant(row.get(8)?)?,
            last_at: chain::instant(row.get(9)?)?,
            quantities: Quantities::from_frequent(frequent(row, 10)?),
        });
    }
    drop(rows);
    rare_meters(connection, first, last, &mut lines)?;
    // An unknown band is the smallest number and the largest key.
    lines.sort_unstable_by_key(|line| line.key);
    Ok(lines)
}

fn usage_key(row: &Row<'_>, day: Day, priced_at: crate::domain::timestamp::Timestamp) -> Result<UsageKey> {
    let band =
        Band::from_code(row.get(5)?).ok_or_else(|| LedgerError::Corrupt("a prompt band is out of range".to_owned()))?;
    Ok(UsageKey {
        day,
        priced_at,
        source: row.get(1)?,
        tag_set: row.get(2)?,
        model: row.get(3)?,
        tier: row.get(4)?,
        band,
    })
}

/// The frequent meters of a row, from a column on.
pub(super) fn frequent(row: &Row<'_>, from: usize) -> Result<Frequent> {
    let mut frequent = Frequent::NONE;
    for place in 0..FREQUENT {
        if let Some(quantity) = row.get(from + place)? {
            frequent.set(place, quantity);
        }
    }
    Ok(frequent)
}

/// Adds the rare meters to lines, which are in the same order.
fn rare_meters(connection: &Connection, first: Day, last: Day, lines: &mut [UsageLine]) -> Result<()> {
    let mut statement = connection.prepare_cached(READ_METERS)?;
    let mut rows = statement.query([first.number(), last.number()])?;
    let mut lines = lines.iter_mut().peekable();
    while let Some(row) = rows.next()? {
        let day = day(row.get(0)?)?;
        let key = usage_key(row, day, crate::domain::timestamp::Timestamp::EARLIEST)?;
        let wanted = |line: &UsageLine| {
            let k = &line.key;
            (k.day, k.source, k.tag_set, k.model, k.tier, k.band)
                == (day, key.source, key.tag_set, key.model, key.tier, key.band)
        };
        while lines.next_if(|line| !wanted(line)).is_some() {}
        let line = lines.peek_mut().ok_or_else(|| LedgerError::Corrupt("a daily meter has no daily row".to_owned()))?;
        line.quantities.set(meter(row.get(6)?)?, row.get(7)?);
    }
    Ok(())
}

pub(super) fn meter(code: i64) -> Result<Meter> {
    let meter = Meter::from_code(fits(code, "meter")?);
    meter.ok_or_else(|| LedgerError::Corrupt(format!("there is no meter {code}")))
}
