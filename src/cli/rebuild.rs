//! `tokenbook rebuild`: make the daily sums anew.

use super::Session;
use super::options::counted;
use crate::cli::failure::{Exit, Failure};

/// Make the daily sums anew from the events, as one makes an index anew
#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub fn run(_arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let books = session.open()?;
    let sums = session.progress(|progress| books.rebuild(progress))?;
    session.tell(format!("{} made from the events", counted(sums, "daily sum", "daily sums")))?;
    Ok(Exit::Done)
}
