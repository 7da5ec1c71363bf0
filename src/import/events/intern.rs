//! The names that an import meets. Each name is stored once and has a number, its place.
//!
//! Threads share one [`SharedNames`]. Each thread has a [`NameCache`] from the raw text of a record to the place. So a
//! thread checks and locks once for each distinct text, not for each record.

use crate::domain::event::{Model, PromptSize, ServiceTier, UsageEvent};
use crate::domain::hashed_tags::HashedTags;
use crate::domain::name::{Name, TagValue};
use crate::domain::outcome::Outcome;
use crate::domain::tags::{IgnoredTags, Tag, TagKey, TagSet};
use crate::rows::batch::{Class, Names};
use crate::text::problem::{Problem, excerpt, grouped};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most different tag sets of one import. Beyond it, a tag holds something that does not identify a payer.
pub const TAG_SET_LIMIT: usize = 100_000;

/// The most classes that a thread remembers by their texts, because users as tags may make very many. For other events
/// it looks up the model and the tags separately.
const BY_TEXTS_LIMIT: usize = 1 << 15;

/// The names of an import, shared by its threads.
#[derive(Debug, Default)]
pub struct SharedNames {
    index: Mutex<Index>,
    ignored: IgnoredTags,
    hashed: HashedTags,
}

#[derive(Debug, Default)]
struct Index {
    names: Names,
    models: FxHashMap<Model, u32>,
    tag_sets: FxHashMap<TagSet, u32>,
    tiers: FxHashMap<ServiceTier, u16>,
    classes: FxHashMap<Class, u32>,
    /// The error for every further tag set, once there are too many. It is the same for every later line.
    full: Option<Problem>,
}

impl SharedNames {
    /// No names yet. The given tags will be left out.
    pub fn without(ignored: IgnoredTags) -> Self {
        Self { index: Mutex::default(), ignored, hashed: HashedTags::default() }
    }

    /// The same names, but storing hashes in place of the values of some tags.
    #[must_use]
    pub fn hashing(self, hashed: HashedTags) -> Self {
        Self { hashed, ..self }
    }

    /// The tags whose values are stored as hashes.
    pub const fn hashed(&self) -> &HashedTags {
        &self.hashed
    }

    /// What the quarantine may store of a tag of a bad line; `None` if the tag is left out.
    pub fn kept_of<'v>(&self, key: &str, value: &'v str) -> Option<Cow<'v, str>> {
        if self.ignored.contains(key) {
            return None;
        }
        let hash = self.hashed.value(key, value);
        Some(hash.map_or(Cow::Borrowed(value), |hash| Cow::Owned(hash.to_string())))
    }

    /// The names met so far. A thread that meets a new name waits for the lock.
    pub fn lock(&self) -> impl std::ops::Deref<Target = Names> + '_ {
        Locked(self.index())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // If a thread panicked while it held the lock, the index at most lacks a name.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn model(&self, model: Model) -> u32 {
        let index = &mut *self.index();
        place(&mut index.models, &mut index.names.models, model)
    }

    fn tags(&self, tags: TagSet) -> Result<u32, Problem> {
        let index = &mut *self.index();
        if index.names.tag_sets.len() >= TAG_SET_LIMIT && !index.tag_sets.contains_key(&tags) {
            return Err(index.full.get_or_insert_with(|| too_many(&index.names.tag_sets)).clone());
        }
        Ok(place(&mut index.tag_sets, &mut index.names.tag_sets, tags))
    }

    fn tier(&self, tier: ServiceTier) -> Result<u16, Problem> {
        let index = &mut *self.index();
        if let Some(place) = index.tiers.get(&tier) {
            return Ok(*place);
        }
        let place = u16::try_from(index.names.tiers.len())
            .map_err(|_| Problem::line("more than 65,536 different service tiers", "a vendor's few"))?;
        index.names.tiers.push(tier.clone());
        index.tiers.insert(tier, place);
        Ok(place)
    }
}

impl SharedNames {
    /// The place of the class of an event.
    pub fn class_of(&self, event: &UsageEvent) -> Result<u32, Problem> {
        let model = self.model(event.model.clone());
        let tier = self.tier(event.tier.clone())?;
        let tags = self.tags(event.tags.clone())?;
        Ok(self.class(Class { model, tags, tier, prompt: event.usage.prompt(), outcome: event.outcome }))
    }

    fn class(&self, class: Class) -> u32 {
        let index = &mut *self.index();
        place(&mut index.classes, &mut index.names.classes, class)
    }
}

