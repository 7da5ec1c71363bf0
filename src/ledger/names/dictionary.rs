//! The names of a ledger by their numbers.
//!
//! Tables with an index are read without it, because SQLite would read an index that covers a statement in place of the
//! rows.

use crate::domain::event::{Model, ServiceTier};
use crate::domain::name::{Name, TagValue};
use crate::domain::number::TagSetId;
use crate::domain::tags::{TagKey, TagSet};
use crate::domain::usage::Dictionary;
use crate::ledger::{Damage, LedgerError, Result};
use rusqlite::Connection;
use rusqlite::types::FromSql;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

const MODELS: &str = "SELECT id, provider, name FROM model";
const TIERS: &str = "SELECT id, name FROM service_tier";
const TAG_SETS: &str = "SELECT id, tags FROM tag_set NOT INDEXED";
const PAYERS: &str = "SELECT id, tags FROM tag_set NOT INDEXED WHERE payer = id";
const PAYER_OF_EACH: &str = "SELECT id, payer FROM tag_set NOT INDEXED";
const SOURCES: &str = "SELECT id, name FROM source";

/// Every name, but only the tag sets of payers.
pub(in crate::ledger) fn of_payers(connection: &Connection) -> Result<Dictionary> {
    with_tag_sets(connection, PAYERS)
}

const DEPARTMENTS: &str =
    "SELECT DISTINCT tags ->> '$.department' FROM tag_set NOT INDEXED WHERE tags ->> '$.department' IS NOT NULL";

impl crate::ledger::Ledger {
    /// Every department in events.
    pub fn departments(&self) -> Result<std::collections::BTreeSet<String>> {
        let mut statement = self.connection.prepare_cached(DEPARTMENTS)?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }
}

pub(in crate::ledger) fn all(connection: &Connection) -> Result<Dictionary> {
    with_tag_sets(connection, TAG_SETS)
}

/// Tag sets in another spelling than an import's. A lookup by text would not find these.
pub(in crate::ledger) fn respelled(connection: &Connection) -> Result<Vec<TagSetId>> {
    let mut respelled = Vec::new();
    for (id, json) in read(connection, TAG_SETS, |row| Ok(row.get::<_, String>(1)?))? {
        if tags_json(&tag_set(&json)?)? != json {
            respelled.push(id);
        }
    }
    respelled.sort_unstable();
    Ok(respelled)
}

/// The payer of each tag set, by number.
pub(in crate::ledger) fn payers(connection: &Connection) -> Result<FxHashMap<TagSetId, TagSetId>> {
    read(connection, PAYER_OF_EACH, |row| Ok(row.get(1)?))
}

fn with_tag_sets(connection: &Connection, tag_sets: &str) -> Result<Dictionary> {
    Ok(Dictionary {
        models: read(connection, MODELS, |row| model(row.get(1)?, row.get(2)?))?,
        tiers: read(connection, TIERS, |row| tier(&row.get::<_, String>(1)?))?,
        tag_sets: Arc::new(read(connection, tag_sets, |row| tag_set(&row.get::<_, String>(1)?))?),
        paid: FxHashMap::default(),
        sources: read(connection, SOURCES, |row| Ok(row.get(1)?))?,
        cost_centres: BTreeMap::new(),
    })
}

fn read<N: FromSql + Eq + Hash, T>(
    connection: &Connection,
    sql: &str,
    value: impl Fn(&rusqlite::Row<'_>) -> Result<T>,
) -> Result<FxHashMap<N, T>> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut names = FxHashMap::default();
    while let Some(row) = rows.next()? {
        names.insert(row.get(0)?, value(row)?);
    }
    Ok(names)
}

fn corrupt(what: &str, text: &str) -> LedgerError {
    LedgerError::Corrupt(Damage::Value, format!("{text:?} is not a {what}"))
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

pub(in crate::ledger) fn tags_json(tags: &TagSet) -> Result<String> {
    let tags: BTreeMap<&str, &str> = tags.iter().collect();
    serde_json::to_string(&tags).map_err(|error| LedgerError::Corrupt(Damage::Value, error.to_string()))
}
