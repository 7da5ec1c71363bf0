//! Retracting imports. After a retraction, and after the named files are imported again, a ledger gives the same
//! results as if the wrong files had never been imported. The test uses random files that overlap, random orders,
//! colliding hashes, growing records and quarantined lines.

mod commands;
mod recorded;

use crate::desk::{Desk, Dice, Outcome, PRICES};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::statement::reports::{Basis, Request};
use tokenbook::books::usage::import::{ImportError, ImportOptions, Quarantine};
use tokenbook::books::usage::retract::{Refused, Retraction};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::name::Name;
use tokenbook::domain::number::EntryId;
use tokenbook::domain::period::Period;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::Settings;
use tokenbook::ledger::facts::retraction::Plan;
use tokenbook::report::{self, by::Dimension};
use tokenbook::rows::key::KeyHash;

/// A file, and which part of it is wrong.
#[derive(Debug, Clone)]
struct File {
    name: String,
    lines: Vec<String>,
    /// Whether the whole file must be retracted.
    wrong: bool,
    /// The ids to retract, with their lines.
    wrong_lines: Vec<(String, String)>,
}

impl File {
    fn right(number: u64, lines: Vec<String>) -> Self {
        Self { name: format!("right-{number}"), lines, wrong: false, wrong_lines: Vec::new() }
    }

    fn wrong(number: u64, lines: Vec<String>) -> Self {
        Self { name: format!("wrong-{number}"), lines, wrong: true, wrong_lines: Vec::new() }
    }

    fn is_all_right(&self) -> bool {
        !self.wrong && self.wrong_lines.is_empty()
    }

    /// The corrected file. It has as many lines as before, because a shorter file under its name could lack more than
    /// the wrong lines.
    fn corrected(&self) -> Self {
        let blank = self.wrong_lines.iter().map(|_| "\n".to_owned());
        let lines = self.lines.iter().cloned().chain(blank).collect();
        Self { lines, wrong_lines: Vec::new(), ..self.clone() }
    }
}

struct Ledger {
    desk: Desk,
    books: Books,
    suffix: &'static str,
    header: &'static str,
}

impl Ledger {
    fn new(key_hash: KeyHash, suffix: &'static str, header: &'static str) -> Outcome<Self> {
        let desk = Desk::empty()?;
        let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
        let books = Books::create(&desk.ledger(), &settings, act()?)?.with_key_hash(key_hash);
        let prices = PRICES.replace("USD,10", "USD,9");
        books.import_prices("prices.csv", prices.as_bytes(), None, Jumps::Refuse, act()?, &Silent)?;
        Ok(Self { desk, books, suffix, header })
    }