/// The error when an import has brought too many tag sets: it names the tag that differs most. Threads meet tag sets in
/// any order, so this tag may differ from run to run. The fault identifies a quarantined line, so the tag is in the
/// text of what was expected, not in the fault.
fn too_many(tag_sets: &[TagSet]) -> Problem {
    let what = format!("more than {TAG_SET_LIMIT} different combinations of tags in one import");
    let mut expected = "tags that decide who pays, not one for each request".to_owned();
    let mut values: FxHashMap<&str, FxHashSet<&str>> = FxHashMap::default();
    for (key, value) in tag_sets.iter().flat_map(TagSet::iter) {
        values.entry(key).or_default().insert(value);
    }
    // Of two equal tags, it names the one that can be left out; of two such tags, the first.
    let payer = |key: &str| TagKey::OWN_FIELDS.contains(&key);
    let most = values.iter().max_by_key(|(key, values)| (values.len(), !payer(key), std::cmp::Reverse(**key)));
    if let Some((key, values)) = most {
        let count = grouped(i128::try_from(values.len()).unwrap_or(i128::MAX));
        expected = format!("{expected}: tag {} alone has {count} different values", excerpt(key));
        if !payer(key) {
            expected = format!("{expected}, --ignore-tag {key} leaves it out");
        }
    }
    Problem::line(what, expected)
}

struct Locked<'a>(MutexGuard<'a, Index>);

impl std::ops::Deref for Locked<'_> {
    type Target = Names;
    fn deref(&self) -> &Names {
        &self.0.names
    }
}

fn place<T: Clone + Eq + Hash>(index: &mut FxHashMap<T, u32>, list: &mut Vec<T>, value: T) -> u32 {
    if let Some(place) = index.get(&value) {
        return *place;
    }
    // The numbers of models and tag sets are bounded far below 2^32.
    let place = u32::try_from(list.len()).unwrap_or(u32::MAX);
    list.push(value.clone());
    index.insert(value, place);
    place
}

/// The raw texts of a record that determine an event's class.
#[derive(Debug, Clone, Copy)]
pub struct ClassTexts<'a, K, V> {
    /// The provider; empty if unknown.
    pub provider: &'a str,
    /// The model.
    pub model: &'a str,
    /// The tier; empty for standard.
    pub tier: &'a str,
    /// Tags with values.
    pub tags: &'a [(K, V)],
    /// What is known of the prompt.
    pub prompt: PromptSize,
    /// How the call ended.
    pub outcome: Option<Outcome>,
}

/// Appends a text to a key made of texts. Its length comes first. A raw text may contain any character, so a separator
/// could make two records with different texts the same.
fn remember(scratch: &mut Vec<u8>, text: &str) {
    // A line is far shorter than 4 GiB.
    scratch.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_ne_bytes());
    scratch.extend_from_slice(text.as_bytes());
}

/// One thread's memory of raw texts and their places.
#[derive(Debug, Default)]
pub struct NameCache {
    models: FxHashMap<Box<[u8]>, u32>,
    tag_sets: FxHashMap<Box<[u8]>, u32>,
    tiers: FxHashMap<Box<str>, u16>,
    classes: FxHashMap<Class, u32>,
    /// Classes by all their texts together, so most events need a single lookup.
    by_texts: FxHashMap<Box<[u8]>, u32>,
    scratch: Vec<u8>,
}

