//! Limits that are parts of other limits: their shares, their periods, and whether parts exceed their whole.

use super::read_limit::{BudgetDraft, QuotaDraft};
use super::values::{Found, NANO};
use crate::control::limit::{Bound, Budget, Common, Enforce, Measure, Per, Quota, Rate, Threshold};
use crate::control::span::Part;
use crate::domain::name::Name;
use crate::rating::allocate;
use crate::text::problem::{Problem, excerpt, nearest};
use crate::text::toml_table::Section;
use std::collections::{BTreeMap, BTreeSet};

/// What a budget and a quota have in common as parts of a whole.
trait AsPart<'a> {
    type Time: Copy + PartialEq;

    fn section(&self) -> &Section<'a>;
    fn common(&self) -> &Common;
    fn time(&self) -> Option<Self::Time>;
    fn time_name(time: Self::Time) -> &'static str;
    fn bounds(&self) -> &[Bound];
    fn share(&self) -> Option<Part>;
    /// Whether parts may not exceed it.
    fn binds(&self) -> bool;
}

impl<'a> AsPart<'a> for BudgetDraft<'a> {
    type Time = Per;

    fn section(&self) -> &Section<'a> {
        &self.section
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn time(&self) -> Option<Per> {
        self.per
    }

    fn time_name(time: Per) -> &'static str {
        time.name()
    }

    fn bounds(&self) -> &[Bound] {
        &self.bounds
    }

    fn share(&self) -> Option<Part> {
        self.share
    }

    fn binds(&self) -> bool {
        self.enforce != Enforce::Warn
    }
}

impl<'a> AsPart<'a> for QuotaDraft<'a> {
    type Time = Rate;

    fn section(&self) -> &Section<'a> {
        &self.section
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn time(&self) -> Option<Rate> {
        self.per
    }

    fn time_name(time: Rate) -> &'static str {
        time.name()
    }

    fn bounds(&self) -> &[Bound] {
        self.bound.as_slice()
    }

    fn share(&self) -> Option<Part> {
        self.share
    }

    fn binds(&self) -> bool {
        true
    }
}

/// What became of one limit: its time and its bounds.
type Resolved<T> = (T, Vec<Bound>);

/// The budgets with their periods and bounds. `usual` are the thresholds of `[defaults]`.
pub(super) fn budgets(
    drafts: Vec<BudgetDraft<'_>>,
    usual: &[Threshold],
    found: &mut Found,
    warnings: &mut Vec<Problem>,
) -> Vec<Budget> {
    let mut resolved = resolved(&drafts, found);
    exceeded(&drafts, &resolved, found, warnings);
    let mut budgets = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let Some((per, bounds)) = resolved.remove(&draft.common.name) else { continue };
        let BudgetDraft { common, meters, enforce, level, alerts, .. } = draft;
        let alerts = alerts.unwrap_or_else(|| usual.to_vec());
        budgets.push(Budget { common, per, bounds, meters, enforce, level, alerts });
    }
    budgets
}

/// The quotas with their times and bounds.
pub(super) fn quotas(drafts: Vec<QuotaDraft<'_>>, found: &mut Found, warnings: &mut Vec<Problem>) -> Vec<Quota> {
    let mut resolved = resolved(&drafts, found);
    exceeded(&drafts, &resolved, found, warnings);
    let mut quotas = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let Some((per, bounds)) = resolved.remove(&draft.common.name) else { continue };
        let Some(bound) = bounds.first() else { continue };
        quotas.push(draft.finished(*bound, per));
    }
    quotas
}

/// Time and bounds of each limit, wholes before their parts. What cannot be resolved is a problem.
fn resolved<'a, D: AsPart<'a>>(drafts: &[D], found: &mut Found) -> BTreeMap<Name, Resolved<D::Time>> {
    let by_name: BTreeMap<&Name, &D> = drafts.iter().map(|draft| (&draft.common().name, draft)).collect();
    let mut resolved: BTreeMap<Name, Resolved<D::Time>> = BTreeMap::new();
    let mut failed: BTreeSet<&Name> = BTreeSet::new();
    let mut waiting: Vec<&D> = drafts.iter().collect();
    loop {
        let before = waiting.len();
        let mut left = Vec::new();
        for draft in std::mem::take(&mut waiting) {
            let name = &draft.common().name;
            let result = match &draft.common().within {
                None => draft
                    .time()
                    .map(|time| (time, draft.bounds().to_vec()))
                    .ok_or_else(|| draft.section().problem("per", "is missing", "a period")),
                Some(whole) => match (by_name.get(whole), resolved.get(whole)) {
                    // The whole is there, and its own lines are wrong.
                    (None, _) if is_wrong(found, whole) => {
                        failed.insert(name);
                        continue;
                    }
                    (None, _) => Err(no_whole(draft.section(), whole, &by_name)),
                    (Some(_), None) if failed.contains(whole) => {
                        failed.insert(name);
                        continue;
                    }
                    (Some(_), None) => {
                        left.push(draft);
                        continue;
                    }
                    (Some(whole), Some(of_whole)) => part_of(draft, *whole, of_whole, drafts),
                },
            };
            match found.take(result) {
                Some(result) => {
                    resolved.insert(name.clone(), result);
                }
                None => {
                    failed.insert(name);
                }
            }
        }
        if left.is_empty() {
            return resolved;
        }
        if left.len() == before {
            for draft in left {
                let expected = "a limit that is no part of this one";
                found.0.push(draft.section().problem("within", "leads back to this limit", expected));
            }
            return resolved;
        }
        waiting = left;
    }
}

