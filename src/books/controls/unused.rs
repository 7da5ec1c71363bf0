//! Names of a policy that no usage has had: perhaps they are misspelt.

use crate::attribute::Rules;
use crate::books::BooksError;
use crate::control::limit::Common;
use crate::control::policy::read::PolicyRead;
use crate::control::scope::Subject;
use crate::domain::tags::TagKey;
use crate::ledger::file::transaction::Snapshot;
use crate::text::problem::{Problem, excerpt, nearest};
use crate::text::wildcard;
use std::collections::{BTreeMap, BTreeSet};

/// A warning for each name of a scope that the ledger does not know, where a limit names it first.
pub(super) fn names(snapshot: &Snapshot<'_>, rules: &Rules, read: &PolicyRead) -> Result<Vec<Problem>, BooksError> {
    let subjects: BTreeSet<&Subject> =
        read.policy.limits().flat_map(|common| common.scope.conditions().map(|(subject, _)| subject)).collect();
    if subjects.is_empty() {
        return Ok(Vec::new());
    }
    let known = known(snapshot, rules, &subjects)?;
    let (mut warnings, mut told) = (Vec::new(), BTreeSet::new());
    for common in read.policy.limits() {
        for (subject, values) in common.scope.conditions() {
            // Before the first usage, every name is new.
            let Some(known) = known.get(subject).filter(|known| !known.is_empty()) else { continue };
            let new = values.iter().filter(|value| told.insert((subject, *value)));
            warnings.extend(new.filter_map(|value| unknown(read, common, subject, value, known)));
        }
    }
    Ok(warnings)
}

fn unknown(
    read: &PolicyRead,
    common: &Common,
    subject: &Subject,
    value: &str,
    known: &BTreeSet<String>,
) -> Option<Problem> {
    let is_known = known.contains(value)
        || *subject == Subject::Model && known.iter().any(|known| wildcard::matches(value, known));
    if is_known {
        return None;
    }
    let near = nearest(value, known.iter().map(String::as_str));
    let expected = near.map_or_else(|| "a name that usage has".to_owned(), excerpt);
    let what = format!("no usage has {} yet", excerpt(value));
    Some(read.problem(common, &subject.to_string(), what, expected))
}

/// The names that usage, rules, prices and the registry have, by subject.
fn known<'s>(
    snapshot: &Snapshot<'_>,
    rules: &Rules,
    subjects: &BTreeSet<&'s Subject>,
) -> Result<BTreeMap<&'s Subject, BTreeSet<String>>, BooksError> {
    let names = snapshot.dictionary()?;
    let mut known: BTreeMap<&Subject, BTreeSet<String>> = BTreeMap::new();
    for subject in subjects.iter().copied() {
        let found = known.entry(subject).or_default();
        match subject {
            Subject::Tag(key) => {
                let values = names.tag_sets.values().filter_map(|tags| tags.get(key.as_str()));
                found.extend(values.map(str::to_owned));
                found.extend(of_rules(rules, key));
                if key.as_str() == TagKey::DEPARTMENT {
                    found.extend(snapshot.registry()?.departments().map(|department| department.name.to_string()));
                }
            }
            Subject::Model => {
                found.extend(names.models.values().map(|model| model.name.to_string()));
                found.extend(snapshot.prices()?.iter().map(|row| row.key.model.to_string()));
            }
            Subject::Provider => {
                found
                    .extend(names.models.values().filter_map(|model| model.provider.as_ref()).map(ToString::to_string));
                found.extend(
                    snapshot.prices()?.iter().filter_map(|row| row.key.provider.as_ref()).map(ToString::to_string),
                );
            }
        }
    }
    Ok(known)
}

/// The names that rules give to payers.
fn of_rules(rules: &Rules, key: &TagKey) -> BTreeSet<String> {
    let shares = rules.sets().flat_map(|(_, set)| set.rules()).flat_map(|rule| rule.shares.iter());
    let name = |payer: &crate::domain::rule::Payer| match key.as_str() {
        TagKey::DEPARTMENT => payer.department.clone(),
        TagKey::PROJECT => payer.project.clone(),
        TagKey::ENVIRONMENT => payer.environment.clone(),
        _ => None,
    };
    shares.filter_map(|share| name(&share.payer)).map(|name| name.to_string()).collect()
}
