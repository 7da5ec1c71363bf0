//! Decides on one request by one exact transaction, without a permit: what the command `admit` does.

use super::admit::refusals;
use super::file::decide::{Answer, Asked, Count, Moment};
use super::file::{GuardFile, GuardFileError};
use super::refusal::{Refusal, most};
use super::route::{Caller, Lanes};
use super::terms::Terms;
use crate::control::ask::{Ask, Load, Tariff, Totals};
use crate::control::decide::Reason;
use crate::control::enforced::Form;
use crate::control::lane::{Lane, NotCounted, Units};
use crate::control::limit::{Doubt, Measure};
use crate::control::period::{containing, forward};
use crate::domain::event::{Model, ServiceTier};
use crate::domain::timestamp::Timestamp;
use std::sync::Arc;

/// A request to decide on.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// The model.
    pub model: &'a Model,
    /// The service tier.
    pub tier: &'a ServiceTier,
    /// What is known of its usage.
    pub ask: Ask<'a>,
    /// The source under which it will be recorded.
    pub source: &'a str,
    /// Whether another model is taken if this one is refused. If not, it is named and not counted.
    pub or_downgrade: bool,
    /// Now.
    pub now: Timestamp,
}

/// A counter of a request that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The name of the limit.
    pub limit: String,
    /// The value that the counter is for, if the limit has one for each.
    pub subject: Option<String>,
    /// What it counts.
    pub measure: Measure,
    /// The most units.
    pub most: i64,
    /// The units left after this request.
    pub left: i64,
    /// When a budget begins again.
    pub resets: Option<Timestamp>,
}

/// The decision on a request.
#[derive(Debug, Clone, Default)]
pub struct Ruling {
    /// The model that may be used; `None` if none may.
    pub model: Option<Model>,
    /// Why the model that was asked for is refused: every limit that refuses, in the order of the limits.
    pub refused: Vec<Refusal>,
    /// Why the models of a downgrade are refused, up to the one that may be used.
    pub also: Vec<Refusal>,
    /// The counters of the model that may be used.
    pub counters: Vec<Counter>,
    /// What the request was counted with.
    pub counted: Counted,
}

/// What a request was counted with, or why it was not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counted {
    /// These totals; in a dry run it would be.
    Totals(Totals),
    /// No limit refuses requests.
    #[default]
    NoLimits,
    /// It was refused. Another model is only named.
    Refused,
    /// The guard file cannot be used, and the limits allow requests then. Nothing was checked.
    Unchecked,
}

/// Decides on a request. Money that only budgets without a price would count is refused or allowed as the limits say.
pub(crate) fn decide(
    file: &mut GuardFile,
    terms: &Arc<Terms>,
    request: &Request<'_>,
    count: Count,
) -> Result<Ruling, GuardFileError> {
    let Request { caller, model, tier, ask, source, now, .. } = *request;
    let lanes = Arc::new(Lanes::new(terms, caller, model, tier, source, now));
    let moment = Moment { now, calendar: terms.calendar, settled_for: terms.settled_for(), source, holder: None };
    let mut ruling = Ruling::default();
    let mut waiting = std::collections::VecDeque::from([0]);
    while let Some(place) = waiting.pop_front() {
        let Some(lane) = lanes.models.get(place) else { continue };
        let refused = match lanes.asked(lane, ask) {
            Ok(units) => {
                let is_taken = place == 0 || request.or_downgrade;
                let count = if is_taken { count } else { Count::Nothing };
                let answer = in_file(file, &lanes, lane, &units, &moment, count)?;
                if answer.verdict.is_allowed() {
                    ruling.model = Some(lane.model.clone());
                    ruling.counters = counters(&lanes, lane, &answer, now);
                    ruling.counted = if is_taken { totals(terms, request, &lane.model) } else { Counted::Refused };
                    return Ok(ruling);
                }
                refusals(&lanes, place, &units, &answer.verdict.refused)
            }
            Err(NotCounted { reason, place: counter }) => vec![Refusal::bare(&lanes, place, counter, reason)],
        };
        if place == 0 {
            let places: Vec<usize> = refused.iter().filter_map(|refusal| refusal.place).collect();
            waiting.extend(lanes.downgrades(&places));
            ruling.refused = refused;
        } else {
            ruling.also.extend(refused);
        }
    }
    Ok(ruling)
}

