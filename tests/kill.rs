//! An import that is killed, interrupted or out of disk space is complete or absent, and can run again. Other long work
//! leaves no trace when it is interrupted.

use crate::desk::{Desk, Dice, Outcome, PRICES, Ran, more, text, usage};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const EVENTS: usize = 60_000;
const KILLS: u64 = 40;
/// A file with this many events is loaded with an exclusive lock and a rollback journal.
const LOAD_EVENTS: usize = 140_000;
const LOAD_KILLS: u64 = 16;

/// The result of a clean import of the file.
struct Clean {
    file: PathBuf,
    prices: PathBuf,
    chargeback: String,
    events: usize,
    /// Its duration.
    length: Duration,
    desk: Desk,
}

fn clean(events: usize) -> Outcome<Clean> {
    let desk = Desk::new()?;
    let file = desk.write("u.csv", usage(0, events))?;
    let prices = desk.write("prices.csv", PRICES)?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    let start = Instant::now();
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let length = start.elapsed();
    let chargeback = desk.chargeback()?;
    Ok(Clean { file, prices, chargeback, events, length, desk })
}

/// The conditions after any end of an import: all or nothing, proven, repeatable, with nothing left behind.
fn holds(desk: &Desk, clean: &Clean, what: &str) -> Outcome<bool> {
    let check = || -> Outcome<bool> {
        desk.run(&["verify", "--deep"])?.ends(0)?;
        let whole = match desk.events()? {
            0 => false,
            events if events == i64::try_from(clean.events)? => true,
            events => return Err(format!("{events} events").into()),
        };
        desk.run(&["import", text(&clean.file)?])?.ends(0)?;
        assert_eq!(desk.chargeback()?, clean.chargeback);
        desk.run(&["verify"])?.ends(0)?;
        let known = ["tokenbook.db", "tokenbook.db-shm", "tokenbook.db-wal"];
        let left: Vec<String> = desk.names(".")?.into_iter().filter(|name| !known.contains(&name.as_str())).collect();
        assert_eq!(left, Vec::<String>::new(), "files were left");
        Ok(whole)
    };
    check().map_err(|error| format!("{what}: {error}").into())
}

fn fresh(clean: &Clean) -> Outcome<Desk> {
    let desk = Desk::new()?;
    desk.run(&["prices", "import", text(&clean.prices)?])?.ends(0)?;
    Ok(desk)
}

#[test]
fn an_import_killed_at_any_time_is_there_whole_or_not_at_all() -> Outcome {
    killed(&clean(EVENTS)?, more(KILLS)?)
}

#[test]
fn a_load_killed_at_any_time_is_there_whole_or_not_at_all() -> Outcome {
    killed(&clean(LOAD_EVENTS)?, more(LOAD_KILLS)?)
}

