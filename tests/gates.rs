//! A ledger can read everything that it accepts, and all ways in accept the same.
//!
//! An event has two ways in, a file and `Books::record`. Random events, with names and numbers at the limits, go both
//! ways. Both must reject the same events, and an accepted event must be the same event both ways. Odd names of every
//! kind go in by all other ways. After each, every report and `verify` must still work.

use crate::desk::Outcome;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::statement::reports::Request;
use tokenbook::books::usage::import::{ImportError, ImportOptions};
use tokenbook::books::usage::record::RecordError;
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::event::{EventId, EventUsage, Model, ServiceTier, UsageEvent};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::name::{Name, TagValue};
use tokenbook::domain::period::Period;
use tokenbook::domain::tags::{TagKey, TagSet};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::{LedgerError, Settings};
use tokenbook::report::REPORTS;
use tokenbook::report::by::Dimension;

const PRICES: &str = "model,meter,prompt_above,currency,price,valid_from\n\
                      m,input,,USD,2.50,2026-01-01\nm,input,1000,USD,5,2026-01-01\nm,output,,USD,10,2026-01-01\n";

/// Reserved, invisible, mixed, composed and secret names, and names that confuse other programs.
const NAMES: [&str; 78] = [
    "(none)",
    "(unallocated)",
    "(None)",
    "none",
    "(none) ",
    " a",
    "a ",
    "a",
    "m",
    "Finance",
    "finance",
    "F\u{456}nance",
    "\u{3164}",
    "a\u{3164}b",
    "\u{115f}",
    "\u{1160}",
    "\u{ffa0}",
    "\u{2800}",
    "a\u{200d}b",
    "\u{e0041}",
    "\u{200b}",
    "\u{fe0f}",
    "❤\u{fe0f}",
    "🚀",
    "Cafe\u{301}",
    "Caf\u{e9}",
    "\u{958}",
    "\u{1d160}",
    "\u{212a}",
    "\u{37e}",
    "\u{2126}",
    "\u{1fef}",
    "\u{0}",
    "a\u{1b}[31mb",
    "a\tb",
    "a\nb",
    "\n",
    "a\u{7f}b",
    "\u{85}",
    "\u{2028}",
    "\u{202e}x",
    "\u{a0}a",
    "a\u{a0}b",
    "-",
    "--help",
    "=1+1",
    "@x",
    "+1",
    "'",
    "\"",
    "a\"b",
    "a,b",
    "a;b",
    "\\",
    "a\\nb",
    "*",
    "?",
    "null",
    "0",
    "-0",
    "1e3",
    "sk-live-0123456789abcdef0123",
    "AKIAIOSFODNN7EXAMPLE",
    "A\u{212a}IAIOSFODNN7EXAMPLE",
    "sk-",
    "key=sk-live-0123456789abcdef0123",
    "standard",
    "batch",
    "Batch",
    "{}",
    "[]",
    "%00",
    "../x",
    "a/b",
    "tag.x",
    "department",
    "\u{10ffff}",
    "\u{feff}a",
];

/// Names of every kind that a ledger could fail to read again, including names at the length limit and above.
fn names() -> Vec<String> {
    let mut names: Vec<String> = NAMES.map(str::to_owned).into();
    for (one, limits) in
        [("x", [256, 1_024, 32]), ("é", [128, 512, 16]), ("\u{958}", [42, 170, 85]), ("e\u{301}", [128, 512, 85])]
    {
        names.extend(limits.into_iter().flat_map(|limit| [limit, limit + 1]).map(|count| one.repeat(count)));
    }
    names
}

fn a_ledger(path: &Path) -> Outcome<Books> {
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let books = Books::create(path, &settings, act()?)?;
    books.import_prices("p.csv", PRICES.as_bytes(), None, Jumps::Refuse, act()?, &Silent)?;
    Ok(books)
}

