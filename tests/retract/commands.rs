//! `imports retract` and `costs retract` on the command line.

use crate::desk::{Desk, Outcome, PRICES, rows, usage};
use std::collections::BTreeMap;

#[test]
fn a_month_end_has_the_bytes_it_would_have_had() -> Outcome {
    let month_end = |desk: &Desk| -> Outcome<BTreeMap<String, Vec<u8>>> {
        let usage = ["--usage", "a.csv", "--usage", "b.csv", "--prices", "prices.csv"];
        desk.run(&[&["month-end", "2026-10", "--out", "month"], &usage[..]].concat())?.ends(0)?;
        let names = desk.names("month")?.into_iter().filter(|name| name.split('.').next_back() == Some("csv"));
        names.map(|name| Ok((name.clone(), desk.read(&format!("month/{name}"))?))).collect()
    };
    let desk_with = |files: &[&str]| -> Outcome<Desk> {
        let desk = Desk::new()?;
        desk.write("prices.csv", PRICES)?;
        desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
        desk.write("a.csv", usage(0, 200))?;
        desk.write("b.csv", usage(150, 200))?;
        // The same events with other counts, and some events that never happened.
        desk.write("wrong.csv", usage(150, 300).replace(",m,", ",n,"))?;
        for file in files {
            desk.run(&["import", file])?.ends(0)?;
        }
        Ok(desk)
    };
    let expected = month_end(&desk_with(&["a.csv", "b.csv"])?)?;
    assert!(expected.len() > 1, "{:?}", expected.keys());
    let desk = desk_with(&["wrong.csv"])?;
    desk.run(&["import", "a.csv"])?.ends(5)?;
    let ran = desk.run(&["imports", "retract", "3", "--reason", "the wrong model"])?.ends(0)?;
    ran.says("retracted: 300 events of wrong.csv (entry 3), 2026-10-01 to 2026-10-31")?;
    desk.run(&["import", "a.csv", "b.csv"])?.ends(0)?;
    assert_eq!(month_end(&desk)?, expected);
    desk.run(&["verify", "--deep"])?.ends(0)?.says("(300 of them retracted)")?;
    Ok(())
}

#[test]
fn a_month_is_not_whole_until_the_files_have_come_in_again() -> Outcome {
    let desk = Desk::new()?;
    desk.write("prices.csv", PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    // A growing log, imported after a file that had its first events.
    desk.write("wrong.csv", usage(0, 50))?;
    desk.run(&["import", "wrong.csv"])?.ends(0)?;
    for events in [60, 70, 80] {
        desk.write("log.csv", usage(0, events))?;
        desk.run(&["import", "log.csv"])?.ends(0)?;
    }
    desk.write("other.csv", usage(90, 10))?;
    desk.run(&["import", "other.csv"])?.ends(0)?;
    let retract = ["imports", "retract", "3", "--reason", "not ours"];
    let dry = desk.run(&[&retract[..], &["--dry-run"]].concat())?.ends(4)?;
    let named = "log.csv (3 imports, the last is entry 6: 70 duplicates)";
    dry.says(named)?;
    let said = desk.run(&retract)?.ends(4)?.says(named)?;
    assert!(!said.err.contains("other.csv"), "{said:?}");
    let strict = ["report", "chargeback", "--period", "2026-10", "--strict"];
    let caveat = "1 file has to be imported again, because some lines were duplicates of retracted ones: \"log.csv\"";
    desk.run(&strict)?.ends(4)?.says(caveat)?;
    let month = ["month-end", "2026-10", "--usage", "other.csv", "--prices", "prices.csv", "--out", "month"];
    desk.run(&month)?.ends(4)?.says(caveat)?;
    assert!(
        String::from_utf8(desk.read("month/summary.json")?)?
            .contains("\"files_to_import_again\": [\n    \"log.csv\"\n  ]")
    );
    desk.run(&["report", "chargeback", "--period", "2026-09", "--strict"])?.ends(0)?;
    desk.run(&["import", "log.csv"])?.ends(0)?.says("50 accepted")?;
    desk.run(&strict)?.ends(0)?;
    let changed = desk.run(&month)?.ends(0)?;
    changed.says("50 new events")?;
    Ok(())
}

#[test]
fn a_retraction_is_undone_by_importing_the_file_again() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", usage(0, 90))?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    let before = desk.chargeback()?;
    for entry in [2, 4, 6] {
        let entry = entry.to_string();
        desk.run(&["imports", "retract", &entry, "--reason", "a mistake"])?.ends(0)?.says("retracted: 90 events")?;
        assert_eq!(desk.count("SELECT count(*) FROM usage_daily")?, 0);
        desk.run(&["import", "a.csv"])?.ends(0)?.says("90 accepted")?;
        assert_eq!(desk.chargeback()?, before);
        desk.run(&["verify", "--deep"])?.ends(0)?;
    }
    desk.run(&["import", "a.csv"])?.ends(0)?.says("90 duplicates")?;
    assert_eq!(desk.count("SELECT count(*) FROM entry")?, 8, "the very same file leaves no trace");
    // The import records a file whose events are all known, so that it can be named.
    let part = usage(10, 20);
    desk.write("part.csv", &part)?;
    for _ in 0..2 {
        desk.run(&["import", "part.csv"])?.ends(0)?.says("20 duplicates")?;
        desk.pipe(&["import", "-"], part.as_bytes())?.ends(0)?.says("20 duplicates")?;
        assert_eq!(desk.count("SELECT count(*) FROM entry")?, 9);
    }
    desk.run(&["imports", "retract", "8", "--reason", "wrong"])?
        .ends(4)?
        .says("  part.csv (entry 9: 20 duplicates)")?;
    desk.run(&["import", "part.csv"])?.ends(0)?.says("20 accepted")?;
    Ok(())
}

