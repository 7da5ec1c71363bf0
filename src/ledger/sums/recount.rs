//! From events back to daily totals: `rebuild` writes them, `verify` compares them, and rating from single events
//! starts from them.

use crate::domain::calendar::{Day, DayFinder};
use crate::domain::count::Count;
use crate::domain::event::Band;
use crate::domain::number::{ClassId, ModelId, TagSetId};
use crate::domain::period::Month;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Tally, UsageKey, UsageLine, UsageSums};
use crate::ledger::file::transaction::Transaction;
use crate::ledger::file::watch::{Stage, WatchedLedger};
use crate::ledger::names::dictionary;
use crate::ledger::read::class::Classes;
use crate::ledger::read::scan::{self, Columns};
use crate::ledger::sums::adder::Adder;
use crate::ledger::sums::month_seals;
use crate::ledger::sums::{self, Grain, Months};
use crate::ledger::{Damage, Ledger, LedgerError, Result, fits, values};
use crate::rows::key::EventKey;
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

// With one extreme in each statement, SQLite finds it at an end of the table. With both in one, it would read all of
// it.
const DAYS_OF_EVENTS: &str = "SELECT (SELECT min(key) FROM usage_event), (SELECT max(key) FROM usage_event)";

/// The first and the last day with events.
pub(in crate::ledger) fn days_of_events(connection: &Connection) -> Result<Option<(Day, Day)>> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let keys: (Option<i64>, Option<i64>) = connection.query_row(DAYS_OF_EVENTS, [], row)?;
    let day = |key| values::key(key).map(EventKey::day);
    match keys {
        (Some(first), Some(last)) => Ok(Some((day(first)?, day(last)?))),
        _ => Ok(None),
    }
}

/// The totals of one day's events, of some models or of all.
pub(in crate::ledger) fn sums_of_day(
    watched: WatchedLedger<'_>,
    classes: &Classes,
    day: Day,
    models: Option<&BTreeSet<ModelId>>,
) -> Result<Vec<UsageLine>> {
    let mut tally = Tally::new();
    let (first, last) = EventKey::range_of(day);
    scan::events(watched, classes, first, last, Columns::Usage, |event| {
        if models.is_none_or(|models| models.contains(&event.class.model)) {
            tally.add((event.class.number, event.class.band(&event.quantities)?), event.at, &event.quantities)?;
        }
        Ok(())
    })?;
    lines_of_day(tally, classes, day, watched.ledger.settings().calendar.start_of(day))
}

/// The totals of one day by class and band, as lines.
pub(in crate::ledger) fn lines_of_day(
    mut tally: Tally<(ClassId, Band)>,
    classes: &Classes,
    day: Day,
    start: Timestamp,
) -> Result<Vec<UsageLine>> {
    let (mut sums, posted) = (UsageSums::new(), day.month());
    tally.drain(&mut sums, |(class, band)| {
        Ok::<_, LedgerError>(classes.get(class)?.usage_key(day, posted, start, band))
    })?;
    Ok(sums.take())
}

const FORGET_DAY: [&str; 2] = [
    "DELETE FROM usage_daily WHERE day = ?1 AND model = ?2",
    "DELETE FROM usage_daily_meter WHERE day = ?1 AND model = ?2",
];
const FORGET_ALL_OF_DAY: [&str; 3] = [
    "DELETE FROM usage_daily WHERE day = ?1",
    "DELETE FROM usage_daily_meter WHERE day = ?1",
    "DELETE FROM day_seal WHERE day = ?1",
];
const FORGET_ALL_OF_MONTH: [&str; 2] =
    ["DELETE FROM usage_monthly WHERE month = ?1", "DELETE FROM usage_monthly_meter WHERE month = ?1"];
const FORGET_MONTH: [&str; 2] = [
    "DELETE FROM usage_monthly WHERE month = ?1 AND model = ?2",
    "DELETE FROM usage_monthly_meter WHERE month = ?1 AND model = ?2",
];

