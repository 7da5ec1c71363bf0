//! The commands as users see them, one file for each command, as in `src/cli`. These tests check what is printed,
//! written and returned. The tests outside this folder check the contents of imports and ledgers.

mod aliases;
mod departments;
mod explain;
mod import;
mod imports;
mod init;
mod month_end;
mod month_folder;
mod prices;
mod quarantine;
mod recompute;
mod report;
mod rules;
mod verify;

use crate::desk::{Desk, Outcome, fixture};

/// Compares a text with a file of `fixtures/reports`. `UPDATE_GOLDEN=1` writes the file; read the difference.
fn golden(name: &str, found: &str) -> Outcome {
    let path = fixture("reports").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(fixture("reports"))?;
        std::fs::write(&path, found)?;
    }
    let expected = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if found == expected {
        return Ok(());
    }
    Err(format!("{} differs (UPDATE_GOLDEN=1 writes it anew), found:\n{found}", path.display()).into())
}

#[test]
fn every_command_explains_itself() -> Outcome {
    let desk = Desk::empty()?;
    let help = desk.print(&["--help"])?;
    let commands = [
        "init",
        "import",
        "formats",
        "maps",
        "quarantine",
        "prices",
        "aliases",
        "rules",
        "departments",
        "costs",
        "report",
        "explain",
        "month-end",
        "verify",
        "rebuild",
        "backup",
        "completions",
        "man",
    ];
    for command in commands {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
        desk.run(&[command, "--help"])?.ends(0)?.says("Usage: tokenbook")?;
    }
    desk.run(&["man"])?.ends(0)?.says(".TH tokenbook")?;
    desk.run(&["completions", "bash"])?.ends(0)?.says("_tokenbook")?;
    desk.run(&["--version"])?.ends(0)?.says(concat!("tokenbook ", env!("CARGO_PKG_VERSION")))?;
    assert_eq!(desk.names(".")?, Vec::<String>::new(), "asking for help makes no file");
    Ok(())
}

#[test]
fn a_wrong_command_line_is_named_and_ends_with_2() -> Outcome {
    let desk = Desk::new()?;
    let cases: [(&[&str], &str); 12] = [
        (&[], "Usage: tokenbook"),
        (&["importt"], "unrecognized subcommand 'importt'"),
        (&["import"], "required arguments were not provided"),
        (&["import", "--quarantine=x", "f"], "invalid value 'x'"),
        (&["import", "--format", "xml", "f"], "[possible values: auto, jsonl, "),
        (&["import", "--source", "a ", "tokenbook.db"], "--source \"a \" starts or ends with white space"),
        (&["report", "chargeback"], "--period <PERIOD>"),
        (&["report", "nothing", "--period", "2026-10"], "[possible values: "),
        (&["report", "roi", "--period", "2026-10"], "name it with --roi FILE"),
        (&["report", "savings", "--period", "2026-10"], "name it with --offers FILE"),
        (&["report", "chargeback", "--period", "2026-13"], "--period \"2026-13\" "),
        (
            &["report", "chargeback", "--period", "2026-10", "--by", "colour"],
            "\"colour\" is not a dimension, expected department",
        ),
    ];
    for (arguments, says) in cases {
        desk.run(arguments)?.ends(2)?.says(says)?;
    }
    Ok(())
}
