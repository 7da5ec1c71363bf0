//! Alerts: finds the thresholds of budgets that are reached, and records each of them once.
//!
//! A check looks at the current period of every budget and at the one before, whose usage may still come in. It records an
//! alert only for a period whose limits were recorded before it ended. It records under the write lock what nobody has
//! recorded, so that two checks at once raise an alert once.

use crate::books::controls::budget_sheet;
use crate::books::controls::budgets::BudgetLine;
use crate::books::controls::policies::understood;
use crate::books::controls::wording::{self, block_at};
use crate::books::heading::heading_of;
use crate::books::watching::watched;
use crate::books::{Act, Books, BooksError, Observer};
use crate::control::limit::{Bound, Budget, Measure, Per, Policy};
use crate::control::period::containing;
use crate::control::span::Part;
use crate::domain::calendar::Day;
use crate::domain::currency::Currency;
use crate::domain::money::Amount;
use crate::domain::number::EntryId;
use crate::domain::period::Period;
use crate::domain::timestamp::Timestamp;
use crate::ledger::LedgerError;
use crate::ledger::chain::Head;
use crate::ledger::facts::alerts::{Alert, AlertKey, StoredAlert};
use crate::ledger::facts::policies::{LIMITS, StoredPolicy, in_force};
use crate::ledger::file::transaction::Snapshot;
use crate::sheet::{Cell, Column, Sheet};
use std::collections::BTreeSet;

/// How often a check starts again because limits were applied while it read.
const TRIES: usize = 5;

/// An alert that a check raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// Its name: the entry and its place there, `58.2`.
    pub name: String,
    /// The alert.
    pub alert: Alert,
    /// What it says, in one line.
    pub text: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetCheck {
    /// The alerts that it raised, in the order of the policy.
    pub raised: Vec<Raised>,
    /// The budgets that refuse requests now, by name, value and period.
    pub blocking: Vec<String>,
    /// Whether this check is the first to find one of them so.
    pub blocks_anew: bool,
    /// Budgets of money with usage that has no price.
    pub unpriced: Vec<String>,
    /// The last entry of the chain afterwards.
    pub head: Head,
}

/// A threshold that is reached.
struct Reached {
    alert: Alert,
    text: String,
    /// Whether it is the part of the limit from which on the budget refuses.
    blocks: bool,
}

/// What a check reads from one state of the ledger.
struct Found {
    reached: Vec<Reached>,
    blocking: Vec<String>,
    unpriced: Vec<String>,
    policies: Vec<EntryId>,
    known: BTreeSet<AlertKey>,
}

impl Books {
    /// Compares every budget with its thresholds and records what is reached and was not recorded before.
    pub fn check_budgets(&self, act: Act<'_>, observer: &dyn Observer) -> Result<BudgetCheck, BooksError> {
        for _ in 0..TRIES {
            let found = watched(observer, |watch| {
                let snapshot = self.snapshot_for_all()?.watched(watch)?;
                self.found(&snapshot, act.now)
            })?;
            if let Some(check) = self.raise(found, act, observer)? {
                return Ok(check);
            }
        }
        Err(LedgerError::Changed.into())
    }

