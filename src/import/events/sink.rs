//! The sink: formats pass their events to it. It is the only place that checks what an event must be.

use crate::domain::calendar::DayFinder;
use crate::domain::event::{EventUsage, Span, UsageError, UsageEvent};
use crate::domain::meter::{Meter, Unit};
use crate::domain::name;
use crate::domain::outcome::Outcome;
use crate::domain::tags::Tag;
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use crate::import::events::intern::{ClassTexts, NameCache, SharedNames};
use crate::import::record::field::{Fields, bad_quantity};
use crate::import::record::reading::PromptBounds;
use crate::rows::batch::{Batch, BatchFull, EventHead};
use crate::rows::key::{EventKey, SourceHasher};
use crate::text::problem::Problem;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// An event as a format found it: times are instants, names are still texts.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The issuer's id.
    pub id: &'a str,
    /// When it was used.
    pub at: Timestamp,
    /// The provider; empty if unknown.
    pub provider: &'a str,
    /// The provider that the form of the id implies. It counts if neither the record nor the user names one. Empty if
    /// the id implies none.
    pub implied: &'a str,
    /// The model.
    pub model: &'a str,
    /// The tier; empty for standard.
    pub tier: &'a str,
    /// Tags with values.
    pub tags: &'a [(Cow<'a, str>, Cow<'a, str>)],
    /// Reported quantities, each meter at most once.
    pub meters: &'a [(Meter, i64)],
    /// The vendor's total of tokens, if there is one.
    pub total: Option<i64>,
    /// Whether it is one request or a bucket.
    pub span: Span,
    /// How the call ended, if that is reported.
    pub outcome: Option<Outcome>,
}

/// What is the same for all events of an import.
#[derive(Debug)]
pub struct Constants {
    /// Names met so far.
    pub names: SharedNames,
    /// Tags for events that lack them.
    pub fill: Vec<Tag>,
    /// The provider for events that name none; empty if unknown.
    pub provider: String,
    /// The most tokens of each prompt, for records of several requests.
    pub prompts_within: PromptBounds,
    /// The latest instant that an event may have: a day from now.
    pub latest: Timestamp,
    /// The ids of the first vendors' buckets of the import.
    pub buckets: Mutex<Vec<String>>,
}

/// The number of such ids that are stored.
const BUCKETS: usize = 100_000;

impl Constants {
    fn met_bucket(&self, id: &str) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() < BUCKETS {
            buckets.push(id.to_owned());
        }
    }
}

/// The tools of one thread, kept from chunk to chunk.
pub struct Tools {
    /// Places of names.
    pub cache: NameCache,
    /// Billing days.
    pub days: DayFinder,
    /// Hashes of ids.
    pub hasher: SourceHasher,
    /// Memory for a chunk's events. Allocating and freeing large blocks between small ones that stay would fragment
    /// memory.
    pub batch: Batch,
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

/// Collects the events of one chunk.
pub struct Sink<'a> {
    constants: &'a Constants,
    tools: &'a mut Tools,
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

impl<'a> Sink<'a> {
    /// An empty sink.
    pub fn new(constants: &'a Constants, tools: &'a mut Tools) -> Self {
        tools.batch.clear();
        Self { constants, tools }
    }

    /// The events collected, in the order of their keys.
    pub fn sorted(self) -> Result<Vec<Batch>, BatchFull> {
        self.tools.batch.sorted_by_eighths()
    }

    /// The events collected as one batch, in the order of their keys.
    pub fn whole(self) -> Result<Batch, BatchFull> {
        std::mem::take(&mut self.tools.batch).sorted()
    }

    /// The number of events collected.
    pub fn len(&self) -> usize {
        self.tools.batch.len()
    }

    /// Whether no event was collected.
    pub fn is_empty(&self) -> bool {
        self.tools.batch.is_empty()
    }

    /// Drops all events after the first ones. A record gives an event for each of its parts, or none at all.
    pub fn truncate(&mut self, events: usize) {
        self.tools.batch.truncate(events);
    }

