//! The sheet of budgets.

use crate::books::BooksError;
use crate::books::controls::budgets::{BudgetLine, BudgetStatus};
use crate::books::controls::wording;
use crate::control::forecast::{Forecast, METHOD};
use crate::control::limit::Measure;
use crate::control::period::label;
use crate::domain::currency::Currency;
use crate::domain::money::Amount;
use crate::domain::period::Period;
use crate::sheet::{Cell, Column, Heading, Sheet};

/// How amounts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digits {
    /// With all digits.
    Exact,
    /// In minor units, rounded half to even.
    Minor,
}

/// The columns that fit a terminal.
pub const SHORT: [&str; 9] = ["budget", "subject", "period", "used", "limit", "unit", "percent", "forecast", "level"];

/// `marketing, 2026-11`; with the value that it is for, if it has one counter for each.
pub(super) fn name(line: &BudgetLine) -> String {
    wording::name(&line.budget, line.subject.as_deref().unwrap_or(""), line.period)
}

pub(super) fn sheet(status: &BudgetStatus, digits: Digits) -> Result<Sheet, BooksError> {
    let columns = vec![
        Column::text("budget"),
        Column::text("measure"),
        Column::text("subject"),
        Column::text("period"),
        Column::day("first_day"),
        Column::day("last_day"),
        Column::count("days_left"),
        Column::figure("used"),
        Column::text("unit"),
        Column::figure("limit"),
        Column::figure("left"),
        Column::percent("percent"),
        Column::count("unpriced_events"),
        Column::figure("forecast"),
        Column::percent("forecast_percent"),
        Column::text("forecast_method"),
        Column::day("reached_on"),
        Column::text("level"),
        Column::text("say"),
        Column::text("enforce"),
        Column::text("state"),
    ];
    let currency = status.heading.currency;
    let rows = status.lines.iter().map(|line| cells(line, status, currency, digits)).collect::<Result<_, _>>()?;
    let heading = Heading { caveats: status.caveats(), ..status.heading.clone() };
    Ok(Sheet { heading, columns, rows, total: None })
}

fn cells(
    line: &BudgetLine,
    status: &BudgetStatus,
    currency: Currency,
    digits: Digits,
) -> Result<Vec<Cell>, BooksError> {
    let is_amount = line.bound.measure == Measure::Amount;
    let figure = |figure: i128| match (is_amount, digits) {
        (false, _) => Cell::Count(figure),
        (true, Digits::Exact) => Cell::Exact(Amount::from_femtos(figure)),
        (true, Digits::Minor) => {
            let digits = currency.digits();
            Cell::Fixed { value: Amount::from_femtos(figure).minor_units(digits), digits }
        }
    };
    let percent = |figure: i128| Ok::<_, BooksError>(Cell::Fixed { value: line.tenths(figure)?, digits: 1 });
    let used = line.figure();
    let reached = line.reached()?;
    let highest = reached.last();
    let level = reached.iter().rev().find_map(|threshold| threshold.level.clone()).or_else(|| own_level(line));
    let say = highest.and_then(|threshold| threshold.say.clone());
    let (forecast, forecast_percent, method, reached_on) = match line.forecast {
        Forecast::Of { figure: at_end, reached_on } => {
            (figure(at_end), percent(at_end)?, Cell::text(METHOD), Cell::day(reached_on))
        }
        Forecast::TooFew { .. } => {
            (Cell::Unknown("too few days"), Cell::Unknown("too few days"), Cell::Nothing, Cell::Nothing)
        }
        Forecast::Over { reached_on } => (Cell::Nothing, Cell::Nothing, Cell::Nothing, Cell::day(reached_on)),
    };
    let left = line.bound.most.checked_sub(used).ok_or(crate::domain::ratio::Overflow)?;
    let days_left = if status.at >= line.period.last() { 0 } else { days_after(status.at, line.period) };
    let state = match line.forecast {
        Forecast::Over { .. } => "ended",
        _ if line.blocks()? => "blocking",
        _ => "open",
    };
    Ok(vec![
        Cell::text(line.budget.common.name.as_str()),
        Cell::text(line.bound.measure.name()),
        Cell::some(line.subject.clone()),
        Cell::text(label(line.budget.per, line.period)),
        Cell::Day(line.period.first()),
        Cell::Day(line.period.last()),
        Cell::Count(days_left),
        figure(used),
        Cell::text(if is_amount { currency.code() } else { line.bound.measure.name() }),
        figure(line.bound.most),
        figure(left),
        percent(used)?,
        Cell::Count(line.used.unpriced_events.into()),
        forecast,
        forecast_percent,
        method,
        reached_on,
        Cell::some(level),
        Cell::some(say),
        Cell::text(line.budget.enforce.name()),
        Cell::text(state),
    ])
}

/// The word below all thresholds, or `over` for a limit that is reached and that nobody gave a word.
fn own_level(line: &BudgetLine) -> Option<String> {
    let over = (line.figure() >= line.bound.most).then(|| "over".to_owned());
    over.or_else(|| line.budget.level.clone())
}

/// How many days of a period follow a day.
fn days_after(day: crate::domain::calendar::Day, period: Period) -> i128 {
    i128::from(period.last().number()).saturating_sub(day.number().into())
}