#[test]
fn what_cannot_be_retracted_is_refused_with_the_reason() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", usage(0, 9))?;
    desk.write("prices.csv", PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    let head = desk.head()?;
    let retract = |arguments: &[&str]| desk.run(&[&["imports", "retract"], arguments].concat());
    for (arguments, says) in [
        (&["99", "--reason", "x"][..], "entry 99: does not exist in the ledger, expected the entry of an import"),
        (&["0", "--reason", "x"], "entry 0: does not exist in the ledger"),
        (&["1", "--reason", "x"], "entry 1: is of kind genesis, expected import"),
        (&["2", "--reason", "x"], "entry 2: is of kind price, expected import"),
        (&["3", "--reason", " "], "--reason is empty"),
        (&["3", "--reason", "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"], "--reason contains a secret key"),
        (&["3", "--reason", "x", "--id", "nobody", "--id", "req_000001"], "brought no event with the id \"nobody\""),
        (&["three", "--reason", "x"], "invalid value 'three'"),
        (&["3"], "--reason"),
    ] {
        retract(arguments)?.ends(2)?.says(says)?;
    }
    retract(&["3", "--reason", "x", "--dry-run"])?.ends(0)?.says("would be retracted: 9 events of a.csv (entry 3)")?;
    assert_eq!(desk.head()?, head, "nothing of this leaves a trace");
    retract(&["3", "--reason", "x", "--id", "req_000001"])?.ends(0)?.says("retracted: 1 event of a.csv")?;
    retract(&["3", "--reason", "x", "--id", "req_000001"])?.ends(2)?.says("or it was retracted before")?;
    desk.run(&["explain", "req_000001"])?
        .ends(2)?
        .says("the event with the id \"req_000001\" was retracted by entry 4")?;
    retract(&["3", "--reason", "all of it"])?.ends(0)?.says("retracted: 8 events")?;
    retract(&["3", "--reason", "x"])?.ends(2)?.says("entry 3: was retracted before by entry 5")?;
    let list = rows(&desk.print(&["imports", "list", "--format", "csv"])?)?;
    assert_eq!(list[0]["retracted_by"], "5");
    desk.run(&["costs", "retract", "3", "--reason", "x"])?
        .ends(2)?
        .says("entry 3: is of kind import, expected cost")?;
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

#[test]
fn costs_that_were_replaced_hold_again() -> Outcome {
    let desk = Desk::new()?;
    let file = |amounts: &[(u32, &str)]| -> String {
        let bucket = |(day, amount): &(u32, &str)| {
            let start = 1_790_812_800 + u64::from(*day) * 86_400;
            format!(
                "{{\"object\":\"bucket\",\"start_time\":{start},\"end_time\":{},\"results\":[{{\"object\":\
                 \"organization.costs.result\",\"amount\":{{\"value\":{amount},\"currency\":\"usd\"}},\"line_item\":null,\
                 \"project_id\":null}}]}}",
                start + 86_400
            )
        };
        let data: Vec<String> = amounts.iter().map(bucket).collect();
        format!("{{\"object\":\"page\",\"data\":[{}],\"has_more\":false,\"next_page\":null}}", data.join(","))
    };
    desk.write("a.json", file(&[(0, "1.5"), (1, "2.5")]))?;
    desk.write("wrong.json", file(&[(1, "250"), (2, "4")]))?;
    desk.write("b.json", file(&[(2, "4"), (3, "5")]))?;
    let report = ["report", "provider-cost", "--period", "2026-10", "--format", "csv"];
    for name in ["a.json", "b.json"] {
        desk.run(&["costs", "import", name])?.ends(0)?;
    }
    let expected = desk.print(&report)?;
    let wronged = Desk::new()?;
    for name in ["a.json", "wrong.json", "b.json"] {
        wronged.write(name, desk.read(name)?)?;
        wronged.run(&["costs", "import", name])?.ends(0)?;
    }
    assert_ne!(wronged.print(&report)?, expected);
    let retract = ["costs", "retract", "3", "--reason", "not ours"];
    let dry = wronged.run(&[&retract[..], &["--dry-run"]].concat())?.ends(4)?;
    dry.says("would be retracted: 2 costs of wrong.json (entry 3)")?;
    wronged.run(&retract)?.ends(4)?.says("entry 4: b.json")?;
    wronged.run(&retract)?.ends(2)?.says("entry 3: was retracted before by entry 5")?;
    wronged.run(&["costs", "import", "b.json"])?.ends(0)?.says("1 added")?;
    // The import records once that it read a report whose costs were all known.
    wronged.write("part.json", file(&[(3, "5")]))?;
    for _ in 0..2 {
        wronged.run(&["costs", "import", "part.json"])?.ends(0)?.says("1 duplicate")?;
    }
    assert_eq!(wronged.count("SELECT count(*) FROM cost_import WHERE file LIKE '%part.json'")?, 1);
    assert_eq!(wronged.print(&report)?, expected);
    wronged.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}
