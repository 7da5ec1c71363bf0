//! Imports a file: parsed on all threads, appended by one, all or nothing.
//!
//! Parsing runs ahead of appending by a few batches. The import takes the write lock when the first batch is complete.
//! So a file smaller than a batch is parsed and checked before anybody has to wait.

mod kept;

use crate::books::usage::doubts::Doubts;
pub use crate::books::usage::import_options::{
    DEFAULT_SOURCE, ImportOptions, LISTED, LastLine, QUARANTINE_LIMIT, Quarantine, Run, UnknownFields,
};
use crate::books::usage::unserved::Unserved;
use crate::books::watching::watched;
use crate::books::{Act, Books, Observer};
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use crate::import::events::batches::BATCH_EVENTS;
use crate::import::events::intern::SharedNames;
use crate::import::events::sink::Constants;
use crate::import::file::consumer::{Backlog, Consumer, Demand, Offered};
use crate::import::file::input::{self, FileDigest, Input, InputError, Source};
use crate::import::formats::{named, stored};
use crate::import::read::parse::{self, Context, OnBad, ParseError, Parsed};
use crate::import::record::pages::Pages;
use crate::ledger::append::conflict::Conflict;
use crate::ledger::append::summarise::PlacedBatch;
use crate::ledger::append::{Appended, Appender};
use crate::ledger::facts::imports::{ImportRow, Standing};
use crate::ledger::file::transaction::Transaction;
use crate::ledger::{LedgerError, chain};
use crate::rows::batch::Batch;
use crate::text::problem::{Problem, counted, listed};
use kept::{NewLines, facts, held, is_to_be_recorded};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};

/// The outcome of importing a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOutcome {
    /// The file's name.
    pub file: String,
    /// The format's name.
    pub format: String,
    /// BLAKE3 of the file.
    pub digest: [u8; 32],
    /// All lines: the sum of the others.
    pub lines: u64,
    /// Header lines.
    pub header: u64,
    /// Blank lines.
    pub blank: u64,
    /// New events, including revisions.
    pub accepted: u64,
    /// Known records that have grown.
    pub revisions: u64,
    /// Known events.
    pub duplicates: u64,
    /// Of the duplicates: older states of records, for which the ledger has larger counts.
    pub older: u64,
    /// New events that had been retracted and count again.
    pub returned: u64,
    /// Quarantined lines.
    pub quarantined: u64,
    /// What a vendor's pages reported about further pages.
    pub pages: Pages,
    /// Bytes of an incomplete last line, left for later.
    pub left: u64,
    /// Of the quarantined lines: those that wait for a decision.
    pub open: u64,
    /// The errors in the quarantined lines.
    pub problems: Vec<Problem>,
    /// Fields that were ignored.
    pub ignored: BTreeSet<String>,
    /// Warnings about the names of its departments.
    pub doubts: Doubts,
    /// Warnings about missing providers.
    pub unserved: Unserved,
    /// Whether an identical file was imported before, so that this one was not read.
    pub same_file: bool,
    /// Another source with an identical file. Its events count once for each source.
    pub other_source: Option<String>,
    /// The last entry of the chain afterwards.
    pub head: chain::Head,
}

/// Why nothing of a file was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be opened.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It cannot be read to its end.
    #[error("{file}: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// The error of the system or the decompressor.
        error: std::io::Error,
    },
    /// The file as a whole is invalid.
    #[error("{}", .problem.in_file(.file))]
    File {
        /// The file.
        file: String,
        /// What is wrong.
        problem: Problem,
    },
    /// Some lines are not events.
    #[error("{file}: {}, nothing of it was imported", counted(*total, "bad line", "bad lines"))]
    Rejected {
        /// The file.
        file: String,
        /// The first of the bad lines, in order.
        problems: Vec<Problem>,
        /// The number of bad lines.
        total: u64,
        /// The number of bad lines by field.
        by_field: BTreeMap<String, u64>,
    },
    /// Ids that the ledger has with other content.
    #[error("{file}: {} the id of another event with other content, nothing of it was imported", listed(conflicts.len(), "event has", "events have"))]
    Conflicts {
        /// The file.
        file: String,
        /// The first conflicts.
        conflicts: Vec<Conflict>,
        /// Whether records of the file's format may come again with larger counts.
        cumulative: bool,
    },
    /// Departments that the registry lacks and the options reject.
    #[error("{file}: {} not in the registry, nothing of it was imported", listed(problems.len(), "department is", "departments are"))]
    Unregistered {
        /// The file.
        file: String,
        /// The departments.
        problems: Vec<Problem>,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(LedgerError),
}

