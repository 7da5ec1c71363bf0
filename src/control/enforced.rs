//! The limits of a policy that refuse, as counters see them: one for each measure, with its number in units.
//!
//! Budgets that only warn are not among them.

use crate::control::ask::{FEMTOS, nanos};
use crate::control::bucket::Flow;
use crate::control::limit::{
    Bound, Breaker, Budget, Common, Enforce, Measure, Per, Policy, Priority, Quota, Rate, RequestAtMost,
};
use crate::control::scope::{Scope, Subject, Usage};
use crate::control::span::{Part, Seconds};
use crate::domain::meter::Meter;
use crate::domain::name::Name;
use std::collections::{BTreeMap, BTreeSet};

/// One bound of a limit that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforced {
    /// Name, scope, and whether it only counts.
    pub common: Common,
    /// What it bounds, as stated.
    pub bound: Bound,
    /// The meters that `tokens` counts; `None` for all whose unit is the token.
    pub meters: Option<BTreeSet<Meter>>,
    /// The scope in one spelling, with the meters.
    pub spelled: String,
    /// How it is counted.
    pub form: Form,
    /// Models to try, in order, when it refuses.
    pub downgrade: Vec<Name>,
    /// Units from which on a budget has reached a threshold, ascending.
    pub thresholds: Vec<(Part, i64)>,
    /// Values that it leaves to limits that name them.
    named: Vec<Scope>,
}

/// How a limit is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// By periods of the calendar.
    Period {
        /// The period.
        per: Per,
        /// The units from which on it refuses.
        most: i64,
        /// The most units that one request may take.
        request_at_most: Option<i64>,
    },
    /// A rate.
    Bucket {
        /// Its size and speed.
        flow: Flow,
        /// The time of the limit.
        per: Rate,
        /// The part that stays for requests above a priority.
        keep: BTreeMap<Priority, Part>,
        /// The priority of its own requests in the quota that it is a part of.
        priority: Priority,
    },
    /// A window with a state.
    Breaker(Breaker),
}

/// The time of a limit: limits with the same time and measure may leave values to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    Calendar(Per),
    Rate(Rate),
    Window(Seconds),
}

/// A bound in whole units: nano-units of an amount, rounded down, or the number.
pub fn units(bound: Bound) -> i64 {
    let units = match bound.measure {
        Measure::Amount => bound.most.div_euclid(FEMTOS),
        Measure::Tokens | Measure::Requests => bound.most,
    };
    i64::try_from(units).unwrap_or(i64::MAX)
}

/// The limits of a policy that refuse, in the order budgets, quotas, breakers.
pub fn enforced(policy: &Policy) -> Vec<Enforced> {
    let mut all = all(policy);
    all.retain(|limit| !matches!(limit.form, Form::Period { most: i64::MAX, .. }));
    all
}

/// All limits of a policy. A budget that only warns never refuses.
pub fn all(policy: &Policy) -> Vec<Enforced> {
    let mut all = Vec::new();
    for budget in &policy.budgets {
        all.extend(budget.bounds.iter().filter_map(|bound| of_budget(policy, budget, *bound)));
    }
    all.extend(policy.quotas.iter().filter_map(|quota| of_quota(policy, quota)));
    all.extend(policy.breakers.iter().map(|breaker| {
        let time = Time::Window(breaker.window);
        Enforced::new(policy, &breaker.common, breaker.bound, (time, None), Form::Breaker(breaker.clone()))
    }));
    all
}

fn of_budget(policy: &Policy, budget: &Budget, bound: Bound) -> Option<Enforced> {
    let part = |part: Part| part.of(bound.most).map(|most| units(Bound { most, ..bound }));
    let (most, request_at_most, downgrade) = match &budget.enforce {
        Enforce::Warn => (i64::MAX, None, Vec::new()),
        Enforce::Block { at, request_at_most, downgrade } => {
            let request_at_most = match request_at_most {
                None => None,
                Some(RequestAtMost::Part(most)) => Some(part(*most)?),
                Some(RequestAtMost::Bound(most)) => (most.measure == bound.measure).then(|| units(*most)),
            };
            (part(*at)?, request_at_most, downgrade.clone())
        }
    };
    let form = Form::Period { per: budget.per, most, request_at_most };
    // A threshold is reached at or above it, so its units are rounded up.
    let reached = |at: Part| {
        let product = bound.most.checked_mul(at.hundredths().into())?;
        let most = product.checked_add(9_999)?.div_euclid(10_000);
        i64::try_from(if bound.measure == Measure::Amount { nanos(most) } else { most }).ok()
    };
    let thresholds = budget.alerts.iter().filter_map(|alert| Some((alert.at, reached(alert.at)?))).collect();
    Some(Enforced {
        meters: if bound.measure == Measure::Tokens { budget.meters.clone() } else { None },
        spelled: budget.spelled_scope(),
        downgrade,
        thresholds,
        ..Enforced::new(policy, &budget.common, bound, (Time::Calendar(budget.per), budget.meters.as_ref()), form)
    })
}

