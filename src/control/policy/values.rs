//! Values of a policy: what each key may hold, and what is wrong with anything else.

use crate::control::limit::{Bound, Measure};
use crate::control::scope::{API_KEY, Scope, Subject};
use crate::control::span::{Part, Seconds, Times};
use crate::domain::meter::{Meter, Unit};
use crate::domain::money::Amount;
use crate::domain::name::{Name, TagValue};
use crate::domain::tags::TagKey;
use crate::text::problem::Problem;
use crate::text::toml_table::{Section, TomlValue};
use std::collections::BTreeSet;

/// The longest name of a limit, in bytes.
const NAME_LIMIT: usize = 64;

/// Femto-units in the smallest amount that a limit may state, a nano-unit.
pub(super) const NANO: i128 = 1_000_000;

/// The keys of a scope.
pub(super) const SCOPE: [&str; 8] = ["department", "project", "environment", "model", "provider", "tag", "key", "each"];

/// Problems as they are found, in any order.
#[derive(Debug, Default)]
pub(super) struct Found(pub(super) Vec<Problem>);

impl Found {
    /// The value, or `None` and its problem is kept.
    pub(super) fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }
}

/// The name of a limit or a channel.
pub(super) fn name(value: &TomlValue<'_>) -> Result<Name, Problem> {
    let name = Name::new(value.text()?).map_err(|error| value.problem(error, "a name without spaces around it"))?;
    if name.as_str().len() > NAME_LIMIT {
        return Err(value.problem("is too long", format!("1 to {NAME_LIMIT} bytes")));
    }
    Ok(name)
}

/// The name of a model.
pub(super) fn model(value: &TomlValue<'_>) -> Result<Name, Problem> {
    Name::new(value.text()?).map_err(|error| value.problem(error, "the name of a model"))
}

/// A list of names of models.
pub(super) fn models(value: &TomlValue<'_>) -> Result<Vec<Name>, Problem> {
    let model = |text: &str| Name::new(text).map_err(|error| value.problem(error, "names of models"));
    value.texts()?.into_iter().map(model).collect()
}

/// A word of a few.
pub(super) fn word<T: Copy>(value: &TomlValue<'_>, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, Problem> {
    let text = value.text()?;
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|one| format!("\"{}\"", name(*one))).collect();
        value.problem("is unknown", names.join(", "))
    })
}

/// A part of a whole.
pub(super) fn part(value: &TomlValue<'_>) -> Result<Part, Problem> {
    let read = Part::parse(&value.number()?).filter(|part| part.hundredths() > 0);
    read.ok_or_else(|| {
        value.problem("is not a percentage", "a number above 0 with % and two decimals at most, such as \"82.5%\"")
    })
}

/// A part of at most the whole.
pub(super) fn part_of_whole(value: &TomlValue<'_>) -> Result<Part, Problem> {
    let part = part(value)?;
    if part > Part::WHOLE { Err(value.problem("is more than the whole", "at most \"100%\"")) } else { Ok(part) }
}

/// A span of time.
pub(super) fn seconds(value: &TomlValue<'_>) -> Result<Seconds, Problem> {
    let read = Seconds::parse(value.text()?).filter(|span| span.get() > 0);
    read.ok_or_else(|| {
        value.problem("is not a span of time", "a whole number above 0 with s, m, h or d, such as \"300s\"")
    })
}

/// How many times a limit.
pub(super) fn times(value: &TomlValue<'_>) -> Result<Times, Problem> {
    let expected = "from \"1x\" to \"60x\", such as \"2x\"";
    let read = Times::parse(value.text()?).filter(|times| (100..=6_000).contains(&times.hundredths()));
    read.ok_or_else(|| value.problem("is not a factor", expected))
}

/// A whole number above 0.
pub(super) fn whole(value: &TomlValue<'_>) -> Result<i64, Problem> {
    let expected = "a whole number above 0";
    let text = value.number().map_err(|problem| Problem { expected: expected.to_owned(), ..problem })?;
    let digits = text.replace('_', "");
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if plain { digits.parse::<i64>().ok() } else { None };
    number.filter(|number| *number > 0).ok_or_else(|| value.problem("is not a limit", expected))
}

/// A bound of a measure.
pub(super) fn bound(measure: Measure, value: &TomlValue<'_>) -> Result<Bound, Problem> {
    let most = match measure {
        Measure::Amount => amount(value)?,
        Measure::Tokens | Measure::Requests => whole(value)?.into(),
    };
    Ok(Bound { measure, most })
}

