//! Sets of rules. They are appended whole and never changed. A later set with the same start replaces an earlier one,
//! and both stay readable.

use crate::domain::calendar::Day;
use crate::domain::name::TagValue;
use crate::domain::number::EntryId;
use crate::domain::rule::{Condition, Operator, Payer, Precedence, Rule, RuleSet, Share, Shares, Subject};
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::seals;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::values;
use crate::ledger::{Damage, LedgerError, Result, chain, fits, stored};
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// How the chain records rules.
pub(in crate::ledger) const FACT: Fact =
    Fact { kind: Kind::Rule, tables: &["rule_set", "rule", "rule_condition", "rule_share"], payloads, is_sealed: true };

/// A set of rules as stored in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRuleSet {
    /// Its number.
    pub id: i64,
    /// The file it came from; empty if the set ends the rules.
    pub file: String,
    /// The billing day it starts on.
    pub valid_from: Day,
    /// The rules; none if the set ends them.
    pub rules: RuleSet,
}

const NEXT_SET: &str = "SELECT coalesce(max(id), 0) + 1 FROM rule_set";
const INSERT_SET: &str = "INSERT INTO rule_set (id, entry, file, valid_from) VALUES (?1, ?2, ?3, ?4)";
const INSERT_RULE: &str = "INSERT INTO rule (rule_set, line, name, precedence) VALUES (?1, ?2, ?3, ?4)";
const INSERT_CONDITION: &str = "INSERT INTO rule_condition (rule, subject, operator, value) VALUES (?1, ?2, ?3, ?4)";
const INSERT_SHARE: &str =
    "INSERT INTO rule_share (rule, department, project, environment, part) VALUES (?1, ?2, ?3, ?4, ?5)";

impl Transaction<'_> {
    /// Appends a set of rules that starts on a day.
    pub fn append_rules(
        &self,
        file: &str,
        valid_from: Day,
        rules: &RuleSet,
        now: Timestamp,
        actor: &str,
    ) -> Result<StoredRuleSet> {
        let connection = self.connection();
        let id = connection.query_row(NEXT_SET, [], |row| row.get(0))?;
        let set = StoredRuleSet { id, file: file.to_owned(), valid_from, rules: rules.clone() };
        chain::append(connection, &FACT, Signed { now, actor }, &payload(&set), |entry| {
            connection.execute(INSERT_SET, (id, entry, file, valid_from.number()))?;
            rules.rules().iter().try_for_each(|rule| insert(connection, id, rule))
        })?;
        Ok(set)
    }

    /// Every set of rules, as this transaction sees them, in the order of their import.
    pub fn rule_sets(&self) -> Result<Vec<StoredRuleSet>> {
        seals::guard_facts(self.connection(), &FACT)?;
        Ok(all(self.connection())?.into_iter().map(|(set, _)| set).collect())
    }
}

impl Snapshot<'_> {
    /// Every recorded set of rules, in the order of import. A later one with the same start replaces an earlier one.
    pub fn rule_sets(&self) -> Result<Vec<StoredRuleSet>> {
        let sets = all(self.connection())?;
        self.prove_facts(&FACT, &of_sets(&sets))?;
        Ok(sets.into_iter().map(|(set, _)| set).collect())
    }
}

fn insert(connection: &Connection, set: i64, rule: &Rule) -> Result<()> {
    let values = (set, stored(rule.line)?, rule.name.as_str(), precedence_code(rule.precedence));
    let id = connection.prepare_cached(INSERT_RULE)?.insert(values)?;
    for Condition { subject, operator, value } in &rule.conditions {
        let values = (id, subject.to_string(), operator.code(), value.as_str());
        connection.prepare_cached(INSERT_CONDITION)?.execute(values)?;
    }
    for Share { payer, part } in rule.shares.iter() {
        let text = |name: &Option<TagValue>| name.as_ref().map_or(String::new(), TagValue::to_string);
        let values = (id, text(&payer.department), text(&payer.project), text(&payer.environment), part);
        connection.prepare_cached(INSERT_SHARE)?.execute(values)?;
    }
    Ok(())
}

pub(in crate::ledger) const fn precedence_code(precedence: Precedence) -> u8 {
    match precedence {
        Precedence::Tags => 0,
        Precedence::Rule => 1,
    }
}

const SETS: &str = "SELECT id, file, valid_from, entry FROM rule_set ORDER BY entry";
const RULES: &str = "SELECT id, rule_set, line, name, precedence FROM rule ORDER BY id";
const CONDITIONS: &str = "SELECT rule, subject, operator, value FROM rule_condition";
const SHARES: &str = "SELECT rule, department, project, environment, part FROM rule_share";

/// The payloads of all sets of rules by entry, computed from the tables.
fn payloads(connection: &Connection) -> Result<Payloads> {
    Ok(of_sets(&all(connection)?))
}

