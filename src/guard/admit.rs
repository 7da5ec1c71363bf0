//! Admits requests: from what the process holds, or by one transaction in the guard file.

use super::counters::{About, Counters, SECOND};
use super::file::decide::{Answer, Asked, Granted};
use super::refusal::Refusal;
use super::route::{Lanes, Route};
use super::{Decision, Guard, Permit, lock, returned};
use crate::control::ask::Ask;
use crate::control::decide::{Reason, Refused};
use crate::control::enforced::Form;
use crate::control::lane::{Lane, NotCounted, Units};
use crate::control::limit::Doubt;
use crate::domain::timestamp::Timestamp;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// For how long a refusal is repeated without a look at the file.
const REMEMBERED: i64 = SECOND / 10;

/// How often the file is asked again because its time is later.
const TRIES: usize = 4;

/// Units that were not taken of a counter, since its limit is in shadow and would refuse.
const NOT_TAKEN: i64 = -1;

/// What the array of the process says.
enum Fast {
    /// Everything was taken, but from these counters in shadow.
    Taken(u64),
    /// A counter refused a request like this one a moment ago.
    Refused { place: usize, reason: Reason, used: i64, again_at: Option<Timestamp> },
    /// The file has to be asked.
    Unknown,
}

/// The result for one model: a permit, or the refusals in the order of the counters.
type Tried = Result<Permit, Vec<Refusal>>;

impl Guard {
    /// Decides whether a request may go. It takes units of all its counters or of none.
    pub fn admit(&self, route: &Route, ask: Ask<'_>, now: Timestamp) -> Decision {
        let now = self.time(now);
        let lanes = self.current(route, now);
        let refused = match self.try_lane(&lanes, 0, ask, now) {
            Ok(permit) => return Decision::Allow(permit),
            Err(refused) => refused,
        };
        let places: Vec<usize> = refused.iter().filter_map(|refusal| refusal.place).collect();
        for lane in lanes.downgrades(&places) {
            if let Ok(permit) = self.try_lane(&lanes, lane, ask, now) {
                return match refused.into_iter().next() {
                    Some(refused) => Decision::Downgrade { permit, refused },
                    None => Decision::Allow(permit),
                };
            }
        }
        let unavailable = || Refusal::bare(&lanes, 0, None, Reason::Unavailable);
        Decision::Refuse(refused.into_iter().next().unwrap_or_else(unavailable))
    }

    fn try_lane(&self, lanes: &Arc<Lanes>, lane: usize, ask: Ask<'_>, now: Timestamp) -> Tried {
        let permit = |units, probes| Permit { route: Arc::clone(lanes), lane, at: now, units, probes };
        let Some(of) = lanes.models.get(lane) else { return Err(Vec::new()) };
        let units = match lanes.asked(of, ask) {
            Ok(units) => units,
            Err(NotCounted { reason, place }) => return Err(vec![Refusal::bare(lanes, lane, place, reason)]),
        };
        match self.fast(lanes, of, &units, now) {
            Fast::Taken(0) => Ok(permit(units, SmallVec::new())),
            Fast::Taken(spared) => {
                let taken = units.iter().enumerate();
                let taken =
                    taken.map(|(place, units)| if spared & bit(place) == 0 { *units } else { NOT_TAKEN }).collect();
                Ok(permit(taken, SmallVec::new()))
            }
            Fast::Refused { place, reason, used, again_at } => {
                let asked = units.get(place).copied().unwrap_or(0);
                let refusal = Refusal::bare(lanes, lane, Some(place), reason);
                Err(vec![Refusal { again_at, used, asked, ..refusal }])
            }
            Fast::Unknown => self.slow(lanes, lane, of, &units, now),
        }
    }

    /// Takes all units from what the process holds, or repeats a refusal.
    fn fast(&self, lanes: &Lanes, lane: &Lane, units: &Units, now: Timestamp) -> Fast {
        let at = now.nanos();
        let mut counters = lock(&self.0.counters);
        let Counters { slots, about, .. } = &mut *counters;
        // Bits of counters in shadow that would refuse. A request touches more than 64 only by way of the file.
        let (mut spared, mut is_covered) = (0_u64, lane.slots.len() <= 64);
        for (place, ((touch, slot_at), units)) in lane.touches.iter().zip(&lane.slots).zip(units).enumerate() {
            let Some(slot) = slots.get_mut(*slot_at) else { return Fast::Unknown };
            // If the clock was set back, an old refusal seems to last longer. It is not repeated.
            let is_refused = at < slot.refused_until && slot.refused_until.saturating_sub(at) <= REMEMBERED;
            if is_refused && *units >= slot.refused_units {
                slot.has_tally = true;
                match repeated(about.get_mut(*slot_at), place) {
                    Some(refused) => return refused,
                    None => spared |= bit(place),
                }
                continue;
            }
            let is_valid = at < slot.until && at >= slot.since && touch.kept == 0;
            is_covered &= is_valid && slot.left >= *units && *units <= lanes.most_at_once(touch);
        }
        if !is_covered {
            return Fast::Unknown;
        }
        for (place, (slot, units)) in lane.slots.iter().zip(units).enumerate() {
            if let Some(slot) = slots.get_mut(*slot).filter(|_| spared & bit(place) == 0) {
                slot.left = slot.left.saturating_sub(*units);
                slot.used_at = at;
            }
        }
        Fast::Taken(spared)
    }

