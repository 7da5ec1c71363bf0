//! The consumer of a file's batches: an import takes them one by one, on the thread that reads.

use crate::rows::batch::Batch;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of batches that wait. The consumer counts them. While some wait, the threads that parse leave the
/// processors to it.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// Counts a batch that now waits.
    pub fn came(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a batch that is being worked on.
    pub fn went(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether no batch waits.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// Whether more batches are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Continue reading.
    More,
    /// Stop reading.
    Stop,
}

/// Receives what is read. The contents and the order of batches depend on the file only.
pub trait Consumer {
    /// Takes a batch, or returns it while others wait.
    fn offer(&mut self, batch: Batch) -> Offered;

    /// Takes a batch, after waiting for earlier ones.
    fn take(&mut self, batch: Batch) -> Demand;

    /// A batch that is no longer needed, to reuse its memory. Allocating as much each time would fragment memory.
    fn spare(&mut self) -> Batch {
        Batch::new()
    }

    /// The batches that were taken and still wait.
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// Reports that more bytes were read.
    fn read(&mut self, _bytes: u64) -> Demand {
        Demand::More
    }
}

/// The answer to an offered batch.
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
