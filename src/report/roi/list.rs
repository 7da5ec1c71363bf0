//! The list of benefits and costs for a return on investment: what usage replaced, and what it needs beside tokens.
//!
//! It is a CSV of `department,project,name,side,amount,hours,hourly_rate,currency,every,from,to`. An item is an amount,
//! or hours at an hourly rate. It is paid once or every week (52/12 a month), month or year (1/12 a month). `from` and
//! `to` are days, both included, or whole months. Without `to` an item continues. All items are in the ledger's
//! currency. Benefits are people's estimates, so this module does not convert, infer or fill in anything.

use crate::domain::calendar::Day;
use crate::domain::currency::Currency;
use crate::domain::money::{Amount, FEMTOS_PER_UNIT};
use crate::domain::name::{Name, TagValue};
use crate::domain::period::{Month, Period, day};
use crate::domain::ratio::{Overflow, Ratio};
use crate::text::problem::{Problem, nearest};
use crate::text::table::{Table, TableRow};

const REQUIRED: [&str; 5] = ["name", "side", "currency", "every", "from"];
const OPTIONAL: [&str; 6] = ["department", "project", "amount", "hours", "hourly_rate", "to"];

/// Benefits and costs, all in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenefitList {
    currency: Currency,
    items: Vec<Item>,
}

impl BenefitList {
    /// Reads a list in the ledger's currency. Every bad line is a problem, and a list with problems is rejected.
    pub fn read(bytes: &[u8], currency: Currency) -> Result<Self, Vec<Problem>> {
        let table = Table::read(bytes, &REQUIRED, &OPTIONAL)?;
        let (mut items, mut problems) = (Vec::new(), Vec::new());
        for row in table.rows() {
            match item(&table, row, currency) {
                Ok(item) => items.push(item),
                Err(problem) => problems.push(problem.at(row.line)),
            }
        }
        if items.is_empty() && problems.is_empty() {
            problems
                .push(Problem::line("the file contains no benefits and no costs", "at least one row below the header"));
        }
        if problems.is_empty() { Ok(Self { currency, items }) } else { Err(problems) }
    }

    /// The currency of all items.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// The items in the order of the file.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
}

/// A benefit or a cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The department; `None` if it belongs to no single one.
    pub department: Option<TagValue>,
    /// The project it belongs to.
    pub project: Option<TagValue>,
    /// Its name.
    pub name: Name,
    /// Its side of the account.
    pub side: Side,
    /// Units of currency, not below 0: in all for a one-time item, otherwise a month.
    amount: Ratio,
    schedule: Schedule,
}

/// The side of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What was saved or earned.
    Benefit,
    /// What was spent beside tokens.
    Cost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schedule {
    Once {
        on: Day,
    },
    /// Both ends included; the first is not after the last.
    Monthly {
        first: Day,
        last: Day,
    },
}

impl Item {
    /// The item's amount in a period. A month counts by its days. Rounded half to even to a femto-unit at the end.
    pub fn amount_in(&self, period: Period) -> Result<Amount, Overflow> {
        match self.schedule {
            Schedule::Once { on } if period.contains(on) => units(self.amount),
            Schedule::Once { .. } => Ok(Amount::ZERO),
            Schedule::Monthly { first, last } => units(self.amount.times(months_within(period, first, last)?)?),
        }
    }

    /// The one-time amount, if it was paid on that day or earlier. Zero if the item recurs or comes later.
    pub fn paid_once_by(&self, day: Day) -> Result<Amount, Overflow> {
        match self.schedule {
            Schedule::Once { on } if on <= day => units(self.amount),
            Schedule::Once { .. } | Schedule::Monthly { .. } => Ok(Amount::ZERO),
        }
    }

    /// The amount of a recurring item for a whole month, if it is in force on that day.
    pub fn a_month_on(&self, day: Day) -> Result<Amount, Overflow> {
        match self.schedule {
            Schedule::Monthly { first, last } if (first..=last).contains(&day) => units(self.amount),
            Schedule::Once { .. } | Schedule::Monthly { .. } => Ok(Amount::ZERO),
        }
    }
}

/// The number of months in a period: 1 for a whole month, 10/31 for ten days of October.
pub(super) fn months_of(period: Period) -> Result<Ratio, Overflow> {
    months_within(period, period.first(), period.last())
}

