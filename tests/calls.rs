//! The outcome and duration of calls are stored and never charged. Prompts of vendors' buckets have the bound that the
//! user states.

use crate::desk::{Desk, Outcome, PRICES};

const RECORDS: &str = "event_id,timestamp,model,department,input_tokens,output_tokens,outcome,duration_ms,first_token_ms\n\
    a,2026-10-01T08:00:00Z,m,Legal,1000000,100000,completed,2400,310\n\
    b,2026-10-01T08:01:00Z,m,Legal,1000000,0,cancelled,900,\n\
    c,2026-10-01T08:02:00Z,m,Legal,,,failed,30000,\n\
    d,2026-10-01T08:03:00Z,m,Legal,1000000,0,,,\n";

fn csv() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("prices.csv", PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.write("u.csv", RECORDS)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    Ok(desk)
}

/// The outcome, the duration and the time to the first token in a record.
fn call(desk: &Desk, id: &str) -> Outcome<[String; 3]> {
    let explained: serde_json::Value = serde_json::from_str(&desk.print(&["explain", id, "--format", "json"])?)?;
    let explained = &explained[0];
    let charges = explained["charges"]["rows"].as_array().ok_or("no charges")?;
    let quantity = |meter: &str| {
        let charge = charges.iter().find(|charge| charge["meter"] == meter);
        charge.map_or_else(String::new, |charge| charge["quantity"].to_string().replace('"', ""))
    };
    let outcome = explained["outcome"].as_str().unwrap_or_default().to_owned();
    Ok([outcome, quantity("duration_ms"), quantity("first_token_ms")])
}

#[test]
fn calls_are_kept_and_not_charged() -> Outcome {
    let desk = csv()?;
    assert_eq!(call(&desk, "a")?, ["completed", "2400", "310"]);
    assert_eq!(call(&desk, "b")?, ["cancelled", "900", ""]);
    assert_eq!(call(&desk, "c")?, ["failed", "30000", ""]);
    assert_eq!(call(&desk, "d")?, ["", "", ""]);
    // 3 * 2.50 + 0.1 * 10. Milliseconds cost nothing.
    desk.run(&["report", "chargeback", "--period", "2026-10"])?.ends(0)?.says("8.50")?;
    let plain = desk.print(&["report", "chargeback", "--period", "2026-10", "--format", "csv"])?;
    assert!(!plain.contains("_ms"), "{plain}");
    let by_meter = desk.print(&["report", "chargeback", "--period", "2026-10", "--by", "meter", "--format", "csv"])?;
    assert!(!by_meter.contains("_ms") && by_meter.contains("output"), "{by_meter}");
    let unpriced = desk.print(&["report", "unpriced", "--period", "2026-10", "--format", "csv"])?;
    assert_eq!(unpriced.lines().count(), 1, "{unpriced}");
    desk.run(&["verify", "--deep"])?.ends(0)?;
    let view = "SELECT group_concat(coalesce(outcome, '-'), ' ') FROM (SELECT outcome FROM usage ORDER BY event_id)";
    let outcomes: String = desk.database()?.query_row(view, [], |row| row.get(0))?;
    assert_eq!(outcomes, "completed cancelled failed -");
    Ok(())
}

#[test]
fn every_own_format_reads_calls_alike() -> Outcome {
    let csv = csv()?;
    let start = r#""event_id":"a","timestamp":"2026-10-01T08:00:00Z","model":"m""#;
    let plain = format!(
        r#"{{{start},"department":"Legal","input_tokens":1000000,"output_tokens":100000,"outcome":"completed","duration_ms":2400,"first_token_ms":310}}"#
    );
    // An escape is unusual, so the other reader takes the record.
    let unusual = plain.replace("completed", "comple\\u0074ed");
    let map = "[fields]\nevent_id = \"event_id\"\ntimestamp = \"timestamp\"\nmodel = \"model\"\ninput_tokens = \"input_tokens\"\n\
        output_tokens = \"output_tokens\"\noutcome = \"outcome\"\nduration_ms = \"duration_ms\"\nfirst_token_ms = \"first_token_ms\"\n\
        [tags]\ndepartment = \"department\"\n";
    csv.write("plain.jsonl", &plain)?;
    csv.write("unusual.jsonl", &unusual)?;
    csv.write("map.toml", map)?;
    for arguments in [
        &["import", "plain.jsonl", "--last-line-complete"][..],
        &["import", "unusual.jsonl", "--last-line-complete"],
        &["import", "plain.jsonl", "--last-line-complete", "--map", "map.toml", "--source", "default"],
    ] {
        let ran = csv.run(arguments)?;
        assert!(ran.code == Some(0) && ran.out.contains("1 duplicate"), "{arguments:?}: {ran:#?}");
    }
    Ok(())
}

