//! What budgets have used and will use, computed from one state of the ledger.

use crate::aggregate::PriceChanges;
use crate::aggregate::fold::{self, Basis, fold};
use crate::books::controls::budget_sheet::{self, Digits};
use crate::books::controls::policies::{InForce, of_snapshot};
use crate::books::setup::rules;
use crate::books::statement::reports::books;
use crate::books::watching::watched;
use crate::books::{Books, BooksError, Observer, Stage};
use crate::control::count::{ByDay, Counting, Used, is_left_out, merge};
use crate::control::forecast::{Forecast, LOOKED_AT, forecast};
use crate::control::limit::{Bound, Budget, Enforce, Policy, Threshold};
use crate::control::period::{back, containing, forward};
use crate::control::span::Part;
use crate::domain::calendar::Day;
use crate::domain::number::EntryId;
use crate::domain::period::Period;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::timestamp::Timestamp;
use crate::ledger::file::transaction::Snapshot;
use crate::price::Book;
use crate::sheet::Sheet;
use crate::text::problem::{counted, grouped, listed};
use std::collections::BTreeMap;

/// Which budgets to look at, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRequest {
    /// The day whose periods are shown; `None` for today. Usage after it does not count.
    pub at: Option<Day>,
    /// The current time.
    pub now: Timestamp,
    /// Only the budget of this name.
    pub name: Option<String>,
    /// Budgets without usage too.
    pub all: bool,
}

impl BudgetRequest {
    /// All budgets with usage, today.
    pub const fn of(now: Timestamp) -> Self {
        Self { at: None, now, name: None, all: false }
    }
}

/// One limit of a budget, for one value if it has a counter for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetLine {
    /// The budget.
    pub budget: Budget,
    /// The limit.
    pub bound: Bound,
    /// The value that it is for.
    pub subject: Option<String>,
    /// The period.
    pub period: Period,
    /// What was used of it.
    pub used: Used,
    /// What will be used.
    pub forecast: Forecast,
}

impl BudgetLine {
    /// What was used of the measure.
    pub const fn figure(&self) -> i128 {
        self.used.of(self.bound.measure)
    }

    /// Whether a part of the limit is reached.
    pub fn reaches(&self, part: Part) -> Result<bool, BooksError> {
        Ok(part.is_reached(self.figure(), self.bound.most).ok_or(QuantityOverflow)?)
    }

    /// The thresholds that are reached, ascending.
    pub fn reached(&self) -> Result<Vec<&Threshold>, BooksError> {
        let mut reached = Vec::new();
        for threshold in &self.budget.alerts {
            if self.reaches(threshold.at)? {
                reached.push(threshold);
            }
        }
        Ok(reached)
    }

    /// Whether it refuses requests now.
    pub fn blocks(&self) -> Result<bool, BooksError> {
        match &self.budget.enforce {
            Enforce::Block { at, .. } if !self.budget.common.shadow => self.reaches(*at),
            Enforce::Block { .. } | Enforce::Warn => Ok(false),
        }
    }

    /// Tenths of a percent of the limit, rounded down, so that 100.0 is not shown before it is reached.
    pub fn tenths(&self, figure: i128) -> Result<i128, BooksError> {
        let scaled = figure.checked_mul(1_000).ok_or(QuantityOverflow)?;
        Ok(scaled.checked_div_euclid(self.bound.most).ok_or(QuantityOverflow)?)
    }

    /// Whether the amount lacks usage without a price.
    pub fn is_at_least(&self) -> bool {
        self.bound.measure == crate::control::limit::Measure::Amount && self.used.is_partly_unpriced
    }
}

/// Budgets at one state of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetStatus {
    /// The policy whose limits these are.
    pub policy: InForce,
    /// The day whose periods are shown.
    pub at: Day,
    /// The lines, in the order of the policy, of measures and of subjects.
    pub lines: Vec<BudgetLine>,
    /// How many budgets without usage are left out.
    pub left_out: usize,
    pub(super) heading: crate::sheet::Heading,
    pub(super) quarantined: usize,
    pub(super) uncounted: Vec<String>,
    pub(super) to_import_again: Vec<String>,
}