/// The months of a period, counted by their days from `first` to `last`.
fn months_within(period: Period, first: Day, last: Day) -> Result<Ratio, Overflow> {
    let (first, last) = (first.max(period.first()), last.min(period.last()));
    let share = |month: Month| {
        let active = days(first.max(month.first()), last.min(month.last()));
        Ratio::new(active, days(month.first(), month.last())).ok_or(Overflow)
    };
    let none = Ratio::new(0, 1).ok_or(Overflow)?;
    period.months().try_fold(none, |sum, month| sum.plus(share(month)?))
}

/// Days from one to another, both included; 0 if the last is before the first.
fn days(first: Day, last: Day) -> i128 {
    i128::from(last.number()).saturating_sub(first.number().into()).saturating_add(1).max(0)
}

fn units(units: Ratio) -> Result<Amount, Overflow> {
    Amount::from_femtos(FEMTOS_PER_UNIT).scaled(units)
}

fn item(table: &Table, row: &TableRow, currency: Currency) -> Result<Item, Problem> {
    let get = |column| table.get(row, column);
    let tag = |column: &'static str| match get(column) {
        "" => Ok(None),
        text => TagValue::new(text)
            .map(Some)
            .map_err(|error| Problem::value(column, text, error, "the name as in the usage's tags, or nothing")),
    };
    in_currency(get("currency"), currency)?;
    let every = Every::parse(get("every"))?;
    Ok(Item {
        department: tag("department")?,
        project: tag("project")?,
        name: Name::new(get("name"))
            .map_err(|error| Problem::value("name", get("name"), error, "what the benefit or the cost is"))?,
        side: side(get("side"))?,
        amount: amount(get("amount"), get("hours"), get("hourly_rate"), every)?,
        schedule: schedule(every, get("from"), get("to"))?,
    })
}

fn in_currency(text: &str, currency: Currency) -> Result<(), Problem> {
    let found = Currency::parse(text)
        .map_err(|error| Problem::value("currency", text, error, format!("{currency}, the ledger's currency")))?;
    if found == currency {
        return Ok(());
    }
    Err(Problem::value("currency", text, "has no exchange rate", format!("{currency}, the ledger's currency")))
}

fn side(text: &str) -> Result<Side, Problem> {
    match text {
        "benefit" => Ok(Side::Benefit),
        "cost" => Ok(Side::Cost),
        _ => Err(Problem::value("side", text, "is not a side", expected(text, &["benefit", "cost"]))),
    }
}

fn expected(text: &str, known: &[&'static str]) -> String {
    nearest(text, known.iter().copied()).map_or_else(|| known.join(", "), str::to_owned)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    Once,
    Week,
    Month,
    Year,
}

impl Every {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "once" => Ok(Self::Once),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            "year" => Ok(Self::Year),
            _ => {
                let known = ["once", "week", "month", "year"];
                Err(Problem::value("every", text, "is not an interval", expected(text, &known)))
            }
        }
    }

    /// The number of payments in a month. A one-time item counts as one.
    fn a_month(self) -> Option<Ratio> {
        match self {
            Self::Once | Self::Month => Some(Ratio::ONE),
            Self::Week => Ratio::new(52, 12),
            Self::Year => Ratio::new(1, 12),
        }
    }
}

/// The item's amount in units of currency: in all for a one-time item, otherwise a month.
fn amount(amount: &str, hours: &str, hourly_rate: &str, every: Every) -> Result<Ratio, Problem> {
    let either = "either an amount, or hours and an hourly_rate";
    let (column, each) = match (amount, hours, hourly_rate) {
        ("", "", "") => return Err(Problem::field("amount", "is missing", either)),
        ("", "", _) => return Err(Problem::field("hours", "is missing", either)),
        ("", _, "") => return Err(Problem::field("hourly_rate", "is missing", either)),
        ("", hours, rate) => ("hours", number("hours", hours)?.times(number("hourly_rate", rate)?)),
        (amount, "", "") => ("amount", Ok(number("amount", amount)?)),
        (..) => return Err(Problem::field("amount", "is given together with hours or hourly_rate", either)),
    };
    let monthly = each.and_then(|each| each.times(every.a_month().ok_or(Overflow)?));
    // An amount too large to be added to any other is a typing error.
    let fits = monthly.and_then(|monthly| units(monthly).map(|_| monthly));
    fits.map_err(|_| Problem::field(column, "is too large or has too many digits", "less than 1e23, 15 decimals"))
}

fn number(column: &'static str, text: &str) -> Result<Ratio, Problem> {
    let expected = "a plain decimal number such as 1250.50, not below 0";
    let number = Ratio::parse(text).map_err(|error| Problem::value(column, text, error, expected))?;
    if text.starts_with('-') {
        return Err(Problem::value(column, text, "is below 0", expected));
    }
    Ok(number)
}

