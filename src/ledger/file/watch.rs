//! Long work, seen from another thread: how far it has come, and its end before its time.

use crate::domain::count::Count;
use crate::ledger::{Ledger, LedgerError, Result};
use rusqlite::{Connection, InterruptHandle};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What long work is at, and what is counted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Sums of usage are read and added up.
    Usage,
    /// Events are read, to be added up, priced or proven.
    Events,
    /// Events are read to count those that have a price in part only.
    Unpriced,
    /// Ids are looked for under other days.
    Ids,
    /// Sums and the chain are compared with what the events proved.
    Sums,
    /// SQLite's own checks of the file.
    File,
    /// The file is copied: pages.
    Copy,
    /// Files that went in are hashed: bytes.
    Inputs,
}

/// How far long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// What it is at.
    pub stage: Stage,
    /// How many events, or what else the stage counts, are done.
    pub done: u64,
    /// How many the whole stage has, as the ledger counts them, where they are what takes the time.
    pub all: Option<u64>,
}

/// What readers of a snapshot, or a transaction that appends, share with whoever watches them.
#[derive(Default)]
pub struct Watch {
    stage: Mutex<Option<(Stage, Option<u64>)>>,
    done: AtomicU64,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    stopped: bool,
    next: u64,
    handles: BTreeMap<u64, InterruptHandle>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("reached", &self.reached()).finish_non_exhaustive()
    }
}

impl Watch {
    /// Begins a stage.
    pub fn begin(&self, stage: Stage, all: Option<u64>) {
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        self.done.store(0, Ordering::Relaxed);
        *current = Some((stage, all));
    }

    /// Adds to what the whole stage has.
    pub fn expect(&self, more: u64) {
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, Some(all))) = current.as_mut() {
            all.more(more);
        }
    }

    /// Counts what was done.
    pub fn add(&self, more: u64) {
        self.done.fetch_add(more, Ordering::Relaxed);
    }

    /// Tells how far a stage has come that does not go on from where it was: a copy begins anew when its file changes.
    pub fn reach(&self, Reached { stage, done, all }: Reached) {
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        self.done.store(done, Ordering::Relaxed);
        *current = Some((stage, all));
    }

    /// An error if the work should not go on: for what is no statement that can be interrupted, or may not be, such as one
    /// that appends.
    pub fn check(&self) -> Result<()> {
        if self.running().stopped { Err(LedgerError::Stopped) } else { Ok(()) }
    }

    /// How far it has come; `None` before the first stage.
    pub fn reached(&self) -> Option<Reached> {
        let current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        current.map(|(stage, all)| Reached { stage, done: self.done.load(Ordering::Relaxed), all })
    }

    /// Ends what is read now and whatever would be read next. To be repeated for as long as somebody reads: a statement
    /// that begins just now is not ended.
    pub fn stop(&self) {
        let mut running = self.running();
        running.stopped = true;
        running.handles.values().for_each(InterruptHandle::interrupt);
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A ledger that is read for long, and who watches the reading.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct WatchedLedger<'r> {
    pub(in crate::ledger) ledger: &'r Ledger,
    pub(in crate::ledger) watch: &'r Watch,
}

/// A connection that is watched, until this is dropped.
#[derive(Debug)]
pub(in crate::ledger) struct Watched {
    watch: Arc<Watch>,
    number: u64,
}

impl Watched {
    /// Lets a connection be watched; an error if it should read no more.
    pub(in crate::ledger) fn new(watch: &Arc<Watch>, connection: &Connection) -> Result<Self> {
        let mut running = watch.running();
        if running.stopped {
            return Err(LedgerError::Stopped);
        }
        let number = running.next;
        running.next.one_more();
        running.handles.insert(number, connection.get_interrupt_handle());
        Ok(Self { watch: Arc::clone(watch), number })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.running().handles.remove(&self.number);
    }
}
