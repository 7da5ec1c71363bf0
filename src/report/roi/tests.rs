//! The figures of the cases, and properties of sums and ratios.

use super::*;
use proptest::prelude::*;
use std::error::Error;
use std::path::Path;

/// The heading in tests. None of it changes a number.
fn heading(currency: Currency, period: Period) -> Heading {
    Heading {
        report: "roi".to_owned(),
        period: period.to_string(),
        time_zone: "UTC".to_owned(),
        currency,
        ledger_head: String::new(),
        state: None,
        caveats: Vec::new(),
    }
}

fn report(list: &[u8], llm_cost: &[(&str, &str)], period: &str) -> Result<Sheet, Box<dyn Error>> {
    let currency = Currency::parse("USD")?;
    let list = BenefitList::read(list, currency).map_err(|problems| format!("{problems:?}"))?;
    let cost = |(department, amount): &(&str, &str)| Ok(((*department).to_owned(), Amount::parse(amount)?));
    let llm_cost = llm_cost.iter().map(cost).collect::<Result<_, Box<dyn Error>>>()?;
    let period = Period::parse(period)?;
    Ok(sheet(&list, &llm_cost, period, heading(currency, period))?)
}

/// The rows and the total as people read them, with reasons in unknown cells.
fn lines(sheet: &Sheet) -> Vec<String> {
    let shown = |cell: &Cell| match cell {
        Cell::Unknown(reason) => (*reason).to_owned(),
        known => known.plain(),
    };
    let rows = sheet.rows.iter().chain(&sheet.total);
    rows.map(|row| row.iter().map(shown).collect::<Vec<_>>().join(" | ")).collect()
}

fn fixture(path: &str) -> Result<Vec<u8>, std::io::Error> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path))
}

/// The list of a case, with the token cost that its `expected.toml` states.
fn case(name: &str, llm_cost: &[(&str, &str)], period: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let list = fixture(&format!("cases/{name}/roi.csv"))?;
    Ok(lines(&report(&list, llm_cost, period)?))
}

#[test]
fn published_cases_come_out_by_department_and_in_total() -> Result<(), Box<dyn Error>> {
    let work_saved = [
        "finance | 715.00 | 0.00 | 65.00 | 65.00 | 650.00 | 1000.0 | no one-off cost | 715 | 65",
        "total | 715.00 | 0.00 | 65.00 | 65.00 | 650.00 | 1000.0 | no one-off cost | 715 | 65",
    ];
    assert_eq!(case("c1", &[("finance", "65")], "2026-10")?, work_saved);
    let tool_replaced = [
        "engineering | 200.00 | 0.00 | 50.00 | 50.00 | 150.00 | 300.0 | no one-off cost | 200 | 50",
        "finance | 200.00 | 0.00 | 40.00 | 40.00 | 160.00 | 400.0 | no one-off cost | 200 | 40",
        "total | 400.00 | 0.00 | 90.00 | 90.00 | 310.00 | 344.4 | no one-off cost | 400 | 90",
    ];
    assert_eq!(case("c2", &[("finance", "40"), ("engineering", "50")], "2026-10")?, tool_replaced);
    let all = [
        "engineering | 3000.00 | 6500.00 | 500.00 | 7000.00 | -4000.00 | -57.1 | 3.0 | 3000 | 7000",
        "finance | 250.00 | 0.00 | 0.00 | 0.00 | 250.00 | no cost | 1.6 | 250 | 0",
        "support | 1200.00 | 0.00 | 300.00 | 300.00 | 900.00 | 300.0 | no one-off cost | 1200 | 300",
        "total | 4450.00 | 6500.00 | 800.00 | 7300.00 | -2850.00 | -39.0 | 2.0 | 4450 | 7300",
    ];
    assert_eq!(case("c4", &[("engineering", "500"), ("support", "300")], "2026-10")?, all);
    Ok(())
}

#[test]
fn building_it_oneself_counts_month_by_month() -> Result<(), Box<dyn Error>> {
    let periods = [
        ("2026-10", "10000"),
        ("2026-12", "10000"),
        ("2027-01", "2000"),
        ("2026-10-01..2026-12-31", "30000"),
        ("2026-10-01..2027-09-30", "48000"),
    ];
    for (period, benefit) in periods {
        let lines = case("c3", &[("engineering", "0")], period)?;
        let ends = format!(" | no cost | no one-off cost | {benefit} | 0");
        assert!(lines.iter().all(|line| line.ends_with(&ends)), "{period}: {lines:?}");
    }
    Ok(())
}

