//! Appends events: sorted batches, exact duplicates, daily totals and digests, in one transaction for each file.
//!
//! If a row's key is taken, the row is compared with the stored one. The same id and content is a duplicate. The same
//! id with other content is a conflict. Another id is a true collision, and the row takes the next free key of its half
//! of the day. Nothing is ever deleted, so a walk from an event's key to the first free one, in each half, finds the
//! event if it is stored.
//!
//! That walk stays within a day. An id on another day is always a conflict. These are found in bulk before the commit.

pub mod conflict;
pub(in crate::ledger) mod days;
mod distant;
mod grow;
pub(in crate::ledger) mod hash_filter;
pub mod ids;
pub(in crate::ledger) mod insert;
pub(in crate::ledger) mod known;
pub(in crate::ledger) mod naming;
mod outcome;
pub(in crate::ledger) mod placement;
pub(in crate::ledger) mod record;
mod seal;
pub mod summarise;
mod totals;

use crate::domain::count::Count;
use crate::domain::number::BatchId;
use crate::domain::quantities::QuantityOverflow;
use crate::ledger::append::ids::IdLists;
use crate::ledger::append::naming::{ClassedRow, Naming};
use crate::ledger::append::outcome::{Placed, Verdicts};
use crate::ledger::append::placement::{DaySoFar, Found, Placement, Placing};
use crate::ledger::append::seal::Sealer;
use crate::ledger::append::summarise::{PlacedBatch, PlacedDay, Summariser, Summary};
use crate::ledger::append::totals::Sums;
use crate::ledger::chain::logs::Log;
use crate::ledger::chain::seals;
use crate::ledger::facts::batch_seal::BatchSeal;
use crate::ledger::facts::{batch_days, prices, sealed_events};
use crate::ledger::file::transaction::{Checks, Transaction};
use crate::ledger::file::watch::{Watch, WatchedLedger};
use crate::ledger::sums::month_seals;
use crate::ledger::{Ledger, Result, stored};
use crate::rows::batch::{Batch, Names, Row};
use std::fmt;
use std::ops::RangeFrom;

pub use outcome::Appended;

/// The number of rows placed with one guess of whether they are known.
const RUN: usize = 1_024;

/// Appends the events of one file.
pub struct Appender<'w> {
    ledger: &'w Ledger,
    naming: Naming<'w>,
    placement: Placement<'w>,
    sums: Sums<'w>,
    sealer: Sealer<'w>,
    ids: IdLists<'w>,
    verdicts: Verdicts<'w>,
}

impl fmt::Debug for Appender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").field("source", &self.naming.source_name).finish_non_exhaustive()
    }
}

impl<'w> Appender<'w> {
    /// An appender for the events of a source.
    pub fn new(write: &'w Transaction<'_>, source_name: &str) -> Result<Self> {
        let (ledger, connection) = (write.ledger(), write.connection());
        write.set_checks(Checks::LeftOut)?;
        // A changed name would give usage to another model or source.
        ledger.guard_logs(&Log::NAMES)?;
        ledger.guard_logs(&[Log::TagSets])?;
        // Prices and aliases cut the totals into bands.
        seals::guard_facts(connection, &prices::FACT)?;
        let naming = Naming::new(connection, source_name)?;
        Ok(Self {
            ledger,
            placement: Placement::new(ledger, naming.source)?,
            naming,
            sums: Sums::new(ledger)?,
            sealer: Sealer::new(ledger),
            ids: IdLists::new(connection, ledger.path())?,
            verdicts: Verdicts::new(ledger, source_name)?,
        })
    }

    /// The same appender, which also lists the lines of known events.
    pub fn listing_repeated(mut self) -> Self {
        self.verdicts.list_repeated();
        self
    }

    /// Appends a batch on this thread alone: places, sums and writes it.
    pub fn append(&mut self, batch: Batch, names: &Names, summariser: &mut Summariser) -> Result<()> {
        self.new_names(&names.after(self.named()))?;
        let mut placed = self.place(batch)?;
        if placed.is_empty() { Ok(()) } else { self.keep(&summariser.summarise(&mut placed)?) }
    }

    /// The summariser for the batches of this appender, for this thread or another.
    pub fn summariser(&self) -> Summariser {
        Summariser::new(self.ledger.settings().calendar)
    }

    /// Places the sorted rows of a batch. Conflicts are collected, and [`Appender::finish`] returns them.
    pub fn place(&mut self, batch: Batch) -> Result<PlacedBatch> {
        let placing = self.placement.begin_batch(&batch);
        let id = placing.id;
        let mut days = Vec::new();
        let mut first = 0_u32;
        for rows in batch.rows().chunk_by(|a, b| a.key.day() == b.key.day()) {
            days.extend(self.place_day(placing, rows, first)?);
            let rows = u32::try_from(rows.len()).map_err(|_| QuantityOverflow)?;
            first = first.checked_add(rows).ok_or(QuantityOverflow)?;
        }
        if days.is_empty() {
            return Ok(PlacedBatch { id, batch, days, classes: Vec::new() });
        }
        self.placement.keep_batch()?;
        Ok(PlacedBatch { id, batch, days, classes: self.naming.take_unsent() })
    }

