//! A statement that is kept for one report, as groups or as lines without a price, gives the same report as all lines.
//! The usage has prices that change inside days, partly priced events, shares of several payers and tags of users, on
//! any number of threads.

use crate::desk::{Desk, Outcome, fixture, text};
use std::collections::BTreeSet;
use std::fmt::Write;
use tokenbook::books::statement::reports::{Basis, Request};
use tokenbook::books::{Books, BooksError, Silent};
use tokenbook::domain::period::Period;
use tokenbook::report::ReportError;
use tokenbook::report::by::Dimension;

const BY: [&str; 8] = [
    "department",
    "tag.user",
    "department,tag.user,meter",
    "cost_centre,project",
    "day,tag.user,model",
    "provider,model",
    "meter",
    "day",
];

const RULES: &str = "rule,key,operator,value,department,weight,override\n\
    minis,model,glob,*-mini,Minis,,yes\n\
    support,tag.user,prefix,cs-,Helpers,1/7,yes\n\
    support,,,,Customer Support,4/7,\n\
    support,,,,Minis,2/7,\n";

/// The month of the fixture and a few days of the previous one. One meter has no prices, and other prices change at
/// noon.
fn ledger(rules: Option<&str>) -> Outcome<Desk> {
    let desk = Desk::with(&["--time-zone", "America/New_York"])?;
    let (mut prices, mut left_out, mut changed) = (String::new(), 0, BTreeSet::new());
    for line in std::fs::read_to_string(fixture("month/prices.csv"))?.lines() {
        let [book, provider, model, meter, tier, above, currency, price, per, _] =
            line.split(',').collect::<Vec<_>>()[..]
        else {
            return Err(line.into());
        };
        if meter == "cache_read" && left_out < 2 {
            left_out += 1;
            continue;
        }
        writeln!(prices, "{line}")?;
        if meter == "output" && price.contains('.') && changed.insert([book, provider, model, tier, above].join(",")) {
            writeln!(
                prices,
                "{book},{provider},{model},{meter},{tier},{above},{currency},{price}1,{per},2026-10-13T12:00:00Z"
            )?;
        }
    }
    assert!(left_out == 2 && prices.contains("T12"), "{prices}");
    desk.write("prices.csv", prices)?;
    desk.run(&["prices", "import", "--accept-jumps", "prices.csv"])?.ends(0)?;
    desk.run(&["import", text(&fixture("month/usage"))?])?.ends(0)?;
    desk.write(
        "before.csv",
        "event_id,timestamp,provider,model,department,input_tokens\n\
         b1,2026-09-30T10:00:00Z,openai,gpt-5.4-mini,Finance,1000\nb2,2026-09-29T10:00:00Z,openai,none,,7\n",
    )?;
    desk.run(&["import", "before.csv"])?.ends(0)?;
    if let Some(rules) = rules {
        desk.write("rules.csv", rules)?;
        desk.run(&["rules", "import", "--valid-from", "2026-10-03", "rules.csv"])?.ends(0)?;
    }
    Ok(desk)
}

#[test]
fn what_is_kept_for_one_report_gives_the_report_of_all_lines() -> Outcome {
    for rules in [None, Some(RULES)] {
        let desk = ledger(rules)?;
        let books = Books::read(&desk.ledger())?;
        for (period, basis) in ["2026-10", "2026-09-29..2026-10-13", "2026-10-13..2026-10-13"]
            .into_iter()
            .flat_map(|period| [(period, Basis::Sums), (period, Basis::Events)])
        {
            let all = Request { basis, ..Request::of(Period::parse(period)?) };
            let lines = books.statement(&all, &Silent)?;
            for by in BY {
                let request = Request { by: Dimension::list(by)?, ..all.clone() };
                let sheet = books.report("chargeback", &request)?;
                assert_eq!(sheet, lines.report("chargeback", &request.by)?, "{period} {by} {basis:?} {rules:?}");
            }
            for name in ["summary", "unpriced"] {
                assert_eq!(books.report(name, &all)?, lines.report(name, &[])?, "{period} {name} {basis:?} {rules:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_kept_for_one_report_is_not_taken_for_another() -> Outcome {
    let desk = ledger(None)?;
    let books = Books::read(&desk.ledger())?;
    let request = Request { by: Dimension::list("tag.user")?, ..Request::of(Period::parse("2026-10")?) };
    for (kept_for, asked) in [("chargeback", "summary"), ("chargeback", "unpriced"), ("unpriced", "chargeback")] {
        let statement = books.statement(&request.clone().for_report(kept_for), &Silent)?;
        let refused = statement.report(asked, &request.by);
        assert!(matches!(refused, Err(BooksError::Report(ReportError::Coarse))), "{kept_for} {asked}: {refused:?}");
    }
    Ok(())
}

#[test]
fn the_number_of_threads_cannot_be_seen_where_events_are_shared() -> Outcome {
    let desk = ledger(Some(RULES))?;
    let reports = |threads: &str| -> Outcome<Vec<String>> {
        let mut reports = Vec::new();
        for period in ["2026-10", "2026-10-12..2026-10-14", "2026-10-13..2026-10-13"] {
            for (name, options) in [
                ("chargeback", &["--by", "tag.user"][..]),
                ("chargeback", &["--by", "day,department,tag.user,meter"]),
                ("chargeback", &["--by", "department,tag.user", "--recompute"]),
                ("unpriced", &[]),
                ("unpriced", &["--recompute"]),
                ("summary", &[]),
            ] {
                let report = ["report", name, "--period", period, "--format", "json"];
                let mut command = desk.command(&[&report[..], options].concat());
                reports.push(crate::desk::Ran::of(command.env("RAYON_NUM_THREADS", threads).output()?)?.ends(0)?.out);
            }
        }
        Ok(reports)
    };
    let one = reports("1")?;
    for threads in ["2", "5", "16"] {
        assert_eq!(reports(threads)?, one, "{threads} threads");
    }
    Ok(())
}
