//! What a replay adds up, by group.

use crate::attribute::split::{Owed, split};
use crate::control::ask::{Cost, Load};
use crate::control::decide::Reason;
use crate::control::replay::Decided;
use crate::domain::rule::Share;
use crate::domain::timestamp::Timestamp;
use rustc_hash::FxHashMap;

/// What a group of requests would have got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Requests that were recorded.
    pub events: i64,
    /// Requests that pass with their own model.
    pub allowed: i64,
    /// Requests that pass with another model.
    pub downgraded: i64,
    /// Refused requests, in the order of [`Reason::ALL`].
    pub refused: [i64; Reason::ALL.len()],
    /// Requests of which something has no price. Amounts do not include that.
    pub without_price: i64,
    /// Tokens.
    pub tokens: i128,
    /// Tokens of refused requests.
    pub tokens_refused: i128,
    /// Femto-units that were recorded.
    pub recorded: i128,
    /// Femto-units that would have been used.
    pub replayed: i128,
    /// Recorded femto-units of refused requests.
    pub avoided_by_refusal: i128,
    /// What downgrades would have saved; below 0 if they cost more.
    pub avoided_by_downgrade: i128,
    /// The first refused request.
    pub first_refused: Option<Timestamp>,
    /// Nanoseconds: the longest time from a refusal to the next request that passed, or to the last refusal.
    pub longest_refused: i64,
    /// No request has passed since.
    refused_since: Option<Timestamp>,
}

/// A request with what was decided on it.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// When it was made.
    pub at: Timestamp,
    /// What it used.
    pub load: Load<'a>,
    /// What it cost.
    pub cost: Cost,
    /// The decision.
    pub decided: &'a Decided,
}

/// The sums of all groups.
#[derive(Debug, Default)]
pub struct Sums {
    places: FxHashMap<Vec<String>, usize>,
    groups: Vec<(Vec<String>, Sum)>,
    /// What payers of the same shares are owed of requests, tokens, and femto-units.
    owed: FxHashMap<Vec<Share>, [Owed; 2]>,
}

impl Sums {
    /// The place of a group.
    pub fn group(&mut self, values: Vec<String>) -> usize {
        let next = self.groups.len();
        let place = *self.places.entry(values.clone()).or_insert(next);
        if place == next {
            self.groups.push((values, Sum::default()));
        }
        place
    }

    /// Counts a request. If several pay for it, each gets whole parts that add up.
    pub fn count(&mut self, shares: &[Share], groups: &[usize], of: &Counted<'_>) {
        let tokens = of.load.tokens(None);
        if let [group] = groups {
            if let Some((_, sum)) = self.groups.get_mut(*group) {
                sum.add(of, 1, tokens, of.cost.femtos, of.replayed());
            }
            return;
        }
        let [requests, owed] = self.owed.entry(shares.to_vec()).or_default();
        let requests = split(1, shares, requests);
        let tokens = split(tokens, shares, owed);
        let (recorded, replayed) = (divided(of.cost.femtos, shares), divided(of.replayed(), shares));
        let amounts = recorded.into_iter().zip(replayed);
        for (((group, requests), tokens), (recorded, replayed)) in groups.iter().zip(requests).zip(tokens).zip(amounts)
        {
            if let Some((_, sum)) = self.groups.get_mut(*group) {
                sum.add(of, requests, tokens, recorded, replayed);
            }
        }
    }

    /// The groups in the order of their values.
    pub fn into_groups(self) -> Vec<(Vec<String>, Sum)> {
        let mut groups = self.groups;
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        groups
    }
}

impl Counted<'_> {
    fn replayed(&self) -> i128 {
        match self.decided {
            Decided::Allowed => self.cost.femtos,
            Decided::Downgraded { cost, .. } => cost.femtos,
            Decided::Refused(_) => 0,
        }
    }

    fn has_price(&self) -> bool {
        let replayed = match self.decided {
            Decided::Downgraded { cost, .. } => cost.is_whole,
            Decided::Allowed | Decided::Refused(_) => true,
        };
        self.cost.is_whole && replayed
    }
}

