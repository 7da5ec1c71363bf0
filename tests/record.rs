//! Recording events from an embedding program: the same rules as importing a file.

use std::error::Error;
use tokenbook::books::usage::doubts::Unregistered;
use tokenbook::books::usage::import::{DEFAULT_SOURCE, ImportOptions};
use tokenbook::books::usage::record::{RecordError, RecordOptions};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::event::{EventId, EventUsage, Model, UsageEvent};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::name::{Name, TagValue};
use tokenbook::domain::tags::{TagKey, TagSet};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::{LedgerError, Settings};

type Outcome = Result<(), Box<dyn Error>>;

fn event(id: &str, at: &str, output: i64) -> Result<UsageEvent, Box<dyn Error>> {
    let model = Model { provider: Some(Name::new("openai")?), name: Name::new("gpt-4.1")? };
    let usage = EventUsage::request([(Meter::Input, 1_000), (Meter::Output, output), (Meter::WebSearch, 2)])?;
    let event = UsageEvent::new(EventId::new(id)?, Timestamp::parse(at)?, model, usage);
    Ok(event.with_tags(TagSet::from_iter([(TagKey::new("department")?, TagValue::new("Research")?)])))
}

fn ledger(folder: &tempfile::TempDir) -> Result<(Books, Timestamp), Box<dyn Error>> {
    let now = Timestamp::parse("2026-11-01T00:00:00Z")?;
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    Ok((Books::create(&folder.path().join("l.db"), &settings, Act { now, actor: "test" })?, now))
}

#[test]
fn the_same_event_again_is_a_duplicate_and_other_content_a_conflict() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (books, now) = ledger(&folder)?;
    let act = Act { now, actor: "gateway" };
    let source = Name::new(DEFAULT_SOURCE)?;
    let events = [
        event("a", "2026-10-01T00:00:00Z", 10)?,
        event("b", "2026-10-31T23:59:59Z", 20)?,
        event("a", "2026-10-01T00:00:00Z", 10)?,
    ];
    let recorded = books.record(&source, &events, act, &Silent)?;
    assert_eq!((recorded.accepted, recorded.duplicates), (2, 1));
    let again = books.record(&source, &events, act, &Silent)?;
    assert_eq!(
        (again.accepted, again.duplicates, &again.head),
        (0, 3, &recorded.head),
        "nothing new leaves the chain alone"
    );
    let mixed = [event("c", "2026-10-02T00:00:00Z", 1)?, event("a", "2026-10-01T00:00:00Z", 11)?];
    let conflict = books.record(&source, &mixed, act, &Silent);
    assert!(matches!(conflict, Err(RecordError::Ledger(LedgerError::Conflicts(_)))), "{conflict:?}");
    let late = books.record(&source, &[event("b", "2026-11-01T00:00:01Z", 20)?], act, &Silent);
    assert!(matches!(late, Err(RecordError::Ledger(LedgerError::Conflicts(_)))), "the id is of another day: {late:?}");
    assert_eq!(books.head()?, recorded.head, "all or nothing");
    assert!(books.verify(tokenbook::books::keep::verify::Depth::WithIntegrity, None, &Silent)?.findings.is_empty());
    Ok(())
}

#[test]
fn a_recorded_event_and_the_same_in_a_file_are_one() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (books, now) = ledger(&folder)?;
    let act = Act { now, actor: "gateway" };
    books.record(&Name::new(DEFAULT_SOURCE)?, &[event("a", "2026-10-01T00:00:00Z", 10)?], act, &Silent)?;
    let file = folder.path().join("usage.jsonl");
    std::fs::write(
        &file,
        "{\"event_id\":\"a\",\"timestamp\":\"2026-10-01T02:00:00+02:00\",\"provider\":\"openai\",\"model\":\"gpt-4.1\",\
         \"department\":\"Research\",\"input_tokens\":1000,\"output_tokens\":10,\"web_searches\":2}\n",
    )?;
    let outcome = books.import(&Input::File(file), &ImportOptions::plain(), act, &Silent)?;
    assert_eq!((outcome.accepted, outcome.duplicates), (0, 1));
    Ok(())
}

#[test]
fn what_no_ledger_can_hold_is_refused() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (books, now) = ledger(&folder)?;
    let act = Act { now, actor: "gateway" };
    let source = Name::new("gateway")?;
    let future = [event("b", "2026-10-03T00:00:00Z", 1)?, event("a", "2026-11-03T00:00:00Z", 1)?];
    let refused = books.record(&source, &future, act, &Silent).map_err(|error| error.to_string());
    let says = "event a: timestamp: \"2026-11-03T00:00:00Z\" is in the future, expected a time up to a day from now";
    assert_eq!(refused.err().as_deref(), Some(says));
    let negative = event("a", "2026-10-01T00:00:00Z", -1).map_err(|error| error.to_string());
    assert_eq!(negative.err().as_deref(), Some("output_tokens -1 is not from 0 to 1000000000000"));
    Ok(())
}

#[test]
fn departments_are_held_against_the_registry() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (books, now) = ledger(&folder)?;
    let (act, source) = (Act { now, actor: "gateway" }, Name::new("gateway")?);
    let events = |id| Ok::<_, Box<dyn Error>>([event(id, "2026-10-05T10:00:00Z", 10)?]);
    let strict = RecordOptions { unregistered: Unregistered::Refuse };
    // Without a registry every department will do.
    let free = books.record_with(&source, &events("a")?, strict, act, &Silent)?;
    assert_eq!((free.accepted, free.doubts.unregistered.len()), (1, 0));
    books.import_departments("d.csv", b"department\nLegal\n", act, &Silent)?;
    let head = books.head()?;
    let refused = books.record_with(&source, &events("b")?, strict, act, &Silent);
    let Err(RecordError::Unregistered { problems }) = &refused else { return Err(format!("{refused:?}").into()) };
    assert!(problems[0].to_string().contains("\"Research\""), "{problems:?}");
    assert_eq!(books.head()?, head);
    let told = books.record(&source, &events("b")?, act, &Silent)?;
    assert_eq!((told.accepted, &told.doubts.unregistered), (1, problems));
    books.import_departments("d.csv", b"department\nResearch\n", act, &Silent)?;
    let known = books.record_with(&source, &events("c")?, strict, act, &Silent)?;
    assert_eq!((known.accepted, known.doubts.unregistered), (1, Vec::new()));
    Ok(())
}
