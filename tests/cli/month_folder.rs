//! `tokenbook month-end` into a folder with earlier reports: what it refuses, and which changes it reports.

use crate::desk::{Desk, HEADER, Outcome, PRICES, Ran};
use std::collections::BTreeMap;

/// Usage of September and October.
fn usage() -> String {
    format!("{HEADER}\ns,2026-09-05T10:00:00Z,m,Legal,400000,\no,2026-10-05T10:00:00Z,m,Legal,800000,\n")
}

fn month_end(desk: &Desk, month: &str, options: &[&str]) -> Outcome<Ran> {
    let files = ["month-end", month, "--usage", "u.csv", "--prices", "prices.csv", "--out", "out"];
    desk.run(&[&files[..], options].concat())
}

fn with_october() -> Outcome<Desk> {
    let desk = Desk::empty()?;
    desk.write("u.csv", usage())?;
    desk.write("prices.csv", PRICES)?;
    month_end(&desk, "2026-10", &[])?.ends(0)?;
    Ok(desk)
}

/// Every file below a folder, with its bytes.
fn files(desk: &Desk, folder: &str) -> Outcome<BTreeMap<String, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for name in desk.names(folder)? {
        let path = format!("{folder}/{name}");
        if desk.path(&path).is_dir() {
            all.extend(files(desk, &path)?);
        } else {
            all.insert(path.clone(), desk.read(&path)?);
        }
    }
    Ok(all)
}

#[test]
fn the_reports_of_another_month_are_not_replaced() -> Outcome {
    let desk = with_october()?;
    let (before, head) = (files(&desk, "out")?, desk.head()?);
    desk.write("u.csv", format!("{HEADER}\nn,2026-10-06T10:00:00Z,m,Legal,1,\n"))?;
    desk.write("prices.csv", PRICES.replace("2.50", "2.60"))?;
    for month in ["2026-09", "2026-11", "2025-10"] {
        month_end(&desk, month, &[])?
            .ends(2)?
            .says(&format!("out: contains reports of the month 2026-10, expected the month {month}"))?
            .says("hint: name another folder with `--out`")?;
    }
    assert_eq!((files(&desk, "out")?, desk.head()?), (before, head), "nothing is imported or written");
    // Without the manifest, tokenbook does not know the folder as its own.
    std::fs::remove_file(desk.path("out/manifest.json"))?;
    desk.write("u.csv", usage())?;
    month_end(&desk, "2026-09", &[])?.ends(0)?;
    Ok(())
}

#[test]
fn reports_in_another_currency_or_zone_are_not_replaced_by_a_new_ledger() -> Outcome {
    let desk = with_october()?;
    let before = files(&desk, "out")?;
    for (options, says) in [
        (["--currency", "EUR"], "out: contains reports of the currency USD, expected the currency EUR"),
        (
            ["--time-zone", "Asia/Tokyo"],
            "out: contains reports of the time zone UTC, expected the time zone Asia/Tokyo",
        ),
    ] {
        month_end(&desk, "2026-10", &[&["--ledger", "new.db"][..], &options].concat())?.ends(2)?.says(says)?;
        assert!(!desk.path("new.db").exists(), "no ledger is made");
        desk.run(&[&["--ledger", "made.db", "init"][..], &options].concat())?.ends(0)?;
        month_end(&desk, "2026-10", &["--ledger", "made.db"])?.ends(2)?.says(says)?;
        std::fs::remove_file(desk.path("made.db"))?;
    }
    assert_eq!(files(&desk, "out")?, before);
    Ok(())
}

#[test]
fn a_month_without_usage_does_not_look_like_success() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("u.csv", usage())?;
    desk.write("prices.csv", PRICES)?;
    let ran = month_end(&desk, "2026-08", &["--quiet"])?.ends(4)?;
    assert_eq!(ran.err, "warning: the ledger has no usage of 2026-08, so every report of the month is empty\n");
    let summary: serde_json::Value = serde_json::from_slice(&desk.read("out/summary.json")?)?;
    assert_eq!(summary["clean"], false);
    Ok(())
}

/// The changes to the replaced reports that a run prints, without the entry.
fn change_of(ran: &Ran) -> Vec<&str> {
    let lines = ran.out.lines().skip_while(|line| !line.starts_with("changed since the reports in out (ledger entry "));
    lines.skip(1).take_while(|line| line.starts_with("  ")).collect()
}

