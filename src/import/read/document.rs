//! Reads JSON files that do not have one record on each line: arrays, pages with an array of records, and objects
//! spread over lines.
//!
//! The file streams through, and only one record at a time must fit in memory. A record keeps the number of the line
//! where it begins. This module checks only the structure around records. A record is a span of text between matching
//! brackets; its reader checks whether it is JSON.

use crate::import::file::chunk::{CHUNK_SIZE, Chunk, Chunks, LINE_LIMIT, Tally};
use crate::import::format::{Format, How};
use crate::import::formats;
use crate::import::formats::{known, recognised};
use crate::import::record::head::FileHead;
use crate::import::record::pages::{Pages, PagesRead, followed_around};
use crate::import::record::shapes;
use crate::import::vendor::batch_line::failed_batch;
use std::fmt;
use std::io::{self, Read};

/// The longest record of a document in bytes, equal to the longest line.
const RECORD_LIMIT: usize = LINE_LIMIT;
/// The number of bytes of a page, before and after its records, that are searched for a sign of further pages.
const AROUND: usize = 4_096;
/// The most records in a chunk.
const CHUNK_RECORDS: usize = 4_096;

/// A file as chunks of lines, or of the records of a document.
#[derive(Debug)]
pub enum Pieces<R> {
    /// Each line is a record.
    Lines(Chunks<R>),
    /// Brackets delimit the records.
    Document(Document<R>),
}

impl<R: Read> Pieces<R> {
    /// Examines the beginning of a file: for the format, unless it is given, and for how the records are arranged. It
    /// reads as much as the first records need, up to the longest line.
    pub fn of(mut chunks: Chunks<R>, named: Option<&'static Format>) -> io::Result<(Self, Looked)> {
        let mut wanted = CHUNK_SIZE;
        let looked = loop {
            let length = chunks.head(wanted)?.len();
            let all = chunks.is_read() || length >= LINE_LIMIT;
            let looked = match std::str::from_utf8(chunks.rest()) {
                Ok(text) => Looked::at(text, named, all),
                Err(error) => {
                    let valid = chunks.rest().get(..error.valid_up_to()).unwrap_or_default();
                    // If a character is cut, reading more completes it. A wrong byte stays wrong.
                    Looked::at(std::str::from_utf8(valid).unwrap_or(""), named, all || error.error_len().is_some())
                }
            };
            match looked {
                Some(looked) => break looked,
                None => wanted = length.saturating_mul(2),
            }
        };
        match looked.format {
            Some(format) if looked.is_document(format) => {
                Ok((Self::Document(Document::new(chunks, format.pages)), looked))
            }
            _ => Ok((Self::Lines(chunks), looked)),
        }
    }

    /// The bytes that the stream has returned, and the lines or records made of them.
    pub const fn tally(&self) -> Tally {
        match self {
            Self::Lines(chunks) => chunks.tally(),
            Self::Document(document) => document.tally(),
        }
    }

    /// The next chunk; `None` at the end.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        match self {
            Self::Lines(chunks) => chunks.next_chunk(),
            Self::Document(document) => document.next_chunk(),
        }
    }

    /// Takes back the memory of a parsed chunk.
    pub fn give_back(&mut self, chunk: Chunk) {
        if let Self::Lines(chunks) = self {
            chunks.give_back(chunk);
        }
    }

    /// What the pages reported about further pages.
    pub fn pages(&self) -> Pages {
        match self {
            Self::Lines(_) => Pages::None,
            Self::Document(document) => document.said.said(),
        }
    }

    /// The stream, to ask how far it has been read.
    pub fn inner(&self) -> &R {
        match self {
            Self::Lines(chunks) => chunks.inner(),
            Self::Document(document) => &document.reader,
        }
    }

    /// Returns the stream, so that the caller can finish it.
    pub fn into_inner(self) -> R {
        match self {
            Self::Lines(chunks) => chunks.into_inner(),
            Self::Document(document) => document.reader,
        }
    }
}

/// The result of examining the beginning of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looked {
    /// The format, if it was detected.
    pub format: Option<&'static Format>,
    /// Whether it is JSON.
    pub json: bool,
    /// What the records are, if they contain usage that no format reads.
    pub unread: Option<&'static str>,
    /// Whether the first value is an array, or continues after its first line.
    spread: bool,
    /// Whether the first line is a list of records and longer than a chunk.
    long_list: bool,
}

