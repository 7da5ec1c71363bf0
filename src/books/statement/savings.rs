//! Savings on a ledger's statement: the period compared with offers.

use crate::books::BooksError;
use crate::books::statement::reports::Statement;
use crate::report::savings::{self, By, Comparison, Offers, Usage};
use crate::sheet::Sheet;
use std::num::NonZeroU32;

impl Statement {
    /// What the period would have cost under each offer.
    pub fn savings(&self, offers: &Offers, by: By) -> Result<Sheet, BooksError> {
        self.savings_sheet(&self.compare(offers)?, by)
    }

    /// Compares the period's usage with offers.
    pub fn compare(&self, offers: &Offers) -> Result<Vec<Comparison>, BooksError> {
        let months = u32::try_from(self.period.months().count()).ok().and_then(NonZeroU32::new);
        let usage = Usage {
            lines: self.rated.lines()?,
            names: &self.names,
            book: &self.book,
            books: &self.books,
            thresholds: &self.thresholds,
            months: months.unwrap_or(NonZeroU32::MIN),
        };
        Ok(savings::compare(offers, &usage)?)
    }

    /// Comparisons as a sheet.
    pub fn savings_sheet(&self, comparisons: &[Comparison], by: By) -> Result<Sheet, BooksError> {
        let sheet = savings::sheet(comparisons, by, self.heading_of("savings"));
        Ok(sheet.map_err(crate::report::ReportError::from)?)
    }
}
