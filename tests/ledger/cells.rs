//! Cells that hold anything: whatever stands in a column of any table, no command panics, and none sends a control character
//! to a terminal.
//!
//! The columns come from the schema, so a table that comes later is tried too. Whether a change is found is the subject of
//! `generated.rs`.

use super::{furnished, generated, tables};
use crate::desk::{Desk, Outcome};
use rayon::prelude::*;
use rusqlite::types::Value;

/// Commands that read, and some that append.
const COMMANDS: [&[&str]; 24] = [
    &["report", "chargeback", "--period", "2026-10"],
    &["report", "chargeback", "--period", "2026-Q4", "--recompute", "--by", "day,model,tag.team", "--format", "csv"],
    &["report", "summary", "--period", "2026-10", "--format", "markdown"],
    &["report", "unpriced", "--period", "2026-10", "--format", "json"],
    &["report", "provider-cost", "--period", "2026-10"],
    &["explain", "x"],
    &["explain", "w2", "--format", "json"],
    &["imports", "list"],
    &["costs", "list"],
    &["quarantine", "list"],
    &["prices", "list"],
    &["prices", "check", "--period", "2026-10"],
    &["aliases", "list"],
    &["rules", "list", "--history"],
    &["departments", "list"],
    &["departments", "unknown"],
    &["maps", "list"],
    &["maps", "show", "columns"],
    &["import", "a.csv"],
    &["import", "part.csv", "--source", "other"],
    &["rules", "import", "r.csv", "--valid-from", "2026-11-01"],
    &["prices", "import", "prices.csv", "--book", "other"],
    &["rebuild"],
    &["backup", "copy.db"],
];
/// So many of them are tried after each change, in turn, and `verify` after every one.
const A_CHANGE: usize = 2;
/// What stands in a terminal's text for another command: clear the screen, end a line, write from right to left.
const TEXT: &str = "\u{1b}[2J\r\u{7}\u{9b}\u{202e}x";

fn hostile(kind: &str) -> Vec<Value> {
    match kind {
        "INTEGER" => [i64::MAX, i64::MIN].map(Value::Integer).into(),
        "TEXT" => [TEXT, "9".repeat(5_000).as_str()].map(|text| Value::Text(text.to_owned())).into(),
        _ => vec![Value::Blob(b"\x1b[2J".repeat(8)), Value::Blob(vec![0xff; 70_000])],
    }
}

/// A table with all of its columns: each name with its type.
fn columns(desk: &Desk, table: &str) -> Outcome<Vec<(String, String)>> {
    let database = desk.database()?;
    let mut statement = database.prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid")?;
    let columns = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(columns.collect::<Result<_, _>>()?)
}

/// What is wrong with how commands take a change, and whether there was one.
fn tried(desk: &Desk, number: usize, (table, column, value): &(String, String, Value)) -> Outcome<Option<Vec<String>>> {
    let copy = Desk::empty()?;
    for name in ["tokenbook.db", "a.csv", "part.csv", "r.csv", "prices.csv"] {
        copy.write(name, desk.read(name)?)?;
    }
    // A key that must be unique is given to one row, anything else to all.
    let change = format!("UPDATE OR IGNORE {table} SET {column} = ?1");
    if !generated::change(&copy.ledger(), table, (&change, std::slice::from_ref(value)))? {
        return Ok(None);
    }
    let mut wrong = Vec::new();
    let chosen = (0..A_CHANGE).map(|place| COMMANDS[(number * A_CHANGE + place) % COMMANDS.len()]);
    for command in [&["verify"][..]].into_iter().chain(chosen) {
        let output = copy.command(command).output()?;
        let said = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&said);
        let is_raw = text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}');
        if is_raw || !matches!(output.status.code(), Some(0 | 2..=9)) || text.contains("panicked") {
            wrong.push(format!("{change} {value:?}, then {command:?}: {}: {text:?}", output.status));
        }
    }
    Ok(Some(wrong))
}

#[test]
fn no_cell_makes_a_command_panic_or_print_a_control_character() -> Outcome {
    let desk = furnished()?;
    let mut changes = Vec::new();
    for table in tables(&desk.database()?)? {
        for (column, kind) in columns(&desk, &table)? {
            changes.extend(hostile(&kind).into_iter().map(|value| (table.clone(), column.clone(), value)));
        }
    }
    let results: Vec<Option<Vec<String>>> = changes
        .par_iter()
        .enumerate()
        .map(|(number, change)| tried(&desk, number, change).map_err(|error| format!("{change:?}: {error}")))
        .collect::<Result<_, String>>()?;
    let made = results.iter().flatten().count();
    assert!(made * 10 > changes.len() * 9, "{made} of {} changes were made", changes.len());
    let wrong: Vec<String> = results.into_iter().flatten().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
