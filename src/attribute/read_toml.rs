//! Rules as TOML: one table `[[rule]]` for each rule, in their order.
//!
//! ```toml
//! [[rule]]
//! name = "shared key"
//! equals = { "tag.api_key" = "key_shared" }
//! prefix = { model = "gpt-" }
//! override = true
//! share = [
//!     { department = "Marketing", weight = "1/3" },
//!     { department = "Engineering", project = "Search", weight = "2/3" },
//! ]
//! ```
//!
//! A rule with a single payer may name it directly: `department = "Marketing"`.

use crate::attribute::read::{Draft, DraftShare, not_a_weight, subject, weight};
use crate::domain::name::TagValue;
use crate::domain::rule::{Condition, Operator, Payer, Precedence};
use crate::text::problem::{Problem, excerpt};
use crate::text::toml_table::{Section, TomlValue};
use std::collections::BTreeSet;

const PAYER: [&str; 3] = ["department", "project", "environment"];

/// The rules of a file.
pub(super) fn drafts(text: &str) -> Result<Vec<Draft>, Vec<Problem>> {
    let document = Section::parse(text)?;
    let file = Section::of_document(text, document.get_ref());
    let mut problems = file.unknown_keys(&["rule"]);
    let mut drafts = Vec::new();
    let tables = file.tables("rule", "[[rule]] above each rule").map_err(|problem| vec![problem])?;
    for (number, table) in (1..).zip(tables) {
        match draft(table, number) {
            Ok(draft) => drafts.push(draft),
            Err(problem) => problems.push(problem),
        }
    }
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(drafts) } else { Err(problems) }
}

fn draft(table: Section<'_>, number: usize) -> Result<Draft, Problem> {
    let table = table.labelled(format!("rule {number}"));
    let name = table.required("name", "a name for the rule", name)?;
    let table = table.labelled(format!("rule {}", excerpt(name.as_str())));
    let known = ["name", "override", "share"].into_iter().chain(PAYER).chain(Operator::ALL.map(Operator::name));
    table.no_unknown_keys(&known.collect::<Vec<_>>())?;
    let mut conditions = BTreeSet::new();
    for operator in Operator::ALL {
        let Some(of_operator) = table.table(operator.name())? else { continue };
        let condition = |key: &str, value: &TomlValue<'_>| {
            let subject = subject(key).map_err(|(what, expected)| value.key_problem(what, expected))?;
            Ok(Condition { subject, operator, value: self::name(value)? })
        };
        conditions.extend(of_operator.entries(condition)?);
    }
    let precedence = table.optional("override", precedence)?;
    Ok(Draft { name, line: table.line(), conditions, precedence, shares: shares(&table)? })
}

fn shares(table: &Section<'_>) -> Result<Vec<DraftShare>, Problem> {
    let own = payer(table)?;
    let mut shares = Vec::new();
    for share in table.tables("share", "share = [{ department = \"…\", weight = \"1/3\" }, …]")? {
        share.no_unknown_keys(&[&PAYER[..], &["weight"]].concat())?;
        let read = |value: &TomlValue<'_>| {
            let text = value.number()?;
            weight(&text).ok_or_else(|| not_a_weight("weight", &text).at(value.line()))
        };
        let weight = share.optional("weight", read)?;
        shares.push(DraftShare { line: share.line(), payer: payer(&share)?, weight });
    }
    match (own.is_nobody(), shares.is_empty()) {
        (true, _) => Ok(shares),
        (false, true) => Ok(vec![DraftShare { line: table.line(), payer: own, weight: None }]),
        (false, false) => {
            Err(table.problem("share", "is given together with a payer", "one payer, or shares of several"))
        }
    }
}

fn precedence(value: &TomlValue<'_>) -> Result<Precedence, Problem> {
    Ok(if value.flag()? { Precedence::Rule } else { Precedence::Tags })
}

fn payer(table: &Section<'_>) -> Result<Payer, Problem> {
    Ok(Payer {
        department: table.optional("department", name)?,
        project: table.optional("project", name)?,
        environment: table.optional("environment", name)?,
    })
}

fn name(value: &TomlValue<'_>) -> Result<TagValue, Problem> {
    TagValue::new(value.text()?).map_err(|error| value.problem(error, "a name without spaces around it"))
}
