//! OpenRouter: the saved answer of `GET https://openrouter.ai/api/v1/models`. Fields as `openrouter.ai/docs` describes
//! them (`PublicPricing`, `PricingOverride`), read on 2026-11-23.
//!
//! Prices are dollars per token, request, search or image, as strings. A price of -1 varies with the model that a
//! request is routed to. An override with `min_prompt_tokens` is the price of the whole request from that size on,
//! inclusive. Prices that an override leaves out keep their base value. An override by the hour makes its prices depend
//! on the hour. Usage names a model by its `id`, or without a variant by its `canonical_slug`, as exports of usage
//! show.

use super::quote::{Entry, Quote, Reason, Slot};
use super::tree::{Node, of_json};
use super::{Catalog, CatalogError, CatalogFile, Terms, only_file};
use crate::domain::event::ServiceTier;
use crate::domain::meter::Meter;
use crate::text::problem::Problem;

/// OpenRouter.
pub(super) const CATALOG: Catalog =
    Catalog { name: "openrouter", summary: "OpenRouter: the saved answer of /api/v1/models", entries };

const METERS: [(&str, Meter); 14] = [
    ("prompt", Meter::Input),
    ("completion", Meter::Output),
    ("request", Meter::Request),
    ("image", Meter::Image),
    ("image_output", Meter::Image),
    ("image_token", Meter::InputImage),
    ("audio", Meter::InputAudio),
    ("audio_output", Meter::OutputAudio),
    ("input_audio_cache", Meter::CacheReadAudio),
    ("web_search", Meter::WebSearch),
    ("internal_reasoning", Meter::Reasoning),
    ("input_cache_read", Meter::CacheRead),
    ("input_cache_write", Meter::CacheWrite),
    ("input_cache_write_1h", Meter::CacheWrite1h),
];

fn entries(files: &[CatalogFile], _: &Terms) -> Result<Vec<Entry>, CatalogError> {
    let file = only_file(files, &CATALOG)?;
    let tree = of_json(&file.bytes).map_err(|problem| file.problem(problem))?;
    let models = tree.get("data").unwrap_or(&tree).elements();
    let mut entries = Vec::new();
    for node in models {
        let Some(id) = node.get("id").and_then(Node::text) else {
            let problem = Problem::field("id", "a model has none", "a text").at(node.line);
            return Err(file.problem(problem));
        };
        entries.push(entry(id, node));
    }
    Ok(entries)
}

fn entry(id: &str, node: &Node) -> Entry {
    let mut entry = Entry::new("openrouter", id, node.line);
    let slug = node.get("canonical_slug").and_then(Node::text).filter(|slug| *slug != id && !id.contains(':'));
    entry.names.extend(slug.map(str::to_owned));
    let Some(pricing) = node.get("pricing") else { return entry };
    let overrides = pricing.get("overrides").map_or(&[][..], Node::elements);
    let has_hours = |node: &Node| node.get("utc_start").is_some() || node.get("utc_end").is_some();
    let hourly = |key: &str| overrides.iter().any(|node| has_hours(node) && node.get(key).is_some());
    let prompt = pricing.get("prompt").and_then(Node::literal);
    for (key, node) in pricing.members().iter().filter(|(key, _)| key != "overrides") {
        let of_a_token = key == "image" && node.literal() == prompt;
        let reason = (hourly(key).then_some(Reason::HourOfDay))
            // The documentation calls it the price of an image, but the value is the price of a token.
            .or_else(|| of_a_token.then_some(Reason::Alternative));
        entry.quotes.extend(quote(key, key, node, 0, reason));
    }
    for (number, node) in overrides.iter().enumerate() {
        let above = node.get("min_prompt_tokens").and_then(Node::whole).and_then(|size| size.checked_sub(1));
        let above = above.filter(|above| *above > 0).unwrap_or(-1);
        let by_hour = has_hours(node);
        for (key, node) in node.members() {
            let place = format!("overrides[{number}].{key}");
            if !matches!(key.as_str(), "min_prompt_tokens" | "utc_start" | "utc_end") {
                let reason = (by_hour || hourly(key)).then_some(Reason::HourOfDay);
                entry.quotes.extend(quote(&place, key, node, above, reason));
            }
        }
    }
    entry
}

/// A price with its purpose, unless there is a reason against it. A discount of 0 gives no quote.
fn quote(place: &str, key: &str, node: &Node, above: i64, reason: Option<Reason>) -> Option<Quote> {
    let meter = METERS.iter().find(|(name, _)| *name == key).map(|(_, meter)| *meter);
    let text = node.literal().unwrap_or_default();
    Some(match (meter, reason) {
        (None, _) if key == "discount" && text == "0" => return None,
        (None, _) if key == "discount" => Quote::aside(place, node, Reason::Factor),
        (None, _) => Quote::aside(place, node, Reason::UnknownKey),
        (Some(_), _) if text == "-1" => Quote::aside(place, node, Reason::Varies),
        (Some(_), Some(reason)) => Quote::aside(place, node, reason),
        (Some(meter), None) => Quote::used(place, node, Slot::new(meter, ServiceTier::STANDARD, above), 1),
    })
}