    /// Imports a file. Returns its entry; `None` if an id in it conflicts.
    fn import(&self, file: &File) -> Outcome<Option<EntryId>> {
        let lines = file.lines.iter().chain(file.wrong_lines.iter().map(|(_, line)| line));
        let text: String = std::iter::once(self.header).chain(lines.map(String::as_str)).collect();
        let path = self.desk.write(&format!("{}.{}", file.name, self.suffix), text)?;
        let options = ImportOptions { quarantine: Quarantine::UpTo(50), ..ImportOptions::plain() };
        match self.books.import(&Input::File(path), &options, act()?, &Silent) {
            Ok(outcome) => Ok(Some(outcome.head.entry)),
            Err(ImportError::Conflicts { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn retract(&self, entry: EntryId, file: &File) -> Outcome<Plan> {
        let ids: Vec<String> = file.wrong_lines.iter().map(|(id, _)| id.clone()).collect();
        let ids = if file.wrong { None } else { Some(ids.as_slice()) };
        let retraction = Retraction { entry, ids, reason: "it was wrong" };
        let planned = self.books.plan_retraction(retraction, &Silent)?;
        let taken = self.books.retract(retraction, act()?, &Silent)?.taken;
        assert_eq!((planned.events, planned.revisions, planned.days), (taken.events, taken.revisions, taken.days));
        Ok(taken)
    }

    /// Everything that the ledger shows about usage: reports by every way of reading, the view, and open lines.
    fn says(&self) -> Outcome<String> {
        let mut all = String::new();
        for name in ["chargeback", "summary", "unpriced"] {
            for (by, basis) in [
                ("department,model", Basis::Sums),
                ("department,model,day,meter", Basis::Events),
                ("project,day", Basis::Sums),
            ] {
                let dimensions = report::named(name)?.by;
                let by = Dimension::list(by)?.into_iter().filter(|dimension| dimensions.allows(dimension)).collect();
                let request = Request { by, basis, ..Request::of(Period::parse("2026-10")?) };
                let sheet = self.books.report(name, &request)?;
                writeln!(all, "{:?} {:?} {:?}", sheet.rows, sheet.total, sheet.heading.caveats)?;
            }
        }
        let database = self.desk.database()?;
        let columns = "event_id, day, timestamp, model, tags, sum(input_tokens), sum(output_tokens), sum(requests)";
        let sql = format!("SELECT {columns} FROM usage GROUP BY event_id ORDER BY event_id");
        let mut statement = database.prepare(&sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            for column in 0..8 {
                write!(all, "{:?} ", row.get::<_, rusqlite::types::Value>(column)?)?;
            }
            all.push('\n');
        }
        let open = self.books.quarantine()?;
        let mut open: Vec<_> = open.into_iter().map(|line| (line.held.event_id, line.held.what)).collect();
        open.sort();
        writeln!(all, "{open:?}")?;
        Ok(all)
    }

    fn verified(&self) -> Outcome {
        let verification = self.books.verify(Depth::WithIntegrity, None, &Silent)?;
        assert_eq!(verification.findings, Vec::<String>::new());
        Ok(())
    }
}

fn act() -> Outcome<Act<'static>> {
    Ok(Act { now: Timestamp::parse("2026-11-23T08:00:00Z")?, actor: "tester" })
}

fn shuffled<T>(dice: &mut Dice, mut items: Vec<T>) -> Outcome<Vec<T>> {
    for place in (1..items.len()).rev() {
        items.swap(place, usize::try_from(dice.below(u64::try_from(place)? + 1))?);
    }
    Ok(items)
}

/// An event. The same number and version always give the same event.
fn event(number: u64, version: u64) -> String {
    let (day, hour) = (number % 5 + 1, number % 23);
    let department = ["Legal", "Engineering", ""][usize::try_from(number % 3).unwrap_or(0)];
    let model = if number.is_multiple_of(7) { "unknown" } else { "m" };
    format!("e{number},2026-10-{day:02}T{hour:02}:00:00Z,{model},{department},{},{}\n", number * 7 + version, number)
}

/// An unreadable line of the event, for the quarantine.
fn bad(number: u64) -> String {
    format!("e{number},never,m,Legal,1,1\n")
}

/// Files of overlapping events. Wrong files share some events with the right ones, change others, and have some of
/// their own.
fn event_files(dice: &mut Dice) -> Vec<File> {
    let mut files = Vec::new();
    for number in 0..4 + dice.below(3) {
        let mut chosen = BTreeMap::new();
        for _ in 0..4 + dice.below(20) {
            let number = dice.below(40);
            chosen.insert(number, event(number, 0));
        }
        // Unreadable lines. Only wrong files have their events.
        for _ in 0..dice.below(3) {
            let number = 200 + dice.below(4);
            chosen.insert(number, bad(number));
        }
        files.push(File::right(number, chosen.into_values().collect()));
    }
    for number in 0..=dice.below(3) {
        let mut chosen = BTreeMap::new();
        for _ in 0..2 + dice.below(20) {
            let event_number = if dice.below(3) == 0 { 40 + number * 5 + dice.below(5) } else { dice.below(40) };
            let line = match dice.below(12) {
                1 => event(event_number, 1 + number),
                _ => event(event_number, 0),
            };
            chosen.insert(event_number, line);
        }
        for _ in 0..dice.below(3) {
            let number = 200 + dice.below(4);
            chosen.insert(number, if dice.below(2) == 0 { bad(number) } else { event(number, 0) });
        }
        files.push(File::wrong(number, chosen.into_values().collect()));
    }
    for number in 0..dice.below(3) {
        let chosen: BTreeSet<u64> = (0..3 + dice.below(9)).map(|_| dice.below(40)).collect();
        let mut file = File::right(100 + number, chosen.into_iter().map(|number| event(number, 0)).collect());
        let own = |place: u64| 100 + number * 10 + place;
        file.wrong_lines =
            (0..=dice.below(3)).map(|place| (format!("e{}", own(place)), event(own(place), 0))).collect();
        files.push(file);
    }
    files
}

/// A vendor's bucket of an hour, in one of its growing states.
fn bucket(hour: u64, input: u64, output: u64, requests: u64) -> String {
    let from = 1_790_812_800 + hour * 3_600;
    format!(
        "{{\"object\":\"bucket\",\"start_time\":{from},\"end_time\":{},\"results\":[{{\"object\":\
         \"organization.usage.completions.result\",\"input_tokens\":{input},\"output_tokens\":{output},\
         \"num_model_requests\":{requests},\"model\":\"m\",\"batch\":false}}]}}\n",
        from + 3_600
    )
}

/// Files of growing buckets. Wrong files have states that never existed.
fn bucket_files(dice: &mut Dice) -> Vec<File> {
    let mut files = Vec::new();
    for number in 0..5 + dice.below(4) {
        let hours: BTreeSet<u64> = (0..=dice.below(6)).map(|_| dice.below(8) * 9).collect();
        let state = |hour: u64, step: u64| bucket(hour, 100 + hour + step * 50, 10 * step, 1 + step);
        let wrong = number > 2 && dice.below(3) == 0;
        let lines = hours.into_iter().map(|hour| match (wrong, dice.below(3)) {
            (true, 0) => bucket(hour, 90 + dice.below(300), dice.below(60), 1 + dice.below(4)),
            _ => state(hour, dice.below(5)),
        });
        let lines: Vec<String> = lines.collect();
        files.push(if wrong { File::wrong(number, lines) } else { File::right(number, lines) });
    }
    files
}

/// How often the trials reached each situation that they test.
#[derive(Debug, Default)]
struct Seen {
    refused: usize,
    again: usize,
    revisions: u64,
    opened: usize,
    closed: usize,
    in_part: usize,
    emptied: usize,
}

/// Imports files in any order, retracts the wrong parts, some of them in between, and imports the named files again.
fn wronged(ledger: &Ledger, files: &[File], dice: &mut Dice, seen: &mut Seen) -> Outcome {
    let by_name: BTreeMap<String, &File> =
        files.iter().map(|file| (format!("{}.{}", file.name, ledger.suffix), file)).collect();
    let mut waiting: BTreeSet<String> = by_name.keys().cloned().collect();
    let mut standing: Vec<(EntryId, &File)> = Vec::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for round in 0.. {
        assert!(round < 12, "{waiting:?} never come to rest");
        for name in shuffled(dice, waiting.iter().cloned().collect())? {
            let file = by_name[&name];
            if done.contains(file.name.as_str()) && !file.is_all_right() {
                // A wrong file does not come again; its right part does.
                if file.wrong || ledger.import(&file.corrected())?.is_some() {
                    waiting.remove(&name);
                }
                continue;
            }
            match ledger.import(file)? {
                Some(entry) => {
                    waiting.remove(&name);
                    if !file.is_all_right() {
                        standing.push((entry, file));
                        done.insert(&file.name);
                    }
                }
                None => seen.refused += 1,
            }
            if dice.below(5) == 0 && !standing.is_empty() {
                retract_one(ledger, &mut standing, &mut waiting, dice, seen)?;
            }
        }
        while !standing.is_empty() {
            retract_one(ledger, &mut standing, &mut waiting, dice, seen)?;
        }
        let left_over = |name: &String| by_name[name].wrong;
        waiting.retain(|name| !left_over(name));
        if waiting.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}

fn retract_one(
    ledger: &Ledger,
    standing: &mut Vec<(EntryId, &File)>,
    waiting: &mut BTreeSet<String>,
    dice: &mut Dice,
    seen: &mut Seen,
) -> Outcome {
    let place = usize::try_from(dice.below(u64::try_from(standing.len())?))?;
    let (entry, file) = standing.swap_remove(place);
    let plan = ledger.retract(entry, file)?;
    waiting.extend(plan.again.iter().map(|import| import.row.file.rsplit('/').next().unwrap_or_default().to_owned()));
    seen.again += plan.again.len();
    seen.revisions += plan.revisions;
    seen.opened += plan.open_again();
    seen.closed += plan.closed();
    seen.in_part += usize::from(!file.wrong);
    let days =
        "SELECT (SELECT count(DISTINCT key >> 47) FROM usage_event) - (SELECT count(DISTINCT day) FROM usage_daily)";
    seen.emptied += usize::try_from(ledger.desk.count(days)?)?;
    ledger.verified()
}

fn trial(
    files: &[File],
    (key_hash, suffix, header): (KeyHash, &'static str, &'static str),
    dice: &mut Dice,
    seen: &mut Seen,
) -> Outcome {
    let ledger = Ledger::new(key_hash, suffix, header)?;
    wronged(&ledger, files, dice, seen)?;
    let clean = Ledger::new(key_hash, suffix, header)?;
    for file in shuffled(dice, files.iter().filter(|file| !file.wrong).map(File::corrected).collect())? {
        clean.import(&file)?.ok_or("right files do not contradict each other")?;
    }
    let (found, expected) = (ledger.says()?, clean.says()?);
    assert_eq!(differing(&found, &expected), None);
    ledger.books.rebuild(&Silent)?;
    ledger.verified()?;
    assert_eq!(differing(&ledger.says()?, &expected), None, "after a rebuild");
    Ok(())
}

/// The first lines that differ.
fn differing<'t>(found: &'t str, expected: &'t str) -> Option<(&'t str, &'t str)> {
    let lines = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    lines.or_else(|| Some((found, expected)).filter(|(found, expected)| found.len() != expected.len()))
}

const HASHES: [KeyHash; 2] = [KeyHash::FULL, KeyHash::narrowed(3)];
const CSV_HEADER: &str = "event_id,timestamp,model,department,input_tokens,output_tokens\n";

#[test]
fn a_ledger_is_as_if_what_was_retracted_had_never_been() -> Outcome {
    let mut seen = Seen::default();
    for seed in 0..24 {
        let mut dice = Dice::new(seed);
        let key_hash = HASHES[usize::try_from(seed % 2)?];
        let mut files = event_files(&mut dice);
        if seed % 4 > 1 {
            // Days with many events, so that a few new ones go into the side half.
            files.push(File::right(50, (1_000..1_500).map(|number| event(number, 0)).collect()));
        }
        trial(&files, (key_hash, "csv", CSV_HEADER), &mut dice, &mut seen)
            .map_err(|error| format!("seed {seed}: {error}"))?;
    }
    let Seen { refused, again, opened, closed, in_part, emptied, .. } = seen;
    let counts = [refused, again, opened, closed, in_part, emptied];
    assert!(counts.iter().all(|count| *count > 2), "the trials say little: {seen:?}");
    Ok(())
}

#[test]
fn records_that_grew_say_what_they_would_have_said() -> Outcome {
    let mut seen = Seen::default();
    for seed in 100..124 {
        let mut dice = Dice::new(seed);
        let key_hash = HASHES[usize::try_from(seed % 2)?];
        let files = bucket_files(&mut dice);
        trial(&files, (key_hash, "jsonl", ""), &mut dice, &mut seen)
            .map_err(|error| format!("seed {seed}: {error}"))?;
    }
    assert!(seen.revisions > 5 && seen.again > 5 && seen.refused > 0, "the trials say little: {seen:?}");
    Ok(())
}

#[test]
fn an_entry_that_is_retracted_twice_at_once_is_retracted_once() -> Outcome {
    let ledger = Ledger::new(KeyHash::FULL, "csv", CSV_HEADER)?;
    let file = File::wrong(1, (0..30).map(|number| event(number, 0)).collect());
    let entry = ledger.import(&file)?.ok_or("it was refused")?;
    let path = ledger.desk.ledger();
    let results: Vec<Result<(), Refused>> = std::thread::scope(|scope| {
        let retract = || {
            let books = Books::open(&path).map_err(Refused::from)?;
            let act = Act { now: Timestamp::EARLIEST, actor: "tester" };
            books.retract(Retraction { entry, ids: None, reason: "twice" }, act, &Silent).map(|_| ())
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(retract)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    assert_eq!(results.len(), 4, "a thread panicked");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(Refused::Already { .. }))), "{results:?}");
    ledger.verified()
}
