//! Exit codes, and errors as a user reads them: one line `error: what, where, expected`, then `hint: what to do`.

use std::fmt::Display;
use std::io::{self, Write};
use tokenbook::aggregate::AggregateError;
use tokenbook::books::BooksError;
use tokenbook::books::usage::import::{ImportError, LISTED};
use tokenbook::books::usage::retract::Refused;
use tokenbook::domain::secret::redacted;
use tokenbook::import::events::sink::MISSING;
use tokenbook::import::file::input::InputError;
use tokenbook::import::read::parse::NO_EVENTS;
use tokenbook::ledger::LedgerError;
use tokenbook::ledger::append::conflict::{Conflict, Difference, Why};
use tokenbook::text::problem::counted;

/// How a command ended. The codes are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// A bug in tokenbook.
    Bug,
    /// The command line or a configuration is wrong.
    Usage,
    /// tokenbook rejected at least one input and imported nothing of it.
    Rejected,
    /// Done, but something is quarantined, unpriced or unallocated, or a month has no usage.
    Incomplete,
    /// The ledger has the id with other content.
    Conflict,
    /// The ledger does not verify.
    Unverified,
    /// Storage or another resource failed.
    Storage,
    /// The file is not a ledger, has a newer version, or has several names.
    NotALedger,
    /// The user stopped it.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::Incomplete => 4,
            Self::Conflict => 5,
            Self::Unverified => 7,
            Self::Storage => 8,
            Self::NotALedger => 9,
            Self::Interrupted => 130,
        }
    }

    /// The exit code if there are several causes: the worse of the two.
    pub fn worse(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Done => 0,
            Self::Incomplete => 1,
            Self::Conflict => 2,
            Self::Rejected => 3,
            Self::Usage | Self::Unverified | Self::Storage | Self::NotALedger => 4,
            Self::Bug => 5,
            Self::Interrupted => 6,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    /// Details that come before the error, such as the bad lines of a file.
    details: Vec<String>,
    what: String,
    hint: Option<String>,
    /// The reader of the output closed it, which is not a failure.
    silent: bool,
}

impl Failure {
    /// A failure with its code. It hides secrets in the text, because a rejected value may be one.
    pub fn new(exit: Exit, what: impl Display) -> Self {
        let what = redacted(&what.to_string()).into_owned();
        Self { exit, details: Vec::new(), what, hint: None, silent: false }
    }

    /// Adds a hint that says what to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    /// The code.
    pub const fn exit(&self) -> Exit {
        self.exit
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
        drop(writeln!(err, "{red}error:{plain} {}", self.what));
        if let Some(hint) = &self.hint {
            drop(writeln!(err, "{cyan}hint:{plain} {hint}"));
        }
        self.exit.code()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        Self { silent, ..Self::new(Exit::Storage, format!("output: {error}")) }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let failure = |exit| Self::new(exit, &error);
        match &error {
            LedgerError::Missing(_) => {
                failure(Exit::NotALedger).hint("`tokenbook init` makes one; --ledger or TOKENBOOK_LEDGER names another")
            }
            LedgerError::Exists(_) => failure(Exit::Usage).hint("name another file, or use the one that is there"),
            LedgerError::NotALedger { .. } => failure(Exit::NotALedger).hint("the file was not touched"),
            LedgerError::Older { .. } => failure(Exit::NotALedger).hint(
                "`tokenbook upgrade` makes a verified copy and upgrades the file; until then the older tokenbook reads it",
            ),
            LedgerError::Newer { .. } => {
                failure(Exit::NotALedger).hint("install a newer tokenbook; the file was not touched")
            }
            LedgerError::Linked { .. } => failure(Exit::NotALedger).hint(
                "imports under one name are lost under the other: remove all names but the one with a -wal file beside it \
                 (`find DIR -samefile FILE` lists them); the file was not touched",
            ),
            LedgerError::OpenAs { .. } => failure(Exit::NotALedger).hint("open the ledger under one name only"),
            LedgerError::SchemaDiffers(_) | LedgerError::Corrupt(_) => failure(Exit::Unverified)
                .hint("`tokenbook verify` tells what else differs; restore a backup that verifies"),
            LedgerError::Busy(_) => failure(Exit::Storage).hint("run it again when the other process has finished"),
            LedgerError::Changed => failure(Exit::Storage).hint("run it again"),
            LedgerError::Overflow(_) => failure(Exit::Rejected).hint("a source reports quantities that cannot be true"),
            LedgerError::Conflicts(conflicts) => {
                let details = conflicts.iter().map(|conflict| describe("the file", conflict)).collect();
                failure(Exit::Conflict).details(details)
            }
            LedgerError::Stopped => {
                failure(Exit::Interrupted).hint("what was being done left no trace, and can be done again")
            }
            LedgerError::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                failure(Exit::Storage).hint("make the folder first")
            }
            LedgerError::Sqlite(_) | LedgerError::Io { .. } => {
                failure(Exit::Storage).hint("check free space, permissions and the disk; nothing was half written")
            }
        }
    }
}

