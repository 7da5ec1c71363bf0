//! The manifest of a month's files: what went in, what came out, and which state of the ledger it was made from.
//!
//! It is written last, so that a manifest whose digests match means a whole set of files.

use crate::books::import::ImportOutcome;
use crate::books::month_change::Totals;
use crate::books::output::Written;
use crate::books::{BooksError, output};
use crate::domain::period::Month;
use crate::import::consumer::Demand;
use crate::import::input::blocks;
use crate::ledger::watch::Watch;
use crate::ledger::{LedgerError, chain};
use crate::sheet::Heading;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The file's name.
pub const NAME: &str = "manifest.json";

/// The version of the manifest's own form.
const FORM: u32 = 1;

/// The manifest.
#[derive(Debug, Serialize)]
pub struct Manifest<'a> {
    form: u32,
    tokenbook: &'static str,
    period: &'a str,
    time_zone: &'a str,
    currency: &'a str,
    closed: bool,
    ledger_entry: u64,
    ledger_head: &'a str,
    caveats: &'a [String],
    totals: &'a Totals,
    inputs: Vec<InputFile>,
    outputs: &'a [Written],
}

/// A file that went in.
#[derive(Debug, Serialize)]
pub struct InputFile {
    role: &'static str,
    file: String,
    sha256: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<Lines>,
}

/// The lines of a usage file. New events and duplicates are one number, which a rerun does not change.
#[derive(Debug, Serialize)]
struct Lines {
    all: u64,
    header: u64,
    blank: u64,
    events: u64,
    quarantined: u64,
}

impl InputFile {
    /// A file by its role, hashed while somebody watches.
    pub fn of(role: &'static str, path: &Path, watch: &Watch) -> Result<Self, BooksError> {
        Self::hashed(role, path, watch, |_| {})
    }

    /// A file, whose blocks are handed on as they are read.
    fn hashed(role: &'static str, path: &Path, watch: &Watch, mut each: impl FnMut(&[u8])) -> Result<Self, BooksError> {
        let (mut hasher, mut bytes) = (Sha256::new(), 0);
        let demand = blocks(path, |block| {
            let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
            hasher.update(block);
            each(block);
            bytes += length;
            watch.add(length);
            if watch.check().is_ok() { Demand::More } else { Demand::Stop }
        });
        match demand.map_err(|error| BooksError::io(path, error))? {
            Demand::Stop => Err(LedgerError::Stopped.into()),
            Demand::More => {
                let (file, sha256) = (path.display().to_string(), chain::hex(&hasher.finalize()));
                Ok(Self { role, file, sha256, bytes, lines: None })
            }
        }
    }

    /// A usage file, with what its import counted.
    pub fn usage(path: &Path, outcome: &ImportOutcome, watch: &Watch) -> Result<Self, BooksError> {
        let ImportOutcome { lines, header, blank, accepted, duplicates, quarantined, .. } = *outcome;
        let lines = Lines { all: lines, header, blank, events: accepted + duplicates, quarantined };
        let mut now = blake3::Hasher::new();
        let file = Self::hashed("usage", path, watch, |block| {
            now.update(block);
        })?;
        // The manifest names the bytes that were imported, not what has taken their place.
        if *now.finalize().as_bytes() != outcome.digest {
            return Err(BooksError::io(path, std::io::Error::other("the file changed after it was imported")));
        }
        Ok(Self { lines: Some(lines), ..file })
    }
}

/// The manifest as bytes.
pub fn bytes(
    heading: &Heading,
    entry: u64,
    totals: &Totals,
    inputs: Vec<InputFile>,
    outputs: &[Written],
) -> Result<Vec<u8>, BooksError> {
    let manifest = Manifest {
        form: FORM,
        tokenbook: env!("CARGO_PKG_VERSION"),
        period: &heading.period,
        time_zone: &heading.time_zone,
        currency: heading.currency.code(),
        closed: heading.closed,
        ledger_entry: entry,
        ledger_head: &heading.ledger_head,
        caveats: &heading.caveats,
        totals,
        inputs,
        outputs,
    };
    let mut bytes =
        serde_json::to_vec_pretty(&manifest).map_err(|error| BooksError::io(Path::new(NAME), error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The manifest that lies in a folder: what the reports there are of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Earlier {
    pub(super) tokenbook: String,
    period: String,
    time_zone: String,
    currency: String,
    pub(super) ledger_entry: u64,
    pub(super) ledger_head: String,
    /// What its reports amounted to.
    pub(super) totals: Option<Totals>,
    outputs: Vec<EarlierFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct EarlierFile {
    file: String,
    sha256: String,
}

impl Earlier {
    /// Reads the manifest of a folder. A file of this name that is no manifest of ours is somebody else's.
    pub fn of(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(NAME)).ok()?).ok()
    }

    /// Refuses to replace the reports of another month.
    pub fn expect_month(&self, folder: &Path, month: Month) -> Result<(), BooksError> {
        same(folder, "the month", &self.period, &month.to_string())
    }

    /// Refuses to replace reports in another currency or of another time zone's days.
    pub fn expect_settings(&self, folder: &Path, currency: &str, time_zone: &str) -> Result<(), BooksError> {
        same(folder, "the currency", &self.currency, currency)?;
        same(folder, "the time zone", &self.time_zone, time_zone)
    }
}

fn same(folder: &Path, what: &'static str, there: &str, asked: &str) -> Result<(), BooksError> {
    if there == asked {
        return Ok(());
    }
    let folder = folder.display().to_string();
    Err(BooksError::OtherReports { folder, what, there: there.to_owned(), asked: asked.to_owned() })
}

/// Removes files of an earlier run that this run did not make, if they still are what that run wrote.
pub fn clear_away(folder: &Path, written: &[Written]) -> Result<(), BooksError> {
    let Some(earlier) = Earlier::of(folder) else { return Ok(()) };
    for file in earlier.outputs {
        let still_made = written.iter().any(|written| written.file == file.file);
        let inside = !file.file.starts_with('/') && !file.file.split(['/', '\\']).any(|part| part == "..");
        let path = folder.join(&file.file);
        if still_made || !inside || !path.is_file() || output::sha256_of_file(&path)?.0 != file.sha256 {
            continue;
        }
        std::fs::remove_file(&path).map_err(|error| BooksError::io(&path, error))?;
    }
    Ok(())
}
