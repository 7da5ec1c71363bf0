//! Chargeback: what each department, project, model or other group used and has to pay.
//!
//! `amount_exact` is exact. `amount` is in minor units of the currency and adds up, group by group, to the rounded
//! total (nested largest remainder). `share_percent` adds up to 100.0 in the same way.

use crate::domain::currency::Currency;
use crate::domain::meter::Meter;
use crate::domain::money::Amount;
use crate::domain::ratio::half_even;
use crate::rating::allocate;
use crate::report::by::Dimension;
use crate::report::group::{Groups, Totals, below_one_unpriced};
use crate::report::{Inputs, ReportError};
use crate::sheet::{Cell, Column, Sheet};
use std::collections::{BTreeMap, BTreeSet};

/// The number of tenths of a percent in 100 %.
const SHARE_PARTS: i128 = 1_000;

/// The chargeback of the inputs' usage, by their dimensions.
pub fn sheet(inputs: &Inputs<'_>) -> Result<Sheet, ReportError> {
    let grouped = inputs.rated.grouped(inputs.by, inputs.names)?;
    let groups = grouped.groups();
    let by_meter = inputs.by.contains(&Dimension::Meter);
    let meters = if by_meter { BTreeSet::new() } else { grouped.meters_in_use() };
    let shape = Shape { by_meter, meters, currency: inputs.heading.currency };
    let amounts: BTreeMap<Vec<&str>, Amount> =
        groups.iter().map(|(key, totals)| (key.iter().map(String::as_str).collect(), totals.amount)).collect();
    let units = allocate::minor_units(&amounts, Amount::minor_unit(inputs.heading.currency.digits()))?;
    let shares = allocate::shares(&amounts, SHARE_PARTS)?;
    let mut rows = Vec::with_capacity(groups.len());
    for (place, ((key, totals), units)) in groups.iter().zip(units).enumerate() {
        let share = shares.as_ref().and_then(|shares| shares.get(place)).copied();
        let mut row: Vec<Cell> = inputs.by.iter().zip(key).map(|(dimension, name)| dimension.as_cell(name)).collect();
        row.extend(shape.cells(totals, units, share, inputs));
        rows.push(row);
    }
    let total = total(groups, &shape, shares.is_some(), inputs)?;
    let mut heading = inputs.heading.clone();
    heading.caveats.extend(below_one_unpriced(groups).filter(|_| !by_meter));
    Ok(Sheet { heading, columns: shape.columns(inputs.by), rows, total: Some(total) })
}

/// The columns of the sheet.
struct Shape {
    by_meter: bool,
    meters: BTreeSet<Meter>,
    currency: Currency,
}

impl Shape {
    fn columns(&self, by: &[Dimension]) -> Vec<Column> {
        let money = |name| Column::money(name, Some(self.currency));
        let mut columns: Vec<Column> = by.iter().map(Dimension::as_column).collect();
        if self.by_meter {
            columns.extend([Column::quantity("quantity", None), Column::text("unit")]);
        } else {
            columns.push(Column::count("events"));
            columns.extend(self.meters.iter().map(|meter| Column::quantity(meter.field(), Some(meter.unit()))));
        }
        columns.extend([money("amount_exact"), money("amount"), Column::text("currency")]);
        columns.push(Column::percent("share_percent"));
        if !self.by_meter {
            columns.extend([money("average_per_event"), Column::count("unpriced_events")]);
        }
        columns
    }

    /// The cells of a group after its names.
    fn cells(&self, totals: &Totals, units: i128, share: Option<i128>, inputs: &Inputs<'_>) -> Vec<Cell> {
        let mut cells = Vec::new();
        if self.by_meter {
            let used = totals.quantities.iter().next();
            let (quantity, unit) = used.map_or((0, ""), |(meter, quantity)| (quantity, meter.unit().name()));
            cells.extend([Cell::Count(quantity.into()), Cell::filled(unit)]);
        } else {
            cells.push(Cell::Count(totals.events.into()));
            cells.extend(self.meters.iter().map(|meter| match totals.quantities.get(*meter) {
                Some(quantity) => Cell::Count(quantity.into()),
                None => Cell::Unknown("not reported"),
            }));
        }
        let digits = inputs.heading.currency.digits();
        if totals.is_unknown() {
            cells.extend([Cell::Unknown("unpriced"), Cell::Unknown("unpriced")]);
        } else {
            cells.extend([Cell::Exact(totals.amount), Cell::Fixed { value: units, digits }]);
        }
        cells.push(Cell::text(inputs.heading.currency.code()));
        cells.push(match share {
            Some(share) if !totals.is_unknown() => Cell::Fixed { value: share, digits: 1 },
            Some(_) => Cell::Unknown("unpriced"),
            None => Cell::Unknown("no total"),
        });
        if !self.by_meter {
            cells.extend([average(totals), totals.unpriced_cell()]);
        }
        cells
    }
}

/// The amount divided by the number of priced events, to six decimals. Unknown if the amount is unknown, or if it
/// includes part of the cost of events whose rest has no price.
fn average(totals: &Totals) -> Cell {
    let priced = i128::from(totals.events - totals.unpriced_events);
    if priced <= 0 {
        return Cell::Unknown("no priced event");
    }
    if totals.is_unknown() || totals.partly {
        return Cell::Unknown("partly unpriced");
    }
    Cell::Fixed { value: half_even(totals.amount.femtos(), priced * Amount::minor_unit(6)), digits: 6 }
}

fn total(groups: &Groups, shape: &Shape, has_shares: bool, inputs: &Inputs<'_>) -> Result<Vec<Cell>, ReportError> {
    let mut totals = Totals::NONE;
    for group in groups.values() {
        totals.add(group)?;
    }
    let units = totals.amount.minor_units(inputs.heading.currency.digits());
    let share = has_shares.then_some(SHARE_PARTS);
    let mut row = vec![Cell::Nothing; inputs.by.len()];
    if let Some(first) = row.first_mut() {
        *first = Cell::Word("total");
    }
    let mut cells = shape.cells(&totals, units, share, inputs);
    if shape.by_meter {
        // Tokens, searches and seconds cannot be summed.
        for cell in cells.iter_mut().take(2) {
            *cell = Cell::Nothing;
        }
    }
    row.extend(cells);
    Ok(row)
}
