//! Usage that the import rejects, with the line and what was expected, and without a trace.

use super::case::{Case, both, csv, json, record, whole};
use crate::desk::HEADER;

pub(crate) fn bytes_and_framing() -> Vec<Case> {
    let good = "e,2026-10-05T10:00:00Z,m,Legal,1,1";
    let mut utf_16 = vec![0xff, 0xfe];
    utf_16.extend(HEADER.encode_utf16().flat_map(u16::to_le_bytes));
    let long = format!("e,2026-10-05T10:00:00Z,m,{},1,1", "x".repeat(3 << 20));
    let mut cases = vec![
        csv(1, b"e,2026-10-05T10:00:00Z,gpt\xff,Legal,1,1", "bytes that are not UTF-8 at column 27"),
        json(1, [&record(r#""note":"@""#).into_bytes()[..86], b"\xff\"}"].concat(), "bytes that are not UTF-8"),
        csv(2, format!("\u{feff}{good}"), r#"event_id: "\u{feff}e" contains an invisible"#),
        json(2, format!("\u{feff}{}", record(r#""a":1"#)), "the record is not JSON, expected a JSON object"),
        csv(4, "a,2026-10-05T10:00:00Z,m,Legal,1,1\rb,2026-10-05T10:00:00Z,m,Legal,1,1", "a carriage return inside"),
        csv(5, b"e\0,2026-10-05T10:00:00Z,m,Legal,1,1", "a control character, expected text without"),
        csv(6, long, "department: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\" is longer than 1024 bytes"),
        whole(7, "u.csv", utf_16.clone(), ":1: the file is UTF-16, expected UTF-8"),
        whole(7, "u.jsonl", [0xfe, 0xff, 0, b'{'], ":1: the file is UTF-16, expected UTF-8"),
        csv(
            8,
            b"e,2026-10-05T10:00:00Z,m,M\xfcnchen,1,1",
            "bytes that are not UTF-8 at column 27, expected UTF-8 text (`iconv",
        ),
        csv(9, b"e,2026-10-05T10:00:00Z,\xc0\xaf,Legal,1,1", "bytes that are not UTF-8 at column 24"),
        whole(10, "u.csv", "", ": the file contains no events, expected at least one"),
        whole(10, "u.jsonl", "", ": the file contains no events, expected at least one"),
        whole(11, "u.csv", " \n\t\n\r\n", ": the file contains no events"),
        whole(11, "u.jsonl", "\n\n", ": the file contains no events"),
        whole(12, "u.csv", format!("{HEADER}\n"), ": the file contains no events"),
        whole(
            14,
            "u.csv",
            format!("{HEADER}\n{good}"),
            ":2: the last line has no line end and may be incomplete, expected a line end (--last-line-complete accepts the line, --tail leaves it for later)",
        ),
        whole(
            14,
            "u.csv",
            format!("{HEADER}\n{good}\n"),
            ": the file has 1 row, not counting headers and blank lines, expected 2",
        )
        .with("--expect-rows 2"),
        json(15, r#"{"event_id":"x","input_tok"#, "EOF while parsing a string at column"),
        json(16, r#"{"a":1}{"a":2}"#, "trailing characters at column 8, expected one JSON object on the line"),
        whole(
            17,
            "u.jsonl",
            "{\n  \"event_id\": \"e\"\n}\n",
            ":1: an object spread over several lines, expected one object on each line (`jq -c .",
        ),
        whole(
            18,
            "u.jsonl",
            "[{\"event_id\":\"e\"}]\n",
            ":1: the file is a JSON array, expected one object on each line (`jq",
        ),
        json(19, r#"["e","2026-10-05T10:00:00Z","m",5]"#, "the record is an array, expected a JSON object"),
    ];
    cases.extend(control_characters_of_vendors());
    cases.extend(both(5, "event_id", None, Some(r#""a\u0000b""#), r#""a\0b" contains a control character"#));
    cases.extend(both(9, "model", None, Some(r#""\ud800""#), "unexpected end of hex escape, expected a text"));
    cases.extend(both(
        21,
        "department",
        None,
        Some(r#""\u001b[31mred""#),
        r#""\u{1b}[31mred" contains a control character"#,
    ));
    cases
}

/// Messages show a vendor's text with its control characters escaped.
fn control_characters_of_vendors() -> Vec<Case> {
    let deepseek = "user_id,start_time_iso,end_time_iso,model,api_key_name,api_key,type,price,amount\n\
                    u-1,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,deepseek-chat,prod,k,out\u{7f}put,0,12\n";
    let gemini = r#"{"responseId":"r","modelVersion":"m","usageMetadata":{"promptTokenCount":1,"totalTokenCount":1,"promptTokensDetails":[{"modality":"\u001b[2J","tokenCount":1}]}}"#;
    let deepseek =
        whole(21, "u.csv", deepseek, ":2: type: \"out\\u{7f}put\" is not known, expected input_cache_hit_tokens");
    let gemini = whole(21, "u.jsonl", format!("{gemini}\n"), ":1: usageMetadata");
    vec![deepseek, gemini.with("--at 2026-10-01T00:00:00Z").says("\"\\u{1b}[2J\" is not known")]
}

pub(crate) fn json_structure() -> Vec<Case> {
    let deep = format!("\"x\":{}{}", "[".repeat(400_000), "]".repeat(400_000));
    let many: Vec<String> = (0..100_000).map(|number| format!("\"{number}\":1")).collect();
    let mut cases = vec![
        json(25, record(r#""foo":1"#), "").with("--strict-fields").says("u.jsonl: unknown fields: foo, expected"),
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
        whole(30, "u.jsonl", "]}\n", ":1: the record is not JSON, expected a JSON object").with("--format claude-code"),
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

pub(crate) fn numbers() -> Vec<Case> {
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

pub(crate) fn times() -> Vec<Case> {
    let table = [
        (48, "2026-06-30T23:30:00", "has no offset from UTC, expected RFC 3339 with an offset"),
        (49, "2026-04-30T10:20:60Z", "is not a day and time that exists"),
        (50, "0000-01-01T00:00:00Z", "is out of range"),
        (50, "9999-12-31T00:00:00Z", "is out of range"),
        (50, "1969-12-31T23:59:59Z", "is out of range"),
        (50, "2099-12-31T23:59:59Z", "is in the future, expected a time up to a day from now"),
        (51, "2026-02-29T00:00:00Z", "is not a day and time that exists"),
        (51, "2026-04-31T00:00:00Z", "is not a day and time that exists"),
        (51, "2026-04-30T24:00:00Z", "is not a day and time that exists"),
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

pub(crate) fn names() -> Vec<Case> {
    let long_id = "i".repeat(257);
    let long_tag = "t".repeat(1_025);
    let shown = |text: &str| format!("\"{}…\"", &text[..40]);
    let edges = "starts or ends with white space";
    let invisible = "contains an invisible or direction-changing character";
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

pub(crate) fn csv_shape() -> Vec<Case> {
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
            "a quote is not closed on its line, expected a closing quote (a field cannot contain a line break)",
        ),
        csv(89, "\"e\"x,2026-10-05T10:00:00Z,m,Legal,1,1", "text follows a closing quote, expected a quoted field"),
        csv(90, "e,2026-10-05T10:00:00Z,m\"4\",Legal,1,1", "a quote stands inside an unquoted field"),
        whole(
            91,
            "u.csv",
            format!("{}\n", HEADER.replace(',', "\t")),
            ":1: the header is delimited by tabs, expected commas",
        ),
        csv(92, HEADER, "the header is repeated here, expected an event"),
        csv(93, "#comment", "1 fields, expected 6, as the header has"),
        csv(93, "TOTAL,,,,123,1", "timestamp: is missing, expected a value"),
    ]
}
