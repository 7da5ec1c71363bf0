//! Rules of attribution: imports a set, lists the rules in force, and tries rules on usage before they count.
//!
//! A set is imported whole. It applies from a billing day until the day on which the next one starts. The first set of
//! a ledger applies to all days unless it states a first day. A later set must state one, because it changes who pays
//! from then on.

use crate::attribute::matching::{Decision, Usage, decide};
use crate::attribute::{Rules, read};
use crate::books::heading::{heading_of, heading_of_period};
use crate::books::watching::watched;
use crate::books::{Act, Books, BooksError, Observer, Stage};
use crate::domain::calendar::Day;
use crate::domain::event::Model;
use crate::domain::name::{NONE, TagValue, UNALLOCATED, similar_names};
use crate::domain::period::Period;
use crate::domain::rule::{Payer, Precedence, Rule, RuleSet, Share};
use crate::domain::secret;
use crate::domain::tags::TagSet;
use crate::ledger::LedgerError;
use crate::ledger::facts::rules::StoredRuleSet;
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::{counted, listed};
use std::collections::{BTreeMap, BTreeSet};

/// The outcome of an import of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesImported {
    /// The number of rules.
    pub rules: usize,
    /// The first day of the set.
    pub valid_from: Day,
    /// Whether anything changed.
    pub change: Change,
    /// Departments, in the rules or the ledger, with names that look alike.
    pub similar: Vec<(String, String)>,
}

/// What an import of rules changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: the same rules are in force on that day.
    Nothing,
    /// The set starts on a new day.
    Added,
    /// The set replaced another one that started on the same day.
    Replaced,
}

/// Which part of a period's usage to show when rules are tried on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Everything,
    /// Usage that no rule gives a department, and whose tags name none.
    Unallocated,
}

/// The usage to try rules on.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The tags.
    pub tags: TagSet,
    /// The model.
    pub model: Option<Model>,
    /// The source that issued the events.
    pub source: Option<String>,
    /// The day, which decides the rules.
    pub day: Day,
}

/// The departments in rules.
pub(in crate::books) fn departments(set: &RuleSet) -> BTreeSet<String> {
    let shares = set.rules().iter().flat_map(|rule| rule.shares.iter());
    shares.filter_map(|share| share.payer.department.as_ref()).map(TagValue::to_string).collect()
}

pub(in crate::books) fn effective(sets: Vec<StoredRuleSet>) -> Rules {
    Rules::new(sets.into_iter().map(|set| (set.valid_from, set.rules)))
}

pub(in crate::books) fn of_snapshot(snapshot: &Snapshot<'_>) -> Result<Rules, LedgerError> {
    Ok(effective(snapshot.rule_sets()?))
}

impl Books {
    /// Reads rules without importing them. If a registry exists, they may name only its departments.
    pub fn read_rules(&self, file: &str, bytes: &[u8]) -> Result<RuleSet, BooksError> {
        let registry = self.ledger.registry()?;
        read::rules(bytes, &registry).map_err(|problems| BooksError::Lines { file: file.to_owned(), problems })
    }

