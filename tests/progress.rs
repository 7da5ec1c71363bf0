//! Long work reports progress. The progress matches the work, appears only on a terminal, and a stop leaves everything
//! unchanged.

use crate::desk::{Desk, Outcome, PRICES, Ran, usage};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokenbook::books::month::month_end::MonthEnd;
use tokenbook::books::setup::catalogs::Offered;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::setup::rules::Shown;
use tokenbook::books::statement::price_diff::Listed;
use tokenbook::books::usage::import::{ImportError, ImportOptions};
use tokenbook::books::{Act, Books, BooksError, Observer, Reached, Silent, Stage};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::{Month, Period};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::file::connection::{Access, Ledger};
use tokenbook::ledger::file::watch::Watch;
use tokenbook::ledger::{LedgerError, Settings};
use tokenbook::price::catalog::{Inexact, Missing, Terms};

/// The number of event rows in the ledger. One event has grown, which adds a row.
const EVENTS: u64 = 3_001;
/// A price that cuts the totals of its model again.
const THRESHOLD: &str = "model,meter,currency,price,prompt_above,valid_from\nm,input,USD,3,200,2026-01-01\n";

/// An observer that stores the last report, and asks for a stop after this many questions.
struct Heard {
    last: Mutex<Option<Reached>>,
    bytes: AtomicU64,
    patience: usize,
    asked: AtomicUsize,
}

impl Heard {
    fn patient_for(patience: usize) -> Self {
        Self { last: Mutex::default(), bytes: AtomicU64::new(0), patience, asked: AtomicUsize::new(0) }
    }

    fn patient() -> Self {
        Self::patient_for(usize::MAX)
    }

    fn last(&self) -> Outcome<Option<Reached>> {
        Ok(*self.last.lock().map_err(|_| "poisoned")?)
    }
}

impl Observer for Heard {
    fn read(&self, bytes: u64) {
        self.bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    fn reached(&self, reached: Reached) {
        if let Ok(mut last) = self.last.lock() {
            *last = Some(reached);
        }
    }

    fn stop(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.patience
    }
}

fn all_of(stage: Stage, number: u64) -> Reached {
    Reached { stage, done: number, all: Some(number) }
}

fn act() -> Outcome<Act<'static>> {
    Ok(Act { now: Timestamp::parse("2026-11-23T08:00:00Z")?, actor: "tester" })
}

/// A state of a record that grows.
fn bucket(output: u32) -> String {
    format!(
        "{{\"object\":\"bucket\",\"start_time\":1790812800,\"end_time\":1790816400,\"results\":[{{\"object\":\
         \"organization.usage.completions.result\",\"input_tokens\":10,\"output_tokens\":{output},\"model\":\"m\",\
         \"batch\":false}}]}}\n"
    )
}

fn import(books: &Books, file: &Path, observer: &dyn Observer) -> Outcome {
    books.import(&Input::File(file.to_owned()), &ImportOptions::plain(), act()?, observer)?;
    Ok(())
}

/// A desk with a ledger of October's usage, and its books.
fn opened() -> Outcome<(Desk, Books)> {
    let desk = Desk::empty()?;
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let books = Books::create(&desk.ledger(), &settings, act()?)?;
    books.import_prices("prices.csv", PRICES.as_bytes(), None, Jumps::Refuse, act()?, &Silent)?;
    import(&books, &desk.write("u.csv", usage(0, 3_000))?, &Silent)?;
    for output in [20, 30] {
        import(&books, &desk.write(&format!("b{output}.jsonl"), bucket(output))?, &Silent)?;
    }
    assert_eq!(desk.events()?, 3_002);
    Ok((desk, books))
}

fn october() -> Outcome<Month> {
    Ok(Month::parse("2026-10")?)
}

/// A month end over usage that the ledger already has.
fn month_end(desk: &Desk, prices: &str) -> Outcome<MonthEnd> {
    Ok(MonthEnd {
        month: october()?,
        usage: ["u.csv", "b30.jsonl"].map(|name| desk.path(name)).into(),
        prices: desk.write("prices.csv", prices)?,
        jumps: Jumps::Refuse,
        aliases: None,
        rules: None,
        departments: None,
        report_files: BTreeMap::new(),
        out: desk.path("out"),
        import: ImportOptions::plain(),
    })
}

