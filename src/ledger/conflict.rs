//! Rows that are in the ledger already: comparing with them, and saying how they differ.

use crate::domain::batch::{Batch, Row};
use crate::domain::key::EventKey;
use crate::domain::meter::Meter;
use crate::domain::quantities::Quantities;
use crate::ledger::dictionary::Numbers;
use crate::ledger::scan::{self, Columns, StoredEvent};
use crate::ledger::{LedgerError, Result};
use rusqlite::{Connection, OptionalExtension, Statement};
use rustc_hash::FxHashMap;
use std::fmt;

/// An id that is in the ledger with other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The line of the new event.
    pub line: u64,
    /// The id.
    pub id: String,
    /// Where the event in the ledger came from; `None` when from this same file.
    pub stored_file: Option<String>,
    /// The line it stood on.
    pub stored_line: i64,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// A field with two values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: &'static str,
    /// What the ledger has.
    pub stored: String,
    /// What the file has.
    pub new: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} in the ledger and {} here", self.field, self.stored, self.new)
    }
}

const ID_AND_BATCH: &str = "SELECT id, batch FROM usage_event WHERE key = ?1";
const SOURCE_OF: &str = "SELECT i.source FROM batch b JOIN import i ON i.id = b.import WHERE b.id = ?1";
const FILE_OF: &str = "SELECT i.file FROM batch b JOIN import i ON i.id = b.import WHERE b.id = ?1";

/// Reads single rows of the ledger.
pub(super) struct Stored<'w> {
    connection: &'w Connection,
    id_and_batch: Statement<'w>,
    source: i64,
    /// The source of each batch met; batches of this import are not in the tables yet.
    sources: FxHashMap<i64, i64>,
    own: Vec<i64>,
}

impl<'w> Stored<'w> {
    pub(super) fn new(connection: &'w Connection, source: i64) -> Result<Self> {
        let id_and_batch = connection.prepare(ID_AND_BATCH)?;
        Ok(Self { connection, id_and_batch, source, sources: FxHashMap::default(), own: Vec::new() })
    }

    /// Tells that a batch is this import's own.
    pub(super) fn own_batch(&mut self, batch: i64) {
        self.sources.insert(batch, self.source);
        self.own.push(batch);
    }

    /// Whether the row at a key is of this source and has this id.
    pub(super) fn has_id(&mut self, key: EventKey, id: &str) -> Result<bool> {
        Ok(self.id_at(key, id)? == Some(true))
    }

    /// Whether the row at a key is of this source and has this id; `None` when the key is free.
    fn id_at(&mut self, key: EventKey, id: &str) -> Result<Option<bool>> {
        let mut rows = self.id_and_batch.query([key.number()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let same = row.get_ref(0)?.as_bytes().is_ok_and(|stored| stored == id.as_bytes());
        let batch: i64 = row.get(1)?;
        drop(rows);
        Ok(Some(same && self.source_of(batch)? == self.source))
    }

    fn source_of(&mut self, batch: i64) -> Result<i64> {
        if let Some(source) = self.sources.get(&batch) {
            return Ok(*source);
        }
        let source = self.connection.query_row(SOURCE_OF, [batch], |row| row.get(0))?;
        self.sources.insert(batch, source);
        Ok(source)
    }

    /// Walks from a key to the event of an id, if it is there.
    pub(super) fn find(&mut self, start: EventKey, id: &str) -> Result<Option<EventKey>> {
        let mut key = start;
        loop {
            match self.id_at(key, id)? {
                None => return Ok(None),
                Some(true) => return Ok(Some(key)),
                Some(false) => key = key.next_in_day(),
            }
            if key == start {
                return Ok(None);
            }
        }
    }

    /// Whether the stored event has the same content as a row.
    pub(super) fn is_same(
        &self,
        key: EventKey,
        row: &Row,
        quantities: &Quantities,
        (model, tier, tags): (Option<i64>, Option<i64>, Option<i64>),
    ) -> Result<bool> {
        let stored = self.event(key)?;
        Ok(Some(stored.model) == model
            && Some(stored.tier) == tier
            && Some(stored.tag_set) == tags
            && stored.at == row.at
            && stored.prompt == row.prompt
            && stored.quantities == *quantities)
    }

    fn event(&self, key: EventKey) -> Result<StoredEvent> {
        let mut found = None;
        scan::events(self.connection, key, key, Columns::All, |event| {
            found = Some(event.clone());
            Ok(())
        })?;
        found.ok_or_else(|| LedgerError::Corrupt("an event that was there is gone".to_owned()))
    }

    /// Says how a row differs from the event that has its id.
    pub(super) fn describe(&self, batch: &Batch, row: &Row, numbers: &Numbers, other: EventKey) -> Result<Conflict> {
        let stored = self.event(other)?;
        let mut differences = Vec::new();
        let mut note = |field, stored: String, new: String| {
            if stored != new {
                differences.push(Difference { field, stored, new });
            }
        };
        note("timestamp", stored.at.to_string(), row.at.to_string());
        for (field, sql, number, places, place) in [
            (
                "model",
                "SELECT provider || ' ' || name FROM model WHERE id = ?1",
                stored.model,
                &numbers.models,
                usize::try_from(row.model),
            ),
            (
                "service_tier",
                "SELECT name FROM service_tier WHERE id = ?1",
                stored.tier,
                &numbers.tiers,
                Ok(usize::from(row.tier)),
            ),
            (
                "tags",
                "SELECT tags FROM tag_set WHERE id = ?1",
                stored.tag_set,
                &numbers.tag_sets,
                usize::try_from(row.tags),
            ),
        ] {
            let new = place.ok().and_then(|place| places.get(place)).map_or(0, |(number, _)| *number);
            note(field, self.name(sql, number)?, self.name(sql, new)?);
        }
        let quantities = batch.quantities(row);
        let shown = |quantity: Option<i64>| quantity.map_or_else(|| "not reported".to_owned(), |q| q.to_string());
        for meter in Meter::ALL {
            note(meter.field(), shown(stored.quantities.get(meter)), shown(quantities.get(meter)));
        }
        let own = self.own.contains(&stored.batch);
        let stored_file =
            if own { None } else { Some(self.connection.query_row(FILE_OF, [stored.batch], |r| r.get(0))?) };
        Ok(Conflict {
            line: row.line,
            id: batch.id(row).to_owned(),
            stored_file,
            stored_line: stored.line,
            differences,
        })
    }

    fn name(&self, sql: &str, number: i64) -> Result<String> {
        let name: Option<String> = self.connection.query_row(sql, [number], |row| row.get(0)).optional()?;
        Ok(name.map_or_else(|| "?".to_owned(), |name| name.trim().to_owned()))
    }
}
