//! Settles requests: gives back what was not used, and counts what was used beyond the reservation.

use super::counters::{Counters, cell};
use super::file::GuardFileError;
use super::file::decide::Returned;
use super::{Guard, Permit, lock, returned};
use crate::control::ask::Load;
use crate::control::breaker::{Ended, Taken as BreakerTaken};
use crate::control::enforced::{Enforced, Form};
use crate::control::limit::Measure;
use crate::domain::quantities::Quantities;
use crate::domain::timestamp::Timestamp;
use smallvec::SmallVec;

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub enum Settlement<'a> {
    /// It used this, at the instant that its record will have.
    Used {
        /// The instant.
        at: Timestamp,
        /// What was used.
        quantities: &'a Quantities,
    },
    /// Nothing was used: the provider refused, or was never asked.
    Nothing,
    /// Nobody knows. It counts in full.
    Unknown,
}

/// What a settlement did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    counters: SmallVec<[(Option<Measure>, i64, i64); 8]>,
}

impl Settled {
    /// The most units of a measure that were reserved at any counter, and those that were used there.
    pub fn of(&self, measure: Measure) -> Option<(i64, i64)> {
        let counted = self.counters.iter().filter(|(of, _, _)| *of == Some(measure));
        counted.map(|(_, reserved, used)| (*reserved, *used)).max()
    }
}

/// What the file has to be told of one counter.
struct Told<'a> {
    limit: &'a Enforced,
    /// The place of its slot.
    place: usize,
    counter: i64,
    what: What,
}

enum What {
    /// Used beyond what was taken, at an instant.
    Beyond { at: Timestamp, units: i64 },
    /// A request that a breaker tried.
    Probe { taken: BreakerTaken, ended: Ended },
    /// The window may be full now.
    MaybeFull,
}

