//! Compares amounts with an oracle of big rationals that shares no code with the engine. Every way of computing gives
//! the same numbers.
//!
//! The oracle reads the price list's text itself, prices every single event by the rule of resolution, and adds
//! fractions. The engine must agree digit for digit: from daily totals and from events, with any number of threads, for
//! any order of files, and whether prices came before usage or after it.

use crate::desk::{Desk, Outcome, more, rows, text};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const PROVIDERS: [&str; 3] = ["", "north", "south"];
const MODELS: [&str; 3] = ["alpha", "beta", "gamma"];
const TIERS: [&str; 2] = ["", "batch"];
const METERS: [&str; 4] = ["input", "cache_read", "output", "reasoning"];
/// The meters whose tokens make the prompt.
const OF_THE_PROMPT: [&str; 2] = ["input", "cache_read"];
const THRESHOLDS: [i64; 3] = [0, 1_000, 4_000];
const DEPARTMENTS: [&str; 4] = ["", "Engineering", "Legal", "Sales"];
/// Instants at which prices start: at midnights in New York, inside days, and a nanosecond from an event.
const STARTS: [&str; 6] = [
    "2026-09-01",
    "2026-10-01",
    "2026-10-03",
    "2026-10-03T12:00:00Z",
    "2026-10-04T00:00:00-04:00",
    "2026-10-04T09:30:00.000000001Z",
];

/// A row of a price list.
#[derive(Debug, Clone)]
struct Price {
    provider: &'static str,
    model: &'static str,
    tier: &'static str,
    meter: &'static str,
    above: i64,
    /// Its digits, or `-`.
    digits: String,
    per: &'static str,
    currency: &'static str,
    start: &'static str,
}

/// A row of a list of aliases. The model `-` ends the alias.
#[derive(Debug, Clone)]
struct Alias {
    name: &'static str,
    provider: &'static str,
    model: &'static str,
    start: &'static str,
}

#[derive(Debug, Clone)]
struct Event {
    provider: &'static str,
    model: &'static str,
    tier: &'static str,
    department: &'static str,
    /// Nanoseconds after 2026-10-01T00:00:00Z.
    at: i64,
    /// In the order of [`METERS`].
    tokens: [Option<i64>; 4],
}

fn price() -> impl Strategy<Value = Price> {
    let digits = prop_oneof![
        1 => Just("-".to_owned()),
        1 => Just("0".to_owned()),
        8 => (0_u32..40, 0_u64..1_000_000, 0_usize..=6).prop_map(|(whole, part, digits)| {
            let part: String = format!("{part:06}").chars().take(digits).collect();
            if part.is_empty() { whole.to_string() } else { format!("{whole}.{part}") }
        }),
    ];
    (
        (prop::sample::select(&PROVIDERS[..]), prop::sample::select(&MODELS[..]), prop::sample::select(&TIERS[..])),
        (prop::sample::select(&METERS[..]), prop::sample::select(&THRESHOLDS[..]), digits),
        prop::sample::select(&["1", "1000", "1000000", ""][..]),
        prop_oneof![12 => Just("USD"), 1 => Just("EUR")],
        prop::sample::select(&STARTS[..]),
    )
        .prop_map(|((provider, model, tier), (meter, above, digits), per, currency, start)| Price {
            provider,
            model,
            tier,
            meter,
            above,
            digits,
            per,
            currency,
            start,
        })
}

fn alias() -> impl Strategy<Value = Alias> {
    let model = prop_oneof![5 => prop::sample::select(&MODELS[..]), 1 => Just("-")];
    let names = (prop::sample::select(&MODELS[..]), prop::sample::select(&PROVIDERS[..]), model);
    (names, prop::sample::select(&STARTS[..]))
        .prop_filter("a name is no alias of itself", |((name, _, model), _)| name != model)
        .prop_map(|((name, provider, model), start)| Alias { name, provider, model, start })
}

