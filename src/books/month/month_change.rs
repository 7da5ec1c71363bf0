//! Compares the reports of a month with the earlier ones in its folder, and lists the causes that the ledger shows.
//!
//! The manifest in the folder has the earlier amounts and the ledger's entry at that time. Everything recorded after
//! that entry is listed as a cause. It does not state how much of the difference each cause made.

use crate::books::month::manifest::Earlier;
use crate::domain::number::EntryId;
use crate::ledger::proof::since::Since;
use crate::sheet::{Cell, Sheet};
use crate::text::problem::{counted, listed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The totals of a month's reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// All departments together.
    pub all: Owed,
    /// Each department.
    pub departments: BTreeMap<String, Owed>,
}

/// What was used and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Events; `None` if there are parts of events.
    pub events: Option<i64>,
    /// The amount with all its decimals; empty if nothing has a price.
    pub amount_exact: String,
    /// The amount as the reports round it.
    pub amount: String,
}

impl Totals {
    /// The totals of a chargeback by department.
    pub fn of(sheet: &Sheet) -> Self {
        let owed = |row: &[Cell]| {
            let cell = |name: &str| {
                let place = sheet.columns.iter().position(|column| column.name == name);
                place.and_then(|place| row.get(place))
            };
            let text = |name: &str| cell(name).map(Cell::plain).unwrap_or_default();
            let events = match cell("events") {
                Some(Cell::Count(events)) => i64::try_from(*events).ok(),
                _ => None,
            };
            Owed { events, amount_exact: text("amount_exact"), amount: text("amount") }
        };
        let department = |row: &Vec<Cell>| Some((row.first().map(Cell::plain)?, owed(row)));
        Self {
            all: owed(sheet.total.as_deref().unwrap_or_default()),
            departments: sheet.rows.iter().filter_map(department).collect(),
        }
    }
}

/// How the reports of a month changed since the earlier ones in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthChange {
    /// The ledger's entry at the time of the earlier reports.
    pub entry: EntryId,
    /// The earlier totals.
    pub before: Totals,
    /// The new totals.
    pub now: Totals,
    /// The causes, as far as the ledger shows them.
    pub causes: Vec<String>,
}

impl MonthChange {
    /// The change since the reports of an earlier manifest, with what the ledger recorded afterwards. `None` if every
    /// department owes the same.
    pub(in crate::books) fn since(earlier: Option<&Earlier>, recorded: Option<Since>, now: Totals) -> Option<Self> {
        let earlier = earlier?;
        let before = earlier.totals.clone().filter(|before| *before != now)?;
        let mut causes = match recorded {
            Some(since) => recorded_causes(since, &before, &now),
            None => {
                vec!["the earlier reports come from another ledger, or from a later state of this one".to_owned()]
            }
        };
        let version = env!("CARGO_PKG_VERSION");
        if earlier.tokenbook != version {
            causes.push(format!("tokenbook {} made the earlier reports, and {version} these", earlier.tokenbook));
        }
        if causes.is_empty() {
            causes.push("no entry of the ledger explains it: run `tokenbook verify`".to_owned());
        }
        Some(Self { entry: earlier.ledger_entry, before, now, causes })
    }

    /// The departments whose amount or number of events changed.
    pub fn departments(&self) -> Vec<(&str, Option<&Owed>, Option<&Owed>)> {
        let names = self.before.departments.keys().chain(self.now.departments.keys());
        let names: BTreeSet<&String> = names.collect();
        let both = |name| (self.before.departments.get(name), self.now.departments.get(name));
        names
            .into_iter()
            .map(|name| (name.as_str(), both(name)))
            .filter(|(_, (before, now))| before != now)
            .map(|(name, (before, now))| (name, before, now))
            .collect()
    }
}

fn recorded_causes(since: Since, before: &Totals, now: &Totals) -> Vec<String> {
    let mut causes = Vec::new();
    if since.prices_replaced > 0 {
        causes.push(listed(since.prices_replaced, "price replaced", "prices replaced"));
    }
    if since.prices_added > 0 {
        causes.push(listed(since.prices_added, "price added", "prices added"));
    }
    if since.aliases > 0 {
        causes.push(counted(since.aliases, "alias imported", "aliases imported"));
    }
    if since.retractions > 0 {
        causes.push(counted(since.retractions, "retraction", "retractions"));
    }
    if since.rule_sets > 0 {
        causes.push("rules changed".to_owned());
    }
    match (before.all.events.map(i128::from), now.all.events.map(i128::from)) {
        (Some(before), Some(now)) if now > before => causes.push(counted(now - before, "new event", "new events")),
        (Some(before), Some(now)) if now < before => causes.push(counted(before - now, "event fewer", "events fewer")),
        _ => {}
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(events: Option<i64>) -> Totals {
        let all = Owed { events, amount_exact: "1".to_owned(), amount: "1.00".to_owned() };
        Totals { all, departments: BTreeMap::new() }
    }

    #[test]
    fn a_number_of_events_that_is_not_known_is_no_cause() {
        let causes = |before, now| recorded_causes(Since::default(), &totals(before), &totals(now));
        assert_eq!(causes(Some(3), Some(5)), ["2 new events"]);
        assert_eq!(causes(Some(5), Some(4)), ["1 event fewer"]);
        for (before, now) in [(None, Some(5)), (Some(5), None), (None, None), (Some(5), Some(5))] {
            assert_eq!(causes(before, now), Vec::<String>::new(), "{before:?} {now:?}");
        }
    }
}
