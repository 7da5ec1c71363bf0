//! Decides whether a request may go, from the exact state of every counter it touches.
//!
//! A request takes units of all its counters or of none. Budgets and rates are compared first. A breaker is asked when they allow, so a
//! request that a budget refuses opens no breaker. A limit in shadow changes no decision.

use crate::control::breaker::Refused as BreakerRefused;
use crate::control::breaker::{BreakerCounter, Ended, ProbeId, Taken};
use crate::control::bucket::{Bucket, Empty};
use crate::control::enforced::{Enforced, Form};
use crate::domain::timestamp::Timestamp;

/// What a counter knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The units used in a period, and the instant at which the next one begins.
    Period {
        /// The units.
        used: i64,
        /// The end of the period.
        ends: Timestamp,
    },
    /// A rate. Units that others hold count as if they were in the bucket.
    Bucket(Bucket),
    /// A window with its state.
    Breaker(BreakerCounter),
}

/// A counter that a request touches.
#[derive(Debug)]
pub struct Touched<'a> {
    /// The limit.
    pub limit: &'a Enforced,
    /// Its counter.
    pub state: &'a mut State,
    /// The units that the request takes from the counter now.
    pub needed: i64,
    /// All units of the request, of which it may have some already.
    pub asked: i64,
    /// Units that stay for requests of a higher priority.
    pub kept: i64,
}

/// Why a counter refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A rate is used up for now.
    Rate,
    /// A budget is used up.
    Budget,
    /// The request is larger than the limit, or than what one request may take of it.
    RequestTooLarge,
    /// A breaker is open.
    BreakerOpen,
    /// A breaker tries other requests.
    BreakerProbing,
    /// A limit counts money, and the model has no price.
    Unpriced,
    /// Nobody is known to pay for the request.
    UnknownDepartment,
    /// The counters cannot be read or written.
    Unavailable,
}

impl Reason {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Rate,
        Self::Budget,
        Self::RequestTooLarge,
        Self::BreakerOpen,
        Self::BreakerProbing,
        Self::Unpriced,
        Self::UnknownDepartment,
        Self::Unavailable,
    ];

    /// Its name in JSON and in the guard file. Names are frozen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Budget => "budget",
            Self::RequestTooLarge => "request-too-large",
            Self::BreakerOpen => "breaker-open",
            Self::BreakerProbing => "breaker-probing",
            Self::Unpriced => "unpriced",
            Self::UnknownDepartment => "unknown-department",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A counter that refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Its place among the counters of the request.
    pub place: usize,
    /// Why.
    pub reason: Reason,
    /// When the request may fit.
    pub again_at: Option<Timestamp>,
    /// The units that were used, as far as the counter knows.
    pub used: i64,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The counters that refuse. If there is one, nothing was taken.
    pub refused: Vec<Refused>,
    /// The counters in shadow that would refuse.
    pub shadowed: Vec<Refused>,
    /// Those of them that were not taken from: rates and breakers. A budget counts all that is used.
    spared: Vec<usize>,
    /// Breakers that count this request as a probe.
    pub probes: Vec<(usize, ProbeId)>,
}

impl Verdict {
    /// Whether the request may go.
    pub fn is_allowed(&self) -> bool {
        self.refused.is_empty()
    }

    /// Whether units were taken from the counter of a place.
    pub fn took(&self, place: usize) -> bool {
        self.is_allowed() && !self.spared.contains(&place)
    }

    fn note(&mut self, touched: &Touched<'_>, found: Option<Refused>) {
        let Some(refused) = found else { return };
        if !touched.limit.common.shadow {
            self.refused.push(refused);
            return;
        }
        self.shadowed.push(refused);
        if !matches!(touched.limit.form, Form::Period { .. }) {
            self.spared.push(refused.place);
        }
    }
}

