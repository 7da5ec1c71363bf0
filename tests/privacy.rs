//! A value under `--hash-tag` is stored nowhere in the ledger, whichever way it comes in.

use crate::desk::{Desk, HEADER, Outcome, PRICES, Ran, fixture};
use std::fs;

const KEY: &str = "0123456789abcdef-key";
/// The value that must not be stored.
const NAME: &str = "ada.lovelace@example.com";

fn clean(what: &str, bytes: &[u8]) -> Outcome {
    for part in [NAME, "lovelace", KEY] {
        if memchr::memmem::find(bytes, part.as_bytes()).is_some() {
            return Err(format!("{what} holds {part}: {}", String::from_utf8_lossy(bytes)).into());
        }
    }
    Ok(())
}

/// Checks that neither the output nor the files contain the value or the key.
fn left_nothing(desk: &Desk, ran: &Ran) -> Outcome {
    clean("standard output", ran.out.as_bytes())?;
    clean("standard error", ran.err.as_bytes())?;
    for name in ["tokenbook.db", "tokenbook.db-wal", "tokenbook.db-shm", "errors.jsonl"] {
        if desk.path(name).exists() {
            clean(name, &desk.read(name)?)?;
        }
    }
    Ok(())
}

/// Imports with the hash of the tag `user`, and checks that the value is nowhere.
fn hashing(desk: &Desk, options: &[&str]) -> Outcome<Ran> {
    let arguments = [&["import", "--hash-tag", "user", "--errors", "errors.jsonl"], options].concat();
    let ran = Ran::of(desk.command(&arguments).env("TOKENBOOK_HASH_KEY", KEY).output()?)?;
    left_nothing(desk, &ran)?;
    Ok(ran)
}

/// Usage of two people in each of tokenbook's own spellings. The ids of some lines name one of them.
fn files() -> Vec<(&'static str, String)> {
    let json = |id: &str, tags: &str| {
        format!(
            "{{\"event_id\":\"{id}\",\"timestamp\":\"2026-10-05T10:00:00Z\",\"model\":\"m\",\"input_tokens\":1,{tags}}}\n"
        )
    };
    let line = |id: &str, user: &str| format!("{id},2026-10-05T10:00:00Z,m,Legal,1,,{user}\n");
    vec![
        (
            "u.csv",
            format!(
                "{HEADER},tag.user\n{}{}{}",
                line("a", NAME),
                line(&format!("run/{NAME}/1"), NAME),
                line("b", "bob")
            ),
        ),
        (
            "u.jsonl",
            [json("c", &format!("\"tags\":{{\"user\":\"{NAME}\"}}")), json("d", &format!("\"tag.user\":\"{NAME}\""))]
                .concat(),
        ),
        ("e.jsonl", json("e", "\"tags\":{\"user\":\"\\u0061da.lovelace@example.com\"}")),
    ]
}

#[test]
fn a_hashed_value_is_not_in_the_ledger_and_its_file_is_known_again() -> Outcome {
    let desk = Desk::new()?;
    for (name, text) in files() {
        desk.write(name, text)?;
        hashing(&desk, &[name])?.ends(0)?.says("0 quarantined (with hashes of the tag user)")?;
        // Under another name it is not the identical import, so each event is examined.
        desk.write("again", [desk.read(name)?, b"\n".to_vec()].concat())?;
        hashing(&desk, &["again"])?.ends(0)?.says(" 0 accepted")?;
    }
    assert_eq!(desk.events()?, 6);
    assert_eq!(desk.count("SELECT count(*) FROM import WHERE options <> 'hash-tag user'")?, 0);
    // One value has one hash, whichever way it came in. Another value has another hash.
    let users = "SELECT count(DISTINCT tags ->> '$.user') FROM tag_set";
    assert_eq!(desk.count(users)?, 2);
    let hash =
        "SELECT count(*) FROM tag_set WHERE tags ->> '$.user' GLOB 'hash:[0-9a-f]*' AND length(tags ->> '$.user') = 37";
    assert_eq!(desk.count(hash)?, desk.count("SELECT count(*) FROM tag_set WHERE tags ->> '$.user' IS NOT NULL")?);
    desk.run(&["verify"])?.ends(0)?;
    let report = desk.run(&["report", "chargeback", "--period", "2026-10", "--by", "tag.user"])?;
    left_nothing(&desk, &report.says("hash:")?)
}

