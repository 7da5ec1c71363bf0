//! False indexes. SQLite trusts an index, whatever the rows of its table contain. No decision may rest on a damaged or
//! forged index.

use super::furnished;
use crate::desk::{Desk, HEADER, Outcome, Ran, text};
use rayon::prelude::*;
use rusqlite::Connection;

/// An index, from the schema.
struct Index {
    name: String,
    table: String,
    columns: String,
    /// Whether it finds rows by their numbers, and several of them.
    leads_to_others: bool,
}

/// How an index is false.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// It has no row.
    Empty,
    /// It leads from each row to another one.
    Rotated,
}

fn indexes(database: &Connection) -> Outcome<Vec<Index>> {
    let mut statement = database.prepare(
        "SELECT i.name, i.tbl_name, (SELECT group_concat(c.name) FROM pragma_index_info(i.name) c), \
         (SELECT wr = 0 FROM pragma_table_list WHERE name = i.tbl_name) \
         FROM sqlite_schema i WHERE i.type = 'index' ORDER BY i.name",
    )?;
    let index = |row: &rusqlite::Row<'_>| {
        let (table, has_numbers): (String, bool) = (row.get(1)?, row.get(3)?);
        let rows: i64 = database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        Ok(Index { name: row.get(0)?, table, columns: row.get(2)?, leads_to_others: has_numbers && rows > 1 })
    };
    Ok(statement.query_map([], index)?.collect::<Result<_, _>>()?)
}

/// A copy of the ledger with a false index.
fn lying(desk: &Desk, index: &Index, lie: Lie) -> Outcome<Desk> {
    let Index { name, table, columns, .. } = index;
    let copy = Desk::empty()?;
    std::fs::copy(desk.ledger(), copy.ledger())?;
    for entry in std::fs::read_dir(desk.path("."))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "csv") {
            std::fs::copy(entry.path(), copy.path(text(entry.file_name().as_ref())?))?;
        }
    }
    let database = copy.database()?;
    let version: i64 = database.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
    database.execute_batch("PRAGMA writable_schema = ON; BEGIN")?;
    let other = match lie {
        Lie::Empty => format!("CREATE INDEX lie ON {table} ({columns}) WHERE 0"),
        Lie::Rotated => format!(
            "CREATE TABLE liars (number INTEGER PRIMARY KEY, {columns}); INSERT INTO liars \
             SELECT coalesce(lead(rowid) OVER (ORDER BY rowid), min(rowid) OVER ()), {columns} FROM {table}; \
             CREATE INDEX lie ON liars ({columns})"
        ),
    };
    database.execute_batch(&other)?;
    let page = "(SELECT rootpage FROM sqlite_schema WHERE name = 'lie')";
    database.execute(&format!("UPDATE sqlite_schema SET rootpage = {page} WHERE name = ?1"), [name])?;
    database.execute("DELETE FROM sqlite_schema WHERE name IN ('lie', 'liars')", [])?;
    database.execute_batch(&format!("PRAGMA schema_version = {}; COMMIT", version + 9))?;
    Ok(copy)
}

const READING: [&[&str]; 17] = [
    &["report", "chargeback", "--period", "2026-10", "--format", "csv"],
    &["report", "chargeback", "--period", "2026-10", "--by", "day,model,tag.team", "--format", "csv"],
    &["report", "chargeback", "--period", "2026-Q4", "--recompute", "--format", "csv"],
    &["report", "unpriced", "--period", "2026-10", "--format", "csv"],
    &["report", "provider-cost", "--period", "2026-10", "--format", "csv"],
    &["explain", "x", "--format", "json"],
    &["explain", "w2", "--format", "json"],
    &["imports", "list", "--format", "csv"],
    &["costs", "list", "--format", "csv"],
    &["quarantine", "list", "--format", "csv"],
    &["prices", "list", "--format", "csv"],
    &["aliases", "list", "--format", "csv"],
    &["rules", "list", "--format", "csv"],
    &["departments", "list", "--format", "csv"],
    &["departments", "unknown"],
    &["maps", "list", "--format", "csv"],
    &["maps", "show", "columns"],
];

/// All commands that write. `new.csv` has known and unknown names.
fn writing(desk: &Desk) -> Outcome<Vec<Vec<String>>> {
    let entry = |sql: &str| desk.count(sql).map(|entry| entry.to_string());
    let of = |file: &str| entry(&format!("SELECT entry FROM import WHERE file LIKE '%{file}'"));
    let (a, b, bucket) =
        (of("a.csv")?, of("b.csv")?, entry("SELECT max(entry) FROM import WHERE file LIKE '%bucket%'")?);
    let costs = entry("SELECT min(entry) FROM cost_import")?;
    let commands: [&[&str]; 14] = [
        &["import", "new.csv"],
        &["import", "a.csv"],
        &["import", "b.csv", "--quarantine"],
        &["import", "few.csv"],
        &["import", "wrong.csv", "--quarantine"],
        &["imports", "retract", &a, "--reason", "a test"],
        &["imports", "retract", &b, "--reason", "a test"],
        &["imports", "retract", &bucket, "--reason", "a test"],
        &["imports", "retract", &a, "--id", "req_000001", "--reason", "a test"],
        &["costs", "retract", &costs, "--reason", "a test"],
        &["prices", "import", "more.csv"],
        &["rules", "import", "other.csv", "--valid-from", "2026-10-10"],
        &["quarantine", "discard", "--all", "--reason", "a test"],
        &["rebuild"],
    ];
    Ok(commands.iter().map(|command| command.iter().map(|word| (*word).to_owned()).collect()).collect())
}

