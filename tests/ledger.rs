//! The ledger as a file: what it refuses, what `verify` finds, what a copy is.

mod desk;

use desk::{Desk, Dice, HEADER, Outcome, PRICES, Ran, fixture, text, usage};
use rusqlite::Connection;
use std::fmt::Write;
use std::path::Path;

/// A ledger with prices, events, rare meters, a quarantined line and a discarded one.
fn furnished() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("prices.csv", PRICES)?;
    desk.write("a.csv", usage(0, 90))?;
    desk.write(
        "b.csv",
        format!(
            "{HEADER},web_searches\nx,2026-10-05T10:00:00Z,m,Legal,1,1,4\ny,bad,m,Legal,1,1,\nz,bad,m,Legal,1,1,\n"
        ),
    )?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    desk.run(&["import", "b.csv", "--quarantine"])?.ends(4)?;
    desk.run(&["quarantine", "discard", "1", "--reason", "a test"])?.ends(0)?;
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
    desk.run(&["maps", "keep", "columns", text(&fixture("formats/mapped/map.toml"))?])?.ends(0)?;
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(desk)
}

/// A vendor's bucket of 5 October 2026, which fills.
fn bucket(output: u32) -> String {
    let result = format!(
        r#"{{"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":{output},"num_model_requests":5,"model":"m","batch":false}}"#
    );
    format!("{{\"object\":\"bucket\",\"start_time\":1791158400,\"end_time\":1791162000,\"results\":[{result}]}}\n")
}

/// The tables that are derived and may be made anew.
const DERIVED: [&str; 4] = ["usage_daily", "usage_daily_meter", "usage_monthly", "usage_monthly_meter"];

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
        // A rowless table has nothing to refuse.
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
        ("newer.db", "has schema version 99, and this tokenbook knows versions up to 1"),
        ("foreign.db", "is another program's SQLite database"),
        ("text.db", "is not an SQLite database"),
        ("short.db", "is too short to be a database"),
        ("empty.db", "is too short to be a database"),
        ("folder.db", "is not a regular file"),
        ("missing.db", "there is no ledger"),
    ];
    let commands: [&[&str]; 6] = [
        &["import", "u.csv"],
        &["prices", "import", "prices.csv"],
        &["report", "chargeback", "--period", "2026-10"],
        &["verify"],
        &["rebuild"],
        &["backup", "copy.db"],
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
    desk.run(&["init"])?.ends(2)?.says("exists already")?;
    assert_eq!(desk.read("tokenbook.db")?, before);
    Ok(())
}

