//! The savings report as a sheet: one row for each offer, or for each offer and department.
//!
//! Each offer is rounded separately, by largest remainder over its departments, so that its department rows add up to
//! its offer row. There is no total, because offers are alternatives.

use super::{Comparison, Figures, Unused};
use crate::domain::currency::Currency;
use crate::domain::meter::Unit;
use crate::domain::money::Amount;
use crate::domain::ratio::{Overflow, Ratio};
use crate::rating::allocate::minor_units;
use crate::sheet::{Cell, Column, Heading, Sheet};
use crate::text::problem::excerpt;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The subject of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An offer.
    Offer,
    /// A department under an offer.
    Department,
}

/// Makes the report, in the order of the offers. The heading gets the currency of the comparison, and caveats for what
/// was left out.
pub fn sheet(comparisons: &[Comparison], by: By, mut heading: Heading) -> Result<Sheet, Overflow> {
    let mut rows = Vec::new();
    for comparison in comparisons {
        let parts = rounded(comparison)?;
        match by {
            By::Offer => {
                let whole = parts.values().try_fold(Rounded::NOTHING, Rounded::plus).ok_or(Overflow)?;
                rows.push(row(comparison, None, &comparison.total, &whole)?);
            }
            By::Department => {
                for (department, figures) in &comparison.departments {
                    let part = parts.get(department.as_str()).ok_or(Overflow)?;
                    rows.push(row(comparison, Some(department), figures, part)?);
                }
            }
        }
        heading.currency = comparison.currency;
        heading.caveats.extend(caveats(comparison));
    }
    Ok(Sheet { heading, columns: columns(by), rows, total: None })
}

fn columns(by: By) -> Vec<Column> {
    let mut columns = vec![Column::text("offer")];
    if by == By::Department {
        columns.push(Column::text("department"));
    }
    columns.push(Column::text("currency"));
    columns.extend(["charged", "offered", "difference"].map(|name| Column::money(name, None)));
    columns.push(Column::percent("percent"));
    columns.push(Column::money("twelve_months", None));
    columns.push(Column::quantity("uncompared_tokens", Some(Unit::Tokens)));
    columns
}

/// Amounts in minor units.
#[derive(Clone, Copy)]
struct Rounded {
    charged: i128,
    offered: i128,
    twelve_months: i128,
}

impl Rounded {
    const NOTHING: Self = Self { charged: 0, offered: 0, twelve_months: 0 };

    fn plus(self, other: &Self) -> Option<Self> {
        Some(Self {
            charged: self.charged.checked_add(other.charged)?,
            offered: self.offered.checked_add(other.offered)?,
            twelve_months: self.twelve_months.checked_add(other.twelve_months)?,
        })
    }
}

/// The departments' amounts in minor units. Their sum is the offer's amount, rounded half to even.
fn rounded(comparison: &Comparison) -> Result<BTreeMap<&str, Rounded>, Overflow> {
    let unit = Amount::minor_unit(comparison.currency.digits());
    let by_key = |of: &dyn Fn(&Figures) -> Result<Amount, Overflow>| {
        let entries = comparison.departments.iter();
        entries
            .map(|(department, figures)| Ok((vec![department.as_str()], of(figures)?)))
            .collect::<Result<BTreeMap<_, _>, Overflow>>()
    };
    let charged = minor_units(&by_key(&|figures| Ok(figures.charged))?, unit)?;
    let offered = minor_units(&by_key(&|figures| Ok(figures.offered))?, unit)?;
    // The difference for twelve months, exact until it is rounded.
    let months = i128::from(comparison.months.get());
    let twelve = |figures: &Figures| figures.difference.scaled(Ratio::new(12, 1).ok_or(Overflow)?);
    let twelve_months = minor_units(&by_key(&twelve)?, unit.checked_mul(months).ok_or(Overflow)?)?;
    let parts = charged.into_iter().zip(offered).zip(twelve_months);
    let parts = parts.map(|((charged, offered), twelve_months)| Rounded { charged, offered, twelve_months });
    Ok(comparison.departments.keys().map(String::as_str).zip(parts).collect())
}

fn row(
    comparison: &Comparison,
    department: Option<&str>,
    figures: &Figures,
    rounded: &Rounded,
) -> Result<Vec<Cell>, Overflow> {
    let money = |value| money(comparison.currency, value);
    let mut row = vec![Cell::text(&comparison.offer)];
    row.extend(department.map(Cell::text));
    row.extend([
        Cell::text(comparison.currency.code()),
        money(rounded.charged),
        money(rounded.offered),
        money(rounded.charged.checked_sub(rounded.offered).ok_or(Overflow)?),
        percent(figures)?,
        money(rounded.twelve_months),
        Cell::Count(figures.uncompared_tokens),
    ]);
    Ok(row)
}

fn money(currency: Currency, value: i128) -> Cell {
    Cell::Fixed { value, digits: currency.digits() }
}

/// The exact difference in percent of the exact charge, half to even to one decimal.
fn percent(figures: &Figures) -> Result<Cell, Overflow> {
    let ratio = figures.difference.over(figures.charged).filter(|_| figures.charged > Amount::ZERO);
    let Some(ratio) = ratio else { return Ok(Cell::Unknown("nothing charged")) };
    let tenths = ratio.times(Ratio::new(1_000, 1).ok_or(Overflow)?)?;
    Ok(Cell::Fixed { value: tenths.round_half_even(), digits: 1 })
}

/// The caveats of one comparison: what it leaves out, and substitutes that matched no usage.
fn caveats(comparison: &Comparison) -> Vec<String> {
    let name = excerpt(&comparison.offer);
    let mut caveats = Vec::new();
    if !comparison.left_out.is_empty() {
        let mut caveat = format!("offer {name}: not compared:");
        for (place, part) in comparison.left_out.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            // Writing to a text cannot fail.
            let _ = write!(caveat, "{comma} {} {} ({})", part.quantity, part.unit, part.reason);
        }
        caveats.push(caveat);
    }
    let unused = comparison.unused.iter();
    caveats.extend(unused.map(|Unused { from, is_conditional }| {
        let check = if *is_conditional { "`where` and `from`" } else { "`from`" };
        format!("offer {name}: the substitution for {} matched no usage; check {check}", excerpt(from))
    }));
    caveats
}
