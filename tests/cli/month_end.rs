//! `tokenbook month-end`: one run from input files to output files, and repeated runs.

use crate::desk::{Desk, HEADER, Outcome, PRICES, Ran, fixture, rows, text, usage};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The month of `fixtures/month`, with all options.
fn month(desk: &Desk) -> Outcome<Ran> {
    let (usage, prices) = (fixture("month/usage"), fixture("month/prices.csv"));
    let (roi, offers) = (fixture("month/roi.csv"), fixture("month/offers.toml"));
    let files =
        ["--usage", text(&usage)?, "--prices", text(&prices)?, "--roi", text(&roi)?, "--offers", text(&offers)?];
    let rest = ["--out", "out", "--currency", "USD", "--time-zone", "America/New_York"];
    desk.run(&[&["month-end", "2026-10"], &files[..], &rest].concat())
}

/// A month of small files that the test writes.
fn small(desk: &Desk, options: &[&str]) -> Outcome<Ran> {
    let files = ["month-end", "2026-10", "--usage", "u.csv", "--prices", "prices.csv", "--out", "out"];
    desk.run(&[&files[..], options].concat())
}

/// Every file in the output folder, by name.
fn written(desk: &Desk) -> Outcome<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for name in desk.names("out")? {
        if name == "departments" {
            for name in desk.names("out/departments")? {
                files.insert(format!("departments/{name}"), desk.read(&format!("out/departments/{name}"))?);
            }
        } else {
            files.insert(name.clone(), desk.read(&format!("out/{name}"))?);
        }
    }
    Ok(files)
}

fn json(bytes: &[u8]) -> Outcome<serde_json::Value> {
    Ok(serde_json::from_slice(bytes)?)
}

/// The manifest's digests match the files, and it names every file except itself.
fn manifest_matches(files: &BTreeMap<String, Vec<u8>>) -> Outcome {
    let manifest = json(&files["manifest.json"])?;
    let mut named = vec!["manifest.json".to_owned()];
    for output in manifest["outputs"].as_array().ok_or("no outputs")? {
        let name = output["file"].as_str().ok_or("no file")?;
        let hex: String =
            Sha256::digest(&files[name]).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(output["sha256"].as_str(), Some(hex.as_str()), "{name}");
        assert_eq!(output["bytes"].as_u64(), Some(u64::try_from(files[name].len())?), "{name}");
        named.push(name.to_owned());
    }
    named.sort();
    assert_eq!(named, files.keys().cloned().collect::<Vec<_>>());
    for input in manifest["inputs"].as_array().ok_or("no inputs")? {
        let bytes = std::fs::read(input["file"].as_str().ok_or("no file")?)?;
        let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(input["sha256"].as_str(), Some(hex.as_str()), "{input}");
    }
    Ok(())
}

#[test]
fn a_month_done_twice_has_the_same_files() -> Outcome {
    let desk = Desk::empty()?;
    month(&desk)?.ends(0)?.says("the manifest last")?.says("source default: 24,200 events")?;
    let first = written(&desk)?;
    let expected = [
        "chargeback-detail.csv",
        "chargeback.csv",
        "manifest.json",
        "roi.csv",
        "savings-by-department.csv",
        "savings.csv",
        "summary.json",
        "unpriced.csv",
    ];
    let top: Vec<&str> = first.keys().map(String::as_str).filter(|name| !name.contains('/')).collect();
    assert_eq!(top, expected);
    assert_eq!(first.len() - top.len(), 6, "a file for each department");
    manifest_matches(&first)?;
    let head = desk.head()?;
    month(&desk)?.ends(0)?;
    let second = written(&desk)?;
    assert_eq!(first, second, "not one byte of one file differs");
    assert_eq!(desk.head()?, head);
    desk.run(&["verify"])?.ends(0)?;

    // Another ledger from the same files has other heads and the same tables.
    let other = Desk::empty()?;
    month(&other)?.ends(0)?;
    for (name, bytes) in written(&other)? {
        let is_table = std::path::Path::new(&name).extension().is_some_and(|extension| extension == "csv");
        assert!(!is_table || bytes == first[&name], "{name}");
    }
    Ok(())
}

