//! `budget status`: what is used and what will be, against figures worked out with exact fractions, and against chargeback.

use super::{policy, priced};
use crate::desk::{Desk, Dice, Outcome, fixture, rows, text};
use std::collections::BTreeMap;
use std::fmt::Write;
use tokenbook::books::Silent;
use tokenbook::books::controls::budgets::{BudgetRequest, BudgetStatus};
use tokenbook::domain::period::day;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::{Books, render};

/// A ledger with the usage, the prices and the policy of the fixture.
fn november() -> Outcome<Desk> {
    let desk = Desk::new()?;
    for (command, file) in [
        (&["prices", "import"][..], "status/prices.csv"),
        (&["import"], "status/usage.csv"),
        (&["policy", "apply"], "policies/departments.toml"),
    ] {
        let file = fixture(&format!("controls/{file}"));
        desk.run(&[command, &[text(&file)?]].concat())?.ends(0)?;
    }
    Ok(desk)
}

/// The budgets at an instant.
fn at(desk: &Desk, now: &str, all: bool) -> Outcome<BudgetStatus> {
    let request = BudgetRequest { all, ..BudgetRequest::of(Timestamp::parse(now)?) };
    let status = Books::read(&desk.ledger())?.budgets(&request, &Silent)?;
    Ok(status.ok_or("no policy is in force")?)
}

/// A sheet in a format.
fn printed(sheet: &tokenbook::sheet::Sheet, format: &str) -> Outcome<String> {
    let mut bytes = Vec::new();
    let renderer = render::named(format).ok_or("no such format")?;
    (renderer.render)(sheet, &mut bytes)?;
    Ok(String::from_utf8(bytes)?)
}

#[test]
fn every_figure_of_the_month_is_what_fractions_say() -> Outcome {
    let desk = november()?;
    let status = at(&desk, "2026-11-18T10:00:00Z", false)?;
    let found = rows(&printed(&status.sheet()?, "csv")?)?;
    let expected = rows(&std::fs::read_to_string(fixture("controls/status/expected.csv"))?)?;
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(&expected) {
        for (column, value) in expected {
            assert_eq!(found.get(column), Some(value), "{column} of {found:#?}");
        }
    }
    assert_eq!(status.left_out, 6, "sonnet, flash and deepseek, with two limits each");
    let table = printed(&status.rounded()?.only(&tokenbook::books::controls::budget_sheet::SHORT)?, "table")?;
    for line in [
        "marketing                 2026-11     4,100,000   5,000,000  tokens      82.0   6,900,000  warning",
        "company                   2026-11        561.68      700.00  USD         80.2      952.25  high",
        "data                      2026-11         12.00       40.00  USD         30.0",
        "pipeline gpt-4.1          2026-11-18         150       1,000  requests    15.0         400",
        "company, 2026-11: 14 events have no price; the amount does not include them",
        "data, 2026-11: no forecast yet; 2 complete days of usage, 7 needed",
        "6 limits without usage are not shown (--all)",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&table).contains(&words(line)), "{line}\n{table}");
    }
    assert_eq!(at(&desk, "2026-11-18T10:00:00Z", true)?.lines.len(), 13);
    Ok(())
}

#[test]
fn a_day_in_the_past_is_over_and_what_follows_it_does_not_count() -> Outcome {
    let desk = november()?;
    let of = |now: &str, name: &str| -> Outcome<Vec<(i128, String)>> {
        let status = at(&desk, now, true)?;
        let lines = status.lines.iter().filter(|line| line.budget.common.name.as_str() == name);
        Ok(lines.map(|line| (line.figure(), format!("{:?}", line.forecast))).collect())
    };
    let request = |at: &str, now: &str| -> Outcome<BudgetStatus> {
        let request = BudgetRequest { at: Some(day(at)?), ..BudgetRequest::of(Timestamp::parse(now)?) };
        Ok(Books::read(&desk.ledger())?.budgets(&request, &Silent)?.ok_or("no policy")?)
    };
    // On the 9th at the end of the day: 41 of that day count, nothing later does.
    let past = request("2026-11-09", "2026-11-18T10:00:00Z")?;
    let pipeline = past.lines.iter().find(|line| line.budget.common.name.as_str() == "pipeline").ok_or("none")?;
    let unit = 1_000_000_000_000_000_i128;
    assert_eq!(pipeline.figure(), (3 * 10 + 5 * 40 + 41) * unit);
    // The month is over in December, whenever that is looked at.
    let over = request("2026-11-30", "2026-12-05T00:00:00Z")?;
    assert!(over.lines.iter().all(|line| matches!(line.forecast, tokenbook::control::forecast::Forecast::Over { .. })));
    // A new month begins with nothing, and the weeks before give its forecast.
    let december = of("2026-12-01T06:00:00Z", "pipeline")?;
    assert!(december.iter().all(|(figure, forecast)| *figure == 0 && forecast.starts_with("Of")), "{december:?}");
    assert!(of("2026-04-30T00:00:00Z", "pipeline").is_err(), "the policy begins in May");
    Ok(())
}

