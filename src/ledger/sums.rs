//! Sums of usage: by day with all that a price or a payer depends on, and by month with the payer alone. Derived, like
//! an index.
//!
//! A report of whole months by department reads a few thousand sums however many events, users and days there were.

use crate::domain::calendar::{Calendar, Day};
use crate::domain::event::Band;
use crate::domain::meter::{FREQUENT, Meter};
use crate::domain::period::{Month, Period};
use crate::domain::quantities::{Frequent, Quantities, QuantityOverflow};
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{UsageKey, UsageLine, UsageSums};
use crate::ledger::day_seals::{HashSum, RowHasher};
use crate::ledger::transaction::Snapshot;
use crate::ledger::{Ledger, LedgerError, Result, chain, day_seals, fits, seals};
use rusqlite::{CachedStatement, Connection, Row, Rows, Statement};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// The span a sum is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Day,
    Month,
}

impl Grain {
    const fn table(self) -> &'static str {
        match self {
            Self::Day => "usage_daily",
            Self::Month => "usage_monthly",
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The number of the span that begins with a day.
    fn number(self, day: Day) -> i64 {
        match self {
            Self::Day => i64::from(day.number()),
            Self::Month => day.month().code(),
        }
    }

    /// The first day of a span.
    pub(super) fn first_day(self, number: i64) -> Result<Day> {
        match self {
            Self::Day => day(number),
            Self::Month => Month::from_code(number)
                .map(Month::first)
                .ok_or_else(|| LedgerError::Corrupt(format!("the month {number} is out of range"))),
        }
    }
}

/// Sums of one statement.
const LINES: usize = 16;
/// The columns of a sum.
const COLUMNS: usize = 18;

/// Adds sums to a table, and keeps the seals of days.
pub(super) struct Adder<'w> {
    connection: &'w Connection,
    grain: Grain,
    find: Statement<'w>,
    add_new: Statement<'w>,
    add_many: Statement<'w>,
    replace: Statement<'w>,
    find_rare: Statement<'w>,
    put_rare: Statement<'w>,
    hasher: RowHasher,
    /// What the seals of days are to be changed by.
    changes: BTreeMap<Day, HashSum>,
}

impl<'w> Adder<'w> {
    pub(super) fn new(connection: &'w Connection, grain: Grain) -> Result<Self> {
        let (table, column) = (grain.table(), grain.column());
        let key = format!("{column}, posting_period, source, tag_set, model, tier, band");
        let amounts = [
            "events",
            "active",
            "first_at",
            "last_at",
            "input",
            "cache_read",
            "cache_write",
            "cache_write_1h",
            "output",
            "reasoning",
            "request",
        ];
        let into = format!("INSERT INTO {table} ({key}, {}) VALUES ", amounts.join(", "));
        let values = format!("({})", ["?"; COLUMNS].join(", "));
        let is_it = format!(
            "WHERE {column} = ?1 AND posting_period = ?2 AND source = ?3 AND tag_set = ?4 AND model = ?5 AND tier = ?6 \
             AND band = ?7"
        );
        let sets = (8..).zip(amounts).map(|(place, amount)| format!("{amount} = ?{place}")).collect::<Vec<_>>();
        let find = format!("SELECT {} FROM {table} {is_it}", amounts.join(", "));
        let add_many = format!("{into} {}", vec![values.as_str(); LINES].join(", "));
        let replace = format!("UPDATE {table} SET {} {is_it}", sets.join(", "));
        let find_rare = format!("SELECT quantity FROM {table}_meter {is_it} AND meter = ?8");
        let put_rare = format!(
            "INSERT INTO {table}_meter ({key}, meter, quantity) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT DO UPDATE SET quantity = excluded.quantity"
        );
        Ok(Self {
            connection,
            grain,
            find: connection.prepare(&find)?,
            add_new: connection.prepare(&format!("{into} {values}"))?,
            add_many: connection.prepare(&add_many)?,
            replace: connection.prepare(&replace)?,
            find_rare: connection.prepare(&find_rare)?,
            put_rare: connection.prepare(&put_rare)?,
            hasher: RowHasher::new(),
            changes: BTreeMap::new(),
        })
    }

    /// Adds lines in the order of their keys, to a span that has none yet: without a look for what is there, and many to a
    /// statement.
    pub(super) fn add_to_none(&mut self, lines: &[UsageLine]) -> Result<()> {
        let chunks = lines.chunks_exact(LINES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (number, line) in chunk.iter().enumerate() {
                bind(&mut self.add_many, number * COLUMNS, self.grain, line)?;
            }
            self.add_many.raw_execute()?;
            for line in chunk {
                self.count(line);
                self.add_rare(line)?;
            }
        }
        rest.iter().try_for_each(|line| self.add(line))
    }

