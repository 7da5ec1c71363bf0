//! Writes files so that a reader sees the old file or the new one, never half of one, even after a power cut.
//!
//! A file is synced, then renamed, then its folder is synced. Only then does its name survive a power cut. A new folder
//! is synced into its parent. Any failure on the way is an error, because the file may be the old one again.

use crate::books::BooksError;
use crate::sheet::Sheet;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The operations that writing needs from the system. A test watches their order and lets any step fail.
pub(in crate::books) trait Disk: Debug {
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()>;
    fn give_name(&self, file: NamedTempFile, path: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// The system itself.
#[derive(Debug)]
pub(in crate::books) struct System;

impl Disk for System {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    fn sync_file(&self, file: &File, _: &Path) -> io::Result<()> {
        file.sync_all()
    }

    fn give_name(&self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        file.persist(path).map(drop).map_err(|failed| failed.error)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if !cfg!(unix) {
            // Only Unix can sync a folder.
            return Ok(());
        }
        match File::open(path)?.sync_all() {
            // Some network file systems cannot sync folders, and report that.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            other => other,
        }
    }
}

/// Writes a file under a temporary name, renames it, and makes the name durable. If the name belongs to something else
/// than a file, it refuses: renaming over a device, a pipe or a link would remove it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), BooksError> {
    place(&System, path, bytes)?;
    synced(&System, folder_of(path))
}

/// Makes a folder and its missing parents durable.
pub fn make_folders(path: &Path) -> Result<(), BooksError> {
    make_folders_on(&System, path)
}

/// Rejects a name that belongs to something else than a file.
pub(in crate::books) fn refuse_irregular(path: &Path) -> Result<(), BooksError> {
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        let what = "is not a regular file, expected a file to replace or a free name";
        return Err(BooksError::io(path, io::Error::new(io::ErrorKind::AlreadyExists, what)));
    }
    Ok(())
}

/// Rejects a folder in an output folder that leads elsewhere.
pub(in crate::books) fn refuse_link(folder: &Path) -> Result<(), BooksError> {
    if folder.symlink_metadata().is_ok_and(|there| !there.is_dir()) {
        let what = "is a link or not a folder, expected a folder or a free name";
        return Err(BooksError::io(folder, io::Error::new(io::ErrorKind::AlreadyExists, what)));
    }
    Ok(())
}

/// Gives a synced file its name. The folder is not synced yet.
fn place(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), BooksError> {
    refuse_irregular(path)?;
    let error = |error| BooksError::io(path, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tokenbook-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The user's umask reduces these permissions.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder_of(path)).map_err(error)?;
    file.write_all(bytes).map_err(error)?;
    disk.sync_file(file.as_file(), path).map_err(error)?;
    disk.give_name(file, path).map_err(error)
}

fn synced(disk: &dyn Disk, folder: &Path) -> Result<(), BooksError> {
    disk.sync_folder(folder).map_err(|error| BooksError::io(folder, error))
}

fn make_folders_on(disk: &dyn Disk, path: &Path) -> Result<(), BooksError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = folder_of(path);
    make_folders_on(disk, parent)?;
    match disk.make_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made.map_err(|error| BooksError::io(path, error))?,
    }
    synced(disk, parent)
}

/// The folder that contains a name.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A sheet in a format.
pub fn rendered(sheet: &Sheet, renderer: &crate::render::Renderer) -> Result<Vec<u8>, BooksError> {
    sheet.check()?;
    let mut bytes = Vec::new();
    (renderer.render)(sheet, &mut bytes).map_err(|error| BooksError::io(Path::new(&sheet.heading.report), error))?;
    Ok(bytes)
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    crate::ledger::chain::hex(&Sha256::digest(bytes))
}

/// SHA-256 and size of a file.
pub fn sha256_of_file(path: &Path) -> Result<(String, u64), BooksError> {
    let digest = || -> io::Result<(String, u64)> {
        let mut file = std::fs::File::open(path)?;
        let (mut hasher, mut total, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok((crate::ledger::chain::hex(&hasher.finalize()), total));
            }
            hasher.update(&buffer[..length]);
            total += u64::try_from(length).map_err(io::Error::other)?;
        }
    };
    digest().map_err(|error| BooksError::io(path, error))
}

