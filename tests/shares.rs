//! Unpriced or partly priced events that several payers share. A report never shows their parts as if they were whole.
//!
//! The oracle computes event by event, only from the description of rules and prices, and shares no code with
//! tokenbook.

use crate::desk::{Desk, Dice, Outcome, rows};
use std::collections::BTreeMap;
use std::fmt::Write;

const DEPARTMENTS: [&str; 4] = ["A", "B", "C", "D"];

/// An event of the oracle. Every event has input. Of `m`, output is unpriced; of `n`, nothing is; of `x`, everything
/// is.
struct Event {
    team: usize,
    model: &'static str,
    day: u64,
    input: u64,
    output: u64,
}

impl Event {
    fn is_unpriced(&self) -> bool {
        self.model == "x" || self.is_partly_unpriced()
    }

    fn is_partly_unpriced(&self) -> bool {
        self.model == "m" && self.output > 0
    }
}

/// The oracle's expectation for a department's row.
#[derive(Default)]
struct Expected {
    /// Whether the department pays a share of an event with something unpriced, of a partly priced event, and of
    /// anything priced.
    unpriced: bool,
    partly: bool,
    priced: bool,
}

/// Events of teams, and the departments that pay for each team, with their weights in twelfths.
struct Drawn {
    events: Vec<Event>,
    weights: Vec<BTreeMap<usize, u64>>,
}

fn drawn(seed: u64) -> Outcome<Drawn> {
    let mut dice = Dice::new(seed);
    let mut weights = Vec::new();
    for _ in 0..3 {
        // Weights of 1 to 9 twelfths. The last weight is the rest to 12.
        let (first, second) = (1 + dice.below(5), 1 + dice.below(5));
        let start = usize::try_from(dice.below(4))?;
        let of = |place: usize| (start + place) % DEPARTMENTS.len();
        weights.push(BTreeMap::from([(of(0), first), (of(1), second), (of(2), 12 - first - second)]));
    }
    let mut events = Vec::new();
    for _ in 0..=dice.below(8) {
        events.push(Event {
            team: usize::try_from(dice.below(3))?,
            model: ["m", "n", "n", "x"][usize::try_from(dice.below(4))?],
            day: 1 + dice.below(2),
            // Enough that every share gets some of it.
            input: 100 + dice.below(1_000),
            output: dice.below(2) * dice.below(40),
        });
    }
    Ok(Drawn { events, weights })
}

impl Drawn {
    fn write(&self, desk: &Desk) -> Outcome {
        let mut usage = String::new();
        for (number, Event { team, model, day, input, output }) in self.events.iter().enumerate() {
            let _ = writeln!(
                usage,
                "{{\"event_id\":\"{number}\",\"timestamp\":\"2026-10-{day:02}T10:00:00Z\",\"model\":\"{model}\",\
                 \"input_tokens\":{input},\"output_tokens\":{output},\"tags\":{{\"team\":\"t{team}\"}}}}"
            );
        }
        desk.write("u.jsonl", usage)?;
        let mut rules = "rule,key,value,department,weight\n".to_owned();
        for (team, weights) in self.weights.iter().enumerate() {
            let _ = writeln!(rules, "r{team},tag.team,t{team},,");
            for (department, weight) in weights {
                let _ = writeln!(rules, "r{team},,,{},{weight}/12", DEPARTMENTS[*department]);
            }
        }
        desk.write("r.csv", rules)?;
        desk.write(
            "p.csv",
            "model,meter,currency,price,valid_from\nm,input,USD,2.5,2026-01-01\n\
             n,input,USD,0.3,2026-01-01\nn,output,USD,1.7,2026-01-01\n",
        )?;
        desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
        desk.run(&["import", "u.jsonl"])?.ends(0)?;
        desk.run(&["rules", "import", "r.csv"])?.ends(0)?;
        Ok(())
    }

    fn expected(&self) -> BTreeMap<&'static str, Expected> {
        let mut expected: BTreeMap<&str, Expected> = BTreeMap::new();
        for event in &self.events {
            for department in self.weights[event.team].keys() {
                let of = expected.entry(DEPARTMENTS[*department]).or_default();
                of.unpriced |= event.is_unpriced();
                of.partly |= event.is_partly_unpriced();
                of.priced |= event.model != "x";
            }
        }
        expected
    }
}

#[test]
fn who_pays_a_share_of_something_unpriced_is_never_shown_as_complete() -> Outcome {
    let mut below_one = 0;
    for seed in 0..40 {
        let (desk, drawn) = (Desk::new()?, drawn(seed)?);
        drawn.write(&desk)?;
        let expected = drawn.expected();
        let chargeback = rows(&desk.chargeback()?)?;
        let names: Vec<&str> = chargeback.iter().map(|row| row["department"].as_str()).collect();
        assert_eq!(names, expected.keys().copied().collect::<Vec<_>>(), "{seed}");
        let summary = rows(&desk.print(&["report", "summary", "--period", "2026-10", "--format", "csv"])?)?;
        let (mut unpriced, mut events) = (0, 0);
        for (row, short) in chargeback.iter().zip(&summary) {
            let of = &expected[row["department"].as_str()];
            let count = row["unpriced_events"].parse::<usize>().ok();
            assert_eq!(count == Some(0), !of.unpriced, "{seed} {row:?}");
            assert!(!of.partly || row["average_per_event"].is_empty(), "{seed} {row:?}");
            assert_eq!(row["amount_exact"].is_empty(), !of.priced, "{seed} {row:?}");
            below_one += usize::from(count.is_none());
            unpriced += count.unwrap_or(0);
            events += row["events"].parse::<usize>()?;
            for column in ["department", "events", "amount", "unpriced_events"] {
                assert_eq!(row[column], short[column], "{seed}");
            }
        }
        assert_eq!(unpriced, drawn.events.iter().filter(|event| event.is_unpriced()).count(), "{seed}");
        assert_eq!(events, drawn.events.len(), "{seed}");
    }
    assert!(below_one > 20, "{below_one}");
    Ok(())
}

#[test]
fn a_part_of_an_event_that_counts_nothing_is_told() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", "model,meter,currency,price,valid_from\nm,input,USD,10,2026-01-01\n")?;
    desk.write(
        "u.jsonl",
        r#"{"event_id":"1","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1000000,"output_tokens":500,"tags":{"team":"t"}}
{"event_id":"2","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1000000,"tags":{"department":"B"}}
"#,
    )?;
    desk.write("r.csv", "rule,key,value,department,weight\nt,tag.team,t,A,3/4\nt,,,B,1/4\n")?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.run(&["import", "u.jsonl"])?.ends(0)?;
    desk.run(&["rules", "import", "r.csv"])?.ends(0)?;
    let found: Vec<String> = rows(&desk.chargeback()?)?
        .iter()
        .map(|row| {
            ["department", "events", "amount", "average_per_event", "unpriced_events"].map(|c| &*row[c]).join("|")
        })
        .collect();
    assert_eq!(found, ["A|1|7.50||1", "B|1|12.50||"]);
    for report in ["chargeback", "summary"] {
        let shown = desk.print(&["report", report, "--period", "2026-10"])?;
        let caveat = "1 row has parts of unpriced events, less than one event each: the amounts lack the cost of those parts: \"B\"";
        assert!(shown.contains(caveat), "{shown}");
        let total = shown.lines().find(|line| line.starts_with("total")).ok_or("no total")?;
        assert!(total.trim_end().ends_with('1'), "{total}");
    }
    Ok(())
}