    /// Adds a line; one without events of its own, of records that grew, to the sum that has them.
    pub(super) fn add(&mut self, line: &UsageLine) -> Result<()> {
        match self.found(line)? {
            Some(mut sum) => {
                self.discount(&sum);
                sum.add(line)?;
                bind(&mut self.replace, 0, self.grain, &sum)?;
                self.replace.raw_execute()?;
                self.count(&sum);
            }
            None if line.events == 0 => {
                let what = "a record that grew is in no sum (tokenbook rebuild makes them anew)";
                return Err(LedgerError::Corrupt(what.to_owned()));
            }
            None => {
                bind(&mut self.add_new, 0, self.grain, line)?;
                self.add_new.raw_execute()?;
                self.count(line);
            }
        }
        self.add_rare(line)
    }

    /// Adds to the sums of the rare meters, each of which is a row of its own.
    fn add_rare(&mut self, line: &UsageLine) -> Result<()> {
        let head = head(self.grain, &line.key);
        for (meter, quantity) in line.quantities.rare() {
            for (parameter, value) in (1_usize..).zip(head.into_iter().chain([i64::from(meter.code())])) {
                self.find_rare.raw_bind_parameter(parameter, value)?;
                self.put_rare.raw_bind_parameter(parameter, value)?;
            }
            let before: Option<i64> = self.find_rare.raw_query().next()?.map(|row| row.get(0)).transpose()?;
            let after = before.unwrap_or(0).checked_add(*quantity).ok_or(QuantityOverflow)?;
            self.put_rare.raw_bind_parameter(9, after)?;
            self.put_rare.raw_execute()?;
            if self.grain == Grain::Day {
                let seal = self.changes.entry(line.key.day).or_default();
                if let Some(before) = before {
                    seal.take(&self.hasher.rare(&line.key, *meter, before));
                }
                seal.add(&self.hasher.rare(&line.key, *meter, after));
            }
        }
        Ok(())
    }

    /// The sum that a line is to be added to, without its rare meters.
    fn found(&mut self, line: &UsageLine) -> Result<Option<UsageLine>> {
        for (parameter, value) in (1_usize..).zip(head(self.grain, &line.key)) {
            self.find.raw_bind_parameter(parameter, value)?;
        }
        let mut rows = self.find.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(UsageLine {
            key: line.key,
            events: row.get(0)?,
            active: row.get(1)?,
            first_at: chain::instant(row.get(2)?)?,
            last_at: chain::instant(row.get(3)?)?,
            quantities: Quantities::from_frequent(frequent(row, 4)?),
        }))
    }

    fn count(&mut self, line: &UsageLine) {
        if self.grain == Grain::Day {
            self.changes.entry(line.key.day).or_default().add(&self.hasher.row(line));
        }
    }

    fn discount(&mut self, line: &UsageLine) {
        if self.grain == Grain::Day {
            self.changes.entry(line.key.day).or_default().take(&self.hasher.row(line));
        }
    }

    /// Takes lines of days out of the seals: whoever removes their rows says so here.
    pub(super) fn forget(&mut self, lines: &[UsageLine]) {
        for line in lines {
            let gone = self.hasher.line(line);
            self.changes.entry(line.key.day).or_default().take(&gone);
        }
    }

    /// Writes the seals of the days that have changed.
    pub(super) fn finish(self) -> Result<()> {
        self.changes.iter().try_for_each(|(day, change)| day_seals::change(self.connection, *day, change))
    }
}

/// What a sum is about, as the columns have it.
fn head(grain: Grain, key: &UsageKey) -> [i64; 7] {
    let (span, posting) = (grain.number(key.day), key.day.month().code());
    [span, posting, key.source, key.tag_set, key.model, key.tier, key.band.code()]
}

/// Binds a line from a parameter on, counted from 0.
fn bind(statement: &mut Statement<'_>, from: usize, grain: Grain, line: &UsageLine) -> Result<()> {
    let counts = [line.events, line.active, line.first_at.nanos(), line.last_at.nanos()];
    let known = head(grain, &line.key).into_iter().chain(counts).map(Some);
    for (parameter, value) in (from + 1..).zip(known.chain(line.quantities.frequent().iter())) {
        statement.raw_bind_parameter(parameter, value)?;
    }
    Ok(())
}

/// Months of payers, gathered from days of tag sets.
#[derive(Debug, Default)]
pub struct Months {
    sums: UsageSums,
    /// The day counted last, the first day of its month, and when that began.
    last: Option<(Day, Day, Timestamp)>,
}

