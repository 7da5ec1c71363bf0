//! Checks all prices: jumps, gaps, and usage without a price.

use crate::books::statement::reports::Request;
use crate::books::{Books, BooksError, Observer};
use crate::domain::period::Period;
use crate::price::check::{Finding, findings};
use crate::report::unpriced::REPORT;
use crate::sheet::Sheet;

impl Books {
    /// Jumps and gaps in all prices, and a period's unpriced usage.
    pub fn check_prices(&self, period: Period, observer: &dyn Observer) -> Result<(Vec<Finding>, Sheet), BooksError> {
        let found = findings(&self.prices()?);
        let request = Request::of(period).for_report(&REPORT);
        Ok((found, self.statement(&request, observer)?.sheet(&REPORT, &[], None)?))
    }
}
