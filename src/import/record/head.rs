//! The beginning of a file, which decides its format: the columns of a CSV, or the names in a first JSON value.
//!
//! The value may be cut, because only the beginning of a file is read. [`document`](crate::import::read::document)
//! decides whether that is enough, and the reader reports what is wrong with the value.

use crate::text::csv_line;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The names of arrays of records in pages. The tests of the formats compare them with the names that each format
/// gives.
pub const PAGES: [&str; 4] = ["data", "value", "resourceSpans", "Records"];

/// How deep names are searched, and how many.
const DEPTH: usize = 12;
const PATHS: usize = 5_000;

/// Places of a response body in a record. The first one occurs only in the results of batches.
const BODIES: [&str; 5] = ["response.", "", "body.", "response.body.", "modelOutput."];

/// The beginning of a file.
#[derive(Debug)]
pub struct FileHead {
    /// Column names; empty for JSON.
    columns: Vec<String>,
    /// Names inside the first value, skipping arrays (`data.results.model`), with the value if it is a text.
    paths: BTreeMap<String, String>,
    json: bool,
    /// The end of the first value; `None` if the text ends before it.
    pub end: Option<usize>,
    /// The number of complete objects in an array that is the value, or in one of its own arrays.
    listed: usize,
}

impl FileHead {
    /// The beginning of a text.
    pub fn of(text: &str) -> Self {
        let text = text.trim_start();
        let mut head = Self { columns: Vec::new(), paths: BTreeMap::new(), json: false, end: None, listed: 0 };
        if text.starts_with(['{', '[']) {
            head.json = true;
            let shape = Shape { bytes: text.as_bytes(), at: 0, paths: &mut head.paths, listed: &mut head.listed };
            head.end = shape.value();
        } else {
            let mut names = Vec::new();
            let line = text.lines().next().unwrap_or("");
            if csv_line::split(line, &mut names).is_ok() {
                head.columns = names.into_iter().map(Cow::into_owned).collect();
            }
        }
        head
    }

    /// Whether it is JSON.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the first value is a list of records, or a page with one, and at least one record is complete.
    pub const fn begins_list(&self) -> bool {
        self.listed > 0
    }

    /// Whether the first value has a path.
    pub fn has(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }

    /// Whether a response body has a path: by itself, in an envelope, or in a line of a batch's results.
    pub fn body_has(&self, path: &str) -> bool {
        // Any log may contain responses. Other names in a line show that it belongs to a batch.
        let batch = ["custom_id", "key", "processed_time"].iter().any(|name| self.has(name));
        let outer = if batch { &BODIES[..] } else { &BODIES[1..] };
        outer.iter().any(|outer| self.has(&format!("{outer}{path}")))
    }

    /// The text at a path.
    pub fn text(&self, path: &str) -> &str {
        self.paths.get(path).map_or("", String::as_str)
    }

    /// Whether the header has all of these columns.
    pub fn columns(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.columns.iter().any(|column| column == name))
    }
}

/// Walks over one JSON value, collects names and ignores all errors.
struct Shape<'a> {
    bytes: &'a [u8],
    at: usize,
    paths: &'a mut BTreeMap<String, String>,
    listed: &'a mut usize,
}

impl Shape<'_> {
    /// Walks over the first value and returns its end; `None` if the text ends first.
    fn value(mut self) -> Option<usize> {
        // For each open container: whether it is an object, and the length of the path to it.
        let mut open: Vec<(bool, usize)> = Vec::new();
        let mut path = String::new();
        let mut key: Option<String> = None;
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'{' | b'[' => {
                    open.push((byte == b'{', path.len()));
                    if let Some(key) = key.take() {
                        self.descend(&mut path, &key, open.len());
                    }
                }
                b'}' | b']' => {
                    if let Some((_, length)) = open.pop() {
                        path.truncate(length);
                    }
                    key = None;
                    *self.listed += usize::from(byte == b'}' && is_list(&open, &path));
                    if open.is_empty() {
                        return Some(self.at);
                    }
                }
                b',' => key = None,
                b'"' => {
                    let text = self.text()?;
                    match &key {
                        None if open.last().is_some_and(|(object, _)| *object) => key = Some(text),
                        Some(name) => self.note(&path, name, text, open.len()),
                        None => {}
                    }
                }
                b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => {
                    let start = self.at - 1;
                    while self.bytes.get(self.at).is_some_and(|b| !matches!(b, b',' | b'}' | b']') && *b > b' ') {
                        self.at += 1;
                    }
                    let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
                    if let Some(name) = &key {
                        self.note(&path, name, text, open.len());
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn descend(&mut self, path: &mut String, key: &str, depth: usize) {
        // Nothing is noted so deep, and a path that grew with each level would take the square of their number.
        if depth > DEPTH {
            return;
        }
        let outer = path.clone();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        self.note(&outer, key, String::new(), depth);
    }

    fn note(&mut self, path: &str, name: &str, text: String, depth: usize) {
        if depth <= DEPTH && self.paths.len() < PATHS {
            let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            self.paths.entry(full).or_insert(text);
        }
    }

    /// The text that begins here, with its escapes unchanged.
    fn text(&mut self) -> Option<String> {
        let start = self.at;
        loop {
            match self.bytes.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(String::from_utf8_lossy(&self.bytes[start..self.at - 1]).into_owned())
    }
}

/// Whether the open containers are an array of records, by itself or in a page.
fn is_list(open: &[(bool, usize)], path: &str) -> bool {
    match open {
        [(false, _)] => true,
        [(true, _), (false, _)] => PAGES.contains(&path),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_levels_are_walked_over_once() {
        let levels = 1_000_000;
        let text = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let head = FileHead::of(&text);
        assert_eq!(head.end, Some(text.len()));
        assert!(head.has(&["a"; DEPTH - 1].join(".")) && !head.has(&["a"; DEPTH].join(".")));
        // What follows the deep value stands at the outermost level again.
        assert!(FileHead::of(&format!("{{\"x\":{text},\"b\":2}}")).has("b"));
    }

    #[test]
    fn names_are_found_through_arrays_and_in_cut_texts() {
        let head = FileHead::of(
            " {\"object\":\"page\",\n\"data\":[{\"start\":1,\"results\":[{\"model\":null,\"x\":{\"y\":\"a\\\"b\"}},",
        );
        assert!(head.is_json() && head.end.is_none() && !head.begins_list());
        assert_eq!(head.text("object"), "page");
        assert!(head.has("data.results.model") && head.has("data.results.x.y") && head.has("data.start"));
        assert_eq!(head.text("data.results.model"), "null");
        assert!(!head.has("model"));
        assert_eq!(FileHead::of("{\"a\":{\"b\":2}}\n{}").end, Some(13));
        assert!(FileHead::of("[{\"a\":1},").begins_list() && FileHead::of("[{\"a\":1}]").has("a"));
        assert!(FileHead::of("{\"data\":[{\"a\":{}},{").begins_list());
        for none in ["{\"data\":[{\"a\":{}", "{\"messages\":[{\"a\":1},", "[", "[[{}],", "{\"a\":{\"data\":[{}],"] {
            assert!(!FileHead::of(none).begins_list(), "{none}");
        }
        assert!(FileHead::of("a,\"b\"\n1,2").columns(&["b", "a"]));
    }
}
