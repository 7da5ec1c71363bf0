//! Where the rows of an import go: the half of each day, the key of each row, and the events that have it already.

use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::domain::event::PromptSize;
use crate::domain::meter::Meter;
use crate::domain::number::{BatchId, SourceId};
use crate::ledger::append::conflict::{AtKey, Stored};
use crate::ledger::append::days::Days;
use crate::ledger::append::insert::{Inserter, NewRow};
use crate::ledger::append::known::{Batches, KnownEvents};
use crate::ledger::append::naming::ClassedRow;
use crate::ledger::append::summarise::PlacedDay;
use crate::ledger::file::gather::METER_COLUMNS;
use crate::ledger::file::retracted::Retracted;
use crate::ledger::names::numbers;
use crate::ledger::read::revision;
use crate::ledger::{Ledger, LedgerError, Result};
use crate::rows::batch::{Batch, Row};
use crate::rows::key::{EventKey, Half};
use rusqlite::{CachedStatement, Connection};
use std::collections::BTreeSet;
use std::sync::Arc;

const INSERT_METER: &str = "INSERT INTO event_meter (key, meter, quantity) VALUES (?1, ?2, ?3)";
const NEXT_BATCH: &str = "SELECT coalesce(max(id), 0) + 1 FROM batch";

/// After a first batch of this size, more batches will probably come.
const LARGE_BATCH: usize = 200_000;

/// A batch that is being placed, and its number in the ledger.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Placing<'b> {
    pub(in crate::ledger) id: BatchId,
    pub(in crate::ledger) batch: &'b Batch,
}

/// The rows of a day that have been placed.
pub(super) struct DaySoFar<'b> {
    /// The half of the day that new rows go to.
    half: Half,
    /// The halves that had events before.
    halves: &'static [Half],
    /// What of the day is placed.
    pub(super) placed: PlacedDay,
    /// New rows, which are written together.
    unwritten: Vec<NewRow<'b>>,
}

impl DaySoFar<'_> {
    /// Notes that a row of the batch, by its place there, is at a key.
    pub(super) fn note(&mut self, place: u32, row: &Row, key: EventKey) {
        self.placed.displaced |= key != row.key.in_half(self.half);
        self.placed.rows.push((place, key));
    }

    /// Notes the key of a later state of a record.
    pub(super) fn note_revision(&mut self, key: EventKey) {
        self.placed.displaced = true;
        self.placed.revisions.push(key);
    }
}

/// What the search for a row's place led to.
pub(super) enum Found {
    /// A free key, where the row stands now.
    Free(EventKey),
    /// The same event, which a batch brought.
    Same {
        /// The number of that batch.
        batch: BatchId,
    },
    /// Another content under the row's id.
    Different(EventKey),
}

/// Finds the places of rows, and writes new rows there.
pub(super) struct Placement<'w> {
    connection: &'w Connection,
    insert: Inserter<'w>,
    insert_meter: CachedStatement<'w>,
    days: Days<'w>,
    pub(super) stored: Stored<'w>,
    known: KnownEvents<'w>,
    /// The retracted rows. They count as if they had never come.
    pub(super) retracted: Arc<Retracted>,
    /// Whether most rows of the last run were known.
    mostly_known: bool,
    /// Whether the last row was known. The next one then probably is, too.
    found_before: bool,
    /// How many batches have come.
    batches: usize,
    next_batch: BatchId,
    /// The number of the import's first batch.
    pub(super) first_batch: BatchId,
    /// The days of events that were compared with another state of their record.
    pub(super) compared: BTreeSet<Day>,
}

impl<'w> Placement<'w> {
    /// Nothing placed yet, of a source by its number.
    pub(super) fn new(ledger: &'w Ledger, source: SourceId) -> Result<Self> {
        let connection = &ledger.connection;
        let retracted = ledger.retracted()?;
        let first_batch = connection.query_row(NEXT_BATCH, [], |row| row.get(0))?;
        Ok(Self {
            connection,
            insert: Inserter::new(connection)?,
            insert_meter: connection.prepare_cached(INSERT_METER)?,
            days: Days::new(connection, &retracted)?,
            stored: Stored::new(connection, source, &retracted)?,
            known: KnownEvents::new(ledger, &retracted)?,
            retracted,
            mostly_known: false,
            found_before: false,
            batches: 0,
            next_batch: first_batch,
            first_batch,
            compared: BTreeSet::new(),
        })
    }

