//! Measures decisions of the guard beside `governor`, a table behind one lock, and Redis with a script over a Unix socket.
//!
//! Every request of all but `governor` touches five limits and is settled afterwards; `governor` checks five rates and cannot settle. There
//! are 10,000 limits: five for each of 2,000 users.

mod others;
mod ours;
mod redis;

use std::error::Error;
use std::time::{Duration, Instant};

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How many users have limits.
pub const USERS: usize = 2_000;

/// How long each figure is measured.
pub const SPAN: Duration = Duration::from_secs(2);

/// What is measured: a decision on a request of a user, and its settlement. `false` if it was refused.
pub trait Gate: Sync {
    /// Admits and settles one request.
    fn pass(&self, user: usize) -> bool;
}

fn main() -> Outcome {
    println!("| what | threads | admit and settle /s | p50 | p99 | p99.9 |");
    println!("|---|---|---|---|---|---|");
    let ours = ours::Leased::new()?;
    for threads in [1, 8] {
        measure("tokenbook, lease in hand", &ours, threads);
    }
    let table = others::Table::new();
    let governor = others::Rates::new()?;
    for threads in [1, 8] {
        measure("a table behind one lock", &table, threads);
        measure("governor, five checks, no settlement", &governor, threads);
    }
    if let Some(redis) = redis::Redis::start()? {
        measure("Redis 7, a script of five keys, Unix socket", &redis, 1);
        measure("Redis 7, a script of five keys, Unix socket", &redis, 8);
    }
    ours::Exact::measure()?;
    println!();
    println!("| 200 requests at once under a limit that 100 fill | admitted |");
    println!("|---|---|");
    println!("| tokenbook, 8 threads | {} |", ours::at_once(1)?);
    println!("| tokenbook, 4 processes of 2 threads | {} |", ours::at_once(4)?);
    println!("| a table that adds what was used after the answer | {} |", others::at_once());
    Ok(())
}

/// Measures for a while and prints a line.
fn measure(name: &str, gate: &(impl Gate + ?Sized), threads: usize) {
    // Warm: leases grow, caches fill.
    for user in 0..USERS {
        gate.pass(user);
    }
    let start = Instant::now();
    let results: Vec<(u64, Vec<u64>)> = std::thread::scope(|scope| {
        let one = |thread: usize| {
            let mut user = thread * 257;
            let (mut passed, mut times) = (0_u64, Vec::with_capacity(1 << 20));
            while start.elapsed() < SPAN {
                for _ in 0..64 {
                    user = (user + 7) % USERS;
                    passed += u64::from(gate.pass(user));
                }
                user = (user + 7) % USERS;
                let before = Instant::now();
                passed += u64::from(gate.pass(user));
                times.push(u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            (passed, times)
        };
        let all: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        all.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let elapsed = start.elapsed();
    let passed: u64 = results.iter().map(|(passed, _)| passed).sum();
    let mut times: Vec<u64> = results.into_iter().flat_map(|(_, times)| times).collect();
    times.sort_unstable();
    let at = |permille: usize| times.get(times.len() * permille / 1_000).copied().unwrap_or(0);
    let rate = u128::from(passed) * 1_000 / elapsed.as_millis().max(1);
    println!("| {name} | {threads} | {rate} | {} | {} | {} |", shown(at(500)), shown(at(990)), shown(at(999)));
}

/// Nanoseconds in a unit that reads well.
pub fn shown(nanos: u64) -> String {
    match nanos {
        0..10_000 => format!("{nanos} ns"),
        10_000..10_000_000 => format!("{} us", nanos / 1_000),
        _ => format!("{} ms", nanos / 1_000_000),
    }
}
