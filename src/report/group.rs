//! Rated lines into groups: the sums that chargeback and summary show.

use crate::domain::meter::Meter;
use crate::domain::money::Amount;
use crate::domain::quantities::{Quantities, QuantityOverflow};
use crate::domain::ratio::Overflow;
use crate::domain::usage::{Dictionary, UsageKey};
use crate::rating::{Charge, Cost, RatedLine};
use crate::report::ReportError;
use crate::report::by::{Dimension, Of};
use crate::sheet::Cell;
use crate::text::problem::{excerpt, listed};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// The sums of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Events.
    pub events: i64,
    /// Events with something unpriced.
    pub unpriced_events: i64,
    /// Quantities by meter.
    pub quantities: Quantities,
    /// The exact amount of all that is priced.
    pub amount: Amount,
    /// Whether anything has a price.
    pub priced: bool,
    /// Whether anything lacks one, or is part of events of which something does.
    pub unpriced: bool,
    /// Whether the amount may hold parts of events that are unpriced.
    pub partly: bool,
}

impl Totals {
    /// Nothing yet.
    pub const NONE: Self = Self {
        events: 0,
        unpriced_events: 0,
        quantities: Quantities::NONE,
        amount: Amount::ZERO,
        priced: false,
        unpriced: false,
        partly: false,
    };

    fn add_charge(&mut self, charge: &Charge) -> Result<(), Overflow> {
        match charge.cost {
            Cost::Priced(amount) => {
                self.amount = self.amount.plus(amount)?;
                self.priced = true;
            }
            Cost::NotCharged => {}
            Cost::Unpriced(_) => self.unpriced = true,
        }
        Ok(())
    }

    fn add_line(&mut self, line: &RatedLine) -> Result<(), ReportError> {
        self.events = self.events.checked_add(line.usage.events).ok_or(QuantityOverflow)?;
        self.unpriced_events = self.unpriced_events.checked_add(line.unpriced_events).ok_or(QuantityOverflow)?;
        self.quantities.add(&line.usage.quantities)?;
        for charge in &line.charges {
            self.add_charge(charge)?;
        }
        let of_unpriced = line.unpriced_events > 0 || line.of_unpriced;
        self.unpriced |= of_unpriced;
        let costs = |charge: &Charge| matches!(charge.cost, Cost::Priced(amount) if amount != Amount::ZERO);
        self.partly |= of_unpriced && line.charges.iter().any(costs);
        Ok(())
    }

    fn add_meter(&mut self, charge: &Charge) -> Result<(), ReportError> {
        let mut quantities = Quantities::NONE;
        quantities.set(charge.meter, charge.quantity);
        self.quantities.add(&quantities)?;
        Ok(self.add_charge(charge)?)
    }

    /// Adds another group's sums.
    pub fn add(&mut self, other: &Self) -> Result<(), ReportError> {
        self.events = self.events.checked_add(other.events).ok_or(QuantityOverflow)?;
        self.unpriced_events = self.unpriced_events.checked_add(other.unpriced_events).ok_or(QuantityOverflow)?;
        self.quantities.add(&other.quantities)?;
        self.amount = self.amount.plus(other.amount)?;
        self.priced |= other.priced;
        self.unpriced |= other.unpriced;
        self.partly |= other.partly;
        Ok(())
    }

    /// Whether there is usage and none of it has a price: then the amount is not known, rather than 0.
    pub fn is_unknown(&self) -> bool {
        self.unpriced && !self.priced
    }

    /// Whether all it has of unpriced events is parts that count as no event.
    pub fn is_below_one_unpriced(&self) -> bool {
        self.unpriced && self.unpriced_events == 0
    }

    /// The number of unpriced events. Parts of some that count as none are not 0.
    pub fn unpriced_cell(&self) -> Cell {
        if self.is_below_one_unpriced() { Cell::Unknown("below one") } else { Cell::Count(self.unpriced_events.into()) }
    }
}

/// Day, model, tag set and meter, each only where a dimension looks at it.
type Place = (i64, i64, i64, Option<Meter>);

/// Groups by the names of the dimensions, in their order.
pub type Groups = BTreeMap<Vec<String>, Totals>;

/// What is to be said of groups whose number of unpriced events is not told, as it is less than one.
pub fn below_one_unpriced(groups: &Groups) -> Option<String> {
    let below = groups.iter().filter(|(_, totals)| totals.is_below_one_unpriced());
    let names: Vec<String> = below.map(|(key, _)| excerpt(&key.join(", "))).collect();
    let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    let more = if names.len() > NAMED { "; …" } else { "" };
    (!names.is_empty()).then(|| {
        format!(
            "{} parts of unpriced events, less than one event each: the amounts lack the cost of those parts: {named}{more}",
            listed(names.len(), "row has", "rows have")
        )
    })
}

/// How many groups are named.
const NAMED: usize = 8;

/// Sums rated lines by dimensions. Meters in which nothing was used make no group of their own.
pub fn group(lines: &[RatedLine], by: &[Dimension], names: &Dictionary) -> Result<Groups, ReportError> {
    let looks_at = |of: Of| by.iter().any(|dimension| dimension.of() == of);
    let (day, model, tags, meter) = (looks_at(Of::Day), looks_at(Of::Model), looks_at(Of::Tags), looks_at(Of::Meter));
    // First by numbers, which is cheap a line; then by names, a few times a group.
    let mut sums: FxHashMap<Place, (UsageKey, Totals)> = FxHashMap::default();
    for line in lines {
        let key = line.usage.key;
        let number = |wanted: bool, number: i64| if wanted { number } else { 0 };
        let place = (number(day, i64::from(key.day.number())), number(model, key.model), number(tags, key.tag_set));
        if !meter {
            sums.entry((place.0, place.1, place.2, None)).or_insert((key, Totals::NONE)).1.add_line(line)?;
            continue;
        }
        for charge in line.charges.iter().filter(|charge| charge.quantity != 0 && charge.cost != Cost::NotCharged) {
            let place = (place.0, place.1, place.2, Some(charge.meter));
            sums.entry(place).or_insert((key, Totals::NONE)).1.add_meter(charge)?;
        }
    }
    let mut groups = Groups::new();
    for ((_, _, _, meter), (key, totals)) in sums {
        let name = |dimension: &Dimension| match (dimension, meter) {
            (Dimension::Meter, Some(meter)) => meter.name().to_owned(),
            _ => dimension.value(&key, names),
        };
        groups.entry(by.iter().map(name).collect()).or_insert(Totals::NONE).add(&totals)?;
    }
    Ok(groups)
}

/// The meters that were used, in their order. Requests count where they say more than the number of events does: over
/// all lines, since how many lines there are depends on how finely they were summed.
pub fn meters_in_use(lines: &[RatedLine]) -> BTreeSet<Meter> {
    let (mut used, mut requests, mut events) = (BTreeSet::new(), 0_i128, 0_i128);
    for line in lines {
        events += i128::from(line.usage.events);
        for charge in line.charges.iter().filter(|charge| charge.quantity != 0) {
            if charge.meter == Meter::Request {
                requests += i128::from(charge.quantity);
            }
            if charge.meter != Meter::Request || charge.cost != Cost::NotCharged {
                used.insert(charge.meter);
            }
        }
    }
    if requests != 0 && requests != events {
        used.insert(Meter::Request);
    }
    used
}
