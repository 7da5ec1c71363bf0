//! The ledger as a file: what it refuses, what `verify` finds, and copies.

mod beside;
mod cells;
mod generated;
mod indexes;
mod meanwhile;
#[cfg(unix)]
mod names;
mod sandwich;
mod spread;
pub(crate) mod tampering;

use crate::desk::{Desk, Dice, HEADER, Outcome, PRICES, Ran, fixture, text, usage};
use rusqlite::Connection;
use std::fmt::Write;
use std::path::Path;
use std::sync::OnceLock;
use tampering::tampered;
use tokenbook::books::Silent;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::{Act, Books};

/// A ledger with prices, events, rare meters, a quarantined line and a discarded one, and the files that it was made from.
/// The first test that needs it makes it; each gets a copy.
fn furnished() -> Outcome<Desk> {
    type Files = Vec<(String, Vec<u8>)>;
    static FILES: OnceLock<Result<Files, String>> = OnceLock::new();
    let make = || -> Outcome<Files> {
        let desk = furnish()?;
        let names = desk.names(".")?.into_iter();
        names.map(|name| desk.read(&name).map(|bytes| (name, bytes))).collect()
    };
    let files = FILES.get_or_init(|| make().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)?;
    let desk = Desk::empty()?;
    for (name, bytes) in files {
        desk.write(name, bytes)?;
    }
    Ok(desk)
}

fn furnish() -> Outcome<Desk> {
    // Made by the first version, then upgraded.
    let desk = Desk::empty()?;
    std::fs::copy(fixture("databases/v1-new.db"), desk.ledger())?;
    desk.run(&["upgrade"])?.ends(0)?;
    desk.write("prices.csv", PRICES)?;
    desk.write("a.csv", usage(0, 90))?;
    desk.write(
        "b.csv",
        format!(
            "{HEADER},web_searches\nx,2026-10-05T10:00:00Z,m,Legal,1,1,4\ny,bad,m,Legal,1,1,\nz,bad,m,Legal,1,1,\n"
        ),
    )?;
    desk.write(
        "aliases.csv",
        "alias,provider,model,model_provider,valid_from\nx,,m,,2026-01-01\ny,north,m,,2026-01-01\ny,north,-,,2026-02-01\n*,cloud,*,maker,2026-01-01\n",
    )?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    desk.run(&["import", "b.csv", "--quarantine"])?.ends(4)?;
    desk.run(&["quarantine", "discard", "1", "--reason", "a test"])?.ends(0)?;
    // A file with only known events.
    desk.write("part.csv", usage(80, 5))?;
    desk.run(&["import", "part.csv"])?.ends(0)?;
    desk.run(&["aliases", "import", "aliases.csv"])?.ends(0)?;
    desk.write("d.csv", "department,cost_centre,active_from\nLegal,1,2026-01-01\nEngineering,,\n")?;
    desk.run(&["departments", "import", "d.csv"])?.ends(0)?;
    desk.write(
        "r.csv",
        "rule,key,value,department,weight\na,tag.team,x,Legal,1/3\na,,,Engineering,2/3\nb,model,n,Legal,\n",
    )?;
    desk.run(&["rules", "import", "r.csv"])?.ends(0)?;
    for output in [500, 501] {
        desk.write("bucket.jsonl", bucket(output))?;
        desk.run(&["import", "bucket.jsonl"])?.ends(0)?;
    }
    desk.run(&["costs", "import", text(&fixture("costs/anthropic-costs/costs-page.json"))?])?.ends(0)?;
    // The ids so far are in their buckets. Later ones wait in runs.
    desk.run(&["rebuild"])?.ends(0)?;
    // A file with one wrong event, and a file that is wrong as a whole. One quarantined line waits for one of its
    // events, and it has a quarantined line of its own.
    desk.write(
        "few.csv",
        format!("{HEADER}\nw1,2026-10-06T10:00:00Z,m,Legal,1,1\nw2,2026-10-06T11:00:00Z,m,Legal,1,1\n"),
    )?;
    desk.write("waits.csv", format!("{HEADER}\nw4,bad,m,Legal,1,1\n"))?;
    desk.write(
        "wrong.csv",
        format!(
            "{HEADER}\nw3,2026-10-07T10:00:00Z,m,Legal,9,9\nw4,2026-10-08T10:00:00Z,m,Legal,9,9\nw5,bad,m,Legal,1,1\n"
        ),
    )?;
    desk.run(&["import", "few.csv"])?.ends(0)?;
    desk.run(&["import", "waits.csv", "--quarantine"])?.ends(4)?;
    desk.run(&["import", "wrong.csv", "--quarantine"])?.ends(4)?;
    let retract = |file: &str, more: &[&str]| {
        let entry = desk.count(&format!("SELECT entry FROM import WHERE file LIKE '%{file}'"))?.to_string();
        desk.run(&[&["imports", "retract", &entry, "--reason", "a test"], more].concat())
    };
    retract("few.csv", &["--id", "w2"])?.ends(0)?;
    retract("wrong.csv", &[])?.ends(4)?;
    let twice = text(&fixture("costs/openai-costs/costs-page.json"))?.to_owned();
    desk.run(&["costs", "import", &twice])?.ends(0)?;
    let entry = desk.count("SELECT max(entry) FROM cost_import")?.to_string();
    desk.run(&["costs", "retract", &entry, "--reason", "a test"])?.ends(0)?;
    desk.run(&["maps", "keep", "columns", text(&fixture("formats/mapped/map.toml"))?])?.ends(0)?;
    limits(&desk)?;
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(desk)
}

