//! The protocol of the guard against a reference that knows every admission and recomputes every limit from them.
//!
//! Random schedules of several processes on one guard file: requests, settlements in any order, permits that are lost, kills, processes
//! that close, time that passes, days and slices that end, records that come in before and after settlement, a clock that is set forward and
//! back, power cuts, a guard file that is deleted. The reference shares no code with the guard: it is lists and sums.

use super::guarding::{ask, day, days_of, guard, input, month, parts, tags, under};
use crate::desk::{Desk, Outcome, more};
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::BTreeMap;
use tokenbook::books::controls::guarded::GuardedRequest;
use tokenbook::{
    Act, Books, EventBuilder, Guard, Meter, Name, Permit, Reason, Settlement, Silent, TagSet, Tender, Timestamp,
};

const SECOND: i64 = 1_000_000_000;

/// A day of tokens, a month of requests, a rate and a breaker. The limits are small, so that schedules reach them.
const LIMITS: &str = r#"
document = "limits/1"
from = "2026-01-01"
admission = { unpriced = "allow", unknown_department = "allow", on_failure = "refuse", output_unknown = 1 }
budget = [
    { name = "day", department = "d", per = "day", tokens = 20_000, enforce = "block" },
    { name = "month", department = "d", per = "month", requests = 120, enforce = "block" },
    { name = "watched", department = "d", per = "day", tokens = 500, enforce = "block", shadow = true },
]
quota = [{ name = "rate", department = "d", tokens = 6_000, per = "minute", burst = "1.5x" }]
breaker = [{ name = "hour", department = "d", tokens = 15_000, window = "1h", open_for = "60s", probes = 2 }]
"#;

const PRICES: &str = "model,meter,currency,price,valid_from\nm,input,USD,1,2026-01-01\n";

/// What happens next. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Ask {
        process: usize,
        tokens: i64,
    },
    Settle {
        permit: prop::sample::Index,
        how: u8,
        part: i64,
    },
    Lose {
        permit: prop::sample::Index,
    },
    Tend {
        process: usize,
    },
    Kill {
        process: usize,
    },
    Close {
        process: usize,
    },
    Wait {
        millis: i64,
    },
    /// The clock is set back.
    Back {
        millis: i64,
    },
    /// The power fails: processes are gone, and what rates wrote last.
    PowerCut,
    /// Somebody deletes the guard file.
    Delete,
    Record,
}

fn step() -> impl Strategy<Value = Step> {
    let process = 0_usize..3;
    prop_oneof![
        12 => (process.clone(), 1_i64..2_500).prop_map(|(process, tokens)| Step::Ask { process, tokens }),
        8 => (any::<prop::sample::Index>(), 0_u8..10, 0_i64..120)
            .prop_map(|(permit, how, part)| Step::Settle { permit, how, part }),
        1 => any::<prop::sample::Index>().prop_map(|permit| Step::Lose { permit }),
        3 => process.clone().prop_map(|process| Step::Tend { process }),
        1 => process.clone().prop_map(|process| Step::Kill { process }),
        1 => process.prop_map(|process| Step::Close { process }),
        6 => prop_oneof![0_i64..500, 500_i64..20_000, 20_000_i64..900_000, 3_000_000_i64..9_000_000]
            .prop_map(|millis| Step::Wait { millis }),
        1 => (1_i64..60).prop_map(|days| Step::Wait { millis: days * 86_400_000 }),
        2 => prop_oneof![4 => 1_i64..1_500, 4 => 1_500_i64..59_000, 4 => 61_000_i64..9_000_000, 1 => 80_000_000_i64..5_000_000_000]
            .prop_map(|millis| Step::Back { millis }),
        1 => Just(Step::PowerCut),
        1 => Just(Step::Delete),
        2 => Just(Step::Record),
    ]
}

/// A request that was admitted.
struct Admitted {
    /// How much time had passed in truth when it was admitted.
    since: i64,
    /// When it counts: at first when it was admitted, then when its record says.
    at: i64,
    tokens: i64,
    /// What it used within its reservation; all of it until it is settled.
    counts: i64,
    /// What it used in all, once it is settled.
    used: Option<i64>,
    requests: i64,
    is_recorded: bool,
    process: usize,
    /// When what it did not use is in the file at the latest. It may be given again from then on.
    back_at: i64,
    /// It was settled on another day than it was admitted on. It counts there, whatever is left.
    is_moved: bool,
    /// The guard file was deleted before it was recorded.
    is_forgotten: bool,
}

/// A permit that is not settled.
struct Open {
    permit: Permit,
    place: usize,
    process: usize,
}

/// A process.
struct Process {
    guard: Guard,
    tender: Tender,
}

