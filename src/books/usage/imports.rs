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
        let columns = vec![
            Column::number("entry"),
            Column::instant("imported_at"),
            Column::text("actor"),
            Column::text("source"),
            Column::text("file"),
            Column::text("format"),
            Column::count("lines"),
            Column::count("accepted"),
            Column::count("duplicates"),
            Column::count("quarantined"),
            Column::day("first_day"),
            Column::day("last_day"),
            Column::text("options"),
            Column::text("retracted_by"),
        ];
        Ok(Sheet { heading: heading_of(&snapshot, "imports", "all")?, columns, rows, total: None })
    }
}

impl Books {
    /// Every import of costs: when, by whom, which file, and what became of its lines.
    pub fn cost_import_list(&self) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let columns = vec![
            Column::number("entry"),
            Column::instant("imported_at"),
            Column::text("actor"),
            Column::text("source"),
            Column::text("file"),
            Column::text("format"),
            Column::count("costs"),
            Column::count("duplicates"),
            Column::text("retracted_by"),
        ];
        let cells = |made: CostImportMade| {
            vec![
                Cell::Count(i128::from(made.entry)),
                Cell::Instant(made.at),
                Cell::Text(made.actor),
                Cell::Text(made.source),
                Cell::Text(made.file),
                Cell::Text(made.format),
                Cell::Count(i128::from(made.lines)),
                Cell::Count(i128::from(made.duplicates)),
                Cell::filled(retracted_by(made.retracted, &[])),
            ]
        };
        let rows = snapshot.cost_imports_made()?.into_iter().map(cells).collect();
        Ok(Sheet { heading: heading_of(&snapshot, "cost imports", "all")?, columns, rows, total: None })
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
    let day = |number: Option<i64>| Cell::day(number.and_then(Day::from_number));
    vec![
        Cell::Count(i128::from(*entry)),
        Cell::Instant(*at),
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
        Cell::filled(options.clone()),
        Cell::filled(retracted_by(*retracted, retracted_in_part)),
    ]
}
