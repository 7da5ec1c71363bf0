//! Names and their numbers. A number is given once and never changes its name.

use crate::domain::batch::{Class, NameCounts, Names};
use crate::domain::canonical;
use crate::domain::department::{Department, Registry};
use crate::domain::event::{Model, ServiceTier};
use crate::domain::name::{Name, TagValue};
use crate::domain::tags::{TagKey, TagSet};
use crate::domain::usage::Dictionary;
use crate::ledger::logs::Log;
use crate::ledger::transaction::Snapshot;
use crate::ledger::{LedgerError, Result, departments};
use rusqlite::{Connection, OptionalExtension, Params};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

const MODELS: &str = "SELECT id, provider, name FROM model";
const TIERS: &str = "SELECT id, name FROM service_tier";
const TAG_SETS: &str = "SELECT id, tags FROM tag_set";
const PAYERS: &str = "SELECT id, tags FROM tag_set WHERE payer = id";
const PAYER_OF_EACH: &str = "SELECT id, payer FROM tag_set";
const SOURCES: &str = "SELECT id, name FROM source";

impl Snapshot<'_> {
    /// Every name of the ledger, of the tag sets as imports brought them.
    pub fn dictionary(&self) -> Result<Dictionary> {
        self.prove_logs(&[Log::TagSets])?;
        self.prove_logs(&Log::NAMES)?;
        all(self.connection())
    }

    /// Every name of the ledger, except tag sets that are no payer's. The payers are not proved here, since the seals of months
    /// hold their names.
    pub fn dictionary_of_payers(&self) -> Result<Dictionary> {
        self.prove_logs(&Log::NAMES)?;
        of_payers(self.connection())
    }
}

/// Every name, but of the tag sets only those of payers.
pub(super) fn of_payers(connection: &Connection) -> Result<Dictionary> {
    with_tag_sets(connection, PAYERS)
}

const DEPARTMENTS: &str =
    "SELECT DISTINCT tags ->> '$.department' FROM tag_set WHERE tags ->> '$.department' IS NOT NULL";

impl crate::ledger::Ledger {
    /// Every department that some event names.
    pub fn departments(&self) -> Result<std::collections::BTreeSet<String>> {
        let mut statement = self.connection.prepare_cached(DEPARTMENTS)?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }
}

pub(super) fn all(connection: &Connection) -> Result<Dictionary> {
    with_tag_sets(connection, TAG_SETS)
}

/// Tag sets that are not spelled as an import spells them: one that is there already would not be found by its text.
pub(super) fn respelled(connection: &Connection) -> Result<Vec<i64>> {
    let mut respelled = Vec::new();
    for (id, json) in read(connection, TAG_SETS, |row| Ok(row.get::<_, String>(1)?))? {
        if tags_json(&tag_set(&json)?)? != json {
            respelled.push(id);
        }
    }
    respelled.sort_unstable();
    Ok(respelled)
}

/// The payer of each tag set, as numbers.
pub(super) fn payers(connection: &Connection) -> Result<FxHashMap<i64, i64>> {
    read(connection, PAYER_OF_EACH, |row| Ok(row.get(1)?))
}

fn with_tag_sets(connection: &Connection, tag_sets: &str) -> Result<Dictionary> {
    Ok(Dictionary {
        models: read(connection, MODELS, |row| model(row.get(1)?, row.get(2)?))?,
        tiers: read(connection, TIERS, |row| tier(&row.get::<_, String>(1)?))?,
        tag_sets: Arc::new(read(connection, tag_sets, |row| tag_set(&row.get::<_, String>(1)?))?),
        paid: FxHashMap::default(),
        sources: read(connection, SOURCES, |row| Ok(row.get(1)?))?,
        cost_centres: cost_centres(&departments::registry(connection)?),
    })
}

fn cost_centres(registry: &Registry) -> BTreeMap<String, String> {
    let known = |department: &Department| {
        department.cost_centre.as_ref().map(|centre| (department.name.to_string(), centre.to_string()))
    };
    registry.departments().filter_map(known).collect()
}