    /// Asks the file for what the process lacks.
    fn slow(&self, lanes: &Arc<Lanes>, lane: usize, of: &Lane, units: &Units, mut now: Timestamp) -> Tried {
        for _ in 0..TRIES {
            match self.ask_file(lanes, lane, of, units, now) {
                Ok(tried) => return tried,
                Err(later) => now = later,
            }
            self.0.floor.store(now.nanos(), Ordering::Relaxed);
        }
        unavailable(lanes, lane, units, now)
    }

    /// Asks the file once; an instant if the time of the file is later.
    fn ask_file(
        &self,
        lanes: &Arc<Lanes>,
        lane: usize,
        of: &Lane,
        units: &Units,
        now: Timestamp,
    ) -> Result<Tried, Timestamp> {
        let mut file = lock(&self.0.file);
        let (had, sizes, coming) = {
            let mut counters = lock(&self.0.counters);
            let had = take_what_is_there(&mut counters, of, units, now);
            let size = |slot: &usize| counters.slots.get(*slot).map_or(0, |slot| slot.size);
            let sizes: Units = of.slots.iter().map(size).collect();
            (had, sizes, counters.take_waiting())
        };
        let mut asked = Vec::with_capacity(units.len());
        for (((touch, units), had), size) in of.touches.iter().zip(units).zip(&had).zip(&sizes) {
            let Some(limit) = lanes.limit(touch) else { continue };
            let needed = units.saturating_sub(*had);
            // What stays for higher priorities is compared in the file, so such a request takes nothing in advance.
            let size = if touch.kept > 0 || needed == 0 { 0 } else { *size };
            asked.push(Asked { limit, value: &touch.value, needed, asked: *units, kept: touch.kept, size, left: 0 });
        }
        let moment = self.moment(&lanes.terms, now);
        let answer = file.grant(&asked, &returned(&coming), &moment);
        let mut counters = lock(&self.0.counters);
        drop(file);
        Ok(match answer {
            Ok(Granted::Decided(answer)) if answer.verdict.is_allowed() => {
                let taken = keep(&mut counters, of, units, &had, &answer, now);
                let probes = answer.verdict.probes.into_iter().collect();
                Ok(Permit { route: Arc::clone(lanes), lane, at: now, units: taken, probes })
            }
            Ok(Granted::Decided(answer)) => {
                put_back(&mut counters, of, &had, now);
                Err(remember(&mut counters, lanes, lane, units, &answer, now))
            }
            Ok(Granted::Later(at)) => {
                counters.wait_again(coming);
                put_back(&mut counters, of, &had, now);
                return Err(at);
            }
            Err(_) => {
                counters.wait_again(coming);
                put_back(&mut counters, of, &had, now);
                unavailable(lanes, lane, units, now)
            }
        })
    }
}

/// The bit of a place.
fn bit(place: usize) -> u64 {
    u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
}

/// Repeats a refusal, and counts it. `None` if the limit is in shadow.
fn repeated(about: Option<&mut About>, place: usize) -> Option<Fast> {
    let Some((about, (reason, used, again_at))) = about.and_then(|about| about.refused.map(|refused| (about, refused)))
    else {
        return Some(Fast::Unknown);
    };
    let tally = about.tallied.entry(reason).or_insert(0);
    *tally = tally.saturating_add(1);
    let is_shadow = about.limit().is_some_and(|limit| limit.common.shadow);
    (!is_shadow).then_some(Fast::Refused { place, reason, used, again_at })
}

/// Takes of each counter what the process has, up to the units asked for. What it may not spend any more waits to be booked.
fn take_what_is_there(counters: &mut Counters, lane: &Lane, units: &Units, now: Timestamp) -> Units {
    let mut had = Units::new();
    for ((touch, place), units) in lane.touches.iter().zip(&lane.slots).zip(units) {
        counters.end_if_over(*place, now.nanos());
        let Some(slot) = counters.slots.get_mut(*place) else { continue };
        let taken = if touch.kept > 0 { 0 } else { slot.left.min(*units) };
        slot.left = slot.left.saturating_sub(taken);
        had.push(taken);
        counters.book_back(*place, now);
    }
    had
}

