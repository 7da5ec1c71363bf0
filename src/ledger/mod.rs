//! The ledger: one append-only SQLite file, and all SQL.
//!
//! Facts are appended and chained. The totals by day are derived from them in the same transaction. A read sees one
//! state of the file from its first row to its last. Each function has one statement, in a constant above it.
#![deny(clippy::indexing_slicing, clippy::as_conversions)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod append;
pub mod chain;
pub mod sums;
mod values;

pub mod facts;
pub mod file;
mod names;
pub mod proof;
pub mod read;

use crate::domain::calendar::Day;
use crate::domain::quantities::QuantityOverflow;
use crate::fault::Code;
use crate::text::problem::listed;
use std::path::PathBuf;

pub use file::connection::Ledger;
pub use file::settings::Settings;

/// What can go wrong with a ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file does not exist.
    #[error("{}: no ledger exists", .0.display())]
    Missing(PathBuf),
    /// The file to create exists already.
    #[error("{}: a file exists already", .0.display())]
    Exists(PathBuf),
    /// The file is not a ledger. It was not touched.
    #[error("{}: is not a tokenbook ledger: {reason}", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// What shows it.
        reason: &'static str,
    },
    /// The file was made by an older version. It was not touched.
    #[error("{}: has schema version {found}, and this tokenbook reads version {known}", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this program reads.
        known: u32,
    },
    /// The file was made by a newer version. It was not touched.
    #[error("{}: has schema version {found}, and this tokenbook knows versions up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// The file has several names, and each would have its own write-ahead log. It was not touched.
    #[error("{}: has {links} names (hard links), expected one", path.display())]
    Linked {
        /// The name used to open it.
        path: PathBuf,
        /// The number of its names.
        links: u64,
    },
    /// This process has the file open under another name.
    #[error("{}: is open in this process as {}, expected the same name", path.display(), name.display())]
    OpenAs {
        /// The name used to open it.
        path: PathBuf,
        /// The name under which it is open.
        name: PathBuf,
    },
    /// The file's tables do not match its version.
    #[error("the tables differ from the schema of the ledger's version: {0}")]
    SchemaDiffers(String),
    /// The file contradicts itself: in what, and where.
    #[error("the ledger contradicts itself: {1}")]
    Corrupt(Damage, String),
    /// This SQLite is known to damage ledgers. Nothing was opened.
    #[error("SQLite {0} cannot write a ledger safely, expected 3.51.3 or later")]
    SqliteTooOld(&'static str),
    /// The file system cannot share a write-ahead log between processes.
    #[error("{}: the file system gives SQLite the journal mode {mode}, expected wal", path.display())]
    NoWriteAheadLog {
        /// The file that was to be made.
        path: PathBuf,
        /// The journal mode that SQLite can use there.
        mode: String,
    },
    /// A check of tokenbook's own work failed.
    #[error("{0}: please report this as a bug")]
    Bug(String),
    /// Another process is writing to the ledger.
    #[error("another process is writing to the ledger and did not finish within {0} seconds")]
    Busy(u64),
    /// The ledger was changed between two steps that must see the same state.
    #[error("another process changed the ledger while tokenbook read it")]
    Changed,
    /// A total left its range.
    #[error(transparent)]
    Overflow(#[from] QuantityOverflow),
    /// Events with ids that the ledger has with other content.
    #[error("{} an id that the ledger has with other content", listed(.0.len(), "event has", "events have"))]
    Conflicts(Vec<append::conflict::Conflict>),
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
    /// What one entry would record is larger than an entry can be.
    #[error("what this would record is {bytes} bytes, and an entry of the ledger holds at most {most}")]
    TooMuch {
        /// Bytes that the entry would hold.
        bytes: usize,
        /// Bytes that an entry holds at most.
        most: usize,
    },
    /// SQLite returned an error.
    #[error("{0}")]
    Sqlite(#[source] rusqlite::Error),
    /// The system returned an error.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
}

/// What of a ledger contradicts the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Damage {
    /// A value that its column cannot have.
    Value,
    /// A reference to a row that does not exist.
    Reference,
    /// Rows, against the entries of the chain that record them.
    Rows,
    /// Events, against the imports that brought them.
    Events,
    /// Totals by day or month, against the events or against each other.
    Totals,
    /// An index, or a list of ids, against its table.
    Index,
    /// The currency, the time zone or the price book.
    Settings,
    /// The chain itself.
    Chain,
}

impl Damage {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::Value => Code::LedgerValue,
            Self::Reference => Code::LedgerReference,
            Self::Rows => Code::LedgerRows,
            Self::Events => Code::LedgerEvents,
            Self::Totals => Code::LedgerTotals,
            Self::Index => Code::LedgerIndex,
            Self::Settings => Code::LedgerSettings,
            Self::Chain => Code::LedgerChain,
        }
    }
}

