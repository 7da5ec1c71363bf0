//! Alerts in words, from what the ledger records of them: so every attempt of a message says the same.

use crate::control::limit::{Budget, Enforce, Measure};
use crate::control::period::{containing, label};
use crate::control::span::Part;
use crate::domain::calendar::Calendar;
use crate::domain::currency::Currency;
use crate::domain::money::{Amount, fixed_point};
use crate::domain::period::Period;
use crate::ledger::facts::alerts::{Alert, AlertKey};
use crate::text::problem::grouped;

/// What words need of the ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ledgers {
    pub(super) currency: Currency,
    pub(super) calendar: Calendar,
}

/// A budget's name with its period, and with the value that it is for: `marketing, 2026-11`.
pub(super) fn name(budget: &Budget, subject: &str, period: Period) -> String {
    let period = label(budget.per, period);
    let name = &budget.common.name;
    if subject.is_empty() { format!("{name}, {period}") } else { format!("{name} for {subject}, {period}") }
}

/// The part of its limit from which on a budget refuses; `None` if it never does.
pub(super) fn block_at(budget: &Budget) -> Option<Part> {
    match &budget.enforce {
        Enforce::Block { at, .. } if !budget.common.shadow => Some(*at),
        Enforce::Block { .. } | Enforce::Warn => None,
    }
}

/// A figure of a measure: femto-units of an amount, or a number. `None` if the text is none.
pub(super) fn figure(measure: &str, text: &str) -> Option<i128> {
    if measure == Measure::Amount.name() { Amount::parse(text).ok().map(Amount::femtos) } else { text.parse().ok() }
}

/// A figure for people: an amount in minor units, a number with separators.
fn shown(measure: &str, text: &str, currency: Currency) -> String {
    let Some(figure) = figure(measure, text) else { return text.to_owned() };
    if measure == Measure::Amount.name() {
        let digits = currency.digits();
        fixed_point(Amount::from_femtos(figure).minor_units(digits), digits)
    } else {
        grouped(figure)
    }
}

/// The percentage of the limit that was used, with one decimal, rounded down.
pub(super) fn percent(alert: &Alert) -> String {
    let AlertKey { measure, stated, .. } = &alert.key;
    let tenths = figure(measure, &alert.figure).and_then(|used| {
        let limit = figure(measure, stated)?;
        used.checked_mul(1_000)?.checked_div_euclid(limit)
    });
    tenths.map_or_else(|| "?".to_owned(), |tenths| fixed_point(tenths, 1))
}

/// The period of an alert's budget, under the name that reports give it.
pub(super) fn period(alert: &Alert, budget: &Budget) -> Period {
    containing(budget.per, alert.key.first_day)
}

/// Which budget, how much of it is used, and what to do: `marketing, 2026-11: 82.0 % of the token budget is used (…). Check usage.`
pub(super) fn first_line(alert: &Alert, budget: &Budget, ledgers: Ledgers) -> String {
    let AlertKey { measure, subject, stated, threshold, .. } = &alert.key;
    let (used, limit) = (shown(measure, &alert.figure, ledgers.currency), shown(measure, stated, ledgers.currency));
    let (name, percent) = (name(budget, subject, period(alert, budget)), percent(alert));
    let mut text = if measure == Measure::Amount.name() {
        format!("{name}: {percent} % of {limit} {} is used ({used}).", ledgers.currency.code())
    } else {
        let kind = if measure == Measure::Tokens.name() { "token" } else { "request" };
        format!("{name}: {percent} % of the {kind} budget is used ({used} of {limit}).")
    };
    let part = Part::of_hundredths(*threshold);
    let own = budget.alerts.iter().find(|threshold| threshold.at == part);
    if let Some(say) = own.and_then(|threshold| threshold.say.as_ref()) {
        text.push(' ');
        text.push_str(say);
    }
    if block_at(budget) == Some(part)
        && let Some(next) = alert.key.last_day.next()
    {
        text.push_str(" It is used up until ");
        text.push_str(&ledgers.calendar.start_of(next).to_string());
        text.push('.');
    }
    text
}

/// Scope, threshold and the end of the period.
pub(super) fn second_line(alert: &Alert, budget: &Budget) -> String {
    let scope = budget.common.scope.to_string();
    let scope = if scope.is_empty() { "all usage".to_owned() } else { scope };
    let threshold = Part::of_hundredths(alert.key.threshold);
    format!("{scope}; threshold {threshold}; the period ends on {}", alert.key.last_day)
}
