//! The arithmetic of a comparison: turns tallies of the usage into exact amounts in the charged currency.
//!
//! Each figure is rounded once, half to even to a femto-unit, in its total. The departments are shares that add up to
//! it ([`spread`]).

use super::offer::{Allowance, Offer, Plan, Priced, Pricing, Substitute};
use super::spread::{spread, sum};
use super::tally::{Tallies, Tally};
use super::{Comparison, Figures, LeftOut, NoPriceOf, Offers, Reason, SavingsError, Unused, Usage};
use crate::domain::event::ServiceTier;
use crate::domain::meter::Unit;
use crate::domain::money::Amount;
use crate::domain::name::{Name, UNALLOCATED};
use crate::domain::ratio::{Overflow, Ratio};
use crate::domain::tags::TagKey;
use crate::domain::timestamp::Timestamp;
use crate::price::Book;
use std::collections::{BTreeMap, BTreeSet};

/// Compares what the usage was charged with what each offer would have charged, in the order of the offers.
pub fn compare(offers: &Offers, usage: &Usage<'_>) -> Result<Vec<Comparison>, SavingsError> {
    offers.list.iter().map(|offer| comparison(offers, offer, usage)).collect()
}

fn comparison(offers: &Offers, offer: &Offer, usage: &Usage<'_>) -> Result<Comparison, SavingsError> {
    let (tallies, departments) = match &offer.pricing {
        Pricing::Plan(plan) => under_plan(offers, offer, *plan, usage)?,
        Pricing::Book(priced) => {
            let name = priced.book.as_ref().map_or(usage.book, |book| book.as_str());
            let book = usage.books.get(name).filter(|book| book.epoch(Timestamp::LATEST) > 0);
            let book =
                book.ok_or_else(|| SavingsError::NoPrices { offer: offer.name.to_string(), book: name.to_owned() })?;
            refuse_unknown_tags(offer, priced, usage)?;
            let tallies = Tallies::under_book(usage, book, offer.currency, priced)?;
            refuse_without_price(offer, priced, book, &tallies)?;
            let departments = under_book(offers, offer, &tallies)?;
            (tallies, departments)
        }
    };
    let unused = match &offer.pricing {
        Pricing::Plan(_) => Vec::new(),
        Pricing::Book(priced) => {
            let rules = priced.substitutes.iter().enumerate().filter(|(place, _)| !tallies.used.contains(place));
            rules
                .map(|(_, rule)| Unused { from: rule.from.to_string(), is_conditional: !rule.conditions.is_empty() })
                .collect()
        }
    };
    let left_out = tallies.left_out.into_iter();
    Ok(Comparison {
        offer: offer.name.to_string(),
        currency: offers.charged.currency,
        months: usage.months,
        total: Figures::total(departments.values())?,
        departments,
        left_out: left_out.map(|((reason, unit), quantity)| LeftOut { reason, unit, quantity }).collect(),
        unused,
    })
}

/// Refuses conditions on a tag that no usage of the ledger has: they can never hold.
fn refuse_unknown_tags(offer: &Offer, priced: &Priced, usage: &Usage<'_>) -> Result<(), SavingsError> {
    let keys = priced.substitutes.iter().flat_map(Substitute::tag_keys);
    let asked: BTreeSet<&str> = keys.map(TagKey::as_str).filter(|key| !TagKey::OWN_FIELDS.contains(key)).collect();
    if asked.is_empty() || usage.lines.is_empty() {
        return Ok(());
    }
    let known: BTreeSet<&str> =
        usage.names.tag_sets.values().flat_map(|tags| tags.iter().map(|(key, _)| key)).collect();
    match asked.difference(&known).next() {
        None => Ok(()),
        Some(key) => Err(SavingsError::NoTag {
            offer: offer.name.to_string(),
            key: (*key).to_owned(),
            known: known.iter().map(|key| (*key).to_owned()).collect(),
        }),
    }
}

/// Refuses substitutes for which the book has no price at any time, of their provider or at the tier that they name:
/// nothing could ever be compared. Usage before the first price is left out instead.
fn refuse_without_price(
    offer: &Offer,
    priced: &Priced,
    book: &Book,
    tallies: &Tallies<'_>,
) -> Result<(), SavingsError> {
    for (place, targets) in tallies.tried.iter().filter(|(place, _)| !tallies.priced.contains(place)) {
        let (Some(rule), Some((provider, tier))) = (priced.substitutes.get(*place), targets.first()) else { continue };
        let providers = book.providers_of(rule.to.as_str());
        let is_sold = |(provider, tier): &(Option<Name>, ServiceTier)| {
            (providers.contains(&None) || providers.contains(&provider.as_ref()))
                && (rule.to_tier.is_none() || book.has_tier(rule.to.as_str(), tier))
        };
        if targets.iter().any(is_sold) {
            continue;
        }
        return Err(SavingsError::NoPriceOf(Box::new(NoPriceOf {
            offer: offer.name.to_string(),
            model: rule.to.to_string(),
            provider: provider.as_ref().map(ToString::to_string),
            tier: tier.to_string(),
            providers: providers.iter().flatten().map(ToString::to_string).collect(),
        })));
    }
    Ok(())
}

