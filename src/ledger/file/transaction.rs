//! Transactions: one state to read from, and all-or-nothing appends.

use crate::ledger::chain::seals;
use crate::ledger::chain::seals::Seals;
use crate::ledger::file::connection::{Access, Ledger};
use crate::ledger::file::watch::{Watch, Watched, WatchedLedger};
use crate::ledger::file::{schema, settings};
use crate::ledger::{LedgerError, Result, chain};
use rusqlite::{Connection, ErrorCode};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Eight megabytes of pages.
const FRAMES_WORTH_MOVING: i64 = 1_000;

/// How long a writer waits for another writer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long readers wait for a writer before they begin without its lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How often readers try to begin on a ledger whose lock they cannot get.
const ATTEMPTS: u32 = 50;

/// Transactions inside a rehearsal.
const OPEN_INNER: &str = "SAVEPOINT inner";
const KEEP_INNER: &str = "RELEASE inner";
const UNDO_INNER: &str = "ROLLBACK TO inner; RELEASE inner";

/// One state of the ledger, the same for all its reads.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub(in crate::ledger) ledger: &'a Ledger,
    head: chain::Head,
    watch: Arc<Watch>,
    watched: Option<Watched>,
    /// Whether its transaction stays open when it is dropped, for a reader that waits for more work.
    stays: bool,
    /// Connections that have begun to read this state, for other threads.
    pool: Pool,
    /// The seals of this state, after they were compared with the chain.
    pub(in crate::ledger) seals: OnceCell<Seals>,
}

/// A transaction around others. Each that commits is visible to the next, and dropping this undoes all of them.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    ledger: &'a Ledger,
}

/// A transaction that appends. If it is dropped without [`Transaction::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(in crate::ledger) ledger: &'a Ledger,
    open: bool,
    /// Whether nobody else can read meanwhile.
    alone: bool,
    watch: Arc<Watch>,
}

/// Whether SQLite evaluates the CHECKs of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Checks {
    Evaluated,
    LeftOut,
}

