//! Files that are not usage files: damaged archives, pipes, links, and unusual paths.

use super::case::{After, Case, case, script};
use crate::desk::{Desk, HEADER, Outcome, gzip, usage};

/// A zstd frame of one raw block that requests a window of 2 GiB.
const GREEDY_ZSTD: [u8; 14] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 41, 0, 0, b'h', b'e', b'l', b'l', b'o'];
const GOOD: &str = "e,2026-10-05T10:00:00Z,m,Legal,1,1";

/// Archives, whole and damaged.
pub(crate) fn archives() -> Outcome<Vec<Case>> {
    let good = gzip(usage(0, 2_000).as_bytes())?;
    let (middle, end) = (good.len() / 2, good.len());
    let mut wrong_sum = good.clone();
    wrong_sum[end - 6] ^= 1;
    let bomb = gzip(&vec![b' '; 80 << 20])?;
    let members = [gzip(format!("{HEADER}\n").as_bytes())?, gzip(format!("{GOOD}\n").as_bytes())?].concat();
    let plain = format!("{HEADER}\n{GOOD}\n");
    let refused = |number, bytes: Vec<u8>, shown: &str, says: &str| {
        case(number, "u.csv.gz", bytes, 3, says).shown(shown).unpacked()
    };
    Ok(vec![
        refused(95, good[..middle].to_vec(), "half of a gzip file", "u.csv.gz: "),
        refused(95, good[..end - 1].to_vec(), "a gzip file without its last byte", "u.csv.gz: "),
        refused(
            95,
            wrong_sum,
            "a gzip file whose checksum is another",
            "corrupt gzip stream does not have a matching checksum",
        ),
        refused(
            95,
            [&good[..], b"junk behind the end"].concat(),
            "a gzip file and text after it",
            "u.csv.gz: invalid gzip header",
        ),
        case(96, "u.csv.gz", members, 0, "1 accepted").shown("two gzip members one after the other").unpacked(),
        refused(97, bomb, "80 MB of spaces in 80 kB of gzip", "u.csv.gz: expands to more than 1,000 times its size"),
        case(97, "u.csv", plain.clone(), 3, "u.csv: contains more than the 40 bytes that --max-bytes allows")
            .with("--max-bytes 40"),
        case(98, "u.csv.gz", plain.clone(), 0, "warning: u.csv.gz: is not compressed, though its name says otherwise")
            .unpacked(),
        case(98, "u.csv", gzip(plain.as_bytes())?, 0, "warning: u.csv: is gzip, though its name says otherwise")
            .shown("a gzip file")
            .unpacked(),
        case(99, "u.csv.zst", GREEDY_ZSTD, 3, "u.csv.zst: Frame requires too much memory for decoding")
            .shown("a zstd frame with a window of 2 GiB")
            .unpacked(),
    ])
}

