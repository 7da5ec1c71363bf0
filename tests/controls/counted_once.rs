//! A request counts once: before, while and after its record comes in. The table of the design, row by row.

use super::alerts::act;
use super::guarding::{ask, at, guard, input, parts, tags, under};
use crate::desk::{Desk, Outcome};
use rusqlite::Connection;
use tokenbook::books::Silent;
use tokenbook::{Books, EventBuilder, Meter, Name, RecordedSpan, Settlement, Tender, Timestamp};

const LIMITS: &str = "document = \"limits/1\"\nfrom = \"2026-01-01\"\n\
    admission = { unpriced = \"allow\", unknown_department = \"allow\", on_failure = \"refuse\", output_unknown = 1 }\n\
    budget = [{ name = \"month\", department = \"d\", per = \"month\", tokens = 100_000, enforce = \"block\", alert = [] }]\n";

const NOW: &str = "2026-11-18T10:00:00Z";
const LATER: &str = "2026-11-18T11:00:00Z";

fn ledger() -> Outcome<Desk> {
    under("model,meter,currency,price,valid_from\nm,input,USD,1,2026-01-01\n", LIMITS)
}

/// A process that admits and settles a request, and ends.
fn request(desk: &Desk, tokens: i64) -> Outcome {
    let (now, caller) = (at(0)?, tags(&[("department", "d")])?);
    let guard = guard(desk, "one", now)?;
    let (_, permit) = parts(ask(&guard, &caller, "m", tokens, now)?);
    let quantities = input(tokens);
    guard.settle(permit.ok_or("refused")?, Settlement::Used { at: now, quantities: &quantities }, now)?;
    Ok(Tender::new(Books::read(&desk.ledger())?, guard).close(now)?)
}

/// Records usage of the guard's source.
fn record(desk: &Desk, id: &str, tokens: i64) -> Outcome {
    record_at(desk, id, tokens, NOW)
}

fn record_at(desk: &Desk, id: &str, tokens: i64, at: &str) -> Outcome {
    let event = EventBuilder::request(id, NOW, "m").tag("department", "d").meter(Meter::Input, tokens).build()?;
    Books::open(&desk.ledger())?.record(&Name::new("gateway")?, &[event], act(at)?, &Silent)?;
    Ok(())
}

/// What the month has used, once a process has read the ledger.
fn used(desk: &Desk) -> Outcome<i64> {
    Tender::new(Books::read(&desk.ledger())?, guard(desk, "look", at(0)?)?).close(at(0)?)?;
    let file = Connection::open(format!("{}.guard", desk.ledger().display()))?;
    Ok(file.query_row("SELECT COALESCE(SUM(granted + extra), 0) FROM cell", [], |row| row.get(0))?)
}

#[test]
fn a_request_counts_once_whenever_its_record_comes() -> Outcome {
    let desk = ledger()?;
    request(&desk, 1_000)?;
    assert_eq!(used(&desk)?, 1_000, "settled");
    record(&desk, "a", 1_000)?;
    assert_eq!(used(&desk)?, 1_000, "recorded");
    record(&desk, "b", 1_000)?;
    assert_eq!(used(&desk)?, 2_000, "other usage of the source");
    request(&desk, 300)?;
    assert_eq!(used(&desk)?, 2_300, "settled after other usage");
    record_at(&desk, "c", 300, LATER)?;
    assert_eq!(used(&desk)?, 2_300, "recorded");
    // Instead of a deleted file: a retraction.
    let copy = Desk::empty()?;
    for name in ["tokenbook.db", "tokenbook.db.guard"] {
        copy.write(name, desk.read(name)?)?;
    }
    let later = Timestamp::parse(LATER)?;
    let span = RecordedSpan { source: &Name::new("gateway")?, from: later, to: later };
    Books::open(&copy.ledger())?
        .retract_recorded(span, "twice", act(LATER)?, &Silent)
        .map_err(|error| format!("{error:?}"))?;
    assert_eq!(used(&copy)?, 2_000, "300 were taken back");
    std::fs::remove_file(format!("{}.guard", desk.ledger().display()))?;
    request(&desk, 300)?;
    assert_eq!(used(&desk)?, 2_600, "the file was deleted, and 300 were granted since");
    record_at(&desk, "d", 300, LATER)?;
    assert_eq!(used(&desk)?, 2_600, "recorded");
    // A process takes 97 in advance and gives 47 back: what the ledger had more still counts.
    request(&desk, 50)?;
    assert_eq!(used(&desk)?, 2_650, "settled, and the rest given back");
    Ok(())
}

#[test]
fn what_is_settled_and_not_recorded_is_named() -> Outcome {
    let desk = ledger()?;
    request(&desk, 1_200)?;
    let missing = || -> Outcome<Vec<Vec<String>>> {
        let sheet = Books::read(&desk.ledger())?.missing_usage(Timestamp::parse(NOW)?)?;
        Ok(sheet.rows.iter().map(|row| row.iter().map(tokenbook::Cell::plain).collect()).collect())
    };
    let row = ["month", "", "2026-11-18", "gateway", "tokens", "1200", "0", "1200"];
    assert_eq!(missing()?, [row.map(str::to_owned).to_vec()]);
    record(&desk, "a", 900)?;
    assert_eq!(missing()?[0][5..], ["1200", "900", "300"]);
    record(&desk, "b", 300)?;
    assert_eq!(missing()?, [] as [Vec<String>; 0]);
    Ok(())
}

#[test]
fn a_guard_whose_file_was_deleted_says_so_until_it_is_opened_again() -> Outcome {
    let (desk, now) = (ledger()?, at(0)?);
    let caller = tags(&[("department", "d")])?;
    let running = guard(&desk, "one", now)?;
    assert!(parts(ask(&running, &caller, "m", 10, now)?).1.is_some());
    std::fs::remove_file(format!("{}.guard", desk.ledger().display()))?;
    let (reason, permit) = parts(ask(&running, &caller, "m", 50_000, now)?);
    assert_eq!((reason, permit.is_some()), (Some(tokenbook::Reason::Unavailable), false));
    let again = guard(&desk, "one", now)?;
    assert!(parts(ask(&again, &caller, "m", 50_000, now)?).1.is_some());
    // The old one does not count in the new file either.
    assert_eq!(parts(ask(&running, &caller, "m", 50_000, now)?).0, Some(tokenbook::Reason::Unavailable));
    Ok(())
}
