//! Prices as a sheet: those in force at an instant, or all that ever existed.

use crate::books::heading::heading_of;
use crate::books::{Books, BooksError};
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::price::PriceRow;
use crate::price::check::histories;
use crate::sheet::{Cell, Column, Sheet};
use std::fmt;

/// Which prices to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// The prices in force at an instant.
    InForceAt(Timestamp),
    /// All prices ever recorded.
    History,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InForceAt(at) => at.fmt(f),
            Self::History => f.write_str("all"),
        }
    }
}

impl Books {
    /// Prices in the order of their keys and starts, of one book or of all.
    pub fn price_list(&self, listing: Listing, book: Option<&str>) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let prices = snapshot.prices()?;
        let histories = histories(prices.iter().filter(|row| book.is_none_or(|book| row.key.book.as_str() == book)));
        let mut rows = Vec::new();
        for history in histories.into_values() {
            let starts: Vec<Timestamp> = history.keys().copied().collect();
            for (place, (start, row)) in history.into_iter().enumerate() {
                let until = starts.get(place + 1).copied();
                let shown = match listing {
                    Listing::History => true,
                    Listing::InForceAt(at) => start <= at && until.is_none_or(|until| at < until) && row.rate.is_some(),
                };
                if shown {
                    rows.push(cells(row));
                }
            }
        }
        let heading = heading_of(&snapshot, "prices", listing.to_string())?;
        Ok(Sheet { heading, columns: columns(), rows, total: None })
    }
}

/// The columns of tokenbook's own price list, so that the CSV can be imported again. A price applies until the next row
/// with its key.
fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> = ["book", "provider", "model", "meter", "service_tier"].map(Column::text).into();
    columns.extend([Column::number("prompt_above"), Column::text("currency"), Column::rate("price")]);
    columns.extend([Column::number("per"), Column::instant("valid_from")]);
    columns
}

fn cells(row: &PriceRow) -> Vec<Cell> {
    let key = &row.key;
    vec![
        Cell::text(key.book.as_str()),
        Cell::some(key.provider.as_ref().map(Name::as_str)),
        Cell::text(key.model.as_str()),
        Cell::text(key.meter.name()),
        Cell::text(key.tier.as_str()),
        if key.prompt_above > 0 { Cell::Count(key.prompt_above.into()) } else { Cell::Nothing },
        Cell::text(row.currency.code()),
        row.rate.map_or(Cell::Word("-"), Cell::Rate),
        Cell::Count(1_000_000),
        Cell::Instant(row.valid_from),
    ]
}
