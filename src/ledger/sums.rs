//! Totals of usage: by day with everything that a price or a payer depends on, and by month with the payer only. They
//! are derived, like an index.
//!
//! A report of whole months by department reads a few thousand totals, for any number of events, users and days.

pub(in crate::ledger) mod adder;
pub(in crate::ledger) mod day_seals;
pub(in crate::ledger) mod month_seals;
pub mod recount;

use crate::domain::calendar::{Calendar, Day};
use crate::domain::event::Band;
use crate::domain::meter::{FREQUENT, Meter};
use crate::domain::number::{ModelId, SourceId, TagSetId, TierId};
use crate::domain::period::{Month, Period};
use crate::domain::quantities::{Frequent, Quantities};
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Posting, UsageKey, UsageLine, UsageSums};
use crate::ledger::chain::seals;
use crate::ledger::file::gather::meter_columns;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::sums::day_seals::{HashSum, RowHasher};
use crate::ledger::values;
use crate::ledger::{Damage, Ledger, LedgerError, Result, chain, fits};
use rusqlite::{CachedStatement, Connection, Row, Rows};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The span of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Day,
    Month,
}

impl Grain {
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Day => "usage_daily",
            Self::Month => "usage_monthly",
        }
    }

    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The number of the span that begins with a day.
    pub(super) fn number(self, day: Day) -> i64 {
        match self {
            Self::Day => i64::from(day.number()),
            Self::Month => day.month().code(),
        }
    }

    /// The first day of a span.
    pub(super) fn first_day(self, number: i64) -> Result<Day> {
        match self {
            Self::Day => values::day(number),
            Self::Month => Month::from_code(number)
                .map(Month::first)
                .ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("the month {number} is out of range"))),
        }
    }
}

/// The columns of what a sum adds up, in both tables.
const AMOUNTS: &str = concat!("events, active, first_at, last_at, ", meter_columns!(), ", request");

/// Totals by month and payer, gathered from totals by day and tag set.
#[derive(Debug, Default)]
pub struct Months {
    sums: UsageSums,
    /// The last day counted, the first day of its month, and the start of that month.
    last: Option<(Day, Day, Timestamp)>,
}

impl Months {
    /// Counts a day's line.
    pub fn count(&mut self, ledger: &Ledger, payers: &FxHashMap<TagSetId, TagSetId>, line: &UsageLine) -> Result<()> {
        let (first, priced_at) = match self.last {
            Some((day, first, start)) if day == line.key.day => (first, start),
            _ => {
                let first = line.key.day.month().first();
                (first, ledger.settings().calendar.start_of(first))
            }
        };
        self.last = Some((line.key.day, first, priced_at));
        let missing =
            || LedgerError::Corrupt(Damage::Reference, format!("tag set {} does not exist", line.key.tag_set));
        let tag_set = *payers.get(&line.key.tag_set).ok_or_else(missing)?;
        let key = UsageKey { day: first, priced_at, tag_set, ..line.key };
        Ok(self.sums.add_to(key, line)?)
    }

    /// Adds other months.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        Ok(self.sums.merge(other.sums)?)
    }

    /// Drains the lines in order.
    pub fn take(&mut self) -> Vec<UsageLine> {
        self.sums.take()
    }
}

const OUTSIDE: &str = "SELECT coalesce(sum(events) FILTER (WHERE day < ?1), 0), \
    coalesce(sum(events) FILTER (WHERE day > ?2), 0) FROM usage_daily WHERE day < ?1 OR day > ?2";
const DAYS: &str = "SELECT min(day), max(day) FROM usage_daily";

const EVENTS_BY_MODEL: &str =
    "SELECT m.name, sum(u.events) FROM usage_monthly u JOIN model m ON m.id = u.model GROUP BY m.name";