impl Guard {
    /// Settles a request. Call it before its event is recorded. What was used beyond the reservation is in the guard file when this
    /// returns, unless the process held so much.
    pub fn settle(&self, permit: Permit, outcome: Settlement<'_>, now: Timestamp) -> Result<Settled, GuardFileError> {
        let Permit { route: lanes, lane, at: taken_at, units, probes } = permit;
        let Some(of) = lanes.models.get(lane) else { return Ok(Settled::default()) };
        let (load, used_at) = match outcome {
            Settlement::Used { at, quantities } => (Some(Load::used(quantities)), at),
            Settlement::Nothing | Settlement::Unknown => (None, taken_at),
        };
        let mut settled = Settled::default();
        let mut told: SmallVec<[Told<'_>; 2]> = SmallVec::new();
        let mut counters = lock(&self.0.counters);
        for (place, ((touch, slot), taken)) in of.touches.iter().zip(&of.slots).zip(&units).enumerate() {
            let Some(limit) = lanes.limit(touch).filter(|_| *taken >= 0) else { continue };
            let used = match outcome {
                Settlement::Used { .. } => load.map_or(*taken, |load| lanes.used(of, touch, load)),
                Settlement::Nothing => 0,
                Settlement::Unknown => *taken,
            };
            settled.counters.push((Some(limit.bound.measure), *taken, used));
            let counter = counters.about.get(*slot).and_then(|about| about.counter);
            let probe = probes.iter().find(|(of, _)| *of == place).map(|(_, probe)| *probe);
            if let (Some(probe), Some(counter)) = (probe, counter) {
                let ended = match outcome {
                    Settlement::Used { .. } => Ended::Used(used),
                    Settlement::Nothing => Ended::Nothing,
                    Settlement::Unknown => Ended::Unknown,
                };
                told.push(Told {
                    limit,
                    place: *slot,
                    counter,
                    what: What::Probe {
                        taken: BreakerTaken { units: *taken, at: taken_at, probe: Some(probe) },
                        ended,
                    },
                });
                continue;
            }
            let beyond = put(&mut counters, *slot, limit, &Taken { units: *taken, at: taken_at }, used, used_at, now);
            let Some(counter) = counter else { continue };
            if beyond > 0 {
                told.push(Told { limit, place: *slot, counter, what: What::Beyond { at: used_at, units: beyond } });
            } else if matches!(limit.form, Form::Breaker(_)) && may_be_full(&counters, *slot) {
                told.push(Told { limit, place: *slot, counter, what: What::MaybeFull });
            }
        }
        drop(counters);
        if told.is_empty() {
            return Ok(settled);
        }
        self.tell(&lanes, &told, now)?;
        Ok(settled)
    }

    /// Tells the file what cannot wait.
    fn tell(&self, lanes: &super::route::Lanes, told: &[Told<'_>], now: Timestamp) -> Result<(), GuardFileError> {
        let mut file = lock(&self.0.file);
        let coming = lock(&self.0.counters).take_waiting();
        let moment = self.moment(&lanes.terms, now);
        let mut all = returned(&coming);
        all.extend(told.iter().filter_map(|told| match told.what {
            // What a window used beyond a reservation counts from now on.
            What::Beyond { at, units } => {
                let taken_at = if matches!(told.limit.form, Form::Period { .. }) { at } else { now };
                Some(Returned {
                    limit: told.limit,
                    counter: told.counter,
                    taken_at,
                    units: units.saturating_neg(),
                    is_rest: false,
                })
            }
            What::Probe { .. } | What::MaybeFull => None,
        }));
        let booked = if all.is_empty() { Ok(()) } else { file.book(&all, &moment) };
        drop(all);
        if let Err(error) = booked {
            lock(&self.0.counters).wait_again(coming);
            return Err(error);
        }
        for told in told.iter().filter(|told| matches!(told.limit.form, Form::Breaker(_))) {
            let nothing = BreakerTaken { units: 0, at: now, probe: None };
            let (taken, ended) = match told.what {
                What::Probe { taken, ended } => (taken, ended),
                What::Beyond { .. } | What::MaybeFull => (nothing, Ended::Used(0)),
            };
            let free = file.settle_breaker(told.limit, told.counter, taken, ended, &moment)?;
            let mut counters = lock(&self.0.counters);
            match (free, counters.slots.get_mut(told.place)) {
                (Some(free), Some(slot)) => slot.free = free,
                _ => counters.end(told.place),
            }
        }
        Ok(())
    }
}

/// Units that a request took, and when.
struct Taken {
    units: i64,
    at: Timestamp,
}

/// Corrects what the process holds by what a request used. Returns the units that it used beyond that.
fn put(
    counters: &mut Counters,
    place: usize,
    limit: &Enforced,
    taken: &Taken,
    used: i64,
    used_at: Timestamp,
    now: Timestamp,
) -> i64 {
    let Some(terms) = counters.about.get(place).map(|about| std::sync::Arc::clone(&about.terms)) else { return 0 };
    let is_budget = matches!(limit.form, Form::Period { .. });
    // What a budget used on another day counts on that day, and nothing of it on the first.
    let is_moved = is_budget && used_at != taken.at && cell(limit, &terms, used_at) != cell(limit, &terms, taken.at);
    let (unused, more) = if is_moved {
        (taken.units, used)
    } else {
        (taken.units.saturating_sub(used).max(0), used.saturating_sub(taken.units).max(0))
    };
    let Some(slot) = counters.slots.get_mut(place) else { return more };
    let holds = |slot: &super::counters::Slot, at: i64| at >= slot.since && at < slot.until;
    if unused > 0 {
        slot.refused_until = 0;
        if matches!(limit.form, Form::Bucket { .. }) {
            slot.back = slot.back.saturating_add(unused);
        } else if holds(slot, taken.at.nanos()) {
            slot.left = slot.left.saturating_add(unused);
        } else {
            counters.wait(place, taken.at, unused);
        }
    }
    if is_budget {
        counters.note_settled(place, used_at, used);
    }
    let Some(slot) = counters.slots.get_mut(place) else { return more };
    // A budget is used on the day of the record; a rate and a window are used now.
    let at = if is_budget { used_at } else { now };
    let covered = if holds(slot, at.nanos()) { slot.left.min(more) } else { 0 };
    slot.left = slot.left.saturating_sub(covered);
    more.saturating_sub(covered)
}

/// Whether the window of a breaker may be full: nothing was free after the last grant, and the process holds nothing of it.
fn may_be_full(counters: &Counters, place: usize) -> bool {
    counters.slots.get(place).is_some_and(|slot| slot.free == 0 && slot.left == 0 && slot.until > 0)
}
