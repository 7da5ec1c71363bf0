//! `tokenbook backup`: make a verified copy of the ledger.

use super::Session;
use super::verify::line;
use crate::cli::failure::{Exit, Failure};
use std::path::PathBuf;

/// Copy the ledger to a new file; the file appears only after the copy verifies
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file to create
    target: PathBuf,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let books = session.read()?;
    let verification = session.progress(|progress| books.backup(&arguments.target, progress))?;
    session.tell(line(&format!("{}: copied and verified", arguments.target.display()), &verification))?;
    session.say_head(&verification.head)?;
    Ok(Exit::Done)
}
