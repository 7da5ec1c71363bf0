//! What events have in common, as stored: a row of `event_class` for many events.

use crate::domain::calendar::{Day, DayFinder};
use crate::domain::event::{Band, PromptSize};
use crate::domain::number::{ClassId, ModelId, SourceId, TagSetId, TierId};
use crate::domain::outcome::Outcome;
use crate::domain::period::Month;
use crate::domain::quantities::Quantities;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::UsageKey;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::names::dictionary;
use crate::ledger::read::thresholds;
use crate::ledger::values;
use crate::ledger::{Damage, LedgerError, Result, fits};
use crate::rows::canonical;
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A class of events. Names are given by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its number.
    pub number: ClassId,
    /// The source that issued the events.
    pub source: SourceId,
    /// The tag set.
    pub tag_set: TagSetId,
    /// The model.
    pub model: ModelId,
    /// The tier.
    pub tier: TierId,
    /// 0 usage, 1 revision.
    pub kind: u8,
    /// What is known of the prompts.
    pub prompt: PromptSize,
    /// How the calls ended.
    pub outcome: Option<Outcome>,
    /// The thresholds of the model's prices.
    thresholds: Arc<[i64]>,
}

impl Class {
    /// The band of an event's prompt.
    pub fn band(&self, quantities: &Quantities) -> Result<Band> {
        if self.thresholds.is_empty() {
            return Ok(Band::Above(0));
        }
        Ok(Band::of(self.prompt, quantities.prompt_size()?, &self.thresholds))
    }

    /// What the class's events of a day and a band count towards, at the prices of an instant. They are posted to a month.
    pub const fn usage_key(&self, day: Day, posted: Month, priced_at: Timestamp, band: Band) -> UsageKey {
        let Self { source, tag_set, model, tier, .. } = *self;
        UsageKey { day, posted, priced_at, source, tag_set, model, tier, band }
    }
}

/// The classes of a ledger.
#[derive(Debug, Clone)]
pub struct Classes {
    classes: FxHashMap<ClassId, Class>,
    days: DayFinder,
}

const CLASSES: &str = "SELECT id, source, tag_set, model, tier, kind, prompt, outcome FROM event_class NOT INDEXED";
const MODELS: &str = "SELECT id, name FROM model";

impl Classes {
    pub(in crate::ledger) fn read(connection: &Connection, days: DayFinder) -> Result<Self> {
        let thresholds = thresholds_by_model(connection)?;
        let mut statement = connection.prepare(CLASSES)?;
        let mut rows = statement.query([])?;
        let mut classes = FxHashMap::default();
        while let Some(row) = rows.next()? {
            let number: ClassId = row.get(0)?;
            let model = row.get(3)?;
            let missing =
                || LedgerError::Corrupt(Damage::Reference, format!("class {number} names a model that does not exist"));
            let class = Class {
                number,
                source: row.get(1)?,
                tag_set: row.get(2)?,
                model,
                tier: row.get(4)?,
                kind: fits(row.get(5)?, "kind of event")?,
                prompt: values::prompt(row.get(6)?)?,
                outcome: values::outcome(row.get(7)?)?,
                thresholds: thresholds.get(&model).ok_or_else(missing)?.clone(),
            };
            classes.insert(number, class);
        }
        Ok(Self { classes, days })
    }

    /// The class with a number.
    pub fn get(&self, number: ClassId) -> Result<&Class> {
        let missing =
            || LedgerError::Corrupt(Damage::Reference, format!("an event is of class {number}, which does not exist"));
        self.classes.get(&number).ok_or_else(missing)
    }

    /// The billing day of an instant.
    pub fn day_of(&mut self, at: Timestamp) -> Day {
        self.days.day_of(at)
    }

    /// The canonical form of each class, to encode events for digests.
    pub(in crate::ledger) fn forms(&self, connection: &Connection) -> Result<FxHashMap<ClassId, Vec<u8>>> {
        let names = dictionary::all(connection)?;
        let missing = |class: &Class, what: &str| {
            LedgerError::Corrupt(
                Damage::Reference,
                format!("class {} names a {what} that does not exist", class.number),
            )
        };
        let form = |class: &Class| {
            let model = names.models.get(&class.model).ok_or_else(|| missing(class, "model"))?;
            let tier = names.tiers.get(&class.tier).ok_or_else(|| missing(class, "service tier"))?;
            let tags = names.tags(class.tag_set).ok_or_else(|| missing(class, "tag set"))?;
            let (model, tier) = (canonical::model(model), canonical::tier(tier));
            Ok((class.number, canonical::class(&model, &tier, &canonical::tags(tags), (class.prompt, class.outcome))))
        };
        self.classes.values().map(form).collect()
    }
}

fn thresholds_by_model(connection: &Connection) -> Result<FxHashMap<ModelId, Arc<[i64]>>> {
    let by_name = thresholds::by_name(connection)?;
    let mut thresholds = FxHashMap::default();
    let mut statement = connection.prepare(MODELS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        thresholds.insert(row.get(0)?, by_name.get(&name).map(Vec::as_slice).unwrap_or_default().into());
    }
    Ok(thresholds)
}

/// The bounds of prompts that users stated at import, by source, model and tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatedPrompts(FxHashMap<(SourceId, ModelId, TierId), BTreeSet<i64>>);

impl StatedPrompts {
    /// Whether a bound was stated for some usage of a source, model and tier.
    pub fn has(&self, of: (SourceId, ModelId, TierId)) -> bool {
        self.0.contains_key(&of)
    }

    /// The highest stated bound that is not above a size.
    pub fn highest_within(&self, of: (SourceId, ModelId, TierId), size: i64) -> Option<i64> {
        self.0.get(&of)?.range(..=size).next_back().copied()
    }
}

const STATED: &str = "SELECT DISTINCT source, model, tier, prompt FROM event_class NOT INDEXED WHERE prompt > 1";

impl Snapshot<'_> {
    /// The bounds of prompts that users stated at import, be the usage retracted or not.
    pub fn stated_prompts(&self) -> Result<StatedPrompts> {
        let mut statement = self.connection().prepare_cached(STATED)?;
        let mut rows = statement.query([])?;
        let mut stated = StatedPrompts::default();
        while let Some(row) = rows.next()? {
            stated.0.entry((row.get(0)?, row.get(1)?, row.get(2)?)).or_default().insert(row.get(3)?);
        }
        Ok(stated)
    }

    /// The classes of this state's events.
    pub fn classes(&self) -> Result<Classes> {
        Classes::read(self.connection(), DayFinder::new(self.ledger().settings().calendar))
    }
}
