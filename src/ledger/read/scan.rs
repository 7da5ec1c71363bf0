//! Reads events back in key order, for rating from single events and for proofs.

use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::domain::event::PromptSize;
use crate::domain::meter::Meter;
use crate::domain::number::{BatchId, ClassId};
use crate::domain::quantities::{Frequent, Quantities};
use crate::domain::timestamp::Timestamp;
use crate::ledger::file::gather::METER_COLUMNS;
use crate::ledger::file::gather::{self, Gathered, RawEvent};
use crate::ledger::file::retracted::Retracted;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::file::watch::WatchedLedger;
use crate::ledger::read::class::{Class, Classes};
use crate::ledger::read::revision::Grown;
use crate::ledger::values;
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::canonical::EventParts;
use crate::rows::key::{EventKey, HASH_BITS};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Rows, Statement};
use rustc_hash::FxHashMap;

/// An event as stored in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent<'c> {
    /// The key.
    pub key: EventKey,
    /// The batch it came with; none when not read.
    pub batch: BatchId,
    /// Its class.
    pub class: &'c Class,
    /// What was used.
    pub quantities: Quantities,
    /// When it was used.
    pub at: Timestamp,
    /// Its line; 0 if not read.
    pub line: i64,
    /// The id; empty if not read.
    pub id: String,
}

/// Which columns of an event to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// What amounts depend on, without retracted rows. A grown record is one event with all its revisions.
    Usage,
    /// Everything, event by event as appended.
    All,
}

/// Events between two keys.
pub(in crate::ledger) const FROM: &str = "FROM usage_event WHERE key BETWEEN ?1 AND ?2";
const METERS: &str = "SELECT key, meter, quantity FROM event_meter WHERE key BETWEEN ?1 AND ?2 ORDER BY key, meter";

impl Snapshot<'_> {
    /// Reads the events between two keys, both included, in key order.
    pub fn events<'c>(
        &self,
        classes: &'c Classes,
        first: EventKey,
        last: EventKey,
        columns: Columns,
        each: impl FnMut(&StoredEvent<'c>) -> Result<()>,
    ) -> Result<()> {
        events(self.watched_ledger(), classes, first, last, columns, each)
    }
}

pub(in crate::ledger) fn events<'c>(
    watched: WatchedLedger<'_>,
    classes: &'c Classes,
    first: EventKey,
    last: EventKey,
    columns: Columns,
    each: impl FnMut(&StoredEvent<'c>) -> Result<()>,
) -> Result<()> {
    run(watched, classes, [first, last], columns, None, each)
}

