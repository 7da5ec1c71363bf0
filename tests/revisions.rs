//! Growing records, compared with a model of a few lines. Whatever states arrive in whatever order, a record counts
//! once, as its largest accepted state. Otherwise the file is rejected and nothing of it counts.

use crate::desk::{Desk, Dice, Outcome};
use std::collections::BTreeMap;
use std::fmt::Write;
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::statement::reports::{Basis, Request};
use tokenbook::books::usage::import::{ImportError, ImportOptions, ImportOutcome};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::money::Amount;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::Period;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::Settings;
use tokenbook::rows::key::KeyHash;
use tokenbook::sheet::Cell;

/// A state of a bucket: the tokens of input, output and images, and the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    input: u64,
    output: Option<u64>,
    image: Option<u64>,
    requests: Option<u64>,
}

impl State {
    fn contains(&self, other: &Self) -> bool {
        let more = |now: Option<u64>, before: Option<u64>| before.is_none_or(|before| now >= Some(before));
        self.input >= other.input
            && more(self.output, other.output)
            && more(self.image, other.image)
            && more(self.requests, other.requests)
    }
}

/// The hour of October of a bucket. Buckets of minutes have numbers above all hours.
type Hour = u64;

/// The number of the first bucket of a minute, on 1 October.
const MINUTES: u64 = 1_000;

fn line(hour: Hour, state: &State) -> String {
    let mut fields = format!("\"input_tokens\":{}", state.input + state.image.unwrap_or(0));
    for (name, count) in
        [("output_tokens", state.output), ("input_image_tokens", state.image), ("num_model_requests", state.requests)]
    {
        if let Some(count) = count {
            write!(fields, ",\"{name}\":{count}").unwrap_or_default();
        }
    }
    let (after, seconds) = match hour.checked_sub(MINUTES) {
        Some(minute) => (minute * 60, 60),
        None => (hour * 3_600, 3_600),
    };
    let from = 1_790_812_800 + after;
    format!(
        "{{\"object\":\"bucket\",\"start_time\":{from},\"end_time\":{},\"results\":[{{\"object\":\
         \"organization.usage.completions.result\",{fields},\"model\":\"m\",\"batch\":false}}]}}\n",
        from + seconds
    )
}

struct Ledger {
    desk: Desk,
    books: Books,
    now: Timestamp,
}

impl Ledger {
    fn new(key_hash: KeyHash, prices: &str) -> Outcome<Self> {
        let desk = Desk::empty()?;
        let now = Timestamp::parse("2026-11-23T08:00:00Z")?;
        let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
        let act = Act { now, actor: "test" };
        let books = Books::create(&desk.ledger(), &settings, act)?.with_key_hash(key_hash);
        let list = format!("model,meter,prompt_above,currency,price,valid_from\n{prices}");
        books.import_prices("prices.csv", list.as_bytes(), None, Jumps::Refuse, act, &Silent)?;
        Ok(Self { desk, books, now })
    }

    fn import(&self, states: &[(Hour, State)]) -> Outcome<Result<ImportOutcome, ImportError>> {
        let text: String = states.iter().map(|(hour, state)| line(*hour, state)).collect();
        let file = Input::File(self.desk.write("usage.jsonl", text)?);
        Ok(self.books.import(&file, &ImportOptions::plain(), Act { now: self.now, actor: "test" }, &Silent))
    }

    /// Amount, events and unpriced events of October. They must be the same from totals by month, by day and from
    /// events.
    fn total(&self) -> Outcome<[Cell; 3]> {
        let request = Request::of(Period::parse("2026-10")?);
        let sums = self.books.report("chargeback", &request)?;
        let events = self.books.report("chargeback", &Request { basis: Basis::Events, ..request.clone() })?;
        let days = self.books.statement(&request, &Silent)?.report("chargeback", &request.by)?;
        assert_eq!((&sums, &sums), (&days, &events));
        let total = sums.total.ok_or("no total")?;
        let of = |name: &str| {
            let place = sums.columns.iter().position(|column| column.name == name);
            place.and_then(|place| total.get(place)).cloned().ok_or_else(|| format!("no {name}"))
        };
        Ok([of("amount_exact")?, of("events")?, of("unpriced_events")?])
    }

