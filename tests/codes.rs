//! Errors and their codes: every code is made somewhere, every public error type answers with its code, and the command
//! explains each code.

use crate::desk::{Desk, Outcome};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tokenbook::Code;

/// The sources of the library and the command but those of the table itself, without their tests.
fn sources() -> Outcome<Vec<(String, String)>> {
    let all = crate::tidy::sources().map_err(|error| error.to_string())?;
    let shipped = all.into_iter().filter(|source| {
        let path = &source.path;
        path.starts_with("src/") && !["/fault/", "/tests/", "/tests.rs"].iter().any(|part| path.contains(part))
    });
    Ok(shipped
        .map(|source| {
            let text = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            (source.path, text)
        })
        .collect())
}

#[test]
fn every_code_is_made_somewhere() -> Outcome {
    let mut made = BTreeSet::new();
    for (_, text) in sources()? {
        let after = text.split("Code::").skip(1);
        made.extend(after.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>()));
    }
    // The table makes this one itself, from errors of the system.
    made.insert("DiskFull".to_owned());
    let idle: Vec<&str> =
        Code::all().filter(|code| !made.contains(&format!("{:?}", code.code))).map(|code| code.name).collect();
    assert_eq!(idle, Vec::<&str>::new(), "codes that nothing makes");
    Ok(())
}

#[test]
fn every_public_error_type_answers_with_its_code() -> Outcome {
    let (mut types, mut silent) = (0, Vec::new());
    for (path, text) in sources()? {
        for rest in text.split("thiserror::Error").skip(1) {
            let Some(named) = rest.split("\npub ").nth(1) else { continue };
            let name: String = named
                .trim_start_matches("struct ")
                .trim_start_matches("enum ")
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            types += 1;
            let own = text.split(&format!("impl {name} {{")).skip(1).any(|body| {
                let body = body.split("\n}").next().unwrap_or_default();
                body.contains("fn code(")
            });
            if !own {
                silent.push(format!("{path}: {name}"));
            }
            let is_open =
                rest.split("\npub ").next().is_some_and(|attributes| attributes.contains("#[non_exhaustive]"));
            assert!(is_open || named.starts_with("struct "), "{name} is not #[non_exhaustive]");
        }
    }
    assert!(types >= 30, "only {types} types of errors were found");
    assert_eq!(silent, Vec::<String>::new(), "error types without a code");
    Ok(())
}

#[test]
fn the_command_explains_every_code_and_offers_near_ones() -> Outcome {
    let desk = Desk::empty()?;
    let list = desk.print(&["explain-error"])?;
    assert_eq!(list, desk.print(&["explain-error", "--list"])?);
    for explained in Code::all() {
        assert!(list.lines().any(|line| line.trim().starts_with(explained.name) && line.ends_with(explained.meaning)));
        let entry = desk.print(&["explain-error", explained.name])?;
        for text in [explained.meaning, explained.cause, explained.remedy] {
            assert!(entry.contains(text), "{entry}");
        }
        assert!(entry.contains(&format!("Exit code: {}\n", explained.exit.code())), "{entry}");
    }
    let as_printed = desk.print(&["explain-error", "error[ledger-older]:"])?;
    assert_eq!(as_printed, desk.print(&["explain-error", "ledger-older"])?);
    let mistyped = desk.run(&["explain-error", "ledger-oldr"])?.ends(2)?;
    assert_eq!(
        mistyped.err,
        "error[code-unknown]: no error has the code \"ledger-oldr\"\n\
         hint: did you mean ledger-older? `tokenbook explain-error --list` shows all codes\n"
    );
    desk.run(&["explain-error", "unreadable"])?.ends(2)?.says("did you mean file-unreadable?")?;
    desk.run(&["explain-error", "xyzzy"])?.ends(2)?.says("hint: see all codes with")?;
    Ok(())
}

#[test]
fn documents_send_a_reader_to_the_codes() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["README.md", "docs/ERRORS.md"] {
        let text = fs::read_to_string(root.join(document))?;
        assert!(text.contains("tokenbook explain-error"), "{document} does not mention explain-error");
    }
    Ok(())
}

#[test]
fn messages_avoid_phrases_that_need_decoding() -> Outcome {
    let mut found = Vec::new();
    let mut seen = 0;
    for (path, text) in sources()? {
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        // A message may go on in the next line.
        let code = code.join("\n").replace("\\\n", " ");
        for literal in code.split('"').skip(1).step_by(2).filter(|literal| literal.contains(' ')) {
            seen += 1;
            let words = literal.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            let decoded =
                crate::phrases::DECODED.split('|').find(|phrase| format!(" {words} ").contains(&format!(" {phrase} ")));
            found.extend(decoded.map(|phrase| format!("{path}: {phrase}: {words}")));
        }
    }
    assert!(seen > 1_000, "only {seen} literals were read");
    assert!(found.is_empty(), "messages that a reader has to decode:\n{}", found.join("\n"));
    Ok(())
}
