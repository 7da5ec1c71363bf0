//! Compares rows with known events, and describes the differences.

use crate::domain::calendar::Day;
use crate::domain::event::PromptSize;
use crate::domain::meter::Meter;
use crate::domain::number::{BatchId, ClassId, ModelId, SourceId, TagSetId, TierId};
use crate::domain::outcome::Outcome;
use crate::domain::quantities::Quantities;
use crate::domain::timestamp::Timestamp;
use crate::ledger::append::naming::{ClassedRow, NamedClass};
use crate::ledger::file::gather::{METER_COLUMNS, meter_columns};
use crate::ledger::file::retracted::Retracted;
use crate::ledger::read::revision::{History, Payer};
use crate::ledger::read::scan::{self};
use crate::ledger::values;
use crate::ledger::{Damage, LedgerError, Result, fits};
use crate::rows::batch::{Batch, Row};
use crate::rows::key::EventKey;
use rusqlite::{CachedStatement, Connection, OptionalExtension};
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::Arc;

/// An id that is in the ledger with other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The line of the new event.
    pub line: u64,
    /// The id.
    pub id: String,
    /// Why it is a conflict.
    pub why: Why,
    /// The origin of the stored event: one place, and one more for each time the record grew.
    pub stored: Vec<Origin>,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Why an id with other content is neither a later nor an older state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Its records do not grow, or something else than counts differs.
    Otherwise,
    /// Some counts are larger and others smaller.
    MoreAndLess,
    /// The same file has another state of it.
    Twice,
}

/// The origin of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file; `None` if it is the same file.
    pub file: Option<String>,
    /// The line.
    pub line: i64,
}

/// What two events of one id are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compared {
    /// When it was used.
    Timestamp,
    /// Who served the model.
    Provider,
    /// The model.
    Model,
    /// The service tier.
    Tier,
    /// All tags, as JSON.
    Tags,
    /// How the call ended.
    Outcome,
    /// A quantity.
    Meter(Meter),
}

impl Compared {
    /// The name of the field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Tier => "service_tier",
            Self::Tags => "tags",
            Self::Outcome => "outcome",
            Self::Meter(meter) => meter.field(),
        }
    }
}

/// A field with two values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub compared: Compared,
    /// The value in the ledger; `None` if nothing was reported.
    pub stored: Option<String>,
    /// The value in the file; `None` if nothing is reported.
    pub new: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &'_ Option<String>| value.clone().unwrap_or_else(|| NOT_REPORTED.to_owned());
        write!(f, "{} is {} in the ledger and {} here", self.compared.field(), shown(&self.stored), shown(&self.new))
    }
}

const NOT_REPORTED: &str = "not reported";

const AT_KEY: &str = concat!("SELECT id, class, ", meter_columns!(), ", at, batch FROM usage_event WHERE key = ?1");
const METERS_AT_KEY: &str = "SELECT meter, quantity FROM event_meter WHERE key = ?1 ORDER BY meter";
const HAS_METERS: &str = "SELECT EXISTS (SELECT 1 FROM event_meter WHERE key BETWEEN ?1 AND ?2)";
const SOURCE_OF: &str = "SELECT source FROM event_class WHERE id = ?1";
const WHERE_FROM: &str = concat!(
    "SELECT c.model, c.tier, c.tag_set, c.prompt, c.outcome, ",
    meter_columns!(),
    ", e.at FROM usage_event e JOIN event_class c ON c.id = e.class WHERE e.key = ?1"
);
const ID_AND_LINE: &str = "SELECT id, line FROM usage_event WHERE key = ?1";
const FILE_OF: &str = "SELECT i.file FROM batch b JOIN import i ON i.id = b.import WHERE b.id = ?1";

/// What a key holds, for an event that needs a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum AtKey {
    /// Nothing: the key is free.
    Nothing,
    /// An event with another id, or a retracted event.
    Another,
    /// The same event.
    Same,
    /// An event with the same id and other content.
    Different,
}

/// A stored row, with everything needed to describe it.
struct Whole {
    model: ModelId,
    tier: TierId,
    tag_set: TagSetId,
    outcome: Option<Outcome>,
    quantities: Quantities,
    at: Timestamp,
}

/// Reads single rows of the ledger.
pub(in crate::ledger) struct Stored<'w> {
    connection: &'w Connection,
    at_key: CachedStatement<'w>,
    meters_at_key: CachedStatement<'w>,
    source: SourceId,
    retracted: Arc<Retracted>,
    /// The source of each class met.
    sources: FxHashMap<ClassId, SourceId>,
    /// Days that are known to have events with rare meters, or to have none.
    rare_days: FxHashMap<Day, bool>,
    own: Vec<BatchId>,
    /// The batch of the row compared last.
    batch_met: BatchId,
    /// Whether the current row's search passed a retracted row with its id.
    passed_retracted: bool,
}