impl Snapshot<'_> {
    /// The number of events for each name of a model. For a hint, not for an amount.
    pub fn events_by_model(&self) -> Result<BTreeMap<String, u64>> {
        let mut statement = self.connection().prepare(EVENTS_BY_MODEL)?;
        let mut rows = statement.query([])?;
        let mut events = BTreeMap::new();
        while let Some(row) = rows.next()? {
            events.insert(row.get(0)?, fits(row.get(1)?, "a number of events")?);
        }
        Ok(events)
    }

    /// The totals of a period's days, day by day, each day's in the order of their numbers.
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

    /// Passes on the totals of a day, one by one in the order of their numbers, each priced at the start of the day.
    /// Returns an error at the end if they do not match the day's seal.
    pub fn each_daily_line<E: From<LedgerError>>(
        &self,
        day: Day,
        mut each: impl FnMut(UsageLine) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (mut hasher, mut seal) = (RowHasher::new(), HashSum::default());
        each_line(self.connection(), self.ledger(), Grain::Day, day..=day, |line| {
            seal.add(&hasher.line(&line));
            each(line)
        })?;
        if day_seals::of_day(self.connection(), day)? == seal {
            return Ok(());
        }
        Err(seals::changed(&format!("sums of usage of {day}")).into())
    }

    /// Returns an error if the totals computed from a day's events do not match the day's seal.
    pub fn prove_sums_of_day(&self, day: Day, lines: &[UsageLine]) -> Result<()> {
        let same = day_seals::of_lines(lines) == day_seals::of_day(self.connection(), day)?;
        if same { Ok(()) } else { Err(LedgerError::events_of_other_sums(day)) }
    }

    /// The totals of the months that a period touches, by payer. Each line has the first day of its month, and is
    /// priced then.
    pub fn monthly_usage(&self, period: Period) -> Result<Vec<UsageLine>> {
        lines(self.connection(), self.ledger(), Grain::Month, period.first()..=period.last())
    }

    /// The numbers of events before the first and after the last day of a period.
    pub fn events_outside(&self, period: Period) -> Result<(i64, i64)> {
        let days = [period.first().number(), period.last().number()];
        Ok(self.connection().query_row(OUTSIDE, days, |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// The number of events in a period according to the totals, to show the progress of reading them.
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
            (Some(first), Some(last)) => Ok(Some((values::day(first)?, values::day(last)?))),
            _ => Ok(None),
        }
    }
}

/// The lines of the spans between two days, in key order.
pub(super) fn lines(
    connection: &Connection,
    ledger: &Ledger,
    grain: Grain,
    days: RangeInclusive<Day>,
) -> Result<Vec<UsageLine>> {
    let mut lines: Vec<UsageLine> = Vec::new();
    each_line(connection, ledger, grain, days, |line| {
        lines.push(line);
        Ok::<_, LedgerError>(())
    })?;
    // An unknown band has the smallest number and the largest key.
    lines.sort_unstable_by_key(|line| line.key);
    Ok(lines)
}

