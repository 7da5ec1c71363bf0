//! The published figures of `fixtures/cases`, each computed from its files by the command, and the month.
//!
//! A key of `expected.toml` that no test checks is an error, so no new figure can be forgotten.

use crate::desk::{Desk, Outcome, fixture, rows, text};
use rust_decimal::Decimal;
use rust_decimal::RoundingStrategy::MidpointNearestEven;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

type Row = BTreeMap<String, String>;

#[test]
fn every_published_figure_comes_out() -> Outcome {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(fixture("cases"))? {
        folders.push(entry?.path());
    }
    folders.sort();
    assert!(folders.len() >= 16, "cases were lost");
    for folder in folders {
        check(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(())
}

/// One case: its ledger, and the folder of its other files.
struct Case {
    desk: Desk,
    period: String,
    roi: PathBuf,
    offers: PathBuf,
}

fn check(folder: &Path) -> Outcome {
    let expected: Table = std::fs::read_to_string(folder.join("expected.toml"))?.parse()?;
    let word = |key: &str| expected.get(key).and_then(Value::as_str).ok_or(format!("no {key}"));
    let desk = Desk::with(&["--currency", word("currency")?])?;
    desk.run(&["prices", "import", text(&folder.join("prices.csv"))?])?.ends(0)?;
    desk.run(&["import", text(&folder.join("usage.jsonl"))?])?.ends(0)?;
    let (roi, offers) = (folder.join("roi.csv"), folder.join("offers.toml"));
    let case = Case { desk, period: word("period")?.to_owned(), roi, offers };
    let has_roi = case.roi.exists();
    for (key, value) in &expected {
        match (key.as_str(), value) {
            ("period" | "currency", _) => {}
            ("amount" | "tokens" | "requests", Value::String(figure)) => case.figure(key, figure)?,
            ("total", Value::Table(figures)) if has_roi => case.roi_total(figures)?,
            ("department", Value::Table(departments)) if has_roi => case.roi_departments(departments)?,
            ("month" | "sum", Value::Table(figures)) => case.benefits(figures)?,
            ("total", Value::Table(figures)) => case.total(figures)?,
            ("department", Value::Table(departments)) => case.departments(departments)?,
            ("event", Value::Table(events)) => case.events(events)?,
            ("book", Value::Table(books)) => case.books(books)?,
            ("charged", Value::Table(figures)) => case.charged(figures)?,
            ("offer", Value::Table(offers)) => case.offers(offers)?,
            _ => return Err(format!("{key} is not checked").into()),
        }
    }
    Ok(())
}

impl Case {
    fn csv(&self, report: &[&str]) -> Outcome<Vec<Row>> {
        let period = ["--period", &self.period, "--format", "csv"];
        rows(&self.desk.print(&[&["report"], report, &period].concat())?)
    }

    fn json_total(&self, report: &[&str]) -> Outcome<Row> {
        let period = ["--period", &self.period, "--format", "json"];
        let text = self.desk.print(&[&["report"], report, &period].concat())?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        let total = json.get("total").and_then(serde_json::Value::as_object).ok_or("no total")?;
        let plain = |value: &serde_json::Value| match value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Ok(total.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
    }

    /// Checks a figure of all the usage.
    fn figure(&self, key: &str, figure: &str) -> Outcome {
        let total = self.json_total(&["chargeback"])?;
        let sum = |names: &[&str]| -> Outcome<String> {
            let counts = names.iter().filter_map(|name| total.get(*name)).map(|count| count.parse::<i64>());
            Ok(counts.sum::<Result<i64, _>>()?.to_string())
        };
        match key {
            "amount" => same("amount_exact", cell(&total, "amount_exact")?, figure),
            "tokens" => same("tokens", &sum(&["input_tokens", "output_tokens"])?, figure),
            _ => {
                let column = if total.contains_key("requests") { "requests" } else { "events" };
                same(column, &sum(&[column])?, figure)
            }
        }
    }

    fn total(&self, figures: &Table) -> Outcome {
        let total = self.json_total(&["chargeback"])?;
        self.columns(&total, figures)?;
        // The rounded lines add up to the rounded total.
        let mut sum = Decimal::ZERO;
        for row in self.csv(&["chargeback"])? {
            sum += decimal(cell(&row, "amount")?)?;
        }
        same("sum of amounts", &sum.to_string(), cell(&total, "amount")?)
    }

    fn departments(&self, departments: &Table) -> Outcome {
        let rows = self.csv(&["chargeback"])?;
        assert_eq!(rows.len(), departments.len(), "{rows:?}");
        for (department, figures) in tables(departments)? {
            self.columns(find(&rows, "department", department)?, figures)?;
        }
        Ok(())
    }

    /// Checks figures that have columns with their own names. Requests are events there.
    fn columns(&self, row: &Row, figures: &Table) -> Outcome {
        for (key, figure) in words(figures)? {
            let column = if key == "requests" { "events" } else { key };
            same(column, cell(row, column)?, figure).map_err(|error| format!("{}: {error}", self.period))?;
        }
        Ok(())
    }

    /// Checks the cost of single events. Each is alone on its day with its model.
    fn events(&self, events: &Table) -> Outcome {
        let rows = self.csv(&["chargeback", "--by", "day,model"])?;
        for (id, figure) in words(events)? {
            let day: String =
                self.desk.database()?.query_row("SELECT day FROM usage WHERE event_id = ?1", [id], |row| row.get(0))?;
            same(id, cell(find(&rows, "day", &day)?, "amount_exact")?, figure)?;
        }
        Ok(())
    }

    fn books(&self, books: &Table) -> Outcome {
        for (book, figures) in tables(books)? {
            let rows = self.csv(&["chargeback", "--book", book])?;
            for (key, figure) in words(figures)? {
                let total = self.json_total(&["chargeback", "--book", book])?;
                let row = if key == "total" { &total } else { find(&rows, "department", key)? };
                same(key, cell(row, "amount_exact")?, figure)?;
            }
        }
        Ok(())
    }

    fn savings(&self) -> Outcome<Vec<Row>> {
        self.csv(&["savings", "--offers", text(&self.offers)?])
    }

    fn charged(&self, figures: &Table) -> Outcome {
        for row in self.savings()? {
            for (key, figure) in words(figures)? {
                if key == "currency" {
                    assert_eq!(cell(&row, key)?, figure);
                } else {
                    same(key, cell(&row, "charged")?, figure)?;
                }
            }
        }
        Ok(())
    }

    fn offers(&self, offers: &Table) -> Outcome {
        let rows = self.savings()?;
        assert_eq!(rows.len(), offers.len(), "{rows:?}");
        for (offer, figures) in tables(offers)? {
            let row = find(&rows, "offer", offer)?;
            assert_eq!(cell(row, "uncompared_tokens")?, "0", "{offer}");
            for (key, figure) in words(figures)? {
                match key {
                    "amount" => same(offer, cell(row, "offered")?, figure)?,
                    "saved" => same(offer, cell(row, "difference")?, figure)?,
                    "saved_in_a_year" => same(offer, cell(row, "twelve_months")?, figure)?,
                    "saved_percent" => rounded(offer, cell(row, "percent")?, figure)?,
                    "saved_per_request" => {
                        let requests = self.json_total(&["chargeback"])?;
                        let saved = decimal(figure)? * decimal(cell(&requests, "requests")?)?;
                        same(offer, cell(row, "difference")?, &saved.to_string())?;
                    }
                    _ => return Err(format!("offer {offer}: {key} is not checked").into()),
                }
            }
        }
        Ok(())
    }

    fn roi_of(&self, period: &str) -> Outcome<Vec<Row>> {
        let roi = ["report", "roi", "--roi", text(&self.roi)?, "--period", period, "--format", "csv"];
        rows(&self.desk.print(&roi)?)
    }

    fn roi_departments(&self, departments: &Table) -> Outcome {
        let (rows, year) = (self.roi_of(&self.period)?, self.roi_of("2026-10-01..2027-09-30")?);
        assert_eq!(rows.len(), departments.len(), "{rows:?}");
        for (department, figures) in tables(departments)? {
            roi(find(&rows, "department", department)?, find(&year, "department", department)?, figures)
                .map_err(|error| format!("{department}: {error}"))?;
        }
        Ok(())
    }

    fn roi_total(&self, figures: &Table) -> Outcome {
        let total = self.json_total(&["roi", "--roi", text(&self.roi)?])?;
        roi(&total, &total, figures)
    }

    /// Checks benefits of other periods: of a month, or of `first..last` months.
    fn benefits(&self, figures: &Table) -> Outcome {
        for (period, figure) in words(figures)? {
            let days = match period.split_once("..") {
                None => period.to_owned(),
                Some((first, last)) => format!("{first}-01..{}", last_day(last)?),
            };
            let rows = self.roi_of(&days)?;
            assert_eq!(rows.len(), 1, "{period}");
            same(period, cell(&rows[0], "benefit")?, figure)?;
        }
        Ok(())
    }
}

fn roi(row: &Row, year: &Row, figures: &Table) -> Outcome {
    for (key, figure) in words(figures)? {
        match key {
            "benefit_in_a_year" => same(key, cell(year, "benefit")?, figure)?,
            "usage" => same(key, cell(row, "cost_llm")?, figure)?,
            "other_cost" => same(key, cell(row, "cost_listed")?, figure)?,
            "roi" | "roi_percent" if figure == "none" => assert_eq!(cell(row, "roi_percent")?, ""),
            "roi" => same(key, cell(row, "roi_percent")?, &(decimal(figure)? * Decimal::ONE_HUNDRED).to_string())?,
            "roi_percent" => rounded(key, cell(row, key)?, figure)?,
            "payback_months" if figure == "none" => assert_eq!(cell(row, key)?, ""),
            "benefit" | "cost" | "net" | "payback_months" => same(key, cell(row, key)?, figure)?,
            _ => return Err(format!("{key} is not checked").into()),
        }
    }
    Ok(())
}

fn last_day(month: &str) -> Outcome<String> {
    let first = chrono::NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d")?;
    let next = first.checked_add_months(chrono::Months::new(1)).and_then(|day| day.pred_opt());
    Ok(next.ok_or("no last day")?.to_string())
}

fn tables(table: &Table) -> Outcome<Vec<(&str, &Table)>> {
    let entries = table.iter().map(|(key, value)| value.as_table().map(|table| (key.as_str(), table)));
    Ok(entries.collect::<Option<_>>().ok_or("a value is no table")?)
}

fn words(table: &Table) -> Outcome<Vec<(&str, &str)>> {
    let entries = table.iter().map(|(key, value)| value.as_str().map(|text| (key.as_str(), text)));
    Ok(entries.collect::<Option<_>>().ok_or("a value is no text")?)
}

fn find<'a>(rows: &'a [Row], column: &str, value: &str) -> Outcome<&'a Row> {
    let found = rows.iter().find(|row| row.get(column).is_some_and(|found| found == value));
    Ok(found.ok_or(format!("no row {column} {value}"))?)
}

fn cell<'a>(row: &'a Row, column: &str) -> Outcome<&'a str> {
    Ok(row.get(column).ok_or(format!("no column {column}"))?)
}

