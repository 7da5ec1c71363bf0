//! Reads `limits.toml`: every problem of the file in the order of its lines, or the policy and what is worth a warning.
//!
//! What needs the ledger (prices of a downgrade, names that nobody uses) is not checked here.

use super::parts;
use super::read_channel::channel;
use super::read_limit::{BudgetDraft, alerts, breaker, budget, quota};
use super::values::{self, Found};
use crate::control::limit::{Admission, Breaker, Budget, Channel, Common, Doubt, Enforce, Policy, Threshold};
use crate::control::span::Seconds;
use crate::domain::calendar::Day;
use crate::domain::name::Name;
use crate::domain::period;
use crate::fault::Code;
use crate::text::problem::{Problem, Spot, nearest};
use crate::text::toml_table::Section;
use std::collections::BTreeMap;

/// What a document of limits says that it is.
pub const DOCUMENT: &str = "limits/1";

const KEYS: [&str; 8] = ["document", "from", "admission", "defaults", "channel", "budget", "quota", "breaker"];
const ADMISSION: [&str; 6] =
    ["unpriced", "unknown_department", "on_failure", "output_unknown", "output_at_most", "settled_for"];

/// A policy and what is worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRead {
    /// The policy.
    pub policy: Policy,
    /// Where each limit begins, and how messages call it, by its name.
    places: BTreeMap<Name, Place>,
    /// The same of each channel.
    channels: BTreeMap<Name, Place>,
    /// What is odd and not wrong.
    pub warnings: Vec<Problem>,
}

/// Where a limit begins, and how messages call it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    spot: Spot,
    label: String,
}

impl PolicyRead {
    /// A problem with a key of a limit.
    pub fn problem(&self, limit: &Common, key: &str, what: String, expected: String) -> Problem {
        problem(self.places.get(&limit.name), key, what, expected)
    }

    /// A problem with a key of a channel.
    pub fn channel_problem(&self, channel: &Name, key: &str, what: String, expected: String) -> Problem {
        problem(self.channels.get(channel), key, what, expected)
    }
}

fn problem(place: Option<&Place>, key: &str, what: String, expected: String) -> Problem {
    let label = place.map_or("", |place| place.label.as_str());
    let problem = Problem { field: Some(format!("{label}: {key}")), ..Problem::line(what, expected) };
    let problem = problem.coded(Code::FieldInvalid);
    match place {
        Some(place) => problem.at_spot(place.spot),
        None => problem,
    }
}

/// Reads a policy. An error has all problems, in the order of the lines.
pub fn policy(text: &str) -> Result<PolicyRead, Vec<Problem>> {
    let document = Section::parse(text)?;
    let file = Section::of_document(text, document.get_ref());
    let (mut found, mut warnings) = (Found(file.unknown_keys(&KEYS)), Vec::new());
    found.take(file.required("document", &format!("\"{DOCUMENT}\""), |value| match value.text()? {
        DOCUMENT => Ok(()),
        _ => Err(value.problem("is another kind of document", format!("\"{DOCUMENT}\""))),
    }));
    let from = found.take(file.required("from", "the first day, such as \"2026-12-01\"", |value| {
        period::day(value.text()?).map_err(|error| value.problem(error, "a date such as \"2026-12-01\""))
    }));
    let admission = found.take(admission(&file));
    let (channels, channel_places) = channels(&file, &mut found);
    let usual = found.take(defaults(&file)).unwrap_or_default();
    let each = |key: &str, found: &mut Found| {
        found.take(file.tables(key, &format!("[[{key}]] above each"))).unwrap_or_default()
    };
    let numbered = |key: &'static str, found: &mut Found| (1_usize..).zip(each(key, found));
    let mut names = Names::default();
    let mut budgets = Vec::new();
    for (number, table) in numbered("budget", &mut found) {
        if let Some(draft) = budget(table, number, &mut found) {
            names.insert(&draft.section, &draft.common, &mut found);
            budgets.push(draft);
        }
    }
    let mut quotas = Vec::new();
    for (number, table) in numbered("quota", &mut found) {
        if let Some(draft) = quota(table, number, &mut found) {
            names.insert(&draft.section, &draft.common, &mut found);
            quotas.push(draft);
        }
    }
    let mut breakers: Vec<Breaker> = Vec::new();
    for (number, table) in numbered("breaker", &mut found) {
        if let Some((section, breaker)) = breaker(table, number, &mut found) {
            names.insert(&section, &breaker.common, &mut found);
            breakers.push(breaker);
        }
    }
    unknown_channels(&file, &channels, &budgets, &usual, &mut found);
    let budgets: Vec<Budget> = parts::budgets(budgets, &usual, &mut found, &mut warnings);
    let quotas = parts::quotas(quotas, &mut found, &mut warnings);
    let enforces =
        !quotas.is_empty() || !breakers.is_empty() || budgets.iter().any(|budget| budget.enforce != Enforce::Warn);
    if enforces && matches!(admission, Some(None)) {
        let expected = "[admission] with unpriced, unknown_department, on_failure and output_unknown";
        let problem = file.problem("admission", "is missing, although limits refuse requests", expected);
        // The first limit shows where limits begin.
        let first = names.0.values().map(|place| place.spot).min().unwrap_or_default();
        found.0.push(problem.coded(Code::FieldMissing).at_spot(first));
    }
    let policy = |from: Day| Policy { from, admission: admission.flatten(), budgets, quotas, breakers, channels };
    if let Some(from) = from.filter(|_| found.0.is_empty()) {
        warnings.sort();
        return Ok(PolicyRead { policy: policy(from), places: names.0, channels: channel_places, warnings });
    }
    found.0.sort_by_key(|problem| (problem.line, problem.column));
    found.0.dedup();
    Err(found.0)
}

