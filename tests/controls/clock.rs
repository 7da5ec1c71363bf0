//! The time of the guard: a clock that is set back, a new boot, a guard file of an older version.

use super::guarding::{ask, guard, input, model, parts, tags, under};
use crate::desk::{Desk, Outcome};
use rusqlite::Connection;
use tokenbook::{
    Act, Ask, Books, Caller, EventBuilder, Guard, Meter, Name, Permit, Reason, ServiceTier, Settlement, Silent, Tender,
    Timestamp,
};

const PRICES: &str = "model,meter,currency,price,valid_from\nm,input,USD,1,2026-01-01\n";

/// The head of a document with limits on department `d`.
fn limits(lines: &str) -> String {
    format!(
        "document = \"limits/1\"\nfrom = \"2026-01-01\"\nadmission = {{ unpriced = \"allow\", unknown_department = \"allow\", \
        on_failure = \"refuse\", output_unknown = 1 }}\n{lines}\n"
    )
}

fn when(text: &str) -> Outcome<Timestamp> {
    Ok(Timestamp::parse(text)?)
}

fn take(guard: &Guard, tokens: i64, now: &str) -> Outcome<(Option<Reason>, Option<Permit>)> {
    Ok(parts(ask(guard, &tags(&[("department", "d")])?, "m", tokens, when(now)?)?))
}

fn file(desk: &Desk) -> Outcome<Connection> {
    Ok(Connection::open(format!("{}.guard", desk.ledger().display()))?)
}

