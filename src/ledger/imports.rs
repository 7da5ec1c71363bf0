//! Imports as the ledger remembers them: which file, how many lines of what kind, which batches.

use crate::domain::period::Period;
use crate::domain::timestamp::Timestamp;
use crate::ledger::append::Appended;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::facts::Payloads;
use crate::ledger::payload::BatchSeal;
use crate::ledger::quarantine::{self, Held};
use crate::ledger::transaction::{Snapshot, Write};
use crate::ledger::{Result, chain, dictionary, payload, stored, sums};
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Its number.
    pub id: i64,
    /// Who issued the ids.
    pub source: String,
    /// The file's name.
    pub file: String,
    /// The format's name.
    pub format: String,
    /// What was set for it and changes its events, in one spelling.
    pub options: String,
    /// BLAKE3 of the file.
    pub digest: [u8; 32],
    /// Its size.
    pub bytes: i64,
    /// All lines.
    pub lines: i64,
    /// Header lines.
    pub header: i64,
    /// Blank lines.
    pub blank: i64,
    /// New events.
    pub accepted: i64,
    /// Events that were there.
    pub duplicates: i64,
    /// Lines set aside.
    pub quarantined: i64,
    /// The first day of its new events.
    pub first_day: Option<i64>,
    /// The last day of its new events.
    pub last_day: Option<i64>,
}

/// What an import tells of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Who issued the ids.
    pub source: String,
    /// The file's name.
    pub file: String,
    /// The format's name.
    pub format: String,
    /// What was set for it and changes its events, in one spelling.
    pub options: String,
    /// BLAKE3 of the file.
    pub digest: [u8; 32],
    /// Its size.
    pub bytes: u64,
    /// All lines.
    pub lines: u64,
    /// Header lines.
    pub header: u64,
    /// Blank lines.
    pub blank: u64,
    /// Lines set aside, those that were in the quarantine before among them.
    pub quarantined: u64,
}

const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM import";
const INSERT: &str = "INSERT INTO import (id, entry, source, file, format, options, digest, bytes, lines, header, blank, \
    accepted, duplicates, quarantined, first_day, last_day) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const INSERT_BATCH: &str = "INSERT INTO batch (id, import, posting_period, events, digest) VALUES (?1, ?2, ?3, ?4, ?5)";

impl Write<'_> {
    /// Records an import whose events were appended: its row, its batches, the lines set aside, and its entry.
    pub fn record_import(
        &self,
        facts: &FileFacts,
        appended: &Appended,
        held: &[Held],
        now: Timestamp,
        actor: &str,
    ) -> Result<ImportRow> {
        self.leave_out_checks(false)?;
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
                (held_from.saturating_add_unsigned(u64::try_from(place).unwrap_or(u64::MAX)), line)
            })
        };
        let payload = payload::import(&row, &appended.seals, numbered(), resolved);
        chain::append(connection, Kind::Import, Signed { now, actor }, &payload, |entry| {
            insert(connection, &row, entry)?;
            for BatchSeal { id, posting_period, events, digest } in &appended.seals {
                let values = (id, row.id, posting_period, events, &digest[..]);
                connection.prepare_cached(INSERT_BATCH)?.execute(values)?;
            }
            quarantine::hold(connection, row.id, numbered())?;
            quarantine::resolve(connection, entry, resolved)
        })?;
        Ok(row)
    }
}

fn insert(connection: &Connection, import: &ImportRow, entry: i64) -> Result<()> {
    let source = dictionary::source(connection, &import.source)?;
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

const COLUMNS: &str = "SELECT i.id, s.name, i.file, i.format, i.options, i.digest, i.bytes, i.lines, i.header, i.blank, \
    i.accepted, i.duplicates, i.quarantined, i.first_day, i.last_day, i.entry FROM import i JOIN source s ON s.id = i.source";

fn import_row(row: &Row<'_>) -> Result<ImportRow> {
    Ok(ImportRow {
        id: row.get(0)?,
        source: row.get(1)?,
        file: row.get(2)?,
        format: row.get(3)?,
        options: row.get(4)?,
        digest: chain::digest(&row.get::<_, Vec<u8>>(5)?)?,
        bytes: row.get(6)?,
        lines: row.get(7)?,
        header: row.get(8)?,
        blank: row.get(9)?,
        accepted: row.get(10)?,
        duplicates: row.get(11)?,
        quarantined: row.get(12)?,
        first_day: row.get(13)?,
        last_day: row.get(14)?,
    })
}

impl Snapshot<'_> {
    /// The imports of files of a size: one of them may be of the same file.
    pub fn imports_of_size(&self, bytes: u64) -> Result<Vec<ImportRow>> {
        let mut statement = self.connection().prepare_cached(&format!("{COLUMNS} WHERE i.bytes = ?1 ORDER BY i.id"))?;
        let mut rows = statement.query([stored(bytes)?])?;
        let mut imports = Vec::new();
        while let Some(row) = rows.next()? {
            imports.push(import_row(row)?);
        }
        Ok(imports)
    }
}

const MADE: &str = "SELECT seq, at, actor FROM entry WHERE seq = ?1";