#[test]
fn the_command_says_what_it_needs() -> Outcome {
    let desk = priced()?;
    desk.run(&["budget", "status"])?.ends(2)?.says("error[policy-missing]: no limits are in force today")?;
    desk.write("models.toml", policy("models")?.replace("claude-opus-4.7", "gpt-4.1"))?;
    desk.run(&["policy", "apply", "models.toml"])?.ends(0)?;
    desk.run(&["budget", "status"])?.ends(0)?.says("2 limits without usage are not shown (--all)")?;
    desk.run(&["budget", "status", "--budget", "modells"])?
        .ends(2)?
        .says("error[budget-unknown]: no budget is named \"modells\"")?;
    desk.run(&["budget", "status", "--at", "2099-01-01"])?.ends(2)?.says("--at")?;
    desk.run(&["budget", "status", "--at", "2026-02-30"])?.ends(2)?.says("expected a date such as")?;
    desk.run(&["budget", "status", "--period", "2026-04"])?.ends(2)?.says("no limits are in force on 2026-04-30")?;
    let csv = desk.print(&["budget", "status", "--all", "--format", "csv", "--columns", "budget,used,unit"])?;
    assert_eq!(csv, "budget,used,unit\ncompany,0,USD\nopus by requests,0,requests\n");
    Ok(())
}

#[test]
fn a_file_shows_what_its_budgets_would_show() -> Outcome {
    let desk = priced()?;
    let usage = "event_id,timestamp,model,department,input_tokens,output_tokens\na,2026-10-05T10:00:00Z,gpt-4.1,marketing,1000000,0\n";
    desk.write("u.csv", usage)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let head = desk.head()?;
    // Its first day is later than the period, and nothing is applied.
    desk.write("l.toml", policy("departments")?.replace("2026-05-01", "2030-01-01"))?;
    let check = ["policy", "check", "l.toml", "--period", "2026-10"];
    let ran = desk.run(&check)?.ends(0)?.says("limits of a file from 2030-01-01, which is not applied")?;
    let shown = ran.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let wanted = ["marketing 2026-10 1,000,000 5,000,000 tokens 20.0", "company 2026-10 2.00 700.00 USD 0.2"];
    assert_eq!(shown.filter(|line| wanted.contains(&line.as_str())).count(), 2, "{ran:?}");
    assert_eq!(desk.head()?, head);
    desk.run(&["policy", "check", "l.toml", "--period", "2099-10"])?.ends(2)?.says("has not begun")?;
    Ok(())
}

#[test]
fn a_late_file_a_retraction_and_a_grown_record_change_what_is_used() -> Outcome {
    let desk = november()?;
    let marketing = |now: &str| -> Outcome<i128> {
        let status = at(&desk, now, false)?;
        Ok(status.lines.first().ok_or("no line")?.figure())
    };
    let now = "2026-11-18T10:00:00Z";
    assert_eq!(marketing(now)?, 4_100_000);
    let late = "event_id,timestamp,model,department,input_tokens,output_tokens\nlate-1,2026-11-03T09:00:00Z,gemini-2.5-flash,marketing,1000,500\n";
    desk.write("late.csv", late)?;
    desk.run(&["import", "late.csv"])?.ends(0)?;
    assert_eq!(marketing(now)?, 4_101_500);
    let entry = desk.count("SELECT max(entry) FROM import")?.to_string();
    desk.run(&["imports", "retract", &entry, "--reason", "a test"])?.ends(0)?;
    assert_eq!(marketing(now)?, 4_100_000);
    desk.run(&["rebuild"])?.ends(0)?;
    assert_eq!(marketing(now)?, 4_100_000);
    desk.write("bad.csv", late.replace("1000", "many"))?;
    desk.run(&["import", "bad.csv", "--quarantine"])?.ends(4)?;
    let table = printed(&at(&desk, now, false)?.rounded()?, "table")?;
    assert!(table.contains("1 quarantined line waits for a decision"), "{table}");
    Ok(())
}

