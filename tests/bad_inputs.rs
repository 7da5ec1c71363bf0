//! Every class of bad input that concerns our own usage formats, prices and files: what is said, and what is kept.
//!
//! The numbers are those of the catalogue of bad inputs. What stands here as accepted is accepted on purpose. Usage that
//! is refused is refused plain and as gzip, and leaves the ledger as it was.

mod desk;

use desk::{Desk, HEADER, Outcome, PRICES, gzip, rows, usage};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A file and what must become of it.
struct Case {
    number: u32,
    file: &'static str,
    bytes: Vec<u8>,
    exit: i32,
    says: String,
}

fn case(number: u32, file: &'static str, bytes: impl Into<Vec<u8>>, exit: i32, says: impl Into<String>) -> Case {
    Case { number, file, bytes: bytes.into(), exit, says: says.into() }
}

/// A CSV of one good event and the line given, on line 3.
fn csv(number: u32, line: impl AsRef<[u8]>, says: &str) -> Case {
    let mut bytes = format!("{HEADER}\ngood,2026-10-05T10:00:00Z,m,Legal,1,1\n").into_bytes();
    bytes.extend(line.as_ref());
    bytes.push(b'\n');
    case(number, "u.csv", bytes, 3, format!("u.csv:3: {says}"))
}

/// A JSONL of one good event and the line given, on line 2.
fn json(number: u32, line: impl AsRef<[u8]>, says: &str) -> Case {
    let mut bytes = br#"{"event_id":"good","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1}"#.to_vec();
    bytes.push(b'\n');
    bytes.extend(line.as_ref());
    bytes.push(b'\n');
    case(number, "u.jsonl", bytes, 3, format!("u.jsonl:2: {says}"))
}

/// A file that is refused as a whole.
fn whole(number: u32, file: &'static str, bytes: impl Into<Vec<u8>>, says: &str) -> Case {
    case(number, file, bytes, 3, format!("{file}{says}"))
}

