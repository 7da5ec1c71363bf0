//! Reports: pure functions from rated lines to a [`Sheet`]. Each report is a file and a line in [`REPORTS`].
//!
//! A report computes and groups. It reads no ledger and prints nothing. The same inputs give the same sheet.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod by;
pub mod chargeback;
pub mod group;
pub mod provider_cost;
pub mod roi;
pub mod savings;
pub mod summary;
pub mod unpriced;
mod user_file;

pub use user_file::{FileKind, UserFile};

use crate::domain::calendar::Calendar;
use crate::domain::period::Period;
use crate::domain::provider_cost::ProviderCosts;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::ratio::Overflow;
use crate::domain::usage::Dictionary;
use crate::fault::Code;
use crate::price::Book;
use crate::sheet::{Heading, Sheet};
use by::{Choice, Dimension};
use group::Rated;
use roi::RoiError;
use savings::SavingsError;
use std::collections::BTreeMap;

/// Every report. A new one is a file and a line here: commands, help and the month end read this table and name none.
pub const REPORTS: &[Report] =
    &[summary::REPORT, chargeback::REPORT, unpriced::REPORT, roi::REPORT, savings::REPORT, provider_cost::REPORT];

/// A report: what it needs, and how it is made.
#[derive(Debug)]
pub struct Report {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for the list of reports.
    pub summary: &'static str,
    /// The dimensions that it can group by.
    pub by: Choice,
    /// The usage that it needs, if it groups by these dimensions.
    pub detail: fn(&[Dimension]) -> Detail,
    /// Whether it compares a month with the month before.
    pub month_before: MonthBefore,
    /// What it reads besides usage and prices.
    pub reads: Reads,
    /// Whether it matters who pays. If not, nothing is incomplete because usage is unallocated.
    pub payers: Payers,
    /// Makes its sheet.
    pub sheet: fn(&Inputs<'_>) -> Result<Sheet, ReportError>,
    /// Whether the month end prints it.
    pub screen: Screen,
    /// The files that the month end writes from it.
    pub month_files: &'static [MonthFile],
}

/// How finely usage is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Every line of every day.
    Lines,
    /// The lines of which something has no price.
    Unpriced,
    /// Sums by these dimensions: as many as groups, however much usage there is.
    Groups(Vec<Dimension>),
}

/// Whether the month before is read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthBefore {
    /// It is, if the period is a month.
    Read,
    /// It is not.
    Left,
}

/// What a report reads besides usage and prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Nothing.
    Nothing,
    /// A file of the user's.
    File(FileKind),
    /// What providers charge.
    ProviderCosts,
}

/// Whether it matters to a report who pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payers {
    /// It does.
    Matter,
    /// It does not.
    Ignored,
}

/// Whether the month end prints a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// It always does.
    Always,
    /// It does if the report has rows.
    IfRows,
    /// It does not.
    Never,
}

/// A file that the month end writes from a report.
#[derive(Debug, Clone, Copy)]
pub struct MonthFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// The dimensions.
    pub by: &'static [Dimension],
    /// A folder that gets the rows of each department as a file of its own. The first dimension is then the department.
    pub departments: Option<&'static str>,
}

impl Report {
    /// The dimensions asked for, or the report's own if none are.
    pub fn dimensions(&self, asked: &[Dimension]) -> Vec<Dimension> {
        if asked.is_empty() { self.by.default().to_vec() } else { asked.to_vec() }
    }

    /// The kind of file that it needs.
    pub const fn file_kind(&self) -> Option<FileKind> {
        match self.reads {
            Reads::File(kind) => Some(kind),
            Reads::Nothing | Reads::ProviderCosts => None,
        }
    }
}

/// The inputs of a report.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// What the sheet says it is about.
    pub heading: Heading,
    /// The period.
    pub period: Period,
    /// The days of the ledger.
    pub calendar: Calendar,
    /// The period's usage, rated with the book.
    pub rated: &'a Rated,
    /// The usage of the month before, if there is any.
    pub before: Option<&'a Rated>,
    /// The names of the numbers in usage.
    pub names: &'a Dictionary,
    /// The name of the book that usage was rated with: the ledger's own, or the one asked for.
    pub book: &'a str,
    /// Every price book, by name. A ledger without prices has none.
    pub books: &'a BTreeMap<String, Book>,
    /// The prompt sizes at which some price of each model changes, ascending.
    pub thresholds: &'a BTreeMap<String, Vec<i64>>,
    /// The dimensions to group by.
    pub by: &'a [Dimension],
    /// The user's file, if the report needs one.
    pub file: Option<&'a UserFile>,
    /// What providers charge, if the report needs it.
    pub costs: Option<&'a ProviderCosts>,
}

/// The report with a name.
pub fn named(name: &str) -> Result<&'static Report, ReportError> {
    let known = || REPORTS.iter().map(|report| report.name).collect::<Vec<_>>().join(", ");
    let found = REPORTS.iter().find(|report| report.name == name);
    found.ok_or_else(|| ReportError::NoReport { name: name.to_owned(), known: known() })
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// There is no report of this name.
    #[error("there is no report {name:?}, expected one of {known}")]
    NoReport {
        /// The name.
        name: String,
        /// The reports there are.
        known: String,
    },
    /// The report needs a file of the user's, or what providers charge.
    #[error("the report {report} needs {needed}")]
    Lacks {
        /// The report.
        report: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// The report cannot group by a dimension.
    #[error("the report {report} cannot group by {dimension}, expected {expected}")]
    NotBy {
        /// The report.
        report: &'static str,
        /// The dimension.
        dimension: String,
        /// The dimensions it has.
        expected: String,
    },
    /// An amount left its range.
    #[error(transparent)]
    Amount(#[from] Overflow),
    /// A quantity left its range.
    #[error(transparent)]
    Quantity(#[from] QuantityOverflow),
    /// The list of benefits does not fit the ledger.
    #[error(transparent)]
    Roi(#[from] RoiError),
    /// The offers do not fit the ledger.
    #[error(transparent)]
    Savings(#[from] SavingsError),
    /// The statement kept less detail than the report needs.
    #[error("the usage was not kept as finely as the report needs it")]
    Coarse,
}

impl ReportError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Amount(error) => error.code(),
            Self::Quantity(error) => error.code(),
            Self::NoReport { .. } => Code::ReportUnknown,
            Self::Lacks { .. } => Code::OptionMissing,
            Self::NotBy { .. } => Code::DimensionUnknown,
            Self::Roi(error) => error.code(),
            Self::Savings(error) => error.code(),
            Self::Coarse => Code::ReportTooCoarse,
        }
    }
}
