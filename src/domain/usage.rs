//! Usage summed over everything a price and a payer depend on: the input of rating and of every report.

use crate::domain::calendar::Day;
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::quantities::{Quantities, QuantityOverflow};
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use rustc_hash::FxHashMap;

/// What a sum of usage is about. Numbers are those of a [`Dictionary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// The billing day.
    pub day: Day,
    /// The instant whose prices hold for all of it: the start of the day, or of the part of the day.
    pub priced_at: Timestamp,
    /// Who issued the events.
    pub source: i64,
    /// Who used it.
    pub tag_set: i64,
    /// The model.
    pub model: i64,
    /// The service tier.
    pub tier: i64,
    /// The band of prompt sizes.
    pub band: Band,
}

/// The sum of some events' usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageLine {
    /// What it is about.
    pub key: UsageKey,
    /// Number of events.
    pub events: i64,
    /// Events with some meter but `request` above 0.
    pub active: i64,
    /// The first event.
    pub first_at: Timestamp,
    /// The last event.
    pub last_at: Timestamp,
    /// What was used.
    pub quantities: Quantities,
}

/// Names by their numbers in the ledger.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    /// Models.
    pub models: FxHashMap<i64, Model>,
    /// Service tiers.
    pub tiers: FxHashMap<i64, ServiceTier>,
    /// Tag sets.
    pub tag_sets: FxHashMap<i64, TagSet>,
    /// Sources.
    pub sources: FxHashMap<i64, String>,
}

/// Sums of usage by key, while events are counted one by one.
#[derive(Debug, Default)]
pub struct UsageSums(FxHashMap<UsageKey, UsageLine>);

impl UsageSums {
    /// No usage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one event.
    pub fn add(&mut self, key: UsageKey, at: Timestamp, quantities: &Quantities) -> Result<(), QuantityOverflow> {
        let line = self.0.entry(key).or_insert_with(|| UsageLine {
            key,
            events: 0,
            active: 0,
            first_at: at,
            last_at: at,
            quantities: Quantities::NONE,
        });
        line.events += 1;
        line.active += i64::from(quantities.is_active());
        line.first_at = line.first_at.min(at);
        line.last_at = line.last_at.max(at);
        line.quantities.add(quantities)
    }

    /// Adds other sums.
    pub fn merge(&mut self, other: Self) -> Result<(), QuantityOverflow> {
        for (key, line) in other.0 {
            match self.0.get_mut(&key) {
                None => {
                    self.0.insert(key, line);
                }
                Some(sum) => {
                    sum.events += line.events;
                    sum.active += line.active;
                    sum.first_at = sum.first_at.min(line.first_at);
                    sum.last_at = sum.last_at.max(line.last_at);
                    sum.quantities.add(&line.quantities)?;
                }
            }
        }
        Ok(())
    }

    /// The sums in the order of their keys, and none are left.
    pub fn take(&mut self) -> Vec<UsageLine> {
        let mut lines: Vec<UsageLine> = self.0.drain().map(|(_, line)| line).collect();
        lines.sort_unstable_by_key(|line| line.key);
        lines
    }
}
