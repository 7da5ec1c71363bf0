//! Records events without a file, for gateways that embed the ledger.
//!
//! A recording is an import like any other: all or nothing, durable when the call returns, and part of the chain. The
//! same event again is a duplicate.

use crate::books::usage::doubts::{Doubts, Unregistered};
use crate::books::{Act, Books, Observer};
use crate::domain::calendar::DayFinder;
use crate::domain::event::UsageEvent;
use crate::domain::name::Name;
use crate::fault::Code;
use crate::import::events::intern::{NameCache, SharedNames};
use crate::import::events::sink::{Constants, Sink, Tools};
use crate::import::read::parse::latest_from;
use crate::import::record::reading::PromptBounds;
use crate::ledger::append::{Appended, Appender};
use crate::ledger::facts::imports::{FileFacts, RECORDED_FILE, RECORDED_FORMAT};
use crate::ledger::file::watch::Watch;
use crate::ledger::{LedgerError, chain};
use crate::rows::batch::{Batch, Names, wide};
use crate::rows::canonical::USAGE;
use crate::rows::canonical::{self, Encoder, EventParts};
use crate::rows::key::SourceHasher;
use crate::text::problem::Problem;
use std::sync::Arc;

/// The outcome of recording events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// New events.
    pub accepted: u64,
    /// Known events with the same content.
    pub duplicates: u64,
    /// Warnings about the names of departments.
    pub doubts: Doubts,
    /// The last entry of the chain afterwards.
    pub head: chain::Head,
}

/// The options of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordOptions {
    /// How to treat departments that the registry lacks.
    pub unregistered: Unregistered,
}

impl RecordOptions {
    /// Names departments that the registry lacks in [`Recorded::doubts`].
    pub const fn plain() -> Self {
        Self { unregistered: Unregistered::Warn }
    }
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// An event that a ledger cannot hold.
    #[error("event {id}: {problem}")]
    Event {
        /// The event's id.
        id: Box<str>,
        /// The error, as in the import of a file.
        problem: Problem,
    },
    /// Departments that the registry lacks and the options reject.
    #[error("nothing was recorded, because departments are not in the registry: {}", spelled(.problems))]
    Unregistered {
        /// The departments.
        problems: Vec<Problem>,
    },
    /// An error of the ledger, or ids that it has with other content.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The commit that this call shared with others failed.
    #[error(transparent)]
    Commit(Arc<LedgerError>),
    /// The recorder was closed, or has failed.
    #[error("the recorder is closed, nothing was recorded")]
    Closed,
}

impl RecordError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Event { problem, .. } => problem.code,
            Self::Unregistered { .. } => Code::DepartmentUnregistered,
            Self::Ledger(error) => error.code(),
            Self::Commit(error) => error.code(),
            Self::Closed => Code::RecorderClosed,
        }
    }
}

/// The outcome for the events of several calls.
pub(in crate::books) struct GroupRecorded {
    /// New events.
    pub(in crate::books) accepted: u64,
    /// The positions of known events, from 1, over all calls.
    pub(in crate::books) repeated: Vec<u64>,
    /// The last entry of the chain.
    pub(in crate::books) head: chain::Head,
}

