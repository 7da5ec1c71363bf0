//! Tallies the usage in one pass, by department: the usage for which both the contract and an offer have an amount.
//!
//! Amounts stay exact and in the currency of their side. If one side has no amount for some usage, the tally leaves it
//! out on both sides and counts it. It never counts such usage as 0.

use super::offer::{Allowance, Priced, Substitute};
use super::{Reason, Usage};
use crate::domain::currency::Currency;
use crate::domain::event::{Band, Model, ServiceTier};
use crate::domain::meter::{Meter, Unit};
use crate::domain::money::Amount;
use crate::domain::name::{Name, UNALLOCATED};
use crate::domain::number::ModelId;
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
    /// The positions of the substitutes for which the book has a price.
    pub(super) priced: BTreeSet<usize>,
    /// The providers and tiers at which a substitute without a price so far needed one, by its position.
    pub(super) tried: BTreeMap<usize, BTreeSet<(Option<Name>, ServiceTier)>>,
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
                    Cost::Unpriced(why) => tallies.leave_out(department, charge, Reason::Contract(why))?,
                    Cost::Priced(_) if !paid_for => tallies.leave_out(department, charge, Reason::NotTokens)?,
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
        let mut rules: Vec<Rule<'_>> = offer.substitutes.iter().map(|rule| Rule::new(rule, usage)).collect();
        for line in usage.lines {
            let department = tallies.department(usage, line);
            let Some(matched) = first_match(&mut rules, usage, line) else {
                tallies.add(department, line, &rater.charges(&line.usage))?;
                continue;
            };
            let Match { place, rule, model, tier } = matched;
            tallies.used.insert(place);
            if rule.price_changes(book, &line.usage) {
                tallies.priced.insert(place);
                for charge in charges(line) {
                    tallies.leave_out(department, charge, Reason::PriceChange)?;
                }
            } else {
                let offered = rule.charges(book, model, tier, &line.usage, currency);
                let has_price =
                    |charge: &Charge| !matches!(charge.cost, Cost::NotCharged | Cost::Unpriced(Unpriced::NoPrice));
                let needs_price = |charge: &Charge| charge.quantity != 0 && charge.cost != Cost::NotCharged;
                if offered.iter().any(has_price) {
                    tallies.priced.insert(place);
                } else if !tallies.priced.contains(&place) && offered.iter().any(needs_price) {
                    let target = (model.provider.clone(), tier.clone());
                    tallies.tried.entry(place).or_default().insert(target);
                }
                tallies.add(department, line, &offered)?;
            }
        }
        Ok(tallies)
    }

    fn department(&mut self, usage: &Usage<'a>, line: &RatedLine) -> &'a str {
        let tags = usage.names.tags_of(line.payer);
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
                (Err(why), _) => self.leave_out(department, charge, Reason::Contract(why))?,
                (_, Err(why)) => self.leave_out(department, charge, Reason::Offer(why))?,
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
        tally.tokens = tally.tokens.checked_add(tokens(charge)).ok_or(Overflow)?;
        Ok(())
    }

    fn leave_out(&mut self, department: &'a str, charge: &Charge, why: Reason) -> Result<(), Overflow> {
        let tally = self.departments.entry(department).or_insert(Tally::NOTHING);
        tally.uncompared_tokens = tally.uncompared_tokens.checked_add(tokens(charge)).ok_or(Overflow)?;
        let left_out = self.left_out.entry((why, charge.meter.unit().name())).or_default();
        *left_out = left_out.checked_add(charge.quantity.into()).ok_or(Overflow)?;
        Ok(())
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
    /// The substitute for each model of the usage, by the model's number.
    targets: BTreeMap<ModelId, Model>,
}

/// The substitute for a line.
struct Match<'r, 'a> {
    /// Its position in the offer.
    place: usize,
    rule: &'r Rule<'a>,
    model: &'r Model,
    tier: &'a ServiceTier,
}

impl<'a> Rule<'a> {
    fn new(substitute: &'a Substitute, usage: &Usage<'a>) -> Self {
        let thresholds = |model: &str| usage.thresholds.get(model).map_or(&[][..], Vec::as_slice);
        let (cut_at, priced_at) = (thresholds(substitute.from.as_str()), thresholds(substitute.to.as_str()));
        Self { substitute, cut_at, priced_at, targets: BTreeMap::new() }
    }

    fn charges(
        &self,
        book: &Book,
        model: &Model,
        tier: &ServiceTier,
        line: &UsageLine,
        currency: Currency,
    ) -> Vec<Charge> {
        let line = match line.key.band {
            Band::Above(from) if self.splits(from) => {
                Cow::Owned(UsageLine { key: UsageKey { band: Band::Unknown, ..line.key }, ..line.clone() })
            }
            Band::Above(_) | Band::Unknown => Cow::Borrowed(line),
        };
        let cost = |meter: Meter| cost_as(book, model, tier, &line, meter, currency);
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
        !book.changes_within(self.substitute.to.as_str(), line.key.priced_at, after_last).is_empty()
    }
}

fn first_match<'r, 'a>(rules: &'r mut [Rule<'a>], usage: &Usage<'a>, line: &RatedLine) -> Option<Match<'r, 'a>> {
    let key = &line.usage.key;
    let (model, tier) = (usage.names.models.get(&key.model)?, usage.names.tiers.get(&key.tier)?);
    let tags = usage.names.tags_of(line.payer);
    let place = rules.iter().position(|rule| rule.substitute.matches(model, tier, tags))?;
    let rule = rules.get_mut(place)?;
    let substitute = rule.substitute;
    rule.targets.entry(key.model).or_insert_with(|| substitute.target(model));
    let rule = &*rule;
    let target = rule.targets.get(&key.model)?;
    Some(Match { place, rule, model: target, tier: substitute.to_tier.as_ref().unwrap_or(tier) })
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