fn event() -> impl Strategy<Value = Event> {
    let minute = 60 * 1_000_000_000_i64;
    let at = prop_oneof![
        // Just before, at and just after the starts of prices.
        Just(3 * 1_440 * minute - 720 * minute),
        Just(3 * 1_440 * minute - 720 * minute - 1),
        Just(3 * 1_440 * minute + 240 * minute),
        Just(3 * 1_440 * minute + 240 * minute - 1),
        Just(3 * 1_440 * minute + 570 * minute),
        Just(3 * 1_440 * minute + 570 * minute + 1),
        240 * minute..6 * 1_440 * minute,
    ];
    let tokens = prop_oneof![
        2 => Just(None),
        1 => Just(Some(0)),
        1 => Just(Some(1_000)),
        1 => Just(Some(4_001)),
        5 => (0_i64..6_000).prop_map(Some),
        1 => (0_i64..=1_000_000_000_000).prop_map(Some),
    ];
    (
        (prop::sample::select(&PROVIDERS[..]), prop::sample::select(&MODELS[..]), prop::sample::select(&TIERS[..])),
        prop::sample::select(&DEPARTMENTS[..]),
        at,
        prop::array::uniform4(tokens),
    )
        .prop_filter("an event reports something", |(_, _, _, tokens)| tokens.iter().any(Option::is_some))
        .prop_map(|((provider, model, tier), department, at, tokens)| Event {
            provider,
            model,
            tier,
            department,
            at,
            tokens,
        })
}

fn price_list(prices: &[Price]) -> Outcome<String> {
    let mut list = "provider,model,meter,service_tier,prompt_above,currency,price,per,valid_from\n".to_owned();
    for Price { provider, model, tier, meter, above, digits, per, currency, start } in prices {
        let above = if *above == 0 { String::new() } else { above.to_string() };
        writeln!(list, "{provider},{model},{meter},{tier},{above},{currency},{digits},{per},{start}")?;
    }
    Ok(list)
}

