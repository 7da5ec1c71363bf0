//! A ledger has one name. With several names it would have several write-ahead logs, and imports under one name would
//! be lost.

use crate::desk::{Desk, Outcome, PRICES, usage};
use tokenbook::books::Books;
use tokenbook::ledger::LedgerError;

/// Commands that read and commands that write.
const COMMANDS: [&[&str]; 7] = [
    &["import", "u.csv"],
    &["prices", "import", "prices.csv"],
    &["report", "chargeback", "--period", "2026-10"],
    &["verify"],
    &["rebuild"],
    &["backup", "copy.db"],
    &["month-end", "2026-10", "--usage", "u.csv", "--prices", "prices.csv", "--out", "out"],
];

/// A ledger in which an import was killed. Its committed data is in the log beside the file, not in the file.
fn with_a_log() -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 9))?;
    desk.write("prices.csv", PRICES)?;
    let connection = desk.database()?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    Ok(desk)
}

#[test]
fn a_ledger_with_two_names_is_refused_under_both() -> Outcome {
    let desk = with_a_log()?;
    std::fs::hard_link(desk.ledger(), desk.path("other.db"))?;
    let (before, names) = (desk.read("tokenbook.db")?, desk.names(".")?);
    for name in ["tokenbook.db", "other.db"] {
        for command in COMMANDS {
            let ran = desk.run(&[&["--ledger", name], command].concat())?;
            ran.ends(9)?.says(&format!("{name}: has 2 names (hard links), expected one"))?.says("hint: ")?;
        }
    }
    assert_eq!(desk.read("tokenbook.db")?, before);
    let left: Vec<String> = desk.names(".")?.into_iter().filter(|name| !names.contains(name)).collect();
    assert!(left.is_empty(), "{left:?}");
    std::fs::remove_file(desk.path("other.db"))?;
    for command in COMMANDS {
        desk.run(command)?.ends(0)?;
    }
    assert_eq!(desk.events()?, 9);
    Ok(())
}

#[test]
fn a_process_opens_a_ledger_under_one_name_only() -> Outcome {
    let desk = with_a_log()?;
    let books = Books::open(&desk.ledger())?;
    // A link or a name that appeared after the file was opened.
    std::fs::hard_link(desk.ledger(), desk.path("linked.db"))?;
    for open in [Books::open, Books::read] {
        let opened = open(&desk.path("linked.db"));
        assert!(matches!(opened, Err(LedgerError::OpenAs { .. })), "{opened:?}");
    }
    Books::read(&desk.ledger())?.head()?;
    std::fs::remove_file(desk.path("linked.db"))?;
    std::fs::rename(desk.ledger(), desk.path("moved.db"))?;
    let opened = Books::read(&desk.path("moved.db"));
    assert!(matches!(opened, Err(LedgerError::OpenAs { .. })), "{opened:?}");
    // Another file under the open name is another file, and is checked.
    std::fs::write(desk.ledger(), "no ledger".repeat(100))?;
    let opened = Books::read(&desk.ledger());
    assert!(matches!(opened, Err(LedgerError::NotALedger { .. })), "{opened:?}");
    drop(books);
    std::fs::remove_file(desk.ledger())?;
    std::fs::rename(desk.path("moved.db"), desk.ledger())?;
    Books::open(&desk.ledger())?.head()?;
    Ok(())
}

#[test]
fn a_symbolic_link_is_the_same_name() -> Outcome {
    let desk = with_a_log()?;
    std::os::unix::fs::symlink(desk.ledger(), desk.path("link.db"))?;
    let books = Books::open(&desk.ledger())?;
    assert_eq!(Books::read(&desk.path("link.db"))?.head()?, books.head()?);
    Ok(())
}

#[test]
fn a_new_ledger_and_a_copy_have_one_name() -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let desk = with_a_log()?;
    desk.run(&["backup", "copy.db"])?.ends(0)?;
    for name in ["tokenbook.db", "copy.db"] {
        assert_eq!(std::fs::metadata(desk.path(name))?.nlink(), 1, "{name}");
    }
    desk.run(&["--ledger", "copy.db", "verify"])?.ends(0)?;
    Ok(())
}
