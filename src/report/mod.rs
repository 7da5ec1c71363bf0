//! Reports: pure functions from rated lines to a [`Sheet`]. Each report is a file and a line in [`REPORTS`].
//!
//! A report computes and groups. It reads no ledger and prints nothing. The same inputs give the same sheet.

pub mod by;
pub mod chargeback;
pub mod group;
pub mod provider_cost;
pub mod roi;
pub mod savings;
pub mod summary;
pub mod unpriced;

use crate::domain::period::Period;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::ratio::Overflow;
use crate::domain::usage::Dictionary;
use crate::price::Book;
use crate::sheet::{Heading, Sheet};
use by::Dimension;
use group::Rated;

/// The inputs of a report.
pub struct Inputs<'a> {
    /// The sheet's heading.
    pub heading: Heading,
    /// The period.
    pub period: Period,
    /// Its usage, rated with the ledger's own book or the requested one.
    pub rated: &'a Rated,
    /// The usage of the previous period, if there is any.
    pub before: Option<&'a Rated>,
    /// The names of the numbers in the usage.
    pub names: &'a Dictionary,
    /// The book of the rating; `None` if the ledger has no prices.
    pub book: Option<&'a Book>,
    /// The dimensions to group by.
    pub by: &'a [Dimension],
}

/// A report that needs only usage.
pub struct Report {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for the list of reports.
    pub summary: &'static str,
    /// Makes its sheet.
    pub sheet: fn(&Inputs<'_>) -> Result<Sheet, ReportError>,
}

/// The reports that need only usage. `roi` and `savings` also read a file of the user's, and `provider-cost` reads what
/// providers charge.
pub const REPORTS: &[Report] = &[
    Report { name: "summary", summary: "departments, against the period before", sheet: summary::sheet },
    Report { name: "chargeback", summary: "who pays what, by any dimensions", sheet: chargeback::sheet },
    Report { name: "unpriced", summary: "what was used and has no price", sheet: unpriced::sheet },
];

/// The report with a name.
pub fn named(name: &str) -> Option<&'static Report> {
    REPORTS.iter().find(|report| report.name == name)
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// An amount left its range.
    #[error(transparent)]
    Amount(#[from] Overflow),
    /// A quantity left its range.
    #[error(transparent)]
    Quantity(#[from] QuantityOverflow),
    /// The statement kept less detail than the report needs.
    #[error("the usage was not kept as finely as the report needs it")]
    Coarse,
}
