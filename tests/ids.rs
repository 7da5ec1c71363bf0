//! An id counts once for its source, on any day: in one file, in several, by CSV and by `record`.

use crate::desk::{Desk, Dice, HEADER, Outcome};
use crate::ledger::tampering::tampered;
use std::collections::HashMap;
use std::fmt::Write;
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::usage::import::{ImportError, ImportOptions};
use tokenbook::books::usage::record::RecordError;
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::event::{EventId, EventUsage, Model, UsageEvent};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::name::Name;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::LedgerError;
use tokenbook::rows::key::KeyHash;

/// Days between two events, and the file of the second.
const APART: [(u32, &str); 6] = [
    (1, "2025-08-02T10:00:00Z"),
    (2, "2025-08-03T10:00:00Z"),
    (40, "2025-09-10T10:00:00Z"),
    (400, "2026-09-05T10:00:00Z"),
    (2, "2025-07-30T10:00:00Z"),
    (400, "2024-06-27T10:00:00Z"),
];
const FIRST: &str = "2025-08-01T10:00:00Z";
const TABLE: &str = "SELECT bucket, ids FROM id_bucket UNION ALL SELECT -id, ids FROM id_run ORDER BY 1";

fn line(id: &str, at: &str) -> String {
    format!("{id},{at},m,Legal,1,1\n")
}

fn act() -> Outcome<Act<'static>> {
    Ok(Act { now: Timestamp::parse("2026-11-23T08:00:00Z")?, actor: "tester" })
}

/// The rows of the table of ids.
fn table(desk: &Desk) -> Outcome<Vec<(i64, Vec<u8>)>> {
    let database = desk.database()?;
    let mut statement = database.prepare(TABLE)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[test]
fn an_id_on_a_distant_day_is_a_conflict_in_another_file() -> Outcome {
    for (days, at) in APART {
        let desk = Desk::new()?;
        desk.write("a.csv", format!("{HEADER}\n{}", line("e", FIRST)))?;
        desk.write("b.csv", format!("{HEADER}\n{}{}", line("good", at), line("e", at)))?;
        desk.run(&["import", "a.csv"])?.ends(0)?;
        let (head, ids) = (desk.head()?, table(&desk)?);
        for options in [&["import", "b.csv", "--dry-run"][..], &["import", "b.csv"]] {
            let says = "b.csv:3: event_id: \"e\" is already the id of another event (a.csv:2): ";
            let times = format!("timestamp is {FIRST} in the ledger and {at} here");
            desk.run(options)?.ends(5)?.says(says)?.says(&times).map_err(|error| format!("{days}: {error}"))?;
        }
        assert_eq!((desk.head()?, desk.events()?, table(&desk)?), (head, 1, ids), "{days}");
        // The same id of another source is another id.
        desk.run(&["import", "b.csv", "--source", "other"])?.ends(0)?;
        desk.run(&["verify", "--deep"])?.ends(0)?;
    }
    Ok(())
}

#[test]
fn an_id_on_a_distant_day_is_a_conflict_in_the_same_file() -> Outcome {
    for (days, at) in APART {
        let desk = Desk::new()?;
        desk.write("a.csv", format!("{HEADER}\n{}{}", line("e", FIRST), line("e", at)))?;
        let ran = desk.run(&["import", "a.csv"])?.ends(5)?;
        ran.says("a.csv:3: event_id: \"e\" is already the id of another event (a.csv:2)")
            .map_err(|error| format!("{days}: {error}"))?;
        assert_eq!((desk.events()?, table(&desk)?), (0, Vec::new()), "{days}");
        desk.run(&["verify"])?.ends(0)?;
    }
    Ok(())
}

#[test]
fn an_id_on_several_distant_days_is_a_conflict_on_each() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", format!("{HEADER}\n{}", line("e", FIRST)))?;
    let others: String = APART.iter().map(|(_, at)| line("e", at)).collect();
    desk.write("b.csv", format!("{HEADER}\n{others}"))?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    desk.run(&["import", "b.csv"])?.ends(5)?.says("b.csv: 6 events have the id of another event")?;
    desk.write("c.csv", format!("{HEADER}\n{}{others}", line("e", FIRST)))?;
    let fresh = Desk::new()?;
    fresh.write("c.csv", desk.read("c.csv")?)?;
    fresh.run(&["import", "c.csv"])?.ends(5)?.says("c.csv: 6 events have the id of another event")?;
    Ok(())
}