/// Two policies, one after the other.
fn limits(desk: &Desk) -> Outcome {
    for (from, tokens) in [("2026-10-01", 50), ("2026-11-01", 60)] {
        let budget = format!(
            "name = \"b\", per = \"year\", tokens = {tokens}, enforce = \"warn\", alert = [{{ at = \"50%\", to = [] }}, {{ at = \"80%\", to = [] }}]"
        );
        desk.write("l.toml", format!("document = \"limits/1\"\nfrom = \"{from}\"\nbudget = [{{ {budget} }}]\n"))?;
        desk.run(&["policy", "apply", "l.toml"])?.ends(0)?;
    }
    let act = Act { now: Timestamp::parse("2026-11-02T00:00:00Z")?, actor: "tester" };
    let raised = Books::open(&desk.ledger())?.check_budgets(act, &Silent)?.raised;
    assert!(raised.len() > 1, "{raised:?}");
    Ok(())
}

/// A vendor's bucket of 5 October 2026, which fills.
fn bucket(output: u32) -> String {
    let result = format!(
        r#"{{"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":{output},"num_model_requests":5,"model":"m","batch":false}}"#
    );
    format!("{{\"object\":\"bucket\",\"start_time\":1791158400,\"end_time\":1791162000,\"results\":[{result}]}}\n")
}

/// The derived tables, which can be rebuilt.
const DERIVED: [&str; 8] = [
    "usage_daily",
    "usage_daily_meter",
    "usage_monthly",
    "usage_monthly_meter",
    "day_seal",
    "seal",
    "id_bucket",
    "id_run",
];

