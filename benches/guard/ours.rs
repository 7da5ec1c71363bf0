//! The guard, as a gateway embeds it: with a lease in hand, at the file, and where a limit ends.

use crate::{Gate, Outcome, SPAN, USERS, shown};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokenbook::books::controls::policies::Apply;
use tokenbook::{
    Act, Ask, Books, Calendar, Caller, Currency, Decision, Guard, GuardOptions, Jumps, Meter, Model, Name, Quantities,
    Route, ServiceTier, Settings, Settlement, Silent, TagKey, TagSet, TagValue, Tender, Timestamp,
};

/// Five limits for each user, which no measurement reaches.
const LOOSE: &str = r#"
document = "limits/1"
from = "2026-01-01"
admission = { unpriced = "allow", unknown_department = "allow", on_failure = "refuse", output_unknown = 1 }
budget = [
    { name = "tokens a day", each = "tag.user", per = "day", tokens = 4_000_000_000_000, enforce = "block", alert = [] },
    { name = "money a month", each = "tag.user", per = "month", amount = "4000000", enforce = "block", alert = [] },
    { name = "requests a day", each = "tag.user", per = "day", requests = 4_000_000_000, enforce = "block", alert = [] },
]
quota = [{ name = "tokens a minute", each = "tag.user", tokens = 4_000_000_000, per = "minute" }]
breaker = [{ name = "an hour", each = "tag.user", tokens = 4_000_000_000_000, window = "1h", open_for = "60s", probes = 3 }]
"#;

/// A limit that 100 requests fill.
const HUNDRED: &str = r#"
document = "limits/1"
from = "2026-01-01"
admission = { unpriced = "allow", unknown_department = "allow", on_failure = "refuse", output_unknown = 1 }
budget = [{ name = "a day", per = "day", requests = 100, enforce = "block", alert = [] }]
"#;

const PRICES: &str = "model,meter,currency,price,valid_from\nm,input,USD,1,2026-01-01\nm,output,USD,4,2026-01-01\n";

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    i64::try_from(since).ok().and_then(Timestamp::from_nanos).unwrap_or(Timestamp::LATEST)
}

struct Ledger {
    folder: tempfile::TempDir,
}

impl Ledger {
    fn under(limits: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let act = Act { now: now(), actor: "bench" };
        let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
        let books = Books::create(&folder.path().join("tokenbook.db"), &settings, act)?;
        books.import_prices("prices.csv", PRICES.as_bytes(), None, Jumps::Refuse, act, &Silent)?;
        books.apply_policy("limits.toml", limits.as_bytes(), Apply::Record, act, &Silent)?;
        Ok(Self { folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tokenbook.db")
    }

    fn guard(&self) -> Outcome<Guard> {
        let source = Name::new("gateway")?;
        Ok(Books::read(&self.path())?.guard(&GuardOptions { source: &source, holder: "bench" }, now())?)
    }
}

fn model() -> Outcome<Model> {
    Ok(Model { provider: None, name: Name::new("m")? })
}

fn quantities(tokens_in: i64, tokens_out: i64) -> Quantities {
    let mut quantities = Quantities::NONE;
    quantities.set(Meter::Input, tokens_in);
    if tokens_out > 0 {
        quantities.set(Meter::Output, tokens_out);
    }
    quantities
}

/// A guard with a route for each user, tended by a thread.
pub struct Leased {
    guard: Guard,
    routes: Vec<Route>,
    known: Quantities,
    used: Quantities,
    stop: Arc<AtomicBool>,
    _ledger: Ledger,
}

impl Leased {
    pub fn new() -> Outcome<Self> {
        let ledger = Ledger::under(LOOSE)?;
        let start = Instant::now();
        let guard = ledger.guard()?;
        let mut routes = Vec::with_capacity(USERS);
        for user in 0..USERS {
            let mut tags = TagSet::new();
            tags.insert(TagKey::new("user")?, TagValue::new(&format!("u{user}"))?);
            routes.push(guard.route(Caller { tags: &tags }, &model()?, &ServiceTier::standard(), now()));
        }
        eprintln!("start with {} routes: {} ms", USERS, start.elapsed().as_millis());
        let stop = Arc::new(AtomicBool::new(false));
        let mut tender = Tender::new(Books::read(&ledger.path())?, guard.clone());
        let over = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if let Err(error) = tender.tend(now()) {
                    eprintln!("tend: {error}");
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let (known, used) = (quantities(80, 0), quantities(80, 15));
        Ok(Self { guard, routes, known, used, stop, _ledger: ledger })
    }
}

impl Gate for Leased {
    fn pass(&self, user: usize) -> bool {
        let at = now();
        let ask = Ask { known: &self.known, output_at_most: Some(20) };
        match self.guard.admit(&self.routes[user], ask, at) {
            Decision::Allow(permit) | Decision::Downgrade { permit, .. } => {
                self.guard.settle(permit, Settlement::Used { at, quantities: &self.used }, at).is_ok()
            }
            Decision::Refuse(_) => false,
        }
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Decisions that must ask the file: each user's first.
pub struct Exact;

impl Exact {
    pub fn measure() -> Outcome {
        let leased = Leased::new()?;
        let mut times = Vec::new();
        let start = Instant::now();
        for user in 0..USERS {
            let before = Instant::now();
            if leased.pass(user) {
                times.push(u64::try_from(before.elapsed().as_nanos())?);
            }
            if start.elapsed() > SPAN {
                break;
            }
        }
        let rate = times.len() as u128 * 1_000 / start.elapsed().as_millis().max(1);
        times.sort_unstable();
        let at = |permille: usize| times.get(times.len() * permille / 1_000).copied().unwrap_or(0);
        let (p50, p99, last) = (shown(at(500)), shown(at(990)), shown(at(999)));
        println!("| tokenbook, each decision one transaction that is on disk | 1 | {rate} | {p50} | {p99} | {last} |");
        Ok(())
    }
}

/// How many of 200 requests at once pass a limit of 100, over some guards with eight threads in all.
pub fn at_once(guards: usize) -> Outcome<usize> {
    let ledger = Ledger::under(HUNDRED)?;
    let guards = (0..guards).map(|_| ledger.guard()).collect::<Outcome<Vec<Guard>>>()?;
    let (start, model, tags) = (Barrier::new(8), model()?, TagSet::new());
    let known = quantities(80, 0);
    let one = &|thread: usize| {
        let guard = &guards[thread % guards.len()];
        let route = guard.route(Caller { tags: &tags }, &model, &ServiceTier::standard(), now());
        start.wait();
        let ask = Ask { known: &known, output_at_most: Some(0) };
        // Permits are kept, as if no model had answered yet.
        let decisions: Vec<Decision> = (0..25).map(|_| guard.admit(&route, ask, now())).collect();
        decisions.iter().filter(|decision| matches!(decision, Decision::Allow(_))).count()
    };
    let admitted = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|thread| scope.spawn(move || one(thread))).collect();
        all.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    Ok(admitted)
}