/// One conflict in words.
fn describe(file: &str, conflict: &Conflict) -> String {
    let Conflict { line, id, why, .. } = conflict;
    let places =
        conflict.stored.iter().map(|place| format!("{}:{}", place.file.as_deref().unwrap_or(file), place.line));
    let stored = places.collect::<Vec<_>>().join(", then ");
    let what = match why {
        Why::Otherwise => format!("is already the id of another event ({stored})"),
        Why::MoreAndLess => format!("has more of some counts and less of others than the ledger ({stored})"),
        Why::Twice => format!("is twice in the file with other counts (the ledger has it from {stored})"),
    };
    let differences: Vec<String> = conflict.differences.iter().map(ToString::to_string).collect();
    format!("{file}:{line}: event_id: \"{id}\" {what}: {}", differences.join("; "))
}

/// Whether the stored event differs from the new one only in that it has no provider.
fn lacks_provider(conflict: &Conflict) -> bool {
    let of_model = |difference: &Difference| {
        let named = difference.new.strip_suffix(&difference.stored).is_some_and(|provider| provider.ends_with(' '));
        difference.field == "model" && named
    };
    !conflict.differences.is_empty() && conflict.differences.iter().all(of_model)
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let failure = |exit| Self::new(exit, &error);
        match &error {
            ImportError::Input(InputError::Io { .. }) | ImportError::Unreadable { .. } => {
                failure(Exit::Rejected).hint("nothing of the file was imported")
            }
            ImportError::File { problem, .. } if problem.what == NO_EVENTS => {
                failure(Exit::Rejected).hint("--allow-empty takes such a file for done")
            }
            ImportError::File { .. } => failure(Exit::Rejected).hint("nothing of the file was imported"),
            ImportError::Input(_) => failure(Exit::Rejected),
            ImportError::Rejected { file, problems, total, by_field } => {
                let shown = problems.iter().take(LISTED);
                let mut details: Vec<String> = shown.map(|problem| problem.in_file(file)).collect();
                let listed = u64::try_from(details.len()).unwrap_or(u64::MAX);
                if listed < *total {
                    let more = counted(total - listed, "more bad line is", "more bad lines are");
                    details.push(format!("{file}: {more} not listed (--errors FILE lists all)"));
                }
                let fields: Vec<String> = by_field.iter().map(|(field, bad)| format!("{field} {bad}")).collect();
                details.push(format!("{file}: bad lines by field: {}", fields.join(", ")));
                // If all lines from the first on lack the same field, the file probably has another format.
                let first = problems.first().is_some_and(|problem| problem.line == 1);
                let own_fields = first && by_field.len() == 1 && problems.iter().all(|problem| problem.what == MISSING);
                failure(Exit::Rejected).details(details).hint(if own_fields {
                    "fields of other names need a map of them (--map FILE); else correct the lines, or import the others and set these aside with --quarantine"
                } else {
                    "correct the lines, or import the others and set these aside with --quarantine"
                })
            }
            ImportError::Conflicts { file, conflicts, cumulative } => {
                let details = conflicts.iter().map(|conflict| describe(file, conflict)).collect();
                failure(Exit::Conflict).details(details).hint(if conflicts.iter().all(lacks_provider) {
                    "the ledger has these events without a provider, and keeps them so: prices without a provider hold for them"
                } else if *cumulative {
                    "a record of this format may come again as a later state or an older one; one with some counts larger \
                     and some smaller, twice in a file, or with another model, tier, tag or day is neither: it was asked \
                     for in another way, or corrected"
                } else {
                    "an id stands for one event: correct it, or give the other issuer a --source of its own"
                })
            }
            ImportError::Unregistered { file, problems } => {
                let details = problems.iter().map(|problem| problem.in_file(file)).collect();
                failure(Exit::Rejected).details(details).hint(
                    "correct the names, add them with `tokenbook departments import`, or leave --strict-departments out",
                )
            }
            ImportError::Stopped => failure(Exit::Interrupted),
            ImportError::Ledger(_) => {
                let ImportError::Ledger(error) = error else { return failure(Exit::Bug) };
                error.into()
            }
        }
    }
}

