//! Counters in memory, decided exactly and one request after the other: what a replay uses.

use crate::control::breaker::{BreakerCounter, Ended, Taken};
use crate::control::bucket::Bucket;
use crate::control::decide::{State, Touched, Verdict, decide, settle};
use crate::control::enforced::{Enforced, Form};
use crate::control::period::{containing, forward};
use crate::control::touch::Touch;
use crate::domain::calendar::Calendar;
use crate::domain::timestamp::Timestamp;
use rustc_hash::FxHashMap;

/// The counters of some limits. Each starts when its first request comes.
#[derive(Debug)]
pub struct Counters<'a> {
    limits: &'a [Enforced],
    calendar: Calendar,
    places: FxHashMap<(usize, String), usize>,
    states: Vec<State>,
}

impl<'a> Counters<'a> {
    /// Nothing was used yet.
    pub fn new(limits: &'a [Enforced], calendar: Calendar) -> Self {
        Self { limits, calendar, places: FxHashMap::default(), states: Vec::new() }
    }

    /// Decides on a request that asks these units of the counters that it touches.
    pub fn decide(&mut self, touches: &[Touch], units: &[i64], now: Timestamp) -> Verdict {
        let places: Vec<usize> = touches.iter().map(|touch| self.place(touch, now)).collect();
        let nothing = || State::Bucket(Bucket::default());
        let take = |place: &usize| {
            self.states.get_mut(*place).map_or_else(nothing, |state| std::mem::replace(state, nothing()))
        };
        let mut states: Vec<State> = places.iter().map(take).collect();
        let with_units = touches.iter().zip(units).zip(&mut states);
        let mut touched: Vec<Touched<'_>> = with_units
            .filter_map(|((touch, units), state)| {
                let limit = self.limits.get(touch.limit)?;
                Some(Touched { limit, state, needed: *units, asked: *units, kept: touch.kept })
            })
            .collect();
        let verdict = decide(&mut touched, now);
        for (place, state) in places.into_iter().zip(states) {
            if let Some(slot) = self.states.get_mut(place) {
                *slot = state;
            }
        }
        verdict
    }

    /// Settles a request at one of its counters.
    pub fn settle(&mut self, touch: &Touch, taken: Taken, ended: Ended, now: Timestamp) {
        let place = self.place(touch, now);
        if let (Some(limit), Some(state)) = (self.limits.get(touch.limit), self.states.get_mut(place)) {
            settle(limit, state, taken, ended, now);
        }
    }

    /// The state of a counter, if it has started.
    pub fn state(&self, limit: usize, value: &str) -> Option<&State> {
        self.places.get(&(limit, value.to_owned())).and_then(|place| self.states.get(*place))
    }

    /// The place of a counter, in the period of an instant.
    fn place(&mut self, touch: &Touch, now: Timestamp) -> usize {
        let key = (touch.limit, touch.value.clone());
        let fresh = || match self.limits.get(touch.limit).map(|limit| &limit.form) {
            Some(Form::Period { per, .. }) => {
                let last = containing(*per, self.calendar.day_of(now)).last();
                State::Period { used: 0, ends: self.calendar.start_of(forward(last, 1)) }
            }
            Some(Form::Breaker(breaker)) => State::Breaker(BreakerCounter::new(breaker)),
            Some(Form::Bucket { .. }) | None => State::Bucket(Bucket::default()),
        };
        if let Some(place) = self.places.get(&key) {
            if let Some(state) = self.states.get_mut(*place)
                && matches!(state, State::Period { ends, .. } if *ends <= now)
            {
                *state = fresh();
            }
            return *place;
        }
        let place = self.states.len();
        self.states.push(fresh());
        self.places.insert(key, place);
        place
    }
}
