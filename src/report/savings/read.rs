//! The offers file, in TOML.
//!
//! ```toml
//! [charged]                     # optional: the currency everything is compared in
//! currency = "EUR"
//! exchange_rate = "0.92"        # EUR for one unit of the ledger's currency
//!
//! [[offer]]                     # a flat plan …
//! name = "Flat plan"
//! monthly_fee = "89"
//! included_tokens = 10000000    # without it everything is included
//! price_beyond = "2.50"         # per million tokens
//!
//! [[offer]]                     # … or prices, of another book, for other models, or the ledger's own
//! name = "Other seller"
//! book = "other"
//! discount_percent = "4"
//! card_fee_percent = "2.9"
//! exchange_spread_percent = "1.25"
//! currency = "USD"
//! exchange_rate = "0.905"       # of the charged currency for one unit of the offer's
//! substitute = [
//!   { from = "gpt-4.1", to = "gpt-4.1-mini", where = { department = "sales", "tag.api_key" = "key_7" } },
//!   { from = "gpt-4.1", to_tier = "batch", where = { service_tier = "standard" } },
//! ]
//! ```
//!
//! `where` spells tags as rules do: `department`, `project`, `environment`, and `tag.KEY` for any other. It also knows
//! `provider` and `service_tier`. The substitute has the provider and the tier of the usage, unless `to_provider` or
//! `to_tier` says otherwise.
//!
//! Numbers are strings or whole numbers: a TOML float is refused, so that no figure is ever a binary fraction.

use super::offer::{Allowance, Charged, Condition, Offer, Offers, Plan, Priced, Pricing, Substitute};
use crate::domain::currency::Currency;
use crate::domain::event::ServiceTier;
use crate::domain::money::Amount;
use crate::domain::name::{Name, TagValue};
use crate::domain::rate::{Per, Rate};
use crate::domain::ratio::{Overflow, Ratio};
use crate::domain::rule::Subject;
use crate::domain::tags::TagKey;
use crate::text::problem::{Problem, nearest};
use crate::text::toml_table::{Section, TomlValue};
use std::collections::BTreeMap;

const FILE: [&str; 2] = ["charged", "offer"];
const CHARGED: [&str; 2] = ["currency", "exchange_rate"];
const OFFER: [&str; 11] = [
    "name",
    "book",
    "monthly_fee",
    "included_tokens",
    "price_beyond",
    "discount_percent",
    "card_fee_percent",
    "exchange_spread_percent",
    "exchange_rate",
    "currency",
    "substitute",
];
const SUBSTITUTE: [&str; 5] = ["from", "to", "to_provider", "to_tier", "where"];
const TIER: &str = "service_tier";
const CONDITIONS: &str = "department, project, environment, \"tag.KEY\", provider or service_tier";
const ONE_KIND: &str = "either a flat plan or prices by meter";

impl Offers {
    /// Reads an offers file for a ledger's currency. It reports one problem for each offer, in the order of the file.
    pub fn read(text: &str, ledger: Currency) -> Result<Self, Vec<Problem>> {
        let document = Section::parse(text)?;
        let file = Section::of_document(text, document.get_ref());
        let mut problems = file.unknown_keys(&FILE);
        // Every offer is read in terms of the charged currency, so an error there would cause others.
        let charged = charged(&file, ledger).map_err(|problem| vec![problem])?;
        let sections = file.tables("offer", "[[offer]]").map_err(|problem| vec![problem])?;
        let (mut offers, mut names) = (Vec::new(), BTreeMap::new());
        for (place, section) in sections.into_iter().enumerate() {
            match offer(section, place, ledger, charged, &mut names) {
                Ok(offer) => offers.push(offer),
                Err(problem) => problems.push(problem),
            }
        }
        if offers.is_empty() && problems.is_empty() {
            problems.push(Problem::line("the file contains no offers", "at least one [[offer]]"));
        }
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() { Ok(Self { charged, list: offers }) } else { Err(problems) }
    }
}

fn charged(file: &Section<'_>, ledger: Currency) -> Result<Charged, Problem> {
    let Some(section) = file.table("charged")? else {
        return Ok(Charged { currency: ledger, rate: Ratio::ONE });
    };
    section.no_unknown_keys(&CHARGED)?;
    let currency = currency(&section)?.unwrap_or(ledger);
    let rate = exchange_rate(&section, ledger, currency, None)?;
    Ok(Charged { currency, rate })
}