    /// Starts a batch. It keeps its number only if some row of it is new.
    pub(super) fn begin_batch<'b>(&mut self, batch: &'b Batch) -> Placing<'b> {
        self.stored.own_batch(self.next_batch);
        self.batches.one_more();
        self.insert.begin_batch();
        Placing { id: self.next_batch, batch }
    }

    /// Uses up the number of the batch that was begun last.
    pub(super) fn keep_batch(&mut self) -> Result<()> {
        self.next_batch = numbers::after(self.next_batch)?;
        Ok(())
    }

    /// Starts the rows of a day, all of one batch.
    pub(super) fn begin_day<'b>(&mut self, placing: Placing<'_>, day: Day, rows: usize) -> Result<DaySoFar<'b>> {
        self.days.begin(day)?;
        if self.mostly_known {
            let large = self.batches > 1 || placing.batch.len() >= LARGE_BATCH;
            let expected = if large { Batches::More } else { Batches::Unknown };
            self.known.prepare(day, self.days.events(day), rows, expected)?;
        }
        Ok(DaySoFar {
            half: self.days.half_for(day, rows),
            halves: self.days.halves(day),
            placed: PlacedDay {
                day,
                rows: Vec::with_capacity(rows),
                revisions: Vec::new(),
                first: self.days.events(day) == 0,
                displaced: false,
            },
            unwritten: Vec::with_capacity(rows),
        })
    }

    /// Writes what waits of a day. `None` if the day has got nothing.
    pub(super) fn end_day(&mut self, placing: Placing<'_>, so_far: DaySoFar<'_>) -> Result<Option<PlacedDay>> {
        let DaySoFar { half, placed, unwritten, .. } = so_far;
        self.insert.write(placing, half, &unwritten)?;
        self.days.appended(placed.day, placed.rows.iter().map(|(_, key)| *key));
        Ok((!placed.rows.is_empty() || placed.displaced).then_some(placed))
    }

    /// Whether a run of rows is worth a search for all of them at once: most of the rows before were in the ledger.
    pub(super) const fn expects_known(&self) -> bool {
        self.mostly_known
    }

    /// Notes how many rows of a run were in the ledger.
    pub(super) const fn note_run(&mut self, rows: usize, known: usize) {
        self.mostly_known = known > rows / 2;
    }

    /// The batches of the rows of a run that are in the ledger, the same.
    pub(super) fn same(
        &mut self,
        batch: &Batch,
        run: &[ClassedRow<'_>],
        so_far: &DaySoFar<'_>,
    ) -> Result<Vec<Option<BatchId>>> {
        self.known.same(batch, run, so_far.halves)
    }

    /// Finds the place of a row, and lets the row stand there if it is new.
    pub(super) fn find<'b>(
        &mut self,
        placing: Placing<'_>,
        row: ClassedRow<'b>,
        so_far: &mut DaySoFar<'b>,
    ) -> Result<Found> {
        self.stored.begin_row();
        let own = row.row.key.in_half(so_far.half);
        let found = if self.is_new(own) {
            self.insert.promise(own);
            so_far.unwritten.push(NewRow { row: row.row, class: row.class.number });
            Found::Free(own)
        } else {
            self.insert.write(placing, so_far.half, &so_far.unwritten)?;
            so_far.unwritten.clear();
            self.search(placing, row, own, so_far.halves)?
        };
        self.found_before = !matches!(found, Found::Free(_));
        Ok(found)
    }

    /// Whether certainly no event has this hash on this day, in either half: neither an earlier event nor one of this
    /// batch so far.
    fn is_new(&self, key: EventKey) -> bool {
        key.half() == Half::Main && self.insert.is_beyond_table(key)
            || self.insert.is_beyond_batch(key) && self.days.lacks(key)
    }

    /// Looks for a row's event in the halves that have events, and writes the row if there is none.
    fn search(&mut self, placing: Placing<'_>, row: ClassedRow<'_>, own: EventKey, halves: &[Half]) -> Result<Found> {
        let other = own.half().other();
        if halves.contains(&other) {
            match self.walk(own.in_half(other), placing.batch, row)? {
                Walked::Free(_) | Walked::Full => {}
                Walked::Same => return Ok(self.same_as_met()),
                Walked::Different(key) => return Ok(self.different_at(key)),
            }
        }
        if !self.found_before && self.try_at(placing, row, own)? {
            return Ok(Found::Free(own));
        }
        match self.walk(own, placing.batch, row)? {
            Walked::Free(key) if self.try_at(placing, row, key)? => Ok(Found::Free(key)),
            Walked::Free(_) | Walked::Full => Err(LedgerError::Bug(format!("no key of {} is free", own.day()))),
            Walked::Same => Ok(self.same_as_met()),
            Walked::Different(key) => Ok(self.different_at(key)),
        }
    }

    /// Walks from a key of a half to the row's event or to the first free key.
    fn walk(&mut self, start: EventKey, batch: &Batch, row: ClassedRow<'_>) -> Result<Walked> {
        let mut key = start;
        loop {
            match self.stored.compare(key, batch, row)? {
                AtKey::Another => key = key.next_in_half(),
                AtKey::Nothing => return Ok(Walked::Free(key)),
                AtKey::Same => return Ok(Walked::Same),
                AtKey::Different => return Ok(Walked::Different(key)),
            }
            if key == start {
                return Ok(Walked::Full);
            }
        }
    }

    const fn same_as_met(&self) -> Found {
        Found::Same { batch: self.stored.batch_met() }
    }

    fn different_at(&mut self, key: EventKey) -> Found {
        self.compared.insert(key.day());
        Found::Different(key)
    }

    fn try_at(&mut self, placing: Placing<'_>, row: ClassedRow<'_>, key: EventKey) -> Result<bool> {
        self.insert.try_one(placing, NewRow { row: row.row, class: row.class.number }, key)
    }

    /// Writes what a later state of a record added, behind its original.
    pub(super) fn revise(&mut self, placing: Placing<'_>, row: ClassedRow<'_>, original: EventKey) -> Result<EventKey> {
        let mut key = original.next_in_half();
        while !self.try_at(placing, row, key)? {
            key = key.next_in_half();
            if key == original {
                return Err(LedgerError::Bug(format!("no key of {} is free", key.day())));
            }
        }
        self.insert_rare(placing.batch, row, key)?;
        revision::link(self.connection, key, original)?;
        self.days.appended(key.day(), std::iter::once(key));
        Ok(key)
    }

    /// Writes the meters that have no column.
    pub(super) fn insert_rare(&mut self, batch: &Batch, row: ClassedRow<'_>, key: EventKey) -> Result<()> {
        let requests = batch.frequent(row.row).get(METER_COLUMNS);
        // A row of one request needs no count.
        let implied = row.class.prompt == PromptSize::Exact && requests == Some(1);
        let requests = requests.filter(|_| !implied).map(|requests| (Meter::Request, requests));
        for (meter, quantity) in requests.into_iter().chain(batch.rare(row.row)) {
            self.insert_meter.execute((key.number(), meter.code(), quantity))?;
            self.stored.added_rare(key.day());
        }
        Ok(())
    }

    /// How many events a day has that rows were placed on.
    pub(super) fn events(&self, day: Day) -> usize {
        self.days.events(day)
    }
}

/// Where a walk along the keys of a half ended.
enum Walked {
    /// At a free key.
    Free(EventKey),
    /// Nowhere: other events have all keys.
    Full,
    /// At the same event.
    Same,
    /// At another content under the row's id.
    Different(EventKey),
}
