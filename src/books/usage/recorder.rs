//! Records usage from many threads. When a call returns, its events are on disk, and calls that wait together share one
//! commit.
//!
//! One thread writes. While it commits, other calls gather, and the next commit takes all of them. If the ledger
//! rejects the events of a call, only that call fails. If storage fails, every call that waited for the commit fails.

use crate::books::usage::doubts::{Doubts, Unregistered};
use crate::books::usage::record::{RecordError, Recorded};
use crate::books::{Act, Books, Silent};
use crate::domain::event::UsageEvent;
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::ledger::LedgerError;
use crate::ledger::append::conflict::Conflict;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The most events of one commit. A call with more gets a separate commit.
const MOST_EVENTS: usize = 65_536;

/// The options of a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderOptions {
    /// How to treat departments that the registry lacks.
    pub unregistered: Unregistered,
    /// How long a commit waits for more calls after the first one. A gateway that can wait gets fewer, larger commits.
    pub linger: Duration,
}

impl RecorderOptions {
    /// Commits at once, and names departments that the registry lacks.
    pub const fn plain() -> Self {
        Self { unregistered: Unregistered::Warn, linger: Duration::ZERO }
    }
}

/// Records events of one source for all threads of a program.
///
/// It has its own connection and thread. Dropping it waits for the calls that it has accepted.
#[derive(Debug)]
pub struct Recorder {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Opens a ledger for recording. The chain names `actor` for everything recorded.
    pub fn open(path: &Path, source: &Name, actor: &str, options: RecorderOptions) -> Result<Self, LedgerError> {
        let books = Books::open(path)?;
        let queue = Arc::new(Queue::default());
        let writer = Writer {
            books,
            source: source.clone(),
            actor: actor.to_owned(),
            options,
            known_departments: BTreeSet::new(),
        };
        let taken_from = Arc::clone(&queue);
        let writer = std::thread::Builder::new().name("tokenbook recorder".to_owned()).spawn(move || {
            // Calls after a panic are rejected, so they do not wait forever.
            let _closes = Closes(&taken_from);
            writer.run(&taken_from);
        });
        let io = |error| LedgerError::Io { path: path.to_owned(), error };
        Ok(Self { queue, writer: Some(writer.map_err(io)?) })
    }

    /// Records events, all or none. When it returns, they are on disk. `now` is the time of the call.
    ///
    /// [`Recorded::doubts`] names a department the first time that this recorder meets it.
    pub fn record(&self, events: Vec<UsageEvent>, now: Timestamp) -> Result<Recorded, RecordError> {
        let (answer, answered) = sync_channel(1);
        {
            let mut waiting = self.queue.lock();
            if waiting.closed {
                return Err(RecordError::Closed);
            }
            waiting.calls.push(Call { events, now, answer });
        }
        self.queue.arrived.notify_one();
        answered.recv().unwrap_or(Err(RecordError::Closed))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // If the writer panicked, its calls have failed already.
            drop(writer.join());
        }
    }
}

/// Calls that wait for the writer.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: Vec<Call>,
    closed: bool,
}

/// The events of one caller.
#[derive(Debug)]
struct Call {
    events: Vec<UsageEvent>,
    now: Timestamp,
    answer: SyncSender<Result<Recorded, RecordError>>,
}

impl Call {
    fn answer(self, result: Result<Recorded, RecordError>) {
        // If the caller is gone, nobody needs the answer.
        drop(self.answer.send(result));
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No holder of the lock can leave the list half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Waits for calls and takes as many as one commit holds. Empty if the recorder is closed and all calls were taken.
    fn take(&self, linger: Duration) -> Vec<Call> {
        let mut waiting = self.lock();
        while waiting.calls.is_empty() && !waiting.closed {
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if !linger.is_zero() && !waiting.closed {
            drop(waiting);
            std::thread::sleep(linger);
            waiting = self.lock();
        }
        let mut events = 0;
        let fits = |call: &&Call| {
            let first = events == 0;
            events += call.events.len();
            first || events <= MOST_EVENTS
        };
        let count = waiting.calls.iter().take_while(fits).count();
        waiting.calls.drain(..count).collect()
    }
}

/// Closes the queue, and fails the calls in it, when the writer ends.
struct Closes<'a>(&'a Queue);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.close();
        for call in std::mem::take(&mut self.0.lock().calls) {
            call.answer(Err(RecordError::Closed));
        }
    }
}

/// The thread that writes.
struct Writer {
    books: Books,
    source: Name,
    actor: String,
    options: RecorderOptions,
    /// Departments that were already compared with the registry.
    known_departments: BTreeSet<String>,
}

/// Why a commit did not include all calls.
enum Refused {
    /// Some calls, by their positions. The others can be recorded without them.
    Some(BTreeMap<usize, RecordError>),
    /// All of them.
    All(LedgerError),
}

impl From<LedgerError> for Refused {
    fn from(error: LedgerError) -> Self {
        Self::All(error)
    }
}

impl Writer {
    fn run(mut self, queue: &Queue) {
        loop {
            let mut calls = queue.take(self.options.linger);
            if calls.is_empty() {
                return;
            }
            while !calls.is_empty() {
                calls = self.record(calls);
            }
        }
    }

