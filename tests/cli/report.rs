//! `tokenbook report`: every report in every format, compared with the files of `fixtures/reports`.

use super::golden;
use crate::desk::{Desk, HEADER, Outcome, fixture, rows, text, usage};

const FORMATS: [&str; 4] = ["table", "csv", "json", "markdown"];

/// The ledger of a case.
fn of_case(case: &str) -> Outcome<Desk> {
    let desk = Desk::new()?;
    let folder = fixture("cases").join(case);
    desk.run(&["prices", "import", text(&folder.join("prices.csv"))?])?.ends(0)?;
    desk.run(&["import", text(&folder.join("usage.jsonl"))?])?.ends(0)?;
    Ok(desk)
}

/// The report in every format. The head differs from run to run, because it covers times and paths.
fn printed(desk: &Desk, name: &str, arguments: &[&str]) -> Outcome {
    let head: String = desk.head()?.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    for format in FORMATS {
        let report = desk.print(&[&["report"], arguments, &["--period", "2026-10", "--format", format]].concat())?;
        golden(&format!("{name}.{format}"), &report.replace(&head, "HEAD").replace(&head[..12], "HEAD"))?;
    }
    Ok(())
}

#[test]
fn reports_of_usage_are_the_golden_ones() -> Outcome {
    let desk = of_case("a")?;
    printed(&desk, "chargeback", &["chargeback"])?;
    let all = "department,project,environment,provider,model,meter";
    printed(&desk, "chargeback-detail", &["chargeback", "--by", all])?;
    printed(&desk, "chargeback-by-day", &["chargeback", "--by", "day,tag.team"])?;
    printed(&desk, "summary", &["summary"])?;
    printed(&desk, "unpriced-nothing", &["unpriced"])
}

#[test]
fn reports_of_savings_and_returns_are_the_golden_ones() -> Outcome {
    let (offers, roi) = (fixture("cases/b2/offers.toml"), fixture("cases/c4/roi.csv"));
    let desk = of_case("b2")?;
    printed(&desk, "savings", &["savings", "--offers", text(&offers)?])?;
    printed(&desk, "savings-by-department", &["savings", "--by", "department", "--offers", text(&offers)?])?;
    printed(&of_case("c4")?, "roi", &["roi", "--roi", text(&roi)?])
}

#[test]
fn a_report_of_problems_names_them() -> Outcome {
    let desk = Desk::with(&["--time-zone", "America/New_York"])?;
    desk.run(&["prices", "import", text(&fixture("problem/prices.csv"))?])?.ends(0)?;
    desk.run(&["import", "--quarantine", text(&fixture("problem/usage.csv"))?])?.ends(4)?;
    printed(&desk, "unpriced", &["unpriced"])?;
    printed(&desk, "chargeback-with-caveats", &["chargeback"])
}

#[test]
fn no_text_of_a_csv_is_a_formula() -> Outcome {
    let desk = Desk::new()?;
    let line = r#"{"event_id":"e","timestamp":"2026-10-05T10:00:00Z","model":"@m","provider":"-p","input_tokens":1,"tags":{"department":"=1+1","project":"+a","team":"\t=x"}}"#;
    // A tab at the edge of a name is rejected separately.
    desk.write("u.jsonl", line.replace("\\t", "") + "\n")?;
    desk.run(&["import", "u.jsonl"])?.ends(0)?;
    let by = "department,project,provider,model,tag.team";
    let csv = desk.print(&["report", "chargeback", "--period", "2026-10", "--format", "csv", "--by", by])?;
    assert!(csv.lines().nth(1).is_some_and(|line| line.starts_with("'=1+1,'+a,'-p,'@m,'=x,1,1,")), "{csv}");
    let unpriced = rows(&desk.print(&["report", "unpriced", "--period", "2026-10", "--format", "csv"])?)?;
    assert!(unpriced[0].values().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{unpriced:?}");
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_output_takes_the_place_of_files_only() -> Outcome {
    let desk = Desk::new()?;
    desk.write("kept.csv", "kept")?;
    std::os::unix::fs::symlink(desk.path("kept.csv"), desk.path("link.csv"))?;
    let _socket = std::os::unix::net::UnixListener::bind(desk.path("socket.csv"))?;
    std::fs::create_dir(desk.path("folder.csv"))?;
    for name in ["link.csv", "socket.csv", "folder.csv"] {
        let before = desk.path(name).symlink_metadata()?.file_type();
        let report = ["report", "summary", "--period", "2026-10", "--output", name];
        desk.run(&report)?.ends(8)?.says(name)?.says("is not a regular file")?;
        assert_eq!(desk.path(name).symlink_metadata()?.file_type(), before);
    }
    assert_eq!(desk.read("kept.csv")?, b"kept");
    Ok(())
}

#[test]
fn an_output_is_replaced_whole() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 50))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    desk.write("out.csv", "an older and much longer file\n".repeat(100))?;
    let report = ["report", "chargeback", "--period", "2026-10", "--format", "csv"];
    let printed = desk.print(&report)?;
    let said = desk.print(&[&report[..], &["--output", "out.csv"]].concat())?;
    assert_eq!((said.as_str(), desk.read("out.csv")?), ("", printed.into_bytes()));
    desk.run(&[&report[..], &["--output", "no/folder/out.csv"]].concat())?
        .ends(8)?
        .says("error[file-access]: no/folder/out.csv: ")?;
    assert_eq!(desk.names(".")?.iter().filter(|name| name.starts_with('.')).count(), 0);
    Ok(())
}