    /// Imports a set of rules that starts on a day. Rules equal to those in force on that day change nothing.
    pub fn import_rules(
        &self,
        file: &str,
        bytes: &[u8],
        valid_from: Option<Day>,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<RulesImported, BooksError> {
        let set = self.read_rules(file, bytes)?;
        let write = self.ledger.write(|| observer.waiting())?;
        let known = effective(write.rule_sets()?);
        let latest = known.sets().last();
        let valid_from = match (valid_from, latest) {
            (Some(day), _) => day,
            (None, None) => Day::FIRST,
            (None, Some((start, latest))) if latest.says_the_same(&set) => start,
            (None, Some(_)) => return Err(BooksError::NoStart(file.to_owned())),
        };
        let similar = similar_names(&self.ledger.departments()?, &departments(&set));
        let change = self.keep_rules(write, file, valid_from, &set, act)?;
        Ok(RulesImported { rules: set.rules().len(), valid_from, change, similar })
    }

    /// Ends rules on a day. From then on, tags alone decide who pays, until the next set starts. If no rules are in
    /// force on that day, nothing changes.
    pub fn end_rules(&self, from: Day, act: Act<'_>, observer: &dyn Observer) -> Result<Change, BooksError> {
        let write = self.ledger.write(|| observer.waiting())?;
        if effective(write.rule_sets()?).in_force(from).is_none() {
            return Ok(Change::Nothing);
        }
        self.keep_rules(write, "", from, &RuleSet::none(), act)
    }

    /// Appends a set if it differs from the one in force on its day.
    fn keep_rules(
        &self,
        write: Transaction<'_>,
        file: &str,
        valid_from: Day,
        set: &RuleSet,
        act: Act<'_>,
    ) -> Result<Change, BooksError> {
        let known = effective(write.rule_sets()?);
        let in_force = known.in_force(valid_from);
        if in_force.is_some_and(|(_, in_force)| in_force.says_the_same(set)) {
            return Ok(Change::Nothing);
        }
        let replaces = in_force.is_some_and(|(start, _)| start == valid_from);
        let change = if replaces { Change::Replaced } else { Change::Added };
        write.append_rules(&secret::redacted(file), valid_from, set, act.now, act.actor)?;
        write.commit()?;
        self.ledger.checkpoint()?;
        Ok(change)
    }

    /// The rules in force on a day, in columns that can be imported again.
    pub fn rule_list(&self, day: Day) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let rules = of_snapshot(&snapshot)?;
        let in_force = rules.in_force(day);
        let since = in_force.map_or_else(
            || "none in force".to_owned(),
            |(start, set)| {
                let verb = if set.is_none() { "ended on" } else { "since" };
                format!("{verb} {}", spelled(start))
            },
        );
        let rows = in_force.into_iter().flat_map(|(_, set)| set.rules()).flat_map(cells).collect();
        Ok(Sheet { heading: heading_of(&snapshot, "rules", since)?, columns: columns(), rows, total: None })
    }

    /// All sets of rules by their first days, including replaced ones.
    pub fn rule_history(&self) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        // In the order of their import. A later set with the same day replaces an earlier one.
        let mut sets = snapshot.rule_sets()?;
        sets.sort_by_key(|set| set.valid_from);
        let row = |(place, set): (usize, &StoredRuleSet)| {
            let later = sets.iter().skip(place + 1);
            let next = later.clone().find(|other| other.valid_from > set.valid_from);
            let state = match later.into_iter().next() {
                Some(other) if other.valid_from == set.valid_from => "replaced",
                _ if set.rules.is_none() => "end",
                _ => "holds",
            };
            let rules = i128::try_from(set.rules.rules().len()).unwrap_or(i128::MAX);
            vec![
                if set.valid_from == Day::FIRST { Cell::Word(BEGINNING) } else { Cell::Day(set.valid_from) },
                Cell::day(next.map(|next| next.valid_from)),
                Cell::Count(rules),
                Cell::text(&*set.file),
                Cell::text(state),
            ]
        };
        let rows = sets.iter().enumerate().map(row).collect();
        let columns = vec![
            Column::day("valid_from"),
            Column::day("valid_until"),
            Column::count("rules"),
            Column::text("file"),
            Column::text("state"),
        ];
        Ok(Sheet { heading: heading_of(&snapshot, "rules", "all")?, columns, rows, total: None })
    }

    /// Which rule matches and who pays, by the given rules or those in force on the day.
    pub fn try_rules(&self, rules: Option<RuleSet>, sample: &Sample) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let rules = given_or_known(rules, &snapshot)?;
        let Sample { tags, model, source, day } = sample;
        let usage = Usage { tags, model: model.as_ref(), source: source.as_deref() };
        let decision = rules.in_force(*day).map_or(Decision::NoRule, |(_, set)| decide(set, usage));
        let tried = Tried::of(decision, tags);
        let columns = vec![Column::text("rule"), Column::text("by"), Column::text("pays"), Column::text("tags")];
        let rows = vec![[tried.rule, tried.by.to_owned(), tried.pays, tried.tags].map(Cell::filled).into()];
        Ok(Sheet { heading: heading_of(&snapshot, "rules test", day.to_string())?, columns, rows, total: None })
    }

    /// Which rule matches which usage of a period, by tag set, by the given rules or those in force on each day. A rule
    /// without a match is a row with 0 events.
    pub fn try_rules_on(
        &self,
        rules: Option<RuleSet>,
        period: Period,
        shown: Shown,
        observer: &dyn Observer,
    ) -> Result<Sheet, BooksError> {
        watched(observer, |watch| {
            let snapshot = self.ledger.snapshot()?.watched(watch)?;
            watch.begin(Stage::Usage, None);
            tried_on(&snapshot, rules, period, shown)
        })
    }
}

