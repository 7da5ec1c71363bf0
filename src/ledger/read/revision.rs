//! Records that grow. The first state of a record is an event. Each later state is a revision, which holds what was
//! added.
//!
//! A revision has the id and the instant of its original, a later key of the same day, and a link to it. It does not
//! count by itself. Usage is read as records, each once and with all its parts. The prompt size comes from the last
//! part, which covers the whole record. So amounts do not depend on how many states of a record were imported.

use crate::domain::calendar::Day;
use crate::domain::event::{Band, PromptSize};
use crate::domain::number::ImportId;
use crate::domain::number::{BatchId, ClassId, ModelId, SourceId, TagSetId, TierId};
use crate::domain::quantities::Quantities;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::Tally;
use crate::ledger::chain::fact::Finding;
use crate::ledger::file::gather::{METER_COLUMNS, meter_columns};
use crate::ledger::file::retracted::Retracted;
use crate::ledger::read::class::{Class, Classes};
use crate::ledger::read::scan::{self, StoredEvent};
use crate::ledger::values;
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::canonical::REVISION;
use crate::rows::canonical::USAGE;
use crate::rows::key::EventKey;
use rusqlite::{Connection, OptionalExtension};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

const PART: &str = concat!(
    "SELECT e.class, c.source, c.tag_set, c.model, c.tier, c.kind, c.prompt, e.batch, e.at, e.id, ",
    meter_columns!(),
    ", e.line FROM usage_event e JOIN event_class c ON c.id = e.class WHERE e.key = ?1"
);
const METERS_OF_PART: &str = "SELECT meter, quantity FROM event_meter WHERE key = ?1";
// CROSS: from the few links to their events, never the other way.
const LINKS: &str = "SELECT l.key, l.original, e.batch FROM event_link l CROSS JOIN usage_event e ON e.key = l.key \
    CROSS JOIN event_class c ON c.id = e.class WHERE l.key BETWEEN ?1 AND ?2 AND c.kind = 1";
const TAKEN: &str = "SELECT i.file, i.id, n.at FROM batch b JOIN import i ON i.id = b.import \
    JOIN entry n ON n.seq = i.entry WHERE b.id = ?1";
const BATCH: &str = "SELECT batch FROM usage_event WHERE key = ?1";
const ADD_LINK: &str = "INSERT INTO event_link (key, original) VALUES (?1, ?2)";

/// What the parts of a record must have in common, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Payer {
    pub(in crate::ledger) source: SourceId,
    pub(in crate::ledger) tag_set: TagSetId,
    pub(in crate::ledger) model: ModelId,
    pub(in crate::ledger) tier: TierId,
}

impl Payer {
    const fn of(class: &Class) -> Self {
        Self { source: class.source, tag_set: class.tag_set, model: class.model, tier: class.tier }
    }
}

/// An event that is part of a record.
struct Part {
    id: String,
    class: ClassId,
    prompt: PromptSize,
    payer: Payer,
    kind: u8,
    batch: BatchId,
    line: i64,
    at: Timestamp,
    quantities: Quantities,
}

/// Links a revision to its original.
pub(in crate::ledger) fn link(connection: &Connection, revision: EventKey, original: EventKey) -> Result<()> {
    connection.prepare_cached(ADD_LINK)?.execute((revision.number(), original.number()))?;
    Ok(())
}

