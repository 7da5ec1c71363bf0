//! `tokenbook alerts`: the alerts that budget checks raised.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Exit, Failure};
use tokenbook::domain::period::Period;

/// List the alerts that `budget check` raised
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List alerts: when, which budget, which threshold, and what was used then
    List {
        /// Only alerts of budgets whose period begins in this one
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        #[command(flatten)]
        output: OutputOptions,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let Command::List { period, output } = &arguments.command;
    let read =
        |text: &String| Period::parse(text).map_err(|error| Failure::option(error.code(), "--period", text, error));
    let period = period.as_ref().map(read).transpose()?;
    let sheet = session.read()?.alert_list(period)?;
    output.put(&sheet, session)?;
    Ok(Exit::Done)
}
