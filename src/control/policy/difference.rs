//! What changes from one policy to another, limit by limit.

use crate::control::limit::{
    Admission, Bound, Breaker, Budget, Channel, ChannelKind, Common, Doubt, Enforce, Measure, OnClose, Policy, Quota,
    RequestAtMost, Secret, Threshold,
};
use crate::domain::name::Name;
use crate::text::problem::grouped;
use std::collections::BTreeMap;

/// A field of a limit, or of something else that a policy states, in words.
type Fields = Vec<(&'static str, String)>;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changes: `budget`, `quota`, `breaker`, `channel`, `admission`.
    pub kind: &'static str,
    /// Its name; empty for what there is only one of.
    pub name: String,
    /// The field; `None` if the whole is new or gone.
    pub field: Option<&'static str>,
    /// What it was; `None` if it is new.
    pub before: Option<String>,
    /// What it becomes; `None` if it is gone.
    pub after: Option<String>,
}

/// The changes from one policy to another, in the order of kinds and names.
pub fn changes(before: &Policy, after: &Policy) -> Vec<Change> {
    let (old, new) = (described(before), described(after));
    let mut changes = Vec::new();
    let all: std::collections::BTreeSet<&(&'static str, String)> = old.keys().chain(new.keys()).collect();
    for key in all {
        let (kind, name) = (key.0, key.1.clone());
        match (old.get(key), new.get(key)) {
            (Some(before), Some(after)) => changes.extend(fields_changed(kind, &name, before, after)),
            (before, after) => {
                let [before, after] = [before, after].map(|fields| fields.map(spelled));
                changes.push(Change { kind, name, field: None, before, after });
            }
        }
    }
    changes
}

fn fields_changed(kind: &'static str, name: &str, before: &Fields, after: &Fields) -> Vec<Change> {
    let value = |fields: &Fields, wanted: &str| {
        fields.iter().find(|(field, _)| *field == wanted).map(|(_, value)| value.clone())
    };
    let mut names: Vec<&'static str> = before.iter().chain(after).map(|(field, _)| *field).collect();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|field| seen.insert(*field));
    let change = |field: &'static str| {
        let (before, after) = (value(before, field), value(after, field));
        (before != after).then(|| Change { kind, name: name.to_owned(), field: Some(field), before, after })
    };
    names.into_iter().filter_map(change).collect()
}

fn spelled(fields: &Fields) -> String {
    fields.iter().map(|(field, value)| format!("{field} {value}")).collect::<Vec<_>>().join("; ")
}

fn described(policy: &Policy) -> BTreeMap<(&'static str, String), Fields> {
    let mut described = BTreeMap::new();
    if let Some(admission) = &policy.admission {
        described.insert(("admission", String::new()), of_admission(admission));
    }
    for budget in &policy.budgets {
        described.insert(("budget", budget.common.name.to_string()), of_budget(budget));
    }
    for quota in &policy.quotas {
        described.insert(("quota", quota.common.name.to_string()), of_quota(quota));
    }
    for breaker in &policy.breakers {
        described.insert(("breaker", breaker.common.name.to_string()), of_breaker(breaker));
    }
    for (name, channel) in &policy.channels {
        described.insert(("channel", name.to_string()), of_channel(channel));
    }
    described
}

fn of_admission(admission: &Admission) -> Fields {
    let doubt = |doubt: Doubt| if doubt == Doubt::Refuse { "refuse" } else { "allow" }.to_owned();
    let mut fields = vec![
        ("unpriced", doubt(admission.unpriced)),
        ("unknown_department", doubt(admission.unknown_department)),
        ("on_failure", doubt(admission.on_failure)),
        ("output_unknown", grouped(admission.output_unknown)),
    ];
    fields.extend(admission.output_at_most.map(|most| ("output_at_most", grouped(most))));
    fields.push(("settled_for", admission.settled_for.to_string()));
    fields
}

fn of_common(common: &Common) -> Fields {
    let mut fields = Vec::new();
    if common.scope.conditions().next().is_some() {
        fields.push(("scope", common.scope.to_string()));
    }
    fields.extend(common.each.as_ref().map(|each| ("each", each.to_string())));
    fields.extend(common.within.as_ref().map(|within| ("within", within.to_string())));
    fields.extend(common.shadow.then(|| ("shadow", "true".to_owned())));
    fields
}

