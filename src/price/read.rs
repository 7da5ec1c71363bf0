//! tokenbook's own price list: `book,provider,model,meter,service_tier,prompt_above,currency,price,per,valid_from`.
//!
//! Prices are read from the literal text, never through a float. The reader rejects a price, and names its line, if it
//! is negative, cannot be represented exactly, or occurs twice with different rates.

use crate::domain::calendar::Calendar;
use crate::domain::currency::Currency;
use crate::domain::event::ServiceTier;
use crate::domain::meter::Meter;
use crate::domain::name::Name;
use crate::domain::period;
use crate::domain::rate::{Per, Rate};
use crate::domain::timestamp::Timestamp;
use crate::price::{PriceKey, PriceRow};
use crate::text::problem::{Problem, nearest};
use crate::text::table::{Table, TableRow};
use std::collections::BTreeMap;

const REQUIRED: [&str; 5] = ["model", "meter", "currency", "price", "valid_from"];
const OPTIONAL: [&str; 6] = ["book", "provider", "service_tier", "prompt_above", "per", "note"];

/// A price with its line in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPrice {
    /// The line, from 1.
    pub line: u64,
    /// The price.
    pub row: PriceRow,
}

/// Reads a price list. `book` is the book for rows without one. Dates are days in the calendar.
pub fn price_list(bytes: &[u8], book: &Name, calendar: Calendar) -> Result<Vec<ListedPrice>, Vec<Problem>> {
    let table = Table::read(bytes, &REQUIRED, &OPTIONAL)?;
    let (mut prices, mut problems) = (Vec::new(), Vec::new());
    for row in table.rows() {
        match price(&table, row, book, calendar) {
            Ok(price) => prices.push(ListedPrice { line: row.line, row: price }),
            Err(problem) => problems.push(problem.at(row.line)),
        }
    }
    let prices = without_repetitions(prices, &mut problems);
    if prices.is_empty() && problems.is_empty() {
        problems.push(Problem::line("the file contains no prices", "at least one row below the header"));
    }
    if problems.is_empty() { Ok(prices) } else { Err(problems) }
}

fn price(table: &Table, row: &TableRow, book: &Name, calendar: Calendar) -> Result<PriceRow, Problem> {
    let get = |column| table.get(row, column);
    let name = |column: &'static str| {
        Name::new(get(column))
            .map_err(|error| Problem::value(column, get(column), error, "a name without spaces around it"))
    };
    let optional_name = |column: &'static str| if get(column).is_empty() { Ok(None) } else { name(column).map(Some) };
    let tier = ServiceTier::new(get("service_tier")).map_err(|error| {
        Problem::value("service_tier", get("service_tier"), error, "standard, batch, flex or priority")
    })?;
    let key = PriceKey {
        book: optional_name("book")?.unwrap_or_else(|| book.clone()),
        provider: optional_name("provider")?,
        model: name("model")?,
        tier,
        meter: meter(get("meter"))?,
        prompt_above: prompt_above(get("prompt_above"))?,
    };
    let currency = Currency::parse(get("currency"))
        .map_err(|error| Problem::value("currency", get("currency"), error, "three capital letters"))?;
    Ok(PriceRow {
        key,
        valid_from: valid_from(get("valid_from"), calendar)?,
        currency,
        rate: rate(get("price"), get("per"))?,
    })
}

fn meter(name: &str) -> Result<Meter, Problem> {
    let priced = |meter: &Meter| !meter.is_measure();
    Meter::from_name(name).filter(priced).ok_or_else(|| {
        let names = || Meter::ALL.iter().filter(|meter| priced(meter)).map(|meter| meter.name());
        let by_field = Meter::from_field(name).filter(priced).map(Meter::name);
        let hint = by_field.or_else(|| nearest(name, names()));
        Problem::value(
            "meter",
            name,
            "is not a meter",
            hint.map_or_else(|| names().collect::<Vec<_>>().join(", "), str::to_owned),
        )
    })
}

fn prompt_above(text: &str) -> Result<i64, Problem> {
    if text.is_empty() {
        return Ok(0);
    }
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let value = text.parse().ok().filter(|_| plain);
    value.ok_or_else(|| {
        Problem::value("prompt_above", text, "is not a number of tokens", "a whole number above 0, or nothing")
    })
}

fn rate(price: &str, per: &str) -> Result<Option<Rate>, Problem> {
    let per = match per {
        "1" => Per::One,
        "1000" => Per::Thousand,
        "" | "1000000" => Per::Million,
        _ => return Err(Problem::value("per", per, "is not a unit of prices", "1, 1000 or 1000000")),
    };
    if price == "-" {
        return Ok(None);
    }
    let expected =
        "plain digits such as 2.50, a whole number of nano-units per million, 0 for free, or - for no longer sold";
    Rate::parse(price, per).map(Some).map_err(|error| Problem::value("price", price, error, expected))
}

/// The start of a price or an alias: a day of the calendar, or an instant.
pub(super) fn valid_from(text: &str, calendar: Calendar) -> Result<Timestamp, Problem> {
    if let Ok(day) = period::day(text) {
        return Ok(calendar.start_of(day));
    }
    Timestamp::parse(text).map_err(|error| {
        Problem::value(
            "valid_from",
            text,
            error,
            "a date such as 2026-10-01, or an instant such as 2026-10-01T00:00:00Z",
        )
    })
}

/// Drops identical rows. Two different rates for one key and start are an error that names both lines.
fn without_repetitions(prices: Vec<ListedPrice>, problems: &mut Vec<Problem>) -> Vec<ListedPrice> {
    let mut first: BTreeMap<(PriceKey, Timestamp), ListedPrice> = BTreeMap::new();
    let mut kept = Vec::new();
    for price in prices {
        let key = (price.row.key.clone(), price.row.valid_from);
        match first.get(&key) {
            None => {
                first.insert(key, price.clone());
                kept.push(price);
            }
            Some(earlier) if earlier.row == price.row => {}
            Some(earlier) => {
                let what =
                    format!("contradicts line {}, which has the same key and start with another price", earlier.line);
                problems.push(Problem::field("price", what, "one price for a key and a start").at(price.line));
            }
        }
    }
    kept
}
