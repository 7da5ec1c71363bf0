//! The counters of a process: what it holds of each, in one array.
//!
//! A slot knows only how many units are left until an instant. Rates, calendars, money and breakers exist where units are granted.

use super::file::decide::Lease;
use super::file::returned::Returned;
use super::refusal::most;
use super::terms::Terms;
use crate::control::decide::Reason;
use crate::control::enforced::{Enforced, Form};
use crate::control::touch::Touch;
use crate::domain::timestamp::Timestamp;
use rustc_hash::FxHashMap;
use std::sync::Arc;

pub(super) const SECOND: i64 = 1_000_000_000;

/// A lease is at first this part of a limit, and at most that one.
const FIRST_PART: i64 = 1_024;
const MOST_PART: i64 = 64;

/// The cell of what is left of a lease of a rate. What requests did not use is in cell 0.
const REST: i64 = 1;

/// What a process holds of a counter. Instants are nanoseconds since 1970. What each request looks at comes first.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// Units left to spend.
    pub(super) left: i64,
    /// They were granted within a day, a slice or a second, which began then and is over at `until`.
    pub(super) since: i64,
    pub(super) until: i64,
    /// Requests of so many units or more were refused, and are until then.
    pub(super) refused_units: i64,
    pub(super) refused_until: i64,
    /// When units were last used.
    pub(super) used_at: i64,
    /// Units of a rate that were not used. They go back to the bucket before anybody gets them.
    pub(super) back: i64,
    /// Units that requests settled on the day of the lease, which the file does not know yet. For people.
    pub(super) settled: i64,
    /// What was free in the file after the last grant.
    pub(super) free: i64,
    /// How many units to take in advance.
    pub(super) size: i64,
    /// When units were last granted.
    pub(super) granted_at: i64,
    /// Whether its leases are short, as those of a rate.
    pub(super) is_short: bool,
    /// Whether refusals were repeated that the file does not know yet.
    pub(super) has_tally: bool,
}

/// What a slot is about.
#[derive(Debug)]
pub(super) struct About {
    pub(super) terms: Arc<Terms>,
    pub(super) limit: usize,
    pub(super) value: String,
    /// The number of the counter in the file, once it has started.
    pub(super) counter: Option<i64>,
    /// Why requests were refused last, what was used then, and when they may fit.
    pub(super) refused: Option<(Reason, i64, Option<Timestamp>)>,
    /// Refusals that are not counted in the file yet.
    pub(super) tallied: FxHashMap<Reason, i64>,
}

/// Units that wait to be booked, by slot and cell: the day or the slice that they were taken in.
pub(super) type Waiting = FxHashMap<(usize, i64), (Timestamp, i64)>;

/// Units that are on their way to the file.
#[derive(Debug)]
pub(super) struct Coming {
    place: usize,
    terms: Arc<Terms>,
    limit: usize,
    counter: i64,
    taken_at: Timestamp,
    units: i64,
    is_rest: bool,
}

impl Coming {
    /// The same in the form that the file takes.
    pub(super) fn returned(&self) -> Option<Returned<'_>> {
        let limit = self.terms.limits.get(self.limit)?;
        let Self { counter, taken_at, units, is_rest, .. } = *self;
        Some(Returned { limit, counter, taken_at, units, is_rest })
    }
}

/// All slots. A counter keeps its slot, so a request that was admitted under older limits still settles.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) slots: Vec<Slot>,
    pub(super) about: Vec<About>,
    places: FxHashMap<(String, &'static str, String, String), usize>,
    pub(super) waiting: Waiting,
    /// Units that requests settled, by slot and day, which the file does not know yet.
    settled: Waiting,
}

impl About {
    pub(super) fn limit(&self) -> Option<&Enforced> {
        self.terms.limits.get(self.limit)
    }
}