impl Ledger {
    /// Starts reading.
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        self.connection.execute_batch(if self.is_rehearsing() { OPEN_INNER } else { "BEGIN" })?;
        match patiently(|| chain::head(&self.connection)).and_then(|head| self.still_of_this_version().map(|()| head)) {
            Ok(head) => Ok(Snapshot::of(self, head)),
            Err(error) => {
                self.undo();
                Err(error)
            }
        }
    }

    /// Starts reading on as many connections as other threads will need, all on one state.
    ///
    /// Others may write meanwhile. A writer's lock keeps them out while the connections are opened, which takes
    /// milliseconds. If the lock is not available, as on a read-only file, the connections are opened again until
    /// nobody has written in between.
    pub fn snapshot_for(&self, threads: usize) -> Result<Snapshot<'_>> {
        if self.is_rehearsing() {
            return self.snapshot();
        }
        for _ in 1..ATTEMPTS {
            let lock = self.lock();
            let snapshot = self.snapshot()?;
            let filled = snapshot.fill_pool(threads);
            drop(lock);
            match filled {
                Err(LedgerError::Changed) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(snapshot),
            }
        }
        Err(LedgerError::Changed)
    }

    /// A connection that holds a writer's lock, if it can get the lock soon.
    fn lock(&self) -> Option<Self> {
        let writer = Self::open(self.path(), Access::Write).ok()?;
        writer.connection.busy_timeout(LOCK_PATIENCE).ok()?;
        writer.connection.execute_batch("BEGIN IMMEDIATE").ok()?;
        Some(writer)
    }

    /// Starts a rehearsal. Meanwhile others can read but not write.
    pub fn rehearse(&self, waiting: impl FnOnce()) -> Result<Rehearsal<'_>> {
        self.begin("BEGIN IMMEDIATE", waiting)?;
        self.rehearsing.set(true);
        Ok(Rehearsal { ledger: self })
    }

    /// Whether a rehearsal is active, so that nothing will be committed.
    pub fn is_rehearsing(&self) -> bool {
        self.rehearsing.get()
    }

    /// Ends a transaction without committing it. If this fails, SQLite has already ended it.
    fn undo(&self) {
        if self.is_rehearsing() {
            drop(self.connection.execute_batch(UNDO_INNER));
        } else {
            rollback(&self.connection);
        }
    }

    /// Starts appending. It waits for another writer. If there is one, it calls `waiting` once, which may give up.
    pub fn write(&self, waiting: impl FnOnce()) -> Result<Transaction<'_>> {
        let write = self.mend(waiting)?;
        seals::guard(&self.connection, &settings::FACT)?;
        Ok(write)
    }

    /// Starts writing on a ledger whose derived tables may be wrong, to rebuild them. Otherwise like [`Ledger::write`].
    pub fn mend(&self, waiting: impl FnOnce()) -> Result<Transaction<'_>> {
        if self.is_rehearsing() {
            self.connection.execute_batch(OPEN_INNER)?;
        } else {
            self.begin("BEGIN IMMEDIATE", waiting)?;
        }
        let write = Transaction { ledger: self, open: true, alone: false, watch: Arc::default() };
        self.still_of_this_version()?;
        Ok(write)
    }

    /// Starts a large append: with an exclusive lock if nobody else has the ledger open, otherwise like
    /// [`Ledger::write`].
    ///
    /// The write-ahead log lets others read meanwhile, but writes every page twice. A rollback journal holds only pages
    /// that existed before, and a load makes new ones.
    pub fn load(&self, waiting: impl FnOnce()) -> Result<Transaction<'_>> {
        if self.is_rehearsing() {
            return self.write(waiting);
        }
        let switched = self.connection.query_row("PRAGMA journal_mode = TRUNCATE", [], |row| row.get::<_, String>(0));
        match switched {
            Ok(mode) if mode == "truncate" => {
                // If anything fails from here on, dropping this restores the mode.
                let mut write = Transaction { ledger: self, open: false, alone: true, watch: Arc::default() };
                self.begin("BEGIN EXCLUSIVE", waiting)?;
                write.open = true;
                self.still_of_this_version()?;
                seals::guard(&self.connection, &settings::FACT)?;
                Ok(write)
            }
            Ok(_) => self.write(waiting),
            Err(error) if is_busy(&error) => self.write(waiting),
            Err(error) => Err(error.into()),
        }
    }

    pub(in crate::ledger) fn begin(&self, how: &str, waiting: impl FnOnce()) -> Result<()> {
        let mut waiting = Some(waiting);
        let mut begin = || {
            let begun = self.connection.execute_batch(how);
            if let Err(error) = &begun
                && is_busy(error)
                && let Some(waiting) = waiting.take()
            {
                waiting();
            }
            Ok(begun?)
        };
        patiently(&mut begin)
    }

    /// Rejects a file that another process has upgraded since it was opened, because this version does not know all of
    /// it.
    fn still_of_this_version(&self) -> Result<()> {
        let (found, known) = (schema::version(&self.connection)?, schema::newest());
        if found == known { Ok(()) } else { Err(LedgerError::Newer { path: self.path().to_owned(), found, known }) }
    }
}

/// Retries while another process is in the way, for as long as a writer waits.
pub(in crate::ledger) fn patiently<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(LedgerError::Sqlite(error)) if is_busy(&error) => {
                if start.elapsed() >= PATIENCE {
                    return Err(LedgerError::Busy(PATIENCE.as_secs()));
                }
                // For cases in which SQLite itself has not waited.
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Ends a transaction without committing it. If this fails, SQLite has already ended it.
fn rollback(connection: &Connection) {
    if !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
}

impl<'a> Snapshot<'a> {
    fn of(ledger: &'a Ledger, head: chain::Head) -> Self {
        let (watch, pool) = (Arc::default(), Pool::default());
        Self { ledger, head, watch, watched: None, stays: false, pool, seals: OnceCell::new() }
    }

    /// Opens readers of this state. Returns an error if the ledger has changed meanwhile.
    fn fill_pool(&self, readers: usize) -> Result<()> {
        let opened: Vec<Ledger> =
            (0..readers).map(|_| reader_of(self.ledger.path(), &self.head)).collect::<Result<_>>()?;
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).extend(opened);
        Ok(())
    }
}