fn offer(
    section: Section<'_>,
    place: usize,
    ledger: Currency,
    charged: Charged,
    names: &mut BTreeMap<Name, u64>,
) -> Result<Offer, Problem> {
    let section = section.labelled(format!("offer {}", place.saturating_add(1)));
    let name = section.required("name", "a name of its own for each offer", name)?;
    let section = section.labelled(format!("offer {}", crate::text::problem::excerpt(name.as_str())));
    if let Some(line) = names.insert(name.clone(), section.line()) {
        let what = format!("is the name of the offer on line {line} too");
        return Err(section.problem("name", what, "a name of its own for each offer"));
    }
    section.no_unknown_keys(&OFFER)?;
    let currency = currency(&section)?.unwrap_or(ledger);
    let usual = (currency == ledger).then_some(charged.rate);
    let rate = exchange_rate(&section, currency, charged.currency, usual)?;
    let pricing = pricing(&section)?;
    let factor = percentages(&section)?
        .times(rate)
        .map_err(|Overflow| section.problem("exchange_rate", "makes a number of too many digits", "fewer decimals"))?;
    let as_charged = |priced: &Priced| priced.book.is_none() && priced.substitutes.is_empty() && currency == ledger;
    if factor == charged.rate && matches!(&pricing, Pricing::Book(priced) if as_charged(priced)) {
        let expected = "a book, a monthly_fee, a substitute, a percentage or an exchange_rate";
        return Err(section.whole("changes nothing", expected));
    }
    Ok(Offer { name, currency, pricing, factor })
}

fn pricing(section: &Section<'_>) -> Result<Pricing, Problem> {
    let book = section.optional("book", name)?;
    let substitutes = section.tables("substitute", "[[offer.substitute]]")?;
    let fee = section.optional("monthly_fee", amount)?;
    let included = section.optional("included_tokens", tokens)?;
    let beyond = section.optional("price_beyond", rate)?;
    let Some(monthly_fee) = fee else {
        for (key, given) in [("included_tokens", included.is_some()), ("price_beyond", beyond.is_some())] {
            if given {
                return Err(section.problem(key, "belongs to a flat plan", "a monthly_fee as well"));
            }
        }
        let substitutes = substitutes.into_iter().map(|rule| substitute(section, rule)).collect::<Result<_, _>>()?;
        return Ok(Pricing::Book(Priced { book, substitutes }));
    };
    for (key, given) in [("book", book.is_some()), ("substitute", !substitutes.is_empty())] {
        if given {
            return Err(section.problem(key, "is given together with a monthly_fee", ONE_KIND));
        }
    }
    let allowance = match (included, beyond) {
        (None, None) => Allowance::Everything,
        (None, Some(_)) => {
            let what = "is never reached, as everything is included";
            return Err(section.problem("price_beyond", what, "included_tokens as well"));
        }
        (Some(0), None) => {
            let what = "leaves nothing to compare";
            return Err(section.problem("included_tokens", what, "a number above 0, or a price_beyond as well"));
        }
        (Some(included), beyond) => Allowance::Tokens { included, beyond },
    };
    Ok(Pricing::Plan(Plan { monthly_fee, allowance }))
}

fn substitute(offer: &Section<'_>, rule: Section<'_>) -> Result<Substitute, Problem> {
    let rule = rule.labelled(format!("{}: substitute", offer.label()));
    rule.no_unknown_keys(&SUBSTITUTE)?;
    let from = rule.required("from", "the model that was used", name)?;
    let to = rule.optional("to", name)?;
    let to_provider = rule.optional("to_provider", name)?;
    let to_tier = rule.optional("to_tier", |value| tier(value.text()?, value))?;
    let is_other = to.as_ref().is_some_and(|to| *to != from) || to_provider.is_some() || to_tier.is_some();
    if !is_other {
        let expected = "another model in `to`, another provider in `to_provider`, or another tier in `to_tier`";
        return Err(rule.whole("changes nothing", expected));
    }
    let conditions = match rule.table("where")? {
        None => Vec::new(),
        Some(table) => table.labelled(format!("{}: where", rule.label())).entries(condition)?,
    };
    Ok(Substitute { to: to.unwrap_or_else(|| from.clone()), from, to_provider, to_tier, conditions })
}

fn condition(key: &str, value: &TomlValue<'_>) -> Result<Condition, Problem> {
    let text = value.text()?;
    if key == TIER {
        return tier(text, value).map(Condition::Tier);
    }
    let key = match Subject::parse(key) {
        Some(Subject::Tag(key)) => key,
        Some(Subject::Provider) => return name(value).map(Condition::Provider),
        Some(Subject::Model | Subject::Source) => {
            return Err(value.key_problem("is not a condition of a substitute", CONDITIONS));
        }
        // Rules spell a tag so, and a bare key would look like a field of ours.
        None if TagKey::new(key).is_ok() => {
            let tag = format!("\"tag.{key}\" for a tag of that name");
            let near = nearest(key, ["department", "project", "environment", "provider", TIER]);
            let expected = near.map_or(tag.clone(), |near| format!("{near}, or {tag}"));
            return Err(value.key_problem("is not a field of ours", expected));
        }
        None => return Err(value.key_problem("is not the key of a tag", CONDITIONS)),
    };
    let text = TagValue::new(text).map_err(|error| value.problem(error, "a tag's value, exactly"))?;
    Ok(Condition::Tag(key, text))
}

