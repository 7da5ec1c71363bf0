//! Return on investment: benefits compared with listed costs and the cost of tokens, by department and in total.
//!
//! ROI = (benefit - cost) / cost. Without a cost there is no ratio, and the report says so. Payback = one-time costs up
//! to the period's end / the monthly return as of the period's last day. Ratios come from exact amounts, so they do not
//! depend on how amounts are rounded. Benefits are what the list claims; this module does not judge them.
//!
//! The rounded columns `benefit`, `cost_listed` and `cost_llm` are allocated by largest remainder. `cost` and `net` are
//! their sums. So every column adds up to its total, every row adds up across, and `cost_llm` agrees with the
//! chargeback. The total of `cost` may differ by one minor unit from the rounded exact amount, the total of `net` by
//! two.

pub mod list;
mod refused;

use crate::domain::calendar::Day;
use crate::domain::currency::Currency;
use crate::domain::money::Amount;
use crate::domain::name::{TagValue, UNALLOCATED};
use crate::domain::period::Period;
use crate::domain::ratio::{Overflow, Ratio};
use crate::rating::allocate;
use crate::report::by::{Choice, Dimension};
use crate::report::group::Totals;
use crate::report::{
    Detail, FileKind, Inputs, MonthBefore, MonthFile, Payers, Reads, Report, ReportError, Screen, UserFile,
};
use crate::sheet::{Cell, Column, Heading, Sheet};
pub use list::{BenefitList, Item, Side};
pub use refused::RoiError;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const REPORT: Report = Report {
    name: "roi",
    summary: "Benefits and costs against the LLM cost",
    by: Choice::Nothing,
    detail: |_| Detail::Groups(vec![Dimension::Department]),
    month_before: MonthBefore::Left,
    reads: Reads::File(FileKind::Benefits),
    payers: Payers::Matter,
    sheet: of_inputs,
    screen: Screen::Always,
    month_files: &[MonthFile { name: "roi.csv", by: &[], departments: None }],
};

/// The return on investment of the inputs' list of benefits. The cost of departments without any price is unknown.
fn of_inputs(inputs: &Inputs<'_>) -> Result<Sheet, ReportError> {
    let Some(UserFile::Benefits(list)) = inputs.file else {
        return Err(ReportError::Lacks { report: REPORT.name, needed: FileKind::Benefits.what() });
    };
    let departments = inputs.rated.grouped(&[Dimension::Department], inputs.names)?.into_owned().into_groups();
    let unknown = |(key, totals): (&Vec<String>, &Totals)| key.first().filter(|_| totals.is_unknown()).cloned();
    let unpriced: BTreeSet<String> = departments.iter().filter_map(unknown).collect();
    let all = !departments.is_empty() && unpriced.len() == departments.len();
    let known = if all { HasPrice::Nothing } else { HasPrice::Something };
    let costs = departments.into_iter().filter_map(|(key, totals)| Some((key.into_iter().next()?, totals.amount)));
    let sheet = sheet(list, &costs.collect(), inputs.period, inputs.heading.clone())?;
    Ok(with_unknown_costs(sheet, &unpriced, known))
}

/// Makes the report. `llm_cost` is the exact cost of each department's priced usage in the period.
fn sheet(
    list: &BenefitList,
    llm_cost: &BTreeMap<String, Amount>,
    period: Period,
    heading: Heading,
) -> Result<Sheet, RoiError> {
    if list.currency() != heading.currency {
        return Err(RoiError::OtherCurrency { list: list.currency(), report: heading.currency });
    }
    let accounts = accounts(list, llm_cost, period)?;
    let mut total = Account::EMPTY;
    for account in accounts.values() {
        total.add(account)?;
    }
    let rounded = rounded(&accounts, heading.currency)?;
    let mut rows = Vec::with_capacity(accounts.len());
    let mut rounded_total = Rounded::default();
    for ((department, account), rounded) in accounts.iter().zip(rounded) {
        rows.push(row(Cell::text(department), account, rounded, heading.currency)?);
        rounded_total.add(rounded)?;
    }
    let columns = columns(heading.currency);
    let total = row(Cell::Word("total"), &total, rounded_total, heading.currency)?;
    Ok(Sheet { heading, columns, rows, total: Some(total) })
}

