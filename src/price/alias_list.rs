//! Lists of model aliases, `alias,provider,model,model_provider,valid_from,note`: the list that comes with tokenbook and the lists of
//! users.

use crate::domain::calendar::Calendar;
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::price::alias::{AliasKey, AliasRow, EVERY, Target};
use crate::price::read::valid_from;
use crate::text::problem::Problem;
use crate::text::table::{Table, TableRow};
use std::collections::BTreeMap;

/// Names of the main vendors' models, from public catalogues as of 2026-11-23. `fixtures/aliases` describes their
/// sources. They apply in a ledger only after an import.
pub const SHIPPED: &str = include_str!("../../fixtures/aliases/vendors-2026-11-23.csv");
/// The name of the shipped list, in place of a file's name.
pub const SHIPPED_NAME: &str = "(aliases as of 2026-11-23)";

const REQUIRED: [&str; 3] = ["alias", "model", "valid_from"];
const OPTIONAL: [&str; 3] = ["provider", "model_provider", "note"];

/// An alias with its line in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAlias {
    /// The line, from 1.
    pub line: u64,
    /// The alias.
    pub row: AliasRow,
}

/// Reads a list of aliases. Dates are days in the calendar.
pub fn alias_list(bytes: &[u8], calendar: Calendar) -> Result<Vec<ListedAlias>, Vec<Problem>> {
    let table = Table::read(bytes, &REQUIRED, &OPTIONAL)?;
    let (mut kept, mut problems) = (Vec::new(), Vec::new());
    let mut first: BTreeMap<(AliasKey, Timestamp), (u64, Option<Target>)> = BTreeMap::new();
    for row in table.rows() {
        let alias = match alias(&table, row, calendar) {
            Ok(alias) => alias,
            Err(problem) => {
                problems.push(problem.at(row.line));
                continue;
            }
        };
        match first.get(&(alias.key.clone(), alias.valid_from)) {
            None => {
                first.insert((alias.key.clone(), alias.valid_from), (row.line, alias.target.clone()));
                kept.push(ListedAlias { line: row.line, row: alias });
            }
            Some((_, target)) if *target == alias.target => {}
            Some((line, _)) => {
                let what = format!("contradicts line {line}, which has the same alias and start for another model");
                problems.push(Problem::field("model", what, "one model for an alias and a start").at(row.line));
            }
        }
    }
    if kept.is_empty() && problems.is_empty() {
        problems.push(Problem::line("the file contains no aliases", "at least one row below the header"));
    }
    if problems.is_empty() { Ok(kept) } else { Err(problems) }
}

fn alias(table: &Table, row: &TableRow, calendar: Calendar) -> Result<AliasRow, Problem> {
    let get = |column| table.get(row, column);
    let name = |column: &'static str, expected: &str| {
        Name::new(get(column)).map_err(|error| Problem::value(column, get(column), error, expected))
    };
    let alias = name("alias", "the name of a model in the usage")?;
    let optional = |column: &'static str| {
        if get(column).is_empty() { Ok(None) } else { name(column, "a provider, or nothing").map(Some) }
    };
    let (provider, model_provider) = (optional("provider")?, optional("model_provider")?);
    let target = match get("model") {
        "-" if model_provider.is_some() => {
            return Err(Problem::field("model_provider", "has no meaning where the alias ends", "nothing"));
        }
        "-" => None,
        _ => {
            let expected = "the name of a model in the prices, or - to end the alias";
            Some(Target { model: name("model", expected)?, provider: model_provider })
        }
    };
    let row =
        AliasRow { key: AliasKey { alias, provider }, valid_from: valid_from(get("valid_from"), calendar)?, target };
    check(&row)?;
    Ok(row)
}