fn run(desk: &Desk, command: &[String]) -> Outcome<Ran> {
    desk.run(&command.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The output of all commands that read, each as a text.
fn read(desk: &Desk) -> Outcome<Vec<(Option<i32>, String)>> {
    // The instants of the two copies' entries differ, and so do their heads.
    let differs = |word: &&str| {
        let word = word.trim_matches('"');
        let is_instant = word.len() > 20 && word.starts_with("20") && word.ends_with('Z');
        is_instant || [12, 64].contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let timeless = |out: &str| out.split([',', ' ', '\n']).filter(|word| !differs(word)).collect::<Vec<_>>().join(" ");
    let read = |command: &&[&str]| desk.run(command).map(|ran| (ran.code, timeless(&ran.out)));
    READING.iter().map(read).collect()
}

/// The commands that were not refused and whose output changed.
fn wrong<'a>(
    found: &'a [(Option<i32>, String)],
    right: &'a [(Option<i32>, String)],
    what: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let is_wrong = |found: &(Option<i32>, String), right: &(Option<i32>, String)| {
        found != &(Some(7), String::new()) && found != right
    };
    let all = READING.iter().zip(found).zip(right).filter(move |((_, found), right)| is_wrong(found, right));
    all.map(move |((command, found), right)| format!("{what}: {command:?}: {found:?} instead of {right:?}"))
}

#[test]
fn no_index_is_believed() -> Outcome {
    let desk = furnished()?;
    desk.write(
        "new.csv",
        format!("{HEADER},tag.team\nn1,2026-10-06T10:00:00Z,m,Legal,3,4,\nn2,2026-10-06T11:00:00Z,n,New,5,6,x\n"),
    )?;
    desk.write("more.csv", "model,meter,currency,price,valid_from\nm,input,USD,7,2026-10-03T12:00:00Z\n")?;
    desk.write("other.csv", "rule,key,value,department\nc,model,n,Legal\n")?;
    let indexes = indexes(&desk.database()?)?;
    assert!(indexes.len() > 1, "the schema has {} indexes", indexes.len());
    let right = read(&desk)?;
    let mut after = Vec::new();
    for command in writing(&desk)? {
        let copy = Desk::empty()?;
        std::fs::copy(desk.ledger(), copy.ledger())?;
        for file in ["new.csv", "a.csv", "b.csv", "few.csv", "wrong.csv", "more.csv", "other.csv"] {
            std::fs::copy(desk.path(file), copy.path(file))?;
        }
        let ran = run(&copy, &command)?;
        assert!(matches!(ran.code, Some(0 | 4)), "{command:?}: {ran:?}");
        after.push((command, ran.code, read(&copy)?));
    }
    let cases: Vec<(&Index, Lie)> = indexes
        .iter()
        .flat_map(|index| [(index, Lie::Empty), (index, Lie::Rotated)])
        .filter(|(index, lie)| index.leads_to_others || matches!(lie, Lie::Empty))
        .collect();
    let check = |(index, lie): (&Index, Lie)| -> Result<Vec<String>, String> {
        let text = |error: Box<dyn std::error::Error>| error.to_string();
        let what = format!("{} of {} {lie:?}", index.name, index.table);
        let copy = lying(&desk, index, lie).map_err(text)?;
        let mut found: Vec<String> = wrong(&read(&copy).map_err(text)?, &right, &what).collect();
        let verified = copy.run(&["verify"]).map_err(text)?;
        if verified.code != Some(7) {
            found.push(format!("{what}: {verified:?}"));
        }
        for (command, code, right) in &after {
            let copy = lying(&desk, index, lie).map_err(text)?;
            let (ran, what) = (run(&copy, command).map_err(text)?, format!("{what}, then {command:?}"));
            if ran.code == *code {
                found.extend(wrong(&read(&copy).map_err(text)?, right, &what));
            } else if ran.code != Some(7) {
                found.push(format!("{what}: {ran:?}"));
            }
        }
        Ok(found)
    };
    let found: Vec<Vec<String>> = cases.into_par_iter().map(check).collect::<Result<_, _>>()?;
    let found: Vec<String> = found.into_iter().flatten().collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}
