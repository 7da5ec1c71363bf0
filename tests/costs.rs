//! Provider cost: how each format reads its fixtures and what it rejects, that a report imports once, that it never
//! changes a computed amount, and the comparison report.
//!
//! `fixtures/costs/NAME/` has the same layout as `fixtures/formats/NAME/`: files `costs*`, their lines in
//! `costs*.expected.csv`, and `refused.txt`. `UPDATE_GOLDEN=1` rewrites the expected lines.

use crate::desk::{Desk, Outcome, fixture, rows, text};
use std::path::{Path, PathBuf};
use tokenbook::domain::provider_cost::ProviderCost;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::costs::{COST_FORMATS, CostFormat, read};
use tokenbook::import::record::reading::Stated;

fn now() -> Outcome<Timestamp> {
    Ok(Timestamp::parse("2026-11-23T08:00:00Z")?)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

/// The cost reports of a format.
fn reports(format: &CostFormat) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(fixture("costs").join(format.name))?.map(|entry| Ok(entry?.path()));
    let mut files = entries.collect::<Outcome<Vec<PathBuf>>>()?;
    files.retain(|file| name(file).starts_with("costs") && !name(file).ends_with(".expected.csv"));
    files.sort();
    assert!(!files.is_empty(), "{} has no fixtures", format.name);
    Ok(files)
}

fn golden(costs: &[ProviderCost]) -> Outcome<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "line",
        "provider",
        "item",
        "model",
        "from",
        "until",
        "amount",
        "currency",
        "rounded_to",
        "quantity",
        "unit",
        "key",
    ])?;
    for cost in costs {
        let optional = |name: &Option<tokenbook::domain::name::Name>| name.as_ref().map(ToString::to_string);
        writer.write_record([
            cost.line.to_string(),
            cost.provider.to_string(),
            optional(&cost.item).unwrap_or_default(),
            optional(&cost.model).unwrap_or_default(),
            cost.from.to_string(),
            cost.until.to_string(),
            cost.amount.to_string(),
            cost.currency.to_string(),
            cost.rounded_to.map(|digits| digits.to_string()).unwrap_or_default(),
            cost.quantity.map(|quantity| quantity.to_string()).unwrap_or_default(),
            optional(&cost.unit).unwrap_or_default(),
            cost.key.clone(),
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner().map_err(|error| error.to_string())?)?)
}

#[test]
fn every_cost_format_reads_its_fixtures_as_expected() -> Outcome {
    for format in COST_FORMATS {
        for file in reports(format)? {
            let report = read(&std::fs::read_to_string(&file)?, None, &Stated::default(), now()?)
                .map_err(|problems| format!("{}: {problems:?}", file.display()))?;
            assert_eq!(report.format.name, format.name, "{} is taken for another format", file.display());
            let path = file.with_extension("expected.csv");
            let found = golden(&report.costs)?;
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, &found)?;
            }
            assert_eq!(found, std::fs::read_to_string(&path)?, "{}", file.display());
        }
        let report = read(&format!("{}\n", format.example), None, &Stated::default(), now()?);
        let report = report.map_err(|problems| format!("{}: {problems:?}", format.name))?;
        assert_eq!((report.format.stored, report.costs.len()), (format!("{}/1", format.name).as_str(), 1));
    }
    Ok(())
}

#[test]
fn what_is_no_cost_is_refused_with_the_reason() -> Outcome {
    for format in COST_FORMATS {
        let cases = std::fs::read_to_string(fixture("costs").join(format.name).join("refused.txt"))?;
        let (mut before, mut record, mut refused) = (String::new(), String::new(), 0);
        for line in cases.lines() {
            if let Some(header) = line.strip_prefix("# ") {
                before = format!("{header}\n");
            } else if let Some(says) = line.strip_prefix("! ") {
                let file = format!("{before}{}", std::mem::take(&mut record));
                let said = match read(&file, Some(format), &Stated::default(), now()?) {
                    Err(problems) => problems.first().map(ToString::to_string).unwrap_or_default(),
                    Ok(_) => "nothing".to_owned(),
                };
                assert!(said.contains(says), "{}: expected {says:?}, said {said:?}", format.name);
                refused += 1;
            } else {
                record.push_str(line);
                record.push('\n');
            }
        }
        assert!(refused >= 5, "{}: only {refused} refused records", format.name);
    }
    Ok(())
}

