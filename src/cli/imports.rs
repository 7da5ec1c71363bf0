//! `tokenbook imports`: the files that were imported.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Exit, Failure};

/// Imports: list them
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the imports: when, by whom, which file, and what became of its lines
    List {
        #[command(flatten)]
        output: OutputOptions,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let Command::List { output } = &arguments.command;
    let sheet = session.read()?.import_list()?;
    output.put(&sheet, session)?;
    Ok(Exit::Done)
}