/// Tries rules on the usage of a period.
fn tried_on(
    snapshot: &Snapshot<'_>,
    rules: Option<RuleSet>,
    period: Period,
    shown: Shown,
) -> Result<Sheet, BooksError> {
    let rules = given_or_known(rules, snapshot)?;
    let names = snapshot.dictionary()?;
    let mut found: BTreeMap<(usize, Tried), i128> = BTreeMap::new();
    for (_, set) in rules.sets().filter(|(start, _)| rules.holds_within(*start, period)) {
        for (place, rule) in set.rules().iter().enumerate() {
            found.insert((place, Tried::nothing(rule)), 0);
        }
    }
    let nothing = TagSet::new();
    snapshot.prove_days(period)?;
    for line in snapshot.daily_usage(period)? {
        let key = &line.key;
        let tags = names.tags(key.tag_set).unwrap_or(&nothing);
        let source = names.sources.get(&key.source).map(String::as_str);
        let usage = Usage { tags, model: names.models.get(&key.model), source };
        let set = rules.in_force(key.day).map(|(_, set)| set);
        let decision = set.map_or(Decision::NoRule, |set| decide(set, usage));
        let place = |rule: &Rule| set.and_then(|set| set.rules().iter().position(|other| other.name == rule.name));
        let (rule, place) = (decision.rule(), decision.rule().and_then(place).unwrap_or(usize::MAX));
        if let Some(rule) = rule {
            found.remove(&(place, Tried::nothing(rule)));
        }
        *found.entry((place, Tried::of(decision, tags))).or_default() += i128::from(line.events);
    }
    let events = |by: &str| found.iter().filter(|((_, tried), _)| tried.by == by).map(|(_, events)| events).sum();
    let (nobody, idle): (i128, usize) = (events(NOBODY), found.values().filter(|events| **events == 0).count());
    let mut heading = heading_of_period(snapshot, "rules test", period)?;
    heading.caveats.extend((nobody > 0).then(|| {
        let events = counted(nobody, "event has", "events have");
        format!("{events} no department, by rules or by tags")
    }));
    heading.caveats.extend((idle > 0).then(|| format!("{} nothing", listed(idle, "rule matches", "rules match"))));
    found.retain(|(_, tried), _| shown == Shown::Everything || tried.by == NOBODY);
    let columns = vec![
        Column::text("rule"),
        Column::text("by"),
        Column::text("pays"),
        Column::count("events"),
        Column::text("tags"),
    ];
    let row = |((_, tried), events): ((usize, Tried), i128)| {
        let Tried { rule, by, pays, tags } = tried;
        vec![Cell::Text(rule), Cell::filled(by), Cell::filled(pays), Cell::Count(events), Cell::filled(tags)]
    };
    Ok(Sheet { heading, columns, rows: found.into_iter().map(row).collect(), total: None })
}

fn given_or_known(rules: Option<RuleSet>, snapshot: &Snapshot<'_>) -> Result<Rules, LedgerError> {
    match rules {
        Some(set) => Ok(Rules::always(set)),
        None => of_snapshot(snapshot),
    }
}

