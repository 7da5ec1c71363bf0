//! The recorded imports: their files, their line counts, and their batches.

use crate::domain::number::{BatchId, EntryId, ImportId, QuarantinedId};
use crate::domain::period::{Month, Period};
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::Kind;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::seals;
use crate::ledger::facts::batch_seal::{BatchSeal, Overlap};
use crate::ledger::facts::quarantine::{self, Held};
use crate::ledger::facts::retraction;
use crate::ledger::facts::{aliases, batch_days, prices};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::values;
use crate::ledger::{Result, chain, stored};
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, Row};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// How the chain records imports.
pub(in crate::ledger) const FACT: Fact = Fact {
    kind: Kind::Import,
    tables: &["import", "import_overlap", "batch", "batch_day", "quarantine", "quarantine_outcome"],
    payloads,
    is_sealed: false,
};

/// The format of what a program records without a file. No file has this format.
pub const RECORDED_FORMAT: &str = "record";
/// What stands in place of the file's name then.
pub const RECORDED_FILE: &str = "(recorded)";

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Its number.
    pub id: ImportId,
    /// The source that issued the ids.
    pub source: String,
    /// The file's name.
    pub file: String,
    /// The format's name.
    pub format: String,
    /// Its options that change its events, in one spelling.
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
    /// Known events.
    pub duplicates: i64,
    /// Quarantined lines.
    pub quarantined: i64,
    /// The first day of its new events.
    pub first_day: Option<i64>,
    /// The last day of its new events.
    pub last_day: Option<i64>,
}

/// The facts that an import records of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// The source that issued the ids.
    pub source: String,
    /// The file's name.
    pub file: String,
    /// The format's name.
    pub format: String,
    /// Its options that change its events, in one spelling.
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
    /// Quarantined lines, including those that the quarantine had before.
    pub quarantined: u64,
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

/// The import was not retracted.
const STANDS: &str = "i.id NOT IN (SELECT r.import FROM retraction r WHERE r.import IS NOT NULL AND r.whole = 1)";
/// The ledger has all of an import's file: nothing of its source was retracted since. Part of that may have been in
/// this file too, as a duplicate.
const WHOLE: &str = "NOT EXISTS (SELECT 1 FROM retraction r JOIN import other ON other.id = r.import \
    WHERE r.entry > i.entry AND other.source = i.source)";

/// Which imports of a size to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Imports that were not retracted.
    Counted,
    /// Imports since which nothing of their source was retracted: the ledger still has the whole file.
    Whole,
}

fn of_size(connection: &Connection, bytes: u64, standing: Standing) -> Result<Vec<ImportRow>> {
    let standing = match standing {
        Standing::Counted => STANDS,
        Standing::Whole => WHOLE,
    };
    let sql = format!("{COLUMNS} WHERE i.bytes = ?1 AND {standing} ORDER BY i.id");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([stored(bytes)?])?;
    let mut imports = Vec::new();
    while let Some(row) = rows.next()? {
        imports.push(import_row(row)?);
    }
    Ok(imports)
}

impl Snapshot<'_> {
    /// The imports of files with a size. One of them may be of the same file.
    pub fn imports_of_size(&self, bytes: u64, standing: Standing) -> Result<Vec<ImportRow>> {
        let imports = of_size(self.connection(), bytes, standing)?;
        if !imports.is_empty() {
            self.prove_logs(&[Log::Imports])?;
            self.prove_retractions()?;
        }
        Ok(imports)
    }
}

