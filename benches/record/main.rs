//! How fast the threads of a gateway record: `cargo bench --bench record`.
//!
//! For comparison, each run also writes the same rows to a bare SQLite table, with one commit for each call, on the
//! same disk. Results depend on the machine, so read the ratios.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokenbook::books::statement::reports::Request;
use tokenbook::books::usage::recorder::{Recorder, RecorderOptions};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::event::{EventId, EventUsage, Model, UsageEvent};
use tokenbook::domain::meter::Meter;
use tokenbook::domain::name::{Name, TagValue};
use tokenbook::domain::period::Period;
use tokenbook::domain::tags::{TagKey, TagSet};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::ledger::Settings;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The duration of each measurement.
const SPAN: Duration = Duration::from_secs(5);
const START: i64 = 1_790_841_600;

fn event(number: u64) -> Outcome<UsageEvent> {
    let second = START + i64::try_from(number / 50 % 2_000_000)?;
    let at = Timestamp::from_nanos(second * 1_000_000_000).ok_or("no instant")?;
    let model = Model { provider: Some(Name::new("openai")?), name: Name::new("gpt-4.1")? };
    let usage = EventUsage::request([(Meter::Input, 1_000 + i64::try_from(number % 977)?), (Meter::Output, 200)])?;
    let department = ["Legal", "Engineering", "Research", "Marketing"][usize::try_from(number % 4)?];
    let tags = TagSet::from_iter([(TagKey::new("department")?, TagValue::new(department)?)]);
    Ok(UsageEvent::new(EventId::new(&format!("call-{number}"))?, at, model, usage).with_tags(tags))
}

fn now() -> Outcome<Timestamp> {
    Ok(Timestamp::parse("2026-11-20T00:00:00Z")?)
}

/// The results of several callers: calls, events, and the sorted duration of each call.
struct Measured {
    events: u64,
    took: Vec<Duration>,
    span: Duration,
}

impl Measured {
    fn print(&mut self, what: &str) -> Outcome {
        self.took.sort_unstable();
        let at = |part: usize| self.took.get(self.took.len() * part / 1_000).copied().unwrap_or_default();
        let rate = u128::from(self.events) * 1_000_000 / self.span.as_micros().max(1);
        writeln!(
            std::io::stdout(),
            "{what:<44} {rate:>8} events/s   call p50 {:>7} us  p99 {:>7} us",
            at(500).as_micros(),
            at(990).as_micros()
        )?;
        Ok(())
    }
}

/// Lets callers record events for a while, with this many in each call.
fn callers(
    count: usize,
    a_call: u64,
    next: &AtomicU64,
    record: impl Fn(Vec<UsageEvent>) -> Outcome + Sync,
) -> Outcome<Measured> {
    let (stop, all) = (AtomicBool::new(false), Mutex::new((Vec::new(), 0)));
    let start = Instant::now();
    std::thread::scope(|scope| -> Outcome {
        let caller = || -> Outcome {
            let (mut took, mut events) = (Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                let first = next.fetch_add(a_call, Ordering::Relaxed);
                let batch = (first..first + a_call).map(event).collect::<Outcome<Vec<_>>>()?;
                let begun = Instant::now();
                record(batch)?;
                took.push(begun.elapsed());
                events += a_call;
            }
            let mut all = all.lock().map_err(|_| "a caller failed")?;
            all.0.extend(took);
            all.1 += events;
            Ok(())
        };
        let started: Vec<_> = (0..count).map(|_| scope.spawn(caller)).collect();
        std::thread::sleep(SPAN);
        stop.store(true, Ordering::Relaxed);
        started.into_iter().try_for_each(|caller| caller.join().map_err(|_| "a caller panicked")?)
    })?;
    let (took, events) = all.into_inner().map_err(|_| "a caller failed")?;
    Ok(Measured { events, took, span: start.elapsed() })
}

fn bare_sqlite(folder: &Path, a_call: u64) -> Outcome<Measured> {
    let database = rusqlite::Connection::open(folder.join(format!("bare-{a_call}.db")))?;
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE event (id TEXT PRIMARY KEY, at INTEGER, input INTEGER, output INTEGER)")?;
    let database = Mutex::new(database);
    callers(1, a_call, &AtomicU64::new(0), |events| {
        let database = database.lock().map_err(|_| "a caller failed")?;
        database.execute_batch("BEGIN IMMEDIATE")?;
        for event in events {
            let quantity = |meter| event.usage.quantities().get(meter);
            let values = (event.id.as_str(), event.at.nanos(), quantity(Meter::Input), quantity(Meter::Output));
            database.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4)")?.execute(values)?;
        }
        Ok(database.execute_batch("COMMIT")?)
    })
}

fn main() -> Outcome {
    // This program ignores `cargo bench -- NAME` and `--bench`.
    let folder = tempfile::tempdir_in(std::env::var_os("RECORD_DIR").unwrap_or_else(|| "target".into()))?;
    let ledger = folder.path().join("ledger.db");
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    drop(Books::create(&ledger, &settings, Act { now: now()?, actor: "bench" })?);
    bare_sqlite(folder.path(), 1)?.print("bare SQLite, 1 caller, 1 event a commit")?;
    bare_sqlite(folder.path(), 512)?.print("bare SQLite, 1 caller, 512 events a commit")?;
    let books = Books::open(&ledger)?;
    let (source, next, at) = (Name::new("gateway")?, AtomicU64::new(0), now()?);
    let alone = Mutex::new(books);
    let act = Act { now: at, actor: "bench" };
    callers(1, 1, &next, |events| {
        alone.lock().map_err(|_| "a caller failed")?.record(&source, &events, act, &Silent)?;
        Ok(())
    })?
    .print("Books::record, 1 caller, 1 event a call")?;
    let recorder = Recorder::open(&ledger, &source, "bench", RecorderOptions::plain())?;
    let record = |events| {
        recorder.record(events, at)?;
        Ok(())
    };
    for (count, a_call) in [(1, 1), (16, 1), (256, 1), (4, 512)] {
        let what = format!("Recorder, {count} callers, {a_call} events a call");
        callers(count, a_call, &next, record)?.print(&what)?;
    }
    let (done, request) = (AtomicBool::new(false), Request::of(Period::parse("2026-10")?));
    std::thread::scope(|scope| -> Outcome {
        let reports = scope.spawn(|| -> Outcome<u64> {
            let books = Books::read(&ledger)?;
            let mut reports = 0;
            while !done.load(Ordering::Relaxed) {
                books.report("chargeback", &request)?;
                reports += 1;
            }
            Ok(reports)
        });
        let measured = callers(256, 1, &next, record);
        done.store(true, Ordering::Relaxed);
        measured?.print("Recorder, 256 callers, beside reports")?;
        let reports = reports.join().map_err(|_| "the reports failed")??;
        writeln!(std::io::stdout(), "{reports} reports meanwhile")?;
        Ok(())
    })?;
    drop(recorder);
    let size = std::fs::metadata(&ledger)?.len();
    let connection = rusqlite::Connection::open(&ledger)?;
    let count =
        |table: &str| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    let (events, commits) = (count("usage_event")?, count("import")?);
    writeln!(std::io::stdout(), "{events} events in {commits} commits, {size} bytes")?;
    Ok(())
}
