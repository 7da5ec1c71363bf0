//! Keeps leases in order, off the path of requests: renews those that run out, gives idle ones back, books what waits.

use super::counters::{Coming, SECOND};
use super::file::GuardFileError;
use super::file::decide::Asked;
use super::terms::Terms;
use super::{Guard, lock, returned};
use crate::control::decide::Reason;
use crate::domain::timestamp::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A lease that was not used for so long goes back.
const IDLE: i64 = 10 * SECOND;

/// A lease of a rate goes back so long before it is over: afterwards nobody takes it back.
const ENDING: i64 = SECOND / 5;

/// How many slots are looked at while the lock is held once.
const AT_ONCE: usize = 128;

/// How many leases are renewed in one transaction, so that a request that needs the file waits for no more.
const RENEWED_AT_ONCE: usize = 32;

impl Guard {
    /// Renews leases below a quarter, and gives back those that are over or idle. Call it again and again, such as every 50 ms, from a thread
    /// that admits nothing.
    pub(crate) fn tend_leases(&self, now: Timestamp) -> Result<(), GuardFileError> {
        let now = self.time(now);
        let mut from = 0_usize;
        let mut low = Vec::new();
        let mut refused = Vec::new();
        loop {
            let mut counters = lock(&self.0.counters);
            let end = counters.slots.len().min(from.saturating_add(AT_ONCE));
            for place in from..end {
                look_at(&mut counters, place, now, &mut low, &mut refused);
            }
            if end >= counters.slots.len() {
                break;
            }
            from = end;
        }
        self.book_waiting(now)?;
        self.with_file(|file| file.tally_all(&refused, now))?;
        let age = now.nanos().saturating_sub(self.0.settled_at.load(Ordering::Relaxed));
        if !(0..SECOND).contains(&age) {
            self.0.settled_at.store(now.nanos(), Ordering::Relaxed);
            self.note_settled()?;
        }
        for places in low.chunks(RENEWED_AT_ONCE) {
            self.renew_leases(places, now)?;
        }
        self.give_to_others(now)
    }

    /// Gives every unit back. Without it they stay spent.
    pub(crate) fn give_back(&self, now: Timestamp) -> Result<(), GuardFileError> {
        let now = self.time(now);
        {
            let mut counters = lock(&self.0.counters);
            for place in 0..counters.slots.len() {
                counters.end(place);
            }
        }
        self.book_waiting(now)?;
        self.note_settled()?;
        let holder = self.0.holder;
        self.with_file(|file| file.forget_holder(holder))
    }

    fn book_waiting(&self, now: Timestamp) -> Result<(), GuardFileError> {
        let mut file = lock(&self.0.file);
        let coming: Vec<Coming> = lock(&self.0.counters).take_waiting();
        if coming.is_empty() {
            return Ok(());
        }
        let moment = self.moment(&self.terms(), now);
        let booked = file.book(&returned(&coming), &moment);
        if booked.is_err() {
            lock(&self.0.counters).wait_again(coming);
        }
        booked
    }

    fn note_settled(&self) -> Result<(), GuardFileError> {
        let settled = lock(&self.0.counters).take_settled();
        self.with_file(|file| file.note_settled(&settled, &self.0.source))
    }

    /// Takes more units of some counters in advance, in one transaction. What came back to a rate is booked first.
    fn renew_leases(&self, places: &[usize], now: Timestamp) -> Result<(), GuardFileError> {
        let mut file = lock(&self.0.file);
        let (renewals, coming) = {
            let mut counters = lock(&self.0.counters);
            let mut renewals = Vec::with_capacity(places.len());
            for place in places {
                counters.book_back(*place, now);
                let (Some(slot), Some(about)) = (counters.slots.get(*place), counters.about.get(*place)) else {
                    continue;
                };
                if about.limit().is_none() {
                    continue;
                }
                renewals.push(Renewal {
                    place: *place,
                    terms: Arc::clone(&about.terms),
                    limit: about.limit,
                    value: about.value.clone(),
                    size: slot.size,
                    left: slot.left,
                });
            }
            (renewals, counters.take_waiting())
        };
        let mut asked = Vec::with_capacity(renewals.len());
        for Renewal { terms, limit, value, size, left, .. } in &renewals {
            let Some(limit) = terms.limits.get(*limit) else { continue };
            asked.push(Asked { limit, value, needed: 0, asked: 0, kept: 0, size: *size, left: *left });
        }
        let renewed = file.renew(&asked, &returned(&coming), &self.moment(&self.terms(), now));
        let mut counters = lock(&self.0.counters);
        match renewed {
            Ok(leases) => {
                for (Renewal { place, .. }, lease) in renewals.iter().zip(leases) {
                    if let Some(lease) = lease {
                        counters.end_if_over(*place, now.nanos());
                        counters.granted(*place, &lease, now);
                    }
                }
                Ok(())
            }
            Err(error) => {
                counters.wait_again(coming);
                Err(error)
            }
        }
    }

    /// Gives back what the process holds of counters that others lack, and of breakers that another process saw open.
    fn give_to_others(&self, now: Timestamp) -> Result<(), GuardFileError> {
        let wanted = self.with_file(|file| file.wanted(now))?;
        if wanted.is_empty() {
            return Ok(());
        }
        {
            let mut counters = lock(&self.0.counters);
            for place in 0..counters.slots.len() {
                let counter = counters.about.get(place).and_then(|about| about.counter);
                if counter.is_some_and(|counter| wanted.contains(&counter)) {
                    counters.end(place);
                    if let Some(slot) = counters.slots.get_mut(place) {
                        slot.size = 1;
                    }
                }
            }
        }
        self.book_waiting(now)
    }
}

/// Looks at one slot: ends a lease that is over or idle, and notes one that runs out.
fn look_at(
    counters: &mut super::counters::Counters,
    place: usize,
    now: Timestamp,
    low: &mut Vec<usize>,
    refused: &mut Vec<(i64, Reason, i64)>,
) {
    counters.end_if_over(place, now.nanos());
    if let Some(slot) = counters.slots.get_mut(place).filter(|slot| slot.has_tally)
        && let Some(about) = counters.about.get_mut(place)
        && let Some(counter) = about.counter
    {
        slot.has_tally = false;
        refused.extend(about.tallied.drain().map(|(reason, requests)| (counter, reason, requests)));
    }
    let Some(slot) = counters.slots.get_mut(place) else { return };
    // The clock may have been set back.
    slot.used_at = slot.used_at.min(now.nanos());
    let idle = now.nanos().saturating_sub(slot.used_at);
    let is_used = idle < SECOND;
    let is_ending = slot.is_short && slot.until > 0 && slot.until.saturating_sub(now.nanos()) < ENDING;
    let is_low = slot.size > 1 && slot.left < slot.size.div_euclid(4);
    if slot.until > 0 && slot.left > 0 && (idle > IDLE || is_ending && !is_used) {
        counters.end(place);
    } else if slot.until > 0 && is_used && slot.size > 1 && (is_low || is_ending) {
        low.push(place);
    }
}

/// A lease to renew.
struct Renewal {
    place: usize,
    terms: Arc<Terms>,
    limit: usize,
    value: String,
    size: i64,
    left: i64,
}
