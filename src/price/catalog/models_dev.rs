//! models.dev: `https://models.dev/api.json`, and its source, the TOML files of `github.com/anomalyco/models.dev`. Read
//! on 2026-11-23 (repository at f3fc6922; its README and schema).
//!
//! Prices are dollars per million tokens. A price of a context tier applies to the whole request above its size,
//! exclusive. The older `context_over_200k` has the size in its name. A mode is a service tier, under the name that its
//! request uses, or else under the mode's own name. The path of a TOML file names the provider and the model. The files
//! have no dates of prices.

use super::quote::{Entry, Quote, Reason, Slot};
use super::tree::{Node, of_json, of_toml};
use super::{Catalog, CatalogError, CatalogFile, Terms};
use crate::domain::event::ServiceTier;
use crate::domain::meter::Meter;
use crate::text::problem::Problem;
use std::path::Path;

/// models.dev.
pub(super) const CATALOG: Catalog = Catalog {
    name: "models-dev",
    summary: "models.dev: api.json, or providers/*/models/**/*.toml of its repository",
    entries,
};

const METERS: [(&str, Meter); 7] = [
    ("input", Meter::Input),
    ("output", Meter::Output),
    ("reasoning", Meter::Reasoning),
    ("cache_read", Meter::CacheRead),
    ("cache_write", Meter::CacheWrite),
    ("input_audio", Meter::InputAudio),
    ("output_audio", Meter::OutputAudio),
];
const MILLION: u32 = 1_000_000;

fn entries(files: &[CatalogFile], _: &Terms) -> Result<Vec<Entry>, CatalogError> {
    let mut entries = Vec::new();
    for file in files {
        if Path::new(&file.name).extension().is_some_and(|extension| extension == "toml") {
            let Some((provider, model)) = named_by_path(&file.name).map_err(|problem| file.problem(problem))? else {
                continue;
            };
            let node = of_toml(&file.bytes).map_err(|problem| file.problem(problem))?;
            entries.push(entry(provider, model, &node));
        } else {
            let tree = of_json(&file.bytes).map_err(|problem| file.problem(problem))?;
            // catalog.json has the providers beside the models.
            let providers = tree.get("providers").unwrap_or(&tree);
            for (provider, node) in providers.members() {
                let Some(models) = node.get("models") else {
                    let what = format!("{provider} has no models");
                    return Err(file.problem(Problem::line(what, "providers with models, as api.json has them")));
                };
                entries.extend(models.members().iter().map(|(model, node)| entry(provider, model, node)));
            }
        }
    }
    Ok(entries)
}

/// The provider and model in `…/providers/PROVIDER/models/MODEL.toml`; `None` for a provider's own file.
fn named_by_path(path: &str) -> Result<Option<(&str, &str)>, Problem> {
    if path.ends_with("/provider.toml") || path == "provider.toml" {
        return Ok(None);
    }
    let (before, model) = path.split_once("/models/").ok_or_else(|| {
        Problem::line("the path does not say which model it is", "…/providers/PROVIDER/models/MODEL.toml")
    })?;
    let provider = before.rsplit('/').next().unwrap_or(before);
    Ok(Some((provider, model.trim_end_matches(".toml"))))
}

fn entry(provider: &str, model: &str, node: &Node) -> Entry {
    let mut entry = Entry::new(provider, model, node.line);
    if let Some(cost) = node.get("cost") {
        costs(&mut entry.quotes, "cost", cost, ServiceTier::STANDARD);
    }
    let modes = node.get("experimental").and_then(|experimental| experimental.get("modes"));
    for (mode, node) in modes.map_or(&[][..], Node::members) {
        let Some(cost) = node.get("cost") else { continue };
        let body = node.get("body").or_else(|| node.get("provider")?.get("body"));
        let tier = body.and_then(|body| body.get("service_tier")).and_then(Node::text).unwrap_or(mode);
        costs(&mut entry.quotes, &format!("modes.{mode}.cost"), cost, tier);
    }
    entry
}

fn costs(quotes: &mut Vec<Quote>, place: &str, cost: &Node, tier: &str) {
    rates(quotes, place, cost, tier, 0);
    let tiers = cost.get("tiers").map_or(&[][..], Node::elements);
    for (number, node) in tiers.iter().enumerate() {
        let size = node.get("tier").filter(|tier| tier.get("type").is_none_or(|kind| kind.text() == Some("context")));
        let above = size.and_then(|tier| tier.get("size")).and_then(Node::whole).filter(|size| *size > 0);
        rates(quotes, &format!("{place}.tiers[{number}]"), node, tier, above.unwrap_or(-1));
    }
    // The older spelling of the same tiers.
    if let Some(node) = cost.get("context_over_200k") {
        rates(quotes, &format!("{place}.context_over_200k"), node, tier, 200_000);
    }
}

/// The prices of one table. A prompt size of -1 means that it cannot be read.
fn rates(quotes: &mut Vec<Quote>, place: &str, table: &Node, tier: &str, prompt_above: i64) {
    for (key, node) in table.members() {
        if matches!(key.as_str(), "tiers" | "tier" | "context_over_200k") {
            continue;
        }
        let at = format!("{place}.{key}");
        quotes.push(match METERS.iter().find(|(name, _)| name == key) {
            Some((_, meter)) => Quote::used(at, node, Slot::new(*meter, tier, prompt_above), MILLION),
            None => Quote::aside(at, node, Reason::UnknownKey),
        });
    }
}