/// Receives each event as appended, before it is decided whether it counts.
type Seeing<'s> = &'s mut dyn FnMut(&StoredEvent<'_>) -> Result<()>;

/// Reads usage, and first passes on every event as appended.
pub(in crate::ledger) fn usage_seen<'c>(
    watched: WatchedLedger<'_>,
    classes: &'c Classes,
    range: [EventKey; 2],
    see: Seeing<'_>,
    each: impl FnMut(&StoredEvent<'c>) -> Result<()>,
) -> Result<()> {
    run(watched, classes, range, Columns::Usage, Some(see), each)
}

fn run<'c>(
    watched: WatchedLedger<'_>,
    classes: &'c Classes,
    [first, last]: [EventKey; 2],
    columns: Columns,
    mut see: Option<Seeing<'_>>,
    mut each: impl FnMut(&StoredEvent<'c>) -> Result<()>,
) -> Result<()> {
    let WatchedLedger { ledger, watch } = watched;
    let connection = &ledger.connection;
    // Retracted rows are not usage.
    let retracted = match columns {
        Columns::Usage => Retracted::between(connection, first, last)?,
        Columns::All => Retracted::default(),
    };
    let is_all = columns == Columns::All || see.is_some() || !retracted.is_empty();
    let wanted = if is_all { gather::ALL } else { gather::USAGE };
    let mut statement = connection.prepare_cached(&format!("SELECT gather({wanted}) {FROM}"))?;
    let mut meters = connection.prepare_cached(METERS)?;
    let mut rare = RareMeters::start(&mut meters, [first.number(), last.number()])?;
    let grown = match columns {
        Columns::Usage => Grown::between(connection, &retracted, first, last)?,
        Columns::All => Grown::none(connection),
    };
    // One buffer is used for all ids.
    let mut id = String::new();
    let mut pieces = Pieces::of(first, last);
    while let Some(piece) = pieces.next() {
        watch.check()?;
        let mut told = 0_u64;
        let gathered = ledger.gatherer.run(&mut statement, piece)?;
        for row in gathered.rows() {
            let mut event = read(classes, row, gathered.id(row), id)?;
            rare.add_to(&mut event)?;
            if let Some(see) = &mut see {
                see(&event)?;
            }
            let counts = !retracted.has(event.key, event.batch);
            if counts && (grown.is_empty() || grown.complete(classes, &mut event)?) {
                each(&event)?;
                told.one_more();
            }
            id = event.id;
        }
        watch.add(told);
        pieces.passed(piece, &gathered);
        ledger.gatherer.give_back(gathered);
    }
    rare.finish()
}

/// A range of keys in pieces of a few thousand events each. Hashes spread the events of a day evenly over its keys, so
/// the last piece shows how wide the next should be.
pub(in crate::ledger) struct Pieces {
    next: i64,
    last: i64,
    width: i64,
}

impl Pieces {
    /// The number of events read at once. Their rows fit a processor's cache.
    const ROWS: usize = 4_096;

    pub(in crate::ledger) const fn of(first: EventKey, last: EventKey) -> Self {
        Self { next: first.number(), last: last.number(), width: 1 << (HASH_BITS - 7) }
    }

    /// The next piece: its first and last key.
    pub(in crate::ledger) fn next(&self) -> Option<[i64; 2]> {
        (self.next <= self.last)
            .then(|| [self.next, self.last.min(self.next.saturating_add(self.width.saturating_sub(1)))])
    }

    /// Records the contents of a piece.
    pub(in crate::ledger) fn passed(&mut self, [_, end]: [i64; 2], gathered: &Gathered) {
        let rows = gathered.rows().len();
        if rows < Self::ROWS / 2 {
            self.width = self.width.saturating_mul(if rows < Self::ROWS / 8 { 8 } else { 2 });
        } else if rows > Self::ROWS {
            self.width = (self.width / 2).max(1);
        }
        let end = if gathered.is_cut() { gathered.rows().last().map_or(end, |row| row.key) } else { end };
        self.next = end.saturating_add(1);
    }
}

fn read<'c>(classes: &'c Classes, row: &RawEvent, bytes: &[u8], mut id: String) -> Result<StoredEvent<'c>> {
    let RawEvent { key: number, class, mut frequent, after_midnight, batch, line, .. } = *row;
    let key = values::key(number)?;
    let class = classes.get(class)?;
    if class.prompt == PromptSize::Exact {
        frequent.set(METER_COLUMNS, 1);
    }
    id.clear();
    id.push_str(std::str::from_utf8(bytes).map_err(rusqlite::Error::from)?);
    let at = instant(key, after_midnight)?;
    Ok(StoredEvent { key, batch, class, quantities: Quantities::from_frequent(frequent), at, line, id })
}

/// The meters with columns, starting at a column.
pub(in crate::ledger) fn meters(row: &Row<'_>, from: usize) -> Result<Frequent> {
    let mut frequent = Frequent::NONE;
    for place in 0..METER_COLUMNS {
        match row.get_ref(from.saturating_add(place))? {
            ValueRef::Integer(quantity) => frequent.set(place, quantity),
            ValueRef::Null => {}
            _ => return Err(not_whole()),
        }
    }
    Ok(frequent)
}

pub(in crate::ledger) fn integer(row: &Row<'_>, column: usize) -> Result<i64> {
    match row.get_ref(column)? {
        ValueRef::Integer(value) => Ok(value),
        _ => Err(not_whole()),
    }
}

fn not_whole() -> LedgerError {
    LedgerError::Corrupt(Damage::Value, "an event has a value that is not a whole number".to_owned())
}

const MILLI: i64 = 1_000_000;
/// The milliseconds of a day and a half stay below this.
const MILLIS: i64 = 1 << 31;
/// Added to nanoseconds, to distinguish them from milliseconds.
const FINE: i64 = 1 << 62;

