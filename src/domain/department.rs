//! A department of the registry: its cost centre and account, its owner, and the days on which it pays.

use crate::domain::calendar::Day;
use crate::domain::name::{TagValue, look};
use crate::domain::period::Period;
use std::collections::BTreeMap;

/// A department of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Department {
    /// Its name, as usage and rules must spell it.
    pub name: TagValue,
    /// Its cost centre.
    pub cost_centre: Option<TagValue>,
    /// The person or team responsible for it.
    pub owner: Option<TagValue>,
    /// The account of the general ledger that receives its cost.
    pub account: Option<TagValue>,
    /// The first day it pays; `None` if it always did.
    pub active_from: Option<Day>,
    /// The last day it pays; `None` if it still pays.
    pub active_to: Option<Day>,
}

impl Department {
    /// Whether it pays on at least one day of a period.
    pub fn is_active_within(&self, period: Period) -> bool {
        self.active_from.is_none_or(|from| from <= period.last())
            && self.active_to.is_none_or(|to| to >= period.first())
    }
}

/// The registry: all departments, by name. Without a registry, every name is a department.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    departments: BTreeMap<String, Department>,
    /// Maps a name without case, spacing and look-alike letters to the registered name.
    looks: BTreeMap<String, String>,
}

impl Registry {
    /// Departments in the order of their import. A later department replaces an earlier one with the same name.
    pub fn new(departments: impl IntoIterator<Item = Department>) -> Self {
        let mut registry = Self::default();
        departments.into_iter().for_each(|department| registry.insert(department));
        registry
    }

    /// Adds a department. It replaces one with the same name.
    pub fn insert(&mut self, department: Department) {
        let name = department.name.to_string();
        self.looks.entry(look(&name)).or_insert_with(|| name.clone());
        self.departments.insert(name, department);
    }

    /// Whether there is no registry.
    pub fn is_empty(&self) -> bool {
        self.departments.is_empty()
    }

    /// The department with exactly this name.
    pub fn get(&self, name: &str) -> Option<&Department> {
        self.departments.get(name)
    }

    /// The departments in the order of their names.
    pub fn departments(&self) -> impl ExactSizeIterator<Item = &Department> {
        self.departments.values()
    }

    /// Whether a registry exists and does not have this name.
    pub fn lacks(&self, name: &str) -> bool {
        !self.is_empty() && !self.departments.contains_key(name)
    }

    /// The department whose name looks like another name: different case, spacing, or letters that look alike.
    pub fn looking_like(&self, name: &str) -> Option<&str> {
        self.looks.get(&look(name)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn department(name: &str, from: Option<i64>, to: Option<i64>) -> Option<Department> {
        Some(Department {
            name: TagValue::new(name).ok()?,
            cost_centre: None,
            owner: None,
            account: None,
            active_from: from.and_then(Day::from_number),
            active_to: to.and_then(Day::from_number),
        })
    }

    #[test]
    fn a_name_is_known_as_it_is_spelled() {
        let registry =
            Registry::new([department("Finance", None, None), department("Legal", None, None)].into_iter().flatten());
        assert!(!registry.lacks("Finance"));
        for other in ["finance", "Fin ance", "F\u{456}nance"] {
            assert!(registry.lacks(other));
            assert_eq!(registry.looking_like(other), Some("Finance"), "{other}");
        }
        assert_eq!(registry.looking_like("Sales"), None);
        assert!(!Registry::default().lacks("anything"), "without a registry every name is one");
    }

    #[test]
    fn the_last_active_day_is_included() {
        let Some((first, last)) = Day::from_number(20_000).zip(Day::from_number(20_030)) else { return };
        let period = Period::between(first, last);
        let active = |from, to| department("a", from, to).map(|one| one.is_active_within(period));
        assert_eq!(active(None, None), Some(true));
        assert_eq!(active(None, Some(20_000)), Some(true));
        assert_eq!(active(None, Some(19_999)), Some(false));
        assert_eq!(active(Some(20_030), None), Some(true));
        assert_eq!(active(Some(20_031), None), Some(false));
    }
}
