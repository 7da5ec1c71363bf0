//! A bad input as a row of a table: the file, the exit code, and what must be said of it.

use crate::desk::HEADER;

/// A file and what must become of it.
pub(super) struct Case {
    pub(super) number: u32,
    pub(super) file: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) exit: i32,
    pub(super) says: String,
}

pub(super) fn case(
    number: u32,
    file: &'static str,
    bytes: impl Into<Vec<u8>>,
    exit: i32,
    says: impl Into<String>,
) -> Case {
    Case { number, file, bytes: bytes.into(), exit, says: says.into() }
}

/// A CSV of one good event and the line given, on line 3.
pub(super) fn csv(number: u32, line: impl AsRef<[u8]>, says: &str) -> Case {
    let mut bytes = format!("{HEADER}\ngood,2026-10-05T10:00:00Z,m,Legal,1,1\n").into_bytes();
    bytes.extend(line.as_ref());
    bytes.push(b'\n');
    case(number, "u.csv", bytes, 3, format!("u.csv:3: {says}"))
}

/// A JSONL of one good event and the line given, on line 2.
pub(super) fn json(number: u32, line: impl AsRef<[u8]>, says: &str) -> Case {
    let mut bytes = br#"{"event_id":"good","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1}"#.to_vec();
    bytes.push(b'\n');
    bytes.extend(line.as_ref());
    bytes.push(b'\n');
    case(number, "u.jsonl", bytes, 3, format!("u.jsonl:2: {says}"))
}

/// A file that is refused as a whole.
pub(super) fn whole(number: u32, file: &'static str, bytes: impl Into<Vec<u8>>, says: &str) -> Case {
    case(number, file, bytes, 3, format!("{file}{says}"))
}

/// A JSON record with one more field, or another text for a field.
pub(super) fn record(extra: &str) -> String {
    format!(r#"{{"event_id":"e","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1,{extra}}}"#)
}

/// The same bad value of a field in both formats: the CSV's field and the JSON's token.
pub(super) fn both(number: u32, field: &str, in_csv: Option<&str>, in_json: Option<&str>, says: &str) -> Vec<Case> {
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
