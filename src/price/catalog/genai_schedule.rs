//! Prices of genai-prices under conditions: from a date on, at some hours, and for some requests.
//!
//! `prices` is one set or a list of sets. The last set of a list whose condition holds is in force, otherwise the
//! first. Dates are UTC. `price_variants` are sets for a kind of request, such as a batch or a service tier. Each price
//! of a variant replaces the price in force, and the first variant with that price wins. Prices that no variant has
//! stay. If a set by the hour is in force, there is no price, because a row could not say which.

use super::genai_prices::meter;
use super::quote::{Fate, Quote, Reason, Slot, Use};
use super::tree::{Node, NodeValue};
use crate::domain::event::ServiceTier;
use crate::domain::timestamp::Timestamp;
use crate::text::problem::Problem;
use std::collections::{BTreeMap, BTreeSet};

/// When a set of prices is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    From(Timestamp),
    Hours,
}

/// A set of prices, with the positions of each key's quotes.
struct Set<'a> {
    when: When,
    /// The tier of a variant; `None` if tokenbook has no such tier.
    tier: Option<&'a str>,
    prices: BTreeMap<&'a str, Vec<Placed>>,
}

/// One price for a key.
struct Placed {
    quote: usize,
    slot: Slot,
    per: u32,
}

/// The prices in force for each slot: positions among the quotes, with their units.
type InForce = BTreeMap<Slot, Vec<(usize, u32)>>;

/// The prices of a model, and the instants at which some of them end.
pub(super) type Scheduled = (Vec<Quote>, Vec<(Slot, Timestamp)>);

/// The prices of a model from an instant on.
pub(super) fn quotes(model: &Node, from: Timestamp) -> Result<Scheduled, Problem> {
    let mut quotes = Vec::new();
    let Some(prices) = model.get("prices") else { return Ok((quotes, Vec::new())) };
    let mut bases = Vec::new();
    match &prices.value {
        NodeValue::List(elements) => {
            for (number, node) in elements.iter().enumerate() {
                bases.push(set(&mut quotes, &format!("prices[{number}]"), node, None)?);
            }
        }
        _ => bases.push(Set { when: When::Always, tier: None, prices: placed(&mut quotes, "prices", prices, None) }),
    }
    let mut variants = Vec::new();
    for (number, node) in model.get("price_variants").map_or(&[][..], Node::elements).iter().enumerate() {
        let tier = tier(node);
        let set = set(&mut quotes, &format!("price_variants[{number}]"), node, tier.or(Some("")))?;
        variants.push(Set { tier, ..set });
    }
    let mut ends = Vec::new();
    let tiers: BTreeSet<&str> = variants.iter().filter_map(|variant| variant.tier).collect();
    let dates = bases.iter().chain(&variants).filter_map(|set| match set.when {
        When::From(at) if at > from => Some(at),
        _ => None,
    });
    let dates: BTreeSet<Timestamp> = dates.collect();
    for tier in std::iter::once(None).chain(tiers.into_iter().map(Some)) {
        let mut before = InForce::new();
        for (at, start) in std::iter::once((from, None)).chain(dates.iter().map(|at| (*at, Some(*at)))) {
            let now = in_force(&bases, &variants, tier, at);
            use_changed(&mut quotes, &before, &now, start);
            let gone = before.keys().filter(|slot| !now.contains_key(*slot)).cloned();
            ends.extend(gone.map(|slot| (slot, at)));
            before = now;
        }
    }
    settle(&mut quotes, &bases);
    Ok((quotes, ends))
}

/// The tier of a variant, if the tier is its only condition.
fn tier(variant: &Node) -> Option<&str> {
    let [(key, value)] = variant.get("when")?.members() else { return None };
    match (key.as_str(), value.text()?) {
        ("processing", "batch") => Some("batch"),
        ("speed", "fast") => Some("fast"),
        ("service_tier", tier) if tier != "default" => Some(tier),
        _ => None,
    }
}

