//! `tokenbook alerts`: the alerts that budget checks raised.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Code, Exit, Failure};
use tokenbook::books::controls::delivery::Delivered;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::Period;
use tokenbook::text::problem::listed;

/// List the alerts that `budget check` raised, send what was not sent, test a channel
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
        /// Only messages of the last seven days that no receiver has taken, with the last failure
        #[arg(long, conflicts_with = "period")]
        undelivered: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Send the messages that are due; `budget check` does that too
    Deliver,
    /// Send a test message to a channel of the limits in force; ends with 10 if it is not taken
    Test {
        /// The channel, as the limits name it
        channel: String,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List { period, undelivered, output } => {
            let read = |text: &String| {
                Period::parse(text).map_err(|error| Failure::option(error.code(), "--period", text, error))
            };
            let period = period.as_ref().map(read).transpose()?;
            let books = session.read()?;
            let sheet =
                if *undelivered { books.undelivered(session.invocation.now)? } else { books.alert_list(period)? };
            output.put(&sheet, session)?;
            Ok(Exit::Done)
        }
        Command::Deliver => {
            let Delivered { sent, waiting, .. } = deliver(session)?;
            let sent = listed(sent, "message was sent", "messages were sent");
            session.tell(format!(
                "{sent}; {}",
                listed(waiting, "waits for another attempt", "wait for another attempt")
            ))?;
            Ok(Exit::Done)
        }
        Command::Test { channel } => {
            let name =
                Name::new(channel).map_err(|error| Failure::option(error.code(), "the channel", channel, error))?;
            let books = session.read()?;
            match books.test_channel(&name, session.invocation, session.invocation.now)? {
                Ok(()) => {
                    session.tell(format!("channel {name}: the test message was taken"))?;
                    Ok(Exit::Done)
                }
                Err(why) => Err(Failure::new(Code::MessageRefused, format!("channel {name}: {why}"))),
            }
        }
    }
}

/// Sends what is due and warns of what was not taken.
pub fn deliver(session: &mut Session<'_, '_>) -> Result<Delivered, Failure> {
    let delivered = session.read()?.deliver(session.invocation, session.invocation.now)?;
    for (channel, why) in &delivered.failed {
        session
            .warn(format!("warning: a message to channel {channel} was not taken and will be tried again: {why}"))?;
    }
    Ok(delivered)
}
