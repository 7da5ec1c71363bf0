//! Totals of usage by everything that a price and a payer depend on. Rating and every report start from them.

use crate::domain::calendar::Day;
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::number::{ModelId, PayerOf, RulePayerId, SourceId, TagSetId, TierId};
use crate::domain::period::Month;
use crate::domain::quantities::{Quantities, QuantityOverflow};
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

/// What a total of usage covers. Numbers refer to a [`Dictionary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// The billing day.
    pub day: Day,
    /// The month that the usage is posted to: the month of the day, unless that was closed.
    pub posted: Month,
    /// The instant whose prices apply to all of it: the start of the day, or of a part of the day.
    pub priced_at: Timestamp,
    /// Who issued the events.
    pub source: SourceId,
    /// Who used it.
    pub tag_set: TagSetId,
    /// The model.
    pub model: ModelId,
    /// The service tier.
    pub tier: TierId,
    /// The band of prompt sizes.
    pub band: Band,
}

/// The months of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Posting {
    /// The month of its day.
    pub used: Month,
    /// The month that it is posted to.
    pub posted: Month,
}

impl Posting {
    /// Whether usage is posted to its own month.
    pub fn is_own(self) -> bool {
        self.used == self.posted
    }
}

impl UsageKey {
    /// The months of the usage.
    pub fn posting(&self) -> Posting {
        Posting { used: self.day.month(), posted: self.posted }
    }
}

/// The total usage of some events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageLine {
    /// What it covers.
    pub key: UsageKey,
    /// Number of events.
    pub events: i64,
    /// Events with a quantity above 0 in any meter except `request`.
    pub active: i64,
    /// The first event.
    pub first_at: Timestamp,
    /// The last event.
    pub last_at: Timestamp,
    /// What was used.
    pub quantities: Quantities,
}

impl UsageLine {
    /// Adds the usage of another line.
    pub fn add(&mut self, line: &Self) -> Result<(), QuantityOverflow> {
        self.events = self.events.checked_add(line.events).ok_or(QuantityOverflow)?;
        self.active = self.active.checked_add(line.active).ok_or(QuantityOverflow)?;
        self.first_at = self.first_at.min(line.first_at);
        self.last_at = self.last_at.max(line.last_at);
        self.quantities.add(&line.quantities)
    }
}

/// The ledger's names by their numbers.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    /// Models.
    pub models: FxHashMap<ModelId, Model>,
    /// Service tiers.
    pub tiers: FxHashMap<TierId, ServiceTier>,
    /// Tag sets, shared by all copies.
    pub tag_sets: Arc<FxHashMap<TagSetId, TagSet>>,
    /// Tag sets with another payer than their own.
    pub paid: FxHashMap<RulePayerId, TagSet>,
    /// Sources.
    pub sources: FxHashMap<SourceId, String>,
    /// Cost centres by the names of departments, from the registry.
    pub cost_centres: BTreeMap<String, String>,
}

impl Dictionary {
    /// The tag set of a number.
    pub fn tags(&self, number: TagSetId) -> Option<&TagSet> {
        self.tag_sets.get(&number)
    }

    /// The tags of usage, with the payer among them.
    pub fn tags_of(&self, payer: PayerOf) -> Option<&TagSet> {
        match payer {
            PayerOf::Tags(number) => self.tag_sets.get(&number),
            PayerOf::Rule(number) => self.paid.get(&number),
        }
    }
}

/// Totals of usage by a key, while events are counted one by one.
#[derive(Debug)]
pub struct Tally<K> {
    /// Totals are large and may be many, so the growing table holds only their positions.
    places: FxHashMap<K, usize>,
    sums: Vec<(K, Sum)>,
}

#[derive(Debug)]
struct Sum {
    events: i64,
    active: i64,
    first_at: Timestamp,
    last_at: Timestamp,
    quantities: Quantities,
}

