//! `tokenbook costs`: import what providers charge, to compare it with the cost that the ledger computes.

use super::Session;
use crate::cli::failure::{Code, Exit, Failure};
use crate::cli::options::{OutputOptions, counted, files_of_paths, grouped, reason_of};
use std::path::PathBuf;
use tokenbook::books::usage::costs::{CostOptions, CostOutcome};
use tokenbook::books::usage::import::{DEFAULT_SOURCE, ImportError};
use tokenbook::books::usage::retract::CostsTaken;
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::name::Name;
use tokenbook::domain::number::EntryId;
use tokenbook::import::costs::{COST_FORMATS, named};
use tokenbook::import::record::reading::Stated;

/// Import what providers charge; `report provider-cost` compares it with the computed cost
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Import cost reports of providers, each file whole or not at all; costs stay apart from usage
    Import(ImportArguments),
    /// List the imports of costs: when, by whom, which file, and the count of its lines
    List {
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Take back a wrong import of costs; the costs that it replaced apply again
    Retract {
        /// The entry number of the import, from `costs list`
        #[arg(value_name = "ENTRY")]
        entry: EntryId,
        /// Why; the ledger records it in its chain
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Show what would be taken back, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, clap::Args)]
struct ImportArguments {
    /// Files, folders with all their subfolders, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The account that the reports are for; give each account of a provider its own source
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SOURCE)]
    source: String,
    /// The format of the files; auto detects it from their content
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = format_names())]
    format: String,
    /// The time zone of times without an offset, if the provider documents none: UTC, Asia/Shanghai
    #[arg(long, value_name = "ZONE")]
    assume_zone: Option<String>,
    /// Follow symbolic links
    #[arg(long)]
    follow: bool,
}

fn format_names() -> clap::builder::PossibleValuesParser {
    let names = std::iter::once("auto").chain(COST_FORMATS.iter().map(|format| format.name));
    clap::builder::PossibleValuesParser::new(names)
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Import(arguments) => import(arguments, session),
        Command::List { output } => {
            let sheet = session.read()?.cost_import_list()?;
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
        Command::Retract { entry, reason, dry_run } => retract(*entry, reason, *dry_run, session),
    }
}

fn retract(entry: EntryId, reason: &str, dry_run: bool, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let reason = reason_of(reason, "the import is retracted")?;
    let (taken, head, what) = if dry_run {
        (session.read()?.plan_costs_retraction(entry)?, None, "would be retracted")
    } else {
        let books = session.open()?;
        let act = session.act();
        let retracted = session.progress(|progress| books.retract_costs(entry, reason, act, progress))?;
        (retracted.taken, Some(retracted.head), "retracted")
    };
    let CostsTaken { file, lines, again, .. } = &taken;
    session.say(format!("{what}: {} of {file} (entry {entry})", counted(*lines, "cost", "costs")))?;
    if !again.is_empty() {
        session.warn("import these files again: some of their costs may have been duplicates of retracted ones")?;
        for (entry, file) in again {
            session.warn(format!("  entry {entry}: {file}"))?;
        }
    }
    if let Some(head) = head {
        session.tell_head(&head)?;
    }
    Ok(if again.is_empty() { Exit::Done } else { Exit::Incomplete })
}

fn import(arguments: &ImportArguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let options = options(arguments)?;
    let inputs = files_of_paths(&arguments.files, arguments.follow, session)?;
    let books = session.open()?;
    let mut exit = Exit::Done;
    for input in &inputs {
        match session.progress(|progress| books.import_costs(input, &options, session.act(), progress)) {
            Ok(outcome) => tell(&outcome, session)?,
            Err(error) => {
                let hint = match error {
                    ImportError::Rejected { .. } => {
                        Some("correct the lines; tokenbook imports a cost report whole or not at all")
                    }
                    ImportError::File { .. } if error.code() != Code::NotUtf8 => {
                        Some("see an example of each cost report with `tokenbook formats`")
                    }
                    _ => None,
                };
                let failure = Failure::from(error);
                let failure = if let Some(hint) = hint { failure.hint(hint) } else { failure };
                session.streams.out.flush()?;
                failure.print(session.streams.err, session.colour);
                exit = exit.worse(failure.exit());
            }
        }
    }
    let head = books.head()?;
    session.tell_head(&head)?;
    Ok(exit)
}

fn options(arguments: &ImportArguments) -> Result<CostOptions, Failure> {
    let source = Name::new(&arguments.source)
        .map_err(|error| Failure::option(error.code(), "--source", &arguments.source, error))?;
    let zone = arguments.assume_zone.as_deref();
    let zone = zone.map(|zone| {
        Calendar::of_zone(zone).map_err(|error| Failure::option(error.code(), "--assume-zone", zone, error))
    });
    let reading = Stated { zone: zone.transpose()?, ..Stated::default() };
    Ok(CostOptions { source: source.to_string(), format: named(&arguments.format), reading })
}

fn tell(outcome: &CostOutcome, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    for (old, new) in &outcome.appended.revised {
        session.say(format!("revised: {}: {} -> {} {}", new.key, old.amount, new.amount, new.currency))?;
    }
    if outcome.appended.beside > 0 {
        session.warn(format!(
            "warning: {}: the ledger also has {} of the same providers and days, missing from this file; all costs count \
             (the same costs in another grouping count twice)",
            outcome.file,
            counted(outcome.appended.beside, "cost", "costs")
        ))?;
    }
    session.tell(format!(
        "{}: {} = {} added + {} revised + {}; {} without a cost",
        outcome.file,
        counted(outcome.lines, "cost", "costs"),
        grouped(outcome.appended.added),
        outcome.appended.revised.len(),
        counted(outcome.appended.duplicates, "duplicate", "duplicates"),
        grouped(outcome.empty)
    ))?;
    Ok(())
}