    /// Records calls in one commit and answers them. Returns the calls to try again, without the rejected ones.
    fn record(&mut self, calls: Vec<Call>) -> Vec<Call> {
        match self.commit(&calls) {
            Ok(recorded) => {
                for (call, recorded) in calls.into_iter().zip(recorded) {
                    call.answer(Ok(recorded));
                }
                Vec::new()
            }
            Err(Refused::Some(mut refused)) => {
                let mut rest = Vec::with_capacity(calls.len());
                for (place, call) in calls.into_iter().enumerate() {
                    match refused.remove(&place) {
                        Some(error) => call.answer(Err(error)),
                        None => rest.push(call),
                    }
                }
                rest
            }
            Err(Refused::All(error)) => {
                let error = Arc::new(error);
                for call in calls {
                    call.answer(Err(RecordError::Commit(Arc::clone(&error))));
                }
                Vec::new()
            }
        }
    }

    fn commit(&mut self, calls: &[Call]) -> Result<Vec<Recorded>, Refused> {
        let (doubts, departments) = self.doubts(calls)?;
        let now = calls.iter().map(|call| call.now).max();
        let Some(now) = now else { return Ok(Vec::new()) };
        let spans = spans(calls);
        let groups: Vec<&[UsageEvent]> = calls.iter().map(|call| call.events.as_slice()).collect();
        let act = Act { now, actor: &self.actor };
        let recorded = self.books.record_calls(&self.source, &groups, act, &Silent);
        let recorded = recorded.map_err(|(call, error)| by_call(call, error, &spans))?;
        // Not earlier, because calls that are tried again must still receive warnings about their departments.
        self.known_departments.extend(departments);
        let of_call = |((call, span), doubts): ((&Call, &Range<u64>), Doubts)| {
            let duplicates = recorded.repeated.iter().filter(|line| span.contains(line)).count();
            let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            Recorded {
                accepted: count(call.events.len() - duplicates),
                duplicates: count(duplicates),
                doubts,
                head: recorded.head.clone(),
            }
        };
        Ok(calls.iter().zip(&spans).zip(doubts).map(of_call).collect())
    }

    /// The warnings about the departments of each call, and all departments. If the options reject departments that the
    /// registry lacks, the error names the calls with such departments.
    fn doubts(&self, calls: &[Call]) -> Result<(Vec<Doubts>, BTreeSet<String>), Refused> {
        let departments = |call: &Call| -> BTreeSet<String> {
            call.events.iter().filter_map(|event| event.tags.department().map(str::to_owned)).collect()
        };
        let refuses = self.options.unregistered == Unregistered::Refuse;
        // If all calls are right, one lookup in the registry serves the commit.
        let of_all: BTreeSet<String> = calls.iter().flat_map(departments).collect();
        let is_known = of_all.is_subset(&self.known_departments);
        if is_known && (!refuses || self.books.doubts_of(&of_all)?.unregistered.is_empty()) {
            return Ok((calls.iter().map(|_| Doubts::default()).collect(), BTreeSet::new()));
        }
        let (mut all, mut refused) = (Vec::with_capacity(calls.len()), BTreeMap::new());
        for (place, call) in calls.iter().enumerate() {
            let mut names = departments(call);
            if !refuses {
                names.retain(|name| !self.known_departments.contains(name));
            }
            let doubts = self.books.doubts_of(&names)?;
            if refuses && !doubts.unregistered.is_empty() {
                refused.insert(place, RecordError::Unregistered { problems: doubts.unregistered });
            } else {
                all.push(doubts);
            }
        }
        if refused.is_empty() { Ok((all, of_all)) } else { Err(Refused::Some(refused)) }
    }
}

/// The lines of each call's events.
fn spans(calls: &[Call]) -> Vec<Range<u64>> {
    let mut next = 1;
    let span = |call: &Call| {
        let first = next;
        next += u64::try_from(call.events.len()).unwrap_or(u64::MAX);
        first..next
    };
    calls.iter().map(span).collect()
}

/// Assigns an error to calls: those with a bad event, or with a conflict.
fn by_call(call: Option<usize>, error: RecordError, spans: &[Range<u64>]) -> Refused {
    match (call, error) {
        (_, RecordError::Ledger(LedgerError::Conflicts(conflicts))) => conflicting(conflicts, spans),
        (Some(call), error) => Refused::Some(BTreeMap::from([(call, error)])),
        (None, RecordError::Ledger(error)) => Refused::All(error),
        (None, error) => Refused::All(LedgerError::Bug(format!("an error that names no call: {error}"))),
    }
}

/// The calls that conflict with the ledger. If calls conflict only with each other, the first of them: the other call
/// may be rejected for another reason, so the others are tried again.
fn conflicting(conflicts: Vec<Conflict>, spans: &[Range<u64>]) -> Refused {
    let (mut with_ledger, mut with_others) = (BTreeMap::new(), BTreeMap::new());
    for conflict in conflicts {
        let Some(call) = spans.iter().position(|span| span.contains(&conflict.line)) else {
            return Refused::All(LedgerError::Conflicts(vec![conflict]));
        };
        let is_of_ledger = conflict.stored.iter().any(|place| place.file.is_some());
        let of_kind = if is_of_ledger { &mut with_ledger } else { &mut with_others };
        of_kind.entry(call).or_insert_with(Vec::new).push(conflict);
    }
    if with_ledger.is_empty() {
        with_ledger.extend(with_others.pop_first());
    }
    let refused = |(call, conflicts)| (call, RecordError::Ledger(LedgerError::Conflicts(conflicts)));
    Refused::Some(with_ledger.into_iter().map(refused).collect())
}
