//! The frozen binary encoding under every digest: fixed-width big-endian numbers and length-prefixed texts.
//!
//! It contains names in full, never the numbers of the ledger's own tables, so a digest means the same in any copy. A
//! length precedes every text, so no two different values encode alike. The encoding never changes once released:
//! golden vectors in the tests enforce it.

use crate::domain::event::{Model, PromptSize, ServiceTier};
use crate::domain::outcome::Outcome;
use crate::domain::quantities::Quantities;
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;

/// The kind of an event that is the first or only state of a record.
pub const USAGE: u8 = 0;
/// The kind of an event that holds what a later state of a record added.
pub const REVISION: u8 = 1;

/// Appends values to a buffer in the canonical form.
#[derive(Debug, Clone, Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// An empty buffer.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The buffer.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Drops the bytes and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// A signed number, eight bytes.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// An unsigned number, eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A count or length, eight bytes.
    pub fn count(&mut self, value: usize) -> &mut Self {
        // A usize has at most 64 bits on every platform of Rust today.
        self.u64(u64::try_from(value).unwrap_or(u64::MAX))
    }

    /// A text: its length in four bytes, then its bytes.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.blob(value.as_bytes())
    }

    /// Bytes: their length in four bytes, then the bytes.
    pub fn blob(&mut self, value: &[u8]) -> &mut Self {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    /// A text that may be absent: 0, or 1 and the text.
    pub fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            None => self.u8(0),
            Some(value) => self.u8(1).text(value),
        }
    }

    /// A number that may be absent: 0, or 1 and the number.
    pub fn optional_i64(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            None => self.u8(0),
            Some(value) => self.u8(1).i64(value),
        }
    }

    /// Bytes that are already canonical.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }
}

/// The canonical form of a model: provider and name.
pub fn model(model: &Model) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.optional_text(model.provider.as_ref().map(crate::domain::name::Name::as_str)).text(model.name.as_str());
    encoder.into_bytes()
}

/// The canonical form of a service tier.
pub fn tier(tier: &ServiceTier) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.text(tier.as_str());
    encoder.into_bytes()
}

/// The canonical form of a tag set.
pub fn tags(tags: &TagSet) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let tags = tags.iter();
    encoder.count(tags.len());
    for (key, value) in tags {
        encoder.text(key).text(value);
    }
    encoder.into_bytes()
}

/// The canonical form of a class, from the forms of its names.
pub fn class(model: &[u8], tier: &[u8], tags: &[u8], (prompt, outcome): (PromptSize, Option<Outcome>)) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.raw(model).raw(tier).raw(tags).i64(prompt.code()).u8(Outcome::code(outcome));
    encoder.into_bytes()
}

/// The parts of an event. Their names are already canonical.
#[derive(Debug, Clone, Copy)]
pub struct EventParts<'a> {
    /// The ledger's key.
    pub key: i64,
    /// The line in the file it came from.
    pub line: i64,
    /// The kind of the row: [`USAGE`] or [`REVISION`].
    pub kind: u8,
    /// The id.
    pub id: &'a str,
    /// The instant.
    pub at: Timestamp,
    /// [`class`] of its model, tier, tags, prompt and outcome.
    pub class: &'a [u8],
}

/// Encodes an event as the ledger stores it.
pub fn event(encoder: &mut Encoder, parts: EventParts<'_>, quantities: &Quantities) {
    encoder.i64(parts.key).i64(parts.line).u8(parts.kind).text(parts.id).i64(parts.at.nanos()).raw(parts.class);
    for (meter, quantity) in quantities.iter() {
        encoder.u8(meter.code()).i64(quantity);
    }
    // No meter has this code: it marks the end of the list.
    encoder.u8(u8::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::meter::Meter;
    use crate::domain::name::{Name, NameError, TagValue};
    use crate::domain::tags::TagKey;

    #[test]
    fn the_encoding_of_an_event_is_frozen() -> Result<(), NameError> {
        let mut quantities = Quantities::NONE;
        quantities.set(Meter::Input, 85_000);
        quantities.set(Meter::Request, 1);
        quantities.set(Meter::WebSearch, 3);
        let tag_set: TagSet = TagKey::new("department")
            .into_iter()
            .map(|key| TagValue::new("Ünit").map(|value| (key, value)))
            .collect::<Result<_, _>>()?;
        let parts = EventParts {
            key: 7,
            line: 2,
            kind: 0,
            id: "req_1",
            at: Timestamp::EARLIEST,
            class: &class(
                &model(&Model { provider: None, name: Name::new("gpt-4.1")? }),
                &tier(&ServiceTier::new("").map_err(|_| NameError::Empty)?),
                &tags(&tag_set),
                (PromptSize::Exact, Some(Outcome::Completed)),
            ),
        };
        let mut encoder = Encoder::new();
        event(&mut encoder, parts, &quantities);
        assert_eq!(
            blake3::hash(encoder.as_bytes()).to_hex().as_str(),
            "e2020e6d7fe6cebc794c434c54060caf91301b38e2e9fa4bd028e414b1473e58",
            "digests in every ledger depend on it"
        );
        Ok(())
    }
}
