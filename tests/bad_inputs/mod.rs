//! Every bad input of the catalogue as a row of one table: the input, the exit code, and the message.
//!
//! Inputs listed as accepted are accepted on purpose. A usage file is also imported compressed, and a rejected input
//! leaves the ledger unchanged. `docs/ERRORS.md` is the output of running the table. `UPDATE_GOLDEN=1` writes it; read
//! the difference.
#![cfg(unix)]

mod accepted;
mod books;
mod case;
mod catalogue;
mod files;
mod page;
mod price_lists;
mod refused;

use crate::desk::{Desk, Outcome, Ran, gzip};
use case::{After, Case, Packed, Row};
use catalogue::CATALOGUE;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use tokenbook::Code;

/// The whole table, in the order of the numbers.
fn table() -> Outcome<Vec<Row>> {
    let mut cases: Vec<Case> = Vec::new();
    cases.extend(refused::bytes_and_framing());
    cases.extend(refused::json_structure());
    cases.extend(refused::numbers());
    cases.extend(refused::times());
    cases.extend(refused::names());
    cases.extend(refused::csv_shape());
    cases.extend(accepted::accepted());
    cases.extend(accepted::ended());
    cases.extend(price_lists::refused_prices());
    cases.extend(files::archives()?);
    cases.extend(files::paths());
    cases.extend(books::again());
    cases.extend(books::prices());
    cases.extend(books::replaced_prices());
    cases.extend(books::settings());
    cases.extend(books::limits());
    let mut rows: Vec<Row> = cases.into_iter().map(Row::Case).collect();
    rows.extend(books::elsewhere());
    rows.sort_by_key(Row::number);
    Ok(rows)
}

/// Runs a case's commands at a desk, where `tokenbook` is the real command.
fn run(desk: &Desk, case: &Case, commands: &str) -> Outcome<Ran> {
    let program = Path::new(env!("CARGO_BIN_EXE_tokenbook"));
    let folder = program.parent().ok_or("the command stands in no folder")?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH")?);
    let output = Command::new("sh")
        .args(["-c", commands])
        .current_dir(desk.path("."))
        .stdin(Stdio::null())
        .env_remove("TOKENBOOK_LEDGER")
        .envs([("PATH", path.as_str()), ("TOKENBOOK_ACTOR", "tester"), ("NO_COLOR", "1")])
        .output()
        .map_err(|error| format!("{}: {error}", case.number))?;
    Ran::of(output)
}

/// The difference to the expected result; `None` if there is none.
fn judge(desk: &Desk, before: &[u8], case: &Case, says: &str, ran: &Ran) -> Outcome<Option<String>> {
    let (head, events) = (desk.head()?, desk.events()?);
    let ledger = match case.after {
        After::Untouched => head == before && events == 0,
        After::Holds => events > 0 && desk.run(&["verify"])?.code == Some(0),
        After::Verifies => desk.run(&["verify"])?.code == Some(0),
    };
    let said = ran.err.contains(says) || ran.out.contains(says);
    // A command that is done, with or without doubts, has no error; another one has an error with the same exit code.
    let of_error = ran.error_code().map(|code| Code::named(code).map_or(-1, |explained| explained.exit.code().into()));
    let coded = of_error == Some(case.exit).filter(|exit| !matches!(exit, 0 | 4));
    if ledger && said && coded && ran.code == Some(case.exit) {
        return Ok(None);
    }
    let heard: String = format!("{}{}", ran.err, ran.out).chars().take(600).collect();
    let wrong = format!("{}: {}", case.number, case.commands);
    Ok(Some(format!(
        "{wrong}\n  ledger as it must be: {ledger}, exit code {:?}, as its error has: {coded}\n  expected {} {says}\n  found {heard}",
        ran.code, case.exit
    )))
}

#[test]
fn every_bad_input_ends_as_the_table_says_and_the_page_of_errors_is_current() -> Outcome {
    let rows = table()?;
    // A case that leaves no trace needs no ledger of its own.
    let shared = Desk::new()?;
    let before = shared.head()?;
    let (mut wrong, mut page) = (Vec::new(), page::Page::new());
    for row in &rows {
        let Row::Case(case) = row else {
            page.add(row, None);
            continue;
        };
        let own;
        let desk = if case.after == After::Untouched && !case.commands.contains(';') {
            &shared
        } else {
            own = Desk::new()?;
            &own
        };
        for (name, bytes) in &case.files {
            desk.write(name, bytes)?;
        }
        let ran = run(desk, case, &case.commands)?;
        wrong.extend(judge(desk, &desk_head(desk, &shared, &before)?, case, &case.says, &ran)?);
        page.add(row, Some(&ran));
        if case.packed == Packed::Too {
            wrong.extend(packed(case, &before, &shared)?);
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    page.is_current()
}

/// The expected head of an untouched ledger: of the shared desk, or of a new one.
fn desk_head(desk: &Desk, shared: &Desk, before: &[u8]) -> Outcome<Vec<u8>> {
    if std::ptr::eq(desk, shared) { Ok(before.to_vec()) } else { desk.head() }
}

/// The same file compressed.
fn packed(case: &Case, before: &[u8], shared: &Desk) -> Outcome<Option<String>> {
    let own;
    let desk = if case.after == After::Untouched {
        shared
    } else {
        own = Desk::new()?;
        &own
    };
    let [(name, bytes)] = case.files.as_slice() else { return Err("one file is packed".into()) };
    let file = format!("{name}.gz");
    desk.write(&file, gzip(bytes)?)?;
    let ran = run(desk, case, &case.commands.replace(name, &file))?;
    judge(desk, before, case, &case.says.replace(name, &file), &ran)
}

#[test]
fn no_number_of_the_catalogue_is_forgotten() -> Outcome {
    let rows = table()?;
    let numbers: Vec<u32> = CATALOGUE.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=127).collect::<Vec<u32>>());
    let known: BTreeSet<u32> = rows.iter().map(Row::number).collect();
    let forgotten: Vec<u32> = numbers.into_iter().filter(|number| !known.contains(number)).collect();
    assert_eq!(forgotten, Vec::<u32>::new());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let decisions = std::fs::read_to_string(root.join("docs/DECISIONS.md"))?;
    for row in &rows {
        match row {
            Row::Case(_) => {}
            Row::Tested(number, file, test) => {
                let source = std::fs::read_to_string(root.join(file))?;
                assert!(source.contains(&format!("fn {test}(")), "{number}: {file} has no {test}");
            }
            Row::Absent(number, why) => {
                assert!(decisions.contains(&format!("| {number} | {why}")), "{number}: no reason in DECISIONS.md");
            }
        }
    }
    Ok(())
}
