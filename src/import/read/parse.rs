//! Parses a file in parallel over bounded chunks, in an order that does not depend on the threads.
//!
//! The importer reads a window of chunks, parses them on all threads, and gathers the results in the order of the file.
//! Events go on in [`batches`](crate::import::events::batches) sorted by key. Memory does not grow with the file.

mod piece;

use crate::domain::calendar::Calendar;
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use crate::import::events::batches::{BATCH_EVENTS, Limits, Waiting, Whole};
use crate::import::events::sink::Constants;
use crate::import::file::chunk::{CHUNK_SIZE, Chunk, Chunks, LINE_LIMIT, Tally, lines};
use crate::import::file::consumer::{Consumer, Demand, Offered};
use crate::import::file::input::{FileDigest, Source};
use crate::import::format::{Beginning, Format, RecordReader, Redacted};
use crate::import::formats::begin as begin_format;
use crate::import::formats::recognised;
use crate::import::read::document::{Looked, Pieces};
use crate::import::record::head::FileHead;
use crate::import::record::pages::Pages;
use crate::import::record::reading::Stated;
use crate::rows::batch::{Batch, BatchFull, Records};
use crate::rows::key::KeyHash;
use crate::text::problem::{Problem, visible};
use piece::{Output, end, line_text, parse_chunk};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};

/// The number of events that may be held in any case.
const AHEAD: usize = 7 * BATCH_EVENTS;

/// The settings with which an import reads files.
#[derive(Debug)]
pub struct Context {
    /// Names, tags to fill in, and the latest instant.
    pub constants: Constants,
    /// The ledger's calendar.
    pub calendar: Calendar,
    /// How keys are hashed.
    pub key_hash: KeyHash,
    /// The source that issued the ids.
    pub source: String,
    /// The number of bad lines stored with their texts. Further ones are only counted.
    pub keep_bad: usize,
    /// What happens to good events after a bad line.
    pub on_bad: OnBad,
    /// Whether the user declared a last CSV line without a line end complete.
    pub last_line_complete: bool,
    /// What the user states about files that they do not state themselves.
    pub reading: Stated,
}

/// What happens to the events of a file with bad lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBad {
    /// They are dropped, because the file will be rejected. The rest is read only to find its bad lines.
    DropEvents,
    /// They are kept.
    KeepEvents,
}

/// Line counts by kind, before duplicates are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounts {
    /// All lines.
    pub lines: u64,
    /// Header lines.
    pub header: u64,
    /// Lines with only white space.
    pub blank: u64,
    /// Lines that are not events.
    pub bad: u64,
}

/// A line that is not an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// What is wrong with it.
    pub problem: Problem,
    /// What the quarantine may store of it.
    pub redacted: Redacted,
}

/// The result of reading a file.
#[derive(Debug)]
pub struct Parsed {
    /// The format's name.
    pub format: &'static str,
    /// Its lines.
    pub counts: LineCounts,
    /// The first bad lines, in order.
    pub bad: Vec<BadLine>,
    /// Bad lines by field.
    pub bad_by_field: BTreeMap<String, u64>,
    /// Fields that were ignored.
    pub ignored: BTreeSet<String>,
    /// The digest of the file.
    pub digest: FileDigest,
    /// What a vendor's pages reported about further pages.
    pub pages: Pages,
}

/// Why reading a file ended early. Nothing of the file can be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The system or a decompressor returned an error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file as a whole is invalid.
    #[error("{0}")]
    File(Problem),
    /// The consumer wants no more.
    #[error("stopped")]
    Stopped,
}

impl ParseError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Io(_) => Code::FileUnreadable,
            Self::File(problem) => problem.code,
            Self::Stopped => Code::Stopped,
        }
    }
}

