//! Finds the first rule that matches, and who pays by it.
//!
//! A record's own tags win unless the rule overrides them: the names in the record stay, and the rule adds the missing
//! ones. If the record's department differs from the rule's, the rule adds nothing. So one department's project is
//! never charged to another. The rule still counts as the first that matches, and later rules are not tried.

use crate::domain::event::Model;
use crate::domain::name::Name;
use crate::domain::rule::{Condition, Operator, Payer, Precedence, Rule, RuleSet, Share, Subject};
use crate::domain::tags::TagSet;
use crate::text::wildcard;
use std::collections::BTreeMap;

/// What rules examine.
#[derive(Debug, Clone, Copy)]
pub struct Usage<'a> {
    /// The tags.
    pub tags: &'a TagSet,
    /// The model and its provider.
    pub model: Option<&'a Model>,
    /// The source that issued the events.
    pub source: Option<&'a str>,
}

/// Who pays, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'r> {
    /// No rule matches. The tags define who pays; without them, nobody does.
    NoRule,
    /// The first rule that matches names another department than the tags. The tags win.
    OwnTags(&'r Rule),
    /// The first rule that matches decides: the payers in their order, each with its parts of the whole.
    Rule(&'r Rule, Vec<Share>),
}

impl<'r> Decision<'r> {
    /// The rule that matched.
    pub const fn rule(&self) -> Option<&'r Rule> {
        match self {
            Self::NoRule => None,
            Self::OwnTags(rule) | Self::Rule(rule, _) => Some(rule),
        }
    }

    /// The payers with their parts.
    pub fn shares(self, tags: &TagSet) -> Vec<Share> {
        match self {
            Self::NoRule | Self::OwnTags(_) => vec![Share { payer: Payer::of(tags), part: 1 }],
            Self::Rule(_, shares) => shares,
        }
    }
}

/// The decision of a set of rules.
pub fn decide<'r>(rules: &'r RuleSet, usage: Usage<'_>) -> Decision<'r> {
    match rules.rules().iter().find(|rule| matches(rule, usage)) {
        None => Decision::NoRule,
        Some(rule) => by_rule(rule, &Payer::of(usage.tags)),
    }
}

/// Whether all conditions of a rule hold.
pub fn matches(rule: &Rule, usage: Usage<'_>) -> bool {
    rule.conditions.iter().all(|condition| holds(condition, usage))
}

fn holds(condition: &Condition, usage: Usage<'_>) -> bool {
    let found = match &condition.subject {
        Subject::Model => usage.model.map(|model| model.name.as_str()),
        Subject::Provider => usage.model.and_then(|model| model.provider.as_ref()).map(Name::as_str),
        Subject::Source => usage.source,
        Subject::Tag(key) => usage.tags.get(key.as_str()),
    };
    let wanted = condition.value.as_str();
    found.is_some_and(|found| match condition.operator {
        Operator::Equals => found == wanted,
        Operator::Prefix => found.starts_with(wanted),
        Operator::Glob => wildcard::matches(wanted, found),
    })
}

fn by_rule<'r>(rule: &'r Rule, own: &Payer) -> Decision<'r> {
    let another = |share: &Share| {
        let departments = own.department.as_ref().zip(share.payer.department.as_ref());
        departments.is_some_and(|(own, of_rule)| own != of_rule)
    };
    if rule.precedence == Precedence::Tags && rule.shares.iter().any(another) {
        return Decision::OwnTags(rule);
    }
    // Two payers may have become the same.
    let mut parts: BTreeMap<Payer, i64> = BTreeMap::new();
    for Share { payer, part } in rule.shares.iter() {
        let payer = match rule.precedence {
            Precedence::Tags => own.or(payer),
            Precedence::Rule => payer.or(own),
        };
        *parts.entry(payer).or_default() += part;
    }
    Decision::Rule(rule, parts.into_iter().map(|(payer, part)| Share { payer, part }).collect())
}