impl NameCache {
    /// The place of the class for these texts. `fill` has tags for events that lack them.
    pub fn class<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        shared: &SharedNames,
        texts: &ClassTexts<'_, K, V>,
        fill: &[Tag],
    ) -> Result<u32, Problem> {
        let ClassTexts { provider, model, tier, tags, prompt, outcome } = *texts;
        self.scratch.clear();
        self.scratch.extend_from_slice(&prompt.code().to_ne_bytes());
        self.scratch.push(Outcome::code(outcome));
        for text in [provider, model, tier] {
            remember(&mut self.scratch, text);
        }
        for (key, value) in tags {
            remember(&mut self.scratch, key.as_ref());
            remember(&mut self.scratch, value.as_ref());
        }
        if let Some(place) = self.by_texts.get(self.scratch.as_slice()) {
            return Ok(*place);
        }
        let room = self.by_texts.len() < BY_TEXTS_LIMIT;
        let key = room.then(|| self.scratch.as_slice().into());
        let model = self.model(shared, provider, model)?;
        let tier = self.tier(shared, tier)?;
        let tags = self.tags(shared, tags, fill)?;
        let class = Class { model, tags, tier, prompt, outcome };
        let place = *self.classes.entry(class).or_insert_with(|| shared.class(class));
        if let Some(key) = key {
            self.by_texts.insert(key, place);
        }
        Ok(place)
    }

    /// The place of a model.
    fn model(&mut self, shared: &SharedNames, provider: &str, name: &str) -> Result<u32, Problem> {
        self.scratch.clear();
        remember(&mut self.scratch, provider);
        remember(&mut self.scratch, name);
        if let Some(place) = self.models.get(self.scratch.as_slice()) {
            return Ok(*place);
        }
        let checked = |field: &str, text: &str| {
            Name::new(text).map_err(|error| {
                Problem::value(field, text, error, "a name of visible characters, without spaces around it")
            })
        };
        let provider = if provider.is_empty() { None } else { Some(checked("provider", provider)?) };
        let place = shared.model(Model { provider, name: checked("model", name)? });
        self.models.insert(self.scratch.as_slice().into(), place);
        Ok(place)
    }

    /// The place of a service tier.
    fn tier(&mut self, shared: &SharedNames, name: &str) -> Result<u16, Problem> {
        if let Some(place) = self.tiers.get(name) {
            return Ok(*place);
        }
        let tier = ServiceTier::new(name)
            .map_err(|error| Problem::value("service_tier", name, error, "standard, batch, flex or priority"))?;
        let place = shared.tier(tier)?;
        self.tiers.insert(name.into(), place);
        Ok(place)
    }

    /// The place of a tag set: the record's tags without the ignored ones, and the tags of `fill` that it lacks.
    fn tags<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        shared: &SharedNames,
        tags: &[(K, V)],
        fill: &[Tag],
    ) -> Result<u32, Problem> {
        self.scratch.clear();
        let kept = || tags.iter().filter(|(key, _)| !shared.ignored.contains(key.as_ref()));
        for (key, value) in kept() {
            remember(&mut self.scratch, key.as_ref());
            remember(&mut self.scratch, value.as_ref());
        }
        if let Some(place) = self.tag_sets.get(self.scratch.as_slice()) {
            return Ok(*place);
        }
        let mut set = TagSet::new();
        for tag in fill {
            set.insert(tag.key.clone(), tag.value.clone());
        }
        let mut seen = TagSet::new();
        for (key, value) in kept() {
            let (key, value) = match shared.hashed.value(key.as_ref(), value.as_ref()) {
                Some(hash) => (checked_key(key.as_ref())?, hash),
                None => checked_tag(key.as_ref(), value.as_ref())?,
            };
            if seen.get(key.as_str()).is_some() {
                return Err(Problem::field(key.as_str(), "is given twice", "each tag once"));
            }
            seen.insert(key.clone(), value.clone());
            set.insert(key, value);
        }
        let place = shared.tags(set)?;
        self.tag_sets.insert(self.scratch.as_slice().into(), place);
        Ok(place)
    }
}

fn checked_key(key: &str) -> Result<TagKey, Problem> {
    TagKey::new(key).map_err(|error| Problem::value("tags", key, error, "a key such as team or api_key"))
}

fn checked_tag(key: &str, value: &str) -> Result<(TagKey, TagValue), Problem> {
    let checked = checked_key(key)?;
    let field = if TagKey::OWN_FIELDS.contains(&key) { key.to_owned() } else { format!("tag.{key}") };
    let expected = "a name of visible characters, without spaces around it (for a key: its alias)";
    let value = TagValue::new(value).map_err(|error| Problem::value(&field, value, error, expected))?;
    Ok((checked, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    fn told(sets: &[&[(&str, &str)]]) -> Result<String, Box<dyn Error>> {
        let (shared, mut cache) = (SharedNames::default(), NameCache::default());
        for tags in sets {
            cache.tags(&shared, tags, &[]).map_err(|problem| problem.to_string())?;
        }
        Ok(too_many(&shared.lock().tag_sets).expected)
    }

    #[test]
    fn the_tag_that_differs_most_is_named() -> Result<(), Box<dyn Error>> {
        let [a, b] = [[("team", "a"), ("user", "x")], [("team", "a"), ("user", "y")]];
        let said = "tags that decide who pays, not one for each request";
        assert_eq!(told(&[])?, said);
        assert_eq!(
            told(&[&a, &b])?,
            format!("{said}: tag \"user\" alone has 2 different values, --ignore-tag user leaves it out")
        );
        // Of two equal tags, the one that can be left out.
        let [a, b] = [[("department", "a"), ("user", "x")], [("department", "b"), ("user", "y")]];
        assert!(told(&[&a, &b])?.ends_with("--ignore-tag user leaves it out"));
        let [a, b] = [[("department", "a"), ("user", "x")], [("department", "b"), ("user", "x")]];
        assert_eq!(told(&[&a, &b])?, format!("{said}: tag \"department\" alone has 2 different values"));
        let secret = "sk-live-0123456789abcdef0123456789";
        let refused = told(&[&[(secret, "x")]]).map_err(|error| error.to_string());
        assert!(refused.is_err_and(|said| said.contains("looks like a secret key") && !said.contains(secret)));
        Ok(())
    }
}
