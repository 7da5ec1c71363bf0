//! The schema and its versions. A migration is never edited once released.

use crate::ledger::{LedgerError, Result};
use rusqlite::Connection;

/// The number in the file's header that makes it a tokenbook ledger: `TkBk`.
pub const APPLICATION_ID: u32 = 0x546B_426B;

/// A version of the schema.
struct Version {
    /// The statements that upgrade from the previous version. The first version's create it in an empty file.
    migration: &'static str,
    /// The schema as SQLite then prints it.
    golden: &'static str,
}

/// The versions, oldest first. The first has the number 1.
const VERSIONS: &[Version] = &[
    Version {
        migration: include_str!("../../../schema/0001_ledger.sql"),
        golden: include_str!("../../../schema/v1.sql"),
    },
    Version {
        migration: include_str!("../../../schema/0002_alias_provider.sql"),
        golden: include_str!("../../../schema/v2.sql"),
    },
    Version { migration: include_str!("../../../schema/0003_controls.sql"), golden: CURRENT },
];

/// The text of the newest version.
const CURRENT: &str = include_str!("../../../schema/current.sql");

/// The newest schema version this library knows.
pub fn newest() -> u32 {
    // There are only a few versions.
    u32::try_from(VERSIONS.len()).unwrap_or(u32::MAX)
}

/// The migrations after a version, oldest first.
pub(in crate::ledger) fn migrations_after(version: u32) -> impl Iterator<Item = &'static str> {
    VERSIONS.iter().skip(usize::try_from(version).unwrap_or(usize::MAX)).map(|version| version.migration)
}

fn golden(version: u32) -> &'static str {
    let place = usize::try_from(version).ok().and_then(|version| version.checked_sub(1));
    place.and_then(|place| VERSIONS.get(place)).map_or("", |version| version.golden)
}

/// The digest of the newest version's text.
pub(in crate::ledger) fn digest() -> [u8; 32] {
    *blake3::hash(CURRENT.as_bytes()).as_bytes()
}

/// The version of a file's schema.
pub(in crate::ledger) fn version(connection: &Connection) -> Result<u32> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// The CHECK conditions of a table, from the schema.
///
/// SQLite evaluates them only on connections that may write. A read-only connection does not load them.
pub(in crate::ledger) fn checks(table: &str) -> Vec<&'static str> {
    let start = format!("CREATE TABLE {table} (");
    let statement = CURRENT.split("\n\n").find(|statement| statement.starts_with(&start)).unwrap_or_default();
    let conditions = statement.split("CHECK (").skip(1);
    conditions.map(|rest| rest.get(..end_of_condition(rest)).unwrap_or(rest)).collect()
}

/// The position of the parenthesis that closes the one open before a text.
fn end_of_condition(text: &str) -> usize {
    let (mut depth, mut quoted) = (1_i64, false);
    let closes = |(_, c): &(usize, char)| {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth = depth.saturating_add(1),
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    };
    text.char_indices().find(closes).map_or(text.len(), |(at, _)| at)
}

/// Makes the tables of a new ledger.
pub(in crate::ledger) fn create(connection: &Connection) -> Result<()> {
    for migration in migrations_after(0) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "user_version", newest())?;
    Ok(())
}

const DESCRIBE: &str = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' \
    ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, name";

/// The schema of a file as text: one statement after another, tables before views before triggers, each by name.
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

/// Compares a file's schema with the text of its version.
pub(in crate::ledger) fn check(connection: &Connection, version: u32) -> Result<()> {
    let (found, golden) = (describe(connection)?, golden(version));
    if found == golden {
        return Ok(());
    }
    let missing = golden.split("\n\n").find(|statement| !statement.is_empty() && !found.contains(statement));
    let added = found.split("\n\n").find(|statement| !statement.is_empty() && !golden.contains(statement));
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
    use crate::domain::meter::Meter;

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
    fn a_fresh_ledger_has_every_meter() -> Result<()> {
        let connection = Connection::open_in_memory()?;
        create(&connection)?;
        let mut statement = connection.prepare("SELECT code, name, unit FROM meter ORDER BY code")?;
        let meters = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let meters: Vec<(u8, String, String)> = meters.collect::<rusqlite::Result<_>>()?;
        let known = Meter::ALL.map(|meter| (meter.code(), meter.name().to_owned(), meter.unit().name().to_owned()));
        assert_eq!(meters, known);
        Ok(())
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
