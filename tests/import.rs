//! Importing twice is importing once, an id is one event, every line is counted, and no file is half imported.

use crate::desk::{Desk, HEADER, Outcome, PRICES, event, fixture, rows, text, usage};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokenbook::books::usage::import::{ImportError, ImportOptions};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::rows::key::KeyHash;

/// Several spellings of the same twelve events.
fn spellings() -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(fixture("import"))? {
        files.push(entry?.path());
    }
    files.sort();
    assert_eq!(files.len(), 7, "{files:?}");
    Ok(files)
}

#[test]
fn a_file_imported_twice_is_imported_once() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 100))?;
    desk.run(&["import", "u.csv"])?.ends(0)?.says("101 lines = 1 header + 0 blank + 100 accepted + 0 duplicates")?;
    let (head, report) = (desk.head()?, desk.chargeback()?);
    let again = "0 accepted + 100 duplicates + 0 quarantined (this exact file was imported before)";
    desk.run(&["import", "u.csv"])?.ends(0)?.says(again)?;
    // A copy with another name and another date is the same file. One more blank line makes it another file.
    desk.write("twin.csv", usage(0, 100))?;
    desk.run(&["import", "twin.csv"])?.ends(0)?.says(again)?;
    assert_eq!((desk.head()?, desk.chargeback()?), (head, report.clone()));
    desk.write("longer.csv", usage(0, 100) + "\n")?;
    desk.run(&["import", "longer.csv"])?.ends(0)?.says("1 blank + 0 accepted + 100 duplicates + 0 quarantined\n")?;
    // The chain records once that the file was read.
    let head = desk.head()?;
    desk.run(&["import", "longer.csv"])?.ends(0)?.says("(this exact file was imported before)")?;
    assert_eq!((desk.head()?, desk.chargeback()?, desk.events()?), (head, report, 100));
    Ok(())
}

#[test]
fn every_spelling_of_the_same_events_is_the_same_events() -> Outcome {
    let mut chargebacks = BTreeMap::new();
    for first in spellings()? {
        let desk = Desk::with(&["--time-zone", "America/New_York"])?;
        desk.run(&["import", text(&first)?])?.ends(0)?.says(" 12 accepted + 0 duplicates + 0 quarantined")?;
        for other in spellings()? {
            desk.run(&["import", text(&other)?])?.ends(0)?.says(" 0 accepted + 12 duplicates + 0 quarantined")?;
        }
        assert_eq!(desk.events()?, 12);
        desk.run(&["verify"])?.ends(0)?;
        let by = "department,project,environment,provider,model,meter,day,tag.user,tag.team";
        let report = ["report", "chargeback", "--period", "2026", "--format", "csv", "--by", by];
        chargebacks.entry(desk.print(&report)?).or_insert_with(Vec::new).push(first);
    }
    assert_eq!(chargebacks.len(), 1, "{:?}", chargebacks.values());
    Ok(())
}

#[test]
fn overlapping_files_count_their_union_in_any_order() -> Outcome {
    let parts = [usage(0, 2_000), usage(1_000, 2_000), usage(500, 2_000)];
    let orders = [[0, 1, 2], [2, 1, 0], [1, 2, 0]];
    let mut reports = Vec::new();
    for order in orders {
        let desk = Desk::new()?;
        desk.write("prices.csv", PRICES)?;
        desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
        for part in order {
            desk.write("u.csv", &parts[part])?;
            desk.run(&["import", "u.csv"])?.ends(0)?;
        }
        assert_eq!(desk.events()?, 3_000);
        reports.push(desk.chargeback()?);
    }
    assert!(reports.windows(2).all(|pair| pair[0] == pair[1]), "{reports:?}");
    let whole = Desk::new()?;
    whole.write("prices.csv", PRICES)?;
    whole.write("u.csv", usage(0, 3_000))?;
    whole.run(&["import", "u.csv"])?.ends(0)?;
    whole.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    assert_eq!(reports[0], whole.chargeback()?);
    Ok(())
}