fn usage(events: impl Iterator<Item = (usize, Event)>) -> Outcome<String> {
    let mut text = "event_id,timestamp,provider,model,service_tier,department,project".to_owned();
    for meter in METERS {
        write!(text, ",{meter}_tokens")?;
    }
    text.push('\n');
    for (number, event) in events {
        let Event { provider, model, tier, department, at, tokens } = event;
        let (second, nano) = (at / 1_000_000_000, at % 1_000_000_000);
        let (day, hour, minute) = (second / 86_400 + 1, second / 3_600 % 24, second / 60 % 60);
        write!(text, "e{number},2026-10-{day:02}T{hour:02}:{minute:02}:{:02}.{nano:09}Z", second % 60)?;
        write!(text, ",{provider},{model},{tier},{department},p{}", number % 3)?;
        for tokens in tokens {
            write!(text, ",{}", tokens.map_or_else(String::new, |tokens| tokens.to_string()))?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// A start in nanoseconds after 2026-10-01T00:00:00Z. A date is midnight in New York, four hours behind UTC in October.
fn start(text: &str) -> Outcome<i64> {
    let text = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00-04:00") };
    let at = chrono::DateTime::parse_from_rfc3339(&text)?.timestamp_nanos_opt().ok_or("out of range")?;
    Ok(at - 1_790_812_800 * 1_000_000_000)
}

/// A decimal number as a fraction.
fn fraction(text: &str) -> Outcome<BigRational> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits: BigInt = format!("{whole}{part}").parse()?;
    Ok(BigRational::new(digits, BigInt::from(10).pow(u32::try_from(part.len())?)))
}

/// The oracle's result for a meter of an event.
enum Found {
    Price(BigRational),
    Foreign,
    Nothing,
}

/// The rule of resolution for one event: if a row of the event's provider is in force, rows for any provider do not
/// count. Then the highest threshold that the prompt exceeds wins.
fn resolve(prices: &[Price], event: &Event, meter: &str, prompt: i64) -> Outcome<Found> {
    let mut in_force: BTreeMap<(&str, i64), (i64, &Price)> = BTreeMap::new();
    for price in prices {
        let alike = price.model == event.model && price.meter == meter && price.tier == event.tier;
        let from = start(price.start)?;
        if !alike || from > event.at {
            continue;
        }
        let slot = in_force.entry((price.provider, price.above)).or_insert((from, price));
        if from >= slot.0 {
            *slot = (from, price);
        }
    }
    in_force.retain(|_, (_, price)| price.digits != "-");
    let named = !event.provider.is_empty() && in_force.keys().any(|(provider, _)| *provider == event.provider);
    let wanted = if named { event.provider } else { "" };
    let reached =
        in_force.iter().filter(|((provider, above), _)| *provider == wanted && (*above == 0 || prompt > *above));
    let Some((_, (_, price))) = reached.max_by_key(|((_, above), _)| *above) else { return Ok(Found::Nothing) };
    if price.currency != "USD" {
        return Ok(Found::Foreign);
    }
    let per = if price.per.is_empty() { "1000000" } else { price.per };
    Ok(Found::Price(fraction(&price.digits)? / fraction(per)?))
}

/// What a department owes, according to the oracle.
#[derive(Debug, Clone, PartialEq)]
struct Owed {
    amount: BigRational,
    events: i64,
    unpriced: i64,
    priced_something: bool,
}

/// The name whose prices apply to an event: the model's own while any of its prices is in force. Otherwise the target
/// of the alias in force for its provider, and otherwise for any provider.
fn priced_name(prices: &[Price], aliases: &[Alias], event: &Event) -> Outcome<&'static str> {
    let mut own = BTreeMap::new();
    for price in prices.iter().filter(|price| price.model == event.model) {
        let (from, for_any) = (start(price.start)?, price.provider.is_empty());
        if from <= event.at && (for_any || price.provider == event.provider) {
            let slot = own.entry((price.provider, price.tier, price.meter, price.above)).or_insert((from, price));
            *slot = if from >= slot.0 { (from, price) } else { *slot };
        }
    }
    if own.values().any(|(_, price)| price.digits != "-") {
        return Ok(event.model);
    }
    for provider in [event.provider, ""] {
        let mut last: Option<(i64, &'static str)> = None;
        for alias in aliases.iter().filter(|alias| alias.name == event.model && alias.provider == provider) {
            let from = start(alias.start)?;
            last = if from <= event.at { last.max(Some((from, alias.model))) } else { last };
        }
        if let Some((_, model)) = last.filter(|(_, model)| *model != "-") {
            return Ok(model);
        }
    }
    Ok(event.model)
}

fn owed(prices: &[Price], aliases: &[Alias], events: &[Event]) -> Outcome<BTreeMap<String, Owed>> {
    let mut departments: BTreeMap<String, Owed> = BTreeMap::new();
    for event in events {
        let event = &Event { model: priced_name(prices, aliases, event)?, ..event.clone() };
        let name = if event.department.is_empty() { "(unallocated)" } else { event.department };
        let zero = BigRational::from_integer(BigInt::from(0));
        let empty = Owed { amount: zero, events: 0, unpriced: 0, priced_something: false };
        let owed = departments.entry(name.to_owned()).or_insert(empty);
        let of_prompt = METERS.iter().zip(event.tokens).filter(|(meter, _)| OF_THE_PROMPT.contains(meter));
        let prompt: i64 = of_prompt.filter_map(|(_, tokens)| tokens).sum();
        let mut unpriced = false;
        for (meter, tokens) in METERS.iter().zip(event.tokens) {
            let Some(tokens) = tokens.filter(|tokens| *tokens > 0) else { continue };
            let mut found = resolve(prices, event, meter, prompt)?;
            if *meter == "reasoning" && matches!(found, Found::Nothing) {
                found = resolve(prices, event, "output", prompt)?;
            }
            match found {
                Found::Price(price) => {
                    owed.amount += price * BigRational::from_integer(BigInt::from(tokens));
                    owed.priced_something = true;
                }
                Found::Foreign | Found::Nothing => unpriced = true,
            }
        }
        owed.events += 1;
        owed.unpriced += i64::from(unpriced);
    }
    Ok(departments)
}

/// Two rows with one key and start contradict each other, so only the first stays.
fn without_contradictions(prices: Vec<Price>) -> Outcome<Vec<Price>> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for price in prices {
        if seen.insert((price.provider, price.model, price.tier, price.meter, price.above, start(price.start)?)) {
            kept.push(price);
        }
    }
    Ok(kept)
}

fn ledger(prices: &[Price], aliases: &[Alias], events: &[Event], prices_first: bool) -> Outcome<Desk> {
    let desk = Desk::with(&["--time-zone", "America/New_York"])?;
    desk.write("prices.csv", price_list(prices)?)?;
    let aliases = aliases.iter().map(|a| format!("{},{},{},{}\n", a.name, a.provider, a.model, a.start));
    desk.write(
        "aliases.csv",
        format!("alias,provider,model,valid_from\nnone,,alpha,2026-01-01\n{}", aliases.collect::<String>()),
    )?;
    let numbered = || events.iter().cloned().enumerate();
    desk.write("even.csv", usage(numbered().filter(|(number, _)| number % 2 == 0))?)?;
    desk.write(
        "odd.csv",
        usage(numbered().filter(|(number, _)| number % 2 == 1).collect::<Vec<_>>().into_iter().rev())?,
    )?;
    let files = if prices_first { ["even.csv", "odd.csv"] } else { ["odd.csv", "even.csv"] };
    if prices_first {
        desk.run(&["prices", "import", "--accept-jumps", "prices.csv"])?.ends(0)?;
        desk.run(&["aliases", "import", "aliases.csv"])?.ends(0)?;
    }
    desk.run(&["import", files[0], files[1]])?.ends(0)?;
    if !prices_first {
        desk.run(&["aliases", "import", "aliases.csv"])?.ends(0)?;
        desk.run(&["prices", "import", "--accept-jumps", "prices.csv"])?.ends(0)?;
    }
    Ok(desk)
}

const REPORT: [&str; 6] = ["report", "chargeback", "--period", "2026-09-01..2026-10-31", "--format", "csv"];

fn agrees(prices: Vec<Price>, mut aliases: Vec<Alias>, events: &[Event]) -> Outcome {
    let prices = without_contradictions(prices)?;
    let mut seen = BTreeSet::new();
    aliases.retain(|alias| seen.insert((alias.name, alias.provider, start(alias.start).unwrap_or_default())));
    let expected = owed(&prices, &aliases, events)?;
    let (one, other) = (ledger(&prices, &aliases, events, true)?, ledger(&prices, &aliases, events, false)?);
    let report = one.print(&REPORT)?;
    let found = rows(&report)?;
    assert_eq!(found.len(), expected.len());
    for (row, owed) in found.iter().map(|row| (row, &expected[&row["department"]])) {
        assert_eq!(
            (row["events"].as_str(), row["unpriced_events"].as_str()),
            (&*owed.events.to_string(), &*owed.unpriced.to_string()),
            "{row:?}"
        );
        if row["amount_exact"].is_empty() {
            assert!(owed.unpriced > 0 && !owed.priced_something, "{row:?}: {owed:?}");
        } else {
            assert_eq!(fraction(&row["amount_exact"])?, owed.amount, "{row:?}");
        }
    }
    assert_eq!(other.print(&REPORT)?, report, "prices came after usage, files in another order");
    let ways = ["department,project,model,day", "project,tag.user", "department"].map(|by| ["--by", by]);
    for desk in [&one, &other] {
        for by in &ways {
            let stored = one.print(&[&REPORT[..], by].concat())?;
            assert_eq!(desk.print(&[&REPORT[..], by, &["--recompute"]].concat())?, stored, "from events, {by:?}");
        }
        desk.run(&["verify"])?.ends(0)?;
    }
    parts_add_up(&report, &one.print(&[&REPORT[..], &ways[0]].concat())?)
}

/// Finer rows add up to coarser ones: events, tokens, exact and rounded amounts, shares.
fn parts_add_up(coarse: &str, fine: &str) -> Outcome {
    for column in ["events", "input_tokens", "amount_exact", "amount", "share_percent", "unpriced_events"] {
        let sums = |csv: &str| -> Outcome<BTreeMap<String, BigRational>> {
            let mut sums = BTreeMap::new();
            for row in rows(csv)? {
                let Some(cell) = row.get(column) else { continue };
                let value = fraction(if cell.is_empty() { "0" } else { cell })?;
                let sum =
                    sums.entry(row["department"].clone()).or_insert_with(|| BigRational::from_integer(BigInt::from(0)));
                *sum += value;
            }
            Ok(sums)
        };
        assert_eq!(sums(coarse)?, sums(fine)?, "{column}\n{coarse}\n{fine}");
    }
    Ok(())
}

fn as_test_case(outcome: Outcome) -> TestCaseResult {
    outcome.map_err(|error| TestCaseError::fail(error.to_string()))
}

proptest! {
    #![proptest_config(Config { cases: more(16).unwrap_or(16), failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_department_owes_what_the_oracle_says(
        prices in prop::collection::vec(price(), 1..60),
        events in prop::collection::vec(event(), 2..80),
    ) {
        as_test_case(agrees(prices, Vec::new(), &events))?;
    }

    #[test]
    fn an_alias_is_priced_as_the_oracle_says(
        prices in prop::collection::vec(price(), 1..20),
        aliases in prop::collection::vec(alias(), 1..8),
        events in prop::collection::vec(event(), 2..80),
    ) {
        as_test_case(agrees(prices, aliases, &events))?;
    }
}