    /// Input, output, image tokens, requests and events, from the derived totals.
    fn sums(&self, table: &str) -> Outcome<[Option<u64>; 5]> {
        let sql = format!(
            "SELECT sum(input), sum(output), (SELECT sum(quantity) FROM {table}_meter), sum(request), sum(events) FROM {table}"
        );
        let read = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]);
        let sums: [Option<i64>; 5] = self.desk.database()?.query_row(&sql, [], read)?;
        Ok(sums.map(|sum| sum.and_then(|sum| u64::try_from(sum).ok())))
    }

    /// Every derived total, as text.
    fn all_sums(&self) -> Outcome<String> {
        let database = self.desk.database()?;
        let mut all = String::new();
        for table in ["usage_daily", "usage_daily_meter", "usage_monthly", "usage_monthly_meter"] {
            let mut statement = database.prepare(&format!("SELECT * FROM {table}"))?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for column in 0..columns {
                    write!(all, "{:?}|", row.get_ref(column)?)?;
                }
                all.push('\n');
            }
        }
        Ok(all)
    }

    fn verified(&self) -> Outcome {
        let verification = self.books.verify(Depth::Full, None, &Silent)?;
        assert_eq!(verification.findings, Vec::<String>::new());
        Ok(())
    }
}

/// The expected content of the ledger: the accepted states of each bucket.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Model(BTreeMap<Hour, Vec<State>>);

/// The expected result of a file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    accepted: u64,
    revisions: u64,
    duplicates: u64,
    older: u64,
}

impl Model {
    /// Takes a file of different buckets; `None` if it contradicts the known states.
    fn take(&mut self, states: &[(Hour, State)]) -> Option<Expected> {
        let (mut after, mut expected) = (self.clone(), Expected::default());
        for (hour, state) in states {
            let taken = after.0.entry(*hour).or_default();
            match taken.last() {
                _ if taken.contains(state) => expected.duplicates += 1,
                Some(last) if last.contains(state) => {
                    expected.duplicates += 1;
                    expected.older += 1;
                }
                Some(last) if !state.contains(last) => return None,
                last => {
                    expected.revisions += u64::from(last.is_some());
                    expected.accepted += 1;
                    taken.push(*state);
                }
            }
        }
        *self = after;
        Some(expected)
    }

    fn sums(&self) -> [Option<u64>; 5] {
        let last = || self.0.values().filter_map(|states| states.last());
        let sum = |of: &dyn Fn(&State) -> Option<u64>| last().filter_map(of).reduce(|sum, more| sum + more);
        [
            sum(&|state| Some(state.input)),
            sum(&|state| state.output),
            sum(&|state| state.image),
            sum(&|state| state.requests),
            sum(&|_| Some(1)),
        ]
    }

    /// Amount in femto-units, events and unpriced events. A token costs 1 a million up to a prompt of 1,000 tokens and
    /// 2 above. It is unpriced if a bucket of several requests has a larger sum.
    fn total(&self) -> (i128, i128, i128) {
        let (mut amount, mut events, mut unpriced) = (0, 0, 0);
        for state in self.0.values().filter_map(|states| states.last()) {
            let prompt = state.input + state.image.unwrap_or(0);
            let rate = match (prompt > 1_000, state.requests) {
                (false, _) => Some(1),
                (true, Some(1)) => Some(2),
                (true, _) => None,
            };
            let input = rate.map(|rate| rate * i128::from(prompt));
            amount += (input.unwrap_or(0) + 10 * i128::from(state.output.unwrap_or(0))) * 1_000_000_000;
            events += 1;
            unpriced += i128::from(input.is_none());
        }
        (amount, events, unpriced)
    }
}

const PRICES: &str = "m,input,,USD,1,2026-01-01\nm,input,1000,USD,2,2026-01-01\nm,input_image,,USD,1,2026-01-01\n\
                      m,input_image,1000,USD,2,2026-01-01\nm,output,,USD,10,2026-01-01\n";

fn file(dice: &mut Dice, model: &Model) -> Vec<(Hour, State)> {
    let mut states = BTreeMap::new();
    for _ in 0..=dice.below(4) {
        let hour = dice.below(5) * 7;
        let before = model.0.get(&hour).and_then(|taken| match dice.below(4) {
            0 => taken.first(),
            _ => taken.last(),
        });
        let start = State { input: 0, output: None, image: None, requests: None };
        let mut state = before.copied().unwrap_or(start);
        for _ in 0..dice.below(3) {
            let more = dice.below(500);
            match dice.below(5) {
                0 | 1 => state.input += more,
                2 => state.output = Some(state.output.unwrap_or(0) + more),
                3 => state.image = Some(state.image.unwrap_or(0) + dice.below(60)),
                _ => state.requests = Some(state.requests.unwrap_or(0) + 1),
            }
        }
        if dice.below(6) == 0 {
            state.input = state.input.saturating_sub(1 + dice.below(50));
        }
        states.insert(hour, state);
    }
    states.into_iter().collect()
}

