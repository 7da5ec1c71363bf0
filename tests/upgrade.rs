//! Upgrading ledgers of older versions. Their content stays, and a file is upgraded whole or not at all.

use crate::desk::{Desk, Outcome, fixture, text};
use rusqlite::Connection;
use std::fmt::Write;
use std::path::Path;
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::{Books, Silent};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::ledger::chain::Signed;
use tokenbook::ledger::file::schema::{describe, newest};
use tokenbook::ledger::file::watch::Watch;
use tokenbook::ledger::{Damage, Ledger, LedgerError};

/// The versions before this one, each with ledgers in `fixtures/databases`.
const OLDER: [u32; 2] = [1, 2];

/// A desk with a ledger of an older version.
fn with_older(name: &str) -> Outcome<Desk> {
    let desk = Desk::empty()?;
    std::fs::copy(fixture(&format!("databases/{name}.db")), desk.ledger())?;
    Ok(desk)
}

/// The whole content of a file: its version, its schema, and each row of each table.
fn contents(path: &Path) -> Outcome<String> {
    let database = Connection::open(path)?;
    let version: u32 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mut all = format!("version {version}\n{}", describe(&database)?);
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let tables: Vec<String> = database.prepare(names)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for table in tables {
        let mut statement = database.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<String> = (0..columns)
                .map(|place| row.get_ref(place).map(|value| format!("{value:?}")))
                .collect::<Result<_, _>>()?;
            writeln!(all, "{table}: {}", values.join(" "))?;
        }
    }
    Ok(all)
}

/// Upgrades like the command, and calls the observer before each statement.
fn upgrade(
    desk: &Desk,
    copy: &str,
    mut proceed: impl FnMut() -> Result<(), LedgerError>,
) -> Result<Option<u32>, LedgerError> {
    let now = Timestamp::parse("2026-12-01T00:00:00Z").map_err(|_| LedgerError::Changed)?;
    let verify = |path: &Path| {
        let findings = Books::read(path)?.verify(Depth::WithIntegrity, None, &Silent)?.findings;
        findings.into_iter().next().map_or(Ok(()), |finding| Err(LedgerError::Corrupt(Damage::Rows, finding)))
    };
    let signed = Signed { now, actor: "test" };
    let upgraded = Ledger::upgrade(&desk.ledger(), &desk.path(copy), signed, &Watch::default(), verify, &mut proceed)?;
    Ok(upgraded.map(|upgraded| upgraded.to))
}

#[test]
fn every_older_version_has_its_ledgers() {
    assert_eq!(OLDER.to_vec(), (1..newest()).collect::<Vec<_>>(), "add the ledgers of the version before");
}

#[test]
fn what_an_older_ledger_says_stays() -> Outcome {
    for version in OLDER {
        let desk = with_older(&format!("v{version}"))?;
        let (before, head) = (contents(&desk.ledger())?, desk.head()?);
        desk.write("u.csv", crate::desk::usage(0, 1))?;
        for arguments in [&["verify"][..], &["imports", "list"], &["import", "u.csv"], &["backup", "b.db"]] {
            desk.run(arguments)?.ends(9)?.says("`tokenbook upgrade`")?;
        }
        assert_eq!(contents(&desk.ledger())?, before, "no other command changes it");
        let ran = desk.run(&["upgrade"])?.ends(0)?;
        assert!(ran.out.contains(&format!("from schema version {version} to {}", newest())), "{ran:#?}");
        desk.run(&["verify", "--deep"])?.ends(0)?;
        for (name, arguments) in [
            ("chargeback", &["chargeback"][..]),
            ("summary", &["summary"]),
            ("unpriced", &["unpriced"]),
            ("models", &["chargeback", "--by", "model,meter"]),
        ] {
            let arguments = [&["report"], arguments, &["--period", "2026-10", "--format", "csv"]].concat();
            let expected = std::fs::read_to_string(fixture(&format!("databases/v{version}.{name}.csv")))?;
            let columns = expected.lines().next().unwrap_or_default().split(',').count();
            assert_eq!(first_columns(&desk.print(&arguments)?, columns)?, expected, "{name} of version {version}");
            let from_events = [&arguments[..], &["--recompute"]].concat();
            let from_events = first_columns(&desk.print(&from_events)?, columns)?;
            assert_eq!(from_events, expected, "{name} of version {version}, from its events");
        }
        // The copy is the old ledger, and the upgraded ledger continues its chain.
        let copy = desk.path("tokenbook.db.before-upgrade");
        assert_eq!(contents(&copy)?, before);
        let kept: i64 =
            desk.database()?.query_row("SELECT count(*) FROM entry WHERE hash = ?1", [head], |row| row.get(0))?;
        assert_eq!(kept, 1);
        desk.run(&["upgrade"])?.ends(0)?.says("has the newest schema version already")?;
    }
    Ok(())
}

