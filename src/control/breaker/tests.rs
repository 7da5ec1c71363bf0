//! Tests of the breaker.

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
        counter.settle(breaker, Taken { units, at: now, probe: None }, Ended::Used(units), now);
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
        counter.settle(
            &marketing,
            Taken { units: 5_000, at: at(tenths)?, probe: *probe },
            Ended::Used(5_000),
            at(tenths)?,
        );
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
    counter.settle(
        &marketing,
        Taken { units: 5_000, at: at(15_100)?, probe: probes[0] },
        Ended::Used(5_000),
        at(15_100)?,
    );
    counter.settle(&marketing, Taken { units: 5_000, at: at(15_110)?, probe: probes[1] }, Ended::Nothing, at(15_110)?);
    assert_eq!(counter.ask(&marketing, 1, at(15_120)?), Err(Refused::Open { again_at: at(18_110)? }));
    // The third probe belongs to a round that is over.
    counter.settle(
        &marketing,
        Taken { units: 5_000, at: at(15_130)?, probe: probes[2] },
        Ended::Used(5_000),
        at(15_130)?,
    );
    assert_eq!(counter.state(at(15_130)?), &State::Open { since: at(15_110)? });
    let (mut counter, probes) = probing(&marketing)?;
    for probe in &probes[..2] {
        counter.settle(
            &marketing,
            Taken { units: 5_000, at: at(15_100)?, probe: *probe },
            Ended::Used(5_000),
            at(15_100)?,
        );
    }
    assert!(matches!(counter.state(at(15_619)?), State::HalfOpen { .. }));
    assert_eq!(counter.state(at(15_620)?), &State::Open { since: at(15_620)? });
    let (mut counter, probes) = probing(&marketing)?;
    counter.settle(&marketing, Taken { units: 5_000, at: at(15_100)?, probe: probes[0] }, Ended::Unknown, at(15_100)?);
    assert_eq!(counter.state(at(15_100)?), &State::Open { since: at(15_100)? });
    Ok(())
}

#[test]
fn a_probe_of_a_round_that_is_over_decides_nothing() -> Outcome {
    let marketing = breaker("marketing, an hour", OnClose::Clear)?;
    let (mut counter, old) = probing(&marketing)?;
    counter.settle(&marketing, Taken { units: 5_000, at: at(15_100)?, probe: old[0] }, Ended::Nothing, at(15_100)?);
    // The next round begins after 300 s.
    let mut new = Vec::new();
    for tenths in [18_100, 18_110, 18_120] {
        new.push(counter.ask(&marketing, 10, at(tenths)?).map_err(|why| format!("{why:?}"))?);
    }
    counter.settle(&marketing, Taken { units: 5_000, at: at(18_130)?, probe: old[1] }, Ended::Nothing, at(18_130)?);
    assert!(matches!(counter.state(at(18_130)?), State::HalfOpen { .. }), "an old failure does not open it");
    for probe in &new[..2] {
        counter.settle(&marketing, Taken { units: 10, at: at(18_140)?, probe: *probe }, Ended::Used(10), at(18_140)?);
    }
    counter.settle(&marketing, Taken { units: 5_000, at: at(18_150)?, probe: old[2] }, Ended::Used(5_000), at(18_150)?);
    assert!(matches!(counter.state(at(18_150)?), State::HalfOpen { .. }), "an old success does not close it");
    counter.settle(&marketing, Taken { units: 10, at: at(18_160)?, probe: new[2] }, Ended::Used(10), at(18_160)?);
    assert_eq!(counter.state(at(18_160)?), &State::Closed);
    Ok(())
}

#[test]
fn a_window_that_is_kept_opens_at_the_next_request() -> Outcome {
    let marketing = breaker("marketing, an hour", OnClose::Keep)?;
    let (mut counter, probes) = probing(&marketing)?;
    for (probe, tenths) in probes.iter().zip([15_100, 15_110, 15_130]) {
        counter.settle(
            &marketing,
            Taken { units: 5_000, at: at(tenths)?, probe: *probe },
            Ended::Used(5_000),
            at(tenths)?,
        );
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
        counter.reset(at(30)?);
        assert_eq!(shown(&mut counter, at(30)?), (State::Closed, 0));
        // Use beyond what was asked for fills the window too.
        assert_eq!(counter.ask(&breaker, 10, at(40)?), Ok(None));
        counter.settle(&breaker, Taken { units: 10, at: at(50)?, probe: None }, Ended::Used(limit), at(50)?);
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
                counter.settle(&breaker, Taken { units: asked, at: instant, probe }, ended, instant);
            }
        }
    }
}

#[test]
fn what_was_taken_before_the_window_was_cleared_takes_nothing_from_what_came_after() -> Outcome {
    let marketing = breaker("marketing, an hour", OnClose::Clear)?;
    let mut counter = BreakerCounter::new(&marketing);
    assert_eq!(counter.ask(&marketing, 400_000, at(0)?), Ok(None));
    counter.reset(at(10)?);
    assert_eq!(counter.ask(&marketing, 300_000, at(20)?), Ok(None));
    let old = Taken { units: 400_000, at: at(0)?, probe: None };
    counter.settle(&marketing, old, Ended::Used(100_000), at(30)?);
    assert_eq!(counter.used(at(30)?), 300_000);
    // What it used beyond its reservation is used now.
    counter.settle(&marketing, old, Ended::Used(450_000), at(40)?);
    assert_eq!(counter.used(at(40)?), 350_000);
    Ok(())
}
