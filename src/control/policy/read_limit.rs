//! The limits of a policy, one by one: `[[budget]]`, `[[quota]]`, `[[breaker]]`. What depends on other limits is left to
//! `parts`.

use super::values::{self, Found, SCOPE};
use crate::control::limit::{
    Bound, Breaker, Common, Enforce, Measure, OnClose, Per, Priority, Quota, Rate, RequestAtMost, Threshold,
};
use crate::control::scope::Subject;
use crate::control::span::{Part, Seconds, Times};
use crate::domain::meter::Meter;
use crate::domain::name::Name;
use crate::text::problem::{Problem, excerpt};
use crate::text::toml_table::{Section, TomlValue};
use std::collections::{BTreeMap, BTreeSet};

const BUDGET: [&str; 16] = [
    "name",
    "per",
    "amount",
    "tokens",
    "requests",
    "share",
    "within",
    "meters",
    "enforce",
    "block_at",
    "request_at_most",
    "downgrade",
    "level",
    "alert",
    "shadow",
    "each",
];
const QUOTA: [&str; 11] =
    ["name", "requests", "tokens", "per", "burst", "share", "within", "downgrade", "priority", "keep", "shadow"];
const BREAKER: [&str; 10] =
    ["name", "tokens", "requests", "amount", "window", "open_for", "probes", "probe_within", "on_close", "shadow"];
const THRESHOLD: [&str; 4] = ["at", "to", "level", "say"];

/// The highest threshold: ten times the limit.
const HIGHEST: Part = Part::of_hundredths(100_000);

/// The longest window of a breaker, and the longest time that it stays open.
const DAY: u64 = 86_400;

/// A budget that was read by itself.
pub(super) struct BudgetDraft<'a> {
    pub(super) section: Section<'a>,
    pub(super) common: Common,
    pub(super) per: Option<Per>,
    pub(super) bounds: Vec<Bound>,
    pub(super) share: Option<Part>,
    pub(super) meters: Option<BTreeSet<Meter>>,
    pub(super) enforce: Enforce,
    pub(super) level: Option<String>,
    /// The thresholds. `None` means the usual ones, from `[defaults]`.
    pub(super) alerts: Option<Vec<Threshold>>,
}

/// A quota that was read by itself.
pub(super) struct QuotaDraft<'a> {
    pub(super) section: Section<'a>,
    pub(super) common: Common,
    pub(super) per: Option<Rate>,
    pub(super) bound: Option<Bound>,
    pub(super) share: Option<Part>,
    pub(super) burst: Times,
    pub(super) priority: Priority,
    pub(super) keep: BTreeMap<Priority, Part>,
    pub(super) downgrade: Vec<Name>,
}

/// The section under its name: `budget "marketing"`, or `budget 3` if the name is at fault.
fn named<'a>(table: Section<'a>, kind: &str, number: usize, found: &mut Found) -> (Section<'a>, Option<Name>) {
    let table = table.labelled(format!("{kind} {number}"));
    let name = found.take(table.required("name", "a name of its own for each limit", values::name));
    match name {
        Some(name) => (table.labelled(format!("{kind} {}", excerpt(name.as_str()))), Some(name)),
        None => (table, None),
    }
}

/// Name, scope and what else every limit may state.
fn common(table: &Section<'_>, name: Option<Name>, found: &mut Found) -> Option<Common> {
    let scope = found.take(values::scope(table));
    let each = found.take(table.optional("each", values::each));
    let within = found.take(table.optional("within", values::name));
    let shadow = found.take(table.optional("shadow", flag));
    let each = each?;
    if let (Some(subject), Some(scope)) = (&each, &scope)
        && scope.values(subject).is_some()
        && *subject != Subject::Model
    {
        let what = format!("counts by {subject}, which the limit fixes");
        found.0.push(table.problem("each", what, format!("each without {subject}, or {subject} without each")));
    }
    Some(Common { name: name?, scope: scope?, each, within: within?, shadow: shadow?.unwrap_or(false) })
}

fn unknown(table: &Section<'_>, keys: &[&str], found: &mut Found) {
    let known: Vec<&str> = keys.iter().copied().chain(SCOPE).collect();
    found.0.extend(table.unknown_keys(&known));
}

/// The bounds that are given, one for each measure.
fn bounds(table: &Section<'_>, measures: &[Measure], found: &mut Found) -> Option<Vec<Bound>> {
    let mut bounds = Some(Vec::new());
    for measure in measures {
        match found.take(table.optional(measure.name(), |value| values::bound(*measure, value))) {
            Some(bound) => {
                if let Some(bounds) = &mut bounds {
                    bounds.extend(bound);
                }
            }
            None => bounds = None,
        }
    }
    bounds
}