impl ImportError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Input(error) => error.code(),
            Self::Unreadable { .. } => Code::FileUnreadable,
            Self::File { problem, .. } => problem.code,
            Self::Rejected { problems, .. } => Problem::shared_code(problems),
            Self::Conflicts { .. } => Code::IdConflict,
            Self::Unregistered { .. } => Code::DepartmentUnregistered,
            Self::Ledger(error) => error.code(),
        }
    }
}

/// Passes parsed batches to the thread that appends.
struct Feed<'o> {
    sender: SyncSender<Batch>,
    backlog: Backlog,
    spares: Receiver<Batch>,
    observer: &'o dyn Observer,
}

impl Consumer for Feed<'_> {
    fn offer(&mut self, batch: Batch) -> Offered {
        self.backlog.came();
        let refused = match self.sender.try_send(batch) {
            Ok(()) => return Offered::Taken,
            Err(TrySendError::Full(batch)) => Offered::Later(batch),
            Err(TrySendError::Disconnected(_)) => Offered::Stop,
        };
        self.backlog.went();
        refused
    }

    fn take(&mut self, batch: Batch) -> Demand {
        self.backlog.came();
        if self.sender.send(batch).is_ok() { Demand::More } else { Demand::Stop }
    }

    fn spare(&mut self) -> Batch {
        self.spares.try_recv().unwrap_or_default()
    }

    fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    fn read(&mut self, bytes: u64) -> Demand {
        go_on(self.observer, bytes)
    }
}

/// Reports how much of a file was read, and returns whether to continue.
fn go_on(observer: &dyn Observer, bytes: u64) -> Demand {
    observer.read(bytes);
    if observer.stop() { Demand::Stop } else { Demand::More }
}

/// After a first batch of this size, more batches will come.
const LOAD_EVENTS: usize = BATCH_EVENTS / 2;

