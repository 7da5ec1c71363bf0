//! Recording events from an embedding program follows the same rules as importing a file.

use std::collections::BTreeMap;
use std::error::Error;
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::usage::doubts::Unregistered;
use tokenbook::books::usage::import::{DEFAULT_SOURCE, ImportOptions};
use tokenbook::books::usage::record::{RecordError, RecordOptions};
use tokenbook::books::usage::recorder::{Recorder, RecorderOptions};
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
    // Without a registry, every department is accepted.
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

/// One recorder gives the same result as one call after another.
#[test]
fn what_many_threads_record_is_all_there_once() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (books, now) = ledger(&folder)?;
    let source = Name::new(DEFAULT_SOURCE)?;
    let recorder = Recorder::open(books.path(), &source, "gateway", RecorderOptions::plain())?;
    let (threads, calls) = (8, 25);
    // Two threads send each event.
    let outcomes = std::thread::scope(|scope| {
        let recorder = &recorder;
        let caller = |thread: usize| {
            move || -> Result<(u64, u64), String> {
                let (mut accepted, mut duplicates) = (0, 0);
                for call in 0..calls {
                    let id = format!("{}-{call}", thread / 2);
                    let events = [1, 2].map(|part| event(&format!("{id}-{part}"), "2026-10-05T00:00:00Z", 10));
                    let events = events.into_iter().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
                    let recorded = recorder.record(events, now).map_err(|error| error.to_string())?;
                    accepted += recorded.accepted;
                    duplicates += recorded.duplicates;
                }
                Ok((accepted, duplicates))
            }
        };
        let started: Vec<_> = (0..threads).map(|thread| scope.spawn(caller(thread))).collect();
        started
            .into_iter()
            .map(|caller| caller.join().unwrap_or(Err("a thread panicked".to_owned())))
            .collect::<Vec<_>>()
    });
    let (mut accepted, mut duplicates) = (0, 0);
    for outcome in outcomes {
        let (new, known) = outcome?;
        accepted += new;
        duplicates += known;
    }
    let events = u64::try_from(threads / 2 * calls * 2)?;
    assert_eq!((accepted, duplicates), (events, events));
    drop(recorder);
    let verified = books.verify(Depth::WithIntegrity, None, &Silent)?;
    assert_eq!((verified.events, verified.findings), (events, Vec::new()));
    Ok(())
}

