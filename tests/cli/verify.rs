//! `tokenbook verify`, `rebuild` and `backup`.

use crate::desk::{Desk, Outcome, usage};

#[test]
fn what_was_verified_is_counted() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 1_234))?;
    let imported = desk.print(&["import", "u.csv"])?;
    let head = imported.lines().find(|line| line.starts_with("ledger head: ")).ok_or("no head")?;
    let ran = desk.run(&["verify"])?.ends(0)?;
    let expected = format!("verified: 2 entries, 1 batch, 1,234 events\n{head}\n");
    // Without a terminal there is no progress.
    assert_eq!((ran.out, ran.err), (expected, String::new()));
    let ran = desk.run(&["report", "chargeback", "--period", "2026-10", "--format", "csv", "--recompute"])?.ends(0)?;
    assert_eq!((ran.out, ran.err), (desk.chargeback()?, String::new()));
    assert_eq!(desk.print(&["-q", "verify", "--deep"])?, format!("{head}\n"));
    assert_eq!(
        desk.print(&["rebuild"])?,
        format!("{} daily totals rebuilt from the events\n", desk.count("SELECT count(*) FROM usage_daily")?)
    );
    desk.run(&["backup", "copy.db"])?.ends(0)?.says("copy.db: copied and verified: 2 entries")?.says(head)?;
    Ok(())
}

#[test]
fn a_finding_is_an_error_with_a_hint() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 31))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    desk.database()?
        .execute_batch("UPDATE usage_daily SET output = 7 WHERE day = (SELECT min(day) FROM usage_daily)")?;
    let ran = desk.run(&["verify"])?.ends(7)?;
    let expected = "the daily totals of 2026-10-01 differ from its events (`tokenbook rebuild` computes them again)\n\
                    error[not-verified]: the ledger does not verify: 1 finding\n\
                    hint: keep the file unchanged so that somebody can examine it, and restore a backup that verifies\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", expected));
    Ok(())
}