fn read<T>(
    connection: &Connection,
    sql: &str,
    value: impl Fn(&rusqlite::Row<'_>) -> Result<T>,
) -> Result<FxHashMap<i64, T>> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut names = FxHashMap::default();
    while let Some(row) = rows.next()? {
        names.insert(row.get(0)?, value(row)?);
    }
    Ok(names)
}

fn corrupt(what: &str, text: &str) -> LedgerError {
    LedgerError::Corrupt(format!("{text:?} is not a {what}"))
}

fn model(provider: String, name: String) -> Result<Model> {
    let checked = |text: String| Name::recorded(&text).map_err(|_| corrupt("model", &text));
    Ok(Model { provider: if provider.is_empty() { None } else { Some(checked(provider)?) }, name: checked(name)? })
}

fn tier(name: &str) -> Result<ServiceTier> {
    ServiceTier::recorded(name).map_err(|_| corrupt("service tier", name))
}

fn tag_set(json: &str) -> Result<TagSet> {
    let tags: BTreeMap<String, String> = serde_json::from_str(json).map_err(|_| corrupt("tag set", json))?;
    let tag = |(key, value): (String, String)| {
        let key = TagKey::recorded(&key).map_err(|_| corrupt("tag key", &key))?;
        Ok((key, TagValue::recorded(&value).map_err(|_| corrupt("tag value", &value))?))
    };
    tags.into_iter().map(tag).collect()
}

fn tags_json(tags: &TagSet) -> Result<String> {
    let tags: BTreeMap<&str, &str> = tags.iter().collect();
    serde_json::to_string(&tags).map_err(|error| LedgerError::Corrupt(error.to_string()))
}

/// A name's number in the ledger and its canonical form.
pub(super) type Numbered = (i64, Vec<u8>);

/// The numbers and canonical forms of an import's names, by their places.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) models: Vec<Numbered>,
    pub(super) tag_sets: Vec<Numbered>,
    pub(super) tiers: Vec<Numbered>,
    pub(super) classes: Vec<i64>,
    /// The payer of each tag set, by the number.
    pub(super) payers: FxHashMap<i64, i64>,
}

const FIND_MODEL: &str = "SELECT id FROM model WHERE name = ?2 AND provider = ?1";
const ADD_MODEL: &str = "INSERT INTO model (provider, name) VALUES (?1, ?2)";
const FIND_TAGS: &str = "SELECT id FROM tag_set WHERE tags = ?1";
const PAYER_OF: &str = "SELECT payer FROM tag_set WHERE id = ?1";
const NEXT_TAGS: &str = "SELECT coalesce(max(id), 0) + 1 FROM tag_set";
const ADD_TAGS: &str = "INSERT INTO tag_set (id, tags, payer) VALUES (?1, ?2, coalesce(?3, ?1))";
const FIND_TIER: &str = "SELECT id FROM service_tier WHERE name = ?1";
const ADD_TIER: &str = "INSERT INTO service_tier (name) VALUES (?1)";
const FIND_CLASS: &str = "SELECT id FROM event_class WHERE tag_set = ?1 AND model = ?2 AND source = ?3 AND tier = ?4 AND kind = 0 AND prompt = ?5";
const ADD_CLASS: &str =
    "INSERT INTO event_class (tag_set, model, source, tier, kind, prompt) VALUES (?1, ?2, ?3, ?4, 0, ?5)";
const FIND_REVISIONS: &str = "SELECT r.id FROM event_class c JOIN event_class r ON r.tag_set = c.tag_set \
    AND r.model = c.model AND r.source = c.source AND r.tier = c.tier AND r.kind = 2 AND r.prompt = c.prompt WHERE c.id = ?1";
const ADD_REVISIONS: &str = "INSERT INTO event_class (tag_set, model, source, tier, kind, prompt) \
    SELECT tag_set, model, source, tier, 2, prompt FROM event_class WHERE id = ?1";