#[test]
fn any_states_in_any_order_count_once_or_contradict() -> Outcome {
    let (mut grown, mut refused, mut known, mut early) = (0, 0, 0, 0);
    for seed in 0..12 {
        let mut dice = Dice::new(seed);
        // A hash of three bits makes revisions meet the keys of other buckets, and wrap around at the end of the day.
        let key_hash = if seed % 2 == 0 { KeyHash::FULL } else { KeyHash::narrowed(3) };
        let (ledger, mut model) = (Ledger::new(key_hash, PRICES)?, Model::default());
        // On a day with many events, a few new ones go into the side half.
        let many = seed % 4 > 1;
        if many {
            let state = State { input: 7, output: None, image: None, requests: Some(1) };
            let states: Vec<_> = (MINUTES..MINUTES + 200).map(|minute| (minute, state)).collect();
            assert_eq!(ledger.import(&states)??.accepted, 200);
            model.take(&states);
        }
        for _ in 0..14 {
            let states = file(&mut dice, &model);
            match (ledger.import(&states)?, model.take(&states)) {
                (Ok(outcome), Some(expected)) => {
                    let ImportOutcome { accepted, revisions, duplicates, older, same_file, .. } = outcome;
                    let told = Expected { accepted, revisions, duplicates, older };
                    assert!(told == expected || same_file, "seed {seed}: {told:?} instead of {expected:?}: {states:?}");
                    grown += revisions;
                    known += duplicates;
                    early += older;
                }
                (Err(ImportError::Conflicts { .. }), None) => refused += 1,
                (outcome, expected) => {
                    return Err(format!("seed {seed}: {outcome:?} instead of {expected:?}: {states:?}").into());
                }
            }
        }
        let (amount, events, unpriced) = model.total();
        let total = [Cell::Exact(Amount::from_femtos(amount)), Cell::Count(events), Cell::Count(unpriced)];
        assert_eq!(ledger.total()?, total, "seed {seed}: {model:?}");
        for table in ["usage_daily", "usage_monthly"] {
            assert_eq!(ledger.sums(table)?, model.sums(), "seed {seed}: {table}");
        }
        ledger.verified()?;
        let apart = ledger.desk.count("SELECT count(*) FROM event_link WHERE key & original & (1 << 46)")?;
        assert_eq!(apart > 0, many, "seed {seed}");
        let sums = ledger.all_sums()?;
        ledger.books.rebuild(&Silent)?;
        assert_eq!(ledger.all_sums()?, sums, "seed {seed}");
    }
    assert!(
        grown > 40 && refused > 15 && known > 40 && early > 5,
        "{grown} grown, {refused} refused, {known} known, {early} older: that says little"
    );
    Ok(())
}

#[test]
fn the_largest_state_alone_and_all_states_in_turn_give_the_same_reports() -> Outcome {
    let state = |input, output, requests| State { input, output: Some(output), image: None, requests: Some(requests) };
    // From one request of known size to several above a threshold: the band of the record changes twice.
    let states = [state(900, 1, 1), state(1_100, 1, 1), state(1_100, 40, 1), state(1_200, 41, 3)];
    let turned = Ledger::new(KeyHash::FULL, PRICES)?;
    for (taken, state) in states.iter().enumerate() {
        let outcome = turned.import(&[(30, *state)])??;
        assert_eq!((outcome.accepted, outcome.revisions), (1, u64::from(taken > 0)));
        let alone = Ledger::new(KeyHash::FULL, PRICES)?;
        alone.import(&[(30, *state)])??;
        assert_eq!(turned.total()?, alone.total()?, "{state:?}");
        assert_eq!(turned.all_sums()?, alone.all_sums()?, "{state:?}");
        turned.verified()?;
    }
    // Every state that the record had is known, whichever comes again.
    for state in states {
        let outcome = turned.import(&[(30, state), (30, state)])??;
        assert_eq!((outcome.accepted, outcome.duplicates), (0, 2));
    }
    Ok(())
}

