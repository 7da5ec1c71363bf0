//! Reads rules from a file: a CSV with one line for each condition or share, or TOML with one table for each rule. The
//! first character decides which.
//!
//! A CSV has the columns `rule,key,operator,value,department,project,environment,weight,override`. Lines of one rule
//! stand together. A line may hold a condition, a share, or both. Weights are exact (`1/3`, `25%`, `0.25`) and must add
//! up to exactly 1. The reader rejects three times 33.33%, because nobody can know who pays the rest.

use crate::attribute::departments::unregistered;
use crate::attribute::read_toml;
use crate::domain::department::Registry;
use crate::domain::name::TagValue;
use crate::domain::ratio::Ratio;
use crate::domain::rule::{
    Condition, Operator, Payer, Precedence, Rule, RuleSet, RuleSetError, Shares, SharesError, Subject,
};
use crate::domain::tags::TagKey;
use crate::text::problem::{Problem, excerpt, nearest};
use crate::text::table::{Table, TableRow, decode};
use std::collections::{BTreeMap, BTreeSet};

const REQUIRED: [&str; 1] = ["rule"];
const OPTIONAL: [&str; 8] = ["key", "operator", "value", "department", "project", "environment", "weight", "override"];

/// A rule, as far as it has been read.
pub(super) struct Draft {
    pub(super) name: TagValue,
    pub(super) line: u64,
    pub(super) conditions: BTreeSet<Condition>,
    pub(super) precedence: Option<Precedence>,
    pub(super) shares: Vec<DraftShare>,
}

/// A share with its line.
pub(super) struct DraftShare {
    pub(super) line: u64,
    pub(super) payer: Payer,
    pub(super) weight: Option<Ratio>,
}

/// Reads rules. If a registry exists, they may name only its departments.
pub fn rules(bytes: &[u8], registry: &Registry) -> Result<RuleSet, Vec<Problem>> {
    let text = decode(bytes).map_err(|problem| vec![problem])?;
    let drafts = match text.trim_start().chars().next() {
        Some('[' | '#') => read_toml::drafts(text)?,
        _ => drafts(bytes)?,
    };
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for draft in drafts {
        for share in &draft.shares {
            let department = share.payer.department.as_ref().map(TagValue::as_str);
            problems.extend(department.and_then(|name| unregistered(name, registry)).map(|p| p.at(share.line)));
        }
        match finished(draft) {
            Ok(rule) => rules.push(rule),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        problems.sort();
        return Err(problems);
    }
    let lines: Vec<(u64, TagValue)> = rules.iter().map(|rule| (rule.line, rule.name.clone())).collect();
    RuleSet::new(rules).map_err(|error| vec![contradiction(error, &lines)])
}

fn finished(draft: Draft) -> Result<Rule, Problem> {
    let Draft { name, line, conditions, precedence, shares } = draft;
    let several = shares.len() > 1;
    let mut weights = Vec::with_capacity(shares.len());
    for DraftShare { line, payer, weight } in shares {
        let expected = "a weight for each payer, such as 1/3";
        let missing = || Problem::field("weight", "is missing, but the rule has several payers", expected).at(line);
        let weight = weight.or((!several).then_some(Ratio::ONE)).ok_or_else(missing)?;
        weights.push((payer, weight));
    }
    let shares = Shares::new(weights).map_err(|error| {
        let what = format!("{} {error}", excerpt(name.as_str()));
        Problem::field("rule", what, expected_shares(&error)).at(line)
    })?;
    Ok(Rule { name, line, conditions, precedence: precedence.unwrap_or(Precedence::Tags), shares })
}

/// Describes the shares that were expected.
const fn expected_shares(error: &SharesError) -> &'static str {
    match error {
        SharesError::Nobody | SharesError::Nameless => "a department, project or environment in a line of the rule",
        SharesError::Twice => "each payer once, with all of its weight",
        SharesError::NotPositive => "weights such as 1/3",
        SharesError::NotOne(_) => "weights that add up to exactly 1, such as 1/3 three times",
        SharesError::TooFine => "coarser ones, such as 1/3",
    }
}

fn contradiction(error: RuleSetError, lines: &[(u64, TagValue)]) -> Problem {
    let at = |place: usize| lines.get(place).map_or((0, String::new()), |(line, name)| (*line, excerpt(name.as_str())));
    let (place, earlier, what, expected) = match error {
        RuleSetError::Empty => return Problem::line("the file contains no rules", "at least one rule"),
        RuleSetError::Named { rule, earlier } => {
            (rule, earlier, "has the same name as the rule", "a name of its own for each rule")
        }
        RuleSetError::Hidden { rule, earlier } => {
            let what = "is never used, because everything it matches is matched before by";
            (rule, earlier, what, "narrower rules before wider ones")
        }
    };
    let ((line, name), (earlier_line, earlier)) = (at(place), at(earlier));
    Problem::field("rule", format!("{name} {what} {earlier} on line {earlier_line}"), expected).at(line)
}

/// The rules of a CSV.
fn drafts(bytes: &[u8]) -> Result<Vec<Draft>, Vec<Problem>> {
    let table = Table::read(bytes, &REQUIRED, &OPTIONAL)?;
    let (mut drafts, mut problems): (Vec<Draft>, Vec<Problem>) = (Vec::new(), Vec::new());
    let mut begun = BTreeMap::new();
    for row in table.rows() {
        if let Err(problem) = add_line(&table, row, &mut drafts, &mut begun) {
            problems.push(problem.at(row.line));
        }
    }
    if problems.is_empty() { Ok(drafts) } else { Err(problems) }
}