#[test]
fn another_outcome_is_another_content() -> Outcome {
    let desk = csv()?;
    desk.write("v.csv", RECORDS.replace("completed", "failed"))?;
    desk.run(&["import", "v.csv"])?.ends(5)?.says("outcome is completed in the ledger and failed here")?;
    desk.write("v.csv", RECORDS.replace("2400", "2500"))?;
    desk.run(&["import", "v.csv"])?.ends(5)?.says("duration_ms is 2400 in the ledger and 2500 here")?;
    desk.write("v.csv", RECORDS.replace("completed", "ok"))?;
    let refused = desk.run(&["import", "v.csv"])?.ends(3)?;
    refused.says("outcome: \"ok\" is not an outcome, expected completed, failed or cancelled")?;
    Ok(())
}

#[test]
fn milliseconds_have_no_price() -> Outcome {
    let desk = Desk::new()?;
    for meter in ["duration_ms", "first_token_ms"] {
        desk.write("p.csv", format!("model,meter,currency,price,valid_from\nm,{meter},USD,1,2026-01-01\n"))?;
        desk.run(&["prices", "import", "p.csv"])?.ends(3)?.says("is not a meter")?;
    }
    Ok(())
}

const BUCKET: &str = r#"{"object":"page","data":[{"object":"bucket","start_time":1790812800,"end_time":1790899200,"results":[
    {"object":"organization.usage.completions.result","input_tokens":1000000,"output_tokens":0,"num_model_requests":20,"project_id":"p","model":"big","batch":false}]}],"has_more":false}"#;
const BY_SIZE: &str = "model,meter,prompt_above,currency,price,valid_from\n\
    big,input,,USD,1,2026-01-01\nbig,output,,USD,1,2026-01-01\n\
    big,input,272000,USD,2,2026-01-01\nbig,output,272000,USD,1,2026-01-01\n";

/// The cost of a bucket of twenty requests whose prompts have a bound.
fn cost_within(bound: &[&str]) -> Outcome<String> {
    let desk = Desk::new()?;
    desk.write("p.csv", BY_SIZE)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.write("usage.json", BUCKET)?;
    desk.run(&[&["import", "usage.json"], bound].concat())?.ends(0)?;
    desk.run(&["verify", "--deep"])?.ends(0)?;
    let report = desk.print(&["report", "chargeback", "--by", "model", "--period", "2026-10", "--format", "csv"])?;
    let from_events = desk.print(&[
        "report",
        "chargeback",
        "--by",
        "model",
        "--period",
        "2026-10",
        "--format",
        "csv",
        "--recompute",
    ])?;
    assert_eq!(report, from_events);
    let rows = crate::desk::rows(&report)?;
    Ok(rows.first().and_then(|row| row.get("amount")).cloned().unwrap_or_default())
}

#[test]
fn a_bound_of_prompts_decides_a_price_by_size() -> Outcome {
    assert_eq!(cost_within(&[])?, "", "which price applies is not known");
    assert_eq!(cost_within(&["--prompts-within", "272000"])?, "1.00");
    assert_eq!(cost_within(&["--prompts-within", "big=272000", "--prompts-within", "2000000"])?, "1.00");
    assert_eq!(cost_within(&["--prompts-within", "272001"])?, "", "some prompts may be larger");
    assert_eq!(cost_within(&["--prompts-within", "other=1000"])?, "");
    Ok(())
}