/// A budget.
pub(super) fn budget<'a>(table: Section<'a>, number: usize, found: &mut Found) -> Option<BudgetDraft<'a>> {
    let (table, name) = named(table, "budget", number, found);
    unknown(&table, &BUDGET, found);
    let common = common(&table, name, found);
    let per = found.take(table.optional("per", |value| values::word(value, &Per::ALL, Per::name)));
    let bounds = bounds(&table, &Measure::ALL, found);
    let share = found.take(table.optional("share", values::part_of_whole));
    let meters = found.take(table.optional("meters", values::meters));
    let enforce = found.take(enforce(&table));
    let level = found.take(table.optional("level", sentence));
    let alerts = found.take(alerts(&table));
    let (common, per, bounds, share) = (common?, per?, bounds?, share?);
    found.take(one_of_bounds_and_share(&table, &common, !bounds.is_empty(), share))?;
    if common.within.is_none() && per.is_none() {
        let expected = Per::ALL.map(|per| format!("\"{}\"", per.name())).join(", ");
        found.0.push(table.problem("per", "is missing", expected));
        return None;
    }
    let enforce = enforce?;
    Some(BudgetDraft {
        common,
        per,
        bounds,
        share,
        meters: meters?,
        enforce,
        level: level?,
        alerts: alerts?,
        section: table,
    })
}

/// A limit states bounds, or a share of the limit that it is within.
fn one_of_bounds_and_share(
    table: &Section<'_>,
    common: &Common,
    has_bounds: bool,
    share: Option<Part>,
) -> Result<(), Problem> {
    match (has_bounds, share) {
        (true, Some(_)) => Err(table.problem("share", "is given beside a limit", "one of them")),
        (false, Some(_)) if common.within.is_none() => Err(table.problem(
            "share",
            "is given without within",
            "within, with the name of the limit that it is a share of",
        )),
        (false, None) => Err(table.whole("has no limit", "amount, tokens or requests, or share and within")),
        (true, None) | (false, Some(_)) => Ok(()),
    }
}

fn flag(value: &TomlValue<'_>) -> Result<bool, Problem> {
    value.flag()
}

fn sentence(value: &TomlValue<'_>) -> Result<String, Problem> {
    let text = value.text()?;
    if text.trim().is_empty() || text.chars().any(char::is_control) || text.len() > 200 {
        return Err(value.problem("is no sentence", "one line of 1 to 200 bytes"));
    }
    Ok(text.to_owned())
}

fn enforce(table: &Section<'_>) -> Result<Enforce, Problem> {
    let expected = "\"warn\" or \"block\"";
    let blocks = table.required("enforce", expected, |value| match value.text()? {
        "warn" => Ok(false),
        "block" => Ok(true),
        _ => Err(value.problem("is unknown", expected)),
    })?;
    let at = table.optional("block_at", values::part)?;
    let request_at_most = table.optional("request_at_most", request_at_most)?;
    let downgrade = table.optional("downgrade", values::models)?;
    if !blocks {
        let given = [
            ("block_at", at.is_some()),
            ("request_at_most", request_at_most.is_some()),
            ("downgrade", downgrade.is_some()),
        ];
        if let Some((key, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
            return Err(table.problem(key, "has no meaning with enforce = \"warn\"", "enforce = \"block\""));
        }
        return Ok(Enforce::Warn);
    }
    Ok(Enforce::Block { at: at.unwrap_or(Part::WHOLE), request_at_most, downgrade: downgrade.unwrap_or_default() })
}

/// `"10%"` of the limit, or a number in its measure. Which measure is known later.
fn request_at_most(value: &TomlValue<'_>) -> Result<RequestAtMost, Problem> {
    let text = value.number()?;
    if text.ends_with('%') {
        return values::part_of_whole(value).map(RequestAtMost::Part);
    }
    values::amount(value).map(|most| RequestAtMost::Bound(Bound { measure: Measure::Amount, most }))
}

/// The thresholds of a table, ascending; `None` if it states none.
pub(super) fn alerts(table: &Section<'_>) -> Result<Option<Vec<Threshold>>, Problem> {
    if !table.has("alert") {
        return Ok(None);
    }
    let mut alerts: Vec<Threshold> = Vec::new();
    for one in table.tables("alert", "alert = [{ at = \"80%\", to = [\"CHANNEL\"] }, …]")? {
        one.no_unknown_keys(&THRESHOLD)?;
        let at = one.required("at", "a percentage such as \"80%\"", values::part)?;
        if at > HIGHEST {
            return Err(one.problem("at", format!("{at} is too high"), "\"1000%\" at most"));
        }
        let to = one.required("to", "a list of channels, which may be empty", |value| {
            let name = |text: &str| Name::new(text).map_err(|error| value.key_problem(error, "names of channels"));
            value.texts()?.into_iter().map(name).collect::<Result<Vec<Name>, Problem>>()
        })?;
        let (level, say) = (one.optional("level", sentence)?, one.optional("say", sentence)?);
        if alerts.last().is_some_and(|before| before.at >= at) {
            return Err(one.problem("at", format!("{at} is not above the threshold before"), "ascending thresholds"));
        }
        alerts.push(Threshold { at, to, level, say });
    }
    Ok(Some(alerts))
}

/// A quota.
pub(super) fn quota<'a>(table: Section<'a>, number: usize, found: &mut Found) -> Option<QuotaDraft<'a>> {
    let (table, name) = named(table, "quota", number, found);
    unknown(&table, &QUOTA, found);
    let common = common(&table, name, found);
    let per = found.take(table.optional("per", |value| values::word(value, &Rate::ALL, Rate::name)));
    let bounds = bounds(&table, &[Measure::Tokens, Measure::Requests], found);
    let share = found.take(table.optional("share", values::part_of_whole));
    let burst = found.take(table.optional("burst", values::times));
    let priority = found.take(table.optional("priority", |value| values::word(value, &Priority::ALL, Priority::name)));
    let keep = found.take(keep(&table));
    let downgrade = found.take(table.optional("downgrade", values::models));
    let (common, bounds, share, per) = (common?, bounds?, share?, per?);
    if bounds.len() > 1 {
        found.0.push(table.problem("tokens", "is given beside requests", "one of them; a second quota for the other"));
        return None;
    }
    if common.within.is_none() && per.is_none() {
        found.0.push(table.problem("per", "is missing", "\"second\", \"minute\" or \"hour\""));
        return None;
    }
    found.take(one_of_bounds_and_share(&table, &common, !bounds.is_empty(), share))?;
    Some(QuotaDraft {
        common,
        per,
        bound: bounds.into_iter().next(),
        share,
        burst: burst?.unwrap_or(Times::ONCE),
        priority: priority?.unwrap_or(Priority::High),
        keep: keep?,
        downgrade: downgrade?.unwrap_or_default(),
        section: table,
    })
}

