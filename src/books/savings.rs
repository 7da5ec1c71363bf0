//! Savings on a ledger: offers read, the books they name found, the month compared.

use crate::books::reports::Statement;
use crate::books::{Books, BooksError};
use crate::report::savings::{self, By, Comparison, Offers, Usage};
use crate::sheet::Sheet;
use std::num::NonZeroU32;
use std::path::Path;

impl Books {
    /// The savings by offer, and by offer and department.
    pub(super) fn savings_sheets(statement: &Statement, offers: &Path) -> Result<(Sheet, Sheet), BooksError> {
        let text = std::fs::read_to_string(offers).map_err(|error| BooksError::io(offers, error))?;
        let comparisons = statement.compare(&offers.display().to_string(), &text)?;
        let by_offer = statement.savings_sheet(&comparisons, By::Offer)?;
        Ok((by_offer, statement.savings_sheet(&comparisons, By::Department)?))
    }
}

impl Statement {
    /// What the period would have cost under each offer of a file.
    pub fn savings(&self, file: &str, text: &str, by: By) -> Result<Sheet, BooksError> {
        self.savings_sheet(&self.compare(file, text)?, by)
    }

    /// Compares the period's usage with the offers of a file.
    fn compare(&self, file: &str, text: &str) -> Result<Vec<Comparison>, BooksError> {
        let lines = |problems| BooksError::Lines { file: file.to_owned(), problems };
        let offers = Offers::read(text, self.heading.currency).map_err(lines)?;
        let months =
            u32::try_from(self.period.months().count()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let usage = Usage {
            lines: &self.lines,
            names: &self.names,
            book: &self.book,
            books: &self.books,
            thresholds: &self.thresholds,
            months,
        };
        Ok(savings::compare(&offers, &usage)?)
    }

    fn savings_sheet(&self, comparisons: &[Comparison], by: By) -> Result<Sheet, BooksError> {
        let sheet = savings::sheet(comparisons, by, self.heading_of("savings"));
        Ok(sheet.map_err(crate::report::ReportError::from)?)
    }
}
