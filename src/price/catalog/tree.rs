//! A catalogue's file as a tree. Its numbers keep their text, and its values know their line.
//!
//! It is built from JSON through `serde_json`'s raw values, and from TOML through the parser's own spans. So no number
//! passes through a float. It rejects a key that occurs twice, because a map reader of neither format would report it.

use crate::text::problem::{Problem, excerpt};
use crate::text::table::decode;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The deepest nesting that is read. Catalogues need six.
const DEPTH: usize = 32;

/// A value with the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: NodeValue,
}

/// A value. Numbers keep their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeValue {
    Nothing,
    Flag(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The members of a table, in the file's order; empty for any other value.
    pub(super) fn members(&self) -> &[(String, Self)] {
        match &self.value {
            NodeValue::Table(members) => members,
            _ => &[],
        }
    }

    /// The elements of a list; empty for any other value.
    pub(super) fn elements(&self) -> &[Self] {
        match &self.value {
            NodeValue::List(elements) => elements,
            _ => &[],
        }
    }

    /// A member of a table, if it is present and not null.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.members().iter().find(|(name, _)| name == key).map(|(_, node)| node);
        found.filter(|node| node.value != NodeValue::Nothing)
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The digits of a number, or of a string that may contain one.
    pub(super) fn literal(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Number(text) | NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, as `256000` or `256000.0`.
    pub(super) fn whole(&self) -> Option<i64> {
        let text = self.literal()?;
        let text = text.strip_suffix(".0").unwrap_or(text);
        text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The value as a message shows it.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            NodeValue::Nothing => "null".to_owned(),
            NodeValue::Flag(flag) => flag.to_string(),
            NodeValue::Number(text) | NodeValue::Text(text) => text.clone(),
            NodeValue::List(elements) => format!("{} elements", elements.len()),
            NodeValue::Table(members) => members.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", "),
        }
    }
}

/// The tree of a JSON file.
pub(super) fn of_json(bytes: &[u8]) -> Result<Node, Problem> {
    let text = decode(bytes)?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    Reader { text, lines: memchr::memchr_iter(b'\n', text.as_bytes()).collect() }.node(raw, DEPTH)
}

fn not_json(error: &serde_json::Error) -> Problem {
    let full = error.to_string();
    let what = full.split(" at line ").next().unwrap_or(&full);
    let line = u64::try_from(error.line()).unwrap_or(0);
    Problem::line(format!("is not JSON: {what}"), "the catalogue's JSON file, whole").at(line)
}

struct Reader<'a> {
    text: &'a str,
    /// The end of each line.
    lines: Vec<usize>,
}

impl Reader<'_> {
    fn node(&self, raw: &RawValue, depth: usize) -> Result<Node, Problem> {
        let text = raw.get();
        let line = self.line_of(text);
        let at_line = |error: &serde_json::Error| Problem { line, ..not_json(error) };
        let value = match text.as_bytes().first() {
            _ if depth == 0 => {
                return Err(Problem::line("is nested too deeply", "the form of the catalogue's file").at(line));
            }
            Some(b'{') => {
                let members: Members<'_> = serde_json::from_str(text).map_err(|error| at_line(&error))?;
                let mut nodes = Vec::with_capacity(members.0.len());
                for (key, raw) in members.0 {
                    nodes.push((key, self.node(raw, depth - 1)?));
                }
                unique(&nodes)?;
                NodeValue::Table(nodes)
            }
            Some(b'[') => {
                let elements: Elements<'_> = serde_json::from_str(text).map_err(|error| at_line(&error))?;
                let nodes = elements.0.into_iter().map(|raw| self.node(raw, depth - 1));
                NodeValue::List(nodes.collect::<Result<_, _>>()?)
            }
            Some(b'"') => NodeValue::Text(serde_json::from_str(text).map_err(|error| at_line(&error))?),
            Some(b't') => NodeValue::Flag(true),
            Some(b'f') => NodeValue::Flag(false),
            Some(b'n') => NodeValue::Nothing,
            _ => NodeValue::Number(text.to_owned()),
        };
        Ok(Node { line, value })
    }

    /// The line of a part of the text. Both must borrow from one buffer.
    fn line_of(&self, part: &str) -> u64 {
        let at = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        u64::try_from(self.lines.partition_point(|end| *end < at)).map_or(1, |before| before + 1)
    }
}

fn unique(members: &[(String, Node)]) -> Result<(), Problem> {
    let mut keys: Vec<(&str, u64)> = members.iter().map(|(key, node)| (key.as_str(), node.line)).collect();
    keys.sort_unstable();
    match keys.windows(2).find_map(|pair| match pair {
        [(first, _), (second, line)] if first == second => Some((*second, *line)),
        _ => None,
    }) {
        Some((key, line)) => Err(Problem::line(format!("{} is given twice", excerpt(key)), "each key once").at(line)),
        None => Ok(()),
    }
}

