//! The neutral grid: what reports make and renderers take. Cells keep their type and exactness until they are printed.

use crate::domain::currency::Currency;
use crate::domain::money::Amount;
use std::borrow::Cow;

/// A report's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// What it is about.
    pub heading: Heading,
    /// The columns.
    pub columns: Vec<Column>,
    /// One row a group, each as long as the columns.
    pub rows: Vec<Vec<Cell>>,
    /// The total, in the same columns; not part of a CSV.
    pub total: Option<Vec<Cell>>,
}

/// What a report is about. In a CSV none of it is printed, so that a rerun gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The report's name.
    pub report: String,
    /// The period.
    pub period: String,
    /// The IANA time zone of its days.
    pub time_zone: String,
    /// The currency of its amounts.
    pub currency: Currency,
    /// The hash of the ledger's last entry, in hexadecimal.
    pub ledger_head: String,
    /// Whether the period is closed.
    pub closed: bool,
    /// What a reader must know before using the numbers.
    pub caveats: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as in the CSV's header.
    pub name: Cow<'static, str>,
    /// What its cells hold.
    pub kind: ColumnKind,
}

/// What the cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text, to the left, guarded against being run as a formula.
    Text,
    /// Numbers, to the right.
    Number,
}

impl Column {
    /// A column of text.
    pub fn text(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: ColumnKind::Text }
    }

    /// A column of numbers.
    pub fn number(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), kind: ColumnKind::Number }
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Text as it is.
    Text(String),
    /// A whole number.
    Count(i128),
    /// An exact amount.
    Exact(Amount),
    /// A rounded number: `value` parts of `10^-digits`.
    Fixed {
        /// The parts.
        value: i128,
        /// Decimals.
        digits: u8,
    },
    /// Not known, and why. Never printed as 0.
    Unknown(&'static str),
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The plain digits or text of the cell; nothing where it is unknown.
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Exact(amount) => amount.to_string(),
            Self::Fixed { value, digits } => crate::domain::money::fixed_point(*value, *digits),
            Self::Unknown(_) => String::new(),
        }
    }
}