/// `expected.toml` states percentages to two decimals, so the test compares them after rounding to one. It states
/// no payback if there were no one-time costs, and the report then shows why.
#[test]
fn every_figure_of_the_cases_is_in_the_report() -> Result<(), Box<dyn Error>> {
    for name in ["c1", "c2", "c3", "c4"] {
        let expected: toml::Table = toml::from_str(str::from_utf8(&fixture(&format!("cases/{name}/expected.toml"))?)?)?;
        let departments = expected.get("department").and_then(toml::Value::as_table).ok_or("no departments")?;
        let figure = |table: &toml::Table, key: &str| table.get(key)?.as_str().map(str::to_owned);
        let costs = departments.iter().filter_map(|(name, table)| Some((name, figure(table.as_table()?, "usage")?)));
        let costs = costs.collect::<Vec<_>>();
        let costs = costs.iter().map(|(name, cost)| (name.as_str(), cost.as_str())).collect::<Vec<_>>();
        let sheet = report(&fixture(&format!("cases/{name}/roi.csv"))?, &costs, "2026-10")?;
        let total = expected.get("total").map(|total| ("total", total));
        for (department, figures) in departments.iter().map(|(name, table)| (name.as_str(), table)).chain(total) {
            let row = sheet
                .rows
                .iter()
                .chain(&sheet.total)
                .find(|row| row.first().map(Cell::plain).as_deref() == Some(department));
            let row = row.ok_or("no row")?;
            let figures = figures.as_table().ok_or("no figures")?;
            for (at, key) in [(1, "benefit"), (2, "other_cost"), (3, "usage"), (4, "cost"), (5, "net")] {
                let Some(text) = figure(figures, key) else { continue };
                let cents = Cell::Fixed { value: Amount::parse(&text)?.minor_units(2), digits: 2 };
                assert_eq!(row.get(at), Some(&cents), "{name} {department} {key}");
            }
            match figure(figures, "roi_percent").as_deref() {
                None => {}
                Some("none") => assert_eq!(row.get(6), Some(&Cell::Unknown("no cost")), "{name} {department}"),
                Some(text) => assert_eq!(row.get(6), Some(&tenths(Ratio::parse(text)?)?), "{name} {department}"),
            }
            match figure(figures, "payback_months").as_deref() {
                None => {}
                Some("none") => {
                    assert_eq!(row.get(7), Some(&Cell::Unknown("no one-off cost")), "{name} {department}");
                }
                Some(text) => assert_eq!(row.get(7), Some(&tenths(Ratio::parse(text)?)?), "{name} {department}"),
            }
        }
    }
    Ok(())
}

const HEADER: &str = "department,name,side,amount,currency,every,from,to\n";

#[test]
fn a_payback_needs_a_one_off_cost_and_a_gain() -> Result<(), Box<dyn Error>> {
    let rows = [
        "gain,b,benefit,300,USD,month,2026-10,",
        "gain,c,cost,1000,USD,once,2026-08-31,",
        "ended,b,benefit,300,USD,month,2026-10,2026-12-30",
        "ended,c,cost,1000,USD,once,2026-10,",
        "later,b,benefit,300,USD,month,2026-10,",
        "later,c,cost,1000,USD,once,2027-01,",
        "even,b,benefit,30,USD,month,2026-10,",
        "even,c,cost,1000,USD,once,2026-12-31,",
        ",b,benefit,31,USD,month,2026-10-11,2026-10-20",
    ];
    let list = HEADER.to_owned() + &rows.join("\n");
    let costs = [("gain", "300"), ("even", "90"), ("tokens only", "0.005"), ("credited", "-1")];
    let expected = [
        "(unallocated) | 10.00 | 0.00 | 0.00 | 0.00 | 10.00 | no cost | no one-off cost | 10 | 0",
        "credited | 0.00 | 0.00 | -1.00 | -1.00 | 1.00 | cost below 0 | no one-off cost | 0 | -1",
        "ended | 890.32 | 1000.00 | 0.00 | 1000.00 | -109.68 | -11.0 | never | 890.32258064516129 | 1000",
        "even | 90.00 | 1000.00 | 90.00 | 1090.00 | -1000.00 | -91.7 | never | 90 | 1090",
        "gain | 900.00 | 0.00 | 300.00 | 300.00 | 600.00 | 200.0 | 5.0 | 900 | 300",
        "later | 900.00 | 0.00 | 0.00 | 0.00 | 900.00 | no cost | no one-off cost | 900 | 0",
        "tokens only | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | -100.0 | no one-off cost | 0 | 0.005",
        "total | 2790.32 | 2000.00 | 389.00 | 2389.00 | 401.32 | 16.8 | 6.0 | 2790.32258064516129 | 2389.005",
    ];
    assert_eq!(lines(&report(list.as_bytes(), &costs, "2026-Q4")?), expected);
    Ok(())
}

