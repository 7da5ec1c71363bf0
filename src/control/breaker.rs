//! The circuit breaker: it stops all requests for a while once a window of time is full, then tries a few before it closes.
//!
//! ```text
//! closed ──(a request does not fit, or a settlement fills the window)──> open
//! open ──(open_for is over, at the next request)──> half open, a new round
//! half open ──(all probes settled with use)──> closed, the window cleared or kept
//! half open ──(a probe ends without use, or takes longer than probe_within)──> open
//! ```

use crate::control::limit::{Breaker, OnClose};
use crate::control::span::Seconds;
use crate::control::window::Window;
use crate::domain::timestamp::Timestamp;

/// The state of a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Requests pass while the window has room.
    Closed,
    /// Nothing passes.
    Open {
        /// Since when.
        since: Timestamp,
    },
    /// A few requests pass, to see whether all may.
    HalfOpen {
        /// The requests that passed in this round.
        probes: Vec<Probe>,
    },
}

/// A request that a half open breaker let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// It has failed if it is not settled by then.
    until: Timestamp,
    /// It was settled with use.
    passed: bool,
}

/// Which probe a request was: its round and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeId {
    round: u64,
    place: usize,
}

/// Why a breaker refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The request is larger than the whole limit.
    TooLarge,
    /// It is open.
    Open {
        /// When it tries requests again.
        again_at: Timestamp,
    },
    /// It is half open, and all probes are on their way.
    Probing,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It used so much.
    Used(i64),
    /// It used nothing.
    Nothing,
    /// Nobody knows. It counts in full.
    Unknown,
}

/// A breaker with its window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerCounter {
    state: State,
    round: u64,
    window: Window,
}

impl BreakerCounter {
    /// A closed breaker with an empty window.
    pub fn new(breaker: &Breaker) -> Self {
        Self { state: State::Closed, round: 0, window: Window::new(breaker.window) }
    }

    /// The state at an instant. A breaker whose time is over stays open until somebody asks.
    pub fn state(&mut self, now: Timestamp) -> &State {
        self.fail_late_probes(now);
        &self.state
    }

    /// What was used within the window.
    pub fn used(&mut self, now: Timestamp) -> i64 {
        self.window.used(now)
    }

    /// Closes it and clears its window.
    pub fn reset(&mut self) {
        self.state = State::Closed;
        self.window.clear();
    }

    /// Asks for units. A request that passes counts in the window; it is a probe if the breaker is half open.
    pub fn ask(&mut self, breaker: &Breaker, units: i64, now: Timestamp) -> Result<Option<ProbeId>, Refused> {
        self.fail_late_probes(now);
        if let State::Open { since } = self.state {
            let again_at = after(since, breaker.open_for);
            if now < again_at {
                return Err(Refused::Open { again_at });
            }
            self.round = self.round.saturating_add(1);
            self.state = State::HalfOpen { probes: Vec::new() };
        }
        let limit = limit(breaker);
        if units > limit {
            return Err(Refused::TooLarge);
        }
        match &mut self.state {
            State::HalfOpen { probes } => {
                if probes.len() >= most_probes(breaker) {
                    return Err(Refused::Probing);
                }
                let id = ProbeId { round: self.round, place: probes.len() };
                probes.push(Probe { until: after(now, breaker.probe_within), passed: false });
                self.window.add(units, now);
                Ok(Some(id))
            }
            State::Closed | State::Open { .. } => {
                if self.window.used(now).saturating_add(units) > limit {
                    self.state = State::Open { since: now };
                    return Err(Refused::Open { again_at: after(now, breaker.open_for) });
                }
                self.window.add(units, now);
                Ok(None)
            }
        }
    }