impl Snapshot<'_> {
    /// The same snapshot under a watch: it and its readers report progress and can be stopped.
    pub fn watched(self, watch: &Arc<Watch>) -> Result<Self> {
        let watched = Watched::new(watch, self.connection())?;
        let mut snapshot = self;
        (snapshot.watch, snapshot.watched) = (Arc::clone(watch), Some(watched));
        Ok(snapshot)
    }

    /// The watch that receives its progress.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The last entry of the chain.
    pub const fn head(&self) -> &chain::Head {
        &self.head
    }

    /// The ledger.
    pub const fn ledger(&self) -> &Ledger {
        self.ledger
    }

    /// Both, for what reads long.
    pub(in crate::ledger) fn watched_ledger(&self) -> WatchedLedger<'_> {
        WatchedLedger { ledger: self.ledger, watch: &self.watch }
    }

    pub(in crate::ledger) const fn connection(&self) -> &Connection {
        &self.ledger.connection
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // The end must not be interrupted.
        self.watched = None;
        if !self.stays {
            self.ledger.undo();
        }
    }
}

impl Drop for Rehearsal<'_> {
    fn drop(&mut self) {
        self.ledger.rehearsing.set(false);
        rollback(&self.ledger.connection);
    }
}

/// Connections on one state, each in its own transaction, that wait for work.
#[derive(Debug, Clone, Default)]
struct Pool(Arc<Mutex<Vec<Ledger>>>);

/// Opens a ledger again for other threads, each on the same state.
#[derive(Debug, Clone)]
pub struct Readers {
    path: PathBuf,
    head: chain::Head,
    watch: Arc<Watch>,
    pool: Pool,
}

/// Opens a ledger again and begins to read it at a state. Returns an error if the ledger has changed.
fn reader_of(path: &Path, head: &chain::Head) -> Result<Ledger> {
    let reader = Ledger::open(path, Access::Read)?;
    // There may be many readers, and each reads sequentially, so a large cache would not help.
    reader.connection.pragma_update(None, "cache_size", -1_024)?;
    reader.connection.execute_batch("BEGIN")?;
    if patiently(|| chain::head(&reader.connection))? == *head { Ok(reader) } else { Err(LedgerError::Changed) }
}

impl Snapshot<'_> {
    /// Readers of this state, for other threads.
    pub fn readers(&self) -> Readers {
        let (path, watch) = (self.ledger.path().to_owned(), Arc::clone(&self.watch));
        Readers { path, head: self.head.clone(), watch, pool: self.pool.clone() }
    }
}

impl Readers {
    /// Does some work on a separate reader. Returns an error if the ledger has changed meanwhile.
    pub fn read<T, E: From<LedgerError>>(
        &self,
        work: impl FnOnce(&Snapshot<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let waiting = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = waiting.map_or_else(|| reader_of(&self.path, &self.head), Ok)?;
        let mut snapshot = Snapshot::of(&reader, self.head.clone());
        snapshot.stays = true;
        snapshot.pool = self.pool.clone();
        let done = work(&snapshot.watched(&self.watch)?)?;
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        Ok(done)
    }
}

impl<'a> Transaction<'a> {
    /// Makes the appended rows durable and visible, all at once.
    pub fn commit(mut self) -> Result<()> {
        self.ledger.connection.execute_batch(if self.ledger.is_rehearsing() { KEEP_INNER } else { "COMMIT" })?;
        self.open = false;
        Ok(())
    }

