//! Lets another thread watch long work: its progress, and an early stop.

use crate::domain::count::Count;
use crate::ledger::{Ledger, LedgerError, Result};
use rusqlite::{Connection, InterruptHandle};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The stage of long work, and what it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading and adding up totals.
    Usage,
    /// Reading events, to add up, price or prove them.
    Events,
    /// Reading events to count those that are partly priced.
    Unpriced,
    /// Looking for ids on other days.
    Ids,
    /// Comparing totals and the chain with the proved events.
    Sums,
    /// SQLite's own checks of the file.
    File,
    /// Copying the file: pages.
    Copy,
    /// Hashing input files: bytes.
    Inputs,
}

/// The progress of long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The stage.
    pub stage: Stage,
    /// The number of events, or whatever the stage counts, that are done.
    pub done: u64,
    /// The number in the whole stage, as the ledger counts them, if they take most of the time.
    pub all: Option<u64>,
}

/// Shared between the readers of a snapshot, or a transaction that appends, and the thread that watches them.
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

    /// Increases the total of the stage.
    pub fn expect(&self, more: u64) {
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, Some(all))) = current.as_mut() {
            all.more(more);
        }
    }

    /// Counts finished work.
    pub fn add(&self, more: u64) {
        self.done.fetch_add(more, Ordering::Relaxed);
    }

    /// Sets the progress of a stage that may go back. A copy starts again if its file changes.
    pub fn reach(&self, Reached { stage, done, all }: Reached) {
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        self.done.store(done, Ordering::Relaxed);
        *current = Some((stage, all));
    }

    /// Returns an error if the work should stop. For work that cannot or may not be interrupted, such as an append.
    pub fn check(&self) -> Result<()> {
        if self.running().stopped { Err(LedgerError::Stopped) } else { Ok(()) }
    }

    /// The progress; `None` before the first stage.
    pub fn reached(&self) -> Option<Reached> {
        let current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        current.map(|(stage, all)| Reached { stage, done: self.done.load(Ordering::Relaxed), all })
    }

    /// Interrupts current reads and prevents new ones. Call it repeatedly while somebody reads, because it misses a
    /// statement that begins at that moment.
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

/// A connection under a watch, until this is dropped.
#[derive(Debug)]
pub(in crate::ledger) struct Watched {
    watch: Arc<Watch>,
    number: u64,
}

impl Watched {
    /// Puts a connection under a watch. Returns an error if it should stop reading.
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
