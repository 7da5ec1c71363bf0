//! Finds the model of the catalogue that the project means by a name: by clauses on the name, then at fallback
//! providers.
//!
//! tokenbook follows neither, because it never guesses a model. To compare the prices anyway, this writes what the
//! project means as another catalogue, in which every name is exact. The same reader reads it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tokenbook::domain::timestamp::Timestamp;

/// A provider of the catalogue.
#[derive(Deserialize)]
pub(super) struct Provider<'a> {
    id: String,
    #[serde(default)]
    fallback_model_providers: Option<Vec<String>>,
    #[serde(borrow, default)]
    models: Vec<Model<'a>>,
}

/// A model of the catalogue. Its prices are kept as written.
#[derive(Deserialize)]
pub(super) struct Model<'a> {
    id: String,
    #[serde(rename = "match")]
    clause: Option<Value>,
    #[serde(borrow)]
    prices: Option<&'a RawValue>,
    #[serde(borrow)]
    price_variants: Option<&'a RawValue>,
}

/// A set of prices under a condition.
#[derive(Deserialize)]
struct Set<'a> {
    #[serde(default)]
    constraint: Option<Constraint>,
    #[serde(borrow)]
    prices: &'a RawValue,
}

/// From a date on, or between two times of each UTC day.
#[derive(Deserialize)]
struct Constraint {
    start_date: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
}

impl Constraint {
    fn holds(&self, at: Timestamp) -> bool {
        let at = at.to_chrono();
        let (date, time) = (at.format("%Y-%m-%d").to_string(), at.format("%H:%M:%SZ").to_string());
        let between = match (&self.start_time, &self.end_time) {
            (Some(start), Some(end)) if start <= end => *start <= time && time < *end,
            (Some(start), Some(end)) => *start <= time || time < *end,
            _ => true,
        };
        between && self.start_date.as_ref().is_none_or(|start| *start <= date)
    }
}

/// How the catalogue knows a provider's name for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is a name of a model of that provider.
    Exactly,
    /// Only a pattern matches the name.
    ByPattern,
    /// Only a fallback provider knows the name.
    ElsewhereOnly,
}

/// The model that the project finds for a name at a provider.
pub(super) fn meant<'a, 'b>(
    providers: &'b [Provider<'a>],
    provider: &str,
    name: &str,
) -> Option<(&'b Model<'a>, Known)> {
    let own = providers.iter().find(|one| one.id == provider)?;
    let lower = name.to_lowercase();
    let of = |provider: &'b Provider<'a>| provider.models.iter().find(|model| model.is_meant_by(&lower));
    if let Some(model) = of(own) {
        return Some((model, if model.is_named(name) { Known::Exactly } else { Known::ByPattern }));
    }
    let others = own.fallback_model_providers.iter().flatten();
    let mut others = others.filter_map(|other| providers.iter().find(|one| one.id == *other));
    others.find_map(of).map(|model| (model, Known::ElsewhereOnly))
}

impl<'a> Model<'a> {
    /// Its sets of prices, if any of them applies at some hours only.
    fn by_hour(&self) -> Option<Vec<Set<'a>>> {
        let sets: Vec<Set<'a>> = serde_json::from_str(self.prices?.get()).ok()?;
        let hourly = |set: &Set<'_>| set.constraint.as_ref().is_some_and(|constraint| constraint.start_time.is_some());
        sets.iter().any(hourly).then_some(sets)
    }

    /// Whether its prices depend on the hour of the day.
    pub(super) fn is_by_hour(&self) -> bool {
        self.by_hour().is_some()
    }

    /// Its prices. If they depend on the hour, the prices at an instant, from the last condition that holds.
    fn prices_at(&self, at: Timestamp) -> Option<&'a RawValue> {
        let Some(sets) = self.by_hour() else { return self.prices };
        let holds = |set: &&Set<'_>| set.constraint.as_ref().is_none_or(|constraint| constraint.holds(at));
        sets.iter().rev().find(holds).or_else(|| sets.first()).map(|set| set.prices)
    }

    fn is_meant_by(&self, lower: &str) -> bool {
        self.clause.as_ref().map_or(self.id == lower, |clause| is_met(clause, lower))
    }

    /// Whether tokenbook keeps a name: the model's id, unless its own clauses exclude it, or a name that a clause
    /// equals.
    fn is_named(&self, name: &str) -> bool {
        let by_id = self.id == name && self.is_meant_by(&name.to_lowercase());
        by_id || self.clause.as_ref().is_some_and(|clause| equals(clause, name))
    }
}

