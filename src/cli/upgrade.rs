//! `tokenbook upgrade`: bring a ledger of an older version up to this one.

use super::Session;
use crate::cli::failure::{Exit, Failure};
use std::path::PathBuf;
use tokenbook::books::Books;

/// Upgrade a ledger that an older tokenbook made, after a verified copy of it
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to keep the copy, a new file [default: the ledger's name with `.before-upgrade`]
    #[arg(long, value_name = "FILE")]
    copy: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let path = session.ledger.clone();
    let copy = arguments.copy.clone().unwrap_or_else(|| {
        let mut beside = path.clone().into_os_string();
        beside.push(".before-upgrade");
        beside.into()
    });
    let act = session.act();
    let upgraded = session.progress(|progress| Books::upgrade(&path, &copy, act, progress))?;
    let Some(upgraded) = upgraded else {
        session.tell(format!("{}: has the newest schema version already", path.display()))?;
        return Ok(Exit::Done);
    };
    session.tell(format!("{}: verified; a copy of it as it was is {}", path.display(), copy.display()))?;
    session.tell(format!("{}: upgraded from schema version {} to {}", path.display(), upgraded.from, upgraded.to))?;
    session.say_head(&upgraded.head)?;
    Ok(Exit::Done)
}
