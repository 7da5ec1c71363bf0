//! The guard file: another file with its name is refused and not touched.

use super::deliver::{JSON, Receiver, TAKEN, at, deliver, raised, variables};
use crate::desk::{Desk, Outcome};
use tokenbook::control::span::Seconds;
use tokenbook::domain::number::EntryId;
use tokenbook::guard::file::GuardFile;
use tokenbook::guard::file::decide::Moment;
use tokenbook::guard::file::posted::{Posted, Seen};
use tokenbook::{Books, Calendar, Timestamp};

#[test]
fn a_file_that_is_no_guard_file_is_not_touched() -> Outcome {
    let receiver = Receiver::saying(TAKEN)?;
    let desk = raised(JSON, receiver.port)?;
    let guard = format!("{}.guard", desk.ledger().display());
    let other = Desk::new()?;
    for (bytes, says) in [
        (b"notes of mine".to_vec(), "is too short to be a database"),
        (std::fs::read(other.ledger())?, "another program made it"),
    ] {
        std::fs::write(&guard, &bytes)?;
        let error =
            Books::read(&desk.ledger())?.deliver(&variables(receiver.port), at(1)?).err().ok_or("it was taken")?;
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(std::fs::read(&guard)?, bytes);
    }
    std::fs::remove_file(&guard)?;
    assert_eq!(deliver(&desk, &variables(receiver.port), 1)?.sent, 2);
    // Beside another ledger it is refused.
    std::fs::copy(&guard, format!("{}.guard", other.ledger().display()))?;
    let error = Books::read(&other.ledger())?.undelivered(at(1)?).err().ok_or("it was taken")?;
    assert!(error.to_string().contains("belongs to another ledger"), "{error}");
    Ok(())
}

#[test]
fn a_state_of_the_ledger_that_is_older_than_what_is_known_changes_nothing() -> Outcome {
    let desk = Desk::new()?;
    let limits = "document = \"limits/1\"\nfrom = \"2026-01-01\"\n\
        admission = { unpriced = \"allow\", unknown_department = \"allow\", on_failure = \"refuse\", output_unknown = 1 }\n\
        budget = [{ name = \"month\", per = \"month\", tokens = 9, enforce = \"block\", alert = [] }]\n";
    let policy = tokenbook::control::policy::read::policy(limits).map_err(|problems| format!("{problems:?}"))?.policy;
    let limits = tokenbook::control::enforced::enforced(&policy);
    let now = Timestamp::parse("2026-11-18T10:00:00Z")?;
    let calendar = Calendar::of_zone("UTC")?;
    let moment = Moment { now, calendar, settled_for: Seconds::new(0), source: "", holder: None };
    let day = calendar.day_of(now);
    let mut file = GuardFile::open(&desk.ledger(), [7; 32], now)?;
    let state = |head: i64| Seen { head: EntryId::new(head), hash: vec![0; 32], policy: EntryId::new(2) };
    let mut post = |units: i64, state: &Seen, before: &Seen| -> Outcome<(i64, Seen)> {
        let posted = [Posted { limit: &limits[0], value: "", day, source: "s", units }];
        file.post(&posted, state, before, day, &moment)?;
        let connection = rusqlite::Connection::open(format!("{}.guard", desk.ledger().display()))?;
        Ok((connection.query_row("SELECT posted FROM cell", [], |row| row.get(0))?, file.seen()?))
    };
    let nothing = Seen { head: EntryId::NONE, hash: Vec::new(), policy: EntryId::NONE };
    assert_eq!(post(1_000, &state(5), &nothing)?, (1_000, state(5)));
    // It was read before another process posted the newer state.
    assert_eq!(post(10, &state(4), &nothing)?, (1_000, state(5)));
    // The ledger itself went back: a backup was restored.
    assert_eq!(post(10, &state(4), &state(5))?, (10, state(4)));
    Ok(())
}