impl Months {
    /// Counts a day's line.
    pub fn count(&mut self, ledger: &Ledger, payers: &FxHashMap<i64, i64>, line: &UsageLine) -> Result<()> {
        let (first, priced_at) = match self.last {
            Some((day, first, start)) if day == line.key.day => (first, start),
            _ => {
                let first = line.key.day.month().first();
                (first, ledger.settings().calendar.start_of(first))
            }
        };
        self.last = Some((line.key.day, first, priced_at));
        let missing = || LedgerError::Corrupt(format!("tag set {} is not there", line.key.tag_set));
        let tag_set = *payers.get(&line.key.tag_set).ok_or_else(missing)?;
        let key = UsageKey { day: first, priced_at, tag_set, ..line.key };
        Ok(self.sums.add_to(key, line)?)
    }

    /// Adds other months.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        Ok(self.sums.merge(other.sums)?)
    }

    /// The lines in order, and none are left.
    pub fn take(&mut self) -> Vec<UsageLine> {
        self.sums.take()
    }
}

const OUTSIDE: &str = "SELECT coalesce(sum(events) FILTER (WHERE day < ?1), 0), \
    coalesce(sum(events) FILTER (WHERE day > ?2), 0) FROM usage_daily WHERE day < ?1 OR day > ?2";
const DAYS: &str = "SELECT min(day), max(day) FROM usage_daily";

impl Snapshot<'_> {
    /// The sums of a period's days, day by day, each day's in the order of their numbers.
    pub fn daily_usage(&self, period: Period) -> Result<Vec<UsageLine>> {
        let mut lines = Vec::new();
        for day in period.days() {
            self.each_daily_line(day, |line| {
                lines.push(line);
                Ok::<_, LedgerError>(())
            })?;
        }
        Ok(lines)
    }

    /// Hands over the sums of a day, one by one, in the order of their numbers, each priced at the start of the day. An error
    /// at the end if they are not those that the day's seal is of.
    pub fn each_daily_line<E: From<LedgerError>>(
        &self,
        day: Day,
        mut each: impl FnMut(UsageLine) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (mut hasher, mut seal) = (RowHasher::new(), HashSum::default());
        each_line(self.connection(), self.ledger(), Grain::Day, (day, day), |line| {
            seal.add(&hasher.line(&line));
            each(line)
        })?;
        if day_seals::of_day(self.connection(), day)? == seal {
            return Ok(());
        }
        Err(seals::changed(&format!("sums of usage of {day}")).into())
    }

    /// The sums of the months a period touches, by payer. Each line is of the first day of its month, and priced there.
    pub fn monthly_usage(&self, period: Period) -> Result<Vec<UsageLine>> {
        lines(self.connection(), self.ledger(), Grain::Month, (period.first(), period.last()))
    }

    /// Events before the first and after the last day of a period.
    pub fn events_outside(&self, period: Period) -> Result<(i64, i64)> {
        let days = [period.first().number(), period.last().number()];
        Ok(self.connection().query_row(OUTSIDE, days, |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// How many events the sums say a period has, to tell how far reading them has come.
    pub fn events_within(&self, period: Period) -> Option<u64> {
        let grain = if period.is_whole_months() { Grain::Month } else { Grain::Day };
        let (table, column) = (grain.table(), grain.column());
        let sql = format!("SELECT coalesce(sum(events), 0) FROM {table} WHERE {column} BETWEEN ?1 AND ?2");
        let spans = [grain.number(period.first()), grain.number(period.last())];
        u64::try_from(self.connection().query_row(&sql, spans, |row| row.get(0)).unwrap_or(-1_i64)).ok()
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

/// The lines of the spans between two days, in the order of their keys.
pub(super) fn lines(
    connection: &Connection,
    ledger: &Ledger,
    grain: Grain,
    days: (Day, Day),
) -> Result<Vec<UsageLine>> {
    let mut lines: Vec<UsageLine> = Vec::new();
    each_line(connection, ledger, grain, days, |line| {
        lines.push(line);
        Ok::<_, LedgerError>(())
    })?;
    // An unknown band is the smallest number and the largest key.
    lines.sort_unstable_by_key(|line| line.key);
    Ok(lines)
}

/// Hands over the lines of the spans between two days, one by one: span by span, and within one by their numbers.
fn each_line<E: From<LedgerError>>(
    connection: &Connection,
    ledger: &Ledger,
    grain: Grain,
    (first, last): (Day, Day),
    mut each: impl FnMut(UsageLine) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let (table, column) = (grain.table(), grain.column());
    let place = format!("{column}, source, tag_set, model, tier, band");
    let spans = format!(
        "WHERE {column} BETWEEN ?1 AND ?2 ORDER BY {column}, posting_period, source, tag_set, model, tier, band"
    );
    let sums = format!(
        "SELECT {place}, events, active, first_at, last_at, input, cache_read, cache_write, cache_write_1h, output, \
         reasoning, request FROM {table} {spans}"
    );
    let rare = format!("SELECT {place}, meter, quantity FROM {table}_meter {spans}, meter");
    let mut sums = prepared(connection, &sums)?;
    let mut rare = prepared(connection, &rare)?;
    let numbers = [grain.number(first), grain.number(last)];
    let mut lines = Lines {
        grain,
        calendar: ledger.settings().calendar,
        rows: sums.query(numbers).map_err(LedgerError::from)?,
        span: None,
        rare: RareSums { rows: rare.query(numbers).map_err(LedgerError::from)?, ahead: None },
    };
    lines.rare.advance()?;
    while let Some(line) = lines.next()? {
        each(line)?;
    }
    Ok(lines.rare.finish()?)
}

fn prepared<'c>(connection: &'c Connection, sql: &str) -> Result<CachedStatement<'c>> {
    Ok(connection.prepare_cached(sql)?)
}

/// What a sum is about, as the table's columns have it: span, source, tag set, model, tier and band.
type Place = [i64; 6];

fn place(row: &Row<'_>) -> Result<Place> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?])
}

/// Rows of sums, and those of their rare meters, which are in the same order.
struct Lines<'s> {
    grain: Grain,
    calendar: Calendar,
    rows: Rows<'s>,
    /// The number of the span read last, its first day, and the instant at which that starts.
    span: Option<(i64, Day, Timestamp)>,
    rare: RareSums<'s>,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<UsageLine>> {
        let Some(row) = self.rows.next()? else { return Ok(None) };
        let place = place(row)?;
        let [number, source, tag_set, model, tier, band] = place;
        let (day, priced_at) = match self.span {
            Some((known, day, at)) if known == number => (day, at),
            _ => {
                let day = self.grain.first_day(number)?;
                (day, self.calendar.start_of(day))
            }
        };
        self.span = Some((number, day, priced_at));
        let band =
            Band::from_code(band).ok_or_else(|| LedgerError::Corrupt("a prompt band is out of range".to_owned()))?;
        let mut line = UsageLine {
            key: UsageKey { day, priced_at, source, tag_set, model, tier, band },
            events: row.get(6)?,
            active: row.get(7)?,
            first_at: chain::instant(row.get(8)?)?,
            last_at: chain::instant(row.get(9)?)?,
            quantities: Quantities::from_frequent(frequent(row, 10)?),
        };
        self.rare.add_to(&place, &mut line)?;
        Ok(Some(line))
    }
}

