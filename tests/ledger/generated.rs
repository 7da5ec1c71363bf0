//! Generates every change of a row from the schema. `verify` must find it in any table, including future ones.
//!
//! A person who holds the file can drop triggers, switch CHECKs and foreign keys off, and restore everything. So each
//! case is made that way, on a copy. If `verify` does not find a change, the change must be listed as harmless with a
//! reason, and every report of the copy must equal the report of the ledger.

use super::furnished;
use crate::desk::{Desk, Outcome};
use rayon::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::statement::reports::{Basis, Request};
use tokenbook::books::usage::import::ImportOptions;
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::period::Period;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::report;
use tokenbook::report::by::Dimension;

/// Changes that nobody can see in any output: table and column, or the whole row.
const HARMLESS: [(&str, &str, &str); 4] = [
    ("event_class", "insert", "a class that no event is of"),
    ("event_class", "delete", "a class that no event is of: made for an event that was refused"),
    ("id_run", "id", "the order of lists that wait says nothing"),
    ("id_run", "exchange", "the order of lists that wait says nothing"),
];

/// A column of a table, from the schema.
struct Column {
    name: String,
    is_key: bool,
    /// The values of the rows that it refers to.
    refers_to: Vec<Value>,
}

/// A change, with its description.
pub(super) struct Case {
    pub(super) table: String,
    /// `insert`, `delete`, or the changed column.
    what: String,
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    /// The statement that undoes the change. No statement undoes the removal of all rows.
    pub(super) undo: Option<(String, Vec<Value>)>,
    /// Whether the test appends to the ledger after the change.
    is_gone_on_from: bool,
}

fn columns(database: &Connection, table: &str) -> Outcome<Vec<Column>> {
    let mut references: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
    let mut statement = database.prepare("SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list(?1)")?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        references.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
    }
    let mut statement = database.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let found: Vec<(String, i64)> =
        statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut columns = Vec::new();
    for (name, key) in found {
        let refers_to = match references.get(&name) {
            Some((table, column)) => {
                let column = column.as_deref().unwrap_or("rowid");
                let mut statement = database.prepare(&format!("SELECT {column} FROM {table}"))?;
                statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        columns.push(Column { name, is_key: key > 0, refers_to });
    }
    Ok(columns)
}

fn rows(database: &Connection, table: &str, width: usize) -> Outcome<Vec<Vec<Value>>> {
    let mut statement = database.prepare(&format!("SELECT * FROM {table}"))?;
    let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect())?;
    let rows: Vec<Vec<Value>> = rows.collect::<Result<_, _>>()?;
    // Few of many: the first, the last, and some between, each once.
    let (step, last) = (rows.len() / 3 + 1, rows.len().saturating_sub(1));
    let is_chosen = |place: usize| place.is_multiple_of(step) || place == last;
    Ok(rows.into_iter().enumerate().filter(|(place, _)| is_chosen(*place)).map(|(_, row)| row).collect())
}

/// How many kinds of values a cell is changed to, beside all rows that it may refer to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variety {
    /// Every kind: more, less, far off, nothing.
    Every,
    /// One. What finds a value in a column does not depend on the row, and another row has had every kind.
    One,
}

/// Other values for a column.
fn others(value: &Value, column: &Column, variety: Variety) -> Vec<Value> {
    let mut others: Vec<Value> = match value {
        Value::Integer(number) => {
            [number.checked_add(1), number.checked_sub(1), Some(-5_000), Some(0), number.checked_add(1 << 47)]
                .into_iter()
                .flatten()
                .map(Value::Integer)
                .chain([Value::Null])
                .collect()
        }
        Value::Text(text) => vec![
            Value::Text(format!("{text}x")),
            Value::Text(format!("{text} ")),
            Value::Text(text.to_uppercase()),
            Value::Text(String::new()),
            Value::Null,
        ],
        Value::Blob(bytes) => {
            let mut flipped = bytes.clone();
            flipped.iter_mut().take(1).for_each(|byte| *byte ^= 1);
            vec![Value::Blob(flipped), Value::Blob(vec![0; bytes.len()]), Value::Blob(Vec::new())]
        }
        Value::Null => vec![Value::Integer(0), Value::Integer(7), Value::Text("x".to_owned())],
        Value::Real(_) => Vec::new(),
    };
    others.retain(|other| other != value);
    if variety == Variety::One {
        others.truncate(1);
    }
    others.extend(column.refers_to.iter().cloned());
    others.extend([Value::Integer(99)].into_iter().filter(|_| !column.refers_to.is_empty()));
    others.retain(|other| other != value);
    others
}

