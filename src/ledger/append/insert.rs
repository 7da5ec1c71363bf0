//! Writes rows of events, many at a time if they are certainly new.
//!
//! Starting and ending a statement costs about a fifth of writing a row, so rows that need no answer share one.
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the parameters of one statement")]

use crate::domain::number::ClassId;
use crate::ledger::append::placement::Placing;
use crate::ledger::file::gather::{METER_COLUMNS, meter_columns};
use crate::ledger::read::scan::after_midnight;
use crate::ledger::{Result, stored};
use crate::rows::batch::Row;
use crate::rows::key::{EventKey, Half};
use rusqlite::{CachedStatement, Connection};

const INTO: &str = concat!("INSERT INTO usage_event (key, batch, class, ", meter_columns!(), ", at, line, id) VALUES ");
const IF_FREE: &str = " ON CONFLICT (key) DO NOTHING";
const COLUMNS: usize = 12;
const LAST_KEY: &str = "SELECT coalesce(max(key), 0) FROM usage_event";

/// The rows of one statement. More rows gain nothing.
const ROWS: usize = 32;

/// A row to be written.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct NewRow<'b> {
    pub(in crate::ledger) row: &'b Row,
    /// The number of its class.
    pub(in crate::ledger) class: ClassId,
}

/// Writes events.
pub(in crate::ledger) struct Inserter<'w> {
    one: CachedStatement<'w>,
    many: CachedStatement<'w>,
    /// The last key of the table.
    last: i64,
    /// The largest key written for this batch.
    written: i64,
}

impl<'w> Inserter<'w> {
    pub(in crate::ledger) fn new(connection: &'w Connection) -> Result<Self> {
        let row = |first: usize| {
            let places: Vec<String> = (first..first + COLUMNS).map(|place| format!("?{place}")).collect();
            format!("({})", places.join(", "))
        };
        let rows: Vec<String> = (0..ROWS).map(|number| row(1 + number * COLUMNS)).collect();
        Ok(Self {
            one: connection.prepare_cached(&format!("{INTO}{}{IF_FREE}", row(1)))?,
            many: connection.prepare_cached(&format!("{INTO}{}", rows.join(", ")))?,
            last: connection.query_row(LAST_KEY, [], |row| row.get(0))?,
            written: 0,
        })
    }

    /// Starts a batch. Its rows must come in key order.
    pub(in crate::ledger) const fn begin_batch(&mut self) {
        self.written = 0;
    }

    /// Whether a key is beyond every key of the table. If a key of the main half is, so is the same key in the side
    /// half.
    pub(in crate::ledger) const fn is_beyond_table(&self, key: EventKey) -> bool {
        key.number() > self.last
    }

    /// Whether a key is beyond every key written for this batch.
    pub(in crate::ledger) const fn is_beyond_batch(&self, key: EventKey) -> bool {
        key.number() > self.written
    }

    /// Announces that a certainly new row will be written at its own key.
    pub(in crate::ledger) const fn promise(&mut self, key: EventKey) {
        self.note(key.number());
    }

    const fn note(&mut self, key: i64) {
        if key > self.written {
            self.written = key;
        }
        if key > self.last {
            self.last = key;
        }
    }

    /// Writes announced rows at their own keys of a half.
    pub(in crate::ledger) fn write(&mut self, placing: Placing<'_>, half: Half, rows: &[NewRow<'_>]) -> Result<()> {
        let chunks = rows.chunks_exact(ROWS);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (number, new) in chunk.iter().enumerate() {
                bind(&mut self.many, number * COLUMNS, placing, *new, new.row.key.in_half(half))?;
            }
            self.many.raw_execute()?;
        }
        for new in rest {
            bind(&mut self.one, 0, placing, *new, new.row.key.in_half(half))?;
            self.one.raw_execute()?;
        }
        Ok(())
    }

    /// Writes a row at a key if the key is free, and returns whether it was.
    pub(in crate::ledger) fn try_one(&mut self, placing: Placing<'_>, new: NewRow<'_>, key: EventKey) -> Result<bool> {
        bind(&mut self.one, 0, placing, new, key)?;
        let free = self.one.raw_execute()? == 1;
        if free {
            self.note(key.number());
        }
        Ok(free)
    }
}

/// Binds a row from a parameter on, counting from 0.
fn bind(
    statement: &mut CachedStatement<'_>,
    from: usize,
    placing: Placing<'_>,
    new: NewRow<'_>,
    key: EventKey,
) -> Result<()> {
    let (Placing { id, batch }, NewRow { row, class }) = (placing, new);
    statement.raw_bind_parameter(from + 1, key.number())?;
    statement.raw_bind_parameter(from + 2, id)?;
    statement.raw_bind_parameter(from + 3, class)?;
    for (place, quantity) in batch.frequent(row).iter().take(METER_COLUMNS).enumerate() {
        statement.raw_bind_parameter(from + 4 + place, quantity)?;
    }
    statement.raw_bind_parameter(from + 4 + METER_COLUMNS, after_midnight(key.day(), row.at))?;
    statement.raw_bind_parameter(from + 5 + METER_COLUMNS, stored(row.line)?)?;
    Ok(statement.raw_bind_parameter(from + 6 + METER_COLUMNS, batch.id(row))?)
}
