//! The proof that a day's events are those that the batches brought.
//!
//! A batch's digest is over the digests of its days, and the digests of all batches are sealed. So the events of one day can be
//! proved without those of others: reports do that where an amount depends on more than the day's sums.

use crate::domain::calendar::Day;
use crate::domain::key::EventKey;
use crate::domain::period::Period;
use crate::ledger::chain::logs::Log;
use crate::ledger::facts::batch_days::{batch_digest, by_batch};
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::read::class::Classes;
use crate::ledger::read::day_digest::{DayHasher, DaySeal};
use crate::ledger::read::scan::{self, Columns, StoredEvent, parts};
use crate::ledger::{LedgerError, Result};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

const BATCHES: &str = "SELECT b.id, b.digest, s.id, s.name, b.events FROM batch b JOIN import i ON i.id = b.import \
    JOIN source s ON s.id = i.source ORDER BY b.id";

/// What a batch brought of a day.
#[derive(Debug)]
struct Brought {
    source: i64,
    digest: [u8; 32],
}

/// What every batch brought of the days of a period, as the chain records it.
#[derive(Debug)]
pub struct Sealed {
    by_day: BTreeMap<Day, BTreeMap<i64, Brought>>,
    /// The canonical forms of all classes.
    forms: FxHashMap<i64, Vec<u8>>,
}

impl Snapshot<'_> {
    /// What every batch brought of the days of a period. An error if that is not what the batches were sealed with.
    pub fn sealed(&self, period: Period, classes: &Classes) -> Result<Sealed> {
        self.prove_logs(&[Log::Imports, Log::Batches, Log::Sources])?;
        let mut days = by_batch(self.connection())?;
        let mut by_day: BTreeMap<Day, BTreeMap<i64, Brought>> = BTreeMap::new();
        let mut statement = self.connection().prepare_cached(BATCHES)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (batch, source): (i64, i64) = (row.get(0)?, row.get(2)?);
            let days = days.remove(&batch).unwrap_or_default();
            if row.get_ref(1)?.as_blob().ok() != Some(&batch_digest(&row.get::<_, String>(3)?, &days)) {
                return Err(changed(batch));
            }
            for DaySeal { day, digest, .. } in days.into_iter().filter(|seal| period.contains(seal.day)) {
                by_day.entry(day).or_default().insert(batch, Brought { source, digest });
            }
        }
        if let Some(batch) = days.into_keys().next() {
            return Err(changed(batch));
        }
        Ok(Sealed { by_day, forms: classes.forms(self.connection())? })
    }

    /// Reads what amounts depend on of a day's events, like [`Columns::Usage`]. An error if they are others than those that the
    /// day's batches brought; what was handed over before it counts nothing.
    pub fn sealed_events<'c>(
        &self,
        classes: &'c Classes,
        day: Day,
        sealed: &Sealed,
        each: impl FnMut(&StoredEvent<'c>) -> Result<()>,
    ) -> Result<()> {
        let mut proof = Proof::of(day, sealed, None);
        let (first, last) = EventKey::range_of(day);
        let mut see = |event: &StoredEvent<'_>| proof.see(event);
        scan::usage_seen((self.ledger(), self.watch()), classes, [first, last], &mut see, each)?;
        proof.end()
    }

    /// An error if the events of a day that some batches brought are others than those.
    pub(in crate::ledger) fn prove_batches_of_day(
        &self,
        classes: &Classes,
        day: Day,
        sealed: &Sealed,
        batches: &FxHashSet<i64>,
    ) -> Result<()> {
        let mut proof = Proof::of(day, sealed, Some(batches));
        let (first, last) = EventKey::range_of(day);
        self.events(classes, first, last, Columns::All, |event| proof.see(event))?;
        proof.end()
    }
}

fn changed(batch: i64) -> LedgerError {
    LedgerError::Corrupt(format!("the days of batch {batch} are not those that its digest is of"))
}

/// The digests of a day's events, batch by batch, while they are read.
struct Proof<'a> {
    day: Day,
    sealed: &'a Sealed,
    /// The batches that matter; all where it is none.
    batches: Option<&'a FxHashSet<i64>>,
    hashers: BTreeMap<i64, DayHasher>,
}

impl<'a> Proof<'a> {
    const fn of(day: Day, sealed: &'a Sealed, batches: Option<&'a FxHashSet<i64>>) -> Self {
        Self { day, sealed, batches, hashers: BTreeMap::new() }
    }

    fn brought(&self) -> impl Iterator<Item = (i64, &'a Brought)> {
        let (of_day, batches) = (self.sealed.by_day.get(&self.day), self.batches);
        let matters = move |batch: &i64| batches.is_none_or(|batches| batches.contains(batch));
        of_day.into_iter().flatten().map(|(batch, brought)| (*batch, brought)).filter(move |(batch, _)| matters(batch))
    }

    fn end(self) -> Result<()> {
        let (day, expected) = (self.day, self.brought().map(|(batch, brought)| (batch, brought.digest)));
        let expected: Vec<(i64, [u8; 32])> = expected.collect();
        let found = self.hashers.into_iter().map(|(batch, hasher)| (batch, hasher.seal(day).digest));
        if found.eq(expected) { Ok(()) } else { Err(LedgerError::events_changed(day)) }
    }

    fn see(&mut self, event: &StoredEvent<'_>) -> Result<()> {
        if self.batches.is_some_and(|batches| !batches.contains(&event.batch)) {
            return Ok(());
        }
        let brought = self.sealed.by_day.get(&self.day).and_then(|of_day| of_day.get(&event.batch));
        if brought.is_none_or(|brought| brought.source != event.class.source) {
            return Err(LedgerError::events_changed(self.day));
        }
        let hasher = self.hashers.entry(event.batch).or_insert_with(DayHasher::new);
        hasher.add(parts(event, &self.sealed.forms)?, &event.quantities);
        Ok(())
    }
}
