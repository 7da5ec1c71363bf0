//! `tokenbook explain`: shows one event, from its record to its amount.

use super::golden;
use crate::desk::{Desk, HEADER, Outcome, PRICES, fixture, text};

fn ruled() -> Outcome<Desk> {
    let desk = Desk::new()?;
    for name in ["prices.csv", "usage.jsonl", "rules.csv"] {
        std::fs::copy(fixture("rules").join(name), desk.path(name))?;
    }
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "usage.jsonl"])?.ends(0)?;
    desk.run(&["rules", "import", "rules.csv"])?.ends(0)?;
    Ok(desk)
}

#[test]
fn an_event_is_explained_from_its_record_to_its_amount() -> Outcome {
    let desk = ruled()?;
    let head: String = desk.head()?.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let explained = |id: &str, format: &str| -> Outcome<String> {
        Ok(desk.print(&["explain", id, "--format", format])?.replace(&head, "HEAD").replace(&head[..12], "HEAD"))
    };
    let untaken = |json: String| -> Outcome<String> {
        let explained: serde_json::Value = serde_json::from_str(&json)?;
        let taken = explained[0]["states"][0]["taken"].as_str().ok_or("no time")?;
        Ok(json.replace(taken, "TAKEN"))
    };
    golden("explain.table", &explained("r10", "table")?)?;
    golden("explain.json", &untaken(explained("r10", "json")?)?)?;
    golden("explain-unallocated.json", &untaken(explained("r09", "json")?)?)?;
    golden("explain-own-tags.table", &explained("r06", "table")?)?;
    golden("explain-unallocated.table", &explained("r09", "table")?)?;
    Ok(())
}

#[test]
fn every_state_of_a_record_that_has_grown_is_told() -> Outcome {
    let desk = Desk::new()?;
    desk.write("prices.csv", PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    let bucket = |input, output| {
        format!(
            "{{\"object\":\"bucket\",\"start_time\":1790812800,\"end_time\":1790816400,\"results\":[{{\"object\":\
             \"organization.usage.completions.result\",\"input_tokens\":{input},\"output_tokens\":{output},\
             \"num_model_requests\":2,\"model\":\"m\",\"batch\":false}}]}}\n"
        )
    };
    for (name, text) in [("early.jsonl", bucket(5_000, 7)), ("late.jsonl", format!("\n{}", bucket(6_500, 9)))] {
        desk.write(name, text)?;
        desk.run(&["import", name])?.ends(0)?;
    }
    let database = desk.database()?;
    let id: String = database.query_row("SELECT id FROM usage_event LIMIT 1", [], |row| row.get(0))?;
    let taken: Vec<String> = desk.print(&["explain", &id, "--format", "json"]).and_then(|json| {
        let explained: serde_json::Value = serde_json::from_str(&json)?;
        let states = explained[0]["states"].as_array().ok_or("no states")?.clone();
        Ok(states.iter().map(|state| state["taken"].as_str().unwrap_or_default().to_owned()).collect())
    })?;
    let head: String = desk.head()?.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    for format in ["table", "json"] {
        let found = desk.print(&["explain", &id, "--format", format])?;
        let found = found.replace(&head, "HEAD").replace(&head[..12], "HEAD");
        let found = taken.iter().fold(found, |found, at| found.replace(at.as_str(), "TAKEN"));
        golden(&format!("explain-grown.{format}"), &found)?;
    }
    Ok(())
}

#[test]
fn the_amounts_explained_are_those_reported() -> Outcome {
    let desk = ruled()?;
    let mut sum = 0_i128;
    for number in 1..=10 {
        let explained = desk.print(&["explain", &format!("r{number:02}"), "--format", "json"])?;
        let explained: serde_json::Value = serde_json::from_str(&explained)?;
        let amount = explained[0]["charges"]["total"]["amount_exact"].as_str().ok_or("no amount")?;
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
        sum += format!("{whole}{fraction:0<15}").parse::<i128>()?;
    }
    assert_eq!(sum, 1_205_465_250_000_000, "1.20546525, as fixtures/rules comes to");
    Ok(())
}

#[test]
fn what_has_no_price_is_said_and_not_counted() -> Outcome {
    let desk = Desk::new()?;
    desk.write("prices.csv", format!("{PRICES}m,input,USD,3,2026-10-05T12:00:00Z\nm,input,USD,-,2026-10-06\n"))?;
    let events = "1,2026-10-05T11:59:59Z,m,X,1000000,1000000\n2,2026-10-05T12:00:00Z,m,X,1000000,0\n3,2026-10-06T00:00:00Z,m,X,5,1000000\n";
    desk.write("u.csv", format!("{HEADER}\n{events}"))?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let of = |id: &str| -> Outcome<serde_json::Value> {
        Ok(serde_json::from_str(&desk.print(&["explain", id, "--format", "json"])?)?)
    };
    let price = |explained: &serde_json::Value, column: &str| explained[0]["charges"]["rows"][0][column].clone();
    let (before, after, ended) = (of("1")?, of("2")?, of("3")?);
    assert_eq!(
        (price(&before, "per_million"), price(&before, "valid_from")),
        ("2.5".into(), "2026-01-01T00:00:00Z".into())
    );
    assert_eq!(
        (price(&after, "per_million"), price(&after, "valid_from")),
        ("3".into(), "2026-10-05T12:00:00Z".into())
    );
    assert_eq!(price(&ended, "amount_exact"), serde_json::Value::Null);
    assert_eq!(ended[0]["charges"]["total"]["amount_exact"], "10");
    assert_eq!(ended[0]["charges"]["caveats"][0], "input is unpriced: no price in force");
    assert_eq!(ended[0]["decided_by"], "its own tags, as no rule matches");
    Ok(())
}

#[test]
fn an_id_is_found_whatever_its_source_and_day() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{HEADER}\nsame,2026-10-05T10:00:00Z,m,X,1,1\nother,2025-01-01T10:00:00Z,m,X,1,1\n"))?;
    for source in ["one", "two"] {
        desk.run(&["import", "u.csv", "--source", source])?.ends(0)?;
    }
    let both = desk.print(&["explain", "same"])?;
    assert_eq!(both.matches("source        ").count(), 2, "{both}");
    let two = desk.print(&["explain", "same", "--source", "two"])?;
    assert!(two.contains("source        two\n") && !two.contains("source        one"), "{two}");
    desk.run(&["explain", "other", "--source", "one"])?.ends(0)?.says("u.csv:3")?.says("2025-01-01")?;
    desk.run(&["explain", "nothing"])?.ends(2)?.says("no event has the id \"nothing\"")?.says("hint: ")?;
    desk.run(&["explain", "same", "--source", "three"])?.ends(2)?;
    Ok(())
}