impl<'w> Stored<'w> {
    pub(in crate::ledger) fn new(
        connection: &'w Connection,
        source: SourceId,
        retracted: &Arc<Retracted>,
    ) -> Result<Self> {
        let (at_key, meters_at_key) = (connection.prepare_cached(AT_KEY)?, connection.prepare_cached(METERS_AT_KEY)?);
        let (sources, rare_days) = (FxHashMap::default(), FxHashMap::default());
        let (retracted, own) = (Arc::clone(retracted), Vec::new());
        let (batch_met, passed_retracted) = (BatchId::NONE, false);
        Ok(Self {
            connection,
            at_key,
            meters_at_key,
            source,
            retracted,
            sources,
            rare_days,
            own,
            batch_met,
            passed_retracted,
        })
    }

    /// Records that a batch belongs to this import.
    pub(in crate::ledger) fn own_batch(&mut self, batch: BatchId) {
        self.own.push(batch);
    }

    /// Whether a batch belongs to this import.
    pub(in crate::ledger) fn is_own(&self, batch: BatchId) -> bool {
        self.own.contains(&batch)
    }

    /// Starts the search for another row's place.
    pub(in crate::ledger) const fn begin_row(&mut self) {
        self.passed_retracted = false;
    }

    /// The batch of the row that was found.
    pub(in crate::ledger) const fn batch_met(&self) -> BatchId {
        self.batch_met
    }

    /// Whether the search passed a retracted row with the same id.
    pub(in crate::ledger) const fn has_passed_retracted(&self) -> bool {
        self.passed_retracted
    }

    /// Records that an event with rare meters was added to a day.
    pub(in crate::ledger) fn added_rare(&mut self, day: Day) {
        self.rare_days.insert(day, true);
    }

    /// Compares a row with the event at a key.
    pub(in crate::ledger) fn compare(
        &mut self,
        key: EventKey,
        batch: &Batch,
        classed: ClassedRow<'_>,
    ) -> Result<AtKey> {
        let ClassedRow { row, class } = classed;
        let mut rows = self.at_key.query([key.number()])?;
        let Some(found) = rows.next()? else { return Ok(AtKey::Nothing) };
        let same_id = found.get_ref(0)?.as_bytes().is_ok_and(|stored| stored == batch.id(row).as_bytes());
        if !same_id {
            return Ok(AtKey::Another);
        }
        self.batch_met = BatchId::new(scan::integer(found, 3 + METER_COLUMNS)?);
        if self.retracted.has(key, self.batch_met) {
            self.passed_retracted = true;
            return Ok(AtKey::Another);
        }
        let found_class = ClassId::new(scan::integer(found, 1)?);
        let mut frequent = scan::meters(found, 2)?;
        let at = scan::instant(key, scan::integer(found, 2 + METER_COLUMNS)?)?;
        drop(rows);
        if found_class != class.number {
            let own = self.source_of(found_class)? == self.source;
            return Ok(if own { AtKey::Different } else { AtKey::Another });
        }
        if class.prompt == PromptSize::Exact {
            frequent.set(METER_COLUMNS, 1);
        }
        let mut quantities = Quantities::from_frequent(frequent);
        if self.has_rare(key.day())? {
            self.add_rare(key, &mut quantities)?;
        }
        let same = at == row.at && quantities == batch.quantities(row);
        Ok(if same { AtKey::Same } else { AtKey::Different })
    }

    fn source_of(&mut self, class: ClassId) -> Result<SourceId> {
        if let Some(source) = self.sources.get(&class) {
            return Ok(*source);
        }
        let source = self.connection.query_row(SOURCE_OF, [class], |row| row.get(0))?;
        self.sources.insert(class, source);
        Ok(source)
    }

    fn has_rare(&mut self, day: Day) -> Result<bool> {
        if let Some(has) = self.rare_days.get(&day) {
            return Ok(*has);
        }
        let (first, last) = EventKey::range_of(day);
        let has = self.connection.query_row(HAS_METERS, [first.number(), last.number()], |row| row.get(0))?;
        self.rare_days.insert(day, has);
        Ok(has)
    }

    fn add_rare(&mut self, key: EventKey, quantities: &mut Quantities) -> Result<()> {
        let mut rows = self.meters_at_key.query([key.number()])?;
        while let Some(row) = rows.next()? {
            quantities.set(values::meter(row.get(0)?)?, row.get(1)?);
        }
        Ok(())
    }