/// Reads a file to its end.
pub fn parse(
    source: Source,
    format: Option<&'static Format>,
    context: &Context,
    consumer: &mut impl Consumer,
) -> Result<Parsed, ParseError> {
    let (mut chunks, looked) = Pieces::of(Chunks::new(source)?, format)?;
    let pool = Mutex::new(Vec::new());
    let mut gathered = Pending::default();
    let (format, reader) = loop {
        let Some(mut chunk) = chunks.next_chunk()? else {
            return Err(ParseError::File(no_events()));
        };
        if let Some(begun) = begin(&mut chunk, &looked, &context.reading, &mut gathered).map_err(ParseError::File)? {
            check_tail(Some(&chunk), begun.1.as_ref(), context)?;
            gathered.add(parse_chunk(&chunk, begun.1.as_ref(), context, &pool), context)?;
            break begun;
        }
    };
    gathered.records = if format.grows(&context.reading) { Records::Growing } else { Records::Final };
    let (threads, backlog) = (rayon::current_num_threads(), consumer.backlog());
    let width = threads * 4;
    let mut window = read_window(&mut chunks, width)?;
    while !window.is_empty() {
        if consumer.read(chunks.inner().bytes_read()) == Demand::Stop {
            return Err(ParseError::Stopped);
        }
        check_tail(window.last(), reader.as_ref(), context)?;
        // While other threads parse, this one builds batches from what was parsed before, and reads on.
        let mut parsed: Vec<Output> = std::iter::repeat_with(Output::default).take(window.len()).collect();
        let queue = Mutex::new(window.iter().zip(&mut parsed));
        let next = rayon::in_place_scope(|scope| {
            for lane in 0..threads {
                let (queue, backlog, reader, pool) = (&queue, &backlog, reader.as_ref(), &pool);
                // The thread that appends is the slowest. While it has work, all parsing threads but one pause and
                // leave it a processor.
                let goes_on = move || lane == 0 || backlog.is_empty();
                scope.spawn(move |_| {
                    while goes_on()
                        && let Some((chunk, output)) = taken(queue)
                    {
                        *output = parse_chunk(chunk, reader, context, pool);
                    }
                });
            }
            gathered.deliver(consumer, gathered.ahead())?;
            Ok::<_, ParseError>(read_window(&mut chunks, width)?)
        })?;
        for output in parsed {
            gathered.add(output, context)?;
        }
        for chunk in std::mem::replace(&mut window, next) {
            chunks.give_back(chunk);
        }
    }
    gathered.add(end(reader.as_ref(), context, &pool), context)?;
    gathered.whole.push_back(gathered.waiting.take_all());
    gathered.deliver(consumer, 0)?;
    let pages = chunks.pages().max(reader.pages());
    gathered.check_all_read(chunks.tally())?;
    let digest = chunks.into_inner().finish()?;
    if gathered.counts.lines == gathered.counts.header + gathered.counts.blank {
        return Err(ParseError::File(gathered.unread.map_or_else(no_events, unread)));
    }
    let parsed = gathered.into_parsed(format.stored, digest, context.keep_bad);
    Ok(Parsed { pages, ..parsed })
}

/// The next item of a shared iterator.
fn taken<T>(shared: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner).next()
}