#[test]
fn the_files_of_a_month_agree_with_each_other() -> Outcome {
    let desk = Desk::empty()?;
    month(&desk)?.ends(0)?;
    let files = written(&desk)?;
    let csv = |name: &str| -> Outcome<Vec<BTreeMap<String, String>>> { rows(std::str::from_utf8(&files[name])?) };
    let cents = |rows: &[BTreeMap<String, String>], department: &str| -> Outcome<i64> {
        let of = rows.iter().filter(|row| row["department"] == department);
        let amounts = of.map(|row| row["amount"].replace('.', "").parse::<i64>());
        Ok(amounts.sum::<Result<i64, _>>()?)
    };
    let (coarse, detail) = (csv("chargeback.csv")?, csv("chargeback-detail.csv")?);
    let expected = std::fs::read_to_string(fixture("month/expected.csv"))?;
    for row in rows(&expected)? {
        let department = &row["department"];
        let owed = row["amount"].replace('.', "").parse::<i64>()?;
        assert_eq!(cents(&coarse, department)?, owed, "{department}");
        assert_eq!(cents(&detail, department)?, owed, "{department} in detail");
        assert_eq!(
            cents(&csv(&format!("departments/{department}.csv"))?, department)?,
            owed,
            "{department}'s own file"
        );
    }
    let summary = json(&files["summary.json"])?;
    assert_eq!(summary["clean"], true);
    assert_eq!(summary["sources"][0]["events"], 24_200);
    Ok(())
}

#[test]
fn problems_are_refused_or_counted() -> Outcome {
    let desk = Desk::empty()?;
    let (usage, prices) = (fixture("problem/usage.csv"), fixture("problem/prices.csv"));
    let files = ["month-end", "2026-10", "--usage", text(&usage)?, "--prices", text(&prices)?, "--out", "out"];
    let run = |options: &[&str]| desk.run(&[&files[..], &["--time-zone", "America/New_York"], options].concat());
    run(&[])?
        .ends(3)?
        .says("usage.csv:10: input_tokens: \"6,150\" is not a whole number")?
        .says("1 of 1 usage file rejected; no reports were written")?;
    assert!(!desk.path("out").exists());
    run(&["--quarantine"])?.ends(4)?.says("house-model-7b")?;
    let files = written(&desk)?;
    manifest_matches(&files)?;
    let expected: toml::Table = std::fs::read_to_string(fixture("problem/expected.toml"))?.parse()?;
    let found = rows(std::str::from_utf8(&files["chargeback.csv"])?)?;
    for row in &found {
        for column in ["events", "amount_exact", "amount"] {
            let figure = expected["department"][row["department"].as_str()][column].as_str();
            assert_eq!(Some(row[column].as_str()), figure, "{} {column}", row["department"]);
        }
    }
    assert_eq!(found.len(), 4);
    let unpriced = rows(std::str::from_utf8(&files["unpriced.csv"])?)?;
    assert!(
        unpriced.iter().all(|row| Some(row["model"].as_str()) == expected["unpriced"]["model"].as_str()),
        "{unpriced:?}"
    );
    let summary = json(&files["summary.json"])?;
    assert_eq!(
        (&summary["clean"], &summary["unpriced_events"], &summary["unallocated_events"], &summary["quarantined_lines"]),
        (&false.into(), &2.into(), &1.into(), &1.into())
    );
    // On a repeated run nothing is quarantined twice, and the exit code is the same.
    run(&["--quarantine"])?.ends(4)?;
    assert_eq!(written(&desk)?, files);
    Ok(())
}

