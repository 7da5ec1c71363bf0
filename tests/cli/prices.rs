//! `tokenbook prices`: import, list and check.

use crate::desk::{Desk, Outcome, fixture, text};

#[test]
fn the_public_prices_are_read_and_listed_as_they_were() -> Outcome {
    let desk = Desk::new()?;
    let public = fixture("prices/public-2026-11-23.csv");
    let first = desk.print(&["prices", "import", text(&public)?, "--confirm"])?;
    assert!(first.contains(" 0 replaced, 0 unchanged"), "{first}");
    let listed = desk.print(&["prices", "list", "--history", "--format", "csv"])?;
    // What is listed can be imported again and is the same.
    desk.write("again.csv", listed)?;
    desk.run(&["prices", "import", "again.csv", "--confirm"])?.ends(0)?.says(" 0 prices added, 0 replaced, ")?;
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_book_is_named_by_the_file_or_by_the_command() -> Outcome {
    let desk = Desk::new()?;
    desk.write(
        "p.csv",
        "book,model,meter,currency,price,valid_from\n,m,input,USD,1,2026-01-01\nnamed,m,input,USD,2,2026-01-01\n",
    )?;
    desk.run(&["prices", "import", "p.csv", "--book", "given"])?.ends(0)?;
    let listed = desk.print(&["prices", "list", "--at", "2026-10-01", "--format", "csv"])?;
    let books: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(books, ["given", "named"]);
    let report = ["report", "chargeback", "--period", "2026-10"];
    desk.run(&[&report[..], &["--book", "unknown"]].concat())?.ends(2)?.says("there is no price book \"unknown\"")?;
    Ok(())
}

#[test]
fn prices_are_listed_as_of_a_day() -> Outcome {
    let desk = Desk::with(&["--time-zone", "America/New_York"])?;
    desk.write("p.csv", "model,meter,currency,price,valid_from\nm,input,USD,1,2026-01-01\nm,input,USD,2,2026-10-01\nm,input,USD,-,2026-11-01\n")?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    for (at, price) in
        [("2026-09-30", ",1,"), ("2026-10-01", ",2,"), ("2026-10-01T03:59:59Z", ",1,"), ("2026-10-01T04:00:00Z", ",2,")]
    {
        let listed = desk.print(&["prices", "list", "--at", at, "--format", "csv"])?;
        assert!(listed.lines().count() == 2 && listed.contains(price), "{at}: {listed}");
    }
    assert_eq!(desk.print(&["prices", "list", "--at", "2026-11-01", "--format", "csv"])?.lines().count(), 1);
    desk.run(&["prices", "list", "--at", "soon"])?.ends(2)?;
    Ok(())
}
