//! Later states of records that grow, met while appending: what was added becomes a revision.
//!
//! A file is one state of its records, so only what earlier imports have brought can have grown. What was added is added to
//! the sums. Where the whole falls into another band of prompt sizes, the sums of its model and day are made anew in the
//! end.

use super::{Appender, Placed};
use crate::domain::event::{Band, PromptSize};
use crate::domain::quantities::Quantities;
use crate::domain::usage::{UsageKey, UsageLine};
use crate::ledger::append::conflict::Why;
use crate::ledger::read::revision::{self, History, Payer, Standing};
use crate::ledger::{LedgerError, Result};
use crate::rows::batch::{Batch, Head, Records, Row};
use crate::rows::key::EventKey;
use std::sync::Arc;

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
        let mut why = Why::Otherwise;
        if batch.records == Records::Growing {
            let history = History::read(self.connection, &self.retracted, original, batch.id(row))?;
            let state = batch.quantities(row);
            let standing = history.standing(self.payer_of(row)?, &state)?;
            let twice = history.is_of(|batch| self.stored.is_own(batch))
                || self.older.get(&original).is_some_and(|other| *other != state);
            why = match standing {
                Standing::Known => {
                    self.note_repeated(&history);
                    return Ok(Placed::Duplicate);
                }
                Standing::Other => Why::Otherwise,
                _ if twice => Why::Twice,
                Standing::Mixed => Why::MoreAndLess,
                Standing::Less => {
                    self.older.insert(original, state);
                    self.outcome.older += 1;
                    self.note_repeated(&history);
                    return Ok(Placed::Duplicate);
                }
                Standing::More(added) => {
                    // The record stays where its first state has put it.
                    let mut row = *row;
                    row.at = history.at().unwrap_or(row.at);
                    let key = self.revise(batch_id, (batch.id(&row), &row), class, &added, original)?;
                    self.sum_up(key, &row, class.1, &history, (&state, &added))?;
                    return Ok(Placed::Revision(key));
                }
            };
        }
        self.conflict(batch, row, original, why)?;
        Ok(Placed::Conflict)
    }

    fn payer_of(&self, row: &Row) -> Result<Payer> {
        let class = usize::try_from(row.class).ok().and_then(|place| self.classes.get(place));
        let missing = || LedgerError::Bug("a row is of a class its import does not name".to_owned());
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
    ) -> Result<EventKey> {
        let mut part = Batch::new();
        let head = Head { key: row.key, at: row.at, line: row.line, class: row.class };
        let full = |_| LedgerError::Bug(format!("{id:?} does not fit a batch"));
        part.push(head, id, added.frequent(), added.rare()).map_err(full)?;
        let missing = || LedgerError::Bug(format!("{id:?} is not in its batch"));
        let row = part.rows().first().ok_or_else(missing)?;
        let class = self.numbers.class_of_revisions(self.connection, class)?;
        let mut key = original.next_in_half();
        while !self.insert.try_one(batch_id, &part, (row, class), key)? {
            key = key.next_in_half();
            if key == original {
                return Err(LedgerError::Bug(format!("no key of {} is free", key.day())));
            }
        }
        self.insert_rare(&part, row, key, prompt)?;
        revision::link(self.connection, key, original)?;
        self.days.appended(key.day(), std::iter::once(key));
        self.outcome.revisions += 1;
        self.outcome.resolved.extend(self.waiting.remove(id).unwrap_or_default());
        Ok(key)
    }

    /// Counts a revision in the sums: what it added, or later all of its day and model.
    fn sum_up(
        &mut self,
        key: EventKey,
        row: &Row,
        prompt: PromptSize,
        history: &History,
        (state, added): (&Quantities, &Quantities),
    ) -> Result<()> {
        let Payer { source, tag_set, model, tier } = self.payer_of(row)?;
        let thresholds = self.thresholds_of(row);
        let band = Band::of(prompt, state.prompt_size()?, &thresholds);
        let (day, priced_at) = (key.day(), self.calendar.start_of(key.day()));
        let active = i64::from(state.is_active()) - i64::from(history.now()?.is_active());
        let line = UsageLine {
            key: UsageKey { day, priced_at, source, tag_set, model, tier, band },
            events: 0,
            active,
            first_at: row.at,
            last_at: row.at,
            quantities: added.clone(),
        };
        if band != history.band(&thresholds)? {
            self.grown.entry(day).or_default().insert(model);
            self.grown_by.push(line);
            return Ok(());
        }
        self.daily.add(&line)?;
        self.grown_months.count(self.ledger, &self.numbers.payers, &line)
    }

    /// The thresholds of the model of a row.
    fn thresholds_of(&self, row: &Row) -> Arc<[i64]> {
        let class = usize::try_from(row.class).ok().and_then(|place| self.classes.get(place));
        let model = class.and_then(|class| self.models.get(usize::try_from(class.model).ok()?));
        model.and_then(|model| self.thresholds.get(model)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Calendar, Day};
    use crate::domain::currency::Currency;
    use crate::domain::event::{Model, ServiceTier};
    use crate::domain::meter::Meter;
    use crate::domain::name::Name;
    use crate::domain::tags::TagSet;
    use crate::domain::timestamp::Timestamp;
    use crate::ledger::facts::imports::FileFacts;
    use crate::ledger::file::watch::Watch;
    use crate::ledger::{Ledger, Settings};
    use crate::rows::batch::{Class, Names};
    use crate::rows::key::HASH_BITS;
    use std::error::Error;

    type Outcome<T = ()> = std::result::Result<T, Box<dyn Error>>;

    const LAST_HASH: i64 = (1 << HASH_BITS) - 1;

    fn names() -> Outcome<Names> {
        let class = |prompt| Class { model: 0, tags: 0, tier: 0, prompt, outcome: None };
        Ok(Names {
            models: vec![Model { provider: None, name: Name::new("m")? }],
            tag_sets: vec![TagSet::default()],
            tiers: vec![ServiceTier::new("")?],
            classes: vec![class(PromptSize::Exact), class(PromptSize::UpToSum)],
        })
    }

    /// A batch of growing records: days after the first of October 2026, hashes, ids, inputs, and requests.
    fn batch(rows: &[(u16, i64, &str, i64, i64)]) -> Outcome<Batch> {
        let mut batch = Batch::new();
        for (line, (day, hash, id, input, requests)) in (1..).zip(rows) {
            let day = Day::from_number(20_727 + i64::from(*day)).ok_or("no such day")?;
            let at = Timestamp::from_nanos(day.utc_midnight()).ok_or("no such instant")?;
            let mut quantities = Quantities::NONE;
            quantities.set(Meter::Input, *input);
            quantities.set(Meter::Request, *requests);
            let head = Head { key: EventKey::new(day, *hash), at, line, class: u32::from(*requests > 1) };
            batch.push(head, id, quantities.frequent(), &[])?;
        }
        let mut batch = Batch::merged(&[batch.whole()], Batch::new())?;
        batch.records = Records::Growing;
        Ok(batch)
    }

    fn facts(lines: u64) -> FileFacts {
        FileFacts {
            source: "default".to_owned(),
            file: "f".to_owned(),
            format: "f/1".to_owned(),
            options: String::new(),
            digest: [0; 32],
            bytes: 0,
            lines,
            header: 0,
            blank: 0,
            quarantined: 0,
        }
    }

    /// A ledger in which prompts of more than 100 tokens of the model have a price of their own, and what SQL says of it
    /// after imports, each of some batches.
    fn after(imports: &[&[Batch]], sql: &str) -> Outcome<i64> {
        let folder = tempfile::tempdir()?;
        let now = Timestamp::parse("2026-11-23T08:00:00Z")?;
        let settings = Settings::new(Currency::USD, Calendar::UTC, Name::new("contract")?);
        let ledger = Ledger::create(&folder.path().join("l.db"), &settings, now, "test")?;
        let write = ledger.write(|| {})?;
        let list = b"model,meter,currency,price,valid_from,prompt_above\nm,input,USD,1,2026-01-01,100\n";
        let prices = crate::price::read::price_list(list, &Name::new("contract")?, Calendar::UTC);
        write.append_prices(&prices.map_err(|problems| format!("{problems:?}"))?, now, "test")?;
        for batches in imports {
            let mut appender = Appender::new(&write, "default")?;
            let mut summariser = appender.summariser();
            for batch in *batches {
                let mut copy = Batch::merged(&[batch.whole()], Batch::new())?;
                copy.records = batch.records;
                appender.append(copy, &names()?, &mut summariser)?;
            }
            let appended = appender.finish(&Watch::default())?;
            write.record_import(&facts(appended.accepted), &appended, &[], now, "test")?;
        }
        Ok(write.connection().query_row(sql, [], |row| row.get(0))?)
    }

    #[test]
    fn a_later_batch_knows_the_keys_of_revisions() -> Outcome {
        let first = [batch(&[(0, 5, "other", 1, 1), (1, 100, "grows", 1, 1)])?];
        // The first day's new event has the hashes of the second looked at, before that one's record grows.
        let second = [
            batch(&[(0, 7, "new", 1, 1), (1, 100, "grows", 2, 1)])?,
            batch(&[(1, 101, "its hash is the revision's key", 1, 1)])?,
        ];
        let sql = "SELECT count(*) * 10 + (SELECT sum(events) FROM usage_daily) FROM usage_event";
        assert_eq!(after(&[&first, &second], sql)?, 54);
        Ok(())
    }

    #[test]
    fn the_last_state_counts_also_where_keys_go_on_at_the_start_of_the_day() -> Outcome {
        let states = [(90, 1), (110, 1), (130, 3)];
        let state = |(input, requests)| batch(&[(0, LAST_HASH - 1, "grows", input, requests)]).map(|batch| [batch]);
        let states: Vec<[Batch; 1]> = states.into_iter().map(state).collect::<Outcome<_>>()?;
        let imports: Vec<&[Batch]> = states.iter().map(<[Batch; 1]>::as_slice).collect();
        let band = "SELECT band FROM usage_daily";
        for (taken, expected) in [(1, 0), (2, 100)] {
            assert_eq!(after(imports.get(..taken).unwrap_or_default(), band)?, expected);
        }
        assert_eq!(after(&imports, band)?, -1, "three requests of 130 tokens together tell no size");
        assert_eq!(after(&imports, "SELECT input * 100 + request * 10 + events FROM usage_monthly")?, 13_031);
        Ok(())
    }

    #[test]
    fn an_id_on_distant_days_is_a_conflict_within_a_batch_and_across_two() -> Outcome {
        for days in [1, 2, 40, 400] {
            let (first, other) = ((0, 7, "e", 1, 1), (days, 7, "e", 1, 1));
            let together: &[Batch] = &[batch(&[first, other])?];
            let apart: &[Batch] = &[batch(&[first])?, batch(&[other])?];
            let again: &[Batch] = &[batch(&[other])?, batch(&[first])?];
            for batches in [together, apart, again] {
                let refused = after(&[batches], "SELECT 1").err().map(|error| error.to_string());
                let expected = "1 event has an id that is in the ledger with other content";
                assert_eq!(refused.as_deref(), Some(expected), "{days}");
            }
            // Another id of the same hash is another event.
            let alike = batch(&[first, (days, 7, "f", 1, 1)])?;
            assert_eq!(after(&[&[alike]], "SELECT count(*) FROM usage_event")?, 2);
        }
        Ok(())
    }
}
