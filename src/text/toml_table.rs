//! A TOML table that a person wrote. Values keep their text and their line, so no number passes through a float and
//! every message gives the line. This module does not know what a key means.

use crate::fault::Code;
use crate::text::problem::{Problem, Spot, excerpt, nearest, visible};
use std::borrow::Cow;
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// A table of the file, with its name in messages.
#[derive(Debug)]
pub struct Section<'a> {
    file: &'a str,
    label: String,
    spot: Spot,
    table: &'a DeTable<'a>,
}

/// A value, with its key.
#[derive(Debug)]
pub struct TomlValue<'a> {
    label: &'a str,
    key: &'a str,
    spot: Spot,
    written: &'a DeValue<'a>,
}

impl<'a> Section<'a> {
    /// The tables of a file, or all errors in its syntax, including duplicate keys.
    pub fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Vec<Problem>> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let problem = |error: &Error| {
            let span = error.span().unwrap_or_default();
            let (what, expected) =
                error.message().split_once(", expected ").unwrap_or((error.message(), "valid TOML, each key once"));
            let found = text.get(span.clone()).filter(|found| !found.is_empty());
            let found = found.map_or_else(String::new, |found| format!(" {}", excerpt(found)));
            Problem::line(format!("is not TOML: {what}{found}"), expected).at_spot(spot_of(text, span.start))
        };
        if errors.is_empty() {
            return Ok(document);
        }
        let problems: Vec<Problem> = errors.iter().map(problem).collect();
        Err(another_language(text, &problems).map_or(problems, |problem| vec![problem]))
    }

    /// The file as a whole.
    pub fn of_document(file: &'a str, table: &'a DeTable<'a>) -> Self {
        Self { file, label: String::new(), spot: Spot::default(), table }
    }

    /// The same table with another name in messages.
    pub fn labelled(self, label: String) -> Self {
        Self { label, ..self }
    }

    /// The table's name in messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The line it begins on; 0 for the file as a whole.
    pub fn line(&self) -> u64 {
        self.spot.line
    }

    /// Where it begins.
    pub fn spot(&self) -> Spot {
        self.spot
    }

    /// A problem with the table as a whole.
    pub fn whole(&self, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        let field = Some(self.label.clone());
        let (what, expected) = (visible(what.into()), visible(expected.into()));
        let Spot { line, column } = self.spot;
        Problem { line, column, field, what, expected, code: Code::FieldInvalid }
    }

    /// A problem with a key, whether the key is present or missing.
    pub fn problem(&self, key: &str, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        let known = self.table.get_key_value(key);
        let Spot { line, column } = known.map_or(self.spot, |(key, _)| spot_of(self.file, key.span().start));
        let (what, expected) = (visible(what.into()), visible(expected.into()));
        Problem { line, column, field: Some(labelled(&self.label, key)), what, expected, code: Code::FieldInvalid }
    }

    /// One problem for each unknown key.
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<Problem> {
        let unknown = self.table.keys().map(|key| key.get_ref().as_ref()).filter(|key| !known.contains(key));
        let problem = |key: &str| {
            let expected = nearest(key, known.iter().copied()).map_or_else(|| known.join(", "), str::to_owned);
            let what = format!("{} is not a key", excerpt(key));
            let Problem { line, column, .. } = self.problem(key, "", "");
            let field = (!self.label.is_empty()).then(|| self.label.clone());
            Problem { line, column, field, what, expected, code: Code::FieldUnknown }
        };
        unknown.map(problem).collect()
    }

    /// Returns the first unknown key as an error.
    pub fn no_unknown_keys(&self, known: &[&str]) -> Result<(), Problem> {
        let first = self.unknown_keys(known).into_iter().min_by_key(|problem| problem.line);
        first.map_or(Ok(()), Err)
    }

    /// The value of a key, read; `None` if the key is absent.
    pub fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&TomlValue<'_>) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.table.get_key_value(key).map(|(key, value)| read(&self.value(key, value))).transpose()
    }

    /// The value of a required key, read.
    pub fn required<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&TomlValue<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let value = self.optional(key, read)?;
        value.ok_or_else(|| self.problem(key, "is missing", expected).coded(Code::FieldMissing))
    }

    /// Every key and its value, read, in the order of the keys.
    pub fn entries<T>(&self, read: impl Fn(&str, &TomlValue<'_>) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        self.table.iter().map(|(key, value)| read(key.get_ref(), &self.value(key, value))).collect()
    }

    /// The table of a key, if the key is present.
    pub fn table(&self, key: &str) -> Result<Option<Section<'a>>, Problem> {
        match self.table.get(key) {
            None => Ok(None),
            Some(value) => self.section(key, value).map(Some),
        }
    }

    /// Whether a key is present.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Every key and its table, in the order of the keys.
    pub fn sections(&self) -> Result<Vec<(&'a str, Section<'a>)>, Problem> {
        self.table
            .iter()
            .map(|(key, value)| Ok((key.get_ref().as_ref(), self.section(key.get_ref(), value)?)))
            .collect()
    }

    /// The tables of a key that may occur several times, each under a header. Empty if the key is absent.
    pub fn tables(&self, key: &str, header: &str) -> Result<Vec<Section<'a>>, Problem> {
        match self.table.get(key).map(Spanned::get_ref) {
            None => Ok(Vec::new()),
            Some(DeValue::Array(tables)) => tables.iter().map(|table| self.section(key, table)).collect(),
            Some(_) => Err(self.problem(key, "is not a list of tables", header)),
        }
    }

    fn section(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Result<Section<'a>, Problem> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.problem(key, "is not a table", "keys and values"));
        };
        let spot = spot_of(self.file, value.span().start);
        Ok(Section { file: self.file, label: labelled(&self.label, key), spot, table })
    }

    fn value<'v>(&'v self, key: &'v Spanned<Cow<'_, str>>, value: &'v Spanned<DeValue<'_>>) -> TomlValue<'v> {
        let spot = spot_of(self.file, value.span().start);
        TomlValue { label: &self.label, key: key.get_ref(), spot, written: value.get_ref() }
    }
}

