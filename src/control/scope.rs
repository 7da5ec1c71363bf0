//! Which usage a limit is about.

use crate::domain::event::Model;
use crate::domain::name::Name;
use crate::domain::tags::{TagKey, TagSet};
use crate::text::wildcard;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The tag with the name of an API key.
pub const API_KEY: &str = "api_key";

/// What a scope looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A tag, as attribution gives it: department, project, environment or any other.
    Tag(TagKey),
    /// The name of the model, or a pattern of names.
    Model,
    /// The name of the provider.
    Provider,
}

impl Subject {
    /// What usage has of it; `None` if it has nothing.
    pub fn of<'u>(&self, usage: Usage<'u>) -> Option<&'u str> {
        match self {
            Self::Tag(key) => usage.tags.get(key.as_str()),
            Self::Model => Some(usage.model.name.as_str()),
            Self::Provider => usage.model.provider.as_ref().map(Name::as_str),
        }
    }
}

/// The word of a policy: `department`, `model`, `key`, `tag.user`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(key) if key.as_str() == API_KEY => f.write_str("key"),
            Self::Tag(key) if TagKey::OWN_FIELDS.contains(&key.as_str()) => f.write_str(key.as_str()),
            Self::Tag(key) => write!(f, "tag.{}", key.as_str()),
            Self::Model => f.write_str("model"),
            Self::Provider => f.write_str("provider"),
        }
    }
}

/// Usage that a scope is compared with: the tags of its payer, after rules, and its model.
#[derive(Debug, Clone, Copy)]
pub struct Usage<'a> {
    /// The tags.
    pub tags: &'a TagSet,
    /// The model.
    pub model: &'a Model,
}

/// Conditions that must all hold. Each gives the values of one subject that are meant. No conditions mean all usage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Scope(BTreeMap<Subject, BTreeSet<String>>);

impl Scope {
    /// All usage.
    pub const EVERYTHING: Self = Self(BTreeMap::new());

    /// Adds a condition.
    pub fn insert(&mut self, subject: Subject, values: BTreeSet<String>) {
        self.0.insert(subject, values);
    }

    /// The same without a condition on a subject.
    pub fn without(mut self, subject: &Subject) -> Self {
        self.0.remove(subject);
        self
    }

    /// The conditions, in the order of the subjects.
    pub fn conditions(&self) -> impl Iterator<Item = (&Subject, &BTreeSet<String>)> {
        self.0.iter()
    }

    /// The values of a subject; `None` if any will do.
    pub fn values(&self, subject: &Subject) -> Option<&BTreeSet<String>> {
        self.0.get(subject)
    }

    /// Whether a condition on a subject means a value.
    pub fn names(&self, subject: &Subject, value: &str) -> bool {
        self.values(subject).is_some_and(|values| values.iter().any(|wanted| is_meant(subject, wanted, value)))
    }

    /// Whether a limit with this scope replaces one that has a counter for each value of a subject. It must name the value, and it must count
    /// all usage of the value that the other limit counts.
    pub fn replaces(&self, other: &Self, each: &Subject, value: &str) -> bool {
        self.names(each, value) && self.clone().without(each).contains(other)
    }

    /// Whether usage is in the scope.
    pub fn has(&self, usage: Usage<'_>) -> bool {
        self.0.iter().all(|(subject, values)| {
            let value = subject.of(usage);
            value.is_some_and(|value| values.iter().any(|wanted| is_meant(subject, wanted, value)))
        })
    }

    /// Whether all usage of another scope is in this one, as far as the texts show: a pattern contains the names that it
    /// matches, and itself.
    pub fn contains(&self, other: &Self) -> bool {
        self.0.iter().all(|(subject, values)| {
            let of_other = other.values(subject);
            of_other.is_some_and(|of_other| {
                of_other.iter().all(|value| values.iter().any(|wanted| is_meant(subject, wanted, value)))
            })
        })
    }
}

/// Whether a value is meant by one that a scope gives. Models may be patterns.
fn is_meant(subject: &Subject, wanted: &str, value: &str) -> bool {
    match subject {
        Subject::Model => wildcard::matches(wanted, value),
        Subject::Tag(_) | Subject::Provider => wanted == value,
    }
}

/// In one spelling: `department "a" or "b"; model "gpt-*"`. Empty for everything.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (subject, values)) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            write!(f, "{separator}{subject} {}", values.join(" or "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::TagValue;
    use std::error::Error;

    type Outcome<T = ()> = Result<T, Box<dyn Error>>;

    fn scope(conditions: &[(&str, &[&str])]) -> Outcome<Scope> {
        let mut scope = Scope::EVERYTHING;
        for (word, values) in conditions {
            let subject = match *word {
                "model" => Subject::Model,
                "provider" => Subject::Provider,
                tag => Subject::Tag(TagKey::new(tag)?),
            };
            scope.insert(subject, values.iter().map(|value| (*value).to_owned()).collect());
        }
        Ok(scope)
    }

    #[test]
    fn every_condition_must_hold_and_a_missing_value_holds_none() -> Outcome {
        let mut tags = TagSet::new();
        tags.insert(TagKey::new("department")?, TagValue::new("search")?);
        let model = Model { provider: None, name: Name::new("gpt-4.1")? };
        let usage = Usage { tags: &tags, model: &model };
        for (conditions, expected) in [
            (&[][..], true),
            (&[("department", &["search"][..])][..], true),
            (&[("department", &["Search"][..])][..], false),
            (&[("department", &["ops", "search"][..])][..], true),
            (&[("department", &["*"][..])][..], false),
            (&[("project", &["a"][..])][..], false),
            (&[("model", &["gpt-*"][..])][..], true),
            (&[("model", &["gpt-4"][..])][..], false),
            (&[("provider", &["openai"][..])][..], false),
            (&[("department", &["search"][..]), ("model", &["claude-*", "gpt-4.1"][..])][..], true),
            (&[("department", &["ops"][..]), ("model", &["gpt-4.1"][..])][..], false),
        ] {
            assert_eq!(scope(conditions)?.has(usage), expected, "{conditions:?}");
        }
        Ok(())
    }

    #[test]
    fn a_scope_contains_what_has_at_least_its_conditions() -> Outcome {
        let all = scope(&[])?;
        let gpt = scope(&[("model", &["gpt-*"])])?;
        let one = scope(&[("model", &["gpt-4.1"]), ("project", &["a"])])?;
        let two = scope(&[("model", &["gpt-4.1", "opus"])])?;
        for (outer, inner, expected) in [
            (&all, &gpt, true),
            (&gpt, &all, false),
            (&gpt, &one, true),
            (&one, &gpt, false),
            (&gpt, &two, false),
            (&gpt, &gpt, true),
        ] {
            assert_eq!(outer.contains(inner), expected, "{outer} / {inner}");
        }
        assert_eq!(one.to_string(), "project \"a\"; model \"gpt-4.1\"");
        Ok(())
    }
}