impl Sum {
    /// Moves the line out of the total and leaves it empty.
    fn take(&mut self, key: UsageKey) -> UsageLine {
        let Self { events, active, first_at, last_at, quantities } = self;
        let quantities = std::mem::replace(quantities, Quantities::NONE);
        UsageLine { key, events: *events, active: *active, first_at: *first_at, last_at: *last_at, quantities }
    }
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self { places: FxHashMap::default(), sums: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash> Tally<K> {
    /// No events counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one event.
    pub fn add(&mut self, key: K, at: Timestamp, quantities: &Quantities) -> Result<(), QuantityOverflow> {
        let Self { places, sums } = self;
        let place = *places.entry(key).or_insert_with(|| {
            let place = sums.len();
            let none = Sum { events: 0, active: 0, first_at: at, last_at: at, quantities: Quantities::NONE };
            sums.push((key, none));
            place
        });
        // Every position has a total. If one did not, the event must not get lost.
        let (_, sum) = sums.get_mut(place).ok_or(QuantityOverflow)?;
        sum.events = sum.events.checked_add(1).ok_or(QuantityOverflow)?;
        sum.active = sum.active.checked_add(i64::from(quantities.is_active())).ok_or(QuantityOverflow)?;
        sum.first_at = sum.first_at.min(at);
        sum.last_at = sum.last_at.max(at);
        sum.quantities.add(quantities)
    }

    /// Drains all totals into `into` under their final keys.
    pub fn drain<E: From<QuantityOverflow>>(
        &mut self,
        into: &mut UsageSums,
        usage_key: impl Fn(K) -> Result<UsageKey, E>,
    ) -> Result<(), E> {
        self.places.clear();
        for (key, mut sum) in self.sums.drain(..) {
            into.add(sum.take(usage_key(key)?))?;
        }
        Ok(())
    }

    /// Drains the totals in the order of their final keys, each key once.
    pub fn lines<E: From<QuantityOverflow>>(
        &mut self,
        usage_key: impl Fn(K) -> Result<UsageKey, E>,
    ) -> Result<Vec<UsageLine>, E> {
        let keyed = self.sums.iter_mut().map(|(key, sum)| Ok((usage_key(*key)?, sum)));
        let mut ordered: Vec<(UsageKey, &mut Sum)> = keyed.collect::<Result<_, E>>()?;
        ordered.sort_unstable_by_key(|(key, _)| *key);
        let mut lines: Vec<UsageLine> = Vec::with_capacity(ordered.len());
        for (key, sum) in ordered {
            let line = sum.take(key);
            match lines.last_mut().filter(|last| last.key == key) {
                Some(last) => last.add(&line)?,
                None => lines.push(line),
            }
        }
        self.places.clear();
        self.sums.clear();
        Ok(lines)
    }
}

/// Totals of usage by everything that prices and payers depend on.
#[derive(Debug, Default)]
pub struct UsageSums(FxHashMap<UsageKey, UsageLine>);

impl UsageSums {
    /// No usage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub fn add(&mut self, line: UsageLine) -> Result<(), QuantityOverflow> {
        match self.0.get_mut(&line.key) {
            None => {
                self.0.insert(line.key, line);
                Ok(())
            }
            Some(sum) => sum.add(&line),
        }
    }

    /// Adds the usage of a line to the total of a key.
    pub fn add_to(&mut self, key: UsageKey, line: &UsageLine) -> Result<(), QuantityOverflow> {
        match self.0.get_mut(&key) {
            None => {
                self.0.insert(key, UsageLine { key, ..line.clone() });
                Ok(())
            }
            Some(sum) => sum.add(line),
        }
    }

    /// Adds other totals.
    pub fn merge(&mut self, other: Self) -> Result<(), QuantityOverflow> {
        other.0.into_values().try_for_each(|line| self.add(line))
    }

    /// Drains the totals in the order of their keys.
    pub fn take(&mut self) -> Vec<UsageLine> {
        let mut lines: Vec<UsageLine> = self.0.drain().map(|(_, line)| line).collect();
        lines.sort_unstable_by_key(|line| line.key);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_no_larger_than_a_line_of_the_processor() {
        // Tables of sums compare and move keys all the time.
        assert!(size_of::<UsageKey>() <= 64, "{} bytes", size_of::<UsageKey>());
    }

    #[test]
    fn a_posting_is_own_in_its_month_alone() -> Result<(), &'static str> {
        let october = Month::from_code(202_610).ok_or("October")?;
        assert!(Posting { used: october, posted: october }.is_own());
        for posted in [october.previous(), october.next(), Month::from_code(202_710).ok_or("a year later")?] {
            assert!(!Posting { used: october, posted }.is_own(), "{posted}");
        }
        Ok(())
    }

    #[test]
    fn an_event_too_many_is_an_error() -> Result<(), QuantityOverflow> {
        let mut tally = Tally::new();
        tally.add(0, Timestamp::EARLIEST, &Quantities::NONE)?;
        let (_, sum) = tally.sums.first_mut().ok_or(QuantityOverflow)?;
        sum.events = i64::MAX;
        assert_eq!(tally.add(0, Timestamp::EARLIEST, &Quantities::NONE), Err(QuantityOverflow));
        Ok(())
    }
}