/// Asks every counter, and takes from all of them if all allow. Refusals are in the order of the counters.
pub fn decide(touched: &mut [Touched<'_>], now: Timestamp) -> Verdict {
    let mut verdict = Verdict::default();
    for (place, touched) in touched.iter().enumerate() {
        verdict.note(touched, refusal(touched, place, now));
    }
    if verdict.is_allowed() {
        for (place, touched) in touched.iter_mut().enumerate() {
            let found = breaker_refusal(touched, place, now);
            verdict.note(touched, found);
        }
    }
    if !verdict.is_allowed() {
        return verdict;
    }
    for (place, touched) in touched.iter_mut().enumerate() {
        if verdict.took(place)
            && let Some(probe) = take(touched, now)
        {
            verdict.probes.push((place, probe));
        }
    }
    verdict
}

/// The refusal of a budget or a rate.
fn refusal(touched: &Touched<'_>, place: usize, now: Timestamp) -> Option<Refused> {
    let refused = |reason, again_at, used| Some(Refused { place, reason, again_at, used });
    match (&touched.limit.form, &*touched.state) {
        (Form::Period { most, request_at_most, .. }, State::Period { used, ends }) => {
            if request_at_most.is_some_and(|bound| touched.asked > bound) {
                return refused(Reason::RequestTooLarge, None, *used);
            }
            let is_over = used.saturating_add(touched.needed) > *most;
            if is_over { refused(Reason::Budget, Some(*ends), *used) } else { None }
        }
        (Form::Bucket { flow, .. }, State::Bucket(bucket)) => {
            if touched.asked > flow.capacity() {
                let used = flow.capacity().saturating_sub(bucket.level(*flow, now));
                return refused(Reason::RequestTooLarge, None, used);
            }
            let mut after = *bucket;
            let used = flow.capacity().saturating_sub(bucket.level(*flow, now));
            match after.take(*flow, touched.needed, touched.kept, now) {
                Ok(()) => None,
                Err(Empty::Until(again)) => refused(Reason::Rate, Some(again), used),
                Err(Empty::TooLarge) => refused(Reason::RequestTooLarge, None, used),
            }
        }
        _ => None,
    }
}

/// The refusal of a breaker. One that does not fit opens.
fn breaker_refusal(touched: &mut Touched<'_>, place: usize, now: Timestamp) -> Option<Refused> {
    let (Form::Breaker(breaker), State::Breaker(counter)) = (&touched.limit.form, &mut *touched.state) else {
        return None;
    };
    let refused = counter.refusal(breaker, touched.needed, touched.asked, now)?;
    let (reason, again_at) = match refused {
        BreakerRefused::TooLarge => (Reason::RequestTooLarge, None),
        BreakerRefused::Open { again_at } => (Reason::BreakerOpen, Some(again_at)),
        BreakerRefused::Probing => (Reason::BreakerProbing, None),
    };
    Some(Refused { place, reason, again_at, used: counter.used(now) })
}

/// Takes the units.
fn take(touched: &mut Touched<'_>, now: Timestamp) -> Option<ProbeId> {
    match (&touched.limit.form, &mut *touched.state) {
        (Form::Period { .. }, State::Period { used, .. }) => *used = used.saturating_add(touched.needed),
        (Form::Bucket { flow, .. }, State::Bucket(bucket)) => bucket.force(*flow, touched.needed, now),
        (Form::Breaker(breaker), State::Breaker(counter)) => return counter.take(breaker, touched.needed, now),
        _ => {}
    }
    None
}

/// Settles a request that took units: gives back what it did not use, or takes what it used beyond them.
pub fn settle(limit: &Enforced, state: &mut State, taken: Taken, ended: Ended, now: Timestamp) {
    let more = match ended {
        Ended::Used(used) => used.saturating_sub(taken.units),
        Ended::Nothing => taken.units.saturating_neg(),
        Ended::Unknown => 0,
    };
    match (&limit.form, state) {
        (Form::Period { .. }, State::Period { used, .. }) => *used = used.saturating_add(more).max(0),
        (Form::Bucket { flow, .. }, State::Bucket(bucket)) if more < 0 => {
            bucket.put_back(*flow, more.saturating_neg(), now);
        }
        (Form::Bucket { flow, .. }, State::Bucket(bucket)) => bucket.force(*flow, more, now),
        (Form::Breaker(breaker), State::Breaker(counter)) => counter.settle(breaker, taken, ended, now),
        _ => {}
    }
}
