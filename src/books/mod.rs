//! The facade: everything a user does with a ledger, from importing to the month's files.
//!
//! Nothing here prints or reads the clock or the environment. Times and names of actors are arguments, and an
//! [`Observer`] receives the progress.

pub mod controls;
mod heading;
pub mod keep;
pub mod month;
pub mod setup;
pub mod statement;
pub mod usage;
mod watching;

use crate::aggregate::AggregateError;
use crate::domain::number::QuarantinedId;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::ratio;
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use crate::guard::file::GuardFileError;
use crate::ledger::facts::quarantine::OpenLine;
use crate::ledger::file::connection::{Access, Ledger};
use crate::ledger::{LedgerError, Settings, chain};
use crate::report::ReportError;
use crate::rows::key::KeyHash;
use crate::sheet::Misfit;
use crate::text::problem::{Problem, listed};
use std::path::Path;

pub use crate::ledger::file::transaction::Rehearsal;
pub use crate::ledger::file::watch::{Reached, Stage};

/// An open ledger, with all operations on it.
#[derive(Debug)]
pub struct Books {
    ledger: Ledger,
    key_hash: KeyHash,
}

/// The time and the actor of an operation. The library asks neither the clock nor the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act<'a> {
    /// Now.
    pub now: Timestamp,
    /// The actor.
    pub actor: &'a str,
}

/// Receives the progress of long work, and may stop it.
pub trait Observer: Sync {
    /// Another process is writing to the ledger; this one waits.
    fn waiting(&self) {}
    /// The import of a file begins, which has so many bytes if that is known.
    fn file(&self, _name: &str, _bytes: Option<u64>) {}
    /// More bytes of a file have been read.
    fn read(&self, _bytes: u64) {}
    /// More events have been appended.
    fn events(&self, _events: u64) {}
    /// The progress of work. Called now and then from another thread, and once more at the end.
    fn reached(&self, _reached: Reached) {}
    /// Whether to stop without a trace.
    fn stop(&self) -> bool {
        false
    }
}

/// Ignores all progress and stops nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {}

/// The errors of reports and month ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BooksError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A sum of quantities left its range.
    #[error(transparent)]
    Overflow(#[from] QuantityOverflow),
    /// An amount left its range.
    #[error(transparent)]
    Amount(#[from] ratio::Overflow),
    /// Making a report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file of the user's has wrong lines.
    #[error("{file}: {} wrong, nothing of it was used", listed(problems.len(), "line is", "lines are"))]
    Lines {
        /// The file.
        file: String,
        /// The errors, in the order of the lines.
        problems: Vec<Problem>,
    },
    /// The user's setting differs from the ledger's.
    #[error("the ledger's {what} is {ledger}, not {asked}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What the ledger has.
        ledger: String,
        /// What the user gave.
        asked: String,
    },
    /// A report would replace a file that the run reads.
    #[error("{0}: the command reads this file, and a report with the same name would replace it")]
    InTheWay(String),
    /// The folder holds other reports, which these would replace.
    #[error("{folder}: contains reports of {what} {there}, expected {what} {asked} or a folder without reports")]
    OtherReports {
        /// The folder.
        folder: String,
        /// What differs.
        what: &'static str,
        /// The value in the folder's manifest.
        there: String,
        /// The value that the user gave.
        asked: String,
    },
    /// The ledger has no such price book.
    #[error("the ledger has no price book {0:?}")]
    NoBook(String),
    /// The limits in force have no budget of this name.
    #[error("no budget is named {0:?}")]
    NoBudget(String),
    /// The limits in force have no channel of this name.
    #[error("no channel is named {0:?}")]
    NoChannel(String),
    /// The limits in force have no circuit breaker of this name.
    #[error("no circuit breaker is named {0:?}")]
    NoBreaker(String),
    /// The guard file.
    #[error(transparent)]
    Guard(#[from] GuardFileError),
    /// A name or pattern of models matches none.
    #[error("--only {0:?} matches no model of the catalogue")]
    NoModel(String),
    /// The ledger has rules, and the new rules state no first day.
    #[error("{0}: the ledger has rules already, and these need the day from which they hold")]
    NoStart(String),
    /// No event has an id.
    #[error("no event has the id {0:?}")]
    NoEvent(String),
    /// The events with an id were retracted.
    #[error("the event with the id {id:?} was retracted by {}", entries_of(.by))]
    Retracted {
        /// The id.
        id: String,
        /// The entries that retracted them.
        by: Vec<i64>,
    },
    /// Usage files were rejected, so that there are no reports.
    #[error("{} of {} rejected; no reports were written", rejected.len(), listed(*files, "usage file", "usage files"))]
    UsageRejected {
        /// Why, one text for each file.
        rejected: Vec<String>,
        /// How many files there were.
        files: usize,
        /// The code of the worst of them.
        code: Code,
    },
    /// The reports were asked for before all usage files were imported.
    #[error("{imported} of {} imported; no reports were written", listed(*files, "usage file is", "usage files are"))]
    NotImported {
        /// How many files were imported.
        imported: usize,
        /// How many files there are.
        files: usize,
    },
    /// A file that the user named could not be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A sheet has a cell that its column cannot hold.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// A file could not be written or read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
}

impl BooksError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Ledger(error) => error.code(),
            Self::Overflow(error) => error.code(),
            Self::Amount(error) => error.code(),
            Self::Report(error) => error.code(),
            Self::Misfit(error) => error.code(),
            Self::UsageRejected { code, .. } => *code,
            Self::NotImported { .. } => Code::Internal,
            Self::Unreadable { error, .. } => crate::import::file::input::unreadable(error),
            Self::Lines { problems, .. } => Problem::shared_code(problems),
            Self::Setting { .. } => Code::SettingDiffers,
            Self::InTheWay(_) => Code::OutputReplacesInput,
            Self::OtherReports { .. } => Code::OtherReports,
            Self::NoBook(_) => Code::BookUnknown,
            Self::NoBudget(_) => Code::BudgetUnknown,
            Self::NoChannel(_) => Code::ChannelUnknown,
            Self::NoBreaker(_) => Code::BreakerUnknown,
            Self::Guard(error) => error.code(),
            Self::NoModel(_) => Code::ModelUnknown,
            Self::NoStart(_) => Code::RulesStartMissing,
            Self::NoEvent(_) => Code::EventUnknown,
            Self::Retracted { .. } => Code::EventRetracted,
            Self::Io { error, .. } => Code::of_io(error, Code::FileAccess),
        }
    }
}

