//! Generates every change of a row from the schema, makes it before a command, and undoes it after the command. No
//! digest shows such a change afterwards. So the command must do the same as on the honest ledger, or be refused, and
//! no later report may show anything else.

use super::generated::{Case, billed, cases, change, reports};
use super::{HEADER, bucket, furnished, tables};
use crate::desk::{Desk, Outcome};
use rayon::prelude::*;

/// One in this many changes is tried, each with the next command.
const STEP: usize = 11;

/// The rows of each report; `None` if it is refused.
type Reports = Vec<Option<String>>;

/// A command on the honest ledger.
struct Act {
    command: Vec<String>,
    code: Option<i32>,
    after: Reports,
}

/// Writes the files that commands read.
fn write_files(desk: &Desk) -> Outcome {
    let rows = "n1,2026-11-05T10:00:00Z,m,Legal,3,4\nn2,2026-10-09T10:00:00Z,m,Engineering,5,6\n";
    desk.write("new.csv", format!("{HEADER}\n{rows}"))?;
    desk.write("bucket.jsonl", bucket(700))?;
    desk.write("more.csv", "model,meter,currency,price,valid_from\nm,input,USD,7,2026-10-03T12:00:00Z\n")?;
    Ok(())
}

fn acts(desk: &Desk, original: &[u8]) -> Outcome<Vec<Act>> {
    let b = desk.count("SELECT entry FROM import WHERE file LIKE '%b.csv'")?.to_string();
    let commands: [&[&str]; 4] = [
        &["import", "new.csv"],
        &["import", "bucket.jsonl"],
        &["imports", "retract", &b, "--reason", "a test"],
        &["prices", "import", "more.csv"],
    ];
    let act = |command: &&[&str]| -> Outcome<Act> {
        let copy = Desk::empty()?;
        copy.write("tokenbook.db", original)?;
        write_files(&copy)?;
        let ran = copy.run(command)?;
        assert!(matches!(ran.code, Some(0 | 4)), "{command:?}: {ran:?}");
        let after = reports(&copy.ledger())?;
        assert!(after.iter().all(Option::is_some), "{command:?}: {after:?}");
        Ok(Act { command: command.iter().map(|word| (*word).to_owned()).collect(), code: ran.code, after })
    };
    commands.iter().map(act).collect()
}

/// What a command did wrong between a change and its undoing; `None` if it did right, or if the change cannot be
/// undone.
fn sandwiched(original: &[u8], case: &Case, act: &Act, before: &Reports) -> Outcome<Option<(bool, Option<String>)>> {
    let Some((undo, values)) = &case.undo else { return Ok(None) };
    let copy = Desk::empty()?;
    let path = copy.write("tokenbook.db", original)?;
    write_files(&copy)?;
    if !change(&path, &case.table, (&case.sql, &case.values))? {
        return Ok(None);
    }
    let command: Vec<&str> = act.command.iter().map(String::as_str).collect();
    let ran = copy.run(&command)?;
    // If the command overwrote the row, the change stays. The test of lasting changes covers that.
    if !change(&path, &case.table, (undo, values))? {
        return Ok(None);
    }
    let is_refused = ran.code == Some(7);
    let known = if is_refused { before } else { &act.after };
    let wrong = if !is_refused && ran.code != act.code {
        Some(format!("{ran:?}"))
    } else {
        billed(&path, std::slice::from_ref(known))?.map(|rows| format!("{:?}: {rows}", ran.code))
    };
    Ok(Some((is_refused, wrong.map(|wrong| format!("{} {:?}, then {command:?}: {wrong}", case.sql, case.values)))))
}

#[test]
fn no_command_is_led_astray_by_a_change_that_is_taken_back() -> Outcome {
    let desk = furnished()?;
    desk.database()?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let (database, original) = (desk.database()?, desk.read("tokenbook.db")?);
    let (before, acts) = (reports(&desk.ledger())?, acts(&desk, &original)?);
    let mut all = Vec::new();
    for table in tables(&database)? {
        all.extend(cases(&database, &table)?);
    }
    let chosen: Vec<(usize, &Case)> = all.iter().step_by(STEP).enumerate().collect();
    let tried = |(number, case): &(usize, &Case)| {
        let act = &acts[number % acts.len()];
        sandwiched(&original, case, act, &before).map_err(|error| format!("{}: {error}", case.sql))
    };
    let tried: Vec<Option<(bool, Option<String>)>> = chosen.par_iter().map(tried).collect::<Result<_, String>>()?;
    let tried: Vec<(bool, Option<String>)> = tried.into_iter().flatten().collect();
    let refused = tried.iter().filter(|(is_refused, _)| *is_refused).count();
    assert!(tried.len() > 300 && refused > 100, "{} tried, {refused} refused: the trials say little", tried.len());
    let wrong: Vec<String> = tried.into_iter().filter_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