#[test]
fn a_quarantined_line_and_a_filling_tag_are_hashed_too() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{HEADER},tag.user\n{NAME},2026-10-05T10:00:00Z,m,Legal,-1,,{NAME}\n"))?;
    hashing(&desk, &["u.csv"])?.ends(3)?;
    hashing(&desk, &["u.csv", "--quarantine"])?.ends(4)?;
    let bad = |tags: &str| {
        format!(
            "{{\"event_id\":\"{NAME}\",\"timestamp\":\"2026-10-05T10:00:00Z\",\"model\":\"m\",\"input_tokens\":-1,{tags}}}\n"
        )
    };
    let bad = [bad(&format!("\"tags\":{{\"user\":\"{NAME}\"}}")), bad(&format!("\"tag.user\":\"{NAME}\""))];
    desk.write("u.jsonl", bad.concat())?;
    hashing(&desk, &["u.jsonl", "--quarantine"])?.ends(4)?;
    left_nothing(&desk, &desk.run(&["quarantine", "list"])?.ends(0)?.says("user=\"hash:")?)?;
    desk.write("n.csv", format!("{HEADER}\nx,2026-10-05T10:00:00Z,m,Legal,1,\n"))?;
    hashing(&desk, &["n.csv", "--tag", &format!("user={NAME}")])?.ends(0)?;
    let kept = "SELECT count(*) FROM import WHERE options LIKE 'hash-tag user%tag user=hash:%'";
    assert_eq!(desk.count(kept)?, 1);
    // A correction resolves a quarantined line if its id has the same hash.
    desk.write("c.csv", format!("{HEADER},tag.user\n{NAME},2026-10-05T10:00:00Z,m,Legal,1,,{NAME}\n"))?;
    hashing(&desk, &["c.csv"])?.ends(0)?;
    assert_eq!(desk.count("SELECT count(*) FROM quarantine_outcome")?, 3);
    // A tag that is left out is also left out of the quarantine.
    let other = Desk::new()?;
    other.write("u.csv", desk.read("u.csv")?)?;
    let ran = other.run(&["import", "u.csv", "--quarantine", "--ignore-tag", "user"])?.ends(4)?;
    assert!(!ran.err.contains("user="), "{ran:?}");
    let kept = other.count("SELECT count(*) FROM quarantine WHERE kept LIKE '%user%'")?;
    assert_eq!(kept, 0);
    Ok(())
}

#[test]
fn ids_that_are_made_of_the_value_are_hashed() -> Outcome {
    let mut tried = 0;
    for format in [
        "openai-usage",
        "deepseek",
        "openai-activity",
        "helicone",
        "litellm",
        "openrouter",
        "azure-apim",
        "otlp",
        "langfuse",
    ] {
        for entry in fs::read_dir(fixture("formats").join(format))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("").to_owned();
            if !name.starts_with("usage") || name.contains("expected") {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let expected = fs::read_to_string(path.with_extension("expected.csv")).unwrap_or_default();
            let users: Vec<String> =
                crate::desk::rows(&expected)?.into_iter().filter_map(|row| row.get("tag.user").cloned()).collect();
            let Some(user) = users.into_iter().find(|user| user.len() > 2) else { continue };
            let desk = Desk::new()?;
            desk.write(&name, text.replace(&user, NAME))?;
            let options = [
                "--assume-zone",
                "UTC",
                "--at",
                "2026-10-01T08:30:00Z",
                "--prompt-tokens",
                "with-cache",
                "--quarantine",
                &name,
            ];
            let ran = hashing(&desk, &options).map_err(|error| format!("{}: {error}", path.display()))?;
            assert!(desk.events()? > 0 && ran.out.contains(" accepted"), "{}: {ran:?}", path.display());
            assert!(
                desk.count("SELECT count(*) FROM tag_set WHERE tags ->> '$.user' LIKE 'hash:%'")? > 0,
                "{}",
                path.display()
            );
            tried += 1;
        }
    }
    assert!(tried >= 6, "{tried} files name a user");
    Ok(())
}

