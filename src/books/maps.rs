//! Maps of columns kept in the ledger, so that everybody reads a source's files alike.

use crate::books::{Act, Books, BooksError, Observer};
use crate::domain::name::Name;
use crate::import::column_map::ColumnMap;
use crate::ledger::LedgerError;
use std::collections::BTreeMap;

impl Books {
    /// Keeps a map under a name, once it is read without a fault; `false` where it is there alike already.
    pub fn keep_map(
        &self,
        name: &Name,
        file: &str,
        bytes: &[u8],
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<bool, BooksError> {
        let wrong = |problems| BooksError::Lines { file: file.to_owned(), problems };
        ColumnMap::read(bytes).map_err(wrong)?;
        // What was read is UTF-8.
        let text = String::from_utf8_lossy(bytes);
        let write = self.ledger.write(|| observer.waiting())?;
        let kept = write.keep_map(name, &text, act.now, act.actor)?;
        if kept {
            write.commit()?;
            self.ledger.checkpoint()?;
        }
        Ok(kept)
    }

    /// The texts of the maps in force, by their names.
    pub fn maps(&self) -> Result<BTreeMap<String, String>, LedgerError> {
        self.ledger.snapshot()?.maps()
    }
}
