//! Files that are no usage files: damaged archives, pipes, links, and paths that hold anything.

use crate::desk::{Desk, Outcome, gzip, usage};

/// A zstd frame of one raw block that asks for a window of 2 GiB.
const GREEDY_ZSTD: [u8; 14] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 41, 0, 0, b'h', b'e', b'l', b'l', b'o'];

#[test]
fn a_damaged_or_endless_archive_is_refused() -> Outcome {
    let desk = Desk::new()?;
    let good = gzip(usage(0, 2_000).as_bytes())?;
    let (middle, end) = (good.len() / 2, good.len());
    let mut wrong_sum = good.clone();
    wrong_sum[end - 6] ^= 1;
    let mut bomb = Vec::new();
    for _ in 0..4 {
        bomb.extend(gzip(&vec![b' '; 40 << 20])?);
    }
    let cases = [
        (95, good[..middle].to_vec(), "u.csv: "),
        (95, good[..end - 1].to_vec(), "u.csv: "),
        (95, wrong_sum, "u.csv: corrupt gzip stream does not have a matching checksum"),
        (95, [&good[..], b"junk behind the end"].concat(), "u.csv: invalid gzip header"),
        (97, bomb, "u.csv: expands to more than 1,000 times its size"),
        (99, GREEDY_ZSTD.to_vec(), "u.csv: Frame requires too much memory for decoding"),
    ];
    for (number, bytes, says) in cases {
        desk.write("u.csv", bytes)?;
        for options in [&[][..], &["--quarantine"]] {
            let ran = desk.run(&[&["import", "u.csv"], options].concat())?.ends(3)?.says(says);
            ran.map_err(|error| format!("{number}: {error}"))?;
            assert_eq!(desk.events()?, 0, "{number}");
        }
    }
    desk.write("u.csv", good)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    Ok(())
}

#[test]
#[cfg(unix)]
fn only_regular_files_are_read() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 3))?;
    std::os::unix::fs::symlink("u.csv", desk.path("link.csv"))?;
    std::fs::hard_link(desk.path("u.csv"), desk.path("hard.csv"))?;
    std::fs::create_dir(desk.path("nothing"))?;
    assert!(std::process::Command::new("mkfifo").arg(desk.path("fifo")).status()?.success());
    let cases: [(u32, &[&str], &str); 7] = [
        (100, &["fifo"], "fifo: is not a regular file, expected a file, a directory, or - for standard input"),
        (100, &["/dev/zero"], "/dev/zero: is not a regular file"),
        (101, &["link.csv"], "link.csv: is a symbolic link, expected a regular file (--follow reads"),
        (105, &["tokenbook.db"], "tokenbook.db: is the ledger itself, expected a usage file"),
        (106, &["missing.csv"], "missing.csv: No such file or directory"),
        (106, &["nothing"], "nothing: holds no files, expected at least one that is not hidden"),
        (106, &["u.csv", "missing.csv"], "missing.csv: No such file or directory"),
    ];
    for (number, files, says) in cases {
        let checked = desk.run(&[&["import"], files].concat())?.ends(3)?.says(says);
        checked.map_err(|error| format!("{number}: {error}"))?;
        assert_eq!(desk.events()?, 0, "{number}: a path that is not there is seen before anything is imported");
    }
    desk.run(&["import", "link.csv", "--follow", "--dry-run"])?.ends(0)?.says("3 accepted")?;
    let ran = desk.run(&["import", "u.csv", "hard.csv", "./u.csv"])?.ends(0)?;
    assert_eq!(ran.out.matches(" lines = ").count(), 1, "102: {ran:?}");
    let same = ["report", "chargeback", "--period", "2026-10", "--output", "tokenbook.db"];
    desk.run(&same)?.ends(2)?.says("is the ledger itself, expected another file")?;
    let ran = std::process::Command::new("sh")
        .args(["-c", "\"$0\" import - <&-", env!("CARGO_BIN_EXE_tokenbook")])
        .current_dir(desk.path("."))
        .output()?;
    crate::desk::Ran::of(ran)?.ends(3)?.says("-: the file holds no events")?;
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
