//! Counters in memory, decided exactly and one request after the other: what a replay uses.

use crate::control::breaker::{BreakerCounter, Ended, ProbeId, State as Phase, Taken};
use crate::control::bucket::Bucket;
use crate::control::decide::{State, Touched, Verdict, decide, settle};
use crate::control::enforced::{Enforced, Form};
use crate::control::lane::{Lane, Units};
use crate::control::period::{containing, forward};
use crate::control::span::Part;
use crate::domain::calendar::Calendar;
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use rustc_hash::FxHashMap;

/// The counters of some limits. Each starts when its first request comes.
#[derive(Debug)]
pub struct Counters {
    limits: Vec<Enforced>,
    calendar: Calendar,
    places: FxHashMap<(usize, String), usize>,
    /// The place of its limit, and the state; `None` before the first request.
    states: Vec<(usize, Option<State>)>,
}

impl Counters {
    /// Nothing was used yet.
    pub fn new(limits: Vec<Enforced>, calendar: Calendar) -> Self {
        Self { limits, calendar, places: FxHashMap::default(), states: Vec::new() }
    }

    /// The limits.
    pub fn limits(&self) -> &[Enforced] {
        &self.limits
    }

    /// The place of a counter.
    pub fn place(&mut self, limit: usize, value: &str) -> usize {
        let next = self.states.len();
        let place = *self.places.entry((limit, value.to_owned())).or_insert(next);
        if place == next {
            self.states.push((limit, None));
        }
        place
    }

    /// Counts what a budget had used before, in the period of an instant.
    pub fn fill(&mut self, limit: usize, value: &str, units: i64, now: Timestamp) {
        let place = self.place(limit, value);
        self.begin(place, now);
        if let Some((_, Some(State::Period { used, .. }))) = self.states.get_mut(place) {
            *used = used.saturating_add(units);
        }
    }

    /// Decides on a request that asks these units of the counters of a lane.
    pub fn decide(&mut self, lane: &Lane, units: &Units, now: Timestamp) -> Verdict {
        let mut states = Vec::with_capacity(lane.slots.len());
        for place in &lane.slots {
            self.begin(*place, now);
            states.push(self.states.get_mut(*place).and_then(|(_, state)| state.take()));
        }
        let mut touched: Vec<Touched<'_>> = Vec::with_capacity(states.len());
        for ((touch, units), state) in lane.touches.iter().zip(units).zip(&mut states) {
            if let (Some(limit), Some(state)) = (self.limits.get(touch.limit), state) {
                touched.push(Touched { limit, state, needed: *units, asked: *units, kept: touch.kept });
            }
        }
        let verdict = decide(&mut touched, now);
        for (place, state) in lane.slots.iter().zip(states) {
            if let Some((_, slot)) = self.states.get_mut(*place) {
                *slot = state;
            }
        }
        verdict
    }

    /// Settles a request that used what it took: only breakers learn from that.
    pub fn settle(&mut self, lane: &Lane, units: &Units, verdict: &Verdict, now: Timestamp) {
        for (place, (slot, units)) in lane.slots.iter().zip(units).enumerate() {
            let Some((limit, Some(state))) = self.states.get_mut(*slot) else { continue };
            let Some(limit) = self.limits.get(*limit).filter(|limit| matches!(limit.form, Form::Breaker(_))) else {
                continue;
            };
            if verdict.took(place) {
                let probe = probe(verdict, place);
                settle(limit, state, Taken { units: *units, at: now, probe }, Ended::Used(*units), now);
            }
        }
    }

    /// The name of the limit at a place, and the value that its counter is for.
    pub fn named(&self, place: usize) -> Option<(Name, String)> {
        let ((limit, value), _) = self.places.iter().find(|(_, of)| **of == place)?;
        Some((self.limits.get(*limit)?.common.name.clone(), value.clone()))
    }

    /// The thresholds that a counter has reached with its last units, ascending; `before` is what it had used.
    pub fn reached(&self, place: usize, before: i64) -> Vec<Part> {
        let Some((limit, Some(State::Period { used, .. }))) = self.states.get(place) else { return Vec::new() };
        let thresholds = self.limits.get(*limit).map_or(&[][..], |limit| limit.thresholds.as_slice());
        thresholds.iter().filter(|(_, units)| before < *units && *used >= *units).map(|(part, _)| *part).collect()
    }

    /// The units that a budget has used in its period; 0 for other counters.
    pub fn used(&self, place: usize) -> i64 {
        match self.states.get(place) {
            Some((_, Some(State::Period { used, .. }))) => *used,
            _ => 0,
        }
    }

    /// Whether the breaker at a place is closed; `None` for other counters.
    pub fn is_closed(&self, place: usize) -> Option<bool> {
        match self.states.get(place) {
            Some((_, Some(State::Breaker(counter)))) => Some(*counter.phase() == Phase::Closed),
            _ => None,
        }
    }

    /// Begins a counter, or its next period.
    fn begin(&mut self, place: usize, now: Timestamp) {
        let Some((limit, state)) = self.states.get_mut(place) else { return };
        let is_current = match state {
            Some(State::Period { ends, .. }) => *ends > now,
            Some(_) => true,
            None => false,
        };
        if is_current {
            return;
        }
        *state = Some(match self.limits.get(*limit).map(|limit| &limit.form) {
            Some(Form::Period { per, .. }) => {
                let last = containing(*per, self.calendar.day_of(now)).last();
                State::Period { used: 0, ends: self.calendar.start_of(forward(last, 1)) }
            }
            Some(Form::Breaker(breaker)) => State::Breaker(BreakerCounter::new(breaker)),
            Some(Form::Bucket { .. }) | None => State::Bucket(Bucket::default()),
        });
    }
}

fn probe(verdict: &Verdict, place: usize) -> Option<ProbeId> {
    verdict.probes.iter().find(|(of, _)| *of == place).map(|(_, probe)| *probe)
}