    /// How many alerts a check would raise if a policy were in force.
    pub fn would_raise(&self, policy: &Policy, now: Timestamp, observer: &dyn Observer) -> Result<usize, BooksError> {
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            let today = self.settings().calendar.day_of(now);
            if policy.from > today {
                return Ok(0);
            }
            let known: BTreeSet<AlertKey> = snapshot.alerts()?.into_iter().map(|stored| stored.alert.key).collect();
            let mut count = 0_usize;
            for line in self.lines(&snapshot, &policy.budgets, today, today)?.0 {
                let new = thresholds(&line.budget).into_iter().filter(|part| !known.contains(&key(&line, *part)));
                for part in new {
                    if line.reaches(part)? {
                        count = count.saturating_add(1);
                    }
                }
            }
            Ok(count)
        })
    }

    fn found(&self, snapshot: &Snapshot<'_>, now: Timestamp) -> Result<Found, BooksError> {
        let stored = snapshot.policies(LIMITS)?;
        let known = snapshot.alerts()?.into_iter().map(|stored| stored.alert.key).collect();
        let today = self.settings().calendar.day_of(now);
        let policies = stored.iter().map(|policy| policy.entry).collect();
        let mut found = Found { reached: Vec::new(), blocking: Vec::new(), unpriced: Vec::new(), policies, known };
        if let Some(policy) = in_force(&stored, today) {
            let budgets = understood(policy)?.policy.budgets;
            for line in self.lines(snapshot, &budgets, today, today)?.0 {
                if line.blocks()? {
                    found.blocking.push(budget_sheet::name(&line));
                }
                if line.is_at_least() {
                    found.unpriced.push(budget_sheet::name(&line));
                }
                self.reached(snapshot, policy, &line, &mut found.reached)?;
            }
        }
        for per in Per::ALL {
            let Some(last) = containing(per, today).first().previous() else { continue };
            let Some(policy) = in_force(&stored, last).filter(|policy| self.was_recorded_by(policy, last)) else {
                continue;
            };
            let budgets: Vec<Budget> =
                understood(policy)?.policy.budgets.into_iter().filter(|budget| budget.per == per).collect();
            if budgets.is_empty() {
                continue;
            }
            for line in self.lines(snapshot, &budgets, last, today)?.0 {
                self.reached(snapshot, policy, &line, &mut found.reached)?;
            }
        }
        Ok(found)
    }

    /// Whether a policy was recorded before the end of a period that ends with a day.
    fn was_recorded_by(&self, policy: &StoredPolicy, last: Day) -> bool {
        last.next().is_none_or(|next| policy.at < self.settings().calendar.start_of(next))
    }

    fn reached(
        &self,
        snapshot: &Snapshot<'_>,
        policy: &StoredPolicy,
        line: &BudgetLine,
        all: &mut Vec<Reached>,
    ) -> Result<(), BooksError> {
        for part in thresholds(&line.budget) {
            if !line.reaches(part)? {
                continue;
            }
            let figure = Bound { most: line.figure(), ..line.bound }.plain();
            let alert = Alert { key: key(line, part), figure, seen: snapshot.head().entry, policy: policy.entry };
            let text = wording::first_line(&alert, &line.budget, self.ledgers());
            all.push(Reached { alert, text, blocks: block_at(&line.budget) == Some(part) });
        }
        Ok(())
    }

    /// Records what is new. `None` if limits were applied since the state was read.
    fn raise(&self, found: Found, act: Act<'_>, observer: &dyn Observer) -> Result<Option<BudgetCheck>, BooksError> {
        let Found { reached, blocking, unpriced, policies, known } = found;
        let is_news = |known: &BTreeSet<AlertKey>| reached.iter().any(|reached| !known.contains(&reached.alert.key));
        if !is_news(&known) {
            let head = self.head()?;
            return Ok(Some(BudgetCheck { raised: Vec::new(), blocking, blocks_anew: false, unpriced, head }));
        }
        let write = self.ledger.write(|| observer.waiting())?;
        if write.policies(LIMITS)?.iter().map(|policy| policy.entry).ne(policies.iter().copied()) {
            return Ok(None);
        }
        let known: BTreeSet<AlertKey> = write.alerts()?.into_iter().map(|stored| stored.alert.key).collect();
        let new: Vec<&Reached> = reached.iter().filter(|reached| !known.contains(&reached.alert.key)).collect();
        let alerts: Vec<Alert> = new.iter().map(|reached| reached.alert.clone()).collect();
        let mut raised = Vec::new();
        if alerts.is_empty() {
            // Another check was faster.
            drop(write);
        } else {
            let entry = write.append_alerts(&alerts, act.now, act.actor)?;
            write.commit()?;
            self.ledger.checkpoint()?;
            let named = (1_usize..).zip(&new).map(|(place, reached)| Raised {
                name: format!("{entry}.{place}"),
                alert: reached.alert.clone(),
                text: reached.text.clone(),
            });
            raised.extend(named);
        }
        let blocks_anew = new.iter().any(|reached| reached.blocks);
        Ok(Some(BudgetCheck { raised, blocking, blocks_anew, unpriced, head: self.head()? }))
    }

    /// Every alert, in the order of entries; of a period, those whose budget's period begins in it.
    pub fn alert_list(&self, period: Option<Period>) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let is_wanted = |stored: &StoredAlert| period.is_none_or(|period| period.contains(stored.alert.key.first_day));
        let currency = self.settings().currency;
        let alerts = snapshot.alerts()?;
        let rows = alerts.iter().filter(|stored| is_wanted(stored)).map(|stored| cells(stored, currency)).collect();
        let columns = vec![
            Column::text("alert"),
            Column::instant("raised_at"),
            Column::text("budget"),
            Column::text("subject"),
            Column::text("measure"),
            Column::day("first_day"),
            Column::day("last_day"),
            Column::percent("threshold"),
            Column::figure("used"),
            Column::text("unit"),
            Column::figure("limit"),
            Column::number("seen_at_entry"),
            Column::number("policy_entry"),
        ];
        let which = period.map_or_else(|| "all".to_owned(), |period| period.to_string());
        Ok(Sheet { heading: heading_of(&snapshot, "alerts", which)?, columns, rows, total: None })
    }
}