impl From<Refused> for Failure {
    fn from(error: Refused) -> Self {
        let hint = match error {
            Refused::Ledger(error) => return error.into(),
            Refused::NoEntry(_) => "`tokenbook imports list` and `tokenbook costs list` show the entries of imports",
            Refused::OtherKind { found: "import", .. } => {
                "an import of usage is taken back by `tokenbook imports retract`"
            }
            Refused::OtherKind { found: "cost", .. } => "an import of costs is taken back by `tokenbook costs retract`",
            Refused::OtherKind { .. } => {
                "only imports of usage and of costs can be retracted; what follows replaces the rest"
            }
            Refused::Already { .. } => "importing the file again undoes a retraction",
            Refused::NoEvent { .. } => {
                "ids count letter by letter; `tokenbook explain ID` shows which file brought one"
            }
        };
        Self::new(Exit::Usage, error).hint(hint)
    }
}

impl From<BooksError> for Failure {
    fn from(error: BooksError) -> Self {
        match error {
            BooksError::Ledger(error) | BooksError::Aggregate(AggregateError::Ledger(error)) => error.into(),
            BooksError::Lines { ref file, ref problems } => {
                let details = problems.iter().map(|problem| problem.in_file(file)).collect();
                Self::new(Exit::Rejected, &error).details(details)
            }
            BooksError::Setting { .. } => Self::new(Exit::Usage, error)
                .hint("a ledger keeps its settings; leave the option out, or make another ledger"),
            BooksError::InTheWay(_) => Self::new(Exit::Usage, error).hint("name another --out, or move the file"),
            BooksError::OtherReports { .. } => Self::new(Exit::Usage, error).hint(
                "name another --out; or remove manifest.json there first (of a run that was stopped .tokenbook-manifest.json), if these reports may replace the others",
            ),
            BooksError::NoBook(_) => {
                Self::new(Exit::Usage, error).hint("`tokenbook prices list` shows the books there are")
            }
            BooksError::NoModel(_) => Self::new(Exit::Usage, error)
                .hint("--only takes exact names, or patterns with * and ?, of `model` or `provider/model`"),
            BooksError::NoStart(_) => Self::new(Exit::Usage, error)
                .hint("--valid-from 2026-11-01 says it; earlier days keep the rules they have"),
            BooksError::NoEvent(_) => Self::new(Exit::Usage, error).hint(
                "ids count letter by letter; --source names who issued it, and without it all are looked through",
            ),
            BooksError::Retracted { .. } => Self::new(Exit::Usage, error)
                .hint("what is retracted stays in the ledger and does not count; import the right file"),
            BooksError::Savings(_) => Self::new(Exit::Usage, error),
            BooksError::Io { .. } => Self::new(Exit::Storage, error),
            BooksError::Aggregate(AggregateError::Overflow(_) | AggregateError::Amount(_))
            | BooksError::Report(_)
            | BooksError::Roi(_) => Self::new(Exit::Rejected, error),
        }
    }
}
