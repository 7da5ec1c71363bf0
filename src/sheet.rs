//! The neutral grid between reports and renderers. Cells keep their type and exactness until they are printed.

use crate::domain::calendar::Day;
use crate::domain::currency::Currency;
use crate::domain::meter::Unit;
use crate::domain::money::{Amount, fixed_point};
use crate::domain::number::EntryId;
use crate::domain::rate::Rate;
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use std::borrow::Cow;

/// A report's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The subject of the report.
    pub heading: Heading,
    /// The columns.
    pub columns: Vec<Column>,
    /// One row for each group. Each is as long as the columns.
    pub rows: Vec<Vec<Cell>>,
    /// The total, in the same columns. A CSV omits it.
    pub total: Option<Vec<Cell>>,
}

/// The subject of a report. A CSV prints none of it, so a rerun gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The report's name.
    pub report: String,
    /// The period, an instant, or a description of a list's rows.
    pub period: String,
    /// Whether the books of the period are closed. `None` for lists, which have no period.
    pub state: Option<State>,
    /// The IANA time zone of its days.
    pub time_zone: String,
    /// The currency of its amounts.
    pub currency: Currency,
    /// The hash of the ledger's last entry, in hexadecimal.
    pub ledger_head: String,
    /// What a reader must know before using the numbers.
    pub caveats: Vec<String>,
}

/// Whether the books of a period are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Usage and prices may still change its amounts.
    Open,
    /// Its amounts no longer change.
    Closed {
        /// The number of the close, from 1. A month that is reopened and closed again gets a higher one.
        version: u32,
        /// The entry of the ledger that closed it.
        entry: EntryId,
    },
    /// Some of its months are closed.
    Mixed,
}

impl State {
    /// The state as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed { .. } => "closed",
            Self::Mixed => "partly closed",
        }
    }

    /// Whether all of the period is closed.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as in the CSV's header.
    pub name: Cow<'static, str>,
    /// The kind of its cells.
    pub kind: ColumnKind,
}

/// The kind of a column's cells. A cell of any kind may also hold nothing, a word of ours, or an unknown value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text, aligned left, and guarded against being run as a formula.
    Text,
    /// Yes or no.
    Flag,
    /// Counts: whole numbers that can be added up.
    Count,
    /// Usage in a unit; `None` if the row's column `unit` names it.
    Quantity(Option<Unit>),
    /// Amounts of a currency; `None` if the row's column `currency` names it.
    Money(Option<Currency>),
    /// Amounts or counts, in what the row's column `unit` names.
    Figure,
    /// Prices for a million of a meter's unit, in the currency of the row.
    Rate,
    /// Hundredths of a whole.
    Percent,
    /// Numbers that nobody adds up, such as the number of an entry.
    Number,
    /// Days.
    Day,
    /// Instants, in UTC.
    Instant,
}

impl ColumnKind {
    /// Whether values are aligned right, so that their digits line up.
    pub const fn is_numeric(self) -> bool {
        match self {
            Self::Text | Self::Flag | Self::Day | Self::Instant => false,
            Self::Count
            | Self::Quantity(_)
            | Self::Money(_)
            | Self::Figure
            | Self::Rate
            | Self::Percent
            | Self::Number => true,
        }
    }

    /// Whether a column of this kind can hold a cell.
    pub const fn holds(self, cell: &Cell) -> bool {
        match cell {
            Cell::Nothing | Cell::Word(_) | Cell::Unknown(_) => true,
            Cell::Text(_) => matches!(self, Self::Text),
            Cell::Flag(_) => matches!(self, Self::Flag),
            Cell::Count(_) => matches!(self, Self::Count | Self::Quantity(_) | Self::Figure | Self::Number),
            Cell::Exact(_) => matches!(self, Self::Money(_) | Self::Figure),
            Cell::Fixed { .. } => matches!(self, Self::Money(_) | Self::Figure | Self::Percent | Self::Number),
            Cell::Rate(_) => matches!(self, Self::Rate),
            Cell::Day(_) => matches!(self, Self::Day),
            Cell::Instant(_) => matches!(self, Self::Instant),
        }
    }
}

