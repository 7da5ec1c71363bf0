//! `prices diff` predicts the result of the import, to the last digit, and changes nothing.

use crate::desk::{Desk, Outcome, rows};
use std::collections::BTreeMap;

/// Prompts on both sides of thresholds, a batch, a bucket of requests, a model without a price.
const USAGE: &str =
    "event_id,timestamp,provider,model,service_tier,department,input_tokens,cache_read_tokens,output_tokens,requests
a1,2026-10-02T10:00:00Z,acme,m,,x,100000,0,1000,1
a2,2026-10-02T11:00:00Z,acme,m,,x,200000,0,1000,1
a3,2026-10-02T12:00:00Z,acme,m,,x,200000,1,1000,1
a4,2026-10-15T12:00:00Z,acme,m,,x,300001,7,999,1
a5,2026-10-16T00:00:00Z,acme,m,batch,y,300001,0,999,1
a6,2026-10-17T00:00:00Z,acme,m,,y,250000,0,10,5
a7,2026-10-18T00:00:00Z,acme,n,,y,1000,0,10,1
a8,2026-10-19T00:00:00Z,,m,,y,1000,0,10,1
a9,2026-11-01T00:00:00Z,acme,m,,y,777,0,0,1
";

const BOOK: &str = "provider,model,meter,prompt_above,currency,price,valid_from
acme,m,input,,USD,2,2026-01-01
acme,m,input,300000,USD,5,2026-01-01
acme,m,output,,USD,10,2026-01-01
acme,m,cache_read,,USD,0.5,2026-01-01
";

/// Cheaper input with another threshold, the same output, a batch price, a price for a model that had none, and no
/// cache price.
const CATALOG: &str = r#"{"m": {"litellm_provider": "acme", "input_cost_per_token": 1.5e-06,
  "input_cost_per_token_above_200k_tokens": 3.000000001e-06, "output_cost_per_token": 1e-05,
  "input_cost_per_token_batches": 7.5e-07},
 "n": {"litellm_provider": "acme", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}"#;

fn desk() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("usage.csv", USAGE)?;
    desk.write("book.csv", BOOK)?;
    desk.write("catalog.json", CATALOG)?;
    desk.print(&["import", "usage.csv"])?;
    desk.print(&["prices", "import", "book.csv"])?;
    Ok(desk)
}

/// The exact amounts of October by model, from the chargeback.
fn billed(desk: &Desk) -> Outcome<BTreeMap<(String, String), String>> {
    let by = ["--by", "provider,model", "--format", "csv"];
    let report = desk.print(&[&["report", "chargeback", "--period", "2026-10"][..], &by].concat())?;
    let amount = |row: &BTreeMap<String, String>| {
        let provider = if row["provider"] == "(none)" { String::new() } else { row["provider"].clone() };
        ((provider, row["model"].clone()), row["amount_exact"].clone())
    };
    Ok(rows(&report)?.iter().map(amount).collect())
}

#[test]
fn the_cost_it_foretells_is_the_cost_after_the_import() -> Outcome {
    for start in ["2026-09-01", "2026-10-15T12:00:00Z", "2026-10-16", "2026-11-01"] {
        for end in [&[][..], &["--end-missing"]] {
            let desk = desk()?;
            let before = billed(&desk)?;
            let head = desk.head()?;
            let source = [&["--catalog", "litellm", "catalog.json", "--valid-from", start][..], end].concat();
            let cost = ["--month", "2026-10", "--part", "cost", "--format", "csv", "--quiet"];
            let foretold = rows(&desk.print(&[&["prices", "diff"][..], &source, &cost].concat())?)?;
            assert!(desk.head()? == head, "a comparison has written");
            desk.print(&[&["prices", "import"][..], &source].concat())?;
            let after = billed(&desk)?;
            let column = |name: &str| -> BTreeMap<(String, String), String> {
                let row = |row: &BTreeMap<String, String>| {
                    ((row["provider"].clone(), row["model"].clone()), row[name].clone())
                };
                foretold.iter().map(row).collect()
            };
            assert_eq!(column("amount_before"), before, "{start} {end:?}");
            assert_eq!(column("amount_after"), after, "{start} {end:?}");
            // Even the last one changes, because a new prompt size makes the cost of a bucket's requests unknown.
            assert_ne!(before, after, "{start} {end:?}");
        }
    }
    Ok(())
}

