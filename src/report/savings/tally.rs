//! Tallies the usage in one pass, by department: the usage for which both the contract and an offer have an amount.
//!
//! Amounts stay exact and in the currency of their side. If one side has no amount for some usage, the tally leaves it
//! out on both sides and counts it. It never counts such usage as 0.

use super::offer::{Allowance, Priced, Substitute};
use super::{Reason, Usage};
use crate::domain::currency::Currency;
use crate::domain::event::{Band, ServiceTier};
use crate::domain::meter::{Meter, Unit};
use crate::domain::money::Amount;
use crate::domain::name::UNALLOCATED;
use crate::domain::ratio::Overflow;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{UsageKey, UsageLine};
use crate::price::Book;
use crate::rating::rate::{Rater, cost_as};
use crate::rating::{Charge, Cost, RatedLine, Unpriced};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The tallies of departments, and what they leave out.
#[derive(Default)]
pub(super) struct Tallies<'a> {
    pub(super) departments: BTreeMap<&'a str, Tally>,
    pub(super) left_out: BTreeMap<(Reason, &'static str), i128>,
    /// The positions of the substitutes that matched some usage.
    pub(super) used: BTreeSet<usize>,
}

/// The compared usage of a department.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    /// In the ledger's currency.
    pub(super) charged: Amount,
    /// In the offer's currency.
    pub(super) offered: Amount,
    pub(super) tokens: i128,
    pub(super) uncompared_tokens: i128,
}

impl<'a> Tallies<'a> {
    /// The usage that a flat plan covers: everything with an amount, or the tokens among it.
    pub(super) fn under_plan(usage: &Usage<'a>, allowance: Allowance) -> Result<Self, Overflow> {
        let mut tallies = Self::default();
        for line in usage.lines {
            let department = tallies.department(usage, line);
            for charge in charges(line) {
                let paid_for = allowance == Allowance::Everything || charge.meter.unit() == Unit::Tokens;
                match charge.cost {
                    Cost::NotCharged => {}
                    Cost::Unpriced(why) => tallies.leave_out(department, charge, Reason::Contract(why)),
                    Cost::Priced(_) if !paid_for => tallies.leave_out(department, charge, Reason::NotTokens),
                    Cost::Priced(amount) => tallies.compare(department, charge, amount, Amount::ZERO)?,
                }
            }
        }
        Ok(tallies)
    }

    /// The usage at the prices of a book, in the currency of its offer.
    pub(super) fn under_book(
        usage: &Usage<'a>,
        book: &Book,
        currency: Currency,
        offer: &Priced,
    ) -> Result<Self, Overflow> {
        let mut tallies = Self::default();
        let mut rater = Rater::new(book, usage.names, currency);
        let rules: Vec<Rule<'_>> = offer.substitutes.iter().map(|rule| Rule::new(rule, usage)).collect();
        for line in usage.lines {
            let department = tallies.department(usage, line);
            let Some((place, rule, tier)) = first_match(&rules, usage, line) else {
                tallies.add(department, line, &rater.charges(&line.usage))?;
                continue;
            };
            tallies.used.insert(place);
            if rule.price_changes(book, &line.usage) {
                for charge in charges(line) {
                    tallies.leave_out(department, charge, Reason::PriceChange);
                }
            } else {
                tallies.add(department, line, &rule.charges(book, tier, &line.usage, currency))?;
            }
        }
        Ok(tallies)
    }