    /// Writes the summary of a batch. Batches must come in the order in which they were placed.
    pub fn keep(&mut self, summary: &Summary) -> Result<()> {
        let mut seals = Vec::with_capacity(summary.days.len());
        for day in &summary.days {
            self.sums.add(day, self.naming.payers())?;
            // The digest covers the rows as stored, in their stored order.
            seals.push(match &day.displaced {
                Some(keys) => {
                    let of_day = day.seal.day;
                    self.sealer.seal(summary.id, of_day, keys, self.placement.events(of_day))?
                }
                None => day.seal,
            });
        }
        let events = seals.iter().try_fold(0_u64, |sum, seal| sum.checked_add(seal.events)).ok_or(QuantityOverflow)?;
        let events = stored(events)?;
        self.verdicts.batch(BatchSeal {
            id: summary.id,
            posted: None,
            events,
            digest: batch_days::batch_digest(&self.naming.source_name, None, &seals),
            days: seals,
        });
        self.ids.add(&summary.ids)
    }

    /// The outcome for the events. Returns an error if any conflicted. Days on which records have grown are read again,
    /// under a watch.
    pub fn finish(mut self, watch: &Watch) -> Result<Appended> {
        self.write_ids(watch)?;
        self.verdicts.note_overlaps()?;
        let Self { ledger, placement, sums, verdicts, .. } = self;
        let months = sums.finish(watch)?;
        let watched = WatchedLedger { ledger, watch };
        sealed_events::guard_days(watched, &placement.compared, placement.first_batch)?;
        month_seals::seal_months(&ledger.connection, ledger, &months)?;
        verdicts.finish()
    }

    /// Places the rows of one day. `first` is the position of the first one in the batch.
    fn place_day(&mut self, placing: Placing<'_>, rows: &[Row], first: u32) -> Result<Option<PlacedDay>> {
        let Some(day) = rows.first().map(|row| row.key.day()) else { return Ok(None) };
        let mut so_far = self.placement.begin_day(placing, day, rows.len())?;
        let mut places = first..;
        for run in rows.chunks(RUN) {
            self.place_run(placing, run, &mut places, &mut so_far)?;
        }
        self.placement.end_day(placing, so_far)
    }

    /// Places some rows of a day. If most of the previous rows were known, all of these are looked up together.
    fn place_run<'b>(
        &mut self,
        placing: Placing<'_>,
        run: &'b [Row],
        places: &mut RangeFrom<u32>,
        so_far: &mut DaySoFar<'b>,
    ) -> Result<()> {
        let same = if self.placement.expects_known() { self.same(placing.batch, run, so_far)? } else { Vec::new() };
        let mut known = 0_usize;
        for ((number, row), place) in run.iter().enumerate().zip(places) {
            let placed = match same.get(number) {
                Some(Some(batch)) => {
                    self.verdicts.note_batch(*batch);
                    Placed::Duplicate
                }
                _ => self.place_row(placing, self.naming.classed(row)?, so_far)?,
            };
            match placed {
                Placed::Fresh(key) => so_far.note(place, row, key),
                Placed::Revision(key) => so_far.note_revision(key),
                Placed::Duplicate => {
                    self.verdicts.duplicate(row);
                    known.one_more();
                }
                Placed::Conflict => {}
            }
        }
        self.placement.note_run(run.len(), known);
        Ok(())
    }

    /// For each row of a run: the batch that has the same event, if there is one.
    fn same(&mut self, batch: &Batch, run: &[Row], so_far: &DaySoFar<'_>) -> Result<Vec<Option<BatchId>>> {
        let rows = run.iter().map(|row| self.naming.classed(row)).collect::<Result<Vec<_>>>()?;
        self.placement.same(batch, &rows, so_far)
    }

    /// Finds the place of a row, and decides what becomes of the row if its id is there.
    fn place_row<'b>(
        &mut self,
        placing: Placing<'_>,
        row: ClassedRow<'b>,
        so_far: &mut DaySoFar<'b>,
    ) -> Result<Placed> {
        match self.placement.find(placing, row, so_far)? {
            Found::Free(key) => {
                self.verdicts.resolve(placing.batch.id(row.row));
                self.placement.insert_rare(placing.batch, row, key)?;
                self.verdicts.appended.returned.more(u64::from(self.placement.stored.has_passed_retracted()));
                Ok(Placed::Fresh(key))
            }
            Found::Same { batch } => {
                self.verdicts.note_batch(batch);
                Ok(Placed::Duplicate)
            }
            Found::Different(original) => self.differing(placing, row, original),
        }
    }
}