fn part(connection: &Connection, key: EventKey) -> Result<Option<Part>> {
    let read = |row: &rusqlite::Row<'_>| -> Result<Part> {
        let mut frequent = scan::meters(row, 10)?;
        let prompt = values::prompt(row.get(6)?)?;
        if prompt == PromptSize::Exact {
            frequent.set(METER_COLUMNS, 1);
        }
        Ok(Part {
            class: row.get(0)?,
            prompt,
            payer: Payer { source: row.get(1)?, tag_set: row.get(2)?, model: row.get(3)?, tier: row.get(4)? },
            kind: row.get(5)?,
            batch: row.get(7)?,
            line: row.get(10 + METER_COLUMNS)?,
            at: scan::instant(key, row.get(8)?)?,
            id: row.get(9)?,
            quantities: Quantities::from_frequent(frequent),
        })
    };
    let mut statement = connection.prepare_cached(PART)?;
    let Some(part) = statement.query_row([key.number()], |row| Ok(read(row))).optional()? else { return Ok(None) };
    let mut part = part?;
    let mut meters = connection.prepare_cached(METERS_OF_PART)?;
    let mut rows = meters.query([key.number()])?;
    while let Some(row) = rows.next()? {
        part.quantities.set(values::meter(row.get(0)?)?, row.get(1)?);
    }
    Ok(Some(part))
}

/// A state of a record, as imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The file it came in.
    pub file: String,
    /// Its line there.
    pub line: i64,
    /// The number of the import.
    pub import: ImportId,
    /// The time of the import.
    pub taken: Timestamp,
    /// What it added. For the first state: everything.
    pub added: Quantities,
}

/// The states of the record that begins at a key, in the order of import.
pub(in crate::ledger) fn states(
    connection: &Connection,
    retracted: &Retracted,
    original: EventKey,
    id: &str,
) -> Result<Vec<State>> {
    let mut statement = connection.prepare_cached(TAKEN)?;
    let mut state = |part: Part| {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let (file, import, at): (String, ImportId, i64) = statement.query_row([part.batch], read)?;
        let wrong = || {
            LedgerError::Corrupt(Damage::Value, format!("import {import} was made at an instant that is out of range"))
        };
        let taken = Timestamp::from_nanos(at).ok_or_else(wrong)?;
        Ok(State { file, line: part.line, import, taken, added: part.quantities })
    };
    History::read(connection, retracted, original, id)?.0.into_iter().map(&mut state).collect()
}

/// The stored parts of a record, in the order in which they were appended.
pub(in crate::ledger) struct History(Vec<Part>);

/// How a state stands to what the ledger has of its record.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ledger) enum Standing {
    /// The record has had this state.
    Known,
    /// It is larger than the last state by this much.
    More(Quantities),
    /// It is smaller than the last state, or equal in some meters and larger in none.
    Less,
    /// It is larger in some meters and smaller in others.
    Mixed,
    /// Something other than meters differs.
    Other,
}

impl History {
    /// The history of the record that begins at a key.
    ///
    /// Each part took the first free key after its original, and nothing is deleted. So a walk finds the parts in
    /// order.
    pub(in crate::ledger) fn read(
        connection: &Connection,
        retracted: &Retracted,
        original: EventKey,
        id: &str,
    ) -> Result<Self> {
        let (mut parts, mut key): (Vec<Part>, _) = (Vec::new(), original);
        while let Some(part) = part(connection, key)? {
            let first = parts.first();
            let later =
                |first: &Part| part.id == id && part.kind == REVISION && part.payer.source == first.payer.source;
            if first.is_none_or(later) && !retracted.has(key, part.batch) {
                parts.push(part);
            }
            key = key.next_in_half();
            if key == original {
                break;
            }
        }
        Ok(Self(parts))
    }

    /// The current quantities of the record.
    pub(in crate::ledger) fn now(&self) -> Result<Quantities> {
        let mut sum = Quantities::NONE;
        self.0.iter().try_for_each(|part| sum.add(&part.quantities))?;
        Ok(sum)
    }

    /// The band that the record counts in, among the thresholds of its model.
    pub(in crate::ledger) fn band(&self, thresholds: &[i64]) -> Result<Band> {
        let prompt = self.0.last().map_or(PromptSize::Exact, |part| part.prompt);
        Ok(Band::of(prompt, self.now()?.prompt_size()?, thresholds))
    }

    /// Whether some part was appended by one of the batches.
    pub(in crate::ledger) fn is_of(&self, batch: impl Fn(BatchId) -> bool) -> bool {
        self.0.iter().any(|part| batch(part.batch))
    }