fn cells(stored: &StoredAlert, currency: Currency) -> Vec<Cell> {
    let AlertKey { budget, measure, subject, first_day, last_day, threshold, stated, .. } = &stored.alert.key;
    let is_amount = measure == Measure::Amount.name();
    let figure = |text: &str| {
        let amount = || Amount::parse(text).map(Cell::Exact).ok();
        let count = || text.parse().map(Cell::Count).ok();
        if is_amount { amount() } else { count() }.unwrap_or(Cell::Unknown("unreadable"))
    };
    vec![
        Cell::Text(format!("{}.{}", stored.entry, stored.place)),
        Cell::Instant(stored.at),
        Cell::Text(budget.clone()),
        Cell::filled(subject.clone()),
        Cell::Text(measure.clone()),
        Cell::Day(*first_day),
        Cell::Day(*last_day),
        Cell::Fixed { value: i128::from(*threshold), digits: 2 },
        figure(&stored.alert.figure),
        Cell::text(if is_amount { currency.code() } else { measure }),
        figure(stated),
        Cell::Count(stored.alert.seen.number().into()),
        Cell::Count(stored.alert.policy.number().into()),
    ]
}

/// The thresholds of a budget, ascending: those that it states, and the one from which on it refuses.
fn thresholds(budget: &Budget) -> BTreeSet<Part> {
    budget.alerts.iter().map(|threshold| threshold.at).chain(block_at(budget)).collect()
}

fn key(line: &BudgetLine, part: Part) -> AlertKey {
    AlertKey {
        budget: line.budget.common.name.to_string(),
        scope: line.budget.spelled_scope(),
        measure: line.bound.measure.name().to_owned(),
        subject: line.subject.clone().unwrap_or_default(),
        first_day: line.period.first(),
        last_day: line.period.last(),
        threshold: part.hundredths(),
        stated: line.bound.plain(),
    }
}

/// Alerts that their policy does not bear out: another budget, period, threshold or limit than it states.
pub(in crate::books) fn findings(snapshot: &Snapshot<'_>) -> Result<Vec<String>, LedgerError> {
    let stored = snapshot.policies(LIMITS)?;
    let mut findings = Vec::new();
    for alert in snapshot.alerts()? {
        let policy = stored.iter().find(|policy| policy.entry == alert.alert.policy);
        let is_borne_out = policy.is_some_and(|policy| {
            understood(policy)
                .is_ok_and(|read| read.policy.budgets.iter().any(|budget| bears_out(budget, &alert.alert.key)))
        });
        if !is_borne_out {
            let AlertKey { budget, .. } = &alert.alert.key;
            let (entry, place, policy) = (alert.entry, alert.place, alert.alert.policy);
            findings
                .push(format!("alert {entry}.{place} of {budget:?} is not what the policy of entry {policy} states"));
        }
    }
    Ok(findings)
}