/// Changes that keep every total: two rows exchange the values of a column, or one row gives a part of its value to the
/// other.
fn exchanges(table: &str, columns: &[Column], rows: &[Vec<Value>]) -> Vec<Case> {
    let (width, mut cases) = (columns.len(), Vec::new());
    let is = |from: usize| {
        let each =
            columns.iter().enumerate().map(|(place, column)| format!("{} IS ?{}", column.name, from + place + 1));
        format!("({})", each.collect::<Vec<_>>().join(" AND "))
    };
    let (one, other) = (is(0), is(width));
    let pairs = rows.iter().zip(rows.iter().skip(1).chain(rows.first())).filter(|(a, b)| a != b);
    for (a, b) in pairs {
        let mut values = a.clone();
        values.extend(b.iter().cloned());
        for (place, Column { name, .. }) in columns.iter().enumerate().filter(|(place, _)| a[*place] != b[*place]) {
            let exchange = format!(
                "UPDATE {table} SET {name} = iif({one}, ?{}, ?{}) WHERE {one} OR {other}",
                width + place + 1,
                place + 1
            );
            let (mut a_after, mut b_after) = (a.clone(), b.clone());
            (a_after[place], b_after[place]) = (b[place].clone(), a[place].clone());
            let undo = (exchange.clone(), [a_after, b_after].concat());
            let mut sets = vec![(exchange, undo)];
            if let (Value::Integer(of_a), Value::Integer(of_b)) = (&a[place], &b[place]) {
                let moved = format!("UPDATE {table} SET {name} = {name} + iif({one}, 1, -1) WHERE {one} OR {other}");
                let (mut a_after, mut b_after) = (a.clone(), b.clone());
                a_after[place] = Value::Integer(of_a.wrapping_add(1));
                b_after[place] = Value::Integer(of_b.wrapping_sub(1));
                let undo = (moved.clone(), [b_after, a_after].concat());
                sets.push((moved, undo));
            }
            cases.extend(sets.into_iter().map(|(sql, undo)| Case {
                table: table.to_owned(),
                what: "exchange".to_owned(),
                sql,
                values: values.clone(),
                undo: Some(undo),
                is_gone_on_from: false,
            }));
        }
    }
    cases
}