impl Column {
    /// A column of a kind.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: ColumnKind) -> Self {
        Self { name: name.into(), kind }
    }

    /// A column of text.
    pub fn text(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Text)
    }

    /// A column of yes or no.
    pub fn flag(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Flag)
    }

    /// A column of counts.
    pub fn count(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Count)
    }

    /// A column of usage in a unit; `None` if the column `unit` names it.
    pub fn quantity(name: impl Into<Cow<'static, str>>, unit: Option<Unit>) -> Self {
        Self::new(name, ColumnKind::Quantity(unit))
    }

    /// A column of amounts of a currency; `None` if the column `currency` names it.
    pub fn money(name: impl Into<Cow<'static, str>>, currency: Option<Currency>) -> Self {
        Self::new(name, ColumnKind::Money(currency))
    }

    /// A column of amounts or counts, in what the column `unit` names.
    pub fn figure(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Figure)
    }

    /// A column of prices for a million.
    pub fn rate(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Rate)
    }

    /// A column of percentages.
    pub fn percent(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Percent)
    }

    /// A column of numbers that cannot be added up.
    pub fn number(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Number)
    }

    /// A column of days.
    pub fn day(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Day)
    }

    /// A column of instants.
    pub fn instant(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ColumnKind::Instant)
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A text, unchanged.
    Text(String),
    /// One of tokenbook's own words in a column of any kind, such as `total`, or `-` for something that is no longer
    /// sold.
    Word(&'static str),
    /// Yes or no.
    Flag(bool),
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
    /// The price for a million.
    Rate(Rate),
    /// A day.
    Day(Day),
    /// An instant.
    Instant(Timestamp),
    /// There is no value, and none is missing.
    Nothing,
    /// Unknown, with the reason. Never printed as 0.
    Unknown(&'static str),
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A text; an empty one gives an empty cell.
    pub fn filled(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Nothing } else { Self::Text(text) }
    }

    /// A text, or an empty cell if there is none.
    pub fn some(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Nothing, Self::text)
    }

    /// A day, or an empty cell if there is none.
    pub fn day(day: Option<Day>) -> Self {
        day.map_or(Self::Nothing, Self::Day)
    }

    /// The plain digits or text of the cell; empty if it is unknown.
    pub fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Word(word) => (*word).to_owned(),
            Self::Flag(true) => "yes".to_owned(),
            Self::Flag(false) => "no".to_owned(),
            Self::Count(count) => count.to_string(),
            Self::Exact(amount) => amount.to_string(),
            Self::Fixed { value, digits } => fixed_point(*value, *digits),
            Self::Rate(rate) => rate.to_string(),
            Self::Day(day) => day.to_string(),
            Self::Instant(instant) => instant.to_string(),
            Self::Nothing | Self::Unknown(_) => String::new(),
        }
    }
}

/// A row that does not fit its sheet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// The row has too many cells, or too few.
    #[error("a row has {cells} cells, expected {columns}, as there are columns")]
    Length {
        /// The number of the row's cells.
        cells: usize,
        /// The number of columns.
        columns: usize,
    },
    /// A cell does not match the kind of its column.
    #[error("the column {column} holds {kind:?}, and a cell of it is {cell:?}")]
    Kind {
        /// The column's name.
        column: String,
        /// The column's kind.
        kind: ColumnKind,
        /// The cell.
        cell: Cell,
    },
}

impl Misfit {
    /// The stable code. A misfit is a mistake in tokenbook, never in the data.
    pub const fn code(&self) -> Code {
        Code::Internal
    }
}

impl Sheet {
    /// Rejects a row or a total that does not fit the columns. Every renderer checks this first.
    pub fn check(&self) -> Result<(), Misfit> {
        for row in self.rows.iter().chain(&self.total) {
            if row.len() != self.columns.len() {
                return Err(Misfit::Length { cells: row.len(), columns: self.columns.len() });
            }
            if let Some((column, cell)) = self.columns.iter().zip(row).find(|(column, cell)| !column.kind.holds(cell)) {
                let column_name = column.name.to_string();
                return Err(Misfit::Kind { column: column_name, kind: column.kind, cell: cell.clone() });
            }
        }
        Ok(())
    }

    /// The sheet with some of its columns, in the order of the names.
    pub fn only(&self, names: &[&str]) -> Result<Self, NoColumn> {
        let place = |name: &&str| {
            let found = self.columns.iter().position(|column| column.name == *name);
            let columns = || self.columns.iter().map(|column| column.name.to_string()).collect();
            found.ok_or_else(|| NoColumn { name: (*name).to_owned(), columns: columns() })
        };
        let places = names.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let columns = places.iter().filter_map(|place| self.columns.get(*place).cloned()).collect();
        let cells = |row: &Vec<Cell>| places.iter().filter_map(|place| row.get(*place).cloned()).collect();
        let heading = self.heading.clone();
        Ok(Self {
            heading,
            columns,
            rows: self.rows.iter().map(cells).collect(),
            total: self.total.as_ref().map(cells),
        })
    }
}

/// A sheet has no column of a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no column {name:?}, expected some of {}", columns.join(", "))]
pub struct NoColumn {
    /// The name.
    pub name: String,
    /// The columns there are.
    pub columns: Vec<String>,
}

impl NoColumn {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::OptionInvalid
    }
}