/// Rejects an alias that stands for itself, and an alias of every model that does not lead from one provider to
/// another.
fn check(row: &AliasRow) -> Result<(), Problem> {
    let AliasRow { key: AliasKey { alias, provider }, target, .. } = row;
    let is_every = |name: &Name| name.as_str() == EVERY;
    if is_every(alias) && provider.is_none() {
        return Err(Problem::field("provider", "is missing for an alias of every model", "the provider of the usage"));
    }
    let Some(target) = target else { return Ok(()) };
    if is_every(alias) != is_every(&target.model) {
        let expected = "* for alias and model: every model of a provider has the prices of the same name of another";
        return Err(Problem::value("model", target.model.as_str(), "does not fit the alias", expected));
    }
    match &target.provider {
        None if target.model == *alias => {
            let expected = "the name that has prices, or model_provider: the provider whose prices apply";
            Err(Problem::value("model", alias.as_str(), "is the same as the alias", expected))
        }
        Some(of_prices) if Some(of_prices) == provider.as_ref() => {
            let expected = "nothing, or the provider whose prices apply";
            Err(Problem::value("model_provider", of_prices.as_str(), "is the provider of the usage", expected))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &str) -> Result<usize, String> {
        let calendar = Calendar::of_zone("UTC").map_err(|error| error.to_string())?;
        let read = alias_list(format!("alias,provider,model,valid_from\n{rows}").as_bytes(), calendar);
        let lines = |problems: Vec<Problem>| problems.iter().map(|p| p.in_file("f")).collect::<Vec<_>>().join("\n");
        read.map(|rows| rows.len()).map_err(lines)
    }

    #[test]
    fn the_shipped_list_is_read_and_stands_for_names_that_are_no_alias_of_the_same_provider() -> Result<(), String> {
        let calendar = Calendar::of_zone("UTC").map_err(|error| error.to_string())?;
        let rows = alias_list(SHIPPED.as_bytes(), calendar).map_err(|problems| format!("{problems:?}"))?;
        assert!(rows.len() > 200, "{}", rows.len());
        let keys: Vec<&AliasKey> = rows.iter().map(|listed| &listed.row.key).collect();
        for listed in &rows {
            let AliasRow { key, target, .. } = &listed.row;
            let model = target.as_ref().map(|target| &target.model);
            let chained = |other: &&AliasKey| Some(&other.alias) == model && other.provider == key.provider;
            assert!(!keys.iter().any(chained), "{key:?} stands for an alias");
            assert!(key.provider.is_some(), "{key:?} holds for any provider");
        }
        let snapshot = rows.iter().find(|listed| listed.row.key.alias.as_str() == "gpt-4o-2024-08-06");
        assert_eq!(
            snapshot.and_then(|listed| listed.row.target.as_ref()).map(|target| target.model.as_str()),
            Some("gpt-4o")
        );
        Ok(())
    }

    #[test]
    fn a_wrong_alias_is_named_by_its_line() {
        assert_eq!(read("a,,b,2026-01-01\na,,b,2026-01-01\na,p,c,2026-01-01\na,,-,2026-02-01\n"), Ok(3));
        let cases = [
            (
                "a,,a,2026-01-01\n",
                "f:2: model: \"a\" is the same as the alias, expected the name that has prices, or model_provider: the provider whose prices apply",
            ),
            (",,b,2026-01-01\n", "f:2: alias: is empty, expected the name of a model in the usage"),
            (
                "a,,b,2026-01-01\na,,c,2026-01-01T00:00:00Z\n",
                "f:3: model: contradicts line 2, which has the same alias and start for another model, expected one model for an alias and a start",
            ),
            ("", "f: the file contains no aliases, expected at least one row below the header"),
        ];
        for (rows, expected) in cases {
            assert_eq!(read(rows), Err(expected.to_owned()));
        }
        let with_provider = |row: &str| {
            let calendar = Calendar::of_zone("UTC").map_err(|error| error.to_string())?;
            let list = format!("alias,provider,model,model_provider,valid_from\n{row},2026-01-01\n");
            let read = alias_list(list.as_bytes(), calendar);
            read.map(|rows| rows.len()).map_err(|problems| problems.iter().map(|p| p.in_file("f")).collect())
        };
        for right in ["a,cloud,a,maker", "a,,a,maker", "a,cloud,b,maker", "*,cloud,*,maker", "*,cloud,-,"] {
            assert_eq!(with_provider(right), Ok(1), "{right}");
        }
        let wrong = [
            ("a,cloud,a,", "f:2: model: \"a\" is the same as the alias"),
            ("a,cloud,a,cloud", "f:2: model_provider: \"cloud\" is the provider of the usage"),
            ("a,cloud,-,maker", "f:2: model_provider: has no meaning where the alias ends"),
            ("*,,*,maker", "f:2: provider: is missing for an alias of every model"),
            ("*,cloud,b,maker", "f:2: model: \"b\" does not fit the alias"),
            ("a,cloud,*,maker", "f:2: model: \"*\" does not fit the alias"),
            ("*,cloud,*,", "f:2: model: \"*\" is the same as the alias"),
        ];
        for (row, says) in wrong {
            let said = with_provider(row);
            assert!(said.as_ref().is_err_and(|said: &String| said.starts_with(says)), "{row}: {said:?}");
        }
        assert!(read("a,,b,\n").is_err_and(|error| error.starts_with("f:2: valid_from: ")));
    }
}