impl Books {
    /// What budgets have used and will use. `None` if no policy is in force on that day.
    pub fn budgets(
        &self,
        request: &BudgetRequest,
        observer: &dyn Observer,
    ) -> Result<Option<BudgetStatus>, BooksError> {
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            self.budgets_on(&snapshot, request)
        })
    }

    /// What budgets would show if a policy were in force, no matter when it begins.
    pub fn budgets_under(
        &self,
        policy: &Policy,
        request: &BudgetRequest,
        observer: &dyn Observer,
    ) -> Result<BudgetStatus, BooksError> {
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            let policy = InForce { entry: EntryId::NONE, document: String::new(), policy: policy.clone() };
            self.budgets_of(&snapshot, policy, request)
        })
    }

    fn budgets_on(&self, snapshot: &Snapshot<'_>, request: &BudgetRequest) -> Result<Option<BudgetStatus>, BooksError> {
        let (at, _) = self.days_of(request);
        of_snapshot(snapshot, at)?.map(|policy| self.budgets_of(snapshot, policy, request)).transpose()
    }

    /// The day whose periods are meant, and today.
    fn days_of(&self, request: &BudgetRequest) -> (Day, Day) {
        let today = self.settings().calendar.day_of(request.now);
        (request.at.unwrap_or(today).min(today), today)
    }

    fn budgets_of(
        &self,
        snapshot: &Snapshot<'_>,
        policy: InForce,
        request: &BudgetRequest,
    ) -> Result<BudgetStatus, BooksError> {
        let (at, today) = self.days_of(request);
        let wanted = |budget: &Budget| request.name.as_ref().is_none_or(|name| budget.common.name.as_str() == name);
        let budgets = &policy.policy.budgets;
        if let Some(name) = &request.name
            && !budgets.iter().any(wanted)
        {
            return Err(BooksError::NoBudget(name.clone()));
        }
        // All budgets are looked at, because one may leave out what another names.
        let (mut lines, uncounted) = self.lines(snapshot, budgets, at, today)?;
        lines.retain(|line| wanted(&line.budget));
        let before = lines.len();
        let lines: Vec<BudgetLine> = lines.into_iter().filter(|line| request.all || !line.used.is_nothing()).collect();
        let left_out = before.saturating_sub(lines.len());
        let range = range(budgets, at);
        let open = snapshot.quarantine()?;
        let is_within = |first: Option<i64>, last: Option<i64>| {
            let (start, end) = (i64::from(range.first().number()), i64::from(range.last().number()));
            first.is_none_or(|first| first <= end) && last.is_none_or(|last| last >= start)
        };
        let quarantined = open.iter().filter(|line| is_within(line.first_day, line.last_day)).count();
        let heading = crate::books::heading::heading_of(snapshot, "budgets", at.to_string())?;
        let to_import_again = snapshot.files_to_repeat(range)?.into_iter().collect();
        Ok(BudgetStatus { policy, at, lines, left_out, heading, quarantined, uncounted, to_import_again })
    }

    /// The lines of budgets for the periods that a day is in, and what none of them counts, in words. If the day is not over, it is
    /// today.
    pub(super) fn lines(
        &self,
        snapshot: &Snapshot<'_>,
        budgets: &[Budget],
        at: Day,
        today: Day,
    ) -> Result<(Vec<BudgetLine>, Vec<String>), BooksError> {
        snapshot.watch().begin(Stage::Usage, None);
        let counted = self.counted(snapshot, budgets, range(budgets, at))?;
        // A day before today is over.
        let first_open = if at < today { forward(at, 1) } else { at };
        let none = BTreeMap::new();
        let (mut lines, mut uncounted) = (Vec::new(), Vec::new());
        for (place, budget) in budgets.iter().enumerate() {
            let period = containing(budget.per, at);
            let mut subjects: Vec<Option<String>> =
                counted.keys().filter(|(of, _)| *of == place).map(|(_, subject)| subject.clone()).collect();
            if budget.common.each.is_none() && subjects.is_empty() {
                subjects.push(None);
            }
            if let Some(each) = &budget.common.each {
                subjects.retain(Option::is_some);
                let without = sum_within(counted.get(&(place, None)).unwrap_or(&none), period)?.requests;
                if without > 0 {
                    let requests = counted_requests(without);
                    uncounted.push(format!("{}: {requests} no {each} and no counter there", budget.common.name));
                }
            }
            for bound in &budget.bounds {
                for subject in &subjects {
                    if subject.as_ref().is_some_and(|value| is_left_out(budgets, budget, bound.measure, value)) {
                        continue;
                    }
                    let days = counted.get(&(place, subject.clone())).unwrap_or(&none);
                    lines.push(line(budget, *bound, subject.clone(), period, days, first_open)?);
                }
            }
        }
        Ok((lines, uncounted))
    }

    fn counted(&self, snapshot: &Snapshot<'_>, budgets: &[Budget], range: Period) -> Result<ByDay, BooksError> {
        snapshot.prove_retractions()?;
        let books = books(&snapshot.prices()?, &snapshot.aliases()?);
        let empty = Book::default();
        let book = books.get(self.settings().book.as_str()).unwrap_or(&empty);
        let (rules, names) = (rules::of_snapshot(snapshot)?, snapshot.dictionary()?);
        let changes = PriceChanges::new(books.values().collect(), &names);
        let rating = fold::Rating { book, changes, names: &names, rules: &rules };
        let count = |counting: &mut Counting<'_>, line, names: &_| Ok::<_, BooksError>(counting.add(&line, names)?);
        let mut all = ByDay::new();
        for (counting, _) in fold(snapshot, &rating, range, Basis::Sums, || Counting::of(budgets), count)? {
            merge(&mut all, counting.into_days())?;
        }
        Ok(all)
    }
}