impl Transaction<'_> {
    /// Returns an error if prices, aliases or imports were changed. Hints about an imported file depend on these.
    pub(in crate::ledger) fn guard_hints(&self) -> Result<()> {
        let connection = self.connection();
        [&prices::FACT, &aliases::FACT].into_iter().try_for_each(|fact| seals::guard_facts(connection, fact))?;
        self.ledger().guard_logs(&[Log::Imports])
    }

    /// Returns an error if imports or their retractions were changed.
    fn guard_standing(&self) -> Result<()> {
        self.ledger().guard_logs(&[Log::Imports])?;
        seals::guard_facts(self.connection(), &retraction::FACT)
    }

    /// Whether an import of an identical file, read in the same way, has brought all of it.
    pub fn has_whole(&self, facts: &FileFacts) -> Result<bool> {
        let imports = of_size(self.connection(), facts.bytes, Standing::Whole)?;
        let has_whole = imports.iter().any(|import| {
            (&import.digest, &import.source, &import.format, &import.options)
                == (&facts.digest, &facts.source, &facts.format, &facts.options)
        });
        if has_whole {
            self.guard_standing()?;
        }
        Ok(has_whole)
    }

    /// Whether an import of equally many lines of a file with this name, read in the same way, has brought all of them.
    /// The file then only has one more line at its end, which is incomplete.
    pub fn has_lines(&self, facts: &FileFacts) -> Result<bool> {
        let sql = format!("{COLUMNS} WHERE s.name = ?1 AND i.file = ?2 AND i.lines = ?3 AND {WHOLE}");
        let mut statement = self.connection().prepare_cached(&sql)?;
        let mut rows = statement.query((&facts.source, &facts.file, stored(facts.lines)?))?;
        while let Some(row) = rows.next()? {
            let import = import_row(row)?;
            if (&import.format, &import.options) == (&facts.format, &facts.options) {
                self.guard_standing()?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

const MADE: &str = "SELECT at, actor FROM entry WHERE seq = ?1";
const RETRACTED: &str = "SELECT import, entry, whole FROM retraction WHERE import IS NOT NULL ORDER BY entry";

/// An import, with its actor and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMade {
    /// The import.
    pub row: ImportRow,
    /// Its entry of the chain.
    pub entry: EntryId,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// The entries that retracted some of its events.
    pub retracted_in_part: Vec<EntryId>,
    /// The entry that retracted it.
    pub retracted: Option<EntryId>,
}

impl Snapshot<'_> {
    /// Every import, in order.
    pub fn imports_made(&self) -> Result<Vec<ImportMade>> {
        self.prove_logs(&[Log::Imports, Log::Batches])?;
        self.prove_logs(&Log::NAMES)?;
        self.prove_retractions()?;
        self.prove_entries()?;
        let mut retractions = retractions(self.connection())?;
        let mut statement = self.connection().prepare_cached(MADE)?;
        let mut made = |(row, entry): (ImportRow, EntryId)| {
            let (at, actor) = statement.query_row([entry], |of| Ok((of.get(0)?, of.get(1)?)))?;
            let Retractions { whole: retracted, in_part: retracted_in_part } =
                retractions.remove(&row.id).unwrap_or_default();
            Ok(ImportMade { row, entry, at: chain::instant(at)?, actor, retracted_in_part, retracted })
        };
        all(self.connection())?.into_iter().map(&mut made).collect()
    }
}

/// The entries that took an import back.
#[derive(Debug, Default)]
struct Retractions {
    whole: Option<EntryId>,
    in_part: Vec<EntryId>,
}

/// What was taken back of imports, by their numbers. It is read at once: there may be as many retractions as imports.
fn retractions(connection: &Connection) -> Result<FxHashMap<ImportId, Retractions>> {
    let mut statement = connection.prepare_cached(RETRACTED)?;
    let mut rows = statement.query([])?;
    let mut retractions: FxHashMap<ImportId, Retractions> = FxHashMap::default();
    while let Some(row) = rows.next()? {
        let of_import = retractions.entry(row.get(0)?).or_default();
        if row.get(2)? {
            of_import.whole = Some(row.get(1)?);
        } else {
            of_import.in_part.push(row.get(1)?);
        }
    }
    Ok(retractions)
}

impl ImportRow {
    /// Whether a program recorded it without a file.
    pub fn is_recorded(&self) -> bool {
        self.format == RECORDED_FORMAT
    }

    /// From the first day of its new events to the last.
    pub(in crate::ledger) fn days(&self) -> Result<Option<Period>> {
        let day = |day: Option<i64>| day.map(values::day).transpose();
        Ok(day(self.first_day)?.zip(day(self.last_day)?).map(|(first, last)| Period::between(first, last)))
    }
}

const FORMATS: &str = "SELECT DISTINCT format FROM import WHERE accepted > 0 AND first_day <= ?2 AND last_day >= ?1 \
    AND id NOT IN (SELECT import FROM retraction WHERE import IS NOT NULL AND whole = 1)";

impl Snapshot<'_> {
    /// The formats of imports that may have brought events of a period, in the order of their names.
    pub fn formats_of(&self, period: Period) -> Result<BTreeSet<String>> {
        self.prove_logs(&[Log::Imports])?;
        let mut statement = self.connection().prepare_cached(FORMATS)?;
        let days = [period.first().number(), period.last().number()];
        let formats = statement.query_map(days, |row| row.get(0))?;
        Ok(formats.collect::<rusqlite::Result<_>>()?)
    }
}