impl TomlValue<'_> {
    /// The text of a string.
    pub fn text(&self) -> Result<&str, Problem> {
        match self.written {
            DeValue::String(text) => Ok(text),
            _ => Err(self.with(format!("is {}", self.kind()), "a text in quotes")),
        }
    }

    /// The digits of a number that is written as a string or as a whole number.
    pub fn number(&self) -> Result<Cow<'_, str>, Problem> {
        match self.written {
            DeValue::String(text) => Ok(Cow::Borrowed(text)),
            DeValue::Integer(number) if number.radix() == 10 => Ok(Cow::Borrowed(number.as_str())),
            DeValue::Float(float) => {
                let what = format!("{} is a TOML float, which is not exact", float.as_str());
                Err(self.with(what, format!("it in quotes: \"{}\"", float.as_str())))
            }
            _ => Err(self.with(format!("is {}", self.kind()), "a number in quotes, or a whole number")),
        }
    }

    /// Whether a value is true.
    pub fn flag(&self) -> Result<bool, Problem> {
        match self.written {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.with(format!("is {}", self.kind()), "true or false")),
        }
    }

    /// The texts of a list. A single string counts as a list of one.
    pub fn texts(&self) -> Result<Vec<&str>, Problem> {
        let expected = "a text in quotes, or a list of them";
        match self.written {
            DeValue::String(text) => Ok(vec![text]),
            DeValue::Array(values) => values
                .iter()
                .map(|value| match value.get_ref() {
                    DeValue::String(text) => Ok(text.as_ref()),
                    _ => Err(self.with("contains a value that is not a text", expected)),
                })
                .collect(),
            _ => Err(self.with(format!("is {}", self.kind()), expected)),
        }
    }

    /// The line of the value's key.
    pub const fn line(&self) -> u64 {
        self.spot.line
    }

    /// Where the value begins.
    pub const fn spot(&self) -> Spot {
        self.spot
    }

    /// A problem with the value. The message shows the value.
    pub fn problem(&self, what: impl std::fmt::Display, expected: impl Into<String>) -> Problem {
        let shown = match self.written {
            DeValue::String(text) => excerpt(text),
            DeValue::Integer(number) => number.to_string(),
            _ => return self.with(what.to_string(), expected),
        };
        self.with(format!("{shown} {what}"), expected)
    }

    /// A problem with the key.
    pub fn key_problem(&self, what: impl std::fmt::Display, expected: impl Into<String>) -> Problem {
        self.with(what.to_string(), expected)
    }

    fn with(&self, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        let field = Some(labelled(self.label, self.key));
        let (what, expected) = (visible(what.into()), visible(expected.into()));
        let Spot { line, column } = self.spot;
        Problem { line, column, field, what, expected, code: Code::FieldInvalid }
    }

    fn kind(&self) -> &'static str {
        match self.written {
            DeValue::String(_) => "a text",
            DeValue::Integer(number) if number.radix() != 10 => "not a decimal number",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

/// `offer "Flat plan": monthly_fee`. A key at the top of the file has no label. Keys are escaped and shortened.
fn labelled(label: &str, key: &str) -> String {
    let shown = excerpt(key);
    let plain = shown.trim_matches('"');
    if label.is_empty() { plain.to_owned() } else { format!("{label}: {plain}") }
}

/// A single message for a file whose lines are mostly wrong: it is not TOML.
fn another_language(text: &str, problems: &[Problem]) -> Option<Problem> {
    let wrong: BTreeSet<u64> = problems.iter().map(|problem| problem.line).collect();
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    if wrong.len() < 2 || wrong.len() * 2 <= lines {
        return None;
    }
    let what = format!("is not TOML, as {} of its {lines} lines are not", wrong.len());
    Some(Problem::line(what, "lines such as [section] and key = \"value\"").at(*wrong.first()?))
}

/// The line and the column of a byte.
fn spot_of(text: &str, at: usize) -> Spot {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
    let lines = u64::try_from(before.matches('\n').count()).unwrap_or(u64::MAX);
    let characters = u32::try_from(line.chars().count()).unwrap_or(u32::MAX);
    Spot { line: lines.saturating_add(1), column: characters.saturating_add(1) }
}