impl Looked {
    /// Whether the records of a file must be found by brackets. A long page on one line streams this way.
    const fn is_document(&self, format: &Format) -> bool {
        (self.spread || self.long_list && !format.pages.is_empty()) && !matches!(format.how, How::Own(_))
    }

    /// Examines a text. With `all`, the text is the whole file, or the most that may be read. `None` if more is needed.
    fn at(text: &str, named: Option<&'static Format>, all: bool) -> Option<Self> {
        let text = text.trim_start();
        let head = FileHead::of(text);
        if text.is_empty() || !head.is_json() {
            let whole_line = text.contains('\n');
            let format = if text.is_empty() { named } else { named.or_else(|| recognised(&head)) };
            return (all || whole_line).then_some(Self { format, json: false, ..Self::default() });
        }
        let line = text.find('\n').unwrap_or(text.len());
        let whole = head.end.is_some();
        if !(whole || all || text.len() >= CHUNK_SIZE && head.begins_list()) {
            return None;
        }
        let on_one_line = head.end.is_some_and(|end| end <= line) || !whole && line == text.len();
        let spread = text.starts_with('[') || !on_one_line;
        let looked = Self {
            format: named,
            json: true,
            spread,
            long_list: line >= CHUNK_SIZE && head.begins_list(),
            unread: None,
        };
        if named.is_some() {
            return Some(looked);
        }
        let rest = head.end.and_then(|end| text.get(end..)).unwrap_or("");
        let format = match known(&head) {
            Some(format) => Some(format),
            None if spread => later_values(rest),
            None => later_lines(rest, all),
        };
        match format {
            Some(format) => Some(Self { format: Some(format), ..looked }),
            None if !all => None,
            None => {
                let failed = failed_batch(&head).and_then(formats::named);
                let (format, unread) = (failed.or_else(|| recognised(&head)), shapes::unread(text));
                Some(Self { format, unread: unread.filter(|_| !head.has("event_id")), ..looked })
            }
        }
    }
}

/// The format of the first line that has one, for use if the first line has none: a failed request shows little.
fn later_lines(rest: &str, all: bool) -> Option<&'static Format> {
    let end = if all { rest.len() } else { memchr::memrchr(b'\n', rest.as_bytes()).unwrap_or(0) };
    let lines = rest.get(..end).unwrap_or("").lines();
    lines.filter(|line| line.trim_start().starts_with('{')).find_map(|line| known(&FileHead::of(line)))
}

/// Like `later_lines`, for values spread over lines.
fn later_values(mut rest: &str) -> Option<&'static Format> {
    loop {
        rest = rest.trim_start().strip_prefix(',').unwrap_or(rest).trim_start();
        if !rest.starts_with(['{', '[']) {
            return None;
        }
        let head = FileHead::of(rest);
        let end = head.end?;
        if let Some(format) = known(&head) {
            return Some(format);
        }
        rest = rest.get(end..)?;
    }
}

/// Finds the records of a document.
pub struct Document<R> {
    reader: R,
    /// The bytes that the stream returned, the bytes taken, and the bytes of chunks already passed on.
    read: u64,
    taken: u64,
    handed: u64,
    /// The number of records passed on.
    records: u64,
    buffer: Vec<u8>,
    at: usize,
    line: u64,
    pages: &'static [&'static str],
    place: Level,
    /// Whether a comma must precede the next element.
    comma: bool,
    /// What its pages reported about further pages, and the part of the current page before its records.
    said: PagesRead,
    before: Vec<u8>,
}

impl<R> fmt::Debug for Document<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("line", &self.line).field("records", &self.records).finish_non_exhaustive()
    }
}

/// The position of the next byte in the document's structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Outside of all values.
    Outside,
    /// In an array that is the whole document, between its elements.
    Array,
    /// In an array inside a page, between its elements.
    Page,
}

/// How a span of text ended.
enum Ended {
    /// It was a record.
    Record,
    /// It was the beginning of a page, and records follow.
    Page,
}