fn decimal(text: &str) -> Outcome<Decimal> {
    Ok(Decimal::from_str_exact(text).map_err(|error| format!("{text:?}: {error}"))?)
}

/// Checks that two numbers are equal, whatever their trailing zeros.
fn same(what: &str, found: &str, expected: &str) -> Outcome {
    if decimal(found)? == decimal(expected)? {
        return Ok(());
    }
    Err(format!("{what} is {found}, expected {expected}").into())
}

/// Checks that two percentages are equal at one decimal, which is the form in reports.
fn rounded(what: &str, found: &str, expected: &str) -> Outcome {
    same(what, found, &decimal(expected)?.round_dp_with_strategy(1, MidpointNearestEven).to_string())
}

#[test]
fn the_months_chargeback_is_the_independent_one() -> Outcome {
    let desk = Desk::with(&["--time-zone", "America/New_York"])?;
    desk.run(&["prices", "import", text(&fixture("month/prices.csv"))?])?.ends(0)?;
    desk.run(&["import", text(&fixture("month/usage"))?])?.ends(0)?;
    let expected = std::fs::read_to_string(fixture("month/expected.csv"))?;
    for recompute in [&[][..], &["--recompute"]] {
        let report = ["report", "chargeback", "--period", "2026-10", "--format", "csv"];
        let mut found = "department,events,amount_exact,amount\n".to_owned();
        for row in rows(&desk.print(&[&report, recompute].concat())?)? {
            let fields = ["department", "events", "amount_exact", "amount"].map(|column| row[column].as_str());
            found.push_str(&fields.join(","));
            found.push('\n');
        }
        assert_eq!(found, expected, "{recompute:?}");
    }
    Ok(())
}
