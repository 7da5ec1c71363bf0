//! Tables that only grow, in order. Their digest continues from row to row, so an import extends it by its own rows.

use crate::ledger::Result;
use crate::rows::canonical::Encoder;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::BTreeMap;

/// A table that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Log {
    TagSets,
    Sources,
    Models,
    Tiers,
    Imports,
    Batches,
    Overlaps,
    Quarantine,
    Outcomes,
}

impl Log {
    /// The names except tags.
    pub(in crate::ledger) const NAMES: [Self; 3] = [Self::Sources, Self::Models, Self::Tiers];

    pub(in crate::ledger) const ALL: [Self; 9] = [
        Self::TagSets,
        Self::Sources,
        Self::Models,
        Self::Tiers,
        Self::Imports,
        Self::Batches,
        Self::Overlaps,
        Self::Quarantine,
        Self::Outcomes,
    ];

    /// Its frozen code as a seal.
    pub(in crate::ledger) const fn code(self) -> i64 {
        match self {
            Self::TagSets => -2,
            Self::Sources => -3,
            Self::Models => -4,
            Self::Tiers => -5,
            Self::Imports => -6,
            Self::Overlaps => -7,
            Self::Quarantine => -8,
            Self::Outcomes => -9,
            Self::Batches => -10,
        }
    }

    /// What its rows are, in words.
    pub(in crate::ledger) const fn name(self) -> &'static str {
        match self {
            Self::TagSets => "tag sets",
            Self::Sources => "names of sources",
            Self::Models => "names of models",
            Self::Tiers => "names of service tiers",
            Self::Imports => "imports",
            Self::Batches => "batches of imports",
            Self::Overlaps => "notes about files that overlap",
            Self::Quarantine => "quarantined lines",
            Self::Outcomes => "decisions on quarantined lines",
        }
    }

    /// The query for the number of the last row, 0 if there is none.
    const fn last(self) -> &'static str {
        match self {
            Self::TagSets => "SELECT coalesce(max(id), 0) FROM tag_set NOT INDEXED",
            Self::Sources => "SELECT coalesce(max(id), 0) FROM source",
            Self::Models => "SELECT coalesce(max(id), 0) FROM model",
            Self::Tiers => "SELECT coalesce(max(id), 0) FROM service_tier",
            Self::Imports => "SELECT coalesce(max(id), 0) FROM import",
            Self::Batches => "SELECT coalesce(max(id), 0) FROM batch",
            Self::Overlaps => "SELECT coalesce(max(import), 0) FROM import_overlap",
            Self::Quarantine => "SELECT coalesce(max(id), 0) FROM quarantine",
            Self::Outcomes => "SELECT coalesce(max(entry), 0) FROM quarantine_outcome",
        }
    }

    /// The query for the rows from a number on, in order. Their first column is that number, which never decreases.
    const fn rows(self) -> &'static str {
        match self {
            Self::TagSets => "SELECT id, tags, payer FROM tag_set WHERE id >= ?1 ORDER BY id",
            Self::Sources => "SELECT id, name FROM source WHERE id >= ?1 ORDER BY id",
            Self::Models => "SELECT id, provider, name FROM model WHERE id >= ?1 ORDER BY id",
            Self::Tiers => "SELECT id, name FROM service_tier WHERE id >= ?1 ORDER BY id",
            Self::Imports => {
                "SELECT id, entry, source, file, format, options, digest, bytes, lines, header, blank, accepted, duplicates, \
                 quarantined, first_day, last_day FROM import WHERE id >= ?1 ORDER BY id"
            }
            Self::Batches => "SELECT id, import, posting_period, events, digest FROM batch WHERE id >= ?1 ORDER BY id",
            Self::Overlaps => {
                "SELECT import, earlier, events, lines FROM import_overlap WHERE import >= ?1 ORDER BY import, earlier"
            }
            Self::Quarantine => {
                "SELECT id, import, line, field, what, expected, event_id, day, kept FROM quarantine WHERE id >= ?1 ORDER BY id"
            }
            Self::Outcomes => {
                "SELECT entry, quarantine, outcome, reason FROM quarantine_outcome WHERE entry >= ?1 \
                 ORDER BY entry, quarantine"
            }
        }
    }
}

/// Whether a log ends at the number in its seal, so that the next row gets the next number. It does not compare the
/// rows.
pub(in crate::ledger) fn ends_at(connection: &Connection, log: Log, last: i64) -> Result<bool> {
    Ok(connection.prepare_cached(log.last())?.query_row([], |row| row.get::<_, i64>(0))? == last)
}

/// The extent of a log: its last number and the digest up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Extent {
    pub(in crate::ledger) last: i64,
    pub(in crate::ledger) digest: [u8; 32],
}

impl Extent {
    /// The extent of a log without rows.
    pub(in crate::ledger) const NONE: Self = Self { last: 0, digest: [0; 32] };

    /// The extent including newer rows.
    pub(in crate::ledger) fn with_newer(mut self, connection: &Connection, log: Log) -> Result<Self> {
        let mut statement = connection.prepare_cached(log.rows())?;
        let columns = statement.column_count();
        // Imports give no numbers below 1, but a forged row may have any number, so all must be read.
        let first = if self == Self::NONE { i64::MIN } else { self.last.saturating_add(1) };
        let mut rows = statement.query([first])?;
        let mut encoder = Encoder::new();
        while let Some(row) = rows.next()? {
            encoder.clear();
            encoder.raw(&self.digest);
            for column in 0..columns {
                value(&mut encoder, row.get_ref(column)?);
            }
            self = Self { last: row.get(0)?, digest: *blake3::hash(encoder.as_bytes()).as_bytes() };
        }
        Ok(self)
    }
}

/// How far a connection has proved each log, so that a program that appends many times hashes each row once.
///
/// It is dropped when another connection has committed anything, because that may have changed any row.
#[derive(Debug, Default)]
pub(in crate::ledger) struct ProvedLogs {
    /// SQLite's counter of other connections' commits.
    version: i64,
    extents: BTreeMap<i64, Extent>,
}

const COMMITTED_BY_OTHERS: &str = "PRAGMA data_version";

impl ProvedLogs {
    /// Whether a log's rows match its seal.
    pub(in crate::ledger) fn is_as_sealed(
        &mut self,
        connection: &Connection,
        log: Log,
        sealed: Extent,
    ) -> Result<bool> {
        let version = connection.prepare_cached(COMMITTED_BY_OTHERS)?.query_row([], |row| row.get(0))?;
        if version != self.version {
            *self = Self { version, extents: BTreeMap::new() };
        }
        if let Some(proved) = self.extents.remove(&log.code())
            && proved.with_newer(connection, log)? == sealed
        {
            self.extents.insert(log.code(), sealed);
            return Ok(true);
        }
        // Nothing was proved before, or an append was undone and the log is shorter now.
        let same = Extent::NONE.with_newer(connection, log)? == sealed;
        if same {
            self.extents.insert(log.code(), sealed);
        }
        Ok(same)
    }
}

fn value(encoder: &mut Encoder, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => encoder.u8(0),
        ValueRef::Integer(number) => encoder.u8(1).i64(number),
        ValueRef::Text(text) => encoder.u8(2).blob(text),
        ValueRef::Blob(blob) => encoder.u8(3).blob(blob),
        // No column holds such a value, unless somebody else wrote it.
        ValueRef::Real(real) => encoder.u8(4).u64(real.to_bits()),
    };
}
