//! Whether a month is complete: what is missing, unpriced, unallocated or quarantined, and on which days the log has no
//! events.

use crate::books::statement::reports::{Request, Statement};
use crate::domain::calendar::{Calendar, Day};
use crate::domain::department::Registry;
use crate::domain::event::Band;
use crate::domain::number::{ModelId, PayerOf, SourceId, TierId};
use crate::domain::period::{Month, Period};
use crate::domain::quantities::QuantityOverflow;
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Dictionary, UsageKey};
use crate::import::formats::stored;
use crate::ledger::facts::quarantine::OpenLine;
use crate::ledger::read::class::StatedPrompts;
use crate::price::Book;
use crate::rating::RatedLine;
use crate::report::ReportError;
use crate::report::group::Rated;
use crate::text::problem::{counted, excerpt, listed};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};

/// What a reader must know before using the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caveats {
    /// Events with something unpriced.
    pub unpriced_events: i64,
    /// Events without a department.
    pub unallocated_events: i64,
    /// Quarantined lines that may belong to the period.
    pub quarantined_lines: usize,
    /// Files that may lack events of the period after a retraction and were not imported again.
    pub to_import_again: BTreeSet<String>,
    /// Departments with usage that the registry lacks, if there is a registry.
    pub unregistered: BTreeSet<String>,
    /// Departments with usage in a month in which they do not pay, according to the registry.
    pub inactive: BTreeSet<String>,
    /// Whether the period has not ended, if the time is known.
    pub not_over: bool,
    /// The formats of the period's imports, with what each cannot report.
    pub untold: BTreeMap<&'static str, &'static str>,
    /// Models of which some usage is priced by a size of prompts that a user stated at import.
    pub stated_prompts: BTreeMap<StatedSize, i64>,
}

/// A model and the size that a user stated: each prompt has so many tokens at most. The count with it is of the events that may
/// rely on it: sums of the same source do not tell these from others whose small prompts are known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatedSize {
    /// The model's name.
    pub model: String,
    /// The tokens.
    pub tokens: i64,
}

impl Caveats {
    /// Whether there is nothing to resolve or waive. An unfinished month and a vendor's missing data are not faults.
    pub fn is_clean(&self) -> bool {
        let counts = [self.unpriced_events, self.unallocated_events];
        counts == [0, 0] && self.quarantined_lines == 0 && self.to_import_again.is_empty()
    }

    /// Caveats for reports in which the payer plays no part.
    #[must_use]
    pub fn without_payers(&self) -> Self {
        let none = BTreeSet::new;
        Self { unallocated_events: 0, unregistered: none(), inactive: none(), ..self.clone() }
    }

    /// The caveats in words.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.unpriced_events > 0 {
            let events = counted(self.unpriced_events, "event has", "events have");
            sentences.push(format!("{events} usage without a price; the amounts do not include its cost"));
        }
        if self.unallocated_events > 0 {
            sentences.push(format!("{} no department", counted(self.unallocated_events, "event has", "events have")));
        }
        if self.quarantined_lines > 0 {
            let lines = listed(self.quarantined_lines, "quarantined line is", "quarantined lines are");
            sentences.push(format!("{lines} not in the numbers"));
        }
        if !self.to_import_again.is_empty() {
            let files = listed(self.to_import_again.len(), "file has", "files have");
            let again = "to be imported again, because some lines were duplicates of retracted ones";
            sentences.push(format!("{files} {again}: {}", named(&self.to_import_again)));
        }
        for (departments, what) in [
            (&self.unregistered, "not in the registry of departments"),
            (&self.inactive, "not active in the month of their usage, by the registry of departments"),
        ] {
            if !departments.is_empty() {
                let number = listed(departments.len(), "department is", "departments are");
                sentences.push(format!("{number} {what}: {}", named(departments)));
            }
        }
        let untold = self.untold.iter().map(|(format, what)| format!("records of {format} do not report {what}"));
        sentences.extend(untold);
        sentences.extend(self.of_stated_prompts());
        if self.not_over {
            sentences.push("the period is not over".to_owned());
        }
        sentences
    }
}

impl Caveats {
    fn of_stated_prompts(&self) -> impl Iterator<Item = String> + '_ {
        let of_model = |(StatedSize { model, tokens }, events): (&StatedSize, &i64)| {
            let model = excerpt(model);
            let events =
                counted(*events, &format!("event of model {model} is"), &format!("events of model {model} are"));
            let tokens = counted(*tokens, "token", "tokens");
            format!("up to {events} priced as prompts of at most {tokens}, as stated at import")
        };
        let more = self.stated_prompts.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| {
            let models = listed(more, "more model", "more models");
            format!("the price of {models} relies on a size of prompts that was stated at import")
        });
        self.stated_prompts.iter().take(NAMED).map(of_model).chain(more)
    }
}

/// How many departments, files or models a caveat names.
const NAMED: usize = 8;

fn named(names: &BTreeSet<String>) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    let names: Vec<String> = names.iter().take(NAMED).map(|name| excerpt(name)).collect();
    format!("{}{more}", names.join(", "))
}

