//! genai-prices: `prices/new_data/v2/data.json` of `github.com/pydantic/genai-prices`. Read on 2026-11-23 (commit
//! 47df840a5ab1 and release 0.2.3), with its schema, its table of units and its calculation for the meaning of both.
//!
//! Prices are dollars per million tokens or characters, per thousand searches or requests, or per hour of audio. The
//! key names the unit. A tier applies to the whole request above its start, exclusive. `genai_schedule.rs` has the
//! conditions of time.
//!
//! Clauses on a model's lower-case name say which names mean the model. An `equals` clause gives a name. The model's id
//! is a name too, unless its own clauses exclude it. The other clauses are patterns, and tokenbook never guesses a
//! model by a pattern.

use super::genai_schedule::quotes;
use super::quote::{Entry, Reason};
use super::tree::{Node, of_json};
use super::{Catalog, CatalogError, CatalogFile, Terms, only_file};
use crate::domain::meter::Meter;
use crate::text::problem::Problem;

/// genai-prices.
pub(super) const CATALOG: Catalog =
    Catalog { name: "genai-prices", summary: "genai-prices: prices/new_data/v2/data.json", entries };

const MILLION: u32 = 1_000_000;
const HOUR: u32 = 3_600;

/// Keys that price one of tokenbook's meters, with the units they are for.
const METERS: [(&str, Meter, u32); 19] = [
    ("input_mtok", Meter::Input, MILLION),
    ("output_mtok", Meter::Output, MILLION),
    ("output_reasoning_mtok", Meter::Reasoning, MILLION),
    ("cache_read_mtok", Meter::CacheRead, MILLION),
    ("cache_write_mtok", Meter::CacheWrite, MILLION),
    ("cache_write_5m_mtok", Meter::CacheWrite, MILLION),
    ("cache_write_1h_mtok", Meter::CacheWrite1h, MILLION),
    ("input_audio_mtok", Meter::InputAudio, MILLION),
    ("output_audio_mtok", Meter::OutputAudio, MILLION),
    ("cache_audio_read_mtok", Meter::CacheReadAudio, MILLION),
    ("input_image_mtok", Meter::InputImage, MILLION),
    ("output_image_mtok", Meter::OutputImage, MILLION),
    ("cache_image_read_mtok", Meter::CacheReadImage, MILLION),
    ("input_video_mtok", Meter::InputVideo, MILLION),
    ("output_video_mtok", Meter::OutputVideo, MILLION),
    ("input_mchars", Meter::Character, MILLION),
    ("audio_hours", Meter::AudioSecond, HOUR),
    ("input_audio_hours", Meter::AudioSecond, HOUR),
    ("requests_kcount", Meter::Request, 1_000),
];
const WEB_SEARCHES: &str = "web_searches_kcount";

/// The meter of a key, and the units it is for.
pub(super) fn meter(key: &str) -> Result<(Meter, u32), Reason> {
    if key == WEB_SEARCHES {
        return Ok((Meter::WebSearch, 1_000));
    }
    let known = METERS.iter().find(|(name, ..)| *name == key);
    known.map(|(_, meter, per)| (*meter, *per)).ok_or(Reason::NoMeter)
}

fn entries(files: &[CatalogFile], terms: &Terms) -> Result<Vec<Entry>, CatalogError> {
    let file = only_file(files, &CATALOG)?;
    let tree = of_json(&file.bytes).map_err(|problem| file.problem(problem))?;
    let mut entries = Vec::new();
    for provider in tree.elements() {
        let id = text(provider, "id").map_err(|problem| file.problem(problem))?;
        for model in provider.get("models").map_or(&[][..], Node::elements) {
            entries.push(entry(id, model, terms).map_err(|problem| file.problem(problem))?);
        }
    }
    Ok(entries)
}

fn text<'a>(node: &'a Node, key: &str) -> Result<&'a str, Problem> {
    let found = node.get(key).and_then(Node::text);
    found.ok_or_else(|| Problem::field(key, "is missing or no text", "a provider or a model with an id").at(node.line))
}

fn entry(provider: &str, node: &Node, terms: &Terms) -> Result<Entry, Problem> {
    let id = text(node, "id")?;
    let mut entry = Entry::new(provider, id, node.line);
    if let Some(clause) = node.get("match") {
        let mut names = Vec::new();
        entry.patterns = exact_names(clause, &mut names);
        if is_met(clause, &id.to_lowercase()) == Some(false) {
            entry.names.clear();
        }
        names.retain(|name| *name != id);
        names.dedup();
        entry.names.extend(names);
    }
    (entry.quotes, entry.ends) = quotes(node, terms.valid_from)?;
    // A model without an exact name keeps its id for messages.
    if entry.names.is_empty() {
        entry.names.push(id.to_owned());
        entry.quotes.iter_mut().for_each(|quote| quote.fate = super::quote::Fate::Aside(Reason::Nameless));
        entry.ends.clear();
    }
    Ok(entry)
}

/// Collects the names that a clause equals. Returns whether other names match it as well.
fn exact_names(clause: &Node, names: &mut Vec<String>) -> bool {
    match clause.members() {
        [(kind, node)] if kind == "equals" => {
            names.extend(node.text().map(str::to_owned));
            false
        }
        [(kind, node)] if kind == "or" => {
            node.elements().iter().map(|clause| exact_names(clause, names)).fold(false, |any, one| any | one)
        }
        _ => true,
    }
}

/// Whether a name in lower case matches a clause; `None` if a regular expression decides.
fn is_met(clause: &Node, name: &str) -> Option<bool> {
    let [(kind, node)] = clause.members() else { return None };
    let text = node.text().map(str::to_lowercase);
    let clauses = || node.elements().iter().map(|clause| is_met(clause, name));
    match (kind.as_str(), text) {
        ("equals", Some(text)) => Some(name == text),
        ("starts_with", Some(text)) => Some(name.starts_with(&text)),
        ("ends_with", Some(text)) => Some(name.ends_with(&text)),
        ("contains", Some(text)) => Some(name.contains(&text)),
        ("or", None) if clauses().any(|met| met == Some(true)) => Some(true),
        ("and", None) if clauses().any(|met| met == Some(false)) => Some(false),
        ("or", None) => clauses().all(|met| met.is_some()).then_some(false),
        ("and", None) => clauses().all(|met| met.is_some()).then_some(true),
        _ => None,
    }
}