#[test]
fn a_price_holds_from_its_first_nanosecond_to_the_last_before_the_next() -> Outcome {
    let row = |digits: &str, start| Price {
        provider: "",
        model: "alpha",
        tier: "",
        meter: "input",
        above: 0,
        digits: digits.to_owned(),
        per: "1",
        currency: "USD",
        start,
    };
    let prices =
        vec![row("1", "2026-10-01"), row("3", "2026-10-03T12:00:00Z"), row("-", "2026-10-04T09:30:00.000000001Z")];
    let minute = 60 * 1_000_000_000_i64;
    let (change, end) = ((2 * 1_440 + 720) * minute, (3 * 1_440 + 570) * minute + 1);
    let event = |at, department| Event {
        provider: "",
        model: "alpha",
        tier: "",
        department,
        at,
        tokens: [Some(1), None, None, None],
    };
    let events = [event(change - 1, "Engineering"), event(change, "Legal"), event(end - 1, "Sales"), event(end, "")];
    let desk = ledger(&prices, &[], &events, true)?;
    let found = rows(&desk.print(&REPORT)?)?;
    let amounts: Vec<(&str, &str)> = found.iter().map(|row| (&*row["department"], &*row["amount_exact"])).collect();
    assert_eq!(amounts, [("(unallocated)", ""), ("Engineering", "1"), ("Legal", "3"), ("Sales", "3")]);
    agrees(prices, Vec::new(), &events)
}