#[test]
fn changes_are_counted_and_listed_with_old_and_new_rate() -> Outcome {
    let desk = desk()?;
    let diff = ["prices", "diff", "--catalog", "litellm", "catalog.json", "--valid-from", "2026-10-01"];
    desk.run(&diff)?
        .ends(0)?
        .says("catalog.json: 4 prices new (--new lists them), 1 changed, 0 ended, 1 unchanged")?
        .says("not in the catalogue, though it has other prices of the same models: 2 prices in force, such as contract acme m ")?;
    let part = ["--part", "prices", "--format", "csv", "--quiet"];
    let changed = desk.print(&[&diff[..], &part].concat())?;
    assert_eq!(
        changed,
        "change,book,provider,model,meter,service_tier,prompt_above,old_per_million,new_per_million,currency,valid_from\n\
         changed,contract,acme,m,input,standard,,2,1.5,USD,2026-10-01T00:00:00Z\n"
    );
    let all = desk.print(&[&diff[..], &part, &["--new", "--end-missing"]].concat())?;
    let kinds = |kind: &str| all.lines().filter(|line| line.starts_with(kind)).count();
    assert_eq!((kinds("new,"), kinds("changed,"), kinds("ended,")), (4, 1, 2), "{all}");
    assert!(all.contains("new,contract,acme,m,input,standard,200000,,3.000000001,USD,"), "{all}");
    assert!(all.contains("ended,contract,acme,m,input,standard,300000,5,,USD,"), "{all}");
    desk.run(&[&diff[..], &["--format", "csv"]].concat())?.ends(2)?.says("expected --part prices or --part cost")?;
    desk.run(&[&diff[..], &["--month", "2026-13"]].concat())?.ends(2)?.says("--month \"2026-13\" ")?;
    Ok(())
}

#[test]
fn a_list_of_ours_is_compared_too() -> Outcome {
    let desk = desk()?;
    let list = "provider,model,meter,prompt_above,currency,price,valid_from
acme,m,input,,USD,2,2026-01-01
acme,m,output,,USD,12,2026-10-17
acme,m,cache_read,,USD,-,2026-11-01
acme,n,input,,EUR,1,2026-01-01
";
    desk.write("new.csv", list)?;
    desk.run(&["prices", "diff", "new.csv", "--month", "2026-10"])?
        .ends(0)?
        .says("new.csv: 1 price new (--new lists them), 1 changed, 1 ended, 1 unchanged")?;
    let cost = ["--month", "2026-10", "--part", "cost", "--format", "csv", "--quiet"];
    let cost = desk.print(&[&["prices", "diff", "new.csv"][..], &cost].concat())?;
    // Only a6 is later than the change: 10 tokens at 2 per million more. A ledger in dollars has no use for prices in
    // euros.
    assert!(cost.contains(",0.00002,"), "{cost}");
    assert!(cost.lines().any(|line| line == "acme,n,,,,1010,1010"), "{cost}");
    Ok(())
}

#[test]
fn missing_prices_end_only_when_asked_for() -> Outcome {
    let desk = desk()?;
    let import = ["prices", "import", "--catalog", "litellm", "catalog.json", "--valid-from", "2026-10-01"];
    desk.run(&import)?.ends(0)?.says("(without --end-missing, tokenbook keeps them)")?.says(" 0 ended, ")?;
    let ends = "SELECT count(*) FROM price WHERE rate IS NULL";
    assert_eq!(desk.count(ends)?, 0);
    desk.run(&[&import[..], &["--end-missing"]].concat())?
        .ends(0)?
        .says(" 0 prices new, 0 changed, 2 ended, 6 unchanged")?;
    assert_eq!(desk.count(ends)?, 2);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn what_the_ledger_has_no_price_for_is_new_whatever_the_list_changes_itself() -> Outcome {
    let desk = desk()?;
    let list = "book,provider,model,meter,currency,price,valid_from
fresh,acme,m,input,USD,1,2026-01-01
fresh,acme,m,input,USD,2,2026-06-01
fresh,acme,m,output,USD,3,2026-01-01
";
    desk.write("new.csv", list)?;
    let says = "new.csv: 3 prices new (--new lists them), 0 changed, 0 ended, 0 unchanged";
    desk.run(&["prices", "diff", "new.csv"])?.ends(0)?.says(says)?;
    let listed = ["prices", "diff", "new.csv", "--new", "--part", "prices", "--format", "csv", "--quiet"];
    let listed = desk.print(&listed)?;
    assert!(listed.contains("new,fresh,acme,m,input,standard,,,2,USD,2026-06-01"), "{listed}");
    Ok(())
}

#[test]
fn unlike_units_are_not_added_up() -> Outcome {
    let desk = Desk::new()?;
    let header = "event_id,timestamp,model,department,input_tokens,web_searches,images";
    desk.write(
        "u.csv",
        format!("{header}\n1,2026-10-05T10:00:00Z,m,X,1000,3,0\n2,2026-10-05T10:00:00Z,n,X,500,0,7\n"),
    )?;
    desk.write("p.csv", "model,meter,currency,price,valid_from\nm,web_search,USD,10000,2026-01-01\n")?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let cost = ["prices", "diff", "p.csv", "--month", "2026-10", "--part", "cost", "--quiet"];
    let csv = desk.print(&[&cost[..], &["--format", "csv"]].concat())?;
    let expected = "provider,model,amount_before,amount_after,change,unpriced_tokens_before,unpriced_tokens_after,\
                    unpriced_searches_before,unpriced_searches_after,unpriced_images_before,unpriced_images_after\n\
                    ,m,,0.03,,1000,1000,3,0,0,0\n,n,,,,500,500,0,0,7,7\n";
    assert_eq!(csv, expected);
    let table = desk.print(&cost)?;
    let total = table.lines().find(|line| line.starts_with("total")).ok_or("no total")?;
    assert!(total.ends_with("0.03  unpriced                   1,500                  1,500                         3                        0                       7                      7"), "{table}");
    Ok(())
}
