//! Quarantined lines: lines that gave no event. They are stored, so that they are neither lost nor counted.

use crate::domain::number::{EntryId, ImportId, QuarantinedId};
use crate::domain::timestamp::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::{Result, chain};
use crate::rows::canonical::Encoder;
use crate::text::problem::counted;
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// How the chain records discards.
pub(in crate::ledger) const FACT: Fact =
    Fact { kind: Kind::Discard, tables: &["quarantine_outcome"], payloads, is_sealed: false };

/// A line to quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The line of the file.
    pub line: i64,
    /// The field at fault; empty for the line as a whole.
    pub field: String,
    /// What was found.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// The event's id, if it could be read; otherwise empty.
    pub event_id: String,
    /// The event's day, if it could be read.
    pub day: Option<i64>,
    /// The known fields of the line.
    pub kept: String,
}

/// A quarantined line that is neither imported nor discarded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLine {
    /// Its number in the quarantine.
    pub id: QuarantinedId,
    /// The number of the import that quarantined it.
    pub import: ImportId,
    /// The file it came in.
    pub file: String,
    /// The line itself.
    pub held: Held,
    /// The first day it may belong to; `None` if unknown.
    pub first_day: Option<i64>,
    /// The last day it may belong to.
    pub last_day: Option<i64>,
}

/// The decision on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Outcome {
    /// Its event was imported.
    Imported,
    /// It was discarded.
    Discarded,
    /// Its event was retracted, so the line waits again.
    OpenAgain,
    /// The import that quarantined it was retracted.
    Retracted,
}

impl Outcome {
    const fn code(self) -> i64 {
        match self {
            Self::Imported => 1,
            Self::Discarded => 2,
            Self::OpenAgain => 3,
            Self::Retracted => 4,
        }
    }
}

/// The last decision on each line that has one. In SQLite, a bare column beside `max` comes from the row with the
/// maximum.
const DECIDED: &str = "WITH decided (line, outcome, entry) AS MATERIALIZED \
    (SELECT quarantine, outcome, max(entry) FROM quarantine_outcome GROUP BY quarantine)";
/// A line `q` with its last decision `d`, if it has one.
const LINES: &str = "quarantine q LEFT JOIN decided d ON d.line = q.id";
/// Whether a line waits for a decision: it has none, or the last one opened it again.
const IS_OPEN: &str = "coalesce(d.outcome, 3) = 3";

/// A statement on lines with their decisions.
fn on_lines(sql: &str) -> String {
    format!("{DECIDED} {}", sql.replace("{LINES}", LINES).replace("{IS_OPEN}", IS_OPEN))
}

const KNOWN: &str = "SELECT q.field, q.what, q.event_id, q.kept, {IS_OPEN}, q.import \
    FROM {LINES} JOIN import i ON i.id = q.import JOIN source s ON s.id = i.source \
    WHERE s.name = ?1 AND q.event_id <> '' \
    AND i.id NOT IN (SELECT r.import FROM retraction r WHERE r.import IS NOT NULL AND r.whole = 1)";

/// The quarantined lines of a source, by their content. A grown file brings them again. Lines of retracted imports are
/// left out.
#[derive(Debug, Default)]
pub struct KnownLines(FxHashMap<[u8; 32], KnownLine>);

/// A quarantined line of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownLine {
    /// Whether it waits for a decision.
    pub is_open: bool,
    /// The number of the import that quarantined it.
    pub import: ImportId,
}

impl KnownLines {
    /// The known line; `None` if the line is new or has no id. Two lines without an id may look alike and be two
    /// events.
    pub fn get(&self, line: &Held) -> Option<KnownLine> {
        self.0.get(&likeness(&line.field, &line.what, &line.event_id, &line.kept)).copied()
    }
}

fn likeness(field: &str, what: &str, event_id: &str, kept: &str) -> [u8; 32] {
    let mut encoder = Encoder::new();
    encoder.text(field).text(what).text(event_id).text(kept);
    *blake3::hash(encoder.as_bytes()).as_bytes()
}

impl Ledger {
    /// All lines of a source that are or were quarantined.
    pub fn known_lines(&self, source: &str) -> Result<KnownLines> {
        let mut statement = self.connection.prepare_cached(&on_lines(KNOWN))?;
        let mut rows = statement.query([source])?;
        let mut known = KnownLines::default();
        while let Some(row) = rows.next()? {
            let text = |column| row.get::<_, String>(column);
            let line = KnownLine { is_open: row.get(4)?, import: row.get(5)? };
            known.0.insert(likeness(&text(0)?, &text(1)?, &text(2)?, &text(3)?), line);
        }
        self.guard_logs(&LOGS)?;
        Ok(known)
    }
}

const INSERT: &str = "INSERT INTO quarantine (id, import, line, field, what, expected, event_id, day, kept) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM quarantine";

/// The number of the next quarantined line.
pub(in crate::ledger) fn next(connection: &Connection) -> Result<QuarantinedId> {
    Ok(connection.query_row(NEXT, [], |row| row.get(0))?)
}

