//! A table for a person at a terminal: heading, aligned columns, the total under a rule, and the caveats.
//!
//! Columns align by the width that terminals give a character. The renderer escapes control characters and characters
//! that change the direction of text, so a department's name cannot repaint the screen. Do not parse this format: use
//! csv or json.

use super::{Renderer, checked, printable, unknown_mark};
use crate::sheet::{Cell, Sheet};
use crate::text::problem::grouped;
use std::io;
use unicode_width::UnicodeWidthStr;

pub(super) const RENDERER: Renderer =
    Renderer { name: "table", file_extension: "txt", summary: "aligned columns for a terminal", render };

/// The number of characters of the ledger's head that are shown, for a person to compare.
const HEAD_SHOWN: usize = 12;
const GAP: &str = "  ";

fn render(sheet: &Sheet, to: &mut dyn io::Write) -> io::Result<()> {
    checked(sheet)?;
    heading(sheet, to)?;
    let header = sheet.columns.iter().map(|column| printable(&column.name)).collect::<Vec<_>>();
    let rows = sheet.rows.iter().map(|row| shown(row)).collect::<Vec<_>>();
    let total = sheet.total.as_deref().map(shown);
    let widths = widths(&header, rows.iter().chain(&total));
    let rule = widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join(GAP);

    line(sheet, &widths, &header, to)?;
    writeln!(to, "{rule}")?;
    for row in &rows {
        line(sheet, &widths, row, to)?;
    }
    if let Some(total) = &total {
        writeln!(to, "{rule}")?;
        line(sheet, &widths, total, to)?;
    }
    if !sheet.heading.caveats.is_empty() {
        writeln!(to)?;
    }
    for caveat in &sheet.heading.caveats {
        writeln!(to, "! {}", printable(caveat))?;
    }
    Ok(())
}

fn heading(sheet: &Sheet, to: &mut dyn io::Write) -> io::Result<()> {
    let heading = &sheet.heading;
    let state = heading.state.map_or_else(String::new, |state| format!(" ({})", state.name()));
    let head = heading.ledger_head.chars().take(HEAD_SHOWN).collect::<String>();
    writeln!(to, "{} {}{state}", printable(&heading.report), printable(&heading.period))?;
    writeln!(
        to,
        "currency {}, time zone {}, ledger head {}",
        heading.currency,
        printable(&heading.time_zone),
        printable(&head)
    )?;
    writeln!(to)
}

fn shown(row: &[Cell]) -> Vec<String> {
    row.iter().map(cell).collect()
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => printable(text),
        Cell::Count(count) => grouped(*count),
        Cell::Unknown(reason) => unknown_mark(reason).to_owned(),
        _ => cell.plain(),
    }
}

fn widths<'a>(header: &[String], rows: impl Iterator<Item = &'a Vec<String>>) -> Vec<usize> {
    let mut widths = header.iter().map(|name| name.width()).collect::<Vec<_>>();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    widths
}

fn line(sheet: &Sheet, widths: &[usize], cells: &[String], to: &mut dyn io::Write) -> io::Result<()> {
    let columns = sheet.columns.iter().zip(widths).zip(cells);
    let padded = columns.map(|((column, width), cell)| {
        let room = " ".repeat(width.saturating_sub(cell.width()));
        if column.kind.is_numeric() { format!("{room}{cell}") } else { format!("{cell}{room}") }
    });
    writeln!(to, "{}", padded.collect::<Vec<_>>().join(GAP).trim_end_matches(' '))
}

#[cfg(test)]
mod tests {
    use crate::domain::number::EntryId;
    use crate::render::tests::{printed, sheet, texts};
    use crate::sheet::State;
    use std::error::Error;

    #[test]
    fn columns_line_up_for_wide_characters() -> Result<(), Box<dyn Error>> {
        let expected = "\
chargeback 2026-10 (open)
currency USD, time zone Europe/Berlin, ledger head 0123456789ab

department     tokens   cost          cost_exact  roi_percent
──────────  ─────────  ─────  ──────────────────  ───────────
Finance     1,234,567  55.77  55.770000000000001        -57.1
財務部             12   0.01               0.005      no cost
Research            0   0.00                   0            —
──────────  ─────────  ─────  ──────────────────  ───────────
total       1,234,579  55.78  55.775000000000001          0.5

! 3 events are unpriced
";
        assert_eq!(printed("table", &sheet()?)?, expected);
        Ok(())
    }

    #[test]
    fn a_text_cannot_repaint_the_screen() -> Result<(), Box<dyn Error>> {
        let mut sheet = texts("tag", &["\u{1b}[2J", "two\nlines", "\u{202e}gnp.exe", "=1+1", "👩\u{200d}🚀"])?;
        sheet.heading.state = Some(State::Closed { version: 1, entry: EntryId::new(7) });
        sheet.heading.caveats = vec!["no usage from \r\u{7f}".to_owned()];
        let expected = "\
chargeback 2026-10 (closed)
currency USD, time zone Europe/Berlin, ledger head 0123456789ab

tag
───────────────
\\u{1b}[2J
two\\nlines
\\u{202e}gnp.exe
=1+1
👩\u{200d}🚀

! no usage from \\r\\u{7f}
";
        assert_eq!(printed("table", &sheet)?, expected);
        Ok(())
    }

    #[test]
    fn a_row_of_another_length_is_refused() -> Result<(), Box<dyn Error>> {
        let mut sheet = texts("a", &["x"])?;
        sheet.rows.push(Vec::new());
        assert!(printed("table", &sheet).is_err());
        Ok(())
    }
}