/// Rows of rare meters, the next of them read ahead.
struct RareSums<'s> {
    rows: Rows<'s>,
    ahead: Option<(Place, Meter, i64)>,
}

impl RareSums<'_> {
    fn advance(&mut self) -> Result<()> {
        let row = self.rows.next()?;
        self.ahead =
            row.map(|row| Ok::<_, LedgerError>((place(row)?, meter(row.get(6)?)?, row.get(7)?))).transpose()?;
        Ok(())
    }

    fn add_to(&mut self, place: &Place, line: &mut UsageLine) -> Result<()> {
        while let Some((_, meter, quantity)) = self.ahead.filter(|(of, _, _)| of == place) {
            line.quantities.set(meter, quantity);
            self.advance()?;
        }
        Ok(())
    }

    /// A row left over came before its sum, or has none.
    fn finish(&self) -> Result<()> {
        match self.ahead {
            None => Ok(()),
            Some(_) => Err(LedgerError::Corrupt("a sum of a rare meter has no sum it belongs to".to_owned())),
        }
    }
}

const MONTHS: &str = "SELECT DISTINCT month FROM usage_monthly";

/// The months that have sums.
pub(super) fn months(connection: &Connection) -> Result<BTreeSet<i64>> {
    let mut statement = connection.prepare(MONTHS)?;
    let months = statement.query_map([], |row| row.get(0))?;
    Ok(months.collect::<rusqlite::Result<_>>()?)
}

/// The lines of every month.
pub(super) fn all_months(connection: &Connection, ledger: &Ledger) -> Result<Vec<UsageLine>> {
    let first = day(16_435)?;
    lines(connection, ledger, Grain::Month, (first, Day::LAST))
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

pub(super) fn meter(code: i64) -> Result<Meter> {
    let meter = Meter::from_code(fits(code, "meter")?);
    meter.ok_or_else(|| LedgerError::Corrupt(format!("there is no meter {code}")))
}
