//! The imports of a ledger, each named by its entry of the chain.

use crate::books::heading::heading_of;
use crate::books::{Books, BooksError};
use crate::domain::calendar::Day;
use crate::ledger::facts::costs::CostImportMade;
use crate::ledger::facts::imports::{ImportMade, ImportRow};
use crate::sheet::{Cell, Column, Sheet};

impl Books {
    /// Every import that brought something: when, by whom, which file, and what became of its lines.
    pub fn import_list(&self) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let rows = snapshot.imports_made()?.iter().map(cells).collect();
        let text = Column::text as fn(&'static str) -> Column;
        let number = Column::number as fn(&'static str) -> Column;
        let columns = [
            (number, "entry"),
            (text, "imported_at"),
            (text, "actor"),
            (text, "source"),
            (text, "file"),
            (text, "format"),
            (number, "lines"),
            (number, "accepted"),
            (number, "duplicates"),
            (number, "quarantined"),
            (text, "first_day"),
            (text, "last_day"),
            (text, "options"),
            (text, "retracted_by"),
        ];
        let columns = columns.map(|(column, name)| column(name)).into();
        Ok(Sheet { heading: heading_of(&snapshot, "imports", "all".to_owned())?, columns, rows, total: None })
    }
}

impl Books {
    /// Every import of costs: when, by whom, which file, and what became of its lines.
    pub fn cost_import_list(&self) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let text = Column::text as fn(&'static str) -> Column;
        let number = Column::number as fn(&'static str) -> Column;
        let columns = [
            (number, "entry"),
            (text, "imported_at"),
            (text, "actor"),
            (text, "source"),
            (text, "file"),
            (text, "format"),
            (number, "costs"),
            (number, "duplicates"),
            (text, "retracted_by"),
        ];
        let columns = columns.map(|(column, name)| column(name)).into();
        let cells = |made: CostImportMade| {
            vec![
                Cell::Count(i128::from(made.entry)),
                Cell::Text(made.at.to_string()),
                Cell::Text(made.actor),
                Cell::Text(made.source),
                Cell::Text(made.file),
                Cell::Text(made.format),
                Cell::Count(i128::from(made.lines)),
                Cell::Count(i128::from(made.duplicates)),
                Cell::Text(retracted_by(made.retracted, &[])),
            ]
        };
        let rows = snapshot.cost_imports_made()?.into_iter().map(cells).collect();
        Ok(Sheet { heading: heading_of(&snapshot, "cost imports", "all".to_owned())?, columns, rows, total: None })
    }
}

/// The entry that took an import back, or those that took some of its events back.
fn retracted_by(whole: Option<i64>, in_part: &[i64]) -> String {
    whole.map_or_else(
        || in_part.iter().map(|entry| format!("{entry} (in part)")).collect::<Vec<_>>().join(", "),
        |entry| entry.to_string(),
    )
}

fn cells(made: &ImportMade) -> Vec<Cell> {
    let ImportMade { row, entry, at, actor, retracted_in_part, retracted } = made;
    let ImportRow { source, file, format, lines, accepted, duplicates, quarantined, options, .. } = row;
    let day = |number: Option<i64>| {
        Cell::Text(number.and_then(Day::from_number).map_or_else(String::new, |day| day.to_string()))
    };
    vec![
        Cell::Count(i128::from(*entry)),
        Cell::Text(at.to_string()),
        Cell::Text(actor.clone()),
        Cell::Text(source.clone()),
        Cell::Text(file.clone()),
        Cell::Text(format.clone()),
        Cell::Count(i128::from(*lines)),
        Cell::Count(i128::from(*accepted)),
        Cell::Count(i128::from(*duplicates)),
        Cell::Count(i128::from(*quarantined)),
        day(row.first_day),
        day(row.last_day),
        Cell::Text(options.clone()),
        Cell::Text(retracted_by(*retracted, retracted_in_part)),
    ]
}
