//! Rates: a bucket that fills with time, and from which requests take.
//!
//! The state of a bucket is one instant: when it will be full again. A unit is worth an interval, the period over the limit in
//! picoseconds, rounded up. So the rate is never above the limit. Over any span of time a bucket gives out at most what it holds when
//! it is full and what flows in during the span.

use crate::control::limit::{Quota, Rate};
use crate::domain::timestamp::Timestamp;

/// Picoseconds in a nanosecond.
const PICOS: i128 = 1_000;

/// The size of a bucket and the speed at which it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Picoseconds in which one unit flows in.
    interval: i128,
    /// Units in a full bucket.
    capacity: i64,
}

/// Why a bucket gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// There is not enough now. It fits at this instant if nobody else asks.
    Until(Timestamp),
    /// A full bucket does not hold so much.
    TooLarge,
}

/// A bucket: the instant at which it is full again, in picoseconds since 1970. A new one is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    full: i128,
}

impl Flow {
    /// The flow of a quota; `None` if its numbers leave their range.
    pub fn of(quota: &Quota) -> Option<Self> {
        let seconds = match quota.per {
            Rate::Second => 1,
            Rate::Minute => 60,
            Rate::Hour => 3_600_i128,
        };
        let period = seconds.checked_mul(1_000_000_000_000)?;
        let capacity = quota.bound.most.checked_mul(quota.burst.hundredths().into())?.checked_div_euclid(100)?;
        let interval = period.checked_add(quota.bound.most.checked_sub(1)?)?.checked_div_euclid(quota.bound.most)?;
        Some(Self { interval, capacity: i64::try_from(capacity).ok()? })
    }

    /// Units in a full bucket.
    pub const fn capacity(self) -> i64 {
        self.capacity
    }

    fn worth(self, units: i64) -> i128 {
        self.interval.saturating_mul(units.into())
    }
}

impl Bucket {
    /// A bucket with nothing in it: where nobody knows what was taken, as after a power cut.
    pub fn empty(flow: Flow, now: Timestamp) -> Self {
        Self { full: picos(now).saturating_add(flow.worth(flow.capacity)) }
    }

    /// The instant at which it is full again: nanoseconds since 1970, and picoseconds after that.
    pub fn full_at(self) -> (i64, i64) {
        let nanos = i64::try_from(self.full.div_euclid(PICOS)).unwrap_or(i64::MAX);
        (nanos, i64::try_from(self.full.rem_euclid(PICOS)).unwrap_or(0))
    }

    /// The bucket that is full again at an instant.
    pub fn full_again((nanos, picos): (i64, i64)) -> Self {
        Self { full: i128::from(nanos).saturating_mul(PICOS).saturating_add(picos.into()) }
    }

    /// Whole units in the bucket.
    pub fn level(self, flow: Flow, now: Timestamp) -> i64 {
        let missing = self.full.saturating_sub(picos(now)).max(0);
        let left = flow.worth(flow.capacity).saturating_sub(missing).max(0);
        left.checked_div_euclid(flow.interval).and_then(|units| i64::try_from(units).ok()).unwrap_or(flow.capacity)
    }

    /// Takes units. `kept` stay for requests above the priority of this one.
    pub fn take(&mut self, flow: Flow, units: i64, kept: i64, now: Timestamp) -> Result<(), Empty> {
        let needed = units.saturating_add(kept);
        if needed > flow.capacity {
            return Err(Empty::TooLarge);
        }
        let start = self.full.max(picos(now));
        let after = start.saturating_add(flow.worth(units));
        // What is left afterwards must be at least what is kept.
        let latest = picos(now).saturating_add(flow.worth(flow.capacity)).saturating_sub(flow.worth(kept));
        if after > latest {
            let fits = after.saturating_sub(flow.worth(flow.capacity)).saturating_add(flow.worth(kept));
            return Err(Empty::Until(instant(fits)));
        }
        self.full = after;
        Ok(())
    }

    /// Takes units, whatever the bucket holds: they were used.
    pub fn force(&mut self, flow: Flow, units: i64, now: Timestamp) {
        self.full = self.full.max(picos(now)).saturating_add(flow.worth(units));
    }