    /// The origin of its parts: batch and line of each.
    pub(in crate::ledger) fn places(&self) -> impl Iterator<Item = (BatchId, i64)> {
        self.0.iter().map(|part| (part.batch, part.line))
    }

    /// The instant of the record, which is the instant of its first state.
    pub(in crate::ledger) fn at(&self) -> Option<Timestamp> {
        self.0.first().map(|part| part.at)
    }

    /// How a state on the same day relates to the record.
    pub(in crate::ledger) fn standing(&self, payer: Payer, state: &Quantities) -> Result<Standing> {
        if self.0.iter().any(|part| part.payer != payer) {
            return Ok(Standing::Other);
        }
        let mut sum = Quantities::NONE;
        for part in &self.0 {
            sum.add(&part.quantities)?;
            if sum == *state {
                return Ok(Standing::Known);
            }
        }
        Ok(match (state.since(&sum), sum.since(state)) {
            (Some(added), _) => Standing::More(added),
            (None, Some(_)) => Standing::Less,
            (None, None) => Standing::Mixed,
        })
    }
}

/// The grown records of some days. Usually there are none.
pub(in crate::ledger) struct Grown<'k> {
    connection: &'k Connection,
    /// The revisions of each original, in the order in which they were appended.
    of: FxHashMap<EventKey, Vec<EventKey>>,
    revisions: FxHashSet<EventKey>,
}

impl<'k> Grown<'k> {
    /// No records.
    pub(in crate::ledger) fn none(connection: &'k Connection) -> Self {
        Self { connection, of: FxHashMap::default(), revisions: FxHashSet::default() }
    }

    /// The grown records on the days from one key to another, with the rows that count.
    pub(in crate::ledger) fn between(
        connection: &'k Connection,
        retracted: &Retracted,
        first: EventKey,
        last: EventKey,
    ) -> Result<Self> {
        let mut grown = Self::none(connection);
        let days = [EventKey::range_of(first.day()).0.number(), EventKey::range_of(last.day()).1.number()];
        let mut statement = connection.prepare_cached(LINKS)?;
        let mut rows = statement.query(days)?;
        while let Some(row) = rows.next()? {
            let (revision, original) = (values::key(row.get(0)?)?, values::key(row.get(1)?)?);
            if retracted.has(revision, row.get(2)?) {
                continue;
            }
            grown.of.entry(original).or_default().push(revision);
            grown.revisions.insert(revision);
        }
        for (original, revisions) in &mut grown.of {
            revisions.sort_unstable_by_key(|revision| revision.steps_from(*original));
        }
        Ok(grown)
    }

    /// Whether no record has grown.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The revisions after a state that is to be taken back: they tell what was added to that state. Each comes with the batch
    /// of the last such state before it.
    pub(in crate::ledger) fn after_states(
        &self,
        is_taken: impl Fn(EventKey, BatchId) -> bool,
    ) -> Result<Vec<(EventKey, BatchId)>> {
        let mut statement = self.connection.prepare_cached(BATCH)?;
        let mut after = Vec::new();
        for (original, revisions) in &self.of {
            let mut taken: Option<BatchId> = None;
            for key in std::iter::once(original).chain(revisions) {
                let batch = statement.query_row([key.number()], |row| row.get(0))?;
                if is_taken(*key, batch) {
                    taken = Some(batch);
                } else if let Some(taken) = taken {
                    after.push((*key, taken));
                }
            }
        }
        Ok(after)
    }

    /// Whether an event is, or claims to be, part of one of them.
    pub(in crate::ledger) fn has(&self, event: &StoredEvent<'_>) -> bool {
        event.class.kind == REVISION || self.of.contains_key(&event.key)
    }