/// A CSV without the columns that reports got after a version.
fn first_columns(csv: &str, columns: usize) -> Outcome<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in reader.records() {
        writer.write_record(record?.iter().take(columns))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

#[test]
fn an_upgraded_ledger_is_like_a_new_one() -> Outcome {
    let fresh = Desk::new()?;
    let schema = describe(&fresh.database()?)?;
    for version in OLDER {
        for name in [format!("v{version}"), format!("v{version}-new")] {
            let desk = with_older(&name)?;
            desk.run(&["upgrade"])?.ends(0)?;
            assert_eq!(describe(&desk.database()?)?, schema, "{name}");
            assert_eq!(desk.count("SELECT count(*) FROM meter")?, fresh.count("SELECT count(*) FROM meter")?, "{name}");
            // The upgraded ledger works like any other.
            desk.write("u.csv", crate::desk::usage(0, 10))?;
            desk.run(&["import", "u.csv"])?.ends(0)?.says("10 accepted")?;
            desk.run(&["verify", "--deep"])?.ends(0)?;
        }
    }
    Ok(())
}

#[test]
fn a_statement_that_fails_leaves_the_file_as_it_was() -> Outcome {
    let mut fails_at = 0;
    loop {
        let desk = with_older("v1")?;
        let before = contents(&desk.ledger())?;
        let mut statements = 0;
        let upgraded = upgrade(&desk, "copy.db", || {
            statements += 1;
            if statements > fails_at { Err(LedgerError::Stopped) } else { Ok(()) }
        });
        if upgraded.is_ok() {
            break;
        }
        assert!(matches!(upgraded, Err(LedgerError::Stopped)), "{upgraded:?}");
        assert_eq!(contents(&desk.ledger())?, before, "failed at statement {fails_at}");
        assert_eq!(upgrade(&desk, "again.db", || Ok(()))?, Some(newest()));
        desk.run(&["verify", "--deep"])?.ends(0)?;
        fails_at += 1;
    }
    assert!(fails_at > 5, "{fails_at} statements");
    Ok(())
}

/// When a process is killed, the disk holds what it has written. So the test copies the files before each statement.
#[test]
fn a_process_killed_at_any_statement_leaves_the_file_as_it_was() -> Outcome {
    let desk = with_older("v1")?;
    let before = contents(&desk.ledger())?;
    let mut images = Vec::new();
    let upgraded = upgrade(&desk, "copy.db", || {
        let image = tempfile::tempdir().map_err(|error| LedgerError::Io { path: desk.ledger(), error })?;
        for file in ["tokenbook.db", "tokenbook.db-wal", "tokenbook.db-journal"] {
            // If the file does not exist, the image has none.
            drop(std::fs::copy(desk.path(file), image.path().join(file)));
        }
        images.push(image);
        Ok(())
    })?;
    assert_eq!(upgraded, Some(newest()));
    assert!(images.len() > 5, "{} statements", images.len());
    for image in &images {
        assert_eq!(contents(&image.path().join("tokenbook.db"))?, before);
    }
    Ok(())
}

#[test]
fn two_upgrades_at_once_make_one() -> Outcome {
    for _ in 0..5 {
        let desk = with_older("v1")?;
        let started: Vec<_> = ["a.db", "b.db"]
            .into_iter()
            .map(|copy| {
                desk.command(&["upgrade", "--copy", copy])
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
            })
            .collect::<Result<_, _>>()?;
        let mut codes: Vec<Option<i32>> = started
            .into_iter()
            .map(|child| child.wait_with_output().map(|output| output.status.code()))
            .collect::<Result<_, _>>()?;
        codes.sort_unstable();
        assert!(codes == [Some(0), Some(0)] || codes == [Some(0), Some(8)], "{codes:?}");
        assert_eq!(desk.count("SELECT count(*) FROM migration")?, 1);
        desk.run(&["verify", "--deep"])?.ends(0)?;
        desk.run(&["upgrade"])?.ends(0)?.says("has the newest schema version already")?;
    }
    Ok(())
}

#[test]
fn what_is_no_older_ledger_is_not_touched() -> Outcome {
    let desk = Desk::new()?;
    desk.database()?.pragma_update(None, "user_version", newest() + 1)?;
    let foreign = Connection::open(desk.path("foreign.db"))?;
    foreign.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1")?;
    drop(foreign);
    desk.write(
        "text.db",
        "not a database, and longer than the hundred bytes that the header of a database has; not a database",
    )?;
    let without_version = Desk::new()?;
    without_version.database()?.pragma_update(None, "user_version", 0)?;
    for path in [desk.ledger(), desk.path("foreign.db"), desk.path("text.db"), without_version.ledger()] {
        let bytes = std::fs::read(&path)?;
        desk.run(&["--ledger", text(&path)?, "upgrade", "--copy", "copy.db"])?.ends(9)?;
        assert_eq!(std::fs::read(&path)?, bytes, "{}", path.display());
    }
    assert!(!desk.path("copy.db").exists());
    desk.run(&["--ledger", "missing.db", "upgrade"])?.ends(9)?.says("no ledger exists")?;
    Ok(())
}

#[test]
fn a_ledger_that_does_not_verify_is_not_upgraded() -> Outcome {
    for change in [
        "ALTER TABLE source ADD COLUMN more TEXT",
        "DROP TRIGGER price_refuses_update; UPDATE price SET rate = rate * 10 WHERE id = 1; \
         CREATE TRIGGER price_refuses_update BEFORE UPDATE ON price BEGIN SELECT RAISE(ABORT, 'price is append-only'); END",
        "UPDATE usage_daily SET output = output + 1",
    ] {
        let desk = with_older("v1")?;
        desk.database()?.execute_batch(change)?;
        let before = contents(&desk.ledger())?;
        desk.run(&["upgrade"])?.ends(7)?;
        assert_eq!(contents(&desk.ledger())?, before, "{change}");
        assert_eq!(desk.names(".")?, ["tokenbook.db"], "{change}");
    }
    Ok(())
}

#[test]
fn a_copy_replaces_no_file() -> Outcome {
    let desk = with_older("v1")?;
    desk.write("tokenbook.db.before-upgrade", "mine")?;
    let before = contents(&desk.ledger())?;
    desk.run(&["upgrade"])?.ends(2)?.says("exists already")?;
    assert_eq!(desk.read("tokenbook.db.before-upgrade")?, b"mine");
    assert_eq!(contents(&desk.ledger())?, before);
    Ok(())
}

/// A program has a ledger open while a newer program upgrades it. It would then read data that it does not know.
#[test]
fn a_program_that_is_too_old_by_now_stops() -> Outcome {
    let desk = Desk::new()?;
    let (reads, writes) = (
        Ledger::open(&desk.ledger(), tokenbook::ledger::file::connection::Access::Read)?,
        Books::open(&desk.ledger())?,
    );
    desk.database()?.pragma_update(None, "user_version", newest() + 1)?;
    assert!(matches!(reads.snapshot().map(drop), Err(LedgerError::Newer { .. })));
    let act = tokenbook::books::Act { now: Timestamp::parse("2026-12-01T00:00:00Z")?, actor: "test" };
    let appended = writes.import_aliases("a.csv", b"alias,model,valid_from\na,b,2026-01-01\n", act, &Silent);
    assert!(appended.is_err_and(|error| error.to_string().contains("knows versions up to")));
    Ok(())
}
