//! Parses one chunk of a file, on any thread. It counts every line, and either rejects it or makes events of it.

use super::{BadLine, Context, LineCounts, count, too_long};
use crate::domain::calendar::DayFinder;
use crate::import::events::intern::NameCache;
use crate::import::events::sink::{Sink, Tools};
use crate::import::file::chunk::{Chunk, Tally, lines};
use crate::import::format::{RecordReader, Redacted};
use crate::rows::batch::Batch;
use crate::rows::key::SourceHasher;
use crate::text::problem::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The result of one chunk.
#[derive(Default)]
pub(super) struct Output {
    /// Its events, sorted.
    pub(super) parts: Vec<Batch>,
    /// The lines that were examined, and their bytes.
    pub(super) read: Tally,
    pub(super) counts: LineCounts,
    pub(super) bad: Vec<BadLine>,
    pub(super) bad_by_field: BTreeMap<String, u64>,
    pub(super) ignored: BTreeSet<String>,
    /// If a record gave no event but contains usage in another shape: what the first such record is.
    pub(super) unread: Option<&'static str>,
    /// Events from lines that were counted as blank.
    pub(super) late: u64,
}

fn borrow_tools(context: &Context, pool: &Mutex<Vec<Tools>>) -> Tools {
    let borrowed = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
    borrowed.unwrap_or_else(|| Tools {
        cache: NameCache::default(),
        days: DayFinder::new(context.calendar),
        hasher: SourceHasher::new(context.key_hash, &context.source),
        batch: Batch::new(),
    })
}

/// The events that are known only at the end of the file. Their lines were counted as blank before.
pub(super) fn end(reader: &dyn RecordReader, context: &Context, pool: &Mutex<Vec<Tools>>) -> Output {
    let mut tools = borrow_tools(context, pool);
    let mut output = Output::default();
    let mut sink = Sink::new(&context.constants, &mut tools);
    if let Err(problem) = reader.end(&mut sink) {
        sink.truncate(0);
        output.counts.lines += 1;
        output.refuse(problem, Redacted::default(), context);
    }
    output.keep(sink, context);
    output.late = count(output.parts.iter().map(Batch::len).sum());
    output
}

/// Parses the lines of a chunk.
pub(super) fn parse_chunk(
    chunk: &Chunk,
    reader: &dyn RecordReader,
    context: &Context,
    pool: &Mutex<Vec<Tools>>,
) -> Output {
    let mut tools = borrow_tools(context, pool);
    let mut output = Output::default();
    output.read.bytes = chunk.bytes;
    if let Some(line) = chunk.too_long {
        output.read.lines += 1;
        output.counts.lines += 1;
        output.refuse(too_long().at(line), Redacted::default(), context);
    }
    let clean = is_clean(&chunk.text);
    let mut sink = Sink::new(&context.constants, &mut tools);
    for (number, bytes) in lines(chunk) {
        output.read.lines += 1;
        output.counts.lines += 1;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            output.counts.blank += 1;
            continue;
        }
        // A clean chunk was already checked as a whole.
        let text = if clean { utf8(bytes) } else { line_text(bytes) };
        let before = sink.len();
        let read = text.and_then(|text| reader.read(number, text, &mut sink, &mut output.ignored));
        // A record may give several events, each counted as a line, or none.
        match count(sink.len() - before) {
            0 if read.is_ok() => {
                output.counts.blank += 1;
                // This matters only if the whole file has no event.
                if before == 0 && output.unread.is_none() {
                    output.unread = std::str::from_utf8(bytes).ok().and_then(|text| reader.unread(text));
                }
            }
            0 => {}
            events if read.is_ok() => output.counts.lines += events - 1,
            _ => sink.truncate(before),
        }
        if let Err(problem) = read {
            let redacted = match std::str::from_utf8(bytes) {
                Ok(text) => reader.redact(text, &context.constants.names),
                Err(_) => Redacted { kept: String::new(), id: None, timestamp: None },
            };
            output.refuse(problem.at(number), redacted, context);
        }
    }
    output.keep(sink, context);
    pool.lock().unwrap_or_else(PoisonError::into_inner).push(tools);
    output
}

/// Whether a chunk has no control characters except tabs and line ends. A carriage return must precede a line feed.
fn is_clean(text: &[u8]) -> bool {
    let is_bad = |byte: u8| byte < 0x20 && !matches!(byte, b'\n' | b'\t' | b'\r');
    // Compilers turn blocks of a fixed length, each folded into one byte, into vector instructions.
    let (blocks, rest) = text.as_chunks::<64>();
    let bad = |block: &[u8; 64]| block.iter().fold(0, |bad, byte| bad | u8::from(is_bad(*byte))) != 0;
    !blocks.iter().any(bad)
        && !rest.iter().any(|byte| is_bad(*byte))
        && memchr::memchr_iter(b'\r', text).all(|at| text.get(at + 1) == Some(&b'\n'))
}

/// A line's text: UTF-8 without control characters other than a tab.
pub(super) fn line_text(bytes: &[u8]) -> Result<&str, Problem> {
    let text = utf8(bytes)?;
    match bytes.iter().find(|b| **b < 0x20 && **b != b'\t') {
        None => Ok(text),
        Some(b'\r') => Err(Problem::line("a carriage return inside the line", "lines ended by LF or CRLF")),
        Some(_) => Err(Problem::line("a control character", "text without control characters")),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let what = format!("bytes that are not UTF-8 at column {}", error.valid_up_to() + 1);
        Problem::line(what, "UTF-8 text (iconv -f latin1 -t utf-8 converts Latin-1)")
    })
}

impl Output {
    /// Stores the events of a chunk, sorted. This thread sorts them, because it has them in its cache.
    fn keep(&mut self, sink: Sink<'_>, context: &Context) {
        match sink.sorted() {
            Ok(parts) => self.parts = parts,
            Err(error) => self.refuse(Problem::line(error.to_string(), "shorter ids"), Redacted::default(), context),
        }
    }

    fn refuse(&mut self, problem: Problem, redacted: Redacted, context: &Context) {
        self.counts.bad += 1;
        *self.bad_by_field.entry(problem.field.clone().unwrap_or_else(|| "(line)".to_owned())).or_default() += 1;
        if self.bad.len() < context.keep_bad {
            self.bad.push(BadLine { problem, redacted });
        }
    }
}
