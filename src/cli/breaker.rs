//! `tokenbook breaker`: the state of circuit breakers, and closing one by hand.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Exit, Failure};
use tokenbook::books::controls::guarded::GuardedRequest;

/// Show circuit breakers, or close one by hand
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show each breaker: its state, what is used of its window, and when it tries requests again
    Status {
        /// Only the breaker of this name
        #[arg(long, value_name = "NAME")]
        limit: Option<String>,
        /// Only the counter of this value
        #[arg(long, value_name = "VALUE")]
        subject: Option<String>,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Close a breaker and clear its window
    Reset {
        /// The breaker, as the limits name it
        name: String,
        /// The value, for a breaker with a counter for each
        #[arg(long, value_name = "VALUE")]
        subject: Option<String>,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let books = session.read()?;
    let now = session.invocation.now;
    match &arguments.command {
        Command::Status { limit, subject, output } => {
            let request = GuardedRequest { limit: limit.clone(), subject: subject.clone() };
            output.put(&books.breaker_status(&request, now)?, session)?;
        }
        Command::Reset { name, subject } => {
            let was_used = books.reset_breaker(name, subject.as_deref(), now)?;
            session.tell(if was_used {
                format!("breaker {name:?} is closed, and its window is empty")
            } else {
                format!("breaker {name:?} has counted no request yet")
            })?;
        }
    }
    Ok(Exit::Done)
}
