//! `tokenbook quarantine`: lists quarantined lines and decides about them.

use crate::desk::{Desk, HEADER, Outcome};

#[test]
fn numbers_all_and_a_reason() -> Outcome {
    let desk = Desk::new()?;
    desk.run(&["quarantine", "list"])?.ends(0)?.says("0 lines wait for a decision")?;
    desk.run(&["quarantine", "discard", "--reason", "r"])?.ends(2)?;
    desk.run(&["quarantine", "discard", "1", "--all", "--reason", "r"])?.ends(2)?;
    desk.run(&["quarantine", "discard", "1", "--reason", "r"])?
        .ends(2)?
        .says("no open line of the quarantine has the number 1")?;
    desk.write("u.csv", format!("{HEADER}\ne,never,m,Legal,1,1\nf,2026-10-01T00:00:00Z,m,Legal,1,1\n"))?;
    desk.run(&["import", "--quarantine", "u.csv"])?.ends(4)?;
    let before = desk.head()?;
    desk.run(&["quarantine", "discard", "--all", "--reason", "a test of ours"])?.ends(0)?.says("ledger head: 3 ")?;
    assert_ne!(desk.head()?, before, "a decision is an entry of the chain");
    let kept: String = desk.database()?.query_row("SELECT reason FROM quarantine_outcome", [], |row| row.get(0))?;
    assert_eq!(kept, "a test of ours");
    Ok(())
}

#[test]
fn a_line_that_was_decided_on_does_not_come_back_with_its_file() -> Outcome {
    let desk = Desk::new()?;
    let lines = format!("{HEADER}\ne,never,m,Legal,1,1\nf,2026-10-01T00:00:00Z,m,Legal,1,1\n");
    desk.write("u.csv", &lines)?;
    desk.run(&["import", "--quarantine", "u.csv"])?.ends(4)?.says("1 accepted + 0 duplicates + 1 quarantined")?;
    let grown = format!("{lines}g,2026-10-02T00:00:00Z,m,Legal,1,1\n");
    desk.write("grown.csv", &grown)?;
    // While it is open, the line counts as quarantined, once.
    desk.run(&["import", "--quarantine", "grown.csv"])?.ends(4)?.says("1 accepted + 1 duplicate + 1 quarantined")?;
    desk.run(&["quarantine", "list"])?.ends(0)?.says("1 line waits for a decision")?;
    desk.run(&["quarantine", "discard", "1", "--reason", "a test line"])?.ends(0)?;
    desk.run(&["import", "--quarantine", "u.csv"])?.ends(0)?.says("this exact file")?;
    desk.write("more.csv", format!("{grown}h,2026-10-03T00:00:00Z,m,Legal,1,1\n"))?;
    desk.run(&["import", "--quarantine", "more.csv"])?.ends(0)?.says("1 accepted + 2 duplicates + 1 quarantined")?;
    desk.run(&["quarantine", "list"])?.ends(0)?.says("0 lines wait for a decision")?;
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn two_bad_lines_without_an_id_are_two_however_alike() -> Outcome {
    let desk = Desk::new()?;
    let lines = format!("{HEADER}\n,2026-10-01T00:00:00Z,m,Legal,1,1\nf,2026-10-01T00:00:00Z,m,Legal,1,1\n");
    desk.write("u.csv", &lines)?;
    desk.run(&["import", "--quarantine", "u.csv"])?.ends(4)?;
    desk.run(&["quarantine", "discard", "1", "--reason", "a test line"])?.ends(0)?;
    desk.write("other.csv", format!("{lines}g,2026-10-02T00:00:00Z,m,Legal,1,1\n"))?;
    desk.run(&["import", "--quarantine", "other.csv"])?.ends(4)?;
    desk.run(&["quarantine", "list"])?.ends(0)?.says("1 line waits for a decision")?;
    Ok(())
}
