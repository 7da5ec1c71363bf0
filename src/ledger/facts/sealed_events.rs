//! Proves that a day's events are the ones that the batches brought.
//!
//! A batch's digest covers the digests of its days, and the digests of all batches are sealed. So the events of one day
//! can be proved without the events of others. Reports do that if an amount depends on more than the day's totals.

use crate::domain::calendar::{Day, DayFinder};
use crate::domain::number::{BatchId, ClassId, SourceId};
use crate::domain::period::Period;
use crate::ledger::chain::logs::Log;
use crate::ledger::facts::batch_days::{batch_digest, by_batch};
use crate::ledger::file::retracted::Retracted;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::file::watch::{Stage, WatchedLedger};
use crate::ledger::read::class::Classes;
use crate::ledger::read::day_digest::{DayHasher, DaySeal};
use crate::ledger::read::revision::{Grown, Parts};
use crate::ledger::read::scan::{self, Columns, StoredEvent, parts};
use crate::ledger::{Damage, LedgerError, Result, fits, values};
use crate::rows::key::EventKey;
use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};

const ROWS: &str = "SELECT count(*) FROM usage_event WHERE key BETWEEN ?1 AND ?2";
const BATCHES: &str = "SELECT b.id, b.digest, s.id, s.name, b.posting_period FROM batch b JOIN import i ON i.id = b.import \
    JOIN source s ON s.id = i.source ORDER BY b.id";

/// What a batch brought on a day.
#[derive(Debug)]
struct Brought {
    source: SourceId,
    digest: [u8; 32],
}

/// What every batch brought on the days of a period, as the chain records it.
#[derive(Debug, Default)]
pub struct Sealed {
    by_day: BTreeMap<Day, BTreeMap<BatchId, Brought>>,
    /// The canonical forms of all classes.
    forms: FxHashMap<ClassId, Vec<u8>>,
}

impl Sealed {
    /// What every batch brought on the days of a period, as stored. The caller compares the batches with their seal.
    fn read(connection: &Connection, period: Period, classes: &Classes) -> Result<Self> {
        let mut days = by_batch(connection)?;
        let mut by_day: BTreeMap<Day, BTreeMap<BatchId, Brought>> = BTreeMap::new();
        let mut statement = connection.prepare_cached(BATCHES)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (batch, source): (BatchId, SourceId) = (row.get(0)?, row.get(2)?);
            let days = days.remove(&batch).unwrap_or_default();
            let posted = row.get::<_, Option<i64>>(4)?.map(values::month).transpose()?;
            if row.get_ref(1)?.as_blob().ok() != Some(&batch_digest(&row.get::<_, String>(3)?, posted, &days)) {
                return Err(changed(batch));
            }
            for DaySeal { day, digest, .. } in days.into_iter().filter(|seal| period.contains(seal.day)) {
                by_day.entry(day).or_default().insert(batch, Brought { source, digest });
            }
        }
        if let Some(batch) = days.into_keys().next() {
            return Err(changed(batch));
        }
        Ok(Self { by_day, forms: classes.forms(connection)? })
    }
}

/// Returns an error if the events of some days differ from what their batches brought, or if links between them lead
/// elsewhere. A decision by an event that nobody imported must not be sealed. Batches from a number on are just being
/// appended.
pub(in crate::ledger) fn guard_days(
    watched: WatchedLedger<'_>,
    days: &BTreeSet<Day>,
    appended_from: BatchId,
) -> Result<()> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    let WatchedLedger { ledger, watch } = watched;
    let connection = &ledger.connection;
    ledger.guard_logs(&[Log::Batches])?;
    let classes = Classes::read(connection, DayFinder::new(ledger.settings().calendar))?;
    let sealed = Sealed::read(connection, Period::between(*first, *last), &classes)?;
    let mut rows = 0;
    for (first, last) in days.iter().map(|day| EventKey::range_of(*day)) {
        let of_day = connection.prepare_cached(ROWS)?.query_row([first.number(), last.number()], |row| row.get(0))?;
        rows = fits::<u64>(of_day, "a number of events")?.saturating_add(rows);
    }
    watch.begin(Stage::Events, Some(rows));
    for day in days {
        let mut proof = Proof { appended_from, ..Proof::of(connection, *day, &sealed)? };
        let (first, last) = EventKey::range_of(*day);
        scan::events(watched, &classes, first, last, Columns::All, |event| proof.see(event))?;
        proof.end()?;
    }
    Ok(())
}