#[test]
fn a_threshold_that_comes_later_cuts_grown_records_as_a_whole() -> Outcome {
    let ledger = Ledger::new(KeyHash::FULL, "m,input,,USD,1,2026-01-01\nm,output,,USD,10,2026-01-01\n")?;
    for input in [600, 1_100] {
        ledger.import(&[(30, State { input, output: None, image: None, requests: Some(4) })])??;
    }
    assert_eq!(ledger.total()?[2], Cell::Count(0));
    let list = format!("model,meter,prompt_above,currency,price,valid_from\n{PRICES}");
    let act = Act { now: ledger.now, actor: "test" };
    ledger.books.import_prices("more.csv", list.as_bytes(), None, Jumps::Refuse, act, &Silent)?;
    // Neither part exceeds 1,000, but the sum does, so the size of its requests is unknown.
    assert_eq!(ledger.total()?[1..], [Cell::Count(1), Cell::Count(1)]);
    ledger.verified()
}

#[test]
fn a_message_that_was_still_streaming_is_revised() -> Outcome {
    let desk = Desk::new()?;
    let line = |second: u32, output: u32| {
        format!(
            "{{\"type\":\"assistant\",\"timestamp\":\"2026-10-01T23:59:{second}.000Z\",\"sessionId\":\"s\",\"cwd\":\"/srv\",\
             \"requestId\":\"r\",\"message\":{{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{{\"input_tokens\":40,\
             \"output_tokens\":{output}}}}}}}\n"
        )
    };
    desk.write("session.jsonl", line(58, 1))?;
    desk.run(&["import", "session.jsonl"])?.ends(0)?;
    desk.write("session.jsonl", line(58, 1) + &line(59, 75) + &line(59, 75))?;
    desk.run(&["import", "session.jsonl"])?.ends(0)?.says("1 accepted")?.says("1 of them has grown")?;
    desk.write("session.jsonl", line(58, 1) + &line(59, 75) + "\n")?;
    desk.run(&["import", "session.jsonl"])?.ends(0)?.says("0 accepted + 1 duplicate")?;
    // A side chain's copy has other times and is the same message.
    desk.write("agent.jsonl", line(59, 75))?;
    desk.run(&["import", "agent.jsonl"])?.ends(0)?.says("0 accepted + 1 duplicate")?;
    desk.write("agent.jsonl", line(59, 76))?;
    desk.run(&["import", "agent.jsonl"])?.ends(0)?.says("1 of them has grown")?;
    assert_eq!(desk.count("SELECT count(DISTINCT at) FROM usage_event")?, 1);
    let sum = "SELECT events * 1000000 + request * 100000 + input * 100 + output FROM usage_daily";
    assert_eq!(desk.count(sum)?, 1_104_076);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn records_grow_where_a_map_says_so() -> Outcome {
    let desk = Desk::new()?;
    let map = "bucket = true\ngrows = true\n[fields]\nevent_id = [\"day\"]\ntimestamp = \"day\"\nmodel = \"m\"\n\
               input_tokens = \"in\"\n";
    desk.write("grows.toml", map)?;
    desk.write("fixed.toml", map.replace("grows = true\n", ""))?;
    for (file, input) in [("early.csv", 10), ("late.csv", 25)] {
        desk.write(file, format!("day,m,in\n2026-10-01T00:00:00Z,m,{input}\n"))?;
    }
    desk.run(&["import", "early.csv", "--map", "grows.toml"])?.ends(0)?;
    desk.run(&["import", "late.csv", "--map", "fixed.toml"])?.ends(5)?.says("an id identifies one event")?;
    desk.run(&["import", "late.csv", "--map", "grows.toml"])?.ends(0)?.says("1 of them has grown")?;
    assert_eq!(desk.count("SELECT events * 100 + input FROM usage_daily")?, 125);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_conflict_beside_a_revision_leaves_no_trace_of_either() -> Outcome {
    let ledger = Ledger::new(KeyHash::FULL, PRICES)?;
    let state = |input| State { input, output: Some(5), image: None, requests: None };
    ledger.import(&[(1, state(10)), (2, state(10))])??;
    let (sums, head) = (ledger.all_sums()?, ledger.books.head()?);
    let mixed = State { output: Some(6), ..state(9) };
    assert!(matches!(ledger.import(&[(1, state(11)), (2, mixed)])?, Err(ImportError::Conflicts { .. })));
    assert_eq!((ledger.all_sums()?, ledger.books.head()?), (sums, head));
    assert_eq!(ledger.desk.count("SELECT count(*) FROM event_link")?, 0);
    ledger.verified()
}

#[test]
fn states_as_files_in_any_order_give_the_same_reports() -> Outcome {
    let state = |input, output, image, requests| State { input, output, image, requests };
    let chain = [
        state(900, None, None, Some(1)),
        state(1_100, None, None, Some(1)),
        state(1_100, Some(40), None, Some(1)),
        state(1_200, Some(41), Some(7), Some(3)),
    ];
    let mut expected = None;
    for order in orders(chain.len()) {
        let ledger = Ledger::new(KeyHash::FULL, PRICES)?;
        let mut older = 0;
        for place in &order {
            older += ledger.import(&[(30, chain[*place]), (31, chain[0])])??.older;
        }
        let late = (1..order.len()).filter(|at| order[..*at].iter().any(|before| *before > order[*at])).count();
        assert_eq!(older, u64::try_from(late)?, "{order:?}");
        let found = (ledger.total()?, ledger.all_sums()?);
        assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "{order:?}");
        ledger.verified()?;
    }
    Ok(())
}

/// All orders of this many places.
fn orders(places: usize) -> Vec<Vec<usize>> {
    let Some(last) = places.checked_sub(1) else { return vec![Vec::new()] };
    let with_last = |order: Vec<usize>| (0..=order.len()).map(move |at| [&order[..at], &[last], &order[at..]].concat());
    orders(last).into_iter().flat_map(with_last).collect()
}

#[test]
fn an_older_state_is_told_and_one_that_is_neither_is_refused() -> Outcome {
    let desk = Desk::new()?;
    let state = |input, output, image| State { input, output: Some(output), image, requests: Some(2) };
    desk.write("new.jsonl", line(1, &state(20, 20, None)) + &line(2, &state(20, 20, None)))?;
    desk.write("old.jsonl", line(1, &state(10, 20, None)) + &line(2, &state(20, 20, None)))?;
    desk.write("mixed.jsonl", line(1, &state(10, 22, None)))?;
    desk.write("more.jsonl", line(1, &state(21, 21, None)))?;
    desk.write("twice.jsonl", line(1, &state(10, 20, None)) + &line(1, &state(11, 20, None)))?;
    desk.run(&["import", "new.jsonl"])?.ends(0)?;
    let told = "old.jsonl: earlier versions of records: 1 (the ledger has higher counts and keeps them; a lower count corrects nothing)";
    desk.run(&["import", "old.jsonl"])?.ends(0)?.says("0 accepted + 2 duplicates")?.says(told)?;
    desk.run(&["import", "more.jsonl"])?.ends(0)?;
    let says = "has some counts larger and some smaller than in the ledger (new.jsonl:1, then more.jsonl:1)";
    desk.run(&["import", "mixed.jsonl"])?.ends(5)?.says(says)?.says("input_tokens is 21 in the ledger and 10 here")?;
    desk.run(&["import", "twice.jsonl"])?.ends(5)?.says("stands in the file twice, with different counts")?;
    desk.run(&["verify"])?.ends(0)?.says("verified: 4 entries, 2 batches, 2 events and 1 revision\n")?;
    Ok(())
}

#[test]
fn a_state_is_not_compared_with_an_event_that_nobody_imported() -> Outcome {
    let desk = Desk::new()?;
    let bucket = |output: u32| {
        let result = format!(
            r#"{{"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":{output},"num_model_requests":5,"model":"m","batch":false}}"#
        );
        format!("{{\"object\":\"bucket\",\"start_time\":1791158400,\"end_time\":1791162000,\"results\":[{result}]}}\n")
    };
    desk.write("one.jsonl", bucket(1_000))?;
    desk.write("two.jsonl", bucket(1_500))?;
    desk.run(&["import", "one.jsonl"])?.ends(0)?;
    // With less, the import would add too much. With more, the new state would look older.
    for output in [1, 2_000] {
        let copy = crate::ledger::tampering::tampered(&desk, &format!("UPDATE usage_event SET output = {output}"))?;
        copy.write("two.jsonl", desk.read("two.jsonl")?)?;
        copy.run(&["import", "two.jsonl"])?.ends(7)?.says("they differ from what the imports brought")?;
        assert_eq!(copy.head()?, desk.head()?);
    }
    desk.run(&["import", "two.jsonl"])?.ends(0)?;
    assert_eq!(desk.count("SELECT output FROM usage_daily")?, 1_500);
    Ok(())
}