fn recorded(id: &str, at: &str) -> Outcome<UsageEvent> {
    let model = Model { provider: None, name: Name::new("m")? };
    let usage = EventUsage::request([(Meter::Input, 1)])?;
    Ok(UsageEvent::new(EventId::new(id)?, Timestamp::parse(at)?, model, usage))
}

#[test]
fn record_rejects_an_id_on_a_distant_day() -> Outcome {
    for (days, at) in APART {
        let desk = Desk::new()?;
        let books = Books::open(&desk.ledger())?;
        let source = Name::new("gateway")?;
        let is_conflict = |result: Result<_, RecordError>| matches!(result.err(), Some(RecordError::Ledger(LedgerError::Conflicts(conflicts))) if conflicts.len() == 1);
        let both = [recorded("e", FIRST)?, recorded("e", at)?];
        assert!(is_conflict(books.record(&source, &both, act()?, &Silent)), "{days}");
        assert_eq!(books.record(&source, &both[..1], act()?, &Silent)?.accepted, 1);
        assert!(is_conflict(books.record(&source, &both[1..], act()?, &Silent)), "{days}");
        assert_eq!(books.record(&source, &both[..1], act()?, &Silent)?.duplicates, 1);
        assert_eq!(books.verify(Depth::Full, None, &Silent)?.findings, Vec::<String>::new());
        assert_eq!(desk.events()?, 1);
    }
    Ok(())
}

#[test]
fn whatever_the_order_an_id_counts_once() -> Outcome {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let desk = Desk::new()?;
        // Either eight hashes, so that nearly all ids share one, or the real hash.
        let key_hash = if seed % 3 == 0 { KeyHash::FULL } else { KeyHash::narrowed(3) };
        let books = Books::open(&desk.ledger())?.with_key_hash(key_hash);
        let sources = ["a", "b"];
        let mut model: HashMap<(usize, u64), u64> = HashMap::new();
        for file in 0..30 {
            let source = usize::from(dice.below(4) == 0);
            let (mut now, mut right, mut text) = (model.clone(), true, format!("{HEADER}\n"));
            let mut fresh = 0;
            for _ in 0..=dice.below(if file % 5 == 0 { 60 } else { 12 }) {
                let id = dice.below(150);
                let known = now.get(&(source, id)).copied();
                let day = match known {
                    Some(day) if dice.below(30) > 0 => day,
                    _ => dice.below(500),
                };
                fresh += u64::from(known.is_none());
                right &= *now.entry((source, id)).or_insert(day) == day;
                let (year, month, day) = (2024 + day / 336, 1 + day / 28 % 12, 1 + day % 28);
                text += &line(&format!("e{id}"), &format!("{year}-{month:02}-{day:02}T10:00:00Z"));
            }
            // From then on, ids are in buckets and in runs.
            if file % 8 == 3 {
                books.rebuild(&Silent)?;
            }
            let path = desk.write("u.csv", &text)?;
            let options = ImportOptions { source: sources[source].to_owned(), ..ImportOptions::plain() };
            match books.import(&Input::File(path), &options, act()?, &Silent) {
                Ok(outcome) => {
                    assert!(right, "seed {seed}: {text}");
                    assert_eq!(outcome.accepted, fresh, "seed {seed}: {text}");
                    model = now;
                    accepted += 1;
                }
                Err(ImportError::Conflicts { .. }) => {
                    assert!(!right, "seed {seed}: {text}");
                    refused += 1;
                }
                Err(other) => return Err(other.into()),
            }
        }
        let verified = books.verify(Depth::WithIntegrity, None, &Silent)?;
        assert_eq!((verified.findings, verified.events), (Vec::new(), u64::try_from(model.len())?), "seed {seed}");
        books.rebuild(&Silent)?;
        let verified = books.verify(Depth::WithIntegrity, None, &Silent)?;
        assert_eq!(verified.findings, Vec::<String>::new(), "seed {seed}");
    }
    assert!(accepted > 40 && refused > 20, "{accepted} accepted, {refused} refused");
    Ok(())
}

