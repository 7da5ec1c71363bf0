//! Handles later states of growing records while appending: what was added becomes a revision.
//!
//! A file has one state of its records, so only records from earlier imports can have grown. What was added is added to
//! the totals. If the whole record moves to another band of prompt sizes, the totals of its model and day are computed
//! again from the events at the end.

use super::Appender;
use super::naming::ClassedRow;
use super::outcome::Placed;
use super::placement::Placing;
use crate::domain::count::Count;
use crate::domain::event::Band;
use crate::domain::quantities::Quantities;
use crate::domain::usage::{UsageKey, UsageLine};
use crate::ledger::append::conflict::Why;
use crate::ledger::read::revision::{History, Payer, Standing};
use crate::ledger::{LedgerError, Result};
use crate::rows::batch::{Batch, EventHead, Records};
use crate::rows::key::EventKey;

/// How a record has grown.
struct Growth<'g> {
    /// What the ledger has of it.
    history: &'g History,
    /// What the record says now.
    state: &'g Quantities,
    /// What it says more than the last time.
    added: &'g Quantities,
}

impl Appender<'_> {
    /// The result for a row whose id the ledger has with other content.
    pub(super) fn differing(
        &mut self,
        placing: Placing<'_>,
        classed: ClassedRow<'_>,
        original: EventKey,
    ) -> Result<Placed> {
        let (batch, row) = (placing.batch, classed.row);
        let mut why = Why::Otherwise;
        if batch.records == Records::Growing {
            let retracted = &self.placement.retracted;
            let history = History::read(&self.ledger.connection, retracted, original, batch.id(row))?;
            let state = batch.quantities(row);
            let standing = history.standing(self.naming.class(row)?.payer, &state)?;
            let twice = history.is_of(|batch| self.placement.stored.is_own(batch))
                || self.verdicts.has_other_older(original, &state);
            why = match standing {
                Standing::Known => {
                    self.verdicts.note_history(&history);
                    return Ok(Placed::Duplicate);
                }
                Standing::Other => Why::Otherwise,
                _ if twice => Why::Twice,
                Standing::Mixed => Why::MoreAndLess,
                Standing::Less => {
                    self.verdicts.note_older(original, state);
                    self.verdicts.note_history(&history);
                    return Ok(Placed::Duplicate);
                }
                Standing::More(added) => {
                    // The record stays where its first state is.
                    let mut row = *row;
                    row.at = history.at().unwrap_or(row.at);
                    let classed = ClassedRow { row: &row, ..classed };
                    let key = self.revise(placing, classed, &added, original)?;
                    self.sum_up(key, classed, &Growth { history: &history, state: &state, added: &added })?;
                    return Ok(Placed::Revision(key));
                }
            };
        }
        if self.verdicts.has_room_for_conflict() {
            let class = self.naming.class(row)?;
            self.verdicts.conflict(self.placement.stored.describe(batch, row, class, original, why)?);
        }
        Ok(Placed::Conflict)
    }

    /// Appends what a later state of a record added.
    fn revise(
        &mut self,
        placing: Placing<'_>,
        classed: ClassedRow<'_>,
        added: &Quantities,
        original: EventKey,
    ) -> Result<EventKey> {
        let ClassedRow { row, class } = classed;
        let (id, mut part) = (placing.batch.id(row), Batch::new());
        let head = EventHead { key: row.key, at: row.at, line: row.line, class: row.class };
        let full = |_| LedgerError::Bug(format!("{id:?} does not fit a batch"));
        part.push(head, id, added.frequent(), added.rare()).map_err(full)?;
        let missing = || LedgerError::Bug(format!("{id:?} is not in its batch"));
        let row = part.rows().first().ok_or_else(missing)?;
        let classed = ClassedRow { row, class: self.naming.class_of_revisions(class)? };
        let key = self.placement.revise(Placing { batch: &part, ..placing }, classed, original)?;
        self.verdicts.appended.revisions.one_more();
        self.verdicts.resolve(id);
        Ok(key)
    }

    /// Counts a revision in the totals: either what it added, or later its whole day and model.
    fn sum_up(&mut self, key: EventKey, classed: ClassedRow<'_>, growth: &Growth<'_>) -> Result<()> {
        let Growth { history, state, added } = growth;
        let class = self.naming.class(classed.row)?;
        let Payer { source, tag_set, model, tier } = class.payer;
        let band = Band::of(class.of.prompt, state.prompt_size()?, &class.thresholds);
        let (day, at) = (key.day(), classed.row.at);
        let priced_at = self.ledger.settings().calendar.start_of(day);
        let before = history.now()?.is_active();
        let active = i64::from(state.is_active()).saturating_sub(i64::from(before));
        let line = UsageLine {
            key: UsageKey { day, posted: day.month(), priced_at, source, tag_set, model, tier, band },
            events: 0,
            active,
            first_at: at,
            last_at: at,
            quantities: (*added).clone(),
        };
        if band != history.band(&class.thresholds)? {
            self.sums.grow_into_another_band(line);
            return Ok(());
        }
        self.sums.grow(&line, self.naming.payers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Calendar, Day};
    use crate::domain::currency::Currency;
    use crate::domain::event::{Model, PromptSize, ServiceTier};
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

    /// A batch of growing records: days after 2026-10-01, hashes, ids, inputs, and requests.
    fn batch(rows: &[(u16, i64, &str, i64, i64)]) -> Outcome<Batch> {
        let mut batch = Batch::new();
        for (line, (day, hash, id, input, requests)) in (1..).zip(rows) {
            let day = Day::from_number(20_727 + i64::from(*day)).ok_or("no such day")?;
            let at = Timestamp::from_nanos(day.utc_midnight()).ok_or("no such instant")?;
            let mut quantities = Quantities::NONE;
            quantities.set(Meter::Input, *input);
            quantities.set(Meter::Request, *requests);
            let head = EventHead { key: EventKey::new(day, *hash), at, line, class: u32::from(*requests > 1) };
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

    /// Makes a ledger in which the model has a separate price for prompts of more than 100 tokens. Imports batches, and
    /// returns the result of an SQL query.
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
        // The first day's new event makes the import look at the hashes of the second day, before that day's record
        // grows.
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
                let expected = "1 event has an id that the ledger has with other content";
                assert_eq!(refused.as_deref(), Some(expected), "{days}");
            }
            // Another id with the same hash is another event.
            let alike = batch(&[first, (days, 7, "f", 1, 1)])?;
            assert_eq!(after(&[&[alike]], "SELECT count(*) FROM usage_event")?, 2);
        }
        Ok(())
    }
}
