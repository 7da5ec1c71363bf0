//! Usage that looks odd and is right. The import reads it and reports what is odd.

use super::case::{Case, case, record};
use crate::desk::{Desk, HEADER, Outcome, rows};
use std::fmt::Write;

/// Files with such bytes, with the counts and the other output.
pub(crate) fn accepted() -> Vec<Case> {
    let good = "e,2026-10-05T10:00:00Z,m,Legal,1,1";
    let in_json = |extra: &str| format!("{}\n", record(extra));
    let ok = |number, file, bytes: String, says: &str| case(number, file, bytes, 0, says);
    vec![
        ok(2, "u.csv", format!("\u{feff}{HEADER}\n{good}\n"), "2 lines = 1 header + 0 blank + 1 accepted"),
        ok(2, "u.jsonl", format!("\u{feff}{}", in_json(r#""a":1"#)), "1 line = 0 header + 0 blank + 1 accepted"),
        ok(3, "u.csv", format!("{HEADER}\r\n{good}\r\n"), "1 accepted"),
        ok(53, "u.csv", format!("{HEADER}\ne,2026-09-30T23:30:00-05:00,m,Legal,1,1\n"), "1 accepted"),
        ok(
            20,
            "u.csv",
            format!("\n{HEADER}\n\n{good}\n \n"),
            "5 lines = 1 header + 3 blank + 1 accepted + 0 duplicates",
        ),
        ok(25, "u.jsonl", in_json(r#""foo":1"#), "u.jsonl: fields that tokenbook does not read: foo"),
        ok(25, "u.csv", format!("{HEADER},foo\n{good},1\n"), "u.csv: fields that tokenbook does not read: foo"),
        ok(26, "u.jsonl", in_json(r#""output_tokens":null,"department":null"#), "1 accepted"),
        ok(47, "u.csv", format!("{HEADER},cost\n{good},0.25\n"), "u.csv: fields that tokenbook does not read: cost"),
        ok(49, "u.csv", format!("{HEADER}\ne,2016-12-31T23:59:60Z,m,Legal,1,1\n"), "1 accepted"),
        ok(60, "u.csv", format!("{HEADER}\n{good}\nf,2026-09-05T10:00:00Z,m,Legal,1,1\n"), "2 accepted"),
        ok(62, "u.csv", format!("{HEADER}\n{good}\n{good}\n"), "1 accepted + 1 duplicate"),
        ok(
            66,
            "u.csv",
            format!("{HEADER}\nReq_1,2026-10-05T10:00:00Z,m,Legal,1,1\nreq_1,2026-10-05T10:00:00Z,m,Legal,2,1\n"),
            "2 accepted",
        ),
        ok(
            71,
            "u.csv",
            format!("{HEADER}\n{good}\nf,2026-10-05T10:00:00Z,m,legal,1,1\n"),
            "warning: the departments \"Legal\" and \"legal\" look alike",
        ),
        ok(
            73,
            "u.csv",
            format!("{HEADER}\n{good}\nf,2026-10-05T10:00:00Z,m,L\u{435}gal,1,1\n"),
            "look alike but count as two departments",
        ),
        ok(86, "u.csv", "input_tokens,model,timestamp,event_id\n1,m,2026-10-05T10:00:00Z,e\n".to_owned(), "1 accepted"),
        ok(72, "u.csv", format!("{HEADER}\n{good}\nf,2026-10-05T10:00:00Z,m,Cafe\u{301},1,1\n"), "2 accepted"),
        ok(75, "u.jsonl", in_json(r#""department":"🚀""#), "1 accepted"),
        ok(76, "u.jsonl", in_json(r#""department":"a,\"b\"\nc""#), "1 accepted"),
        ok(77, "u.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,=cmd|'/c calc'!A1,1,1\n"), "1 accepted"),
        ok(
            79,
            "u.csv",
            format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,'); DROP TABLE usage_event; --,1,1\n"),
            "1 accepted",
        ),
        ok(80, "u.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,<script>alert(1)</script>,1,1\n"), "1 accepted"),
        case(
            64,
            "u.csv",
            format!("{HEADER}\n{good}\ne,2026-10-05T10:00:00Z,m,Legal,2,1\n"),
            5,
            "u.csv:3: event_id: \"e\" is already the id of another event (u.csv:2): input_tokens is 1 in the ledger and 2 here",
        ),
    ]
}

/// Files whose last line has no end, and the option that makes this right.
pub(crate) fn ended() -> Vec<Case> {
    let good = "e,2026-10-05T10:00:00Z,m,Legal,1,1";
    let ok = |number, file, bytes: String, says: &str| case(number, file, bytes, 0, says);
    vec![
        ok(13, "u.jsonl", record(r#""output_tokens":1"#), "1 accepted"),
        ok(
            14,
            "u.csv",
            "event_id,timestamp,model,input_tokens,department\ne,2026-10-05T10:00:00Z,m,1,\"Legal\"".to_owned(),
            "1 accepted",
        ),
        ok(14, "u.csv", format!("{HEADER}\n{good}"), "1 accepted").with("--last-line-complete"),
        ok(14, "u.csv", format!("{HEADER}\n{good}\n{good}"), "bytes is incomplete and was left for the next import)")
            .with("--tail"),
        ok(
            15,
            "u.jsonl",
            format!("{}\n{{\"event_id\":\"x\",\"input_tok", record(r#""output_tokens":1"#)),
            "1 accepted",
        )
        .with("--tail"),
    ]
}

#[test]
fn the_end_of_a_csv_may_be_vouched_for() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,1,123"))?;
    desk.run(&["import", "u.csv", "--last-line-complete"])?.ends(0)?.says("1 accepted")?;
    assert_eq!(desk.count("SELECT output FROM usage_event")?, 123);
    Ok(())
}

#[test]
fn a_log_that_is_still_written_is_read_to_its_last_line_end() -> Outcome {
    let desk = Desk::new()?;
    let line =
        |id: &str, output: u32| record(&format!("\"output_tokens\":{output}")).replace("\"e\"", &format!("\"{id}\""));
    let tail = ["import", "u.jsonl", "--tail"];
    // A file with only an incomplete line has no events yet.
    desk.write("u.jsonl", &line("a", 1)[..20])?;
    desk.run(&tail)?.ends(3)?.says("the file contains no events")?;
    desk.run(&["import", "u.jsonl", "--tail", "--allow-empty"])?.ends(0)?;
    // A line that lacks only its end may continue, so it is left for later as well.
    desk.write("u.jsonl", format!("{}\n{}", line("a", 1), line("b", 2)))?;
    desk.run(&tail)?
        .ends(0)?
        .says("1 line = 0 header + 0 blank + 1 accepted + 0 duplicates + 0 quarantined (a last line of")?;
    desk.run(&tail)?.ends(0)?.says("this exact file was imported before")?;
    // The same bytes without the option are another reading.
    desk.run(&["import", "u.jsonl"])?.ends(0)?.says("1 accepted + 1 duplicate")?;
    desk.write("u.jsonl", format!("{}\n{}\n{}\n", line("a", 1), line("b", 2), line("c", 3)))?;
    desk.run(&tail)?.ends(0)?.says("3 lines = 0 header + 0 blank + 1 accepted + 2 duplicates + 0 quarantined\n")?;
    assert_eq!(desk.count("SELECT sum(output) FROM usage_event")?, 6);
    desk.run(&["import", "u.jsonl", "--tail", "--last-line-complete"])?.ends(2)?;
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn a_file_cut_anywhere_never_gives_another_number() -> Outcome {
    let csv = format!("{HEADER}\na,2026-10-05T10:00:00Z,m,Legal,123,456\nb,2026-10-05T10:00:00Z,m,Legal,789,123\n");
    let json = format!(
        "{}\n{}\n",
        record(r#""output_tokens":456"#),
        record(r#""output_tokens":456"#).replace("\"e\"", "\"f\"")
    );
    let sums = "SELECT count(*) * 1000000 + coalesce(sum(input + output), 0) FROM usage_event";
    for (file, text) in [("u.csv", csv), ("u.jsonl", json)] {
        let mut whole = std::collections::BTreeSet::from([0]);
        for lines in 1..=3 {
            let desk = Desk::new()?;
            let part: String = text.split_inclusive('\n').take(lines).collect();
            desk.write(file, part)?;
            desk.run(&["import", file])?;
            whole.insert(desk.count(sums)?);
        }
        // One ledger for many trials, because a dry run prints the result and stores nothing.
        let desk = Desk::new()?;
        for length in 0..text.len() {
            desk.write(file, &text[..length])?;
            let ran = desk.run(&["import", file])?;
            match ran.code {
                Some(0) => {
                    assert!(whole.contains(&desk.count(sums)?), "{file} cut at {length}");
                    std::fs::remove_file(desk.ledger())?;
                    desk.run(&["init"])?.ends(0)?;
                }
                Some(3) => assert_eq!(desk.events()?, 0, "{file} cut at {length}"),
                _ => return Err(format!("{file} cut at {length}: {ran:?}").into()),
            }
        }
    }
    Ok(())
}

#[test]
fn names_of_any_kind_come_back_as_they_were() -> Outcome {
    let names = [
        (75, "🚀", "🚀"),
        (76, "a,\"b\" c", "a,\"b\" c"),
        (76, "two\nlines", "two\nlines"),
        (77, "=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1"),
        (77, "+1+1", "'+1+1"),
        (77, "-2+3", "'-2+3"),
        (77, "@SUM(A1)", "'@SUM(A1)"),
        (77, "＝1", "'＝1"),
        (79, "'); DROP TABLE usage_event; --", "'); DROP TABLE usage_event; --"),
        (80, "<script>alert(1)</script>", "<script>alert(1)</script>"),
    ];
    for (number, name, shown) in names {
        let desk = Desk::new()?;
        let tags = serde_json::json!({ "department": name });
        desk.write("u.jsonl", format!("{}\n", record(&format!("\"tags\":{tags}"))))?;
        desk.run(&["import", "u.jsonl"])?.ends(0)?;
        let kept: String = desk.database()?.query_row("SELECT department FROM usage", [], |row| row.get(0))?;
        assert_eq!(kept, name, "{number}: in the ledger as it was");
        let found = rows(&desk.chargeback()?)?;
        assert_eq!(found[0]["department"], shown, "{number}");
    }
    Ok(())
}

#[test]
fn two_spellings_of_a_name_are_one_department() -> Outcome {
    let desk = Desk::new()?;
    desk.write(
        "u.csv",
        format!("{HEADER}\na,2026-10-05T10:00:00Z,m,Caf\u{e9},1,1\nb,2026-10-05T10:00:00Z,m,Cafe\u{301},1,1\n"),
    )?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let found = rows(&desk.chargeback()?)?;
    assert_eq!((found.len(), found[0]["events"].as_str()), (1, "2"));
    Ok(())
}

#[test]
fn a_control_character_does_not_pass_for_the_end_of_a_name() -> Outcome {
    let head = r#""event_id":"e","timestamp":"2026-10-05T10:00:00Z","input_tokens":1"#;
    let twins = [
        (r#""model":"m","provider":"p""#, r#""model":"p\u001fm""#),
        (r#""model":"m","tags":{"a":"x","b":"y"}"#, r#""model":"m","tags":{"a":"x\u001eb\u001fy"}"#),
    ];
    for (good, bad) in twins {
        let desk = Desk::new()?;
        desk.write("u.jsonl", format!("{{{head},{good}}}\n{{{},{bad}}}\n", head.replace("\"e\"", "\"f\"")))?;
        desk.run(&["import", "u.jsonl"])?.ends(3)?.says("contains a control character")?;
        assert_eq!(desk.events()?, 0, "{bad}");
    }
    Ok(())
}

#[test]
fn a_secret_is_not_shown() -> Outcome {
    let desk = Desk::new()?;
    let secret = "sk-live-0123456789abcdef0123";
    desk.write("u.csv", format!("{HEADER},tag.key\ne,2026-10-05T10:00:00Z,m,Legal,1,1,{secret}\n"))?;
    for options in [&[][..], &["--quarantine"]] {
        let ran = desk.run(&[&["import", "u.csv"], options].concat())?;
        assert!(!ran.err.contains(secret) && !ran.out.contains(secret), "{ran:?}");
        let listed = desk.print(&["quarantine", "list"])?;
        assert!(!listed.contains(secret), "{listed}");
    }
    Ok(())
}

#[test]
fn a_tag_for_every_request_is_refused() -> Outcome {
    let desk = Desk::new()?;
    let mut text = "event_id,timestamp,model,input_tokens,tag.request_id,tag.team\n".to_owned();
    for number in 0..100_001 {
        writeln!(text, "e{number},2026-10-05T10:00:00Z,m,1,r{number},t{}", number % 5)?;
    }
    desk.write("u.csv", &text)?;
    desk.run(&["import", "u.csv"])?.ends(3)?.says(
        ": more than 100000 different combinations of tags in one import, expected tags that decide who pays, not one for \
         each request: tag \"request_id\" alone has 100,000 different values, --ignore-tag request_id leaves it out\n",
    )?;
    assert_eq!(desk.events()?, 0);
    // Without the option they are five tag sets, even if another file brings them again.
    let ignoring = ["import", "u.csv", "--ignore-tag", "request_id"];
    desk.run(&ignoring)?
        .ends(0)?
        .says("100,001 accepted + 0 duplicates + 0 quarantined (without the tag request_id)\n")?;
    assert_eq!(desk.count("SELECT count(DISTINCT tags) FROM usage WHERE tags ->> '$.team' IS NOT NULL")?, 5);
    desk.run(&ignoring)?.ends(0)?.says("(this exact file was imported before; without the tag request_id)\n")?;
    desk.write("u.csv", text + "\n")?;
    desk.run(&ignoring)?.ends(0)?.says("1 blank + 0 accepted + 100,001 duplicates + 0 quarantined (without")?;
    Ok(())
}

#[test]
fn an_id_belongs_to_its_source() -> Outcome {
    let desk = Desk::new()?;
    desk.write("a.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,1,1\n"))?;
    desk.write("b.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,2,2\n"))?;
    desk.run(&["import", "a.csv"])?.ends(0)?;
    desk.run(&["import", "b.csv", "--source", "other"])?.ends(0)?.says("1 accepted")?;
    assert_eq!(desk.events()?, 2);
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}
