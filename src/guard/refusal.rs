//! Why a request is refused, for programs and in words.

use super::route::Lanes;
use crate::control::ask::FEMTOS;
use crate::control::breaker::seconds_until;
use crate::control::decide::Reason;
use crate::control::enforced::{Enforced, Form};
use crate::control::limit::{Bound, Measure};
use crate::control::touch::Touch;
use crate::domain::money::Amount;
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::text::problem::grouped;
use std::sync::Arc;

/// A refused request: the limit, and when it may fit.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub(super) route: Arc<Lanes>,
    /// The place of the model.
    pub(super) lane: usize,
    /// The place of the counter; `None` if no counter was asked.
    pub(super) place: Option<usize>,
    /// Why.
    pub reason: Reason,
    /// When it may fit.
    pub again_at: Option<Timestamp>,
    /// The units used of the limit.
    pub used: i64,
    /// The units that the request asks for.
    pub asked: i64,
}

/// Units of a measure, as a policy would state them: `500000`, or `0.0064` for an amount.
pub fn stated(measure: Measure, units: i64) -> String {
    match measure {
        Measure::Amount => Amount::from_femtos(i128::from(units).saturating_mul(FEMTOS)).to_string(),
        Measure::Tokens | Measure::Requests => units.to_string(),
    }
}

/// For people: `500,000 tokens`, `0.0064 USD`. What is more than a counter holds is known to be more than that.
pub fn spelled(measure: Measure, units: i64, currency: &str) -> String {
    match measure {
        Measure::Amount if units == i64::MAX => format!("more than {} {currency}", stated(measure, units)),
        Measure::Amount => format!("{} {currency}", stated(measure, units)),
        Measure::Tokens | Measure::Requests if units == 1 => format!("1 {}", measure.name().trim_end_matches('s')),
        Measure::Tokens | Measure::Requests => format!("{} {measure}", grouped(units)),
    }
}

/// The most units of a limit: where a budget refuses, what a bucket holds, what a window takes.
pub fn most(limit: &Enforced) -> i64 {
    match &limit.form {
        Form::Period { most, .. } => *most,
        Form::Bucket { flow, .. } => flow.capacity(),
        Form::Breaker(breaker) => crate::control::enforced::units(breaker.bound),
    }
}

impl Refusal {
    pub(super) fn bare(route: &Arc<Lanes>, lane: usize, place: Option<usize>, reason: Reason) -> Self {
        Self { route: Arc::clone(route), lane, place, reason, again_at: None, used: 0, asked: 0 }
    }

    fn touch(&self) -> Option<&Touch> {
        let lane = self.route.models.get(self.lane)?;
        lane.touches.get(self.place?)
    }

    fn enforced(&self) -> Option<&Enforced> {
        self.touch().and_then(|touch| self.route.limit(touch))
    }

    /// The name of the limit.
    pub fn limit(&self) -> Option<&str> {
        self.enforced().map(|limit| limit.common.name.as_str())
    }

    /// The value that its counter is for, if it has one for each.
    pub fn subject(&self) -> Option<&str> {
        self.touch().map(|touch| touch.value.as_str()).filter(|value| !value.is_empty())
    }

    /// What the limit counts.
    pub fn measure(&self) -> Option<Measure> {
        self.enforced().map(|limit| limit.bound.measure)
    }

    /// The most units of the limit.
    pub fn most(&self) -> Option<i64> {
        self.enforced().map(most)
    }

    /// The model that was asked for.
    pub fn model(&self) -> &str {
        self.route.models.get(self.lane).map_or("", |lane| lane.model.name.as_str())
    }

    /// The department that the caller names.
    pub fn department(&self) -> Option<&str> {
        self.route.tags.department()
    }

    /// Seconds until it may fit, rounded up.
    pub fn retry_after(&self, now: Timestamp) -> Option<i64> {
        self.again_at.map(|again| seconds_until(again, now))
    }

    /// What happened, and what to do.
    pub fn message(&self, now: Timestamp) -> String {
        let currency = self.route.terms.currency.to_string();
        let Some(limit) = self.enforced() else {
            return match self.reason {
                Reason::UnknownDepartment => self.unknown_department(),
                _ => "the guard file cannot be used, and the limits say `on_failure = \"refuse\"`".to_owned(),
            };
        };
        let measure = limit.bound.measure;
        let named = match self.subject() {
            Some(value) => format!("{} {:?} of {value}", limit.kind(), limit.common.name.as_str()),
            None => format!("{} {:?}", limit.kind(), limit.common.name.as_str()),
        };
        let say = |units: i64| spelled(measure, units, &currency);
        let used = format!("{} of {} are used", plain(measure, self.used), say(most(limit)));
        let asked = say(self.asked);
        let retry = self.retry_after(now).map_or_else(String::new, |seconds| match seconds {
            1 => " Try again in 1 second.".to_owned(),
            seconds => format!(" Try again in {} seconds.", grouped(seconds)),
        });
        match (self.reason, &limit.form) {
            (Reason::Budget, Form::Period { .. }) => {
                let resets = self.again_at.map(|at| self.route.terms.calendar.day_of(at));
                let resets = resets.map_or_else(String::new, |day| format!(" It starts again on {day}."));
                format!("{named} is used up: {used}, and the request needs {asked}.{resets}")
            }
            (Reason::Rate, Form::Bucket { per, .. }) => {
                let rate = Bound { ..limit.bound }.spelled();
                format!("{named} allows {rate} a {}, and they are used up for now.{retry}", per.name())
            }
            (Reason::RequestTooLarge, Form::Period { request_at_most: Some(bound), .. }) => {
                format!("{named} allows {} for one request, and the request needs {asked}", say(*bound))
            }
            (Reason::RequestTooLarge, _) => {
                format!("{named} never has more than {}, and the request needs {asked}", say(most(limit)))
            }
            (Reason::BreakerOpen, Form::Breaker(breaker)) => {
                format!("{named} is open: {used} in {}.{retry}", breaker.window)
            }
            (Reason::BreakerProbing, _) => {
                format!("{named} tries a few requests before it closes. Try again when they are done.")
            }
            (Reason::Unpriced, _) => format!("{named} counts money, and {}", self.unpriced()),
            _ => format!("{named} refuses: {}", self.reason.name()),
        }
    }

    /// Which price is missing, as far as the price book shows.
    fn unpriced(&self) -> String {
        let model = self.model();
        let asked = self.route.models.get(self.lane).and_then(|lane| lane.model.provider.as_ref());
        let providers = self.route.terms.book.providers_of(model);
        if providers.is_empty() {
            return format!("{model} has no price");
        }
        // A price without a provider is one for all.
        if providers.contains(&None) || providers.contains(&asked) {
            return format!("{model} has no price for a part of what the request uses");
        }
        let known: Vec<&str> = providers.into_iter().flatten().map(Name::as_str).collect();
        match asked {
            None => format!("{model} has no price without its provider, expected one of {}", known.join(", ")),
            Some(provider) => format!("{model} has no price of {provider}, expected one of {}", known.join(", ")),
        }
    }

    fn unknown_department(&self) -> String {
        match self.department() {
            None => "no department pays: the tags name none, and no rule finds one".to_owned(),
            Some(name) => format!("department {name:?} is not in the registry"),
        }
    }
}

/// A number as it stands before "of": without the word of its measure.
fn plain(measure: Measure, units: i64) -> String {
    match measure {
        Measure::Amount => stated(measure, units),
        Measure::Tokens | Measure::Requests => grouped(units),
    }
}
