//! Finds an event by its id: one lookup for each half of each day, because the id is unique for its source but may be
//! on any day.

use crate::domain::calendar::Day;
use crate::domain::number::{BatchId, SourceId};
use crate::domain::period::Period;
use crate::domain::quantities::Quantities;
use crate::domain::timestamp::Timestamp;
use crate::ledger::file::retracted::Retracted;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::read::class::Class;
use crate::ledger::read::revision;
pub use crate::ledger::read::revision::State;
use crate::ledger::read::scan::Columns;
use crate::ledger::{Ledger, Result};
use crate::rows::key::{EventKey, Half, KeyHash};
use rusqlite::{Connection, Row};
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, BTreeSet};

/// An event with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEvent {
    /// The source.
    pub source: String,
    /// Its class.
    pub class: Class,
    /// Its billing day.
    pub day: Day,
    /// When it was used.
    pub at: Timestamp,
    /// What was used.
    pub quantities: Quantities,
    /// The file that brought it first.
    pub file: String,
    /// The file's format.
    pub format: String,
    /// The record's line in it.
    pub line: i64,
    /// The imported states of it, the first one first. Several if it has grown.
    pub states: Vec<State>,
}

const ID: &str = "SELECT id FROM usage_event WHERE key = ?1";
const RETRACTED_BY: &str = "SELECT r.entry FROM usage_event e JOIN event_class c ON c.id = e.class \
    JOIN batch b ON b.id = e.batch JOIN retraction r ON r.import = b.import AND r.whole = 1 \
    OR r.id = (SELECT x.retraction FROM retracted_event x WHERE x.key = e.key) WHERE e.key = ?1 AND c.source = ?2";
const FILE: &str = "SELECT i.file, i.format FROM batch b JOIN import i ON i.id = b.import WHERE b.id = ?1";

/// The keys with an id, starting at its own. If that key was taken, the id got the next free one of its half.
fn keys_from(connection: &Connection, id: &str, own: EventKey) -> Result<Vec<EventKey>> {
    let mut statement = connection.prepare_cached(ID)?;
    let (mut key, mut keys) = (own, Vec::new());
    loop {
        let mut rows = statement.query([key.number()])?;
        let Some(row) = rows.next()? else { return Ok(keys) };
        if row.get_ref(0)?.as_str().is_ok_and(|stored| stored == id) {
            keys.push(key);
        }
        key = key.next_in_half();
        if key == own {
            return Ok(keys);
        }
    }
}

const BATCH: &str = "SELECT batch FROM usage_event WHERE key = ?1";
const BATCH_AND_SOURCE: &str = "SELECT e.batch, s.name FROM usage_event e JOIN event_class c ON c.id = e.class \
    JOIN source s ON s.id = c.source WHERE e.key = ?1";

