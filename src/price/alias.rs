//! Aliases of models: names in the usage that price lists do not have, such as a dated snapshot, a deployment or a
//! cloud resource.
//!
//! A user states an alias. It is exact and holds from an instant on. tokenbook follows it once, and only if no price in
//! force has the name in the usage. A later row of the same key and start replaces the earlier row. A row without a
//! model ends the alias. Nothing here compares parts of names.

use crate::domain::event::Model;
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// What an alias is for. Two rows of one key say what the name means at different times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasKey {
    /// The name as it is used.
    pub alias: Name,
    /// The provider of the usage it holds for; `None` for any.
    pub provider: Option<Name>,
}

/// One row of a list of aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRow {
    /// What it is for.
    pub key: AliasKey,
    /// From when, until the next row of the key.
    pub valid_from: Timestamp,
    /// The name that has the prices; `None` ends the alias.
    pub model: Option<Name>,
}

/// Every alias of a ledger.
#[derive(Debug, Default)]
pub struct Aliases {
    names: FxHashMap<Box<str>, Vec<History>>,
}

/// What a name means through time, for usage of one provider or of any.
#[derive(Debug)]
struct History {
    provider: Option<Name>,
    models: BTreeMap<Timestamp, Option<Name>>,
}

impl Aliases {
    /// The aliases of rows in the order of their import.
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a AliasRow>) -> Self {
        let mut aliases = Self::default();
        for AliasRow { key, valid_from, model } in rows {
            let histories = aliases.names.entry(key.alias.as_str().into()).or_default();
            match histories.iter_mut().find(|history| history.provider == key.provider) {
                Some(history) => {
                    history.models.insert(*valid_from, model.clone());
                }
                None => histories.push(History {
                    provider: key.provider.clone(),
                    models: BTreeMap::from([(*valid_from, model.clone())]),
                }),
            }
        }
        aliases
    }

    /// The name that a model's prices may stand under at an instant. An alias that names the provider wins.
    pub fn model_of(&self, model: &Model, at: Timestamp) -> Option<&Name> {
        let histories = self.names.get(model.name.as_str())?;
        let in_force = |provider: Option<&Name>| {
            let history = histories.iter().find(|history| history.provider.as_ref() == provider)?;
            history.models.range(..=at).next_back().and_then(|(_, model)| model.as_ref())
        };
        model.provider.as_ref().and_then(|provider| in_force(Some(provider))).or_else(|| in_force(None))
    }

    /// Every name that a name has ever stood for.
    pub fn targets<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.histories(name).flat_map(|history| history.models.values().flatten().map(Name::as_str))
    }

    /// The instants at which a name begins or ceases to stand for something.
    pub fn starts_of(&self, name: &str) -> impl Iterator<Item = Timestamp> {
        self.histories(name).flat_map(|history| history.models.keys().copied())
    }

    /// The instants at which any name does.
    pub fn starts(&self) -> impl Iterator<Item = Timestamp> {
        self.names.values().flatten().flat_map(|history| history.models.keys().copied())
    }

    fn histories<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a History> {
        self.names.get(name).into_iter().flatten()
    }
}

/// The prompt sizes at which some price changes, ascending, by every name that usage may have: a model's own, and for an
/// alias also those of all it has ever stood for, as its events may be priced by them.
pub fn thresholds<'a>(
    prices: impl IntoIterator<Item = (&'a str, i64)>,
    aliases: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, Vec<i64>> {
    let mut own: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for (model, threshold) in prices.into_iter().filter(|(_, threshold)| *threshold > 0) {
        own.entry(model).or_default().insert(threshold);
    }
    let mut all = own.clone();
    for (alias, model) in aliases {
        if let Some(thresholds) = own.get(model) {
            all.entry(alias).or_default().extend(thresholds);
        }
    }
    all.into_iter().map(|(name, thresholds)| (name.to_owned(), thresholds.into_iter().collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Calendar;
    use crate::price::alias_list::alias_list;

    fn aliases(rows: &str) -> Option<Aliases> {
        let list = format!("alias,provider,model,valid_from\n{rows}");
        let rows = alias_list(list.as_bytes(), Calendar::of_zone("UTC").ok()?).ok()?;
        Some(Aliases::new(rows.iter().map(|listed| &listed.row)))
    }

    /// What a name of a provider stands for at the start of a day.
    fn at(aliases: Option<&Aliases>, provider: &str, name: &str, day: &str) -> String {
        let at = Timestamp::parse(&format!("{day}T00:00:00Z")).ok();
        let model = Name::new(name).ok().map(|name| Model { provider: Name::new(provider).ok(), name });
        let found = aliases.zip(at).zip(model).and_then(|((aliases, at), model)| aliases.model_of(&model, at).cloned());
        found.map_or_else(|| "none".to_owned(), |name| name.to_string())
    }

    #[test]
    fn an_alias_holds_from_its_start_to_the_next_and_is_followed_once() {
        let aliases =
            aliases("a,,b,2026-02-01\na,,c,2026-03-01\na,,-,2026-04-01\na,north,d,2026-03-15\nb,,e,2026-01-01\n");
        let cases = [
            ("", "a", "2026-01-31", "none"),
            ("", "a", "2026-02-01", "b"),
            ("", "a", "2026-03-01", "c"),
            ("north", "a", "2026-03-14", "c"),
            ("north", "a", "2026-03-15", "d"),
            ("south", "a", "2026-03-15", "c"),
            ("", "a", "2026-04-01", "none"),
            ("north", "a", "2026-04-01", "d"),
            ("", "a-1", "2026-03-01", "none"),
            ("", "A", "2026-03-01", "none"),
        ];
        for (provider, name, day, expected) in cases {
            assert_eq!(at(aliases.as_ref(), provider, name, day), expected, "{provider} {name} {day}");
        }
    }

    #[test]
    fn an_alias_has_the_thresholds_of_what_it_stands_for_but_not_of_a_chain() {
        let prices = [("b", 200), ("b", 100), ("a", 50), ("d", 0), ("e", 7)];
        let found = thresholds(prices, [("a", "b"), ("c", "b"), ("x", "c"), ("b", "e")]);
        let expected = [("a", vec![50, 100, 200]), ("b", vec![7, 100, 200]), ("c", vec![100, 200]), ("e", vec![7])];
        assert_eq!(found, expected.map(|(name, sizes)| (name.to_owned(), sizes)).into());
    }
}