impl LedgerError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing(_) => Code::LedgerMissing,
            Self::Exists(_) => Code::LedgerExists,
            Self::NotALedger { .. } => Code::NotALedger,
            Self::Older { .. } => Code::LedgerOlder,
            Self::Newer { .. } => Code::LedgerNewer,
            Self::Linked { .. } => Code::LedgerLinked,
            Self::OpenAs { .. } => Code::LedgerTwoNames,
            Self::SchemaDiffers(_) => Code::SchemaDiffers,
            Self::Corrupt(damage, _) => damage.code(),
            Self::SqliteTooOld(_) => Code::SqliteTooOld,
            Self::NoWriteAheadLog { .. } => Code::NoWriteAheadLog,
            Self::Bug(_) => Code::Internal,
            Self::Busy(_) => Code::LedgerBusy,
            Self::Changed => Code::LedgerChanged,
            Self::Overflow(error) => error.code(),
            Self::Conflicts(_) => Code::IdConflict,
            Self::TooMuch { .. } => Code::EntryTooLarge,
            Self::Stopped => Code::Stopped,
            Self::Sqlite(error) => of_sqlite(error),
            Self::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound => Code::FolderMissing,
            Self::Io { error, .. } => Code::of_io(error, Code::Storage),
        }
    }
}

fn of_sqlite(error: &rusqlite::Error) -> Code {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => Code::DiskFull,
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => Code::LedgerPages,
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => Code::LedgerBusy,
        _ => Code::Storage,
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // Only a watch interrupts.
            Some(rusqlite::ErrorCode::OperationInterrupted) => Self::Stopped,
            // A stored row conflicts, or a required one is missing, although an import checks what it writes.
            Some(rusqlite::ErrorCode::ConstraintViolation) => {
                Self::Corrupt(Damage::Rows, format!("rows contradict each other: {error}"))
            }
            Some(rusqlite::ErrorCode::Unknown) if error.to_string().contains("malformed JSON") => wrong_value(&error),
            Some(_) => Self::Sqlite(error),
            // The error is not from SQLite but from the conversion of its values.
            None => match error {
                rusqlite::Error::QueryReturnedNoRows => {
                    Self::Corrupt(Damage::Reference, "a row refers to a row that does not exist".to_owned())
                }
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::Utf8Error(..) => wrong_value(&error),
                error => Self::Sqlite(error),
            },
        }
    }
}

fn wrong_value(error: &rusqlite::Error) -> LedgerError {
    LedgerError::Corrupt(Damage::Value, format!("a value does not fit its column: {error}"))
}

/// A result with a ledger's error.
pub type Result<T> = std::result::Result<T, LedgerError>;

impl LedgerError {
    /// A day's events differ from what its batches brought.
    fn events_changed(day: Day) -> Self {
        Self::Corrupt(
            Damage::Events,
            format!("the events of {day} were changed: they differ from what the imports brought"),
        )
    }

    /// The events of a day or its totals were changed.
    pub(crate) fn events_of_other_sums(day: Day) -> Self {
        Self::Corrupt(Damage::Totals, format!("the totals of {day} differ from its events"))
    }
}

/// A number of the file, converted to the type that it stands for.
fn fits<T: TryFrom<i64>>(value: i64, what: &str) -> Result<T> {
    T::try_from(value).map_err(|_| LedgerError::Corrupt(Damage::Value, format!("{what} {value} is out of range")))
}

/// Appends a number with seven bits a byte, low ones first, and the top bit set on all but the last byte.
fn leb128(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// A count for the file.
fn stored(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| LedgerError::Overflow(QuantityOverflow))
}
