//! Reads a file of routes: every problem in the order of its lines, or the rules.

use super::values::{self, Found, SCOPE};
use crate::control::routes::{Cache, RouteRule, Routes};
use crate::control::scope::Subject;
use crate::domain::ratio::Ratio;
use crate::text::problem::Problem;
use crate::text::toml_table::{Section, TomlValue};
use std::collections::BTreeSet;

/// What a document of routes says that it is.
const DOCUMENT: &str = "routes/1";

const KEYS: [&str; 3] = ["document", "cache", "route"];
const RULE: [&str; 6] = ["name", "prompt_below", "prompt_above", "free", "model", "tokens"];

/// Reads a file of routes.
pub fn routes(text: &str) -> Result<Routes, Vec<Problem>> {
    let document = Section::parse(text)?;
    let file = Section::of_document(text, document.get_ref());
    let mut found = Found(file.unknown_keys(&KEYS));
    found.take(file.required("document", &format!("\"{DOCUMENT}\""), |value| match value.text()? {
        DOCUMENT => Ok(()),
        _ => Err(value.problem("is another kind of document", format!("\"{DOCUMENT}\""))),
    }));
    let cache = found.take(
        file.required("cache", "\"cold\" or \"as recorded\"", |value| values::word(value, &Cache::ALL, Cache::name)),
    );
    let tables = found.take(file.tables("route", "[[route]] above each")).unwrap_or_default();
    if tables.is_empty() && found.0.is_empty() {
        found.0.push(file.whole("has no route", "[[route]] with a name and a model"));
    }
    let (mut rules, mut names) = (Vec::new(), BTreeSet::new());
    for (number, table) in (1_usize..).zip(tables) {
        if let Some(rule) = rule(table, number, &mut found, &mut names) {
            rules.push(rule);
        }
    }
    match cache {
        Some(cache) if found.0.is_empty() => Ok(Routes { cache, rules }),
        _ => {
            found.0.sort_by_key(|problem| (problem.line, problem.column));
            Err(found.0)
        }
    }
}

fn rule(table: Section<'_>, number: usize, found: &mut Found, names: &mut BTreeSet<String>) -> Option<RouteRule> {
    let table = table.labelled(format!("route {number}"));
    let name = found.take(table.required("name", "a name", values::name));
    let table = match &name {
        Some(name) => table.labelled(format!("route {:?}", name.as_str())),
        None => table,
    };
    let known: Vec<&str> =
        RULE.iter().copied().chain(SCOPE.into_iter().filter(|key| !["each", "model"].contains(key))).collect();
    found.0.extend(table.unknown_keys(&known));
    // `model` is where requests go, and no condition.
    let scope = found.take(values::scope(&table)).map(|scope| scope.without(&Subject::Model));
    let prompt_below = found.take(table.optional("prompt_below", values::whole));
    let prompt_above = found.take(table.optional("prompt_above", values::whole));
    let free = found.take(table.optional("free", values::amount));
    let model = found.take(table.required("model", "a model", values::model));
    let tokens = found.take(table.optional("tokens", factor));
    let name = name?;
    if !names.insert(name.to_string()) {
        found.0.push(table.problem("name", "another route has this name already", "a name of its own for each route"));
    }
    let (prompt_below, prompt_above) = (prompt_below?, prompt_above?);
    if let (Some(below), Some(above)) = (prompt_below, prompt_above)
        && above.saturating_add(1) >= below
    {
        found.0.push(table.problem(
            "prompt_above",
            "leaves no size below prompt_below",
            "a number below prompt_below - 1",
        ));
    }
    Some(RouteRule {
        name,
        scope: scope?,
        prompt_below,
        prompt_above,
        free: free?,
        model: model?,
        tokens: tokens?.unwrap_or(Ratio::whole(1)),
    })
}

/// How many tokens a model needs for each of another.
fn factor(value: &TomlValue<'_>) -> Result<Ratio, Problem> {
    let expected = "a number from \"0.01\" to \"100\", such as \"1.05\"";
    let read = Ratio::parse(value.text()?).ok();
    let is_fit = |ratio: &Ratio| {
        let hundredfold = ratio.numerator().saturating_mul(100);
        hundredfold >= ratio.denominator() && ratio.numerator() <= ratio.denominator().saturating_mul(100)
    };
    read.filter(is_fit).ok_or_else(|| value.problem("is not a factor", expected))
}