impl<R: Read> Document<R> {
    fn new(chunks: Chunks<R>, pages: &'static [&'static str]) -> Self {
        let read = chunks.tally().bytes;
        let (reader, buffer) = chunks.into_parts();
        // The byte-order mark was already removed.
        let taken = read.saturating_sub(u64::try_from(buffer.len()).unwrap_or(0));
        Self {
            reader,
            read,
            taken,
            handed: 0,
            records: 0,
            buffer,
            at: 0,
            line: 1,
            pages,
            place: Level::Outside,
            comma: false,
            said: PagesRead::default(),
            before: Vec::new(),
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
            let wanted = u64::try_from(CHUNK_SIZE).map_err(io::Error::other)?;
            let read = self.reader.by_ref().take(wanted).read_to_end(&mut self.buffer)?;
            self.read += u64::try_from(read).map_err(io::Error::other)?;
        }
        Ok(self.buffer.get(self.at).copied())
    }

    fn take(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        self.at += usize::from(byte.is_some());
        self.taken += u64::from(byte.is_some());
        self.line += u64::from(byte == Some(b'\n'));
        Ok(byte)
    }

    fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let (mut text, mut numbers) = (Vec::new(), Vec::new());
        while text.len() < CHUNK_SIZE && numbers.len() < CHUNK_RECORDS {
            let Some(line) = self.next_record(&mut text)? else { break };
            numbers.push(line);
            text.push(b'\n');
        }
        let Some(first_line) = numbers.first().copied() else { return Ok(None) };
        let bytes = self.taken - self.handed;
        self.handed = self.taken;
        self.records += u64::try_from(numbers.len()).map_err(io::Error::other)?;
        Ok(Some(Chunk { first_line, text, too_long: None, numbers, bytes }))
    }

    /// The bytes that the stream has returned, except those after the last record, and the records made of them.
    const fn tally(&self) -> Tally {
        Tally { lines: self.records, bytes: self.read - (self.taken - self.handed) }
    }

    /// Appends the text of the next record and returns its first line.
    fn next_record(&mut self, text: &mut Vec<u8>) -> io::Result<Option<u64>> {
        loop {
            let Some(byte) = self.peek()? else {
                return match self.place {
                    Level::Outside => Ok(None),
                    Level::Array | Level::Page => Err(damaged("the document ends before its array does", self.line)),
                };
            };
            match (byte, self.place) {
                (b' ' | b'\t' | b'\r' | b'\n', _) => drop(self.take()?),
                (b'[', Level::Outside) => {
                    self.take()?;
                    (self.place, self.comma) = (Level::Array, false);
                }
                (b',', Level::Array | Level::Page) if self.comma => {
                    self.take()?;
                    self.comma = false;
                }
                (b']', Level::Array) => {
                    self.take()?;
                    self.place = Level::Outside;
                }
                (b']', Level::Page) => {
                    self.take()?;
                    self.skip_page()?;
                    self.place = Level::Outside;
                }
                (_, Level::Array | Level::Page) if self.comma => {
                    return Err(damaged("two elements of an array without a comma between them", self.line));
                }
                _ => {
                    let (line, start) = (self.line, text.len());
                    match self.span(text)? {
                        Ended::Record => {
                            self.comma = true;
                            return Ok(Some(line));
                        }
                        Ended::Page => {
                            self.before.clear();
                            self.before.extend_from_slice(text.get(start..).unwrap_or_default());
                            text.truncate(start);
                            (self.place, self.comma) = (Level::Page, false);
                        }
                    }
                }
            }
        }
    }

    /// Copies the value that begins here, up to its end. Line ends become spaces, because a record is a single line
    /// from here on.
    fn span(&mut self, text: &mut Vec<u8>) -> io::Result<Ended> {
        let (begins, start) = (self.line, text.len());
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        // The last text, and the name it became one level down: the name of a page's array of records.
        let (mut last, mut name) = (start..start, None);
        let watched = self.place == Level::Outside && !self.pages.is_empty();
        loop {
            let Some(byte) = self.peek()? else {
                return match depth {
                    0 if !in_text => Ok(Ended::Record),
                    _ => Err(damaged("the document ends inside the record that begins here", begins)),
                };
            };
            // A value that is neither an object nor an array ends before the next separator.
            if depth == 0 && text.len() > start && !in_text && matches!(byte, b',' | b']' | b' ' | b'\r' | b'\n') {
                return Ok(Ended::Record);
            }
            self.take()?;
            let at = text.len();
            text.push(match byte {
                b'\n' | b'\r' if !in_text => b' ',
                // Rejected as a control character, whatever line ends the file uses.
                b'\n' => 1,
                _ => byte,
            });
            if at - start > RECORD_LIMIT {
                return Err(damaged("a record of more than 64 MiB begins here", begins));
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => {
                    in_text = !in_text;
                    last = if in_text { at + 1..at + 1 } else { last.start..at };
                }
                _ if in_text => {}
                b':' if depth == 1 => name = Some(last.clone()),
                b',' if depth == 1 => name = None,
                b'{' | b'[' => {
                    let named = name.clone().and_then(|name| text.get(name));
                    if watched && depth == 1 && byte == b'[' && named.is_some_and(|name| self.is_page(name)) {
                        return Ok(Ended::Page);
                    }
                    depth += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok(Ended::Record);
                    }
                }
                _ => {}
            }
        }
    }

    fn is_page(&self, name: &[u8]) -> bool {
        self.pages.iter().any(|page| page.as_bytes() == name)
    }

    /// Skips the rest of a page after its array of records.
    fn skip_page(&mut self) -> io::Result<()> {
        let (mut depth, mut in_text, mut escaped) = (1_usize, false, false);
        let mut around = std::mem::take(&mut self.before);
        around.truncate(AROUND);
        while depth > 0 {
            let Some(byte) = self.take()? else { return Err(damaged("the document ends inside a page", self.line)) };
            if around.len() < 2 * AROUND {
                around.push(byte);
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                b'{' | b'[' if !in_text => depth += 1,
                b'}' | b']' if !in_text => depth -= 1,
                _ => {}
            }
        }
        self.said.note(followed_around(&around));
        Ok(())
    }
}