fn set<'a>(quotes: &mut Vec<Quote>, place: &str, node: &'a Node, tier: Option<&str>) -> Result<Set<'a>, Problem> {
    let constraint = node.get("constraint");
    let when = match constraint {
        None => When::Always,
        Some(node) if node.get("start_time").is_some() => When::Hours,
        Some(node) => {
            let date = node.get("start_date").and_then(Node::text).unwrap_or_default();
            let at = Timestamp::parse(&format!("{date}T00:00:00Z"));
            When::From(at.map_err(|error| {
                Problem::value("start_date", date, error, "a date such as 2026-10-01").at(node.line)
            })?)
        }
    };
    let prices = node.get("prices").map(|prices| placed(quotes, &format!("{place}.prices"), prices, tier));
    Ok(Set { when, tier: None, prices: prices.unwrap_or_default() })
}

/// Makes quotes from a set's prices. A variant for no known tier gets an empty one.
fn placed<'a>(
    quotes: &mut Vec<Quote>,
    place: &str,
    prices: &'a Node,
    tier: Option<&str>,
) -> BTreeMap<&'a str, Vec<Placed>> {
    let mut placed: BTreeMap<&str, Vec<Placed>> = BTreeMap::new();
    for (key, node) in prices.members().iter().filter(|(_, node)| node.value != NodeValue::Nothing) {
        let mut put = |key_of_quote: String, node: &Node, above: i64| {
            let fate = match meter(key) {
                _ if tier == Some("") => Fate::Aside(Reason::Condition),
                Err(reason) => Fate::Aside(reason),
                Ok((meter, per)) => {
                    let slot = Slot::new(meter, tier.unwrap_or(ServiceTier::STANDARD), above);
                    placed.entry(key).or_default().push(Placed { quote: quotes.len(), slot, per });
                    Fate::Uses(Vec::new())
                }
            };
            quotes.push(Quote::of(key_of_quote, node, fate));
        };
        let Some(base) = node.get("base") else {
            put(format!("{place}.{key}"), node, 0);
            continue;
        };
        put(format!("{place}.{key}.base"), base, 0);
        for (number, tier) in node.get("tiers").map_or(&[][..], Node::elements).iter().enumerate() {
            let above = tier.get("start").and_then(Node::whole).filter(|start| *start > 0).unwrap_or(-1);
            if let Some(price) = tier.get("price") {
                put(format!("{place}.{key}.tiers[{number}]"), price, above);
            }
        }
    }
    placed
}

/// The prices in force at an instant, for requests of a tier.
fn in_force(bases: &[Set<'_>], variants: &[Set<'_>], tier: Option<&str>, at: Timestamp) -> InForce {
    let holds = |set: &&Set<'_>| match set.when {
        When::Always | When::Hours => true,
        When::From(start) => start <= at,
    };
    let base = bases.iter().rev().find(holds).or_else(|| bases.first()).filter(|set| set.when != When::Hours);
    let mut by_key: BTreeMap<&str, Option<&Vec<Placed>>> = BTreeMap::new();
    for set in variants.iter().filter(|set| tier.is_some() && set.tier == tier).filter(holds) {
        for (key, prices) in &set.prices {
            by_key.entry(key).or_insert(Some(prices).filter(|_| set.when != When::Hours));
        }
    }
    for (key, prices) in base.into_iter().flat_map(|set| &set.prices) {
        by_key.entry(key).or_insert(Some(prices));
    }
    let mut found = InForce::new();
    for price in by_key.into_values().flatten().flatten() {
        let tier = tier.unwrap_or(ServiceTier::STANDARD).to_owned();
        found.entry(Slot { tier, ..price.slot.clone() }).or_default().push((price.quote, price.per));
    }
    found
}

/// Uses the quotes that come into force.
fn use_changed(quotes: &mut [Quote], before: &InForce, now: &InForce, from: Option<Timestamp>) {
    for (slot, prices) in now.iter().filter(|(slot, prices)| before.get(*slot) != Some(*prices)) {
        for (place, per) in prices {
            if let Some(Fate::Uses(uses)) = quotes.get_mut(*place).map(|quote| &mut quote.fate) {
                uses.push(Use { slot: slot.clone(), per: *per, from, times: None });
            }
        }
    }
}

/// Sets aside the quotes that are never in force, because they apply at some hours only or have ended.
fn settle(quotes: &mut [Quote], bases: &[Set<'_>]) {
    let hourly = bases.iter().any(|set| set.when == When::Hours);
    for quote in quotes {
        if matches!(&quote.fate, Fate::Uses(uses) if uses.is_empty()) {
            quote.fate = Fate::Aside(if hourly { Reason::HourOfDay } else { Reason::Past });
        }
    }
}