/// Makes the reports of a month whose usage is imported.
fn report_month(books: &Books, inputs: &MonthEnd, observer: &dyn Observer) -> Result<(), BooksError> {
    let imported = |path: &PathBuf| {
        let input = Input::File(path.clone());
        books.import(&input, &ImportOptions::plain(), act().map_err(other)?, &Silent).map_err(other)
    };
    let imported = inputs.usage.iter().map(imported).collect::<Result<Vec<_>, _>>()?;
    books.report_month(inputs, &imported, act().map_err(other)?, observer).map(|_| ())
}

/// Compares a price list with the ledger's prices.
fn diff(books: &Books, observer: &dyn Observer) -> Result<(), BooksError> {
    let terms = Terms {
        book: books.settings().book.clone(),
        valid_from: act().map_err(other)?.now,
        only: Vec::new(),
        inexact: Inexact::SetAside,
        missing: Missing::Keep,
    };
    let prices = books.read_price_list("p.csv", THRESHOLD.as_bytes(), None)?;
    let offered = Offered { file: "p.csv".to_owned(), prices, unresolved: BTreeSet::new() };
    let month = Some(october().map_err(other)?);
    books.price_diff(&offered, &terms, month, Listed::All, act().map_err(other)?, observer).map(|_| ())
}

/// An error that no test expects.
fn other(error: impl std::fmt::Display) -> BooksError {
    BooksError::InTheWay(error.to_string())
}

#[test]
fn what_is_told_is_what_is_done() -> Outcome {
    let (desk, books) = opened()?;
    let heard = Heard::patient();
    books.rebuild(&heard)?;
    assert_eq!(heard.last()?, Some(all_of(Stage::Events, EVENTS)), "rebuild");

    let heard = Heard::patient();
    books.import_prices("p.csv", THRESHOLD.as_bytes(), None, Jumps::Refuse, act()?, &heard)?;
    assert_eq!(heard.last()?, Some(all_of(Stage::Events, EVENTS)), "prices import");
    let heard = Heard::patient();
    let aliases = "alias,model,valid_from\nm,other,2026-01-01\n";
    books.import_aliases("a.csv", aliases.as_bytes(), act()?, &heard)?;
    assert_eq!(heard.last()?, None, "no sum is cut otherwise by this alias");

    let heard = Heard::patient();
    diff(&books, &heard)?;
    assert_eq!(heard.last()?, Some(all_of(Stage::Events, EVENTS)), "prices diff");

    let heard = Heard::patient();
    let inputs = month_end(&desk, PRICES)?;
    report_month(&books, &inputs, &heard)?;
    let files = inputs.usage.iter().chain([&inputs.prices]);
    let bytes = files.map(|file| Ok(std::fs::metadata(file)?.len())).sum::<std::io::Result<u64>>()?;
    assert_eq!(heard.last()?, Some(all_of(Stage::Inputs, bytes)), "month end");

    let heard = Heard::patient();
    books.try_rules_on(None, Period::parse("2026-10")?, Shown::Everything, &heard)?;
    assert_eq!(heard.last()?, Some(Reached { stage: Stage::Usage, done: 0, all: None }), "rules test");
    let heard = Heard::patient();
    books.backup(&desk.path("copy.db"), &heard)?;
    assert_eq!(heard.last()?, Some(Reached { stage: Stage::File, done: 0, all: None }), "backup");
    Ok(())
}

#[test]
fn unpriced_events_that_are_counted_are_told() -> Outcome {
    let (_desk, books) = opened()?;
    // From here on, half of a model's meters have no price.
    let ended = "model,meter,currency,price,valid_from\nm,output,USD,-,2026-10-01\n";
    books.import_prices("p.csv", ended.as_bytes(), None, Jumps::Refuse, act()?, &Silent)?;
    let heard = Heard::patient();
    books.check_prices(Period::parse("2026-10")?, &heard)?;
    assert_eq!(heard.last()?, Some(all_of(Stage::Unpriced, EVENTS)));
    Ok(())
}