const FIND_SOURCE: &str = "SELECT id FROM source WHERE name = ?1";
const ADD_SOURCE: &str = "INSERT INTO source (name) VALUES (?1)";

impl Numbers {
    /// How many names have numbers.
    pub(super) fn counts(&self) -> NameCounts {
        let Self { models, tag_sets, tiers, classes, .. } = self;
        NameCounts { models: models.len(), tag_sets: tag_sets.len(), tiers: tiers.len(), classes: classes.len() }
    }

    /// Gives numbers to the names of a source that come after those that have them.
    pub(super) fn extend(&mut self, connection: &Connection, source: i64, names: &Names) -> Result<()> {
        for model in &names.models {
            let provider = model.provider.as_ref().map_or("", Name::as_str);
            let id = number(connection, FIND_MODEL, ADD_MODEL, (provider, model.name.as_str()))?;
            self.models.push((id, canonical::model(model)));
        }
        for tags in &names.tag_sets {
            let (id, payer) = tag_set_number(connection, tags)?;
            self.tag_sets.push((id, canonical::tags(tags)));
            self.payers.insert(id, payer);
        }
        for tier in &names.tiers {
            let id = number(connection, FIND_TIER, ADD_TIER, (tier.as_str(),))?;
            self.tiers.push((id, canonical::tier(tier)));
        }
        for class in &names.classes {
            let (model, tier, tags) = self.of_class(*class)?;
            let values = (tags.0, model.0, source, tier.0, class.prompt.code());
            self.classes.push(number(connection, FIND_CLASS, ADD_CLASS, values)?);
        }
        Ok(())
    }

    /// The model, the tier and the tag set of a class.
    pub(super) fn of_class(&self, class: Class) -> Result<(&Numbered, &Numbered, &Numbered)> {
        let wide = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        let model = self.models.get(wide(class.model));
        let (tier, tags) = (self.tiers.get(usize::from(class.tier)), self.tag_sets.get(wide(class.tags)));
        let missing = || LedgerError::Corrupt("an import names something that it does not hold".to_owned());
        Ok((model.ok_or_else(missing)?, tier.ok_or_else(missing)?, tags.ok_or_else(missing)?))
    }
}

/// The numbers of a tag set and its payer, given if they are new.
fn tag_set_number(connection: &Connection, tags: &TagSet) -> Result<(i64, i64)> {
    let json = tags_json(tags)?;
    let found: Option<i64> = connection.prepare_cached(FIND_TAGS)?.query_row((&json,), |row| row.get(0)).optional()?;
    if let Some(id) = found {
        return Ok((id, connection.prepare_cached(PAYER_OF)?.query_row((id,), |row| row.get(0))?));
    }
    let payer = tags.payer();
    let payer = if payer == *tags { None } else { Some(tag_set_number(connection, &payer)?.0) };
    let id: i64 = connection.prepare_cached(NEXT_TAGS)?.query_row([], |row| row.get(0))?;
    connection.prepare_cached(ADD_TAGS)?.execute((id, json, payer))?;
    Ok((id, payer.unwrap_or(id)))
}

/// The number of the class of revisions that is like a class otherwise, given if it is new.
pub(super) fn class_of_revisions(connection: &Connection, class: i64) -> Result<i64> {
    number(connection, FIND_REVISIONS, ADD_REVISIONS, (class,))
}

/// The number of a source, given if it is new.
pub(super) fn source(connection: &Connection, name: &str) -> Result<i64> {
    number(connection, FIND_SOURCE, ADD_SOURCE, (name,))
}

fn number(connection: &Connection, find: &str, add: &str, name: impl Params + Clone) -> Result<i64> {
    let found = connection.prepare_cached(find)?.query_row(name.clone(), |row| row.get(0)).optional()?;
    match found {
        Some(id) => Ok(id),
        None => Ok(connection.prepare_cached(add)?.insert(name)?),
    }
}
