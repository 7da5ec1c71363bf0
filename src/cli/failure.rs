//! Errors as a user reads them: one line `error[code]: what, where, expected`, then `hint: what to do`.
//!
//! The code decides the exit code and the hint, sometimes together with data of the error. No hint depends on a text.

use super::conflicts;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{self, Write};
use tokenbook::books::BooksError;
use tokenbook::books::usage::import::{ImportError, LISTED};
use tokenbook::books::usage::retract::Refused;
use tokenbook::domain::secret::redacted;
pub use tokenbook::fault::{Code, Exit};
use tokenbook::ledger::LedgerError;
use tokenbook::ledger::facts::retraction::NearSpan;
use tokenbook::text::problem::{Problem, counted};

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    /// Details that come before the error, such as the bad lines of a file.
    details: Vec<String>,
    what: String,
    hint: Option<String>,
    /// The reader of the output closed it, which is not a failure.
    silent: bool,
}

impl Failure {
    /// A failure with its code. It hides secrets in the text, because a rejected value may be one.
    pub fn new(code: Code, what: impl Display) -> Self {
        let what = redacted(&what.to_string()).into_owned();
        Self { code, details: Vec::new(), what, hint: None, silent: false }
    }

    /// A failure with the remedy of its code as the hint.
    fn with_remedy(code: Code, what: impl Display) -> Self {
        Self::new(code, what).hint(remedy(code))
    }

    /// A value that an option cannot have.
    pub fn option(code: Code, option: &str, value: &str, error: impl Display) -> Self {
        Self::with_remedy(code, format!("{option} {value:?} {error}"))
    }

    /// A file that cannot be read.
    pub fn unreadable(file: impl Display, error: &io::Error) -> Self {
        Self::with_remedy(tokenbook::import::file::input::unreadable(error), format!("{file}: {error}"))
    }

    /// A file that an option names and that cannot be read.
    pub fn option_file(file: impl Display, error: impl Display) -> Self {
        Self::new(Code::OptionFile, format!("{file}: {error}"))
    }

    /// Adds a hint that says what to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.code.exit()
    }

    /// What failed, for a warning where the command goes on.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Prints the failure and returns the exit code.
    pub fn print(&self, err: &mut dyn Write, colour: bool) -> u8 {
        if self.silent {
            return 0;
        }
        let (red, cyan, plain) = if colour { ("\u{1b}[1;31m", "\u{1b}[1;36m", "\u{1b}[0m") } else { ("", "", "") };
        // If printing fails, there is no other place to report it.
        for detail in &self.details {
            drop(writeln!(err, "{detail}"));
        }
        drop(writeln!(err, "{red}error[{}]:{plain} {}", self.code, self.what));
        if let Some(hint) = &self.hint {
            drop(writeln!(err, "{cyan}hint:{plain} {hint}"));
        }
        self.exit().code()
    }
}

/// What to do about a code, as hints are written: without a capital at the start and a stop at the end.
pub fn remedy(code: Code) -> String {
    let remedy = code.explained().remedy;
    let mut letters = remedy.strip_suffix('.').unwrap_or(remedy).chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        let code = Code::of_io(&error, Code::StandardOutput);
        Self { silent, ..Self::new(code, format!("output: {error}")) }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let failure = Self::with_remedy(error.code(), &error);
        match &error {
            LedgerError::Conflicts(found) => {
                let details = found.iter().map(|conflict| conflicts::described("the file", conflict)).collect();
                failure.details(details).hint(conflicts::hint(found, false))
            }
            _ => failure,
        }
    }
}