/// Changes a copy of the ledger past its triggers, which are put back afterwards.
fn tampered(desk: &Desk, statements: &str) -> Outcome<Desk> {
    let copy = Desk::empty()?;
    std::fs::copy(desk.ledger(), copy.ledger())?;
    let database = copy.database()?;
    database.pragma_update(None, "foreign_keys", false)?;
    let mut statement = database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")?;
    let triggers: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    drop(statement);
    for (name, _) in &triggers {
        database.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    let changed = database.execute_batch(statements);
    changed.map_err(|error| format!("{statements}: {error}"))?;
    assert!(database.total_changes() > 0, "{statements} changed nothing");
    for (_, sql) in &triggers {
        database.execute_batch(sql)?;
    }
    Ok(copy)
}

#[test]
fn verify_finds_every_kind_of_tampering() -> Outcome {
    let desk = furnished()?;
    let one = "WHERE key = (SELECT min(key) FROM usage_event)";
    let cases = [
        ("a quantity", format!("UPDATE usage_event SET input = input + 1 {one}")),
        ("a quantity nobody reported", format!("UPDATE usage_event SET cache_read = 0 {one}")),
        ("a rare quantity", "UPDATE event_meter SET quantity = 5".to_owned()),
        ("a rare quantity removed", "DELETE FROM event_meter".to_owned()),
        ("an id", format!("UPDATE usage_event SET id = 'other' {one}")),
        ("an instant", format!("UPDATE usage_event SET at = at + 1 {one}")),
        ("a line", format!("UPDATE usage_event SET line = line + 1 {one}")),
        ("a model of an event", format!("INSERT INTO model VALUES (99, '', 'n'); INSERT INTO event_class SELECT 999, source, tag_set, 99, tier, kind, prompt FROM event_class WHERE id = 1; UPDATE usage_event SET class = 999 {one}")),
        ("a class of many events", "UPDATE event_class SET model = model + 1 WHERE id = 1".to_owned()),
        ("what is known of prompts", "UPDATE event_class SET prompt = 1 - prompt WHERE id = 1".to_owned()),
        ("a class that is not there", format!("UPDATE usage_event SET class = 9999 {one}")),
        ("a tag set of an event", format!("INSERT INTO tag_set VALUES (99, '{{\"department\":\"Other\"}}', 99); INSERT INTO event_class SELECT 999, source, 99, model, tier, kind, prompt FROM event_class WHERE id = 1; UPDATE usage_event SET class = 999 {one}")),
        ("a removed event", format!("DELETE FROM usage_event {one}")),
        ("an added event", format!("INSERT INTO usage_event SELECT key + 1, batch, class, input, cache_read, cache_write, cache_write_1h, output, reasoning, at, line, id || 'x' FROM usage_event {one}")),
        ("a moved event", format!("UPDATE usage_event SET key = key + (1 << 47) {one}")),
        ("a payer", "UPDATE tag_set SET payer = (SELECT max(id) FROM tag_set WHERE payer = id) WHERE id = 1".to_owned()),
        ("a monthly sum", "UPDATE usage_monthly SET output = output + 1 WHERE output = (SELECT max(output) FROM usage_monthly)".to_owned()),
        ("a monthly sum removed", "DELETE FROM usage_monthly WHERE model = 1".to_owned()),
        ("a monthly sum added", "INSERT INTO usage_monthly SELECT month + 1, posting_period, source, tag_set, model, tier, band, events, active, first_at, last_at, input, cache_read, cache_write, cache_write_1h, output, reasoning, request FROM usage_monthly LIMIT 1".to_owned()),
        ("a monthly rare sum", "UPDATE usage_monthly_meter SET quantity = quantity + 1".to_owned()),
        ("a month a sum is posted to", "UPDATE usage_monthly SET posting_period = posting_period + 1".to_owned()),
        ("a month a rare sum is posted to", "UPDATE usage_monthly_meter SET posting_period = posting_period + 1".to_owned()),
        ("a tag", "UPDATE tag_set SET tags = replace(tags, 'Legal', 'Other')".to_owned()),
        ("a model's name", "UPDATE model SET name = 'other'".to_owned()),
        ("a tier's name", "UPDATE service_tier SET name = 'batch'".to_owned()),
        ("a source's name", "UPDATE source SET name = 'other'".to_owned()),
        ("a price", "UPDATE price SET rate = rate + 1 WHERE id = 1".to_owned()),
        ("a price's start", "UPDATE price SET valid_from = valid_from + 1 WHERE id = 1".to_owned()),
        ("a price removed", "DELETE FROM price WHERE id = 2".to_owned()),
        ("a price added", "INSERT INTO price SELECT 99, entry, line, book, provider, 'n', tier, meter, prompt_above, currency, rate, valid_from FROM price WHERE id = 1".to_owned()),
        ("an import's file", "UPDATE import SET file = 'other.csv' WHERE id = 1".to_owned()),
        ("an import's counts", "UPDATE import SET blank = blank + 1, lines = lines + 1 WHERE id = 1".to_owned()),
        ("an import's digest", "UPDATE import SET digest = zeroblob(32) WHERE id = 1".to_owned()),
        ("an import's days", "UPDATE import SET first_day = first_day + 1 WHERE id = 1".to_owned()),
        ("a batch's digest", "UPDATE batch SET digest = zeroblob(32) WHERE id = 1".to_owned()),
        ("a quarantined text", "UPDATE quarantine SET kept = 'nothing' WHERE id = 2".to_owned()),
        ("a quarantined line removed", "DELETE FROM quarantine WHERE id = 2".to_owned()),
        ("a decision's reason", "UPDATE quarantine_outcome SET reason = 'because'".to_owned()),
        ("a decision removed", "DELETE FROM quarantine_outcome".to_owned()),
        ("a decision added", "INSERT INTO quarantine_outcome VALUES (2, 5, 2, 'a test')".to_owned()),
        ("an entry's time", "UPDATE entry SET at = at + 1 WHERE seq = 2".to_owned()),
        ("an entry's actor", "UPDATE entry SET actor = 'other' WHERE seq = 2".to_owned()),
        ("an entry's payload", "UPDATE entry SET payload = zeroblob(9) WHERE seq = 2".to_owned()),
        ("an entry's hash", "UPDATE entry SET hash = zeroblob(32) WHERE seq = 2".to_owned()),
        ("an entry removed", "DELETE FROM entry WHERE seq = 3".to_owned()),
        ("the currency", "UPDATE ledger SET currency = 'EUR'".to_owned()),
        ("the time zone", "UPDATE ledger SET time_zone = 'Europe/Berlin'".to_owned()),
        ("the book", "UPDATE ledger SET book = 'other'".to_owned()),
        ("a daily sum", "UPDATE usage_daily SET input = input + 1".to_owned()),
        ("a daily sum removed", "DELETE FROM usage_daily WHERE day = (SELECT min(day) FROM usage_daily)".to_owned()),
        ("a daily sum added", "INSERT INTO usage_daily SELECT day + 400, posting_period, source, tag_set, model, tier, band, events, active, first_at, last_at, input, cache_read, cache_write, cache_write_1h, output, reasoning, request FROM usage_daily LIMIT 1".to_owned()),
        ("a daily rare sum", "UPDATE usage_daily_meter SET quantity = 7".to_owned()),
        ("a daily rare sum added", "INSERT INTO usage_daily_meter SELECT day + 400, posting_period, source, tag_set, model, tier, band, meter, quantity FROM usage_daily_meter".to_owned()),
        ("a meter's name", "UPDATE meter SET name = 'inputs' WHERE code = 0".to_owned()),
        ("a meter's unit", "UPDATE meter SET unit = 'words' WHERE code = 0".to_owned()),
    ];
    let others = REVISIONS_CHANGED.into_iter().chain(COSTS_CHANGED).map(|(what, how)| (what, how.to_owned()));
    let cases: Vec<(&str, String)> = cases.into_iter().chain(others).collect();
    found_by_verify(&desk, &cases)
}

/// Every case changes a copy of the ledger, and `verify` must say so.
fn found_by_verify(desk: &Desk, cases: &[(&str, String)]) -> Outcome {
    let mut missed = Vec::new();
    for (what, statements) in cases {
        let copy = tampered(desk, statements)?;
        let ran = copy.run(&["verify"])?;
        if ran.code != Some(7) {
            missed.push(format!("{what}: {ran:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    Ok(())
}

/// Ways to change what a provider charges, and a map that is kept.
const COSTS_CHANGED: [(&str, &str); 12] = [
    ("a provider's amount", "UPDATE provider_cost SET amount = '1.2346' WHERE id = 1"),
    (
        "a provider's amount, to the digit",
        "UPDATE provider_cost SET amount = amount || '0000000000000000001' WHERE id = 1",
    ),
    ("what a cost is for", "UPDATE provider_cost SET item = 'other' WHERE id = 1"),
    ("how a cost is rounded", "UPDATE provider_cost SET rounded_to = 2 WHERE id = 1"),
    ("the span of a cost", "UPDATE provider_cost SET until_at = until_at + 1 WHERE id = 1"),
    ("a cost removed", "DELETE FROM provider_cost WHERE id = 2"),
    (
        "a cost added",
        "INSERT INTO provider_cost SELECT 99, import, line, 'k', provider, item, model, from_at, until_at, currency, amount, rounded_to FROM provider_cost WHERE id = 1",
    ),
    (
        "a cost of no import",
        "INSERT INTO provider_cost SELECT 99, 99, line, 'k', provider, item, model, from_at, until_at, currency, amount, rounded_to FROM provider_cost WHERE id = 1",
    ),
    ("a map", "UPDATE column_map SET map = map || ' '"),
    ("a map's name", "UPDATE column_map SET name = 'other'"),
    ("a map removed", "DELETE FROM column_map"),
    ("an import of costs", "UPDATE cost_import SET file = 'other.json'"),
];

/// Ways to change what a record has grown by.
const REVISIONS_CHANGED: [(&str, &str); 7] = [
    ("a link", "UPDATE event_link SET original = (SELECT min(key) FROM usage_event)"),
    ("a link removed", "DELETE FROM event_link"),
    ("a link added", "INSERT INTO event_link SELECT min(key), max(key) FROM usage_event"),
    ("a link of nothing", "INSERT INTO event_link VALUES (1, 2)"),
    (
        "a revision removed",
        "DELETE FROM usage_event WHERE key IN (SELECT key FROM event_link); DELETE FROM event_meter WHERE key IN (SELECT key FROM event_link); DELETE FROM event_link",
    ),
    (
        "a revision made usage",
        "UPDATE usage_event SET class = (SELECT u.id FROM event_class u JOIN event_class r USING (tag_set, model, source, tier, prompt) WHERE r.kind = 2 AND u.kind = 0) WHERE key IN (SELECT key FROM event_link)",
    ),
    ("usage made a correction", "UPDATE event_class SET kind = 1 WHERE kind = 0 AND id = 1"),
];

#[test]
fn verify_finds_tampering_with_rules_and_departments() -> Outcome {
    let desk = furnished()?;
    let cases = [
        ("a rule's name", "UPDATE rule SET name = 'other' WHERE id = 1".to_owned()),
        ("a rule's line", "UPDATE rule SET line = 9 WHERE id = 1".to_owned()),
        ("a rule that wins", "UPDATE rule SET precedence = 1 WHERE id = 1".to_owned()),
        ("a rule removed", "DELETE FROM rule WHERE id = 2".to_owned()),
        ("a rule of no set", "UPDATE rule SET rule_set = 9 WHERE id = 2".to_owned()),
        ("rules in another order", "UPDATE rule SET id = 3 WHERE id = 1; UPDATE rule_condition SET rule = 3 WHERE rule = 1; UPDATE rule_share SET rule = 3 WHERE rule = 1".to_owned()),
        ("a condition", "UPDATE rule_condition SET value = 'y' WHERE rule = 1".to_owned()),
        ("a condition's operator", "UPDATE rule_condition SET operator = 1 WHERE rule = 1".to_owned()),
        ("a condition's subject", "UPDATE rule_condition SET subject = 'tag.user' WHERE rule = 1".to_owned()),
        ("a condition removed", "DELETE FROM rule_condition WHERE rule = 1".to_owned()),
        ("a condition of no rule", "INSERT INTO rule_condition VALUES (9, 'model', 0, 'm')".to_owned()),
        ("a weight", "UPDATE rule_share SET part = part + 1 WHERE rule = 1".to_owned()),
        ("a payer by a rule", "UPDATE rule_share SET department = 'Other' WHERE rule = 2".to_owned()),
        ("a share added", "INSERT INTO rule_share VALUES (2, 'Other', '', '', 1)".to_owned()),
        ("a share of no rule", "INSERT INTO rule_share VALUES (9, 'Other', '', '', 1)".to_owned()),
        ("the start of rules", "UPDATE rule_set SET valid_from = valid_from + 1".to_owned()),
        ("the file of rules", "UPDATE rule_set SET file = 'other.csv'".to_owned()),
        ("a set of rules removed", "DELETE FROM rule_share; DELETE FROM rule_condition; DELETE FROM rule; DELETE FROM rule_set".to_owned()),
        ("a department", "UPDATE department SET name = 'Other' WHERE id = 1".to_owned()),
        ("a department's cost centre", "UPDATE department SET cost_centre = '2' WHERE id = 1".to_owned()),
        ("a department's days", "UPDATE department SET active_to = 20800 WHERE id = 1".to_owned()),
        ("a department removed", "DELETE FROM department WHERE id = 2".to_owned()),
        ("a department added", "INSERT INTO department SELECT 9, entry, 9, 'Other', NULL, NULL, NULL, NULL, NULL FROM department WHERE id = 1".to_owned()),
    ];
    found_by_verify(&desk, &cases)
}

#[test]
fn a_dropped_trigger_or_an_added_view_is_seen_at_once() -> Outcome {
    for statement in ["DROP TRIGGER usage_event_refuses_update", "CREATE VIEW v AS SELECT 1", "DROP VIEW usage"] {
        let desk = Desk::new()?;
        desk.database()?.execute_batch(statement)?;
        for command in [&["verify"][..], &["report", "chargeback", "--period", "2026-10"]] {
            desk.run(command)?.ends(7)?.says("the schema is not that of its version")?;
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
    let cut = "DELETE FROM usage_event; DELETE FROM usage_daily; DELETE FROM usage_monthly; DELETE FROM batch; DELETE FROM import; DELETE FROM entry WHERE seq = 3";
    let copy = tampered(&desk, cut)?;
    copy.run(&["verify"])?.ends(0)?;
    copy.run(&["verify", "--head", text(&desk.path("before.head"))?])?.ends(0)?;
    copy.run(&["verify", "--head", text(&desk.path("kept.head"))?])?
        .ends(7)?
        .says("entry 3 is not the one with hash")?;
    desk.write("bad.head", "hello\n")?;
    desk.run(&["verify", "--head", "bad.head"])?.ends(2)?.says("no head in its last line")?;
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
        copy.run(&["verify"])?.ends(7)?.says("(tokenbook rebuild makes them anew)")?;
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
    desk.run(&["backup", "copy.db"])?.ends(2)?.says("exists already")?;
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
    // Reading is not in a writer's way, and by the time it has answered often the import has met the lock.
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
        // Each overlaps with the one before by a half.
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

/// The head of a new ledger in EUR and Europe/Berlin made at that instant by that actor.
const GENESIS: &str = "087a03ec32cad2e13bc626b039b93813b7270aa56229a974abc77d17a0ba67e7";