/// The columns that depend on the LLM cost.
const OF_COST: [&str; 6] = ["cost_llm", "cost", "net", "roi_percent", "payback_months", "cost_exact"];

/// The sheet, with costs unknown instead of 0 for departments whose usage has no price. The total keeps the known part,
/// unless nothing is known.
#[must_use]
fn with_unknown_costs(mut sheet: Sheet, unpriced: &BTreeSet<String>, nothing_priced: HasPrice) -> Sheet {
    let of_cost: Vec<usize> = (0..)
        .zip(&sheet.columns)
        .filter(|(_, column)| OF_COST.contains(&column.name.as_ref()))
        .map(|(at, _)| at)
        .collect();
    let forget = |row: &mut Vec<Cell>| {
        for at in &of_cost {
            if let Some(cell) = row.get_mut(*at) {
                *cell = Cell::Unknown("unpriced");
            }
        }
    };
    let is_unpriced = |row: &&mut Vec<Cell>| matches!(row.first(), Some(Cell::Text(name)) if unpriced.contains(name));
    sheet.rows.iter_mut().filter(is_unpriced).for_each(forget);
    if nothing_priced == HasPrice::Nothing {
        sheet.total.iter_mut().for_each(forget);
    }
    sheet
}

/// Whether any usage of a period has a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HasPrice {
    /// Some usage has a price.
    Something,
    /// There is usage, and none of it has a price.
    Nothing,
}

fn columns(currency: Currency) -> Vec<Column> {
    let money = |name| Column::money(name, Some(currency));
    vec![
        Column::text("department"),
        money("benefit"),
        money("cost_listed"),
        money("cost_llm"),
        money("cost"),
        money("net"),
        Column::percent("roi_percent"),
        Column::number("payback_months"),
        money("benefit_exact"),
        money("cost_exact"),
    ]
}

/// The exact amounts of a department.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    benefit: Amount,
    cost_listed: Amount,
    cost_llm: Amount,
    /// Listed one-time costs up to the period's end.
    paid_once: Amount,
    /// The monthly return: recurring benefits less recurring costs and the period's token cost a month.
    a_month: Amount,
}

impl Account {
    const EMPTY: Self = Self {
        benefit: Amount::ZERO,
        cost_listed: Amount::ZERO,
        cost_llm: Amount::ZERO,
        paid_once: Amount::ZERO,
        a_month: Amount::ZERO,
    };

    fn add(&mut self, other: &Self) -> Result<(), Overflow> {
        *self = Self {
            benefit: self.benefit.plus(other.benefit)?,
            cost_listed: self.cost_listed.plus(other.cost_listed)?,
            cost_llm: self.cost_llm.plus(other.cost_llm)?,
            paid_once: self.paid_once.plus(other.paid_once)?,
            a_month: self.a_month.plus(other.a_month)?,
        };
        Ok(())
    }

    fn of_item(item: &Item, period: Period, last: Day) -> Result<Self, Overflow> {
        let (amount, a_month) = (item.amount_in(period)?, item.a_month_on(last)?);
        Ok(match item.side {
            Side::Benefit => Self { benefit: amount, a_month, ..Self::EMPTY },
            Side::Cost => Self {
                cost_listed: amount,
                paid_once: item.paid_once_by(last)?,
                a_month: Amount::ZERO.minus(a_month)?,
                ..Self::EMPTY
            },
        })
    }

    fn of_tokens(cost: Amount, months: Ratio) -> Result<Self, Overflow> {
        let a_month = cost.scaled(Ratio::ONE.over(months)?)?;
        Ok(Self { cost_llm: cost, a_month: Amount::ZERO.minus(a_month)?, ..Self::EMPTY })
    }

    fn cost(&self) -> Result<Amount, Overflow> {
        self.cost_listed.plus(self.cost_llm)
    }