#[test]
fn an_import_tells_of_events_read_again_and_of_a_file_recognised() -> Outcome {
    let (desk, books) = opened()?;
    let above = "model,meter,prompt_above,currency,price,valid_from\nm,input,15,USD,5,2026-01-01\n";
    books.import_prices("above.csv", above.as_bytes(), None, Jumps::Refuse, act()?, &Silent)?;
    let heard = Heard::patient();
    let into_another_band = bucket(40).replace("\"input_tokens\":10", "\"input_tokens\":20");
    import(&books, &desk.write("b40.jsonl", into_another_band)?, &heard)?;
    let first_day =
        desk.count("SELECT count(*) FROM usage_event WHERE key >> 47 = (SELECT min(day) FROM usage_daily)")?;
    assert_eq!(
        heard.last()?,
        Some(all_of(Stage::Events, u64::try_from(first_day)?)),
        "the day of the record that grew"
    );

    let heard = Heard::patient();
    import(&books, &desk.path("u.csv"), &heard)?;
    assert_eq!(heard.bytes.load(Ordering::Relaxed), std::fs::metadata(desk.path("u.csv"))?.len());
    let recognised = Input::File(desk.path("u.csv"));
    let stopped = books.import(&recognised, &ImportOptions::plain(), act()?, &Heard::patient_for(0));
    assert!(matches!(stopped, Err(ImportError::Ledger(LedgerError::Stopped))), "{stopped:?}");
    Ok(())
}

#[test]
fn a_copy_tells_all_of_its_pages() -> Outcome {
    let (desk, _books) = opened()?;
    let ledger = Ledger::open(&desk.ledger(), Access::Read)?;
    let (watch, mut told) = (Watch::default(), None);
    ledger.backup(&desk.path("copy.db"), &watch, |_| {
        told = watch.reached();
        Ok(())
    })?;
    let pages = desk.count("PRAGMA page_count")?;
    assert_eq!(told, Some(all_of(Stage::Copy, u64::try_from(pages)?)));
    assert_eq!(i64::try_from(std::fs::metadata(desk.path("copy.db"))?.len())?, pages * desk.count("PRAGMA page_size")?);
    Ok(())
}

/// Work with an observer.
type Work<'a> = &'a dyn Fn(&Books, &Heard) -> Result<(), BooksError>;