    /// Checks the fields of a record of tokenbook's own formats and stores the event.
    pub fn push_fields(&mut self, line: u64, fields: &Fields<'_>) -> Result<(), Problem> {
        for (name, value) in [("event_id", &fields.id), ("timestamp", &fields.timestamp), ("model", &fields.model)] {
            if value.is_empty() {
                return Err(Problem::field(name, "is missing", "a value").coded(Code::FieldMissing));
            }
        }
        let draft = Draft {
            id: &fields.id,
            at: crate::import::record::field::timestamp(&fields.timestamp)?,
            provider: &fields.provider,
            implied: "",
            model: &fields.model,
            tier: &fields.tier,
            tags: &fields.tags,
            meters: &fields.meters,
            total: fields.total,
            span: Span::Request,
            outcome: fields.outcome,
        };
        self.push(line, &draft)
    }

    /// Checks an event and stores it.
    pub fn push(&mut self, line: u64, draft: &Draft<'_>) -> Result<(), Problem> {
        let id = self.constants.names.hashed().id(draft.id, draft.tags);
        name::check_id(draft.id).map_err(|error| {
            Problem::value(
                "event_id",
                &id,
                error,
                "an id of 1 to 256 bytes of visible characters, without spaces around it",
            )
        })?;
        self.not_in_the_future(draft.at)?;
        check_total(draft)?;
        let said = [draft.provider, &self.constants.provider];
        let provider = said.into_iter().find(|said| !said.is_empty()).unwrap_or(draft.implied);
        let usage = EventUsage::new(draft.span, draft.meters.iter().copied()).map_err(no_usage)?;
        let bound = self.constants.prompts_within.of(draft.model);
        let prompt = bound.map_or(usage.prompt(), |bound| usage.prompt().within(bound));
        let Draft { model, tier, tags, outcome, .. } = *draft;
        let texts = ClassTexts { provider, model, tier, tags, prompt, outcome };
        let class = self.tools.cache.class(&self.constants.names, &texts, &self.constants.fill)?;
        if draft.span == Span::Bucket {
            self.constants.met_bucket(&id);
        }
        self.keep(line, (&id, draft.at), class, &usage)
    }

    /// Stores an event whose parts are already checked. It checks only what depends on the import.
    pub fn push_event(&mut self, line: u64, event: &UsageEvent) -> Result<(), Problem> {
        self.not_in_the_future(event.at)?;
        let class = self.constants.names.class_of(event)?;
        self.keep(line, (event.id.as_str(), event.at), class, &event.usage)
    }

    fn not_in_the_future(&self, at: Timestamp) -> Result<(), Problem> {
        if at <= self.constants.latest {
            return Ok(());
        }
        Err(Problem::value("timestamp", &at.to_string(), "is in the future", "a time up to a day from now"))
    }

    fn keep(&mut self, line: u64, (id, at): (&str, Timestamp), class: u32, usage: &EventUsage) -> Result<(), Problem> {
        let key = EventKey::new(self.tools.days.day_of(at), self.tools.hasher.hash(id));
        let head = EventHead { key, at, line, class };
        let quantities = usage.quantities();
        self.tools
            .batch
            .push(head, id, quantities.frequent(), quantities.rare())
            .map_err(|error| Problem::line(error.to_string(), "shorter ids"))
    }
}
/// The error for quantities that cannot be an event's usage.
fn no_usage(error: UsageError) -> Problem {
    match error {
        UsageError::Nothing => Problem::line(
            "no meter is reported",
            "at least one of input_tokens, output_tokens, requests and the others",
        ),
        UsageError::Twice(meter) => Problem::field(meter.field(), "is given twice", "each meter once"),
        UsageError::OutOfRange(meter, quantity) => bad_quantity(meter.field(), &quantity.to_string()),
    }
}

fn check_total(draft: &Draft<'_>) -> Result<(), Problem> {
    let Some(total) = draft.total else { return Ok(()) };
    // The sum has at most 19 meters of at most 10^12 each.
    let sum: i64 =
        draft.meters.iter().filter(|(meter, _)| meter.unit() == Unit::Tokens).map(|(_, quantity)| quantity).sum();
    if sum == total {
        return Ok(());
    }
    let expected =
        "their sum: meters are disjoint, cached tokens are not part of input_tokens nor reasoning of output_tokens";
    Err(Problem::value("total_tokens", &total.to_string(), format!("is not the sum of the meters, {sum}"), expected))
}