impl Counters {
    /// The slot of a counter.
    pub(super) fn place(&mut self, terms: &Arc<Terms>, touch: &Touch) -> usize {
        let Some(limit) = terms.limits.get(touch.limit) else { return usize::MAX };
        let form = match &limit.form {
            Form::Period { per, .. } => format!("period {}", per.name()),
            Form::Bucket { .. } => "bucket".to_owned(),
            Form::Breaker(breaker) => format!("window {}", breaker.window),
        };
        let scope = format!("{}; {form}", limit.spelled);
        let key = (limit.common.name.as_str().to_owned(), limit.bound.measure.name(), scope, touch.value.clone());
        let next = self.slots.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            let size = most(limit).div_euclid(FIRST_PART).max(1);
            self.slots.push(Slot { size, is_short: is_rate(limit), ..Slot::default() });
            self.about.push(About {
                terms: Arc::clone(terms),
                limit: touch.limit,
                value: touch.value.clone(),
                counter: None,
                refused: None,
                tallied: FxHashMap::default(),
            });
        } else if let (Some(about), Some(slot)) = (self.about.get_mut(place), self.slots.get_mut(place)) {
            // The number of the limit may be another now.
            about.terms = Arc::clone(terms);
            about.limit = touch.limit;
            slot.size = slot.size.min(most(limit).div_euclid(MOST_PART).max(1));
            slot.refused_until = 0;
        }
        place
    }

    /// Takes what a process may not spend any more out of a slot: its day, slice or second is over.
    pub(super) fn end_if_over(&mut self, place: usize, now: i64) {
        let is_over = self.slots.get(place).is_some_and(|slot| now >= slot.until || now < slot.since);
        if !is_over {
            return;
        }
        // The bucket has filled up since. What is left of the lease would be given out twice.
        let is_rate = self.about.get(place).and_then(About::limit).is_some_and(is_rate);
        if let Some(slot) = self.slots.get_mut(place).filter(|_| is_rate) {
            slot.left = 0;
        }
        self.end(place);
    }

    /// Takes all units out of a slot, to be given back.
    pub(super) fn end(&mut self, place: usize) {
        let (Some(slot), Some(about)) = (self.slots.get_mut(place), self.about.get(place)) else { return };
        let (units, back, settled) = (slot.left, slot.back, std::mem::take(&mut slot.settled));
        let taken_at = Timestamp::from_nanos(slot.since).unwrap_or(Timestamp::LATEST);
        (slot.left, slot.back, slot.until) = (0, 0, 0);
        let Some(limit) = about.limit() else { return };
        let of = if is_rate(limit) { REST } else { cell(limit, &about.terms, taken_at) };
        wait(&mut self.waiting, place, of, taken_at, units);
        wait(&mut self.waiting, place, 0, taken_at, back);
        wait(&mut self.settled, place, of, taken_at, settled);
    }

    /// Notes what a request used of a budget at an instant.
    pub(super) fn note_settled(&mut self, place: usize, used_at: Timestamp, units: i64) {
        let (Some(slot), Some(about)) = (self.slots.get_mut(place), self.about.get(place)) else { return };
        if used_at.nanos() >= slot.since && used_at.nanos() < slot.until {
            slot.settled = slot.settled.saturating_add(units);
            return;
        }
        let day = about.limit().map_or(0, |limit| cell(limit, &about.terms, used_at));
        wait(&mut self.settled, place, day, used_at, units);
    }

    /// What requests settled since the last time, by the number of the counter and the day.
    pub(super) fn take_settled(&mut self) -> Vec<(i64, i64, i64)> {
        let mut all = std::mem::take(&mut self.settled);
        for (place, (slot, about)) in
            self.slots.iter_mut().zip(&self.about).enumerate().filter(|(_, (slot, _))| slot.settled > 0)
        {
            let at = Timestamp::from_nanos(slot.since).unwrap_or(Timestamp::LATEST);
            let day = about.limit().map_or(0, |limit| cell(limit, &about.terms, at));
            wait(&mut all, place, day, at, std::mem::take(&mut slot.settled));
        }
        let counter = |place: usize| self.about.get(place).and_then(|about| about.counter);
        all.into_iter().filter_map(|((place, day), (_, units))| Some((counter(place)?, day, units))).collect()
    }

    /// Notes units that were not used in the cell of an instant.
    pub(super) fn wait(&mut self, place: usize, taken_at: Timestamp, units: i64) {
        let Some(about) = self.about.get(place) else { return };
        let cell = about.limit().map_or(0, |limit| cell(limit, &about.terms, taken_at));
        wait(&mut self.waiting, place, cell, taken_at, units);
    }

    /// Moves what came back to a rate to the units that wait.
    pub(super) fn book_back(&mut self, place: usize, now: Timestamp) {
        if let Some(slot) = self.slots.get_mut(place).filter(|slot| slot.back > 0) {
            let units = std::mem::take(&mut slot.back);
            wait(&mut self.waiting, place, 0, now, units);
        }
    }

    /// Takes out the units that wait.
    pub(super) fn take_waiting(&mut self) -> Vec<Coming> {
        let waiting = std::mem::take(&mut self.waiting);
        let coming = waiting.into_iter().filter_map(|((place, cell), (taken_at, units))| {
            let about = self.about.get(place)?;
            let (terms, limit, counter) = (Arc::clone(&about.terms), about.limit, about.counter?);
            Some(Coming { place, terms, limit, counter, taken_at, units, is_rest: cell == REST })
        });
        coming.collect()
    }

    /// Puts units back that could not be booked.
    pub(super) fn wait_again(&mut self, coming: Vec<Coming>) {
        for Coming { place, taken_at, units, .. } in coming.into_iter().filter(|coming| !coming.is_rest) {
            self.wait(place, taken_at, units);
        }
    }

    /// Adds what a grant brought. What is left of another day or slice goes back to it.
    pub(super) fn granted(&mut self, place: usize, lease: &Lease, now: Timestamp) {
        if self.slots.get(place).is_some_and(|slot| !slot.is_short && slot.since != lease.since) {
            self.end(place);
        }
        let (Some(slot), Some(about)) = (self.slots.get_mut(place), self.about.get_mut(place)) else { return };
        about.counter = lease.counter.or(about.counter);
        let Some(limit) = about.terms.limits.get(about.limit) else { return };
        slot.left = slot.left.saturating_add(lease.units);
        (slot.since, slot.until) = (lease.since, lease.until);
        slot.free = lease.free;
        let age = now.nanos().saturating_sub(slot.granted_at);
        if age < SECOND {
            slot.size = slot.size.saturating_mul(2).min(most(limit).div_euclid(MOST_PART).max(1));
        } else if age > SECOND.saturating_mul(10) {
            slot.size = slot.size.div_euclid(2).max(1);
        }
        (slot.granted_at, slot.used_at) = (now.nanos(), now.nanos());
        slot.refused_until = 0;
    }
}

/// Whether a limit is a rate.
fn is_rate(limit: &Enforced) -> bool {
    matches!(limit.form, Form::Bucket { .. })
}

fn wait(waiting: &mut Waiting, place: usize, cell: i64, taken_at: Timestamp, units: i64) {
    if units == 0 {
        return;
    }
    let slot = waiting.entry((place, cell)).or_insert((taken_at, 0));
    slot.1 = slot.1.saturating_add(units);
}

/// The day of a budget or the slice of a window that an instant is in; 0 for a rate.
pub(super) fn cell(limit: &Enforced, terms: &Terms, at: Timestamp) -> i64 {
    match &limit.form {
        Form::Period { .. } => i64::from(terms.calendar.day_of(at).number()),
        Form::Bucket { .. } => 0,
        Form::Breaker(breaker) => crate::control::window::Window::new(breaker.window).number(at),
    }
}