fn tier(text: &str, value: &TomlValue<'_>) -> Result<ServiceTier, Problem> {
    ServiceTier::new(text).map_err(|error| value.problem(error, "such as batch or standard"))
}

/// `(1 - discount) x (1 + card fee + exchange spread)`: both fees are percentages of the discounted bill.
fn percentages(section: &Section<'_>) -> Result<Ratio, Problem> {
    let percent = |key| section.optional(key, percentage);
    let discount = section.optional("discount_percent", |value| {
        let discount = percentage(value)?;
        let kept = Ratio::ONE.minus(discount).ok().filter(|kept| !kept.is_negative());
        kept.map(|_| discount).ok_or_else(|| value.problem("is above 100", "a percentage from 0 to 100"))
    })?;
    let fees = [percent("card_fee_percent")?, percent("exchange_spread_percent")?];
    let paid = || -> Result<Ratio, Overflow> {
        let kept = discount.map_or(Ok(Ratio::ONE), |discount| Ratio::ONE.minus(discount))?;
        let with_fees = fees.into_iter().flatten().try_fold(Ratio::ONE, Ratio::plus)?;
        kept.times(with_fees)
    };
    paid().map_err(|Overflow| section.whole("has percentages of too many digits", "fewer decimals"))
}

/// Units of `to` for one unit of `from`: 1 for equal currencies, otherwise as written, otherwise the usual rate.
fn exchange_rate(section: &Section<'_>, from: Currency, to: Currency, usual: Option<Ratio>) -> Result<Ratio, Problem> {
    const KEY: &str = "exchange_rate";
    let expected = format!("units of {to} for one {from}");
    let written = section.optional(KEY, |value| {
        let number = value.number()?;
        let rate = Ratio::parse(&number).map_err(|error| value.problem(error, expected.clone()))?;
        if rate.is_zero() || rate.is_negative() {
            return Err(value.problem("is not above 0", expected.clone()));
        }
        Ok(rate)
    })?;
    match written {
        Some(rate) if from == to && rate != Ratio::ONE => {
            let what = format!("is a rate from {from} to {to}");
            Err(section.problem(KEY, what, "another currency, or exchange_spread_percent for what exchanging costs"))
        }
        Some(rate) => Ok(rate),
        None if from == to => Ok(Ratio::ONE),
        None => usual.ok_or_else(|| section.problem(KEY, "is missing", expected)),
    }
}

fn currency(section: &Section<'_>) -> Result<Option<Currency>, Problem> {
    section.optional("currency", |value| {
        Currency::parse(value.text()?).map_err(|error| value.problem(error, "a code of the list"))
    })
}

fn name(value: &TomlValue<'_>) -> Result<Name, Problem> {
    Name::new(value.text()?).map_err(|error| value.problem(error, "a name without spaces around it"))
}

fn amount(value: &TomlValue<'_>) -> Result<Amount, Problem> {
    let expected = "an amount such as \"89.50\", not below 0";
    let amount = Amount::parse(&value.number()?).map_err(|error| value.problem(error, expected))?;
    if amount < Amount::ZERO { Err(value.problem("is negative", expected)) } else { Ok(amount) }
}

fn rate(value: &TomlValue<'_>) -> Result<Rate, Problem> {
    let expected = "a price per million tokens such as \"2.50\"";
    Rate::parse(&value.number()?, Per::Million).map_err(|error| value.problem(error, expected))
}

fn tokens(value: &TomlValue<'_>) -> Result<i64, Problem> {
    let number = value.number()?;
    let plain = number.bytes().all(|b| b.is_ascii_digit());
    let tokens = number.parse().ok().filter(|_| plain);
    tokens.ok_or_else(|| value.problem("is not a number of tokens", "a whole number such as 10000000"))
}

fn percentage(value: &TomlValue<'_>) -> Result<Ratio, Problem> {
    let expected = "a percentage such as \"2.9\", not below 0";
    let ratio = Ratio::parse(&value.number()?).map_err(|error| value.problem(error, expected))?;
    if ratio.is_negative() {
        return Err(value.problem("is negative", expected));
    }
    ratio.percent().map_err(|Overflow| value.problem("has too many digits", expected))
}

#[cfg(test)]
mod tests;
