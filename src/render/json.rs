//! JSON for programs: the whole sheet, pretty printed, with keys always in the same order and one newline at the end.
//!
//! An amount is a string, because most readers of JSON turn numbers into floats. So is a count above 2^53, which a
//! float cannot hold. An unknown value is null.

use super::Renderer;
use crate::sheet::{Cell, Column, Sheet, State};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::io;

pub(super) const RENDERER: Renderer = Renderer {
    name: "json",
    file_extension: "json",
    summary: "the whole sheet as one object, amounts as strings",
    render,
};

/// Up to this number, a double holds every whole number exactly.
const EXACT_IN_A_DOUBLE: i128 = 1 << 53;

fn render(sheet: &Sheet, to: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *to, &Document(sheet))?;
    to.write_all(b"\n")
}

/// A sheet as a value in a larger JSON document.
#[derive(Debug)]
pub struct Document<'a>(pub &'a Sheet);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Sheet { heading, columns, rows, total } = self.0;
        self.0.check().map_err(serde::ser::Error::custom)?;
        let row = |cells| Row { columns, cells };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("report", &heading.report)?;
        map.serialize_entry("period", &heading.period)?;
        map.serialize_entry("time_zone", &heading.time_zone)?;
        map.serialize_entry("currency", heading.currency.code())?;
        map.serialize_entry("ledger_head", &heading.ledger_head)?;
        map.serialize_entry("closed", &heading.state.map(State::is_closed))?;
        if let Some(State::Closed { version, entry }) = heading.state {
            map.serialize_entry("version", &version)?;
            map.serialize_entry("closed_by_entry", &entry)?;
        }
        map.serialize_entry("caveats", &heading.caveats)?;
        map.serialize_entry("columns", &columns.iter().map(|column| &column.name).collect::<Vec<_>>())?;
        map.serialize_entry("rows", &rows.iter().map(|cells| row(cells)).collect::<Vec<_>>())?;
        map.serialize_entry("total", &total.as_ref().map(|cells| row(cells)))?;
        map.end()
    }
}

struct Row<'a> {
    columns: &'a [Column],
    cells: &'a [Cell],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.columns.iter().map(|column| &column.name).zip(self.cells.iter().map(Value)))
    }
}

struct Value<'a>(&'a Cell);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Cell::Count(count) if (-EXACT_IN_A_DOUBLE..=EXACT_IN_A_DOUBLE).contains(count) => {
                serializer.serialize_i128(*count)
            }
            Cell::Flag(flag) => serializer.serialize_bool(*flag),
            Cell::Text(_)
            | Cell::Word(_)
            | Cell::Count(_)
            | Cell::Exact(_)
            | Cell::Fixed { .. }
            | Cell::Rate(_)
            | Cell::Day(_)
            | Cell::Instant(_) => serializer.serialize_str(&self.0.plain()),
            Cell::Nothing | Cell::Unknown(_) => serializer.serialize_unit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::render::tests::{printed, sheet, texts};
    use crate::sheet::{Cell, Column};
    use std::error::Error;

    #[test]
    fn keys_and_columns_keep_their_order() -> Result<(), Box<dyn Error>> {
        let mut sheet = sheet()?;
        sheet.rows.truncate(2);
        let expected = r#"{
  "report": "chargeback",
  "period": "2026-10",
  "time_zone": "Europe/Berlin",
  "currency": "USD",
  "ledger_head": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "closed": false,
  "caveats": [
    "3 events are unpriced"
  ],
  "columns": [
    "department",
    "tokens",
    "cost",
    "cost_exact",
    "roi_percent"
  ],
  "rows": [
    {
      "department": "Finance",
      "tokens": 1234567,
      "cost": "55.77",
      "cost_exact": "55.770000000000001",
      "roi_percent": "-57.1"
    },
    {
      "department": "財務部",
      "tokens": 12,
      "cost": "0.01",
      "cost_exact": "0.005",
      "roi_percent": null
    }
  ],
  "total": {
    "department": "total",
    "tokens": 1234579,
    "cost": "55.78",
    "cost_exact": "55.775000000000001",
    "roi_percent": "0.5"
  }
}
"#;
        assert_eq!(printed("json", &sheet)?, expected);
        Ok(())
    }

    #[test]
    fn texts_are_escaped_and_large_counts_are_strings() -> Result<(), Box<dyn Error>> {
        let mut sheet = texts("a", &[])?;
        sheet.columns = vec![Column::text("a"), Column::count("b")];
        let edge = 1_i128 << 53;
        for (text, count) in [("=1,\"x\"\n", edge), ("\u{1b}[31m", edge + 1), ("-", -edge), ("", -edge - 1)] {
            sheet.rows.push(vec![Cell::text(text), Cell::Count(count)]);
        }
        let text = printed("json", &sheet)?;
        let rows = text.lines().filter(|line| line.starts_with("      ")).map(str::trim).collect::<Vec<_>>();
        let expected = [
            r#""a": "=1,\"x\"\n","#,
            r#""b": 9007199254740992"#,
            r#""a": "\u001b[31m","#,
            r#""b": "9007199254740993""#,
            r#""a": "-","#,
            r#""b": -9007199254740992"#,
            r#""a": "","#,
            r#""b": "-9007199254740993""#,
        ];
        assert_eq!(rows, expected);
        assert!(text.ends_with("\"total\": null\n}\n"));
        Ok(())
    }

    #[test]
    fn a_row_of_another_length_is_refused() -> Result<(), Box<dyn Error>> {
        let mut sheet = texts("a", &["x"])?;
        sheet.rows.push(Vec::new());
        assert!(printed("json", &sheet).is_err());
        Ok(())
    }
}
