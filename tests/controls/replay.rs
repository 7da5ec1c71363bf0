//! Replays: the worked example, and what must hold for any usage.

use crate::desk::{Desk, Dice, HEADER, Outcome, fixture};
use std::fmt::Write;

const FOLDER: &str = "controls/replay";

/// A desk with prices and usage.
fn desk(prices: &str, usage: &str) -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("prices.csv", prices)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.write("usage.csv", usage)?;
    desk.run(&["import", "usage.csv"])?.ends(0)?;
    Ok(desk)
}

fn text(name: &str) -> Outcome<String> {
    Ok(std::fs::read_to_string(fixture(&format!("{FOLDER}/{name}")))?)
}

#[test]
fn the_worked_example_gives_its_figures() -> Outcome {
    let desk = desk(&text("prices.csv")?, &text("usage.csv")?)?;
    desk.write("limits.toml", text("limits.toml")?)?;
    let columns = "department,events,allowed,breaker,downgraded,amount_recorded,amount_replayed,avoided_by_refusal,avoided_by_downgrade";
    let all = ["replay", "--policy", "limits.toml", "--period", "2026-10", "--detail", "detail.csv"];
    let csv = [&all[..], &["--format", "csv", "--columns", columns]].concat();
    assert_eq!(desk.run(&csv)?.ends(0)?.out, text("expected.csv")?);
    let detail = String::from_utf8(desk.read("detail.csv")?)?;
    let decisions = detail.lines().map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        format!("{},{}\n", cells[2], cells[5])
    });
    assert_eq!(decisions.collect::<String>(), text("decisions.csv")?);
    // The timeline stands below the table.
    let shown = desk.run(&[&all[..], &["--timeline"]].concat())?.ends(0)?;
    for line in [
        "2026-10-07T10:20:00Z  marketing, an hour           opened",
        "2026-10-07T11:00:00Z  engineering                  reached 80%",
    ] {
        assert!(shown.out.contains(line), "{}", shown.out);
    }
    desk.run(&[&all[..], &["--timeline", "--format", "csv"]].concat())?.ends(2)?.says("--timeline")?;
    desk.run(&["replay", "--period", "2026-10"])?.ends(2)?.says("no limits are in force on 2026-10-31")?;
    desk.run(&["replay", "--policy", "limits.toml", "--period", "2026-10", "--by", "colour"])?
        .ends(2)?
        .says("department, project, model, key")?;
    Ok(())
}

/// Usage of several departments, some of it without a price.
fn usage() -> Outcome<String> {
    let mut lines = format!("{HEADER}\n");
    let mut dice = Dice::new(42);
    for number in 0..400 {
        let (day, hour, minute) = (1 + dice.below(31), dice.below(24), dice.below(60));
        let department = ["search", "ads", "shared"][usize::try_from(dice.below(3))?];
        let model = ["gpt-4.1", "gemini-2.5-flash", "unknown"][usize::try_from(dice.below(3))?];
        let (tokens_in, tokens_out) = (dice.below(90_000), dice.below(9_000));
        let at = format!("2026-10-{day:02}T{hour:02}:{minute:02}:00Z");
        writeln!(lines, "e{number},{at},{model},{department},{tokens_in},{tokens_out}")?;
    }
    Ok(lines)
}

const WATCH: &str = "document = \"limits/1\"\nfrom = \"2026-10-01\"\n\
    budget = [{ name = \"all\", per = \"month\", amount = \"1\", enforce = \"warn\", alert = [] }]\n";

const TIGHT: &str = "document = \"limits/1\"\nfrom = \"2026-10-01\"\n\
    admission = { unpriced = \"refuse\", unknown_department = \"refuse\", on_failure = \"refuse\", output_unknown = 1 }\n\
    budget = [\n\
      { name = \"all\", per = \"month\", amount = \"7\", enforce = \"block\", downgrade = [\"gemini-2.5-flash\"], alert = [{ at = \"50%\", to = [] }] },\n\
      { name = \"each\", each = \"department\", per = \"day\", requests = 4, enforce = \"block\", alert = [] },\n\
    ]\n\
    quota = [{ name = \"rate\", tokens = 95_000, per = \"hour\" }]\n\
    breaker = [{ name = \"hour\", department = \"ads\", tokens = 150_000, window = \"2h\", open_for = \"1h\", probes = 1 }]\n";

#[test]
fn without_enforcement_it_adds_up_to_the_chargeback_and_threads_do_not_show() -> Outcome {
    let desk = desk(&text("prices.csv")?, &usage()?)?;
    desk.write("watch.toml", WATCH)?;
    desk.write("tight.toml", TIGHT)?;
    let rows = |out: &str| -> Vec<String> { out.lines().skip(1).map(str::to_owned).collect() };
    let columns = ["--format", "csv", "--columns", "department,events,allowed,tokens,amount_recorded,amount_replayed"];
    let replay = ["replay", "--policy", "watch.toml", "--period", "2026-10"];
    let found = rows(&desk.run(&[&replay[..], &columns[..]].concat())?.ends(0)?.out);
    let chargeback = ["report", "chargeback", "--period", "2026-10", "--format", "csv"];
    let charged = desk.run(&chargeback)?.ends(0)?.out;
    let mut reader = csv::Reader::from_reader(charged.as_bytes());
    let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let place = |name: &str| names.iter().position(|known| known == name).ok_or_else(|| format!("{name}: {names:?}"));
    let (events, amount) = (place("events")?, place("amount_exact")?);
    let mut expected = Vec::new();
    for record in reader.records() {
        let record = record?;
        let tokens: u64 =
            [place("input_tokens")?, place("output_tokens")?].iter().map(|at| record[*at].parse().unwrap_or(0)).sum();
        expected.push(format!("{},{e},{e},{tokens},{a},{a}", &record[0], e = &record[events], a = &record[amount]));
    }
    assert_eq!(found, expected);
    assert_eq!(found.len(), 3);
    // Under limits that refuse, every request is counted once, and the bytes are the same with one thread.
    let tight = [
        "replay",
        "--policy",
        "tight.toml",
        "--policy",
        "watch.toml",
        "--period",
        "2026-10",
        "--format",
        "csv",
        "--by",
        "department,model",
        "--detail",
        "d.csv",
    ];
    let many = desk.run(&tight)?.ends(0)?.out;
    let detail = desk.read("d.csv")?;
    let one = desk.command(&tight).env("RAYON_NUM_THREADS", "1").output()?;
    assert_eq!(String::from_utf8(one.stdout)?, many);
    assert_eq!(desk.read("d.csv")?, detail);
    let mut reader = csv::Reader::from_reader(many.as_bytes());
    let mut kinds = [0_u64; 8];
    for record in reader.records() {
        let record = record?;
        let counts: Vec<u64> = (3..12).map(|at| record[at].parse()).collect::<Result<_, _>>()?;
        assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "{record:?}");
        if &record[0] == "tight.toml" {
            for (sum, count) in kinds.iter_mut().zip(&counts[1..]) {
                *sum += count;
            }
        }
    }
    assert!(
        kinds.iter().enumerate().all(|(kind, requests)| *requests > 0 || kind == 6),
        "not every kind occurs: {kinds:?}"
    );
    Ok(())
}
