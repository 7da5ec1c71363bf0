//! From events back to daily sums: what `rebuild` writes, `verify` compares, and rating from raw events starts from.

use crate::domain::calendar::{Day, DayFinder};
use crate::domain::event::Band;
use crate::domain::key::EventKey;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{UsageKey, UsageLine, UsageSums};
use crate::ledger::scan::{self, Columns, StoredEvent};
use crate::ledger::transaction::{Snapshot, Write};
use crate::ledger::{LedgerError, Result, daily, prices};
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Tells what each stored event counts towards.
#[derive(Debug, Clone)]
pub struct Recounter {
    /// The source of each batch.
    sources: FxHashMap<i64, i64>,
    /// The thresholds of each model's prices.
    thresholds: FxHashMap<i64, Vec<i64>>,
    days: DayFinder,
}

const SOURCES: &str = "SELECT b.id, i.source FROM batch b JOIN import i ON i.id = b.import";
const MODELS: &str = "SELECT id, name FROM model";

impl Recounter {
    fn read(connection: &Connection, days: DayFinder) -> Result<Self> {
        let mut sources = FxHashMap::default();
        let mut statement = connection.prepare(SOURCES)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            sources.insert(row.get(0)?, row.get(1)?);
        }
        let by_name = prices::thresholds(connection)?;
        let mut thresholds = FxHashMap::default();
        let mut statement = connection.prepare(MODELS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            thresholds.insert(row.get(0)?, by_name.get(&name).cloned().unwrap_or_default());
        }
        Ok(Self { sources, thresholds, days })
    }

    /// What an event counts towards, at the prices of the start of its day.
    pub fn key_of(&mut self, event: &StoredEvent) -> Result<UsageKey> {
        let priced_at = self.days.start_of(event.key.day());
        self.key_at(event, priced_at)
    }

    /// What an event counts towards, at the prices of an instant.
    pub fn key_at(&self, event: &StoredEvent, priced_at: Timestamp) -> Result<UsageKey> {
        let missing = |what: &str| {
            LedgerError::Corrupt(format!("an event of {} names a {what} that is not there", event.key.day()))
        };
        let thresholds = self.thresholds.get(&event.model).ok_or_else(|| missing("model"))?;
        let size = if thresholds.is_empty() { 0 } else { event.quantities.prompt_size()? };
        Ok(UsageKey {
            day: event.key.day(),
            priced_at,
            source: *self.sources.get(&event.batch).ok_or_else(|| missing("batch"))?,
            tag_set: event.tag_set,
            model: event.model,
            tier: event.tier,
            band: Band::of(event.prompt, size, thresholds),
        })
    }

    /// The billing day of an instant.
    pub fn day_of(&mut self, at: Timestamp) -> Day {
        self.days.day_of(at)
    }
}

impl Snapshot<'_> {
    /// What is needed to count this state's events.
    pub fn recounter(&self) -> Result<Recounter> {
        Recounter::read(self.connection(), DayFinder::new(self.ledger().settings().calendar))
    }
}

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
    recounter: &mut Recounter,
    day: Day,
    models: Option<&BTreeSet<i64>>,
) -> Result<Vec<UsageLine>> {
    let mut sums = UsageSums::new();
    let (first, last) = EventKey::range_of(day);
    scan::events(connection, first, last, Columns::Usage, |event| {
        if models.is_none_or(|models| models.contains(&event.model)) {
            sums.add(recounter.key_of(event)?, event.at, &event.quantities)?;
        }
        Ok(())
    })?;
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
        let mut recounter = Recounter::read(connection, DayFinder::new(self.ledger().settings().calendar))?;
        let mut written = 0;
        let Some((first, last)) = days_of_events(connection)? else { return Ok(0) };
        let mut day = Some(first);
        while let Some(today) = day {
            for line in sums_of_day(connection, &mut recounter, today, models)? {
                daily::add(connection, &line)?;
                written += 1;
            }
            day = today.next().filter(|next| *next <= last);
        }
        Ok(written)
    }
}