struct World {
    desk: Desk,
    processes: Vec<Process>,
    /// What the clock shows.
    now: i64,
    /// How much time has passed in truth.
    passed: i64,
    admitted: Vec<Admitted>,
    open: Vec<Open>,
    /// When the breaker was last seen not to be closed: what it let pass before does not bound what it lets pass after.
    breaker_reset: i64,
    /// The first request that the buckets know.
    rates_since: usize,
    has_lost: bool,
    refused_at: i64,
    caller: TagSet,
}

/// Checks that a request was admitted at the caller's time. After the clock was set back, it may be up to a minute later.
fn check_admitted_at(at: i64, now: i64) -> Outcome {
    if (now..=now + 60 * SECOND).contains(&at) {
        Ok(())
    } else {
        Err(format!("admitted at {at}, and it was {now}").into())
    }
}

type Checked = Result<(), TestCaseError>;

fn fail(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(format!("{error}"))
}

impl World {
    fn new() -> Outcome<Self> {
        let desk = under(PRICES, LIMITS)?;
        let now = Timestamp::parse("2026-11-18T21:00:00Z")?.nanos();
        let caller = tags(&[("department", "d")])?;
        let (processes, admitted, open) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self {
            desk,
            processes,
            now,
            passed: 0,
            admitted,
            open,
            breaker_reset: 0,
            rates_since: 0,
            has_lost: false,
            refused_at: 0,
            caller,
        };
        for _ in 0..3 {
            let process = world.process()?;
            world.processes.push(process);
        }
        Ok(world)
    }

    fn process(&self) -> Outcome<Process> {
        let guard = guard(&self.desk, "process", self.now()?)?;
        let tender = Tender::new(Books::read(&self.desk.ledger())?, guard.clone());
        Ok(Process { guard, tender })
    }

    fn now(&self) -> Outcome<Timestamp> {
        Ok(Timestamp::from_nanos(self.now).ok_or("out of range")?)
    }

    fn file(&self) -> Outcome<Connection> {
        Ok(Connection::open(format!("{}.guard", self.desk.ledger().display()))?)
    }

    fn take(&mut self, step: &Step) -> Outcome<Checked> {
        let now = self.now()?;
        match *step {
            Step::Ask { process, tokens } => return self.ask(process, tokens),
            Step::Settle { permit, how, part } if !self.open.is_empty() => {
                let Open { permit, place, process } = self.open.swap_remove(permit.index(self.open.len()));
                let process = &self.processes[process];
                let admitted = &mut self.admitted[place];
                let used = match how {
                    0 => 0,
                    1 => admitted.tokens,
                    _ => admitted.tokens * part / 100,
                };
                let quantities = input(used);
                let settlement = match how {
                    0 => Settlement::Nothing,
                    1 => Settlement::Unknown,
                    _ => Settlement::Used { at: now, quantities: &quantities },
                };
                process.guard.settle(permit, settlement, now)?;
                (admitted.used, admitted.counts) = (Some(used), used.min(admitted.tokens));
                admitted.requests = i64::from(how != 0);
                if how > 1 {
                    admitted.is_moved = day(admitted.at) != day(self.now);
                    admitted.at = self.now;
                }
            }
            Step::Lose { permit } if !self.open.is_empty() => {
                drop(self.open.swap_remove(permit.index(self.open.len())));
                self.has_lost = true;
            }
            Step::Settle { .. } | Step::Lose { .. } => {}
            Step::Tend { process } => {
                self.processes[process].tender.tend(now)?;
                self.booked(process);
            }
            Step::Kill { process } => {
                self.processes[process] = self.process()?;
                self.lose(process);
                self.has_lost = true;
            }
            Step::Close { process } => {
                let fresh = self.process()?;
                std::mem::replace(&mut self.processes[process], fresh).tender.close(now)?;
                self.lose(process);
            }
            Step::Wait { millis } => {
                self.now += millis * 1_000_000;
                self.passed += millis * 1_000_000;
            }
            Step::Back { millis } => self.now -= millis * 1_000_000,
            Step::PowerCut => self.cut_power()?,
            Step::Delete => self.delete()?,
            Step::Record => self.record()?,
        }
        Ok(Ok(()))
    }

    /// What a process has back is booked.
    fn booked(&mut self, process: usize) {
        let settled =
            self.admitted.iter_mut().filter(|admitted| admitted.process == process && admitted.used.is_some());
        for admitted in settled.filter(|admitted| admitted.back_at == i64::MAX) {
            admitted.back_at = self.passed;
        }
    }

    /// Every process is gone. What rates wrote last need not be on disk: their buckets are full again, and nobody holds anything.
    fn cut_power(&mut self) -> Outcome {
        self.processes.clear();
        self.file()?.execute_batch(
            "UPDATE guard SET boot = 'before'; DELETE FROM lease; UPDATE bucket SET base = 0, full = 0",
        )?;
        self.start_again()
    }

