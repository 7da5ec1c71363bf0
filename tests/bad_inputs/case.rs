//! A bad input as a row of one table: the files, the command, the exit code, and the expected message.

use crate::desk::HEADER;

/// How the tests cover a number of the catalogue.
pub(crate) enum Row {
    /// An input with its expected result.
    Case(Case),
    /// One command cannot show it. A test with this file and name does.
    Tested(u32, &'static str, &'static str),
    /// The product has no such part. docs/DECISIONS.md has the reason.
    Absent(u32, &'static str),
}

impl Row {
    pub(crate) const fn number(&self) -> u32 {
        match self {
            Self::Case(case) => case.number,
            Self::Tested(number, ..) | Self::Absent(number, _) => *number,
        }
    }
}

/// Files, and the expected result of a command that reads them.
pub(crate) struct Case {
    pub(crate) number: u32,
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    /// The input as the page of errors shows it.
    pub(crate) shown: String,
    /// Shell commands to run among files.
    pub(crate) commands: String,
    pub(crate) exit: i32,
    /// Part of a printed line.
    pub(crate) says: String,
    pub(crate) after: After,
    pub(crate) packed: Packed,
}

/// The expected state of the ledger afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Unchanged.
    Untouched,
    /// It holds events, and verifies.
    Holds,
    /// It verifies; nothing else is checked.
    Verifies,
}

/// Whether the compressed file must give the same message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packed {
    Too,
    No,
}

/// An imported file, with the expected message for it and for its compressed form.
pub(crate) fn case(
    number: u32,
    file: &'static str,
    bytes: impl Into<Vec<u8>>,
    exit: i32,
    says: impl Into<String>,
) -> Case {
    let bytes = bytes.into();
    Case {
        number,
        shown: text_of(&bytes),
        files: vec![(file, bytes)],
        commands: format!("tokenbook import {file}"),
        exit,
        says: says.into(),
        after: if exit == 0 { After::Holds } else { After::Untouched },
        packed: Packed::Too,
    }
}

/// Commands among text files. The page shows the files unchanged.
pub(crate) fn script(number: u32, files: &[(&'static str, &str)], commands: &str, exit: i32, says: &str) -> Case {
    let shown = files.iter().map(|(name, text)| format!("{name}: {text}"));
    Case {
        number,
        shown: shown.collect::<Vec<_>>().join(" "),
        files: files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect(),
        commands: commands.to_owned(),
        exit,
        says: says.to_owned(),
        after: if exit == 2 || exit == 3 { After::Untouched } else { After::Verifies },
        packed: Packed::No,
    }
}

impl Case {
    /// The same case with another text on the page.
    pub(crate) fn shown(self, shown: impl Into<String>) -> Self {
        Self { shown: shown.into(), ..self }
    }

    /// The same case with import options, without the compressed form.
    pub(crate) fn with(self, options: &str) -> Self {
        Self { commands: format!("{} {options}", self.commands), packed: Packed::No, ..self }
    }

    /// The same case with another expected message.
    pub(crate) fn says(self, says: &str) -> Self {
        Self { says: says.to_owned(), ..self }
    }

    /// The same case without the compressed form.
    pub(crate) fn unpacked(self) -> Self {
        Self { packed: Packed::No, ..self }
    }

    /// The same case with another expected state of the ledger.
    pub(crate) fn leaves(self, after: After) -> Self {
        Self { after, ..self }
    }
}

/// The bytes as text, if they are text.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

/// A CSV with one good event and the given line on line 3.
pub(crate) fn csv(number: u32, line: impl AsRef<[u8]>, says: &str) -> Case {
    let mut bytes = format!("{HEADER}\ngood,2026-10-05T10:00:00Z,m,Legal,1,1\n").into_bytes();
    bytes.extend(line.as_ref());
    bytes.push(b'\n');
    case(number, "u.csv", bytes, 3, format!("u.csv:3: {says}")).shown(text_of(line.as_ref()))
}

/// A JSONL with one good event and the given line on line 2.
pub(crate) fn json(number: u32, line: impl AsRef<[u8]>, says: &str) -> Case {
    let mut bytes = br#"{"event_id":"good","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1}"#.to_vec();
    bytes.push(b'\n');
    bytes.extend(line.as_ref());
    bytes.push(b'\n');
    case(number, "u.jsonl", bytes, 3, format!("u.jsonl:2: {says}")).shown(text_of(line.as_ref()))
}

/// A file that is rejected as a whole.
pub(crate) fn whole(number: u32, file: &'static str, bytes: impl Into<Vec<u8>>, says: &str) -> Case {
    case(number, file, bytes, 3, format!("{file}{says}"))
}

/// A JSON record with one more field, or with another text for a field.
pub(crate) fn record(extra: &str) -> String {
    format!(r#"{{"event_id":"e","timestamp":"2026-10-05T10:00:00Z","model":"m","input_tokens":1,{extra}}}"#)
}

/// The same bad value of a field in both formats, as the CSV's field and the JSON's token.
pub(crate) fn both(number: u32, field: &str, in_csv: Option<&str>, in_json: Option<&str>, says: &str) -> Vec<Case> {
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