    fn roi_percent(&self) -> Result<Cell, Overflow> {
        let cost = self.cost()?;
        if cost < Amount::ZERO {
            // Credits exceed the cost, and a ratio to a negative cost would change its sign.
            return Ok(Cell::Unknown("cost below 0"));
        }
        let Some(ratio) = self.benefit.minus(cost)?.over(cost) else { return Ok(Cell::Unknown("no cost")) };
        tenths(ratio.times(percent()?)?)
    }

    fn payback_months(&self) -> Result<Cell, Overflow> {
        if self.paid_once == Amount::ZERO {
            return Ok(Cell::Unknown("no one-off cost"));
        }
        if self.a_month <= Amount::ZERO {
            return Ok(Cell::Unknown("never"));
        }
        tenths(self.paid_once.over(self.a_month).ok_or(Overflow)?)
    }
}

fn percent() -> Result<Ratio, Overflow> {
    Ratio::new(100, 1).ok_or(Overflow)
}

/// A ratio with one decimal, half to even.
fn tenths(ratio: Ratio) -> Result<Cell, Overflow> {
    let ten = Ratio::new(10, 1).ok_or(Overflow)?;
    Ok(Cell::Fixed { value: ratio.times(ten)?.round_half_even(), digits: 1 })
}

fn accounts(
    list: &BenefitList,
    llm_cost: &BTreeMap<String, Amount>,
    period: Period,
) -> Result<BTreeMap<String, Account>, Overflow> {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    for item in list.items() {
        let department = item.department.as_ref().map_or(UNALLOCATED, TagValue::as_str);
        let account = accounts.entry(department.to_owned()).or_insert(Account::EMPTY);
        account.add(&Account::of_item(item, period, period.last())?)?;
    }
    let months = list::months_of(period)?;
    for (department, cost) in llm_cost {
        let account = accounts.entry(department.clone()).or_insert(Account::EMPTY);
        account.add(&Account::of_tokens(*cost, months)?)?;
    }
    Ok(accounts)
}

/// The amounts of a department in minor units.
#[derive(Debug, Clone, Copy, Default)]
struct Rounded {
    benefit: i128,
    cost_listed: i128,
    cost_llm: i128,
}

impl Rounded {
    fn add(&mut self, other: Self) -> Result<(), Overflow> {
        let plus = |a: i128, b: i128| a.checked_add(b).ok_or(Overflow);
        *self = Self {
            benefit: plus(self.benefit, other.benefit)?,
            cost_listed: plus(self.cost_listed, other.cost_listed)?,
            cost_llm: plus(self.cost_llm, other.cost_llm)?,
        };
        Ok(())
    }
}

/// Allocates each column's rounded total to the departments, in their order.
fn rounded(accounts: &BTreeMap<String, Account>, currency: Currency) -> Result<Vec<Rounded>, Overflow> {
    let unit = Amount::minor_unit(currency.digits());
    let column = |amount: fn(&Account) -> Amount| {
        let amounts = accounts.iter().map(|(department, account)| (vec![department.as_str()], amount(account)));
        allocate::minor_units(&amounts.collect(), unit)
    };
    let benefit = column(|account| account.benefit)?;
    let costs = column(|account| account.cost_listed)?.into_iter().zip(column(|account| account.cost_llm)?);
    let rounded = benefit.into_iter().zip(costs);
    Ok(rounded.map(|(benefit, (cost_listed, cost_llm))| Rounded { benefit, cost_listed, cost_llm }).collect())
}

fn row(name: Cell, account: &Account, rounded: Rounded, currency: Currency) -> Result<Vec<Cell>, Overflow> {
    let Rounded { benefit, cost_listed, cost_llm } = rounded;
    let cost = cost_listed.checked_add(cost_llm).ok_or(Overflow)?;
    let net = benefit.checked_sub(cost).ok_or(Overflow)?;
    let money = |value| Cell::Fixed { value, digits: currency.digits() };
    Ok(vec![
        name,
        money(benefit),
        money(cost_listed),
        money(cost_llm),
        money(cost),
        money(net),
        account.roi_percent()?,
        account.payback_months()?,
        Cell::Exact(account.benefit),
        Cell::Exact(account.cost()?),
    ])
}

#[cfg(test)]
mod tests;