/// Puts units back that were taken for a request which was refused.
fn put_back(counters: &mut Counters, lane: &Lane, had: &Units, now: Timestamp) {
    for (place, had) in lane.slots.iter().zip(had) {
        let Some(slot) = counters.slots.get_mut(*place) else { continue };
        slot.left = slot.left.saturating_add(*had);
        counters.end_if_over(*place, now.nanos());
    }
}

/// Keeps what was granted in advance. Returns the units that the request took of each counter.
fn keep(counters: &mut Counters, lane: &Lane, units: &Units, had: &Units, answer: &Answer, now: Timestamp) -> Units {
    let mut taken = units.clone();
    for (place, slot) in lane.slots.iter().enumerate() {
        if answer.verdict.took(place) {
            // A counter that lacked nothing keeps the lease it has.
            let lacked = units.get(place) != had.get(place);
            if let Some(lease) = answer.leases.get(place).filter(|_| lacked) {
                counters.granted(*slot, lease, now);
            }
            continue;
        }
        if let (Some(units), Some(had)) = (taken.get_mut(place), had.get(place)) {
            *units = NOT_TAKEN;
            if let Some(slot) = counters.slots.get_mut(*slot) {
                slot.left = slot.left.saturating_add(*had);
            }
        }
    }
    for refused in &answer.verdict.shadowed {
        remember_one(counters, lane, units, refused, now);
    }
    taken
}

/// Remembers refusals for a moment, and makes them known to the caller.
fn remember(
    counters: &mut Counters,
    lanes: &Arc<Lanes>,
    lane: usize,
    units: &Units,
    answer: &Answer,
    now: Timestamp,
) -> Vec<Refusal> {
    let Some(of) = lanes.models.get(lane) else { return Vec::new() };
    for refused in &answer.verdict.refused {
        remember_one(counters, of, units, refused, now);
    }
    refusals(lanes, lane, units, &answer.verdict.refused)
}

/// The refusals of counters in the form for the caller.
pub(super) fn refusals(lanes: &Arc<Lanes>, lane: usize, units: &Units, refused: &[Refused]) -> Vec<Refusal> {
    let refusal = |refused: &Refused| {
        let asked = units.get(refused.place).copied().unwrap_or(0);
        let bare = Refusal::bare(lanes, lane, Some(refused.place), refused.reason);
        Refusal { used: refused.used, asked, again_at: refused.again_at, ..bare }
    };
    refused.iter().map(refusal).collect()
}

fn remember_one(counters: &mut Counters, lane: &Lane, units: &Units, refused: &Refused, now: Timestamp) {
    let Some(place) = lane.slots.get(refused.place) else { return };
    // A breaker that does not let requests pass ends what processes hold of it.
    if matches!(refused.reason, Reason::BreakerOpen | Reason::BreakerProbing) {
        counters.end(*place);
    }
    // What stays for higher priorities is refused to lower ones only.
    let is_kept = lane.touches.get(refused.place).is_some_and(|touch| touch.kept > 0);
    let (Some(slot), Some(about)) = (counters.slots.get_mut(*place), counters.about.get_mut(*place)) else { return };
    about.refused = Some((refused.reason, refused.used, refused.again_at));
    let until = now.nanos().saturating_add(REMEMBERED);
    let again = refused.again_at.map_or(until, Timestamp::nanos);
    // A budget in shadow counts all that is used, also beyond it.
    let counts_on = about.limit().is_some_and(|limit| limit.common.shadow && matches!(limit.form, Form::Period { .. }));
    slot.refused_until = if is_kept || counts_on { 0 } else { until.min(again) };
    slot.refused_units = units.get(refused.place).copied().unwrap_or(i64::MAX);
}

/// What the limits say about a guard file that cannot be used.
fn unavailable(lanes: &Arc<Lanes>, lane: usize, units: &Units, now: Timestamp) -> Tried {
    let allows = lanes.terms.admission.as_ref().is_some_and(|admission| admission.on_failure == Doubt::Allow);
    if !allows {
        return Err(vec![Refusal::bare(lanes, lane, None, Reason::Unavailable)]);
    }
    let units = units.iter().map(|_| NOT_TAKEN).collect();
    Ok(Permit { route: Arc::clone(lanes), lane, at: now, units, probes: SmallVec::new() })
}