fn of_bound(bound: Bound) -> (&'static str, String) {
    let shown = if bound.measure == Measure::Amount { bound.plain() } else { grouped(bound.most) };
    (bound.measure.name(), shown)
}

fn of_budget(budget: &Budget) -> Fields {
    let mut fields = of_common(&budget.common);
    fields.push(("per", budget.per.name().to_owned()));
    fields.extend(budget.bounds.iter().copied().map(of_bound));
    if let Some(meters) = &budget.meters {
        let names: Vec<&str> = meters.iter().map(|meter| meter.name()).collect();
        fields.push(("meters", names.join(", ")));
    }
    fields.push(("enforce", budget.enforce.name().to_owned()));
    if let Enforce::Block { at, request_at_most, downgrade } = &budget.enforce {
        fields.push(("block_at", at.to_string()));
        fields.extend(request_at_most.map(|most| {
            let most = match most {
                RequestAtMost::Part(part) => part.to_string(),
                RequestAtMost::Bound(bound) => bound.plain(),
            };
            ("request_at_most", most)
        }));
        fields.extend(of_downgrade(downgrade));
    }
    fields.extend(budget.level.clone().map(|level| ("level", level)));
    if !budget.alerts.is_empty() {
        fields.push(("alert", budget.alerts.iter().map(of_threshold).collect::<Vec<_>>().join(", ")));
    }
    fields
}

fn of_downgrade(models: &[Name]) -> Option<(&'static str, String)> {
    let names: Vec<&str> = models.iter().map(Name::as_str).collect();
    (!names.is_empty()).then(|| ("downgrade", names.join(", ")))
}

fn of_threshold(threshold: &Threshold) -> String {
    let Threshold { at, to, level, say } = threshold;
    let mut words = at.to_string();
    if !to.is_empty() {
        words.push_str(" to ");
        words.push_str(&to.iter().map(Name::as_str).collect::<Vec<_>>().join(" and "));
    }
    words.extend(level.iter().map(|level| format!(" as {level}")));
    words.extend(say.iter().map(|say| format!(" ({say})")));
    words
}

fn of_quota(quota: &Quota) -> Fields {
    let mut fields = of_common(&quota.common);
    fields.push(of_bound(quota.bound));
    fields.push(("per", quota.per.name().to_owned()));
    fields.push(("burst", quota.burst.to_string()));
    fields.push(("priority", quota.priority.name().to_owned()));
    if !quota.keep.is_empty() {
        let kept: Vec<String> = quota.keep.iter().map(|(of, part)| format!("{part} from {}", of.name())).collect();
        fields.push(("keep", kept.join(", ")));
    }
    fields.extend(of_downgrade(&quota.downgrade));
    fields
}

fn of_breaker(breaker: &Breaker) -> Fields {
    let mut fields = of_common(&breaker.common);
    fields.push(of_bound(breaker.bound));
    fields.push(("window", breaker.window.to_string()));
    fields.push(("open_for", breaker.open_for.to_string()));
    fields.push(("probes", breaker.probes.to_string()));
    fields.push(("probe_within", breaker.probe_within.to_string()));
    let on_close = if breaker.on_close == OnClose::Clear { "clear" } else { "keep" };
    fields.push(("on_close", on_close.to_owned()));
    fields
}

fn of_channel(channel: &Channel) -> Fields {
    let mut fields = vec![("kind", channel.kind.name().to_owned())];
    match &channel.kind {
        ChannelKind::Chat(_) => {}
        ChannelKind::Json { url } => fields.extend(url.clone().map(|url| ("url", url))),
        ChannelKind::Command { command, to } => {
            fields.push(("command", command.join(" ")));
            fields.extend(to.clone().map(|to| ("to", to)));
        }
    }
    fields.extend(channel.url.as_ref().map(|secret| ("address", of_secret(secret))));
    fields.extend(channel.secret.as_ref().map(|secret| ("secret", of_secret(secret))));
    if !channel.allow.is_empty() {
        fields.push(("allow", channel.allow.join(", ")));
    }
    fields
}

fn of_secret(secret: &Secret) -> String {
    match secret {
        Secret::Variable(variable) => format!("in variable {variable}"),
        Secret::File(file) => format!("in file {file}"),
    }
}