/// What to do about bad lines of a usage file: by their code, and by whether every record from the first on has it.
fn hint_of_lines(code: Code, problems: &[Problem], by_field: usize) -> &'static str {
    let from_the_first = problems.first().is_some_and(|problem| problem.line == 1);
    match code {
        // The file is hardly what it was taken for.
        Code::FieldMissing if from_the_first && by_field == 1 => {
            "if the file uses other names for its fields, write a map and add --map FILE; otherwise correct the lines, \
             or set them aside with --quarantine and import the others"
        }
        Code::FieldMisspelt => {
            "rename the field as the message says; if the file uses its own names, write a map and add --map FILE"
        }
        Code::NotUtf8 => "convert the file to UTF-8; or set these lines aside with --quarantine and import the others",
        _ => "correct the lines; or set them aside with --quarantine and import the others",
    }
}

/// The bad lines of a usage file, with the count of those that are not listed and the count by field.
fn bad_lines(file: &str, problems: &[Problem], total: u64, by_field: &[String]) -> Vec<String> {
    let mut details: Vec<String> = problems.iter().take(LISTED).map(|problem| problem.in_file(file)).collect();
    let listed = u64::try_from(details.len()).unwrap_or(u64::MAX);
    if listed < total {
        let more = counted(total - listed, "more bad line is", "more bad lines are");
        details.push(format!("{file}: {more} not listed (--errors FILE lists all)"));
    }
    details.push(format!("{file}: bad lines by field: {}", by_field.join(", ")));
    details
}

fn in_file(file: &str, problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| problem.in_file(file)).collect()
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let code = error.code();
        let failure = Self::with_remedy(code, &error);
        match error {
            ImportError::Rejected { file, problems, total, by_field } => {
                let fields: Vec<String> = by_field.iter().map(|(field, bad)| format!("{field} {bad}")).collect();
                let details = bad_lines(&file, &problems, total, &fields);
                failure.details(details).hint(hint_of_lines(code, &problems, fields.len()))
            }
            ImportError::Conflicts { file, conflicts, cumulative } => {
                let details = conflicts.iter().map(|conflict| conflicts::described(&file, conflict)).collect();
                failure.details(details).hint(conflicts::hint(&conflicts, cumulative))
            }
            ImportError::Unregistered { file, problems } => failure.details(in_file(&file, &problems)),
            ImportError::Ledger(error) => error.into(),
            _ => failure,
        }
    }
}

impl From<Refused> for Failure {
    fn from(error: Refused) -> Self {
        match error {
            Refused::Ledger(error) => error.into(),
            Refused::NothingRecorded { ref near, ref sources, .. } => {
                let hint = recorded_elsewhere(near, sources);
                Self::new(error.code(), error).hint(hint)
            }
            Refused::OtherKind { found: "import", .. } => {
                Self::new(error.code(), error).hint("to retract an import of usage, run `tokenbook imports retract`")
            }
            Refused::OtherKind { found: "cost", .. } => {
                Self::new(error.code(), error).hint("to retract an import of costs, run `tokenbook costs retract`")
            }
            error => Self::with_remedy(error.code(), error),
        }
    }
}

/// What was recorded outside of a span: near it, or else of other sources.
fn recorded_elsewhere(near: &[NearSpan], sources: &BTreeSet<String>) -> String {
    if !near.is_empty() {
        let near: Vec<String> = near.iter().map(NearSpan::to_string).collect();
        return format!("nearest in time, the source has {}; `tokenbook imports list` shows all", near.join(", and "));
    }
    if sources.is_empty() {
        return "the ledger has no recorded usage that counts; `tokenbook imports list` shows the imports of files"
            .to_owned();
    }
    let sources: Vec<String> = sources.iter().take(LISTED).map(|source| format!("{source:?}")).collect();
    format!("usage was recorded of source {}; `tokenbook imports list` shows when", sources.join(", "))
}

impl From<BooksError> for Failure {
    fn from(error: BooksError) -> Self {
        let failure = Self::with_remedy(error.code(), &error);
        match error {
            BooksError::Ledger(error) => error.into(),
            // The hints of usage files do not fit here.
            BooksError::Lines { ref file, ref problems } => {
                let details = in_file(file, problems);
                let hint = "correct the file; tokenbook takes it whole or not at all";
                Self::new(error.code(), &error).details(details).hint(hint)
            }
            _ => failure,
        }
    }
}