#[test]
fn a_report_says_that_a_price_relies_on_a_stated_bound() -> Outcome {
    let caveats = |bound: &[&str], prices: &str, by: &str| -> Outcome<String> {
        let desk = Desk::new()?;
        desk.write("p.csv", prices)?;
        desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
        desk.write("usage.json", BUCKET)?;
        desk.run(&[&["import", "usage.json"], bound].concat())?.ends(0)?;
        let report = ["report", "chargeback", "--by", by, "--period", "2026-10", "--format", "json"];
        let (sums, events) = (desk.print(&report)?, desk.print(&[&report[..], &["--recompute"]].concat())?);
        assert_eq!(sums, events);
        Ok(sums)
    };
    let relies =
        "up to 1 event of model \\\"big\\\" is priced as prompts of at most 272,000 tokens, as stated at import";
    let within = ["--prompts-within", "272000"];
    // From sums by month and from sums by day.
    for by in ["model", "model,day"] {
        let found = caveats(&within, BY_SIZE, by)?;
        assert!(found.contains(relies), "{found}");
    }
    let lower = caveats(&["--prompts-within", "5000"], BY_SIZE, "model")?;
    assert!(lower.contains("at most 5,000 tokens"), "{lower}");
    // Nothing relies on a bound that was not stated, that decides nothing, or that no price asks for.
    let one_price = "model,meter,currency,price,valid_from\nbig,input,USD,1,2026-01-01\nbig,output,USD,1,2026-01-01\n";
    for (bound, prices) in [(&[][..], BY_SIZE), (&["--prompts-within", "272001"], BY_SIZE), (&within, one_price)] {
        let found = caveats(bound, prices, "model")?;
        assert!(!found.contains("as stated at import"), "{bound:?}: {found}");
    }
    Ok(())
}

#[test]
fn a_retracted_bound_is_no_caveat() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", BY_SIZE)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.write("usage.json", BUCKET)?;
    desk.run(&["import", "usage.json", "--prompts-within", "272000"])?.ends(0)?;
    let report = ["report", "summary", "--period", "2026-10"];
    desk.run(&report)?.says("as stated at import")?;
    desk.run(&["imports", "retract", "3", "--reason", "the bound was wrong"])?.ends(0)?;
    let said = desk.run(&report)?;
    assert!(!format!("{said:?}").contains("as stated at import"), "{said:?}");
    Ok(())
}

#[test]
fn a_bound_of_prompts_is_part_of_what_was_imported() -> Outcome {
    let desk = Desk::new()?;
    desk.write("usage.json", BUCKET)?;
    desk.run(&["import", "usage.json", "--prompts-within", "272000"])?.ends(0)?;
    let options: String = desk.database()?.query_row("SELECT options FROM import", [], |row| row.get(0))?;
    assert_eq!(options, "prompts within 272000");
    let id: String = desk.database()?.query_row("SELECT id FROM usage_event", [], |row| row.get(0))?;
    desk.run(&["explain", &id])?.says("in several requests of at most 272,000 each")?;
    for wrong in ["0", "999", "x", "=5000", "m=", "m=-5", "1000000000001"] {
        desk.run(&["import", "usage.json", "--prompts-within", wrong])?.ends(2)?.says("--prompts-within")?;
    }
    let twice = ["import", "usage.json", "--prompts-within", "5000", "--prompts-within", "6000"];
    desk.run(&twice)?.ends(2)?.says("gives a second bound")?;
    Ok(())
}

/// The bound of a record's newest state counts, from daily totals as from every event.
#[test]
fn a_record_that_grows_has_the_bound_of_its_newest_state() -> Outcome {
    let grown = BUCKET.replace("1000000", "1200000");
    let cases: [(&[&str], &[&str], &str); 3] = [
        (&["--prompts-within", "272000"], &["--prompts-within", "272000"], "1.20"),
        (&["--prompts-within", "272000"], &[], ""),
        (&[], &["--prompts-within", "272000"], "1.20"),
    ];
    for (first, then, expected) in cases {
        let desk = Desk::new()?;
        desk.write("p.csv", BY_SIZE)?;
        desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
        for (content, options) in [(BUCKET, first), (&grown, then)] {
            desk.write("usage.json", content)?;
            desk.run(&[&["import", "usage.json"], options].concat())?.ends(0)?;
        }
        desk.run(&["verify", "--deep"])?.ends(0)?;
        let report = ["report", "chargeback", "--by", "model", "--period", "2026-10", "--format", "csv"];
        let found = desk.print(&report)?;
        assert_eq!(found, desk.print(&[&report[..], &["--recompute"]].concat())?, "{first:?} then {then:?}");
        let rows = crate::desk::rows(&found)?;
        assert_eq!(
            rows.first().and_then(|row| row.get("amount")).map(String::as_str),
            Some(expected),
            "{first:?} then {then:?}"
        );
    }
    Ok(())
}
