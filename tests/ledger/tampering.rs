//! Every kind of change to every table, made past the triggers. `verify` must find it.

use super::furnished;
use crate::desk::{Desk, Outcome};

/// Changes a copy of the ledger past its triggers, and restores these afterwards.
pub(crate) fn tampered(desk: &Desk, statements: &str) -> Outcome<Desk> {
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

/// Changes to aliases, with their statements.
const ALIASES_CHANGED: [(&str, &str); 8] = [
    ("an alias", "UPDATE model_alias SET alias = 'z' WHERE id = 1"),
    ("an alias's model", "UPDATE model_alias SET model = 'n' WHERE id = 1"),
    ("an alias's start", "UPDATE model_alias SET valid_from = valid_from + 1 WHERE id = 1"),
    ("an alias's provider", "UPDATE model_alias SET provider = '' WHERE id = 2"),
    ("an alias's end removed", "DELETE FROM model_alias WHERE id = 3"),
    (
        "an alias added",
        "INSERT INTO model_alias SELECT 99, entry, 2, '', 'n', 'm', NULL, max(valid_from) FROM model_alias",
    ),
    (
        "an alias of a price's entry",
        "INSERT INTO model_alias SELECT 99, 2, 2, '', 'n', 'm', NULL, max(valid_from) FROM model_alias",
    ),
    (
        "an alias of no entry",
        "INSERT INTO model_alias SELECT 99, 77, 2, '', 'n', 'm', NULL, max(valid_from) FROM model_alias",
    ),
];

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
        ("a model of an event", format!("INSERT INTO model VALUES (99, '', 'n'); INSERT INTO event_class SELECT 999, source, tag_set, 99, tier, kind, prompt, outcome FROM event_class WHERE id = 1; UPDATE usage_event SET class = 999 {one}")),
        ("a class of many events", "UPDATE event_class SET model = model + 1 WHERE id = 1".to_owned()),
        ("what is known of prompts", "UPDATE event_class SET prompt = 1 - prompt WHERE id = 1".to_owned()),
        ("how calls ended", "UPDATE event_class SET outcome = 2 WHERE id = 1".to_owned()),
        ("a class that is not there", format!("UPDATE usage_event SET class = 9999 {one}")),
        ("a tag set of an event", format!("INSERT INTO tag_set VALUES (99, '{{\"department\":\"Other\"}}', 99); INSERT INTO event_class SELECT 999, source, 99, model, tier, kind, prompt, outcome FROM event_class WHERE id = 1; UPDATE usage_event SET class = 999 {one}")),
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

/// Each case changes a copy of the ledger, and `verify` must report it.
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

/// Changes to what a provider charges, and to a stored map.
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
        "INSERT INTO provider_cost SELECT 99, import, line, 'k', provider, item, model, from_at, until_at, currency, amount, rounded_to, quantity, unit FROM provider_cost WHERE id = 1",
    ),
    (
        "a cost of no import",
        "INSERT INTO provider_cost SELECT 99, 99, line, 'k', provider, item, model, from_at, until_at, currency, amount, rounded_to, quantity, unit FROM provider_cost WHERE id = 1",
    ),
    ("a map", "UPDATE column_map SET map = map || ' '"),
    ("a map's name", "UPDATE column_map SET name = 'other'"),
    ("a map removed", "DELETE FROM column_map"),
    ("an import of costs", "UPDATE cost_import SET file = 'other.json'"),
];

/// Changes to what a record has grown by.
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
        "UPDATE usage_event SET class = (SELECT u.id FROM event_class u JOIN event_class r USING (tag_set, model, source, tier, prompt) WHERE r.kind = 1 AND u.kind = 0) WHERE key IN (SELECT key FROM event_link)",
    ),
    ("usage made a revision", "UPDATE event_class SET kind = 1 WHERE kind = 0 AND id = 1"),
];

