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
    pub until: Timestamp,
    /// It was settled with use.
    pub passed: bool,
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
    /// When the window was last cleared. What was taken before is not in it any more.
    cleared: Option<Timestamp>,
}

/// Units that a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The units.
    pub units: i64,
    /// When.
    pub at: Timestamp,
    /// The probe, if a breaker tried the request.
    pub probe: Option<ProbeId>,
}

impl BreakerCounter {
    /// A closed breaker with an empty window.
    pub fn new(breaker: &Breaker) -> Self {
        Self { state: State::Closed, round: 0, window: Window::new(breaker.window), cleared: None }
    }

    /// A breaker as it was: its state, the number of its rounds, its window, and when that was cleared.
    pub const fn with(state: State, round: u64, window: Window, cleared: Option<Timestamp>) -> Self {
        Self { state, round, window, cleared }
    }

    /// When the window was last cleared.
    pub const fn cleared(&self) -> Option<Timestamp> {
        self.cleared
    }

    /// Whether what was taken at an instant is in the window no more, because it was cleared since.
    pub fn has_forgotten(&self, at: Timestamp) -> bool {
        self.cleared.is_some_and(|cleared| at <= cleared)
    }

    /// The number of times that it became half open.
    pub const fn round(&self) -> u64 {
        self.round
    }

    /// The state as it was last, without a look at the time.
    pub const fn phase(&self) -> &State {
        &self.state
    }

    /// The window.
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// The window, to correct what it counts.
    pub const fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Corrects a breaker after the clock was set back. Units of later slices count now. An open breaker opened now at the latest, and a probe
    /// began now at the latest.
    pub fn bring_back(&mut self, breaker: &Breaker, now: Timestamp) {
        self.window.bring_back(now);
        match &mut self.state {
            State::Closed => {}
            State::Open { since } => *since = (*since).min(now),
            State::HalfOpen { probes } => {
                let latest = after(now, breaker.probe_within);
                for probe in probes {
                    probe.until = probe.until.min(latest);
                }
            }
        }
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
    pub fn reset(&mut self, now: Timestamp) {
        self.state = State::Closed;
        self.clear(now);
    }

    fn clear(&mut self, now: Timestamp) {
        self.window.clear();
        self.cleared = Some(now);
    }

    /// Asks for units. A request that passes counts in the window; it is a probe if the breaker is half open.
    pub fn ask(&mut self, breaker: &Breaker, units: i64, now: Timestamp) -> Result<Option<ProbeId>, Refused> {
        match self.refusal(breaker, units, units, now) {
            Some(refused) => Err(refused),
            None => Ok(self.take(breaker, units, now)),
        }
    }

    /// Why it refuses a request; `None` if it passes. `needed` are the units that are not in the window yet. A breaker that was open
    /// long enough becomes half open, and a closed one that the request does not fit opens.
    pub fn refusal(&mut self, breaker: &Breaker, needed: i64, asked: i64, now: Timestamp) -> Option<Refused> {
        self.fail_late_probes(now);
        if let State::Open { since } = self.state {
            let again_at = after(since, breaker.open_for);
            if now < again_at {
                return Some(Refused::Open { again_at });
            }
            self.round = self.round.saturating_add(1);
            self.state = State::HalfOpen { probes: Vec::new() };
        }
        let limit = limit(breaker);
        if asked > limit {
            return Some(Refused::TooLarge);
        }
        match &self.state {
            State::HalfOpen { probes } => (probes.len() >= most_probes(breaker)).then_some(Refused::Probing),
            State::Closed | State::Open { .. } => {
                if self.window.used(now).saturating_add(needed) <= limit {
                    return None;
                }
                self.state = State::Open { since: now };
                Some(Refused::Open { again_at: after(now, breaker.open_for) })
            }
        }
    }

    /// Counts a request that passes. It is a probe if the breaker is half open.
    pub fn take(&mut self, breaker: &Breaker, needed: i64, now: Timestamp) -> Option<ProbeId> {
        self.window.add(needed, now);
        let State::HalfOpen { probes } = &mut self.state else { return None };
        let id = ProbeId { round: self.round, place: probes.len() };
        probes.push(Probe { until: after(now, breaker.probe_within), passed: false });
        Some(id)
    }

    /// Settles a request that had asked for units.
    pub fn settle(&mut self, breaker: &Breaker, taken: Taken, ended: Ended, now: Timestamp) {
        let Taken { units: asked, at, probe } = taken;
        self.fail_late_probes(now);
        let more = match ended {
            Ended::Used(used) => used.saturating_sub(asked),
            Ended::Nothing => asked.saturating_neg(),
            Ended::Unknown => 0,
        };
        if more > 0 || !self.has_forgotten(at) {
            self.window.add(more, now);
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
                        self.clear(now);
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

/// The limit in units of a counter.
fn limit(breaker: &Breaker) -> i64 {
    crate::control::enforced::units(breaker.bound)
}

fn most_probes(breaker: &Breaker) -> usize {
    usize::try_from(breaker.probes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
