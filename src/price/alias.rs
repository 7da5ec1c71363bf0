//! Aliases of models: names in the usage that price lists do not have, such as a dated snapshot, a deployment or a
//! cloud resource.
//!
//! A user states an alias. It is exact and applies from an instant on. tokenbook follows it once, and only if no price
//! in force has the name in the usage. A later row with the same key and start replaces the earlier row. A row without
//! a model ends the alias. Nothing here compares parts of names.
//!
//! An alias may name the provider whose prices apply. With [`EVERY`] as alias and model, it covers every model of a
//! provider. So a cloud that sells other makers' models under the makers' names needs one row.

use crate::domain::event::Model;
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// As alias and as model: every model of a provider, under its own name.
pub const EVERY: &str = "*";

/// What an alias applies to. Two rows with one key define the name's meaning at different times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasKey {
    /// The name in the usage.
    pub alias: Name,
    /// The provider of the usage; `None` for any.
    pub provider: Option<Name>,
}

/// One row of a list of aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRow {
    /// What it applies to.
    pub key: AliasKey,
    /// The start. It applies until the next row with the same key.
    pub valid_from: Timestamp,
    /// The model that has the prices; `None` ends the alias.
    pub target: Option<Target>,
}

/// The model that has the prices of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name that has the prices.
    pub model: Name,
    /// The provider whose prices apply; `None` for the provider of the usage.
    pub provider: Option<Name>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            None => write!(f, "{}", self.model),
            Some(provider) => write!(f, "{provider}/{}", self.model),
        }
    }
}

/// The name and the provider to look up prices for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandsFor<'a> {
    /// The name.
    pub model: &'a str,
    /// The provider whose prices apply; `None` for the provider of the usage.
    pub provider: Option<&'a Name>,
}

/// Every alias of a ledger.
#[derive(Debug, Default)]
pub struct Aliases {
    names: FxHashMap<Box<str>, Vec<History>>,
}

/// The meanings of a name over time, for usage of one provider or of any.
#[derive(Debug)]
struct History {
    provider: Option<Name>,
    targets: BTreeMap<Timestamp, Option<Target>>,
}

impl Aliases {
    /// The aliases from rows in the order of their import.
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a AliasRow>) -> Self {
        let mut aliases = Self::default();
        for AliasRow { key, valid_from, target } in rows {
            let histories = aliases.names.entry(key.alias.as_str().into()).or_default();
            match histories.iter_mut().find(|history| history.provider == key.provider) {
                Some(history) => {
                    history.targets.insert(*valid_from, target.clone());
                }
                None => histories.push(History {
                    provider: key.provider.clone(),
                    targets: BTreeMap::from([(*valid_from, target.clone())]),
                }),
            }
        }
        aliases
    }

    /// The model that has the prices of a model at an instant. An alias of the model's own name and provider wins, then
    /// one of its name for any provider, then one for every model of its provider.
    pub fn target_of<'a>(&'a self, model: &'a Model, at: Timestamp) -> Option<StandsFor<'a>> {
        let in_force = |name: &str, provider: Option<&Name>| {
            let history = self.histories(name).find(|history| history.provider.as_ref() == provider)?;
            history.targets.range(..=at).next_back().and_then(|(_, target)| target.as_ref())
        };
        let (name, provider) = (model.name.as_str(), model.provider.as_ref());
        let own = provider.and_then(|provider| in_force(name, Some(provider))).or_else(|| in_force(name, None));
        let own = own.map(|target| (target.model.as_str(), target));
        let every = || provider.and_then(|provider| in_force(EVERY, Some(provider))).map(|target| (name, target));
        let (model, target) = own.or_else(every)?;
        Some(StandsFor { model, provider: target.provider.as_ref() })
    }

    /// Every name that a name ever stood for.
    pub fn targets<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let targets = self.histories(name).flat_map(|history| history.targets.values().flatten());
        targets.map(|target| target.model.as_str())
    }

    /// The instants at which a name starts or stops standing for another.
    pub fn starts_of(&self, name: &str) -> impl Iterator<Item = Timestamp> {
        let histories = self.histories(name).chain(self.histories(EVERY));
        histories.flat_map(|history| history.targets.keys().copied())
    }

    /// The same instants for all names.
    pub fn starts(&self) -> impl Iterator<Item = Timestamp> {
        self.names.values().flatten().flat_map(|history| history.targets.keys().copied())
    }

    fn histories<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a History> {
        self.names.get(name).into_iter().flatten()
    }
}

/// The prompt sizes at which some price changes, ascending, by every name that usage may have. A name has its own
/// sizes. An alias also has the sizes of all names it ever stood for, because their prices may apply to its events.
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
        let list = format!("alias,provider,model,model_provider,valid_from\n{rows}");
        let rows = alias_list(list.as_bytes(), Calendar::of_zone("UTC").ok()?).ok()?;
        Some(Aliases::new(rows.iter().map(|listed| &listed.row)))
    }

    /// What a provider's name stands for at the start of a day.
    fn at(aliases: Option<&Aliases>, provider: &str, name: &str, day: &str) -> String {
        let at = Timestamp::parse(&format!("{day}T00:00:00Z")).ok();
        let model = Name::new(name).ok().map(|name| Model { provider: Name::new(provider).ok(), name });
        let (Some(aliases), Some(at), Some(model)) = (aliases, at, model) else { return "no case".to_owned() };
        aliases.target_of(&model, at).map_or_else(
            || "none".to_owned(),
            |found| [found.provider.map_or("", Name::as_str), found.model].join("/").trim_matches('/').to_owned(),
        )
    }

    #[test]
    fn an_alias_holds_from_its_start_to_the_next_and_is_followed_once() {
        let aliases = aliases(
            "a,,b,,2026-02-01\na,,c,,2026-03-01\na,,-,,2026-04-01\na,north,d,,2026-03-15\nb,,e,,2026-01-01\n\
             *,cloud,*,maker,2026-02-15\n*,cloud,-,,2026-05-01\nz,cloud,y,other,2026-01-01\nz,,w,,2026-01-01\n",
        );
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
            ("cloud", "A", "2026-02-14", "none"),
            ("cloud", "A", "2026-02-15", "maker/A"),
            ("cloud", "A", "2026-05-01", "none"),
            ("cloud", "a", "2026-03-01", "c"),
            ("cloud", "a", "2026-04-01", "maker/a"),
            ("cloud", "z", "2026-03-01", "other/y"),
            ("", "z", "2026-03-01", "w"),
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