type Begun = (&'static Format, Box<dyn RecordReader>);

/// Finds the first line that is not blank, and the format by it. It removes a header from the chunk.
fn begin(
    chunk: &mut Chunk,
    looked: &Looked,
    reading: &Stated,
    gathered: &mut Pending,
) -> Result<Option<Begun>, Problem> {
    if let Some(number) = chunk.too_long {
        // Each JSON record is complete in itself, but a table without its header cannot be read.
        let format = looked.format.filter(|_| looked.json).ok_or_else(|| too_long().at(number))?;
        return Ok(Some((format, begin_format(format, "{}", reading)?.reader)));
    }
    let found = lines(chunk)
        .find(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
        .map(|(number, line)| (number, line.to_vec()));
    let Some((number, first)) = found else {
        let blank = count(lines(chunk).count());
        gathered.counts.lines += blank;
        gathered.counts.blank += blank;
        gathered.account(Tally { lines: blank, bytes: chunk.bytes });
        return Ok(None);
    };
    if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::line("the file is UTF-16", "UTF-8").coded(Code::NotUtf8).at(number));
    }
    let first = line_text(&first).map_err(|problem| problem.at(number))?;
    if let Some(what) = looked.unread {
        return Err(unread(what));
    }
    let format = looked
        .format
        .or_else(|| recognised(&FileHead::of(first)))
        .ok_or_else(|| Problem::line("no known format", "--format NAME").coded(Code::FormatUnknown).at(number))?;
    let Beginning { reader, header, ignored } =
        begin_format(format, first, reading).map_err(|problem| problem.at(number))?;
    gathered.ignored.extend(ignored.into_iter().map(visible));
    if header {
        let before = number - chunk.first_line;
        gathered.counts.lines += before + 1;
        gathered.counts.blank += before;
        gathered.counts.header += 1;
        // The bytes of these lines count with the chunk, which is read next.
        gathered.account(Tally { lines: before + 1, bytes: 0 });
        let end = memchr::memchr_iter(b'\n', &chunk.text).nth(usize::try_from(before).unwrap_or(usize::MAX));
        chunk.text.drain(..end.map_or(chunk.text.len(), |end| end + 1));
        chunk.first_line = number + 1;
    }
    Ok(Some((format, reader)))
}

fn too_long() -> Problem {
    Problem::line(format!("the line is longer than {} MiB", LINE_LIMIT >> 20), "a shorter line")
        .coded(Code::LineTooLong)
}

fn no_events() -> Problem {
    Problem::line("the file contains no events", "at least one").coded(Code::NoEvents)
}

/// The error for a file whose records contain usage that no format reads.
fn unread(what: &str) -> Problem {
    let expected = "a format of `tokenbook formats`, or --map";
    Problem::line(format!("the file contains {what}, which no format reads"), expected).coded(Code::FormatNotRead)
}

fn count(lines: usize) -> u64 {
    u64::try_from(lines).unwrap_or(u64::MAX)
}

fn read_window(chunks: &mut Pieces<Source>, width: usize) -> io::Result<Vec<Chunk>> {
    let mut window = Vec::with_capacity(width);
    let mut room = width.saturating_mul(CHUNK_SIZE);
    // Chunks of long lines are larger, so fewer are held at once.
    while window.len() < width && room > 0 {
        let Some(chunk) = chunks.next_chunk()? else { break };
        room = room.saturating_sub(chunk.text.len());
        window.push(chunk);
    }
    Ok(window)
}

/// Rejects a file whose last line may have been cut inside a number.
fn check_tail(last: Option<&Chunk>, reader: &dyn RecordReader, context: &Context) -> Result<(), ParseError> {
    let Some(chunk) = last.filter(|chunk| !chunk.text.is_empty() && !chunk.text.ends_with(b"\n")) else {
        return Ok(());
    };
    let Some((number, line)) = lines(chunk).last() else { return Ok(()) };
    let text = std::str::from_utf8(line).unwrap_or("");
    if context.last_line_complete || text.trim().is_empty() || !reader.may_be_cut(text) {
        return Ok(());
    }
    let problem = Problem::line(
        "the last line has no line end and may be incomplete",
        "a line end (--last-line-complete accepts the line, --tail leaves it for later)",
    );
    Err(ParseError::File(problem.coded(Code::LastLineCut).at(number)))
}

#[derive(Default)]
struct Pending {
    waiting: Waiting,
    /// To be delivered.
    whole: VecDeque<Whole>,
    /// Offered, but not taken yet.
    offered: Option<Batch>,
    /// The largest number of events that became complete at once.
    most: usize,
    records: Records,
    /// The lines that were examined, and their bytes.
    read: Tally,
    counts: LineCounts,
    bad: Vec<BadLine>,
    bad_by_field: BTreeMap<String, u64>,
    ignored: BTreeSet<String>,
    unread: Option<&'static str>,
}

impl Pending {
    fn account(&mut self, read: Tally) {
        self.read.lines += read.lines;
        self.read.bytes += read.bytes;
    }