/// Paths of every kind.
pub(crate) fn paths() -> Vec<Case> {
    let usage = format!("{HEADER}\n{GOOD}\n");
    let other = usage.replace("e,2026", "f,2026");
    let (u, bad, last) = (("u.csv", usage.as_str()), ("v.csv", "a,b\n"), ("w.csv", other.as_str()));
    let say = |number, commands: &str, exit, says: &str| script(number, &[u], commands, exit, says).shown(commands);
    let not_regular = "is not a regular file, expected a file, a directory, or - for standard input";
    vec![
        script(10, &[("u.csv", "")], "tokenbook import u.csv --allow-empty", 0, "u.csv: the file contains no events"),
        say(100, "mkfifo fifo; tokenbook import fifo", 3, &format!("fifo: {not_regular}")),
        say(100, "tokenbook import /dev/zero", 3, &format!("/dev/zero: {not_regular}")),
        say(
            101,
            "ln -s u.csv link.csv; tokenbook import link.csv",
            3,
            "link.csv: is a symbolic link, expected a regular file (--follow follows",
        ),
        say(101, "ln -s u.csv link.csv; tokenbook import link.csv --follow", 0, "1 accepted"),
        say(102, "ln u.csv hard.csv; tokenbook import u.csv hard.csv ./u.csv", 0, "u.csv: 2 lines = 1 header"),
        say(103, "tokenbook import - <&-", 2, "standard input is closed or a device, expected a file or a pipe"),
        say(103, "tokenbook import - </dev/null", 2, "standard input is closed or a device, expected a file or a pipe"),
        say(103, "tokenbook import - <u.csv", 0, "-: 2 lines = 1 header"),
        say(104, "cp u.csv 'new\nline.csv'; tokenbook import new*", 0, "new\\nline.csv: 2 lines"),
        say(105, "tokenbook import tokenbook.db", 3, "tokenbook.db: is the ledger itself, expected a usage file"),
        say(
            105,
            "tokenbook report chargeback --period 2026-10 --output tokenbook.db",
            2,
            "tokenbook.db: is the ledger itself, expected another file",
        ),
        say(
            105,
            "tokenbook import u.csv --errors u.csv",
            2,
            "--errors u.csv: is a file that this command reads, expected another",
        ),
        say(105, "tokenbook import u.csv --errors tokenbook.db", 2, "is the ledger itself, expected another file"),
        say(106, "tokenbook import missing.csv", 3, "missing.csv: No such file or directory"),
        say(106, "tokenbook import u.csv missing.csv", 3, "missing.csv: No such file or directory"),
        say(
            106,
            "mkdir empty; tokenbook import empty",
            3,
            "empty: is an empty folder, expected at least one file that is not hidden",
        ),
        say(
            106,
            "mkdir -p d/e/.f; touch d/.g d/e/.f/u.csv; tokenbook import d",
            3,
            "d: contains only subfolders and hidden files, expected at least one file that is not hidden",
        ),
        script(107, &[u, bad, last], "tokenbook import u.csv v.csv w.csv", 3, "v.csv:1: ")
            .leaves(After::Holds)
            .shown("two good files and one bad one"),
    ]
}

#[test]
fn a_damaged_archive_is_not_quarantined_either() -> Outcome {
    for case in archives()?.into_iter().filter(|case| case.exit == 3 && case.says.contains("u.csv.gz: ")) {
        let desk = Desk::new()?;
        for (name, bytes) in &case.files {
            desk.write(name, bytes)?;
        }
        let ran = desk.run(&["import", "u.csv.gz", "--quarantine"])?.ends(3)?.says(&case.says);
        ran.map_err(|error| format!("{}: {error}", case.number))?;
        assert_eq!(desk.events()?, 0, "{}", case.number);
    }
    Ok(())
}

#[test]
fn one_file_under_several_names_is_read_once() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 3))?;
    std::fs::hard_link(desk.path("u.csv"), desk.path("hard.csv"))?;
    let ran = desk.run(&["import", "u.csv", "hard.csv", "./u.csv"])?.ends(0)?;
    assert_eq!(ran.out.matches(" lines = ").count(), 1, "{ran:?}");
    Ok(())
}

#[test]
fn faults_are_written_for_programs_as_well() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{HEADER}\n{GOOD}\ne,bad,m,Legal,1,1\n"))?;
    desk.write("v.csv", "")?;
    desk.run(&["import", "u.csv", "v.csv", "--errors", "faults.jsonl"])?.ends(3)?;
    let faults = String::from_utf8(desk.read("faults.jsonl")?)?;
    let faults = faults.lines().map(serde_json::from_str).collect::<Result<Vec<serde_json::Value>, _>>()?;
    let cells = |fault: &serde_json::Value| [&fault["file"], &fault["line"], &fault["field"]].map(ToString::to_string);
    let found: Vec<_> = faults.iter().map(cells).collect();
    assert_eq!(found, [["\"u.csv\"", "3", "\"timestamp\""], ["\"v.csv\"", "0", "null"]]);
    assert_eq!(faults[1]["what"], "the file contains no events");
    Ok(())
}

#[test]
#[cfg(unix)]
fn a_path_may_hold_anything() -> Outcome {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::new()?;
    for name in [&b"new\nline\x1b[31m.csv"[..], b"latin-\xfc.csv"] {
        let path = desk.path("x").with_file_name(OsStr::from_bytes(name));
        std::fs::write(&path, usage(0, 3))?;
        let output = desk.command(&["import", "--dry-run"]).arg(&path).output()?;
        let ran = crate::desk::Ran::of(output)?.ends(0)?.says("3 accepted")?;
        assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
    }
    Ok(())
}
