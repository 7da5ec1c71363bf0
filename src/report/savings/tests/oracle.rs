//! Random prices, usage and substitutes, compared with an oracle in whole numbers that shares no code with the report.
#![expect(clippy::indexing_slicing, reason = "places that the test itself drew from fixed arrays")]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;

const PROVIDERS: [&str; 2] = ["acme", "other"];
const MODELS: [&str; 3] = ["a", "b", "c"];
const TIERS: [&str; 2] = ["standard", "batch"];

/// Places in the arrays; a provider may be missing.
type Priced = (Option<usize>, usize, usize);

#[derive(Debug, Clone)]
struct Used {
    provider: Option<usize>,
    model: usize,
    tier: usize,
    /// The value of the tag `k`, if there is one.
    tag: Option<usize>,
    /// Million input tokens.
    millions: i64,
}

#[derive(Debug, Clone)]
struct Swap {
    from: usize,
    to: usize,
    to_provider: Option<usize>,
    to_tier: Option<usize>,
    /// The conditions: provider, tier and tag `k`.
    only: (Option<usize>, Option<usize>, Option<usize>),
}

impl Swap {
    fn matches(&self, used: &Used) -> bool {
        let (provider, tier, tag) = self.only;
        self.from == used.model
            && provider.is_none_or(|provider| used.provider == Some(provider))
            && tier.is_none_or(|tier| used.tier == tier)
            && tag.is_none_or(|tag| used.tag == Some(tag))
    }

    fn changes_something(&self) -> bool {
        self.from != self.to || self.to_provider.is_some() || self.to_tier.is_some()
    }

    fn written(&self) -> String {
        let mut text = format!("from = \"{}\", to = \"{}\"", MODELS[self.from], MODELS[self.to]);
        let named = |key: &str, value: &str| format!(", {key} = \"{value}\"");
        text += &self.to_provider.map_or(String::new(), |place| named("to_provider", PROVIDERS[place]));
        text += &self.to_tier.map_or(String::new(), |place| named("to_tier", TIERS[place]));
        let (provider, tier, tag) = self.only;
        let conditions: Vec<String> = [
            provider.map(|place| format!("provider = \"{}\"", PROVIDERS[place])),
            tier.map(|place| format!("service_tier = \"{}\"", TIERS[place])),
            tag.map(|place| format!("\"tag.k\" = \"v{place}\"")),
        ]
        .into_iter()
        .flatten()
        .collect();
        if conditions.is_empty() {
            format!("{{ {text} }}")
        } else {
            format!("{{ {text}, where = {{ {} }} }}", conditions.join(", "))
        }
    }
}

/// What an offer comes to: whole units charged and offered, and million tokens that are not compared. Or the refusal.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Compared(i64, i64, i64),
    NoTag,
    NoPrice,
}

fn price(prices: &BTreeMap<Priced, i64>, provider: Option<usize>, model: usize, tier: usize) -> Option<i64> {
    let own = provider.and_then(|provider| prices.get(&(Some(provider), model, tier)));
    own.or_else(|| prices.get(&(None, model, tier))).copied()
}

fn oracle(prices: &BTreeMap<Priced, i64>, usage: &[Used], swaps: &[Swap]) -> Expected {
    let asks_for_tag = swaps.iter().any(|swap| swap.only.2.is_some());
    if asks_for_tag && !usage.is_empty() && usage.iter().all(|used| used.tag.is_none()) {
        return Expected::NoTag;
    }
    let (mut charged, mut offered, mut left) = (0, 0, 0);
    let mut fruitless: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
    let mut fruitful = BTreeSet::new();
    for used in usage.iter().filter(|used| used.millions > 0) {
        let place = swaps.iter().position(|swap| swap.matches(used));
        let (provider, model, tier) = match place.map(|place| &swaps[place]) {
            None => (used.provider, used.model, used.tier),
            Some(swap) => (swap.to_provider.or(used.provider), swap.to, swap.to_tier.unwrap_or(used.tier)),
        };
        let other = price(prices, provider, model, tier);
        if let Some(place) = place {
            let sold = |of: Option<usize>| prices.keys().any(|(by, what, _)| *by == of && *what == model);
            let at_tier = prices.keys().any(|(_, what, at)| *what == model && *at == tier);
            let ever =
                (sold(None) || provider.is_some() && sold(provider)) && (swaps[place].to_tier.is_none() || at_tier);
            if other.is_some() {
                fruitful.insert(place);
            } else {
                fruitless.entry(place).or_default().push(ever);
            }
        }
        match (price(prices, used.provider, used.model, used.tier), other) {
            (Some(own), Some(other)) => {
                charged += own * used.millions;
                offered += other * used.millions;
            }
            _ => left += used.millions,
        }
    }
    if fruitless.iter().any(|(place, ever)| !fruitful.contains(place) && !ever.contains(&true)) {
        return Expected::NoPrice;
    }
    Expected::Compared(charged, offered, left)
}

