//! Shared by the targets: reading bytes as a usage file, and the conditions for every file that was read.
//!
//! For any bytes: no panic, and `lines = header + blank + events + bad lines`.

use std::collections::BTreeSet;
use std::io::Cursor;
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::tags::IgnoredTags;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::events::intern::SharedNames;
use tokenbook::import::events::sink::Constants;
use tokenbook::import::file::consumer::Demand;
use tokenbook::import::file::input::Source;
use tokenbook::import::format::Format;
use tokenbook::import::formats::named;
use tokenbook::import::read::parse::{OnBad, ParseError, parse};
use tokenbook::import::record::reading::{PromptTokens, Reading};
use tokenbook::import::{Context, LineCounts};
use tokenbook::rows::batch::Batch;
use tokenbook::rows::key::KeyHash;

/// A file read to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// The counts of its lines.
    pub counts: LineCounts,
    /// Its events in the order of their keys and lines, with names in full.
    pub events: Vec<String>,
    /// Its bad lines.
    pub bad: Vec<u64>,
    /// Fields that were ignored.
    pub ignored: BTreeSet<String>,
}

/// The current time for all tests.
pub fn now() -> Timestamp {
    Timestamp::parse("2026-11-23T12:00:00Z").expect("an instant")
}

/// Values for everything that a file may leave out, so that more of it is read.
pub fn all_said() -> Reading {
    let zone = Calendar::of_zone("Europe/Berlin").expect("a zone");
    Reading { at: Some(now()), zone: Some(zone), prompt: Some(PromptTokens::WithCache), map: None }
}

/// Reads bytes as a usage file and checks its line counts. `None` if the file is rejected as a whole.
pub fn read(bytes: &[u8], format: Option<&str>, reading: Reading) -> Option<Account> {
    let format: Option<&'static Format> = format.map(|name| named(name).expect("a format"));
    let context = Context {
        constants: Constants {
            names: SharedNames::without(IgnoredTags::default()),
            fill: Vec::new(),
            provider: String::new(),
            latest: now(),
            buckets: std::sync::Mutex::default(),
        },
        calendar: Calendar::of_zone("America/New_York").expect("a zone"),
        key_hash: KeyHash::FULL,
        source: "default".to_owned(),
        keep_bad: usize::MAX,
        on_bad: OnBad::KeepEvents,
        last_line_complete: false,
        reading,
    };
    let mut batches = Vec::new();
    let source = Source::of_reader(Cursor::new(bytes.to_vec())).ok()?;
    let mut deliver = |batch: Batch| {
        batches.push(batch);
        Demand::More
    };
    let parsed = match parse(source, format, &context, &mut deliver) {
        Ok(parsed) => parsed,
        Err(ParseError::Stopped) => panic!("nobody asked to stop"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let events: Vec<String> = batches.iter().flat_map(|batch| spelled(batch, &context)).collect();
    let LineCounts { lines, header, blank, bad } = parsed.counts;
    let sum = header + blank + bad + u64::try_from(events.len()).expect("a count");
    assert_eq!(lines, sum, "lines are header, blank, bad or events: {:?}, {} events", parsed.counts, events.len());
    assert_eq!(bad, u64::try_from(parsed.bad.len()).expect("a count"), "every bad line is listed");
    for line in &parsed.bad {
        assert!(!line.problem.what.is_empty() && !line.problem.expected.is_empty(), "{line:?}");
        let said = line.problem.in_file("f");
        assert!(!said.chars().any(char::is_control), "{said:?} would act on a terminal");
    }
    let lines = parsed.bad.iter().map(|bad| bad.problem.line).collect();
    Some(Account { counts: parsed.counts, events, bad: lines, ignored: parsed.ignored })
}

fn spelled(batch: &Batch, context: &Context) -> Vec<String> {
    let names = context.constants.names.lock();
    let place = |place: u32| usize::try_from(place).expect("a place");
    let spell = |row: &tokenbook::rows::batch::Row| {
        let class = names.classes[place(row.class)];
        let (model, tags) = (&names.models[place(class.model)], &names.tag_sets[place(class.tags)]);
        let tier = &names.tiers[usize::from(class.tier)];
        let quantities: Vec<(_, i64)> = batch.quantities(row).iter().collect();
        assert!(quantities.iter().all(|(_, quantity)| (0..=1_000_000_000_000).contains(quantity)), "{quantities:?}");
        assert!(row.at <= context.constants.latest, "{}", row.at);
        let (id, prompt, line) = (batch.id(row), class.prompt, row.line);
        format!("{line} {id} {} {model:?} {tier} {prompt:?} {tags:?} {quantities:?}", row.at)
    };
    batch.rows().iter().map(spell).collect()
}

/// The text before the first line end, and the bytes after it.
pub fn first_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}
