//! `tokenbook quota`: what is used of quotas now.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Exit, Failure};
use tokenbook::books::controls::guarded::GuardedRequest;

/// Show how much of each quota is used now, and how many requests it refused
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show each quota: used, left, and requests refused within the last hour
    Status {
        /// Only the quota of this name
        #[arg(long, value_name = "NAME")]
        limit: Option<String>,
        /// Only the counter of this value
        #[arg(long, value_name = "VALUE")]
        subject: Option<String>,
        #[command(flatten)]
        output: OutputOptions,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let Command::Status { limit, subject, output } = &arguments.command;
    let request = GuardedRequest { limit: limit.clone(), subject: subject.clone() };
    let sheet = session.read()?.quota_status(&request, session.invocation.now)?;
    output.put(&sheet, session)?;
    Ok(Exit::Done)
}