fn damaged(what: &str, line: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("line {line}: {what}, expected JSON that is whole"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::file::chunk::lines;

    fn read(text: &str) -> Result<Vec<(u64, String)>, String> {
        let chunks = Chunks::new(text.as_bytes()).map_err(|error| error.to_string())?;
        let mut document = Document::new(chunks, &["data"]);
        let mut found = Vec::new();
        while let Some(chunk) = document.next_chunk().map_err(|error| error.to_string())? {
            found.extend(lines(&chunk).map(|(n, line)| (n, String::from_utf8_lossy(line).trim().to_owned())));
        }
        Ok(found)
    }

    fn record(line: u64, text: &str) -> (u64, String) {
        (line, text.to_owned())
    }

    #[test]
    fn records_are_found_in_arrays_pages_and_by_themselves() {
        let cases = [
            ("[{\"a\":1},\n {\"b\":\"],}\"}]", vec![record(1, "{\"a\":1}"), record(2, "{\"b\":\"],}\"}")]),
            ("{\n\"a\": 1\n}\n{\"b\":2}", vec![record(1, "{ \"a\": 1 }"), record(4, "{\"b\":2}")]),
            (
                "{\"object\":\"page\",\"x\":{\"data\":[1]},\n\"data\":[\n{\"n\":[1,2]},\n3],\"has_more\":{\"a\":[]}}",
                vec![record(3, "{\"n\":[1,2]}"), record(4, "3")],
            ),
            ("[\r\n{\"a\":\r\n1}\r\n]\r\n", vec![record(2, "{\"a\":  1}")]),
            ("[{\"a\":\"x\ny\"}]", vec![record(1, "{\"a\":\"x\u{1}y\"}")]),
            ("{\"data\":[]}", vec![]),
            ("[]", vec![]),
            ("{\"data\":{\"a\":\n1}}", vec![record(1, "{\"data\":{\"a\": 1}}")]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_document_that_is_not_whole_is_refused() {
        let cases = [
            ("[{\"a\":1}", "ends before its array does"),
            ("[{\"a\":1},\n{\"b\":", "line 2: the document ends inside the record"),
            ("{\"data\":[{\"a\":1}", "ends before its array does"),
            ("{\"data\":[{\"a\":1}]", "ends inside a page"),
            ("[{\"a\":1} {\"b\":1}]", "without a comma"),
            ("[{\"a\":\"x", "ends inside the record"),
        ];
        for (text, says) in cases {
            assert!(read(text).is_err_and(|error| error.contains(says)), "{text}");
        }
    }
}