/// The name of the first limit that needs more than a number of tokens, and what it counts.
pub(crate) fn needs_more_than_tokens(terms: &Arc<Terms>, request: &Request<'_>) -> Option<(String, &'static str)> {
    let Request { caller, model, tier, source, now, .. } = *request;
    let lanes = Lanes::new(terms, caller, model, tier, source, now);
    lanes.needs_more_than_tokens().map(|(limit, what)| (limit.common.name.as_str().to_owned(), what))
}

/// What the limits say if the guard file cannot be used: whether the request may go.
pub(crate) fn on_failure(terms: &Arc<Terms>, request: &Request<'_>) -> Option<Ruling> {
    let allows = terms.admission.as_ref().is_none_or(|admission| admission.on_failure == Doubt::Allow);
    if !allows {
        return None;
    }
    Some(Ruling { model: Some(request.model.clone()), counted: Counted::Unchecked, ..Ruling::default() })
}

fn in_file(
    file: &mut GuardFile,
    lanes: &Lanes,
    lane: &Lane,
    units: &Units,
    moment: &Moment<'_>,
    count: Count,
) -> Result<Answer, GuardFileError> {
    let mut asked = Vec::new();
    for (touch, units) in lane.touches.iter().zip(units) {
        let Some(limit) = lanes.limit(touch) else { continue };
        let (needed, kept) = (*units, touch.kept);
        asked.push(Asked { limit, value: &touch.value, needed, asked: needed, kept, size: 0, left: 0 });
    }
    // Without limits, there is nothing to ask and nothing to write.
    if asked.is_empty() { Ok(Answer::default()) } else { file.decide(&asked, &[], moment, count) }
}

fn counters(lanes: &Lanes, lane: &Lane, answer: &Answer, now: Timestamp) -> Vec<Counter> {
    let counter = |(touch, lease): (&crate::control::touch::Touch, &super::file::decide::Lease)| {
        let limit = lanes.limit(touch)?;
        let resets = match &limit.form {
            Form::Period { per, .. } => {
                let calendar = lanes.terms.calendar;
                let last = containing(*per, calendar.day_of(now)).last();
                Some(calendar.start_of(forward(last, 1)))
            }
            Form::Bucket { .. } | Form::Breaker(_) => None,
        };
        Some(Counter {
            limit: limit.common.name.as_str().to_owned(),
            subject: Some(touch.value.clone()).filter(|value| !value.is_empty()),
            measure: limit.bound.measure,
            most: most(limit),
            left: lease.free,
            resets,
        })
    };
    lane.touches.iter().zip(&answer.leases).filter_map(counter).collect()
}

/// What the request is counted with as a whole.
fn totals(terms: &Terms, request: &Request<'_>, model: &Model) -> Counted {
    let Some(admission) = &terms.admission else { return Counted::NoLimits };
    let load = Load::asked(request.ask, admission);
    let tariff = Tariff::of(&terms.book, model, request.tier, request.now, terms.currency);
    Counted::Totals(Totals::of(load, &tariff, true))
}

impl Ruling {
    /// The refusal to name first.
    pub fn first(&self) -> Option<&Refusal> {
        self.refused.first()
    }

    /// Whether the model that was asked for may be used.
    pub const fn is_allowed(&self) -> bool {
        self.model.is_some() && self.refused.is_empty()
    }

    /// The reason to name first.
    pub fn reason(&self) -> Option<Reason> {
        self.first().map(|refusal| refusal.reason)
    }
}
