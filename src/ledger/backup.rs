//! A copy of the ledger, made while it is in use.

use crate::ledger::connection::{Ledger, sync_folder};
use crate::ledger::{LedgerError, Result};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// Pages copied at a time: a few megabytes.
const STEP_PAGES: i32 = 1_024;

impl Ledger {
    /// Copies the ledger to a new file, which appears under its name only when `verify` has accepted the copy.
    pub fn backup(&self, target: &Path, verify: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let io = |error| LedgerError::Io { path: target.to_owned(), error };
        if target.symlink_metadata().is_ok() {
            return Err(LedgerError::Exists(target.to_owned()));
        }
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(".tokenbook-").suffix(".backup").tempfile_in(folder).map_err(io)?;
        {
            let mut copy = Connection::open_with_flags(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            let backup = Backup::new(&self.connection, &mut copy)?;
            loop {
                match backup.step(STEP_PAGES)? {
                    StepResult::Done => break,
                    StepResult::More => {}
                    // Another process writes: it is done soon.
                    _ => std::thread::sleep(Duration::from_millis(20)),
                }
            }
            drop(backup);
            copy.close().map_err(|(_, error)| error)?;
        }
        file.as_file().sync_all().map_err(io)?;
        let verified = verify(file.path());
        clear_beside(file.path());
        verified?;
        file.persist_noclobber(target).map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => LedgerError::Exists(target.to_owned()),
            _ => io(error.error),
        })?;
        sync_folder(folder).map_err(io)
    }
}

/// Removes what reading the copy left beside it under its temporary name: an empty log and its index.
fn clear_beside(copy: &Path) {
    for suffix in ["-wal", "-shm"] {
        let mut name = copy.as_os_str().to_owned();
        name.push(suffix);
        // Where there is none, there is nothing to remove.
        drop(std::fs::remove_file(name));
    }
}
