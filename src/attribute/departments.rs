//! The registry of departments as a CSV: `department,cost_centre,owner,account,active_from,active_to`.
//!
//! The reader rejects two names that differ only in case, spacing or letters that look alike. One of them is a mistake,
//! and a registry exists to show which name is right.

use crate::domain::calendar::Day;
use crate::domain::department::{Department, Registry};
use crate::domain::name::TagValue;
use crate::domain::period;
use crate::text::problem::{Problem, excerpt, nearest};
use crate::text::table::{Table, TableRow};
use std::collections::BTreeMap;

const REQUIRED: [&str; 1] = ["department"];
const OPTIONAL: [&str; 5] = ["cost_centre", "owner", "account", "active_from", "active_to"];

/// A department with its line in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDepartment {
    /// The line, from 1.
    pub line: u64,
    /// The department.
    pub department: Department,
}

/// Reads departments to add to a registry.
pub fn departments(bytes: &[u8], known: &Registry) -> Result<Vec<ListedDepartment>, Vec<Problem>> {
    let table = Table::read(bytes, &REQUIRED, &OPTIONAL)?;
    let (mut listed, mut problems) = (Vec::new(), Vec::new());
    let mut lines: BTreeMap<TagValue, u64> = BTreeMap::new();
    let mut registry = known.clone();
    for row in table.rows() {
        match department(&table, row).and_then(|department| is_new(&department, &registry, &lines).map(|()| department))
        {
            Ok(department) => {
                lines.insert(department.name.clone(), row.line);
                registry.insert(department.clone());
                listed.push(ListedDepartment { line: row.line, department });
            }
            Err(problem) => problems.push(problem.at(row.line)),
        }
    }
    if listed.is_empty() && problems.is_empty() {
        problems.push(Problem::line("the file contains no departments", "at least one row below the header"));
    }
    if problems.is_empty() { Ok(listed) } else { Err(problems) }
}

fn department(table: &Table, row: &TableRow) -> Result<Department, Problem> {
    let get = |column| table.get(row, column);
    let name = |column: &'static str| {
        TagValue::new(get(column))
            .map_err(|error| Problem::value(column, get(column), error, "a name without spaces around it"))
    };
    let optional = |column: &'static str| if get(column).is_empty() { Ok(None) } else { name(column).map(Some) };
    let department = Department {
        name: name("department")?,
        cost_centre: optional("cost_centre")?,
        owner: optional("owner")?,
        account: optional("account")?,
        active_from: day("active_from", get("active_from"))?,
        active_to: day("active_to", get("active_to"))?,
    };
    match (department.active_from, department.active_to) {
        (Some(from), Some(to)) if from > to => {
            let what = format!("is before active_from, {from}");
            Err(Problem::value("active_to", get("active_to"), what, "the last day, or nothing"))
        }
        _ => Ok(department),
    }
}

fn day(column: &'static str, text: &str) -> Result<Option<Day>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    period::day(text)
        .map(Some)
        .map_err(|error| Problem::value(column, text, error, "a date such as 2026-10-01, or nothing"))
}

fn is_new(department: &Department, registry: &Registry, lines: &BTreeMap<TagValue, u64>) -> Result<(), Problem> {
    let name = department.name.as_str();
    if let Some(line) = lines.get(&department.name) {
        return Err(Problem::value("department", name, format!("is on line {line} already"), "each department once"));
    }
    match registry.looking_like(name) {
        Some(other) if other != name => {
            let what = format!("looks like {}, which is a different name", excerpt(other));
            Err(Problem::value("department", name, what, "one spelling of a department"))
        }
        _ => Ok(()),
    }
}

/// The problem with a department's name that the registry lacks, with the name that was probably meant.
pub fn unregistered(name: &str, registry: &Registry) -> Option<Problem> {
    if !registry.lacks(name) {
        return None;
    }
    let known = || registry.departments().map(|department| department.name.as_str());
    let near = registry.looking_like(name).or_else(|| nearest(name, known()));
    let expected =
        near.map_or_else(|| "a department of the registry (see `tokenbook departments list`)".to_owned(), excerpt);
    Some(Problem::value("department", name, "is not in the registry of departments", expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, known: &Registry) -> Result<Registry, String> {
        let listed = departments(text.as_bytes(), known)
            .map_err(|problems| problems.iter().map(|problem| problem.in_file("f")).collect::<Vec<_>>().join("\n"))?;
        Ok(Registry::new(known.departments().cloned().chain(listed.into_iter().map(|listed| listed.department))))
    }

    #[test]
    fn a_later_import_replaces_by_name() -> Result<(), String> {
        let first = read("department,cost_centre\nFinance,100\nLegal,200\n", &Registry::default())?;
        let second = read("owner,department,cost_centre\nAda,Legal,300\n", &first)?;
        let centre = |name: &str| {
            second.get(name).and_then(|department| department.cost_centre.as_ref()).map(TagValue::to_string)
        };
        assert_eq!((centre("Finance").as_deref(), centre("Legal").as_deref()), (Some("100"), Some("300")));
        Ok(())
    }

    #[test]
    fn what_is_no_department_is_named_with_its_line() {
        let known = read("department\nFinance\n", &Registry::default()).unwrap_or_default();
        let cases = [
            ("department\n", "f: the file contains no departments, expected at least one row below the header"),
            (
                "department\nfinance\n",
                "f:2: department: \"finance\" looks like \"Finance\", which is a different name, expected one spelling of a department",
            ),
            ("department\nF\u{456}nance\n", "looks like \"Finance\""),
            (
                "department\nSales\nSales\n",
                "f:3: department: \"Sales\" is on line 2 already, expected each department once",
            ),
            ("department\nSales\nsales\n", "f:3: department: \"sales\" looks like \"Sales\""),
            (
                "department\n Sales\n",
                "f:2: department: \" Sales\" starts or ends with white space, expected a name without spaces around it",
            ),
            ("department\n(unallocated)\n", "is a name reserved for reports"),
            (
                "department,active_from,active_to\nSales,2026-10-02,2026-10-01\n",
                "f:2: active_to: \"2026-10-01\" is before active_from, 2026-10-02",
            ),
            ("department,active_from\nSales,soon\n", "f:2: active_from: \"soon\""),
            (
                "department,cost_center\nSales,1\n",
                "f:1: cost_center: is not a column of this file, expected cost_centre",
            ),
        ];
        for (text, expected) in cases {
            let found = read(text, &known).err().unwrap_or_default();
            assert!(found.contains(expected), "{text:?}: {found}");
        }
    }
}