/// Computes the totals of some models on some days again from the events, and the totals of their months from the days.
/// What records have grown by since is in no total yet.
pub(in crate::ledger) fn renew(
    watched: WatchedLedger<'_>,
    days: &BTreeMap<Day, BTreeSet<ModelId>>,
    grown: &[UsageLine],
) -> Result<()> {
    if days.is_empty() {
        return Ok(());
    }
    let WatchedLedger { ledger, watch } = watched;
    let connection = &ledger.connection;
    let classes = Classes::read(connection, DayFinder::new(ledger.settings().calendar))?;
    let payers = dictionary::payers(connection)?;
    let (mut daily, mut monthly) = (Adder::new(connection, Grain::Day)?, Adder::new(connection, Grain::Month)?);
    let mut months: BTreeMap<Month, BTreeSet<ModelId>> = BTreeMap::new();
    for (day, models) in days {
        months.entry(day.month()).or_default().extend(models);
    }
    // Monthly totals are computed from daily ones, so a change of the daily ones must not get into them.
    for (month, models) in &months {
        guard_days(connection, ledger, &payers, OfMonth { month: *month, models: Some(models) })?;
    }
    watch.begin(Stage::Events, events_of_days(connection, days.keys()).ok());
    for (day, models) in days {
        let lines = sums_of_day(watched, &classes, *day, Some(models))?;
        let stored = stored_lines(connection, ledger, *day, models)?;
        let added = grown.iter().filter(|line| line.key.day == *day);
        same_but_for_bands(*day, &lines, stored.iter().chain(added))?;
        forget(connection, FORGET_DAY, i64::from(day.number()), models)?;
        daily.forget(&stored);
        lines.iter().try_for_each(|line| daily.add(line))?;
    }
    daily.finish()?;
    for (month, models) in months {
        forget(connection, FORGET_MONTH, month.code(), &models)?;
        let lines = of_days(connection, ledger, &payers, OfMonth { month, models: Some(&models) })?;
        lines.iter().try_for_each(|line| monthly.add(line))?;
    }
    Ok(())
}

/// Sums of a month, of some models or of all.
#[derive(Clone, Copy)]
struct OfMonth<'m> {
    month: Month,
    models: Option<&'m BTreeSet<ModelId>>,
}

impl OfMonth<'_> {
    fn has(self, line: &UsageLine) -> bool {
        self.models.is_none_or(|models| models.contains(&line.key.model))
    }
}

/// Returns an error if the daily totals of some models do not match the totals of their month.
fn guard_days(
    connection: &Connection,
    ledger: &Ledger,
    payers: &FxHashMap<TagSetId, TagSetId>,
    of: OfMonth<'_>,
) -> Result<()> {
    if of_days(connection, ledger, payers, of)? == of_month(connection, ledger, of)? {
        return Ok(());
    }
    Err(LedgerError::Corrupt(
        Damage::Totals,
        format!("the daily totals of {} do not add up to its monthly totals", of.month),
    ))
}

/// Replaces the totals of some days, then computes their months again.
pub(in crate::ledger) fn exchange<'l>(
    connection: &Connection,
    ledger: &Ledger,
    days: impl Iterator<Item = (Day, &'l [UsageLine])> + Clone,
) -> Result<()> {
    let payers = dictionary::payers(connection)?;
    let (mut daily, mut monthly) = (Adder::new(connection, Grain::Day)?, Adder::new(connection, Grain::Month)?);
    let months: BTreeSet<Month> = days.clone().map(|(day, _)| day.month()).collect();
    for month in &months {
        guard_days(connection, ledger, &payers, OfMonth { month: *month, models: None })?;
    }
    for (day, lines) in days {
        FORGET_ALL_OF_DAY.iter().try_for_each(|sql| connection.execute(sql, [day.number()]).map(|_| ()))?;
        lines.iter().try_for_each(|line| daily.add(line))?;
    }
    daily.finish()?;
    for month in months {
        FORGET_ALL_OF_MONTH.iter().try_for_each(|sql| connection.execute(sql, [month.code()]).map(|_| ()))?;
        let lines = of_days(connection, ledger, &payers, OfMonth { month, models: None })?;
        lines.iter().try_for_each(|line| monthly.add(line))?;
    }
    Ok(())
}

/// Returns an error if the totals of a day differ from these, which were computed from its events.
pub(in crate::ledger) fn guard_day(
    connection: &Connection,
    ledger: &Ledger,
    day: Day,
    lines: &[UsageLine],
) -> Result<()> {
    let same = sums::lines(connection, ledger, Grain::Day, day..=day)? == lines;
    if same { Ok(()) } else { Err(LedgerError::events_of_other_sums(day)) }
}

/// Sums of a month as its days add up to them.
fn of_days(
    connection: &Connection,
    ledger: &Ledger,
    payers: &FxHashMap<TagSetId, TagSetId>,
    of: OfMonth<'_>,
) -> Result<Vec<UsageLine>> {
    let mut of_month = Months::default();
    for line in sums::lines(connection, ledger, Grain::Day, of.month.first()..=of.month.last())? {
        if of.has(&line) {
            of_month.count(ledger, payers, &line)?;
        }
    }
    Ok(of_month.take())
}

