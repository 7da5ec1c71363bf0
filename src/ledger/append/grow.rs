//! Later states of records that grow, met while appending: what was added becomes a revision.
//!
//! A file is one state of its records, so only what earlier imports have brought can have grown. The sums of a day on
//! which a record grew are made anew in the end, as its whole may fall into another band of prompt sizes.

use super::{Appender, Placed};
use crate::domain::batch::{Batch, Head, Records, Row};
use crate::domain::event::PromptSize;
use crate::domain::key::EventKey;
use crate::domain::quantities::Quantities;
use crate::ledger::revision::{self, History, Payer, Standing};
use crate::ledger::{LedgerError, Result, dictionary};

impl Appender<'_> {
    /// What becomes of a row whose id is in the ledger with other content.
    pub(super) fn differing(
        &mut self,
        batch_id: i64,
        batch: &Batch,
        row: &Row,
        class: (i64, PromptSize),
        original: EventKey,
    ) -> Result<Placed> {
        if batch.records == Records::Growing {
            let history = History::read(self.connection, original, batch.id(row))?;
            match history.standing(self.payer_of(row)?, &batch.quantities(row))? {
                Standing::Known => return Ok(Placed::Duplicate),
                Standing::More(added) if !history.is_of(|batch| self.stored.is_own(batch)) => {
                    // The record stays where its first state has put it.
                    let mut row = *row;
                    row.at = history.at().unwrap_or(row.at);
                    self.revise(batch_id, (batch.id(&row), &row), class, &added, original)?;
                    return Ok(Placed::Revision);
                }
                Standing::More(_) | Standing::Other => {}
            }
        }
        self.conflict(batch, row, original)?;
        Ok(Placed::Conflict)
    }

    fn payer_of(&self, row: &Row) -> Result<Payer> {
        let class = usize::try_from(row.class).ok().and_then(|place| self.classes.get(place));
        let missing = || LedgerError::Corrupt("a row is of a class its import does not name".to_owned());
        let (model, tier, tags) = self.numbers.of_class(*class.ok_or_else(missing)?)?;
        Ok(Payer { source: self.source, tag_set: tags.0, model: model.0, tier: tier.0 })
    }

    /// Appends what a later state of a record added.
    fn revise(
        &mut self,
        batch_id: i64,
        (id, row): (&str, &Row),
        (class, prompt): (i64, PromptSize),
        added: &Quantities,
        original: EventKey,
    ) -> Result<()> {
        let mut part = Batch::new();
        let head = Head { key: row.key, at: row.at, line: row.line, class: row.class };
        let full = |_| LedgerError::Corrupt(format!("{id:?} does not fit a batch"));
        part.push(head, id, added.frequent(), added.rare()).map_err(full)?;
        let Some(row) = part.rows().first() else { return Ok(()) };
        let class = dictionary::class_of_revisions(self.connection, class)?;
        let mut key = original.next_in_day();
        while !self.insert.try_one(batch_id, &part, (row, class), key)? {
            key = key.next_in_day();
            if key == original {
                return Err(LedgerError::Corrupt(format!("no key of {} is free", key.day())));
            }
        }
        self.insert_rare(&part, row, key, prompt)?;
        revision::link(self.connection, key, original)?;
        self.neighbours.appended(key.day(), std::iter::once(key));
        self.outcome.revisions += 1;
        self.outcome.resolved.extend(self.waiting.remove(id).unwrap_or_default());
        let model = self.payer_of(row)?.model;
        self.grown.entry(key.day()).or_default().insert(model);
        Ok(())
    }
}