/// Usage that could not be aggregated, in the same shape as every other error of the ledger.
impl From<AggregateError> for BooksError {
    fn from(error: AggregateError) -> Self {
        match error {
            AggregateError::Ledger(error) => Self::Ledger(error),
            AggregateError::Overflow(error) => Self::Overflow(error),
            AggregateError::Amount(error) => Self::Amount(error),
        }
    }
}

fn entries_of(entries: &[i64]) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| format!("entry {entry}")).collect();
    entries.join(" and ")
}

impl BooksError {
    pub(crate) fn unreadable(path: &Path, error: std::io::Error) -> Self {
        Self::Unreadable { path: path.display().to_string(), error }
    }

    pub(crate) fn io(path: &Path, error: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), error }
    }
}

impl Books {
    /// Makes a ledger.
    pub fn create(path: &Path, settings: &Settings, act: Act<'_>) -> Result<Self, LedgerError> {
        Ok(Self { ledger: Ledger::create(path, settings, act.now, act.actor)?, key_hash: KeyHash::FULL })
    }

    /// Opens a ledger for reading and appending.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { ledger: Ledger::open(path, Access::Write)?, key_hash: KeyHash::FULL })
    }

    /// Opens a ledger for reading.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { ledger: Ledger::open(path, Access::Read)?, key_hash: KeyHash::FULL })
    }

    /// The same ledger with another hash under its keys. For tests of collisions, on ledgers made for them only.
    #[doc(hidden)]
    pub fn with_key_hash(self, key_hash: KeyHash) -> Self {
        Self { key_hash, ..self }
    }

    /// The settings that were fixed when the ledger was made.
    pub const fn settings(&self) -> &Settings {
        self.ledger.settings()
    }

    /// Rejects a currency or time zone that differs from the ledger's.
    pub fn expect_settings(&self, currency: Option<&str>, time_zone: Option<&str>) -> Result<(), BooksError> {
        let settings = self.settings();
        let zone = settings.calendar.zone_name();
        for (what, asked, ledger) in [("currency", currency, settings.currency.code()), ("time zone", time_zone, zone)]
        {
            if let Some(asked) = asked
                && asked != ledger
            {
                return Err(BooksError::Setting { what, ledger: ledger.to_owned(), asked: asked.to_owned() });
            }
        }
        Ok(())
    }

    /// The ledger's file.
    pub fn path(&self) -> &Path {
        self.ledger.path()
    }

    /// The last entry of the chain.
    pub fn head(&self) -> Result<chain::Head, LedgerError> {
        Ok(self.ledger.snapshot()?.head().clone())
    }

    /// Starts a rehearsal. Each import sees the earlier imports of the rehearsal, and dropping it undoes all of them.
    /// Meanwhile others can read but not write.
    pub fn rehearse(&self, observer: &dyn Observer) -> Result<Rehearsal<'_>, LedgerError> {
        self.ledger.rehearse(|| observer.waiting())
    }

    /// The quarantined lines that wait for a decision.
    pub fn quarantine(&self) -> Result<Vec<OpenLine>, LedgerError> {
        self.ledger.snapshot()?.quarantine()
    }

    /// Discards quarantined lines with a reason. Returns their numbers.
    pub fn discard(
        &self,
        ids: Option<&[QuarantinedId]>,
        reason: &str,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<QuarantinedId>, LedgerError> {
        let write = self.ledger.write(|| observer.waiting())?;
        let discarded = write.discard(ids, reason, act.now, act.actor)?;
        write.commit()?;
        self.ledger.checkpoint()?;
        Ok(discarded)
    }
}
