//! Records an import after its events were appended.

use crate::domain::number::{EntryId, QuarantinedId};
use crate::domain::period::Month;
use crate::domain::timestamp::Timestamp;
use crate::ledger::append::Appended;
use crate::ledger::chain::Signed;
use crate::ledger::facts::batch_days;
use crate::ledger::facts::batch_seal::{BatchSeal, Overlap};
use crate::ledger::facts::imports::{FACT, FileFacts, ImportRow, payload};
use crate::ledger::facts::quarantine::{self, Held};
use crate::ledger::file::transaction::{Checks, Transaction};
use crate::ledger::names::numbers;
use crate::ledger::{Result, chain, stored};
use rusqlite::Connection;

const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM import";
const INSERT: &str = "INSERT INTO import (id, entry, source, file, format, options, digest, bytes, lines, header, blank, \
    accepted, duplicates, quarantined, first_day, last_day) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const INSERT_BATCH: &str = "INSERT INTO batch (id, import, posting_period, events, digest) VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_OVERLAP: &str = "INSERT INTO import_overlap (import, earlier, events, lines) VALUES (?1, ?2, ?3, ?4)";

impl Transaction<'_> {
    /// The last entry of the chain, as this transaction sees it.
    pub fn head(&self) -> Result<chain::Head> {
        chain::head(self.connection())
    }

    /// Records an import after its events were appended: its row, its batches, the quarantined lines, and its entry.
    pub fn record_import(
        &self,
        facts: &FileFacts,
        appended: &Appended,
        held: &[Held],
        now: Timestamp,
        actor: &str,
    ) -> Result<ImportRow> {
        self.set_checks(Checks::Evaluated)?;
        let connection = self.connection();
        let day = |day: Option<crate::domain::calendar::Day>| day.map(|day| i64::from(day.number()));
        let row = ImportRow {
            id: connection.query_row(NEXT, [], |row| row.get(0))?,
            source: facts.source.clone(),
            file: facts.file.clone(),
            format: facts.format.clone(),
            options: facts.options.clone(),
            digest: facts.digest,
            bytes: stored(facts.bytes)?,
            lines: stored(facts.lines)?,
            header: stored(facts.header)?,
            blank: stored(facts.blank)?,
            accepted: stored(appended.accepted)?,
            duplicates: stored(appended.duplicates)?,
            quarantined: stored(facts.quarantined)?,
            first_day: day(appended.first_day),
            last_day: day(appended.last_day),
        };
        let resolved = &appended.resolved;
        let held_from = quarantine::next(connection)?;
        let numbered = || {
            held.iter().enumerate().map(|(place, line)| {
                let place = u64::try_from(place).unwrap_or(u64::MAX);
                (QuarantinedId::new(held_from.number().saturating_add_unsigned(place)), line)
            })
        };
        let recorded = payload(&row, &appended.seals, numbered(), resolved, &appended.overlaps);
        chain::append(connection, &FACT, Signed { now, actor }, &recorded, |entry| {
            insert(connection, &row, entry)?;
            for BatchSeal { id, posted, events, digest, days } in &appended.seals {
                let values = (id, row.id, posted.map(Month::code), events, &digest[..]);
                connection.prepare_cached(INSERT_BATCH)?.execute(values)?;
                batch_days::insert(connection, *id, days)?;
            }
            for (earlier, Overlap { events, lines }) in &appended.overlaps {
                connection.prepare_cached(INSERT_OVERLAP)?.execute((row.id, earlier, events, lines))?;
            }
            quarantine::hold(connection, row.id, numbered())?;
            quarantine::resolve(connection, entry, resolved)
        })?;
        // Nothing may fail after the commit, because a failed import must mean that the file is not imported.
        self.guard_hints()?;
        Ok(row)
    }
}

fn insert(connection: &Connection, import: &ImportRow, entry: EntryId) -> Result<()> {
    let source = numbers::source(connection, &import.source)?;
    connection.prepare_cached(INSERT)?.execute(rusqlite::params![
        import.id,
        entry,
        source,
        import.file,
        import.format,
        import.options,
        &import.digest[..],
        import.bytes,
        import.lines,
        import.header,
        import.blank,
        import.accepted,
        import.duplicates,
        import.quarantined,
        import.first_day,
        import.last_day,
    ])?;
    Ok(())
}
