//! Changes that exist only while a command makes a decision by them. They are undone afterwards, and then no digest
//! shows them. So the command itself must detect them.

use super::tampering::tampered;
use super::{HEADER, furnished};
use crate::desk::{Desk, Outcome};

/// A vendor's hour that fills, with its own model.
fn hour(start: u32, output: u32) -> String {
    let result = format!(
        r#"{{"object":"organization.usage.completions.result","input_tokens":10,"output_tokens":{output},"num_model_requests":1,"model":"grown","batch":false}}"#
    );
    let end = start + 3_600;
    format!("{{\"object\":\"bucket\",\"start_time\":{start},\"end_time\":{end},\"results\":[{result}]}}\n")
}

/// 6 October 2026, 10:00 UTC.
const TEN: u32 = 1_791_280_800;

/// The furnished ledger, with two hours of one class. One of them has grown, before and after a price changed on that
/// day.
fn desk() -> Outcome<Desk> {
    let desk = furnished()?;
    let prices = "model,meter,currency,price,valid_from\ngrown,output,USD,1,2026-01-01\ngrown,output,USD,9,2026-10-06T12:00:00Z\n";
    desk.write("p.csv", prices)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    for (name, first, second) in [("h1.jsonl", 100, 200), ("h2.jsonl", 100, 250)] {
        desk.write(name, hour(TEN, first) + &hour(TEN + 4 * 3_600, second))?;
        desk.run(&["import", name])?.ends(0)?;
    }
    desk.write("h3.jsonl", hour(TEN, 400) + &hour(TEN + 4 * 3_600, 250))?;
    desk.write("nov.csv", format!("{HEADER}\nnov-1,2026-11-05T10:00:00Z,m,Legal,5000,5\n"))?;
    desk.write("new.csv", format!("{HEADER}\nnew-1,2026-11-05T10:00:00Z,m,Sales,5000,5\n"))?;
    desk.write("pair.csv", format!("{HEADER}\nk1,2026-10-07T10:00:00Z,m,Legal,7000,5\n"))?;
    desk.write("pair2.csv", format!("{HEADER}\nk2,2026-10-07T11:00:00Z,m,Legal,5,5\n"))?;
    for name in ["pair.csv", "pair2.csv"] {
        desk.run(&["import", name])?.ends(0)?;
    }
    Ok(desk)
}

const FILES: [&str; 4] = ["h3.jsonl", "nov.csv", "new.csv", "wrong.csv"];

/// The tag sets of Legal's and Engineering's usage.
const LEGAL: &str = "(SELECT id FROM tag_set WHERE tags = '{\"department\":\"Legal\"}')";
const ENGINEERING: &str = "(SELECT id FROM tag_set WHERE tags = '{\"department\":\"Engineering\"}')";
/// Links what the later state of the first hour added to the other hour.
const MOVED: &str = "UPDATE event_link SET original = (SELECT e.key FROM usage_event e JOIN event_class c ON c.id = e.class \
    JOIN model m ON m.id = c.model WHERE m.name = 'grown' AND e.output = 100) WHERE key IN (SELECT l.key FROM event_link l \
    JOIN usage_event e ON e.key = l.key JOIN event_class c ON c.id = e.class JOIN model m ON m.id = c.model WHERE m.name = 'grown')";

/// Each command ends with 7 on a ledger with the change, and appends nothing.
fn are_refused(desk: &Desk, cases: &[(String, &[&str])]) -> Outcome {
    for (change, command) in cases {
        let copy = tampered(desk, change)?;
        for name in FILES {
            copy.write(name, desk.read(name)?)?;
        }
        let (head, ran) = (copy.head()?, copy.run(command)?);
        assert!(ran.code == Some(7) && !ran.out.contains("accepted"), "{change}: {command:?}: {ran:?}");
        assert_eq!(copy.head()?, head, "{change}: {command:?}");
    }
    Ok(())
}

#[test]
fn nothing_is_imported_by_what_stands_only_for_a_while() -> Outcome {
    let swapped = "UPDATE usage_event SET output = 300 - output WHERE output IN (100, 200) AND class IN (SELECT c.id FROM \
        event_class c JOIN model m ON m.id = c.model WHERE m.name = 'grown')";
    let (strict, again): (&[&str], &[&str]) =
        (&["import", "new.csv", "--strict-departments"], &["import", "wrong.csv", "--quarantine"]);
    let (nov, new): (&[&str], &[&str]) = (&["import", "nov.csv"], &["import", "new.csv"]);
    are_refused(
        &desk()?,
        &[
            // What a record has grown by depends on its earlier state.
            (swapped.to_owned(), &["import", "h3.jsonl"]),
            // The newest entry does not match its hash.
            ("UPDATE entry SET actor = 'x' WHERE seq = (SELECT max(seq) FROM entry)".to_owned(), nov),
            // Names and payers, in a month without totals.
            (format!("UPDATE tag_set SET payer = {ENGINEERING} WHERE id = {LEGAL}"), nov),
            (format!("UPDATE tag_set SET tags = '{{\"department\":\"Other\"}}' WHERE id = {LEGAL}"), nov),
            (format!("INSERT INTO tag_set SELECT 900, '{{\"department\":\"Sales\"}}', {ENGINEERING}"), new),
            ("UPDATE model SET name = 'other' WHERE name = 'm'".to_owned(), nov),
            ("INSERT INTO model VALUES (900, '', 'other')".to_owned(), nov),
            // Whether a file is known depends on the retractions.
            ("DELETE FROM retraction".to_owned(), again),
            ("DELETE FROM retraction; DELETE FROM retracted_event".to_owned(), again),
            // Whether a name is valid depends on the registry.
            (
                "INSERT INTO department SELECT 900, entry, 9, 'Sales', NULL, NULL, NULL, NULL, NULL FROM department LIMIT 1"
                    .to_owned(),
                strict,
            ),
        ],
    )
}