fn of_quota(policy: &Policy, quota: &Quota) -> Option<Enforced> {
    let flow = Flow::of(quota)?;
    let form = Form::Bucket { flow, per: quota.per, keep: quota.keep.clone(), priority: quota.priority };
    let new = Enforced::new(policy, &quota.common, quota.bound, (Time::Rate(quota.per), None), form);
    Some(Enforced { downgrade: quota.downgrade.clone(), ..new })
}

/// A limit as others see it that may leave values to it.
struct Other<'p> {
    common: &'p Common,
    measure: Measure,
    time: Time,
    meters: Option<&'p BTreeSet<Meter>>,
    refuses: bool,
}

impl<'p> Other<'p> {
    const fn new(common: &'p Common, bound: Bound, time: Time) -> Self {
        Self { common, measure: bound.measure, time, meters: None, refuses: !common.shadow }
    }
}

/// The limits of a policy, one for each measure.
fn others(policy: &Policy) -> impl Iterator<Item = Other<'_>> {
    let budgets = policy.budgets.iter().flat_map(|budget| {
        budget.bounds.iter().map(|bound| Other {
            common: &budget.common,
            measure: bound.measure,
            time: Time::Calendar(budget.per),
            meters: budget.meters.as_ref(),
            refuses: budget.refuses(),
        })
    });
    let quotas = policy.quotas.iter().map(|quota| Other::new(&quota.common, quota.bound, Time::Rate(quota.per)));
    let breakers = policy.breakers.iter();
    let breakers = breakers.map(|breaker| Other::new(&breaker.common, breaker.bound, Time::Window(breaker.window)));
    budgets.chain(quotas).chain(breakers)
}

/// Which counter of a limit usage counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted<'u> {
    /// In its only counter.
    Whole,
    /// In the counter of this value.
    Value(&'u str),
}

impl Enforced {
    fn new(
        policy: &Policy,
        common: &Common,
        bound: Bound,
        (time, meters): (Time, Option<&BTreeSet<Meter>>),
        form: Form,
    ) -> Self {
        let refuses = !common.shadow && !matches!(form, Form::Period { most: i64::MAX, .. });
        let named = others(policy).filter(|other| {
            let is_single = common.each.is_some() && other.common.each.is_none();
            let is_alike = other.measure == bound.measure && other.time == time && other.meters == meters;
            is_single && is_alike && (other.refuses || !refuses)
        });
        Self {
            common: common.clone(),
            bound,
            meters: None,
            spelled: common.scope.to_string(),
            form,
            downgrade: Vec::new(),
            thresholds: Vec::new(),
            named: named.map(|other| other.common.scope.clone()).collect(),
        }
    }

    /// The counter that usage counts in; `None` if it does not count.
    pub fn counter<'u>(&self, usage: Usage<'u>) -> Option<Counted<'u>> {
        if !self.common.scope.has(usage) {
            return None;
        }
        let Some(each) = &self.common.each else { return Some(Counted::Whole) };
        let value = each.of(usage)?;
        let is_named = self.named.iter().any(|scope| scope.replaces(&self.common.scope, each, value));
        (!is_named).then_some(Counted::Value(value))
    }

    /// The word of a policy for its kind.
    pub const fn kind(&self) -> &'static str {
        match self.form {
            Form::Period { .. } => "budget",
            Form::Bucket { .. } => "quota",
            Form::Breaker(_) => "circuit breaker",
        }
    }

    /// The subject of which it has a counter for each value.
    pub const fn each(&self) -> Option<&Subject> {
        self.common.each.as_ref()
    }
}

/// How many units of a quota stay for requests above the priority of usage: that of the quotas within it which count the usage, the
/// lowest of them.
pub fn kept(all: &[Enforced], quota: &Enforced, usage: Usage<'_>) -> i64 {
    let Form::Bucket { flow, keep, .. } = &quota.form else { return 0 };
    if keep.is_empty() {
        return 0;
    }
    let parts = all.iter().filter(|part| part.common.within.as_ref() == Some(&quota.common.name));
    let priorities = parts.filter(|part| part.counter(usage).is_some()).filter_map(|part| match &part.form {
        Form::Bucket { priority, .. } => Some(*priority),
        Form::Period { .. } | Form::Breaker(_) => None,
    });
    let own = priorities.min().unwrap_or(Priority::High);
    let most = keep.iter().filter(|(of, _)| **of >= own).map(|(_, part)| *part).max();
    let kept = most.and_then(|part| part.of(flow.capacity().into()));
    kept.and_then(|kept| i64::try_from(kept).ok()).unwrap_or(0)
}