#[test]
fn the_example_month_reads_and_adds_up() -> Result<(), Box<dyn Error>> {
    let lines = lines(&report(&fixture("month/roi.csv")?, &[("Engineering", "1000.005")], "2026-10")?);
    let engineering =
        "Engineering | 60770.00 | 1292.00 | 1000.00 | 2292.00 | 58478.00 | 2551.4 | 0.2 | 60770 | 2292.005";
    assert_eq!(lines.iter().find(|line| line.starts_with("Engineering")).map(String::as_str), Some(engineering));
    assert_eq!(lines.len(), 7);
    Ok(())
}

#[test]
fn a_list_of_another_ledger_is_refused() -> Result<(), Box<dyn Error>> {
    let (dollars, yen) = (Currency::parse("USD")?, Currency::parse("JPY")?);
    let list = BenefitList::read((HEADER.to_owned() + "d,b,benefit,1,USD,month,2026-10,").as_bytes(), dollars);
    let list = list.map_err(|problems| format!("{problems:?}"))?;
    let period = Period::parse("2026-10")?;
    let refused = sheet(&list, &BTreeMap::new(), period, heading(yen, period));
    assert_eq!(refused, Err(RoiError::OtherCurrency { list: dollars, report: yen }));
    Ok(())
}

proptest! {
    #[test]
    fn rows_add_up_in_every_amount_column_and_across(
        items in prop::collection::vec((0_u8..5, any::<bool>(), 0_u64..1_000_000_000, 0_usize..4, 1_u32..13), 1..30),
        costs in prop::collection::btree_map(0_u8..7, -1_000_i128..1_000_000_000_000_000_000, 0..7),
        period in prop::sample::select(vec!["2026-10", "2026-Q1", "2026", "2026-02-11..2026-11-20"]),
    ) {
        let fail = |error: Box<dyn Error>| TestCaseError::fail(error.to_string());
        let mut rows = Vec::new();
        for (department, benefit, amount, every, month) in items {
            let side = if benefit { "benefit" } else { "cost" };
            let every = ["once", "week", "month", "year"].get(every).copied().unwrap_or_default();
            let amount = Amount::from_femtos(i128::from(amount) * 1_000_000_000_007);
            rows.push(format!("d{department},n,{side},{amount},USD,{every},2026-{month:02}-07,"));
        }
        let costs = costs.into_iter().map(|(department, femtos)| (format!("d{department}"), Amount::from_femtos(femtos).to_string()));
        let costs = costs.collect::<Vec<_>>();
        let costs = costs.iter().map(|(name, cost)| (name.as_str(), cost.as_str())).collect::<Vec<_>>();
        let sheet = report((HEADER.to_owned() + &rows.join("\n")).as_bytes(), &costs, period).map_err(fail)?;
        let value = |row: &[Cell], at: usize| match row.get(at) {
            Some(Cell::Fixed { value, .. }) => Some(*value),
            Some(Cell::Exact(amount)) => Some(amount.femtos()),
            _ => None,
        };
        let total = sheet.total.as_deref().unwrap_or_default();
        for at in [1, 2, 3, 4, 5, 8, 9] {
            let sum = sheet.rows.iter().map(|row| value(row, at)).sum::<Option<i128>>();
            prop_assert!(sum.is_some());
            prop_assert_eq!(sum, value(total, at), "column {}", at);
        }
        let exact = value(total, 8).map(|femtos| Amount::from_femtos(femtos).minor_units(2));
        prop_assert_eq!(value(total, 1), exact);
        for row in sheet.rows.iter().map(Vec::as_slice).chain([total]) {
            let [benefit, listed, llm, cost, net] = [1, 2, 3, 4, 5].map(|at| value(row, at).unwrap_or(i128::MAX));
            prop_assert_eq!(listed + llm, cost);
            prop_assert_eq!(benefit - cost, net);
        }
    }
}
