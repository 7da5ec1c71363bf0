//! Importing and looking at prices.

use crate::books::reports::Request;
use crate::books::{Act, Books, BooksError, Observer};
use crate::domain::period::Period;
use crate::ledger::prices::PricesAppended;
use crate::price::PriceRow;
use crate::price::check::{Finding, findings};
use crate::price::read::{ListedPrice, price_list};
use crate::sheet::Sheet;
use crate::text::problem::Problem;

/// Whether prices that look like a mistake of units are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jumps {
    /// A price about a thousand times another of its key is refused.
    Refuse,
    /// The user has looked at them.
    Confirmed,
}

impl Books {
    /// Reads a price list without importing it. An empty book means `book`, or the ledger's own.
    pub fn read_price_list(
        &self,
        file: &str,
        bytes: &[u8],
        book: Option<&crate::domain::name::Name>,
    ) -> Result<Vec<ListedPrice>, BooksError> {
        let settings = self.settings();
        price_list(bytes, book.unwrap_or(&settings.book), settings.calendar)
            .map_err(|problems| BooksError::Lines { file: file.to_owned(), problems })
    }

    /// Imports a price list. An empty book means `book`, or the ledger's own.
    pub fn import_prices(
        &self,
        file: &str,
        bytes: &[u8],
        book: Option<&crate::domain::name::Name>,
        jumps: Jumps,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<PricesAppended, BooksError> {
        let prices = self.read_price_list(file, bytes, book)?;
        self.kept(observer, |write| {
            if jumps == Jumps::Refuse {
                let problems = unit_jumps(&write.prices()?, &prices);
                if !problems.is_empty() {
                    return Err(BooksError::Lines { file: file.to_owned(), problems });
                }
            }
            Ok(write.append_prices(&prices, act.now, act.actor)?)
        })
    }

    /// Every price, in the order of import.
    pub fn prices(&self) -> Result<Vec<PriceRow>, BooksError> {
        Ok(self.ledger.snapshot()?.prices()?)
    }

    /// Jumps and gaps in all prices, and the unpriced usage of a period.
    pub fn check_prices(&self, period: Period, observer: &dyn Observer) -> Result<(Vec<Finding>, Sheet), BooksError> {
        let found = findings(&self.prices()?);
        let request = Request::of(period);
        Ok((found, self.statement(&request, observer)?.report("unpriced", &request.by)?))
    }
}

/// New prices that are a thousand times, or a thousandth of, a neighbour of their key.
pub(super) fn unit_jumps(known: &[PriceRow], new: &[ListedPrice]) -> Vec<Problem> {
    let all = known.iter().chain(new.iter().map(|price| &price.row));
    let mut problems = Vec::new();
    for finding in findings(all) {
        let Finding::Jump { key, at, before, after } = finding else { continue };
        // The price that jumps; where that one was known, the new one that it now jumps from.
        let of_key = || new.iter().filter(|price| price.row.key == key);
        let jumping = of_key().find(|price| price.row.valid_from == at);
        if let Some(price) = jumping.or_else(|| of_key().find(|price| price.row.rate == Some(before))) {
            let what = format!("{} {} goes from {before} to {after} per million at {at}", key.model, key.meter);
            let expected = "a price of the same magnitude: is `per` right? (--confirm takes it as it is)";
            problems.push(Problem::field("price", what, expected).at(price.line));
        }
    }
    problems
}
