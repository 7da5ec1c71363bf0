//! Turns sheets into bytes: one file for each renderer, all listed in [`RENDERERS`].
//!
//! A renderer prints a sheet and computes nothing, so the same sheet gives the same bytes everywhere. It never prints
//! an unknown value as a number. Renderers neither open files nor detect terminals; they write to the given writer.

mod csv;
pub mod json;
mod markdown;
mod table;

use crate::sheet::Sheet;
use std::io;

/// All renderers, the default first. A new one is a file and a line here; help and tests then include it.
pub const RENDERERS: &[Renderer] = &[table::RENDERER, csv::RENDERER, json::RENDERER, markdown::RENDERER];

/// A way to write a sheet.
#[derive(Debug, Clone, Copy)]
pub struct Renderer {
    /// The name for `--format`.
    pub name: &'static str,
    /// The extension of its files, without a dot.
    pub file_extension: &'static str,
    /// Its purpose, in a few words.
    pub summary: &'static str,
    /// Writes the sheet. Errors come only from the writer, or from a row whose length differs from the columns.
    pub render: fn(&Sheet, &mut dyn io::Write) -> io::Result<()>,
}

/// The renderer with a name.
pub fn named(name: &str) -> Option<&'static Renderer> {
    RENDERERS.iter().find(|renderer| renderer.name == name)
}

/// Rejects a sheet whose rows do not fit its columns, before any of it is written.
fn checked(sheet: &Sheet) -> io::Result<()> {
    sheet.check().map_err(|misfit| io::Error::new(io::ErrorKind::InvalidInput, misfit))
}

/// The text for an unknown number: the reason if a cell has room for it, otherwise a dash.
fn unknown_mark(reason: &'static str) -> &'static str {
    if reason.chars().count() <= 12 { reason } else { "—" }
}

/// Escapes control characters and characters that change the direction of text, so that a text cannot repaint a
/// terminal.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { printable.extend(c.escape_default()) } else { printable.push(c) }
    }
    printable
}

/// Whether a character would move the cursor, colour the terminal or change the direction of text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::currency::{Currency, UnknownCurrency};
    use crate::domain::meter::Unit;
    use crate::domain::money::Amount;
    use crate::sheet::{Cell, Column, Heading, State};

    /// A sheet with every kind of cell.
    pub(super) fn sheet() -> Result<Sheet, UnknownCurrency> {
        let currency = Currency::parse("USD")?;
        Ok(Sheet {
            heading: Heading {
                report: "chargeback".to_owned(),
                period: "2026-10".to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
                currency,
                ledger_head: "0123456789abcdef".repeat(4),
                state: Some(State::Open),
                caveats: vec!["3 events are unpriced".to_owned()],
            },
            columns: vec![
                Column::text("department"),
                Column::quantity("tokens", Some(Unit::Tokens)),
                Column::money("cost", Some(currency)),
                Column::money("cost_exact", Some(currency)),
                Column::percent("roi_percent"),
            ],
            rows: vec![
                row("Finance", 1_234_567, 55_77, 55_770_000_000_000_001, Cell::Fixed { value: -571, digits: 1 }),
                row("財務部", 12, 1, 5_000_000_000_000, Cell::Unknown("no cost")),
                row("Research", 0, 0, 0, Cell::Unknown("the price depends on the prompt size")),
            ],
            total: Some(row("total", 1_234_579, 55_78, 55_775_000_000_000_001, Cell::Fixed { value: 5, digits: 1 })),
        })
    }

    fn row(department: &str, tokens: i128, cents: i128, femtos: i128, percent: Cell) -> Vec<Cell> {
        let exact = Cell::Exact(Amount::from_femtos(femtos));
        vec![Cell::text(department), Cell::Count(tokens), Cell::Fixed { value: cents, digits: 2 }, exact, percent]
    }

    /// A sheet with one column of texts, without a total.
    pub(super) fn texts(header: &'static str, cells: &[&str]) -> Result<Sheet, UnknownCurrency> {
        let mut sheet = sheet()?;
        sheet.columns = vec![Column::text(header)];
        sheet.rows = cells.iter().map(|text| vec![Cell::text(*text)]).collect();
        sheet.total = None;
        Ok(sheet)
    }

    /// The output of a renderer for a sheet.
    pub(super) fn printed(name: &str, sheet: &Sheet) -> io::Result<String> {
        let renderer = named(name).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = Vec::new();
        (renderer.render)(sheet, &mut bytes)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    #[test]
    fn every_renderer_is_found_by_its_own_name() {
        for renderer in RENDERERS {
            assert_eq!(named(renderer.name).map(|found| found.summary), Some(renderer.summary));
        }
        assert!(named("pdf").is_none());
    }

    #[test]
    fn no_renderer_prints_the_unknown_as_a_number() -> Result<(), Box<dyn std::error::Error>> {
        let mut sheet = texts("a", &[])?;
        sheet.columns = vec![Column::text("a"), Column::count("b")];
        sheet.rows = vec![vec![Cell::text("x"), Cell::Unknown("no price in force")]];
        sheet.heading.ledger_head = String::new();
        sheet.heading.period = String::new();
        sheet.heading.caveats = Vec::new();
        for renderer in RENDERERS {
            let text = printed(renderer.name, &sheet)?;
            assert!(!text.contains(|c: char| c.is_ascii_digit()), "{}: {text}", renderer.name);
        }
        Ok(())
    }

    #[test]
    fn a_failing_writer_is_reported() -> Result<(), UnknownCurrency> {
        let sheet = sheet()?;
        for renderer in RENDERERS {
            let mut full: &mut [u8] = &mut [0; 8];
            assert!((renderer.render)(&sheet, &mut full).is_err(), "{}", renderer.name);
        }
        Ok(())
    }
}
