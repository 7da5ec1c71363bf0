//! A vendor's response body, by itself or in an envelope that states what the body does not.
//!
//! `{"timestamp": …, "event_id": …, "provider": …, "model": …, "service_tier": …, "department": …, "tags": {…}, "body":
//! {…}}`. Only `body` is required, and the envelope wins over the body. Lines of batch results
//! ([`crate::import::vendor::batch_line`]) are envelopes too. Their requests were billed as `batch`.

use crate::domain::tags::TagKey;
use crate::domain::timestamp::Timestamp;
use crate::import::events::{Event, Tags};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant};
use crate::import::vendor::batch_line::BatchLine;
use crate::text::problem::{Problem, nearest};
use std::borrow::Cow;

/// The fields of an envelope.
const FIELDS: [&str; 10] = [
    "timestamp",
    "event_id",
    "provider",
    "model",
    "service_tier",
    "department",
    "project",
    "environment",
    "tags",
    "body",
];

/// The tier of batches.
pub const BATCH: &str = "batch";

/// A body, and what the envelope states.
#[derive(Debug)]
pub struct Body<'a> {
    /// The response.
    pub body: Record<'a>,
    /// Whether the envelope states the tier, as for a batch. It then wins over the body.
    pub tier_told: bool,
    tier: Cow<'a, str>,
    id: Option<Cow<'a, str>>,
    at: Option<Timestamp>,
    /// Values to use if the body has none: an id, and one time for the whole file.
    other_id: Option<Cow<'a, str>>,
    fallback: Option<Timestamp>,
    model: Option<Cow<'a, str>>,
    provider: Option<Cow<'a, str>>,
    tags: Tags<'a>,
}

impl<'a> Body<'a> {
    /// Reads the body of a record; `None` if the record is a failed request, which used nothing.
    pub fn of(record: &Record<'a>, reading: &Stated) -> Result<Option<Self>, Problem> {
        let bare = |body| Self {
            body,
            tier_told: false,
            tier: Cow::Borrowed(""),
            id: None,
            at: None,
            other_id: None,
            fallback: reading.at,
            model: None,
            provider: None,
            tags: Tags::default(),
        };
        if let Some(line) = BatchLine::of(record)? {
            let BatchLine { body, id, at } = line;
            let fallback = at.or(reading.at);
            let tier = Cow::Borrowed(BATCH);
            return Ok(body.map(|body| Self { tier_told: true, tier, other_id: id, fallback, ..bare(body) }));
        }
        if !record.is_object("body") || record.has("usage") {
            let failed = record.has("error") && !record.has("usage");
            return Ok((!failed).then(|| bare(record.clone())));
        }
        refuse_mistyped(record)?;
        let Some(body) = record.object("body")? else { return Ok(None) };
        if body.has("error") && !body.has("usage") && !body.has("usageMetadata") {
            return Ok(None);
        }
        let mut tags = Tags::default();
        for key in TagKey::OWN_FIELDS {
            tags.add(key, record.text(key)?);
        }
        if let Some(more) = record.object("tags")? {
            for (key, _) in more.fields() {
                tags.add(key.to_owned(), more.text(key)?);
            }
        }
        let tier = record.text("service_tier")?;
        Ok(Some(Self {
            tier_told: tier.is_some(),
            tier: tier.unwrap_or_default(),
            id: record.text("event_id")?,
            at: instant(record, "timestamp")?,
            model: record.text("model")?,
            provider: record.text("provider")?,
            tags,
            ..bare(body)
        }))
    }

    /// The body's usage, which is required.
    pub fn usage(&self, name: &str) -> Result<Record<'a>, Problem> {
        self.body.object(name)?.ok_or_else(|| {
            let expected = "the usage the vendor reports (of a stream, the last chunk has it: log the final response)";
            self.body.missing(name, expected)
        })
    }

    /// The event. `id`, `at` and `model` come from the body, if it has them.
    pub fn event(
        self,
        id: Option<Cow<'a, str>>,
        at: Option<Timestamp>,
        model: Option<Cow<'a, str>>,
    ) -> Result<Event<'a>, Problem> {
        let envelope = "an envelope {\"event_id\":…, \"timestamp\":…, \"body\":{…}}";
        let missing = |name: &str, expected: String| Problem::field(name, "is missing", expected);
        let id = self
            .id
            .or(id)
            .or(self.other_id)
            .ok_or_else(|| missing("id", format!("the response's id, or {envelope}")))?;
        let at = self
            .at
            .or(at)
            .or(self.fallback)
            .ok_or_else(|| missing("timestamp", format!("{envelope}, or --at TIME: a response has no time")))?;
        let model = self.model.or(model).ok_or_else(|| {
            missing("model", "the response's model, or an envelope {\"model\":…, \"body\":{…}}".into())
        })?;
        let provider = self.provider.unwrap_or_default();
        Ok(Event { provider, tier: self.tier, tags: self.tags, ..Event::request(id, at, model) })
    }
}

/// Reads `service_tier`. Vendors have several names for the standard tier.
pub fn tier<'a>(body: &Record<'a>, event: &mut Event<'a>) -> Result<(), Problem> {
    if let Some(tier) = body.text("service_tier")?
        && !matches!(tier.as_ref(), "default" | "auto" | "standard" | "on_demand")
    {
        event.tier = tier;
    }
    Ok(())
}

/// Rejects a mistyped field of an envelope. Ignoring `departement` would lose the payer.
fn refuse_mistyped(record: &Record<'_>) -> Result<(), Problem> {
    for (name, _) in record.fields().filter(|(name, _)| !FIELDS.contains(name)) {
        if let Some(meant) = nearest(name, FIELDS) {
            return Err(Problem::field(name, "is not a field of an envelope", meant));
        }
    }
    Ok(())
}