#[test]
fn an_id_with_other_content_is_a_conflict() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,1,1\n"))?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    let head = desk.head()?;
    let changes = [
        ("e,2026-10-05T10:00:00Z,m,Legal,2,1", "input_tokens is 1 in the ledger and 2 here"),
        ("e,2026-10-05T10:00:00Z,m,Legal,,1", "input_tokens is 1 in the ledger and not reported here"),
        ("e,2026-10-05T10:00:00Z,n,Legal,1,1", "model is m in the ledger and n here"),
        (
            "e,2026-10-05T10:00:00Z,m,Sales,1,1",
            "tags is {\"department\":\"Legal\"} in the ledger and {\"department\":\"Sales\"} here",
        ),
        (
            "e,2026-10-05T11:00:00Z,m,Legal,1,1",
            "timestamp is 2026-10-05T10:00:00Z in the ledger and 2026-10-05T11:00:00Z here",
        ),
        (
            "e,2026-10-06T10:00:00Z,m,Legal,1,1",
            "timestamp is 2026-10-05T10:00:00Z in the ledger and 2026-10-06T10:00:00Z here",
        ),
        (
            "e,2026-10-04T23:00:00Z,m,Legal,1,1",
            "timestamp is 2026-10-05T10:00:00Z in the ledger and 2026-10-04T23:00:00Z here",
        ),
    ];
    for (line, says) in changes {
        // The good event in the same file is not imported either.
        desk.write("b.csv", format!("{HEADER}\ngood,2026-10-05T10:00:00Z,m,Legal,1,1\n{line}\n"))?;
        let ran = desk
            .run(&["import", "b.csv"])?
            .ends(5)?
            .says("b.csv:3: event_id: \"e\" is already the id of another event (a.csv:2): ")?;
        ran.says(says)?
            .says("b.csv: 1 event has the id of another event with other content, nothing of it was imported")?;
        assert_eq!((desk.head()?, desk.events()?), (head.clone(), 1), "{line}");
    }
    Ok(())
}

#[test]
fn a_conflict_within_a_file_is_found_on_neighbouring_days_too() -> Outcome {
    let desk = Desk::new()?;
    for day in ["2026-10-04", "2026-10-05", "2026-10-06"] {
        desk.write("a.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,1,1\ne,{day}T11:00:00Z,m,Legal,1,1\n"))?;
        desk.run(&["import", "a.csv"])?.ends(5)?.says("event_id: \"e\" is already the id of another event")?;
        assert_eq!(desk.events()?, 0, "{day}");
    }
    Ok(())
}

#[test]
fn an_instant_has_many_spellings_and_one_payload() -> Outcome {
    let desk = Desk::new()?;
    let spellings =
        ["2026-10-05T10:00:00Z", "2026-10-05T10:00:00.000Z", "2026-10-05T12:00:00+02:00", "2026-10-05T05:00:00-05:00"];
    for (place, spelling) in spellings.into_iter().enumerate() {
        desk.write("u.csv", format!("{HEADER}\ne,{spelling},m,Legal,1,1\n"))?;
        desk.run(&["import", "u.csv"])?.ends(0)?.says(if place == 0 { "1 accepted" } else { "1 duplicate" })?;
    }
    assert_eq!(desk.events()?, 1);
    Ok(())
}

#[test]
fn every_line_is_counted_once() -> Outcome {
    let desk = Desk::new()?;
    let file = format!(
        "\n{HEADER}\n{}{}bad line\n\n{}{}",
        event(1, "Legal"),
        event(2, "Legal"),
        event(1, "Legal"),
        event(3, "Legal")
    );
    desk.write("u.csv", file)?;
    let counts = "u.csv: 8 lines = 1 header + 2 blank + 3 accepted + 1 duplicate + 1 quarantined";
    desk.run(&["import", "u.csv", "--quarantine"])?.ends(4)?.says(counts)?;
    let sum = "SELECT lines * 100 + header + blank + accepted + duplicates + quarantined FROM import";
    assert_eq!(desk.count(sum)?, 808);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn the_first_thousand_bad_lines_are_listed_and_all_are_counted() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{HEADER}\n{}", "e,bad,m,Legal,1,1\n".repeat(1_500)))?;
    let ran = desk.run(&["import", "u.csv"])?.ends(3)?;
    assert_eq!(ran.err.matches("timestamp: \"bad\" is not a date").count(), 1_000);
    ran.says("u.csv: 500 more bad lines are not listed")?
        .says("u.csv: bad lines by field: timestamp 1500")?
        .says("u.csv: 1,500 bad lines, nothing of it was imported")?;
    Ok(())
}

