//! Offers files that are read, and wrong ones with their messages.

use super::*;
use crate::text::problem::Problem;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn problems(text: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let problems = Offers::read(text, Currency::parse("USD")?).err().unwrap_or_default();
    Ok(problems.iter().map(|problem| Problem { column: 0, ..problem.clone() }.in_file("f")).collect())
}

#[test]
fn the_offers_of_the_example_are_read() -> Outcome {
    let offers = Offers::read(include_str!("../../../../fixtures/month/offers.toml"), Currency::parse("USD")?);
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
        "f:4: offer \"A\": book: is given together with a monthly_fee, expected either a flat plan or prices by meter",
    ),
    (
        "monthly_fee = 1\nsubstitute = [{ from = \"a\", to = \"b\" }]",
        "f:4: offer \"A\": substitute: is given together with a monthly_fee, expected either a flat plan or prices by meter",
    ),
    (
        "monthly_fee = 1\nprice_beyond = 2",
        "f:4: offer \"A\": price_beyond: is never reached, as everything is included, expected included_tokens as well",
    ),
    (
        "monthly_fee = 1\nincluded_tokens = 0",
        "f:4: offer \"A\": included_tokens: leaves nothing to compare, expected a number above 0, or a price_beyond as well",
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
        "f:3: offer \"A\": included_tokens: belongs to a flat plan, expected a monthly_fee as well",
    ),
    ("price_beyond = 5", "f:3: offer \"A\": price_beyond: belongs to a flat plan, expected a monthly_fee as well"),
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
    (
        "substitute = [{ from = \"a\", to = \"a\" }]",
        "f:3: offer \"A\": substitute: changes nothing, expected another model in `to`, another provider in `to_provider`, or another tier in `to_tier`",
    ),
    (
        "substitute = [{ from = \"a\", to_tier = \"Batch\" }]",
        "f:3: offer \"A\": substitute: to_tier: \"Batch\" is not a service tier: up to 32 lower-case letters, digits, _ and -, expected such as batch or standard",
    ),
    (
        "substitute = [{ from = \"a\", to = \"b\", where = { api_key = \"c\" } }]",
        "f:3: offer \"A\": substitute: where: api_key: is not a field of ours, expected \"tag.api_key\" for a tag of that name",
    ),
    (
        "substitute = [{ from = \"a\", to = \"b\", where = { departmnt = \"c\" } }]",
        "f:3: offer \"A\": substitute: where: departmnt: is not a field of ours, expected department, or \"tag.departmnt\" for a tag of that name",
    ),
    (
        "substitute = [{ from = \"a\", to = \"b\", where = { model = \"c\" } }]",
        "f:3: offer \"A\": substitute: where: model: is not a condition of a substitute, expected department, project, environment, \"tag.KEY\", provider or service_tier",
    ),
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
        "f:3: offer \"A\": substitute: where: a b: is not the key of a tag, expected department, project, environment, \"tag.KEY\", provider or service_tier",
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
    ("", "f: the file contains no offers, expected at least one [[offer]]"),
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
