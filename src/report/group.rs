//! Adds up rated lines into groups: the totals that chargeback and summary show.

use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::domain::money::Amount;
use crate::domain::number::{ModelId, PayerOf, TagSetId};
use crate::domain::quantities::{Quantities, QuantityOverflow};
use crate::domain::ratio::Overflow;
use crate::domain::usage::Dictionary;
use crate::rating::{Charge, Cost, RatedLine};
use crate::report::ReportError;
use crate::report::by::{Dimension, Of, Place};
use crate::sheet::Cell;
use crate::text::problem::{excerpt, listed};
use rustc_hash::FxHashMap;
use std::borrow::{Borrow, Cow};
use std::collections::{BTreeMap, BTreeSet};

/// The totals of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// The number of events.
    pub events: i64,
    /// The number of events with something unpriced.
    pub unpriced_events: i64,
    /// Quantities by meter.
    pub quantities: Quantities,
    /// The exact amount of everything that is priced.
    pub amount: Amount,
    /// Whether anything has a price.
    pub priced: bool,
    /// Whether anything lacks a price, or belongs to events in which something does.
    pub unpriced: bool,
    /// Whether the amount may include parts of events that are unpriced.
    pub partly: bool,
}

impl Totals {
    /// Totals of nothing.
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

    /// Adds another group's totals.
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

    /// Whether there is usage and none of it has a price. The amount is then unknown rather than 0.
    pub fn is_unknown(&self) -> bool {
        self.unpriced && !self.priced
    }

    /// Whether the group has unpriced events only as parts that count as no event.
    pub fn is_below_one_unpriced(&self) -> bool {
        self.unpriced && self.unpriced_events == 0
    }

    /// The number of unpriced events. It is not 0 if the group has parts of some that count as no event.
    pub fn unpriced_cell(&self) -> Cell {
        if self.is_below_one_unpriced() { Cell::Unknown("below one") } else { Cell::Count(self.unpriced_events.into()) }
    }
}

/// Groups by the names of the dimensions, in their order.
pub type Groups = BTreeMap<Vec<String>, Totals>;

/// The caveat for groups whose number of unpriced events is unknown because it is below one.
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

/// Stands for all payers, where no dimension looks at them.
const NOBODY: PayerOf = PayerOf::Tags(TagSetId::NONE);

/// The most groups that are named.
const NAMED: usize = 8;

/// Adds up rated lines by dimensions.
pub fn group(lines: &[RatedLine], by: &[Dimension], names: &Dictionary) -> Result<Grouped, ReportError> {
    let mut sums = Sums::by(by);
    lines.iter().try_for_each(|line| sums.add(line, names))?;
    Grouped::of(by, [(sums, names)])
}

/// Rated lines added up by dimensions, one by one and in any order. An unused meter makes no group.
#[derive(Debug)]
pub struct Sums {
    by: Vec<Dimension>,
    totals: FxHashMap<Place, Totals>,
    /// A payer for each, the same for all that the dimensions find alike: there may be many more than groups.
    alike: FxHashMap<PayerOf, PayerOf>,
    /// That payer, by what the dimensions find.
    found: FxHashMap<Vec<String>, PayerOf>,
    requests_are_charged: bool,
}

impl Sums {
    /// No lines yet.
    pub fn by(by: &[Dimension]) -> Self {
        Self {
            by: by.to_vec(),
            totals: FxHashMap::default(),
            alike: FxHashMap::default(),
            found: FxHashMap::default(),
            requests_are_charged: false,
        }
    }

    /// Adds a line.
    pub fn add(&mut self, line: &RatedLine, names: &Dictionary) -> Result<(), ReportError> {
        let key = &line.usage.key;
        let looks_at = |of: Of| self.by.iter().any(|dimension| dimension.of() == of);
        let place = Place {
            day: if looks_at(Of::Day) { key.day } else { Day::FIRST },
            model: if looks_at(Of::Model) { key.model } else { ModelId::NONE },
            payer: if looks_at(Of::Tags) { self.alike(line.payer, names) } else { NOBODY },
            meter: None,
        };
        if !self.by.contains(&Dimension::Meter) {
            self.requests_are_charged |= line.charges.iter().any(is_charged_request);
            return self.totals.entry(place).or_insert(Totals::NONE).add_line(line);
        }
        for charge in line.charges.iter().filter(|charge| charge.quantity != 0 && charge.cost != Cost::NotCharged) {
            let place = Place { meter: Some(charge.meter), ..place };
            self.totals.entry(place).or_insert(Totals::NONE).add_meter(charge)?;
        }
        Ok(())
    }

