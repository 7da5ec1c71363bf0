//! The schema and its versions. A migration is never edited once released.

use crate::domain::meter::Meter;
use crate::ledger::{LedgerError, Result};
use rusqlite::Connection;

/// The number in the file's header that makes it a tokenbook ledger: `TkBk`.
pub const APPLICATION_ID: u32 = 0x546B_426B;

/// The migrations, oldest first; the version of a schema is their number.
const MIGRATIONS: &[&str] = &[include_str!("../../../schema/0001_ledger.sql")];

/// What a schema of the newest version looks like, as SQLite tells it.
const CURRENT: &str = include_str!("../../../schema/current.sql");

/// The newest schema version this library knows.
pub fn newest() -> u32 {
    // A handful of migrations.
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The conditions that every row of a table must meet, as the schema has them.
///
/// SQLite evaluates them on connections that may write only: one that reads does not even load them.
pub(in crate::ledger) fn checks(table: &str) -> Vec<&'static str> {
    let start = format!("CREATE TABLE {table} (");
    let statement = CURRENT.split("\n\n").find(|statement| statement.starts_with(&start)).unwrap_or_default();
    let conditions = statement.split("CHECK (").skip(1);
    conditions.map(|rest| rest.get(..end_of_condition(rest)).unwrap_or(rest)).collect()
}

/// Where the parenthesis closes that was open before a text.
fn end_of_condition(text: &str) -> usize {
    let (mut depth, mut quoted) = (1, false);
    let closes = |(_, c): &(usize, char)| {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        depth == 0
    };
    text.char_indices().find(closes).map_or(text.len(), |(at, _)| at)
}

const INSERT_METER: &str = "INSERT INTO meter (code, name, unit) VALUES (?1, ?2, ?3)";

/// Makes the tables of a new ledger.
pub(in crate::ledger) fn create(connection: &Connection) -> Result<()> {
    for migration in MIGRATIONS {
        connection.execute_batch(migration)?;
    }
    let mut insert = connection.prepare(INSERT_METER)?;
    for meter in Meter::ALL {
        insert.execute((meter.code(), meter.name(), meter.unit().name()))?;
    }
    connection.pragma_update(None, "user_version", newest())?;
    Ok(())
}

const DESCRIBE: &str = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' \
    ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, name";

/// The schema of a file as text: one statement after the other, tables before views before triggers, by name.
pub fn describe(connection: &Connection) -> Result<String> {
    let mut statement = connection.prepare(DESCRIBE)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut text = String::new();
    for sql in rows {
        text.push_str(&sql?);
        text.push_str(";\n\n");
    }
    Ok(text)
}

/// Compares a file's schema with what its version makes.
pub(in crate::ledger) fn check(connection: &Connection) -> Result<()> {
    let found = describe(connection)?;
    if found == CURRENT {
        return Ok(());
    }
    let missing = CURRENT.split("\n\n").find(|statement| !statement.is_empty() && !found.contains(statement));
    let added = found.split("\n\n").find(|statement| !statement.is_empty() && !CURRENT.contains(statement));
    let first_line = |statement: &str| statement.lines().next().unwrap_or("").to_owned();
    let what = match (missing, added) {
        (Some(missing), _) => format!("\"{}\" is missing or changed", first_line(missing)),
        (None, Some(added)) => format!("\"{}\" was added", first_line(added)),
        (None, None) => "statements stand in another order".to_owned(),
    };
    Err(LedgerError::SchemaDiffers(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_of_a_table_are_those_of_its_statement() {
        assert_eq!(checks("tag_set"), ["json_valid(tags)"]);
        assert_eq!(
            checks("ledger"),
            ["id = 1", "length(currency) = 3", "time_zone <> ''", "tz_database <> ''", "book <> ''"]
        );
        let tables = ["price", "import", "usage_event", "rule_condition", "quarantine"];
        for table in tables {
            let statement = CURRENT.split("\n\n").find(|sql| sql.starts_with(&format!("CREATE TABLE {table} (")));
            let named = statement.map_or(0, |sql| sql.matches("CHECK").count());
            assert!(named > 0 && checks(table).len() == named, "{table}: {:?}", checks(table));
        }
    }

    #[test]
    fn a_fresh_schema_is_the_golden_one() -> Result<()> {
        let connection = Connection::open_in_memory()?;
        create(&connection)?;
        let fresh = describe(&connection)?;
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/current.sql");
            std::fs::write(&path, &fresh).map_err(|error| LedgerError::Io { path, error })?;
        }
        assert_eq!(fresh, CURRENT, "UPDATE_GOLDEN=1 writes schema/current.sql anew");
        Ok(())
    }
}
