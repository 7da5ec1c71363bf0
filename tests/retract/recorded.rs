//! Taking back what a program recorded in a span of time, against a ledger where that was never recorded.

use super::{CSV_HEADER, HASHES, Ledger, differing, event};
use crate::desk::{Desk, Dice, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use tokenbook::books::usage::retract::{RecordedSpan, Refused};
use tokenbook::books::{Act, Books, Observer, Silent};
use tokenbook::domain::event::{EventId, EventUsage, Model, UsageEvent};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::name::{Name, TagValue};
use tokenbook::domain::number::EntryId;
use tokenbook::domain::tags::{TagKey, TagSet};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::ledger::LedgerError;
use tokenbook::rows::key::KeyHash;

/// What a gateway records in one commit.
#[derive(Debug, Clone)]
struct Commit {
    source: &'static str,
    minute: u64,
    events: BTreeSet<u64>,
}

fn at(minute: u64) -> Outcome<Timestamp> {
    Ok(Timestamp::parse(&format!("2026-11-23T{:02}:{:02}:00Z", 8 + minute / 60, minute % 60))?)
}

/// The event of a line of the files, as a program hands it over.
fn recorded(number: u64) -> Outcome<UsageEvent> {
    let line = event(number, 0);
    let fields: Vec<&str> = line.trim_end().split(',').collect();
    let &[id, time, model, department, input, output] = fields.as_slice() else { return Err("other fields".into()) };
    let usage = EventUsage::request([(Meter::Input, input.parse()?), (Meter::Output, output.parse()?)])?;
    let model = Model { provider: None, name: Name::new(model)? };
    let tags = Some(department).filter(|name| !name.is_empty());
    let tags = tags.map(|name| Ok((TagKey::new("department")?, TagValue::new(name)?)));
    let tags: TagSet = tags.into_iter().collect::<Outcome<_>>()?;
    Ok(UsageEvent::new(EventId::new(id)?, Timestamp::parse(time)?, model, usage).with_tags(tags))
}

/// Records a commit: the numbers of its events that were new.
fn record(books: &Books, commit: &Commit, minute: u64) -> Outcome<u64> {
    let events: Vec<UsageEvent> = commit.events.iter().map(|number| recorded(*number)).collect::<Outcome<_>>()?;
    let act = Act { now: at(minute)?, actor: "gateway" };
    Ok(books.record(&Name::new(commit.source)?, &events, act, &Silent)?.accepted)
}

fn commits(dice: &mut Dice) -> Vec<Commit> {
    let mut minute = 0;
    let mut commit = |dice: &mut Dice| {
        minute += 1 + dice.below(9);
        let source = if dice.below(4) == 0 { "other" } else { "default" };
        Commit { source, minute, events: (0..=dice.below(6)).map(|_| dice.below(40)).collect() }
    };
    (0..30).map(|_| commit(dice)).collect()
}

/// What a ledger says but for one caveat: a commit that lost events to a retraction is to be recorded again, and one that brings
/// nothing new leaves no trace that it was.
fn says(ledger: &Ledger) -> Outcome<String> {
    let caveat =
        "\"1 file has to be imported again, because some lines were duplicates of retracted ones: \\\"(recorded)\\\"\"";
    let all = ledger.says()?;
    Ok(all.replace(&format!("{caveat}, "), "").replace(&format!(", {caveat}"), "").replace(caveat, ""))
}

#[test]
fn a_ledger_is_as_if_the_span_had_never_been_recorded() -> Outcome {
    let (mut taken_back, mut again) = (0, 0);
    for seed in 0..8 {
        let mut dice = Dice::new(500 + seed);
        let key_hash = HASHES[usize::try_from(seed % 2)?];
        let (ledger, clean) = (Ledger::new(key_hash, "csv", CSV_HEADER)?, Ledger::new(key_hash, "csv", CSV_HEADER)?);
        let commits = commits(&mut dice);
        let span = 20 + dice.below(30)..=70 + dice.below(30);
        let is_wrong = |commit: &Commit| commit.source == "default" && span.contains(&commit.minute);
        // Which commit brought each event, as a model of its own.
        let mut brought: BTreeMap<(&str, u64), usize> = BTreeMap::new();
        let (mut wrong_entries, mut wrong_events, mut lacking) = (BTreeMap::new(), 0, 0);
        for (place, commit) in commits.iter().enumerate() {
            let known = |number: &u64| brought.get(&(commit.source, *number)).copied();
            let repeated: BTreeSet<usize> = commit.events.iter().filter_map(known).collect();
            let new = record(&ledger.books, commit, commit.minute)?;
            if new > 0 && !is_wrong(commit) && repeated.iter().any(|place| is_wrong(&commits[*place])) {
                lacking += 1;
            }
            if new > 0 && is_wrong(commit) {
                wrong_entries.insert(ledger.books.head()?.entry, place);
                wrong_events += new;
            }
            for number in &commit.events {
                brought.entry((commit.source, *number)).or_insert(place);
            }
        }
        let source = Name::new("default")?;
        let wrong = RecordedSpan { source: &source, from: at(*span.start())?, to: at(*span.end())? };
        let planned = ledger.books.plan_recorded_retraction(wrong, &Silent)?;
        let act = Act { now: at(400)?, actor: "tester" };
        let before = ledger.books.head()?.entry;
        let taken = ledger.books.retract_recorded(wrong, "the wrong tag", act, &Silent)?.taken;
        assert_eq!((planned.events, planned.days, planned.parts.len()), (taken.events, taken.days, taken.parts.len()));
        assert_eq!((taken.events, taken.revisions), (wrong_events, 0));
        let entries: Vec<EntryId> = taken.parts.iter().map(|part| part.made.entry).collect();
        assert_eq!(entries, wrong_entries.keys().copied().collect::<Vec<_>>());
        assert_eq!(taken.again.len(), lacking, "seed {seed}");
        let after = ledger.books.head()?.entry;
        assert_eq!(after.number(), before.number() + i64::try_from(entries.len())?, "an entry for each");
        ledger.verified()?;
        taken_back += entries.len();
        again += lacking;
        for (place, commit) in commits.iter().enumerate().filter(|(_, commit)| !is_wrong(commit)) {
            record(&ledger.books, commit, 401 + u64::try_from(place)?)?;
            record(&clean.books, commit, commit.minute)?;
        }
        assert_eq!(differing(&says(&ledger)?, &says(&clean)?), None, "seed {seed}");
        ledger.books.rebuild(&Silent)?;
        ledger.verified()?;
        assert_eq!(differing(&says(&ledger)?, &says(&clean)?), None, "seed {seed}, after a rebuild");
    }
    assert!(taken_back > 40 && again > 10, "the trials say little: {taken_back}, {again}");
    Ok(())
}

/// Wants nothing to be kept.
struct Stops;

impl Observer for Stops {
    fn stop(&self) -> bool {
        true
    }
}

#[test]
fn a_span_is_taken_back_whole_or_not_at_all() -> Outcome {
    let ledger = Ledger::new(KeyHash::FULL, "csv", CSV_HEADER)?;
    for minute in 0..5 {
        record(&ledger.books, &Commit { source: "default", minute, events: BTreeSet::from([minute]) }, minute)?;
    }
    let (head, says) = (ledger.books.head()?, ledger.says()?);
    let source = Name::new("default")?;
    let span = RecordedSpan { source: &source, from: at(1)?, to: at(3)? };
    let act = Act { now: at(9)?, actor: "tester" };
    let stopped = ledger.books.retract_recorded(span, "x", act, &Stops);
    assert!(matches!(stopped, Err(Refused::Ledger(LedgerError::Stopped))), "{stopped:?}");
    assert_eq!((ledger.books.head()?, ledger.says()?), (head, says));
    // The two ends are part of the span.
    assert_eq!(ledger.books.retract_recorded(span, "x", act, &Silent)?.taken.events, 3);
    ledger.verified()
}

#[test]
fn the_command_takes_back_a_span_and_names_what_is_near() -> Outcome {
    let ledger = Ledger::new(KeyHash::FULL, "csv", CSV_HEADER)?;
    let desk: &Desk = &ledger.desk;
    desk.write("file.csv", crate::desk::usage(0, 9))?;
    desk.run(&["import", "file.csv", "--source", "gw"])?.ends(0)?;
    let retract =
        |arguments: &[&str]| desk.run(&[&["imports", "retract", "--reason", "wrong tag"], arguments].concat());
    let span =
        |source: &'static str, from: &'static str, to: &'static str| ["--source", source, "--from", from, "--to", to];
    let (early, late) = ("2026-11-23T08:02:00Z", "2026-11-23T08:03:00Z");
    let nothing = retract(&span("gw", early, late))?.ends(2)?;
    nothing.says("nothing that counts of source \"gw\" was recorded from 2026-11-23T08:02:00Z")?;
    // The import of the file is of now, so what follows in the chain is too.
    let books = Books::open(&desk.ledger())?;
    let times: Vec<Timestamp> =
        (0..3).map(|hour| Timestamp::parse(&format!("2031-01-05T1{hour}:30:00Z"))).collect::<Result<_, _>>()?;
    for (number, now) in (0..).zip(&times) {
        for part in 0..2 {
            let events = [recorded(100 + number * 2 + part)?];
            books.record(&Name::new("gw")?, &events, Act { now: *now, actor: "gateway" }, &Silent)?;
        }
    }
    let head = desk.head()?;
    let between = retract(&span("gw", "2031-01-05T10:31:00Z", "2031-01-05T11:29:00Z"))?.ends(2)?;
    between.says("the source has 2 commits at 2031-01-05T10:30:00Z, and 2 commits at 2031-01-05T11:30:00Z")?;
    retract(&span("gww", "2031-01-05T10:00:00Z", "2031-01-05T11:00:00Z"))?
        .ends(2)?
        .says("usage was recorded of source \"gw\"")?;
    for (arguments, says) in [
        (&["--source", "gw"][..], "--from"),
        (&["--source", "gw", "--from", "2031-01-05T10:00:00Z"], "--to"),
        (&["5", "--source", "gw", "--from", early, "--to", late], "cannot be used with"),
        (&["--source", "gw", "--from", late, "--to", early], "is after --to"),
        (&["--source", "gw", "--from", "10:00", "--to", late], "--from \"10:00\""),
        (&["--source", "gw", "--from", early, "--to", late, "--id", "e100"], "cannot be used with"),
        (&[], "ENTRY"),
    ] {
        retract(arguments)?.ends(2)?.says(says)?;
    }
    let wanted = span("gw", "2031-01-05T10:00:00Z", "2031-01-05T11:30:00Z");
    let names =
        "4 events of 4 commits of source gw (entries 4 to 7, recorded 2031-01-05T10:30:00Z to 2031-01-05T11:30:00Z)";
    retract(&[&wanted[..], &["--dry-run"]].concat())?.ends(0)?.says(&format!("would be retracted: {names}"))?;
    assert_eq!(desk.head()?, head, "nothing of this leaves a trace");
    retract(&wanted)?.ends(0)?.says(&format!("retracted: {names}"))?;
    retract(&wanted)?
        .ends(2)?
        .says(", as 4 commits were retracted already")?
        .says("2 commits at 2031-01-05T12:30:00Z")?;
    assert_eq!(desk.count("SELECT sum(events) FROM usage_daily")?, 11, "the file's and those of the last hour");
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}