#[test]
fn an_empty_ledger_has_no_event_to_explain() -> Outcome {
    Desk::new()?.run(&["explain", text(&fixture("rules"))?])?.ends(2)?.says("no event has the id")?;
    Ok(())
}

#[test]
fn a_total_of_what_is_not_known_is_no_number() -> Outcome {
    let desk = Desk::new()?;
    desk.write("prices.csv", "model,meter,currency,price,valid_from\nm,input,USD,10,2026-01-01\n")?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    let events = "1,2026-10-05T10:00:00Z,m,X,1000000,500\n2,2026-10-05T10:00:00Z,n,X,1000000,\n3,2026-10-05T10:00:00Z,m,X,1000000,\n";
    desk.write("u.csv", format!("{HEADER}\n{events}"))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let total = |id: &str| -> Outcome<serde_json::Value> {
        let explained: serde_json::Value = serde_json::from_str(&desk.print(&["explain", id, "--format", "json"])?)?;
        Ok(explained[0]["charges"]["total"].clone())
    };
    assert_eq!(
        (&total("1")?["meter"], &total("1")?["amount_exact"]),
        (&"total of what is priced".into(), &"10".into())
    );
    assert_eq!((&total("2")?["meter"], &total("2")?["amount_exact"]), (&"total".into(), &serde_json::Value::Null));
    assert_eq!((&total("3")?["meter"], &total("3")?["amount_exact"]), (&"total".into(), &"10".into()));
    // There is no average over amounts that are only parts, either.
    let report = desk.print(&["report", "chargeback", "--period", "2026-10", "--by", "model", "--format", "csv"])?;
    let averages: Vec<String> = crate::desk::rows(&report)?
        .iter()
        .map(|row| ["model", "amount", "average_per_event", "unpriced_events"].map(|c| row[c].clone()).join("|"))
        .collect();
    assert_eq!(averages, ["m|20.00||1", "n|||1"]);
    Ok(())
}
