//! `tokenbook quarantine`: list the lines that were set aside, and discard them.

use super::Session;
use super::options::reason_of;
use crate::cli::failure::{Code, Exit, Failure};
use tokenbook::domain::calendar::Day;
use tokenbook::domain::number::QuarantinedId;
use tokenbook::text::problem::listed;

/// List the lines that were set aside, or discard them with a reason
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the lines that wait for a decision
    List,
    /// Give lines up; to resolve a line instead, import the corrected event
    Discard {
        /// The numbers of the lines, from `quarantine list`
        #[arg(required_unless_present = "all", value_name = "NUMBER")]
        numbers: Vec<QuarantinedId>,
        /// Discard all open lines
        #[arg(long, conflicts_with = "numbers")]
        all: bool,
        /// Why; the ledger records it in its chain
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List => list(session),
        Command::Discard { numbers, all, reason } => {
            let reason = reason_of(reason, "the lines are discarded")?;
            discard(if *all { None } else { Some(numbers) }, reason, session)
        }
    }
}

fn list(session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let open = session.read()?.quarantine()?;
    for line in &open {
        let day =
            line.held.day.and_then(Day::from_number).map_or_else(|| "day not known".to_owned(), |day| day.to_string());
        let field = if line.held.field.is_empty() { String::new() } else { format!("{}: ", line.held.field) };
        let held = &line.held;
        session.say(format!(
            "{} {}:{}: {field}{}, expected {} ({day})",
            line.id, line.file, held.line, held.what, held.expected
        ))?;
        if !held.kept.is_empty() {
            session.say(format!("    {}", held.kept))?;
        }
    }
    session.tell(format!("{} for a decision", listed(open.len(), "line waits", "lines wait")))?;
    Ok(Exit::Done)
}

fn discard(numbers: Option<&Vec<QuarantinedId>>, reason: &str, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let books = session.open()?;
    let open = books.quarantine()?;
    if let Some(unknown) =
        numbers.and_then(|numbers| numbers.iter().find(|number| !open.iter().any(|line| line.id == **number)))
    {
        let what = format!("no open line of the quarantine has the number {unknown}");
        return Err(
            Failure::new(Code::QuarantineLineUnknown, what).hint("see the open lines with `tokenbook quarantine list`")
        );
    }
    let numbers = numbers.map(Vec::as_slice);
    let discarded = session.progress(|progress| books.discard(numbers, reason, session.act(), progress))?;
    let head = books.head()?;
    session.tell(format!("{} discarded", listed(discarded.len(), "line", "lines")))?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}