    fn department(&mut self, usage: &Usage<'a>, line: &RatedLine) -> &'a str {
        let tags = usage.names.tags(line.usage.key.tag_set);
        let department = tags.and_then(|tags| tags.department()).unwrap_or(UNALLOCATED);
        self.departments.entry(department).or_insert(Tally::NOTHING);
        department
    }

    fn add(&mut self, department: &'a str, line: &RatedLine, offered: &[Charge]) -> Result<(), Overflow> {
        let (contract_prices, offer_prices) = (prices_any(&line.charges), prices_any(offered));
        for charge in charges(line) {
            let other = offered.iter().find(|other| other.meter == charge.meter);
            let other = other.map_or(Cost::Unpriced(Unpriced::NoPrice), |other| other.cost);
            if charge.cost == Cost::NotCharged && other == Cost::NotCharged {
                continue;
            }
            match (known(charge.cost, contract_prices), known(other, offer_prices)) {
                (Ok(charged), Ok(offered)) => self.compare(department, charge, charged, offered)?,
                (Err(why), _) => self.leave_out(department, charge, Reason::Contract(why)),
                (_, Err(why)) => self.leave_out(department, charge, Reason::Offer(why)),
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        department: &'a str,
        charge: &Charge,
        charged: Amount,
        offered: Amount,
    ) -> Result<(), Overflow> {
        let tally = self.departments.entry(department).or_insert(Tally::NOTHING);
        tally.charged = tally.charged.plus(charged)?;
        tally.offered = tally.offered.plus(offered)?;
        tally.tokens += tokens(charge);
        Ok(())
    }

    fn leave_out(&mut self, department: &'a str, charge: &Charge, why: Reason) {
        let tally = self.departments.entry(department).or_insert(Tally::NOTHING);
        tally.uncompared_tokens += tokens(charge);
        *self.left_out.entry((why, charge.meter.unit().name())).or_default() += i128::from(charge.quantity);
    }
}

impl Tally {
    pub(super) const NOTHING: Self =
        Self { charged: Amount::ZERO, offered: Amount::ZERO, tokens: 0, uncompared_tokens: 0 };
}

/// A substitute, with the thresholds of the replaced model's bands and of its own prices.
struct Rule<'a> {
    substitute: &'a Substitute,
    cut_at: &'a [i64],
    priced_at: &'a [i64],
}

impl<'a> Rule<'a> {
    fn new(substitute: &'a Substitute, usage: &Usage<'a>) -> Self {
        let thresholds = |model: &str| usage.thresholds.get(model).map_or(&[][..], Vec::as_slice);
        let (cut_at, priced_at) = (thresholds(substitute.from.as_str()), thresholds(substitute.to.name.as_str()));
        Self { substitute, cut_at, priced_at }
    }

    fn charges(&self, book: &Book, tier: &ServiceTier, line: &UsageLine, currency: Currency) -> Vec<Charge> {
        let line = match line.key.band {
            Band::Above(from) if self.splits(from) => {
                Cow::Owned(UsageLine { key: UsageKey { band: Band::Unknown, ..line.key }, ..line.clone() })
            }
            Band::Above(_) | Band::Unknown => Cow::Borrowed(line),
        };
        let cost = |meter: Meter| cost_as(book, &self.substitute.to, tier, &line, meter, currency);
        line.quantities.iter().map(|(meter, quantity)| Charge { meter, quantity, cost: cost(meter) }).collect()
    }

    /// Whether a threshold of the substitute lies inside the replaced model's band above `from`. The total then does
    /// not show which requests exceed it.
    fn splits(&self, from: i64) -> bool {
        let within = |threshold: i64| !self.cut_at.iter().any(|cut| *cut > from && *cut <= threshold);
        self.priced_at.iter().any(|threshold| *threshold > from && within(*threshold))
    }

    /// Whether a price of the substitute starts or ends between the events of the line.
    fn price_changes(&self, book: &Book, line: &UsageLine) -> bool {
        let after_last = Timestamp::from_nanos(line.last_at.nanos().saturating_add(1)).unwrap_or(Timestamp::LATEST);
        !book.changes_within(self.substitute.to.name.as_str(), line.key.priced_at, after_last).is_empty()
    }
}

fn first_match<'r, 'a>(
    rules: &'r [Rule<'a>],
    usage: &Usage<'a>,
    line: &RatedLine,
) -> Option<(usize, &'r Rule<'a>, &'a ServiceTier)> {
    let key = &line.usage.key;
    let (model, tier) = (usage.names.models.get(&key.model)?, usage.names.tiers.get(&key.tier)?);
    let tags = usage.names.tags(key.tag_set);
    let first = rules.iter().enumerate().find(|(_, rule)| rule.substitute.matches(model, tier, tags));
    first.map(|(place, rule)| (place, rule, tier))
}

/// The charges with a quantity above zero.
fn charges(line: &RatedLine) -> impl Iterator<Item = &Charge> {
    line.charges.iter().filter(|charge| charge.quantity != 0)
}

fn prices_any(charges: &[Charge]) -> bool {
    charges.iter().any(|charge| matches!(charge.cost, Cost::Priced(_)))
}

/// The amount of a cost. "Requests cost nothing" is known only if the model has some price.
fn known(cost: Cost, prices_any: bool) -> Result<Amount, Unpriced> {
    match cost {
        Cost::Priced(amount) => Ok(amount),
        Cost::NotCharged if prices_any => Ok(Amount::ZERO),
        Cost::NotCharged => Err(Unpriced::NoPrice),
        Cost::Unpriced(why) => Err(why),
    }
}

fn tokens(charge: &Charge) -> i128 {
    if charge.meter.unit() == Unit::Tokens { i128::from(charge.quantity) } else { 0 }
}
