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
//! substitute = [{ from = "gpt-4.1", to = "gpt-4.1-mini", where = { department = "sales", service_tier = "batch" } }]
//! ```
//!
//! Numbers are strings or whole numbers: a TOML float is refused, so that no figure is ever a binary fraction.

use super::offer::{Allowance, Charged, Condition, Offer, Offers, Plan, Priced, Pricing, Substitute};
use crate::domain::currency::Currency;
use crate::domain::event::{Model, ServiceTier};
use crate::domain::money::Amount;
use crate::domain::name::{Name, TagValue};
use crate::domain::rate::{Per, Rate};
use crate::domain::ratio::{Overflow, Ratio};
use crate::domain::tags::TagKey;
use crate::text::problem::Problem;
use crate::text::toml_table::{Section, Value};
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
const SUBSTITUTE: [&str; 4] = ["from", "to", "to_provider", "where"];
const TIER: &str = "service_tier";
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
            problems.push(Problem::line("the file holds no offers", "at least one [[offer]]"));
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
    let section = section.labelled(format!("offer {}", place + 1));
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
                return Err(section.problem(key, "belongs to a flat plan", "a monthly_fee beside it"));
            }
        }
        let substitutes = substitutes.into_iter().map(|rule| substitute(section, rule)).collect::<Result<_, _>>()?;
        return Ok(Pricing::Book(Priced { book, substitutes }));
    };
    for (key, given) in [("book", book.is_some()), ("substitute", !substitutes.is_empty())] {
        if given {
            return Err(section.problem(key, "stands beside a monthly_fee", ONE_KIND));
        }
    }
    let allowance = match (included, beyond) {
        (None, None) => Allowance::Everything,
        (None, Some(_)) => {
            let what = "is never reached, as everything is included";
            return Err(section.problem("price_beyond", what, "included_tokens beside it"));
        }
        (Some(0), None) => {
            let what = "leaves nothing to compare";
            return Err(section.problem("included_tokens", what, "a number above 0, or a price_beyond beside it"));
        }
        (Some(included), beyond) => Allowance::Tokens { included, beyond },
    };
    Ok(Pricing::Plan(Plan { monthly_fee, allowance }))
}

fn substitute(offer: &Section<'_>, rule: Section<'_>) -> Result<Substitute, Problem> {
    let rule = rule.labelled(format!("{}: substitute", offer.label()));
    rule.no_unknown_keys(&SUBSTITUTE)?;
    let from = rule.required("from", "the model that was used", name)?;
    let to = rule.required("to", "the model instead", name)?;
    let provider = rule.optional("to_provider", name)?;
    let conditions = match rule.table("where")? {
        None => Vec::new(),
        Some(table) => table.labelled(format!("{}: where", rule.label())).entries(condition)?,
    };
    Ok(Substitute { from, to: Model { provider, name: to }, conditions })
}