impl Books {
    /// Imports one file.
    pub fn import(
        &self,
        input: &Input,
        options: &ImportOptions,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<ImportOutcome, ImportError> {
        observer.file(&input.name(), input.size());
        if let Some(outcome) = self.same_file(input, options, observer)? {
            options.check_rows(&outcome.file, outcome.lines - outcome.header - outcome.blank)?;
            return Ok(outcome);
        }
        let file = input.name();
        let context = self.context(options, act.now);
        let format = options.format.and_then(named);
        // One batch waits, so the thread that appends never does.
        let (sender, batches) = sync_channel::<Batch>(1);
        let (done, spares) = channel::<Batch>();
        let backlog = Backlog::default();
        std::thread::scope(|scope| {
            let context = &context;
            let mut feed = Feed { sender, backlog: backlog.clone(), spares, observer };
            let parser = scope.spawn(move || {
                let source = match options.last_line {
                    LastLine::Unfinished => Source::growing(input)?,
                    LastLine::NotKnown | LastLine::Complete => Source::open(input)?,
                };
                let source = source.at_most(options.max_bytes);
                Ok(parse::parse(source, format, context, &mut feed))
            });
            let appended = self.append((&batches, &backlog), &done, context, options, observer);
            // If a parser still waits to pass on a batch, it stops when nobody takes it.
            drop(batches);
            let parsed: Result<_, InputError> = parser.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let parsed = parsed?.map_err(|error| parse_error(&file, error));
            self.finish(&file, options, context, parsed, appended, act)
        })
    }

    /// Appends batches as they come, while another thread sums up the appended ones. `None` if no batch came. Finished
    /// batches are returned to reuse their memory.
    fn append(
        &self,
        (batches, backlog): (&Receiver<Batch>, &Backlog),
        done: &Sender<Batch>,
        context: &Context,
        options: &ImportOptions,
        observer: &dyn Observer,
    ) -> Result<Option<(Transaction<'_>, Appended)>, LedgerError> {
        let Ok(first) = batches.recv() else { return Ok(None) };
        let waiting = || observer.waiting();
        let load = first.len() >= LOAD_EVENTS && options.run == Run::Real && !self.is_guarded();
        let write = if load { self.ledger.load(waiting)? } else { self.ledger.write(waiting)? };
        let mut appender = Appender::new(&write, &options.source)?;
        let mut summariser = appender.summariser();
        std::thread::scope(|scope| {
            // Nothing waits in between, because each batch in memory is in use.
            let (placed_sender, placed) = sync_channel::<PlacedBatch>(0);
            let (summary_sender, summaries) = channel();
            scope.spawn(move || {
                for mut placed in placed {
                    if summary_sender.send(summariser.summarise(&mut placed)).is_err() {
                        break;
                    }
                    // After the end of reading, nobody needs it.
                    let _ = done.send(placed.into_batch());
                }
            });
            let mut events = 0;
            for batch in std::iter::once(first).chain(batches) {
                backlog.went();
                events += u64::try_from(batch.len()).unwrap_or(u64::MAX);
                // The lock is held no longer than this, because threads that parse need it for new names.
                let names = context.constants.names.lock().after(appender.named());
                appender.new_names(&names)?;
                let placed = appender.place(batch)?;
                observer.events(events);
                if observer.stop() {
                    return Err(LedgerError::Stopped);
                }
                if placed.is_empty() {
                    let _ = done.send(placed.into_batch());
                } else if placed_sender.send(placed).is_err() {
                    break;
                }
                summaries.try_iter().try_for_each(|summary| appender.keep(&summary?))?;
            }
            drop(placed_sender);
            summaries.iter().try_for_each(|summary| appender.keep(&summary?))
        })?;
        let outcome = watched(observer, |watch| appender.finish(watch))?;
        Ok(Some((write, outcome)))
    }

    /// Checks the whole file. Commits it, or leaves no trace.
    fn finish(
        &self,
        file: &str,
        options: &ImportOptions,
        context: &Context,
        parsed: Result<Parsed, ImportError>,
        appended: Result<Option<(Transaction<'_>, Appended)>, LedgerError>,
        act: Act<'_>,
    ) -> Result<ImportOutcome, ImportError> {
        let appended = match appended {
            Err(error @ LedgerError::Conflicts(_)) => Err(error),
            // The parser stopped because nobody took its batches.
            Err(error) => return Err(ImportError::Ledger(error)),
            Ok(appended) => Ok(appended),
        };
        let parsed = parsed?;
        refuse_bad(file, options, &parsed)?;
        options.check_rows(file, parsed.counts.lines - parsed.counts.header - parsed.counts.blank)?;
        options.check_fields(file, &parsed.ignored)?;
        let appended = appended.map_err(|error| match error {
            LedgerError::Conflicts(conflicts) => {
                let cumulative = stored(parsed.format).is_some_and(|format| format.grows(&options.reading));
                ImportError::Conflicts { file: file.to_owned(), conflicts, cumulative }
            }
            other => ImportError::Ledger(other),
        })?;
        let NewLines { held, open, known } = self.new_lines(&parsed, options, context).map_err(ImportError::Ledger)?;
        let (write, appended) = match appended {
            Some((write, appended)) => (Some(write), appended),
            None if parsed.bad.is_empty() => (None, Appended::default()),
            None => (Some(self.ledger.write(|| {}).map_err(ImportError::Ledger)?), Appended::default()),
        };
        let appended = appended.knowing(known);
        let facts = facts(file, options, &parsed);
        let parsed_digest = parsed.digest;
        let doubts = self.doubts(file, options, context)?;
        if let Some(write) = write
            && (options.run == Run::Real || self.ledger.is_rehearsing())
            && is_to_be_recorded(&write, &facts, &appended, (&held, parsed.digest.left)).map_err(ImportError::Ledger)?
        {
            write.record_import(&facts, &appended, &held, act.now, act.actor).map_err(ImportError::Ledger)?;
            write.commit().map_err(ImportError::Ledger)?;
            self.ledger.checkpoint().map_err(ImportError::Ledger)?;
        }
        Ok(ImportOutcome {
            file: file.to_owned(),
            format: facts.format,
            digest: facts.digest,
            lines: facts.lines,
            header: facts.header,
            blank: facts.blank,
            accepted: appended.accepted,
            revisions: appended.revisions,
            duplicates: appended.duplicates,
            older: appended.older,
            returned: appended.returned,
            quarantined: parsed.counts.bad,
            pages: parsed.pages,
            left: parsed_digest.left,
            open,
            problems: parsed.bad.into_iter().map(|bad| bad.problem).collect(),
            ignored: parsed.ignored,
            doubts,
            unserved: self.unserved(parsed.format, options, context).map_err(ImportError::Ledger)?,
            same_file: false,
            other_source: self.other_source(options, &parsed_digest).map_err(ImportError::Ledger)?,
            head: self.head().map_err(ImportError::Ledger)?,
        })
    }

    /// The bad lines that the quarantine lacks, the number of lines that wait for a decision, and which imports had the
    /// others.
    fn new_lines(&self, parsed: &Parsed, options: &ImportOptions, context: &Context) -> Result<NewLines, LedgerError> {
        let mut lines = NewLines::default();
        if parsed.bad.is_empty() {
            return Ok(lines);
        }
        let known = self.ledger.known_lines(&options.source)?;
        for line in parsed.bad.iter().map(|bad| held(bad, context)) {
            let state = known.get(&line);
            lines.open += u64::from(state.is_none_or(|state| state.is_open));
            match state {
                Some(state) => *lines.known.entry(state.import).or_default() += 1,
                None => lines.held.push(line),
            }
        }
        Ok(lines)
    }

    fn context(&self, options: &ImportOptions, now: Timestamp) -> Context {
        let (keep_bad, on_bad) = match options.quarantine {
            Quarantine::Refuse => (options.listed, OnBad::DropEvents),
            Quarantine::UpTo(limit) => (limit.min(QUARANTINE_LIMIT).max(options.listed), OnBad::KeepEvents),
        };
        Context {
            constants: Constants {
                names: SharedNames::without(options.ignored.clone()).hashing(options.hashed.clone()),
                fill: options.fill(),
                provider: options.provider.clone(),
                prompts_within: options.reading.prompts_within.clone(),
                latest: parse::latest_from(now),
                buckets: std::sync::Mutex::default(),
            },
            calendar: self.settings().calendar,
            key_hash: self.key_hash,
            source: options.source.clone(),
            keep_bad,
            on_bad,
            last_line_complete: options.last_line == LastLine::Complete,
            reading: options.reading.clone(),
        }
    }

    /// The outcome for a file that was imported before with the same options, without reading it.
    fn same_file(
        &self,
        input: &Input,
        options: &ImportOptions,
        observer: &dyn Observer,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let Input::File(path) = input else { return Ok(None) };
        let Ok(metadata) = std::fs::metadata(path) else { return Ok(None) };
        let snapshot = self.ledger.snapshot().map_err(ImportError::Ledger)?;
        let candidates = snapshot.imports_of_size(metadata.len(), Standing::Whole).map_err(ImportError::Ledger)?;
        let alike = |import: &ImportRow| {
            let format = options.format.and_then(named).is_none_or(|format| format.stored == import.format);
            let bad = import.quarantined == 0 || options.quarantine != Quarantine::Refuse;
            format && bad && import.source == options.source && import.options == options.spelling()
        };
        let candidates: Vec<ImportRow> = candidates.into_iter().filter(alike).collect();
        if candidates.is_empty() {
            return Ok(None);
        }
        let digest = input::digest(path, |bytes| go_on(observer, bytes))?
            .ok_or(ImportError::Ledger(LedgerError::Stopped))?
            .digest;
        let Some(import) = candidates.into_iter().find(|import| import.digest == digest) else { return Ok(None) };
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let lines = snapshot.quarantine().map_err(ImportError::Ledger)?;
        let open = lines.iter().filter(|line| line.import == import.id).count();
        Ok(Some(ImportOutcome {
            file: input.name(),
            format: import.format,
            digest,
            lines: count(import.lines),
            header: count(import.header),
            blank: count(import.blank),
            accepted: 0,
            revisions: 0,
            duplicates: count(import.accepted) + count(import.duplicates),
            older: 0,
            returned: 0,
            quarantined: count(import.quarantined),
            pages: Pages::None,
            left: 0,
            open: u64::try_from(open).unwrap_or(u64::MAX),
            problems: Vec::new(),
            ignored: BTreeSet::new(),
            doubts: Doubts::default(),
            unserved: Unserved::default(),
            same_file: true,
            other_source: None,
            head: snapshot.head().clone(),
        }))
    }

    /// Another source that imported a file with this digest.
    fn other_source(&self, options: &ImportOptions, file: &FileDigest) -> Result<Option<String>, LedgerError> {
        let imports = self.ledger.snapshot()?.imports_of_size(file.bytes, Standing::Counted)?;
        let other = imports.into_iter().find(|import| import.digest == file.digest && import.source != options.source);
        Ok(other.map(|import| import.source))
    }
}

fn refuse_bad(file: &str, options: &ImportOptions, parsed: &Parsed) -> Result<(), ImportError> {
    let allowed = match options.quarantine {
        Quarantine::Refuse => 0,
        Quarantine::UpTo(limit) => u64::try_from(limit.min(QUARANTINE_LIMIT)).unwrap_or(u64::MAX),
    };
    if parsed.counts.bad <= allowed {
        return Ok(());
    }
    Err(ImportError::Rejected {
        file: file.to_owned(),
        problems: parsed.bad.iter().take(options.listed).map(|bad| bad.problem.clone()).collect(),
        total: parsed.counts.bad,
        by_field: parsed.bad_by_field.clone(),
    })
}

fn parse_error(file: &str, error: ParseError) -> ImportError {
    let file = file.to_owned();
    match error {
        ParseError::Io(error) => ImportError::Unreadable { file, error },
        ParseError::File(problem) => ImportError::File { file, problem },
        ParseError::Stopped => ImportError::Ledger(LedgerError::Stopped),
    }
}