/// Whether a clause, or one of its alternatives, equals a name.
fn equals(clause: &Value, name: &str) -> bool {
    let any = clause.get("or").and_then(Value::as_array);
    clause.get("equals").and_then(Value::as_str) == Some(name)
        || any.is_some_and(|clauses| clauses.iter().any(|clause| equals(clause, name)))
}

/// Whether a name in lower case matches a clause.
fn is_met(clause: &Value, name: &str) -> bool {
    let Some((kind, value)) = clause.as_object().and_then(|members| members.iter().next()) else { return false };
    let mut clauses = value.as_array().into_iter().flatten();
    let text = value.as_str().unwrap_or_default();
    let lower = text.to_lowercase();
    match kind.as_str() {
        "or" => clauses.any(|clause| is_met(clause, name)),
        "and" => clauses.all(|clause| is_met(clause, name)),
        "equals" => name == lower,
        "starts_with" => name.starts_with(&lower),
        "ends_with" => name.ends_with(&lower),
        "contains" => name.contains(&lower),
        "regex" => is_like(text, name),
        _ => false,
    }
}

/// Whether a name matches a regular expression of characters, `\.`, `\d` and `{count}` between `^` and an optional `$`.
/// The catalogue uses nothing else; any other expression never matches.
fn is_like(expression: &str, name: &str) -> bool {
    let Some(mut rest) = expression.strip_prefix('^') else { return false };
    let mut name = name.chars();
    while let Some(first) = rest.chars().next() {
        if rest == "$" {
            return name.next().is_none();
        }
        let escaped = rest.strip_prefix('\\').and_then(|rest| rest.chars().next());
        let digit = escaped == Some('d');
        let wanted = escaped.unwrap_or(first);
        if escaped.is_none() && r"[](){}*+?|.$".contains(first) || wanted.is_alphabetic() && escaped.is_some() && !digit
        {
            return false;
        }
        rest = &rest[usize::from(escaped.is_some()) + wanted.len_utf8()..];
        let counted = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let times = match counted {
            Some((count, after)) => {
                rest = after;
                count.parse().unwrap_or(usize::MAX)
            }
            None => 1,
        };
        let fits = |c: char| if digit { c.is_ascii_digit() } else { c == wanted };
        if times == usize::MAX || !(0..times).all(|_| name.next().is_some_and(fits)) {
            return false;
        }
    }
    true
}

/// A catalogue in which each of these names is exact, with the prices of the model that the project means by it.
pub(super) fn spelled_out(meant: &BTreeMap<(&str, &str), &Model<'_>>, at: Timestamp) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let models = meant.iter().map(|((provider, name), model)| {
        let members = [("prices", model.prices_at(at)), ("price_variants", model.price_variants)];
        let members = members.into_iter().filter_map(|(key, raw)| Some(format!(r#","{key}":{}"#, raw?.get())));
        let (provider, name, members) = (text(provider), text(name), members.collect::<String>());
        format!(r#"{{"id":{provider},"models":[{{"id":{name},"match":{{"equals":{name}}}{members}}}]}}"#)
    });
    format!("[{}]", models.collect::<Vec<_>>().join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_simple_expression_is_followed_and_no_other() {
        let cases = [
            (r"^a\.5-\d{4}-\d{2}$", "a.5-2026-11", true),
            (r"^a\.5-\d{4}-\d{2}$", "a.5-2026-11-02", false),
            (r"^a\.5-\d{4}-\d{2}$", "a.5-2026-1", false),
            (r"^a\.5-\d", "a.5-20", true),
            (r"^a\.5-\d", "ab5-20", false),
            (r"a", "a", false),
            (r"^a+", "a", false),
            (r"^a.", "ab", false),
            (r"^\w", "a", false),
        ];
        for (expression, name, expected) in cases {
            assert_eq!(is_like(expression, name), expected, "{expression} {name}");
        }
    }
}