    /// Settles a request that had asked for units.
    pub fn settle(&mut self, breaker: &Breaker, asked: i64, probe: Option<ProbeId>, ended: Ended, now: Timestamp) {
        self.fail_late_probes(now);
        match ended {
            Ended::Used(used) => self.window.add(used.saturating_sub(asked), now),
            Ended::Nothing => self.window.add(asked.saturating_neg(), now),
            Ended::Unknown => {}
        }
        match (&mut self.state, probe) {
            (State::HalfOpen { probes }, Some(id)) if id.round == self.round => {
                if !matches!(ended, Ended::Used(_)) {
                    self.state = State::Open { since: now };
                    return;
                }
                if let Some(probe) = probes.get_mut(id.place) {
                    probe.passed = true;
                }
                if probes.len() >= most_probes(breaker) && probes.iter().all(|probe| probe.passed) {
                    self.state = State::Closed;
                    if breaker.on_close == OnClose::Clear {
                        self.window.clear();
                    }
                }
            }
            (State::Closed, _) if self.window.used(now) >= limit(breaker) => self.state = State::Open { since: now },
            _ => {}
        }
    }

    /// A probe that nobody settled has failed.
    fn fail_late_probes(&mut self, now: Timestamp) {
        let State::HalfOpen { probes } = &self.state else { return };
        let late = probes.iter().filter(|probe| !probe.passed && probe.until <= now).map(|probe| probe.until).min();
        if let Some(since) = late {
            self.state = State::Open { since };
        }
    }
}

/// Whole seconds until an instant, rounded up.
pub fn seconds_until(at: Timestamp, now: Timestamp) -> i64 {
    let nanos = at.nanos().saturating_sub(now.nanos()).max(0);
    nanos.saturating_add(999_999_999).div_euclid(1_000_000_000)
}

fn after(at: Timestamp, span: Seconds) -> Timestamp {
    let nanos = i64::try_from(span.get()).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    Timestamp::from_nanos(at.nanos().saturating_add(nanos)).unwrap_or(Timestamp::LATEST)
}