#[test]
fn a_key_is_asked_for_and_another_key_is_a_conflict() -> Outcome {
    let desk = Desk::new()?;
    let (name, text) = files().swap_remove(0);
    desk.write(name, &text)?;
    let import = ["import", "--hash-tag", "user", name];
    desk.run(&import)?.ends(2)?.says("--hash-tag needs a key")?.says("TOKENBOOK_HASH_KEY")?;
    desk.write("short", "0123456789abcde\n")?;
    desk.run(&[&import[..], &["--hash-key-file", "short"]].concat())?.ends(2)?.says("is shorter than 16 bytes")?;
    desk.run(&[&import[..], &["--hash-key-file", "none"]].concat())?.ends(2)?.says("--hash-key-file none: ")?;
    desk.run(&["import", "--hash-key-file", "short", name])?.ends(2)?.says("--hash-tag")?;
    for (tag, says) in [
        ("department", "--hash-tag \"department\" decides who pays and cannot be hashed"),
        ("a b", "--hash-tag \"a b\" is not a tag key"),
    ] {
        let ran = Ran::of(desk.command(&["import", "--hash-tag", tag, name]).env("TOKENBOOK_HASH_KEY", KEY).output()?)?;
        ran.ends(2)?.says(says)?;
    }
    hashing(&desk, &["--ignore-tag", "user", name])?.ends(2)?.says("expected one of the two")?;
    assert_eq!(desk.events()?, 0);
    hashing(&desk, &[name])?.ends(0)?.says("3 accepted")?;
    // The file's key and the variable's are the same, whatever the line end.
    desk.write("again", format!("{text}\n"))?;
    for end in ["", "\n", "\r\n"] {
        desk.write("key", format!("{KEY}{end}"))?;
        let ran = desk.run(&["import", "--hash-tag", "user", "--hash-key-file", "key", "again"])?;
        left_nothing(&desk, &ran.ends(0)?.says("3 duplicates")?)?;
    }
    desk.write("other", "fedcba9876543210")?;
    desk.write("again", format!("{text}\n\n"))?;
    let ran = desk.run(&["import", "--hash-tag", "user", "--hash-key-file", "other", "again"])?;
    left_nothing(&desk, &ran.ends(5)?)
}

#[test]
fn a_month_end_hashes_too() -> Outcome {
    let desk = Desk::empty()?;
    desk.write("p.csv", PRICES)?;
    let (name, text) = files().swap_remove(0);
    desk.write(name, text)?;
    let command = ["month-end", "2026-10", "--usage", name, "--prices", "p.csv", "--out", "out", "--hash-tag", "user"];
    let ran = Ran::of(desk.command(&command).env("TOKENBOOK_HASH_KEY", KEY).output()?)?;
    assert!(matches!(ran.code, Some(0 | 4)), "{ran:?}");
    left_nothing(&desk, &ran)?;
    for file in desk.names("out")? {
        let path = desk.path("out").join(&file);
        if path.is_file() {
            clean(&file, &fs::read(path)?)?;
        }
    }
    assert_eq!(desk.count("SELECT count(*) FROM import WHERE options = 'hash-tag user'")?, 1);
    Ok(())
}

#[test]
fn a_tag_is_hashed_however_it_is_cased_and_a_mistyped_one_is_told() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{HEADER},tag.User,tag.team\nx,2026-10-05T10:00:00Z,m,Legal,1,,{NAME},red\n"))?;
    hashing(&desk, &["u.csv"])?.ends(0)?;
    let key = desk.path("hash.key");
    let arguments = ["import", "--hash-tag", "usr", "--hash-key-file", crate::desk::text(&key)?, "u2.csv"];
    desk.write("hash.key", "0123456789abcdef0123456789abcdef")?;
    desk.write("u2.csv", format!("{HEADER},tag.user,tag.team\ny,2026-10-05T10:00:00Z,m,Legal,1,,somebody,red\n"))?;
    desk.run(&arguments)?
        .ends(0)?
        .says("u2.csv: no event has the tag usr that --hash-tag names (tags kept in the clear: team, user)")?;
    // A tag is left out in any letter case, too.
    desk.write("i.csv", format!("{HEADER},tag.User\nz,2026-10-05T10:00:00Z,m,Legal,1,,{NAME}\n"))?;
    let ran = desk.run(&["import", "--ignore-tag", "user", "i.csv"])?.ends(0)?;
    left_nothing(&desk, &ran)
}
