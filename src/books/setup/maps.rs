//! Maps of columns stored in the ledger, so that everybody reads a source's files in the same way.

use crate::books::heading::heading_of;
use crate::books::{Act, Books, BooksError, Observer};
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::import::record::column_map::ColumnMap;
use crate::ledger::LedgerError;
use crate::sheet::{Cell, Column, Sheet};
use std::collections::BTreeMap;

impl Books {
    /// Stores a valid map under a name; `false` if the ledger has the same map already.
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
        // The map was read successfully, so it is UTF-8.
        let text = String::from_utf8_lossy(bytes);
        let write = self.ledger.write(|| observer.waiting())?;
        let kept = write.keep_map(name, &text, act.now, act.actor)?;
        if kept {
            write.commit()?;
            self.ledger.checkpoint()?;
        }
        Ok(kept)
    }

    /// The maps in force: since when, and which fields they read.
    pub fn map_list(&self) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let row = |(name, (text, kept_at)): (String, (String, Timestamp))| {
            let map = ColumnMap::read(text.as_bytes()).ok();
            let told = |tell: fn(&ColumnMap) -> String| {
                map.as_ref().map_or(Cell::Unknown("unreadable"), |map| Cell::filled(tell(map)))
            };
            vec![
                Cell::Text(name),
                Cell::Instant(kept_at),
                told(|map| map.field_names().join(" ")),
                told(|map| map.tags.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(" ")),
                told(|map| map.form.name().to_owned()),
                told(|map| map.zone.map_or(String::new(), |zone| zone.zone_name().to_owned())),
                told(|map| map.digest().to_owned()),
            ]
        };
        let rows = snapshot.kept_maps()?.into_iter().map(row).collect();
        let mut columns = vec![Column::text("map"), Column::instant("kept_at")];
        columns.extend(["fields", "tags", "time", "zone", "digest"].map(Column::text));
        Ok(Sheet { heading: heading_of(&snapshot, "maps", "now")?, columns, rows, total: None })
    }

    /// The texts of the maps in force, by their names.
    pub fn maps(&self) -> Result<BTreeMap<String, String>, LedgerError> {
        self.ledger.snapshot()?.maps()
    }
}