#[test]
fn whoever_stops_finds_everything_as_it_was() -> Outcome {
    let (desk, books) = opened()?;
    let inputs = month_end(&desk, PRICES)?;
    // This makes rebuilt totals differ from the stored ones.
    let spoil = "UPDATE usage_daily SET output = 7 WHERE day = (SELECT max(day) FROM usage_daily)";
    let copy = desk.path("copy.db");
    let aliases = "alias,model,valid_from\nm,long,2026-01-01\n";
    let long = "model,meter,currency,price,prompt_above,valid_from\nlong,input,USD,3,,2026-01-01\nlong,input,USD,4,100,2026-01-01\n";
    books.import_prices("long.csv", long.as_bytes(), None, Jumps::Refuse, act()?, &Silent)?;
    let prices = |books: &Books, heard: &Heard| {
        let act = act().map_err(other)?;
        books.import_prices("p.csv", THRESHOLD.as_bytes(), None, Jumps::Refuse, act, heard).map(|_| ())
    };
    // The minimum number of questions. Work that changes something asks once more before it commits.
    let work: [(&str, usize, Work<'_>); 7] = [
        ("prices diff", 1, &|books, heard| diff(books, heard)),
        ("rules test", 1, &|books, heard| {
            let october = Period::parse("2026-10").map_err(other)?;
            books.try_rules_on(None, october, Shown::Everything, heard).map(|_| ())
        }),
        // From here on the ledger is changed. Wrong totals are repaired first.
        ("rebuild", 2, &|books, heard| Ok(books.rebuild(heard).map(|_| ())?)),
        ("prices import", 2, &prices),
        ("aliases import", 2, &|books, heard| {
            books.import_aliases("a.csv", aliases.as_bytes(), act().map_err(other)?, heard).map(|_| ())
        }),
        ("backup", 2, &|books, heard| Ok(books.backup(&copy, heard).map(|_| ())?)),
        ("month end", 3, &|books, heard| report_month(books, &inputs, heard)),
    ];
    let state = || -> Outcome<_> {
        let sums = desk.count("SELECT sum(output) + 1000 * count(*) FROM usage_daily")?;
        Ok((desk.head()?, sums, desk.count("SELECT count(*) FROM price")?, desk.names(".")?))
    };
    for (name, asked, work) in work {
        if name == "rebuild" {
            desk.database()?.execute_batch(spoil)?;
        }
        let (mut stopped, before) = (0, state()?);
        loop {
            match work(&books, &Heard::patient_for(stopped)) {
                Err(BooksError::Ledger(LedgerError::Stopped)) => {}
                Err(error) => return Err(format!("{name}: {error}").into()),
                Ok(()) => break,
            }
            stopped += 1;
            assert_eq!(state()?, before, "{name}, stopped when asked the {stopped}. time");
        }
        assert!(stopped >= asked, "{name} was asked {stopped} times only");
    }
    assert!(books.verify(tokenbook::books::keep::verify::Depth::WithIntegrity, None, &Silent)?.findings.is_empty());
    assert!(desk.path("out/manifest.json").is_file() && copy.is_file());
    Ok(())
}

/// Slightly longer than work must take to show progress.
const LONG: Duration = Duration::from_millis(400);
const WAITING: &str = "waiting for another process that is writing to the ledger";

/// The stream of a process for messages and progress.
type Messages = fn(&mut Child) -> Option<Box<dyn Read>>;

/// Lets a command wait for the ledger until it takes long, then lets it continue. Returns its messages and its end.
fn held_up(desk: &Desk, mut command: Command, messages: Messages) -> Outcome<(String, Ran)> {
    let database = desk.database()?;
    database.execute_batch("BEGIN IMMEDIATE")?;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stream = BufReader::new(messages(&mut child).ok_or("no stream")?);
    let mut written = Vec::new();
    while !String::from_utf8_lossy(&written).contains(WAITING) {
        let more = stream.fill_buf()?.to_vec();
        if more.is_empty() {
            return Err(format!("it did not wait: {}", String::from_utf8_lossy(&written)).into());
        }
        stream.consume(more.len());
        written.extend(more);
    }
    let start = Instant::now();
    while start.elapsed() < LONG {
        std::thread::yield_now();
    }
    database.execute_batch("ROLLBACK")?;
    stream.read_to_end(&mut written)?;
    Ok((String::from_utf8_lossy(&written).into_owned(), Ran::of(child.wait_with_output()?)?))
}

#[test]
fn progress_goes_to_a_terminal_only() -> Outcome {
    let (desk, _books) = opened()?;
    let (err, ran) = held_up(&desk, desk.command(&["rebuild"]), |child| Some(Box::new(child.stderr.take()?)))?;
    assert_eq!((err, ran.ends(0)?.out.as_str()), (format!("{WAITING}\n"), "63 daily totals rebuilt from the events\n"));
    // `script` of util-linux provides a terminal, if it is installed.
    let line = format!("{} rebuild", env!("CARGO_BIN_EXE_tokenbook"));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(desk.path(".")).env_remove("TOKENBOOK_LEDGER");
    if !cfg!(target_os = "linux") || Command::new("script").arg("--version").output().is_err() {
        return Ok(());
    }
    let (shown, ran) = held_up(&desk, command, |child| Some(Box::new(child.stdout.take()?)))?;
    ran.ends(0)?;
    assert!(shown.contains("reading events") && shown.contains("/3,001"), "{shown:?}");
    assert!(shown.ends_with("63 daily totals rebuilt from the events\r\n"), "{shown:?}");
    Ok(())
}
