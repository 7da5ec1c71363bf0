//! The command line: each command has its own file, and one line each in [`Command`] and [`dispatch`].

mod admit;
mod alerts;
mod aliases;
mod backup;
mod breaker;
mod budget;
mod completions;
mod conflicts;
mod costs;
mod departments;
mod explain;
mod explain_error;
pub mod failure;
mod formats;
mod import;
mod imports;
mod init;
mod maps;
mod month_end;
mod options;
mod policy;
mod prices;
mod progress;
mod quarantine;
mod quota;
mod rebuild;
mod replacing;
mod replay;
mod report;
mod routing;
mod rules;
mod upgrade;
mod verify;

use clap::{CommandFactory, Parser, Subcommand};
use failure::{Code, Exit, Failure};
use progress::Progress;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokenbook::books::controls::delivery::Secrets;
use tokenbook::books::{Act, Books};
use tokenbook::domain::secret::{looks_secret, redacted};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::ledger::chain::Head;

/// Keep the books for your LLM tokens: an append-only usage ledger, exact prices, and reports that add up.
#[derive(Debug, Parser)]
#[command(name = "tokenbook", version, max_term_width = 110)]
struct Arguments {
    /// The ledger file
    #[arg(long, global = true, env = "TOKENBOOK_LEDGER", default_value = "./tokenbook.db", value_name = "PATH")]
    ledger: PathBuf,
    /// Your name, as the ledger records it for this action (default: the user's name)
    #[arg(long, global = true, env = "TOKENBOOK_ACTOR", value_name = "NAME")]
    actor: Option<String>,
    /// Print results only, without progress and counts
    #[arg(short, long, global = true)]
    quiet: bool,
    /// When to colour messages
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    color: clap::ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    Import(import::Arguments),
    Imports(imports::Arguments),
    Formats(formats::Arguments),
    Maps(maps::Arguments),
    Quarantine(quarantine::Arguments),
    Prices(prices::Arguments),
    Aliases(aliases::Arguments),
    Rules(rules::Arguments),
    Departments(departments::Arguments),
    Costs(costs::Arguments),
    Policy(policy::Arguments),
    Budget(budget::Arguments),
    Alerts(alerts::Arguments),
    Admit(Box<admit::Arguments>),
    Quota(quota::Arguments),
    Breaker(breaker::Arguments),
    Replay(Box<replay::Arguments>),
    Routing(routing::Arguments),
    Report(report::Arguments),
    Explain(explain::Arguments),
    ExplainError(explain_error::Arguments),
    MonthEnd(Box<month_end::Arguments>),
    Verify(verify::Arguments),
    Rebuild(rebuild::Arguments),
    Backup(backup::Arguments),
    Upgrade(upgrade::Arguments),
    Completions(completions::Arguments),
    Man(completions::ManArguments),
}

/// What the process knows about its environment.
pub struct Invocation {
    /// Now.
    pub now: Timestamp,
    /// The user's name, if known.
    pub user: Option<String>,
    /// Looks up a variable of the environment. Only channels of limits use it, which name the variables of their secrets.
    pub variable: fn(&str) -> Option<String>,
    /// The key that hashes tag values, if the environment has one.
    pub hash_key: Option<Vec<u8>>,
    /// Set when the user wants to stop.
    pub stop: Arc<AtomicBool>,
    /// Whether progress can be shown.
    pub progress: bool,
    /// What standard input is.
    pub stdin: StandardInput,
    /// Whether messages may be coloured.
    pub colour: bool,
}

/// What standard input is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardInput {
    /// A file, a pipe or a connection.
    Data,
    /// A person at a terminal.
    Terminal,
    /// Nothing: it was closed, or is a device such as the null device.
    Nothing,
}

/// The streams for results and messages.
pub struct Streams<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Messages.
    pub err: &'a mut dyn Write,
}

impl Secrets for Invocation {
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }
}

/// What every command receives.
struct Session<'a, 'b> {
    ledger: PathBuf,
    actor: String,
    quiet: bool,
    /// Whether messages are coloured.
    colour: bool,
    /// Pairs of departments with similar names that the user was already warned about.
    alike: BTreeSet<(String, String)>,
    invocation: &'a Invocation,
    streams: &'a mut Streams<'b>,
}