/// What the ledger knows beside usage and prices.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The quarantined lines that wait for a decision.
    pub open: &'a [OpenLine],
    /// The registry of departments.
    pub registry: &'a Registry,
    /// The stored formats of the period's imports.
    pub formats: &'a BTreeSet<String>,
    /// The files to import again.
    pub to_repeat: &'a BTreeSet<String>,
    /// The prices that count, the prompt sizes at which prices of each model change, and the names of models.
    pub priced_by: PricedBy<'a>,
}

/// The data that decide whether the price of some usage depends on the size of its prompts.
#[derive(Debug, Clone, Copy)]
pub struct PricedBy<'a> {
    /// The prices of the report.
    pub book: &'a Book,
    /// The sizes at which some price changes, of any book, ascending, by the names of models.
    pub thresholds: &'a BTreeMap<String, Vec<i64>>,
    /// The names of what was used.
    pub names: &'a Dictionary,
    /// The sizes that users stated.
    pub stated: &'a StatedPrompts,
}

impl PricedBy<'_> {
    /// The size that events of a source, model and tier were priced by, if a user stated one and the price depends on it.
    fn stated_size(&self, of: StatedOf) -> Option<StatedSize> {
        let model = self.names.models.get(&of.1)?.name.as_str();
        let lowest = self.thresholds.get(model)?.first().filter(|_| self.book.depends_on_prompt(model))?;
        let tokens = self.stated.highest_within(of, *lowest)?;
        Some(StatedSize { model: model.to_owned(), tokens })
    }
}

/// The source, the model and the tier that a user stated a size of prompts for.
type StatedOf = (SourceId, ModelId, TierId);

/// Counts for caveats, gathered line by line.
#[derive(Debug)]
pub struct Counted<'s> {
    stated: &'s StatedPrompts,
    unpriced_events: i64,
    /// Events below all thresholds, by source, model and tier, if a user stated the size of prompts.
    by_stated: FxHashMap<StatedOf, i64>,
    /// Events by payer and month.
    events: FxHashMap<(PayerOf, Month), i64>,
    /// The day of the last line. The next line usually has the same.
    month_of: Option<(Day, Month)>,
}

impl<'s> Counted<'s> {
    /// Counts nothing yet.
    pub fn new(stated: &'s StatedPrompts) -> Self {
        let (events, by_stated) = (FxHashMap::default(), FxHashMap::default());
        Self { stated, unpriced_events: 0, by_stated, events, month_of: None }
    }

    /// Counts a line.
    pub fn add(&mut self, line: &RatedLine) -> Result<(), QuantityOverflow> {
        self.unpriced_events = sum(self.unpriced_events, line.unpriced_events)?;
        let UsageKey { source, model, tier, band, .. } = line.usage.key;
        if band == Band::Above(0) && self.stated.has((source, model, tier)) {
            let stated = self.by_stated.entry((source, model, tier)).or_default();
            *stated = sum(*stated, line.usage.events)?;
        }
        let day = line.usage.key.day;
        let known = self.month_of.filter(|(of, _)| *of == day);
        let (_, month) = *self.month_of.insert(known.unwrap_or_else(|| (day, day.month())));
        let events = self.events.entry((line.payer, month)).or_default();
        *events = sum(*events, line.usage.events)?;
        Ok(())
    }
}

/// Counts by the names of departments.
#[derive(Debug, Default)]
pub struct ByDepartment {
    unpriced_events: i64,
    unallocated_events: i64,
    by_stated: FxHashMap<StatedOf, i64>,
    departments: BTreeSet<(String, Month)>,
}

impl ByDepartment {
    /// Adds counts whose numbers have these names.
    pub fn add(&mut self, counted: &Counted<'_>, names: &Dictionary) -> Result<(), QuantityOverflow> {
        self.unpriced_events = sum(self.unpriced_events, counted.unpriced_events)?;
        for (of, events) in &counted.by_stated {
            let stated = self.by_stated.entry(*of).or_default();
            *stated = sum(*stated, *events)?;
        }
        let mut of_sets: FxHashSet<(&str, Month)> = FxHashSet::default();
        for ((payer, month), events) in &counted.events {
            match names.tags_of(*payer).and_then(TagSet::department) {
                None => self.unallocated_events = sum(self.unallocated_events, *events)?,
                Some(department) => drop(of_sets.insert((department, *month))),
            }
        }
        self.departments.extend(of_sets.into_iter().map(|(department, month)| (department.to_owned(), month)));
        Ok(())
    }
}

fn sum(one: i64, other: i64) -> Result<i64, QuantityOverflow> {
    one.checked_add(other).ok_or(QuantityOverflow)
}

