//! `report --recompute`: every figure comes from the events, and no stored total has any influence.

use crate::desk::{Desk, HEADER, Outcome, fixture, text};
use std::fmt::Write;
use tokenbook::report::REPORTS;

/// Every dimension alone. Together they cover reading by month, by day and by line.
const DIMENSIONS: [&str; 9] =
    ["department", "cost_centre", "project", "environment", "provider", "model", "meter", "day", "tag.team"];

/// The tables of totals: the ones without a trigger that have a column of quantities, with that column.
const SUMS: &str = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
    WHERE t.type = 'table' AND c.name IN ('input', 'quantity') \
    AND t.name NOT IN (SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger')";

/// Usage of three months: two departments, a rare meter, a model without a price, a tag.
fn of_three_months() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write(
        "p.csv",
        "book,model,meter,currency,price,valid_from\n,m,input,USD,2.50,2026-01-01\n,m,output,USD,10,2026-01-01\n\
         ,m,web_search,USD,0.01,2026-01-01\n,m,input,USD,3,2026-10-15\nother,m,input,USD,2,2026-01-01\n",
    )?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    let mut lines = format!("{HEADER},web_searches,team\n");
    for (number, month) in ["08", "09", "10", "09", "10", "09"].into_iter().enumerate() {
        for (department, model) in [("Legal", "m"), ("Sales", "m"), ("Sales", "unpriced")] {
            let input = 400_000 + number * 1_000;
            writeln!(
                lines,
                "{department}-{model}-{number},2026-{month}-{:02}T10:00:00Z,{model},{department},{input},500,4,t{number}",
                number + 12
            )?;
        }
    }
    desk.write("u.csv", lines)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    desk.run(&["costs", "import", text(&fixture("costs/anthropic-costs/costs-page.json"))?])?.ends(0)?;
    desk.write("roi.csv", "department,name,side,amount,currency,every,from\nSales,n,benefit,100,USD,month,2026-01\n")?;
    desk.write("offers.toml", "[[offer]]\nname = \"a\"\nbook = \"other\"\n")?;
    Ok(desk)
}

/// Every report, with every dimension that it accepts.
fn reports() -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&str>> = REPORTS.iter().map(|report| vec![report.name]).collect();
    all.extend(DIMENSIONS.iter().map(|by| vec!["chargeback", "--by", by]));
    all.push(vec!["chargeback", "--by", "department,model,meter,day"]);
    all.push(vec!["roi", "--roi", "roi.csv"]);
    all.push(vec!["savings", "--offers", "offers.toml"]);
    all.push(vec!["savings", "--offers", "offers.toml", "--by", "department"]);
    all.extend(["provider", "model"].map(|by| vec!["provider-cost", "--by", by]));
    all
}

/// The output of every report for a month and for days within one.
fn printed(desk: &Desk, options: &[&str]) -> Outcome<Vec<(String, String)>> {
    let mut printed = Vec::new();
    for report in reports() {
        for period in ["2026-10", "2026-09-10..2026-10-20"] {
            let fixed = ["--period", period, "--format", "json"];
            let arguments = [&["report"][..], &report, &fixed, options].concat();
            printed.push((arguments.join(" "), desk.print(&arguments)?));
        }
    }
    Ok(printed)
}

#[test]
fn every_figure_of_a_recomputed_report_is_recomputed() -> Outcome {
    let desk = of_three_months()?;
    let before = printed(&desk, &["--recompute"])?;
    assert_eq!(printed(&desk, &["--recompute"])?, before, "a report is the same twice");
    let from_sums = printed(&desk, &[])?;
    for ((recomputed, one), (_, other)) in before.iter().zip(&from_sums) {
        assert_eq!(one, other, "{recomputed}: the sums say the same before anybody changes them");
    }
    let database = desk.database()?;
    let sums: Vec<(String, String)> =
        database.prepare(SUMS)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    assert_eq!(sums.len(), 4, "by day and by month, with their rare meters: {sums:?}");
    for (table, column) in &sums {
        let changed = database.execute(&format!("UPDATE {table} SET {column} = {column} * 7"), [])?;
        assert!(changed > 0, "{table} is empty");
    }
    // A ledger may refuse totals that nobody proved. It must not print the changed figures as if they were right.
    let changed = desk.run(&["report", "summary", "--period", "2026-10", "--format", "json"])?;
    assert_ne!(Some(changed.out), from_sums.first().map(|(_, printed)| printed.clone()));
    for ((report, was), (_, is)) in before.iter().zip(printed(&desk, &["--recompute"])?) {
        assert_eq!(*was, is, "{report}");
    }
    for (table, _) in &sums {
        database.execute(&format!("DELETE FROM {table}"), [])?;
    }
    for ((report, was), (_, is)) in before.iter().zip(printed(&desk, &["--recompute"])?) {
        assert_eq!(*was, is, "{report} without sums");
    }
    Ok(())
}