fn tables(database: &Connection) -> Outcome<Vec<String>> {
    let mut statement = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

#[test]
fn no_fact_is_updated_deleted_or_replaced() -> Outcome {
    let desk = furnished()?;
    let database = desk.database()?;
    database.pragma_update(None, "recursive_triggers", true)?;
    for table in tables(&database)? {
        if DERIVED.contains(&table.as_str()) {
            continue;
        }
        let column: String = database.query_row(
            "SELECT name FROM pragma_table_info(?1) ORDER BY cid DESC LIMIT 1",
            [&table],
            |row| row.get(0),
        )?;
        // A table without rows has nothing to refuse.
        let rows: i64 = database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        assert!(rows > 0, "the test's ledger leaves {table} empty");
        let statements = [
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
            format!("REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"),
        ];
        for statement in statements {
            let refused = database.execute(&statement, []).err().map(|error| error.to_string());
            assert_eq!(refused, Some(format!("{table} is append-only")), "{statement}");
        }
    }
    Ok(())
}

#[test]
fn what_is_no_ledger_is_refused_and_not_touched() -> Outcome {
    let desk = Desk::new()?;
    let mut newer = desk.read("tokenbook.db")?;
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    desk.write("newer.db", newer)?;
    Connection::open(desk.path("foreign.db"))?.execute_batch("CREATE TABLE t (x)")?;
    desk.write("text.db", "event_id,timestamp,model\n".repeat(20))?;
    desk.write("short.db", "hello")?;
    desk.write("empty.db", "")?;
    std::fs::create_dir(desk.path("folder.db"))?;
    desk.write("u.csv", usage(0, 3))?;
    desk.write("prices.csv", PRICES)?;
    let cases = [
        ("newer.db", "has schema version 99, and this tokenbook knows versions up to 3"),
        ("foreign.db", "is another program's SQLite database"),
        ("text.db", "is not an SQLite database"),
        ("short.db", "is too short to be a database"),
        ("empty.db", "is too short to be a database"),
        ("folder.db", "is not a regular file"),
        ("missing.db", "no ledger exists"),
    ];
    let commands: [&[&str]; 7] = [
        &["import", "u.csv"],
        &["prices", "import", "prices.csv"],
        &["report", "chargeback", "--period", "2026-10"],
        &["verify"],
        &["rebuild"],
        &["backup", "copy.db"],
        &["upgrade"],
    ];
    for (file, says) in cases {
        let before = std::fs::read(desk.path(file)).ok();
        for command in commands {
            desk.run(&[&["--ledger", file], command].concat())?.ends(9)?.says(says)?.says("hint: ")?;
        }
        assert_eq!(std::fs::read(desk.path(file)).ok(), before, "{file}");
    }
    let names = desk.names(".")?;
    let left =
        names.iter().find(|name| name.contains("-wal") || name.contains("-shm") || name.starts_with(".tokenbook"));
    assert_eq!(left, None, "{names:?}");
    Ok(())
}

#[test]
fn init_does_not_replace_a_file() -> Outcome {
    let desk = Desk::new()?;
    let before = desk.read("tokenbook.db")?;
    desk.run(&["init"])?.ends(2)?.says("a file exists already")?;
    assert_eq!(desk.read("tokenbook.db")?, before);
    Ok(())
}

#[test]
fn a_dropped_trigger_or_an_added_view_is_seen_at_once() -> Outcome {
    for statement in ["DROP TRIGGER usage_event_refuses_update", "CREATE VIEW v AS SELECT 1", "DROP VIEW usage"] {
        let desk = Desk::new()?;
        desk.database()?.execute_batch(statement)?;
        for command in [&["verify"][..], &["report", "chargeback", "--period", "2026-10"]] {
            desk.run(command)?.ends(7)?.says("the tables differ from the schema of the ledger's version")?;
        }
    }
    Ok(())
}

#[test]
fn a_cut_chain_is_seen_by_a_head_that_was_kept() -> Outcome {
    let desk = Desk::new()?;
    desk.write("prices.csv", PRICES)?;
    desk.write("a.csv", usage(0, 9))?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    let before = desk.print(&["verify"])?;
    let kept = desk.print(&["import", "a.csv"])?;
    desk.write("before.head", before)?;
    desk.write("kept.head", kept)?;
    for head in ["before.head", "kept.head"] {
        desk.run(&["verify", "--head", head])?.ends(0)?;
    }
    let cut = "DELETE FROM usage_event; DELETE FROM usage_daily; DELETE FROM usage_monthly; DELETE FROM day_seal; DELETE FROM id_bucket; DELETE FROM id_run; DELETE FROM batch_day; DELETE FROM batch; DELETE FROM import; DELETE FROM entry WHERE seq = 3; DELETE FROM event_class; DELETE FROM tag_set; DELETE FROM model; DELETE FROM source; DELETE FROM service_tier; DELETE FROM seal WHERE what < 1";
    let copy = tampered(&desk, cut)?;
    copy.run(&["verify"])?.ends(0)?;
    copy.run(&["verify", "--head", text(&desk.path("before.head"))?])?.ends(0)?;
    copy.run(&["verify", "--head", text(&desk.path("kept.head"))?])?.ends(7)?.says("entry 3 does not have the hash")?;
    desk.write("bad.head", "hello\n")?;
    desk.run(&["verify", "--head", "bad.head"])?.ends(2)?.says("the last line has no head")?;
    Ok(())
}

#[test]
fn rebuild_makes_changed_daily_sums_right() -> Outcome {
    let desk = furnished()?;
    let sums = |desk: &Desk| {
        desk.count(
            "SELECT coalesce((SELECT sum(input + events) FROM usage_daily), 0) * 3 + (SELECT sum(input + events) FROM usage_monthly)",
        )
    };
    let (report, before) = (desk.chargeback()?, sums(&desk)?);
    for change in [
        "UPDATE usage_daily SET input = input + 1",
        "UPDATE usage_monthly SET input = input + 1",
        "DELETE FROM usage_daily; DELETE FROM usage_daily_meter",
    ] {
        let copy = tampered(&desk, change)?;
        copy.run(&["verify"])?.ends(7)?.says("(`tokenbook rebuild` computes them again)")?;
        assert_ne!(sums(&copy)?, before);
        copy.run(&["rebuild"])?.ends(0)?;
        copy.run(&["verify"])?.ends(0)?;
        assert_eq!((copy.chargeback()?, sums(&copy)?), (report.clone(), before));
    }
    Ok(())
}

/// Every row of every table, as text.
fn content(path: &Path) -> Outcome<String> {
    let database = Connection::open(path)?;
    let mut all = String::new();
    for table in tables(&database)? {
        writeln!(all, "{table}")?;
        let mut statement = database.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                write!(all, "{:?}|", row.get_ref(column)?)?;
            }
            all.push('\n');
        }
    }
    Ok(all)
}

