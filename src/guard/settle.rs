//! Settles requests: gives back what was not used, and counts what was used beyond the reservation.

use super::counters::{Counters, Slot, cell};
use super::file::GuardFileError;
use super::file::returned::Returned;
use super::terms::Terms;
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
    counters: SmallVec<[(Measure, i64, i64); 8]>,
}

impl Settled {
    /// The most units of a measure that were reserved at any counter, and those that were used there.
    pub fn of(&self, measure: Measure) -> Option<(i64, i64)> {
        let counted = self.counters.iter().filter(|(of, _, _)| *of == measure);
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
        let now = self.time(now);
        let Permit { route: lanes, lane, at: taken_at, units, probes } = permit;
        let Some(of) = lanes.models.get(lane) else { return Ok(Settled::default()) };
        let (load, used_at) = match outcome {
            Settlement::Used { at, quantities } => (Some(Load::used(quantities)), at),
            Settlement::Nothing | Settlement::Unknown => (None, taken_at),
        };
        let totals = load.map(|load| (load, of.totals(load)));
        let mut settled = Settled::default();
        let mut told: SmallVec<[Told<'_>; 2]> = SmallVec::new();
        let mut counters = lock(&self.0.counters);
        for (place, ((touch, slot), taken)) in of.touches.iter().zip(&of.slots).zip(&units).enumerate() {
            let Some(limit) = lanes.limit(touch).filter(|_| *taken >= 0) else { continue };
            let used = match (&outcome, &totals) {
                // Usage without a price is 0 in an amount, as it was when it was asked for.
                (Settlement::Used { .. }, Some((load, totals))) => touch.units(limit, *load, totals).unwrap_or(0),
                (Settlement::Nothing, _) => 0,
                _ => *taken,
            };
            settled.counters.push((limit.bound.measure, *taken, used));
            let probe = probes.iter().find(|(of, _)| *of == place).map(|(_, probe)| *probe);
            let what = if let Some(probe) = probe {
                let ended = match outcome {
                    Settlement::Used { .. } => Ended::Used(used),
                    Settlement::Nothing => Ended::Nothing,
                    Settlement::Unknown => Ended::Unknown,
                };
                let taken = BreakerTaken { units: *taken, at: taken_at, probe: Some(probe) };
                Some(What::Probe { taken, ended })
            } else {
                let use_of = UseOf { taken: *taken, taken_at, used, used_at, now };
                match put(&mut counters, *slot, limit, &lanes.terms, &use_of) {
                    0 if !may_be_full(&counters, *slot, limit) => None,
                    0 => Some(What::MaybeFull),
                    beyond => Some(What::Beyond { at: used_at, units: beyond }),
                }
            };
            let counter = || counters.about.get(*slot).and_then(|about| about.counter);
            if let Some((what, counter)) = what.and_then(|what| Some((what, counter()?))) {
                told.push(Told { limit, place: *slot, counter, what });
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

/// What a request took and used.
struct UseOf {
    taken: i64,
    taken_at: Timestamp,
    used: i64,
    used_at: Timestamp,
    now: Timestamp,
}

/// Corrects what the process holds by what a request used. Returns the units that it used beyond that.
fn put(counters: &mut Counters, place: usize, limit: &Enforced, terms: &Terms, of: &UseOf) -> i64 {
    let UseOf { taken, taken_at, used, used_at, now } = *of;
    let is_budget = matches!(limit.form, Form::Period { .. });
    let Some(slot) = counters.slots.get_mut(place) else { return used.saturating_sub(taken).max(0) };
    let holds = |slot: &Slot, at: Timestamp| at.nanos() >= slot.since && at.nanos() < slot.until;
    // What a budget used on another day counts on that day, and nothing of it on the first.
    let is_moved = is_budget
        && used_at != taken_at
        && !(holds(slot, used_at) && holds(slot, taken_at))
        && cell(limit, terms, used_at) != cell(limit, terms, taken_at);
    let (unused, more) =
        if is_moved { (taken, used) } else { (taken.saturating_sub(used).max(0), used.saturating_sub(taken).max(0)) };
    if is_budget && holds(slot, used_at) {
        slot.settled = slot.settled.saturating_add(used);
    } else if is_budget {
        counters.note_settled(place, used_at, used);
    }
    let Some(slot) = counters.slots.get_mut(place) else { return more };
    if unused > 0 {
        slot.refused_until = 0;
        if slot.is_short {
            slot.back = slot.back.saturating_add(unused);
        } else if holds(slot, taken_at) {
            slot.left = slot.left.saturating_add(unused);
        } else {
            counters.wait(place, taken_at, unused);
        }
    }
    if more == 0 {
        return 0;
    }
    let Some(slot) = counters.slots.get_mut(place) else { return more };
    // A budget is used on the day of the record; a rate and a window are used now.
    let at = if is_budget { used_at } else { now };
    let covered = if holds(slot, at) { slot.left.min(more) } else { 0 };
    slot.left = slot.left.saturating_sub(covered);
    more.saturating_sub(covered)
}

/// Whether the window of a breaker may be full: nothing was free after the last grant, and the process holds nothing of it.
fn may_be_full(counters: &Counters, place: usize, limit: &Enforced) -> bool {
    matches!(limit.form, Form::Breaker(_))
        && counters.slots.get(place).is_some_and(|slot| slot.free == 0 && slot.left == 0 && slot.until > 0)
}
