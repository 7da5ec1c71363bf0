//! A gateway that asks before each request, calls a model, settles, and records: `cargo run --example gateway`.
//!
//! Four threads make requests for a department that may use 200,000 tokens a day. The model here is a function; everything else is as in a
//! real gateway. The library reads no clock, so the program hands over the time.

use std::error::Error;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokenbook::books::controls::policies::Apply;
use tokenbook::{
    Act, Ask, Books, Calendar, Caller, Currency, Decision, EventBuilder, Guard, GuardOptions, Jumps, Meter, Model,
    Name, Permit, Quantities, Recorder, RecorderOptions, ServiceTier, Settings, Settlement, Silent, TagKey, TagSet,
    TagValue, Tender, Timestamp,
};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const PRICES: &str = "\
model,meter,currency,price,valid_from
gpt-4.1,input,USD,2.00,2026-01-01
gpt-4.1,output,USD,8.00,2026-01-01
deepseek-v3.2,input,USD,0.10,2026-01-01
deepseek-v3.2,output,USD,0.42,2026-01-01
";

/// The budget for one model falls back to another, and the department as a whole has an end.
const LIMITS: &str = r#"
document = "limits/1"
from = "2026-01-01"
admission = { unpriced = "refuse", unknown_department = "refuse", on_failure = "refuse", output_unknown = 2_048 }

[[budget]]
name = "search, gpt-4.1"
department = "search"
model = "gpt-4.1"
per = "day"
amount = "0.20"
enforce = "block"
downgrade = ["deepseek-v3.2"]
alert = []

[[budget]]
name = "search"
department = "search"
per = "day"
tokens = 200_000
enforce = "block"
alert = []
"#;

/// What became of the requests.
#[derive(Default)]
struct Counts {
    allowed: AtomicU64,
    downgraded: AtomicU64,
    refused: AtomicU64,
}

fn now() -> Outcome<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Timestamp::from_nanos(i64::try_from(since.as_nanos())?).ok_or("the clock is out of range")?)
}

fn main() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tokenbook.db");
    let act = Act { now: now()?, actor: "gateway" };
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let books = Books::create(&path, &settings, act)?;
    books.import_prices("prices.csv", PRICES.as_bytes(), None, Jumps::Refuse, act, &Silent)?;
    books.apply_policy("limits.toml", LIMITS.as_bytes(), Apply::Record, act, &Silent)?;

    let source = Name::new("gateway")?;
    let guard = books.guard(&GuardOptions { source: &source, holder: "gateway 1" }, now()?)?;
    let recorder = Recorder::open(&path, &source, "gateway", RecorderOptions::plain())?;
    let (counts, is_over) = (Counts::default(), AtomicBool::new(false));
    let mut tender = Tender::new(Books::read(&path)?, guard.clone());
    std::thread::scope(|scope| {
        // One thread keeps the guard in step with the ledger.
        let tending = scope.spawn(|| -> Outcome<Tender> {
            while !is_over.load(Ordering::Relaxed) {
                tender.tend(now()?)?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(tender)
        });
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (guard, recorder, counts) = (&guard, &recorder, &counts);
                scope.spawn(move || work(worker, guard, recorder, counts))
            })
            .collect();
        let worked: Outcome =
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked")?);
        is_over.store(true, Ordering::Relaxed);
        let tender = tending.join().map_err(|_| "the tender panicked")??;
        // What the process still holds goes back.
        tender.close(now()?)?;
        worked
    })?;
    let Counts { allowed, downgraded, refused } = &counts;
    writeln!(std::io::stdout(), "allowed {allowed:?}, with another model {downgraded:?}, refused {refused:?}")?;
    let missing = books.missing_usage(now()?)?;
    writeln!(std::io::stdout(), "settled and not recorded: {} rows", missing.rows.len())?;
    Ok(())
}

/// Makes requests, one after the other.
fn work(worker: usize, guard: &Guard, recorder: &Recorder, counts: &Counts) -> Outcome {
    let mut tags = TagSet::new();
    tags.insert(TagKey::new("department")?, TagValue::new("search")?);
    let model = Model { provider: None, name: Name::new("gpt-4.1")? };
    // A gateway keeps the routes of its callers.
    let route = guard.route(Caller { tags: &tags }, &model, &ServiceTier::standard(), now()?);
    for number in 0..100 {
        let mut prompt = Quantities::NONE;
        prompt.set(Meter::Input, 900);
        match guard.admit(&route, Ask { known: &prompt, output_at_most: Some(400) }, now()?) {
            Decision::Allow(permit) => {
                counts.allowed.fetch_add(1, Ordering::Relaxed);
                call(&format!("{worker}-{number}"), permit, guard, recorder)?;
            }
            Decision::Downgrade { permit, .. } => {
                counts.downgraded.fetch_add(1, Ordering::Relaxed);
                call(&format!("{worker}-{number}"), permit, guard, recorder)?;
            }
            Decision::Refuse(refused) => {
                if counts.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                    writeln!(std::io::stdout(), "refused: {}", refused.message(now()?))?;
                }
            }
        }
    }
    Ok(())
}

/// Calls the model, settles, and records.
fn call(id: &str, permit: Permit, guard: &Guard, recorder: &Recorder) -> Outcome {
    let model = permit.model().name.to_string();
    // A model that answers with 250 tokens.
    let (at, mut used) = (now()?, Quantities::NONE);
    used.set(Meter::Input, 900);
    used.set(Meter::Output, 250);
    guard.settle(permit, Settlement::Used { at, quantities: &used }, now()?)?;
    let event = EventBuilder::request(id, &at.to_string(), &model)
        .tag("department", "search")
        .meter(Meter::Input, 900)
        .meter(Meter::Output, 250)
        .build()?;
    recorder.record(vec![event], now()?)?;
    Ok(())
}