    fn alike(&mut self, payer: PayerOf, names: &Dictionary) -> PayerOf {
        if let Some(known) = self.alike.get(&payer) {
            return *known;
        }
        let place = Place { day: Day::FIRST, model: ModelId::NONE, payer, meter: None };
        let of_tags = self.by.iter().filter(|dimension| dimension.of() == Of::Tags);
        let found = of_tags.map(|dimension| dimension.value(&place, names)).collect();
        let first = *self.found.entry(found).or_insert(payer);
        self.alike.insert(payer, first);
        first
    }
}

fn is_charged_request(charge: &Charge) -> bool {
    charge.meter == Meter::Request && charge.quantity != 0 && charge.cost != Cost::NotCharged
}

/// Usage added up by dimensions only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouped {
    by: Vec<Dimension>,
    groups: Groups,
    requests_are_charged: bool,
}

impl Grouped {
    /// The groups from several sums by these dimensions, each with the names of its numbers.
    pub fn of(
        by: &[Dimension],
        all: impl IntoIterator<Item = (Sums, impl Borrow<Dictionary>)>,
    ) -> Result<Self, ReportError> {
        let mut grouped = Self { by: by.to_vec(), groups: Groups::new(), requests_are_charged: false };
        for (sums, names) in all {
            grouped.requests_are_charged |= sums.requests_are_charged;
            for (place, totals) in sums.totals {
                let key = by.iter().map(|dimension| dimension.value(&place, names.borrow())).collect();
                grouped.groups.entry(key).or_insert(Totals::NONE).add(&totals)?;
            }
        }
        Ok(grouped)
    }

    /// The dimensions.
    pub fn by(&self) -> &[Dimension] {
        &self.by
    }

    /// The groups.
    pub const fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Consumes the value and returns the groups.
    pub fn into_groups(self) -> Groups {
        self.groups
    }

    /// The meters in use, in their order. Requests count if they differ from the number of events over all groups. A
    /// comparison for each line would depend on how finely the lines were summed.
    pub fn meters_in_use(&self) -> BTreeSet<Meter> {
        let (mut used, mut requests, mut events) = (BTreeSet::new(), 0_i128, 0_i128);
        for totals in self.groups.values() {
            // Groups in memory are too few to fill 128 bits.
            events = events.saturating_add(totals.events.into());
            requests = requests.saturating_add(totals.quantities.get(Meter::Request).unwrap_or(0).into());
            let of_use = totals.quantities.iter().filter(|(meter, quantity)| *quantity != 0 && !meter.is_measure());
            used.extend(of_use.map(|(meter, _)| meter));
        }
        if !self.requests_are_charged && (requests == 0 || requests == events) {
            used.remove(&Meter::Request);
        }
        used
    }
}

/// A period's rated usage, in the detail that was requested.
#[derive(Debug)]
pub enum Rated {
    /// Every line.
    Lines(Vec<RatedLine>),
    /// The lines with something unpriced.
    Unpriced(Vec<RatedLine>),
    /// The totals of groups.
    Groups(Grouped),
}

impl Rated {
    /// Whether there is no usage.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Lines(lines) | Self::Unpriced(lines) => lines.is_empty(),
            Self::Groups(grouped) => grouped.groups.is_empty(),
        }
    }

    /// Every line.
    pub fn lines(&self) -> Result<&[RatedLine], ReportError> {
        match self {
            Self::Lines(lines) => Ok(lines),
            Self::Unpriced(_) | Self::Groups(_) => Err(ReportError::Coarse),
        }
    }

    /// The lines with something unpriced, possibly among others.
    pub fn unpriced(&self) -> Result<&[RatedLine], ReportError> {
        match self {
            Self::Lines(lines) | Self::Unpriced(lines) => Ok(lines),
            Self::Groups(_) => Err(ReportError::Coarse),
        }
    }

    /// The totals of groups by dimensions.
    pub fn grouped(&self, by: &[Dimension], names: &Dictionary) -> Result<Cow<'_, Grouped>, ReportError> {
        match self {
            Self::Lines(lines) => group(lines, by, names).map(Cow::Owned),
            Self::Groups(grouped) if grouped.by == by => Ok(Cow::Borrowed(grouped)),
            Self::Unpriced(_) | Self::Groups(_) => Err(ReportError::Coarse),
        }
    }
}