fn schedule(every: Every, from: &str, to: &str) -> Result<Schedule, Problem> {
    let first = match Month::parse(from) {
        Ok(month) => month.first(),
        Err(_) => a_day("from", from)?,
    };
    if every == Every::Once {
        return match to {
            "" => Ok(Schedule::Once { on: first }),
            _ => Err(Problem::value("to", to, "ends what is paid once", "nothing")),
        };
    }
    let last = match (to, Month::parse(to)) {
        ("", _) => Day::LAST,
        (_, Ok(month)) => month.last(),
        (_, Err(_)) => a_day("to", to)?,
    };
    if first > last {
        return Err(Problem::value("to", to, "is before from", format!("{from} or later, or nothing")));
    }
    Ok(Schedule::Monthly { first, last })
}

fn a_day(column: &'static str, text: &str) -> Result<Day, Problem> {
    let what = "is not a month or a day between 2015 and 2099";
    day(text).map_err(|_| Problem::value(column, text, what, "YYYY-MM or YYYY-MM-DD"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    const HEADER: &str = "department,project,name,side,amount,hours,hourly_rate,currency,every,from,to";

    fn read(rows: &str) -> Result<BenefitList, Vec<Problem>> {
        let currency = Currency::parse("USD").map_err(|error| vec![Problem::line(error.to_string(), "USD")])?;
        BenefitList::read(format!("{HEADER}\n{rows}\n").as_bytes(), currency)
    }

    /// The amount of a list's only item in a period.
    fn amount(row: &str, period: &str) -> Result<String, Box<dyn Error>> {
        let list = read(row).map_err(|problems| format!("{problems:?}"))?;
        let [item] = list.items() else { return Err("not one item".into()) };
        Ok(item.amount_in(Period::parse(period)?)?.to_string())
    }

    #[test]
    fn every_interval_is_counted_in_months() -> Result<(), Box<dyn Error>> {
        let cases = [
            ("d,p,n,benefit,,2.75,60,USD,week,2026-10,", "2026-10", "715"),
            ("d,p,n,benefit,2400,,,USD,year,2026-10,", "2026-10", "200"),
            ("d,p,n,benefit,2400,,,USD,year,2026-10,", "2026-10-01..2027-09-30", "2400"),
            ("d,p,n,benefit,100,,,USD,week,2026-10,", "2026-10", "433.333333333333333"),
            ("d,p,n,benefit,100,,,USD,month,2026-01,2026-12", "2026", "1200"),
            ("d,p,n,cost,6000,,,USD,once,2026-10,", "2026-10", "6000"),
            ("d,p,n,cost,6000,,,USD,once,2026-10-15,", "2026-Q4", "6000"),
            ("d,p,n,cost,6000,,,USD,once,2026-09,", "2026-10", "0"),
        ];
        for (row, period, expected) in cases {
            assert_eq!(amount(row, period)?, expected, "{row} in {period}");
        }
        Ok(())
    }

    #[test]
    fn a_month_counts_by_its_days() -> Result<(), Box<dyn Error>> {
        let cases = [
            ("2026-10-11,", "2026-10", "210"),
            ("2026-10-11,2026-10-20", "2026-10", "100"),
            ("2026-10-31,2026-10-31", "2026-10", "10"),
            ("2026-01,2026-10", "2026-10", "310"),
            ("2026-01,2026-09", "2026-10", "0"),
            ("2026-01,", "2026-10-01..2026-10-10", "100"),
            ("2026-10-06,2026-11-15", "2026-10-01..2026-10-10", "50"),
            ("2026-10-22,2026-11-15", "2026", "255"),
            ("2026-11,", "2026-10", "0"),
            ("2028-02-01,2028-02-29", "2028", "310"),
        ];
        for (span, period, expected) in cases {
            assert_eq!(amount(&format!("d,p,n,benefit,310,,,USD,month,{span}"), period)?, expected, "{span} {period}");
        }
        Ok(())
    }

    #[test]
    fn what_is_paid_once_counts_once_however_a_month_is_cut() -> Result<(), Box<dyn Error>> {
        for (from, expected) in [("2026-10", ["500", "0"]), ("2026-10-20", ["0", "500"])] {
            let row = format!("d,p,n,cost,500,,,USD,once,{from},");
            let halves = [amount(&row, "2026-10-01..2026-10-15")?, amount(&row, "2026-10-16..2026-10-31")?];
            assert_eq!(halves, expected, "{from}");
        }
        Ok(())
    }

    fn assert_refused(row: &str, expected: &str) {
        let problems = read(row).map_err(|problems| problems.iter().map(|p| p.in_file("f")).collect::<Vec<_>>());
        assert_eq!(problems.map(|_| ()), Err(vec![format!("f:2: {expected}")]), "{row}");
    }

    #[test]
    fn a_bad_amount_or_side_is_named_with_what_was_expected() {
        for (row, expected) in [
            (
                "d,p,n,benefit,1,,,EUR,month,2026-10,",
                "currency: \"EUR\" has no exchange rate, expected USD, the ledger's currency",
            ),
            (
                "d,p,n,benefit,1,,,,month,2026-10,",
                "currency: is not a currency code of ISO 4217 in capitals, such as USD, expected USD, the ledger's currency",
            ),
            ("d,p,n,benefits,1,,,USD,month,2026-10,", "side: \"benefits\" is not a side, expected benefit"),
            (
                "d,p,n,benefit,-1,,,USD,month,2026-10,",
                "amount: \"-1\" is below 0, expected a plain decimal number such as 1250.50, not below 0",
            ),
            (
                "d,p,n,benefit,,-1,2,USD,month,2026-10,",
                "hours: \"-1\" is below 0, expected a plain decimal number such as 1250.50, not below 0",
            ),
            (
                "d,p,n,benefit,1e3,,,USD,month,2026-10,",
                "amount: \"1e3\" is not a plain decimal number, expected a plain decimal number such as 1250.50, not below 0",
            ),
            (
                "d,p,n,benefit,,,,USD,month,2026-10,",
                "amount: is missing, expected either an amount, or hours and an hourly_rate",
            ),
            (
                "d,p,n,benefit,,1,,USD,month,2026-10,",
                "hourly_rate: is missing, expected either an amount, or hours and an hourly_rate",
            ),
            (
                "d,p,n,benefit,,,1,USD,month,2026-10,",
                "hours: is missing, expected either an amount, or hours and an hourly_rate",
            ),
            (
                "d,p,n,benefit,1,1,1,USD,month,2026-10,",
                "amount: is given together with hours or hourly_rate, expected either an amount, or hours and an hourly_rate",
            ),
            (
                "d,p,n,benefit,9999999999999999999999999999,,,USD,month,2026-10,",
                "amount: is too large or has too many digits, expected less than 1e23, 15 decimals",
            ),
        ] {
            assert_refused(row, expected);
        }
    }

    #[test]
    fn a_bad_time_or_name_is_named_with_what_was_expected() {
        for (row, expected) in [
            (
                "d,p,n,benefit,1,,,USD,monthly,2026-10,",
                "every: \"monthly\" is not an interval, expected once, week, month, year",
            ),
            ("d,p,n,benefit,1,,,USD,once,2026-10,2026-11", "to: \"2026-11\" ends what is paid once, expected nothing"),
            (
                "d,p,n,benefit,1,,,USD,month,2026-10,2026-09",
                "to: \"2026-09\" is before from, expected 2026-10 or later, or nothing",
            ),
            (
                "d,p,n,benefit,1,,,USD,month,2026-10-02,2026-10-01",
                "to: \"2026-10-01\" is before from, expected 2026-10-02 or later, or nothing",
            ),
            (
                "d,p,n,benefit,1,,,USD,month,2026-13,",
                "from: \"2026-13\" is not a month or a day between 2015 and 2099, expected YYYY-MM or YYYY-MM-DD",
            ),
            (
                "d,p,n,benefit,1,,,USD,month,,",
                "from: is not a month or a day between 2015 and 2099, expected YYYY-MM or YYYY-MM-DD",
            ),
            (
                "(unallocated),p,n,benefit,1,,,USD,month,2026-10,",
                "department: \"(unallocated)\" is a name reserved for reports, expected the name as in the usage's tags, or nothing",
            ),
            ("d,p,,benefit,1,,,USD,month,2026-10,", "name: is empty, expected what the benefit or the cost is"),
        ] {
            assert_refused(row, expected);
        }
    }

    #[test]
    fn all_bad_lines_are_told_at_once_and_an_empty_list_is_refused() {
        let lines = |rows: &str| read(rows).map_err(|problems| problems.iter().map(|p| p.line).collect::<Vec<_>>());
        let good = "d,p,n,benefit,1,,,USD,month,2026-10,";
        assert_eq!(lines(&format!("x\n{good}\n,,,,,,,,,,")).map(|_| ()), Err(vec![2]));
        assert_eq!(lines(&format!(",,,,,,,,,,\n{good}\n,,,,,,,,,,")).map(|_| ()), Err(vec![2, 4]));
        assert_eq!(lines("").map(|_| ()), Err(vec![0]));
    }
}