#[test]
fn nothing_is_taken_back_by_what_stands_only_for_a_while() -> Outcome {
    let desk = desk()?;
    let entry = |file: &str| desk.count(&format!("SELECT max(entry) FROM import WHERE file LIKE '%{file}'"));
    let (small, grown) = (entry("pair2.csv")?.to_string(), entry("h2.jsonl")?.to_string());
    let costs = desk.count("SELECT min(entry) FROM cost_import")?.to_string();
    let pair = "WHERE id IN ('k1', 'k2')";
    let small: &[&str] = &["imports", "retract", &small, "--reason", "a test"];
    are_refused(
        &desk,
        &[
            (format!("UPDATE usage_event SET input = 7005 - input {pair}"), small),
            (
                format!("UPDATE usage_event SET batch = (SELECT sum(batch) FROM usage_event {pair}) - batch {pair}"),
                small,
            ),
            (format!("UPDATE event_class SET kind = 1 WHERE id IN (SELECT class FROM usage_event {pair})"), small),
            (MOVED.to_owned(), &["imports", "retract", &grown, "--reason", "a test"]),
            (
                "UPDATE cost_import SET id = 900 WHERE id = 1".to_owned(),
                &["costs", "retract", &costs, "--reason", "a test"],
            ),
        ],
    )
}

#[test]
fn nothing_is_told_of_what_stands_only_for_a_while() -> Outcome {
    let desk = desk()?;
    let id: String = desk.database()?.query_row(
        "SELECT e.id FROM usage_event e JOIN event_link l ON l.key = e.key JOIN event_class c ON c.id = e.class \
         JOIN model m ON m.id = c.model WHERE m.name = 'grown'",
        [],
        |row| row.get(0),
    )?;
    let explain: &[&str] = &["explain", &id];
    are_refused(
        &desk,
        &[
            // Which state belongs to which record.
            (MOVED.to_owned(), &["report", "chargeback", "--period", "2026-10-06..2026-10-06"]),
            (MOVED.to_owned(), &["report", "chargeback", "--period", "2026-10", "--recompute"]),
            (MOVED.to_owned(), explain),
            (MOVED.to_owned(), &["rebuild"]),
            ("DELETE FROM event_link".to_owned(), explain),
            ("DELETE FROM event_link".to_owned(), &["rebuild"]),
            // What was retracted.
            ("DELETE FROM retraction".to_owned(), &["explain", "w3"]),
            ("DELETE FROM retracted_event".to_owned(), &["explain", "w2"]),
            // Who did what, and when.
            ("UPDATE entry SET actor = 'x' WHERE seq = 3".to_owned(), &["imports", "list"]),
            ("UPDATE entry SET at = at - 1 WHERE seq = 3".to_owned(), &["explain", "x"]),
        ],
    )
}

#[test]
fn nothing_is_rebuilt_that_the_newest_entry_does_not_record() -> Outcome {
    let desk = desk()?;
    // The department was renamed while its usage was imported, so the newest entry records the new name.
    let legal = "(SELECT id FROM tag_set WHERE tags = '{\"department\":\"Legal\"}')";
    let copy = tampered(
        &desk,
        &format!(
            "UPDATE seal SET digest = zeroblob(32) WHERE what = -2; UPDATE tag_set SET payer = 1 WHERE id = {legal}"
        ),
    )?;
    let ran = copy.run(&["rebuild"])?;
    assert_eq!((ran.code, ran.out.as_str()), (Some(7), ""), "{ran:?}");
    Ok(())
}

#[test]
fn a_map_is_looked_for_in_a_ledger_that_is_one() -> Outcome {
    let desk = furnished()?;
    desk.write("usage.csv", format!("{HEADER}\n"))?;
    let import = ["import", "usage.csv", "--map", "columns"];
    desk.write("tokenbook.db", "no ledger")?;
    desk.run(&import)?.ends(9)?;
    let none = Desk::empty()?;
    none.write("usage.csv", format!("{HEADER}\n"))?;
    none.run(&import)?.ends(2)?.says("no file and no map of the ledger")?;
    Ok(())
}

#[test]
fn a_value_that_is_none_of_its_column_is_no_failure_of_the_system() -> Outcome {
    let desk = desk()?;
    desk.write("r2.csv", "rule,key,value,department\nz,model,m,Legal\n")?;
    for (change, command) in [
        (
            "UPDATE tag_set SET tags = '{}x' WHERE id = 1",
            &["rules", "import", "r2.csv", "--valid-from", "2026-12-01"][..],
        ),
        ("DELETE FROM usage_event WHERE key IN (SELECT key FROM event_meter)", &["import", "b.csv", "--quarantine"]),
        ("DELETE FROM batch WHERE id = (SELECT max(id) FROM batch)", &["import", "nov.csv", "--dry-run"]),
    ] {
        let copy = tampered(&desk, &format!("PRAGMA ignore_check_constraints = ON; {change}"))?;
        for name in ["r2.csv", "b.csv", "nov.csv"] {
            copy.write(name, desk.read(name)?)?;
        }
        let ran = copy.run(command)?;
        assert!(ran.code == Some(7) && !ran.out.contains("accepted"), "{change}: {ran:?}");
    }
    Ok(())
}