#[test]
fn a_tag_fills_what_a_file_lacks() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{HEADER}\na,2026-10-05T10:00:00Z,m,,1,1\nb,2026-10-05T10:00:00Z,m,Legal,1,1\n"))?;
    desk.run(&["import", "u.csv", "--tag", "department=Research", "--tag", "team=x"])?.ends(0)?;
    let departments: Vec<String> =
        rows(&desk.chargeback()?)?.into_iter().map(|row| row["department"].clone()).collect();
    assert_eq!(departments, ["Legal", "Research"]);
    assert_eq!(desk.count("SELECT count(*) FROM usage WHERE tags ->> '$.team' = 'x'")?, 2);
    desk.run(&["import", "u.csv", "--tag", "department"])?.ends(2)?.says("expected KEY=VALUE")?;
    desk.run(&["import", "u.csv", "--tag", "a b=c"])?.ends(2)?.says("is not a tag key")?;
    // With another `--tag`, the same file has other events.
    desk.run(&["import", "u.csv", "--tag", "department=Sales"])?.ends(5)?;
    Ok(())
}

#[test]
fn a_tag_that_is_ignored_is_as_if_it_was_never_said() -> Outcome {
    let desk = Desk::new()?;
    let header = "event_id,timestamp,model,department,input_tokens,tag.run,tag.team";
    desk.write(
        "u.csv",
        format!("{header}\na,2026-10-05T10:00:00Z,m,Legal,1,r1,x\nb,2026-10-05T10:00:00Z,m,Legal,1,,x\n"),
    )?;
    let ignoring = ["import", "--ignore-tag", "run", "--ignore-tag", "session", "--ignore-tag", "run", "u.csv"];
    desk.run(&ignoring)?
        .ends(0)?
        .says("2 accepted + 0 duplicates + 0 quarantined (without the tag run; without the tag session)\n")?;
    let tags = r#"SELECT count(*) FROM usage WHERE tags = '{"department":"Legal","team":"x"}'"#;
    assert_eq!(desk.count(tags)?, 2);
    assert_eq!(
        desk.count("SELECT count(*) FROM import WHERE options = 'ignore-tag run' || char(10) || 'ignore-tag session'")?,
        1
    );
    desk.run(&ignoring)?.ends(0)?.says("2 duplicates + 0 quarantined (this exact file was imported before; ")?;
    // With other options it is no longer the identical file, so its events are examined.
    desk.run(&["import", "--ignore-tag", "run", "u.csv"])?.ends(0)?.says("2 duplicates + 0 quarantined (without")?;
    desk.run(&["import", "u.csv"])?.ends(5)?.says(
        "u.csv:2: event_id: \"a\" is already the id of another event (u.csv:2): tags is \
         {\"department\":\"Legal\",\"team\":\"x\"} in the ledger and {\"department\":\"Legal\",\"run\":\"r1\",\"team\":\"x\"} here",
    )?;
    for key in ["department", "project", "environment"] {
        let says = format!("--ignore-tag \"{key}\" decides who pays and cannot be left out");
        desk.run(&["import", "--ignore-tag", key, "u.csv"])?.ends(2)?.says(&says)?;
    }
    desk.run(&["import", "--ignore-tag", "a b", "u.csv"])?.ends(2)?.says("--ignore-tag \"a b\" is not a tag key")?;
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_dry_run_says_what_would_be_and_keeps_nothing() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 50))?;
    desk.write("bad.csv", "event_id\n")?;
    let head = desk.head()?;
    let says = "51 lines = 1 header + 0 blank + 50 accepted + 0 duplicates + 0 quarantined (dry run: nothing was kept)";
    desk.run(&["import", "--dry-run", "u.csv"])?.ends(0)?.says(says)?;
    desk.run(&["import", "--dry-run", "bad.csv"])?.ends(3)?;
    assert_eq!((desk.head()?, desk.events()?), (head, 0));
    desk.run(&["import", "u.csv"])?.ends(0)?.says("50 accepted")?;
    Ok(())
}