/// Units granted by day of November 2026, without days that have none.
fn granted(desk: &Desk) -> Outcome<Vec<(i64, i64)>> {
    let before = i64::from(tokenbook::Calendar::of_zone("UTC")?.day_of(when("2026-10-31T12:00:00Z")?).number());
    let connection = file(desk)?;
    let mut statement = connection.prepare(
        "SELECT cell - ?1, SUM(granted + extra) FROM cell GROUP BY cell HAVING SUM(granted + extra) > 0 ORDER BY cell",
    )?;
    let rows = statement.query_map([before], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[test]
fn a_clock_that_is_set_back_a_little_stands_still() -> Outcome {
    let desk = under(
        PRICES,
        &limits(
            "budget = [{ name = \"day\", department = \"d\", per = \"day\", tokens = 1_000, enforce = \"block\", alert = [] }]",
        ),
    )?;
    let one = guard(&desk, "one", when("2026-11-18T23:59:50Z")?)?;
    let two = guard(&desk, "two", when("2026-11-18T23:59:50Z")?)?;
    let (_, first) = take(&one, 100, "2026-11-18T23:59:55Z")?;
    let (_, second) = take(&two, 200, "2026-11-19T00:00:20Z")?;
    // Half a minute back, into the day before: what is admitted now is of the 19th, like what the file knows already.
    let (_, third) = take(&one, 300, "2026-11-18T23:59:50Z")?;
    let third = third.ok_or("refused")?;
    assert_eq!(third.admitted_at(), when("2026-11-19T00:00:20Z")?);
    let (reason, _) = take(&one, 600, "2026-11-18T23:59:51Z")?;
    assert_eq!(reason, Some(Reason::Budget), "200 and 300 of 1,000 are used on the 19th");
    // Its record has the time of the clock. So it counts on the 18th in the end.
    let at = when("2026-11-18T23:59:52Z")?;
    for (guard, permit, tokens) in
        [(&one, first.ok_or("refused")?, 100), (&two, second.ok_or("refused")?, 150), (&one, third, 250)]
    {
        let quantities = input(tokens);
        let at = if tokens == 150 { when("2026-11-19T00:00:20Z")? } else { at };
        guard.settle(permit, Settlement::Used { at, quantities: &quantities }, at)?;
    }
    for guard in [one, two] {
        Tender::new(Books::read(&desk.ledger())?, guard).close(when("2026-11-19T00:00:21Z")?)?;
    }
    assert_eq!(granted(&desk)?, [(18, 350), (19, 150)]);
    Ok(())
}

#[test]
fn a_clock_that_is_set_back_by_hours_repeats_no_refusal_and_leaves_rates_empty() -> Outcome {
    let lines = "quota = [{ name = \"rate\", department = \"d\", requests = 60, per = \"minute\" }]\n\
        budget = [{ name = \"day\", department = \"d\", per = \"day\", tokens = 1_000, enforce = \"block\", alert = [] }]";
    let desk = under(PRICES, &limits(lines))?;
    let guard = guard(&desk, "one", when("2026-11-19T02:00:00Z")?)?;
    let (_, _spent) = take(&guard, 1_000, "2026-11-19T02:00:00Z")?;
    assert_eq!(take(&guard, 1, "2026-11-19T02:00:00.010Z")?.0, Some(Reason::Budget));
    assert_eq!(take(&guard, 1, "2026-11-19T02:00:00.020Z")?.0, Some(Reason::Budget));
    // Three hours back it is another day, whose budget is whole; the bucket starts empty and brings one a second.
    assert_eq!(take(&guard, 1, "2026-11-18T23:00:00Z")?.0, Some(Reason::Rate));
    assert_eq!(take(&guard, 1, "2026-11-18T23:00:01Z")?.0, None);
    assert_eq!(take(&guard, 1, "2026-11-18T23:00:01.100Z")?.0, Some(Reason::Rate));
    // Back on the 19th, the day is still full, and more units have flowed in.
    assert_eq!(take(&guard, 1, "2026-11-19T02:00:00.500Z")?.0, Some(Reason::Budget));
    Ok(())
}

#[test]
fn a_route_that_was_refused_is_asked_again_after_the_clock_is_set_back() -> Outcome {
    let lines = "budget = [{ name = \"day\", department = \"d\", per = \"day\", tokens = 1_000, enforce = \"block\", alert = [] }]";
    let desk = under(PRICES, &limits(lines))?;
    let start = when("2026-11-19T02:00:00Z")?;
    let guard = guard(&desk, "one", start)?;
    let caller = tags(&[("department", "d")])?;
    let route = guard.route(Caller { tags: &caller }, &model("m")?, &ServiceTier::standard(), start);
    let ask = |tokens: i64, now: &str| -> Outcome<(Option<Reason>, Option<Permit>)> {
        let known = input(tokens);
        Ok(parts(guard.admit(&route, Ask { known: &known, output_at_most: Some(0) }, when(now)?)))
    };
    let (_, _spent) = ask(1_000, "2026-11-19T02:00:00Z")?;
    assert_eq!(ask(1, "2026-11-19T02:00:00.010Z")?.0, Some(Reason::Budget));
    // Three hours back it is the day before, of which nothing is used.
    assert_eq!(ask(1, "2026-11-18T23:00:00Z")?.0, None);
    Ok(())
}

#[test]
fn what_is_left_of_a_lease_stays_on_its_day() -> Outcome {
    let lines = "budget = [{ name = \"day\", department = \"d\", per = \"day\", tokens = 1_000_000, enforce = \"block\", alert = [] }]";
    let desk = under(PRICES, &limits(lines))?;
    let before = "2026-11-18T23:59:54Z";
    let (one, two) = (guard(&desk, "one", when(before)?)?, guard(&desk, "two", when(before)?)?);
    let mut tender = Tender::new(Books::read(&desk.ledger())?, one.clone());
    // The first process holds a little of the 18th, and the second one moves the file to the 19th.
    let (_, _first) = take(&one, 10, before)?;
    let held = granted(&desk)?;
    assert!(held[0].1 > 10, "{held:?}");
    let (_, _most) = take(&one, held[0].1 - 20, "2026-11-18T23:59:54.100Z")?;
    let (_, _second) = take(&two, 30, "2026-11-19T00:00:20Z")?;
    // It renews its lease while its own clock is still on the 18th.
    tender.tend(when("2026-11-18T23:59:54.200Z")?)?;
    tender.close(when("2026-11-19T00:00:21Z")?)?;
    Tender::new(Books::read(&desk.ledger())?, two).close(when("2026-11-19T00:00:21Z")?)?;
    assert_eq!(granted(&desk)?, [(18, held[0].1 - 10), (19, 30)]);
    Ok(())
}

#[test]
fn what_was_imported_while_the_clock_was_ahead_counts_after_it_is_set_back() -> Outcome {
    let lines = "budget = [{ name = \"month\", department = \"d\", per = \"month\", tokens = 1_000, enforce = \"block\", alert = [] }]";
    let desk = under(PRICES, &limits(lines))?;
    let one = guard(&desk, "one", when("2026-11-18T10:00:00Z")?)?;
    let mut tender = Tender::new(Books::read(&desk.ledger())?, one.clone());
    tender.tend(when("2026-11-18T10:00:00Z")?)?;
    // In December, November is over and is not read again.
    let event =
        EventBuilder::request("late", "2026-11-18T09:00:00Z", "m").tag("department", "d").meter(Meter::Input, 900);
    let act = Act { now: when("2026-12-18T10:00:00Z")?, actor: "gateway" };
    Books::open(&desk.ledger())?.record(&Name::new("logs")?, &[event.build()?], act, &Silent)?;
    tender.tend(when("2026-12-18T10:00:01Z")?)?;
    let (_, _december) = take(&one, 1_000, "2026-12-18T10:00:02Z")?;
    // The first request shows the file that the clock was set back, and the tender reads the ledger.
    let (_, _few) = take(&one, 1, "2026-11-18T10:00:03Z")?;
    tender.tend(when("2026-11-18T10:00:05Z")?)?;
    assert_eq!(take(&one, 200, "2026-11-18T10:00:06Z")?.0, Some(Reason::Budget), "900 of 1,000 are used");
    Ok(())
}

#[test]
fn what_a_window_counted_ahead_counts_once_after_the_clock_is_set_back() -> Outcome {
    let lines = "breaker = [{ name = \"hour\", department = \"d\", tokens = 1_000, window = \"1h\", open_for = \"60s\", probes = 1 }]";
    let desk = under(PRICES, &limits(lines))?;
    let one = guard(&desk, "one", when("2026-11-18T12:00:00Z")?)?;
    let mut permits = vec![take(&one, 300, "2026-11-18T12:00:00Z")?.1];
    for second in 0..5 {
        let (reason, permit) = take(&one, 10, &format!("2026-11-18T09:00:0{second}Z"))?;
        assert_eq!(reason, None, "{second}");
        permits.push(permit);
    }
    Tender::new(Books::read(&desk.ledger())?, one).close(when("2026-11-18T09:00:06Z")?)?;
    let sum: i64 = file(&desk)?.query_row("SELECT SUM(granted) FROM cell", [], |row| row.get(0))?;
    assert_eq!(sum, 350);
    // An hour later it is over.
    let two = guard(&desk, "two", when("2026-11-18T10:05:00Z")?)?;
    assert_eq!(take(&two, 1_000, "2026-11-18T10:05:00Z")?.0, None);
    Ok(())
}

#[test]
fn rates_start_empty_after_a_boot_and_budgets_keep_what_was_used() -> Outcome {
    let lines = "quota = [{ name = \"rate\", department = \"d\", requests = 60, per = \"minute\" }]\n\
        budget = [{ name = \"day\", department = \"d\", per = \"day\", tokens = 1_000, enforce = \"block\", alert = [] }]";
    let desk = under(PRICES, &limits(lines))?;
    let before = guard(&desk, "one", when("2026-11-18T10:00:00Z")?)?;
    let (_, _lost) = take(&before, 900, "2026-11-18T10:00:00Z")?;
    drop(before);
    let changed = file(&desk)?.execute("UPDATE guard SET boot = 'the boot before' WHERE boot <> ''", [])?;
    if changed == 0 {
        return Ok(()); // The system does not name its boots, so rates are written like budgets.
    }
    let after = guard(&desk, "two", when("2026-11-18T10:00:30Z")?)?;
    assert_eq!(take(&after, 1, "2026-11-18T10:00:30Z")?.0, Some(Reason::Rate));
    assert_eq!(take(&after, 1, "2026-11-18T10:00:31Z")?.0, None);
    assert_eq!(take(&after, 200, "2026-11-18T10:00:50Z")?.0, Some(Reason::Budget), "900 of 1,000 are used");
    Ok(())
}

#[test]
fn a_clock_that_was_a_year_ahead_forgets_nothing() -> Outcome {
    let desk = under(
        PRICES,
        &limits(
            "budget = [{ name = \"year\", department = \"d\", per = \"year\", tokens = 1_000, enforce = \"block\", alert = [] }]",
        ),
    )?;
    let one = guard(&desk, "one", when("2026-11-18T10:00:00Z")?)?;
    let (_, _spent) = take(&one, 800, "2026-11-18T10:00:00Z")?;
    // The clock is ahead: another year, which is empty. The tender reads the ledger again, and old days are forgotten.
    let (_, _next) = take(&one, 900, "2027-11-18T10:00:00Z")?;
    let two = guard(&desk, "two", when("2027-11-18T10:00:01Z")?)?;
    let mut tender = Tender::new(Books::read(&desk.ledger())?, two);
    tender.tend(when("2027-11-18T10:00:02Z")?)?;
    assert_eq!(take(&one, 300, "2026-11-18T10:00:03Z")?.0, Some(Reason::Budget), "800 of 1,000 are used");
    Ok(())
}

#[test]
fn a_guard_file_of_version_1_gets_counters_and_keeps_its_messages() -> Outcome {
    let desk = under(
        PRICES,
        &limits(
            "budget = [{ name = \"day\", department = \"d\", per = \"day\", tokens = 1_000, enforce = \"block\", alert = [] }]",
        ),
    )?;
    drop(guard(&desk, "one", when("2026-11-18T10:00:00Z")?)?);
    let tables = {
        let connection = file(&desk)?;
        schema(&connection)?
    };
    // The file as version 1 wrote it: the outbox alone.
    {
        let connection = file(&desk)?;
        for table in ["tally", "probe", "breaker", "bucket", "lease", "cell", "holder", "counter"] {
            connection.execute_batch(&format!("DROP TABLE {table}"))?;
        }
        for column in ["now", "boot", "policy", "head", "head_hash"] {
            connection.execute_batch(&format!("ALTER TABLE guard DROP COLUMN {column}"))?;
        }
        connection.execute_batch(
            "INSERT INTO message (entry, place, channel, attempts, next_at) VALUES (7, 1, 'ops', 2, 5); PRAGMA user_version = 1",
        )?;
    }
    let guard = guard(&desk, "two", when("2026-11-18T10:00:01Z")?)?;
    assert_eq!(take(&guard, 900, "2026-11-18T10:00:01Z")?.0, None);
    let connection = file(&desk)?;
    assert_eq!(schema(&connection)?, tables);
    let message: (i64, i64) =
        connection.query_row("SELECT attempts, next_at FROM message WHERE entry = 7", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    assert_eq!(message, (2, 5));
    Ok(())
}

/// Tables with their columns.
fn schema(connection: &Connection) -> Outcome<Vec<(String, String)>> {
    let mut statement = connection.prepare(
        "SELECT m.name, group_concat(c.name || ' ' || c.type, ', ') FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
        WHERE m.type = 'table' GROUP BY m.name ORDER BY m.name",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
