//! `tokenbook imports`: list the imports, and take one back.

use super::Session;
use super::options::{OutputOptions, counted, reason_of};
use crate::cli::failure::{Exit, Failure};
use std::collections::BTreeMap;
use tokenbook::books::usage::retract::Retraction;
use tokenbook::ledger::facts::imports::ImportMade;
use tokenbook::ledger::facts::retraction::Plan;
use tokenbook::text::problem::listed;

/// List the imports, or take one back
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the imports: when, by whom, which file, and the count of its lines
    List {
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Take back a wrong import; its events stay in the ledger, but no report counts them
    Retract(RetractArguments),
}

#[derive(Debug, clap::Args)]
struct RetractArguments {
    /// The entry number of the import, from `imports list`
    #[arg(value_name = "ENTRY")]
    entry: i64,
    /// Take back only the event with this id; may be repeated
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Why; the ledger records it in its chain
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Show what would be taken back, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List { output } => {
            let sheet = session.read()?.import_list()?;
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
        Command::Retract(arguments) => retract(arguments, session),
    }
}

fn retract(arguments: &RetractArguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let reason = reason_of(&arguments.reason, "the import is retracted")?;
    let ids = Some(arguments.ids.as_slice()).filter(|ids| !ids.is_empty());
    let retraction = Retraction { entry: arguments.entry, ids, reason };
    if arguments.dry_run {
        let books = session.read()?;
        let plan = session.progress(|progress| books.plan_retraction(retraction, progress))?;
        return tell(&plan, "would be retracted", session);
    }
    let books = session.open()?;
    let act = session.act();
    let retracted = session.progress(|progress| books.retract(retraction, act, progress))?;
    let exit = tell(&retracted.taken, "retracted", session)?;
    session.tell(format!("ledger head: {} {}", retracted.head.seq, retracted.head))?;
    Ok(exit)
}

/// Prints what was taken back, and what to do now.
fn tell(plan: &Plan, what: &str, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let mut taken = counted(plan.events, "event", "events");
    if plan.revisions > 0 {
        taken = format!("{taken} and {}", counted(plan.revisions, "revision", "revisions"));
    }
    let days = match plan.days {
        Some((first, last)) if first == last => format!(", {first}"),
        Some((first, last)) => format!(", {first} to {last}"),
        None => String::new(),
    };
    session.say(format!("{what}: {taken} of {} (entry {}){days}", plan.made.row.file, plan.made.entry))?;
    if !plan.closed.is_empty() {
        session.say(format!("{what}: {}", listed(plan.closed.len(), "quarantined line", "quarantined lines")))?;
    }
    if !plan.open_again.is_empty() {
        let lines = listed(plan.open_again.len(), "quarantined line waits", "quarantined lines wait");
        session.say(format!("{lines} for a decision again: the events that decided them are gone"))?;
    }
    for alike in &plan.alike {
        session
            .warn(format!("note: entry {} is another import of the very same file, and still counts", alike.entry))?;
    }
    if !plan.again.is_empty() {
        session.warn(
            "import these files again: some of their lines may have been duplicates of what was retracted, or told only \
             what was added to it",
        )?;
        // A growing log was imported many times under one name.
        let mut by_file: BTreeMap<(&str, &str), Vec<&ImportMade>> = BTreeMap::new();
        for import in &plan.again {
            by_file.entry((&import.row.file, &import.row.options)).or_default().push(import);
        }
        for ((file, options), imports) in by_file {
            session.warn(format!("  {}", named(file, options, &imports)))?;
        }
    }
    let is_whole = plan.again.is_empty() && plan.open_again.is_empty();
    Ok(if is_whole { Exit::Done } else { Exit::Incomplete })
}

fn named(file: &str, options: &str, imports: &[&ImportMade]) -> String {
    let options = if options.is_empty() { String::new() } else { format!(", with {options}") };
    let last = imports.last().map_or((0, 0), |import| (import.entry, import.row.duplicates));
    let entry = match imports.len() {
        1 => format!("entry {}", last.0),
        many => format!("{many} imports, the last is entry {}", last.0),
    };
    format!("{file} ({entry}: {}{options})", counted(last.1, "duplicate", "duplicates"))
}
