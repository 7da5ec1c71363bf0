//! Errors by their stable codes: what each code means, why it happens and what to do about it.
//!
//! Every public error type of the library has a method `code`. A program that embeds tokenbook decides by the code, and the
//! command line hangs its hints on it. A code never changes its meaning, so it can stand in scripts, in alerts and in the
//! answers of a server. The texts of messages may change at any time.
//!
//! ```
//! use tokenbook::fault::Code;
//! use tokenbook::{Books, Period};
//!
//! let error = Books::read(std::path::Path::new("no-such-file.db")).err().map(|error| error.code());
//! assert_eq!(error, Some(Code::LedgerMissing));
//! assert_eq!(Code::LedgerMissing.name(), "ledger-missing");
//!
//! let error = Period::parse("2026-13").err().map(|error| error.code());
//! assert_eq!(error, Some(Code::PeriodInvalid));
//! ```

mod exit;
mod of_controls;
mod of_files;
mod of_ledger;
mod of_options;
mod of_setup;

pub use exit::Exit;
use std::fmt;
use std::io::{self, ErrorKind};

/// The stable code of an error. [`Code::explained`] gives its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the entry of each code says what it means")]
pub enum Code {
    // The ledger's file: `of_ledger.rs`.
    LedgerMissing,
    LedgerExists,
    NotALedger,
    LedgerOlder,
    LedgerNewer,
    LedgerLinked,
    LedgerTwoNames,
    SchemaDiffers,
    LedgerValue,
    LedgerReference,
    LedgerRows,
    LedgerEvents,
    LedgerTotals,
    LedgerIndex,
    LedgerSettings,
    LedgerChain,
    LedgerPages,
    NotVerified,
    LedgerBusy,
    LedgerChanged,
    SqliteTooOld,
    NoWriteAheadLog,
    DiskFull,
    Storage,
    FolderMissing,
    FileAccess,
    StandardOutput,
    RecorderClosed,
    EntryTooLarge,
    Stopped,
    Internal,
    // Files that tokenbook reads: `of_files.rs`.
    FileMissing,
    FileUnreadable,
    SymbolicLink,
    NotAFile,
    NoFiles,
    InputIsLedger,
    NoEvents,
    FormatUnknown,
    FormatNotRead,
    NotUtf8,
    JsonShape,
    LastLineCut,
    RowCount,
    FileTooLarge,
    LineTooLong,
    LineInvalid,
    LinesRejected,
    FieldUnknown,
    FieldMisspelt,
    FieldMissing,
    FieldInvalid,
    IdConflict,
    DepartmentUnregistered,
    QuantityOverflow,
    AmountOverflow,
    // Prices, rules, reports and imports: `of_setup.rs`.
    PricesJump,
    CurrencyDiffers,
    OfferWithoutPrices,
    SubstituteWithoutPrices,
    TagUnused,
    ReportUnknown,
    ReportTooCoarse,
    SettingDiffers,
    OutputReplacesInput,
    OtherReports,
    BookUnknown,
    ModelUnknown,
    MapUnknown,
    RulesStartMissing,
    EventUnknown,
    EventRetracted,
    EntryUnknown,
    EntryOtherKind,
    AlreadyRetracted,
    EventNotOfEntry,
    NothingRecorded,
    QuarantineLineUnknown,
    // Limits: `of_controls.rs`.
    PolicyUnpriced,
    PolicyMissing,
    BudgetUnknown,
    ChannelUnknown,
    BreakerUnknown,
    ChannelSecret,
    AddressRefused,
    MessageRefused,
    GuardFile,
    GuardFileForeign,
    // Values and options: `of_options.rs`.
    NameInvalid,
    TagInvalid,
    TimeInvalid,
    PeriodInvalid,
    NumberInvalid,
    CurrencyInvalid,
    ZoneInvalid,
    TierInvalid,
    DimensionUnknown,
    EventInvalid,
    RuleInvalid,
    HashKeyInvalid,
    SecretFound,
    OptionInvalid,
    OptionMissing,
    OptionsConflict,
    OptionFile,
    StandardInput,
    CodeUnknown,
}