fn act() -> Outcome<Act<'static>> {
    Ok(Act { now: Timestamp::parse("2026-11-01T00:00:00Z")?, actor: "test" })
}

/// Every report of a newly opened ledger, as text. Returns an error if a report fails or `verify` finds anything.
fn all_reports(path: &Path) -> Outcome<String> {
    let books = Books::read(path)?;
    let mut text = String::new();
    let csv = tokenbook::render::named("csv").ok_or("there is no CSV")?;
    for report in REPORTS {
        for by in
            ["department", "project", "environment", "provider", "model", "meter", "day", "cost_centre", "tag.team"]
        {
            let by = Dimension::list(by).map_err(|error| error.to_string())?;
            let request = Request { by, ..Request::of(Period::parse("2026-10")?) };
            let sheet = books.report(report.name, &request).map_err(|error| format!("{}: {error}", report.name))?;
            text.push_str(&String::from_utf8(tokenbook::books::month::output::rendered(&sheet, csv)?)?);
        }
    }
    let findings = books.verify(Depth::WithIntegrity, None, &Silent)?.findings;
    if findings.is_empty() { Ok(text) } else { Err(format!("{findings:?}").into()) }
}

/// An event before any check.
#[derive(Debug, Clone)]
struct Raw {
    id: String,
    at: &'static str,
    provider: String,
    model: String,
    tier: String,
    tags: BTreeMap<String, String>,
    meters: BTreeMap<Meter, i64>,
}

impl Raw {
    /// The event as a program builds it. Empty fields are left out, as in a file.
    fn event(&self) -> Outcome<UsageEvent> {
        let provider = if self.provider.is_empty() { None } else { Some(Name::new(&self.provider)?) };
        let usage = EventUsage::request(self.meters.iter().map(|(meter, quantity)| (*meter, *quantity)))?;
        let model = Model { provider, name: Name::new(&self.model)? };
        let mut tags = TagSet::new();
        for (key, value) in self.tags.iter().filter(|(_, value)| !value.is_empty()) {
            tags.insert(TagKey::new(key)?, TagValue::new(value)?);
        }
        let event = UsageEvent::new(EventId::new(&self.id)?, Timestamp::parse(self.at)?, model, usage);
        Ok(event.with_tags(tags).with_tier(ServiceTier::new(&self.tier)?))
    }

    /// As a line of a file.
    fn line(&self) -> String {
        let mut line = serde_json::json!({
            "event_id": self.id, "timestamp": self.at, "provider": self.provider, "model": self.model,
            "service_tier": self.tier, "tags": self.tags,
        });
        for (meter, quantity) in &self.meters {
            line[meter.field()] = (*quantity).into();
        }
        format!("{line}\n")
    }
}

fn raw() -> impl Strategy<Value = Raw> {
    let any_name = || prop_oneof![8 => prop::sample::select(vec!["m", "a", "b"]).prop_map(str::to_owned), 1 => prop::sample::select(names()), 1 => any::<String>()];
    let key = prop_oneof![
        8 => prop::sample::select(vec!["department", "project", "environment", "team"]).prop_map(str::to_owned),
        1 => prop::sample::select(names()),
    ];
    let quantity = prop_oneof![
        6 => 0_i64..3_000,
        3 => prop::sample::select(vec![0, 1, 2, 5, 4_294_967_295, 4_294_967_296, 1_000_000_000_000]),
        1 => prop::sample::select(vec![-1, 1_000_000_000_001, i64::MIN, i64::MAX]),
    ];
    let meter = prop_oneof![3 => prop::sample::select(vec![Meter::Input, Meter::Output, Meter::Request]), 1 => prop::sample::select(Meter::ALL.to_vec())];
    let at = prop_oneof![
        8 => prop::sample::select(vec!["2026-10-01T00:00:00Z", "2026-10-31T23:59:59.999999999Z"]),
        1 => prop::sample::select(vec!["2026-11-02T00:00:00Z", "2026-11-02T00:00:00.000000001Z", "2014-12-31T23:59:59Z", "soon"]),
    ];
    let id = prop_oneof![8 => "[a-z0-9]{12}", 1 => "[ab]", 1 => prop::sample::select(names())];
    let tags = prop::collection::btree_map(key, any_name(), 0..4);
    let meters = prop::collection::btree_map(meter, quantity, 0..4);
    let tier = prop_oneof![8 => Just(String::new()), 1 => Just("batch".to_owned()), 1 => any_name()];
    (id, at, any_name(), any_name(), tier, tags, meters).prop_map(|(id, at, provider, model, tier, tags, meters)| {
        // An id that may occur twice must be on one day.
        let at = if id.is_ascii() && id.len() == 12 { at } else { "2026-10-01T00:00:00Z" };
        Raw { id, at, provider, model, tier, tags, meters }
    })
}

