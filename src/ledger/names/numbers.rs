//! Names and their numbers. A number is given once and never changes its name.
//!
//! There may be many tag sets and classes, so an index finds them. SQLite trusts an index, whatever the rows contain.
//! So the row that the index finds is read and compared. If it finds none, all rows are searched before a new number is
//! given. The other names are few and have no index.

use crate::domain::name::Name;
use crate::domain::number::{BatchId, ClassId, ModelId, SourceId, TagSetId, TierId};
use crate::domain::outcome::Outcome;
use crate::domain::tags::TagSet;
use crate::ledger::names::dictionary::tags_json;
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::batch::{Class, NameCounts, Names, wide};
use crate::rows::canonical::{self, REVISION, USAGE};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use std::hash::{BuildHasher, Hash};

/// A name of an import.
#[derive(Debug)]
pub(in crate::ledger) struct Numbered<N> {
    /// Its number in the ledger.
    pub(in crate::ledger) number: N,
    /// Its canonical form.
    pub(in crate::ledger) form: Vec<u8>,
}

/// The numbers and canonical forms of an import's names, by position.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Numbers {
    pub(in crate::ledger) models: Vec<Numbered<ModelId>>,
    pub(in crate::ledger) tag_sets: Vec<Numbered<TagSetId>>,
    pub(in crate::ledger) tiers: Vec<Numbered<TierId>>,
    pub(in crate::ledger) classes: Vec<ClassId>,
    /// The payer of each tag set, by number.
    pub(in crate::ledger) payers: FxHashMap<TagSetId, TagSetId>,
    rows_of_tag_sets: Rows,
    rows_of_classes: Rows,
}

const FIND_MODEL: &str = "SELECT id FROM model WHERE name = ?2 AND provider = ?1";
const ADD_MODEL: &str = "INSERT INTO model (provider, name) VALUES (?1, ?2)";
const FIND_TIER: &str = "SELECT id FROM service_tier WHERE name = ?1";
const ADD_TIER: &str = "INSERT INTO service_tier (name) VALUES (?1)";
const FIND_SOURCE: &str = "SELECT id FROM source WHERE name = ?1";
const ADD_SOURCE: &str = "INSERT INTO source (name) VALUES (?1)";

const FIND_TAGS: &str = "SELECT id FROM tag_set WHERE tags = ?1";
const TAGS_OF: &str = "SELECT tags, payer FROM tag_set NOT INDEXED WHERE id = ?1";
const EVERY_TAGS: &str = "SELECT tags FROM tag_set NOT INDEXED";
const NEXT_TAGS: &str = "SELECT coalesce(max(id), 0) + 1 FROM tag_set NOT INDEXED";
const ADD_TAGS: &str = "INSERT INTO tag_set (id, tags, payer) VALUES (?1, ?2, coalesce(?3, ?1))";

/// What tells a class from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ClassKey {
    tag_set: TagSetId,
    model: ModelId,
    source: SourceId,
    tier: TierId,
    kind: u8,
    /// Codes.
    prompt: i64,
    outcome: u8,
}

const FIND_CLASS: &str = "SELECT id FROM event_class \
    WHERE tag_set = ?1 AND model = ?2 AND source = ?3 AND tier = ?4 AND kind = ?5 AND prompt = ?6 AND outcome = ?7";
const CLASS_OF: &str =
    "SELECT tag_set, model, source, tier, kind, prompt, outcome FROM event_class NOT INDEXED WHERE id = ?1";
const EVERY_CLASS: &str = "SELECT tag_set, model, source, tier, kind, prompt, outcome FROM event_class NOT INDEXED";
const ADD_CLASS: &str = "INSERT INTO event_class (tag_set, model, source, tier, kind, prompt, outcome) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// A table that has an index.
struct Table {
    name: &'static str,
    /// The statement that reads what the index is over, from every row.
    every: &'static str,
}

const TAG_SETS: Table = Table { name: "tag_set", every: EVERY_TAGS };
const CLASSES: Table = Table { name: "event_class", every: EVERY_CLASS };

/// Fingerprints of the rows of a table with an index. They are computed the first time that the index finds nothing.
#[derive(Debug, Default)]
struct Rows(Option<FxHashSet<u64>>);

impl Rows {
    /// Returns an error if a row has a value that the index did not find. It does not check rows added since.
    fn expect_none<T: Hash + Eq>(
        &mut self,
        connection: &Connection,
        table: &Table,
        value: &T,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<()> {
        let fingerprint = |value: &T| FxBuildHasher.hash_one(value);
        if self.0.is_none() {
            let mut statement = connection.prepare(table.every)?;
            let mut rows = statement.query([])?;
            let mut all = FxHashSet::default();
            while let Some(row) = rows.next()? {
                all.insert(fingerprint(&read(row)?));
            }
            self.0 = Some(all);
        }
        if self.0.as_ref().is_some_and(|all| all.contains(&fingerprint(value))) {
            let mut statement = connection.prepare(table.every)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if read(row)? == *value {
                    return Err(index_differs(table));
                }
            }
        }
        Ok(())
    }
}

fn index_differs(table: &Table) -> LedgerError {
    LedgerError::Corrupt(Damage::Index, format!("an index of {} does not match the table", table.name))
}

fn class_key(row: &Row<'_>) -> rusqlite::Result<ClassKey> {
    Ok(ClassKey {
        tag_set: row.get(0)?,
        model: row.get(1)?,
        source: row.get(2)?,
        tier: row.get(3)?,
        kind: row.get(4)?,
        prompt: row.get(5)?,
        outcome: row.get(6)?,
    })
}

impl ClassKey {
    /// In the order of the columns.
    fn params(self) -> impl Params {
        let Self { tag_set, model, source, tier, kind, prompt, outcome } = self;
        (tag_set, model, source, tier, kind, prompt, outcome)
    }
}

