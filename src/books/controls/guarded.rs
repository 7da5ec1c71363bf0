//! What the guard file knows of quotas and breakers.

use crate::books::heading::heading_of;
use crate::books::{Books, BooksError};
use crate::control::ask::FEMTOS;
use crate::control::breaker::State as Phase;
use crate::control::decide::State;
use crate::control::enforced::{Enforced, Form};
use crate::control::limit::Measure;
use crate::domain::calendar::Day;
use crate::domain::money::Amount;
use crate::domain::timestamp::Timestamp;
use crate::guard::file::GuardFile;
use crate::guard::file::decide::Moment;
use crate::guard::file::status::Known;
use crate::guard::refusal::most;
use crate::guard::terms::Terms;
use crate::sheet::{Cell, Column, Heading, Sheet};

/// Which counters to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardedRequest {
    /// Only the limit of this name.
    pub limit: Option<String>,
    /// Only the counter of this value.
    pub subject: Option<String>,
}

impl Books {
    /// Every quota in force: what is used of it now, and how many requests were refused within the last hour.
    pub fn quota_status(&self, request: &GuardedRequest, now: Timestamp) -> Result<Sheet, BooksError> {
        let columns = vec![
            Column::text("limit"),
            Column::text("subject"),
            Column::count("used"),
            Column::count("limit_value"),
            Column::text("unit"),
            Column::text("per"),
            Column::count("burst"),
            Column::count("left"),
            Column::count("held"),
            Column::count("refused_1h"),
            Column::text("mode"),
        ];
        self.guarded(request, now, "quotas", columns, |limit, known, moment| {
            let (Form::Bucket { flow, per, .. }, State::Bucket(bucket)) = (&limit.form, &known.state) else {
                return None;
            };
            let left = bucket.level(*flow, moment.now);
            Some(vec![
                Cell::Count(flow.capacity().saturating_sub(left).into()),
                Cell::Count(limit.bound.most),
                Cell::text(limit.bound.measure.name()),
                Cell::text(per.name()),
                Cell::Count(flow.capacity().into()),
                Cell::Count(left.into()),
                Cell::Count(known.held.into()),
                Cell::Count(known.refused.into()),
                mode(limit),
            ])
        })
    }

    /// Every circuit breaker in force: its state, what is used of its window, and when it tries requests again.
    pub fn breaker_status(&self, request: &GuardedRequest, now: Timestamp) -> Result<Sheet, BooksError> {
        let columns = vec![
            Column::text("limit"),
            Column::text("subject"),
            Column::text("state"),
            Column::figure("used"),
            Column::figure("limit_value"),
            Column::text("unit"),
            Column::text("window"),
            Column::instant("open_since"),
            Column::instant("again_at"),
            Column::count("refused_1h"),
            Column::text("mode"),
        ];
        let currency = self.settings().currency;
        self.guarded(request, now, "circuit breakers", columns, |limit, known, moment| {
            let (Form::Breaker(breaker), State::Breaker(counter)) = (&limit.form, &known.state) else { return None };
            let mut counter = counter.clone();
            let phase = counter.state(moment.now).clone();
            let measure = limit.bound.measure;
            let (state, since) = match phase {
                Phase::Closed => ("closed", None),
                Phase::Open { since } => ("open", Some(since)),
                Phase::HalfOpen { .. } => ("half open", None),
            };
            let wait = i64::try_from(breaker.open_for.get()).unwrap_or(i64::MAX);
            let again = since.and_then(|since| since.plus_seconds(wait));
            Some(vec![
                Cell::text(state),
                figure(measure, counter.used(moment.now)),
                figure(measure, most(limit)),
                Cell::text(if measure == Measure::Amount { currency.code() } else { measure.name() }),
                Cell::text(breaker.window.to_string()),
                since.map_or(Cell::Nothing, Cell::Instant),
                again.map_or(Cell::Nothing, Cell::Instant),
                Cell::Count(known.refused.into()),
                mode(limit),
            ])
        })
    }