/// The stored form of an event's instant, relative to its day: in milliseconds, four bytes, if it is whole ones, as in
/// most logs. Otherwise in nanoseconds plus [`FINE`].
pub(in crate::ledger) fn after_midnight(day: Day, at: Timestamp) -> i64 {
    // Instants are of 85 years, less than half of what 64 bits hold.
    let nanos = at.nanos().saturating_sub(day.utc_midnight());
    if nanos % MILLI == 0 { nanos / MILLI } else { nanos.saturating_add(FINE) }
}

/// The instant of an event, from the day in its key and the time in its column.
pub(in crate::ledger) fn instant(key: EventKey, after: i64) -> Result<Timestamp> {
    let midnight = key.day().utc_midnight();
    let nanos = if (-MILLIS..MILLIS).contains(&after) { after.checked_mul(MILLI) } else { after.checked_sub(FINE) };
    let at = nanos.and_then(|nanos| midnight.checked_add(nanos)).and_then(Timestamp::from_nanos);
    at.ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("an instant of {} is out of range", key.day())))
}

/// Reads the rare meters in step with the events.
struct RareMeters<'s> {
    rows: Rows<'s>,
    next: Option<(i64, i64, i64)>,
}

impl<'s> RareMeters<'s> {
    fn start(statement: &'s mut Statement<'_>, range: [i64; 2]) -> Result<Self> {
        let mut meters = Self { rows: statement.query(range)?, next: None };
        meters.advance()?;
        Ok(meters)
    }

    fn advance(&mut self) -> Result<()> {
        self.next = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, row.get(1)?, row.get(2)?)),
            None => None,
        };
        Ok(())
    }

    fn add_to(&mut self, event: &mut StoredEvent<'_>) -> Result<()> {
        while let Some((key, meter, quantity)) = self.next {
            if key > event.key.number() {
                break;
            }
            if key < event.key.number() {
                return Err(LedgerError::Corrupt(Damage::Reference, "a meter belongs to no event".to_owned()));
            }
            let meter = values::meter(meter)?;
            let has_column = meter != Meter::Request && meter.frequent().is_some();
            if has_column || event.quantities.get(meter) == Some(quantity) {
                let what = format!("event_meter repeats the {} of an event", meter.name());
                return Err(LedgerError::Corrupt(Damage::Value, what));
            }
            event.quantities.set(meter, quantity);
            self.advance()?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self.next {
            None => Ok(()),
            Some(_) => Err(LedgerError::Corrupt(Damage::Reference, "a meter belongs to no event".to_owned())),
        }
    }
}

/// The canonical parts of a stored event.
pub(in crate::ledger) fn parts<'a>(
    event: &'a StoredEvent<'_>,
    forms: &'a FxHashMap<ClassId, Vec<u8>>,
) -> Result<EventParts<'a>> {
    let missing =
        || LedgerError::Corrupt(Damage::Reference, format!("event {:?} is of a class that does not exist", event.id));
    Ok(EventParts {
        key: event.key.number(),
        line: event.line,
        kind: event.class.kind,
        id: &event.id,
        at: event.at,
        class: forms.get(&event.class.number).ok_or_else(missing)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back_to_the_nanosecond() -> std::result::Result<(), &'static str> {
        let day = Day::from_number(20_000).ok_or("no day")?;
        let key = EventKey::new(day, 1);
        let hour = 3_600_000 * MILLI;
        for nanos in [0, 1, 999_999, MILLI, MILLI + 1, 24 * hour, -1, -MILLI, -14 * hour, -14 * hour + 1, 38 * hour + 7]
        {
            let at = Timestamp::from_nanos(day.utc_midnight() + nanos).ok_or("no instant")?;
            assert_eq!(instant(key, after_midnight(day, at)).ok(), Some(at), "{nanos}");
        }
        assert!(instant(key, MILLIS).is_err());
        assert!(instant(key, i64::MIN).is_err());
        Ok(())
    }

    #[test]
    fn requests_are_the_only_frequent_meter_without_a_column() {
        assert_eq!(Meter::Request.frequent(), Some(METER_COLUMNS));
    }
}
