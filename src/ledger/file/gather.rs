//! Reads rows of events many at a time.
//!
//! Stepping from row to row and fetching each value from SQLite costs a third of a scan. So statements that read many
//! events are aggregates over one function, `gather`. SQLite calls it with the values of each row, and it keeps them in
//! memory until the statement ends. It does not validate: it marks odd rows, and the code that takes the rows reports
//! them.

use crate::domain::meter::FREQUENT;
use crate::domain::number::{BatchId, ClassId};
use crate::domain::quantities::Frequent;

use crate::ledger::{Damage, LedgerError, Result};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Statement};
use std::sync::{Arc, Mutex, PoisonError};

/// The meters with their own columns in an event: all frequent ones except the last, `request`.
pub(in crate::ledger) const METER_COLUMNS: usize = FREQUENT - 1;

/// The names of those columns, in the order of the meters: a literal, for the texts of statements.
macro_rules! meter_columns {
    () => {
        "input, cache_read, cache_write, cache_write_1h, output, reasoning"
    };
}
pub(in crate::ledger) use meter_columns;

/// The arguments of `gather` for what amounts depend on.
pub(in crate::ledger) const USAGE: &str = concat!("key, class, ", meter_columns!(), ", at");
/// The arguments for all columns.
pub(in crate::ledger) const ALL: &str = concat!("key, class, ", meter_columns!(), ", at, id, batch, line");

/// The most rows of one statement. Further rows are left for the next.
const ROWS_AT_MOST: usize = 1 << 16;

/// A row of `usage_event`, as stored.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct RawEvent {
    pub(in crate::ledger) key: i64,
    pub(in crate::ledger) class: ClassId,
    /// The meters with columns.
    pub(in crate::ledger) frequent: Frequent,
    pub(in crate::ledger) after_midnight: i64,
    /// None when not asked for, like the line.
    pub(in crate::ledger) batch: BatchId,
    pub(in crate::ledger) line: i64,
    id: (usize, usize),
}

/// Rows of events, with their ids if requested.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Gathered {
    rows: Vec<RawEvent>,
    ids: Vec<u8>,
    /// Whether there were more rows than one statement may return.
    cut: bool,
    /// Whether some value did not have its column's type.
    odd: bool,
}

impl Gathered {
    /// The rows, in key order.
    pub(in crate::ledger) fn rows(&self) -> &[RawEvent] {
        &self.rows
    }

    /// The id of a row, as bytes; empty if not requested.
    pub(in crate::ledger) fn id(&self, row: &RawEvent) -> &[u8] {
        self.ids.get(row.id.0..row.id.1).unwrap_or(&[])
    }

    /// Whether rows after the last one are missing.
    pub(in crate::ledger) const fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The function `gather` of a connection.
#[derive(Debug, Clone, Default)]
pub(in crate::ledger) struct Gatherer(Arc<Mutex<Gathered>>);

impl Gatherer {
    /// Registers the function on a connection.
    pub(in crate::ledger) fn of(connection: &Connection) -> Result<Self> {
        let gatherer = Self::default();
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        connection.create_aggregate_function(c"gather", -1, flags, gatherer.clone())?;
        Ok(gatherer)
    }

    /// Runs a statement that selects `gather` of rows, and takes the result.
    pub(in crate::ledger) fn run(&self, statement: &mut Statement<'_>, params: impl Params) -> Result<Gathered> {
        statement.query_row(params, |_| Ok(()))?;
        let mut gathered = self.take();
        if gathered.odd {
            return Err(LedgerError::Corrupt(Damage::Value, "an event has a value of the wrong type".to_owned()));
        }
        if !gathered.rows.is_sorted_by_key(|row| row.key) {
            // If the rows are not in key order, the next statement could not know which rows were taken.
            if gathered.cut {
                return Err(LedgerError::Corrupt(
                    Damage::Index,
                    "events are not in the order of their keys".to_owned(),
                ));
            }
            gathered.rows.sort_unstable_by_key(|row| row.key);
        }
        Ok(gathered)
    }

    /// Returns the memory for the next rows.
    pub(in crate::ledger) fn give_back(&self, gathered: Gathered) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = gathered;
    }

    fn take(&self) -> Gathered {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An empty result, in the memory of the previous one.
    fn empty(&self) -> Gathered {
        let Gathered { mut rows, mut ids, .. } = self.take();
        rows.clear();
        ids.clear();
        Gathered { rows, ids, cut: false, odd: false }
    }
}

impl Aggregate<Gathered, i64> for Gatherer {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Gathered> {
        Ok(self.empty())
    }

    fn step(&self, context: &mut Context<'_>, gathered: &mut Gathered) -> rusqlite::Result<()> {
        if gathered.rows.len() >= ROWS_AT_MOST {
            gathered.cut = true;
            return Ok(());
        }
        let values = context.len();
        let mut odd = false;
        let mut integer = |place: usize| {
            if let ValueRef::Integer(value) = context.get_raw(place) {
                return value;
            }
            odd = true;
            0
        };
        let (key, class, after_midnight) = (integer(0), integer(1), integer(2 + METER_COLUMNS));
        let (batch, line) =
            if values > 4 + METER_COLUMNS { (integer(4 + METER_COLUMNS), integer(5 + METER_COLUMNS)) } else { (0, 0) };
        let mut frequent = Frequent::NONE;
        for place in 0..METER_COLUMNS {
            match context.get_raw(place.saturating_add(2)) {
                ValueRef::Integer(quantity) => frequent.set(place, quantity),
                ValueRef::Null => {}
                _ => odd = true,
            }
        }
        let start = gathered.ids.len();
        if values > 3 + METER_COLUMNS {
            match context.get_raw(3 + METER_COLUMNS) {
                ValueRef::Text(id) => gathered.ids.extend_from_slice(id),
                _ => odd = true,
            }
        }
        gathered.odd |= odd;
        let id = (start, gathered.ids.len());
        let (class, batch) = (ClassId::new(class), BatchId::new(batch));
        gathered.rows.push(RawEvent { key, class, frequent, after_midnight, batch, line, id });
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, gathered: Option<Gathered>) -> rusqlite::Result<i64> {
        // Without rows, SQLite does not call `init`.
        let gathered = gathered.unwrap_or_else(|| self.empty());
        let rows = i64::try_from(gathered.rows.len()).unwrap_or(i64::MAX);
        self.give_back(gathered);
        Ok(rows)
    }
}