/// An import, with who made it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMade {
    /// The import.
    pub row: ImportRow,
    /// Its entry of the chain.
    pub entry: i64,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
}

impl Snapshot<'_> {
    /// Every import, in the order they were made.
    pub fn imports_made(&self) -> Result<Vec<ImportMade>> {
        let mut statement = self.connection().prepare_cached(MADE)?;
        let mut made = |(row, entry): (ImportRow, i64)| {
            let (at, actor): (i64, String) = statement.query_row([entry], |of| Ok((of.get(1)?, of.get(2)?)))?;
            Ok(ImportMade { row, entry, at: chain::instant(at)?, actor })
        };
        all(self.connection())?.into_iter().map(&mut made).collect()
    }
}

const SPAN: &str =
    "SELECT min(first_day), max(last_day) FROM import WHERE accepted > 0 AND first_day <= ?2 AND last_day >= ?1";

impl Snapshot<'_> {
    /// The days of all events that came with events of a period: to prove a batch takes all of its days.
    pub fn span_of_imports(&self, period: Period) -> Result<Option<Period>> {
        let days = [period.first().number(), period.last().number()];
        let span: (Option<i64>, Option<i64>) =
            self.connection().query_row(SPAN, days, |row| Ok((row.get(0)?, row.get(1)?)))?;
        match span {
            (Some(first), Some(last)) => Ok(Some(Period::between(sums::day(first)?, sums::day(last)?))),
            _ => Ok(None),
        }
    }
}

impl ImportRow {
    /// Whether it may have brought events of a period.
    pub(super) fn touches(&self, period: Period) -> bool {
        let (first, last) = (i64::from(period.first().number()), i64::from(period.last().number()));
        self.first_day.is_some_and(|day| day <= last) && self.last_day.is_some_and(|day| day >= first)
    }
}

const FORMATS: &str = "SELECT DISTINCT format FROM import WHERE accepted > 0 AND first_day <= ?2 AND last_day >= ?1";

impl Snapshot<'_> {
    /// The formats of imports that may have brought events of a period, in the order of their names.
    pub fn formats_of(&self, period: Period) -> Result<BTreeSet<String>> {
        let mut statement = self.connection().prepare_cached(FORMATS)?;
        let days = [period.first().number(), period.last().number()];
        let formats = statement.query_map(days, |row| row.get(0))?;
        Ok(formats.collect::<rusqlite::Result<_>>()?)
    }
}

/// Every import with the number of its entry, in the order they were made.
pub(super) fn all(connection: &Connection) -> Result<Vec<(ImportRow, i64)>> {
    let mut statement = connection.prepare(&format!("{COLUMNS} ORDER BY i.id"))?;
    let mut rows = statement.query([])?;
    let mut imports = Vec::new();
    while let Some(row) = rows.next()? {
        imports.push((import_row(row)?, row.get(15)?));
    }
    Ok(imports)
}

const BATCHES: &str = "SELECT import, id, posting_period, events, digest FROM batch ORDER BY import, id";

/// The batches of every import.
pub(super) fn batches(connection: &Connection) -> Result<BTreeMap<i64, Vec<BatchSeal>>> {
    let mut statement = connection.prepare(BATCHES)?;
    let mut rows = statement.query([])?;
    let mut batches: BTreeMap<i64, Vec<BatchSeal>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let digest = chain::digest(&row.get::<_, Vec<u8>>(4)?)?;
        let seal = BatchSeal { id: row.get(1)?, posting_period: row.get(2)?, events: row.get(3)?, digest };
        batches.entry(row.get(0)?).or_default().push(seal);
    }
    Ok(batches)
}

/// The payloads of all imports by their entries, made from the tables: the file, its batches as they are sealed, the lines
/// it set aside, and those it brought at last.
pub(super) fn payloads(connection: &Connection) -> Result<Payloads> {
    let (mut batches, mut held) = (batches(connection)?, quarantine::held(connection)?);
    let mut imported = quarantine::imported(connection)?;
    let mut payloads = Payloads::default();
    for (import, entry) in all(connection)? {
        let batches = batches.remove(&import.id).unwrap_or_default();
        let held = held.remove(&import.id).unwrap_or_default();
        let resolved = imported.remove(&entry).unwrap_or(Some(Vec::new()));
        let Some(resolved) = resolved else {
            payloads.stray(format!("a quarantined line that {} brought has another reason", import.file));
            continue;
        };
        if batches.iter().map(|batch| i128::from(batch.events)).sum::<i128>() != i128::from(import.accepted) {
            payloads.stray(format!("{} brought {} events, and its batches hold others", import.file, import.accepted));
        }
        let held = held.iter().map(|(id, line)| (*id, line));
        payloads.insert(entry, payload::import(&import, &batches, held, &resolved));
    }
    for import in batches.keys().chain(held.keys()).collect::<BTreeSet<_>>() {
        payloads.stray(format!("batches or quarantined lines name import {import}, which does not exist"));
    }
    for entry in imported.keys() {
        payloads.stray(format!("entry {entry} brought quarantined lines and is no import"));
    }
    Ok(payloads)
}
