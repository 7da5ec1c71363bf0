//! Budgets of random scopes against a naive count of the events, in whole numbers and without the product's arithmetic.

use super::alerts::early;
use crate::desk::{Dice, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tokenbook::books::Silent;
use tokenbook::books::controls::budgets::BudgetRequest;
use tokenbook::books::controls::policies::Apply;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::{Act, Books, ImportOptions, Input};

/// An event by its words; an empty text is no value.
type Event = BTreeMap<&'static str, String>;

const WORDS: [(&str, &[&str]); 5] = [
    ("department", &["a", "b", ""]),
    ("project", &["x", "y", ""]),
    ("model", &["gpt-4.1", "deepseek-v3.2", "house-1"]),
    ("provider", &["north", ""]),
    ("team", &["one", "two", ""]),
];

/// Prices of input and output in femto-units a token; none for `house-1`.
fn price(model: &str) -> Option<(i128, i128)> {
    match model {
        "gpt-4.1" => Some((2_000_000_000, 8_000_000_000)),
        "deepseek-v3.2" => Some((100_000_000, 420_000_000)),
        _ => None,
    }
}

/// A budget as the oracle has it.
struct Budget {
    name: String,
    per: &'static str,
    conditions: Vec<(&'static str, Vec<String>)>,
    each: Option<&'static str>,
}

fn is_in(period: &str, day: i64) -> bool {
    // The 18th of November 2026 is a Wednesday; days are of October 1 (-30) to November 18 (18).
    match period {
        "day" => day == 18,
        "week" => (16..=18).contains(&day),
        "month" => day >= 1,
        _ => true,
    }
}

fn matches(wanted: &str, value: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == value, |start| value.starts_with(start))
}

impl Budget {
    fn random(number: usize, dice: &mut Dice) -> Self {
        let mut below = |bound: usize| usize::try_from(dice.below(bound as u64)).unwrap_or(0);
        let per = ["day", "week", "month", "quarter", "year"][below(5)];
        let each = [None, None, Some("department"), Some("model"), Some("team"), Some("provider")][below(6)];
        let mut conditions = Vec::new();
        for (word, values) in WORDS {
            if Some(word) == each || below(3) > 0 {
                continue;
            }
            let mut chosen: BTreeSet<String> = (0..=below(2)).map(|_| values[below(values.len())].to_owned()).collect();
            if word == "model" && below(3) == 0 {
                chosen.insert("gpt-*".to_owned());
            }
            chosen.remove("");
            if !chosen.is_empty() {
                conditions.push((word, chosen.into_iter().collect()));
            }
        }
        Self { name: format!("b{number}"), per, conditions, each }
    }

    fn toml(&self) -> Outcome<String> {
        let mut text = format!(
            "{{ name = \"{}\", per = \"{}\", amount = \"9\", tokens = 9, requests = 9, enforce = \"warn\"",
            self.name, self.per
        );
        for (word, values) in &self.conditions {
            let list = format!("{values:?}");
            match *word {
                "team" => write!(text, ", tag = {{ team = {list} }}")?,
                word => write!(text, ", {word} = {list}")?,
            }
        }
        if let Some(each) = self.each {
            let each = if each == "team" { "tag.team" } else { each };
            write!(text, ", each = \"{each}\"")?;
        }
        Ok(text + " }")
    }

    fn has(&self, event: &Event) -> bool {
        self.conditions.iter().all(|(word, values)| {
            let value = &event[word];
            !value.is_empty() && values.iter().any(|wanted| matches(wanted, value))
        })
    }

    /// Whether it leaves a value to a budget that names it, and has no condition that this one lacks.
    fn leaves(&self, value: &str, all: &[Self]) -> bool {
        let is_within = |word: &str, values: &[String]| {
            let own = self.conditions.iter().find(|(own, _)| *own == word);
            own.is_some_and(|(_, own)| own.iter().all(|own| values.iter().any(|wanted| matches(wanted, own))))
        };
        let names = |other: &&Self| {
            other.each.is_none()
                && other.per == self.per
                && other.conditions.iter().all(|(word, values)| Some(*word) == self.each || is_within(word, values))
                && other.conditions.iter().any(|(word, values)| {
                    Some(*word) == self.each && values.iter().any(|wanted| matches(wanted, value))
                })
        };
        self.each.is_some() && all.iter().find(names).is_some()
    }
}

/// Name, measure and value, with what was used.
type Lines = BTreeMap<(String, String, String), i128>;

fn expected(budgets: &[Budget], events: &[(i64, Event, [i128; 2])]) -> Lines {
    let mut lines = Lines::new();
    for budget in budgets {
        for (day, event, [tokens_in, tokens_out]) in events {
            let subject = budget.each.map_or("", |each| event[each].as_str());
            if !budget.has(event)
                || !is_in(budget.per, *day)
                || budget.each.is_some() && (subject.is_empty() || budget.leaves(subject, budgets))
            {
                continue;
            }
            let (of_in, of_out) = price(&event["model"]).unwrap_or((0, 0));
            let amount = tokens_in * of_in + tokens_out * of_out;
            for (measure, used) in [("amount", amount), ("tokens", tokens_in + tokens_out), ("requests", 1)] {
                *lines.entry((budget.name.clone(), measure.to_owned(), subject.to_owned())).or_insert(0) += used;
            }
        }
    }
    lines
}

#[test]
fn budgets_of_any_scope_count_what_a_naive_count_counts() -> Outcome {
    let mut dice = Dice::new(20);
    let mut compared = 0;
    for _ in 0..12 {
        let desk = early()?;
        let mut csv =
            "event_id,timestamp,model,provider,department,project,tag.team,input_tokens,output_tokens\n".to_owned();
        let mut events = Vec::new();
        for number in 0..150 {
            let event: Event = WORDS
                .iter()
                .map(|(word, values)| {
                    (*word, values[usize::try_from(dice.below(values.len() as u64)).unwrap_or(0)].to_owned())
                })
                .collect();
            let day = i64::try_from(dice.below(49))? - 30;
            let date = if day >= 1 { format!("2026-11-{day:02}") } else { format!("2026-10-{:02}", day + 31) };
            let tokens = [i128::from(dice.below(90_000)), i128::from(dice.below(9_000))];
            let [model, provider, department, project, team] =
                ["model", "provider", "department", "project", "team"].map(|word| &event[word]);
            writeln!(
                csv,
                "e{number},{date}T06:00:00Z,{model},{provider},{department},{project},{team},{},{}",
                tokens[0], tokens[1]
            )?;
            events.push((day, event, tokens));
        }
        let act = Act { now: Timestamp::parse("2026-11-18T07:00:00Z")?, actor: "tester" };
        let books = Books::open(&desk.ledger())?;
        books.import(&Input::File(desk.write("u.csv", csv)?), &ImportOptions::plain(), act, &Silent)?;
        let budgets: Vec<Budget> = (0..10).map(|number| Budget::random(number, &mut dice)).collect();
        let listed = budgets.iter().map(Budget::toml).collect::<Outcome<Vec<_>>>()?.join(",\n");
        let policy = format!("document = \"limits/1\"\nfrom = \"2026-01-01\"\nbudget = [\n{listed}\n]\n");
        books.apply_policy("l", policy.as_bytes(), Apply::Record, act, &Silent)?;
        let expected = expected(&budgets, &events);
        let shown = |name: Option<&str>| -> Outcome<Lines> {
            let request = BudgetRequest { name: name.map(str::to_owned), ..BudgetRequest::of(act.now) };
            let status = books.budgets(&request, &Silent)?.ok_or("no policy")?;
            let line = |line: &tokenbook::books::controls::budgets::BudgetLine| {
                let subject = line.subject.clone().unwrap_or_default();
                ((line.budget.common.name.to_string(), line.bound.measure.name().to_owned(), subject), line.figure())
            };
            Ok(status.lines.iter().map(line).collect())
        };
        assert_eq!(shown(None)?, expected, "{policy}");
        for budget in &budgets {
            let own: Lines = expected
                .iter()
                .filter(|((name, _, _), _)| *name == budget.name)
                .map(|(key, used)| (key.clone(), *used))
                .collect();
            assert_eq!(shown(Some(&budget.name))?, own, "{} of\n{policy}", budget.name);
        }
        compared += expected.len();
    }
    assert!(compared > 400, "{compared}");
    Ok(())
}
