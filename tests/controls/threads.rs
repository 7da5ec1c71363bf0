//! Limits under real threads and real processes: what was admitted stays within the limit, and nothing is lost.

use super::alerts::act;
use super::guarding::{ask, guard, input, parts, tags, under};
use crate::desk::{Desk, Dice, Outcome, more};
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokenbook::books::controls::policies::Apply;
use tokenbook::{Books, Guard, Settlement, Silent, Tender, Timestamp};

const PRICES: &str = "model,meter,currency,price,valid_from\nm,input,USD,1,2026-01-01\n";

/// A budget for a year, with a rate and a breaker that are larger.
fn limits(tokens: i64) -> String {
    let more = tokens * 10;
    format!(
        "document = \"limits/1\"\nfrom = \"2026-01-01\"\nadmission = {{ unpriced = \"allow\", unknown_department = \"allow\", \
        on_failure = \"refuse\", output_unknown = 1 }}\n\
        budget = [{{ name = \"year\", department = \"d\", per = \"year\", tokens = {tokens}, enforce = \"block\", alert = [] }}]\n\
        quota = [{{ name = \"rate\", department = \"d\", tokens = {more}, per = \"minute\" }}]\n\
        breaker = [{{ name = \"minutes\", department = \"d\", tokens = {more}, window = \"10m\", open_for = \"60s\", probes = 2 }}]\n"
    )
}

/// A clock for all threads. It goes on with each look of a thread that makes requests: by fifty seconds in all, so that slices of the
/// window end on the way, and no thread is a minute behind.
struct Clock {
    now: AtomicI64,
    step: i64,
}

impl Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now.fetch_add(self.step, Ordering::Relaxed)).unwrap_or(Timestamp::LATEST)
    }

    fn look(&self) -> Timestamp {
        Timestamp::from_nanos(self.now.load(Ordering::Relaxed)).unwrap_or(Timestamp::LATEST)
    }
}

/// Requests of one thread. Returns what they used.
fn spend(guard: &Guard, clock: &Clock, mut dice: Dice, requests: i64) -> Outcome<(i64, i64)> {
    let caller = tags(&[("department", "d")])?;
    let (mut used, mut refused) = (0, 0);
    for _ in 0..requests {
        let tokens = i64::try_from(dice.below(400))? + 1;
        let (_, permit) = parts(ask(guard, &caller, "m", tokens, clock.now())?);
        let Some(permit) = permit else {
            refused += 1;
            continue;
        };
        // Most use a part, some all, some nothing.
        let how = dice.below(8);
        let part = match how {
            0 => 0,
            1 => tokens,
            _ => tokens * i64::try_from(dice.below(100))? / 100,
        };
        let (at, quantities) = (clock.now(), input(part));
        let settlement = if how == 0 { Settlement::Nothing } else { Settlement::Used { at, quantities: &quantities } };
        guard.settle(permit, settlement, at)?;
        used += part;
    }
    Ok((used, refused))
}

#[test]
fn eight_threads_in_two_processes_use_what_the_file_says() -> Outcome {
    // About 100 tokens are used of each request, so the limits are reached on the way: first the lower one, then the one that replaces it.
    let requests: i64 = more(3_000)?;
    let (low, high) = (requests * 8 * 50, requests * 8 * 80);
    let desk = under(PRICES, &limits(low))?;
    let start = Timestamp::parse("2026-11-18T10:00:00Z")?.nanos();
    let clock = Clock { now: AtomicI64::new(start), step: 50_000_000_000 / (requests * 8 * 2) };
    let guards = [guard(&desk, "one", clock.now())?, guard(&desk, "two", clock.now())?];
    let is_over = AtomicBool::new(false);
    let tend = |guard: &Guard| -> Result<(), String> {
        let fail = |error: &dyn std::fmt::Display| error.to_string();
        let mut tender = Tender::new(Books::read(&desk.ledger()).map_err(|error| fail(&error))?, guard.clone());
        while !is_over.load(Ordering::Acquire) {
            tender.tend(clock.look()).map_err(|error| fail(&error))?;
            std::thread::yield_now();
        }
        tender.close(clock.look()).map_err(|error| fail(&error))
    };
    let change = || -> Result<(), String> {
        let books = Books::open(&desk.ledger()).map_err(|error| error.to_string())?;
        let act = act("2026-11-18T10:00:00Z").map_err(|error| error.to_string())?;
        let text = limits(high);
        let applied = books.apply_policy("limits.toml", text.as_bytes(), Apply::Record, act, &Silent);
        applied.map(|_| ()).map_err(|error| error.to_string())
    };
    let panicked = || Err("it panicked".to_owned());
    let spent: Vec<Result<(i64, i64), String>> = std::thread::scope(|scope| {
        let tenders: Vec<_> = guards.iter().map(|guard| scope.spawn(move || tend(guard))).collect();
        let clock = &clock;
        let one = |thread: u64| {
            let guard = &guards[usize::from(thread % 2 == 1)];
            move || spend(guard, clock, Dice::new(thread), requests).map_err(|error| error.to_string())
        };
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(one(thread))).collect();
        let changed = scope.spawn(change).join().unwrap_or_else(|_| panicked());
        let mut spent: Vec<_> =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("it panicked".to_owned()))).collect();
        is_over.store(true, Ordering::Release);
        let tended = tenders.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked()));
        spent.extend(tended.chain([changed]).filter_map(Result::err).map(Err));
        spent
    });
    let spent = spent.into_iter().collect::<Result<Vec<_>, _>>()?;
    let used: i64 = spent.iter().map(|(used, _)| used).sum();
    let refused: i64 = spent.iter().map(|(_, refused)| refused).sum();
    assert!(used <= high, "{used} of {high}");
    assert!(used > low && refused > 0, "{used} of {high}, {refused} refused: the limits were not reached");
    let file = Connection::open(format!("{}.guard", desk.ledger().display()))?;
    let sum =
        "SELECT SUM(granted + extra), SUM(settled) FROM cell JOIN counter ON counter.id = counter WHERE form = ?1";
    let sums = |form: i64| file.query_row(sum, [form], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    assert_eq!(sums(1)?, (used, used), "the year");
    assert_eq!(sums(2)?.0, used, "the window");
    Ok(())
}

#[test]
fn eight_processes_of_the_command_admit_as_many_as_the_limit() -> Outcome {
    let desk: Desk = under(PRICES, &limits(100_000))?;
    let arguments =
        ["admit", "--source", "batch", "--department", "d", "--model", "m", "--input", "1000", "--output-at-most", "0"];
    let counts: Vec<Result<i64, String>> = std::thread::scope(|scope| {
        let one = || {
            let mut allowed = 0;
            for _ in 0..15 {
                let ran = desk.run(&arguments).map_err(|error| error.to_string())?;
                match ran.code {
                    Some(0) => allowed += 1,
                    Some(10) => {}
                    _ => return Err(format!("{}{}", ran.out, ran.err)),
                }
            }
            Ok(allowed)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("it panicked".to_owned()))).collect()
    });
    assert_eq!(counts.into_iter().sum::<Result<i64, String>>()?, 100);
    Ok(())
}
