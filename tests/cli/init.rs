//! `tokenbook init`: a new ledger and its settings.

use crate::desk::{Desk, Outcome};

#[test]
fn a_ledger_says_what_is_fixed_from_then_on() -> Outcome {
    let desk = Desk::empty()?;
    let init = ["init", "--currency", "JPY", "--time-zone", "Asia/Tokyo", "--book", "agreed"];
    desk.run(&init)?
        .ends(0)?
        .says("./tokenbook.db: a new ledger in JPY, days of Asia/Tokyo, prices from the book agreed")?
        .says("ledger head: 1 ")?;
    assert_eq!(desk.names(".")?.iter().filter(|name| name.starts_with('.')).count(), 0);
    desk.run(&["verify"])?.ends(0)?.says("verified: 1 entry, 0 batches, 0 events")?;
    Ok(())
}

#[test]
fn a_setting_that_is_none_makes_no_ledger() -> Outcome {
    let desk = Desk::empty()?;
    let cases = [
        ("--currency", "usd", "--currency \"usd\" is not a currency code of ISO 4217"),
        ("--currency", "XAU", "--currency \"XAU\" is not a currency code"),
        ("--time-zone", "CEST", "--time-zone \"CEST\" "),
        ("--time-zone", "+02:00", "--time-zone \"+02:00\" "),
        ("--book", "", "--book \"\" is empty"),
    ];
    for (option, value, says) in cases {
        desk.run(&["init", option, value])?.ends(2)?.says(says)?;
        assert!(!desk.ledger().exists(), "{option} {value}");
    }
    desk.run(&["--ledger", "no/such/folder.db", "init"])?
        .ends(8)?
        .says("error[folder-missing]: no/such: ")?
        .says("hint: check the path, or make the folder first")?;
    Ok(())
}

#[test]
fn the_environment_names_the_ledger_and_the_actor() -> Outcome {
    let desk = Desk::empty()?;
    let mut command = desk.command(&["init"]);
    command.env("TOKENBOOK_LEDGER", "other.db").env("TOKENBOOK_ACTOR", "ada");
    assert!(command.output()?.status.success());
    let database = rusqlite::Connection::open(desk.path("other.db"))?;
    let actor: String = database.query_row("SELECT actor FROM entry", [], |row| row.get(0))?;
    assert_eq!(actor, "ada");
    Ok(())
}
