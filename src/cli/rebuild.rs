//! `tokenbook rebuild`: rebuild the totals and the lists of ids from the events.

use super::Session;
use super::options::counted;
use crate::cli::failure::{Exit, Failure};

/// Verify the events, then rebuild the totals by day and month and the lists of ids from them
#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub fn run(_arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let books = session.open()?;
    let sums = session.progress(|progress| books.rebuild(progress))?;
    session.tell(format!("{} rebuilt from the events", counted(sums, "daily total", "daily totals")))?;
    Ok(Exit::Done)
}
