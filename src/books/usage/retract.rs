//! Taking an import back: all of it, or some of its events; or all that a program recorded in a span of time.

use crate::books::watching::watched;
use crate::books::{Act, Books, Observer, Stage};
use crate::domain::number::EntryId;
use crate::ledger::facts::retraction::{Chosen, DayPlan, Plan};
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::file::watch::Watch;
use crate::ledger::{LedgerError, chain};
use rayon::prelude::*;
use std::sync::Arc;

pub use crate::ledger::facts::retraction::{CostsTaken, RecordedSpan, Refused};

/// What to retract, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retraction<'a> {
    /// The entry of the import.
    pub entry: EntryId,
    /// The ids of the events; `None` for the whole import.
    pub ids: Option<&'a [String]>,
    /// The reason. The chain records it.
    pub reason: &'a str,
}

/// Which imports are taken back, all of them or in part.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    Import { entry: EntryId, ids: Option<&'a [String]> },
    Recorded(RecordedSpan<'a>),
}

impl<'a> From<Retraction<'a>> for Wanted<'a> {
    fn from(Retraction { entry, ids, .. }: Retraction<'a>) -> Self {
        Self::Import { entry, ids }
    }
}

/// What was retracted.
#[derive(Debug)]
pub struct Retracted<T> {
    /// The retraction with its consequences.
    pub taken: T,
    /// The last entry of the chain afterwards.
    pub head: chain::Head,
}

impl Books {
    /// Predicts the result of [`Books::retract`]. It changes nothing.
    pub fn plan_retraction(&self, retraction: Retraction<'_>, observer: &dyn Observer) -> Result<Plan, Refused> {
        watched(observer, |watch| self.plan(self.snapshot_for_all()?, retraction.into(), watch))
    }

    /// What [`Books::retract_recorded`] would do. Nothing is changed.
    pub fn plan_recorded_retraction(
        &self,
        recorded: RecordedSpan<'_>,
        observer: &dyn Observer,
    ) -> Result<Plan, Refused> {
        watched(observer, |watch| self.plan(self.snapshot_for_all()?, Wanted::Recorded(recorded), watch))
    }

    /// Retracts an import or some of its events. They stay in the file and in the chain, but nothing counts them any
    /// more. The same file can be imported again.
    pub fn retract(
        &self,
        retraction: Retraction<'_>,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Retracted<Plan>, Refused> {
        self.take_back(retraction.into(), retraction.reason, act, observer)
    }

    /// Takes back all commits of a source that a program recorded in a span of time and that still count: all of them in one
    /// transaction, each by an entry of its own, or none. Imports of files stay.
    ///
    /// The span selects commits by the time of recording, not by the times of their events.
    pub fn retract_recorded(
        &self,
        recorded: RecordedSpan<'_>,
        reason: &str,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Retracted<Plan>, Refused> {
        self.take_back(Wanted::Recorded(recorded), reason, act, observer)
    }

    fn take_back(
        &self,
        wanted: Wanted<'_>,
        reason: &str,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Retracted<Plan>, Refused> {
        watched(observer, |watch| {
            // The days are read while others may write. If somebody wrote, they are read again under the lock.
            let plan = self.plan(self.snapshot_for_all()?, wanted, watch)?;
            let write = self.ledger.write(|| observer.waiting())?;
            let plan = match write.retract(&plan, reason, act.now, act.actor) {
                Ok(()) => plan,
                Err(LedgerError::Changed) => {
                    // Nobody can write meanwhile, so readers can be opened one by one.
                    let reader = self.ledger.reader()?;
                    let plan = self.plan(reader.snapshot()?, wanted, watch)?;
                    write.retract(&plan, reason, act.now, act.actor)?;
                    plan
                }
                Err(error) => return Err(error.into()),
            };
            if observer.stop() {
                return Err(LedgerError::Stopped.into());
            }
            write.commit()?;
            self.ledger.checkpoint()?;
            Ok(Retracted { taken: plan, head: self.head()? })
        })
    }

    fn plan(&self, snapshot: Snapshot<'_>, wanted: Wanted<'_>, watch: &Arc<Watch>) -> Result<Plan, Refused> {
        let snapshot = snapshot.watched(watch)?;
        let taking = match wanted {
            Wanted::Import { entry, ids } => {
                snapshot.taking(entry, ids.map_or(Chosen::All, Chosen::Ids), self.key_hash)?
            }
            Wanted::Recorded(recorded) => snapshot.taking_recorded(recorded)?,
        };
        watch.begin(Stage::Events, None);
        let readers = snapshot.readers();
        let of_day = |day| readers.read(|reader| reader.retraction_of_day(day, &taking));
        let days: Vec<DayPlan> = taking.days()?.into_par_iter().map(of_day).collect::<Result<_, LedgerError>>()?;
        Ok(snapshot.retraction(taking, days)?)
    }

    /// Predicts the result of [`Books::retract_costs`]. It changes nothing.
    pub fn plan_costs_retraction(&self, entry: EntryId) -> Result<CostsTaken, Refused> {
        self.ledger.snapshot()?.taking_costs(entry)
    }

    /// Retracts an import of costs.
    pub fn retract_costs(
        &self,
        entry: EntryId,
        reason: &str,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Retracted<CostsTaken>, Refused> {
        let write = self.ledger.write(|| observer.waiting())?;
        let taken = write.taking_costs(entry)?;
        write.retract_costs(&taken, reason, act.now, act.actor)?;
        write.commit()?;
        self.ledger.checkpoint()?;
        Ok(Retracted { taken, head: self.head()? })
    }
}