fn of_sets(sets: &[(StoredRuleSet, EntryId)]) -> Payloads {
    let mut payloads = Payloads::default();
    for (set, entry) in sets {
        payloads.insert(*entry, payload(set));
    }
    payloads
}

/// Every set with the number of its entry, in the order of the entries.
pub(in crate::ledger) fn all(connection: &Connection) -> Result<Vec<(StoredRuleSet, EntryId)>> {
    let mut conditions: BTreeMap<i64, BTreeSet<Condition>> = BTreeMap::new();
    each(connection, CONDITIONS, |row| {
        conditions.entry(row.get(0)?).or_default().insert(condition(row)?);
        Ok(())
    })?;
    let mut shares: BTreeMap<i64, Vec<Share>> = BTreeMap::new();
    each(connection, SHARES, |row| {
        shares.entry(row.get(0)?).or_default().push(share(row)?);
        Ok(())
    })?;
    let mut rules: BTreeMap<i64, Vec<Rule>> = BTreeMap::new();
    each(connection, RULES, |row| {
        let id: i64 = row.get(0)?;
        let rule = Rule {
            name: name(&row.get::<_, String>(3)?)?,
            line: fits(row.get(2)?, "line of a rule")?,
            conditions: conditions.remove(&id).unwrap_or_default(),
            precedence: if row.get(4)? { Precedence::Rule } else { Precedence::Tags },
            shares: in_lowest_terms(shares.remove(&id).unwrap_or_default())?,
        };
        rules.entry(row.get(1)?).or_default().push(rule);
        Ok(())
    })?;
    let mut sets = Vec::new();
    each(connection, SETS, |row| {
        let id: i64 = row.get(0)?;
        let of_set = rules.remove(&id).unwrap_or_default();
        // A set without rules ends the earlier ones.
        let rules = if of_set.is_empty() { Ok(RuleSet::none()) } else { RuleSet::new(of_set) };
        let rules = rules.map_err(|_| wrong("hides another"))?;
        sets.push((StoredRuleSet { id, file: row.get(1)?, valid_from: values::day(row.get(2)?)?, rules }, row.get(3)?));
        Ok(())
    })?;
    if conditions.is_empty() && shares.is_empty() && rules.is_empty() {
        Ok(sets)
    } else {
        Err(wrong("belongs to nothing"))
    }
}

/// Shares as appended, which is in lowest terms.
fn in_lowest_terms(stored: Vec<Share>) -> Result<Shares> {
    let parts = |shares: &mut dyn Iterator<Item = &Share>| shares.map(|share| i128::from(share.part)).sum::<i128>();
    let whole = parts(&mut stored.iter());
    let shares = Shares::of_parts(stored).map_err(|error| wrong(&error.to_string()))?;
    if parts(&mut shares.iter()) == whole { Ok(shares) } else { Err(wrong("has parts that are not in lowest terms")) }
}

fn each(connection: &Connection, sql: &str, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

fn condition(row: &Row<'_>) -> Result<Condition> {
    let subject: String = row.get(1)?;
    Ok(Condition {
        subject: Subject::recorded(&subject).ok_or_else(|| wrong("has an unknown subject"))?,
        operator: Operator::from_code(row.get(2)?).ok_or_else(|| wrong("has an unknown operator"))?,
        value: name(&row.get::<_, String>(3)?)?,
    })
}

fn share(row: &Row<'_>) -> Result<Share> {
    let optional = |column: usize| match row.get::<_, String>(column)? {
        text if text.is_empty() => Ok(None),
        text => name(&text).map(Some),
    };
    let payer = Payer { department: optional(1)?, project: optional(2)?, environment: optional(3)? };
    Ok(Share { payer, part: row.get(4)? })
}

fn name(text: &str) -> Result<TagValue> {
    TagValue::recorded(text).map_err(|_| wrong("has an invalid name"))
}

fn wrong(what: &str) -> LedgerError {
    LedgerError::Corrupt(Damage::Value, format!("a rule of attribution {what}"))
}

/// The payload of a set of rules.
fn payload(set: &StoredRuleSet) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.i64(set.id).text(&set.file).i64(set.valid_from.number().into());
    encoder.count(set.rules.rules().len());
    for rule in set.rules.rules() {
        encoder.u64(rule.line).text(rule.name.as_str()).u8(precedence_code(rule.precedence));
        encoder.count(rule.conditions.len());
        for Condition { subject, operator, value } in &rule.conditions {
            encoder.text(&subject.to_string()).u8(operator.code()).text(value.as_str());
        }
        encoder.count(rule.shares.iter().len());
        for Share { payer, part } in rule.shares.iter() {
            for name in [&payer.department, &payer.project, &payer.environment] {
                encoder.optional_text(name.as_ref().map(TagValue::as_str));
            }
            encoder.i64(*part);
        }
    }
    encoder.into_bytes()
}