/// Whether a limit of this name has a problem already.
fn is_wrong(found: &Found, name: &Name) -> bool {
    let label = format!(" {}: ", excerpt(name.as_str()));
    found.0.iter().any(|problem| problem.field.as_ref().is_some_and(|field| field.contains(&label)))
}

fn no_whole<D>(section: &Section<'_>, whole: &Name, by_name: &BTreeMap<&Name, &D>) -> Problem {
    let names = || by_name.keys().map(|name| name.as_str());
    let expected = match nearest(whole.as_str(), names()) {
        Some(near) => format!("\"{near}\""),
        None => names().collect::<Vec<_>>().join(", "),
    };
    section.problem("within", format!("no limit of this kind is named {:?}", whole.as_str()), expected)
}

/// Time and bounds of a limit that is a part of a whole.
fn part_of<'a, D: AsPart<'a>>(
    draft: &D,
    whole: &D,
    (time, bounds): &Resolved<D::Time>,
    drafts: &[D],
) -> Result<Resolved<D::Time>, Problem> {
    let section = draft.section();
    let name = whole.common().name.as_str();
    if let Some(own) = draft.time()
        && own != *time
    {
        let what = format!("\"{}\" is not the period of {name:?}", D::time_name(own));
        return Err(section.problem("per", what, format!("\"{}\"", D::time_name(*time))));
    }
    if whole.common().each.is_some() {
        let what = format!("{name:?} has a counter for each value, so it has no parts");
        return Err(section.problem("within", what, "a limit without each"));
    }
    if !whole.common().scope.contains(&draft.common().scope) {
        let what = format!("{name:?} is only about {}", whole.common().scope);
        return Err(section.problem("within", what, "a limit about all usage of this one"));
    }
    let Some(share) = draft.share() else {
        let other = draft.bounds().iter().find(|own| !bounds.iter().any(|bound| bound.measure == own.measure));
        return match other {
            Some(bound) => {
                let what = format!("{name:?} has no limit of {}", bound.measure);
                Err(section.problem(bound.measure.name(), what, "a measure of the whole"))
            }
            None => Ok((*time, draft.bounds().to_vec())),
        };
    };
    let shared: Vec<Bound> = bounds.iter().filter_map(|bound| shared(draft, share, *bound, drafts)).collect();
    if shared.len() < bounds.len() {
        return Err(section.problem("share", format!("{share} of {name:?} is less than one unit"), "a larger share"));
    }
    Ok((*time, shared))
}

/// The share of a bound. It is rounded down; if all shares of the whole are the whole, the largest remainders get the rest.
fn shared<'a, D: AsPart<'a>>(draft: &D, share: Part, bound: Bound, drafts: &[D]) -> Option<Bound> {
    let unit = if bound.measure == Measure::Amount { NANO } else { 1 };
    let whole = bound.most.div_euclid(unit);
    let with_shares = drafts.iter().filter(|other| other.common().within == draft.common().within);
    let shares: Vec<(&Name, Part)> =
        with_shares.filter_map(|other| Some((&other.common().name, other.share()?))).collect();
    let all: u64 = shares.iter().map(|(_, part)| u64::from(part.hundredths())).fold(0, u64::saturating_add);
    let units = if all == u64::from(Part::WHOLE.hundredths()) {
        let weights = |part: &Part| crate::domain::money::Amount::from_femtos(part.hundredths().into());
        let weights = shares.iter().enumerate().map(|(place, (_, part))| (vec![place], weights(part))).collect();
        let units = allocate::shares(&weights, whole).ok()??;
        let place = shares.iter().position(|(name, _)| *name == &draft.common().name)?;
        units.get(place).copied()?
    } else {
        share.of(whole)?
    };
    (units > 0).then(|| Bound { most: units.saturating_mul(unit), ..bound })
}

/// Wholes that their parts exceed: an error if the whole binds, else a warning. A limit with `each` is compared alone.
fn exceeded<'a, D: AsPart<'a>>(
    drafts: &[D],
    resolved: &BTreeMap<Name, Resolved<D::Time>>,
    found: &mut Found,
    warnings: &mut Vec<Problem>,
) {
    for whole in drafts {
        let Some((_, bounds)) = resolved.get(&whole.common().name) else { continue };
        for bound in bounds {
            let parts = drafts.iter().filter(|part| part.common().within.as_ref() == Some(&whole.common().name));
            let own = |part: &D| {
                let (_, bounds) = resolved.get(&part.common().name)?;
                bounds.iter().find(|own| own.measure == bound.measure).copied()
            };
            let (mut sum, mut count) = (0_i128, 0_usize);
            for (part, of_part) in parts.filter_map(|part| Some((part, own(part)?))) {
                if part.common().each.is_none() {
                    sum = sum.saturating_add(of_part.most);
                    count = count.saturating_add(1);
                } else if of_part.most > bound.most {
                    let what = format!("{} is more than its whole has", of_part.spelled());
                    warnings.push(part.section().problem(
                        bound.measure.name(),
                        what,
                        format!("at most {}", bound.spelled()),
                    ));
                }
            }
            if count > 0 && sum > bound.most {
                let sum = Bound { most: sum, ..*bound };
                let what = format!("its parts add up to {}", sum.spelled());
                let problem = whole.section().whole(what, format!("at most {}", bound.spelled()));
                if whole.binds() { found.0.push(problem) } else { warnings.push(problem) }
            }
        }
    }
}