    /// Rejects a file if some line was not examined. No input should cause this. A line that is lost silently is usage
    /// that nobody pays for.
    fn check_all_read(&self, whole: Tally) -> Result<(), ParseError> {
        if self.read == whole {
            return Ok(());
        }
        let Tally { lines, bytes } = self.read;
        let what = format!("{bytes} bytes in {lines} lines were read");
        let expected = format!("all {} bytes in {} lines: please report this as a bug", whole.bytes, whole.lines);
        Err(ParseError::File(Problem::line(what, expected).coded(Code::Internal)))
    }

    fn add(&mut self, output: Output, context: &Context) -> Result<(), ParseError> {
        self.account(output.read);
        self.unread = self.unread.or(output.unread);
        self.waiting.add(output.parts);
        self.counts.lines += output.counts.lines;
        let late = output.late.min(self.counts.blank);
        self.counts.blank = self.counts.blank - late + output.counts.blank;
        self.counts.lines += output.late - late;
        self.counts.bad += output.counts.bad;
        self.bad.extend(output.bad);
        for (field, bad) in output.bad_by_field {
            *self.bad_by_field.entry(field).or_default() += bad;
        }
        self.ignored.extend(output.ignored.into_iter().map(visible));
        if self.counts.bad > 0 && context.on_bad == OnBad::DropEvents {
            self.waiting.take_all();
            self.whole.clear();
            self.offered = None;
        }
        self.whole.extend(self.waiting.take_enough(Limits::IMPORT).map_err(full)?);
        Ok(())
    }

    /// Passes on complete days: as long as the consumer takes them, and in any case while more than `held` events are
    /// here.
    fn deliver(&mut self, consumer: &mut impl Consumer, held: usize) -> Result<(), ParseError> {
        while let Some(batch) = self.next_batch(consumer)? {
            let offered = if self.held() + batch.len() > held {
                match consumer.take(batch) {
                    Demand::More => Offered::Taken,
                    Demand::Stop => Offered::Stop,
                }
            } else {
                consumer.offer(batch)
            };
            match offered {
                Offered::Taken => {}
                Offered::Later(batch) => {
                    self.offered = Some(batch);
                    break;
                }
                Offered::Stop => return Err(ParseError::Stopped),
            }
        }
        Ok(())
    }

    fn next_batch(&mut self, consumer: &mut impl Consumer) -> Result<Option<Batch>, ParseError> {
        if let Some(batch) = self.offered.take() {
            return Ok(Some(batch));
        }
        while let Some(whole) = self.whole.front_mut() {
            self.most = self.most.max(whole.events());
            if let Some(mut batch) = whole.next_batch(BATCH_EVENTS, || consumer.spare()).map_err(full)? {
                batch.records = self.records;
                return Ok(Some(batch));
            }
            self.whole.pop_front();
        }
        Ok(None)
    }

    /// The number of events held here.
    fn held(&self) -> usize {
        self.waiting.events() + self.whole.iter().map(Whole::events).sum::<usize>()
    }

    /// The number of events that may be held while reading continues: a quarter more than become complete at once, so
    /// neither side waits.
    fn ahead(&self) -> usize {
        (self.most + self.most / 4).max(AHEAD)
    }

    fn into_parsed(self, format: &'static str, digest: FileDigest, keep_bad: usize) -> Parsed {
        let mut bad = self.bad;
        bad.truncate(keep_bad);
        Parsed {
            format,
            counts: self.counts,
            bad,
            bad_by_field: self.bad_by_field,
            ignored: self.ignored,
            digest,
            pages: Pages::None,
        }
    }
}

fn full(error: BatchFull) -> ParseError {
    ParseError::File(Problem::line(error.to_string(), "shorter ids"))
}

/// A day after an instant: the latest time that usage may have if imported then.
pub fn latest_from(now: Timestamp) -> Timestamp {
    now.plus_seconds(86_400).unwrap_or(Timestamp::LATEST)
}