/// The limit in units of a counter: nano-units of an amount, or a number.
fn limit(breaker: &Breaker) -> i64 {
    let most = match breaker.bound.measure {
        crate::control::limit::Measure::Amount => breaker.bound.most.div_euclid(1_000_000),
        crate::control::limit::Measure::Tokens | crate::control::limit::Measure::Requests => breaker.bound.most,
    };
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn most_probes(breaker: &Breaker) -> usize {
    usize::try_from(breaker.probes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::policy::read;
    use proptest::prelude::*;
    use std::error::Error;

    type Outcome<T = ()> = Result<T, Box<dyn Error>>;

    /// A breaker of the fixture, by its name, with `on_close`.
    fn breaker(name: &str, on_close: OnClose) -> Outcome<Breaker> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/controls/policies/departments.toml");
        let policy = read::policy(&std::fs::read_to_string(path)?).map_err(|problems| format!("{problems:?}"))?.policy;
        let found = policy.breakers.into_iter().find(|breaker| breaker.common.name.as_str() == name);
        Ok(Breaker { on_close, ..found.ok_or("no such breaker")? })
    }

    /// Tenths of a second after 10:00.
    fn at(tenths: i64) -> Outcome<Timestamp> {
        let start = Timestamp::parse("2026-11-18T10:00:00Z")?;
        Ok(Timestamp::from_nanos(start.nanos() + tenths * 100_000_000).ok_or("out of range")?)
    }

    fn shown(counter: &mut BreakerCounter, now: Timestamp) -> (State, i64) {
        (counter.state(now).clone(), counter.used(now))
    }

    /// One that was opened by 500,000 at second 1,200, with three probes asked for from second 1,500 on.
    fn probing(breaker: &Breaker) -> Outcome<(BreakerCounter, Vec<Option<ProbeId>>)> {
        let mut counter = BreakerCounter::new(breaker);
        for (second, units) in [(0, 200_000), (600, 200_000), (1_200, 100_000)] {
            let now = at(second * 10)?;
            assert_eq!(counter.state(now), &State::Closed, "{second}");
            assert_eq!(counter.ask(breaker, units, now), Ok(None));
            counter.settle(breaker, units, None, Ended::Used(units), now);
        }
        assert_eq!(shown(&mut counter, at(12_000)?), (State::Open { since: at(12_000)? }, 500_000));
        for (tenths, seconds) in [(13_000, 200), (14_999, 1)] {
            let again_at = at(15_000)?;
            assert_eq!(counter.ask(breaker, 5_000, at(tenths)?), Err(Refused::Open { again_at }));
            assert_eq!(seconds_until(again_at, at(tenths)?), seconds);
        }
        let probes =
            [15_000, 15_010, 15_020].map(|tenths| Ok::<_, Box<dyn Error>>(counter.ask(breaker, 5_000, at(tenths)?)));
        let probes: Vec<Option<ProbeId>> =
            probes.into_iter().map(|probe| probe?.map_err(|why| format!("{why:?}").into())).collect::<Outcome<_>>()?;
        assert!(probes.iter().all(Option::is_some), "{probes:?}");
        assert_eq!(counter.ask(breaker, 5_000, at(15_030)?), Err(Refused::Probing));
        Ok((counter, probes))
    }

    #[test]
    fn the_published_case_goes_from_closed_to_closed() -> Outcome {
        let marketing = breaker("marketing, an hour", OnClose::Clear)?;
        let (mut counter, probes) = probing(&marketing)?;
        for (probe, tenths) in probes.iter().zip([15_100, 15_110, 15_130]) {
            counter.settle(&marketing, 5_000, *probe, Ended::Used(5_000), at(tenths)?);
        }
        assert_eq!(shown(&mut counter, at(15_130)?), (State::Closed, 0));
        assert_eq!(counter.ask(&marketing, 10_000, at(15_200)?), Ok(None));
        assert_eq!(shown(&mut counter, at(15_200)?), (State::Closed, 10_000));
        Ok(())
    }

    #[test]
    fn a_probe_that_fails_or_never_ends_opens_it_again() -> Outcome {
        let marketing = breaker("marketing, an hour", OnClose::Clear)?;
        let (mut counter, probes) = probing(&marketing)?;
        counter.settle(&marketing, 5_000, probes[0], Ended::Used(5_000), at(15_100)?);
        counter.settle(&marketing, 5_000, probes[1], Ended::Nothing, at(15_110)?);
        assert_eq!(counter.ask(&marketing, 1, at(15_120)?), Err(Refused::Open { again_at: at(18_110)? }));
        // The third probe belongs to a round that is over.
        counter.settle(&marketing, 5_000, probes[2], Ended::Used(5_000), at(15_130)?);
        assert_eq!(counter.state(at(15_130)?), &State::Open { since: at(15_110)? });
        let (mut counter, probes) = probing(&marketing)?;
        for probe in &probes[..2] {
            counter.settle(&marketing, 5_000, *probe, Ended::Used(5_000), at(15_100)?);
        }
        assert!(matches!(counter.state(at(15_619)?), State::HalfOpen { .. }));
        assert_eq!(counter.state(at(15_620)?), &State::Open { since: at(15_620)? });
        let (mut counter, probes) = probing(&marketing)?;
        counter.settle(&marketing, 5_000, probes[0], Ended::Unknown, at(15_100)?);
        assert_eq!(counter.state(at(15_100)?), &State::Open { since: at(15_100)? });
        Ok(())
    }

    #[test]
    fn a_probe_of_a_round_that_is_over_decides_nothing() -> Outcome {
        let marketing = breaker("marketing, an hour", OnClose::Clear)?;
        let (mut counter, old) = probing(&marketing)?;
        counter.settle(&marketing, 5_000, old[0], Ended::Nothing, at(15_100)?);
        // The next round begins after 300 s.
        let mut new = Vec::new();
        for tenths in [18_100, 18_110, 18_120] {
            new.push(counter.ask(&marketing, 10, at(tenths)?).map_err(|why| format!("{why:?}"))?);
        }
        counter.settle(&marketing, 5_000, old[1], Ended::Nothing, at(18_130)?);
        assert!(matches!(counter.state(at(18_130)?), State::HalfOpen { .. }), "an old failure does not open it");
        for probe in &new[..2] {
            counter.settle(&marketing, 10, *probe, Ended::Used(10), at(18_140)?);
        }
        counter.settle(&marketing, 5_000, old[2], Ended::Used(5_000), at(18_150)?);
        assert!(matches!(counter.state(at(18_150)?), State::HalfOpen { .. }), "an old success does not close it");
        counter.settle(&marketing, 10, new[2], Ended::Used(10), at(18_160)?);
        assert_eq!(counter.state(at(18_160)?), &State::Closed);
        Ok(())
    }

    #[test]
    fn a_window_that_is_kept_opens_at_the_next_request() -> Outcome {
        let marketing = breaker("marketing, an hour", OnClose::Keep)?;
        let (mut counter, probes) = probing(&marketing)?;
        for (probe, tenths) in probes.iter().zip([15_100, 15_110, 15_130]) {
            counter.settle(&marketing, 5_000, *probe, Ended::Used(5_000), at(tenths)?);
        }
        assert_eq!(shown(&mut counter, at(15_130)?), (State::Closed, 515_000));
        assert_eq!(counter.ask(&marketing, 1, at(15_140)?), Err(Refused::Open { again_at: at(18_140)? }));
        Ok(())
    }

    #[test]
    fn what_does_not_fit_opens_and_what_never_fits_does_not() -> Outcome {
        for (name, limit) in
            [("marketing, an hour", 500_000), ("engineering, an hour", 2_000_000), ("sales, an hour", 200_000)]
        {
            let breaker = breaker(name, OnClose::Clear)?;
            let mut counter = BreakerCounter::new(&breaker);
            assert_eq!(counter.ask(&breaker, limit - 20_000, at(0)?), Ok(None));
            assert_eq!(counter.ask(&breaker, limit + 100_000, at(10)?), Err(Refused::TooLarge));
            assert_eq!(counter.state(at(10)?), &State::Closed);
            assert_eq!(counter.ask(&breaker, 30_000, at(20)?), Err(Refused::Open { again_at: at(3_020)? }));
            counter.reset();
            assert_eq!(shown(&mut counter, at(30)?), (State::Closed, 0));
            // Use beyond what was asked for fills the window too.
            assert_eq!(counter.ask(&breaker, 10, at(40)?), Ok(None));
            counter.settle(&breaker, 10, None, Ended::Used(limit), at(50)?);
            assert_eq!(counter.state(at(50)?), &State::Open { since: at(50)? });
        }
        Ok(())
    }

    proptest! {
        /// Whatever comes: nothing passes while it is open, a round lets at most three pass, and a closed breaker's window never
        /// holds more than the limit by what it let pass.
        #[test]
        fn it_never_lets_more_pass_than_it_says(
            steps in prop::collection::vec((0_i64..4_000, 1_i64..300_000, 0_u8..8, any::<prop::sample::Index>()), 1..150),
            keeps in any::<bool>(),
        ) {
            let fail = |error: Box<dyn Error>| TestCaseError::fail(error.to_string());
            let on_close = if keeps { OnClose::Keep } else { OnClose::Clear };
            let breaker = breaker("marketing, an hour", on_close).map_err(fail)?;
            let mut counter = BreakerCounter::new(&breaker);
            let mut waiting: Vec<(i64, Option<ProbeId>)> = Vec::new();
            let (mut now, mut in_round) = (0, std::collections::BTreeMap::new());
            for (wait, units, what, which) in steps {
                now += wait;
                let instant = at(now).map_err(fail)?;
                let before = counter.state(instant).clone();
                if what < 5 {
                    let asked = counter.ask(&breaker, units, instant);
                    match (&before, &asked) {
                        (State::Open { since }, Ok(_)) => {
                            prop_assert!(instant.nanos() - since.nanos() >= 300 * 1_000_000_000, "open");
                        }
                        (State::Closed, Ok(probe)) => {
                            prop_assert!(probe.is_none());
                            prop_assert!(counter.used(instant) <= 500_000, "the window is full");
                        }
                        _ => {}
                    }
                    if let Ok(probe) = asked {
                        if let Some(id) = probe {
                            let count = in_round.entry(id.round).or_insert(0);
                            *count += 1;
                            prop_assert!(*count <= 3, "three probes are three");
                        }
                        waiting.push((units, probe));
                    }
                } else if !waiting.is_empty() {
                    let (asked, probe) = waiting.swap_remove(which.index(waiting.len()));
                    let ended = match what {
                        5 => Ended::Used(asked),
                        6 => Ended::Used(asked / 2),
                        _ if units % 2 == 0 => Ended::Nothing,
                        _ => Ended::Unknown,
                    };
                    counter.settle(&breaker, asked, probe, ended, instant);
                }
            }
        }
    }
}