impl Session<'_, '_> {
    fn act(&self) -> Act<'_> {
        Act { now: self.invocation.now, actor: &self.actor }
    }

    fn open(&self) -> Result<Books, Failure> {
        Ok(Books::open(&self.ledger)?)
    }

    fn read(&self) -> Result<Books, Failure> {
        Ok(Books::read(&self.ledger)?)
    }

    /// Does work and shows its progress on a terminal. It clears the progress before anything else is printed.
    fn progress<T>(&self, work: impl FnOnce(&Progress) -> T) -> T {
        let progress = Progress::new(Arc::clone(&self.invocation.stop), self.invocation.progress && !self.quiet);
        let result = work(&progress);
        progress.clear();
        result
    }

    /// Prints the last entry of the chain, which somebody may keep.
    fn say_head(&mut self, head: &Head) -> Result<(), Failure> {
        self.say(format!("ledger head: {} {head}", head.entry))
    }

    /// Tells the last entry of the chain.
    fn tell_head(&mut self, head: &Head) -> Result<(), Failure> {
        self.tell(format!("ledger head: {} {head}", head.entry))
    }

    /// Prints a line of the result.
    fn say(&mut self, line: impl std::fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.streams.out, "{line}")?)
    }

    /// Prints a line that `--quiet` omits. It flushes at once, because long work may follow.
    fn tell(&mut self, line: impl std::fmt::Display) -> Result<(), Failure> {
        if self.quiet {
            return Ok(());
        }
        self.say(redacted(&line.to_string()))?;
        Ok(self.streams.out.flush()?)
    }

    /// Warns of departments with similar names, once for each pair, however many files contain it.
    fn warn_alike(&mut self, pairs: &[(String, String)]) -> Result<(), Failure> {
        for (one, other) in pairs {
            if self.alike.insert((one.clone(), other.clone())) {
                self.warn(format!(
                    "warning: the departments {one:?} and {other:?} look alike but count as two departments"
                ))?;
            }
        }
        Ok(())
    }

    /// Prints a message on standard error, after all results so far.
    fn warn(&mut self, line: impl std::fmt::Display) -> Result<(), Failure> {
        self.streams.out.flush()?;
        Ok(writeln!(self.streams.err, "{}", redacted(&line.to_string()))?)
    }
}

/// Runs a command and returns its exit code.
pub fn run(arguments: &[OsString], invocation: &Invocation, streams: &mut Streams<'_>) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error, invocation, streams),
    };
    let colour = match arguments.color {
        clap::ColorChoice::Auto => invocation.colour,
        clap::ColorChoice::Always => true,
        clap::ColorChoice::Never => false,
    };
    let actor = arguments.actor.or_else(|| invocation.user.clone()).unwrap_or_else(|| "unknown".to_owned());
    let mut session = Session {
        ledger: arguments.ledger,
        actor,
        quiet: arguments.quiet,
        colour,
        alike: BTreeSet::new(),
        invocation,
        streams: &mut *streams,
    };
    match dispatch(arguments.command, &mut session) {
        Ok(exit) => exit.code(),
        Err(failure) => {
            // `main` reports an error of standard output when the process ends.
            drop(streams.out.flush());
            failure.print(streams.err, colour)
        }
    }
}

fn dispatch(command: Command, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    if looks_secret(&session.actor) {
        return Err(Failure::new(
            Code::SecretFound,
            "--actor contains a secret key, which the ledger would keep for ever",
        ));
    }
    match command {
        Command::Init(arguments) => init::run(&arguments, session),
        Command::Import(arguments) => import::run(&arguments, session),
        Command::Imports(arguments) => imports::run(&arguments, session),
        Command::Formats(arguments) => formats::run(&arguments, session),
        Command::Maps(arguments) => maps::run(&arguments, session),
        Command::Quarantine(arguments) => quarantine::run(&arguments, session),
        Command::Prices(arguments) => prices::run(&arguments, session),
        Command::Aliases(arguments) => aliases::run(&arguments, session),
        Command::Rules(arguments) => rules::run(&arguments, session),
        Command::Departments(arguments) => departments::run(&arguments, session),
        Command::Costs(arguments) => costs::run(&arguments, session),
        Command::Policy(arguments) => policy::run(&arguments, session),
        Command::Budget(arguments) => budget::run(&arguments, session),
        Command::Alerts(arguments) => alerts::run(&arguments, session),
        Command::Admit(arguments) => admit::run(&arguments, session),
        Command::Quota(arguments) => quota::run(&arguments, session),
        Command::Breaker(arguments) => breaker::run(&arguments, session),
        Command::Replay(arguments) => replay::run(&arguments, session),
        Command::Routing(arguments) => routing::run(&arguments, session),
        Command::Report(arguments) => report::run(&arguments, session),
        Command::Explain(arguments) => explain::run(&arguments, session),
        Command::ExplainError(arguments) => explain_error::run(&arguments, session),
        Command::MonthEnd(arguments) => month_end::run(&arguments, session),
        Command::Verify(arguments) => verify::run(&arguments, session),
        Command::Rebuild(arguments) => rebuild::run(&arguments, session),
        Command::Backup(arguments) => backup::run(&arguments, session),
        Command::Upgrade(arguments) => upgrade::run(&arguments, session),
        Command::Completions(arguments) => completions::run(&arguments, session),
        Command::Man(arguments) => completions::man(&arguments, session),
    }
}

/// Prints help, the version, or the error in the command line.
fn explain(error: &clap::Error, invocation: &Invocation, streams: &mut Streams<'_>) -> u8 {
    let text = error.render();
    let plain = text.to_string();
    // A rejected value may be a secret in the wrong place. Colour codes would hide where it begins.
    let text = match redacted(&plain) {
        Cow::Borrowed(_) if invocation.colour => text.ansi().to_string(),
        clean => clean.into_owned(),
    };
    let (to, code) = if error.use_stderr() { (&mut streams.err, Exit::Usage.code()) } else { (&mut streams.out, 0) };
    if write!(to, "{text}").is_err() { Exit::Storage.code() } else { code }
}

/// The definition of the whole command line, for completions and the manual page.
fn definition() -> clap::Command {
    Arguments::command()
}