/// The files that must be imported again. `a` is a retracted import. `i` is a later import that needs it: `a` had brought some
/// of its lines, or its records continue records of `a`. The file of `a` itself is not listed.
///
/// A later import `j` settles a file if it has the same bytes, or the same name and at least as many lines.
const TO_REPEAT: &str = "WITH repeat (import, earlier, retraction, of_events) AS ( \
    SELECT o.import, o.earlier, r.entry, o.events > 0 FROM retraction r JOIN import_overlap o ON o.earlier = r.import \
    WHERE r.whole = 1 \
    UNION SELECT b.import, r.import, r.entry, 1 FROM retraction r JOIN retracted_event x ON x.retraction = r.id \
    JOIN usage_event e ON e.key = x.key JOIN batch b ON b.id = e.batch WHERE b.import <> r.import) \
    SELECT DISTINCT i.file FROM repeat p JOIN import i ON i.id = p.import JOIN import a ON a.id = p.earlier \
    WHERE i.entry < p.retraction AND (i.digest, i.format, i.options) <> (a.digest, a.format, a.options) \
    AND (p.of_events AND a.first_day <= ?2 AND a.last_day >= ?1 OR EXISTS (SELECT 1 FROM quarantine q \
    WHERE q.import = a.id AND coalesce(q.day, ?1) BETWEEN ?1 AND ?2)) \
    AND NOT EXISTS (SELECT 1 FROM retraction w WHERE w.import = i.id AND w.whole = 1) \
    AND NOT EXISTS (SELECT 1 FROM import j WHERE j.source = i.source AND j.entry > p.retraction \
    AND (j.digest = i.digest OR j.file = i.file AND j.lines >= i.lines AND i.file NOT IN ('-', '(recorded)')) \
    AND NOT EXISTS (SELECT 1 FROM retraction w WHERE w.import = j.id AND w.whole = 1))";

impl Snapshot<'_> {
    /// The files that may lack events of a period and were not imported again: those events were duplicates of events
    /// that were retracted later.
    pub fn files_to_repeat(&self, period: Period) -> Result<BTreeSet<String>> {
        self.prove_logs(&[Log::Imports, Log::Overlaps, Log::Quarantine])?;
        let mut statement = self.connection().prepare_cached(TO_REPEAT)?;
        let days = [period.first().number(), period.last().number()];
        let files = statement.query_map(days, |row| row.get(0))?;
        Ok(files.collect::<rusqlite::Result<_>>()?)
    }
}

/// Every import with the number of its entry, in order.
pub(in crate::ledger) fn all(connection: &Connection) -> Result<Vec<(ImportRow, EntryId)>> {
    let mut statement = connection.prepare(&format!("{COLUMNS} ORDER BY i.id"))?;
    let mut rows = statement.query([])?;
    let mut imports = Vec::new();
    while let Some(row) = rows.next()? {
        imports.push((import_row(row)?, row.get(15)?));
    }
    Ok(imports)
}

const BATCHES: &str = "SELECT import, id, posting_period, events, digest FROM batch ORDER BY import, id";

/// Batches by their imports.
type Batches = BTreeMap<ImportId, Vec<BatchSeal>>;

/// The batches of every import, and the batches that days name but that do not exist.
pub(in crate::ledger) fn batches(connection: &Connection) -> Result<(Batches, BTreeSet<BatchId>)> {
    let mut days = batch_days::by_batch(connection)?;
    let mut statement = connection.prepare(BATCHES)?;
    let mut rows = statement.query([])?;
    let mut batches = Batches::new();
    while let Some(row) = rows.next()? {
        let digest = chain::digest(&row.get::<_, Vec<u8>>(4)?)?;
        let id = row.get(1)?;
        let days = days.remove(&id).unwrap_or_default();
        let seal = BatchSeal {
            id,
            posted: row.get::<_, Option<i64>>(2)?.map(values::month).transpose()?,
            events: row.get(3)?,
            digest,
            days,
        };
        batches.entry(row.get(0)?).or_default().push(seal);
    }
    Ok((batches, days.into_keys().collect()))
}

const OVERLAPPING: &str = "SELECT import, earlier FROM import_overlap";

/// The imports of files of which some imports had brought a part.
pub(in crate::ledger) fn overlapping(
    connection: &Connection,
    earlier: impl Fn(ImportId) -> bool,
) -> Result<BTreeSet<ImportId>> {
    let mut statement = connection.prepare(OVERLAPPING)?;
    let mut rows = statement.query([])?;
    let mut imports = BTreeSet::new();
    while let Some(row) = rows.next()? {
        if earlier(row.get(1)?) {
            imports.insert(row.get(0)?);
        }
    }
    Ok(imports)
}

const OVERLAPS: &str = "SELECT import, earlier, events, lines FROM import_overlap";

