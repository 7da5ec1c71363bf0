//! Recording events without a file: for gateways that embed the ledger.
//!
//! What is recorded is an import like any other: all or nothing, durable when the call returns, in the chain, and the
//! same event again is a duplicate.

use crate::books::departments::{Doubts, Unregistered};
use crate::books::{Act, Books, Observer};
use crate::domain::batch::{Batch, Class, Head, Names};
use crate::domain::calendar::DayFinder;
use crate::domain::canonical::{self, Encoder, EventParts};
use crate::domain::event::UsageEvent;
use crate::domain::key::{EventKey, SourceHasher};
use crate::domain::meter::Meter;
use crate::domain::name::Name;
use crate::domain::quantities::Frequent;
use crate::import::parse::latest_from;
use crate::ledger::append::{Appended, Appender};
use crate::ledger::imports::FileFacts;
use crate::ledger::watch::Watch;
use crate::ledger::{LedgerError, chain};
use crate::text::problem::Problem;

/// What became of recorded events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// New events.
    pub accepted: u64,
    /// Events that were there already, with the same content.
    pub duplicates: u64,
    /// What there is to say about the departments' names.
    pub doubts: Doubts,
    /// The last entry of the chain afterwards.
    pub head: chain::Head,
}

/// How events are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordOptions {
    /// What to do with departments that are not in the registry.
    pub unregistered: Unregistered,
}

impl RecordOptions {
    /// Nothing special: departments that are not in the registry are named in [`Recorded::doubts`].
    pub const fn plain() -> Self {
        Self { unregistered: Unregistered::Warn }
    }
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// An event that no ledger can hold.
    #[error("event {id}: {what}")]
    Event {
        /// The event's id.
        id: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Departments that are not in the registry, and were to be refused.
    #[error("departments that are not in the registry, nothing was recorded: {}", spelled(.problems))]
    Unregistered {
        /// The departments.
        problems: Vec<Problem>,
    },
    /// The ledger, or ids that are in it with other content.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Books {
    /// Records events of a source, all or none. They are on the disk when this returns.
    ///
    /// Departments that are not in the registry, where there is one, are recorded and named in the outcome;
    /// [`Books::record_with`] can refuse them instead. Recording many events at once costs hardly more than recording one: gather what a second or so brings.
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
        let (batch, names) = self.batch_of(source, events, act)?;
        let departments = names.tag_sets.iter().filter_map(|tags| tags.department().map(str::to_owned)).collect();
        let doubts = self.doubts_of(&departments)?;
        if options.unregistered == Unregistered::Refuse && !doubts.unregistered.is_empty() {
            return Err(RecordError::Unregistered { problems: doubts.unregistered });
        }
        let facts = facts(source, &batch, &names, events);
        let appended = if batch.is_empty() {
            Appended::default()
        } else {
            self.append_recorded(source, batch, &names, &facts, act, observer)?
        };
        Ok(Recorded { accepted: appended.accepted, duplicates: appended.duplicates, doubts, head: self.head()? })
    }

    fn append_recorded(
        &self,
        source: &Name,
        batch: Batch,
        names: &Names,
        facts: &FileFacts,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Appended, LedgerError> {
        let write = self.ledger.write(|| observer.waiting())?;
        let mut appender = Appender::new(&write, source.as_str())?;
        let mut summariser = appender.summariser();
        appender.append(batch, names, &mut summariser)?;
        let appended = appender.finish(&Watch::default())?;
        if appended.accepted > 0 {
            write.record_import(facts, &appended, &[], act.now, act.actor)?;
            write.commit()?;
            self.ledger.checkpoint_when_large()?;
        }
        Ok(appended)
    }

    fn batch_of(&self, source: &Name, events: &[UsageEvent], act: Act<'_>) -> Result<(Batch, Names), RecordError> {
        let mut days = DayFinder::new(self.settings().calendar);
        let mut hasher = SourceHasher::new(self.key_hash, source.as_str());
        let (mut batch, mut names) = (Batch::new(), Names::default());
        for (line, event) in (1..).zip(events) {
            let wrong = |what| RecordError::Event { id: event.id.to_string(), what };
            check(event, act).map_err(wrong)?;
            let mut frequent: Frequent = *event.quantities.frequent();
            if event.quantities.get(Meter::Request).is_none()
                && let Some(place) = Meter::Request.frequent()
            {
                frequent.set(place, 1);
            }
            let key = EventKey::new(days.day_of(event.at), hasher.hash(event.id.as_str()));
            let (model, tags) = (place(&mut names.models, &event.model), place(&mut names.tag_sets, &event.tags));
            let tier = u16::try_from(place(&mut names.tiers, &event.tier))
                .map_err(|_| wrong("there are too many service tiers"))?;
            let class = place(&mut names.classes, &Class { model, tags, tier, prompt: event.prompt });
            let head = Head { key, at: event.at, line, class };
            batch
                .push(head, event.id.as_str(), &frequent, event.quantities.rare())
                .map_err(|_| wrong("there are too many events for one call"))?;
        }
        let batch = batch.sorted().map_err(|_| too_many(events))?;
        Ok((batch, names))
    }
}

fn spelled(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

fn too_many(events: &[UsageEvent]) -> RecordError {
    let id = events.first().map(|event| event.id.to_string()).unwrap_or_default();
    RecordError::Event { id, what: "there are too many events for one call" }
}

fn check(event: &UsageEvent, act: Act<'_>) -> Result<(), &'static str> {
    if event.at > latest_from(act.now) {
        return Err("its time is in the future");
    }
    let mut reported = event.quantities.iter().peekable();
    if reported.peek().is_none() {
        return Err("no meter is reported");
    }
    if reported.any(|(_, quantity)| !(0..=crate::domain::event::QUANTITY_LIMIT).contains(&quantity)) {
        return Err("a quantity is negative or implausibly large");
    }
    Ok(())
}

/// The place of a name; the few names of one call are looked through.
fn place<T: Clone + PartialEq>(list: &mut Vec<T>, value: &T) -> u32 {
    let place = list.iter().position(|known| known == value).unwrap_or_else(|| {
        list.push(value.clone());
        list.len() - 1
    });
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// What stands in place of a file: its digest is over the events in their canonical form.
fn facts(source: &Name, batch: &Batch, names: &Names, events: &[UsageEvent]) -> FileFacts {
    let mut encoder = Encoder::new();
    for row in batch.rows() {
        let name = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        let class = names.classes.get(name(row.class)).map(|class| {
            let model = names.models.get(name(class.model)).map(canonical::model).unwrap_or_default();
            let tier = names.tiers.get(usize::from(class.tier)).map(canonical::tier).unwrap_or_default();
            let tags = names.tag_sets.get(name(class.tags)).map(canonical::tags).unwrap_or_default();
            canonical::class(&model, &tier, &tags, class.prompt)
        });
        let class = class.unwrap_or_default();
        let line = i64::try_from(row.line).unwrap_or(i64::MAX);
        let parts = EventParts { key: row.key.number(), line, kind: 0, id: batch.id(row), at: row.at, class: &class };
        canonical::event(&mut encoder, parts, &batch.quantities(row));
    }
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    FileFacts {
        source: source.to_string(),
        file: "(recorded)".to_owned(),
        format: "record".to_owned(),
        options: String::new(),
        digest: *blake3::hash(encoder.as_bytes()).as_bytes(),
        bytes: count(encoder.as_bytes().len()),
        lines: count(events.len()),
        header: 0,
        blank: 0,
        quarantined: 0,
    }
}