/// The first day of rules in words. The first day of the calendar means that they always applied.
pub fn spelled(start: Day) -> String {
    if start == Day::FIRST { BEGINNING.to_owned() } else { start.to_string() }
}

/// The first day that a ledger can have, in words.
const BEGINNING: &str = "the beginning";

const BY_RULE: &str = "rule";
const BY_TAGS: &str = "tags";
const NOBODY: &str = "nobody";

/// How usage is attributed, in words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tried {
    rule: String,
    by: &'static str,
    pays: String,
    tags: String,
}

impl Tried {
    fn of(decision: Decision<'_>, tags: &TagSet) -> Self {
        let rule = decision.rule().map_or_else(|| NONE.to_owned(), |rule| rule.name.to_string());
        let by = match &decision {
            Decision::Rule(_, shares) if shares.iter().all(|share| share.payer.department.is_none()) => NOBODY,
            Decision::Rule(..) => BY_RULE,
            Decision::NoRule | Decision::OwnTags(_) if tags.department().is_some() => BY_TAGS,
            Decision::NoRule | Decision::OwnTags(_) => NOBODY,
        };
        let shown: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Self { rule, by, pays: paid(&decision.shares(tags)), tags: shown.join(" ") }
    }

    fn nothing(rule: &Rule) -> Self {
        Self { rule: rule.name.to_string(), by: "", pays: String::new(), tags: String::new() }
    }
}

/// Who pays, in words: `Marketing / Search 1/3, Engineering 2/3`.
pub(in crate::books) fn paid(shares: &[Share]) -> String {
    let whole: i64 = shares.iter().map(|share| share.part).sum();
    let one = |share: &Share| match shares {
        [_] => payer(&share.payer),
        _ => format!("{} {}", payer(&share.payer), weight(share.part, whole)),
    };
    shares.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn payer(payer: &Payer) -> String {
    let department = payer.department.as_ref().map_or_else(|| UNALLOCATED.to_owned(), ToString::to_string);
    let rest = [&payer.project, &payer.environment].into_iter().flatten();
    rest.fold(department, |text, name| format!("{text} / {name}"))
}

/// A weight in the spelling of files.
pub(in crate::books) fn weight(part: i64, whole: i64) -> String {
    crate::domain::ratio::Ratio::new(part.into(), whole.into()).map_or_else(String::new, |ratio| ratio.to_string())
}

fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> =
        ["rule", "key", "operator", "value", "department", "project", "environment", "weight"].map(Column::text).into();
    columns.push(Column::flag("override"));
    columns
}

/// The lines of a rule, with its conditions and shares side by side.
fn cells(rule: &Rule) -> Vec<Vec<Cell>> {
    let (conditions, shares) = (rule.conditions.len(), rule.shares.iter().len());
    let mut conditions_left = rule.conditions.iter();
    let mut shares_left = rule.shares.iter();
    let name = |name: &Option<TagValue>| Cell::some(name.as_ref().map(TagValue::as_str));
    let mut line = |place: usize| {
        let condition = conditions_left.next();
        let share = shares_left.next();
        let payer = share.map(|share| share.payer.clone()).unwrap_or_default();
        let several = share.filter(|_| rule.shares.are_several());
        let wins = place == 0 && rule.precedence == Precedence::Rule;
        vec![
            Cell::text(rule.name.as_str()),
            Cell::some(condition.map(|condition| condition.subject.to_string())),
            Cell::some(condition.map(|condition| condition.operator.name())),
            Cell::some(condition.map(|condition| condition.value.to_string())),
            name(&payer.department),
            name(&payer.project),
            name(&payer.environment),
            Cell::some(several.map(|share| weight(share.part, rule.shares.whole()))),
            if wins { Cell::Flag(true) } else { Cell::Nothing },
        ]
    };
    (0..conditions.max(shares)).map(&mut line).collect()
}