/// Sums of a month as its rows have them.
fn of_month(connection: &Connection, ledger: &Ledger, of: OfMonth<'_>) -> Result<Vec<UsageLine>> {
    let mut lines = sums::lines(connection, ledger, Grain::Month, of.month.first()..=of.month.first())?;
    lines.retain(|line| of.has(line));
    Ok(lines)
}

const EVENTS_OF_DAY: &str = "SELECT coalesce(sum(events), 0) FROM usage_daily WHERE day = ?1";

fn events_of_days<'a>(connection: &Connection, days: impl Iterator<Item = &'a Day>) -> Result<u64> {
    let mut statement = connection.prepare_cached(EVENTS_OF_DAY)?;
    let mut total = 0_u64;
    for day in days {
        total.more(fits::<u64>(statement.query_row([day.number()], |row| row.get(0))?, "a number of events")?);
    }
    Ok(total)
}

/// The daily totals of some models, as stored.
fn stored_lines(
    connection: &Connection,
    ledger: &Ledger,
    day: Day,
    models: &BTreeSet<ModelId>,
) -> Result<Vec<UsageLine>> {
    let mut lines = sums::lines(connection, ledger, Grain::Day, day..=day)?;
    lines.retain(|line| models.contains(&line.key.model));
    Ok(lines)
}

/// Returns an error if the totals of a day's events, ignoring bands, differ from the stored ones. A change of the
/// events must not get into the totals.
fn same_but_for_bands<'l>(day: Day, now: &[UsageLine], before: impl Iterator<Item = &'l UsageLine>) -> Result<()> {
    let (mut old, mut new) = (UsageSums::new(), UsageSums::new());
    let whole = |line: &UsageLine| UsageKey { band: Band::Above(0), ..line.key };
    for line in before {
        old.add_to(whole(line), line)?;
    }
    for line in now {
        new.add_to(whole(line), line)?;
    }
    if old.take() == new.take() {
        return Ok(());
    }
    Err(LedgerError::events_of_other_sums(day))
}

fn forget(connection: &Connection, tables: [&str; 2], span: i64, models: &BTreeSet<ModelId>) -> Result<()> {
    for (model, sql) in models.iter().flat_map(|model| tables.map(|sql| (model, sql))) {
        connection.prepare_cached(sql)?.execute((span, model))?;
    }
    Ok(())
}

// A revision is read together with its original.
const RECORDS: &str = "SELECT (SELECT sum(events) FROM batch) - (SELECT count(*) FROM event_link)";

/// The number of records in the batches, to show the progress of reading them.
fn records(connection: &Connection) -> Option<u64> {
    u64::try_from(connection.query_row(RECORDS, [], |row| row.get(0)).unwrap_or(-1_i64)).ok()
}

impl Transaction<'_> {
    /// Computes the daily totals of models again, after a price has brought a threshold that cuts their bands.
    pub(in crate::ledger) fn rebuild_models(&self, models: &BTreeSet<ModelId>) -> Result<()> {
        let connection = self.connection();
        month_seals::guard_months(connection, self.ledger(), &sums::months(connection)?)?;
        for month in sums::months(connection)? {
            forget(connection, FORGET_MONTH, month, models)?;
        }
        self.recount(Some(models)).map(|_| ())
    }

    pub(in crate::ledger) fn recount(&self, models: Option<&BTreeSet<ModelId>>) -> Result<u64> {
        let connection = self.connection();
        self.watch().begin(Stage::Events, records(connection));
        let classes = Classes::read(connection, DayFinder::new(self.ledger().settings().calendar))?;
        let payers = dictionary::payers(connection)?;
        let (mut daily, mut monthly) = (Adder::new(connection, Grain::Day)?, Adder::new(connection, Grain::Month)?);
        let (mut months, mut written) = (Months::default(), 0_u64);
        let Some((first, last)) = days_of_events(connection)? else { return Ok(0) };
        let mut day = Some(first);
        while let Some(today) = day {
            let lines = sums_of_day(self.watched_ledger(), &classes, today, models)?;
            if let Some(models) = models {
                let stored = stored_lines(connection, self.ledger(), today, models)?;
                same_but_for_bands(today, &lines, stored.iter())?;
                forget(connection, FORGET_DAY, i64::from(today.number()), models)?;
                daily.forget(&stored);
            }
            for line in lines {
                daily.add(&line)?;
                months.count(self.ledger(), &payers, &line)?;
                written.one_more();
            }
            day = today.next().filter(|next| *next <= last);
        }
        daily.finish()?;
        let lines = months.take();
        lines.iter().try_for_each(|line| monthly.add(line))?;
        let changed = lines.iter().map(|line| line.key.day.month().code()).collect();
        month_seals::seal_months(connection, self.ledger(), &changed)?;
        Ok(written)
    }
}