/// The entry of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// The code.
    pub code: Code,
    /// The code as programs and people write it, in lower case with hyphens.
    pub name: &'static str,
    /// The exit code of a command that ends with this error.
    pub exit: Exit,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// All codes, by what they are about: the heading of a part, and its codes.
pub const CODES: [(&str, &[Explained]); 5] = [
    ("The ledger's file and the system", of_ledger::CODES),
    ("Files that tokenbook reads", of_files::CODES),
    ("Prices, rules, reports and imports", of_setup::CODES),
    ("Limits", of_controls::CODES),
    ("Values and options", of_options::CODES),
];

/// What [`Code::explained`] gives for a code without an entry. A test proves that every code has one.
const WITHOUT_ENTRY: Explained =
    Explained { code: Code::Internal, name: "internal", exit: Exit::Bug, meaning: "", cause: "", remedy: "" };

impl Code {
    /// The entries of all codes.
    pub fn all() -> impl Iterator<Item = &'static Explained> {
        CODES.into_iter().flat_map(|(_, codes)| codes)
    }

    /// The entry of a code's name.
    pub fn named(name: &str) -> Option<&'static Explained> {
        Self::all().find(|explained| explained.name == name)
    }

    /// The entry of this code.
    pub fn explained(self) -> &'static Explained {
        Self::all().find(|explained| explained.code == self).unwrap_or(&WITHOUT_ENTRY)
    }

    /// The code as programs and people write it, such as `ledger-older`.
    pub fn name(self) -> &'static str {
        self.explained().name
    }

    /// The exit code of a command that ends with this error.
    pub fn exit(self) -> Exit {
        self.explained().exit
    }

    /// The code that decides how a command ends that failed in two ways.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        if self.exit().worse(other.exit()) == self.exit() { self } else { other }
    }

    /// The code of an error of the system: [`Code::DiskFull`] if there is no room, and otherwise the given one.
    pub fn of_io(error: &io::Error, otherwise: Self) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::DiskFull,
            _ => otherwise,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// `LedgerOlder` as `ledger-older`.
    fn spelled(code: Code) -> String {
        let mut name = String::new();
        for c in format!("{code:?}").chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }

    /// The codes, as the source of the enumeration lists them.
    fn listed() -> BTreeSet<String> {
        let source = include_str!("mod.rs");
        let body =
            source.split_once("pub enum Code {").and_then(|(_, rest)| rest.split_once("\n}")).unwrap_or_default();
        let names = body.0.lines().filter_map(|line| line.trim().strip_suffix(','));
        names.filter(|name| !name.starts_with("//")).map(str::to_owned).collect()
    }

    #[test]
    fn every_code_has_one_entry_under_its_own_name() {
        let in_table: Vec<String> = Code::all().map(|explained| format!("{:?}", explained.code)).collect();
        let once: BTreeSet<String> = in_table.iter().cloned().collect();
        assert_eq!(in_table.len(), once.len(), "a code stands in the table twice");
        assert!(once.len() > 70, "only {} codes", once.len());
        assert_eq!(once, listed());
        for explained in Code::all() {
            assert_eq!(explained.name, spelled(explained.code));
            assert_eq!(Code::named(explained.name), Some(explained));
        }
    }

    #[test]
    fn every_entry_is_said_in_sentences() {
        for Explained { name, exit, meaning, cause, remedy, .. } in Code::all() {
            for text in [meaning, cause, remedy] {
                assert!(text.ends_with('.') && !text.contains("  "), "{name}: {text:?}");
                let starts = text.starts_with("tokenbook")
                    || text.starts_with(|c: char| c.is_ascii_uppercase() || matches!(c, '`' | '-'));
                assert!(starts, "{name}: {text:?}");
            }
            assert!(meaning.len() <= 100, "{name}: {meaning:?} is too long for one line");
            assert!(!matches!(exit, Exit::Done | Exit::Incomplete), "{name}: an error does not end with {exit:?}");
        }
    }
}