#[test]
fn the_number_of_threads_cannot_be_seen() -> Outcome {
    let month = |threads: &str, reversed: bool| -> Outcome<(Vec<String>, Desk)> {
        let desk = Desk::with(&["--time-zone", "America/New_York"])?;
        let run = |arguments: &[&str]| -> Outcome<String> {
            Ok(crate::desk::Ran::of(desk.command(arguments).env("RAYON_NUM_THREADS", threads).output()?)?.ends(0)?.out)
        };
        let usage = crate::desk::fixture("month/usage");
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&usage)? {
            files.push(entry?.path());
        }
        files.sort();
        if reversed {
            files.reverse();
        }
        for file in &files {
            run(&["import", text(file)?])?;
        }
        run(&["prices", "import", text(&crate::desk::fixture("month/prices.csv"))?])?;
        let mut reports = Vec::new();
        for by in
            ["department", "department,project,environment,provider,model,meter", "day,tag.user,model", "tag.user"]
        {
            let report = ["report", "chargeback", "--period", "2026-10", "--format", "csv", "--by", by];
            reports.push(run(&report)?);
            assert_eq!(run(&[&report[..], &["--recompute"]].concat())?, reports[reports.len() - 1], "{threads} {by}");
        }
        run(&["verify"])?;
        Ok((reports, desk))
    };
    let (one, _desk) = month("1", false)?;
    for (threads, reversed) in [("2", true), ("3", false), ("8", true)] {
        assert_eq!(month(threads, reversed)?.0, one, "{threads} threads, reversed {reversed}");
    }
    Ok(())
}

#[test]
fn parts_of_the_month_add_up_at_every_level() -> Outcome {
    let desk = Desk::with(&["--time-zone", "America/New_York"])?;
    desk.run(&["prices", "import", text(&crate::desk::fixture("month/prices.csv"))?])?.ends(0)?;
    desk.run(&["import", text(&crate::desk::fixture("month/usage"))?])?.ends(0)?;
    let levels = [
        "department",
        "department,project",
        "department,project,environment",
        "department,project,environment,model",
        "department,project,environment,model,day",
    ];
    let report = |by: &str| desk.print(&["report", "chargeback", "--period", "2026-10", "--format", "csv", "--by", by]);
    let whole = report(levels[0])?;
    for by in &levels[1..] {
        parts_add_up(&whole, &report(by)?)?;
    }
    let shares = rows(&whole)?.into_iter().map(|row| fraction(&row["share_percent"])).collect::<Outcome<Vec<_>>>()?;
    let total = shares.into_iter().fold(BigRational::from_integer(BigInt::from(0)), |sum, share| sum + share);
    assert_eq!(total, BigRational::from_integer(BigInt::from(100)));
    Ok(())
}