impl Snapshot<'_> {
    /// What every batch brought on the days of a period. Returns an error if it differs from the sealed batches.
    pub fn sealed(&self, period: Period, classes: &Classes) -> Result<Sealed> {
        self.prove_logs(&[Log::Batches])?;
        Sealed::read(self.connection(), period, classes)
    }

    /// Reads what amounts depend on from a day's events, like [`Columns::Usage`]. Returns an error if they differ from
    /// what the day's batches brought. In that case the events passed on before must not be used.
    pub fn sealed_events<'c>(
        &self,
        classes: &'c Classes,
        day: Day,
        sealed: &Sealed,
        each: impl FnMut(&StoredEvent<'c>) -> Result<()>,
    ) -> Result<()> {
        let mut proof = Proof::of(self.connection(), day, sealed)?;
        let (first, last) = EventKey::range_of(day);
        let mut see = |event: &StoredEvent<'_>| proof.see(event);
        scan::usage_seen(self.watched_ledger(), classes, [first, last], &mut see, each)?;
        proof.end()
    }

    /// Returns an error if the events that some batches brought on a day were changed.
    pub(in crate::ledger) fn prove_batches_of_day(
        &self,
        classes: &Classes,
        day: Day,
        sealed: &Sealed,
        batches: &FxHashSet<BatchId>,
    ) -> Result<()> {
        let mut proof = Proof { batches: Some(batches), ..Proof::of(self.connection(), day, sealed)? };
        let (first, last) = EventKey::range_of(day);
        self.events(classes, first, last, Columns::All, |event| proof.see(event))?;
        proof.end()
    }
}

fn changed(batch: BatchId) -> LedgerError {
    LedgerError::Corrupt(Damage::Events, format!("the days of batch {batch} do not match its digest"))
}

/// The digests of a day's events, batch by batch while they are read, and the parts of grown records.
pub(in crate::ledger) struct Proof<'a> {
    day: Day,
    sealed: &'a Sealed,
    /// The relevant batches; `None` for all.
    batches: Option<&'a FxHashSet<BatchId>>,
    /// Batches from this number on have no seal yet.
    appended_from: BatchId,
    hashers: BTreeMap<BatchId, DayHasher>,
    linked: Grown<'a>,
    parts: Parts,
}

impl<'a> Proof<'a> {
    /// The proof for all events of a day.
    pub(in crate::ledger) fn of(connection: &'a Connection, day: Day, sealed: &'a Sealed) -> Result<Self> {
        let (first, last) = EventKey::range_of(day);
        Ok(Self {
            day,
            sealed,
            batches: None,
            appended_from: BatchId::new(i64::MAX),
            hashers: BTreeMap::new(),
            linked: Grown::between(connection, &Retracted::default(), first, last)?,
            parts: Parts::default(),
        })
    }

    /// Returns an error if the events differ from what was brought.
    pub(in crate::ledger) fn end(self) -> Result<()> {
        let matters = |batch: &BatchId| self.batches.is_none_or(|batches| batches.contains(batch));
        let brought = self.sealed.by_day.get(&self.day).into_iter().flatten();
        let expected = brought.filter(|(batch, _)| matters(batch)).map(|(batch, brought)| (*batch, brought.digest));
        let expected: Vec<(BatchId, [u8; 32])> = expected.collect();
        let found = self.hashers.into_iter().map(|(batch, hasher)| (batch, hasher.seal(self.day).digest));
        if !found.eq(expected) {
            return Err(LedgerError::events_changed(self.day));
        }
        self.parts
            .findings(&self.linked)
            .into_iter()
            .next()
            .map_or(Ok(()), |finding| Err(LedgerError::Corrupt(Damage::Events, finding)))
    }

    /// Adds an event as it was appended. The proof must see all events of the day, in key order.
    pub(in crate::ledger) fn see(&mut self, event: &StoredEvent<'_>) -> Result<()> {
        if self.linked.has(event) {
            self.parts.note(event);
        }
        if event.batch >= self.appended_from || self.batches.is_some_and(|batches| !batches.contains(&event.batch)) {
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