#[test]
fn verify_finds_every_change_of_the_lists_and_rebuild_mends_it() -> Outcome {
    let desk = Desk::new()?;
    let mut lines = format!("{HEADER}\n");
    for number in 0..2_000 {
        writeln!(lines, "e{number},2026-{:02}-05T10:00:00Z,m,Legal,1,1", 1 + number % 10)?;
    }
    desk.write("a.csv", lines)?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    // A few ids wait in one list. After a rebuild, all ids are in their buckets.
    for change in [
        "UPDATE id_run SET ids = CAST(ids || x'00' AS BLOB)",
        "UPDATE id_run SET ids = substr(ids, 1, length(ids) - 1)",
        "UPDATE id_run SET ids = CAST(unhex('01') || substr(ids, 2) AS BLOB)",
        "DELETE FROM id_run",
        "INSERT INTO id_run (ids) SELECT ids FROM id_run",
    ] {
        let copy = tampered(&desk, change)?;
        copy.run(&["verify"])?.ends(7)?.says("from the events (run `tokenbook rebuild`)")?;
        copy.run(&["rebuild"])?.ends(0)?;
        copy.run(&["verify"])?.ends(0)?;
        assert_eq!(copy.count("SELECT count(*) FROM id_run")?, 0);
    }
    desk.run(&["rebuild"])?.ends(0)?;
    let ids = table(&desk)?;
    let some = "(SELECT min(bucket) FROM id_bucket WHERE length(ids) > 9)";
    let changes = [
        format!("UPDATE id_bucket SET ids = CAST(ids || x'00' AS BLOB) WHERE bucket = {some}"),
        format!("UPDATE id_bucket SET ids = substr(ids, 1, 3) WHERE bucket = {some}"),
        // The first day moves, so all days do.
        format!("UPDATE id_bucket SET ids = CAST(unhex('01') || substr(ids, 2) AS BLOB) WHERE bucket = {some}"),
        "DELETE FROM id_bucket WHERE bucket = (SELECT max(bucket) FROM id_bucket)".to_owned(),
        "DELETE FROM id_bucket".to_owned(),
        "INSERT INTO id_bucket SELECT min(bucket) - 1, ids FROM id_bucket".to_owned(),
        "INSERT INTO id_bucket SELECT max(bucket) + 1, ids FROM id_bucket".to_owned(),
        // Two lists exchange their places.
        "UPDATE id_bucket SET ids = (SELECT b.ids FROM id_bucket b ORDER BY b.bucket DESC LIMIT 1) \
         WHERE bucket = (SELECT min(bucket) FROM id_bucket)"
            .to_owned(),
    ];
    for change in changes {
        assert!(desk.database()?.execute(&change, [])? > 0, "{change}");
        assert_ne!(table(&desk)?, ids, "{change}");
        desk.run(&["verify"])?.ends(7)?.says("from the events (run `tokenbook rebuild`)")?;
        desk.run(&["rebuild"])?.ends(0)?;
        assert_eq!(table(&desk)?, ids, "{change}");
        desk.run(&["verify"])?.ends(0)?;
    }
    Ok(())
}