/// Adds a line to the last rule, or begins the next one; `begun` has the line of each rule by its name.
fn add_line(
    table: &Table,
    row: &TableRow,
    drafts: &mut Vec<Draft>,
    begun: &mut BTreeMap<TagValue, u64>,
) -> Result<(), Problem> {
    let get = |column| table.get(row, column);
    let name = name("rule", get("rule"))?;
    let condition = condition_of(get("key"), get("operator"), get("value"))?;
    let share = share_of(table, row)?;
    let precedence = precedence("override", get("override"))?;
    if condition.is_none() && share.is_none() {
        return Err(Problem::line("neither a condition nor a payer", "a key and a value, or a department"));
    }
    let begins = drafts.last().is_none_or(|last| last.name != name);
    if begins {
        if let Some(earlier) = begun.get(&name) {
            let what = format!("began on line {earlier} and other lines stand between");
            return Err(Problem::value("rule", name.as_str(), what, "the lines of a rule one below the other"));
        }
        begun.insert(name.clone(), row.line);
        let conditions = BTreeSet::new();
        drafts.push(Draft { name, line: row.line, conditions, precedence: None, shares: Vec::new() });
    }
    let Some(draft) = drafts.last_mut() else { return Ok(()) };
    if precedence.is_some() && draft.precedence.is_some_and(|before| Some(before) != precedence) {
        return Err(Problem::value(
            "override",
            get("override"),
            "contradicts an earlier line of the rule",
            "one answer for each rule",
        ));
    }
    draft.precedence = draft.precedence.or(precedence);
    draft.conditions.extend(condition);
    draft.shares.extend(share);
    Ok(())
}

fn name(column: &str, text: &str) -> Result<TagValue, Problem> {
    TagValue::new(text).map_err(|error| Problem::value(column, text, error, "a name without spaces around it"))
}

fn condition_of(key: &str, operator: &str, value: &str) -> Result<Option<Condition>, Problem> {
    if key.is_empty() {
        return match [("operator", operator), ("value", value)].into_iter().find(|(_, text)| !text.is_empty()) {
            Some((column, text)) => Err(Problem::value(column, text, "has no key", "a key in the same line")),
            None => Ok(None),
        };
    }
    let operator = match operator {
        "" => Operator::Equals,
        other => Operator::named(other).ok_or_else(|| {
            Problem::value("operator", other, "is not an operator", Operator::ALL.map(Operator::name).join(", "))
        })?,
    };
    let subject = subject(key).map_err(|(what, expected)| Problem::value("key", key, what, expected))?;
    Ok(Some(Condition { subject, operator, value: name("value", value)? }))
}

/// What a condition examines, or what is wrong and what was expected.
pub(super) fn subject(key: &str) -> Result<Subject, (&'static str, String)> {
    const WORDS: [&str; 6] = ["model", "provider", "source", "department", "project", "environment"];
    Subject::parse(key).ok_or_else(|| {
        let name = key.strip_prefix("tags.").unwrap_or(key);
        let tag = TagKey::new(name).is_ok().then(|| format!("tag.{name}"));
        let near = nearest(key, WORDS).map(str::to_owned).or(tag);
        ("is not something that a rule can match", near.unwrap_or_else(|| format!("{} or tag.KEY", WORDS.join(", "))))
    })
}

fn share_of(table: &Table, row: &TableRow) -> Result<Option<DraftShare>, Problem> {
    let column = |column: &'static str| match table.get(row, column) {
        "" => Ok(None),
        text => name(column, text).map(Some),
    };
    let payer =
        Payer { department: column("department")?, project: column("project")?, environment: column("environment")? };
    let weight = match table.get(row, "weight") {
        "" => None,
        text => Some(weight(text).ok_or_else(|| not_a_weight("weight", text))?),
    };
    match (payer.is_nobody(), weight) {
        (true, None) => Ok(None),
        (true, Some(_)) => {
            Err(Problem::field("weight", "has no payer", "a department, project or environment in the same line"))
        }
        (false, weight) => Ok(Some(DraftShare { line: row.line, payer, weight })),
    }
}

/// A weight, exactly: a fraction, a percentage or a decimal.
pub(super) fn weight(text: &str) -> Option<Ratio> {
    if let Some((over, under)) = text.split_once('/') {
        let whole = |part: &str| part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()));
        return Ratio::new(whole(over)?, whole(under)?);
    }
    match text.strip_suffix('%') {
        Some(percent) => Ratio::parse(percent).ok()?.percent().ok(),
        None => Ratio::parse(text).ok(),
    }
}

/// The problem that a text is not a weight.
pub(super) fn not_a_weight(field: &str, text: &str) -> Problem {
    Problem::value(
        field,
        text,
        "is not a weight",
        "a fraction such as 1/3, a percentage such as 25%, or a decimal such as 0.25",
    )
}

/// Whether a rule wins over tags; `None` if the file does not state it.
fn precedence(column: &str, text: &str) -> Result<Option<Precedence>, Problem> {
    match text {
        "" => Ok(None),
        "yes" => Ok(Some(Precedence::Rule)),
        "no" => Ok(Some(Precedence::Tags)),
        other => Err(Problem::value(column, other, "is not an answer", "yes, no, or nothing")),
    }
}