/// The part of a bucket that stays for requests above a priority.
fn keep(table: &Section<'_>) -> Result<BTreeMap<Priority, Part>, Problem> {
    let Some(keep) = table.table("keep")? else { return Ok(BTreeMap::new()) };
    keep.no_unknown_keys(&[Priority::Medium.name(), Priority::Low.name()])?;
    let mut kept = BTreeMap::new();
    for priority in [Priority::Medium, Priority::Low] {
        if let Some(part) = keep.optional(priority.name(), values::part_of_whole)? {
            kept.insert(priority, part);
        }
    }
    if let (Some(medium), Some(low)) = (kept.get(&Priority::Medium), kept.get(&Priority::Low))
        && low < medium
    {
        return Err(keep.problem("low", format!("{low} is below medium, {medium}"), "at least as much as medium"));
    }
    Ok(kept)
}

/// A breaker.
pub(super) fn breaker<'a>(table: Section<'a>, number: usize, found: &mut Found) -> Option<(Section<'a>, Breaker)> {
    let (table, name) = named(table, "breaker", number, found);
    unknown(&table, &BREAKER, found);
    let common = common(&table, name, found);
    let bounds = bounds(&table, &Measure::ALL, found);
    let window = found.take(table.required("window", "a span such as \"1h\"", values::seconds));
    let open_for = found.take(table.required("open_for", "a span such as \"300s\"", values::seconds));
    let probes = found.take(table.required("probes", "a number of requests such as 3", |value| {
        u32::try_from(values::whole(value)?)
            .ok()
            .filter(|probes| *probes <= 1_000)
            .ok_or_else(|| value.problem("is too many", "1 to 1,000"))
    }));
    let probe_within = found.take(table.optional("probe_within", values::seconds));
    let on_close = found.take(table.optional("on_close", |value| {
        let named = |one: OnClose| if one == OnClose::Clear { "clear" } else { "keep" };
        values::word(value, &[OnClose::Clear, OnClose::Keep], named)
    }));
    let (window, open_for) = (window?, open_for?);
    let is_window = window.get().is_multiple_of(60) && window.get() <= DAY;
    if !is_window {
        found.0.push(table.problem(
            "window",
            format!("{window} is no window"),
            "whole minutes, from \"1m\" to \"24h\"",
        ));
    }
    if open_for.get() > DAY {
        found.0.push(table.problem("open_for", format!("{open_for} is too long"), "\"24h\" at most"));
    }
    let bounds = bounds?;
    let [bound] = bounds[..] else {
        let expected = "exactly one of amount, tokens and requests";
        let what = if bounds.is_empty() { "has no limit" } else { "has several limits" };
        found.0.push(table.whole(what, expected));
        return None;
    };
    let common = common?;
    let probe_within = probe_within?.unwrap_or(Seconds::new(60));
    let (probes, on_close) = (probes?, on_close?.unwrap_or(OnClose::Clear));
    Some((table, Breaker { common, bound, window, open_for, probes, probe_within, on_close }))
}

impl QuotaDraft<'_> {
    /// The quota, once its limit and its time are known.
    pub(super) fn finished(self, bound: Bound, per: Rate) -> Quota {
        let Self { common, burst, priority, keep, downgrade, .. } = self;
        Quota { common, bound, per, burst, priority, keep, downgrade }
    }
}
