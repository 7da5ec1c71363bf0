//! `tokenbook departments`: keep the registry that the names of departments are checked against.

use super::Session;
use super::options::{OutputOptions, counted, grouped};
use crate::cli::failure::{Exit, Failure};
use std::path::{Path, PathBuf};
use tokenbook::ledger::facts::departments::DepartmentsAppended;

/// Keep the registry of departments, with cost centres, owners and accounts: import it, list it
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Import departments from a CSV; a row replaces the department of the same name
    Import {
        /// The CSV file, with `department,cost_centre,owner,account,active_from,active_to`
        file: PathBuf,
    },
    /// List the registry, in the columns that `departments import` reads
    List {
        #[command(flatten)]
        output: OutputOptions,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Import { file } => import(file, session),
        Command::List { output } => {
            let sheet = session.read()?.department_list()?;
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
    }
}

fn import(file: &Path, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let unreadable = |error| Failure::unreadable(file.display(), &error);
    let bytes = std::fs::read(file).map_err(unreadable)?;
    let books = session.open()?;
    let name = file.display().to_string();
    let imported = session.progress(|progress| books.import_departments(&name, &bytes, session.act(), progress));
    let appended = imported?;
    tell(Some(file), appended, session)?;
    for problem in books.unregistered_departments()? {
        session.warn(format!("warning: used, but not in the registry: {problem}"))?;
    }
    let head = books.head()?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}

/// Reports how many departments an import added, replaced and left unchanged.
pub fn tell(file: Option<&Path>, appended: DepartmentsAppended, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let DepartmentsAppended { added, replaced, unchanged } = appended;
    session.tell(format!(
        "{}: {} added, {} replaced, {} unchanged",
        file.unwrap_or(Path::new("")).display(),
        counted(added, "department", "departments"),
        grouped(replaced),
        grouped(unchanged)
    ))
}
