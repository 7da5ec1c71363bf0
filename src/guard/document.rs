//! Decisions as JSON. The form is frozen. Numbers are texts, so that no reader makes a float of money.

use super::once::{self, Counter, Ruling};
use super::refusal::{Refusal, stated};
use crate::control::ask::Totals;
use crate::control::limit::Measure;
use crate::domain::currency::Currency;
use crate::domain::timestamp::Timestamp;
use serde::Serialize;

/// A decision of the command `admit`.
#[derive(Debug, Serialize)]
pub struct Decided<'a> {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<Counted>,
    /// `false` if the guard file cannot be used, and the limits allow requests then.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Vec<Remaining<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused<'a>>,
    #[serde(flatten)]
    because: Option<Refused<'a>>,
    also: Vec<Refused<'a>>,
}

/// What a request was counted with.
#[derive(Debug, Serialize)]
struct Counted {
    requests: Option<String>,
    tokens: Option<String>,
    amount: Option<String>,
    currency: &'static str,
}

#[derive(Debug, Serialize)]
struct Remaining<'a> {
    limit: &'a str,
    subject: Option<&'a str>,
    measure: &'static str,
    limit_value: String,
    left: String,
    resets: Option<String>,
}

#[derive(Debug, Serialize)]
struct Refused<'a> {
    reason: &'static str,
    model: &'a str,
    limit: Option<&'a str>,
    subject: Option<&'a str>,
    department: Option<&'a str>,
    measure: Option<&'static str>,
    used: Option<String>,
    limit_value: Option<String>,
    asked: Option<String>,
    retry_after_seconds: Option<String>,
    again_at: Option<String>,
    message: String,
}

impl<'a> Decided<'a> {
    /// The document of a decision at an instant. `asked` is the model that was asked for.
    pub fn of(ruling: &'a Ruling, asked: &'a str, currency: Currency, now: Timestamp) -> Self {
        let refused = |refusal: &'a Refusal| Refused::of(refusal, now);
        let others = || ruling.refused.iter().skip(1).chain(&ruling.also).map(refused).collect();
        let model = ruling.model.as_ref().map(|model| model.name.as_str());
        let counted = match &ruling.counted {
            once::Counted::Totals(totals) if model.is_some() => Some(Counted::of(totals, currency)),
            _ => None,
        };
        let is_unchecked = ruling.counted == once::Counted::Unchecked;
        let limits = model.map(|_| ruling.counters.iter().map(Remaining::of).collect());
        let first = ruling.first().map(refused);
        let (decision, instead_of, first, because) = match (model, first) {
            (Some(_), None) => ("allow", None, None, None),
            (Some(_), first) => ("downgrade", Some(asked), first, None),
            (None, first) => ("refuse", None, None, first),
        };
        Self {
            decision,
            model,
            instead_of,
            counted,
            checked: is_unchecked.then_some(false),
            limits,
            refused: first,
            because,
            also: others(),
        }
    }
}

impl Counted {
    fn of(totals: &Totals, currency: Currency) -> Self {
        let of = |measure| totals.units(measure).map(|units| stated(measure, units));
        Self {
            requests: of(Measure::Requests),
            tokens: of(Measure::Tokens),
            amount: of(Measure::Amount),
            currency: currency.code(),
        }
    }
}

impl<'a> Remaining<'a> {
    fn of(counter: &'a Counter) -> Self {
        Self {
            limit: &counter.limit,
            subject: counter.subject.as_deref(),
            measure: counter.measure.name(),
            limit_value: stated(counter.measure, counter.most),
            left: stated(counter.measure, counter.left),
            resets: counter.resets.map(|at| at.to_string()),
        }
    }
}

impl<'a> Refused<'a> {
    fn of(refusal: &'a Refusal, now: Timestamp) -> Self {
        let measure = refusal.measure();
        let limit = refusal.most().zip(measure).map(|(units, measure)| stated(measure, units));
        // More than a counter holds is not known.
        let units = |units: i64| measure.filter(|_| units < i64::MAX).map(|measure| stated(measure, units));
        Self {
            reason: refusal.reason.name(),
            model: refusal.model(),
            limit: refusal.limit(),
            subject: refusal.subject(),
            department: refusal.department(),
            measure: measure.map(Measure::name),
            used: units(refusal.used),
            limit_value: limit,
            asked: units(refusal.asked),
            retry_after_seconds: refusal.retry_after(now).map(|seconds| seconds.to_string()),
            again_at: refusal.again_at.map(|at| at.to_string()),
            message: refusal.message(now),
        }
    }
}
