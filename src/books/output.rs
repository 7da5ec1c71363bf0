//! Writing files so that a reader sees the old one or the new one, never half of one.

use crate::books::BooksError;
use crate::sheet::Sheet;
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Writes a file beside its name and renames it. What stands there and is no file is left alone: renaming over a device,
/// a pipe or a link would take it away.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), BooksError> {
    let error = |error| BooksError::io(path, error);
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        let what = "is not a regular file, expected a file to replace or a name that is free";
        return Err(error(io::Error::new(io::ErrorKind::AlreadyExists, what)));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tokenbook-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Less what the user's umask takes away.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(error)?;
    file.write_all(bytes).map_err(error)?;
    file.as_file().sync_all().map_err(error)?;
    file.persist(path).map_err(|failed| error(failed.error))?;
    Ok(())
}

/// A sheet in a format.
pub fn rendered(sheet: &Sheet, renderer: &crate::render::Renderer) -> Result<Vec<u8>, BooksError> {
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

/// A folder that files are written into, and what was written.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    written: Vec<Written>,
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
    /// Makes the folder if it is not there.
    pub fn open(path: &Path) -> Result<Self, BooksError> {
        std::fs::create_dir_all(path).map_err(|error| BooksError::io(path, error))?;
        Ok(Self { path: path.to_owned(), written: Vec::new() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was written so far.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// Writes a file; `name` may have one folder in it.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), BooksError> {
        let path = self.path.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| BooksError::io(folder, error))?;
        }
        replace(&path, bytes)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.written.push(Written { file: name.to_owned(), sha256: sha256(bytes), bytes: size });
        Ok(())
    }

    /// Writes a sheet as CSV.
    pub fn write_csv(&mut self, name: &str, sheet: &Sheet) -> Result<(), BooksError> {
        let bytes = rendered(sheet, crate::render::named("csv").unwrap_or(&crate::render::RENDERERS[0]))?;
        self.write(name, &bytes)
    }
}

/// A file name for a department: letters, digits and a few marks stay; where anything else was replaced, or the name is
/// one that some system reserves, a part of its digest keeps different names apart.
pub fn file_name(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '&' | '(' | ')');
    let mut safe: String = name.chars().map(|c| if kept(c) { c } else { '_' }).take(80).collect();
    let stem = safe.split('.').next().unwrap_or("").trim().to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")));
    let changed = safe != name || device || safe.starts_with('.') || safe.ends_with([' ', '.']);
    // Some file systems do not tell case apart, so only lower-case-free twins would be safe: mark what differs by case.
    if changed {
        safe = format!("{}-", safe.trim_matches(['.', ' ']));
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
        for name in
            ["../../etc/passwd", "a/b", "a\\b", "..", ".hidden", "CON", "nul.txt", "Ünit", "x\n", "com1", "end."]
        {
            let safe = file_name(name);
            assert!(
                !safe.contains(['/', '\\', '\n']) && !safe.starts_with('.') && safe.contains('-'),
                "{name} -> {safe}"
            );
        }
        assert_ne!(file_name("a/b"), file_name("a\\b"));
    }
}
