//! Rejects output files that would replace the ledger, a file that belongs to it, or a file that the command reads.

use crate::cli::failure::{Code, Failure};
use std::path::{Path, PathBuf};

/// Rejects an output path that would replace the ledger, or a file beside it that belongs to it.
pub fn refuse_ledger(path: &Path, ledger: &Path) -> Result<(), Failure> {
    let (Some(output), Some(ledger)) = (place(path), place(ledger)) else { return Ok(()) };
    if output == ledger {
        return Err(Failure::option_file(path.display(), "is the ledger itself, expected another file"));
    }
    let beside = |end: &str| {
        let mut name = ledger.clone().into_os_string();
        name.push(end);
        output.as_os_str() == name
    };
    if ["-wal", "-shm", "-journal", ".guard", ".guard-wal", ".guard-shm", ".guard-journal"].into_iter().any(beside) {
        return Err(Failure::option_file(path.display(), "belongs to the ledger, expected another file"));
    }
    Ok(())
}

/// Rejects an output that would replace a file that the command reads.
pub fn refuse_replacing(option: &str, output: &Path, input: &Path) -> Result<(), Failure> {
    match (output.canonicalize(), input.canonicalize()) {
        (Ok(output), Ok(input)) if output == input => {
            let what =
                format!("{option} {}: is a file that this command reads, expected another file", input.display());
            Err(Failure::new(Code::OutputReplacesInput, what))
        }
        _ => Ok(()),
    }
}

/// Where a file is or would be: its folder without links, and its name.
pub fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(known) = path.canonicalize() {
        return Some(known);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}
