//! The consumer of a file's batches: an import takes them one by one, on the thread that reads.

use crate::rows::batch::Batch;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many batches wait to be worked on. Whoever takes them counts, and threads that parse leave the processors to that
/// work while some wait.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// A batch waits.
    pub fn came(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch is worked on.
    pub fn went(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// Whether more batches are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Go on.
    More,
    /// Stop reading.
    Stop,
}

/// Whoever takes what is read. What a batch holds of the file, and in what order batches come, depends on the file only.
pub trait Consumer {
    /// Takes a batch, or gives it back while others wait to be worked on.
    fn offer(&mut self, batch: Batch) -> Offered;

    /// Takes a batch, once others are worked on.
    fn take(&mut self, batch: Batch) -> Demand;

    /// A batch that is not needed any more, for its room: asking the system for as much each time would leave holes.
    fn spare(&mut self) -> Batch {
        Batch::new()
    }

    /// The batches that were taken and are not worked on yet.
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// So many bytes were read.
    fn read(&mut self, _bytes: u64) -> Demand {
        Demand::More
    }
}

/// What became of a batch that was offered.
#[derive(Debug)]
pub enum Offered {
    /// It was taken.
    Taken,
    /// Not yet.
    Later(Batch),
    /// No more are wanted.
    Stop,
}

impl<F: FnMut(Batch) -> Demand> Consumer for F {
    fn offer(&mut self, batch: Batch) -> Offered {
        match self(batch) {
            Demand::More => Offered::Taken,
            Demand::Stop => Offered::Stop,
        }
    }

    fn take(&mut self, batch: Batch) -> Demand {
        self(batch)
    }
}
