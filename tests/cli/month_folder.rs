//! `tokenbook month-end` into a folder that holds reports already: what it refuses, and what it says has changed.

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

/// Every file below a folder with its bytes.
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
            .says(&format!("out: holds reports of the month 2026-10, expected the month {month}"))?
            .says("hint: name another --out")?;
    }
    assert_eq!((files(&desk, "out")?, desk.head()?), (before, head), "nothing is imported or written");
    // Without the manifest the folder is nobody's.
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
        (["--currency", "EUR"], "out: holds reports of the currency USD, expected the currency EUR"),
        (["--time-zone", "Asia/Tokyo"], "out: holds reports of the time zone UTC, expected the time zone Asia/Tokyo"),
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
    assert_eq!(ran.err, "warning: the ledger holds no usage of 2026-08: every report of it is empty\n");
    let summary: serde_json::Value = serde_json::from_slice(&desk.read("out/summary.json")?)?;
    assert_eq!(summary["clean"], false);
    Ok(())
}