#[test]
fn a_ledger_keeps_its_settings() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("u.csv", usage(0, 9))?;
    desk.write("prices.csv", PRICES)?;
    small(&desk, &[])?.ends(0)?;
    let before = desk.head()?;
    small(&desk, &["--currency", "EUR"])?.ends(2)?.says("the ledger's currency is USD, not EUR")?;
    small(&desk, &["--time-zone", "Asia/Tokyo"])?.ends(2)?.says("the ledger's time zone is UTC, not Asia/Tokyo")?;
    small(&desk, &["--currency", "USD", "--time-zone", "UTC"])?.ends(0)?;
    assert_eq!(desk.head()?, before);
    Ok(())
}

#[test]
fn what_cannot_be_read_stops_the_run_before_it_begins() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("u.csv", usage(0, 9))?;
    desk.write("prices.csv", PRICES)?;
    small(&desk, &["--roi", "missing.csv"])?.ends(3)?.says("missing.csv: No such file")?;
    small(&desk, &["--offers", "missing.toml"])?.ends(3)?.says("missing.toml: No such file")?;
    desk.run(&["month-end", "2026-1", "--usage", "u.csv", "--prices", "prices.csv", "--out", "out"])?
        .ends(2)?
        .says("\"2026-1\" is not a month between 2015 and 2099, expected YYYY-MM")?;
    desk.run(&["month-end", "2026-10", "--usage", "-", "--prices", "prices.csv", "--out", "out"])?
        .ends(2)?
        .says("--usage - is standard input")?;
    desk.run(&["month-end", "2026-10", "--usage", "gone.csv", "--prices", "prices.csv", "--out", "out"])?.ends(3)?;
    assert_eq!(desk.names(".")?, ["prices.csv", "u.csv"], "no ledger, no folder");
    Ok(())
}

#[test]
fn benefits_or_offers_that_are_wrong_write_no_report() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("u.csv", usage(0, 9))?;
    desk.write("prices.csv", PRICES)?;
    desk.write("bad.csv", "nonsense\n")?;
    desk.write("bad.toml", "[[offer]]\nname = 1\n")?;
    small(&desk, &["--roi", "bad.csv"])?.ends(3)?.says("bad.csv:1: nonsense: is not a column")?;
    assert!(!desk.path("out").exists());
    small(&desk, &[])?.ends(0)?;
    let before = written(&desk)?;
    desk.write("u.csv", usage(0, 19))?;
    small(&desk, &["--offers", "bad.toml"])?.ends(3)?.says("bad.toml:2:8: ")?;
    assert_eq!(written(&desk)?, before, "the set of the run before stays whole");
    Ok(())
}

#[test]
fn a_file_of_somebody_else_is_left_alone() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("prices.csv", PRICES)?;
    desk.write("u.csv", format!("{HEADER}\na,2026-10-05T10:00:00Z,m,Legal,1,1\nb,2026-10-05T10:00:00Z,m,Sales,1,1\n"))?;
    desk.write("out/notes.txt", "mine")?;
    desk.write("out/departments/Marketing.csv", "mine too")?;
    small(&desk, &[])?.ends(0)?;
    assert!(desk.path("out/departments/Sales.csv").exists());
    // Another ledger has fewer departments. The file of Sales was written by tokenbook, so it is removed, unless
    // somebody changed it.
    for (changed, left) in [(true, true), (false, false)] {
        std::fs::remove_file(desk.ledger())?;
        desk.write(
            "u.csv",
            format!("{HEADER}\na,2026-10-05T10:00:00Z,m,Legal,1,1\nb,2026-10-05T10:00:00Z,m,Sales,1,1\n"),
        )?;
        small(&desk, &[])?.ends(0)?;
        if changed {
            desk.write("out/departments/Sales.csv", "changed")?;
        }
        std::fs::remove_file(desk.ledger())?;
        desk.write("u.csv", format!("{HEADER}\na,2026-10-05T10:00:00Z,m,Legal,1,1\n"))?;
        small(&desk, &[])?.ends(0)?;
        assert_eq!(desk.path("out/departments/Sales.csv").exists(), left, "changed {changed}");
    }
    assert_eq!(desk.read("out/notes.txt")?, b"mine");
    assert_eq!(desk.read("out/departments/Marketing.csv")?, b"mine too");
    Ok(())
}

