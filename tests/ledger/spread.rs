//! Changes that keep every total of a month: usage moves between its days, between tags, or between events.

use super::tampering::tampered;
use super::{HEADER, PRICES, usage};
use crate::desk::{Desk, Outcome};

/// Usage of October, with a price that changes inside the month and inside a day.
fn october() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("prices.csv", format!("{PRICES}m,output,USD,30,2026-10-16T12:00:00Z\n"))?;
    desk.write("a.csv", usage(0, 90))?;
    desk.write(
        "b.csv",
        format!(
            "{HEADER},tag.team\nx,2026-10-20T10:00:00Z,m,Legal,50,50,red\ny,2026-10-20T11:00:00Z,m,Legal,50,50,blue\n"
        ),
    )?;
    for command in [&["prices", "import", "prices.csv"][..], &["import", "a.csv"], &["import", "b.csv"]] {
        desk.run(command)?.ends(0)?;
    }
    Ok(desk)
}

const BY: [&[&str]; 5] = [
    &["--period", "2026-10"],
    &["--period", "2026-10", "--by", "department,tag.team"],
    &["--period", "2026-10-01..2026-10-31", "--by", "model"],
    &["--period", "2026-10", "--recompute"],
    &["--period", "2026-Q4", "--recompute", "--by", "department,meter"],
];

fn chargeback(desk: &Desk, more: &[&str]) -> Outcome<crate::desk::Ran> {
    desk.run(&[&["report", "chargeback", "--format", "csv"], more].concat())
}

/// Every report of the copy equals the ledger's report or is refused. The report at the given position is refused.
fn is_refused(desk: &Desk, statements: &str, at: usize) -> Outcome {
    let copy = tampered(desk, statements)?;
    for (place, by) in BY.iter().enumerate() {
        let (before, after) = (chargeback(desk, by)?, chargeback(&copy, by)?);
        match after.code {
            Some(7) => assert_eq!(after.out, "", "{statements}"),
            code => assert_eq!((code, &after.out), (before.code, &before.out), "{statements}: {by:?}"),
        }
        assert!(place != at || after.code == Some(7), "{statements}: {by:?}: {after:?}");
    }
    copy.run(&["verify"])?.ends(7)?;
    Ok(())
}

#[test]
fn usage_moved_between_days_is_not_billed() -> Outcome {
    let desk = october()?;
    let days = "(SELECT min(day) FROM usage_daily), (SELECT max(day) FROM usage_daily)";
    let one = "day = (SELECT min(day) FROM usage_daily)";
    for change in [
        format!("UPDATE usage_daily SET output = output + iif({one}, 400, -400) WHERE day IN ({days})"),
        format!("UPDATE usage_daily SET input = input + iif({one}, -5, 5) WHERE day IN ({days})"),
        format!("UPDATE usage_daily SET day = day + 31 WHERE {one}"),
    ] {
        is_refused(&desk, &change, 0)?;
    }
    Ok(())
}

#[test]
fn usage_moved_between_tags_of_one_payer_is_not_billed() -> Outcome {
    let desk = october()?;
    let (red, blue) =
        ("(SELECT id FROM tag_set WHERE tags LIKE '%red%')", "(SELECT id FROM tag_set WHERE tags LIKE '%blue%')");
    let moved = format!(
        "UPDATE usage_daily SET output = output + iif(tag_set = {red}, 20, -20) WHERE tag_set IN ({red}, {blue})"
    );
    is_refused(&desk, &moved, 1)
}

#[test]
fn events_that_are_not_those_of_their_sums_are_not_billed() -> Outcome {
    let desk = october()?;
    let cases = [
        "UPDATE usage_event SET output = output + 100 WHERE id = 'x'",
        "UPDATE usage_event SET class = (SELECT max(class) FROM usage_event) WHERE id = 'x'",
        "DELETE FROM usage_event WHERE id = 'x'",
        "UPDATE usage_event SET output = output + iif(id = 'x', 9, -9) WHERE id IN ('x', 'req_000001')",
    ];
    cases.into_iter().try_for_each(|change| is_refused(&desk, change, 3))?;
    // On the day on which the price changes, every report reads the events.
    let on_that_day = "UPDATE usage_event SET output = output + 100 WHERE key >> 47 = (SELECT day FROM usage_daily WHERE date(day * 86400, 'unixepoch') = '2026-10-16' LIMIT 1)";
    is_refused(&desk, on_that_day, 0)
}

