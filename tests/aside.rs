//! Events that arrive a few at a time on days with many. They go into a separate half of the day, and everything that
//! holds within one half also holds across both.

use crate::desk::{Desk, Dice, HEADER, Outcome, PRICES, event, usage};
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::usage::import::{ImportError, ImportOptions, ImportOutcome};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::rows::key::KeyHash;

const LATE: &str = "SELECT count(*) FROM usage_event WHERE key & (1 << 46)";

fn import(books: &Books, desk: &Desk, text: &str) -> Outcome<Result<ImportOutcome, ImportError>> {
    let file = Input::File(desk.write("usage.csv", text)?);
    let act = Act { now: Timestamp::parse("2026-11-23T08:00:00Z")?, actor: "tester" };
    Ok(books.import(&file, &ImportOptions::plain(), act, &Silent))
}

/// The counts of new, known and other events of a file.
fn counts(outcome: Result<ImportOutcome, ImportError>) -> Outcome<(u64, u64)> {
    let outcome = outcome?;
    Ok((outcome.accepted, outcome.duplicates))
}

/// A ledger with a hundred events on each day of October.
fn full(key_hash: KeyHash) -> Outcome<(Desk, Books)> {
    let desk = Desk::new()?;
    desk.write("prices.csv", PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    let books = Books::open(&desk.ledger())?.with_key_hash(key_hash);
    assert_eq!(counts(import(&books, &desk, &usage(0, 3_100))?)?, (3_100, 0));
    assert_eq!(desk.count(LATE)?, 0);
    Ok((desk, books))
}

fn verified(books: &Books, events: u64) -> Outcome {
    let verified = books.verify(Depth::WithIntegrity, None, &Silent)?;
    assert_eq!((verified.findings, verified.events), (Vec::new(), events));
    Ok(())
}

fn reports(desk: &Desk) -> Outcome<String> {
    let by = "department,project,environment,provider,model,meter,day";
    let report = ["report", "chargeback", "--period", "2026-10", "--format", "csv", "--by", by];
    let (sums, events) = (desk.print(&report)?, desk.print(&[&report[..], &["--recompute"]].concat())?);
    assert_eq!(sums, events);
    Ok(sums)
}

const HASHES: [KeyHash; 2] = [KeyHash::FULL, KeyHash::narrowed(3)];

#[test]
fn few_events_of_full_days_stand_apart_and_are_found_again() -> Outcome {
    let (whole, books) = full(KeyHash::FULL)?;
    assert_eq!(counts(import(&books, &whole, &usage(3_100, 310))?)?, (310, 0));
    assert_eq!(whole.count(LATE)?, 0, "ten a day are too many to stand apart");
    drop(books);
    for key_hash in HASHES {
        let (desk, books) = full(key_hash)?;
        // One, two or three on each day. The last file also has known events of both halves.
        for (first, events, expected, late) in [
            (3_100, 31, (31, 0), 31),
            (3_115, 78, (62, 16), 93),
            (3_000, 195, (2, 193), 93),
            (3_090, 105, (0, 105), 93),
        ] {
            assert_eq!(counts(import(&books, &desk, &usage(first, events))?)?, expected, "from {first}");
            assert_eq!(desk.count(LATE)?, late, "from {first}");
        }
        // All events in a file with another order are known in both halves. Then the rest arrives at once.
        assert_eq!(counts(import(&books, &desk, &(usage(0, 3_195) + "\n"))?)?, (0, 3_195));
        assert_eq!(counts(import(&books, &desk, &usage(0, 3_410))?)?, (215, 3_195));
        verified(&books, 3_410)?;
        if key_hash == KeyHash::FULL {
            let found = desk.print(&["explain", "req_003100"])?;
            assert!(found.contains("req_003100") && found.contains("usage.csv"), "{found}");
            desk.run(&["verify", "--deep"])?.ends(0)?;
        }
        drop(books);
        assert_eq!(reports(&desk)?, reports(&whole)?);
        Books::open(&desk.ledger())?.with_key_hash(key_hash).rebuild(&Silent)?;
        assert_eq!(reports(&desk)?, reports(&whole)?);
    }
    Ok(())
}

/// An event with its day moved by this number of days.
fn moved(number: usize, days: usize) -> String {
    let day = |number: usize| format!("2026-10-{:02}T", number % 31 + 1);
    event(number, "Legal").replace(&day(number), &day(number + days))
}

#[test]
fn whatever_comes_an_id_counts_once() -> Outcome {
    let (mut known, mut refused, mut new) = (0, 0, 0);
    for seed in 0..8 {
        let mut dice = Dice::new(seed);
        let (desk, books) = full(HASHES[usize::from(seed % 2 == 1)])?;
        let mut events = 3_100;
        for _ in 0..25 {
            let (mut lines, mut fresh, mut there, mut wrong) = (String::new(), 0, 0, false);
            // Mostly few events, sometimes enough for the main half.
            let size = if dice.below(6) == 0 { 400 } else { 1 + dice.below(40) };
            for _ in 0..size {
                let number = usize::try_from(dice.below(events))?;
                let department = if number.is_multiple_of(3) { "Engineering" } else { "Legal" };
                match dice.below(if size == 400 { 2 } else { 60 }) {
                    59 => {
                        wrong = true;
                        lines += &event(number, department).replace(",m,", ",n,");
                    }
                    58 => {
                        wrong = true;
                        lines += &moved(number, 1 + usize::try_from(dice.below(2))? * 29);
                    }
                    roll if roll % 2 == 0 => {
                        there += 1;
                        lines += &event(number, department);
                    }
                    _ => {
                        let number = usize::try_from(events + fresh)?;
                        let department = if number.is_multiple_of(3) { "Engineering" } else { "Legal" };
                        fresh += 1;
                        lines += &event(number, department);
                    }
                }
            }
            let head = books.head()?;
            match import(&books, &desk, &format!("{HEADER}\n{lines}"))? {
                Ok(outcome) => {
                    assert!(!wrong, "seed {seed}: {lines}");
                    assert_eq!((outcome.accepted, outcome.duplicates), (fresh, there), "seed {seed}: {lines}");
                    events += fresh;
                    (new, known) = (new + fresh, known + there);
                }
                Err(ImportError::Conflicts { .. }) => {
                    assert!(wrong, "seed {seed}: {lines}");
                    assert_eq!(books.head()?, head);
                    refused += 1;
                }
                Err(other) => return Err(other.into()),
            }
        }
        verified(&books, events)?;
        assert!(desk.count(LATE)? > 20, "{}", desk.count(LATE)?);
        drop(books);
        let at_once = Desk::new()?;
        at_once.write("prices.csv", PRICES)?;
        at_once.run(&["prices", "import", "prices.csv"])?.ends(0)?;
        at_once.write("usage.csv", usage(0, usize::try_from(events)?))?;
        at_once.run(&["import", "usage.csv"])?.ends(0)?;
        assert_eq!(reports(&desk)?, reports(&at_once)?, "seed {seed}");
    }
    assert!(known > 1_000 && refused > 20 && new > 1_000, "{known}, {refused}, {new}");
    Ok(())
}

#[test]
fn an_id_in_both_halves_is_found_by_verify() -> Outcome {
    let (desk, books) = full(KeyHash::FULL)?;
    drop(books);
    let copy = "INSERT INTO usage_event SELECT key + (1 << 46), batch, class, input, \
                cache_read, cache_write, cache_write_1h, output, reasoning, at, line, id FROM usage_event LIMIT 1";
    desk.database()?.execute_batch(copy)?;
    desk.run(&["verify"])?.ends(7)?.says("is stored under 2026-10-01 twice")?;
    Ok(())
}