/// What an import names of a class.
pub(in crate::ledger) struct NamesOf<'n> {
    pub(in crate::ledger) model: &'n Numbered<ModelId>,
    pub(in crate::ledger) tier: &'n Numbered<TierId>,
    pub(in crate::ledger) tags: &'n Numbered<TagSetId>,
}

impl Numbers {
    /// The number of names with numbers.
    pub(in crate::ledger) fn counts(&self) -> NameCounts {
        let Self { models, tag_sets, tiers, classes, .. } = self;
        NameCounts { models: models.len(), tag_sets: tag_sets.len(), tiers: tiers.len(), classes: classes.len() }
    }

    /// Gives numbers to the new names of a source.
    pub(in crate::ledger) fn extend(&mut self, connection: &Connection, source: SourceId, names: &Names) -> Result<()> {
        for model in &names.models {
            let provider = model.provider.as_ref().map_or("", Name::as_str);
            let number = number(connection, FIND_MODEL, ADD_MODEL, (provider, model.name.as_str()))?;
            self.models.push(Numbered { number, form: canonical::model(model) });
        }
        for tags in &names.tag_sets {
            let (number, payer) = self.tag_set(connection, tags)?;
            self.tag_sets.push(Numbered { number, form: canonical::tags(tags) });
            self.payers.insert(number, payer);
        }
        for tier in &names.tiers {
            let number = number(connection, FIND_TIER, ADD_TIER, (tier.as_str(),))?;
            self.tiers.push(Numbered { number, form: canonical::tier(tier) });
        }
        for class in &names.classes {
            let NamesOf { model, tier, tags } = self.of_class(*class)?;
            let key = ClassKey {
                tag_set: tags.number,
                model: model.number,
                source,
                tier: tier.number,
                kind: USAGE,
                prompt: class.prompt.code(),
                outcome: Outcome::code(class.outcome),
            };
            let class = self.class(connection, key)?;
            self.classes.push(class);
        }
        Ok(())
    }

    /// The model, the tier and the tag set of a class.
    pub(in crate::ledger) fn of_class(&self, class: Class) -> Result<NamesOf<'_>> {
        let model = self.models.get(wide(class.model));
        let (tier, tags) = (self.tiers.get(usize::from(class.tier)), self.tag_sets.get(wide(class.tags)));
        let missing = || LedgerError::Bug("an import names something that it does not contain".to_owned());
        Ok(NamesOf {
            model: model.ok_or_else(missing)?,
            tier: tier.ok_or_else(missing)?,
            tags: tags.ok_or_else(missing)?,
        })
    }

    /// The numbers of a tag set and its payer. New ones get numbers.
    fn tag_set(&mut self, connection: &Connection, tags: &TagSet) -> Result<(TagSetId, TagSetId)> {
        let json = tags_json(tags)?;
        let found =
            connection.prepare_cached(FIND_TAGS)?.query_row((&json,), |row| row.get::<_, TagSetId>(0)).optional()?;
        if let Some(id) = found {
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let (stored, payer): (String, TagSetId) = connection.prepare_cached(TAGS_OF)?.query_row([id], row)?;
            return if stored == json { Ok((id, payer)) } else { Err(index_differs(&TAG_SETS)) };
        }
        self.rows_of_tag_sets.expect_none(connection, &TAG_SETS, &json, |row| row.get(0))?;
        let payer = tags.payer();
        let payer = if payer == *tags { None } else { Some(self.tag_set(connection, &payer)?.0) };
        let id: TagSetId = connection.prepare_cached(NEXT_TAGS)?.query_row([], |row| row.get(0))?;
        connection.prepare_cached(ADD_TAGS)?.execute((id, json, payer))?;
        Ok((id, payer.unwrap_or(id)))
    }

    /// The number of a class. A new class gets one.
    fn class(&mut self, connection: &Connection, key: ClassKey) -> Result<ClassId> {
        let found = connection.prepare_cached(FIND_CLASS)?.query_row(key.params(), |row| row.get(0)).optional()?;
        if let Some(id) = found {
            let stored = connection.prepare_cached(CLASS_OF)?.query_row([id], class_key)?;
            return if stored == key { Ok(id) } else { Err(index_differs(&CLASSES)) };
        }
        self.rows_of_classes.expect_none(connection, &CLASSES, &key, class_key)?;
        Ok(ClassId::new(connection.prepare_cached(ADD_CLASS)?.insert(key.params())?))
    }

    /// The number of the revisions' class that otherwise equals a class. A new class gets a number.
    pub(in crate::ledger) fn class_of_revisions(&mut self, connection: &Connection, class: ClassId) -> Result<ClassId> {
        let key = connection.prepare_cached(CLASS_OF)?.query_row([class], class_key)?;
        self.class(connection, ClassKey { kind: REVISION, ..key })
    }
}

/// The number of a source. A new source gets one.
pub(in crate::ledger) fn source(connection: &Connection, name: &str) -> Result<SourceId> {
    number(connection, FIND_SOURCE, ADD_SOURCE, (name,))
}

fn number<N: FromSql>(connection: &Connection, find: &str, add: &str, name: impl Params + Clone) -> Result<N> {
    let mut find = connection.prepare_cached(find)?;
    if let Some(number) = find.query_row(name.clone(), |row| row.get(0)).optional()? {
        return Ok(number);
    }
    connection.prepare_cached(add)?.execute(name.clone())?;
    Ok(find.query_row(name, |row| row.get(0))?)
}

/// The number of the batch after one.
pub(in crate::ledger) fn after(batch: BatchId) -> Result<BatchId> {
    let next = batch.number().checked_add(1).map(BatchId::new);
    next.ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("no number is left after batch {batch}")))
}