impl Ledger {
    /// The first of some dated ids for which an event of the source counts.
    pub fn first_that_counts(
        &self,
        source: &str,
        key_hash: KeyHash,
        ids: impl Iterator<Item = (String, Day)>,
    ) -> Result<Option<String>> {
        let retracted = self.retracted()?;
        let mut statement = self.connection.prepare_cached(BATCH_AND_SOURCE)?;
        for (id, day) in ids {
            let own = EventKey::new(day, key_hash.hash(source, &id));
            for half in Half::BOTH {
                for key in keys_from(&self.connection, &id, own.in_half(half))? {
                    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
                    let (batch, name): (BatchId, String) = statement.query_row([key.number()], row)?;
                    if name == source && !retracted.has(key, batch) {
                        return Ok(Some(id));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Snapshot<'_> {
    /// The events with an id, of one source or of all, in the order of their sources and days.
    pub fn find(&self, id: &str, source: Option<&str>, key_hash: KeyHash) -> Result<Vec<FoundEvent>> {
        let mut found = Vec::new();
        for (name, number) in self.sources_of(source)? {
            let keys = self.keys_of(id, &name, key_hash)?;
            self.prove_states(&keys)?;
            for key in keys {
                let event = self.at(key)?.filter(|event| event.class.source == number);
                found.extend(event.map(|event| FoundEvent { source: name.clone(), ..event }));
            }
        }
        Ok(found)
    }

    /// Returns an error if what the batches of some events brought on their days differs from what is stored.
    fn prove_states(&self, keys: &[EventKey]) -> Result<()> {
        let mut batch_of = self.connection().prepare_cached(BATCH)?;
        let mut by_day: BTreeMap<Day, FxHashSet<BatchId>> = BTreeMap::new();
        for key in keys {
            by_day.entry(key.day()).or_default().insert(batch_of.query_row([key.number()], |row| row.get(0))?);
        }
        let (Some(first), Some(last)) = (by_day.keys().next(), by_day.keys().next_back()) else { return Ok(()) };
        let classes = self.classes()?;
        let sealed = self.sealed(Period::between(*first, *last), &classes)?;
        by_day.iter().try_for_each(|(day, batches)| self.prove_batches_of_day(&classes, *day, &sealed, batches))
    }

    /// The retractions of events with an id, of one source or of all, by entry.
    pub fn retractions_of(&self, id: &str, source: Option<&str>, key_hash: KeyHash) -> Result<BTreeSet<i64>> {
        let mut statement = self.connection().prepare_cached(RETRACTED_BY)?;
        let mut entries = BTreeSet::new();
        for (name, number) in self.sources_of(source)? {
            for key in self.keys_of(id, &name, key_hash)? {
                let mut rows = statement.query((key.number(), number))?;
                while let Some(row) = rows.next()? {
                    entries.insert(row.get(0)?);
                }
            }
        }
        Ok(entries)
    }

    /// The sources with their numbers, or only the named one, in the order of their names.
    fn sources_of(&self, source: Option<&str>) -> Result<Vec<(String, SourceId)>> {
        let sources = self.dictionary_of_payers()?.sources;
        let mut sources: Vec<(String, SourceId)> = sources.into_iter().map(|(number, name)| (name, number)).collect();
        sources.retain(|(name, _)| source.is_none_or(|source| source == name));
        sources.sort_unstable();
        Ok(sources)
    }

    /// The keys with an id of a source, on any day, whether or not they count. Keys of other sources may be among them.
    pub(in crate::ledger) fn keys_of(&self, id: &str, source: &str, key_hash: KeyHash) -> Result<Vec<EventKey>> {
        let Some((first, last)) = self.days_of_events()? else { return Ok(Vec::new()) };
        let hash = key_hash.hash(source, id);
        let mut keys = Vec::new();
        for day in Period::between(first, last).days() {
            for half in Half::BOTH {
                keys.extend(self.keys_from(id, EventKey::new(day, hash).in_half(half))?);
            }
        }
        Ok(keys)
    }

    /// The keys with an id, starting at its own. If that key was taken, the id got the next free one of its half.
    fn keys_from(&self, id: &str, own: EventKey) -> Result<Vec<EventKey>> {
        keys_from(self.connection(), id, own)
    }

    fn at(&self, key: EventKey) -> Result<Option<FoundEvent>> {
        let classes = self.classes()?;
        let mut found = None;
        // The columns that amounts depend on, as reports read them.
        self.events(&classes, key, key, Columns::Usage, |event| {
            found = Some(FoundEvent {
                source: String::new(),
                class: event.class.clone(),
                day: event.key.day(),
                at: event.at,
                quantities: event.quantities.clone(),
                file: String::new(),
                format: String::new(),
                line: 0,
                states: Vec::new(),
            });
            Ok(())
        })?;
        // And the columns of its origin.
        self.events(&classes, key, key, Columns::All, |event| {
            let Some(found) = &mut found else { return Ok(()) };
            let file = self.connection().query_row(FILE, [event.batch], |row| Ok((row.get(0)?, row.get(1)?)));
            (found.file, found.format) = file?;
            found.line = event.line;
            let retracted = Retracted::between(self.connection(), key, key)?;
            found.states = revision::states(self.connection(), &retracted, event.key, &event.id)?;
            Ok(())
        })?;
        Ok(found)
    }
}
