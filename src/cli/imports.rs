//! `tokenbook imports`: list the imports, and take one back.

use super::Session;
use super::options::{OutputOptions, counted, reason_of};
use crate::cli::failure::{Code, Exit, Failure};
use std::collections::BTreeMap;
use tokenbook::books::usage::imports::Commits;
use tokenbook::books::usage::retract::{RecordedSpan, Retracted, Retraction};
use tokenbook::domain::name::Name;
use tokenbook::domain::number::EntryId;
use tokenbook::domain::timestamp::Timestamp;
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
    ///
    /// What a program recorded without files is one line for each source, actor and hour of recording (UTC).
    List {
        /// List each commit of what a program recorded
        #[arg(long)]
        commits: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Take back a wrong import; its events stay in the ledger, but no report counts them
    ///
    /// With --source, --from and --to, take back what a program recorded without files in that span: all of it or nothing.
    /// The span is about the time of recording, which `imports list` shows, not about the time of the events. Imports of files
    /// stay.
    Retract(RetractArguments),
}

#[derive(Debug, clap::Args)]
struct RetractArguments {
    /// The entry number of the import, from `imports list`
    #[arg(value_name = "ENTRY", required_unless_present = "source")]
    entry: Option<EntryId>,
    /// Take back only the event with this id; may be repeated
    #[arg(long = "id", value_name = "ID", conflicts_with = "source")]
    ids: Vec<String>,
    /// Take back what a program recorded of this source between --from and --to
    #[arg(long, value_name = "NAME", conflicts_with = "entry", requires_all = ["from", "to"])]
    source: Option<String>,
    /// The first time of recording, such as 2026-10-05T14:00:00Z; included
    #[arg(long, value_name = "TIME", requires = "source")]
    from: Option<String>,
    /// The last time of recording; included
    #[arg(long, value_name = "TIME", requires = "source")]
    to: Option<String>,
    /// Why; the ledger records it in its chain
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Show what would be taken back, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List { commits, output } => {
            let commits = if *commits { Commits::Each } else { Commits::ByHour };
            let sheet = session.read()?.import_list(commits)?;
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
        Command::Retract(arguments) => retract(arguments, session),
    }
}

fn retract(arguments: &RetractArguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let reason = reason_of(&arguments.reason, "the import is retracted")?;
    if let (Some(source), Some(from), Some(to)) = (&arguments.source, &arguments.from, &arguments.to) {
        let source = Name::new(source).map_err(|error| Failure::new(error.code(), format!("--source {error}")))?;
        let (from, to) = (instant("--from", from)?, instant("--to", to)?);
        if from > to {
            return Err(Failure::new(Code::OptionsConflict, format!("--from {from} is after --to {to}")));
        }
        return retract_recorded(RecordedSpan { source: &source, from, to }, reason, arguments.dry_run, session);
    }
    let Some(entry) = arguments.entry else {
        return Err(Failure::new(
            Code::OptionMissing,
            "no import is named, expected ENTRY, or --source with --from and --to",
        ));
    };
    let ids = Some(arguments.ids.as_slice()).filter(|ids| !ids.is_empty());
    let retraction = Retraction { entry, ids, reason };
    if arguments.dry_run {
        let books = session.read()?;
        let plan = session.progress(|progress| books.plan_retraction(retraction, progress))?;
        return tell(&plan, "would be retracted", session);
    }
    let books = session.open()?;
    let act = session.act();
    let retracted = session.progress(|progress| books.retract(retraction, act, progress))?;
    told(&retracted, session)
}

fn retract_recorded(
    recorded: RecordedSpan<'_>,
    reason: &str,
    dry_run: bool,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    if dry_run {
        let books = session.read()?;
        let plan = session.progress(|progress| books.plan_recorded_retraction(recorded, progress))?;
        return tell(&plan, "would be retracted", session);
    }
    let books = session.open()?;
    let act = session.act();
    let retracted = session.progress(|progress| books.retract_recorded(recorded, reason, act, progress))?;
    told(&retracted, session)
}

fn instant(option: &str, text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse(text).map_err(|error| {
        Failure::new(error.code(), format!("{option} {text:?} {error}"))
            .hint("`tokenbook imports list` shows times of recording, such as 2026-10-05T14:00:00Z")
    })
}

/// Prints what was taken back, and where the ledger ends now.
fn told(retracted: &Retracted<Plan>, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let exit = tell(&retracted.taken, "retracted", session)?;
    session.tell_head(&retracted.head)?;
    Ok(exit)
}

/// What the imports of a plan are called: the file, or the source of commits, with their entries.
fn name_of(plan: &Plan) -> String {
    let (Some(first), Some(last)) = (plan.parts.first(), plan.parts.last()) else { return String::new() };
    let (first, last) = (&first.made, &last.made);
    if plan.parts.len() == 1 {
        return format!("{} (entry {})", first.row.file, first.entry);
    }
    let commits = listed(plan.parts.len(), "commit", "commits");
    let entries = format!("entries {} to {}", first.entry, last.entry);
    format!("{commits} of source {} ({entries}, recorded {} to {})", first.row.source, first.at, last.at)
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
    session.say(format!("{what}: {taken} of {}{days}", name_of(plan)))?;
    let (closed, open_again) = (plan.closed(), plan.open_again());
    if closed > 0 {
        session.say(format!("{what}: {}", listed(closed, "quarantined line", "quarantined lines")))?;
    }
    if open_again > 0 {
        let lines = listed(open_again, "quarantined line waits", "quarantined lines wait");
        session.say(format!("{lines} for a decision again, because the events that resolved them are retracted"))?;
    }
    for alike in &plan.alike {
        session.warn(format!("note: entry {} is another import of the same file and still counts", alike.entry))?;
    }
    if !plan.again.is_empty() {
        session.warn(
            "import these files again: some of their lines may have been duplicates or later versions of \
             retracted events",
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
    let is_whole = plan.again.is_empty() && open_again == 0;
    Ok(if is_whole { Exit::Done } else { Exit::Incomplete })
}

fn named(file: &str, options: &str, imports: &[&ImportMade]) -> String {
    let options = if options.is_empty() { String::new() } else { format!(", with {options}") };
    let last = imports.last().map_or((EntryId::NONE, 0), |import| (import.entry, import.row.duplicates));
    let entry = match imports.len() {
        1 => format!("entry {}", last.0),
        many => format!("{many} imports, the last is entry {}", last.0),
    };
    format!("{file} ({entry}: {}{options})", counted(last.1, "duplicate", "duplicates"))
}