/// Usage of two months by departments, projects and models, with rules that give shares of it to others.
fn shared(seed: u64) -> Outcome<Desk> {
    let desk = priced()?;
    let mut dice = Dice::new(seed);
    let mut usage = "event_id,timestamp,model,department,project,tag.team,input_tokens,output_tokens\n".to_owned();
    let pick = |dice: &mut Dice, all: &[&'static str]| all[usize::try_from(dice.below(all.len() as u64)).unwrap_or(0)];
    for number in 0..400 {
        let (month, day) = (10 + dice.below(2), 1 + dice.below(28));
        let model = pick(&mut dice, &["gpt-4.1", "deepseek-v3.2", "house-model"]);
        let department = pick(&mut dice, &["a", "b", "c", ""]);
        let project = pick(&mut dice, &["x", "y", ""]);
        let team = pick(&mut dice, &["one", "two", ""]);
        let (tokens_in, tokens_out) = (dice.below(100_000), dice.below(20_000));
        writeln!(
            usage,
            "e{number},2026-{month}-{day:02}T12:00:00Z,{model},{department},{project},{team},{tokens_in},{tokens_out}"
        )?;
    }
    desk.write("u.csv", usage)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let rules = "rule,key,value,department,weight\nshared,tag.team,one,a,1/3\nshared,,,d,2/3\nrest,tag.team,two,b,\n";
    desk.write("r.csv", rules)?;
    desk.run(&["rules", "import", "r.csv"])?.ends(0)?;
    Ok(desk)
}

#[test]
fn counters_for_each_value_add_up_to_the_chargeback() -> Outcome {
    let head = "document = \"limits/1\"\nfrom = \"2026-01-01\"\n";
    for seed in 1..=6 {
        let desk = shared(seed)?;
        let budget = |each: &str| {
            format!(
                "{{ name = \"{each}\", each = \"{each}\", per = \"month\", amount = \"5\", tokens = 5, requests = 5, enforce = \"warn\" }}"
            )
        };
        let all = ["department", "project", "model", "tag.team"].map(budget).join(", ");
        desk.write("l.toml", format!("{head}budget = [{all}]\n"))?;
        desk.run(&["policy", "apply", "l.toml"])?.ends(0)?;
        let status = at(&desk, "2026-11-30T23:00:00Z", false)?;
        for each in ["department", "project", "model", "tag.team"] {
            let report =
                desk.print(&["report", "chargeback", "--period", "2026-11", "--by", each, "--format", "csv"])?;
            let column = each;
            let mut expected = BTreeMap::new();
            for row in rows(&report)? {
                let of = |name: &str| row.get(name).map_or("", String::as_str).to_owned();
                let tokens: i128 =
                    ["input_tokens", "output_tokens"].iter().map(|name| of(name).parse::<i128>().unwrap_or(0)).sum();
                expected.insert(of(column), (of("amount_exact"), tokens, of("events")));
            }
            expected.retain(|value, _| value != "(none)" && value != "(unallocated)");
            assert!(!expected.is_empty(), "{report}");
            let mut found: BTreeMap<String, (String, i128, String)> = BTreeMap::new();
            for line in status.lines.iter().filter(|line| line.budget.common.name.as_str() == each) {
                let subject = line.subject.clone().ok_or("a counter without a value")?;
                let of_subject = found.entry(subject).or_default();
                match line.bound.measure.name() {
                    "amount" => of_subject.0 = tokenbook::domain::money::Amount::from_femtos(line.figure()).to_string(),
                    "tokens" => of_subject.1 = line.figure(),
                    _ => of_subject.2 = line.figure().to_string(),
                }
            }
            for (value, (amount, tokens, events)) in &expected {
                let found = found.get(value).ok_or_else(|| format!("{value} has no counter"))?;
                let amount = if amount.is_empty() { "0" } else { amount };
                assert_eq!(
                    (found.0.as_str(), found.1, found.2.as_str()),
                    (amount, *tokens, events.as_str()),
                    "{each} {value}\n{report}"
                );
            }
            assert_eq!(found.len(), expected.len());
            let without = rows(&report)?.iter().any(|row| row.get(column).is_some_and(|value| value.starts_with('(')));
            let says = format!("no {each} and no counter there");
            assert_eq!(printed(&status.rounded()?, "table")?.contains(&says), without, "{each}");
        }
    }
    Ok(())
}

#[test]
fn a_value_that_another_budget_names_has_no_counter_beside_it() -> Outcome {
    let desk = shared(9)?;
    let policy = "document = \"limits/1\"\nfrom = \"2026-01-01\"\nbudget = [\n\
        { name = \"each\", each = \"model\", per = \"month\", tokens = 5, requests = 5, enforce = \"warn\" },\n\
        { name = \"gpt\", model = \"gpt-*\", per = \"month\", tokens = 5, enforce = \"warn\" },\n\
        { name = \"a day\", model = \"deepseek-v3.2\", per = \"day\", tokens = 5, enforce = \"warn\" },\n]\n";
    desk.write("l.toml", policy)?;
    desk.run(&["policy", "apply", "l.toml"])?.ends(0)?;
    let status = at(&desk, "2026-11-28T23:00:00Z", true)?;
    let found: Vec<(&str, &str, &str)> = status
        .lines
        .iter()
        .map(|line| {
            (line.budget.common.name.as_str(), line.bound.measure.name(), line.subject.as_deref().unwrap_or(""))
        })
        .collect();
    let expected = [
        ("each", "tokens", "deepseek-v3.2"),
        ("each", "tokens", "house-model"),
        ("each", "requests", "deepseek-v3.2"),
        ("each", "requests", "gpt-4.1"),
        ("each", "requests", "house-model"),
        ("gpt", "tokens", ""),
        ("a day", "tokens", ""),
    ];
    assert_eq!(found, expected);
    Ok(())
}
