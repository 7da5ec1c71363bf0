//! The manifest of a month's files: the inputs, the outputs, and the state of the ledger they were made from.
//!
//! It is written last, so a manifest with matching digests proves a complete set of files. Before the first file of a
//! new set gets its name, the old manifest loses its own. So a manifest never stands beside files of another run.

use crate::books::BooksError;
use crate::books::month::month_change::Totals;
use crate::books::month::output;
use crate::books::month::output::{Folder, Written};
use crate::books::usage::import::ImportOutcome;
use crate::domain::number::EntryId;
use crate::domain::period::Month;
use crate::import::file::consumer::Demand;
use crate::import::file::input::blocks;
use crate::ledger::file::watch::Watch;
use crate::ledger::{LedgerError, chain};
use crate::sheet::Heading;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::path::Path;

/// The file's name.
pub const NAME: &str = "manifest.json";

/// The old manifest's name while a new set is written. If the run does not end, the next one finds the files to remove
/// by it.
const SUPERSEDED: &str = ".tokenbook-manifest.json";

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
    ledger_entry: EntryId,
    ledger_head: &'a str,
    caveats: &'a [String],
    totals: &'a Totals,
    inputs: Vec<InputFile>,
    outputs: &'a [Written],
}

/// An input file.
#[derive(Debug, Serialize)]
pub struct InputFile {
    role: &'static str,
    file: String,
    sha256: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<Lines>,
}

/// The line counts of a usage file. New events and duplicates are one number, which a rerun does not change.
#[derive(Debug, Serialize)]
struct Lines {
    all: u64,
    header: u64,
    blank: u64,
    events: u64,
    quarantined: u64,
}

impl InputFile {
    /// A file by its role, hashed under a watch.
    pub fn of(role: &'static str, path: &Path, watch: &Watch) -> Result<Self, BooksError> {
        Self::hashed(role, path, watch, |_| {})
    }

    /// A file. `each` receives its blocks as they are read.
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

    /// A usage file, with the counts of its import.
    pub fn usage(path: &Path, outcome: &ImportOutcome, watch: &Watch) -> Result<Self, BooksError> {
        let ImportOutcome { lines, header, blank, accepted, duplicates, quarantined, .. } = *outcome;
        let lines = Lines { all: lines, header, blank, events: accepted + duplicates, quarantined };
        let mut now = blake3::Hasher::new();
        let file = Self::hashed("usage", path, watch, |block| {
            now.update(block);
        })?;
        // The manifest names the bytes that were imported, even if the file was replaced since.
        if *now.finalize().as_bytes() != outcome.digest {
            return Err(BooksError::io(path, std::io::Error::other("the file changed after it was imported")));
        }
        Ok(Self { lines: Some(lines), ..file })
    }
}