    /// Turns an event into its whole record. `false` for a revision, which belongs to another event's record.
    pub(in crate::ledger) fn complete<'c>(&self, classes: &'c Classes, event: &mut StoredEvent<'c>) -> Result<bool> {
        if event.class.kind == REVISION {
            return Ok(false);
        }
        for revision in self.of.get(&event.key).into_iter().flatten() {
            let gone =
                || LedgerError::Corrupt(Damage::Reference, "a revision disappeared while tokenbook read it".to_owned());
            let part = part(self.connection, *revision)?.ok_or_else(gone)?;
            event.quantities.add(&part.quantities)?;
            // Like the original's class, except for the prompt size.
            event.class = classes.get(part.class)?;
        }
        Ok(true)
    }
}

/// The rows of a day that count.
pub(in crate::ledger) struct Live<'k> {
    retracted: Retracted,
    grown: Grown<'k>,
}

impl<'k> Live<'k> {
    /// All rows except retracted ones.
    pub(in crate::ledger) fn of_day(connection: &'k Connection, retracted: Retracted, day: Day) -> Result<Self> {
        let (first, last) = EventKey::range_of(day);
        let grown = Grown::between(connection, &retracted, first, last)?;
        Ok(Self { retracted, grown })
    }

    /// The grown records.
    pub(in crate::ledger) fn grown(&self) -> &Grown<'k> {
        &self.grown
    }

    /// Whether a row counts, possibly as part of a record.
    pub(in crate::ledger) fn has(&self, event: &StoredEvent<'_>) -> bool {
        !self.retracted.has(event.key, event.batch)
    }

    /// Counts an event as its whole record. A revision counts with its original, and a retracted row does not count.
    pub(in crate::ledger) fn tally<'c>(
        &self,
        classes: &'c Classes,
        event: &StoredEvent<'c>,
        tally: &mut Tally<(ClassId, Band)>,
    ) -> Result<()> {
        if !self.has(event) {
            return Ok(());
        }
        if !self.grown.has(event) {
            let band = event.class.band(&event.quantities)?;
            return Ok(tally.add((event.class.number, band), event.at, &event.quantities)?);
        }
        let mut record = event.clone();
        if self.grown.complete(classes, &mut record)? {
            let band = record.class.band(&record.quantities)?;
            tally.add((record.class.number, band), record.at, &record.quantities)?;
        }
        Ok(())
    }
}

/// The parts of grown records, collected while a day is proved.
#[derive(Default)]
pub(in crate::ledger) struct Parts(BTreeMap<EventKey, Met>);

struct Met {
    id: String,
    at: Timestamp,
    payer: Payer,
    kind: u8,
}

impl Parts {
    /// Records a part.
    pub(in crate::ledger) fn note(&mut self, event: &StoredEvent<'_>) {
        let met = Met { id: event.id.clone(), at: event.at, payer: Payer::of(event.class), kind: event.class.kind };
        self.0.insert(event.key, met);
    }

    /// Links that do not lead to the original, and revisions without a link.
    pub(in crate::ledger) fn findings(&self, grown: &Grown<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |key: &EventKey, what: &str| {
            let id = self.0.get(key).map_or("", |met| met.id.as_str());
            findings.push(format!("the revision of {id:?} under key {} {what}", key.number()));
        };
        for key in self.0.iter().filter(|(_, met)| met.kind == REVISION).map(|(key, _)| key) {
            if !grown.revisions.contains(key) {
                wrong(key, "is linked to no event");
            }
        }
        let links: BTreeMap<EventKey, EventKey> =
            grown.of.iter().flat_map(|(original, keys)| keys.iter().map(|key| (*key, *original))).collect();
        for (key, original) in links {
            let same = |met: &Met, other: &Met| (&met.id, met.at, met.payer) == (&other.id, other.at, other.payer);
            let right = match (self.0.get(&key), self.0.get(&original)) {
                (Some(revision), Some(original)) => original.kind == USAGE && same(revision, original),
                _ => false,
            };
            if !right {
                wrong(&key, "is linked to an event of another record");
            }
        }
        findings
    }
}
