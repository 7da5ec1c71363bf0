//! Reading from many threads. Each thread reads with separate books, which then wait for the next reader.

use crate::books::Books;
use crate::ledger::LedgerError;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Books for reading that threads share.
///
/// [`Books`] belong to one thread at a time. The pool opens as many as read at the same time, and keeps them open.
#[derive(Debug)]
pub struct ReadPool {
    path: PathBuf,
    idle: Mutex<Vec<Books>>,
}

impl ReadPool {
    /// A pool for a ledger. Returns an error if the ledger cannot be opened.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let first = Books::read(path)?;
        Ok(Self { path: first.path().to_owned(), idle: Mutex::new(vec![first]) })
    }

    /// Reads with books that no other thread uses meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&Books) -> T) -> Result<T, LedgerError> {
        // If a panic dropped books, the list lacks them; nothing else is lost.
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let books = idle.map_or_else(|| Books::read(&self.path), Ok)?;
        let result = read(&books);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(books);
        Ok(result)
    }
}
