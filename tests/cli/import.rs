//! `tokenbook import`: its counts, messages and exit codes.

use crate::desk::{Desk, HEADER, Outcome, event, fixture, usage};

#[test]
fn quiet_prints_no_counts_but_what_is_wrong() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 5))?;
    desk.write("bad.csv", format!("{HEADER}\ne,never,m,Legal,1,1\n"))?;
    let ran = desk.run(&["-q", "import", "u.csv"])?.ends(0)?;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let ran = desk.run(&["-q", "import", "bad.csv"])?.ends(3)?;
    let expected = "bad.csv:2: timestamp: \"never\" is not a date and time, expected RFC 3339 with an offset, such as \
                    2026-10-01T08:30:00Z or 2026-10-01T08:30:00.250+02:00, from 2015 on\n\
                    bad.csv: bad lines by field: timestamp 1\n\
                    error[field-invalid]: bad.csv: 1 bad line, nothing of it was imported\n\
                    hint: correct the lines; or set them aside with --quarantine and import the others\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", expected));
    Ok(())
}

#[test]
fn a_pipe_sees_no_colour_unless_it_asks() -> Outcome {
    let desk = Desk::new()?;
    let plain = desk.run(&["import", "missing.csv"])?.ends(3)?;
    assert!(!plain.err.contains('\u{1b}'), "{plain:?}");
    desk.run(&["--color", "always", "import", "missing.csv"])?
        .ends(3)?
        .says("\u{1b}[1;31merror[file-missing]:\u{1b}[0m")?;
    Ok(())
}

#[test]
fn a_format_that_is_named_is_not_guessed() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 5))?;
    desk.run(&["import", "--format", "jsonl", "u.csv"])?.ends(3)?.says("u.csv:1: the record is not JSON")?;
    desk.run(&["import", "--format", "csv", "u.csv"])?.ends(0)?.says("5 accepted")?;
    Ok(())
}

#[test]
fn the_head_that_is_printed_is_the_ledgers() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 5))?;
    let out = desk.print(&["import", "u.csv"])?;
    let hex: String = desk.head()?.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert!(out.ends_with(&format!("ledger head: 2 {hex}\n")), "{out}");
    Ok(())
}

#[test]
fn a_bucket_told_in_another_offset_is_the_same_bucket() -> Outcome {
    let spellings = [
        (
            "deepseek/usage.csv",
            [
                ("2026-10-01T00:00:00+08:00", "2026-09-30T16:00:00Z"),
                ("2026-10-02T00:00:00+08:00", "2026-10-01T16:00:00Z"),
            ],
        ),
        (
            "anthropic-usage/usage-page.json",
            [("T01:00:00Z\"", "T01:00:00+00:00\""), ("T00:00:00Z\"", "T02:00:00+02:00\"")],
        ),
    ];
    for (file, changes) in spellings {
        let desk = Desk::new()?;
        let first = String::from_utf8(std::fs::read(fixture("formats").join(file))?)?;
        let other = changes.iter().fold(first.clone(), |text, (from, to)| text.replace(from, to));
        assert_ne!(first, other, "{file}");
        let name = file.replace('/', "-");
        desk.write(&name, &first)?;
        desk.run(&["import", &name])?.ends(0)?.says(" + 0 duplicates")?;
        desk.write(&name, &other)?;
        desk.run(&["import", &name])?.ends(0)?.says(" 0 accepted + ")?;
    }
    Ok(())
}

#[test]
fn names_that_look_alike_are_told_once_and_by_those_who_bring_them() -> Outcome {
    let desk = Desk::new()?;
    for (number, department) in ["Legal", "legal", "LEGAL", "legal", "Sales"].into_iter().enumerate() {
        desk.write(&format!("{number}.csv"), format!("{HEADER}\n{}", event(number, department)))?;
    }
    let pair = "warning: the departments \"LEGAL\" and \"legal\" look alike but count as two departments";
    let files = ["import", "0.csv", "1.csv", "2.csv", "3.csv"];
    let err = desk.run(&files)?.ends(0)?.err;
    let mut told: Vec<&str> = err.lines().collect();
    let all = told.len();
    told.sort_unstable();
    told.dedup();
    assert_eq!((told.len(), all), (3, 3), "{err}");
    assert!(told.contains(&pair), "{err}");
    let err = desk.run(&["import", "4.csv"])?.ends(0)?.err;
    assert_eq!(err, "", "others brought those");
    desk.write("r.csv", "rule,key,value,department\na,model,m,Sales\n")?;
    assert_eq!(desk.run(&["rules", "import", "r.csv"])?.ends(0)?.err, "");
    Ok(())
}

#[test]
fn fields_of_other_names_are_told_of_maps() -> Outcome {
    let desk = Desk::new()?;
    desk.write(
        "own.jsonl",
        "{\"ts\":\"2026-10-01T00:00:00Z\",\"model\":\"m\",\"tokens\":12,\"input_tokens\":1}\n".repeat(3),
    )?;
    desk.run(&["import", "own.jsonl"])?
        .ends(3)?
        .says("own.jsonl:1: event_id: is missing")?
        .says("write a map and add --map FILE")?;
    Ok(())
}

#[test]
fn the_same_events_with_another_tag_get_the_hint_to_retract_the_earlier_import() -> Outcome {
    let desk = Desk::new()?;
    desk.write("u.csv", usage(0, 2))?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let again = desk.run(&["import", "u.csv", "--tag", "team=search"])?.ends(5)?;
    assert_eq!(again.error_code(), Some("id-conflict"));
    again.says("hint: the same events came before with other tags")?.says("`tokenbook imports retract`")?;
    desk.run(&["imports", "retract", "2", "--reason", "wrong tag"])?.ends(0)?;
    desk.run(&["import", "u.csv", "--tag", "team=search"])?.ends(0)?.says("2 accepted")?;
    // Other counts are another matter.
    desk.write("v.csv", usage(0, 2).replace(",m,", ",n,"))?;
    desk.run(&["import", "v.csv", "--tag", "team=search"])?.ends(5)?.says("hint: an id identifies one event")?;
    Ok(())
}

#[test]
fn a_hint_fits_its_error() -> Outcome {
    let desk = Desk::new()?;
    desk.write("misspelt.csv", "event_id,timestamp,model,input_token\na,2026-10-05T10:00:00Z,m,1\n")?;
    desk.write(
        "misspelt.jsonl",
        "{\"event_id\":\"a\",\"timestamp\":\"2026-10-05T10:00:00Z\",\"model\":\"m\",\"input_token\":1}\n",
    )?;
    for (arguments, exit, code, hint) in [
        (&["import", "missing.csv"][..], 3, "file-missing", "hint: check the path\n"),
        (&["import", "misspelt.csv"], 3, "field-misspelt", "hint: rename the field as the message says"),
        (&["import", "misspelt.jsonl"], 3, "field-misspelt", "hint: rename the field as the message says"),
        (&["explain", "a"], 2, "event-unknown", "hint: copy the whole id from the usage file"),
        (&["init"], 2, "ledger-exists", "If the file is your ledger, use it as it stands"),
    ] {
        let ran = desk.run(arguments)?.ends(exit)?.says(hint)?;
        assert_eq!(ran.error_code(), Some(code));
    }
    Ok(())
}
