//! `tokenbook completions` and `tokenbook man`, generated from the definition that the parser uses.

use super::{Session, definition};
use crate::cli::failure::{Exit, Failure};
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Print the manual page, for man(1)
#[derive(Debug, clap::Args)]
pub struct ManArguments {}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut definition(), "tokenbook", &mut script);
    session.streams.out.write_all(&script)?;
    Ok(Exit::Done)
}

pub fn man(_arguments: &ManArguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    clap_mangen::Man::new(definition()).render(&mut session.streams.out)?;
    Ok(Exit::Done)
}