fn killed(clean: &Clean, kills: u64) -> Outcome {
    let mut dice = Dice::new(9);
    let (mut killed, mut whole) = (0, 0);
    // Slightly longer than a clean import. It becomes shorter if one ends in less.
    let mut length = clean.length * 11 / 10;
    for round in 0..kills {
        let desk = fresh(clean)?;
        let mut command = desk.command(&["import", text(&clean.file)?]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // One point in each of equally many parts of that time, in no order.
        let (part, micros) = (round * 37 % kills, u64::try_from(length.as_micros())?);
        let moment = Duration::from_micros(micros * part / kills + dice.below(micros / kills + 1));
        let start = Instant::now();
        while start.elapsed() < moment {
            if child.try_wait()?.is_some() {
                length = length.min(start.elapsed() * 11 / 10);
                break;
            }
            std::thread::yield_now();
        }
        child.kill()?;
        killed += u64::from(child.wait()?.signal() == Some(9));
        whole += u64::from(holds(&desk, clean, &format!("killed after {moment:?}"))?);
    }
    assert!(killed > kills / 2, "only {killed} were killed in time: {whole} were whole");
    Ok(())
}

#[test]
fn a_load_lets_readers_wait_and_waits_for_none() -> Outcome {
    let clean = clean(LOAD_EVENTS)?;
    let desk = fresh(&clean)?;
    let alone = desk.database()?;
    alone.query_row("PRAGMA journal_mode = TRUNCATE", [], |_| Ok(()))?;
    alone.execute_batch("BEGIN EXCLUSIVE")?;
    let mut command = desk.command(&["report", "summary", "--period", "2026-10"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // By the time reports of another ledger have answered often, this one has met the lock.
    for _ in 0..5 {
        clean.desk.chargeback()?;
    }
    assert!(child.try_wait()?.is_none(), "it did not wait");
    alone.execute_batch("ROLLBACK")?;
    Ran::of(child.wait_with_output()?)?.ends(0)?;
    drop(alone);

    // A process that has the ledger open prevents the exclusive lock. The file is loaded anyway.
    let reader = desk.database()?;
    reader.execute_batch("PRAGMA journal_mode = WAL; BEGIN")?;
    let events = |reader: &rusqlite::Connection| reader.query_row("SELECT count(*) FROM usage_event", [], |r| r.get(0));
    assert_eq!(events(&reader), Ok(0));
    desk.run(&["import", text(&clean.file)?])?.ends(0)?;
    assert_eq!(events(&reader), Ok(0), "what a reader sees changed");
    drop(reader);
    assert!(holds(&desk, &clean, "read meanwhile")?);
    Ok(())
}

const SIGNALS: [(&str, u32, i32); 2] = [("INT", 2, 130), ("TERM", 15, 143)];

/// Sends a signal to a command that waits for a lock on the ledger, then releases the lock.
fn interrupted(desk: &Desk, arguments: &[&str], lock: &str, (name, signal, code): (&str, u32, i32)) -> Outcome<Ran> {
    // The lock keeps the command from ending before the signal arrives.
    let database = desk.database()?;
    database.execute_batch(lock)?;
    let mut command = desk.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ready = format!("/proc/{}/status", child.id());
    let start = Instant::now();
    // The status shows whether the command catches the signal, so the test knows when its handlers are set.
    while !catches(&ready, signal) && start.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status()?;
    assert!(sent.success());
    database.execute_batch("ROLLBACK")?;
    Ran::of(child.wait_with_output()?)?.ends(code)
}

#[test]
fn an_interrupted_import_rolls_back() -> Outcome {
    let clean = clean(EVENTS)?;
    for signal in SIGNALS {
        let desk = fresh(&clean)?;
        interrupted(&desk, &["import", text(&clean.file)?], "BEGIN IMMEDIATE", signal)?
            .says("error[stopped]: stopped\nhint: ")?;
        assert_eq!(desk.events()?, 0);
        holds(&desk, &clean, signal.0)?;
    }
    Ok(())
}

#[test]
fn other_long_work_that_is_interrupted_leaves_no_trace() -> Outcome {
    let clean = clean(EVENTS)?;
    let desk = fresh(&clean)?;
    desk.run(&["import", text(&clean.file)?])?.ends(0)?;
    // A rebuild would repair this, and so show that it ran.
    desk.database()?.execute_batch("UPDATE usage_daily SET output = 7")?;
    let sums = "SELECT sum(output) FROM usage_daily";
    let (head, wrong) = (desk.head()?, desk.count(sums)?);
    // Readers wait only for an exclusive lock on the file.
    let alone = "PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE";
    let month =
        ["month-end", "2026-10", "--usage", text(&clean.file)?, "--prices", text(&clean.prices)?, "--out", "out"];
    let work: [(&[&str], &str); 3] =
        [(&["rebuild"], "BEGIN IMMEDIATE"), (&["backup", "copy.db"], alone), (&month, "BEGIN IMMEDIATE")];
    for (arguments, lock) in work {
        for signal in SIGNALS {
            interrupted(&desk, arguments, lock, signal)?.says("error[stopped]: stopped\nhint: ")?;
            assert_eq!((desk.head()?, desk.count(sums)?), (head.clone(), wrong), "{arguments:?}");
            let known = ["tokenbook.db", "tokenbook.db-shm", "tokenbook.db-wal"];
            let left = desk.names(".")?.into_iter().filter(|name| !known.contains(&name.as_str()));
            assert_eq!(left.collect::<Vec<String>>(), Vec::<String>::new(), "{arguments:?} left files");
        }
    }
    desk.run(&["rebuild"])?.ends(0)?;
    desk.run(&["verify", "--deep"])?.ends(0)?;
    Ok(())
}

/// Whether a process catches a signal, if the system reports it; otherwise the test assumes that it does.
fn catches(status: &str, signal: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(status) else { return !std::path::Path::new("/proc/self").exists() };
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[test]
fn a_hundred_thousand_threads_are_as_many_as_a_machine_can_use() -> Outcome {
    let desk = Desk::new()?;
    let threads = desk.command(&["verify"]).env("RAYON_NUM_THREADS", "100000").output()?;
    Ran::of(threads)?.ends(0)?.says("verified: 1 entry")?;
    Ok(())
}

/// Runs a line of shell in the desk's folder, with the command as `$0`.
fn shell(desk: &Desk, line: &str) -> Outcome<Ran> {
    let mut command = Command::new("sh");
    command.args(["-c", line, env!("CARGO_BIN_EXE_tokenbook")]).current_dir(desk.path("."));
    command.env_remove("TOKENBOOK_LEDGER").stdin(Stdio::null());
    Ran::of(command.output()?)
}

#[test]
fn a_file_size_limit_is_an_error_and_not_the_end() -> Outcome {
    let clean = clean(EVENTS)?;
    for blocks in [250, 500, 1_000, 2_000, 4_000] {
        let desk = fresh(&clean)?;
        let line = format!("ulimit -f {blocks} && exec \"$0\" import '{}'", text(&clean.file)?);
        shell(&desk, &line)?.ends(8)?.says("error[")?.says(" space")?;
        assert!(!holds(&desk, &clean, &format!("{blocks} blocks"))?);
    }
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn an_import_that_memory_is_too_short_for_is_there_whole_or_not_at_all() -> Outcome {
    let clean = clean(EVENTS)?;
    let mut ended = 0;
    for kibibytes in [40_000, 60_000, 80_000, 120_000] {
        let desk = fresh(&clean)?;
        // The allocator ends the process, with words of its own.
        let line = format!("ulimit -v {kibibytes} && exec \"$0\" import '{}'", text(&clean.file)?);
        let is_done = shell(&desk, &line)?.code == Some(0);
        ended += usize::from(!is_done);
        let is_whole = holds(&desk, &clean, &format!("{kibibytes} KiB"))?;
        assert!(is_whole || !is_done, "{kibibytes} KiB: what was reported as done is lost");
    }
    assert!(ended > 0, "every limit was enough: the trials say little");
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_an_error() -> Outcome {
    let clean = clean(EVENTS)?;
    let desk = fresh(&clean)?;
    desk.run(&["import", text(&clean.file)?])?.ends(0)?;
    for command in ["report chargeback --period 2026-10", "verify", "prices list", "man", "completions bash", "--help"]
    {
        let ran = shell(&desk, &format!("exec \"$0\" {command} > /dev/full"))?;
        assert_eq!(ran.code, Some(8), "{command}: {ran:?}");
    }
    Ok(())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() -> Outcome {
    let clean = clean(EVENTS)?;
    let desk = fresh(&clean)?;
    desk.run(&["import", text(&clean.file)?])?.ends(0)?;
    for command in ["report chargeback --period 2026-10 --by day,department,model", "man", "completions zsh"] {
        // `true` reads nothing. The reader is gone before the first byte is written.
        let line = format!(
            "{{ while [ ! -e gone ]; do :; done; \"$0\" {command}; echo $? > code; }} | {{ exec 0<&-; : > gone; }}; cat code"
        );
        let ran = shell(&desk, &line)?;
        assert_eq!(ran.out.trim(), "0", "{command}: {ran:?}");
        std::fs::remove_file(desk.path("gone"))?;
    }
    Ok(())
}
