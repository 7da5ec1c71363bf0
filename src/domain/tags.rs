//! Tags: what the source reports about who used something. Department, project and environment are tags like any other.

use crate::domain::name::{NameError, TagValue};
use crate::domain::rule::Payer;
use crate::domain::secret::looks_secret;
use crate::fault::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The longest tag key, in bytes.
pub const KEY_LIMIT: usize = 64;

/// The key of a tag: letters, digits, `_`, `-`, `.`, `:` and `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagKey(Box<str>);

/// The text is not the key of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagKeyError {
    /// It has other characters, or too many.
    #[error("is not a tag key: 1 to 64 letters, digits and _ - . : /")]
    Form,
    /// The secret of a vendor or a platform.
    #[error("looks like a secret key")]
    Secret,
}

impl TagKeyError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Form => Code::TagInvalid,
            Self::Secret => Code::SecretFound,
        }
    }
}

impl TagKey {
    /// The key of the tag for the department, which pays.
    pub const DEPARTMENT: &'static str = "department";
    /// The key of the project tag.
    pub const PROJECT: &'static str = "project";
    /// The key of the environment tag.
    pub const ENVIRONMENT: &'static str = "environment";
    /// The tags that have their own import fields.
    pub const OWN_FIELDS: [&'static str; 3] = [Self::DEPARTMENT, Self::PROJECT, Self::ENVIRONMENT];

    /// Checks a key and stores it.
    pub fn new(key: &str) -> Result<Self, TagKeyError> {
        let checked = Self::recorded(key)?;
        if looks_secret(key) { Err(TagKeyError::Secret) } else { Ok(checked) }
    }

    /// A key read from a ledger.
    pub fn recorded(key: &str) -> Result<Self, TagKeyError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'/');
        if key.is_empty() || key.len() > KEY_LIMIT || !key.bytes().all(allowed) {
            return Err(TagKeyError::Form);
        }
        Ok(Self(key.into()))
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for TagKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One checked tag of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The key.
    pub key: TagKey,
    /// The value.
    pub value: TagValue,
}

/// Why `KEY=VALUE` is not a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// No `=`.
    #[error("expected KEY=VALUE")]
    NoValue,
    /// The key is invalid.
    #[error("the key {0}")]
    Key(#[from] TagKeyError),
    /// The value is invalid.
    #[error("the value {0}")]
    Value(#[from] NameError),
}

impl TagError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Key(TagKeyError::Secret) | Self::Value(NameError::Secret) => Code::SecretFound,
            Self::NoValue | Self::Key(_) | Self::Value(_) => Code::TagInvalid,
        }
    }
}

impl Tag {
    /// Reads `KEY=VALUE`.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        let (key, value) = text.split_once('=').ok_or(TagError::NoValue)?;
        Ok(Self { key: TagKey::new(key)?, value: TagValue::new(value)? })
    }
}

/// Keys of tags that are left out of every event, as if no source reported them. Tags that define who pays are never
/// left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IgnoredTags(BTreeSet<TagKey>);

/// Why a tag cannot be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgnoredTagError {
    /// The key is invalid.
    #[error(transparent)]
    Key(#[from] TagKeyError),
    /// It is department, project or environment.
    #[error("decides who pays and cannot be left out")]
    Payer,
}

impl IgnoredTagError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Key(error) => error.code(),
            Self::Payer => Code::OptionInvalid,
        }
    }
}

impl IgnoredTags {
    /// Adds a tag to leave out.
    pub fn add(&mut self, key: &str) -> Result<(), IgnoredTagError> {
        let key = TagKey::new(key)?;
        if TagKey::OWN_FIELDS.contains(&key.as_str()) {
            return Err(IgnoredTagError::Payer);
        }
        self.0.insert(key);
        Ok(())
    }

    /// Whether a key is left out, in any letter case.
    pub fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|ignored| ignored.as_str().eq_ignore_ascii_case(key))
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &TagKey> {
        self.0.iter()
    }
}

/// The tags of an event, in the order of their keys. A report may hold as many of these sets as there are users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TagSet(Vec<(TagKey, TagValue)>);

impl TagSet {
    /// No tags.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a tag. It replaces one with the same key.
    pub fn insert(&mut self, key: TagKey, value: TagValue) {
        match self.place(key.as_str()) {
            Ok(at) => {
                if let Some(slot) = self.0.get_mut(at) {
                    slot.1 = value;
                }
            }
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    /// The position of a key, or the position to insert it.
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(key))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.value(key).map(TagValue::as_str)
    }

    /// The value of a key, checked.
    pub fn value(&self, key: &str) -> Option<&TagValue> {
        self.0.get(self.place(key).ok()?).map(|(_, value)| value)
    }

    /// The same tags with the department, project and environment of a payer.
    #[must_use]
    pub fn paid_by(&self, payer: &Payer) -> Self {
        let others = self.0.iter().filter(|(key, _)| !TagKey::OWN_FIELDS.contains(&key.as_str()));
        let mut tags = Self(others.cloned().collect());
        for (key, name) in payer.names() {
            tags.insert(TagKey(key.into()), name.clone());
        }
        tags
    }

    /// The department, if the source reported one.
    pub fn department(&self) -> Option<&str> {
        self.get(TagKey::DEPARTMENT)
    }

    /// Only the department, the project and the environment.
    pub fn payer(&self) -> Self {
        let own = |(key, _): &&(TagKey, TagValue)| TagKey::OWN_FIELDS.contains(&key.as_str());
        Self(self.0.iter().filter(own).cloned().collect())
    }

    /// The tags in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl FromIterator<(TagKey, TagValue)> for TagSet {
    fn from_iter<I: IntoIterator<Item = (TagKey, TagValue)>>(tags: I) -> Self {
        let tags: BTreeMap<TagKey, TagValue> = tags.into_iter().collect();
        Self(tags.into_iter().collect())
    }
}
