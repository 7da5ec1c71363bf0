//! The names of an import, as its events need them: the one place where a row's class is looked up.

use super::Appender;
use crate::domain::event::PromptSize;
use crate::domain::number::{ClassId, SourceId, TagSetId};
use crate::domain::outcome::Outcome;
use crate::ledger::append::summarise::NewClass;
use crate::ledger::names::numbers::{self, NamesOf, Numbers};
use crate::ledger::read::revision::Payer;
use crate::ledger::read::thresholds;
use crate::ledger::{LedgerError, Result};
use crate::rows::batch::{Class, NameCounts, Names, Row, wide};
use crate::rows::canonical;
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What is needed of a class for each of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct ClassOf {
    /// Its number in the ledger.
    pub(in crate::ledger) number: ClassId,
    /// What is known of the prompts of its rows.
    pub(in crate::ledger) prompt: PromptSize,
}

/// A row of a batch with its class.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct ClassedRow<'b> {
    pub(in crate::ledger) row: &'b Row,
    pub(in crate::ledger) class: ClassOf,
}

/// A class that an import has named.
#[derive(Debug)]
pub(in crate::ledger) struct NamedClass {
    pub(in crate::ledger) of: ClassOf,
    pub(in crate::ledger) payer: Payer,
    /// How the calls ended.
    pub(in crate::ledger) outcome: Option<Outcome>,
    /// The thresholds of the model's prices.
    pub(in crate::ledger) thresholds: Arc<[i64]>,
}

/// The names that an import has used so far, and their numbers.
pub(super) struct Naming<'w> {
    connection: &'w Connection,
    /// The number of the import's source.
    pub(super) source: SourceId,
    pub(super) source_name: String,
    numbers: Numbers,
    /// The names of the models, by their places.
    models: Vec<String>,
    /// The thresholds of prices, by the names of models.
    thresholds: FxHashMap<String, Arc<[i64]>>,
    /// By their places.
    classes: Vec<NamedClass>,
    /// Classes that the summariser does not have yet.
    unsent: Vec<NewClass>,
}

impl<'w> Naming<'w> {
    /// No names but the source's.
    pub(super) fn new(connection: &'w Connection, source_name: &str) -> Result<Self> {
        let thresholds = thresholds::by_name(connection)?;
        Ok(Self {
            connection,
            source: numbers::source(connection, source_name)?,
            source_name: source_name.to_owned(),
            numbers: Numbers::default(),
            models: Vec::new(),
            thresholds: thresholds.into_iter().map(|(model, list)| (model, list.into())).collect(),
            classes: Vec::new(),
            unsent: Vec::new(),
        })
    }

    /// The class of a row.
    pub(super) fn class(&self, row: &Row) -> Result<&NamedClass> {
        let missing = || LedgerError::Bug("a row is of a class its import does not name".to_owned());
        self.classes.get(wide(row.class)).ok_or_else(missing)
    }

    /// A row with its class.
    pub(super) fn classed<'b>(&self, row: &'b Row) -> Result<ClassedRow<'b>> {
        Ok(ClassedRow { row, class: self.class(row)?.of })
    }

    /// The class of revisions that is like a class otherwise.
    pub(super) fn class_of_revisions(&mut self, class: ClassOf) -> Result<ClassOf> {
        Ok(ClassOf { number: self.numbers.class_of_revisions(self.connection, class.number)?, ..class })
    }

    /// The payer of each tag set, by the number.
    pub(super) const fn payers(&self) -> &FxHashMap<TagSetId, TagSetId> {
        &self.numbers.payers
    }

    /// The classes that no batch before has brought.
    pub(super) fn take_unsent(&mut self) -> Vec<NewClass> {
        std::mem::take(&mut self.unsent)
    }

    fn extend(&mut self, names: &Names) -> Result<()> {
        let known = self.numbers.classes.len();
        self.numbers.extend(self.connection, self.source, names)?;
        self.models.extend(names.models.iter().map(|model| model.name.to_string()));
        for (place, class) in (known..).zip(&names.classes) {
            self.add_class(place, *class)?;
        }
        Ok(())
    }

    fn add_class(&mut self, place: usize, class: Class) -> Result<()> {
        let Class { prompt, outcome, .. } = class;
        let NamesOf { model, tier, tags } = self.numbers.of_class(class)?;
        let unnamed = || LedgerError::Bug("an import names something that it does not hold".to_owned());
        let number = *self.numbers.classes.get(place).ok_or_else(unnamed)?;
        let payer = Payer { source: self.source, tag_set: tags.number, model: model.number, tier: tier.number };
        let name = self.models.get(wide(class.model));
        let thresholds = name.and_then(|name| self.thresholds.get(name)).cloned().unwrap_or_default();
        let form = canonical::class(&model.form, &tier.form, &tags.form, (prompt, outcome));
        self.unsent.push(NewClass { payer, prompt, form, thresholds: Arc::clone(&thresholds) });
        self.classes.push(NamedClass { of: ClassOf { number, prompt }, payer, outcome, thresholds });
        Ok(())
    }
}

impl Appender<'_> {
    /// The number of names with numbers.
    pub fn named(&self) -> NameCounts {
        self.naming.numbers.counts()
    }

    /// Gives numbers to names, which follow the ones that have numbers already. The caller names what a batch uses before it
    /// places the batch.
    pub fn new_names(&mut self, names: &Names) -> Result<()> {
        self.naming.extend(names)
    }
}
