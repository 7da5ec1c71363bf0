//! The month on one page: each department, compared with the previous month.

use crate::domain::meter::Unit;
use crate::domain::money::Amount;
use crate::domain::ratio::Ratio;
use crate::rating::allocate;
use crate::report::by::Dimension;
use crate::report::group::{Groups, Totals, below_one_unpriced};
use crate::report::{Inputs, ReportError};
use crate::sheet::{Cell, Column, Sheet};
use std::collections::{BTreeMap, BTreeSet};

/// Departments with their tokens, their amounts and the change from the previous period.
pub fn sheet(inputs: &Inputs<'_>) -> Result<Sheet, ReportError> {
    let by = [Dimension::Department];
    let now = inputs.rated.grouped(&by, inputs.names)?;
    let now = now.groups();
    let before = inputs.before.map(|before| before.grouped(&by, inputs.names)).transpose()?;
    let before = before.as_ref().map(|before| before.groups());
    let digits = inputs.heading.currency.digits();
    let rounded_now = rounded(now, digits)?;
    let rounded_before = before.map(|before| rounded(before, digits)).transpose()?;
    let departments: BTreeSet<&Vec<String>> = now.keys().chain(before.into_iter().flat_map(BTreeMap::keys)).collect();
    let mut rows = Vec::new();
    for key in departments {
        let name = key.first().map_or("", String::as_str);
        let of = |groups: &Groups| groups.get(key).cloned().unwrap_or(Totals::NONE);
        let earlier = before.zip(rounded_before.as_ref());
        let earlier = earlier.map(|(groups, units)| (of(groups), units.get(key).copied().unwrap_or(0)));
        rows.push(row(
            Cell::text(name),
            &of(now),
            rounded_now.get(key).copied().unwrap_or(0),
            earlier.as_ref(),
            digits,
        )?);
    }
    let all = |groups: &Groups| {
        let mut totals = Totals::NONE;
        groups.values().try_for_each(|group| totals.add(group)).map(|()| totals)
    };
    let total_before = before.map(all).transpose()?.map(|totals| {
        let units = totals.amount.minor_units(digits);
        (totals, units)
    });
    let total_now = all(now)?;
    let total =
        row(Cell::Word("total"), &total_now, total_now.amount.minor_units(digits), total_before.as_ref(), digits)?;
    let money = |name| Column::money(name, Some(inputs.heading.currency));
    let columns = vec![
        Column::text("department"),
        Column::count("events"),
        Column::quantity("tokens", Some(Unit::Tokens)),
        money("amount"),
        money("amount_before"),
        money("change"),
        Column::percent("change_percent"),
        Column::count("unpriced_events"),
    ];
    let mut heading = inputs.heading.clone();
    heading.caveats.extend(below_one_unpriced(now));
    Ok(Sheet { heading, columns, rows, total: Some(total) })
}

fn rounded(groups: &Groups, digits: u8) -> Result<BTreeMap<Vec<String>, i128>, ReportError> {
    let amounts: BTreeMap<Vec<String>, Amount> =
        groups.iter().map(|(key, totals)| (key.clone(), totals.amount)).collect();
    let units = allocate::minor_units(&amounts, Amount::minor_unit(digits))?;
    Ok(amounts.into_keys().zip(units).collect())
}

fn row(
    name: Cell,
    now: &Totals,
    units: i128,
    before: Option<&(Totals, i128)>,
    digits: u8,
) -> Result<Vec<Cell>, ReportError> {
    let amount = |totals: &Totals, value: i128| {
        if totals.is_unknown() { Cell::Unknown("unpriced") } else { Cell::Fixed { value, digits } }
    };
    let (earlier, change, percent) = match before {
        None => (Cell::Unknown("no usage"), Cell::Unknown("no usage"), Cell::Unknown("no usage")),
        Some((earlier, earlier_units)) if now.is_unknown() || earlier.is_unknown() => {
            (amount(earlier, *earlier_units), Cell::Unknown("unpriced"), Cell::Unknown("unpriced"))
        }
        Some((earlier, earlier_units)) => {
            let change = units - earlier_units;
            let exact = now.amount.minus(earlier.amount)?.over(earlier.amount);
            let percent = exact.map(|ratio| ratio.times(PER_MILLE)).transpose()?;
            let percent = percent.map_or(Cell::Unknown("none before"), |ratio| Cell::Fixed {
                value: ratio.round_half_even(),
                digits: 1,
            });
            (amount(earlier, *earlier_units), Cell::Fixed { value: change, digits }, percent)
        }
    };
    Ok(vec![
        name,
        Cell::Count(now.events.into()),
        Cell::Count(now.quantities.tokens()?.into()),
        amount(now, units),
        earlier,
        change,
        percent,
        now.unpriced_cell(),
    ])
}

/// The number of tenths of a percent in one.
const PER_MILLE: Ratio = Ratio::whole(1_000);
