//! LiteLLM: `model_prices_and_context_window.json` of `github.com/BerriAI/litellm`. Read on 2026-11-23 (1.109.1), with
//! its cost calculation for the meaning of the keys.
//!
//! Prices are dollars per unit, and the key names the unit, with its own grammar of suffixes (`litellm_key.rs`). A
//! threshold applies to the whole request and is exclusive ("above"). For xAI it is inclusive: those prices start at
//! the size itself. A range of `tiered_pricing` begins above its first number. The name of a model drops the prefix of
//! its provider and keeps the prefix of a region.
//!
//! The factors `us` and `fast` of Anthropic's models multiply the price of tokens, for the tiers of these names
//! (`llms/anthropic/cost_calculation.py`, read 2026-11-25). The file has no dates of prices. `sample_spec` explains the
//! file and `fallback_generalizations` has rules for names, so neither is a model.

use super::litellm_key::{Key, Kind};
use super::quote::{Entry, Fate, Quote, Reason, Slot, Use};
use super::tree::{Node, NodeValue, of_json};
use super::{Catalog, CatalogError, CatalogFile, Terms, only_file, providers};
use crate::domain::decimal;
use crate::domain::event::ServiceTier;
use crate::domain::meter::{Meter, Unit};
use crate::text::problem::Problem;
use std::collections::BTreeSet;

/// LiteLLM.
pub(super) const CATALOG: Catalog =
    Catalog { name: "litellm", summary: "LiteLLM: model_prices_and_context_window.json", entries };

/// Keys with numbers that are not prices.
const NOT_PRICES: [&str; 12] = [
    "max_tokens",
    "max_input_tokens",
    "max_output_tokens",
    "metadata",
    "output_vector_size",
    "prompt_cache_min_tokens",
    "rpm",
    "tpm",
    "rules",
    "token_count_framing",
    "litellm_provider",
    "mode",
];
/// Members of the file that are not models.
const NOT_MODELS: [&str; 2] = ["sample_spec", "fallback_generalizations"];
/// The key of a vendor's own factors. Some of them are service tiers in tokenbook.
const SPECIFIC: &str = "provider_specific_entry";
const US: &str = "us";
const FAST: &str = "fast";

/// Words that occur in the keys of prices.
const PRICE_WORDS: [&str; 4] = ["cost", "price", "pricing", "multiplier"];

fn entries(files: &[CatalogFile], _: &Terms) -> Result<Vec<Entry>, CatalogError> {
    let file = only_file(files, &CATALOG)?;
    let tree = of_json(&file.bytes).map_err(|problem| file.problem(problem))?;
    let models = tree.members().iter().filter(|(name, _)| !NOT_MODELS.contains(&name.as_str()));
    if let Some((name, node)) = models.clone().find(|(_, node)| !matches!(node.value, NodeValue::Table(_))) {
        let problem = Problem::field(name, "is not a model", "an object with litellm_provider and prices");
        return Err(file.problem(problem.at(node.line)));
    }
    Ok(models.map(|(name, node)| entry(name, node)).collect())
}

fn entry(name: &str, node: &Node) -> Entry {
    let provider = node.get("litellm_provider").and_then(Node::text).unwrap_or_default();
    let mut entry = Entry::new(provider, without_provider(name, provider), node.line);
    let model = Model::of(node, provider);
    for (key, node) in node.members() {
        match key.as_str() {
            "tiered_pricing" => model.tiers(&mut entry.quotes, node),
            "off_peak_pricing" => off_peak(&mut entry.quotes, node),
            "search_context_cost_per_query" => search(&mut entry.quotes, node),
            SPECIFIC => specific(&mut entry.quotes, node),
            "search_free_requests" => entry.quotes.push(Quote::aside(key, node, Reason::Allowance)),
            key if NOT_PRICES.contains(&key) => {}
            key if PRICE_WORDS.iter().any(|word| key.contains(word)) => model.flat(&mut entry.quotes, key, node),
            key if matches!(node.value, NodeValue::Number(_)) => {
                entry.quotes.push(Quote::aside(key, node, Reason::UnknownKey));
            }
            _ => {}
        }
    }
    multiply(&mut entry.quotes, node);
    entry
}

/// Multiplies prices by the vendor's factors: for inference in the United States, and for faster inference. Only prices
/// of tokens are multiplied. The tiers are the ones that `anthropic-messages` gives to events.
fn multiply(quotes: &mut [Quote], model: &Node) {
    let factor = |name| model.get(SPECIFIC).and_then(|table| table.get(name)).and_then(Node::literal);
    let (us, fast) = (factor(US), factor(FAST));
    let both = us.zip(fast).and_then(|(us, fast)| decimal::product(us, fast).ok());
    for quote in quotes {
        let Fate::Uses(uses) = &mut quote.fate else { continue };
        let mut more = Vec::new();
        for put in uses.iter() {
            let standard = put.slot.tier == ServiceTier::STANDARD;
            let tiers = [
                (us, if standard { US.to_owned() } else { format!("{}-{US}", put.slot.tier) }),
                (fast.filter(|_| standard), FAST.to_owned()),
                (both.as_deref().filter(|_| standard), format!("{FAST}-{US}")),
            ];
            for (factor, tier) in tiers {
                let Some(factor) = factor else { continue };
                let times = (put.slot.meter.unit() == Unit::Tokens).then(|| factor.to_owned());
                more.push(Use { slot: Slot { tier, ..put.slot.clone() }, times, ..put.clone() });
            }
        }
        uses.extend(more);
    }
}