/// The caveats from the counts.
pub fn caveats(counted: &ByDepartment, known: Circumstances<'_>, request: &Request, calendar: Calendar) -> Caveats {
    let (first, last) = (i64::from(request.period.first().number()), i64::from(request.period.last().number()));
    let (mut unregistered, mut inactive) = (BTreeSet::new(), BTreeSet::new());
    let departments = counted.departments.iter().filter(|_| !known.registry.is_empty());
    for (name, month) in departments {
        match known.registry.get(name) {
            None => drop(unregistered.insert(name.to_owned())),
            Some(department) if department.is_active_within(month.period()) => {}
            Some(_) => drop(inactive.insert(name.to_owned())),
        }
    }
    let mut stated_prompts = BTreeMap::new();
    for (of, events) in &counted.by_stated {
        if let Some(size) = known.priced_by.stated_size(*of) {
            let stated: &mut i64 = stated_prompts.entry(size).or_default();
            // The caveat says "up to", and no ledger has so many events.
            *stated = stated.saturating_add(*events);
        }
    }
    // A line without a known day may belong to any period.
    let touches =
        |line: &&OpenLine| line.first_day.is_none_or(|day| day <= last) && line.last_day.is_none_or(|day| day >= first);
    Caveats {
        unpriced_events: counted.unpriced_events,
        unallocated_events: counted.unallocated_events,
        unregistered,
        inactive,
        quarantined_lines: known.open.iter().filter(touches).count(),
        to_import_again: known.to_repeat.clone(),
        untold: known
            .formats
            .iter()
            .filter_map(|name| stored(name))
            .map(|format| (format.name, format.untold))
            .filter(|(_, untold)| !untold.is_empty())
            .collect(),
        stated_prompts,
        not_over: request.now.is_some_and(|now| calendar.day_of(now) <= request.period.last()),
    }
}

/// What a source brought in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The source.
    pub source: String,
    /// Events.
    pub events: i64,
    /// Events in the previous period, if it has any.
    pub events_before: Option<i64>,
    /// The first event.
    pub first_at: Timestamp,
    /// The last event.
    pub last_at: Timestamp,
    /// Days of the period without an event.
    pub empty_days: Vec<Day>,
}

/// What each source brought, in the order of their names.
pub fn coverage(statement: &Statement, period: Period) -> Result<Vec<Coverage>, ReportError> {
    let lines = statement.rated.lines()?;
    let before = statement.before.as_ref().map(Rated::lines).transpose()?;
    let names = &statement.names;
    let mut days: BTreeMap<SourceId, BTreeSet<Day>> = BTreeMap::new();
    let mut found: BTreeMap<SourceId, Coverage> = BTreeMap::new();
    for line in lines {
        let usage = &line.usage;
        let coverage = found.entry(usage.key.source).or_insert_with(|| Coverage {
            source: names.sources.get(&usage.key.source).cloned().unwrap_or_default(),
            events: 0,
            events_before: None,
            first_at: usage.first_at,
            last_at: usage.last_at,
            empty_days: Vec::new(),
        });
        coverage.events = sum(coverage.events, usage.events)?;
        coverage.first_at = coverage.first_at.min(usage.first_at);
        coverage.last_at = coverage.last_at.max(usage.last_at);
        days.entry(usage.key.source).or_default().insert(usage.key.day);
    }
    for line in before.into_iter().flatten() {
        if let Some(coverage) = found.get_mut(&line.usage.key.source) {
            coverage.events_before = Some(sum(coverage.events_before.unwrap_or(0), line.usage.events)?);
        }
    }
    for (source, coverage) in &mut found {
        let used = days.remove(source).unwrap_or_default();
        coverage.empty_days = period.days().filter(|day| !used.contains(day)).collect();
    }
    let mut coverage: Vec<Coverage> = found.into_values().collect();
    coverage.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(coverage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Band;
    use crate::domain::number::{ModelId, TagSetId, TierId};
    use crate::domain::quantities::Quantities;
    use crate::domain::usage::{UsageKey, UsageLine};

    #[test]
    fn counts_that_do_not_fit_are_an_error() -> Result<(), QuantityOverflow> {
        let (day, at) = (Day::FIRST, Timestamp::EARLIEST);
        let key = UsageKey {
            day,
            posted: day.month(),
            priced_at: at,
            source: SourceId::NONE,
            tag_set: TagSetId::NONE,
            model: ModelId::NONE,
            tier: TierId::NONE,
            band: Band::Unknown,
        };
        let of = |events: i64, unpriced_events: i64| {
            let (quantities, payer) = (Quantities::NONE, PayerOf::Tags(key.tag_set));
            let usage = UsageLine { key, events, active: events, first_at: at, last_at: at, quantities };
            RatedLine { usage, payer, charges: Vec::new(), unpriced_events, of_unpriced: false }
        };
        let stated = StatedPrompts::default();
        let (mut counted, mut both) = (Counted::new(&stated), ByDepartment::default());
        counted.add(&of(i64::MAX, 0))?;
        assert_eq!(counted.add(&of(1, 0)), Err(QuantityOverflow), "events");
        counted.add(&of(0, i64::MAX))?;
        assert_eq!(counted.add(&of(0, 1)), Err(QuantityOverflow), "unpriced events");
        both.add(&counted, &Dictionary::default())?;
        assert_eq!(both.add(&counted, &Dictionary::default()), Err(QuantityOverflow), "of two threads");
        Ok(())
    }
}