/// The manifest as bytes.
pub fn bytes(
    heading: &Heading,
    entry: EntryId,
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
        closed: heading.state.is_some_and(crate::sheet::State::is_closed),
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

/// The manifest in a folder, which describes the reports there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Earlier {
    pub(in crate::books) tokenbook: String,
    period: String,
    time_zone: String,
    currency: String,
    pub(in crate::books) ledger_entry: EntryId,
    pub(in crate::books) ledger_head: String,
    /// The totals of its reports.
    pub(in crate::books) totals: Option<Totals>,
    outputs: Vec<EarlierFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct EarlierFile {
    file: String,
    sha256: String,
}

impl Earlier {
    /// Reads the manifest of a folder, or the one that an interrupted run left behind. If a file of this name is not a
    /// tokenbook manifest, it belongs to somebody else. If it cannot be read, it may be tokenbook's, so that is an
    /// error.
    pub fn of(folder: &Path) -> Result<Option<Self>, BooksError> {
        let read = |name| {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
                Err(error) if is_absent(error.kind()) => Ok(None),
                Err(error) => Err(BooksError::io(&path, error)),
            }
        };
        Ok(match read(NAME)? {
            Some(earlier) => Some(earlier),
            None => read(SUPERSEDED)?,
        })
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

/// Whether no file has the name. A folder with the name is rejected where it is in the way.
const fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

fn same(folder: &Path, what: &'static str, there: &str, asked: &str) -> Result<(), BooksError> {
    if there == asked {
        return Ok(());
    }
    let folder = folder.display().to_string();
    Err(BooksError::OtherReports { folder, what, there: there.to_owned(), asked: asked.to_owned() })
}

/// Writes a set of files and the manifest that names them. At every moment, a power cut leaves the old set with its
/// manifest, the new set with its own, or no manifest.
pub(in crate::books) fn write_set(
    folder: &mut Folder,
    files: &[(String, Vec<u8>)],
    manifest: impl FnOnce(&[Written]) -> Result<Vec<u8>, BooksError>,
) -> Result<(), BooksError> {
    let names = files.iter().map(|(name, _)| name.as_str()).chain([NAME, SUPERSEDED]);
    for path in names.map(|name| folder.path().join(name)) {
        path.parent().filter(|parent| *parent != folder.path()).map_or(Ok(()), output::refuse_link)?;
        output::refuse_irregular(&path)?;
    }
    let earlier = Earlier::of(folder.path())?;
    if folder.path().join(NAME).exists() {
        folder.rename(NAME, SUPERSEDED)?;
        folder.settle()?;
    }
    for (name, bytes) in files {
        folder.write(name, bytes)?;
    }
    if let Some(earlier) = earlier {
        clear_away(folder, earlier)?;
    }
    folder.settle()?;
    let manifest = manifest(folder.written())?;
    folder.write(NAME, &manifest)?;
    folder.settle()?;
    if folder.path().join(SUPERSEDED).exists() {
        folder.remove(SUPERSEDED)?;
        folder.settle()?;
    }
    Ok(())
}

/// Removes files of an earlier run that this run did not write, if they are unchanged since.
fn clear_away(folder: &mut Folder, earlier: Earlier) -> Result<(), BooksError> {
    for file in earlier.outputs {
        let still_made = folder.written().iter().any(|written| written.file == file.file);
        let inside = !file.file.starts_with('/') && !file.file.split(['/', '\\']).any(|part| part == "..");
        let path = folder.path().join(&file.file);
        if still_made || !inside || !path.is_file() || output::sha256_of_file(&path)?.0 != file.sha256 {
            continue;
        }
        folder.remove(&file.file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::month::output::{Disk, System};
    use std::error::Error;
    use std::fs::File;
    use std::io;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex, PoisonError};
    use tempfile::NamedTempFile;

    type Outcome<T = ()> = Result<T, Box<dyn Error>>;

    /// The system. It records all operations and lets one step fail.
    #[derive(Debug, Clone, Default)]
    struct Watched {
        steps: Arc<Mutex<Vec<String>>>,
        fails_at: Option<usize>,
    }

    impl Watched {
        fn step(&self, what: &str, path: &Path) -> io::Result<()> {
            let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            steps.push(format!("{what} {name}"));
            if self.fails_at == Some(steps.len() - 1) { Err(io::Error::other("EIO")) } else { Ok(()) }
        }

        fn steps(&self) -> Vec<String> {
            self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }
    }

    impl Disk for Watched {
        fn make_folder(&self, path: &Path) -> io::Result<()> {
            self.step("make", path).and_then(|()| System.make_folder(path))
        }

        fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
            self.step("sync file", path).and_then(|()| System.sync_file(file, path))
        }

        fn give_name(&self, file: NamedTempFile, path: &Path) -> io::Result<()> {
            self.step("name", path).and_then(|()| System.give_name(file, path))
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step("rename", from).and_then(|()| System.rename(from, to))
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step("remove", path).and_then(|()| System.remove(path))
        }

        fn sync_folder(&self, path: &Path) -> io::Result<()> {
            self.step("sync folder", path).and_then(|()| System.sync_folder(path))
        }
    }

    /// Writes a set of two files and a manifest that names them.
    fn written(disk: Watched, out: &Path, content: &str) -> Result<(), BooksError> {
        let mut folder = Folder::on(Box::new(disk), out)?;
        let files = [("a.csv", content), ("departments/b.csv", content)];
        let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        write_set(&mut folder, &files, |written| {
            let of = |file: &Written| serde_json::json!({"file": file.file, "sha256": file.sha256});
            let manifest = serde_json::json!({
                "tokenbook": "0", "period": content, "time_zone": "UTC", "currency": "USD", "ledger_entry": 1,
                "ledger_head": "", "totals": null, "outputs": written.iter().map(of).collect::<Vec<_>>(),
            });
            Ok(manifest.to_string().into_bytes())
        })
    }

    /// Whether a folder's manifest matches the files there; `None` if it has no manifest.
    fn is_whole(out: &Path) -> Outcome<Option<bool>> {
        if !out.join(NAME).exists() {
            return Ok(None);
        }
        let manifest: Earlier = serde_json::from_slice(&std::fs::read(out.join(NAME))?)?;
        for file in manifest.outputs {
            if output::sha256_of_file(&out.join(&file.file)).ok().is_none_or(|(sha256, _)| sha256 != file.sha256) {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }

    #[test]
    fn every_name_lasts_before_the_manifest_has_its_own() -> Outcome {
        let desk = tempfile::tempdir()?;
        let out = desk.path().join("new/out");
        let first = Watched::default();
        written(first.clone(), &out, "1")?;
        let above = desk.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let above = format!("sync folder {above}");
        let files =
            ["sync file a.csv", "name a.csv", "make departments", "sync folder out", "sync file b.csv", "name b.csv"];
        let settled = ["sync folder departments", "sync folder out"];
        let last = ["sync file manifest.json", "name manifest.json", "sync folder out"];
        let folders = ["make new", above.as_str(), "make out", "sync folder new"];
        assert_eq!(first.steps(), [&folders[..], &files, &settled, &last].concat());
        let second = Watched::default();
        written(second.clone(), &out, "2")?;
        let superseded = ["rename manifest.json", "sync folder out"];
        let again = ["sync file a.csv", "name a.csv", "sync file b.csv", "name b.csv"];
        let removed = ["remove .tokenbook-manifest.json", "sync folder out"];
        assert_eq!(second.steps(), [&superseded[..], &again, &settled, &last, &removed].concat());
        Ok(())
    }

    #[test]
    fn a_step_that_fails_is_an_error_and_no_manifest_stands_beside_files_of_another_run() -> Outcome {
        let all = {
            let (desk, watched) = (tempfile::tempdir()?, Watched::default());
            written(Watched::default(), desk.path(), "1")?;
            written(watched.clone(), desk.path(), "2")?;
            watched.steps().len()
        };
        assert!(all >= 13, "{all}");
        for before in ["", "1"] {
            for step in 0..all {
                let desk = tempfile::tempdir()?;
                if !before.is_empty() {
                    written(Watched::default(), desk.path(), before)?;
                }
                let failing = Watched { fails_at: Some(step), ..Watched::default() };
                let result = written(failing.clone(), desk.path(), "2");
                let reached = failing.steps().len() > step;
                assert_eq!(result.is_err(), reached, "step {step}: {:?}", failing.steps());
                assert_ne!(is_whole(desk.path())?, Some(false), "step {step}: {:?}", failing.steps());
                // The next run knows the earlier files, and ends as if nothing had happened.
                if !before.is_empty() && failing.steps().iter().all(|step| step != "name manifest.json") {
                    assert_eq!(Earlier::of(desk.path())?.map(|earlier| earlier.period).as_deref(), Some(before));
                }
                written(Watched::default(), desk.path(), "3")?;
                assert_eq!(is_whole(desk.path())?, Some(true));
                let names = std::fs::read_dir(desk.path())?.collect::<io::Result<Vec<_>>>()?;
                let mut names: Vec<PathBuf> = names.iter().map(|entry| PathBuf::from(entry.file_name())).collect();
                names.sort();
                assert_eq!(names, ["a.csv", "departments", NAME].map(PathBuf::from), "step {step}");
            }
        }
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn a_manifest_that_cannot_be_read_is_an_error_and_not_none() -> Outcome {
        for name in [NAME, SUPERSEDED] {
            let desk = tempfile::tempdir()?;
            assert_eq!(Earlier::of(desk.path())?, None);
            // A link to itself cannot be read, not even by the superuser.
            std::os::unix::fs::symlink(name, desk.path().join(name))?;
            assert!(Earlier::of(desk.path()).is_err(), "{name}");
        }
        Ok(())
    }

    #[test]
    fn what_is_no_file_is_refused_before_anything_is_written() -> Outcome {
        let desk = tempfile::tempdir()?;
        for name in ["a.csv", NAME, "departments/b.csv"] {
            let out = desk.path().join(name.replace('/', "-"));
            std::fs::create_dir_all(out.join(name))?;
            assert!(written(Watched::default(), &out, "1").is_err(), "{name}");
            assert!(out.join(name).is_dir());
            assert!(["a.csv", NAME].iter().all(|name| !out.join(name).is_file()), "{name}");
        }
        Ok(())
    }
}