fn bears_out(budget: &Budget, key: &AlertKey) -> bool {
    let period = containing(budget.per, key.first_day);
    budget.common.name.as_str() == key.budget
        && budget.spelled_scope() == key.scope
        && (period.first(), period.last()) == (key.first_day, key.last_day)
        && thresholds(budget).contains(&Part::of_hundredths(key.threshold))
        && budget.bounds.iter().any(|bound| bound.measure.name() == key.measure && bound.plain() == key.stated)
        && budget.common.each.is_some() != key.subject.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::policy::read;
    use crate::domain::period::day;
    use std::error::Error;

    const POLICY: &str = "document = \"limits/1\"\nfrom = \"2026-10-01\"\nadmission = { unpriced = \"allow\", unknown_department = \
        \"allow\", on_failure = \"allow\", output_unknown = 1 }\nbudget = [\n\
        { name = \"a\", department = \"x\", per = \"month\", amount = \"5\", tokens = 9, enforce = \"block\", block_at = \"95%\", \
        alert = [{ at = \"50%\", to = [] }] },\n\
        { name = \"b\", each = \"model\", per = \"day\", tokens = 5, enforce = \"warn\", alert = [{ at = \"80%\", to = [] }] },\n]\n";

    #[test]
    fn only_what_a_policy_states_is_borne_out() -> Result<(), Box<dyn Error>> {
        let budgets = read::policy(POLICY).map_err(|problems| format!("{problems:?}"))?.policy.budgets;
        let is_borne_out = |key: &AlertKey| budgets.iter().any(|budget| bears_out(budget, key));
        let own = AlertKey {
            budget: "a".to_owned(),
            scope: "department \"x\"".to_owned(),
            measure: "amount".to_owned(),
            subject: String::new(),
            first_day: day("2026-11-01")?,
            last_day: day("2026-11-30")?,
            threshold: 5_000,
            stated: "5".to_owned(),
        };
        let tokens = AlertKey { measure: "tokens".to_owned(), stated: "9".to_owned(), ..own.clone() };
        let of_each = AlertKey {
            budget: "b".to_owned(),
            scope: String::new(),
            measure: "tokens".to_owned(),
            subject: "m".to_owned(),
            first_day: day("2026-11-05")?,
            last_day: day("2026-11-05")?,
            threshold: 8_000,
            stated: "5".to_owned(),
        };
        for stated in [&own, &AlertKey { threshold: 9_500, ..own.clone() }, &tokens, &of_each] {
            assert!(is_borne_out(stated), "{stated:?}");
        }
        let wrong = [
            AlertKey { budget: "b".to_owned(), ..own.clone() },
            AlertKey { scope: String::new(), ..own.clone() },
            AlertKey { measure: "requests".to_owned(), ..own.clone() },
            AlertKey { measure: "tokens".to_owned(), ..own.clone() },
            AlertKey { subject: "m".to_owned(), ..own.clone() },
            AlertKey { first_day: day("2026-11-02")?, ..own.clone() },
            AlertKey { last_day: day("2026-11-29")?, ..own.clone() },
            AlertKey { threshold: 5_001, ..own.clone() },
            AlertKey { threshold: 9_500, ..of_each.clone() },
            AlertKey { stated: "6".to_owned(), ..own.clone() },
            AlertKey { subject: String::new(), ..of_each.clone() },
            AlertKey { last_day: day("2026-11-06")?, ..of_each },
        ];
        for key in wrong {
            assert!(!is_borne_out(&key), "{key:?}");
        }
        Ok(())
    }
}