#[test]
fn verify_finds_tampering_with_aliases() -> Outcome {
    found_by_verify(&furnished()?, &ALIASES_CHANGED.map(|(what, statement)| (what, statement.to_owned())))
}

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
fn a_month_end_proves_what_it_bills() -> Outcome {
    let desk = furnished()?;
    let month_end: &[&str] = &["month-end", "2026-10", "--usage", "a.csv", "--prices", "prices.csv", "--out", "out"];
    let inputs =
        |desk: &Desk| desk.write("a.csv", super::usage(0, 90)).and_then(|_| desk.write("prices.csv", super::PRICES));
    // The ledger has open quarantined lines, so it is incomplete, and the report shows that.
    inputs(&desk)?;
    desk.run(month_end)?.ends(4)?;
    let october = "(SELECT max(key) FROM usage_event)";
    let changes = [
        format!("UPDATE usage_event SET output = output + 1 WHERE key = {october}"),
        format!("UPDATE usage_event SET line = line + 1 WHERE key = {october}"),
        "UPDATE event_meter SET quantity = quantity + 1".to_owned(),
        "UPDATE usage_daily SET output = output * 10".to_owned(),
        "UPDATE price SET rate = rate * 10 WHERE id = 1".to_owned(),
        "UPDATE tag_set SET tags = replace(tags, 'Legal', 'Other')".to_owned(),
        "UPDATE import SET file = 'other.csv' WHERE id = 1".to_owned(),
        "UPDATE quarantine SET kept = 'nothing' WHERE id = 2".to_owned(),
    ];
    for change in changes {
        let copy = tampered(&desk, &change)?;
        inputs(&copy)?;
        let ran = copy.run(month_end)?;
        // An import may first find a repeated id as a conflict.
        assert!(matches!(ran.code, Some(7 | 5)), "{change}: {ran:?}");
        assert!(!copy.path("out").exists(), "{change}");
    }
    Ok(())
}

#[test]
fn a_month_end_proves_the_month_it_is_compared_with() -> Outcome {
    let desk = furnished()?;
    let month_end: &[&str] = &["month-end", "2026-11", "--usage", "n.csv", "--prices", "prices.csv", "--out", "out"];
    let inputs = |desk: &Desk| {
        desk.write("prices.csv", super::PRICES)?;
        desk.write("n.csv", format!("{}\nn1,2026-11-05T10:00:00Z,m,Legal,1,1\n", super::HEADER))
    };
    inputs(&desk)?;
    desk.run(month_end)?.ends(4)?;
    // The sum of the days stays, so no seal of October differs.
    let ends = "SELECT min(day) FROM usage_daily UNION SELECT max(day) FROM usage_daily WHERE day < 20758";
    let moved = format!(
        "UPDATE usage_daily SET output = output + iif(day = (SELECT min(day) FROM usage_daily), 1, -1) WHERE day IN ({ends})"
    );
    let copy = tampered(&desk, &moved)?;
    inputs(&copy)?;
    copy.run(month_end)?.ends(7)?.says("the daily totals of 2026-10-")?;
    Ok(())
}

#[test]
fn nothing_is_rebuilt_from_events_that_nobody_imported() -> Outcome {
    let desk = furnished()?;
    for change in [
        "UPDATE usage_event SET input = input + 1 WHERE key = (SELECT min(key) FROM usage_event)",
        "UPDATE usage_event SET class = 1 + (class = 1) WHERE key = (SELECT min(key) FROM usage_event)",
        "UPDATE event_meter SET quantity = quantity + 1",
        "DELETE FROM retraction",
    ] {
        let copy = tampered(&desk, change)?;
        let before = copy.count("SELECT sum(input) FROM usage_daily")?;
        copy.run(&["rebuild"])?.ends(7)?.says("nothing was rebuilt")?;
        assert_eq!(copy.count("SELECT sum(input) FROM usage_daily")?, before, "{change}");
    }
    Ok(())
}

