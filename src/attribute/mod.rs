//! Decides who pays, from what the log reports: rules on tags, models, providers and sources.
//!
//! Attribution happens when a report is made, and nothing of it is stored. Events stay as recorded, rules are separate
//! facts, and a report derives the payers from both. A day uses the rules in force on it, so a new set of rules changes
//! no earlier day. Usage without a payer is unallocated: reports show and count it, and no one pays for it.
#![deny(clippy::indexing_slicing, clippy::as_conversions)]

pub mod departments;
pub mod matching;
pub mod read;
mod read_toml;
pub mod split;

use crate::domain::calendar::Day;
use crate::domain::period::Period;
use crate::domain::rule::{RuleSet, Share};
use std::collections::BTreeMap;

/// The rules of a ledger, by the first day of each set. A set applies until the day on which the next one starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules(BTreeMap<Day, RuleSet>);

impl Rules {
    /// Sets in the order of their import. A later set with the same day replaces an earlier one.
    pub fn new(sets: impl IntoIterator<Item = (Day, RuleSet)>) -> Self {
        Self(sets.into_iter().collect())
    }

    /// One set for all days.
    pub fn always(set: RuleSet) -> Self {
        Self(BTreeMap::from([(Day::FIRST, set)]))
    }

    /// Whether there are no rules at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules in force on a day, and the day on which they started.
    pub fn in_force(&self, day: Day) -> Option<(Day, &RuleSet)> {
        self.0.range(..=day).next_back().map(|(start, set)| (*start, set))
    }

    /// Who pays for usage of a day, each with its part of the whole.
    pub fn shares(&self, day: Day, usage: matching::Usage<'_>) -> Vec<Share> {
        match self.in_force(day) {
            Some((_, rules)) => matching::decide(rules, usage).shares(usage.tags),
            None => matching::Decision::NoRule.shares(usage.tags),
        }
    }

    /// The sets in the order of their starts.
    pub fn sets(&self) -> impl ExactSizeIterator<Item = (Day, &RuleSet)> {
        self.0.iter().map(|(start, set)| (*start, set))
    }

    /// Whether the set that starts on a day is in force on at least one day of a period.
    pub fn holds_within(&self, start: Day, period: Period) -> bool {
        let next = self.0.range(start..).nth(1).map(|(next, _)| *next);
        start <= period.last() && next.is_none_or(|next| next > period.first())
    }

    /// Whether a period's totals by month and payer are enough. Within each month the rules must stay the same, examine
    /// only payers, models and sources, and divide nothing. Dividing a month's total gives another result than dividing
    /// each day's total.
    pub fn are_of_months(&self, period: Period) -> bool {
        let starts_inside = self.0.keys().any(|start| period.contains(*start) && *start != start.month().first());
        let in_force = self.in_force(period.first()).into_iter().map(|(_, set)| set);
        let starting = self.0.range(period.first()..=period.last()).map(|(_, set)| set);
        let coarse = |set: &RuleSet| {
            set.rules().iter().all(|rule| {
                !rule.shares.are_several()
                    && rule.conditions.iter().all(|condition| condition.subject.is_of_payer_or_model())
            })
        };
        !starts_inside && in_force.chain(starting).all(coarse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::department::Registry;

    /// Rules with the conditions or weights of a key, starting on days of 2026.
    fn rules(sets: &[(&str, &str)]) -> Rules {
        let set = |(start, lines): &(&str, &str)| {
            let text = format!("rule,key,value,department,weight\n{lines}");
            Some((crate::domain::period::day(start).ok()?, read::rules(text.as_bytes(), &Registry::default()).ok()?))
        };
        Rules::new(sets.iter().filter_map(set))
    }

    #[test]
    fn monthly_sums_are_enough_only_where_rules_need_no_more() -> Result<(), crate::domain::period::PeriodError> {
        let (coarse, tagged) = ("a,model,m,X,\nb,department,Y,X,\n", "a,tag.team,t,X,\n");
        let divided = "a,model,m,X,1/2\na,,,Y,1/2\n";
        let cases: [(&[(&str, &str)], bool); 8] = [
            (&[], true),
            (&[("2026-01-01", coarse)], true),
            (&[("2026-10-01", coarse)], true),
            (&[("2026-10-02", coarse)], false),
            (&[("2026-01-01", tagged)], false),
            (&[("2026-01-01", divided)], false),
            (&[("2026-01-01", tagged), ("2026-10-01", coarse)], true),
            (&[("2026-01-01", coarse), ("2026-11-01", tagged)], true),
        ];
        let period = Period::parse("2026-10")?;
        for (sets, expected) in cases {
            let rules = rules(sets);
            assert_eq!(rules.sets().len(), sets.len(), "{sets:?}");
            assert_eq!(rules.are_of_months(period), expected, "{sets:?}");
        }
        Ok(())
    }

    #[test]
    fn a_set_holds_until_the_next_one() {
        let rules = rules(&[("2026-01-01", "a,model,m,X,\n"), ("2026-10-15", "b,model,m,X,\n")]);
        let holds = |start: &str, period: &str| {
            crate::domain::period::day(start)
                .ok()
                .zip(Period::parse(period).ok())
                .map(|(s, p)| rules.holds_within(s, p))
        };
        assert_eq!(holds("2026-01-01", "2026-10"), Some(true));
        assert_eq!(holds("2026-10-15", "2026-10"), Some(true));
        assert_eq!(holds("2026-01-01", "2026-11"), Some(false));
        assert_eq!(holds("2026-01-01", "2025-12"), Some(false));
        assert_eq!(holds("2026-01-01", "2026-10-15..2026-10-16"), Some(false));
    }
}