#[test]
fn a_dry_run_of_several_files_counts_what_the_real_run_counts() -> Outcome {
    let desk = Desk::with(&["--time-zone", "Europe/Berlin"])?;
    desk.write("a.csv", usage(0, 50))?;
    desk.write("b.csv", usage(30, 40))?;
    desk.write("c.csv", usage(0, 50))?;
    desk.write("conflict.csv", usage(0, 50).replace(",m,", ",n,"))?;
    desk.write("bad.csv", format!("{}x1,never,m,Legal,1,1\n", usage(100, 5)))?;
    desk.write("corrected.csv", usage(100, 8))?;
    let bucket = |output| {
        format!(
            "{{\"object\":\"bucket\",\"start_time\":1790812800,\"end_time\":1790816400,\"results\":[{{\"object\":\
             \"organization.usage.completions.result\",\"input_tokens\":5,\"output_tokens\":{output},\
             \"num_model_requests\":2,\"model\":\"m\",\"batch\":false}}]}}\n"
        )
    };
    let growing: [(&str, u32); 4] = [("g1.jsonl", 5), ("g2.jsonl", 9), ("g3.jsonl", 7), ("g4.jsonl", 5)];
    for (name, output) in growing {
        desk.write(name, bucket(output))?;
    }
    let files = ["a.csv", "b.csv", "c.csv", "conflict.csv", "bad.csv", "corrected.csv", "a.csv"];
    let files: Vec<&str> = files.into_iter().chain(growing.map(|(name, _)| name)).collect();
    let run = |options: &[&str]| desk.run(&[&["import", "--quarantine"], options, &files].concat());
    // The head is unchanged, and the output names the identical files.
    let counts = |out: &str| -> Vec<String> {
        let lines = out.lines().filter(|line| !line.starts_with("ledger head"));
        lines.map(|line| line.split(" quarantined").next().unwrap_or_default().to_owned()).collect()
    };
    let (head, dry) = (desk.head()?, run(&["--dry-run"])?.ends(5)?);
    assert_eq!((desk.head()?, desk.events()?), (head, 0));
    let real = run(&[])?.ends(5)?;
    assert_eq!(counts(&dry.out), counts(&real.out));
    assert_eq!(dry.err, real.err);
    real.says("b.csv: 41 lines = 1 header + 0 blank + 20 accepted + 20 duplicates")?
        .says("earlier versions of records: 1")?;
    let revised = |out: &str| out.matches("has grown since").count();
    assert_eq!((revised(&dry.out), desk.events()?), (1, 50 + 20 + 8 + 2));
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn quarantined_lines_wait_until_they_are_decided_on() -> Outcome {
    let desk = Desk::new()?;
    let bad = "e1,2026-10-05T10:00:00Z,m,Legal,x,1\ne2,2026-10-05T10:00:00Z,m,Legal,-1,1\ne3,never,m,Legal,1,1\n";
    desk.write("u.csv", format!("{HEADER}\n{}{bad}", event(1, "Legal")))?;
    desk.run(&["import", "u.csv"])?.ends(3)?;
    desk.run(&["import", "u.csv", "--quarantine=2"])?.ends(3)?.says("3 bad lines, nothing of it was imported")?;
    desk.run(&["import", "u.csv", "--quarantine=3"])?.ends(4)?.says("1 accepted + 0 duplicates + 3 quarantined")?;
    let listed = desk.print(&["quarantine", "list"])?;
    for says in [
        "1 u.csv:3: input_tokens: \"x\" is not a whole number",
        "(2026-10-05)\n    event_id=\"e1\" timestamp=\"2026-10-05T10:00:00Z\" model=\"m\" department=\"Legal\" input_tokens=\"x\"",
        "3 u.csv:5: timestamp: \"never\" is not a date and time",
        "(day not known)",
        "3 lines wait for a decision",
    ] {
        assert!(listed.contains(says), "{says}: {listed}");
    }
    let strict = ["report", "chargeback", "--period", "2026-10", "--strict"];
    desk.run(&strict)?.ends(4)?.says("3 quarantined lines are not in the numbers")?;

    // The corrected event resolves its line, whatever file it comes from.
    desk.write("fixed.csv", format!("{HEADER}\ne1,2026-10-05T10:00:00Z,m,Legal,7,1\n"))?;
    desk.run(&["import", "fixed.csv"])?.ends(0)?;
    desk.run(&strict)?.ends(4)?.says("2 quarantined lines are")?;
    desk.run(&["quarantine", "discard", "1", "--reason", "r"])?
        .ends(2)?
        .says("no open line of the quarantine has the number 1")?;
    desk.run(&["quarantine", "discard", "2", "--reason", "  "])?.ends(2)?.says("--reason is empty")?;
    desk.run(&["quarantine", "discard", "2"])?.ends(2)?;
    desk.run(&["quarantine", "discard", "2", "--reason", "a test call"])?.ends(0)?.says("1 line discarded")?;
    desk.run(&["quarantine", "discard", "--all", "--reason", "a test call"])?.ends(0)?.says("1 line discarded")?;
    desk.run(&["quarantine", "list"])?.ends(0)?.says("0 lines wait for a decision")?;
    desk.write("prices.csv", PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&strict)?.ends(0)?;
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn one_bad_file_does_not_keep_the_others_out() -> Outcome {
    let desk = Desk::new()?;
    desk.write("in/a.csv", usage(0, 10))?;
    desk.write("in/b.csv", "event_id\n")?;
    desk.write("in/c.csv", usage(10, 10))?;
    desk.write("in/.hidden.csv", "rubbish")?;
    desk.write("in/.folder/b.csv", "rubbish")?;
    desk.write("in/deeper/d.csv", "rubbish")?;
    desk.run(&["import", "in"])?
        .ends(3)?
        .says("in/a.csv: 11 lines")?
        .says("in/c.csv: 11 lines")?
        .says("in/b.csv:1: ")?
        .says("note: 2 hidden files or folders are left out (to import one, name it)")?;
    assert_eq!(desk.events()?, 20);
    // With a conflict and a rejection, the rejection decides the exit code.
    desk.write("in/d.csv", usage(0, 1).replace(",m,", ",n,"))?;
    desk.run(&["import", "in"])?.ends(3)?;
    desk.run(&["import", "in/a.csv", "in/d.csv"])?.ends(5)?;
    assert_eq!(desk.events()?, 20);
    Ok(())
}

#[test]
fn standard_input_is_a_file_like_any_other() -> Outcome {
    let desk = Desk::new()?;
    let text = usage(0, 100);
    desk.pipe(&["import", "-"], text.as_bytes())?.ends(0)?.says("-: 101 lines = 1 header + 0 blank + 100 accepted")?;
    desk.pipe(&["import", "-"], &crate::desk::gzip(text.as_bytes())?)?.ends(0)?.says("0 accepted + 100 duplicates")?;
    desk.pipe(&["import", "-"], b"")?.ends(3)?.says("-: the file contains no events")?;
    Ok(())
}

#[test]
fn no_prompt_is_ever_stored() -> Outcome {
    let desk = Desk::new()?;
    let secret = "The-Quick-Brown-Fox-9f2c";
    let good = r#""event_id":"e1","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1"#;
    let bad = r#""event_id":"e2","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":-1"#;
    let prompt = format!(r#""prompt":"{secret}","messages":[{{"content":"{secret}"}}]"#);
    desk.write("u.jsonl", format!("{{{good},{prompt}}}\n{{{bad},{prompt}}}\n{{\"response\":\"{secret}\n"))?;
    desk.write("u.csv", format!("{HEADER},prompt\nf1,2026-10-05T10:00:00Z,m,Legal,1,1,{secret}\nf2,2026-10-05T10:00:00Z,m,Legal,x,1,{secret}\n\"f3,{secret}\n"))?;
    for file in ["u.jsonl", "u.csv"] {
        desk.run(&["import", file, "--quarantine"])?.ends(4)?.says("2 quarantined")?;
    }
    let needle = secret.as_bytes();
    for name in desk.names(".")?.iter().filter(|name| name.starts_with("tokenbook.db")) {
        let bytes = desk.read(name)?;
        assert!(bytes.windows(needle.len()).all(|window| window != needle), "{name} holds the prompt");
    }
    assert!(!desk.print(&["quarantine", "list"])?.contains(secret));
    Ok(())
}

/// A ledger through the library, with a hash of three bits: every day has eight keys in use, at its end.
fn crowded(desk: &Desk) -> Outcome<Books> {
    Ok(Books::open(&desk.ledger())?.with_key_hash(KeyHash::narrowed(3)))
}

fn import(books: &Books, path: PathBuf) -> Outcome<(u64, u64)> {
    let act = Act { now: Timestamp::parse("2026-11-23T08:00:00Z")?, actor: "tester" };
    let outcome = books.import(&Input::File(path), &ImportOptions::plain(), act, &Silent)?;
    Ok((outcome.accepted, outcome.duplicates))
}

#[test]
fn events_whose_hashes_collide_are_all_kept_and_found() -> Outcome {
    let (desk, usual) = (Desk::new()?, Desk::new()?);
    let books = crowded(&desk)?;
    let first = desk.write("a.csv", usage(0, 1_000))?;
    let second = desk.write("b.csv", usage(500, 1_000))?;
    assert_eq!(import(&books, first.clone())?, (1_000, 0));
    assert_eq!(import(&books, second)?, (500, 500), "duplicates are found behind collisions");
    assert_eq!(import(&books, desk.write("c.csv", usage(0, 1_000) + "\n")?)?, (0, 1_000));
    let verified = books.verify(tokenbook::books::keep::verify::Depth::WithIntegrity, None, &Silent)?;
    assert_eq!((verified.findings, verified.events), (Vec::new(), 1_500));
    // Eight keys at the end of each day are too few, so the other events continue from the day's first key.
    let wrapped = desk.count("SELECT count(*) FROM usage_event WHERE key & ((1 << 46) - 1) < 1000")?;
    assert!(wrapped > 1_000, "{wrapped}");
    drop(books);
    usual.write("u.csv", usage(0, 1_500))?;
    usual.run(&["import", "u.csv"])?.ends(0)?;
    assert_eq!(desk.chargeback()?, usual.chargeback()?);
    Ok(())
}

#[test]
fn conflicts_are_found_behind_collisions() -> Outcome {
    let desk = Desk::new()?;
    let books = crowded(&desk)?;
    import(&books, desk.write("a.csv", usage(0, 1_000))?)?;
    let head = books.head()?;
    let same_day = event(700, "Legal").replace(",m,", ",n,");
    let day = |number: usize| format!("2026-10-{:02}T", number % 31 + 1);
    let next_day = event(700, "Legal").replace(&day(700), &day(701));
    let day_before = event(700, "Legal").replace(&day(700), &day(699));
    for line in [same_day, next_day, day_before] {
        let file = desk.write("b.csv", format!("{HEADER}\n{line}"))?;
        let act = Act { now: Timestamp::parse("2026-11-23T08:00:00Z")?, actor: "tester" };
        match books.import(&Input::File(file), &ImportOptions::plain(), act, &Silent) {
            Err(ImportError::Conflicts { conflicts, .. }) => assert_eq!(conflicts.len(), 1, "{line}"),
            other => return Err(format!("{line}: {other:?}").into()),
        }
        assert_eq!(books.head()?, head, "{line}");
    }
    Ok(())
}