/// The days that budgets need: their periods up to a day, and the days that a forecast looks at.
fn range(budgets: &[Budget], at: Day) -> Period {
    let firsts = budgets.iter().map(|budget| containing(budget.per, at).first());
    let first = firsts.chain([back(at, LOOKED_AT)]).min().unwrap_or(at);
    Period::between(first, at)
}

fn line(
    budget: &Budget,
    bound: Bound,
    subject: Option<String>,
    period: Period,
    days: &BTreeMap<Day, Used>,
    first_open: Day,
) -> Result<BudgetLine, BooksError> {
    let used = sum_within(days, period)?;
    let figures = days.iter().map(|(day, used)| (*day, used.of(bound.measure))).collect();
    let forecast = forecast(&figures, period, first_open, bound.most)?;
    Ok(BudgetLine { budget: budget.clone(), bound, subject, period, used, forecast })
}

fn sum_within(days: &BTreeMap<Day, Used>, period: Period) -> Result<Used, BooksError> {
    let mut used = Used::default();
    for (_, of_day) in days.iter().filter(|(day, _)| period.contains(**day)) {
        used.add(of_day)?;
    }
    Ok(used)
}

fn counted_requests(requests: i128) -> String {
    format!("{} {}", grouped(requests), if requests == 1 { "request has" } else { "requests have" })
}

impl BudgetStatus {
    /// Every number, amounts exactly.
    pub fn sheet(&self) -> Result<Sheet, BooksError> {
        budget_sheet::sheet(self, Digits::Exact)
    }

    /// The same, with amounts in minor units of the currency, for people.
    pub fn rounded(&self) -> Result<Sheet, BooksError> {
        budget_sheet::sheet(self, Digits::Minor)
    }

    /// What a reader must know before using the numbers.
    pub(super) fn caveats(&self) -> Vec<String> {
        let from = self.policy.policy.from;
        let limits = match self.policy.entry {
            EntryId::NONE => format!("limits of a file from {from}, which is not applied"),
            entry => format!("limits of entry {entry}, in force from {from}"),
        };
        let mut caveats = vec![limits];
        for line in self.lines.iter().filter(|line| line.is_at_least()) {
            let name = budget_sheet::name(line);
            let events = if line.used.unpriced_events == 0 {
                "parts of events have".to_owned()
            } else {
                counted(line.used.unpriced_events, "event has", "events have")
            };
            caveats.push(format!("{name}: {events} no price; the amount does not include them"));
        }
        caveats.extend(self.uncounted.iter().cloned());
        for line in &self.lines {
            if let Forecast::TooFew { days } = line.forecast {
                let days = listed(days, "complete day", "complete days");
                caveats.push(format!("{}: no forecast yet; {days} of usage, 7 needed", budget_sheet::name(line)));
            }
        }
        if self.quarantined > 0 {
            let lines = listed(self.quarantined, "quarantined line waits", "quarantined lines wait");
            caveats.push(format!("{lines} for a decision and may belong here; nothing of them is counted"));
        }
        for file in &self.to_import_again {
            caveats.push(format!("{file} has to be imported again: events of it were retracted as duplicates"));
        }
        if self.left_out > 0 {
            let limits = listed(self.left_out, "limit without usage is", "limits without usage are");
            caveats.push(format!("{limits} not shown (--all)"));
        }
        caveats
    }
}