#[test]
fn a_change_is_not_sealed_with_what_is_appended_later() -> Outcome {
    let desk = october()?;
    let one = "day = (SELECT min(day) FROM usage_daily)";
    let days = "(SELECT min(day) FROM usage_daily), (SELECT max(day) FROM usage_daily)";
    let copy =
        tampered(&desk, &format!("UPDATE usage_daily SET output = output + iif({one}, 7, -7) WHERE day IN ({days})"))?;
    // Appends to the changed totals and to their days, and adds a price that cuts their bands again.
    copy.write("more.csv", usage(90, 62))?;
    copy.write("later.csv", "model,meter,currency,price,valid_from,prompt_above\nm,input,USD,5,2026-01-01,1000\n")?;
    copy.run(&["import", "more.csv"])?;
    chargeback(&copy, BY[0])?.ends(7)?;
    copy.run(&["prices", "import", "later.csv"])?;
    chargeback(&copy, BY[0])?.ends(7)?;
    let entry = copy.count("SELECT min(entry) FROM import")?.to_string();
    copy.run(&["imports", "retract", &entry, "--reason", "a test"])?;
    chargeback(&copy, BY[0])?.ends(7)?;
    let verified = copy.run(&["verify"])?.ends(7)?;
    assert!(verified.err.contains("2026-10-"), "{verified:?}");
    Ok(())
}

#[test]
fn usage_moved_across_a_change_of_price_is_not_billed() -> Outcome {
    let desk = october()?;
    let rows = "p,2026-10-16T10:00:00Z,m,Legal,50,10\nq,2026-10-16T14:00:00Z,m,Legal,50,90\n";
    desk.write("c.csv", format!("{HEADER}\n{rows}"))?;
    desk.run(&["import", "c.csv"])?.ends(0)?;
    // The totals of the day stay, and so do the number of events and their ids.
    for moved in [
        "UPDATE usage_event SET output = 100 - output WHERE id IN ('p', 'q')",
        "UPDATE usage_event SET at = at + iif(id = 'p', 14400000, -14400000) WHERE id IN ('p', 'q')",
        "UPDATE usage_event SET input = input + iif(id = 'p', 7, -7) WHERE id IN ('p', 'q')",
    ] {
        is_refused(&desk, moved, 0)?;
        is_refused(&desk, moved, 2)?;
        is_refused(&desk, moved, 3)?;
        is_refused(&desk, moved, 4)?;
    }
    Ok(())
}

#[test]
fn events_without_a_price_are_not_counted_wrong() -> Outcome {
    let desk = october()?;
    // `cache_read` has no price, so the report shows how many events have some, beside the tokens.
    let rows = "r,2026-10-20T10:00:00Z,m,Legal,50,50,8\ns,2026-10-20T11:00:00Z,m,Legal,50,50,0\n";
    desk.write("c.csv", format!("{HEADER},cache_read_tokens\n{rows}"))?;
    desk.run(&["import", "c.csv"])?.ends(0)?;
    chargeback(&desk, BY[0])?.ends(0)?;
    is_refused(&desk, "UPDATE usage_event SET cache_read = 4 WHERE id IN ('r', 's')", 0)
}

#[test]
fn an_event_is_explained_as_it_came_or_not_at_all() -> Outcome {
    let desk = october()?;
    let explain = |desk: &Desk, id: &str| desk.run(&["explain", id]);
    explain(&desk, "x")?.ends(0)?;
    for change in [
        "UPDATE usage_event SET output = output + iif(id = 'x', 9, -9) WHERE id IN ('x', 'y')",
        "UPDATE usage_event SET line = line + 1 WHERE id = 'x'",
        "UPDATE usage_event SET at = at + 1 WHERE id = 'x'",
        "UPDATE usage_event SET batch = 1 WHERE id = 'x'",
        "UPDATE usage_event SET batch = 1 WHERE id IN ('x', 'y')",
        "UPDATE usage_event SET class = (SELECT class FROM usage_event WHERE id = 'y') WHERE id = 'x'",
        "UPDATE event_class SET prompt = 1 - prompt",
        "UPDATE batch_day SET digest = zeroblob(32)",
        "DELETE FROM batch_day",
        "INSERT INTO batch_day SELECT 77, day, events, digest FROM batch_day LIMIT 1",
        "UPDATE batch_day SET day = day + 400 WHERE batch = 2",
    ] {
        let ran = explain(&tampered(&desk, change)?, "x")?;
        assert_eq!((ran.code, ran.out.as_str()), (Some(7), ""), "{change}: {ran:?}");
    }
    Ok(())
}

#[test]
fn a_month_end_is_not_stopped_by_another_year() -> Outcome {
    let desk = october()?;
    desk.write("old.csv", format!("{HEADER}\nold,2026-03-10T10:00:00Z,m,Legal,50,10\n"))?;
    desk.run(&["import", "old.csv"])?.ends(0)?;
    let month = ["month-end", "2026-10", "--usage", "b.csv", "--prices", "prices.csv", "--out", "out"];
    for (change, code) in [("old", 0), ("x", 7)] {
        let copy = tampered(&desk, &format!("UPDATE usage_event SET output = output + 1 WHERE id = '{change}'"))?;
        for file in ["b.csv", "prices.csv"] {
            std::fs::copy(desk.path(file), copy.path(file))?;
        }
        copy.run(&month)?.ends(code)?;
        copy.run(&["verify"])?.ends(7)?;
    }
    Ok(())
}
