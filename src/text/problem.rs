//! Describes what is wrong with a line: where, what was found, and what was expected.

use crate::domain::secret::{looks_secret, redacted};
use crate::fault::Code;
use std::borrow::Cow;
use std::fmt;

/// The most characters of an offending value that a message shows.
const SHOWN: usize = 40;
/// The most characters of a field's name or path that a message shows.
const NAME_SHOWN: usize = 100;

/// A character of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Spot {
    /// The line, from 1; 0 for the file as a whole.
    pub line: u64,
    /// The character of the line, from 1.
    pub column: u32,
}

/// Something wrong with one line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line, from 1; 0 for the file as a whole.
    pub line: u64,
    /// The character of the line at which it begins, from 1; 0 for the line as a whole.
    pub column: u32,
    /// The field, if one field is at fault.
    pub field: Option<String>,
    /// What was found.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// The stable code of what is wrong.
    pub code: Code,
}

impl Problem {
    /// A problem with a line as a whole.
    pub fn line(what: impl Into<String>, expected: impl Into<String>) -> Self {
        let (what, expected) = (visible(what.into()), visible(expected.into()));
        Self { line: 0, column: 0, field: None, what, expected, code: Code::LineInvalid }
    }

    /// A problem with a field's value. The message shows the value shortened and escaped.
    pub fn value(field: &str, value: &str, what: impl fmt::Display, expected: impl Into<String>) -> Self {
        let what = if value.is_empty() { what.to_string() } else { format!("{} {what}", excerpt(value)) };
        Self::field(field, what, expected)
    }

    /// A problem with a field that shows no value.
    pub fn field(field: &str, what: impl Into<String>, expected: impl Into<String>) -> Self {
        let (what, expected) = (visible(what.into()), visible(expected.into()));
        Self { line: 0, column: 0, field: Some(excerpt_name(field)), what, expected, code: Code::FieldInvalid }
    }

    /// The same problem, with another code.
    #[must_use]
    pub fn coded(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// The code that all problems of a file share, or [`Code::LinesRejected`].
    pub fn shared_code(problems: &[Self]) -> Code {
        let first = problems.first().map_or(Code::LinesRejected, |problem| problem.code);
        if problems.iter().all(|problem| problem.code == first) { first } else { Code::LinesRejected }
    }

    /// The same problem, at a line.
    #[must_use]
    pub fn at(self, line: u64) -> Self {
        Self { line, ..self }
    }

    /// The same problem, at a character of a line.
    #[must_use]
    pub fn at_spot(self, Spot { line, column }: Spot) -> Self {
        Self { line, column, ..self }
    }

    /// `file:line: field: what, expected what`, with the column after the line if it is known.
    pub fn in_file(&self, file: &str) -> String {
        match (self.line, self.column) {
            (0, _) => format!("{file}: {self}"),
            (line, 0) => format!("{file}:{line}: {self}"),
            (line, column) => format!("{file}:{line}:{column}: {self}"),
        }
    }
}

/// `field: what, expected what`, without file and line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}, expected {}", self.what, self.expected)
    }
}

/// Escapes control characters and leaves out secrets.
pub fn visible(text: String) -> String {
    let text = match redacted(&text) {
        Cow::Owned(clean) => clean,
        Cow::Borrowed(_) => text,
    };
    if !text.chars().any(char::is_control) {
        return text;
    }
    let shown = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// A value for a message: quoted, shortened, control and invisible characters escaped, secrets left out.
pub fn excerpt(value: &str) -> String {
    if looks_secret(value) {
        return "a value that looks like a secret (not shown)".to_owned();
    }
    let mut shown: String = value.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if value.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// The name of a field, or a path, for a message.
pub fn excerpt_name(field: &str) -> String {
    let field = &*redacted(field);
    let mut shown: String = field.chars().take(NAME_SHOWN).flat_map(char::escape_debug).collect();
    if field.chars().nth(NAME_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// A whole number with separators for thousands, for people.
pub fn grouped(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun, for people: `1 entry`, `1,234 entries`.
pub fn counted(number: impl Into<i128>, one: &str, many: &str) -> String {
    let number = number.into();
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// [`counted`] for the length of a list.
pub fn listed(length: usize, one: &str, many: &str) -> String {
    counted(i128::try_from(length).unwrap_or(i128::MAX), one, many)
}

/// The known word that is nearest to a mistyped one, if one is near enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let wanted = plain(word);
    let scored = known.into_iter().filter_map(|candidate| {
        let candidate_plain = plain(candidate);
        // So much longer or shorter is not near, and comparing a line of a megabyte letter by letter takes a second.
        let is_alike = wanted.len().abs_diff(candidate_plain.len()) <= 2;
        is_alike.then(|| (strsim::osa_distance(&wanted, &candidate_plain), candidate_plain.len(), candidate))
    });
    let (distance, length, candidate) = scored.min_by_key(|(distance, ..)| *distance)?;
    (distance <= 2 && distance * 4 <= length).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_no_secret_and_no_control_character() {
        let problem =
            Problem::value("tag.key", "sk-live-0123456789abcdef0123456789", "is not a name", "an alias").at(3);
        assert_eq!(
            problem.in_file("a.csv"),
            "a.csv:3: tag.key: a value that looks like a secret (not shown) is not a name, expected an alias"
        );
        let problem = Problem::field("f", "\u{1b}[2J is not known", "one of \u{7f}");
        assert_eq!(problem.to_string(), "f: \\u{1b}[2J is not known, expected one of \\u{7f}");
        assert_eq!(excerpt("a\u{1b}[31m\n"), "\"a\\u{1b}[31m\\n\"");
        assert_eq!(excerpt(&"x".repeat(50)).chars().count(), 43);
    }

    #[test]
    fn a_mistyped_field_has_a_nearest_one() {
        let known = ["input_tokens", "output_tokens", "event_id", "model"];
        assert_eq!(nearest("input_token", known), Some("input_tokens"));
        assert_eq!(nearest("Input Tokens ", known), Some("input_tokens"));
        assert_eq!(nearest("input\u{2011}tokens", known), Some("input_tokens"));
        assert_eq!(nearest("cost", known), None);
        assert_eq!(nearest("mode", known), Some("model"));
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        let cases =
            [(0, "0"), (999, "999"), (1_000, "1,000"), (-123_456, "-123,456"), (1_000_000_000, "1,000,000,000")];
        for (count, expected) in cases {
            assert_eq!(grouped(count), expected);
        }
    }
}
