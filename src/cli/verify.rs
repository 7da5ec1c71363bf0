//! `tokenbook verify`: prove that the ledger still holds what was recorded in it.

use super::Session;
use super::options::{counted, grouped};
use crate::cli::failure::{Code, Exit, Failure, remedy};
use std::path::{Path, PathBuf};
use tokenbook::books::keep::verify::{Anchor, Depth, Verification};
use tokenbook::text::problem::listed;

/// Verify the ledger against its chain: every entry and event, the totals, the ids and the schema
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run SQLite's own checks of the file as well
    #[arg(long)]
    deep: bool,
    /// Compare with a head that you kept: a file whose last line is `ledger head: NUMBER HASH`, as imports print it
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let anchor = arguments.head.as_deref().map(anchor).transpose()?;
    let books = session.read()?;
    let depth = if arguments.deep { Depth::WithIntegrity } else { Depth::Full };
    let verification = session.progress(|progress| books.verify(depth, anchor, progress))?;
    for finding in verification.findings.iter().take(MOST) {
        session.warn(finding)?;
    }
    if verification.findings.is_empty() {
        session.tell(line("verified", &verification))?;
        session.say_head(&verification.head)?;
        return Ok(Exit::Done);
    }
    let what = format!("the ledger does not verify: {}", listed(verification.findings.len(), "finding", "findings"));
    Err(Failure::new(Code::NotVerified, what).hint(remedy(Code::NotVerified)))
}

/// The most findings that the output lists.
const MOST: usize = 100;

/// A line that summarises what was verified.
pub fn line(word: &str, verification: &Verification) -> String {
    let Verification { entries, batches, events, revisions, retracted, .. } = verification;
    let entries = counted(*entries, "entry", "entries");
    let batches = counted(*batches, "batch", "batches");
    let mut events = counted(events - revisions, "event", "events");
    if *revisions > 0 {
        events = format!("{events} and {}", counted(*revisions, "revision", "revisions"));
    }
    if *retracted > 0 {
        events = format!("{events} ({} of them retracted)", grouped(*retracted));
    }
    format!("{word}: {entries}, {batches}, {events}")
}

fn anchor(path: &Path) -> Result<Anchor, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::option_file(path.display(), error))?;
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
    let mut words = line.strip_prefix("ledger head:").unwrap_or(line).split_whitespace();
    let parsed = || {
        let entry = words.next()?.parse().ok()?;
        let hash = words.next().filter(|hash| hash.len() == 64 && hash.is_ascii())?;
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hash.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        Some(Anchor { entry, hash: bytes })
    };
    let mut parsed = parsed;
    parsed().ok_or_else(|| {
        Failure::option_file(path.display(), "the last line has no head, expected `ledger head: NUMBER HASH`")
    })
}
