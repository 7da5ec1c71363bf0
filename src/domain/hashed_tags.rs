//! Keyed hashes replace the values of tags that are personal data, because a ledger can never delete what it has
//! stored.
//!
//! The same value and key always give the same hash, so usage can still be grouped by person. Without the key, nobody
//! can find the value by trying likely ones. The ledger stores neither the key nor a hash of it.

use crate::domain::name::{TagValue, composed};
use crate::domain::tags::{IgnoredTagError, TagKey};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// The prefix of a hash, which identifies it as one.
pub const HASH_MARK: &str = "hash:";
/// The shortest key, in bytes.
pub const KEY_BYTES: usize = 16;
/// Hexadecimal digits of a hash: 128 bits.
const DIGITS: usize = 32;
/// The purpose of the key. It makes the derived key different from any other program's.
const CONTEXT: &str = "tokenbook hash-tag v1";
/// The shortest value that is searched for inside an id without an `=` before it.
const WORD: usize = 3;

/// The secret key for hashing values.
#[derive(Clone)]
pub struct HashKey([u8; 32]);

/// The key is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is shorter than {KEY_BYTES} bytes")]
pub struct HashKeyError;

impl HashKey {
    /// A key from a text of at least 16 bytes, such as 32 hexadecimal digits.
    pub fn new(text: &[u8]) -> Result<Self, HashKeyError> {
        if text.len() < KEY_BYTES {
            return Err(HashKeyError);
        }
        Ok(Self(blake3::derive_key(CONTEXT, text)))
    }

    fn hash(&self, kind: &str, text: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(kind.as_bytes()).update(&[0]).update(text.as_bytes());
        hasher.finalize().to_hex().chars().take(DIGITS).collect()
    }
}

/// Never shows the key.
impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// The keys of tags whose values are hashed, and the secret key for hashing.
#[derive(Debug, Clone, Default)]
pub struct HashedTags {
    keys: BTreeSet<TagKey>,
    /// Set if any tag is hashed.
    with: Option<HashKey>,
}

impl HashedTags {
    /// No tags yet, but a key for those to come.
    pub const fn with(key: HashKey) -> Self {
        Self { keys: BTreeSet::new(), with: Some(key) }
    }

    /// Adds a tag to hash. Tags that define who pays are never hashed.
    pub fn add(&mut self, key: &str) -> Result<(), IgnoredTagError> {
        let key = TagKey::new(key)?;
        if TagKey::OWN_FIELDS.contains(&key.as_str()) {
            return Err(IgnoredTagError::Payer);
        }
        self.keys.insert(key);
        Ok(())
    }

    /// The keys of the tags, sorted.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &TagKey> {
        self.keys.iter()
    }

    /// Whether a tag is hashed, in any letter case: `user` also covers `User`.
    pub fn has(&self, tag: &str) -> bool {
        self.keys.iter().any(|key| key.as_str().eq_ignore_ascii_case(tag))
    }

    /// The hash that replaces a tag's value; `None` if the tag is not hashed. Two spellings of one value give one hash.
    /// The same value under two tags gives two.
    pub fn value(&self, tag: &str, value: &str) -> Option<TagValue> {
        let key = self.with.as_ref().filter(|_| self.has(tag))?;
        Some(TagValue::own(format!("{HASH_MARK}{}", key.hash(tag, &composed(value)))))
    }

    /// The id to store for an event: a hash if the id contains the value of a hashed tag, as the natural keys of
    /// vendors' buckets do.
    pub fn id<'a, K: AsRef<str>, V: AsRef<str>>(&self, id: &'a str, tags: &[(K, V)]) -> Cow<'a, str> {
        let Some(key) = self.with.as_ref().filter(|_| !self.keys.is_empty()) else { return Cow::Borrowed(id) };
        let tells = |(tag, value): &(K, V)| self.has(tag.as_ref()) && (is_digest(id) || holds_word(id, value.as_ref()));
        // No tag has an empty key.
        if tags.iter().any(tells) { Cow::Owned(format!("{HASH_MARK}{}", key.hash("", id))) } else { Cow::Borrowed(id) }
    }
}

