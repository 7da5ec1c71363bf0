//! The paths of a command: replaces each directory by the files below it.

use crate::import::file::input::{Input, InputError};
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// Turns the paths of a command into inputs. Each directory becomes all files below it, sorted by path, without hidden
/// files and folders. Each file occurs once.
pub fn expand(paths: &[PathBuf], follow: bool, ledger: &Path) -> Result<Expanded, InputError> {
    let ledger = std::fs::metadata(ledger).ok().and_then(|metadata| identity(&metadata));
    let mut seen = BTreeSet::new();
    let mut expanded = Expanded::default();
    let inputs = &mut expanded.inputs;
    let (mut hidden, mut special) = (0, 0);
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Input::Stdin);
            continue;
        }
        let walk = files(path, follow)?;
        (hidden, special) = (hidden + walk.hidden, special + walk.special);
        for file in walk.files {
            let metadata = std::fs::metadata(&file).map_err(|error| InputError::io(&file, error))?;
            let identity = identity(&metadata);
            if identity.is_some() && identity == ledger {
                return Err(InputError::Ledger(file.display().to_string()));
            }
            if identity.is_none_or(|identity| seen.insert(identity)) {
                inputs.push(Input::File(file));
            }
        }
    }
    (expanded.hidden, expanded.special) = (hidden, special);
    Ok(expanded)
}

/// The files that the paths name, and what else the directories contain.
#[derive(Debug, Default)]
pub struct Expanded {
    /// The files.
    pub inputs: Vec<Input>,
    /// Hidden files and folders, which are left out.
    pub hidden: usize,
    /// Pipes, sockets and devices, which are left out.
    pub special: usize,
}

fn files(path: &Path, follow: bool) -> Result<Walk, InputError> {
    let metadata = std::fs::symlink_metadata(path).map_err(|error| InputError::io(path, error))?;
    let metadata = match metadata.is_symlink() {
        true if !follow => return Err(InputError::Link(path.display().to_string())),
        true => std::fs::metadata(path).map_err(|error| InputError::io(path, error))?,
        false => metadata,
    };
    if metadata.is_file() {
        return Ok(Walk { files: vec![path.to_owned()], ..Walk::new(follow) });
    }
    if !metadata.is_dir() {
        return Err(InputError::NotRegular(path.display().to_string()));
    }
    let mut walk = Walk::new(follow);
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        walk.folder(&folder, &mut folders)?;
    }
    walk.files.sort();
    if walk.files.is_empty() { Err(InputError::NoFiles(path.display().to_string(), walk.instead())) } else { Ok(walk) }
}

/// A walk over a directory and all below it.
struct Walk {
    follow: bool,
    files: Vec<PathBuf>,
    /// Folders that were entered: a link may lead back to one.
    seen: BTreeSet<(u64, u64)>,
    /// Hidden files and folders that were left out.
    hidden: usize,
    /// Entries that are neither a file nor a folder, which were left out.
    special: usize,
}

impl Walk {
    const fn new(follow: bool) -> Self {
        Self { follow, files: Vec::new(), seen: BTreeSet::new(), hidden: 0, special: 0 }
    }

    /// Collects the files of a folder, and the folders in it.
    fn folder(&mut self, folder: &Path, folders: &mut Vec<PathBuf>) -> Result<(), InputError> {
        let metadata = std::fs::metadata(folder).map_err(|error| InputError::io(folder, error))?;
        if identity(&metadata).is_some_and(|identity| !self.seen.insert(identity)) {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder).map_err(|error| InputError::io(folder, error))? {
            let entry = entry.map_err(|error| InputError::io(folder, error))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                self.hidden += 1;
                continue;
            }
            let path = entry.path();
            let mut kind = entry.file_type().map_err(|error| InputError::io(&path, error))?;
            if kind.is_symlink() {
                if !self.follow {
                    return Err(InputError::Link(path.display().to_string()));
                }
                kind = std::fs::metadata(&path).map_err(|error| InputError::io(&path, error))?.file_type();
            }
            if kind.is_file() {
                self.files.push(path);
            } else if kind.is_dir() {
                folders.push(path);
            } else {
                self.special += 1;
            }
        }
        Ok(())
    }

    /// What a directory contains instead of files.
    fn instead(&self) -> &'static str {
        match (self.seen.len() > 1, self.hidden > 0) {
            (true, true) => "contains only subfolders and hidden files",
            (true, false) => "contains only empty subfolders",
            (false, true) => "contains only hidden files",
            (false, false) => "is an empty folder",
        }
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such identity")]
pub(in crate::import) fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub(in crate::import) fn identity(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}