#[test]
fn a_call_that_is_refused_fails_alone() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (books, now) = ledger(&folder)?;
    let act = Act { now, actor: "test" };
    books.import_departments("d.csv", b"department\nResearch\n", act, &Silent)?;
    let source = Name::new(DEFAULT_SOURCE)?;
    books.record(&source, &[event("taken", "2026-10-01T00:00:00Z", 1)?], act, &Silent)?;
    // One commit takes all calls.
    let options = RecorderOptions { unregistered: Unregistered::Refuse, linger: std::time::Duration::from_millis(300) };
    let recorder = Recorder::open(books.path(), &source, "gateway", options)?;
    let mut stranger = event("stranger", "2026-10-05T00:00:00Z", 1)?;
    stranger.tags = TagSet::from_iter([(TagKey::new("department")?, TagValue::new("Nobody")?)]);
    let cases = [
        (vec![event("a", "2026-10-05T00:00:00Z", 1)?, event("b", "2026-10-05T00:00:00Z", 1)?], "accepted 2"),
        (
            vec![event("c", "2026-10-05T00:00:00Z", 1)?, event("taken", "2026-10-01T00:00:00Z", 2)?],
            "has an id that the ledger has with other content",
        ),
        (
            vec![event("d", "2026-10-05T00:00:00Z", 1)?, event("taken", "2026-10-02T00:00:00Z", 1)?],
            "has an id that the ledger has with other content",
        ),
        (vec![event("e", "2099-10-05T00:00:00Z", 1)?], "event e: "),
        (vec![event("f", "2026-10-05T00:00:00Z", 1)?, stranger], "not in the registry"),
        (vec![event("g", "2026-10-05T00:00:00Z", 1)?, event("taken", "2026-10-01T00:00:00Z", 1)?], "accepted 1"),
        (Vec::new(), "accepted 0"),
    ];
    let said = std::thread::scope(|scope| {
        let recorder = &recorder;
        let call = |events: &Vec<UsageEvent>| {
            let events = events.clone();
            scope.spawn(move || match recorder.record(events, now) {
                Ok(recorded) => format!("accepted {}", recorded.accepted),
                Err(error) => error.to_string(),
            })
        };
        let started: Vec<_> = cases.iter().map(|(events, _)| call(events)).collect();
        started.into_iter().map(|call| call.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    for (said, (events, expected)) in said.iter().zip(&cases) {
        assert!(said.contains(expected), "{events:?}: {said}, expected {expected}");
    }
    drop(recorder);
    let verified = books.verify(Depth::WithIntegrity, None, &Silent)?;
    assert_eq!((verified.events, verified.findings), (4, Vec::new()), "taken, a, b and g");
    Ok(())
}

#[test]
fn a_recorder_that_cannot_write_answers_every_caller() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (books, now) = ledger(&folder)?;
    let path = books.path().to_owned();
    let source = Name::new(DEFAULT_SOURCE)?;
    let options = RecorderOptions { linger: std::time::Duration::from_millis(100), ..RecorderOptions::plain() };
    let recorder = Recorder::open(&path, &source, "gateway", options)?;
    // The file is changed, so no commit can succeed.
    rusqlite::Connection::open(&path)?.execute_batch("UPDATE seal SET digest = zeroblob(32)")?;
    let said = std::thread::scope(|scope| {
        let recorder = &recorder;
        let call = |number: usize| {
            scope.spawn(move || {
                let events =
                    vec![event(&number.to_string(), "2026-10-05T00:00:00Z", 1).map_err(|error| error.to_string())?];
                recorder.record(events, now).map_err(|error| error.to_string()).map(drop)
            })
        };
        let started: Vec<_> = (0..6).map(call).collect();
        started.into_iter().map(|call| call.join().unwrap_or(Ok(()))).collect::<Vec<_>>()
    });
    assert!(said.iter().all(|said| said.as_ref().is_err_and(|error| error.contains("contradicts itself"))), "{said:?}");
    Ok(())
}

/// Many random calls at once. Whatever their order, the final ledger must explain each answer.
#[test]
fn every_answer_of_a_recorder_is_true_of_what_the_ledger_holds() -> Outcome {
    for seed in 1..=12 {
        let folder = tempfile::tempdir()?;
        let (books, now) = ledger(&folder)?;
        let source = Name::new(DEFAULT_SOURCE)?;
        let options = RecorderOptions { linger: std::time::Duration::from_millis(30), ..RecorderOptions::plain() };
        let recorder = Recorder::open(books.path(), &source, "gateway", options)?;
        let mut dice = crate::desk::Dice::new(seed);
        let mut held: BTreeMap<String, UsageEvent> = BTreeMap::new();
        for _ in 0..6 {
            // Few ids, with two contents each and two days, so that calls of one commit repeat and contradict each
            // other.
            let mut calls = Vec::new();
            for _ in 0..8 {
                let mut call = Vec::new();
                for _ in 0..dice.below(4) {
                    let (id, output) = (dice.below(12).to_string(), i64::try_from(dice.below(2))?);
                    let day = 1 + dice.below(2) * u64::from(dice.below(5) == 0);
                    let year = if dice.below(25) == 0 { 2099 } else { 2026 };
                    call.push(event(&id, &format!("{year}-10-0{day}T00:00:00Z"), output)?);
                }
                calls.push(call);
            }
            let answers = std::thread::scope(|scope| {
                let recorder = &recorder;
                let started: Vec<_> =
                    calls.iter().map(|call| scope.spawn(move || recorder.record(call.clone(), now))).collect();
                started.into_iter().map(|call| call.join().map_err(|_| "a caller panicked")).collect::<Vec<_>>()
            });
            let before = held.clone();
            let mut refused = Vec::new();
            let mut accepted = 0;
            for (call, answer) in calls.iter().zip(answers) {
                match answer? {
                    Ok(recorded) => {
                        assert_eq!(recorded.accepted + recorded.duplicates, u64::try_from(call.len())?);
                        accepted += recorded.accepted;
                        for event in call {
                            let known = held.entry(event.id.to_string()).or_insert_with(|| event.clone());
                            assert_eq!(known, event, "two contents of one id were both recorded");
                        }
                    }
                    Err(error) => refused.push((call, error)),
                }
            }
            assert_eq!(accepted, u64::try_from(held.len() - before.len())?, "each new event is one call's");
            for (call, error) in refused {
                let with_itself = call.iter().any(|a| call.iter().any(|b| a.id == b.id && a != b));
                let with_ledger =
                    call.iter().any(|event| held.get(event.id.as_str()).is_some_and(|known| known != event));
                let of_the_future = call.iter().any(|event| event.at > now);
                assert!(with_itself || with_ledger || of_the_future, "seed {seed}: nothing refuses {call:?}: {error}");
            }
        }
        drop(recorder);
        let verified = books.verify(Depth::WithIntegrity, None, &Silent)?;
        assert_eq!((verified.events, verified.findings), (u64::try_from(held.len())?, Vec::new()));
    }
    Ok(())
}

/// If another call of a commit was refused, a call is tried again. It still receives the warning about its department.
#[test]
fn a_department_is_named_although_another_call_is_refused() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (books, now) = ledger(&folder)?;
    books.import_departments("d.csv", b"department\nLegal\n", Act { now, actor: "test" }, &Silent)?;
    let options = RecorderOptions { linger: std::time::Duration::from_millis(200), ..RecorderOptions::plain() };
    let recorder = Recorder::open(books.path(), &Name::new(DEFAULT_SOURCE)?, "gateway", options)?;
    let (good, bad) = (event("a", "2026-10-05T00:00:00Z", 1)?, event("b", "2099-10-05T00:00:00Z", 1)?);
    let (good, bad) = std::thread::scope(|scope| {
        let recorder = &recorder;
        let [good, bad] = [good, bad].map(|event| scope.spawn(move || recorder.record(vec![event], now)));
        (good.join(), bad.join())
    });
    let good = good.map_err(|_| "a caller panicked")??;
    assert_eq!(good.doubts.unregistered.len(), 1, "Research is not in the registry");
    assert!(bad.map_err(|_| "a caller panicked")?.is_err());
    Ok(())
}