/// Passes on the lines of the spans between two days, one by one: span by span, and in each by their numbers.
fn each_line<E: From<LedgerError>>(
    connection: &Connection,
    ledger: &Ledger,
    grain: Grain,
    days: RangeInclusive<Day>,
    mut each: impl FnMut(UsageLine) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let (table, column) = (grain.table(), grain.column());
    let place = format!("{column}, posting_period, source, tag_set, model, tier, band");
    let spans = format!("WHERE {column} BETWEEN ?1 AND ?2 ORDER BY {place}");
    let sums = format!("SELECT {place}, {AMOUNTS} FROM {table} {spans}");
    let rare = format!("SELECT {place}, meter, quantity FROM {table}_meter {spans}, meter");
    let mut sums = prepared(connection, &sums)?;
    let mut rare = prepared(connection, &rare)?;
    let numbers = [grain.number(*days.start()), grain.number(*days.end())];
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

/// What a sum is about, as the table's columns have it: span, posting period, source, tag set, model, tier and band.
type SumKey = [i64; 7];

fn place(row: &Row<'_>) -> Result<SumKey> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?])
}

/// A day or a month that sums are of.
struct Span {
    number: i64,
    /// The first day.
    day: Day,
    /// The month of the first day.
    month: Month,
    /// The instant at which it starts.
    start: Timestamp,
}

impl Span {
    fn of(grain: Grain, number: i64, calendar: Calendar) -> Result<Self> {
        let day = grain.first_day(number)?;
        Ok(Self { number, day, month: day.month(), start: calendar.start_of(day) })
    }
}

/// Rows of totals, and the rows of their rare meters in the same order.
struct Lines<'s> {
    grain: Grain,
    calendar: Calendar,
    rows: Rows<'s>,
    /// The span read last.
    span: Option<Span>,
    rare: RareSums<'s>,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<UsageLine>> {
        let Some(row) = self.rows.next()? else { return Ok(None) };
        let place = place(row)?;
        let [number, posted, source, tag_set, model, tier, band] = place;
        let known = self.span.take().filter(|span| span.number == number);
        let span = known.map_or_else(|| Span::of(self.grain, number, self.calendar), Ok)?;
        let Span { day, month, start: priced_at, .. } = *self.span.insert(span);
        // Nothing posts to another month yet.
        let posted = Month::from_code(posted).filter(|posted| Posting { used: month, posted: *posted }.is_own());
        let elsewhere = || {
            let what = format!("totals of {day} are posted to another month");
            LedgerError::Corrupt(Damage::Totals, what)
        };
        let posted = posted.ok_or_else(elsewhere)?;
        let band = Band::from_code(band)
            .ok_or_else(|| LedgerError::Corrupt(Damage::Value, "a prompt band is out of range".to_owned()))?;
        let mut line = UsageLine {
            key: UsageKey {
                day,
                posted,
                priced_at,
                source: SourceId::new(source),
                tag_set: TagSetId::new(tag_set),
                model: ModelId::new(model),
                tier: TierId::new(tier),
                band,
            },
            events: row.get(7)?,
            active: row.get(8)?,
            first_at: chain::instant(row.get(9)?)?,
            last_at: chain::instant(row.get(10)?)?,
            quantities: Quantities::from_frequent(frequent(row, 11)?),
        };
        self.rare.add_to(&place, &mut line)?;
        Ok(Some(line))
    }
}

/// Rows of rare meters. The next one is read ahead.
struct RareSums<'s> {
    rows: Rows<'s>,
    ahead: Option<(SumKey, Meter, i64)>,
}

impl RareSums<'_> {
    fn advance(&mut self) -> Result<()> {
        let row = self.rows.next()?;
        self.ahead =
            row.map(|row| Ok::<_, LedgerError>((place(row)?, values::meter(row.get(7)?)?, row.get(8)?))).transpose()?;
        Ok(())
    }

    fn add_to(&mut self, place: &SumKey, line: &mut UsageLine) -> Result<()> {
        while let Some((_, meter, quantity)) = self.ahead.filter(|(of, _, _)| of == place) {
            line.quantities.set(meter, quantity);
            self.advance()?;
        }
        Ok(())
    }

    /// A remaining row came before its total, or has none.
    fn finish(&self) -> Result<()> {
        match self.ahead {
            None => Ok(()),
            Some(_) => Err(LedgerError::Corrupt(
                Damage::Totals,
                "a total of a rare meter belongs to no daily total".to_owned(),
            )),
        }
    }
}

const MONTHS: &str = "SELECT DISTINCT month FROM usage_monthly";

/// The months with totals.
pub(super) fn months(connection: &Connection) -> Result<BTreeSet<i64>> {
    let mut statement = connection.prepare(MONTHS)?;
    let months = statement.query_map([], |row| row.get(0))?;
    Ok(months.collect::<rusqlite::Result<_>>()?)
}

/// The lines of every month.
pub(super) fn all_months(connection: &Connection, ledger: &Ledger) -> Result<Vec<UsageLine>> {
    let first = values::day(16_435)?;
    lines(connection, ledger, Grain::Month, first..=Day::LAST)
}

/// The frequent meters of a row, starting at a column.
pub(super) fn frequent(row: &Row<'_>, from: usize) -> Result<Frequent> {
    let mut frequent = Frequent::NONE;
    for place in 0..FREQUENT {
        if let Some(quantity) = row.get(from.saturating_add(place))? {
            frequent.set(place, quantity);
        }
    }
    Ok(frequent)
}
