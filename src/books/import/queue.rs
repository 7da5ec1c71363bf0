//! Batches between the thread that parses and the one that appends: as many as fit the events that may wait.
//!
//! A day comes in several batches at once, then nothing for a while. So what is bounded is not their number but the
//! events in them, and not where they are put in but where more would be read.

use crate::books::Observer;
use crate::domain::batch::Batch;
use crate::import::parse::{Consumer, Demand};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Batches that wait to be appended.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Batch>,
    events: usize,
    /// No more will come.
    ended: bool,
    /// No more will be taken.
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.lock(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// Where the parser puts its batches.
pub(super) struct Feed<'q> {
    queue: &'q Queue,
    observer: &'q dyn Observer,
}

impl<'q> Feed<'q> {
    pub(super) fn of(queue: &'q Queue, observer: &'q dyn Observer) -> Self {
        Self { queue, observer }
    }
}

impl Consumer for Feed<'_> {
    fn take(&mut self, batch: Batch) -> Demand {
        self.queue.change(|state| {
            state.events += batch.len();
            state.batches.push_back(batch);
        });
        if self.queue.lock().closed { Demand::Stop } else { Demand::More }
    }

    fn read(&mut self, bytes: u64, most_waiting: usize) -> Demand {
        self.observer.read(bytes);
        let state = self.queue.wait_while(|state| state.events > most_waiting && !state.closed);
        if state.closed || self.observer.stop() { Demand::Stop } else { Demand::More }
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        self.queue.change(|state| state.ended = true);
    }
}

/// Where batches are taken out.
pub(super) struct Taken<'q>(&'q Queue);

impl<'q> Taken<'q> {
    pub(super) const fn of(queue: &'q Queue) -> Self {
        Self(queue)
    }

    /// The next batch, once it is there; `None` after the last.
    pub(super) fn next(&self) -> Option<Batch> {
        let mut state = self.0.wait_while(|state| state.batches.is_empty() && !state.ended);
        let batch = state.batches.pop_front()?;
        state.events -= batch.len();
        drop(state);
        self.0.changed.notify_all();
        Some(batch)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.closed = true);
    }
}
