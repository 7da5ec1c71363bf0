//! `tokenbook prices`: import, list and check.

use crate::desk::{Desk, Outcome, fixture, rows, text};
use std::fmt::Write;

#[test]
fn the_public_prices_are_read_and_listed_as_they_were() -> Outcome {
    let desk = Desk::new()?;
    let public = fixture("prices/public-2026-11-23.csv");
    let first = desk.print(&["prices", "import", text(&public)?, "--accept-jumps"])?;
    assert!(first.contains(" 0 replaced, 0 unchanged"), "{first}");
    let listed = desk.print(&["prices", "list", "--history", "--format", "csv"])?;
    // The printed list can be imported again and is the same.
    desk.write("again.csv", listed)?;
    desk.run(&["prices", "import", "again.csv"])?.ends(0)?.says(" 0 prices added, 0 replaced, ")?;
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
    desk.run(&[&report[..], &["--book", "unknown"]].concat())?
        .ends(2)?
        .says("the ledger has no price book \"unknown\"")?;
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

/// Usage of three months by two models, one of them under an alias, with long prompts and a batch tier.
fn of_three_months() -> Outcome<Desk> {
    let desk = Desk::new()?;
    let mut usage = "event_id,timestamp,model,department,input_tokens,output_tokens,service_tier\n".to_owned();
    for number in 0..180 {
        let (month, day, hour) = (number % 3 + 9, number % 28 + 1, number % 24);
        let model = ["m", "n", "alias-of-m"][number % 7 % 3];
        let tier = if number % 5 == 0 { "batch" } else { "" };
        let input = 100_000 + number * 2_000;
        writeln!(usage, "e{number},2026-{month:02}-{day:02}T{hour:02}:30:00Z,{model},Legal,{input},{number},{tier}")?;
    }
    desk.write("u.csv", usage)?;
    desk.write("a.csv", "alias,model,valid_from\nalias-of-m,m,2026-01-01\n")?;
    desk.write("p.csv", list(&["2.50", "5", "1.25", "10", "3", "2.75"]))?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.run(&["aliases", "import", "a.csv"])?.ends(0)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    Ok(desk)
}

/// Six prices: of `m` by prompt size and tier, of `n`, and one of `m` that starts within October.
fn list(prices: &[&str; 6]) -> String {
    let [input, long, batch, output, other, later] = prices;
    format!(
        "model,meter,service_tier,prompt_above,currency,price,valid_from\nm,input,,,USD,{input},2026-01-01\n\
         m,input,,200000,USD,{long},2026-01-01\nm,input,batch,,USD,{batch},2026-01-01\nm,output,,,USD,{output},2026-01-01\n\
         n,input,,,USD,{other},2026-01-01\nm,input,,,USD,{later},2026-10-15T12:00:00Z\n"
    )
}

/// The cost of a month in cents as `prices diff` computes it, with the ledger's prices and with a file's.
fn cents_by_diff(desk: &Desk, file: &str, month: &str) -> Outcome<[String; 2]> {
    let diff = ["--quiet", "prices", "diff", file, "--month", month, "--part", "cost", "--format", "csv"];
    let rows = rows(&desk.print(&diff)?)?;
    assert!(!rows.is_empty(), "{month} has no usage");
    let exact = |column: &str| -> Outcome<String> {
        let mut sum = tokenbook::domain::money::Amount::ZERO;
        for row in rows.iter().filter(|row| !row[column].is_empty()) {
            sum = sum.plus(tokenbook::domain::money::Amount::parse(&row[column])?)?;
        }
        Ok(tokenbook::domain::money::fixed_point(sum.minor_units(2), 2))
    };
    Ok([exact("amount_before")?, exact("amount_after")?])
}

#[test]
fn replaced_prices_name_the_months_that_they_move_as_the_comparison_does() -> Outcome {
    let desk = of_three_months()?;
    for (prices, moves) in [
        (["2.60", "5", "1.25", "10", "3", "2.75"], 2),
        (["2.60", "5", "1.25", "10", "3", "4"], 2),
        (["2.60", "7", "1.25", "10", "3", "4"], 3),
        (["2.60", "7", "2", "11", "3.5", "4"], 3),
        (["2.60", "7", "2", "11", "3.5", "4"], 0),
    ] {
        desk.write("q.csv", list(&prices))?;
        let mut expected = Vec::new();
        for month in ["2026-09", "2026-10", "2026-11"] {
            let [before, after] = cents_by_diff(&desk, "q.csv", month)?;
            if before != after {
                expected.push(format!("{month}: {before} -> {after} USD"));
            }
        }
        let printed = desk.print(&["prices", "import", "q.csv"])?;
        let found: Vec<&str> = printed.lines().filter(|line| line.starts_with("2026-")).collect();
        assert_eq!(found, expected, "{prices:?}");
        assert_eq!(found.len(), moves, "{prices:?}");
    }
    desk.write("q.csv", list(&["2.60", "7", "2", "-", "3.5", "4"]))?;
    desk.run(&["prices", "import", "q.csv"])?.ends(0)?.says(" USD, unpriced events 27 -> 60")?;
    Ok(())
}

#[test]
fn a_typo_in_a_price_that_is_replaced_is_asked_about() -> Outcome {
    let desk = of_three_months()?;
    let (head, good) = (desk.head()?, ["2.50", "5", "1.25", "10", "3", "2.75"]);
    let says = "m input from 2026-01-01T00:00:00Z is 2.5 per million in the ledger and 1000 here";
    desk.write("typo.csv", list(&["1000", "5", "1.25", "10", "3", "2.75"]))?;
    desk.run(&["prices", "import", "typo.csv"])?.ends(3)?.says(says)?.says("--accept-jumps")?;
    let month = ["month-end", "2026-10", "--usage", "u.csv", "--out", "out", "--prices"];
    desk.run(&[&month[..], &["typo.csv"]].concat())?.ends(3)?.says(says)?;
    desk.write("small.csv", list(&["2.50", "5", "1.25", "0.99", "3", "2.75"]))?;
    desk.run(&["prices", "import", "small.csv"])?.ends(3)?.says("m output from")?;
    assert_eq!((desk.head()?, desk.path("out").exists()), (head, false));
    // A factor of exactly ten is not more than ten.
    desk.write("ten.csv", list(&["2.50", "5", "1.25", "100", "3", "2.75"]))?;
    desk.run(&["prices", "import", "ten.csv"])?.ends(0)?;
    desk.write("good.csv", list(&good))?;
    desk.run(&["prices", "import", "good.csv"])?.ends(0)?;
    let ran = desk.run(&[&month[..], &["typo.csv", "--accept-jumps"]].concat())?.ends(4)?;
    ran.says("replaced: contract any provider m input standard")?.says("2026-10: ")?;
    desk.run(&["prices", "import", "good.csv"])?.ends(3)?.says("is 1000 per million in the ledger and 2.5 here")?;
    desk.run(&["prices", "import", "good.csv", "--accept-jumps"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_typo_in_a_price_with_a_new_start_is_asked_about_once() -> Outcome {
    let desk = of_three_months()?;
    let from_december =
        |price: &str| format!("model,meter,currency,price,valid_from\nm,input,USD,{price},2026-12-01\n");
    for price in ["27.51", "275", "0.274"] {
        desk.write("new.csv", from_december(price))?;
        let says = format!("m input goes from 2.75 to {price} per million at 2026-12-01T00:00:00Z");
        desk.run(&["prices", "import", "new.csv"])?.ends(3)?.says(&says)?.says("--accept-jumps")?;
    }
    desk.run(&["prices", "import", "new.csv", "--accept-jumps"])?.ends(0)?.says("1 price added")?;
    // What was confirmed is not asked about again.
    desk.run(&["prices", "import", "new.csv"])?.ends(0)?.says("1 unchanged")?;
    for price in ["0.275", "27.5", "0"] {
        let desk = of_three_months()?;
        desk.write("new.csv", from_december(price))?;
        desk.run(&["prices", "import", "new.csv"])?.ends(0)?.says("1 price added")?;
    }
    Ok(())
}

#[test]
fn prices_in_another_currency_are_said_with_the_usage_that_they_leave_unpriced() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", crate::desk::usage(0, 7))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let list = |book: &str| {
        format!(
            "book,model,meter,currency,price,valid_from\n{book},m,input,EUR,1,2026-01-01\n{book},n,input,EUR,1,2026-01-01\n"
        )
    };
    desk.write("other.csv", list("other"))?;
    assert_eq!(desk.run(&["prices", "import", "other.csv"])?.ends(0)?.err, "", "another book is compared by rates");
    desk.write("eur.csv", list(""))?;
    let said = "2 models have prices in EUR only, such as \"m\"; the ledger is in USD, and their usage stays unpriced (7 events so far)";
    desk.run(&["prices", "import", "eur.csv"])?.ends(0)?.says(said)?;
    desk.write("usd.csv", "model,meter,currency,price,valid_from\nm,input,USD,1,2026-01-01\n")?;
    let more = "1 model has prices in EUR only, such as \"n\"; the ledger is in USD, and its usage stays unpriced (0 events so far)";
    desk.run(&["prices", "import", "usd.csv"])?.ends(0)?.says(more)?;
    Ok(())
}