/// The result for an event: new, known or rejected. A conflict counts as rejected.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    New,
    Known,
    Refused,
    Conflict,
}

fn fate(accepted: u64, duplicates: u64) -> Outcome<Fate> {
    match (accepted, duplicates) {
        (1, 0) => Ok(Fate::New),
        (0, 1) => Ok(Fate::Known),
        other => Err(format!("one event is not {other:?}").into()),
    }
}

fn recorded(books: &Books, raw: &Raw) -> Outcome<Fate> {
    let Ok(event) = raw.event() else { return Ok(Fate::Refused) };
    Ok(match books.record(&Name::new("default")?, &[event], act()?, &Silent) {
        Ok(outcome) => fate(outcome.accepted, outcome.duplicates)?,
        Err(RecordError::Ledger(LedgerError::Conflicts(_))) => Fate::Conflict,
        Err(RecordError::Event { .. }) => Fate::Refused,
        Err(error) => return Err(error.into()),
    })
}

fn imported(books: &Books, raw: &Raw, folder: &Path) -> Outcome<Fate> {
    let file = folder.join("u.jsonl");
    std::fs::write(&file, raw.line())?;
    Ok(match books.import(&Input::File(file), &ImportOptions::plain(), act()?, &Silent) {
        Ok(outcome) => fate(outcome.accepted, outcome.duplicates)?,
        Err(ImportError::Conflicts { .. }) => Fate::Conflict,
        Err(ImportError::Rejected { .. }) => Fate::Refused,
        Err(error) => return Err(error.into()),
    })
}

fn both_ways(events: &[Raw]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let paths = ["recorded.db", "imported.db"].map(|name| folder.path().join(name));
    let (by_record, by_file) = (a_ledger(&paths[0])?, a_ledger(&paths[1])?);
    for raw in events {
        let (one, other) = (recorded(&by_record, raw)?, imported(&by_file, raw, folder.path())?);
        if one != other {
            return Err(format!("recorded {one:?}, imported {other:?}: {raw:?}").into());
        }
        // Whatever the result, the other way must find the same.
        let expected = if one == Fate::New { Fate::Known } else { one };
        let again = [imported(&by_record, raw, folder.path())?, recorded(&by_file, raw)?];
        if again.iter().any(|fate| *fate != expected) {
            return Err(format!("{expected:?} the other way is {again:?}: {raw:?}").into());
        }
    }
    drop((by_record, by_file));
    let [one, other] = [all_reports(&paths[0])?, all_reports(&paths[1])?];
    let amounts =
        |text: &str| text.lines().filter(|line| !line.contains("head")).map(str::to_owned).collect::<Vec<_>>();
    if amounts(&one) == amounts(&other) { Ok(()) } else { Err(format!("reports differ:\n{one}\n{other}").into()) }
}

#[test]
fn what_record_takes_and_what_a_file_brings_are_the_same() -> Outcome {
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&prop::collection::vec(raw(), 1..12), |events| {
        both_ways(&events).map_err(|error| TestCaseError::fail(error.to_string()))
    })?;
    Ok(())
}

