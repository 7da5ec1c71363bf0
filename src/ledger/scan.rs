//! Reading events back, in the order of their keys: for rating from raw events and for proof.

use crate::domain::canonical::{self, EventParts};
use crate::domain::event::PromptSize;
use crate::domain::key::EventKey;
use crate::domain::quantities::Quantities;
use crate::domain::timestamp::Timestamp;
use crate::ledger::transaction::Snapshot;
use crate::ledger::{LedgerError, Result, chain, daily, fits};
use rusqlite::{Connection, Row, Rows, Statement};
use rustc_hash::FxHashMap;

/// An event as it stands in the file; names are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// The key.
    pub key: EventKey,
    /// The batch it came with.
    pub batch: i64,
    /// The model.
    pub model: i64,
    /// The tier.
    pub tier: i64,
    /// The tag set.
    pub tag_set: i64,
    /// 0 usage, 1 correction, 2 revision.
    pub kind: u8,
    /// What is known of the prompt.
    pub prompt: PromptSize,
    /// What was used.
    pub quantities: Quantities,
    /// When.
    pub at: Timestamp,
    /// The line it stood on; 0 when not read.
    pub line: i64,
    /// The id; empty when not read.
    pub id: String,
}

/// How much of an event is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// What amounts depend on.
    Usage,
    /// Everything.
    All,
}

const USAGE: &str = "SELECT key, batch, model, tier, tag_set, kind, prompt, input, cache_read, cache_write, cache_write_1h, \
    output, reasoning, request, at FROM usage_event WHERE key BETWEEN ?1 AND ?2 ORDER BY key";
const ALL: &str = "SELECT key, batch, model, tier, tag_set, kind, prompt, input, cache_read, cache_write, cache_write_1h, \
    output, reasoning, request, at, line, id FROM usage_event WHERE key BETWEEN ?1 AND ?2 ORDER BY key";
const METERS: &str = "SELECT key, meter, quantity FROM event_meter WHERE key BETWEEN ?1 AND ?2 ORDER BY key, meter";

impl Snapshot<'_> {
    /// Reads the events between two keys, both included, in their order.
    pub fn events(
        &self,
        first: EventKey,
        last: EventKey,
        columns: Columns,
        each: impl FnMut(&StoredEvent) -> Result<()>,
    ) -> Result<()> {
        events(self.connection(), first, last, columns, each)
    }
}

pub(super) fn events(
    connection: &Connection,
    first: EventKey,
    last: EventKey,
    columns: Columns,
    mut each: impl FnMut(&StoredEvent) -> Result<()>,
) -> Result<()> {
    let range = [first.number(), last.number()];
    let mut statement = connection.prepare_cached(if columns == Columns::All { ALL } else { USAGE })?;
    let mut rows = statement.query(range)?;
    let mut meters = connection.prepare_cached(METERS)?;
    let mut rare = RareMeters::start(&mut meters, range)?;
    let mut event = StoredEvent {
        key: first,
        batch: 0,
        model: 0,
        tier: 0,
        tag_set: 0,
        kind: 0,
        prompt: PromptSize::Exact,
        quantities: Quantities::NONE,
        at: Timestamp::EARLIEST,
        line: 0,
        id: String::new(),
    };
    while let Some(row) = rows.next()? {
        fill(&mut event, row)?;
        rare.add_to(&mut event)?;
        if columns == Columns::All {
            event.line = row.get(15)?;
            event.id.clear();
            event.id.push_str(row.get_ref(16)?.as_str().map_err(rusqlite::Error::from)?);
        }
        each(&event)?;
    }
    rare.finish()
}

fn fill(event: &mut StoredEvent, row: &Row<'_>) -> Result<()> {
    let number: i64 = row.get(0)?;
    event.key = EventKey::from_number(number)
        .ok_or_else(|| LedgerError::Corrupt(format!("the key {number} is out of range")))?;
    event.batch = row.get(1)?;
    event.model = row.get(2)?;
    event.tier = row.get(3)?;
    event.tag_set = row.get(4)?;
    event.kind = fits(row.get(5)?, "kind of event")?;
    event.prompt = PromptSize::from_code(fits(row.get(6)?, "prompt")?)
        .ok_or_else(|| LedgerError::Corrupt("the form of a prompt is out of range".to_owned()))?;
    event.quantities = Quantities::from_frequent(daily::frequent(row, 7)?);
    event.at = chain::instant(row.get(14)?)?;
    Ok(())
}

/// Walks along the rare meters beside the events.
struct RareMeters<'s> {
    rows: Rows<'s>,
    next: Option<(i64, i64, i64)>,
}

impl<'s> RareMeters<'s> {
    fn start(statement: &'s mut Statement<'_>, range: [i64; 2]) -> Result<Self> {
        let mut meters = Self { rows: statement.query(range)?, next: None };
        meters.advance()?;
        Ok(meters)
    }

    fn advance(&mut self) -> Result<()> {
        self.next = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, row.get(1)?, row.get(2)?)),
            None => None,
        };
        Ok(())
    }

    fn add_to(&mut self, event: &mut StoredEvent) -> Result<()> {
        while let Some((key, meter, quantity)) = self.next {
            if key > event.key.number() {
                break;
            }
            if key < event.key.number() {
                return Err(LedgerError::Corrupt("a meter belongs to no event".to_owned()));
            }
            event.quantities.set(daily::meter(meter)?, quantity);
            self.advance()?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self.next {
            None => Ok(()),
            Some(_) => Err(LedgerError::Corrupt("a meter belongs to no event".to_owned())),
        }
    }
}

/// The canonical forms of the ledger's names, for encoding events as their digests have them.
pub(super) struct Forms {
    models: FxHashMap<i64, Vec<u8>>,
    tiers: FxHashMap<i64, Vec<u8>>,
    tag_sets: FxHashMap<i64, Vec<u8>>,
}

impl Forms {
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let names = crate::ledger::dictionary::all(connection)?;
        Ok(Self {
            models: names.models.iter().map(|(id, model)| (*id, canonical::model(model))).collect(),
            tiers: names.tiers.iter().map(|(id, tier)| (*id, canonical::tier(tier))).collect(),
            tag_sets: names.tag_sets.iter().map(|(id, tags)| (*id, canonical::tags(tags))).collect(),
        })
    }

    pub(super) fn parts<'a>(&'a self, event: &'a StoredEvent) -> Result<EventParts<'a>> {
        let missing =
            |what: &str| LedgerError::Corrupt(format!("event {:?} names a {what} that is not there", event.id));
        Ok(EventParts {
            key: event.key.number(),
            line: event.line,
            kind: event.kind,
            id: &event.id,
            at: event.at,
            model: self.models.get(&event.model).ok_or_else(|| missing("model"))?,
            tier: self.tiers.get(&event.tier).ok_or_else(|| missing("service tier"))?,
            tags: self.tag_sets.get(&event.tag_set).ok_or_else(|| missing("tag set"))?,
            prompt: event.prompt,
        })
    }
}
