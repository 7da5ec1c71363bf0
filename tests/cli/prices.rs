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

#[test]
fn a_catalogue_is_compared_before_it_is_imported() -> Outcome {
    let desk = Desk::new()?;
    let catalog = fixture("catalogs/litellm.json");
    let file = text(&catalog)?;
    desk.write(
        "u.csv",
        "event_id,timestamp,provider,model,input_tokens\na,2026-10-05T00:00:00Z,openai,aurora-5,1000\n",
    )?;
    desk.print(&["import", "u.csv"])?;
    let options = ["--catalog", "litellm", file, "--only", "aurora-5", "--valid-from", "2026-10-01"];
    let month = ["--month", "2026-10"];
    let diff = |more: &[&str]| desk.run(&[&["prices", "diff"][..], &options, &month, more].concat());
    diff(&[])?.ends(0)?.says(" 14 prices new (--new lists them), 0 changed, 0 ended, 0 unchanged")?;
    let both = diff(&["--quiet", "--new", "--format", "markdown"])?.ends(0)?.out;
    assert!(both.contains("| openai | aurora-5 | input |") && both.contains("0.0025"), "{both}");
    let json = diff(&["--quiet", "--part", "cost", "--format", "json"])?.ends(0)?.out;
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    diff(&["--part", "cost", "--output", "tokenbook.db"])?.ends(2)?.says("is the ledger itself")?;
    desk.print(&[&["prices", "import"][..], &options].concat())?;
    diff(&[])?.ends(0)?.says(" 0 prices new, 0 changed, 0 ended, 14 unchanged")?;
    desk.run(&["prices", "import", "--help"])?.ends(0)?.says("csv, genai-prices, litellm, models-dev,")?;
    Ok(())
}