#[test]
fn lists_that_nobody_wrote_are_not_believed() -> Outcome {
    let desk = furnished()?;
    let waiting: &[&str] = &["quarantine", "list"];
    let cases: [(&str, &[&str]); 10] = [
        ("UPDATE quarantine SET day = NULL, event_id = '' WHERE id = 2", waiting),
        ("DELETE FROM quarantine WHERE id = 2", waiting),
        ("UPDATE quarantine_outcome SET outcome = 3 WHERE quarantine = 1", waiting),
        ("INSERT INTO quarantine_outcome SELECT 2, max(seq), 2, 'a test' FROM entry", waiting),
        ("UPDATE import SET file = 'other.csv' WHERE id = 1", &["imports", "list"]),
        ("UPDATE column_map SET map = map || ' '", &["maps", "list"]),
        ("UPDATE import_overlap SET events = 0, lines = 1", &["report", "chargeback", "--period", "2026-10"]),
        ("UPDATE quarantine SET day = 20758 WHERE id = 2", &["report", "summary", "--period", "2026-10"]),
        ("UPDATE model SET name = 'n' WHERE name = 'm'", &["report", "chargeback", "--period", "2026-10"]),
        ("UPDATE quarantine SET what = 'nothing' WHERE id = 2", &["quarantine", "discard", "2", "--reason", "a test"]),
    ];
    for (change, command) in cases {
        let copy = tampered(&desk, change)?;
        let ran = copy.run(command)?;
        assert!(ran.code == Some(7) && ran.out.is_empty(), "{change}: {ran:?}");
        assert!(desk.run(command)?.code != Some(7), "{command:?}");
    }
    // A file that was never imported looks imported. The import would skip it, and nobody would notice.
    let new = format!("{}\nq1,2026-10-09T10:00:00Z,m,Legal,5,5\n", super::HEADER);
    let digest = blake3::hash(new.as_bytes()).to_hex();
    let forged = format!("UPDATE import SET digest = unhex('{digest}'), bytes = {} WHERE id = 1", new.len());
    let copy = tampered(&desk, &forged)?;
    copy.write("new.csv", new)?;
    copy.run(&["import", "new.csv"])?.ends(7)?.says("the imports were changed")?;
    Ok(())
}

#[test]
fn what_is_changed_only_while_something_is_appended_is_not_believed() -> Outcome {
    let desk = furnished()?;
    desk.write("new.csv", format!("{}\nn1,2026-10-09T10:00:00Z,m,Legal,5,5\n", super::HEADER))?;
    desk.write("again.csv", super::usage(0, 4))?;
    desk.write("more.csv", "model,meter,currency,price,valid_from\nnew,input,USD,5,2026-01-01\n")?;
    desk.write("x.csv", "alias,provider,model,valid_from\nnew,,m,2026-01-01\n")?;
    desk.write("z.csv", format!("{}\nz,2026-10-09T10:00:00Z,m,Legal,5,5\n", super::HEADER))?;
    let cases: [(&str, &[&str]); 13] = [
        // What an import reports is proved before the import is done.
        ("UPDATE model_alias SET model = 'n' WHERE id = 1", &["import", "new.csv"]),
        ("UPDATE import SET bytes = bytes + 1 WHERE id = 1", &["import", "new.csv"]),
        // A line that waits for an event would wait forever.
        ("DELETE FROM quarantine", &["import", "z.csv"]),
        ("DELETE FROM quarantine_outcome", &["import", "z.csv"]),
        ("UPDATE price SET prompt_above = 10 WHERE id = 1", &["import", "new.csv"]),
        ("UPDATE ledger SET time_zone = 'Asia/Tokyo'", &["import", "new.csv"]),
        ("UPDATE ledger SET book = 'other'", &["prices", "import", "more.csv"]),
        // The events look as if they were known.
        (
            "INSERT INTO price SELECT 99, entry, 1, book, provider, 'new', tier, meter, 0, currency, 5000000000, valid_from FROM price WHERE id = 1",
            &["prices", "import", "more.csv"],
        ),
        (
            "INSERT INTO model_alias SELECT 99, entry, 1, '', 'new', 'm', NULL, min(valid_from) FROM model_alias",
            &["aliases", "import", "x.csv"],
        ),
        ("UPDATE rule SET name = name || 'x'", &["rules", "end", "--from", "2026-11-01"]),
        ("UPDATE batch SET import = 2 WHERE import = 1", &["import", "again.csv"]),
        (
            "UPDATE usage_daily SET posting_period = 202611",
            &["report", "chargeback", "--period", "2026-10-01..2026-10-05"],
        ),
        ("UPDATE usage_monthly SET posting_period = 202611", &["import", "new.csv"]),
    ];
    for (change, command) in cases {
        let copy = tampered(&desk, change)?;
        for name in ["new.csv", "again.csv", "more.csv", "x.csv", "z.csv"] {
            copy.write(name, desk.read(name)?)?;
        }
        let (head, ran) = (copy.head()?, copy.run(command)?);
        assert!(ran.code == Some(7) && !ran.out.contains("accepted"), "{change}: {ran:?}");
        assert_eq!(copy.head()?, head, "{change}");
    }
    Ok(())
}