fn found(prices: &BTreeMap<Priced, i64>, usage: &[Used], swaps: &[Swap]) -> Result<Expected, Failure> {
    let mut list = HEADER.to_owned();
    for ((provider, model, tier), price) in prices {
        let provider = provider.map_or("", |place| PROVIDERS[place]);
        let (model, tier) = (MODELS[*model], TIERS[*tier]);
        writeln!(list, ",{provider},{model},input,{tier},,USD,{price},,2026-01-01")?;
    }
    let mut ledger = Ledger::new("USD", &list)?;
    for used in usage {
        let name = MODELS[used.model];
        let name = used.provider.map_or(name.to_owned(), |place| format!("{}/{name}", PROVIDERS[place]));
        let tag = used.tag.map(|place| format!("k=v{place}"));
        let tags: Vec<&str> = tag.iter().map(String::as_str).collect();
        ledger.used((&tags, &name, TIERS[used.tier]), &[(Meter::Input, used.millions * 1_000_000)])?;
    }
    let written: Vec<String> = swaps.iter().map(Swap::written).collect();
    let offers = format!("[[offer]]\nname = \"A\"\nsubstitute = [{}]\n", written.join(", "));
    let offers = Offers::read(&offers, ledger.currency).map_err(|problems| format!("{problems:?}"))?;
    let usage = Usage {
        lines: &ledger.lines,
        names: &ledger.names,
        book: "contract",
        books: &ledger.books,
        thresholds: &ledger.thresholds,
        months: NonZeroU32::MIN,
    };
    Ok(match compare(&offers, &usage) {
        Err(SavingsError::NoTag { .. }) => Expected::NoTag,
        Err(SavingsError::NoPriceOf(_)) => Expected::NoPrice,
        Err(error) => return Err(error.into()),
        Ok(comparisons) => {
            let total = comparisons.first().ok_or("no comparison")?.total;
            let units = |amount: Amount| i64::try_from(amount.femtos() / 1_000_000_000_000_000);
            let left = i64::try_from(total.uncompared_tokens / 1_000_000)?;
            Expected::Compared(units(total.charged)?, units(total.offered)?, left)
        }
    })
}

fn place(of: usize) -> impl Strategy<Value = Option<usize>> {
    prop::option::of(0..of)
}

fn used() -> impl Strategy<Value = Used> {
    (place(2), 0..3_usize, 0..2_usize, place(2), 0..4_i64).prop_map(|(provider, model, tier, tag, millions)| Used {
        provider,
        model,
        tier,
        tag,
        millions,
    })
}

fn swap() -> impl Strategy<Value = Swap> {
    (0..3_usize, 0..3_usize, place(2), place(2), (place(2), place(2), prop::option::weighted(0.2, 0..2_usize)))
        .prop_map(|(from, to, to_provider, to_tier, only)| Swap { from, to, to_provider, to_tier, only })
        .prop_filter("it changes something", Swap::changes_something)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn every_comparison_is_the_oracles(
        prices in prop::collection::btree_map((place(2), 0..3_usize, 0..2_usize), 1..10_i64, 1..9),
        usage in prop::collection::vec(used(), 0..7),
        swaps in prop::collection::vec(swap(), 1..4),
    ) {
        let found = found(&prices, &usage, &swaps).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(found, oracle(&prices, &usage, &swaps));
    }
}