#[test]
fn a_month_that_changes_says_from_what_to_what_and_why() -> Outcome {
    let desk = with_october()?;
    assert!(change_of(&month_end(&desk, "2026-10", &[])?.ends(0)?).is_empty(), "the same again is no change");

    // A typing error in a price that reports already used.
    desk.write("prices.csv", PRICES.replace("2.50", "1000"))?;
    let before = files(&desk, "out")?;
    month_end(&desk, "2026-10", &[])?.ends(3)?.says("--accept-jumps")?;
    assert_eq!(files(&desk, "out")?, before, "a refused price leaves the reports as they are");
    let ran = month_end(&desk, "2026-10", &["--accept-jumps"])?.ends(0)?;
    let lines = ["  total: 2.00 -> 800.00 USD", "  \"Legal\": 2.00 -> 800.00 USD", "  why: 1 price replaced"];
    assert_eq!(change_of(&ran), lines);

    // More usage, all of it paid by another department.
    desk.write("u.csv", format!("{HEADER}\nn,2026-10-06T10:00:00Z,m,Legal,1000,\n"))?;
    desk.write("r.csv", "rule,key,value,department,weight,override\na,model,m,Sales,,yes\n")?;
    let ran = month_end(&desk, "2026-10", &["--rules", "r.csv"])?.ends(0)?;
    let lines = [
        "  total: 800.00 -> 801.00 USD",
        "  \"Legal\": 800.00 -> nothing USD",
        "  \"Sales\": nothing -> 801.00 USD",
        "  why: rules changed; 1 new event",
    ];
    assert_eq!(change_of(&ran), lines);

    // Aliases and new prices, and a difference below a cent.
    desk.write("u.csv", format!("{HEADER}\nx,2026-10-07T10:00:00Z,x,Legal,1,\n"))?;
    desk.write("a.csv", "alias,model,valid_from\nx,m,2026-01-01\n")?;
    desk.write("prices.csv", format!("{}z,input,USD,1,2026-01-01\n", PRICES.replace("2.50", "1000")))?;
    let ran = month_end(&desk, "2026-10", &["--aliases", "a.csv"])?.ends(0)?;
    let lines = [
        "  total: 801 -> 801.001 USD",
        "  \"Legal\": nothing -> 0.00 USD",
        "  why: 1 price added; 1 alias imported; 1 new event",
    ];
    assert_eq!(change_of(&ran), lines);

    // A repeated run writes the same files.
    let before = files(&desk, "out")?;
    assert!(change_of(&month_end(&desk, "2026-10", &["--aliases", "a.csv"])?.ends(0)?).is_empty());
    assert!(files(&desk, "out")? == before);
    Ok(())
}

#[test]
fn a_change_that_the_ledger_does_not_explain_is_said() -> Outcome {
    let desk = with_october()?;
    let manifest = String::from_utf8(desk.read("out/manifest.json")?)?;
    let totals: serde_json::Value = serde_json::from_str(&manifest)?;
    assert_eq!(totals["totals"]["all"], serde_json::json!({"events": 1, "amount_exact": "2", "amount": "2.00"}));
    assert_eq!(totals["totals"]["departments"]["Legal"], totals["totals"]["all"]);
    for (from, to, why) in [
        ("2.00", "3.00", "no entry of the ledger explains it: run `tokenbook verify`"),
        ("\"tokenbook\": \"0", "\"tokenbook\": \"9", "tokenbook 9"),
    ] {
        let changed = manifest.replace("\"2.00\"", "\"3.00\"").replace(from, to);
        desk.write("out/manifest.json", changed)?;
        let ran = month_end(&desk, "2026-10", &[])?.ends(0)?.says(why)?;
        assert_eq!(change_of(&ran)[0], "  total: 3.00 -> 2.00 USD");
        assert_eq!(desk.read("out/manifest.json")?, manifest.as_bytes());
    }
    // Another ledger with other usage.
    desk.write("u.csv", format!("{HEADER}\no,2026-10-05T10:00:00Z,m,Legal,400000,\n"))?;
    let ran = month_end(&desk, "2026-10", &["--ledger", "other.db"])?.ends(0)?;
    assert_eq!(change_of(&ran)[0], "  total: 2.00 -> 1.00 USD");
    ran.says("  why: the earlier reports come from another ledger, or from a later state of this one")?;
    // Another file with the manifest's name is ignored.
    desk.write("out/manifest.json", "{\"outputs\": []}")?;
    desk.write("u.csv", usage())?;
    assert!(change_of(&month_end(&desk, "2026-10", &[])?.ends(0)?).is_empty());
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_folder_of_departments_that_leads_elsewhere_is_refused() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("u.csv", usage())?;
    desk.write("prices.csv", PRICES)?;
    desk.write("elsewhere/Legal.csv", "mine")?;
    std::fs::create_dir(desk.path("out"))?;
    std::os::unix::fs::symlink(desk.path("elsewhere"), desk.path("out/departments"))?;
    month_end(&desk, "2026-10", &[])?.ends(8)?.says("out/departments: is a link or not a folder")?;
    assert_eq!(
        (desk.names("out")?, desk.names("elsewhere")?),
        (vec!["departments".to_owned()], vec!["Legal.csv".to_owned()])
    );
    assert_eq!(desk.read("elsewhere/Legal.csv")?, b"mine");
    Ok(())
}

#[test]
fn a_run_that_was_stopped_leaves_what_the_next_one_needs_to_know() -> Outcome {
    let desk = with_october()?;
    std::fs::rename(desk.path("out/manifest.json"), desk.path("out/.tokenbook-manifest.json"))?;
    month_end(&desk, "2026-09", &[])?.ends(2)?.says("out: contains reports of the month 2026-10")?;
    month_end(&desk, "2026-10", &[])?.ends(0)?;
    assert!(!desk.names("out")?.contains(&".tokenbook-manifest.json".to_owned()));
    Ok(())
}

#[test]
fn a_new_ledger_in_the_working_folder_needs_no_path() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("u.csv", usage())?;
    desk.write("prices.csv", PRICES)?;
    month_end(&desk, "2026-10", &["--ledger", "bare.db"])?.ends(0)?;
    month_end(&desk, "2026-10", &["--ledger", "a/b/deep.db"])?.ends(0)?;
    Ok(())
}