impl Sum {
    fn add(&mut self, of: &Counted<'_>, requests: i64, tokens: i64, recorded: i128, replayed: i128) {
        let add = |sum: &mut i64, number: i64| *sum = sum.saturating_add(number);
        let add_wide = |sum: &mut i128, number: i128| *sum = sum.saturating_add(number);
        add(&mut self.events, requests);
        add_wide(&mut self.tokens, tokens.into());
        add_wide(&mut self.recorded, recorded);
        add_wide(&mut self.replayed, replayed);
        if !of.has_price() {
            add(&mut self.without_price, requests);
        }
        match of.decided {
            Decided::Allowed => add(&mut self.allowed, requests),
            Decided::Downgraded { .. } => {
                add(&mut self.downgraded, requests);
                add_wide(&mut self.avoided_by_downgrade, recorded.saturating_sub(replayed));
            }
            Decided::Refused(reason) => {
                let place = Reason::ALL.iter().position(|known| known == reason);
                if let Some(sum) = place.and_then(|place| self.refused.get_mut(place)) {
                    add(sum, requests);
                }
                add_wide(&mut self.tokens_refused, tokens.into());
                add_wide(&mut self.avoided_by_refusal, recorded);
                self.first_refused.get_or_insert(of.at);
                self.refused_since.get_or_insert(of.at);
            }
        }
        if let Some(since) = self.refused_since {
            self.longest_refused = self.longest_refused.max(of.at.nanos().saturating_sub(since.nanos()));
        }
        if !matches!(of.decided, Decided::Refused(_)) {
            self.refused_since = None;
        }
    }

    /// Refused requests by their reason.
    pub fn refused_for(&self, reason: Reason) -> i64 {
        Reason::ALL
            .iter()
            .zip(&self.refused)
            .filter(|(known, _)| **known == reason)
            .map(|(_, requests)| *requests)
            .sum()
    }

    /// Adds another group, for a total.
    pub fn merge(&mut self, other: &Self) {
        let add = |sum: &mut i64, number: i64| *sum = sum.saturating_add(number);
        let add_wide = |sum: &mut i128, number: i128| *sum = sum.saturating_add(number);
        add(&mut self.events, other.events);
        add(&mut self.allowed, other.allowed);
        add(&mut self.downgraded, other.downgraded);
        add(&mut self.without_price, other.without_price);
        for (sum, number) in self.refused.iter_mut().zip(other.refused) {
            add(sum, number);
        }
        add_wide(&mut self.tokens, other.tokens);
        add_wide(&mut self.tokens_refused, other.tokens_refused);
        add_wide(&mut self.recorded, other.recorded);
        add_wide(&mut self.replayed, other.replayed);
        add_wide(&mut self.avoided_by_refusal, other.avoided_by_refusal);
        add_wide(&mut self.avoided_by_downgrade, other.avoided_by_downgrade);
        self.first_refused = [self.first_refused, other.first_refused].into_iter().flatten().min();
        self.longest_refused = self.longest_refused.max(other.longest_refused);
    }
}

/// Whole parts of an amount by weights. The first payer gets what is left over.
pub fn divided(femtos: i128, shares: &[Share]) -> Vec<i128> {
    let whole = shares.iter().map(|share| i128::from(share.part)).fold(0, i128::saturating_add).max(1);
    let part = |share: &Share| femtos.saturating_mul(share.part.into()).div_euclid(whole);
    let mut parts: Vec<i128> = shares.iter().map(part).collect();
    let left = parts.iter().fold(femtos, |left, part| left.saturating_sub(*part));
    if let Some(first) = parts.first_mut() {
        *first = first.saturating_add(left);
    }
    parts
}
