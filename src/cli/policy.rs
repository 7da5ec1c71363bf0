//! `tokenbook policy`: check a file of limits, apply it, compare it, and show what is in force.

use super::options::{OutputOptions, counted};
use super::{Session, budget};
use crate::cli::failure::{Code, Exit, Failure};
use std::path::{Path, PathBuf};
use tokenbook::books::controls::budgets::BudgetRequest;
use tokenbook::books::controls::policies::{Apply, PolicyApplied};
use tokenbook::books::{Books, BooksError};
use tokenbook::control::policy::difference::Change;
use tokenbook::domain::calendar::Day;
use tokenbook::domain::period;
use tokenbook::text::problem::Problem;

/// Keep limits on usage in a file: check it, apply it from a day on, and show the limits in force
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Apply a file of limits from its first day on; it replaces the limits in force as a whole
    Apply {
        /// The limits, a TOML file
        file: PathBuf,
        /// Show what would change, and record nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the limits in force as they were applied, or as a list
    Show {
        /// The day (default: today)
        #[arg(long, value_name = "DATE")]
        at: Option<String>,
        /// List the limits with their numbers; shares are shown as amounts
        #[arg(long)]
        limits: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Show what a file of limits would change, limit by limit
    Diff {
        /// The limits, a TOML file
        file: PathBuf,
    },
    /// Check a file of limits: every problem with its place, and what is odd
    Check {
        /// The limits, a TOML file
        file: PathBuf,
        /// Also show what each budget would show for this period
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// List the files of limits that were applied: from which day, when and by whom
    List {
        #[command(flatten)]
        output: OutputOptions,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Apply { file, dry_run } => apply(file, if *dry_run { Apply::Try } else { Apply::Record }, session),
        Command::Show { at, limits, output } => show(at.as_deref(), *limits, output, session),
        Command::Diff { file } => {
            let (name, bytes) = read(file)?;
            let changes = session.read()?.policy_changes(&name, &bytes).map_err(wrong_policy)?;
            for change in &changes {
                session.say(spelled(change))?;
            }
            if changes.is_empty() {
                session.tell("nothing changes")?;
            }
            Ok(Exit::Done)
        }
        Command::Check { file, period, output } => {
            output.refuse_input(file)?;
            let (name, bytes) = read(file)?;
            let books = session.read()?;
            let read = books.read_policy(&name, &bytes).map_err(wrong_policy)?;
            warn(&name, &read.warnings, session)?;
            warn_of_alerts(&name, &books, &bytes, session)?;
            let limits = counted(u64::try_from(read.policy.limits().count()).unwrap_or(u64::MAX), "limit", "limits");
            let from = read.policy.from;
            let says = if read.warnings.is_empty() { "nothing is wrong" } else { "no line is wrong" };
            // A table for programs stands alone on standard output.
            if period.is_none() || output.is_for_people() {
                session.tell(format!("{name}: {limits} from {from}, {says}"))?;
            }
            if let Some(text) = period {
                let at = budget::day_of(None, Some(text), session)?;
                let request = BudgetRequest { at, all: true, ..BudgetRequest::of(session.invocation.now) };
                let status = session.progress(|progress| books.budgets_under(&read.policy, &request, progress))?;
                budget::put(&status, output, session)?;
            }
            Ok(Exit::Done)
        }
        Command::List { output } => {
            let sheet = session.read()?.policy_list()?;
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
    }
}

fn apply(file: &Path, apply: Apply, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let (name, bytes) = read(file)?;
    let books = if apply == Apply::Try { session.read()? } else { session.open()? };
    let applied = session.progress(|progress| books.apply_policy(&name, &bytes, apply, session.act(), progress));
    let PolicyApplied { from, until, entry, is_in_force, changes, warnings } = applied.map_err(wrong_policy)?;
    warn(&name, &warnings, session)?;
    if is_in_force {
        session.tell(format!("{name}: is in force already from {from}"))?;
        return Ok(Exit::Done);
    }
    for change in &changes {
        session.tell(spelled(change))?;
    }
    let what = if entry.is_some() { "applies" } else { "would apply" };
    let end = until.map_or_else(String::new, |until| format!(" until {until}, when other limits begin"));
    session.tell(format!("{name}: {what} from {from}{end}"))?;
    if from < today(&books, session) {
        session
            .tell("periods that are over get these limits too; alerts are raised only for periods that are not over")?;
    }
    warn_of_alerts(&name, &books, &bytes, session)?;
    let head = books.head()?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}

/// Says how many alerts the next check would raise, so that nobody is surprised by them.
fn warn_of_alerts(name: &str, books: &Books, bytes: &[u8], session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let read = books.read_policy("", bytes)?;
    warn_of_nothing(name, read.policy.limits().count(), session)?;
    let now = session.invocation.now;
    let alerts = session.progress(|progress| books.would_raise(&read.policy, now, progress))?;
    if alerts > 0 {
        let alerts = counted(u64::try_from(alerts).unwrap_or(u64::MAX), "alert", "alerts");
        session.warn(format!("warning: {name}: the next `tokenbook budget check` will raise {alerts}"))?;
    }
    Ok(())
}

fn show(
    at: Option<&str>,
    limits: bool,
    output: &OutputOptions,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let books = session.read()?;
    let day = match at {
        Some(text) => period::day(text).map_err(|error| {
            Failure::option(error.code(), "--at", text, format!("{error}, expected a date such as 2026-12-01"))
        })?,
        None => today(&books, session),
    };
    if limits {
        output.put(&books.limit_list(day)?, session)?;
        return Ok(Exit::Done);
    }
    let in_force = books.policy_in_force(day)?.ok_or_else(|| {
        Failure::new(Code::PolicyMissing, format!("no limits are in force on {day}"))
            .hint("see the first days with `tokenbook policy list`, or apply limits with `tokenbook policy apply FILE`")
    })?;
    session.streams.out.write_all(in_force.document.as_bytes())?;
    Ok(Exit::Done)
}

fn today(books: &Books, session: &Session<'_, '_>) -> Day {
    books.settings().calendar.day_of(session.invocation.now)
}

/// `+ budget "marketing": …`, `- quota "all": …`, `budget "company": amount 500 -> 700`.
fn spelled(change: &Change) -> String {
    let Change { kind, name, field, before, after } = change;
    let of = if name.is_empty() { (*kind).to_owned() } else { format!("{kind} {name:?}") };
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    match (field, before, after) {
        (None, None, Some(after)) => format!("+ {of}: {after}"),
        (None, Some(before), _) => format!("- {of}: {before}"),
        (field, before, after) => format!("{of}: {} {} -> {}", field.unwrap_or(""), shown(before), shown(after)),
    }
}

/// Warns of a file without limits, which would end all limits.
fn warn_of_nothing(file: &str, limits: usize, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    if limits > 0 {
        return Ok(());
    }
    session.warn(format!("warning: {file}: has no limits, so all limits end on its first day"))
}

fn warn(file: &str, warnings: &[Problem], session: &mut Session<'_, '_>) -> Result<(), Failure> {
    warnings.iter().try_for_each(|warning| session.warn(format!("warning: {}", warning.in_file(file))))
}

pub fn read(file: &Path) -> Result<(String, Vec<u8>), Failure> {
    let name = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|error| Failure::unreadable(&name, &error))?;
    Ok((name, bytes))
}

/// An error in a file of limits, with a hint if its lines are wrong.
pub fn wrong_policy(error: BooksError) -> Failure {
    let lines = matches!(error, BooksError::Lines { .. });
    let failure = Failure::from(error);
    let hint = "correct the lines; `tokenbook policy check FILE` checks limits without applying them";
    if lines { failure.hint(hint) } else { failure }
}