#[test]
fn every_kind_of_period_holds_its_days() -> Outcome {
    let desk = Desk::with(&["--time-zone", "Asia/Tokyo"])?;
    // Midnight in Tokyo is 15:00 UTC.
    let times =
        ["2026-09-30T14:59:59Z", "2026-09-30T15:00:00Z", "2026-10-31T14:59:59.999999999Z", "2026-10-31T15:00:00Z"];
    let lines: Vec<String> = times.iter().enumerate().map(|(id, at)| format!("e{id},{at},m,Legal,1,1\n")).collect();
    desk.write("u.csv", format!("{HEADER}\n{}", lines.concat()))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    for (period, events) in
        [("2026-10", "2"), ("2026-Q3", "1"), ("2026-Q4", "3"), ("2026", "4"), ("2026-10-31..2026-11-01", "2")]
    {
        let csv = desk.print(&["report", "chargeback", "--period", period, "--format", "csv"])?;
        assert_eq!(rows(&csv)?[0]["events"], events, "{period}");
    }
    Ok(())
}

#[test]
fn a_department_without_any_price_has_no_cost_and_no_change() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", crate::desk::PRICES)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    let lines = "a,2026-09-01T00:00:00Z,m,Legal,1000000,0\nb,2026-09-01T00:00:00Z,m,Sales,1000000,0\n\
                 c,2026-10-01T00:00:00Z,m,Legal,2000000,0\nd,2026-10-01T00:00:00Z,other,Sales,1000000,0\n";
    desk.write("u.csv", format!("{HEADER}\n{lines}"))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let summary = desk.print(&["report", "summary", "--period", "2026-10", "--format", "csv"])?;
    assert!(summary.ends_with("Legal,1,2000000,5.00,2.50,2.50,100.0,0\nSales,1,1000000,,2.50,,,1\n"), "{summary}");
    desk.write("roi.csv", "department,name,side,amount,currency,every,from\nSales,n,benefit,100,USD,month,2026-01\n")?;
    let roi = desk.print(&["report", "roi", "--roi", "roi.csv", "--period", "2026-10", "--format", "csv"])?;
    assert!(roi.ends_with("Legal,0.00,0.00,5.00,5.00,-5.00,-100.0,,0,5\nSales,100.00,0.00,,,,,,100,\n"), "{roi}");
    Ok(())
}

#[test]
fn a_report_has_the_columns_that_are_asked_for_in_that_order() -> Outcome {
    let desk = of_case("a")?;
    let report = ["report", "chargeback", "--period", "2026-10", "--format", "csv"];
    let whole = rows(&desk.print(&report)?)?;
    let some = desk.print(&[&report[..], &["--columns", "amount,department"]].concat())?;
    assert_eq!(some.lines().next(), Some("amount,department"));
    let some = rows(&some)?;
    assert_eq!(some.len(), whole.len());
    for (some, whole) in some.iter().zip(&whole) {
        assert_eq!((&some["amount"], &some["department"]), (&whole["amount"], &whole["department"]));
    }
    desk.run(&[&report[..], &["--columns", "department,amout"]].concat())?
        .ends(2)?
        .says("--columns: there is no column \"amout\", expected some of department, events, ")?;
    Ok(())
}
