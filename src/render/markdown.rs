//! Markdown for a wiki, a pull request or a mail: the heading as a list, a table as GitHub reads it, the caveats.
//!
//! The dialect has the tables of GitHub Flavored Markdown (<https://github.github.com/gfm/#tables-extension->), in
//! which a bar after a backslash never ends a cell. The renderer escapes everything in a text that would be markup or
//! HTML. So a name can neither break the table nor become a link in brackets.

use super::{Renderer, checked, is_unsafe, unknown_mark};
use crate::sheet::{Cell, Sheet};
use std::io;

pub(super) const RENDERER: Renderer =
    Renderer { name: "markdown", file_extension: "md", summary: "a table for a wiki or a pull request", render };

fn render(sheet: &Sheet, to: &mut dyn io::Write) -> io::Result<()> {
    checked(sheet)?;
    heading(sheet, to)?;
    line(&sheet.columns.iter().map(|column| escaped(&column.name)).collect::<Vec<_>>(), to)?;
    let alignment =
        sheet.columns.iter().map(|column| if column.kind.is_numeric() { "---:" } else { ":---" }.to_owned());
    line(&alignment.collect::<Vec<_>>(), to)?;
    for row in &sheet.rows {
        line(&row.iter().map(cell).collect::<Vec<_>>(), to)?;
    }
    if let Some(total) = &sheet.total {
        line(&total.iter().map(|total| bold(&cell(total))).collect::<Vec<_>>(), to)?;
    }
    if !sheet.heading.caveats.is_empty() {
        writeln!(to, "\nCaveats:\n")?;
    }
    for caveat in &sheet.heading.caveats {
        writeln!(to, "- {}", escaped(caveat))?;
    }
    Ok(())
}

fn heading(sheet: &Sheet, to: &mut dyn io::Write) -> io::Result<()> {
    let heading = &sheet.heading;
    writeln!(to, "- report: {}", escaped(&heading.report))?;
    let state = heading.state.map_or_else(String::new, |state| format!(" ({})", state.name()));
    writeln!(to, "- period: {}{state}", escaped(&heading.period))?;
    writeln!(to, "- time zone: {}", escaped(&heading.time_zone))?;
    writeln!(to, "- currency: {}", heading.currency)?;
    writeln!(to, "- ledger head: {}\n", escaped(&heading.ledger_head))
}

fn line(cells: &[String], to: &mut dyn io::Write) -> io::Result<()> {
    writeln!(to, "| {} |", cells.join(" | "))
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escaped(text),
        Cell::Unknown(reason) => unknown_mark(reason).to_owned(),
        _ => cell.plain(),
    }
}

fn bold(text: &str) -> String {
    // Markdown would print four stars around an empty text.
    if text.is_empty() { String::new() } else { format!("**{text}**") }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => escaped.push_str("<br>"),
            '\\' | '|' | '<' | '`' | '*' | '[' | ']' | '&' | '~' => escaped.extend(['\\', c]),
            // Between letters an underscore is plain text. At a word's edge it starts emphasis.
            '_' if !is_letter(before) || !is_letter(rest.peek().copied()) => escaped.push_str("\\_"),
            _ if is_unsafe(c) => escaped.extend(['\\'].into_iter().chain(c.escape_default())),
            _ => escaped.push(c),
        }
        before = Some(c);
    }
    escaped
}

fn is_letter(c: Option<char>) -> bool {
    c.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::escaped;
    use crate::render::tests::{printed, sheet, texts};
    use std::error::Error;

    #[test]
    fn a_table_as_github_reads_it() -> Result<(), Box<dyn Error>> {
        let expected = "\
- report: chargeback
- period: 2026-10 (open)
- time zone: Europe/Berlin
- currency: USD
- ledger head: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

| department | tokens | cost | cost_exact | roi_percent |
| :--- | ---: | ---: | ---: | ---: |
| Finance | 1234567 | 55.77 | 55.770000000000001 | -57.1 |
| 財務部 | 12 | 0.01 | 0.005 | no cost |
| Research | 0 | 0.00 | 0 | — |
| **total** | **1234579** | **55.78** | **55.775000000000001** | **0.5** |

Caveats:

- 3 events are unpriced
";
        assert_eq!(printed("markdown", &sheet()?)?, expected);
        Ok(())
    }

    #[test]
    fn a_text_is_never_markup() {
        let cases = [
            ("a|b", "a\\|b"),
            ("a\\|b", "a\\\\\\|b"),
            ("two\nlines", "two<br>lines"),
            ("<script>", "\\<script>"),
            ("[x](https://example.com)", "\\[x\\](https://example.com)"),
            ("&lt;*b*`c`~d~", "\\&lt;\\*b\\*\\`c\\`\\~d\\~"),
            ("cost_llm _it_", "cost_llm \\_it\\_"),
            ("\u{1b}[31m\r", "\\\\u{1b}\\[31m\\\\r"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn a_row_of_another_length_is_refused() -> Result<(), Box<dyn Error>> {
        let mut sheet = texts("a", &["x"])?;
        sheet.rows.push(Vec::new());
        assert!(printed("markdown", &sheet).is_err());
        Ok(())
    }
}