fn condition(key: &str, value: &Value<'_>) -> Result<Condition, Problem> {
    let text = value.text()?;
    if key == TIER {
        let tier = ServiceTier::new(text);
        return tier.map(Condition::Tier).map_err(|error| value.problem(error, "such as batch or standard"));
    }
    let key = TagKey::new(key).map_err(|error| value.key_problem(error, "a tag's key, or service_tier"))?;
    let text = TagValue::new(text).map_err(|error| value.problem(error, "a tag's value, exactly"))?;
    Ok(Condition::Tag(key, text))
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

fn name(value: &Value<'_>) -> Result<Name, Problem> {
    Name::new(value.text()?).map_err(|error| value.problem(error, "a name without spaces around it"))
}

fn amount(value: &Value<'_>) -> Result<Amount, Problem> {
    let expected = "an amount such as \"89.50\", not below 0";
    let amount = Amount::parse(&value.number()?).map_err(|error| value.problem(error, expected))?;
    if amount < Amount::ZERO { Err(value.problem("is negative", expected)) } else { Ok(amount) }
}

fn rate(value: &Value<'_>) -> Result<Rate, Problem> {
    let expected = "a price per million tokens such as \"2.50\"";
    Rate::parse(&value.number()?, Per::Million).map_err(|error| value.problem(error, expected))
}

fn tokens(value: &Value<'_>) -> Result<i64, Problem> {
    let number = value.number()?;
    let plain = number.bytes().all(|b| b.is_ascii_digit());
    let tokens = number.parse().ok().filter(|_| plain);
    tokens.ok_or_else(|| value.problem("is not a number of tokens", "a whole number such as 10000000"))
}

fn percentage(value: &Value<'_>) -> Result<Ratio, Problem> {
    let expected = "a percentage such as \"2.9\", not below 0";
    let ratio = Ratio::parse(&value.number()?).map_err(|error| value.problem(error, expected))?;
    if ratio.is_negative() {
        return Err(value.problem("is negative", expected));
    }
    ratio.percent().map_err(|Overflow| value.problem("has too many digits", expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn problems(text: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let problems = Offers::read(text, Currency::parse("USD")?).err().unwrap_or_default();
        Ok(problems.iter().map(|problem| problem.in_file("f")).collect())
    }

    #[test]
    fn the_offers_of_the_example_are_read() -> Outcome {
        let offers = Offers::read(include_str!("../../../fixtures/month/offers.toml"), Currency::parse("USD")?);
        let offers = offers.map_err(|problems| format!("{problems:?}"))?;
        assert_eq!(offers.currency().code(), "EUR");
        assert_eq!(offers.books().into_iter().collect::<Vec<_>>(), ["alternative"]);
        assert_eq!(offers.list.len(), 6);
        Ok(())
    }

    /// Lines under `[[offer]]` and `name = "A"`, with the expected messages.
    const BAD_OFFERS: &[(&str, &str)] = &[
        ("monthly_fe = 89", "f:3: offer \"A\": \"monthly_fe\" is not a key, expected monthly_fee"),
        (
            "monthly_fee = 89.5",
            "f:3: offer \"A\": monthly_fee: 89.5 is a TOML float, which is not exact, expected it in quotes: \"89.5\"",
        ),
        (
            "monthly_fee = \"89,50\"",
            "f:3: offer \"A\": monthly_fee: \"89,50\" is not a plain decimal number, expected an amount such as \"89.50\", not below 0",
        ),
        (
            "monthly_fee = 0x10",
            "f:3: offer \"A\": monthly_fee: is not a decimal number, expected a number in quotes, or a whole number",
        ),
        (
            "monthly_fee = -1",
            "f:3: offer \"A\": monthly_fee: -1 is negative, expected an amount such as \"89.50\", not below 0",
        ),
        (
            "monthly_fee = true",
            "f:3: offer \"A\": monthly_fee: is true or false, expected a number in quotes, or a whole number",
        ),
        (
            "monthly_fee = 1\nmonthly_fee = 2",
            "f:4: is not TOML: duplicate key \"monthly_fee\", expected valid TOML, each key once",
        ),
        (
            "monthly_fee = 1\nbook = \"b\"",
            "f:4: offer \"A\": book: stands beside a monthly_fee, expected either a flat plan or prices by meter",
        ),
        (
            "monthly_fee = 1\nsubstitute = [{ from = \"a\", to = \"b\" }]",
            "f:4: offer \"A\": substitute: stands beside a monthly_fee, expected either a flat plan or prices by meter",
        ),
        (
            "monthly_fee = 1\nprice_beyond = 2",
            "f:4: offer \"A\": price_beyond: is never reached, as everything is included, expected included_tokens beside it",
        ),
        (
            "monthly_fee = 1\nincluded_tokens = 0",
            "f:4: offer \"A\": included_tokens: leaves nothing to compare, expected a number above 0, or a price_beyond beside it",
        ),
        (
            "monthly_fee = 1\nincluded_tokens = \"1e6\"",
            "f:4: offer \"A\": included_tokens: \"1e6\" is not a number of tokens, expected a whole number such as 10000000",
        ),
        (
            "monthly_fee = 1\nincluded_tokens = 1\nprice_beyond = -2",
            "f:5: offer \"A\": price_beyond: -2 is negative, expected a price per million tokens such as \"2.50\"",
        ),
        (
            "included_tokens = 5",
            "f:3: offer \"A\": included_tokens: belongs to a flat plan, expected a monthly_fee beside it",
        ),
        (
            "price_beyond = 5",
            "f:3: offer \"A\": price_beyond: belongs to a flat plan, expected a monthly_fee beside it",
        ),
        (
            "",
            "f:1: offer \"A\": changes nothing, expected a book, a monthly_fee, a substitute, a percentage or an exchange_rate",
        ),
        (
            "discount_percent = 0",
            "f:1: offer \"A\": changes nothing, expected a book, a monthly_fee, a substitute, a percentage or an exchange_rate",
        ),
        (
            "discount_percent = 101",
            "f:3: offer \"A\": discount_percent: 101 is above 100, expected a percentage from 0 to 100",
        ),
        (
            "discount_percent = -1",
            "f:3: offer \"A\": discount_percent: -1 is negative, expected a percentage such as \"2.9\", not below 0",
        ),
        (
            "card_fee_percent = 2.9",
            "f:3: offer \"A\": card_fee_percent: 2.9 is a TOML float, which is not exact, expected it in quotes: \"2.9\"",
        ),
        (
            "exchange_spread_percent = \"1 %\"",
            "f:3: offer \"A\": exchange_spread_percent: \"1 %\" is not a plain decimal number, expected a percentage such as \"2.9\", not below 0",
        ),
        (
            "exchange_rate = \"0.9\"",
            "f:3: offer \"A\": exchange_rate: is a rate from USD to USD, expected another currency, or exchange_spread_percent for what exchanging costs",
        ),
        (
            "exchange_rate = 0\ncurrency = \"EUR\"",
            "f:3: offer \"A\": exchange_rate: 0 is not above 0, expected units of USD for one EUR",
        ),
        (
            "currency = \"EUR\"\nbook = \"b\"",
            "f:1: offer \"A\": exchange_rate: is missing, expected units of USD for one EUR",
        ),
        (
            "currency = \"euro\"\nbook = \"b\"",
            "f:3: offer \"A\": currency: \"euro\" is not a currency code of ISO 4217 in capitals, such as USD, expected a code of the list",
        ),
        (
            "book = \" b\"",
            "f:3: offer \"A\": book: \" b\" starts or ends with white space, expected a name without spaces around it",
        ),
        ("book = 5", "f:3: offer \"A\": book: is a number, expected a text in quotes"),
        (
            "substitute = { from = \"a\", to = \"b\" }",
            "f:3: offer \"A\": substitute: is not a list of tables, expected [[offer.substitute]]",
        ),
        ("substitute = [5]", "f:3: offer \"A\": substitute: is not a table, expected keys and values"),
        ("substitute = [{ from = \"a\" }]", "f:3: offer \"A\": substitute: to: is missing, expected the model instead"),
        (
            "substitute = [{ from = \"a\", to = \"b\", provider = \"c\" }]",
            "f:3: offer \"A\": substitute: \"provider\" is not a key, expected to_provider",
        ),
        (
            "substitute = [{ from = \"a\", to = \"b\", where = { department = 5 } }]",
            "f:3: offer \"A\": substitute: where: department: is a number, expected a text in quotes",
        ),
        (
            "substitute = [{ from = \"a\", to = \"b\", where = { service_tier = \"Batch\" } }]",
            "f:3: offer \"A\": substitute: where: service_tier: \"Batch\" is not a service tier: up to 32 lower-case letters, digits, _ and -, expected such as batch or standard",
        ),
        (
            "substitute = [{ from = \"a\", to = \"b\", where = { \"a b\" = \"c\" } }]",
            "f:3: offer \"A\": substitute: where: a b: is not a tag key: 1 to 64 letters, digits and _ - . : /, expected a tag's key, or service_tier",
        ),
        (
            "substitute = [{ from = \"a\", to = \"b\", where = { department = \"(unallocated)\" } }]",
            "f:3: offer \"A\": substitute: where: department: \"(unallocated)\" is a name reserved for reports, expected a tag's value, exactly",
        ),
    ];

    #[test]
    fn a_bad_offer_is_named_with_its_key() -> Outcome {
        for (keys, message) in BAD_OFFERS {
            assert_eq!(problems(&format!("[[offer]]\nname = \"A\"\n{keys}\n"))?, [*message], "{keys}");
        }
        Ok(())
    }

    const BAD_FILES: &[(&str, &str)] = &[
        ("", "f: the file holds no offers, expected at least one [[offer]]"),
        ("offers = 1", "f:1: \"offers\" is not a key, expected offer"),
        ("[offer]\nname = \"A\"", "f:1: offer: is not a list of tables, expected [[offer]]"),
        ("[[offer]]\nbook = \"b\"", "f:1: offer 1: name: is missing, expected a name of its own for each offer"),
        ("[[offer]]\nname = 5", "f:2: offer 1: name: is a number, expected a text in quotes"),
        (
            "[[offer]]\nname = \"A\"\nbook = \"b\"\n\n[[offer]]\nname = \"A\"\nbook = \"c\"",
            "f:6: offer \"A\": name: is the name of the offer on line 1 too, expected a name of its own for each offer",
        ),
        ("charged = 5", "f:1: charged: is not a table, expected keys and values"),
        ("[charged]\nrate = 5", "f:2: charged: \"rate\" is not a key, expected currency, exchange_rate"),
        ("[charged]\ncurrency = \"EUR\"", "f:1: charged: exchange_rate: is missing, expected units of EUR for one USD"),
        (
            "[charged]\nexchange_rate = \"0.9\"",
            "f:2: charged: exchange_rate: is a rate from USD to USD, expected another currency, or exchange_spread_percent for what exchanging costs",
        ),
        (
            "[charged]\ncurrency = \"EUR\"\nexchange_rate = 0.92",
            "f:3: charged: exchange_rate: 0.92 is a TOML float, which is not exact, expected it in quotes: \"0.92\"",
        ),
        (
            "[charged]\ncurrency = \"EUR\"\nexchange_rate = \"-1\"",
            "f:3: charged: exchange_rate: \"-1\" is not above 0, expected units of EUR for one USD",
        ),
        (
            "[charged]\ncurrency = \"EUR\"\nexchange_rate = \"2\"\n[[offer]]\nname = \"A\"\nexchange_rate = 2",
            "f:4: offer \"A\": changes nothing, expected a book, a monthly_fee, a substitute, a percentage or an exchange_rate",
        ),
        ("[[offer]\nname = \"A\"", "f:1: is not TOML: unclosed array table, expected `]`"),
        ("[[offer]]\nname = \"A\nbook = \"b\"", "f:2: is not TOML: invalid basic string, expected `\"`"),
    ];

    #[test]
    fn a_bad_file_is_refused() -> Outcome {
        for (text, message) in BAD_FILES {
            assert_eq!(problems(text)?, [*message], "{text}");
        }
        Ok(())
    }
}
