//! A record of a vendor's format: fields by name, from a JSON object or from a line of CSV.
//!
//! A value stays unread until a format asks for it and states what it expects. `null`, an empty text and an empty cell
//! mean "not reported". A name may occur once. Messages name a field by its path in the record.

pub mod column_map;
pub mod field;
pub mod head;
pub mod json;
pub mod pages;
pub mod reading;
pub mod shapes;

use crate::fault::Code;
use crate::import::record::field::quantity;
use crate::import::record::json::check_depth;
use crate::import::record::json::no_repetition;
use crate::import::record::json::object;
use crate::text::problem::Problem;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A value that has not been read yet.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// The JSON text of the value.
    Json(&'a RawValue),
    /// The text of a cell.
    Cell(Cow<'a, str>),
}

/// Named values.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    path: String,
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Record<'a> {
    /// Reads a record from a text that is one JSON object.
    pub fn of_json(text: &'a str) -> Result<Self, Problem> {
        check_depth("the record", text)?;
        Self::nested(String::new(), text)
    }

    /// Reads a record from a line of cells.
    pub fn of_cells(names: &'a [String], cells: Vec<Cow<'a, str>>) -> Self {
        let fields = names.iter().map(|name| Cow::Borrowed(name.as_str())).zip(cells.into_iter().map(Value::Cell));
        Self { path: String::new(), fields: fields.collect() }
    }

    fn nested(path: String, text: &'a str) -> Result<Self, Problem> {
        let what = if path.is_empty() { "the record" } else { &path };
        let fields = object(text, what).map_err(|problem| {
            if path.is_empty() { problem } else { Problem::field(&path, problem.what, "a JSON object") }
        })?;
        let fields = fields.0;
        no_repetition(fields.iter().map(|(name, _)| name.clone()).collect())?;
        Ok(Self { path, fields: fields.into_iter().map(|(name, value)| (name, Value::Json(value))).collect() })
    }

    /// The path of a field, for messages.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A problem with a field.
    pub fn wrong(&self, name: &str, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        Problem::field(&self.path_of(name), what, expected)
    }

    /// A field that is missing.
    pub fn missing(&self, name: &str, expected: impl Into<String>) -> Problem {
        self.wrong(name, "is missing", expected).coded(Code::FieldMissing)
    }

    /// The value of a field; `None` if it is absent or not reported.
    pub fn value(&self, name: &str) -> Option<&Value<'a>> {
        let value = self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)?;
        let says = match value {
            Value::Json(raw) => !matches!(raw.get(), "null" | "\"\""),
            Value::Cell(text) => !text.is_empty(),
        };
        says.then_some(value)
    }

    /// Whether the field exists, even without a value.
    pub fn knows(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// The record's own spelling of a name whose case does not matter, as in headers.
    pub fn ignoring_case(&self, name: &str) -> Option<&str> {
        self.fields.iter().map(|(field, _)| field.as_ref()).find(|field| field.eq_ignore_ascii_case(name))
    }

    /// Whether a field has a value.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The names and values of all fields with a value, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.fields.iter().filter(|(name, _)| self.has(name)).map(|(name, value)| (name.as_ref(), value))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Cell(text)) => Ok(Some(text.clone())),
            Some(Value::Json(raw)) => json::text(&self.path_of(name), raw),
        }
    }

    /// A required text.
    pub fn needed(&self, name: &str) -> Result<Cow<'a, str>, Problem> {
        self.text(name)?.ok_or_else(|| self.missing(name, "a text"))
    }

    /// A text, a number or a truth value, as written.
    pub fn scalar(&self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        match self.value(name) {
            Some(Value::Json(raw)) if !raw.get().starts_with(['"', '{', '[']) => Ok(Some(Cow::Borrowed(raw.get()))),
            _ => self.text(name),
        }
    }

    /// A whole number in its one spelling, in a cell as in JSON.
    pub fn count(&self, name: &str) -> Result<Option<i64>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Cell(text)) => quantity(&self.path_of(name), text).map(Some),
            Some(Value::Json(raw)) => json::number(&self.path_of(name), raw),
        }
    }

    /// A required whole number.
    pub fn needed_count(&self, name: &str) -> Result<i64, Problem> {
        self.count(name)?.ok_or_else(|| self.missing(name, "a whole number"))
    }

    /// A whole number of a vendor that writes counts as `12.0`, or in quotes.
    pub fn loose_count(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.scalar(name)? else { return Ok(None) };
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0') => whole,
            _ => text.as_ref(),
        };
        quantity(&self.path_of(name), whole).map(Some)
    }

    /// A truth value, as JSON or a database writes it.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        let Some(text) = self.scalar(name)? else { return Ok(None) };
        match text.as_ref() {
            "true" | "True" | "TRUE" | "t" => Ok(Some(true)),
            "false" | "False" | "FALSE" | "f" | "None" => Ok(Some(false)),
            _ => Err(Problem::value(&self.path_of(name), &text, "is neither true nor false", "true or false")),
        }
    }

    /// An object within the record.
    pub fn object(&self, name: &str) -> Result<Option<Record<'a>>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Json(raw)) => Record::nested(self.path_of(name), raw.get()).map(Some),
            Some(Value::Cell(Cow::Borrowed(text))) => Record::nested(self.path_of(name), text).map(Some),
            Some(Value::Cell(_)) => Err(self.wrong(name, "is a text", "an object")),
        }
    }

    /// An object, or a text that contains a JSON object, as databases and gateways write it. `holder` stores the text.
    pub fn embedded<'b>(&'b self, name: &str, holder: &'b mut String) -> Result<Option<Record<'b>>, Problem> {
        match self.value(name) {
            Some(Value::Json(raw)) if !raw.get().starts_with('"') => self.object(name),
            _ => {
                let Some(text) = self.text(name)? else { return Ok(None) };
                holder.push_str(&text);
                check_depth(&self.path_of(name), holder)?;
                Record::nested(self.path_of(name), holder).map(Some)
            }
        }
    }

    /// The objects of an array.
    pub fn list(&self, name: &str) -> Result<Option<Vec<Record<'a>>>, Problem> {
        let Some(values) = self.values(name)? else { return Ok(None) };
        let path = self.path_of(name);
        let nested = |(place, value): (usize, &'a RawValue)| Record::nested(format!("{path}[{place}]"), value.get());
        values.into_iter().enumerate().map(nested).collect::<Result<_, _>>().map(Some)
    }

    /// The values of an array.
    pub fn values(&self, name: &str) -> Result<Option<Vec<&'a RawValue>>, Problem> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Json(raw)) if raw.get().starts_with('[') => {
                serde_json::from_str(raw.get()).map(Some).map_err(|_| self.wrong(name, "is not an array", "an array"))
            }
            Some(Value::Json(raw)) => Err(self.wrong(name, format!("is {}", json::kind(raw.get())), "an array")),
            Some(Value::Cell(_)) => Err(self.wrong(name, "is a text", "an array")),
        }
    }

    /// Whether it is a line of cells.
    pub fn is_table(&self) -> bool {
        self.fields.iter().any(|(_, value)| matches!(value, Value::Cell(_)))
    }

    /// Whether a field is an array.
    pub fn is_list(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Json(raw)) if raw.get().starts_with('['))
    }

    /// Whether a field is an object.
    pub fn is_object(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Json(raw)) if raw.get().starts_with('{'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_not_reported() {
        let record = Record::of_json(r#"{"a":null,"b":"","c":0,"d":"x"}"#);
        let said = record.map(|r| r.fields().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(said, Ok(vec!["c".to_owned(), "d".to_owned()]));
    }

    #[test]
    fn counts_have_one_spelling_unless_the_vendor_has_another() {
        let loose = |text: &str| {
            let line = format!(r#"{{"n":{text}}}"#);
            Record::of_json(&line).and_then(|r| r.loose_count("n"))
        };
        assert_eq!(loose("12.0"), Ok(Some(12)));
        assert_eq!(loose("\"12\""), Ok(Some(12)));
        assert_eq!(loose("0.0"), Ok(Some(0)));
        for bad in ["1.5", "1e2", "-1.0", "\"\\u0661\"", "01.0", "12."] {
            assert!(loose(bad).is_err(), "{bad}");
        }
        let strict = Record::of_json(r#"{"n":12.0}"#).and_then(|r| r.count("n"));
        assert!(strict.is_err());
    }

    #[test]
    fn a_message_names_the_path() {
        let read = Record::of_json(r#"{"usage":{"details":{"n":"3"}}}"#).and_then(|r| {
            let usage = r.object("usage")?;
            let details = usage.map(|u| u.object("details")).transpose()?.flatten();
            details.map(|d| d.count("n")).transpose()
        });
        let problem = read.map_err(|problem| problem.to_string());
        assert_eq!(
            problem,
            Err("usage.details.n: \"\\\"3\\\"\" is a text, expected a whole number without quotes, or null".to_owned())
        );
        let twice = Record::of_json(r#"{"usage":{"n":1,"n":2}}"#).and_then(|r| r.object("usage")).map(|_| ());
        assert!(twice.is_err_and(|problem| problem.to_string().contains("stands twice")));
    }
}