#[test]
fn a_department_cannot_choose_where_its_file_goes() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("prices.csv", PRICES)?;
    let names = ["../../escape", "/etc/escape", "a/b", "a\\b", "CON", ".hidden", "Ünit", "Legal", "LEGAL", "legal", ""];
    let lines: Vec<String> =
        names.iter().enumerate().map(|(id, name)| format!("e{id},2026-10-05T10:00:00Z,m,{name},1,1\n")).collect();
    desk.write("u.csv", format!("{HEADER}\n{}", lines.concat()))?;
    small(&desk, &[])?.ends(4)?;
    let files = desk.names("out/departments")?;
    assert_eq!(files.len(), names.len(), "{files:?}");
    let mut folded: Vec<String> = files.iter().map(|name| name.to_lowercase()).collect();
    folded.sort();
    folded.dedup();
    assert_eq!(folded.len(), names.len(), "two files where case does not count: {files:?}");
    assert!(files.iter().all(|name| !name.starts_with('.') && name.is_ascii()), "{files:?}");
    assert_eq!(desk.names(".")?, ["out", "prices.csv", "tokenbook.db", "u.csv"]);
    manifest_matches_names(&desk)
}

fn manifest_matches_names(desk: &Desk) -> Outcome {
    let manifest = json(&desk.read("out/manifest.json")?)?;
    for output in manifest["outputs"].as_array().ok_or("no outputs")? {
        assert!(desk.path("out").join(output["file"].as_str().ok_or("no file")?).is_file(), "{output}");
    }
    Ok(())
}

#[test]
fn the_month_before_is_compared() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("prices.csv", PRICES)?;
    desk.write("u.csv", format!("{HEADER}\na,2026-09-05T10:00:00Z,m,Legal,400000,\nb,2026-10-05T10:00:00Z,m,Legal,800000,\nc,2026-11-05T10:00:00Z,m,Legal,1,\n"))?;
    small(&desk, &[])?.ends(0)?.says("outside the month, the ledger has 1 earlier and 1 later events")?;
    let summary = json(&desk.read("out/summary.json")?)?;
    let row = &summary["summary"]["rows"][0];
    assert_eq!(
        (&row["amount"], &row["amount_before"], &row["change"]),
        (&"2.00".into(), &"1.00".into(), &"1.00".into()),
        "{row}"
    );
    assert_eq!(summary["events_outside_the_month"]["before"], 1);
    assert_eq!(summary["sources"][0]["days_without_events"].as_array().map(Vec::len), Some(30));
    Ok(())
}

#[test]
fn a_report_never_takes_the_place_of_what_the_run_reads() -> Outcome {
    let desk = Desk::empty()?;
    let (usage, prices) = (fixture("cases/a/usage.jsonl"), fixture("cases/a/prices.csv"));
    desk.write("out/unpriced.csv", std::fs::read(&prices)?)?;
    desk.write("p.csv", std::fs::read(&prices)?)?;
    let month = ["month-end", "2026-10", "--usage", text(&usage)?, "--out", "out", "--prices"];
    let run = |ledger: &str, prices: &str| desk.run(&[&["--ledger", ledger][..], &month, &[prices]].concat());
    run("l.db", "out/unpriced.csv")?.ends(2)?.says("out/unpriced.csv: the command reads this file")?;
    run("out/chargeback.csv", "p.csv")?.ends(2)?.says("chargeback.csv: the command reads this file")?;
    desk.run(&["--ledger", "out/chargeback.csv", "verify"])?.ends(0)?;
    run("out/ledger.db", "p.csv")?.ends(0)?;
    desk.run(&["--ledger", "out/ledger.db", "verify"])?.ends(0)?;
    Ok(())
}