/// All changes to a table. Some of its rows are removed, added under other keys, entries and parents, and changed in
/// each column, alone or with another row.
pub(super) fn cases(database: &Connection, table: &str) -> Outcome<Vec<Case>> {
    let columns = columns(database, table)?;
    let rows = rows(database, table, columns.len())?;
    assert!(!rows.is_empty(), "the test's ledger leaves {table} empty");
    let by_row = columns.iter().enumerate().map(|(place, column)| format!("{} IS ?{}", column.name, place + 1));
    let by_row = by_row.collect::<Vec<_>>().join(" AND ");
    let places = (1..=columns.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
    let case = |what: &str, sql: String, values: Vec<Value>, undo: Option<(String, Vec<Value>)>| Case {
        table: table.to_owned(),
        what: what.to_owned(),
        sql,
        values,
        undo,
        is_gone_on_from: false,
    };
    let mut cases = vec![case("delete", format!("DELETE FROM {table}"), Vec::new(), None)];
    cases.extend(exchanges(table, &columns, &rows));
    for (number, row) in rows.into_iter().enumerate() {
        let variety = if number == 0 { Variety::Every } else { Variety::One };
        let insert = format!("INSERT INTO {table} VALUES ({places})");
        let delete = format!("DELETE FROM {table} WHERE {by_row}");
        cases.push(case("delete", delete.clone(), row.clone(), Some((insert.clone(), row.clone()))));
        for (place, column) in columns.iter().enumerate() {
            for other in others(&row[place], column, variety) {
                let mut values = row.clone();
                values.push(other.clone());
                let set = format!("UPDATE {table} SET {} = ?{} WHERE {by_row}", column.name, values.len());
                let mut copy = row.clone();
                copy[place] = other;
                let undo = (set.clone(), [copy.as_slice(), &row[place..=place]].concat());
                cases.push(case(&column.name, set, values, Some(undo)));
                let inserted = |copy: &Vec<Value>| {
                    case("insert", insert.clone(), copy.clone(), Some((delete.clone(), copy.clone())))
                };
                cases.push(inserted(&copy));
                // Also with another key, so that a taken key does not protect the ledger.
                for (key, value) in columns.iter().zip(copy.iter_mut()).filter(|(column, _)| column.is_key) {
                    if key.name != column.name
                        && let Value::Integer(number) = value
                    {
                        *number += 1_000;
                    }
                }
                cases.push(inserted(&copy));
            }
        }
    }
    Ok(cases)
}

/// The ledger's file with one change; `None` if SQLite refuses it.
fn changed(original: &[u8], case: &Case, folder: &Path) -> Outcome<Option<std::path::PathBuf>> {
    let path = folder.join("copy.db");
    for name in ["copy.db", "copy.db-wal", "copy.db-shm"] {
        drop(std::fs::remove_file(folder.join(name)));
    }
    std::fs::write(&path, original)?;
    Ok(change(&path, &case.table, (&case.sql, &case.values))?.then_some(path))
}

/// Changes a table of a ledger, bypassing its triggers and checks. Returns whether any row changed.
pub(super) fn change(path: &Path, table: &str, (sql, values): (&str, &[Value])) -> Outcome<bool> {
    let database = Connection::open(path)?;
    database.execute_batch(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; BEGIN",
    )?;
    let mut statement =
        database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1")?;
    let triggers: Vec<(String, String)> =
        statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    drop(statement);
    for (name, _) in &triggers {
        database.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    let changed = database.execute(sql, rusqlite::params_from_iter(values));
    for (_, sql) in &triggers {
        database.execute_batch(sql)?;
    }
    database.execute_batch("COMMIT")?;
    Ok(matches!(changed, Ok(rows) if rows > 0))
}

/// The result of a change: found by `verify`, refused by SQLite, or missed.
enum Became {
    Found,
    Refused,
    Missed,
}

/// The reports that the change must not affect, by the ways of reading usage: months, days, events, part of a month.
const REPORTS: [(&str, &str, &[&str], Basis); 7] = [
    ("chargeback", "2026-10", &["department", "model"], Basis::Sums),
    ("chargeback", "2026-10", &["tag.team", "provider"], Basis::Sums),
    ("chargeback", "2026-10", &["department", "meter"], Basis::Events),
    ("chargeback", "2026-10-03..2026-10-07", &["cost_centre"], Basis::Sums),
    ("summary", "2026-11", &["department"], Basis::Sums),
    ("unpriced", "2026-10", &["department"], Basis::Sums),
    ("summary", "2026-Q4", &["department"], Basis::Events),
];

/// The rows of every report; `None` for a report that is refused.
pub(super) fn reports(path: &Path) -> Outcome<Vec<Option<String>>> {
    let books = Books::read(path)?;
    (0..=REPORTS.len()).map(|place| report(&books, place)).collect()
}

/// The rows of the report at a place of [`REPORTS`], or of the comparison with what providers charge, which comes last.
fn report(books: &Books, place: usize) -> Outcome<Option<String>> {
    let sheet = if let Some((name, period, by, basis)) = REPORTS.get(place) {
        let report = report::named(name)?;
        let by = Dimension::list(&by.join(","))?.into_iter().filter(|dimension| report.by.allows(dimension)).collect();
        let request = Request { by, basis: *basis, ..Request::of(Period::parse(period)?) };
        books.report(name, &request).ok()
    } else {
        books.report("provider-cost", &Request::of(Period::parse("2026-10")?)).ok()
    };
    Ok(sheet.map(|sheet| format!("{:?} {:?}", sheet.columns, sheet.rows)))
}

/// A report that a changed ledger prints and none of the possible ledgers prints.
pub(super) fn billed(path: &Path, known: &[Vec<Option<String>>]) -> Outcome<Option<String>> {
    billed_by(path, known, |_| true)
}

/// What one of the reports at some places prints, and prints of none of the ledgers that may be.
fn billed_by(path: &Path, known: &[Vec<Option<String>>], is_tried: impl Fn(usize) -> bool) -> Outcome<Option<String>> {
    // A ledger that cannot be opened bills nothing.
    let Ok(books) = Books::read(path) else { return Ok(None) };
    for place in (0..=REPORTS.len()).filter(|place| is_tried(*place)) {
        let is_known = |rows: &String| known.iter().any(|known| known[place].as_ref() == Some(rows));
        if let Some(rows) = report(&books, place)?.filter(|rows| !is_known(rows)) {
            return Ok(Some(rows));
        }
    }
    Ok(None)
}

/// Appends to a ledger, as its owner would: usage of the same month, and a price with a new threshold.
fn go_on(path: &Path, [usage_too, prices_too]: [bool; 2]) -> Outcome {
    let books = Books::open(path)?;
    let act = Act { now: Timestamp::parse("2026-12-01T00:00:00Z")?, actor: "tester" };
    let file = path.with_file_name("later.csv");
    std::fs::write(&file, format!("{}\nnew-1,2026-10-09T12:00:00Z,m,Legal,100,100\n", super::HEADER))?;
    let prices = "model,meter,currency,price,valid_from,prompt_above\nm,input,USD,5,2026-01-01,1000\n";
    // Each append may be refused. Only what is billed afterwards matters.
    if usage_too {
        drop(books.import(&Input::File(file), &ImportOptions::plain(), act, &Silent));
    }
    if prices_too {
        drop(books.import_prices("later-prices.csv", prices.as_bytes(), None, Jumps::Confirmed, act, &Silent));
    }
    Ok(())
}

/// Every other report is tried after a change, in turn: so each column meets each report, with several values.
fn became(original: &[u8], number: usize, case: &Case, known: &[Vec<Option<String>>]) -> Outcome<Became> {
    let folder = tempfile::tempdir()?;
    let Some(path) = changed(original, case, folder.path())? else { return Ok(Became::Refused) };
    if let Some(billed) = billed_by(&path, &known[..1], |place| place % 2 == number % 2)? {
        return Err(format!("{:?} is billed: {billed}", case.values).into());
    }
    let verified = Books::read(&path).and_then(|books| books.verify(Depth::Full, None, &Silent));
    let missed = verified.is_ok_and(|verified| verified.findings.is_empty());
    // A later append must not make a change look as if an entry had recorded it. One case of a few is enough.
    if case.is_gone_on_from
        && go_on(&path, [true, true]).is_ok()
        && let Some(billed) = billed(&path, known)?
    {
        return Err(format!("{:?} is billed after more was appended: {billed}", case.values).into());
    }
    Ok(if missed { Became::Missed } else { Became::Found })
}

#[test]
fn verify_finds_every_change_to_every_table() -> Outcome {
    let desk = furnished()?;
    desk.database()?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let (database, original) = (desk.database()?, desk.read("tokenbook.db")?);
    let mut all = Vec::new();
    for table in super::tables(&database)? {
        all.extend(cases(&database, &table)?);
    }
    all.iter_mut().step_by(5).for_each(|case| case.is_gone_on_from = true);
    let before = reports(&desk.ledger())?;
    assert!(before.iter().all(Option::is_some), "{before:?}");
    let mut known = vec![before];
    for what in [[true, false], [false, true], [true, true]] {
        let went_on = Desk::empty()?;
        went_on.write("tokenbook.db", &original)?;
        go_on(&went_on.ledger(), what)?;
        let later = reports(&went_on.ledger())?;
        assert!(later.iter().all(Option::is_some) && !known.contains(&later), "{later:?}");
        known.push(later);
    }
    let became = |(number, case): (usize, &Case)| {
        became(&original, number, case, &known).map_err(|error| format!("{}: {error}", case.sql))
    };
    let results: Vec<Became> = all.par_iter().enumerate().map(became).collect::<Result<_, String>>()?;
    let (mut missed, mut found) = (BTreeMap::new(), BTreeMap::new());
    for (case, became) in all.iter().zip(&results) {
        match became {
            Became::Found => *found.entry(case.table.as_str()).or_insert(0) += 1,
            Became::Missed => missed.entry((case.table.as_str(), case.what.as_str())).or_insert(Vec::new()).push(case),
            Became::Refused => {}
        }
    }
    for table in super::tables(&database)? {
        assert!(found.get(table.as_str()).is_some_and(|found| *found > 5), "{table}: {found:?}");
    }
    let report = desk.chargeback()?;
    let mut silent = Vec::new();
    for ((table, what), cases) in &missed {
        if !HARMLESS.iter().any(|(of, how, _)| (of, how) == (table, what)) {
            let case = cases[0];
            silent.push(format!("{table} {what} ({} times): {} {:?}", cases.len(), case.sql, case.values));
            continue;
        }
        for case in cases.iter().step_by(cases.len() / 3 + 1) {
            let copy = Desk::empty()?;
            let folder = tempfile::tempdir()?;
            let path = changed(&original, case, folder.path())?.ok_or("it was refused")?;
            std::fs::copy(path, copy.ledger())?;
            assert_eq!(copy.chargeback()?, report, "{}", case.sql);
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
    assert!(found.values().sum::<i32>() > 1_500, "{found:?} of {}: the trials say little", all.len());
    Ok(())
}