#[test]
fn no_list_tells_settings_that_were_changed() -> Outcome {
    let desk = furnished()?;
    let lists: [&[&str]; 10] = [
        &["aliases", "list"],
        &["departments", "list"],
        &["rules", "list"],
        &["rules", "list", "--history"],
        &["maps", "list"],
        &["prices", "list"],
        &["imports", "list"],
        &["costs", "list"],
        &["explain", "x"],
        &["report", "chargeback", "--period", "2026-10"],
    ];
    for change in
        ["UPDATE ledger SET currency = 'EUR'", "UPDATE ledger SET time_zone = 'Asia/Tokyo'", "DELETE FROM ledger"]
    {
        let copy = tampered(&desk, change)?;
        for list in lists {
            desk.run(list)?.ends(0)?;
            let ran = copy.run(list)?;
            assert_eq!((ran.code, ran.out.as_str()), (Some(7), ""), "{change}: {list:?}: {ran:?}");
        }
    }
    Ok(())
}

#[test]
fn a_row_that_refers_to_nothing_is_no_failure_of_the_system() -> Outcome {
    let desk = furnished()?;
    let entry =
        desk.count("SELECT max(entry) FROM import WHERE file LIKE '%bucket.jsonl' AND accepted > 0")?.to_string();
    let id: String = desk.database()?.query_row(
        "SELECT e.id FROM usage_event e JOIN batch b ON b.id = e.batch JOIN import i ON i.id = b.import WHERE i.entry = ?1",
        [&entry],
        |row| row.get(0),
    )?;
    let copy = tampered(&desk, &format!("UPDATE usage_event SET batch = 99 WHERE id = '{id}'"))?;
    for command in [&["imports", "retract", &entry, "--id", &id, "--reason", "a test"][..], &["explain", &id]] {
        let ran = copy.run(command)?;
        assert!(matches!(ran.code, Some(2 | 7)) && ran.out.is_empty(), "{command:?}: {ran:?}");
    }
    Ok(())
}

#[test]
fn events_that_were_moved_to_another_import_are_not_left_behind() -> Outcome {
    let desk = furnished()?;
    let entry = desk.count("SELECT min(entry) FROM import")?.to_string();
    for change in [
        "UPDATE batch SET import = 2 WHERE import = 1",
        "UPDATE usage_event SET batch = 77 WHERE key = (SELECT min(key) FROM usage_event)",
        "UPDATE usage_event SET batch = (SELECT max(id) FROM batch) WHERE key = (SELECT min(key) FROM usage_event)",
    ] {
        let copy = tampered(&desk, change)?;
        let ran = copy.run(&["imports", "retract", &entry, "--reason", "a test"])?;
        assert!(ran.code == Some(7) && ran.out.is_empty(), "{change}: {ran:?}");
        assert_eq!(copy.head()?, desk.head()?, "{change}");
    }
    Ok(())
}