    /// The same transaction under a watch: it reports the progress of reading events, and stops reading if requested.
    /// Its statements are not interrupted, because that would end the rehearsal around it.
    pub fn watched(self, watch: &Arc<Watch>) -> Self {
        let mut write = self;
        write.watch = Arc::clone(watch);
        write
    }

    /// The watch itself, for readers that work for this transaction.
    pub const fn shared_watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// The watch that receives its progress.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The ledger and the watch, for what reads long.
    pub(in crate::ledger) fn watched_ledger(&self) -> WatchedLedger<'_> {
        WatchedLedger { ledger: self.ledger, watch: &self.watch }
    }

    /// Says whether a load evaluates the CHECKs of columns. They take a sixteenth of its time, and what it appends was
    /// checked before, by types that cannot hold anything else.
    pub(in crate::ledger) fn set_checks(&self, checks: Checks) -> Result<()> {
        if self.alone {
            self.connection().pragma_update(None, "ignore_check_constraints", checks == Checks::LeftOut)?;
        }
        Ok(())
    }

    pub(in crate::ledger) const fn connection(&self) -> &'a Connection {
        &self.ledger.connection
    }

    /// The ledger.
    pub const fn ledger(&self) -> &'a Ledger {
        self.ledger
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            self.ledger.undo();
        }
        if self.alone {
            drop(self.set_checks(Checks::Evaluated));
            // If another process is in the way, the next writer restores the mode.
            drop(self.ledger.connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())));
        }
    }
}

impl Ledger {
    /// Moves a large write-ahead log into the file, for programs that append often.
    pub fn checkpoint_when_large(&self) -> Result<()> {
        let frames: i64 = self.connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
        if frames >= FRAMES_WORTH_MOVING { self.checkpoint() } else { Ok(()) }
    }

    /// Moves the write-ahead log into the file, unless a reader is in the way.
    pub fn checkpoint(&self) -> Result<()> {
        if self.is_rehearsing() {
            return Ok(());
        }
        // The row shows whether readers were in the way. If so, the next writer does it.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Calendar;
    use crate::domain::currency::Currency;
    use crate::domain::name::Name;
    use crate::domain::timestamp::Timestamp;
    use crate::ledger::Settings;
    use crate::ledger::append::{Appended, Appender};
    use crate::ledger::facts::imports::FileFacts;
    use std::error::Error;

    #[test]
    fn checks_are_left_out_for_nothing_but_the_events_of_a_load() -> std::result::Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let now = Timestamp::parse("2026-11-23T08:00:00Z")?;
        let settings = Settings::new(Currency::USD, Calendar::UTC, Name::new("contract")?);
        let ledger = Ledger::create(&folder.path().join("l.db"), &settings, now, "test")?;
        let left_out = || ledger.connection.pragma_query_value(None, "ignore_check_constraints", |row| row.get(0));
        let facts = |header| FileFacts {
            source: "default".to_owned(),
            file: "f".to_owned(),
            format: "f/1".to_owned(),
            options: String::new(),
            digest: [0; 32],
            bytes: 0,
            lines: 1,
            header,
            blank: 0,
            quarantined: 0,
        };
        for (load, header) in [(true, 0), (true, 1), (false, 1)] {
            let write = if load { ledger.load(|| {})? } else { ledger.write(|| {})? };
            let appender = Appender::new(&write, "default")?;
            assert_eq!(left_out()?, load);
            drop(appender);
            // One line is missing from the counts, so they do not add up.
            let recorded = write.record_import(&facts(header), &Appended::default(), &[], now, "test");
            assert_eq!(recorded.is_ok(), header == 1, "{recorded:?}");
            assert!(!left_out()?);
        }
        let write = ledger.load(|| {})?;
        let appender = Appender::new(&write, "default")?;
        drop(appender);
        drop(write);
        assert!(!left_out()?, "given up");
        Ok(())
    }
}
