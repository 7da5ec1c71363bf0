//! Builds an event from texts and numbers, the way a gateway has them.
//!
//! Nothing is checked before [`EventBuilder::build`]. It returns a valid event, or the first error.

use crate::domain::event::{EventId, EventUsage, Model, ServiceTier, Span, TierError, UsageError, UsageEvent};
use crate::domain::meter::Meter;
use crate::domain::name::{Name, NameError, TagValue};
use crate::domain::outcome::Outcome;
use crate::domain::secret::redacted;
use crate::domain::tags::{TagError, TagKey, TagSet};
use crate::domain::timestamp::{Timestamp, TimestampError};

/// An event under construction.
#[derive(Debug, Clone)]
pub struct EventBuilder<'a> {
    id: &'a str,
    at: &'a str,
    model: &'a str,
    provider: Option<&'a str>,
    tier: &'a str,
    tags: Vec<(&'a str, &'a str)>,
    meters: Vec<(Meter, i64)>,
    span: Span,
    outcome: Option<Outcome>,
}

/// Why the parts do not make a valid event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The id.
    #[error("id {id:?} {error}")]
    Id {
        /// The id.
        id: String,
        /// What is wrong.
        error: NameError,
    },
    /// The time of the event.
    #[error("timestamp {text:?} {error}")]
    Timestamp {
        /// The text.
        text: String,
        /// What is wrong.
        error: TimestampError,
    },
    /// The model or its provider.
    #[error("{what} {name:?} {error}")]
    Name {
        /// Either the model or its provider.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong.
        error: NameError,
    },
    /// The service tier.
    #[error("service tier {tier:?} {error}")]
    Tier {
        /// The tier.
        tier: String,
        /// What is wrong.
        error: TierError,
    },
    /// The key or the value of a tag.
    #[error("tag {tag:?}: {error}")]
    Tag {
        /// The tag, as `KEY=VALUE`.
        tag: String,
        /// What is wrong.
        error: TagError,
    },
    /// A tag is given twice.
    #[error("tag {0} is given twice")]
    TagTwice(String),
    /// The quantities.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

impl<'a> EventBuilder<'a> {
    /// One request: its id, its time in RFC 3339 with an offset, and its model.
    pub fn request(id: &'a str, at: &'a str, model: &'a str) -> Self {
        let (tags, meters) = (Vec::new(), Vec::new());
        Self { id, at, model, provider: None, tier: "", tags, meters, span: Span::Request, outcome: None }
    }

    /// A sum of several requests, such as a vendor's bucket.
    pub fn bucket(id: &'a str, at: &'a str, model: &'a str) -> Self {
        Self { span: Span::Bucket, ..Self::request(id, at, model) }
    }

    /// Who served the model.
    pub const fn provider(mut self, provider: &'a str) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The service tier; standard if none is given.
    pub const fn tier(mut self, tier: &'a str) -> Self {
        self.tier = tier;
        self
    }

    /// A tag. `department`, `project` and `environment` define who pays.
    pub fn tag(mut self, key: &'a str, value: &'a str) -> Self {
        self.tags.push((key, value));
        self
    }

    /// A quantity.
    pub fn meter(mut self, meter: Meter, quantity: i64) -> Self {
        self.meters.push((meter, quantity));
        self
    }

    /// How the call ended.
    pub const fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// The event.
    pub fn build(self) -> Result<UsageEvent, EventError> {
        let Self { id, at, model, provider, tier, tags, meters, span, outcome } = self;
        let named = |what: &'static str, name: &str| {
            Name::new(name).map_err(|error| EventError::Name { what, name: shown(name), error })
        };
        let mut set = TagSet::new();
        for (key, value) in tags {
            let wrong = |error| EventError::Tag { tag: shown(&format!("{key}={value}")), error };
            let checked = TagKey::new(key).map_err(|error| wrong(error.into()))?;
            let value = TagValue::new(value).map_err(|error| wrong(error.into()))?;
            if set.get(key).is_some() {
                return Err(EventError::TagTwice(shown(key)));
            }
            set.insert(checked, value);
        }
        Ok(UsageEvent {
            id: EventId::new(id).map_err(|error| EventError::Id { id: shown(id), error })?,
            at: Timestamp::parse(at).map_err(|error| EventError::Timestamp { text: shown(at), error })?,
            model: Model {
                provider: provider.map(|provider| named("provider", provider)).transpose()?,
                name: named("model", model)?,
            },
            tier: ServiceTier::new(tier).map_err(|error| EventError::Tier { tier: shown(tier), error })?,
            tags: set,
            usage: EventUsage::new(span, meters)?,
            outcome,
        })
    }
}

/// A text for an error message. It hides a secret that was put into a wrong field.
fn shown(text: &str) -> String {
    redacted(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_made_of_its_parts_or_the_first_wrong_one_is_named() -> Result<(), EventError> {
        let right = || EventBuilder::request("a", "2026-10-05T09:12:04+02:00", "gpt-4.1").meter(Meter::Input, 5);
        let made = right().provider("openai").tier("batch").tag("department", "Legal").outcome(Outcome::Failed).build();
        let event = made?;
        assert_eq!((event.id.as_str(), event.tier.as_str()), ("a", "batch"));
        assert_eq!(event.at.to_string(), "2026-10-05T07:12:04Z");
        assert_eq!(event.tags.department(), Some("Legal"));
        assert_eq!(event.usage.quantities().get(Meter::Request), Some(1));
        assert_eq!(event.outcome, Some(Outcome::Failed));
        let at = "2026-10-05T09:12:04Z";
        let wrong = [
            (EventBuilder::request("", at, "m").meter(Meter::Input, 1), "id \"\" is empty"),
            (EventBuilder::request("a", "yesterday", "m").meter(Meter::Input, 1), "timestamp \"yesterday\" "),
            (EventBuilder::request("a", at, "m "), "model \"m \" "),
            (right().provider(""), "provider \"\" is empty"),
            (right().tier("Batch"), "service tier \"Batch\" is not a service tier"),
            (right().tag("department", "(none)"), "tag \"department=(none)\": the value "),
            (right().tag("a", "1").tag("a", "1"), "tag a is given twice"),
            (right().meter(Meter::Output, -1), "output_tokens -1 is not from 0 to"),
            (right().meter(Meter::Input, 5), "input_tokens is given twice"),
            (EventBuilder::bucket("a", at, "m"), "no meter is reported"),
        ];
        for (parts, says) in wrong {
            let said = parts.clone().build().map_err(|error| error.to_string());
            assert!(said.as_ref().is_err_and(|said| said.starts_with(says)), "{parts:?}: {said:?}");
        }
        let secret = "sk-live-0123456789abcdef0123456789";
        let said = right().tag("key", secret).build().map_err(|error| error.to_string());
        assert!(said.as_ref().is_err_and(|said| !said.contains(secret)), "{said:?}");
        Ok(())
    }
}