#[test]
fn every_cost_report_is_imported_once_and_is_no_usage() -> Outcome {
    for format in COST_FORMATS {
        for file in reports(format)? {
            let desk = Desk::new()?;
            desk.run(&["costs", "import", text(&file)?])?.ends(0)?.says(" added + 0 revised + 0 duplicates;")?;
            let (head, costs) = (desk.head()?, desk.count("SELECT count(*) FROM provider_cost")?);
            desk.write("twin", [std::fs::read(&file)?, b"\n".to_vec()].concat())?;
            let again = format!("{costs} costs = 0 added + 0 revised + {costs} duplicates");
            desk.run(&["costs", "import", text(&file)?])?.ends(0)?.says(&again)?;
            assert_eq!((desk.head()?, desk.events()?), (head, 0), "nothing new, nothing appended");
            for _ in 0..2 {
                desk.run(&["costs", "import", "twin"])?.ends(0)?.says(&again)?;
                assert_eq!(desk.count("SELECT count(*) FROM provider_cost")?, costs);
                assert_eq!(desk.count("SELECT count(*) FROM cost_import")?, 2, "that it was read, once");
            }
            desk.run(&["verify", "--deep"])?.ends(0)?;
            // `import` rejects the same file: it is not usage.
            assert_ne!(desk.run(&["import", text(&file)?])?.code, Some(0));
        }
    }
    Ok(())
}

const DAY: &str = "{\"object\":\"bucket\",\"start_time\":1790812800,\"end_time\":1790899200,\"results\":[";

fn bucket(results: &[(&str, &str)]) -> String {
    let result = |(item, value): &(&str, &str)| {
        format!("{{\"amount\":{{\"value\":{value},\"currency\":\"usd\"}},\"line_item\":\"{item}\"}}")
    };
    let results: Vec<String> = results.iter().map(result).collect();
    format!("{DAY}{}]}}\n", results.join(","))
}

#[test]
fn another_amount_for_the_same_key_revises_it_and_both_stay() -> Outcome {
    let desk = Desk::new()?;
    desk.write("early.jsonl", bucket(&[("m, input", "1.5"), ("m, output", "2")]))?;
    desk.write("late.jsonl", bucket(&[("m, input", "1.50"), ("m, output", "2.25")]))?;
    desk.run(&["costs", "import", "early.jsonl"])?.ends(0)?.says("2 costs = 2 added")?;
    let says = "2 costs = 0 added + 1 revised + 1 duplicate";
    desk.run(&["costs", "import", "late.jsonl"])?.ends(0)?.says(says)?.says(": 2 -> 2.25 USD")?;
    assert_eq!(desk.count("SELECT count(*) FROM provider_cost")?, 3);
    let report = ["report", "provider-cost", "--period", "2026-10", "--format", "csv"];
    let row = rows(&desk.print(&report)?)?.remove(0);
    assert_eq!((row["provider"].as_str(), row["provider_cost"].as_str()), ("openai", "3.75"));
    desk.run(&["verify"])?.ends(0)?;
    // The same costs in another grouping look like other costs of the day.
    desk.write("whole.jsonl", bucket(&[("everything", "3.75")]))?;
    let warns = "the ledger also has 2 costs of the same providers and days, missing from this file";
    desk.run(&["costs", "import", "whole.jsonl"])?.ends(0)?.says(warns)?;
    let caveat = "! costs of openai (source default) were imported beside others of the same days that the later report does \
                  not have: all count, so the same costs in another grouping count twice";
    let shown = ["report", "provider-cost", "--period", "2026-10"];
    desk.run(&shown)?.ends(0)?.says(caveat)?;
    desk.run(&["verify"])?.ends(0)?;
    desk.write("none.jsonl", bucket(&[("everything", "0")]))?;
    desk.run(&["costs", "import", "none.jsonl"])?.ends(0)?.says(": 3.75 -> 0 USD")?;
    assert!(!desk.print(&shown)?.contains("count twice"), "what was taken back counts no more");
    // Another account's report has another source, and both count.
    desk.run(&["costs", "import", "late.jsonl", "--source", "other"])?.ends(0)?.says("2 added")?;
    assert_eq!(rows(&desk.print(&report)?)?[0]["provider_cost"], "7.5");
    assert!(!desk.print(&shown)?.contains("count twice"), "another source is another account");
    Ok(())
}