/// Stores the quarantined lines of an import, under their numbers.
pub(in crate::ledger) fn hold<'h>(
    connection: &Connection,
    import: ImportId,
    held: impl Iterator<Item = (QuarantinedId, &'h Held)>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(INSERT)?;
    for (id, line) in held {
        let Held { line, field, what, expected, event_id, day, kept } = line;
        statement.execute((id, import, line, field, what, expected, event_id, day, kept))?;
    }
    Ok(())
}

const WAITING: &str = "SELECT q.event_id, q.id FROM {LINES} JOIN import i ON i.id = q.import \
    JOIN source s ON s.id = i.source WHERE s.name = ?1 AND q.event_id <> '' AND {IS_OPEN} ORDER BY q.id";

/// The open lines of a source by the ids of their events. An import of such an event resolves its lines.
pub(in crate::ledger) fn waiting(ledger: &Ledger, source: &str) -> Result<FxHashMap<String, Vec<QuarantinedId>>> {
    let mut statement = ledger.connection.prepare_cached(&on_lines(WAITING))?;
    let mut rows = statement.query([source])?;
    let mut waiting: FxHashMap<String, Vec<QuarantinedId>> = FxHashMap::default();
    while let Some(row) = rows.next()? {
        waiting.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    // Also if no line waits, because a removed line would wait forever.
    ledger.guard_logs(&LOGS)?;
    Ok(waiting)
}

/// The reason of the outcome of a line whose event was imported.
const IMPORTED: &str = "imported";
const OUTCOME: &str = "INSERT INTO quarantine_outcome (quarantine, entry, outcome, reason) VALUES (?1, ?2, ?3, ?4)";

pub(in crate::ledger) fn resolve(connection: &Connection, entry: EntryId, ids: &[QuarantinedId]) -> Result<()> {
    decide(connection, entry, ids, Outcome::Imported, IMPORTED)
}

/// Records the decisions of an entry on lines.
pub(in crate::ledger) fn decide(
    connection: &Connection,
    entry: EntryId,
    ids: &[QuarantinedId],
    outcome: Outcome,
    reason: &str,
) -> Result<()> {
    let mut statement = connection.prepare_cached(OUTCOME)?;
    for id in ids {
        statement.execute((id, entry, outcome.code(), reason))?;
    }
    Ok(())
}

const OPEN: &str = "SELECT q.id, i.file, q.line, q.field, q.what, q.expected, q.event_id, q.day, q.kept, \
    coalesce(q.day, i.first_day), coalesce(q.day, i.last_day), i.id FROM {LINES} JOIN import i ON i.id = q.import \
    WHERE {IS_OPEN} ORDER BY q.id";

/// The logs that decide which lines wait.
const LOGS: [Log; 3] = [Log::Imports, Log::Quarantine, Log::Outcomes];

impl Snapshot<'_> {
    /// The lines that wait for a decision.
    pub fn quarantine(&self) -> Result<Vec<OpenLine>> {
        self.prove_logs(&LOGS)?;
        open(self.connection())
    }
}

