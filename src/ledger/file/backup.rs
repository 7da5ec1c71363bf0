//! A copy of the ledger, made while it is in use.

use crate::ledger::file::connection::{Ledger, has_one_name, sync_folder};
use crate::ledger::file::watch::{Reached, Stage, Watch};
use crate::ledger::{LedgerError, Result};
use rusqlite::backup::{Backup, Progress, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// Pages copied at a time: a few megabytes.
const STEP_PAGES: i32 = 1_024;

impl Ledger {
    /// Copies the ledger to a new file, which gets its name only after `verify` has accepted the copy.
    pub fn backup(&self, target: &Path, watch: &Watch, verify: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let io = |error| LedgerError::Io { path: target.to_owned(), error };
        if target.symlink_metadata().is_ok() {
            return Err(LedgerError::Exists(target.to_owned()));
        }
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(".tokenbook-").suffix(".backup").tempfile_in(folder).map_err(io)?;
        let made = self.copy(file.path(), watch).and_then(|()| {
            file.as_file().sync_all().map_err(io)?;
            verify(file.path())
        });
        clear_beside(file.path());
        made?;
        file.persist_noclobber(target).map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => LedgerError::Exists(target.to_owned()),
            _ => io(error.error),
        })?;
        sync_folder(folder).map_err(io)?;
        // If the system cannot rename without replacing, the copy was linked, and its temporary name may be left.
        has_one_name(target)
    }

    /// Copies the ledger, some pages at a time, to an existing empty file.
    fn copy(&self, to: &Path, watch: &Watch) -> Result<()> {
        let mut copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let backup = Backup::new(&self.connection, &mut copy)?;
        loop {
            watch.check()?;
            let step = backup.step(STEP_PAGES)?;
            let Progress { remaining, pagecount } = backup.progress();
            // If another process wrote meanwhile, the copy starts again, and may have more pages.
            let pages = |pages: i32| u64::try_from(pages).unwrap_or(0);
            watch.reach(Reached {
                stage: Stage::Copy,
                done: pages(pagecount.saturating_sub(remaining)),
                all: Some(pages(pagecount)),
            });
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // Another process is writing and will soon be done.
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        drop(backup);
        copy.close().map_err(|(_, error)| error.into())
    }
}

/// Removes the files that writing and reading left beside the copy under its temporary name: an empty log with its
/// index, or the journal of an unfinished copy.
pub(in crate::ledger) fn clear_beside(copy: &Path) {
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut name = copy.as_os_str().to_owned();
        name.push(suffix);
        // If the file does not exist, there is nothing to remove.
        drop(std::fs::remove_file(name));
    }
}