    fn event(&mut self, key: EventKey) -> Result<Whole> {
        let mut statement = self.connection.prepare_cached(WHERE_FROM)?;
        let mut rows = statement.query([key.number()])?;
        let gone =
            || LedgerError::Corrupt(Damage::Reference, "an event disappeared while tokenbook read it".to_owned());
        let row = rows.next()?.ok_or_else(gone)?;
        let mut frequent = scan::meters(row, 5)?;
        if row.get::<_, i64>(3)? == PromptSize::Exact.code() {
            frequent.set(METER_COLUMNS, 1);
        }
        let mut whole = Whole {
            model: row.get(0)?,
            tier: row.get(1)?,
            tag_set: row.get(2)?,
            outcome: values::outcome(row.get(4)?)?,
            quantities: Quantities::from_frequent(frequent),
            at: scan::instant(key, scan::integer(row, 5 + METER_COLUMNS)?)?,
        };
        self.add_rare(key, &mut whole.quantities)?;
        Ok(whole)
    }

    /// Describes how a row differs from the event with its id.
    pub(in crate::ledger) fn describe(
        &mut self,
        batch: &Batch,
        row: &Row,
        class: &NamedClass,
        other: EventKey,
        why: Why,
    ) -> Result<Conflict> {
        let &NamedClass { payer: Payer { model, tier, tag_set, .. }, outcome, .. } = class;
        let new = Whole { model, tier, tag_set, outcome, quantities: batch.quantities(row), at: row.at };
        self.differing(row.line, batch.id(row), &new, other, why)
    }

    /// Describes how an event of this import differs from another event with its id.
    pub(in crate::ledger) fn describe_stored(&mut self, new: EventKey, other: EventKey) -> Result<Conflict> {
        let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (id, line): (String, i64) = self.connection.query_row(ID_AND_LINE, [new.number()], place)?;
        let whole = self.event(new)?;
        self.differing(fits(line, "a line")?, &id, &whole, other, Why::Otherwise)
    }

    fn differing(&mut self, line: u64, id: &str, new: &Whole, other: EventKey, why: Why) -> Result<Conflict> {
        let mut stored = self.event(other)?;
        let history = History::read(self.connection, &self.retracted, other, id)?;
        stored.quantities = history.now()?;
        let mut differences = Vec::new();
        let mut note = |compared, stored: Option<String>, new: Option<String>| {
            if stored != new {
                differences.push(Difference { compared, stored, new });
            }
        };
        note(Compared::Timestamp, Some(stored.at.to_string()), Some(new.at.to_string()));
        let (old_model, new_model) = (stored.model.number(), new.model.number());
        for (compared, sql, stored, new) in [
            (Compared::Provider, "SELECT provider FROM model WHERE id = ?1", old_model, new_model),
            (Compared::Model, "SELECT name FROM model WHERE id = ?1", old_model, new_model),
            (Compared::Tier, "SELECT name FROM service_tier WHERE id = ?1", stored.tier.number(), new.tier.number()),
            (Compared::Tags, "SELECT tags FROM tag_set WHERE id = ?1", stored.tag_set.number(), new.tag_set.number()),
        ] {
            note(compared, self.name(sql, stored)?, self.name(sql, new)?);
        }
        let named = |outcome: Option<Outcome>| outcome.map(|outcome| outcome.name().to_owned());
        note(Compared::Outcome, named(stored.outcome), named(new.outcome));
        let shown = |quantity: Option<i64>| quantity.map(|quantity| quantity.to_string());
        for meter in Meter::ALL {
            note(Compared::Meter(meter), shown(stored.quantities.get(meter)), shown(new.quantities.get(meter)));
        }
        let stored = history.places().map(|(batch, line)| Ok(Origin { file: self.file_of(batch)?, line }));
        Ok(Conflict { line, id: id.to_owned(), why, stored: stored.collect::<Result<_>>()?, differences })
    }

    fn file_of(&self, batch: BatchId) -> Result<Option<String>> {
        let own = self.is_own(batch);
        Ok(if own { None } else { Some(self.connection.query_row(FILE_OF, [batch], |row| row.get(0))?) })
    }

    /// The text of a name; `None` if it is empty.
    fn name(&self, sql: &str, number: i64) -> Result<Option<String>> {
        let name: Option<String> = self.connection.query_row(sql, [number], |row| row.get(0)).optional()?;
        Ok(Some(name.unwrap_or_else(|| "?".to_owned())).filter(|name| !name.is_empty()))
    }
}