impl Books {
    /// Records events of a source, all or none. When it returns, the events are on disk.
    ///
    /// If departments are not in the registry, the events are recorded and the outcome names the departments;
    /// [`Books::record_with`] can reject them instead. Recording many events at once costs hardly more than recording
    /// one, so collect the events of about a second.
    pub fn record(
        &self,
        source: &Name,
        events: &[UsageEvent],
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Recorded, RecordError> {
        self.record_with(source, events, RecordOptions::plain(), act, observer)
    }

    /// Records events of a source like [`Books::record`], with options.
    pub fn record_with(
        &self,
        source: &Name,
        events: &[UsageEvent],
        options: RecordOptions,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Recorded, RecordError> {
        let departments = events.iter().filter_map(|event| event.tags.department().map(str::to_owned)).collect();
        let doubts = self.doubts_of(&departments)?;
        if options.unregistered == Unregistered::Refuse && !doubts.unregistered.is_empty() {
            return Err(RecordError::Unregistered { problems: doubts.unregistered });
        }
        let recorded = self.record_calls(source, &[events], act, observer).map_err(|(_, error)| error)?;
        let GroupRecorded { accepted, repeated, head } = recorded;
        Ok(Recorded { accepted, duplicates: u64::try_from(repeated.len()).unwrap_or(u64::MAX), doubts, head })
    }

    /// Records the events of several calls in one commit, all or none. If an error belongs to one call, it names the
    /// call.
    pub(in crate::books) fn record_calls(
        &self,
        source: &Name,
        calls: &[&[UsageEvent]],
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<GroupRecorded, (Option<usize>, RecordError)> {
        let constants = Constants {
            names: SharedNames::default(),
            fill: Vec::new(),
            provider: String::new(),
            prompts_within: PromptBounds::default(),
            latest: latest_from(act.now),
            buckets: std::sync::Mutex::default(),
        };
        let batch = self.batch_of(source, &constants, calls).map_err(|(call, error)| (Some(call), error))?;
        let ledger = |error: LedgerError| (None, error.into());
        if batch.is_empty() {
            return Ok(GroupRecorded { repeated: Vec::new(), accepted: 0, head: self.head().map_err(ledger)? });
        }
        let names = &*constants.names.lock();
        let facts = facts(source, &batch, names);
        let recorded = self.append_recorded(source, batch, names, &facts, act, observer).map_err(ledger)?;
        let (Appended { accepted, repeated, .. }, head) = recorded;
        Ok(GroupRecorded { accepted, repeated, head })
    }

    fn append_recorded(
        &self,
        source: &Name,
        batch: Batch,
        names: &Names,
        facts: &FileFacts,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<(Appended, chain::Head), LedgerError> {
        let write = self.ledger.write(|| observer.waiting())?;
        let mut appender = Appender::new(&write, source.as_str())?.listing_repeated();
        let mut summariser = appender.summariser();
        appender.append(batch, names, &mut summariser)?;
        let appended = appender.finish(&Watch::default())?;
        if appended.accepted > 0 {
            write.record_import(facts, &appended, &[], act.now, act.actor)?;
        }
        // Read before the commit: once events are committed, no failure may claim that they are not.
        let head = write.head()?;
        if appended.accepted > 0 {
            write.commit()?;
            self.ledger.checkpoint_when_large()?;
        }
        Ok((appended, head))
    }

    /// Makes a batch from events. The sink checks and derives the same as for files.
    fn batch_of(
        &self,
        source: &Name,
        constants: &Constants,
        calls: &[&[UsageEvent]],
    ) -> Result<Batch, (usize, RecordError)> {
        let wrong =
            |call, event: &UsageEvent, problem| (call, RecordError::Event { id: event.id.as_str().into(), problem });
        let events = calls.iter().enumerate().flat_map(|(call, events)| events.iter().map(move |event| (call, event)));
        let mut tools = Tools {
            cache: NameCache::default(),
            days: DayFinder::new(self.settings().calendar),
            hasher: SourceHasher::new(self.key_hash, source.as_str()),
            batch: Batch::new(),
        };
        let mut sink = Sink::new(constants, &mut tools);
        for (line, (call, event)) in (1..).zip(events.clone()) {
            sink.push_event(line, event).map_err(|problem| wrong(call, event, problem))?;
        }
        match (sink.whole(), events.clone().next()) {
            (Ok(batch), _) => Ok(batch),
            (Err(error), Some((call, first))) => {
                Err(wrong(call, first, Problem::line(error.to_string(), "fewer events a call")))
            }
            (Err(_), None) => Ok(Batch::new()),
        }
    }
}

fn spelled(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

/// The facts in place of a file's. The digest covers the events in their canonical form.
fn facts(source: &Name, batch: &Batch, names: &Names) -> FileFacts {
    let mut encoder = Encoder::new();
    for row in batch.rows() {
        let class = names.classes.get(wide(row.class)).map(|class| {
            let model = names.models.get(wide(class.model)).map(canonical::model).unwrap_or_default();
            let tier = names.tiers.get(usize::from(class.tier)).map(canonical::tier).unwrap_or_default();
            let tags = names.tag_sets.get(wide(class.tags)).map(canonical::tags).unwrap_or_default();
            canonical::class(&model, &tier, &tags, (class.prompt, class.outcome))
        });
        let class = class.unwrap_or_default();
        let line = i64::try_from(row.line).unwrap_or(i64::MAX);
        let parts =
            EventParts { key: row.key.number(), line, kind: USAGE, id: batch.id(row), at: row.at, class: &class };
        canonical::event(&mut encoder, parts, &batch.quantities(row));
    }
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    FileFacts {
        source: source.to_string(),
        file: RECORDED_FILE.to_owned(),
        format: RECORDED_FORMAT.to_owned(),
        options: String::new(),
        digest: *blake3::hash(encoder.as_bytes()).as_bytes(),
        bytes: count(encoder.as_bytes().len()),
        lines: count(batch.len()),
        header: 0,
        blank: 0,
        quarantined: 0,
    }
}
