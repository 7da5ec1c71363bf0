//! A small CSV file with a header, read whole: price lists and lists of benefits. Do not use it for usage, which may
//! not fit into memory.

use crate::text::csv_line;
use crate::text::problem::{Problem, nearest};
use std::borrow::Cow;

/// The rows of a file, with the columns found by name.
#[derive(Debug)]
pub struct Table {
    columns: Vec<&'static str>,
    rows: Vec<TableRow>,
}

/// One row: its line in the file and its fields in the file's order.
#[derive(Debug)]
pub struct TableRow {
    /// The line, from 1.
    pub line: u64,
    fields: Vec<String>,
}

impl Table {
    /// Reads a file with exactly the `required` and any of the `optional` columns, in any order.
    pub fn read(bytes: &[u8], required: &[&'static str], optional: &[&'static str]) -> Result<Self, Vec<Problem>> {
        let text = decode(bytes).map_err(|problem| vec![problem])?;
        let mut lines = (1_u64..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let Some((header_line, header)) = lines.next() else {
            return Err(vec![Problem::line("the file is empty", format!("a header with {}", required.join(",")))]);
        };
        let columns = columns(header, required, optional).map_err(|problem| vec![problem.at(header_line)])?;
        let (mut rows, mut problems) = (Vec::new(), Vec::new());
        let mut fields = Vec::new();
        for (line, text) in lines {
            match row(text, columns.len(), &mut fields) {
                Ok(fields) => rows.push(TableRow { line, fields }),
                Err(problem) => problems.push(problem.at(line)),
            }
        }
        if problems.is_empty() { Ok(Self { columns, rows }) } else { Err(problems) }
    }

    /// The rows in the order of the file.
    pub fn rows(&self) -> &[TableRow] {
        &self.rows
    }

    /// A field of a row; empty if the file lacks an optional column.
    pub fn get<'a>(&self, row: &'a TableRow, column: &str) -> &'a str {
        let at = self.columns.iter().position(|name| *name == column);
        at.and_then(|at| row.fields.get(at)).map_or("", String::as_str)
    }
}

fn row<'a>(text: &'a str, width: usize, fields: &mut Vec<Cow<'a, str>>) -> Result<Vec<String>, Problem> {
    csv_line::split(text, fields)
        .map_err(|error| Problem::line(error.to_string(), "fields as RFC 4180 writes them"))?;
    if fields.len() != width {
        return Err(Problem::line(format!("{} fields", fields.len()), format!("{width}, as the header has")));
    }
    Ok(fields.drain(..).map(Cow::into_owned).collect())
}

/// The text of a file. It must be UTF-8, may start with one byte-order mark, and has lines ended by LF or CRLF.
pub fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::line("the file is UTF-16", "UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
        Problem::line("bytes that are not UTF-8", "UTF-8 text").at(u64::try_from(line).map_or(1, |line| line + 1))
    })?;
    for (number, line) in (1_u64..).zip(text.split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(found) = line.chars().find(|c| c.is_control() && *c != '\t') {
            let what = if found == '\r' { "a carriage return inside the line" } else { "a control character" };
            return Err(Problem::line(what, "lines ended by LF or CRLF and no control characters").at(number));
        }
    }
    Ok(text)
}

fn columns(header: &str, required: &[&'static str], optional: &[&'static str]) -> Result<Vec<&'static str>, Problem> {
    let mut names = Vec::new();
    csv_line::split(header, &mut names).map_err(|error| Problem::line(error.to_string(), "a header"))?;
    delimiter(header, &names)?;
    let mut columns: Vec<&'static str> = Vec::new();
    for name in &names {
        let known = || required.iter().chain(optional).copied();
        let Some(column) = known().find(|column| column == name) else {
            let hint = nearest(name, known()).map_or_else(|| known().collect::<Vec<_>>().join(","), str::to_owned);
            return Err(Problem::field(name, "is not a column of this file", hint));
        };
        if columns.contains(&column) {
            return Err(Problem::field(column, "stands twice in the header", "each column once"));
        }
        columns.push(column);
    }
    match required.iter().find(|column| !columns.contains(column)) {
        Some(missing) => {
            Err(Problem::field(missing, "is missing from the header", format!("the columns {}", required.join(","))))
        }
        None => Ok(columns),
    }
}

/// Rejects a header that clearly uses another delimiter.
pub fn delimiter(header: &str, names: &[Cow<'_, str>]) -> Result<(), Problem> {
    let other = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")].into_iter().find(|(c, _)| header.contains(*c));
    match other {
        Some((_, word)) if names.len() == 1 => {
            Err(Problem::line(format!("the header is delimited by {word}"), "commas: save the file as comma-separated"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        match Table::read(bytes, &["a", "b"], &["c"]) {
            Ok(_) => String::new(),
            Err(problems) => problems.iter().map(|p| p.in_file("f")).collect::<Vec<_>>().join("\n"),
        }
    }

    #[test]
    fn the_header_must_be_understood() {
        assert_eq!(problem(b""), "f: the file is empty, expected a header with a,b");
        assert_eq!(
            problem(b"a;b\n"),
            "f:1: the header is delimited by semicolons, expected commas: save the file as comma-separated"
        );
        assert_eq!(problem(b"a,a\n"), "f:1: a: stands twice in the header, expected each column once");
        assert_eq!(problem(b"a\n"), "f:1: b: is missing from the header, expected the columns a,b");
        assert_eq!(problem(b"a,b,d\n"), "f:1: d: is not a column of this file, expected a,b,c");
        assert_eq!(problem(b"\xff\xfea"), "f: the file is UTF-16, expected UTF-8");
        assert_eq!(problem(b"a,b\n1,\xfc\n"), "f:2: bytes that are not UTF-8, expected UTF-8 text");
        assert_eq!(
            problem(b"a,b\n1,2\n3\n4,5,6\n"),
            "f:3: 1 fields, expected 2, as the header has\nf:4: 3 fields, expected 2, as the header has"
        );
        assert_eq!(
            problem(b"a,b\r1,2\r"),
            "f:1: a carriage return inside the line, expected lines ended by LF or CRLF and no control characters"
        );
    }

    #[test]
    fn columns_are_found_by_name() {
        let table = Table::read(b"\xef\xbb\xbfb,a\r\n2,1\r\n\r\n", &["a", "b"], &["c"]);
        let values = table.map(|t| {
            t.rows()
                .iter()
                .map(|r| format!("{}{}{}{}", r.line, t.get(r, "a"), t.get(r, "b"), t.get(r, "c")))
                .collect::<Vec<_>>()
        });
        assert_eq!(values, Ok(vec!["212".to_owned()]));
    }
}