fn overlaps(connection: &Connection) -> Result<BTreeMap<ImportId, BTreeMap<ImportId, Overlap>>> {
    let mut statement = connection.prepare(OVERLAPS)?;
    let mut rows = statement.query([])?;
    let mut overlaps: BTreeMap<ImportId, BTreeMap<ImportId, Overlap>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let overlap = Overlap { events: row.get(2)?, lines: row.get(3)? };
        overlaps.entry(row.get(0)?).or_default().insert(row.get(1)?, overlap);
    }
    Ok(overlaps)
}

/// The payloads of all imports by entry, computed from the tables: the file, its sealed batches, its quarantined lines,
/// the lines that it resolves, and its overlaps.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let ((mut batches, strays), mut held) = (batches(connection)?, quarantine::held(connection)?);
    let mut overlaps = overlaps(connection)?;
    let mut imported = quarantine::imported(connection)?;
    let mut payloads = Payloads::default();
    for (import, entry) in all(connection)? {
        let batches = batches.remove(&import.id).unwrap_or_default();
        let held = held.remove(&import.id).unwrap_or_default();
        let overlaps = overlaps.remove(&import.id).unwrap_or_default();
        let resolved = imported.remove(&entry).unwrap_or(Some(Vec::new()));
        let Some(resolved) = resolved else {
            payloads.stray(format!("a quarantined line that {} brought has another reason", import.file));
            continue;
        };
        if batches.iter().map(|batch| i128::from(batch.events)).sum::<i128>() != i128::from(import.accepted) {
            payloads.stray(format!(
                "{} brought {} events, but its batches hold another number",
                import.file, import.accepted
            ));
        }
        for batch in batches.iter().filter(|batch| !batch.is_of_its_days(&import.source)) {
            let what = format!("the days of batch {} of {} do not match its digest", batch.id, import.file);
            payloads.stray(what);
        }
        let held = held.iter().map(|(id, line)| (*id, line));
        payloads.insert(entry, payload(&import, &batches, held, &resolved, &overlaps));
    }
    for import in batches.keys().chain(held.keys()).chain(overlaps.keys()).collect::<BTreeSet<_>>() {
        payloads.stray(format!("batches, quarantined lines or overlaps name import {import}, which does not exist"));
    }
    for batch in strays {
        payloads.stray(format!("days name batch {batch}, which does not exist"));
    }
    for entry in imported.keys() {
        payloads.stray(format!("entry {entry} brought quarantined lines, but is not an import"));
    }
    Ok(payloads)
}

/// The payload of an import: the file, its counts, its batches, its quarantined lines by number, the earlier
/// quarantined lines that it resolves, and what each earlier import had brought of it.
pub(in crate::ledger) fn payload<'h>(
    import: &ImportRow,
    batches: &[BatchSeal],
    held: impl ExactSizeIterator<Item = (QuarantinedId, &'h Held)>,
    resolved: &[QuarantinedId],
    overlaps: &BTreeMap<ImportId, Overlap>,
) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.i64(import.id.number()).text(&import.source).text(&import.file).text(&import.format).text(&import.options);
    encoder.blob(&import.digest).i64(import.bytes);
    for count in [import.lines, import.header, import.blank, import.accepted, import.duplicates, import.quarantined] {
        encoder.i64(count);
    }
    encoder.optional_i64(import.first_day).optional_i64(import.last_day).count(batches.len());
    for batch in batches {
        encoder
            .i64(batch.id.number())
            .optional_i64(batch.posted.map(Month::code))
            .i64(batch.events)
            .blob(&batch.digest);
    }
    encoder.count(held.len()).blob(&held_digest(held));
    encoder.count(resolved.len());
    for id in resolved {
        encoder.i64(id.number());
    }
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 overlaps of an import");
    for (earlier, Overlap { events, lines }) in overlaps {
        for number in [earlier.number(), *events, *lines] {
            hasher.update(&number.to_be_bytes());
        }
    }
    encoder.count(overlaps.len()).blob(hasher.finalize().as_bytes());
    encoder.into_bytes()
}

/// The digest over quarantined lines. There may be more of them than an entry can hold.
fn held_digest<'h>(held: impl Iterator<Item = (QuarantinedId, &'h Held)>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 quarantined lines");
    for (id, line) in held {
        let mut encoder = Encoder::new();
        encoder
            .i64(id.number())
            .i64(line.line)
            .text(&line.field)
            .text(&line.what)
            .text(&line.expected)
            .text(&line.event_id);
        encoder.optional_i64(line.day).text(&line.kept);
        hasher.update(encoder.as_bytes());
    }
    *hasher.finalize().as_bytes()
}