type Departments = BTreeMap<String, Figures>;

fn under_book(offers: &Offers, offer: &Offer, tallies: &Tallies<'_>) -> Result<Departments, Overflow> {
    let charged = spread(&amounts(tallies, |tally| tally.charged), offers.charged.rate)?;
    let offered = spread(&amounts(tallies, |tally| tally.offered), offer.factor)?;
    departments(tallies, &charged, &offered)
}

/// The fee and the cost of tokens beyond the included ones are shared over the departments by their tokens.
fn under_plan<'a>(
    offers: &Offers,
    offer: &Offer,
    plan: Plan,
    usage: &Usage<'a>,
) -> Result<(Tallies<'a>, Departments), Overflow> {
    let months = i128::from(usage.months.get());
    let mut tallies = Tallies::under_plan(usage, plan.allowance)?;
    let tokens = amounts(&tallies, |tally| Amount::from_femtos(tally.tokens));
    let total = sum(&tokens)?.femtos();
    let mut bill = plan.monthly_fee.scaled(Ratio::new(months, 1).ok_or(Overflow)?)?;
    let mut compared = Ratio::ONE;
    if let Allowance::Tokens { included, beyond } = plan.allowance {
        let included = i128::from(included).checked_mul(months).ok_or(Overflow)?;
        let excess = total.checked_sub(included).ok_or(Overflow)?.max(0);
        if let Some(rate) = beyond {
            bill = bill.plus(rate.price_of(i64::try_from(excess).map_err(|_| Overflow)?))?;
        } else if excess > 0 {
            compared = Ratio::new(included, total).ok_or(Overflow)?;
            leave_excess_out(&mut tallies, &tokens, excess, total)?;
        }
    }
    let paid = bill.scaled(offer.factor)?;
    let offered = match Ratio::new(paid.femtos(), total).filter(|_| total > 0) {
        Some(for_a_token) => spread(&tokens, for_a_token)?,
        None => fee_of_no_usage(&mut tallies, paid),
    };
    let charged = spread(&amounts(&tallies, |tally| tally.charged), offers.charged.rate.times(compared)?)?;
    let departments = departments(&tallies, &charged, &offered)?;
    Ok((tallies, departments))
}

/// Without a price for tokens beyond the included ones, they are not compared. This leaves out each department's share
/// of them.
fn leave_excess_out(tallies: &mut Tallies<'_>, tokens: &[Amount], excess: i128, total: i128) -> Result<(), Overflow> {
    let shares = spread(tokens, Ratio::new(excess, total).ok_or(Overflow)?)?;
    for (tally, share) in tallies.departments.values_mut().zip(shares) {
        tally.uncompared_tokens = tally.uncompared_tokens.checked_add(share.femtos()).ok_or(Overflow)?;
    }
    tallies.left_out.insert((Reason::BeyondIncluded, Unit::Tokens.name()), excess);
    Ok(())
}

/// A fee is due even without usage. No tokens show whose it is.
fn fee_of_no_usage(tallies: &mut Tallies<'_>, paid: Amount) -> Vec<Amount> {
    tallies.departments.entry(UNALLOCATED).or_insert(Tally::NOTHING);
    let of = |department: &str| if department == UNALLOCATED { paid } else { Amount::ZERO };
    tallies.departments.keys().map(|department| of(department)).collect()
}

fn amounts(tallies: &Tallies<'_>, of: impl Fn(&Tally) -> Amount) -> Vec<Amount> {
    tallies.departments.values().map(of).collect()
}

fn departments(tallies: &Tallies<'_>, charged: &[Amount], offered: &[Amount]) -> Result<Departments, Overflow> {
    let lines = tallies.departments.iter().zip(charged.iter().zip(offered));
    let figures = lines.map(|((department, tally), (charged, offered))| {
        Ok(((*department).to_owned(), Figures::new(*charged, *offered, tally.uncompared_tokens)?))
    });
    figures.collect()
}