/// Femto-units of an amount above 0 that is a whole number of nano-units.
pub(super) fn amount(value: &TomlValue<'_>) -> Result<i128, Problem> {
    let expected = "an amount above 0 in the ledger's currency, such as \"500\", with nine decimals at most";
    let text = value.number()?;
    let femtos = Amount::parse(&text).map_err(|_| value.problem("is not an amount", expected))?.femtos();
    if femtos <= 0 || femtos.checked_rem(NANO) != Some(0) {
        return Err(value.problem("is not a limit", expected));
    }
    // A counter counts nano-units in 64 bits.
    if i64::try_from(femtos.div_euclid(NANO)).is_err() {
        return Err(value.problem("is too large", "less than 9,223,372,036"));
    }
    Ok(femtos)
}

/// The meters that count as tokens.
pub(super) fn meters(value: &TomlValue<'_>) -> Result<BTreeSet<Meter>, Problem> {
    let meter = |text: &str| {
        let meter = Meter::from_name(text).filter(|meter| meter.unit() == Unit::Tokens);
        meter.ok_or_else(|| value.key_problem(format!("{text:?} is not a meter of tokens"), "such as input or output"))
    };
    let meters: BTreeSet<Meter> = value.texts()?.into_iter().map(meter).collect::<Result<_, _>>()?;
    if meters.is_empty() { Err(value.key_problem("is empty", "one meter at least")) } else { Ok(meters) }
}

/// The scope of a limit.
pub(super) fn scope(table: &Section<'_>) -> Result<Scope, Problem> {
    let mut scope = Scope::EVERYTHING;
    let mut insert = |subject: Subject, values: Option<BTreeSet<String>>| {
        if let Some(values) = values {
            scope.insert(subject, values);
        }
    };
    for key in TagKey::OWN_FIELDS {
        insert(tag(key, table, key)?, table.optional(key, tag_values)?);
    }
    insert(Subject::Model, table.optional("model", names)?);
    insert(Subject::Provider, table.optional("provider", names)?);
    insert(tag(API_KEY, table, "key")?, table.optional("key", tag_values)?);
    if let Some(tags) = table.table("tag")? {
        let entries = tags.entries(|key, value| {
            let subject = TagKey::new(key).map_err(|error| value.key_problem(error, "the key of a tag"))?;
            if TagKey::OWN_FIELDS.contains(&key) || key == API_KEY {
                let word = if key == API_KEY { "key" } else { key };
                return Err(value.key_problem("has a key of its own", format!("{word} = \"…\"")));
            }
            Ok((Subject::Tag(subject), tag_values(value)?))
        })?;
        for (subject, values) in entries {
            insert(subject, Some(values));
        }
    }
    Ok(scope)
}

fn tag(key: &str, table: &Section<'_>, field: &str) -> Result<Subject, Problem> {
    TagKey::new(key).map(Subject::Tag).map_err(|error| table.problem(field, error.to_string(), "the key of a tag"))
}

fn tag_values(value: &TomlValue<'_>) -> Result<BTreeSet<String>, Problem> {
    let one = |text: &str| {
        let name = TagValue::new(text).map_err(|error| value.key_problem(format!("{text:?} {error}"), "a name"))?;
        Ok(name.to_string())
    };
    filled(value, value.texts()?.into_iter().map(one).collect::<Result<_, Problem>>()?)
}

fn names(value: &TomlValue<'_>) -> Result<BTreeSet<String>, Problem> {
    let one = |text: &str| {
        let name = Name::new(text).map_err(|error| value.key_problem(format!("{text:?} {error}"), "a name"))?;
        Ok(name.to_string())
    };
    filled(value, value.texts()?.into_iter().map(one).collect::<Result<_, Problem>>()?)
}

fn filled(value: &TomlValue<'_>, values: BTreeSet<String>) -> Result<BTreeSet<String>, Problem> {
    if values.is_empty() { Err(value.key_problem("is empty", "a name, or a list of names")) } else { Ok(values) }
}

/// What a limit has a counter for each value of.
pub(super) fn each(value: &TomlValue<'_>) -> Result<Subject, Problem> {
    let expected = "department, project, environment, model, provider, key or tag.KEY";
    let text = value.text()?;
    let key = match text {
        "model" => return Ok(Subject::Model),
        "provider" => return Ok(Subject::Provider),
        "key" => Some(API_KEY),
        own if TagKey::OWN_FIELDS.contains(&own) => Some(own),
        other => other.strip_prefix("tag."),
    };
    let key = key.ok_or_else(|| value.problem("is nothing that a limit can count by", expected))?;
    TagKey::new(key).map(Subject::Tag).map_err(|error| value.problem(error, expected))
}