#[test]
fn the_comparison_says_what_each_side_tells_and_no_more() -> Outcome {
    let desk = Desk::new()?;
    let header = "event_id,timestamp,provider,model,department,input_tokens,output_tokens";
    desk.write(
        "usage.csv",
        format!(
            "{header}\na,2026-10-01T10:00:00Z,openai,gpt-5-nano,Legal,1000000,0\n\
             b,2026-10-01T10:00:00Z,anthropic,claude-haiku-4-5,Legal,1000000,0\n\
             c,2026-10-01T10:00:00Z,google,gemini-x,Legal,5,5\nd,2026-10-01T10:00:00Z,,gpt-5-nano,Legal,1000000,0\n"
        ),
    )?;
    desk.write(
        "prices.csv",
        "provider,model,meter,currency,price,valid_from\nopenai,gpt-5-nano,input,USD,0.05,2026-01-01\n\
         anthropic,claude-haiku-4-5,input,USD,1,2026-01-01\n,gpt-5-nano,input,USD,0.07,2026-01-01\n",
    )?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "usage.csv"])?.ends(0)?;
    let before = desk.chargeback()?;
    for format in COST_FORMATS {
        for file in reports(format)?.iter().filter(|file| !name(file).contains("export")) {
            desk.run(&["costs", "import", text(file)?])?.ends(0)?;
        }
    }
    assert_eq!(desk.chargeback()?, before, "costs are no part of our amounts");
    for (file, by) in [("provider", "provider"), ("model", "provider,model")] {
        let csv = desk.print(&["report", "provider-cost", "--period", "2026-10", "--by", by, "--format", "csv"])?;
        let path = fixture("costs").join(format!("by-{file}.expected.csv"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &csv)?;
        }
        assert_eq!(csv, std::fs::read_to_string(&path)?, "{by}");
    }
    let shown = desk.print(&["report", "provider-cost", "--period", "2026-10"])?;
    assert!(shown.contains("openai reports costs for 1 of 31 days of the period"), "{shown}");
    assert!(shown.contains("1 event has usage without a price"), "{shown}");
    for by in ["department", "line_item", "provider,line_item", "tag.team"] {
        let word = by.rsplit(',').next().unwrap_or_default();
        let says = format!("--by {word:?} is not a dimension of the report provider-cost, expected provider or model");
        desk.run(&["report", "provider-cost", "--period", "2026-10", "--by", by])?.ends(2)?.says(&says)?;
    }
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn who_pays_is_no_matter_of_what_providers_charge() -> Outcome {
    let desk = Desk::new()?;
    desk.write("usage.csv", format!("{}\na,2026-10-01T10:00:00Z,m,,1,0\n", crate::desk::HEADER))?;
    desk.write("prices.csv", crate::desk::PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "usage.csv"])?.ends(0)?;
    let report = |name: &str| desk.run(&["report", name, "--period", "2026-10", "--strict"]);
    report("summary")?.ends(4)?.says("1 event has no department")?;
    let shown = report("provider-cost")?.ends(0)?.out;
    assert!(!shown.contains("department"), "{shown}");
    desk.run(&["report", "savings", "--offers", "x", "--period", "2026-10", "--by", "model"])?
        .ends(2)?
        .says("--by \"model\" is not a dimension of the report savings, expected department")?;
    Ok(())
}

#[test]
fn a_bad_line_refuses_the_whole_report() -> Outcome {
    let desk = Desk::new()?;
    desk.write("bad.jsonl", bucket(&[("m, input", "1.5")]) + &bucket(&[("n, input", "\"x\"")]))?;
    desk.run(&["costs", "import", "bad.jsonl"])?
        .ends(3)?
        .says("hint: correct the lines; tokenbook imports a cost report whole or not at all")?
        .says("bad.jsonl:2: results[0].amount.value: \"x\" is not a plain decimal number")?
        .says("hint: ")?;
    let known = "a cost report: openai-costs, anthropic-costs, deepseek-costs";
    for (file, text, what) in [
        ("what.jsonl", "{\"a\":1}\n", "is not a cost report that tokenbook knows"),
        ("what.csv", "a,b\n1,2\n", "is not a cost report that tokenbook knows"),
        ("own.csv", &format!("{}\n", crate::desk::HEADER), "is usage in the format csv for `tokenbook import`"),
        (
            "body.json",
            tokenbook::import::formats::openai_chat::FORMAT.example,
            "is usage in the format openai-chat for",
        ),
        ("empty.csv", "", "the file is empty"),
        ("blank.csv", "\n \n", "the file is empty"),
    ] {
        desk.write(file, text)?;
        let ran = desk.run(&["costs", "import", file])?.ends(3)?;
        assert!(ran.err.starts_with("error[") && ran.err.contains(&format!("]: {file}: {what}")), "{ran:?}");
        assert!(ran.err.contains(&format!(", expected {known}\n")), "{ran:?}");
        assert!(ran.err.contains("hint: see an example of each cost report with `tokenbook formats`\n"), "{ran:?}");
    }
    desk.write("cut.csv", "start_time,end_time,amount_value,amount_currency\n1790812800,1790899200,1.5,us")?;
    desk.run(&["costs", "import", "cut.csv"])?.ends(3)?.says("the last line has no line end")?;
    assert_eq!(desk.count("SELECT (SELECT count(*) FROM provider_cost) + (SELECT count(*) FROM cost_import)")?, 0);
    Ok(())
}

#[test]
fn every_cost_format_is_documented_and_listed() -> Outcome {
    let documentation = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMATS.md"))?;
    let listed = Desk::empty()?.print(&["formats"])?;
    for CostFormat { name, summary, .. } in COST_FORMATS {
        assert!(documentation.contains(&format!("`{name}`")), "{name} is not documented");
        assert!(
            listed.contains(&format!("{name}: {summary}\n    a cost report for `costs import`")),
            "{name} is not listed"
        );
    }
    Ok(())
}
