//! Transactions: one state to read from, and all-or-nothing appends.

use crate::ledger::connection::{Access, Ledger};
use crate::ledger::{LedgerError, Result, chain};
use rusqlite::{Connection, ErrorCode};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Eight megabytes of pages.
const FRAMES_WORTH_MOVING: i64 = 1_000;

/// How long a writer waits for another.
const PATIENCE: Duration = Duration::from_secs(30);

/// One state of the ledger, from the first row read to the last.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub(super) ledger: &'a Ledger,
    head: chain::Head,
}

/// A transaction that appends. Dropped without [`Write::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Write<'a> {
    pub(super) ledger: &'a Ledger,
    open: bool,
}

impl Ledger {
    /// Starts reading.
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        self.connection.execute_batch("BEGIN")?;
        match chain::head(&self.connection) {
            Ok(head) => Ok(Snapshot { ledger: self, head }),
            Err(error) => {
                rollback(&self.connection);
                Err(error)
            }
        }
    }

    /// Starts appending. Waits for another writer; `waiting` is called once if there is one, and may give up.
    pub fn write(&self, mut waiting: impl FnMut()) -> Result<Write<'_>> {
        let start = Instant::now();
        let mut told = false;
        loop {
            match self.connection.execute_batch("BEGIN IMMEDIATE") {
                Ok(()) => return Ok(Write { ledger: self, open: true }),
                Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => {
                    if !told {
                        waiting();
                    }
                    told = true;
                }
                Err(error) if is_busy(&error) => return Err(LedgerError::Busy(PATIENCE.as_secs())),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Ends a transaction whose result does not count; SQLite has already ended it where this fails.
fn rollback(connection: &Connection) {
    if !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
}

impl Snapshot<'_> {
    /// The last entry of the chain.
    pub const fn head(&self) -> &chain::Head {
        &self.head
    }

    /// The ledger.
    pub const fn ledger(&self) -> &Ledger {
        self.ledger
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.ledger.connection
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        rollback(&self.ledger.connection);
    }
}

/// Opens a ledger again for other threads, each at the same state.
#[derive(Debug, Clone)]
pub struct Readers {
    path: PathBuf,
    head: chain::Head,
}

impl Snapshot<'_> {
    /// Readers of this state, for other threads.
    pub fn readers(&self) -> Readers {
        Readers { path: self.ledger.path().to_owned(), head: self.head.clone() }
    }
}

impl Readers {
    /// Does some work on a reader of its own; an error if the ledger has moved on meanwhile.
    pub fn read<T, E: From<LedgerError>>(
        &self,
        work: impl FnOnce(&Snapshot<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let reader = Ledger::open(&self.path, Access::Read)?;
        let snapshot = reader.snapshot()?;
        if snapshot.head != self.head {
            return Err(LedgerError::Changed.into());
        }
        work(&snapshot)
    }
}

impl<'a> Write<'a> {
    /// Makes the appended rows durable and visible, all at once.
    pub fn commit(mut self) -> Result<()> {
        self.ledger.connection.execute_batch("COMMIT")?;
        self.open = false;
        Ok(())
    }

    pub(super) const fn connection(&self) -> &'a Connection {
        &self.ledger.connection
    }

    /// The ledger.
    pub const fn ledger(&self) -> &'a Ledger {
        self.ledger
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if self.open {
            rollback(&self.ledger.connection);
        }
    }
}

impl Ledger {
    /// Moves the write-ahead log into the file once it is worth it, for those who append little and often.
    pub fn checkpoint_when_large(&self) -> Result<()> {
        let frames: i64 = self.connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
        if frames >= FRAMES_WORTH_MOVING { self.checkpoint() } else { Ok(()) }
    }

    /// Moves the write-ahead log into the file, if no reader is in the way.
    pub fn checkpoint(&self) -> Result<()> {
        // The row tells whether readers were in the way; then the next writer does it.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}