/// The model's name without the prefix that repeats its provider.
fn without_provider<'a>(name: &'a str, provider: &str) -> &'a str {
    let Some((prefix, rest)) = name.split_once('/') else { return name };
    let spelled = prefix.replace('-', "_");
    let repeats = spelled == provider || providers::ours(prefix).0 == providers::ours(provider).0;
    if repeats && !rest.is_empty() { rest } else { name }
}

struct Model<'a> {
    kind: Kind<'a>,
    /// Subtracted from a threshold, so that "from N on" becomes "above N - 1".
    inclusive: i64,
    /// Slots that cost less at some hours, for prompts of any size.
    hourly: BTreeSet<Slot>,
    /// The price for a second of audio.
    second: Option<&'a str>,
}

impl<'a> Model<'a> {
    fn of(node: &'a Node, provider: &str) -> Self {
        let has = |key| node.get(key).is_some();
        let kind = Kind {
            mode: node.get("mode").and_then(Node::text).unwrap_or_default(),
            output_by_tokens: has("output_cost_per_token") || has("output_cost_per_image_token"),
            output_by_images: has("output_cost_per_image"),
        };
        let off_peak = node.get("off_peak_pricing").map_or(&[][..], Node::members);
        let slot = |(key, _): &(String, Node)| {
            let key = Key::of(key);
            Some(Slot::new(key.meter(kind).ok()?, key.tier.ok()?, 0))
        };
        Self {
            kind,
            inclusive: i64::from(provider == "xai"),
            hourly: off_peak.iter().filter_map(slot).collect(),
            second: node.get("input_cost_per_second").and_then(Node::literal),
        }
    }

    /// A price at the top of the model.
    fn flat(&self, quotes: &mut Vec<Quote>, name: &str, node: &Node) {
        if matches!(node.value, NodeValue::Table(_) | NodeValue::List(_)) {
            let member = |(key, node): &(String, Node)| Quote::aside(format!("{name}.{key}"), node, Reason::NoMeter);
            quotes.extend(node.members().iter().map(member));
            return;
        }
        let fate = self.slot(&Key::of(name), node);
        quotes.push(match fate {
            Ok(slot) if self.hourly.contains(&Slot { prompt_above: 0, ..slot.clone() }) => {
                Quote::aside(name, node, Reason::HourOfDay)
            }
            Ok(slot) => Quote::used(name, node, slot, 1),
            Err(reason) => Quote::aside(name, node, reason),
        });
    }

    fn slot(&self, key: &Key<'_>, node: &Node) -> Result<Slot, Reason> {
        let repeats_seconds = key.base == "output_cost_per_second"
            && self.kind.mode == "audio_transcription"
            && self.second == node.literal();
        let meter = if repeats_seconds { Meter::AudioSecond } else { key.meter(self.kind)? };
        let above = if key.above > 0 { key.above - self.inclusive } else { 0 };
        Ok(Slot::new(meter, key.tier?, above))
    }

    /// Prices by prompt size, each above the first number of its range.
    fn tiers(&self, quotes: &mut Vec<Quote>, list: &Node) {
        for (number, tier) in list.elements().iter().enumerate() {
            let above = tier.get("range").and_then(|range| range.elements().first()?.whole());
            for (name, node) in tier.members().iter().filter(|(name, _)| !name.ends_with("range")) {
                let place = format!("tiered_pricing[{number}].{name}");
                let slot = match above {
                    None if tier.get("max_results_range").is_some() => Err(Reason::Size),
                    _ => self.slot(&Key::of(name), node),
                };
                let slot = slot.map(|slot| Slot { prompt_above: above.unwrap_or(-1), ..slot });
                quotes.push(match slot {
                    Ok(slot) => Quote::used(place, node, slot, 1),
                    Err(reason) => Quote::aside(place, node, reason),
                });
            }
        }
    }
}

/// Prices at some hours. The other prices of the same slot are set aside with them.
fn off_peak(quotes: &mut Vec<Quote>, table: &Node) {
    let prices = table.members().iter().filter(|(_, node)| matches!(node.value, NodeValue::Number(_)));
    let quote = |(key, node): &(String, Node)| Quote::aside(format!("off_peak_pricing.{key}"), node, Reason::HourOfDay);
    quotes.extend(prices.map(quote));
}

/// Prices by the size of a search. If all sizes cost the same, it is the price of a search.
fn search(quotes: &mut Vec<Quote>, table: &Node) {
    let members = table.members();
    let same = members.iter().all(|(_, node)| members.first().is_some_and(|(_, first)| first.value == node.value));
    for (key, node) in members {
        let place = format!("search_context_cost_per_query.{key}");
        let slot = Slot::new(Meter::WebSearch, ServiceTier::STANDARD, 0);
        quotes.push(if same { Quote::used(place, node, slot, 1) } else { Quote::aside(place, node, Reason::Size) });
    }
}

/// Factors for regions and speeds, among settings that are not prices.
fn specific(quotes: &mut Vec<Quote>, table: &Node) {
    for (key, node) in table.members().iter().filter(|(_, node)| matches!(node.value, NodeValue::Number(_))) {
        let fate = match key.as_str() {
            // Used together with the prices that it multiplies.
            US | FAST => Fate::Uses(Vec::new()),
            key if key.contains("_free_") => Fate::Aside(Reason::Allowance),
            _ => Fate::Aside(Reason::Factor),
        };
        quotes.push(Quote::of(format!("{SPECIFIC}.{key}"), node, fate));
    }
}