/// An output folder, with the files written to it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    written: Vec<Written>,
    disk: Box<dyn Disk>,
    /// Folders whose names have changed since the last sync.
    unsettled: BTreeSet<PathBuf>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Its name within the folder, with `/`.
    pub file: String,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

impl Folder {
    /// Makes the folder if it does not exist.
    pub fn open(path: &Path) -> Result<Self, BooksError> {
        Self::on(Box::new(System), path)
    }

    pub(in crate::books) fn on(disk: Box<dyn Disk>, path: &Path) -> Result<Self, BooksError> {
        make_folders_on(&*disk, path)?;
        Ok(Self { path: path.to_owned(), written: Vec::new(), disk, unsettled: BTreeSet::new() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files written so far.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// Writes a file. `name` may contain one folder. The name is durable once the folder is settled.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), BooksError> {
        let path = self.path.join(name);
        let folder = folder_of(&path).to_owned();
        if folder != self.path {
            refuse_link(&folder)?;
            make_folders_on(&*self.disk, &folder)?;
        }
        place(&*self.disk, &path, bytes)?;
        self.unsettled.insert(folder);
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.written.push(Written { file: name.to_owned(), sha256: sha256(bytes), bytes: size });
        Ok(())
    }

    /// Renames a file of the folder, replacing any file with the new name.
    pub(in crate::books) fn rename(&mut self, from: &str, to: &str) -> Result<(), BooksError> {
        let (from, to) = (self.path.join(from), self.path.join(to));
        self.disk.rename(&from, &to).map_err(|error| BooksError::io(&from, error))?;
        self.unsettled.insert(self.path.clone());
        Ok(())
    }

    /// Removes a file.
    pub(in crate::books) fn remove(&mut self, name: &str) -> Result<(), BooksError> {
        let path = self.path.join(name);
        self.disk.remove(&path).map_err(|error| BooksError::io(&path, error))?;
        self.unsettled.insert(folder_of(&path).to_owned());
        Ok(())
    }

    /// Makes all changed names durable, the innermost folder first.
    pub fn settle(&mut self) -> Result<(), BooksError> {
        while let Some(folder) = self.unsettled.pop_last() {
            synced(&*self.disk, &folder)?;
        }
        Ok(())
    }
}

/// A file name for a department. Letters, digits and a few marks stay. If anything else was replaced, or if some system
/// reserves the name, part of a digest keeps different names distinct.
pub fn file_name(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '&' | '(' | ')');
    let mut safe: String = name.chars().map(|c| if kept(c) { c } else { '_' }).take(80).collect();
    let stem = safe.split('.').next().unwrap_or("").trim().to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")));
    let changed = safe != name || device || safe.starts_with(['.', '-']) || safe.ends_with([' ', '.']);
    // Some file systems ignore case, so a name with capitals is marked as well.
    if changed {
        let stem = safe.trim_matches(['.', ' ']).trim_start_matches('-');
        safe = format!("{}-", if stem.is_empty() { "_" } else { stem });
        safe.push_str(blake3::hash(name.as_bytes()).to_hex().get(..8).unwrap_or(""));
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_department_cannot_leave_its_folder() {
        assert_eq!(file_name("Legal & Compliance"), "Legal & Compliance");
        assert_eq!(file_name("(unallocated)"), "(unallocated)");
        for name in [
            "../../etc/passwd",
            "a/b",
            "a\\b",
            "..",
            ".hidden",
            "CON",
            "nul.txt",
            "Ünit",
            "x\n",
            "com1",
            "end.",
            "--help",
            "-rf",
            "-",
            ". -x",
        ] {
            let safe = file_name(name);
            assert!(
                !safe.contains(['/', '\\', '\n']) && !safe.starts_with(['.', '-', ' ']) && safe.contains('-'),
                "{name} -> {safe}"
            );
        }
        assert_ne!(file_name("a/b"), file_name("a\\b"));
    }
}