    /// Days and sources for which guarded requests settled more than the ledger has: their records are still to come.
    pub fn missing_usage(&self, now: Timestamp) -> Result<Sheet, BooksError> {
        let columns = vec![
            Column::text("budget"),
            Column::text("subject"),
            Column::day("day"),
            Column::text("source"),
            Column::text("measure"),
            Column::figure("settled"),
            Column::figure("recorded"),
            Column::figure("missing"),
        ];
        let snapshot = self.ledger.snapshot()?;
        let terms = self.terms(&snapshot, now)?;
        let mut rows = Vec::new();
        if let Some(mut file) = GuardFile::open_if_any(&terms.ledger, terms.genesis)? {
            Self::post(&snapshot, &mut file, &terms, now)?;
            for limit in terms.limits.iter().filter(|limit| matches!(limit.form, Form::Period { .. })) {
                let measure = limit.bound.measure;
                for missing in file.missing(limit)? {
                    rows.push(vec![
                        Cell::text(limit.common.name.as_str()),
                        Cell::filled(missing.value),
                        Cell::day(Day::from_number(missing.day)),
                        Cell::text(missing.source),
                        Cell::text(measure.name()),
                        figure(measure, missing.settled),
                        figure(measure, missing.posted),
                        figure(measure, missing.settled.saturating_sub(missing.posted)),
                    ]);
                }
            }
        }
        let heading = heading_of(&snapshot, "usage that is not recorded yet", terms.calendar.day_of(now).to_string())?;
        Ok(Sheet { heading, columns, rows, total: None })
    }

    /// Closes a breaker and clears its window. It is no fact of the books. `false` if no request has reached the breaker yet.
    pub fn reset_breaker(&self, name: &str, subject: Option<&str>, now: Timestamp) -> Result<bool, BooksError> {
        let terms = self.terms(&self.ledger.snapshot()?, now)?;
        let is_meant = |limit: &&Enforced| limit.common.name.as_str() == name && matches!(limit.form, Form::Breaker(_));
        let limit = terms.limits.iter().find(is_meant).ok_or_else(|| BooksError::NoBreaker(name.to_owned()))?;
        let mut file = GuardFile::open(&terms.ledger, terms.genesis, now)?;
        Ok(file.reset(limit, subject.unwrap_or(""), &moment(&terms, now))?)
    }

    fn guarded(
        &self,
        request: &GuardedRequest,
        now: Timestamp,
        report: &str,
        columns: Vec<Column>,
        cells: impl Fn(&Enforced, &Known, &Moment<'_>) -> Option<Vec<Cell>>,
    ) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let terms = self.terms(&snapshot, now)?;
        let file = GuardFile::open_if_any(&terms.ledger, terms.genesis)?;
        let moment = moment(&terms, now);
        let mut rows = Vec::new();
        let is_named = |limit: &&Enforced| request.limit.as_ref().is_none_or(|name| limit.common.name.as_str() == name);
        for limit in terms.limits.iter().filter(is_named) {
            let mut all = file.as_ref().map_or(Ok(Vec::new()), |file| file.counters(limit, &moment))?;
            if all.is_empty() && limit.each().is_none() {
                all.push(Known { value: String::new(), state: fresh(limit, &moment), held: 0, refused: 0 });
            }
            for known in all.iter().filter(|known| request.subject.as_ref().is_none_or(|value| *value == known.value)) {
                if let Some(cells) = cells(limit, known, &moment) {
                    let mut row = vec![Cell::text(limit.common.name.as_str()), Cell::filled(known.value.clone())];
                    row.extend(cells);
                    rows.push(row);
                }
            }
        }
        let mut heading: Heading = heading_of(&snapshot, report, now.to_string())?;
        heading.caveats.extend(file.is_none().then(|| "no request was guarded yet".to_owned()));
        Ok(Sheet { heading, columns, rows, total: None })
    }
}

fn moment(terms: &Terms, now: Timestamp) -> Moment<'static> {
    Moment { now, calendar: terms.calendar, settled_for: terms.settled_for(), source: "", holder: None }
}

/// The state of a counter that no request has reached.
fn fresh(limit: &Enforced, moment: &Moment<'_>) -> State {
    match &limit.form {
        Form::Breaker(breaker) => State::Breaker(crate::control::breaker::BreakerCounter::new(breaker)),
        Form::Bucket { .. } => State::Bucket(crate::control::bucket::Bucket::default()),
        Form::Period { .. } => State::Period { used: 0, ends: moment.now },
    }
}

fn mode(limit: &Enforced) -> Cell {
    Cell::Word(if limit.common.shadow { "shadow" } else { "enforced" })
}

fn figure(measure: Measure, units: i64) -> Cell {
    match measure {
        Measure::Amount => Cell::Exact(Amount::from_femtos(i128::from(units).saturating_mul(FEMTOS))),
        Measure::Tokens | Measure::Requests => Cell::Count(units.into()),
    }
}