fn open(connection: &Connection) -> Result<Vec<OpenLine>> {
    let mut statement = connection.prepare_cached(&on_lines(OPEN))?;
    let rows = statement.query_map([], |row| {
        let held = Held {
            line: row.get(2)?,
            field: row.get(3)?,
            what: row.get(4)?,
            expected: row.get(5)?,
            event_id: row.get(6)?,
            day: row.get(7)?,
            kept: row.get(8)?,
        };
        let (id, file, import) = (row.get(0)?, row.get(1)?, row.get(11)?);
        Ok(OpenLine { id, import, file, held, first_day: row.get(9)?, last_day: row.get(10)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

const OPEN_BY_IMPORT: &str = "SELECT q.import, q.id FROM {LINES} WHERE {IS_OPEN} ORDER BY q.id";

/// The lines that wait for a decision, by the imports that set them aside.
pub(in crate::ledger) fn open_by_import(connection: &Connection) -> Result<BTreeMap<ImportId, Vec<QuarantinedId>>> {
    let mut statement = connection.prepare_cached(&on_lines(OPEN_BY_IMPORT))?;
    let mut rows = statement.query([])?;
    let mut open: BTreeMap<ImportId, Vec<QuarantinedId>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        open.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(open)
}

const LAST_IMPORTED: &str = "SELECT q.id, d.entry, q.event_id, q.import FROM {LINES} WHERE d.outcome = 1 \
    AND q.import NOT IN (SELECT r.import FROM retraction r WHERE r.import IS NOT NULL AND r.whole = 1) ORDER BY q.id";

/// The lines whose events are taken back, so that they wait again, each with the entry and the id that had brought its event.
/// `whole` has the imports all of whose events are taken back, by entry, each with its number: all lines that they brought
/// wait, but for those that they set aside themselves. Of `entries`, the lines of some ids wait.
pub(in crate::ledger) fn to_open_again(
    connection: &Connection,
    whole: &BTreeMap<EntryId, ImportId>,
    entries: &BTreeSet<EntryId>,
    ids: impl Fn(&str) -> bool,
) -> Result<Vec<(QuarantinedId, EntryId, String)>> {
    let set_aside_by: BTreeSet<ImportId> = whole.values().copied().collect();
    let mut statement = connection.prepare_cached(&on_lines(LAST_IMPORTED))?;
    let mut rows = statement.query([])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let (line, entry, id, import): (QuarantinedId, EntryId, String, ImportId) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let is_brought = whole.contains_key(&entry) || entries.contains(&entry) && ids(&id);
        if is_brought && !set_aside_by.contains(&import) {
            lines.push((line, entry, id));
        }
    }
    Ok(lines)
}

impl Transaction<'_> {
    /// Discards open lines with a reason: the given numbers, or all. Returns the discarded numbers.
    pub fn discard(
        &self,
        ids: Option<&[QuarantinedId]>,
        reason: &str,
        now: Timestamp,
        actor: &str,
    ) -> Result<Vec<QuarantinedId>> {
        let connection = self.connection();
        self.ledger().guard_logs(&LOGS)?;
        let open = open(connection)?;
        let chosen: Vec<QuarantinedId> =
            open.iter().map(|line| line.id).filter(|id| ids.is_none_or(|ids| ids.contains(id))).collect();
        if chosen.is_empty() {
            return Ok(chosen);
        }
        let recorded = discard_payload(&chosen, reason);
        chain::append(connection, &FACT, Signed { now, actor }, &recorded, |entry| {
            decide(connection, entry, &chosen, Outcome::Discarded, reason)
        })?;
        Ok(chosen)
    }
}

const HELD: &str =
    "SELECT id, line, field, what, expected, event_id, day, kept, import FROM quarantine ORDER BY import, id";

/// The lines that imports quarantined, by import, each under its number.
pub(in crate::ledger) fn held(connection: &Connection) -> Result<BTreeMap<ImportId, Vec<(QuarantinedId, Held)>>> {
    let mut statement = connection.prepare(HELD)?;
    let mut rows = statement.query([])?;
    let mut held: BTreeMap<ImportId, Vec<(QuarantinedId, Held)>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let line = Held {
            line: row.get(1)?,
            field: row.get(2)?,
            what: row.get(3)?,
            expected: row.get(4)?,
            event_id: row.get(5)?,
            day: row.get(6)?,
            kept: row.get(7)?,
        };
        held.entry(row.get(8)?).or_default().push((row.get(0)?, line));
    }
    Ok(held)
}

const OUTCOMES: &str =
    "SELECT entry, quarantine, reason FROM quarantine_outcome WHERE outcome = ?1 ORDER BY entry, quarantine";

/// The lines on which entries made one kind of decision, with the reasons.
pub(in crate::ledger) fn outcomes(
    connection: &Connection,
    outcome: Outcome,
) -> Result<BTreeMap<EntryId, Vec<(QuarantinedId, String)>>> {
    let mut statement = connection.prepare_cached(OUTCOMES)?;
    let mut rows = statement.query([outcome.code()])?;
    let mut decided: BTreeMap<EntryId, Vec<(QuarantinedId, String)>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        decided.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
    }
    Ok(decided)
}

/// The lines whose events were imported, by the import's entry. `None` if one has another reason.
pub(in crate::ledger) fn imported(connection: &Connection) -> Result<BTreeMap<EntryId, Option<Vec<QuarantinedId>>>> {
    let line = |(id, reason): (QuarantinedId, String)| (reason == IMPORTED).then_some(id);
    let of_entry =
        |(entry, lines): (EntryId, Vec<(QuarantinedId, String)>)| (entry, lines.into_iter().map(line).collect());
    Ok(outcomes(connection, Outcome::Imported)?.into_iter().map(of_entry).collect())
}

const UNKNOWN_OUTCOMES: &str = "SELECT count(*) FROM quarantine_outcome WHERE outcome NOT BETWEEN 1 AND 4";

/// The payloads of all discards by entry, computed from the table.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let mut payloads = Payloads::default();
    for (entry, lines) in outcomes(connection, Outcome::Discarded)? {
        let reason = lines.first().map_or("", |(_, reason)| reason.as_str());
        if lines.iter().any(|(_, other)| other != reason) {
            payloads.stray(format!("entry {entry} discards quarantined lines for different reasons"));
        }
        let ids: Vec<QuarantinedId> = lines.iter().map(|(id, _)| *id).collect();
        payloads.insert(entry, discard_payload(&ids, reason));
    }
    let unknown: i64 = connection.query_row(UNKNOWN_OUTCOMES, [], |row| row.get(0))?;
    if unknown > 0 {
        let lines = counted(unknown, "quarantined line has", "quarantined lines have");
        payloads.stray(format!("{lines} an outcome that does not exist"));
    }
    Ok(payloads)
}

/// The payload of a discard: the lines and the reason.
fn discard_payload(ids: &[QuarantinedId], reason: &str) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.text(reason).count(ids.len());
    for id in ids {
        encoder.i64(id.number());
    }
    encoder.into_bytes()
}