    /// The file is deleted while nobody uses it. What was recorded in periods that are open is counted all the same.
    fn delete(&mut self) -> Outcome {
        self.processes.clear();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}.guard{end}", self.desk.ledger().display()));
        }
        for admitted in &mut self.admitted {
            admitted.is_forgotten |= !admitted.is_recorded || month(admitted.at) != month(self.now);
        }
        self.rates_since = self.admitted.len();
        self.breaker_reset = self.passed;
        self.start_again()
    }

    fn start_again(&mut self) -> Outcome {
        self.open.clear();
        self.has_lost = true;
        for _ in 0..3 {
            let process = self.process()?;
            self.processes.push(process);
        }
        Ok(())
    }

    /// What a process had admitted and not settled counts in full.
    fn lose(&mut self, process: usize) {
        let before = self.open.len();
        self.open.retain(|open| open.process != process);
        self.has_lost |= self.open.len() < before;
    }

    fn ask(&mut self, process: usize, tokens: i64) -> Outcome<Checked> {
        let now = self.now()?;
        let (reason, permit) = parts(ask(&self.processes[process].guard, &self.caller, "m", tokens, now)?);
        let status = Books::read(&self.desk.ledger())?.breaker_status(&GuardedRequest::default(), now)?;
        let is_closed = status.rows[0][2].plain() == "closed";
        if !is_closed {
            self.breaker_reset = self.passed;
        }
        let Some(permit) = permit else {
            let is_new = !(0..=SECOND / 10).contains(&(self.now - self.refused_at));
            self.refused_at = self.now;
            let known: i64 = self.file()?.query_row("SELECT now FROM guard", [], |row| row.get(0))?;
            // A refusal of a budget is true: what is left, less what other processes hold, is too little.
            if reason == Some(Reason::Budget) && is_new && !self.has_lost && known <= self.now {
                let used = self.day_tokens(self.now) + tokens;
                let requests = self.month_requests(self.now);
                let held = self.held()?;
                if used + held[0] <= 20_000 && requests + held[1] < 120 {
                    return Ok(Err(fail(format!("refused {tokens} with {used} and {requests} used, {held:?} held"))));
                }
            }
            return Ok(Ok(()));
        };
        let at = permit.admitted_at().nanos();
        check_admitted_at(at, self.now)?;
        self.admitted.push(Admitted {
            since: self.passed,
            at,
            tokens,
            counts: tokens,
            used: None,
            requests: 1,
            is_recorded: false,
            process,
            back_at: i64::MAX,
            is_moved: false,
            is_forgotten: false,
        });
        self.open.push(Open { permit, place: self.admitted.len() - 1, process });
        Ok(Ok(()))
    }

    /// Tokens that count on the day of an instant.
    fn day_tokens(&self, at: i64) -> i64 {
        self.counted().filter(|admitted| day(admitted.at) == day(at)).map(|admitted| admitted.counts).sum()
    }

    /// Requests that count in the month of an instant.
    fn month_requests(&self, at: i64) -> i64 {
        self.counted().filter(|admitted| month(admitted.at) == month(at)).map(|admitted| admitted.requests).sum()
    }

    fn counted(&self) -> impl Iterator<Item = &Admitted> {
        self.admitted.iter().filter(|admitted| !admitted.is_forgotten)
    }

    /// What the file has more than the requests used: units that processes hold or have not booked yet, of the day and of the month.
    fn held(&self) -> Outcome<[i64; 2]> {
        let today = day(self.now);
        let day = self.granted("day", today, today)? - self.day_tokens(self.now);
        let (first, last) = days_of(&month(self.now))?;
        Ok([day.max(0), (self.granted("month", first, last)? - self.month_requests(self.now)).max(0)])
    }

    fn granted(&self, name: &str, from: i64, to: i64) -> Outcome<i64> {
        let sum = "SELECT COALESCE(SUM(granted + extra), 0) FROM cell JOIN counter ON counter.id = counter \
            WHERE name = ?1 AND cell BETWEEN ?2 AND ?3";
        Ok(self.file()?.query_row(sum, (name, from, to), |row| row.get(0))?)
    }

    /// Records what was settled and is not recorded yet.
    fn record(&mut self) -> Outcome {
        let mut events = Vec::new();
        for (place, admitted) in self.admitted.iter_mut().enumerate() {
            let (Some(used), false, 1) = (admitted.used, admitted.is_recorded, admitted.requests) else { continue };
            // The ledger takes no record of a future day. What a deleted file forgot has no record: it would pass the limits.
            if day(admitted.at) > day(self.now) || admitted.is_forgotten {
                continue;
            }
            admitted.is_recorded = true;
            let at = Timestamp::from_nanos(admitted.at).ok_or("out of range")?.to_string();
            let id = format!("e{place}");
            let event = EventBuilder::request(&id, &at, "m").tag("department", "d").meter(Meter::Input, used);
            events.push(event.build()?);
        }
        if !events.is_empty() {
            let act = Act { now: self.now()?, actor: "gateway" };
            Books::open(&self.desk.ledger())?.record(&Name::new("gateway")?, &events, act, &Silent)?;
        }
        Ok(())
    }

    /// What must hold after every step.
    fn check(&self) -> Checked {
        let within = |name: &str, found: i64, most: i64| {
            if found <= most { Ok(()) } else { Err(fail(format!("{name}: {found} of {most}"))) }
        };
        let mut days: BTreeMap<i64, i64> = BTreeMap::new();
        for admitted in self.counted().filter(|admitted| !admitted.is_moved) {
            *days.entry(day(admitted.at)).or_default() += admitted.counts;
        }
        for sum in days.values() {
            within("day", *sum, 20_000)?;
        }
        let mut months: BTreeMap<String, i64> = BTreeMap::new();
        for admitted in self.counted() {
            *months.entry(month(admitted.at)).or_default() += admitted.requests;
        }
        for sum in months.values() {
            within("month", *sum, 120)?;
        }
        // A rate: over any span that ends with the last request, a full bucket and what flows in, and what came back of requests that were
        // admitted before. A minute brings 6,000.
        let Some(last) = self.admitted.last() else { return Ok(()) };
        let mut sum = 0;
        for (place, admitted) in self.admitted.iter().enumerate().skip(self.rates_since).rev() {
            sum += i128::from(admitted.counts);
            let flowed = i128::from(last.since - admitted.since) * 6_000;
            let before =
                self.admitted[self.rates_since..place].iter().filter(|before| before.back_at >= admitted.since);
            let back: i64 = before.map(|before| before.tokens - before.counts).sum();
            let whole = i128::from(9_000 + back) * 60 * i128::from(SECOND);
            if sum * 60 * i128::from(SECOND) > whole + flowed {
                return Err(fail(format!("rate: {sum} in {} ns", last.since - admitted.since)));
            }
        }
        // A window of an hour, as long as the breaker was closed.
        let is_in = |admitted: &&Admitted| admitted.since > self.breaker_reset.max(self.passed - 3_600 * SECOND);
        within("hour", self.admitted.iter().filter(is_in).map(|admitted| admitted.counts).sum(), 15_000)
    }

    /// At the end: everything is settled, given back and recorded. Then the file has exactly what was used.
    fn end(mut self) -> Outcome<Checked> {
        self.now = self.admitted.iter().map(|admitted| admitted.at).fold(self.now, i64::max);
        let now = self.now()?;
        for Open { permit, place, process } in std::mem::take(&mut self.open) {
            self.processes[process].guard.settle(permit, Settlement::Unknown, now)?;
            self.admitted[place].used = Some(self.admitted[place].tokens);
        }
        for process in std::mem::take(&mut self.processes) {
            process.tender.close(now)?;
        }
        let used: i64 = self.counted().map(|admitted| admitted.used.unwrap_or(admitted.tokens)).sum();
        let requests: i64 = self.counted().map(|admitted| admitted.requests).sum();
        // After two years, days are forgotten.
        if self.passed > 700 * 86_400 * SECOND {
            return Ok(Ok(()));
        }
        let found = [self.granted("day", 0, i64::MAX)?, self.granted("month", 0, i64::MAX)?];
        for (name, found, used) in [("day", found[0], used), ("month", found[1], requests)] {
            if found < used || !self.has_lost && found != used {
                return Ok(Err(fail(format!("{name}: the file has {found}, and {used} were used"))));
            }
        }
        // Their records change nothing, and once more changes nothing.
        self.record()?;
        for _ in 0..2 {
            let process = self.process()?;
            process.tender.close(now)?;
            let after = [self.granted("day", 0, i64::MAX)?, self.granted("month", 0, i64::MAX)?];
            if after != found {
                return Ok(Err(fail(format!("records changed {found:?} to {after:?}"))));
            }
        }
        Ok(Ok(()))
    }
}

fn schedules() -> u32 {
    more(24).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: schedules(), max_shrink_iters: 3_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_schedule_passes_a_limit_or_loses_a_request(steps in prop::collection::vec(step(), 1..160)) {
        let mut world = World::new().map_err(fail)?;
        for step in steps {
            world.take(&step).map_err(fail)??;
            world.check()?;
        }
        world.end().map_err(fail)??;
    }
}
