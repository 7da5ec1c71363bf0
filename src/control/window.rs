//! What was used in a window of time, in sixty slices.
//!
//! A slice counts while any part of it is within the window. So the window is never too short, and at most a sixtieth too long.

use crate::control::span::Seconds;
use crate::domain::timestamp::Timestamp;
use std::collections::BTreeMap;

/// Slices of a window.
const SLICES: i64 = 60;

const NANOS: i64 = 1_000_000_000;

/// A clock may be set back by so many nanoseconds, and the guard goes on as if it stood still.
pub const IGNORED_STEP_BACK: i64 = 60 * NANOS;

/// A window of time that moves with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The length of a slice in nanoseconds.
    slice: i64,
    /// Units by the number of the slice since 1970.
    used: BTreeMap<i64, i64>,
}

impl Window {
    /// A window of a length in which nothing was used. A length is whole minutes, so that slices are whole seconds.
    pub fn new(length: Seconds) -> Self {
        let nanos = i64::try_from(length.get()).unwrap_or(i64::MAX).saturating_mul(NANOS);
        Self { slice: nanos.checked_div_euclid(SLICES).unwrap_or(1).max(1), used: BTreeMap::new() }
    }

    /// A window of a length with what was used in slices, by their numbers.
    pub fn with(length: Seconds, used: BTreeMap<i64, i64>) -> Self {
        Self { used, ..Self::new(length) }
    }

    /// What was used, by the number of the slice.
    pub const fn slices(&self) -> &BTreeMap<i64, i64> {
        &self.used
    }

    /// Takes units back that were not used in a slice, if it still counts.
    pub fn put_back(&mut self, slice: i64, units: i64) {
        if let Some(slot) = self.used.get_mut(&slice) {
            *slot = slot.saturating_sub(units).max(0);
        }
    }

    /// Moves units from later slices into the slice of `now`, because the clock was set back. A slice that begins less than a minute later
    /// stays, because one thread may call with a slightly older time than another.
    pub fn bring_back(&mut self, now: Timestamp) {
        let number = self.number(now);
        let latest = now.nanos().saturating_add(IGNORED_STEP_BACK).div_euclid(self.slice);
        let later = self.used.split_off(&latest.saturating_add(1));
        let sum = later.into_values().fold(0, i64::saturating_add);
        if sum > 0 {
            let slot = self.used.entry(number).or_insert(0);
            *slot = slot.saturating_add(sum);
        }
    }

    /// The start of a slice in nanoseconds since 1970, and its end.
    pub fn bounds(&self, slice: i64) -> (i64, i64) {
        let start = slice.saturating_mul(self.slice);
        (start, start.saturating_add(self.slice))
    }

    /// Adds what was used, or takes some of it back, at an instant. What was taken back may be of another slice, so a slice does not go
    /// below zero by itself: older slices give, newest first.
    pub fn add(&mut self, units: i64, now: Timestamp) {
        self.forget(now);
        if units >= 0 {
            let slot = self.used.entry(self.number(now)).or_insert(0);
            *slot = slot.saturating_add(units);
            return;
        }
        let mut back = units.saturating_neg();
        for slot in self.used.values_mut().rev() {
            let taken = back.min(*slot);
            *slot = slot.saturating_sub(taken);
            back = back.saturating_sub(taken);
        }
    }

    /// What was used within the window.
    pub fn used(&mut self, now: Timestamp) -> i64 {
        self.forget(now);
        self.used.values().copied().fold(0, i64::saturating_add)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.used.clear();
    }

    /// Forgets slices that have left the window. A slice counts while its end is after the window's start.
    fn forget(&mut self, now: Timestamp) {
        let start = now.nanos().saturating_sub(self.slice.saturating_mul(SLICES));
        self.used = self.used.split_off(&start.div_euclid(self.slice));
    }

    /// The number of the slice that an instant is in.
    pub fn number(&self, at: Timestamp) -> i64 {
        at.nanos().div_euclid(self.slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of every use: no use within the window is missing, and none counts that is older by more than a slice.
        #[test]
        fn a_window_is_never_too_short(steps in prop::collection::vec((0_i64..600_000, 0_i64..1_000), 1..120), minutes in 1_u64..120) {
            let start = Timestamp::parse("2026-11-18T10:00:00Z").map_err(|error| TestCaseError::fail(error.to_string()))?;
            let length = i64::try_from(minutes).unwrap_or(1) * 60 * NANOS;
            let mut window = Window::new(Seconds::new(minutes * 60));
            let (mut now, mut all) = (start.nanos(), Vec::new());
            for (wait, units) in steps {
                now += wait * 1_000_000;
                let at = Timestamp::from_nanos(now).unwrap_or(start);
                window.add(units, at);
                all.push((now, units));
                let since = |oldest: i64| all.iter().filter(|(at, _)| *at >= oldest).map(|(_, units)| units).sum::<i64>();
                let found = window.used(at);
                prop_assert!(found >= since(now - length + 1), "too short");
                prop_assert!(found <= since(now - length - length / 60), "too long");
            }
        }
    }

    #[test]
    fn what_is_taken_back_leaves_no_slice_below_zero() -> Result<(), Box<dyn std::error::Error>> {
        let at =
            |minute: i64| Timestamp::from_nanos(1_800_000_000_000_000_000 + minute * 60 * NANOS).ok_or("out of range");
        let mut window = Window::new(Seconds::new(3_600));
        window.add(100, at(0)?);
        window.add(50, at(10)?);
        window.add(-70, at(20)?);
        assert_eq!(window.used(at(20)?), 80);
        window.add(-1_000, at(21)?);
        assert_eq!(window.used(at(21)?), 0);
        window.add(5, at(22)?);
        window.clear();
        assert_eq!(window.used(at(22)?), 0);
        Ok(())
    }
}