/// The members of a JSON object, in order, including duplicates.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Pairs).map(Self)
    }
}

/// The elements of a JSON array.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    elements.push(element);
                }
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(Each).map(Self)
    }
}

/// The tree of a TOML file.
pub(super) fn of_toml(bytes: &[u8]) -> Result<Node, Problem> {
    let text = decode(bytes)?;
    let (document, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let at = error.span().map_or(0, |span| span.start);
        let what = format!("is not TOML: {}", error.message());
        return Err(Problem::line(what, "a model's file as the catalogue has them").at(line_at(text, at)));
    }
    table(text, document.get_ref(), 1, DEPTH)
}

fn table(text: &str, members: &DeTable<'_>, line: u64, depth: usize) -> Result<Node, Problem> {
    let mut nodes = Vec::new();
    for (key, value) in members {
        let line = line_at(text, key.span().start);
        nodes.push((key.get_ref().clone().into_owned(), toml_node(text, value, line, depth)?));
    }
    Ok(Node { line, value: NodeValue::Table(nodes) })
}

fn toml_node(text: &str, value: &Spanned<DeValue<'_>>, line: u64, depth: usize) -> Result<Node, Problem> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Problem::line("is nested too deeply", "the form of the catalogue's file").at(line));
    };
    let value = match value.get_ref() {
        DeValue::String(string) => NodeValue::Text(string.clone().into_owned()),
        DeValue::Integer(number) => NodeValue::Number(number.as_str().to_owned()),
        DeValue::Float(number) => NodeValue::Number(number.as_str().to_owned()),
        DeValue::Boolean(flag) => NodeValue::Flag(*flag),
        DeValue::Datetime(date) => NodeValue::Text(date.to_string()),
        DeValue::Array(elements) => {
            let nodes = elements.iter().map(|value| {
                let line = line_at(text, value.span().start);
                toml_node(text, value, line, depth)
            });
            NodeValue::List(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::Table(members) => return table(text, members, line, depth),
    };
    Ok(Node { line, value })
}

fn line_at(text: &str, at: usize) -> u64 {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    u64::try_from(memchr::memchr_iter(b'\n', before).count()).map_or(1, |before| before + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text_and_values_their_line() {
        let tree = of_json(b"{\n \"a\": 2.5e-06,\n \"b\": [\n  1.0,\n  \"x\\u00e9\"\n ],\n \"n\": null\n}");
        let number = |text: &str| NodeValue::Number(text.to_owned());
        let shown = tree.as_ref().map(|tree| {
            let list = tree.get("b").map(|b| b.elements().iter().map(|e| (e.line, e.shown())).collect::<Vec<_>>());
            (tree.get("a").map(|a| (a.line, a.value.clone())), list, tree.get("n").is_none())
        });
        let list = vec![(4, "1.0".to_owned()), (5, "xé".to_owned())];
        assert_eq!(shown, Ok((Some((2, number("2.5e-06"))), Some(list), true)));
        let toml = of_toml(b"[cost]\ninput = 3.00\n[[cost.tiers]]\nsize = 272_000\n");
        let cost = toml.as_ref().map(|tree| {
            let cost = tree.get("cost");
            let tier = cost.and_then(|cost| cost.get("tiers")?.elements().first()?.get("size")?.whole());
            (cost.and_then(|cost| cost.get("input")).map(|input| (input.line, input.value.clone())), tier)
        });
        assert_eq!(cost, Ok((Some((2, number("3.00"))), Some(272_000))));
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused_with_its_line() {
        let said = |bytes: &[u8]| of_json(bytes).err().map(|problem| problem.in_file("f"));
        let twice = said(b"{\"a\": 1,\n\"a\": 2}").unwrap_or_default();
        assert_eq!(twice, "f:2: \"a\" is given twice, expected each key once");
        assert!(said(b"{\"a\": 1,\n").is_some_and(|text| text.starts_with("f:2: is not JSON: EOF")));
        assert!(said(b"{\"a\": 1} {").is_some_and(|text| text.contains("trailing characters")));
        assert!(said("[".repeat(100).as_bytes()).is_some());
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(
            said(deep.as_bytes()).unwrap_or_default(),
            "f:1: is nested too deeply, expected the form of the catalogue's file"
        );
        assert!(said(b"\xff\xfe").is_some_and(|text| text.contains("UTF-16")));
    }
}