/// Whether an id is the digest of a natural key that was too long. A person who knows the rest of the key could try
/// values.
fn is_digest(id: &str) -> bool {
    id.rsplit_once('|').is_some_and(|(_, digest)| digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether an id contains a value as a separate word.
fn holds_word(id: &str, value: &str) -> bool {
    !value.is_empty()
        && id.match_indices(value).any(|(start, _)| {
            let before = id.get(..start).and_then(|before| before.chars().next_back());
            let after = id.get(start + value.len()..).and_then(|after| after.chars().next());
            let ends = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
            ends(before) && ends(after) && (value.len() >= WORD || before == Some('=') || id == value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(key: &str) -> Option<HashedTags> {
        let mut tags = HashedTags::with(HashKey::new(key.as_bytes()).ok()?);
        tags.add("user").ok()?;
        tags.add("email").ok()?;
        Some(tags)
    }

    #[test]
    fn a_hash_is_the_same_for_the_same_key_tag_and_value_only() {
        let value = |key: &str, tag: &str, value: &str| hashed(key)?.value(tag, value).map(|value| value.to_string());
        let one = value("0123456789abcdef", "user", "Caf\u{e9}");
        assert_eq!(one.as_deref().map(str::len), Some(HASH_MARK.len() + DIGITS));
        assert_eq!(value("0123456789abcdef", "user", "Cafe\u{301}"), one);
        for (key, tag, text) in [
            ("0123456789abcdeg", "user", "Caf\u{e9}"),
            ("0123456789abcdef", "email", "Caf\u{e9}"),
            ("0123456789abcdef", "user", "Cafe"),
        ] {
            let other = value(key, tag, text);
            assert!(other.is_some() && other != one, "{key} {tag} {text}");
        }
        assert_eq!(value("0123456789abcdef", "team", "x"), None);
        // Ledgers depend on this value. It is made with b3sum, as docs/PRIVACY.md describes: printf 'user\0ada' | b3sum
        // --keyed < KEY, where KEY is b3sum --derive-key 'tokenbook hash-tag v1' --raw of the key.
        let frozen = value("0123456789abcdef", "user", "ada");
        assert_eq!(frozen.as_deref(), Some("hash:b8394e4ba6822575dcc8c22729595135"));
    }

    #[test]
    fn a_key_is_long_and_is_not_shown() {
        assert!(HashKey::new(b"0123456789abcde").is_err());
        assert_eq!(format!("{:?}", HashKey::new(b"0123456789abcdef")), "Ok(HashKey(…))");
    }

    #[test]
    fn who_pays_is_not_hashed() {
        for key in TagKey::OWN_FIELDS {
            let mut tags = hashed("0123456789abcdef").unwrap_or_default();
            assert_eq!(tags.add(key), Err(IgnoredTagError::Payer));
        }
    }

    #[test]
    fn an_id_that_tells_the_value_is_hashed() {
        let kept = |id: &str, value: &str| {
            let tags = hashed("0123456789abcdef").unwrap_or_default();
            tags.id(id, &[("team", "search"), ("user", value)]).starts_with(HASH_MARK)
        };
        for (id, value, told) in [
            ("openai-usage|user_id=7|model=m", "7", true),
            ("openai-usage|user_id=7|model=m", "m", true),
            ("ada@example.com:17", "ada@example.com", true),
            ("req_ada_1", "ada", true),
            ("7", "7", true),
            ("deepseek|9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "ada", true),
            ("req_7", "7", false),
            ("canada", "ada", false),
            ("search-1", "ada", false),
            ("req_1", "", false),
        ] {
            assert_eq!(kept(id, value), told, "{id} {value}");
        }
    }
}