    /// Counts units that somebody holds as if they were in the bucket, so that it does not fill beyond them.
    pub fn hold(&mut self, flow: Flow, held: i64, now: Timestamp) {
        self.full = self.full.max(picos(now).saturating_add(flow.worth(held)));
    }

    /// Puts units back that were not used. A bucket does not hold more than when it is full.
    pub fn put_back(&mut self, flow: Flow, units: i64, now: Timestamp) {
        self.full = self.full.saturating_sub(flow.worth(units)).max(picos(now));
    }
}

fn picos(at: Timestamp) -> i128 {
    i128::from(at.nanos()).saturating_mul(PICOS)
}

/// The first instant at or after some picoseconds.
fn instant(picos: i128) -> Timestamp {
    let nanos = picos.saturating_add(PICOS.saturating_sub(1)).div_euclid(PICOS);
    i64::try_from(nanos).ok().and_then(Timestamp::from_nanos).unwrap_or(Timestamp::LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::limit::{Bound, Common, Measure, Priority};
    use crate::control::scope::Scope;
    use crate::control::span::Times;
    use crate::domain::name::Name;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::error::Error;

    type Outcome<T = ()> = Result<T, Box<dyn Error>>;

    fn flow(most: i128, per: Rate, burst: &str) -> Outcome<Flow> {
        let common =
            Common { name: Name::new("q")?, scope: Scope::EVERYTHING, each: None, within: None, shadow: false };
        let bound = Bound { measure: Measure::Requests, most };
        let burst = Times::parse(burst).ok_or("no factor")?;
        let quota =
            Quota { common, bound, per, burst, priority: Priority::High, keep: BTreeMap::new(), downgrade: Vec::new() };
        Ok(Flow::of(&quota).ok_or("out of range")?)
    }

    fn at(millis: i64) -> Outcome<Timestamp> {
        let start = Timestamp::parse("2026-11-18T10:00:00Z")?;
        Ok(Timestamp::from_nanos(start.nanos() + millis * 1_000_000).ok_or("out of range")?)
    }

    /// How many requests of a size pass one after the other.
    fn passing(bucket: &mut Bucket, flow: Flow, units: i64, kept: i64, now: Timestamp) -> i64 {
        (0..1_000_000)
            .take_while(|_| bucket.take(flow, units, kept, now).is_ok())
            .count()
            .try_into()
            .unwrap_or(i64::MAX)
    }

    #[test]
    fn the_published_rates_hold() -> Outcome {
        // 50 a minute, twice at once: 100, the next in 1.2 s, 50 more after a minute.
        let fifty = flow(50, Rate::Minute, "2x")?;
        let mut bucket = Bucket::default();
        assert_eq!(passing(&mut bucket, fifty, 1, 0, at(0)?), 100);
        assert_eq!(bucket.take(fifty, 1, 0, at(0)?), Err(Empty::Until(at(1_200)?)));
        assert_eq!(bucket.take(fifty, 1, 0, at(1_199)?), Err(Empty::Until(at(1_200)?)));
        assert_eq!(passing(&mut bucket, fifty, 1, 0, at(60_000)?), 50);
        // 200,000 tokens a minute; one more than that never fits.
        let tokens = flow(200_000, Rate::Minute, "1x")?;
        assert_eq!(Bucket::default().take(tokens, 200_001, 0, at(0)?), Err(Empty::TooLarge));
        assert_eq!(Bucket::default().take(tokens, 200_000, 0, at(0)?), Ok(()));
        for (most, burst, expected) in [(20, "3x", 60), (10, "1x", 10), (30, "3x", 90), (50, "1x", 50), (60, "1x", 60)]
        {
            assert_eq!(passing(&mut Bucket::default(), flow(most, Rate::Minute, burst)?, 1, 0, at(0)?), expected);
        }
        for (share, expected) in [(50_000, 50_000), (30_000, 30_000), (20_000, 20_000)] {
            assert_eq!(Bucket::default().level(flow(share, Rate::Minute, "1x")?, at(0)?), expected);
        }
        Ok(())
    }

    #[test]
    fn low_priorities_leave_a_part_to_higher_ones() -> Outcome {
        // A bucket of 100: 20 stay for high, 40 for medium and high.
        let rate = flow(100, Rate::Hour, "1x")?;
        let mut bucket = Bucket::default();
        assert_eq!(passing(&mut bucket, rate, 1, 40, at(0)?), 60);
        assert_eq!((bucket.level(rate, at(0)?), passing(&mut bucket, rate, 1, 20, at(0)?)), (40, 20));
        assert_eq!((bucket.level(rate, at(0)?), passing(&mut bucket, rate, 1, 0, at(0)?)), (20, 20));
        assert_eq!(bucket.level(rate, at(0)?), 0);
        // The instant at which a low request fits is when 41 have flowed in: 41 x 36 s.
        assert_eq!(bucket.take(rate, 1, 40, at(0)?), Err(Empty::Until(at(41 * 36_000)?)));
        assert_eq!(bucket.take(rate, 61, 40, at(0)?), Err(Empty::TooLarge));
        Ok(())
    }

    /// The slow and obvious bucket: units as exact fractions, filled step by step.
    struct Slow {
        /// Picoseconds' worth of units.
        content: i128,
        at: i128,
    }

    impl Slow {
        fn go_on(&mut self, flow: Flow, now: Timestamp) {
            let now = i128::from(now.nanos()) * 1_000;
            self.content = (self.content + (now - self.at)).min(flow.interval * i128::from(flow.capacity));
            self.at = now;
        }
    }

    proptest! {
        #[test]
        fn a_bucket_is_the_obvious_one(
            most in 1_i128..2_000,
            burst in 1_u32..=4,
            steps in prop::collection::vec((0_i64..90_000, 0_i64..900, 0_i64..3, any::<bool>()), 1..80),
        ) {
            let fail = |error: Box<dyn Error>| TestCaseError::fail(error.to_string());
            let flow = flow(most, Rate::Minute, &format!("{burst}x")).map_err(fail)?;
            let whole = flow.interval * i128::from(flow.capacity);
            let (mut now, mut bucket) = (0, Bucket::default());
            let mut slow = Slow { content: whole, at: i128::from(at(0).map_err(fail)?.nanos()) * 1_000 };
            let mut given: Vec<(i64, i64)> = Vec::new();
            for (wait, units, kept, gives_back) in steps {
                now += wait;
                let instant = at(now).map_err(fail)?;
                slow.go_on(flow, instant);
                if gives_back {
                    bucket.put_back(flow, units, instant);
                    slow.content = (slow.content + flow.interval * i128::from(units)).min(whole);
                    // What comes back may be given again, so the bound of a span does not hold across it.
                    given.clear();
                    continue;
                }
                let fits = slow.content >= flow.interval * i128::from(units + kept);
                let taken = bucket.take(flow, units, kept, instant);
                prop_assert_eq!(taken.is_ok(), fits);
                match taken {
                    Ok(()) => {
                        slow.content -= flow.interval * i128::from(units);
                        given.push((now, units));
                        // Over any span: at most a full bucket and what flows in.
                        for (place, (from, _)) in given.iter().enumerate() {
                            let sum: i128 = given.iter().skip(place).map(|(_, units)| i128::from(*units)).sum();
                            let span = i128::from(now - from) * 1_000_000_000;
                            prop_assert!(sum * flow.interval <= whole + span, "{} in {} ms", sum, now - from);
                        }
                    }
                    Err(Empty::TooLarge) => prop_assert!(units + kept > flow.capacity),
                    Err(Empty::Until(again)) => {
                        // It fits then and not a nanosecond before.
                        let mut then = bucket;
                        prop_assert_eq!(then.take(flow, units, kept, again), Ok(()));
                        let before = Timestamp::from_nanos(again.nanos() - 1).unwrap_or(again);
                        let mut then = bucket;
                        prop_assert!(then.take(flow, units, kept, before).is_err());
                    }
                }
                prop_assert_eq!(i128::from(bucket.level(flow, instant)), slow.content / flow.interval);
            }
        }
    }
}
