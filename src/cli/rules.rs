//! `tokenbook rules`: import the rules that decide who pays, list them, and try them on usage.

use super::Session;
use super::options::{OutputOptions, counted, tag_of};
use crate::cli::failure::{Exit, Failure};
use std::path::{Path, PathBuf};
use tokenbook::books::setup::rules::{Change, RulesImported, Sample, Shown, spelled};
use tokenbook::books::{Books, BooksError};
use tokenbook::domain::calendar::Day;
use tokenbook::domain::event::Model;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::{self, Month, Period};
use tokenbook::domain::rule::RuleSet;
use tokenbook::domain::tags::{Tag, TagSet};

/// Decide who pays by tags, model, provider and source: import rules, list them, try them on usage
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Import a set of rules, CSV or TOML, and replace the set in force; the whole set or nothing
    Import {
        /// The rules, a CSV or TOML file
        file: PathBuf,
        /// The first billing day of the set (default for the ledger's first set: all days)
        #[arg(long, value_name = "DATE")]
        valid_from: Option<String>,
    },
    /// End the rules in force without a new set; from that day tags alone decide who pays
    End {
        /// The first billing day without rules
        #[arg(long, value_name = "DATE")]
        from: String,
    },
    /// List the rules in force on a day, or all sets
    List {
        /// A day in the ledger's time zone (default: today)
        #[arg(long, value_name = "DATE", conflicts_with = "history")]
        at: Option<String>,
        /// List all sets, each with its first day
        #[arg(long)]
        history: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Show which rule matches the given tags or the usage of a period, and which usage no rule matches
    Test {
        /// Rules to try before you import them (default: the ledger's rules)
        file: Option<PathBuf>,
        /// A tag of the usage to try, such as team=search; may be repeated
        #[arg(long = "tag", value_name = "KEY=VALUE")]
        tags: Vec<String>,
        /// The model of the usage to try
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
        /// The provider of the usage to try
        #[arg(long, value_name = "NAME", requires = "model")]
        provider: Option<String>,
        /// The source of the usage to try
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        /// The day of the usage to try (default: today)
        #[arg(long, value_name = "DATE", conflicts_with = "period")]
        day: Option<String>,
        /// The period whose usage to try, if you give no tags (default: the current month)
        #[arg(long, value_name = "PERIOD", conflicts_with_all = ["tags", "model", "source"])]
        period: Option<String>,
        /// Show only usage that gets no department, neither from rules nor from tags
        #[arg(long, conflicts_with_all = ["tags", "model", "source", "day"])]
        unallocated: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Import { file, valid_from } => import(file, valid_from.as_deref(), session),
        Command::End { from } => end(from, session),
        Command::List { at, history, output } => {
            let books = session.read()?;
            let sheet = if *history {
                books.rule_history()?
            } else {
                books.rule_list(day_or_today("--at", at.as_deref(), &books, session)?)?
            };
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
        Command::Test { file, tags, model, provider, source, day, period, unallocated, output } => {
            let books = session.read()?;
            let rules = file.as_deref().map(|file| read(file, &books)).transpose()?;
            let sheet = if tags.is_empty() && model.is_none() && source.is_none() && day.is_none() {
                let shown = if *unallocated { Shown::Unallocated } else { Shown::Everything };
                let period = period_or_month(period.as_deref(), &books, session)?;
                session.progress(|progress| books.try_rules_on(rules, period, shown, progress))?
            } else {
                let provider = provider.as_deref().map(|name| self::name("--provider", name)).transpose()?;
                let name = model.as_deref().map(|name| self::name("--model", name)).transpose()?;
                let sample = Sample {
                    tags: tag_set(tags)?,
                    model: name.map(|name| Model { provider, name }),
                    source: source.clone(),
                    day: day_or_today("--day", day.as_deref(), &books, session)?,
                };
                books.try_rules(rules, &sample)?
            };
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
    }
}

fn import(file: &Path, valid_from: Option<&str>, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let valid_from = valid_from.map(|text| day("--valid-from", text)).transpose()?;
    let bytes = bytes(file)?;
    let books = session.open()?;
    let name = file.display().to_string();
    let imported = session.progress(|progress| books.import_rules(&name, &bytes, valid_from, session.act(), progress));
    let imported = imported.map_err(wrong_rules)?;
    tell(Some(file), imported, session)?;
    let head = books.head()?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}

fn end(from: &str, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let from = day("--from", from)?;
    let books = session.open()?;
    let what = match session.progress(|progress| books.end_rules(from, session.act(), progress))? {
        Change::Nothing => format!("no rules are in force on {}: nothing was ended", spelled(from)),
        Change::Added | Change::Replaced => {
            format!("rules end on {}; from then on, only tags decide who pays", spelled(from))
        }
    };
    session.tell(what)?;
    let head = books.head()?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}

/// Prints the outcome of an import of rules.
pub fn tell(file: Option<&Path>, imported: RulesImported, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let RulesImported { rules, valid_from, change, similar } = imported;
    session.warn_alike(&similar)?;
    let what = match change {
        Change::Nothing => "unchanged",
        Change::Added => "added",
        Change::Replaced => "replacing the rules that started on the same day",
    };
    let file = file.unwrap_or(Path::new("")).display();
    let rules = counted(u64::try_from(rules).unwrap_or(u64::MAX), "rule", "rules");
    session.tell(format!("{file}: {rules} from {}, {what}", spelled(valid_from)))
}

/// An error in a file of rules, with a hint if its lines are wrong.
fn wrong_rules(error: BooksError) -> Failure {
    let lines = matches!(error, BooksError::Lines { .. });
    let failure = Failure::from(error);
    let hint = "correct the lines; `tokenbook rules test FILE` tries rules without importing them";
    if lines { failure.hint(hint) } else { failure }
}

fn read(file: &Path, books: &Books) -> Result<RuleSet, Failure> {
    books.read_rules(&file.display().to_string(), &bytes(file)?).map_err(wrong_rules)
}

fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::unreadable(file.display(), &error))
}

fn day(option: &str, text: &str) -> Result<Day, Failure> {
    period::day(text).map_err(|error| {
        Failure::option(error.code(), option, text, format!("{error}, expected a date such as 2026-10-01"))
            .hint("rules start on a billing day of the ledger's time zone")
    })
}

fn day_or_today(option: &str, text: Option<&str>, books: &Books, session: &Session<'_, '_>) -> Result<Day, Failure> {
    match text {
        Some(text) => day(option, text),
        None => Ok(books.settings().calendar.day_of(session.invocation.now)),
    }
}

fn period_or_month(text: Option<&str>, books: &Books, session: &Session<'_, '_>) -> Result<Period, Failure> {
    match text {
        Some(text) => Period::parse(text).map_err(|error| Failure::option(error.code(), "--period", text, error)),
        None => Ok(Month::of(books.settings().calendar.day_of(session.invocation.now)).period()),
    }
}

fn name(option: &str, text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| Failure::option(error.code(), option, text, error))
}

fn tag_set(tags: &[String]) -> Result<TagSet, Failure> {
    let tag = |text: &String| {
        let Tag { key, value } = tag_of(text, "for example --tag team=search")?;
        Ok((key, value))
    };
    tags.iter().map(tag).collect()
}