#[test]
fn records_that_grow_have_one_place() -> Outcome {
    let desk = Desk::new()?;
    let bucket = |output: u32, start: u64| {
        let result = format!(
            r#"{{"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":{output},"num_model_requests":5,"model":"m","batch":false}}"#
        );
        let end = start + 3_600;
        format!("{{\"object\":\"bucket\",\"start_time\":{start},\"end_time\":{end},\"results\":[{result}]}}\n")
    };
    for output in [500, 501, 502] {
        desk.write("bucket.jsonl", bucket(output, 1_791_158_400))?;
        desk.run(&["import", "bucket.jsonl"])?.ends(0)?;
    }
    desk.run(&["verify", "--deep"])?.ends(0)?.says("1 event and 2 revisions")?;
    let ids = table(&desk)?;
    assert_eq!(ids.len(), 1);
    desk.run(&["rebuild"])?.ends(0)?;
    assert_eq!(table(&desk)?.len(), 1);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_load_with_the_file_alone_finds_an_id_of_another_day() -> Outcome {
    let desk = Desk::new()?;
    let mut lines = format!("{HEADER}\n");
    for number in 0..130_000 {
        let (day, hour) = (1 + number % 28, number / 28 % 24);
        writeln!(lines, "e{number},2026-10-{day:02}T{hour:02}:00:00Z,m,Legal,1,1")?;
    }
    desk.write("b.csv", format!("{lines}{}", line("e0", FIRST)))?;
    let message = "b.csv:130002: event_id: \"e0\" is already the id of another event (b.csv:2)";
    desk.run(&["import", "b.csv"])?.ends(5)?.says(message)?;
    desk.write("a.csv", lines)?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    desk.write("c.csv", format!("{HEADER}\n{}", line("e0", FIRST)))?;
    desk.run(&["import", "c.csv"])?.ends(5)?.says("event_id: \"e0\" is already the id of another event (a.csv:2)")?;
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_bucket_is_the_same_however_its_seconds_are_written() -> Outcome {
    let desk = Desk::new()?;
    let result = r#"{"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":5,"num_model_requests":5,"model":"m","batch":false}"#;
    for (number, (start, end)) in
        [("1791158400", "1791162000"), ("1791158400.0", "1791162000"), ("1791158400", "1791162000.000")]
            .into_iter()
            .enumerate()
    {
        let bucket =
            format!("{{\"object\":\"bucket\",\"start_time\":{start},\"end_time\":{end},\"results\":[{result}]}}\n");
        desk.write("bucket.jsonl", bucket)?;
        let says = if number == 0 { " 1 accepted" } else { " 0 accepted + 1 duplicate " };
        desk.run(&["import", "bucket.jsonl"])?.ends(0)?.says(says)?;
    }
    assert_eq!(desk.events()?, 1);
    Ok(())
}

#[test]
fn an_hour_after_its_day_is_told_of() -> Outcome {
    let result = r#"{"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":5,"num_model_requests":5,"model":"m","batch":false}"#;
    let bucket = |start: u64, width: u64| {
        let end = start + width;
        format!("{{\"object\":\"bucket\",\"start_time\":{start},\"end_time\":{end},\"results\":[{result}]}}\n")
    };
    let (day, hour, later) =
        (bucket(1_791_158_400, 86_400), bucket(1_791_165_600, 3_600), bucket(1_791_244_800, 3_600));
    for [first, second] in [[&day, &hour], [&hour, &day]] {
        let desk = Desk::new()?;
        desk.write("a.jsonl", first)?;
        desk.write("b.jsonl", second)?;
        desk.write("c.jsonl", &later)?;
        desk.run(&["import", "a.jsonl"])?.ends(0)?;
        let ran = desk.run(&["import", "c.jsonl"])?.ends(0)?;
        assert!(!ran.err.contains("both count"), "{ran:?}");
        let says = "b.jsonl: the ledger has the usage of openai-usage/completions|from=17911";
        desk.run(&["import", "b.jsonl"])?.ends(0)?.says(says)?.says("both count")?;
        // A retracted event no longer counts.
        let entry = desk.count("SELECT entry FROM import WHERE file LIKE '%a.jsonl'")?.to_string();
        desk.run(&["imports", "retract", &entry, "--reason", "a test"])?;
        desk.write("d.jsonl", format!("{second}\n"))?;
        let ran = desk.run(&["import", "d.jsonl"])?.ends(0)?;
        assert!(!ran.err.contains("both count"), "{ran:?}");
    }
    Ok(())
}