/// One event with ordinary names in all places except one.
fn with_name(place: &str, name: &str) -> Raw {
    let text = |own: &str, usual: &str| if own == place { name.to_owned() } else { usual.to_owned() };
    let tags = ["department", "project", "environment", "team"].map(|key| (key.to_owned(), text(key, "Legal")));
    Raw {
        id: text("id", "e"),
        at: "2026-10-05T10:00:00Z",
        provider: text("provider", "p"),
        model: text("model", "m"),
        tier: text("tier", "standard"),
        tags: BTreeMap::from(tags),
        meters: BTreeMap::from([(Meter::Input, 5)]),
    }
}

#[test]
fn every_name_in_every_place_of_an_event_is_judged_alike() -> Outcome {
    for place in ["id", "provider", "model", "tier", "department", "project", "environment", "team"] {
        let folder = tempfile::tempdir()?;
        let paths = ["recorded.db", "imported.db"].map(|name| folder.path().join(name));
        let (by_record, by_file) = (a_ledger(&paths[0])?, a_ledger(&paths[1])?);
        let mut taken = 0;
        for (number, name) in (0..).zip(names()) {
            let mut raw = with_name(place, &name);
            if place != "id" {
                raw.id = format!("e{number}");
            }
            let (one, other) = (recorded(&by_record, &raw)?, imported(&by_file, &raw, folder.path())?);
            assert_eq!(one, other, "{place} {name:?}");
            taken += u32::from(one == Fate::New);
        }
        assert!(taken > 2, "{place}: only {taken} names were taken");
        drop((by_record, by_file));
        for path in paths {
            all_reports(&path).map_err(|error| format!("{place}: {error}"))?;
        }
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text in TOML. It is like a JSON text, but without surrogates and without an escaped `/`.
fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => write!(quoted, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

type WayIn = (&'static str, fn(&Books, &str) -> Outcome<bool>);

fn usage_csv(books: &Books, name: &str, column: &str) -> Outcome<bool> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("u.csv");
    let id = blake3::hash(format!("{column}{name}").as_bytes()).to_hex();
    let text =
        format!("event_id,timestamp,input_tokens,model,{column}\n{id},2026-10-05T10:00:00Z,5,m,{}\n", quoted(name));
    let text = if column == "model" {
        format!("event_id,timestamp,input_tokens,model\n{id},2026-10-05T10:00:00Z,5,{}\n", quoted(name))
    } else {
        text
    };
    std::fs::write(&file, text)?;
    match books.import(&Input::File(file), &ImportOptions::plain(), act()?, &Silent) {
        Ok(_) => Ok(true),
        Err(ImportError::Rejected { .. } | ImportError::File { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a list was accepted. An error that is not about its lines is an error of the test.
fn taken<T>(result: Result<T, tokenbook::books::BooksError>) -> Outcome<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(tokenbook::books::BooksError::Lines { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn rules(books: &Books, text: &str) -> Outcome<bool> {
    let first = Calendar::UTC.day_of(Timestamp::parse("2026-10-01T00:00:00Z")?);
    taken(books.import_rules("r", text.as_bytes(), Some(first), act()?, &Silent))
}

fn departments(books: &Books, header: &str, line: &str) -> Outcome<bool> {
    taken(books.import_departments("d.csv", format!("{header}\n{line}\n").as_bytes(), act()?, &Silent))
}

fn prices(books: &Books, header: &str, line: &str) -> Outcome<bool> {
    let text = format!("{header},meter,currency,price,valid_from\n{line},input,USD,1,2026-01-01\n");
    taken(books.import_prices("p.csv", text.as_bytes(), None, Jumps::Confirmed, act()?, &Silent))
}

fn aliases(books: &Books, header: &str, line: &str) -> Outcome<bool> {
    taken(books.import_aliases(
        "a.csv",
        format!("{header},valid_from\n{line},2026-01-01\n").as_bytes(),
        act()?,
        &Silent,
    ))
}

const WAYS: [WayIn; 24] = [
    ("usage.csv model", |books, name| usage_csv(books, name, "model")),
    ("usage.csv provider", |books, name| usage_csv(books, name, "provider")),
    ("usage.csv department", |books, name| usage_csv(books, name, "department")),
    ("usage.csv tag", |books, name| usage_csv(books, name, "tag.team")),
    ("rule name", |books, name| rules(books, &format!("rule,department\n{},D\n", quoted(name)))),
    ("rule value", |books, name| rules(books, &format!("rule,key,value,department\nr,tag.team,{},D\n", quoted(name)))),
    ("rule key", |books, name| {
        rules(books, &format!("rule,key,value,department\nr,{},v,D\n", quoted(&format!("tag.{name}"))))
    }),
    ("rule department", |books, name| rules(books, &format!("rule,department\nr,{}\n", quoted(name)))),
    ("rule project", |books, name| rules(books, &format!("rule,project\nr,{}\n", quoted(name)))),
    ("rule environment", |books, name| rules(books, &format!("rule,environment\nr,{}\n", quoted(name)))),
    ("rule.toml name", |books, name| rules(books, &format!("[[rule]]\nname = {}\ndepartment = \"D\"\n", toml(name)))),
    ("rule.toml department", |books, name| {
        rules(books, &format!("[[rule]]\nname = \"r\"\ndepartment = {}\n", toml(name)))
    }),
    ("rule.toml value", |books, name| {
        rules(books, &format!("[[rule]]\nname = \"r\"\nequals = {{ model = {} }}\nproject = \"P\"\n", toml(name)))
    }),
    ("department", |books, name| departments(books, "department", &quoted(name))),
    ("cost centre", |books, name| departments(books, "department,cost_centre", &format!("a,{}", quoted(name)))),
    ("owner", |books, name| departments(books, "department,owner", &format!("a,{}", quoted(name)))),
    ("account", |books, name| departments(books, "department,account", &format!("a,{}", quoted(name)))),
    ("price model", |books, name| prices(books, "model", &quoted(name))),
    ("price provider", |books, name| prices(books, "model,provider", &format!("m,{}", quoted(name)))),
    ("price tier", |books, name| prices(books, "model,service_tier", &format!("m,{}", quoted(name)))),
    ("price book", |books, name| prices(books, "model,book", &format!("m,{}", quoted(name)))),
    ("alias", |books, name| aliases(books, "alias,model", &format!("{},m", quoted(name)))),
    ("alias model", |books, name| aliases(books, "alias,model", &format!("z,{}", quoted(name)))),
    ("map", |books, name| {
        let map = format!(
            "[fields]\nevent_id = \"i\"\ntimestamp = \"t\"\ninput_tokens = \"p\"\n[constants]\nmodel = {0}\ndepartment = {0}\n",
            toml(name)
        );
        let Ok(own) = Name::new(name) else { return Ok(false) };
        taken(books.keep_map(&own, "m.toml", map.as_bytes(), act()?, &Silent))
    }),
];

#[test]
fn whatever_a_list_brings_is_read_again() -> Outcome {
    for (way, bring) in WAYS {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("l.db");
        let books = a_ledger(&path)?;
        books.record(&Name::new("default")?, &[with_name("", "").event()?], act()?, &Silent)?;
        let mut count = 0;
        for name in names() {
            let took = bring(&books, &name).map_err(|error| format!("{way} {name:?}: {error}"))?;
            count += u32::from(took);
            // An accepted list must not stop the next one from being read.
            books.head()?;
        }
        assert!(count > 2, "{way}: only {count} names were taken");
        drop(books);
        all_reports(&path).map_err(|error| format!("{way}: {error}"))?;
    }
    Ok(())
}