/// The names of limits, and where each begins.
#[derive(Default)]
struct Names(BTreeMap<Name, Place>);

impl Names {
    fn insert(&mut self, section: &Section<'_>, common: &Common, found: &mut Found) {
        if let Some(known) = self.0.get(&common.name) {
            let what = format!("the limit on line {} has this name already", known.spot.line);
            found.0.push(section.problem("name", what, "a name of its own for each limit"));
            return;
        }
        let place = Place { spot: section.spot(), label: section.label().to_owned() };
        self.0.insert(common.name.clone(), place);
    }
}

/// Alerts to channels that the policy does not have.
fn unknown_channels(
    file: &Section<'_>,
    channels: &BTreeMap<Name, Channel>,
    budgets: &[BudgetDraft<'_>],
    usual: &[Threshold],
    found: &mut Found,
) {
    let mut check = |section: &Section<'_>, key: &str, thresholds: &[Threshold]| {
        for name in thresholds.iter().flat_map(|threshold| &threshold.to) {
            if !channels.contains_key(name) {
                let what = format!("no channel is named {:?}", name.as_str());
                let known = || channels.keys().map(Name::as_str);
                let near = nearest(name.as_str(), known()).map(|near| format!("\"{near}\""));
                let expected = near.unwrap_or_else(|| format!("[channel.{}]", name.as_str()));
                found.0.push(section.problem(key, what, expected));
            }
        }
    };
    check(file, "defaults", usual);
    for draft in budgets {
        check(&draft.section, "alert", draft.alerts.as_deref().unwrap_or_default());
    }
}

fn admission(file: &Section<'_>) -> Result<Option<Admission>, Problem> {
    let Some(table) = file.table("admission")? else { return Ok(None) };
    table.no_unknown_keys(&ADMISSION)?;
    let doubt = |key: &str| {
        let expected = "\"refuse\" or \"allow\"";
        table.required(key, expected, |value| match value.text()? {
            "refuse" => Ok(Doubt::Refuse),
            "allow" => Ok(Doubt::Allow),
            _ => Err(value.problem("is unknown", expected)),
        })
    };
    Ok(Some(Admission {
        unpriced: doubt("unpriced")?,
        unknown_department: doubt("unknown_department")?,
        on_failure: doubt("on_failure")?,
        output_unknown: table.required("output_unknown", "a number of tokens such as 2_048", values::whole)?,
        output_at_most: table.optional("output_at_most", values::whole)?,
        settled_for: table.optional("settled_for", values::seconds)?.unwrap_or(Seconds::new(7 * 86_400)),
    }))
}

fn channels(file: &Section<'_>, found: &mut Found) -> (BTreeMap<Name, Channel>, BTreeMap<Name, Place>) {
    let (mut channels, mut places) = (BTreeMap::new(), BTreeMap::new());
    let Some(Some(table)) = found.take(file.table("channel")) else { return (channels, places) };
    for (key, section) in found.take(table.sections()).unwrap_or_default() {
        let section = section.labelled(format!("channel {key:?}"));
        let name = Name::new(key).map_err(|error| section.whole(error.to_string(), "a name"));
        if let (Some(name), Some(channel)) = (found.take(name), found.take(channel(&section))) {
            let place = Place { spot: section.spot(), label: section.label().to_owned() };
            places.insert(name.clone(), place);
            channels.insert(name, channel);
        }
    }
    (channels, places)
}

fn defaults(file: &Section<'_>) -> Result<Vec<Threshold>, Problem> {
    let Some(table) = file.table("defaults")? else { return Ok(Vec::new()) };
    table.no_unknown_keys(&["alert"])?;
    Ok(alerts(&table)?.unwrap_or_default())
}