#[test]
fn one_flipped_bit_is_found_or_changes_nothing() -> Outcome {
    let desk = furnished()?;
    let (bytes, rows, report) = (desk.read("tokenbook.db")?, content(&desk.ledger())?, desk.chargeback()?);
    let mut dice = Dice::new(20_261_123);
    let (mut found, mut harmless, mut silent) = (0, 0, Vec::new());
    for trial in 0..400 {
        let at = usize::try_from(dice.below(u64::try_from(bytes.len())?))?;
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << dice.below(8);
        let copy = Desk::empty()?;
        copy.write("tokenbook.db", flipped)?;
        let ran = copy.run(&["verify"])?;
        match ran.code {
            Some(0) => {
                harmless += 1;
                assert_eq!(copy.chargeback()?, report, "trial {trial}: byte {at}");
                let now = content(&copy.ledger())?;
                let changed = now.lines().zip(rows.lines()).find(|(now, before)| now != before);
                if now != rows {
                    silent.push(format!("trial {trial}: byte {at}: {changed:?}"));
                }
            }
            Some(7..=9) => found += 1,
            _ => return Err(format!("trial {trial}: byte {at}: {ran:?}").into()),
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
    assert!(found > 20 && harmless > 20, "{found} found, {harmless} harmless: the trials say little");
    Ok(())
}

#[test]
fn bytes_behind_the_last_page_are_found() -> Outcome {
    let desk = furnished()?;
    let mut bytes = desk.read("tokenbook.db")?;
    bytes.extend(b"junk");
    desk.write("tokenbook.db", bytes)?;
    desk.run(&["verify"])?.ends(0)?;
    desk.run(&["verify", "--deep"])?.ends(7)?.says("the file has 4 bytes behind its last page")?;
    Ok(())
}

#[test]
fn a_backup_verifies_and_replaces_nothing() -> Outcome {
    let desk = furnished()?;
    desk.run(&["backup", "copy.db"])?.ends(0)?.says("copied and verified")?;
    let hidden = |desk: &Desk| {
        Ok::<_, Box<dyn std::error::Error>>(
            desk.names(".")?.into_iter().filter(|name| name.starts_with('.')).collect::<Vec<_>>(),
        )
    };
    assert_eq!(hidden(&desk)?, Vec::<String>::new());
    desk.run(&["--ledger", "copy.db", "verify", "--deep"])?.ends(0)?;
    assert_eq!(content(&desk.path("copy.db"))?, content(&desk.ledger())?);
    let before = desk.read("copy.db")?;
    desk.run(&["backup", "copy.db"])?.ends(2)?.says("a file exists already")?;
    assert_eq!(desk.read("copy.db")?, before);
    let copy = tampered(&desk, "UPDATE usage_event SET input = input + 1")?;
    copy.run(&["backup", "copy.db"])?.ends(7)?;
    assert_eq!(hidden(&copy)?, Vec::<String>::new());
    assert!(!copy.path("copy.db").exists());
    Ok(())
}

#[test]
fn an_import_waits_for_another_writer() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 9))?;
    let database = desk.database()?;
    database.execute_batch("BEGIN IMMEDIATE")?;
    let mut command = desk.command(&["import", "u.csv"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?;
    // Reading does not block a writer. After several answers, the import has met the lock.
    for _ in 0..5 {
        desk.run(&["report", "chargeback", "--period", "2026-10"])?.ends(0)?;
    }
    assert!(child.try_wait()?.is_none(), "it did not wait");
    database.execute_batch("ROLLBACK")?;
    Ran::of(child.wait_with_output()?)?.ends(0)?.says("9 accepted")?;
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn two_imports_at_once_are_both_kept() -> Outcome {
    let desk = Desk::new()?;
    let mut children = Vec::new();
    for part in 0..4 {
        // Each file overlaps with the previous one by a half.
        desk.write(&format!("u{part}.csv"), usage(part * 1_000, 2_000))?;
        let mut command = desk.command(&["import", &format!("u{part}.csv")]);
        children.push(command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?);
    }
    for child in children {
        Ran::of(child.wait_with_output()?)?.ends(0)?;
    }
    assert_eq!(desk.events()?, 5_000);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn any_sqlite_tool_can_read_the_views() -> Outcome {
    let desk = furnished()?;
    let database = desk.database()?;
    let of = |sql: &str| database.query_row(sql, [], |row| row.get::<_, String>(0));
    assert_eq!(
        of(
            "SELECT event_id || ' ' || day || ' ' || timestamp || ' ' || department || ' ' || file || ':' || line FROM usage WHERE event_id = 'x'"
        )?,
        "x 2026-10-05 2026-10-05T10:00:00.000000000Z Legal b.csv:2"
    );
    assert_eq!(
        of("SELECT sum(events) || ' ' || sum(input_tokens) FROM usage_by_day")?,
        of("SELECT count(*) FILTER (WHERE kind = 'usage') || ' ' || sum(input_tokens) FROM usage")?
    );
    assert_eq!(
        of(
            "SELECT nanos_per_million || ' ' || currency || ' ' || valid_from FROM price_in_force WHERE meter = 'input'"
        )?,
        "2500000000 USD 2026-01-01T00:00:00Z"
    );
    Ok(())
}

#[test]
fn the_first_entry_is_the_same_for_the_same_act() -> Outcome {
    use tokenbook::books::{Act, Books};
    use tokenbook::domain::calendar::Calendar;
    use tokenbook::domain::currency::Currency;
    use tokenbook::domain::name::Name;
    use tokenbook::domain::timestamp::Timestamp;
    use tokenbook::ledger::Settings;
    let desk = Desk::empty()?;
    let settings = Settings::new(Currency::parse("EUR")?, Calendar::of_zone("Europe/Berlin")?, Name::new("contract")?);
    let act = Act { now: Timestamp::parse("2026-11-23T08:00:00Z")?, actor: "auditor" };
    let books = Books::create(&desk.ledger(), &settings, act)?;
    assert_eq!(books.head()?.to_string(), GENESIS, "the encoding of the first entry is frozen");
    Ok(())
}

/// The head of a new ledger of schema version 2, in EUR and Europe/Berlin, with that instant and actor.
const GENESIS: &str = "542789d801b826c7c240666dc7b9a40450b4b96919f9906f1a30a958bc02b7c8";