/// A JSON record with one more field, or another text for a field.
fn record(extra: &str) -> String {
    format!(r#"{{"event_id":"e","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1,{extra}}}"#)
}

/// The same bad value of a field in both formats: the CSV's field and the JSON's token.
fn both(number: u32, field: &str, in_csv: Option<&str>, in_json: Option<&str>, says: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    if let Some(value) = in_csv {
        let fields =
            [("event_id", "e"), ("timestamp", "2026-10-05T10:00:00Z"), ("model", "m"), ("department", "Legal")];
        let mut values: Vec<&str> =
            fields.into_iter().map(|(name, good)| if name == field { value } else { good }).collect();
        values.push(if field == "input_tokens" { value } else { "1" });
        values.push("1");
        cases.push(csv(number, values.join(","), &format!("{field}: {says}")));
    }
    if let Some(value) = in_json {
        let fields = [
            ("event_id", r#""e""#),
            ("timestamp", r#""2026-10-05T10:00:00Z""#),
            ("model", r#""m""#),
            ("department", r#""Legal""#),
            ("input_tokens", "1"),
        ];
        let pairs: Vec<String> = fields
            .into_iter()
            .map(|(name, good)| format!("\"{name}\":{}", if name == field { value } else { good }))
            .collect();
        cases.push(json(number, format!("{{{}}}", pairs.join(",")), &format!("{field}: {says}")));
    }
    cases
}

fn bytes_and_framing() -> Vec<Case> {
    let good = "e,2026-10-05T10:00:00Z,m,Legal,1,1";
    let mut utf_16 = vec![0xff, 0xfe];
    utf_16.extend(HEADER.encode_utf16().flat_map(u16::to_le_bytes));
    let long = format!("e,2026-10-05T10:00:00Z,m,{},1,1", "x".repeat(3 << 20));
    let mut cases = vec![
        csv(1, b"e,2026-10-05T10:00:00Z,gpt\xff,Legal,1,1", "bytes that are not UTF-8 at column 27"),
        json(1, [&record(r#""note":"@""#).into_bytes()[..86], b"\xff\"}"].concat(), "bytes that are not UTF-8"),
        csv(2, format!("\u{feff}{good}"), r#"event_id: "\u{feff}e" holds an invisible"#),
        json(2, format!("\u{feff}{}", record(r#""a":1"#)), "the record is not JSON, expected a JSON object"),
        csv(4, "a,2026-10-05T10:00:00Z,m,Legal,1,1\rb,2026-10-05T10:00:00Z,m,Legal,1,1", "a carriage return inside"),
        csv(5, b"e\0,2026-10-05T10:00:00Z,m,Legal,1,1", "a control character, expected text without"),
        csv(6, long, "the line is longer than 1048576 bytes, expected a shorter line"),
        whole(7, "u.csv", utf_16.clone(), ":1: the file is UTF-16, expected UTF-8"),
        whole(7, "u.jsonl", [0xfe, 0xff, 0, b'{'], ":1: the file is UTF-16, expected UTF-8"),
        csv(
            8,
            b"e,2026-10-05T10:00:00Z,m,M\xfcnchen,1,1",
            "bytes that are not UTF-8 at column 27, expected UTF-8 text (iconv",
        ),
        csv(9, b"e,2026-10-05T10:00:00Z,\xc0\xaf,Legal,1,1", "bytes that are not UTF-8 at column 24"),
        whole(10, "u.csv", "", ": the file holds no events, expected at least one"),
        whole(11, "u.csv", " \n\t\n\r\n", ": the file holds no events"),
        whole(12, "u.csv", format!("{HEADER}\n"), ": the file holds no events"),
        whole(
            14,
            "u.csv",
            format!("{HEADER}\n{good}"),
            ":2: the last line has no line end: it may be cut, expected a line end (--last-line-complete",
        ),
        json(15, r#"{"event_id":"x","input_tok"#, "EOF while parsing a string at column"),
        json(16, r#"{"a":1}{"a":2}"#, "trailing characters at column 8, expected one JSON object on the line"),
        whole(
            17,
            "u.jsonl",
            "{\n  \"event_id\": \"e\"\n}\n",
            ":1: an object spread over several lines, expected one object a line (jq -c .",
        ),
        whole(
            18,
            "u.jsonl",
            "[{\"event_id\":\"e\"}]\n",
            ":1: the file is a JSON array, expected one object a line (jq",
        ),
        json(19, r#"["e","2026-10-05T10:00:00Z","m",5]"#, "the record is an array, expected a JSON object"),
    ];
    cases.extend(both(5, "event_id", None, Some(r#""a\u0000b""#), r#""a\0b" holds a control character"#));
    cases.extend(both(9, "model", None, Some(r#""\ud800""#), "unexpected end of hex escape, expected a text"));
    cases.extend(both(
        21,
        "department",
        None,
        Some(r#""\u001b[31mred""#),
        r#""\u{1b}[31mred" holds a control character"#,
    ));
    cases
}

fn json_structure() -> Vec<Case> {
    let deep = format!("\"x\":{}{}", "[".repeat(400_000), "]".repeat(400_000));
    let many: Vec<String> = (0..100_000).map(|number| format!("\"{number}\":1")).collect();
    let mut cases = vec![
        json(22, record(r#""output_tokens":1,"output_tokens":2"#), "output_tokens: stands twice in the object"),
        json(22, record(r#""foo":1,"foo":2"#), "foo: stands twice in the object, expected each name once"),
        json(22, record(r#""tags":{"a":"1","a":"2"}"#), "a: stands twice in the object"),
        json(22, record(r#""Input_Tokens":2"#), "Input_Tokens: is not a field, expected input_tokens"),
        json(23, record(&deep), "x: nests deeper than 64 levels, expected a record of usage"),
        json(24, record(&many.join(",")), "more than 1024 fields"),
        json(
            27,
            record(r#""output_tokens":true"#),
            r#"output_tokens: "true" is true or false, expected a whole number"#,
        ),
        json(28, record(r#""output_tokens":"12""#), "output_tokens: "),
        json(
            29,
            r#"{"event_id":"e","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens ":1}"#,
            "input_tokens : is not a field, expected input_tokens",
        ),
        json(
            29,
            "{\"event_id\":\"e\",\"timestamp\":\"2026-10-05T10:00:00Z\",\"model\":\"m\",\"input\u{2011}tokens\":1}",
            "input\u{2011}tokens: is not a field, expected input_tokens",
        ),
        json(
            29,
            r#"{"event_id":"e","timestamp":"2026-10-05T10:00:00Z","model":"m"}"#,
            "no meter is reported, expected at least one of input_tokens",
        ),
        json(30, record(r#""a":1,"#), "trailing comma at column"),
        json(30, record("\"a\":1/* x */"), "expected `,` or `}` at column"),
        json(30, "{'event_id':'e'}", "key must be a string at column 2"),
        json(30, record(r#""output_tokens":NaN"#), "expected value at column"),
        json(30, record(r#""output_tokens":Infinity"#), "expected value at column"),
    ];
    for field in ["event_id", "timestamp", "model"] {
        cases.extend(both(26, field, None, Some("null"), "is null, expected a value"));
        cases.extend(both(61, field, None, Some(r#""""#), "is missing, expected a value"));
    }
    cases
}

fn numbers() -> Vec<Case> {
    let whole = "is not a whole number, expected a whole number from 0 to 1000000000000 in plain digits, or nothing";
    let table = [
        (31, "1e400", whole),
        (32, "NaN", whole),
        (32, "Infinity", whole),
        (33, "-1", "is negative"),
        (34, "1.5", whole),
        (35, "1e2", whole),
        (36, "-0", "is negative"),
        (37, "01", "has a leading zero"),
        (37, "+1", whole),
        (37, "0x10", whole),
        (37, "1_000", whole),
        (37, "١٢", whole),
        (38, "9223372036854775808", "is implausibly large"),
        (39, "18446744073709551615", "is implausibly large"),
        (40, "1000000000001", "is implausibly large"),
        (42, "1.234", whole),
        (94, "1.23E+12", whole),
        (94, "########", whole),
        (94, "#REF!", whole),
    ];
    let mut cases = Vec::new();
    for (number, text, what) in table {
        let is_json = serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value.is_number());
        let in_json = is_json.then_some(text);
        cases.extend(both(number, "input_tokens", Some(text), in_json, &format!("\"{text}\" {what}")));
    }
    cases.extend(both(42, "input_tokens", Some("\"1,234\""), None, "\"1,234\" is not a whole number"));
    cases.extend(both(42, "input_tokens", Some("\"12,5\""), None, "\"12,5\" is not a whole number"));
    cases.push(json(46, record(r#""output_tokens":2,"total_tokens":4"#), r#"total_tokens: "4" is not the sum of the meters, 3, expected their sum: meters are disjoint, cached tokens are not part of input_tokens"#));
    cases.push(json(31, record(r#""output_tokens":1e400"#), "output_tokens: \"1e400\" is not a whole number"));
    cases
}

fn times() -> Vec<Case> {
    let table = [
        (48, "2026-06-30T23:30:00", "has no offset from UTC, expected RFC 3339 with an offset"),
        (49, "2026-04-30T10:20:60Z", "is no day or time of the calendar"),
        (50, "0000-01-01T00:00:00Z", "is out of range"),
        (50, "9999-12-31T00:00:00Z", "is out of range"),
        (50, "1969-12-31T23:59:59Z", "is out of range"),
        (50, "2099-12-31T23:59:59Z", "is in the future, expected a time up to a day from now"),
        (51, "2026-02-29T00:00:00Z", "is no day or time of the calendar"),
        (51, "2026-04-31T00:00:00Z", "is no day or time of the calendar"),
        (51, "2026-04-30T24:00:00Z", "is no day or time of the calendar"),
        (52, "2026-03-29T02:30:00 Europe/Berlin", "is not a date and time"),
        (52, "2026-10-25T02:30:00", "has no offset from UTC"),
        (54, "1782880200", "is not a date and time"),
        (54, "1782880200000", "is not a date and time"),
        (55, "06/07/2026", "is not a date and time"),
        (56, "2026-04-30T10:20:00.123456789012Z", "has more than nine decimals"),
        (57, "2026-04-30t10:20:00z", "is not a date and time"),
        (57, "2026-04-30 10:20:00Z", "is not a date and time"),
        (57, "2026-04-30T10:20:00-00:00", "has an impossible offset from UTC"),
        (58, "2026-04-30T10:20:00+23:59", "has an impossible offset from UTC"),
        (58, "2026-04-30T10:20:00+24:00", "has an impossible offset from UTC"),
        (94, "44927", "is not a date and time"),
    ];
    let mut cases = Vec::new();
    for (number, text, what) in table {
        let quoted = format!("\"{text}\"");
        cases.extend(both(number, "timestamp", Some(text), Some(&quoted), &format!("{quoted} {what}")));
    }
    cases.extend(both(54, "timestamp", None, Some("1782880200"), "is a number, expected a text"));
    cases
}

fn names() -> Vec<Case> {
    let long_id = "i".repeat(257);
    let long_tag = "t".repeat(1_025);
    let shown = |text: &str| format!("\"{}…\"", &text[..40]);
    let edges = "starts or ends with white space";
    let invisible = "holds an invisible or direction-changing character";
    let table = [
        (66, "event_id", "req_1 ", format!("\"req_1 \" {edges}, expected an id of 1 to 256 bytes")),
        (66, "event_id", " req_1", format!("\" req_1\" {edges}")),
        (67, "event_id", long_id.as_str(), format!("{} is longer than 256 bytes", shown(&long_id))),
        (71, "department", "Finance ", format!("\"Finance \" {edges}")),
        (74, "department", "\u{202e}gnp.exe", format!("\"\\u{{202e}}gnp.exe\" {invisible}")),
        (74, "department", "Fin\u{200b}ance", format!("\"Fin\\u{{200b}}ance\" {invisible}")),
        (78, "department", long_tag.as_str(), format!("{} is longer than 1024 bytes", shown(&long_tag))),
        (
            81,
            "department",
            "sk-live-0123456789abcdef0123",
            "a value that looks like a secret (not shown) looks like a secret key".to_owned(),
        ),
    ];
    let mut cases = Vec::new();
    for (number, field, text, says) in table {
        let quoted = format!("\"{text}\"");
        cases.extend(both(number, field, Some(text), Some(&quoted), &says));
    }
    for field in ["event_id", "timestamp", "model"] {
        cases.extend(both(68, field, Some(""), Some(r#""""#), "is missing, expected a value"));
    }
    cases.extend(both(
        71,
        "department",
        Some("(unallocated)"),
        Some(r#""(unallocated)""#),
        "\"(unallocated)\" is a name reserved for reports",
    ));
    cases
}

fn csv_shape() -> Vec<Case> {
    let good = "e,2026-10-05T10:00:00Z,m,Legal,1,1";
    vec![
        csv(82, "e,2026-10-05T10:00:00Z,m,Legal,1", "5 fields, expected 6, as the header has"),
        csv(82, format!("{good},1"), "7 fields, expected 6, as the header has"),
        whole(
            83,
            "u.csv",
            format!("{}\n", HEADER.replace(',', ";")),
            ":1: the header is delimited by semicolons, expected commas",
        ),
        whole(
            84,
            "u.csv",
            format!("{HEADER},model\n"),
            ":1: model: stands twice in the header, expected each field once",
        ),
        whole(
            85,
            "u.csv",
            "timestamp,model,input_tokens\n2026-10-05T10:00:00Z,m,1\n",
            ":1: event_id: is missing from the header, expected the fields event_id,timestamp,model",
        ),
        whole(
            87,
            "u.csv",
            format!("{HEADER},Reasoning_Tokens \n{good},1\n"),
            ":1: Reasoning_Tokens : is not a field, expected reasoning_tokens",
        ),
        csv(
            88,
            "e,2026-10-05T10:00:00Z,m,\"Legal,1,1",
            "a quote is not closed on its line, expected a closing quote: a field cannot hold a line break",
        ),
        csv(89, "\"e\"x,2026-10-05T10:00:00Z,m,Legal,1,1", "text follows a closing quote, expected a quoted field"),
        csv(90, "e,2026-10-05T10:00:00Z,m\"4\",Legal,1,1", "a quote stands inside an unquoted field"),
        whole(
            91,
            "u.csv",
            format!("{}\n", HEADER.replace(',', "\t")),
            ":1: the header is delimited by tabs, expected commas",
        ),
        csv(92, HEADER, "the header stands here again, expected an event"),
        csv(93, "#comment", "1 fields, expected 6, as the header has"),
        csv(93, "TOTAL,,,,123,1", "timestamp: is missing, expected a value"),
    ]
}

#[test]
fn refused_usage_is_named_by_line_and_leaves_no_trace() -> Outcome {
    let desk = Desk::new()?;
    let head = desk.head()?;
    let mut wrong = Vec::new();
    let groups = [bytes_and_framing(), json_structure(), numbers(), times(), names(), csv_shape()];
    for case in groups.into_iter().flatten() {
        let packed = format!("{}.gz", case.file);
        for (file, bytes) in [(case.file, case.bytes.clone()), (&packed, gzip(&case.bytes)?)] {
            desk.write(file, bytes)?;
            let says = case.says.replacen(case.file, file, 1);
            let ran = desk.run(&["import", file])?;
            let kept = desk.head()? != head || desk.events()? != 0;
            if kept || ran.code != Some(case.exit) || !ran.err.contains(&says) {
                let err: String = ran.err.chars().take(400).collect();
                wrong.push(format!(
                    "{} {file}: kept {kept}, code {:?}\n  expected {says}\n  found {err}",
                    case.number, ran.code
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Files with such bytes are read; the counts and what is said beside them.
fn accepted() -> Vec<Case> {
    let good = "e,2026-10-05T10:00:00Z,m,Legal,1,1";
    let in_json = |extra: &str| format!("{}\n", record(extra));
    let ok = |number, file, bytes: String, says: &str| case(number, file, bytes, 0, says);
    vec![
        ok(2, "u.csv", format!("\u{feff}{HEADER}\n{good}\n"), "2 lines = 1 header + 0 blank + 1 accepted"),
        ok(2, "u.jsonl", format!("\u{feff}{}", in_json(r#""a":1"#)), "1 lines = 0 header + 0 blank + 1 accepted"),
        ok(3, "u.csv", format!("{HEADER}\r\n{good}\r\n"), "1 accepted"),
        ok(13, "u.jsonl", record(r#""output_tokens":1"#), "1 accepted"),
        ok(
            14,
            "u.csv",
            "event_id,timestamp,model,input_tokens,department\ne,2026-10-05T10:00:00Z,m,1,\"Legal\"".to_owned(),
            "1 accepted",
        ),
        ok(
            20,
            "u.csv",
            format!("\n{HEADER}\n\n{good}\n \n"),
            "5 lines = 1 header + 3 blank + 1 accepted + 0 duplicates",
        ),
        ok(25, "u.jsonl", in_json(r#""foo":1"#), "u.jsonl: fields that are not read: foo"),
        ok(25, "u.csv", format!("{HEADER},foo\n{good},1\n"), "u.csv: fields that are not read: foo"),
        ok(26, "u.jsonl", in_json(r#""output_tokens":null,"department":null"#), "1 accepted"),
        ok(47, "u.csv", format!("{HEADER},cost\n{good},0.25\n"), "u.csv: fields that are not read: cost"),
        ok(49, "u.csv", format!("{HEADER}\ne,2016-12-31T23:59:60Z,m,Legal,1,1\n"), "1 accepted"),
        ok(60, "u.csv", format!("{HEADER}\n{good}\nf,2026-09-05T10:00:00Z,m,Legal,1,1\n"), "2 accepted"),
        ok(62, "u.csv", format!("{HEADER}\n{good}\n{good}\n"), "1 accepted + 1 duplicates"),
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
            "look alike and are counted apart",
        ),
        ok(86, "u.csv", "input_tokens,model,timestamp,event_id\n1,m,2026-10-05T10:00:00Z,e\n".to_owned(), "1 accepted"),
        ok(98, "u.csv.gz", format!("{HEADER}\n{good}\n"), "1 accepted"),
        case(
            96,
            "u.csv",
            [
                gzip(format!("{HEADER}\n").as_bytes()).unwrap_or_default(),
                gzip(format!("{good}\n").as_bytes()).unwrap_or_default(),
            ]
            .concat(),
            0,
            "1 accepted",
        ),
        case(
            64,
            "u.csv",
            format!("{HEADER}\n{good}\ne,2026-10-05T10:00:00Z,m,Legal,2,1\n"),
            5,
            "u.csv:3: event_id: \"e\" is already the id of another event (u.csv:2): input_tokens is 1 in the ledger and 2 here",
        ),
    ]
}

#[test]
fn strange_but_good_usage_is_read_and_said() -> Outcome {
    for case in accepted() {
        let desk = Desk::new()?;
        desk.write(case.file, &case.bytes)?;
        let checked = desk.run(&["import", case.file])?.ends(case.exit).and_then(|ran| ran.says(&case.says));
        checked.map_err(|error| format!("{}: {error}", case.number))?;
        assert_eq!(desk.events()? > 0, case.exit == 0, "{}", case.number);
        desk.run(&["verify"])?.ends(0)?;
    }
    Ok(())
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
fn a_file_cut_anywhere_never_gives_another_number() -> Outcome {
    let csv = format!("{HEADER}\na,2026-10-05T10:00:00Z,m,Legal,123,456\nb,2026-10-05T10:00:00Z,m,Legal,789,123\n");
    let json = format!(
        "{}\n{}\n",
        record(r#""output_tokens":456"#),
        record(r#""output_tokens":456"#).replace("\"e\"", "\"f\"")
    );
    let sums = "SELECT count(*) * 1000000 + coalesce(sum(input + output), 0) FROM usage_event";
    for (file, text) in [("u.csv", csv), ("u.jsonl", json)] {
        let mut whole = BTreeSet::from([0]);
        for lines in 1..=3 {
            let desk = Desk::new()?;
            let part: String = text.split_inclusive('\n').take(lines).collect();
            desk.write(file, part)?;
            desk.run(&["import", file])?;
            whole.insert(desk.count(sums)?);
        }
        // One ledger of many trials: a dry run says what would come, and keeps nothing.
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
        desk.run(&["import", "u.jsonl"])?.ends(3)?.says("holds a control character")?;
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
    let mut text = "event_id,timestamp,model,input_tokens,tag.request\n".to_owned();
    for number in 0..100_001 {
        writeln!(text, "e{number},2026-10-05T10:00:00Z,m,1,r{number}")?;
    }
    desk.write("u.csv", text)?;
    desk.run(&["import", "u.csv"])?.ends(3)?.says("more than 100000 different combinations of tags")?;
    assert_eq!(desk.events()?, 0);
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
    desk::Ran::of(ran)?.ends(3)?.says("-: the file holds no events")?;
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
        let ran = desk::Ran::of(output)?.ends(0)?.says("3 accepted")?;
        assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
    }
    Ok(())
}

#[test]
fn a_price_list_that_is_wrong_is_refused_with_its_lines() -> Outcome {
    let desk = Desk::new()?;
    let head = desk.head()?;
    let columns = "model,meter,currency,price,per,prompt_above,valid_from";
    let row = |line: &str| format!("{columns}\n{line}\n");
    let cases = [
        (
            43,
            row("m,input,USD,0.0000000000000000000000000000001,,,2026-01-01"),
            "p.csv:2: price: \"0.0000000000000000000000000000001\" has more digits than can be kept exactly",
        ),
        (
            43,
            row("m,input,USD,0.0000000001,,,2026-01-01"),
            "p.csv:2: price: \"0.0000000001\" is finer than a nano-unit per million",
        ),
        (
            44,
            row("m,input,USD,1e-7,1,,2026-01-01"),
            "p.csv:2: price: \"1e-7\" is not a plain decimal number, expected plain digits such as 2.50",
        ),
        (44, row("m,input,USD,2.5E-06,1,,2026-01-01"), "p.csv:2: price: \"2.5E-06\" is not a plain decimal number"),
        (42, row("m,input,USD,\"1,5\",,,2026-01-01"), "p.csv:2: price: \"1,5\" is not a plain decimal number"),
        (32, row("m,input,USD,NaN,,,2026-01-01"), "p.csv:2: price: \"NaN\" is not a plain decimal number"),
        (114, row("m,input,USD,,,,2026-01-01"), "p.csv:2: price: is not a plain decimal number"),
        (115, row("m,input,USD,-1,,,2026-01-01"), "p.csv:2: price: \"-1\" is negative"),
        (
            111,
            format!("{columns}\nm,input,USD,1,,,2026-01-01\n\nm,input,USD,2,,,2026-01-01\n"),
            "p.csv:4: price: contradicts line 2: the same key and start with another price",
        ),
        (
            111,
            format!(
                "{columns}\nm,input,USD,1,,,2026-01-01\nm,input,USD,1,,,2026-01-01T00:00:00Z\nm,input,EUR,1,,,2026-01-01\n"
            ),
            "p.csv:4: price: contradicts line 2",
        ),
        (
            117,
            format!("{columns}\nm,input,USD,2.5,,,2026-01-01\nm,input,USD,2.5,1000,,2026-02-01\n"),
            "p.csv:3: price: m input goes from 2.5 to 2500 per million at 2026-02-01T00:00:00Z, expected a price of the same magnitude: is `per` right? (--confirm",
        ),
        (
            118,
            row("m,input,usd,1,,,2026-01-01"),
            "p.csv:2: currency: \"usd\" is not a currency code of ISO 4217 in capitals, such as USD",
        ),
        (118, row("m,input,US$,1,,,2026-01-01"), "p.csv:2: currency: \"US$\" is not a currency code"),
        (118, row("m,input,XXX,1,,,2026-01-01"), "p.csv:2: currency: \"XXX\" is not a currency code"),
        (118, row("m,input,BTC,1,,,2026-01-01"), "p.csv:2: currency: \"BTC\" is not a currency code"),
        (51, row("m,input,USD,1,,,2026-02-30"), "p.csv:2: valid_from: \"2026-02-30\" "),
        (
            48,
            row("m,input,USD,1,,,2026-02-03T10:00:00"),
            "p.csv:2: valid_from: \"2026-02-03T10:00:00\" has no offset from UTC",
        ),
        (29, row("m,inputs,USD,1,,,2026-01-01"), "p.csv:2: meter: \"inputs\" is not a meter, expected input"),
        (
            29,
            row("m,input_tokens,USD,1,,,2026-01-01"),
            "p.csv:2: meter: \"input_tokens\" is not a meter, expected input",
        ),
        (
            117,
            row("m,input,USD,1,100,,2026-01-01"),
            "p.csv:2: per: \"100\" is not a unit of prices, expected 1, 1000 or 1000000",
        ),
        (34, row("m,input,USD,1,,1.5,2026-01-01"), "p.csv:2: prompt_above: \"1.5\" is not a number of tokens"),
        (33, row("m,input,USD,1,,-1,2026-01-01"), "p.csv:2: prompt_above: \"-1\" is not a number of tokens"),
        (68, row(",input,USD,1,,,2026-01-01"), "p.csv:2: model: is empty"),
        (10, String::new(), "p.csv: the file is empty, expected a header with model,meter,currency,price,valid_from"),
        (12, format!("{columns}\n"), "p.csv: the file holds no prices"),
        (84, format!("{columns},model\n"), "p.csv:1: model: stands twice in the header"),
        (85, "model,meter,currency,price\n".to_owned(), "p.csv:1: valid_from: is missing from the header"),
        (
            87,
            "Model ,meter,currency,price,valid_from\n".to_owned(),
            "p.csv:1: Model : is not a column of this file, expected model",
        ),
        (83, format!("{}\n", columns.replace(',', ";")), "p.csv:1: the header is delimited by semicolons"),
        (82, row("m,input,USD,1"), "p.csv:2: 4 fields, expected 7, as the header has"),
        (88, row("m,\"input,USD,1,,,2026-01-01"), "p.csv:2: a quote is not closed on its line"),
    ];
    let mut wrong = Vec::new();
    for (number, text, says) in cases {
        desk.write("p.csv", text)?;
        let ran = desk.run(&["prices", "import", "p.csv"])?;
        if ran.code != Some(3) || !ran.err.contains(says) || desk.head()? != head {
            wrong.push(format!("{number}: expected {says}\n  found {ran:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn what_has_no_price_in_force_is_unpriced_and_never_zero() -> Outcome {
    let columns = "model,provider,meter,service_tier,currency,price,valid_from";
    let cases = [
        (108, "n,,input,,USD,1,2026-01-01", "no price in force"),
        (109, "m-2026-01-01,,input,,USD,1,2026-01-01", "no price in force"),
        (109, "M,,input,,USD,1,2026-01-01", "no price in force"),
        (110, "m,,input,,USD,1,2026-10-06", "no price in force"),
        (
            112,
            "m,,input,,USD,1,2026-01-01\nm,,input,,USD,-,2026-10-01\nm,,input,,USD,1,2026-10-06",
            "no price in force",
        ),
        (110, "m,north,input,,USD,1,2026-01-01", "no price in force"),
        (110, "m,,input,batch,USD,1,2026-01-01", "no price in force"),
        (119, "m,,input,,EUR,1,2026-01-01", "the price is in another currency"),
    ];
    for (number, prices, reason) in cases {
        let desk = Desk::new()?;
        desk.write("p.csv", format!("{columns}\n{prices}\n"))?;
        desk.write("u.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,7,\n"))?;
        desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
        desk.run(&["import", "u.csv"])?.ends(0)?;
        let found = rows(&desk.chargeback()?)?;
        let cells =
            ["events", "amount_exact", "amount", "share_percent", "unpriced_events"].map(|name| &*found[0][name]);
        assert_eq!(cells, ["1", "", "", "", "1"], "{number}");
        desk.run(&["report", "unpriced", "--period", "2026-10"])?.ends(0)?.says(reason)?;
        desk.run(&["report", "chargeback", "--period", "2026-10", "--strict"])?.ends(4)?;
        desk.run(&["prices", "check", "--period", "2026-10", "--strict"])?.ends(4)?;
    }
    Ok(())
}

#[test]
fn a_price_of_nothing_is_a_price() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", "model,meter,currency,price,valid_from\nm,input,USD,0,2026-01-01\n")?;
    desk.write("u.csv", format!("{HEADER}\ne,2026-10-05T10:00:00Z,m,Legal,7,\n"))?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let found = rows(&desk.chargeback()?)?;
    let cells = ["amount_exact", "amount", "share_percent", "average_per_event", "unpriced_events"]
        .map(|name| &*found[0][name]);
    assert_eq!(cells, ["0", "0.00", "", "0.000000", "0"]);
    desk.run(&["report", "chargeback", "--period", "2026-10", "--strict"])?.ends(0)?;
    Ok(())
}

#[test]
fn prices_come_again_change_and_end() -> Outcome {
    let desk = Desk::new()?;
    desk.write("p.csv", PRICES)?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?.says("2 prices added, 0 replaced, 0 unchanged")?;
    let head = desk.head()?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?.says("0 prices added, 0 replaced, 2 unchanged")?;
    assert_eq!(desk.head()?, head, "123: the same again is no entry");
    desk.write("p.csv", PRICES.replace("2.50", "2.75"))?;
    let says = "replaced: contract any provider m input standard from 2026-01-01T00:00:00Z: 2.5 USD per million -> 2.75 USD per million";
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?.says(says)?.says("0 prices added, 1 replaced, 1 unchanged")?;
    // A thousandfold is a mistake of units until somebody says it is not.
    desk.write("p.csv", "model,meter,currency,price,per,valid_from\nm,input,USD,2.75,1000,2026-11-01\n")?;
    desk.run(&["prices", "import", "p.csv"])?.ends(3)?.says("m input goes from 2.75 to 2750 per million")?;
    desk.run(&["prices", "import", "p.csv", "--confirm"])?.ends(0)?.says("1 prices added")?;
    desk.run(&["prices", "check", "--period", "2026-10"])?.ends(0)?.says("jump: ")?;
    desk.write("p.csv", "model,meter,currency,price,valid_from\nm,output,USD,-,2026-11-01\n")?;
    desk.run(&["prices", "import", "p.csv"])?.ends(0)?;
    desk.run(&["prices", "check", "--period", "2026-10"])?
        .ends(0)?
        .says("has no price from 2026-11-01T00:00:00Z on")?;
    let listed = desk.print(&["prices", "list", "--at", "2026-11-02", "--format", "csv"])?;
    assert_eq!(rows(&listed)?.len(), 1, "{listed}");
    desk.run(&["verify"])?.ends(0)?;
    Ok(())
}

#[test]
fn offers_with_a_word_too_many_or_twice_are_refused() -> Outcome {
    let desk = Desk::new()?;
    for (text, says) in [
        ("[[offer]]\nname = \"a\"\nmonthly_feee = \"1\"\n", "offers.toml:3: "),
        ("[[offer]]\nname = \"a\"\nname = \"b\"\n", "offers.toml:3: "),
        ("[[offer]]\nname = \"a\"\nmonthly_fee = 1.5\n", "offers.toml:3: "),
    ] {
        desk.write("offers.toml", text)?;
        desk.run(&["report", "savings", "--period", "2026-10", "--offers", "offers.toml"])?.ends(3)?.says(says)?;
    }
    Ok(())
}

/// Classes of the catalogue that are tested beside this file, or are not of our own formats, prices and files.
const ELSEWHERE: [(u32, &str); 24] = [
    (41, "quantities: a sum beyond 64 bits"),
    (45, "catalogues in JSON come with a later card"),
    (53, "import: an instant's spellings; fixtures/import has a month's last instant"),
    (59, "closed periods come with a later card"),
    (63, "import: a file imported twice"),
    (65, "here: an id belongs to its source"),
    (69, "import: colliding hashes"),
    (70, "import: quarantined lines"),
    (72, "here: two spellings of a name"),
    (75, "here: names of any kind"),
    (76, "here: names of any kind"),
    (77, "here: names of any kind"),
    (79, "here: names of any kind"),
    (80, "here: names of any kind"),
    (102, "here: only regular files"),
    (103, "here: only regular files"),
    (104, "here: a path may hold anything"),
    (107, "import: one bad file"),
    (113, "exact: a price's first and last nanosecond"),
    (116, "a price has a start only"),
    (120, "exchange rates by date come with a later card; savings: an exchange rate of 0"),
    (121, "exchange rates by date come with a later card"),
    (122, "closed periods come with a later card"),
    (123, "here: prices come again"),
];

#[test]
fn no_class_of_the_catalogue_is_forgotten() -> Outcome {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad_inputs.rs"))?;
    let groups = [bytes_and_framing(), json_structure(), numbers(), times(), names(), csv_shape(), accepted()];
    let mut known: BTreeSet<u32> = groups.into_iter().flatten().map(|case| case.number).collect();
    known.extend(ELSEWHERE.map(|(number, _)| number));
    // Tables of files and prices name their numbers as the first of a tuple, on its line or on one of its own.
    let tuples = source.lines().map(str::trim).filter_map(|line| {
        let first = line.strip_prefix('(').map_or(line, |rest| rest.split_once(',').map_or(rest, |(first, _)| first));
        first.strip_suffix(',').unwrap_or(first).parse::<u32>().ok()
    });
    known.extend(tuples);
    // Budgets, split allocations, webhooks; offers are tested above.
    known.extend(124..=127);
    let forgotten: Vec<u32> = (1..=127).filter(|number| !known.contains(number)).collect();
    assert_eq!(forgotten, Vec::<u32>::new());
    Ok(())
}
