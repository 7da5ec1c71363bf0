//! Which counters a request touches: for each payer, by the scopes of the limits.

use crate::control::ask::{Load, Totals, part_of};
use crate::control::enforced::{Counted, Enforced, kept};
use crate::control::scope::Usage;
use crate::domain::event::Model;
use crate::domain::rule::Share;
use crate::domain::tags::TagSet;

/// A counter that a request touches, and the part of the request that counts there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The place of the limit.
    pub limit: usize,
    /// The value that the counter is for; empty if the limit has one counter.
    pub value: String,
    /// Units that stay for requests of a higher priority.
    pub kept: i64,
    /// The payers' parts of the whole.
    part: i64,
    whole: i64,
}

/// The counters that a request of a model touches, in the order of the limits. A counter of several payers gets their parts together.
pub fn touches(limits: &[Enforced], tags: &TagSet, shares: &[Share], model: &Model) -> Vec<Touch> {
    let whole = shares.iter().map(|share| share.part).fold(0, i64::saturating_add);
    let mut touches: Vec<Touch> = Vec::new();
    for (place, limit) in limits.iter().enumerate() {
        for share in shares {
            let tags = tags.paid_by(&share.payer);
            let usage = Usage { tags: &tags, model };
            let value = match limit.counter(usage) {
                None => continue,
                Some(Counted::Whole) => "",
                Some(Counted::Value(value)) => value,
            };
            let kept = kept(limits, limit, usage);
            match touches.iter_mut().find(|touch| touch.limit == place && touch.value == value) {
                Some(touch) => {
                    touch.part = touch.part.saturating_add(share.part);
                    touch.kept = touch.kept.max(kept);
                }
                None => touches.push(Touch { limit: place, value: value.to_owned(), kept, part: share.part, whole }),
            }
        }
    }
    touches
}

impl Touch {
    /// The units of a load that count here; `None` if a price is missing.
    pub fn units(&self, limit: &Enforced, load: Load<'_>, totals: &Totals) -> Option<i64> {
        let units = match &limit.meters {
            Some(meters) => load.tokens(Some(meters)),
            None => totals.units(limit.bound.measure)?,
        };
        Some(if self.part == self.whole { units } else { part_of(units, self.part, self.whole) })
    }
}
