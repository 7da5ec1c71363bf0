//! Compares our reading of recorded response bodies with the usage that an independent project expects of them.
//!
//! `cargo run --example compare_usages -- FILE`, where FILE is of the shape of `tests/dataset/usages.json` of
//! pydantic/genai-prices: an array of `{"body": …, "model": …, "extracted": [{"usage": …, "extractors": [{"provider_id",
//! "api_flavor", "input_price", "output_price"}]}]}`. Each body goes through the format that recognises it. What is
//! expected is what the project expects of the vendor whose protocol that is. Differences that a rule of
//! `docs/RECORDED_USAGE.md` explains are counted under it; any other is printed, and the exit code is 1.
//! Prices are counted and not compared: that needs a price list made from the same project's catalogue.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Cursor, Write};
use std::process::ExitCode;
use tokenbook::domain::event::UsageEvent;
use tokenbook::domain::meter::{Meter, Side, Unit};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::format::recognised;
use tokenbook::import::head::Head;
use tokenbook::import::input::Source;
use tokenbook::import::preview::preview;
use tokenbook::import::reading::Reading;

#[derive(Deserialize)]
struct Recorded<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    model: Option<String>,
    extracted: Vec<Extracted>,
}

#[derive(Deserialize)]
struct Extracted {
    usage: BTreeMap<String, i64>,
    extractors: Vec<Extractor>,
}

#[derive(Deserialize)]
struct Extractor {
    provider_id: String,
    api_flavor: String,
    input_price: Option<String>,
    output_price: Option<String>,
}

/// Whose expectation holds for a format.
const VENDORS: [(&str, &str, &str); 6] = [
    ("openai-chat", "openrouter", "chat"),
    ("openai-responses", "openai", "responses"),
    ("anthropic-messages", "anthropic", "default"),
    ("gemini", "google", "default"),
    ("bedrock-converse", "aws", "default"),
    ("cohere-chat", "cohere", "default"),
];

/// What became of one body.
enum Verdict {
    Same,
    /// Other, by a rule of the table.
    Explained(&'static str),
    Different(String),
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("expected the path of a usages.json")?;
    let text = std::fs::read_to_string(path)?;
    let recorded: Vec<Recorded<'_>> = serde_json::from_str(&text)?;
    let mut out = std::io::stdout();
    let (mut same, mut different, mut priced) = (0, 0, 0);
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, one) in recorded.iter().enumerate() {
        let extractors = one.extracted.iter().flat_map(|extracted| &extracted.extractors);
        priced += extractors.filter(|e| e.input_price.is_some() && e.output_price.is_some()).count();
        match judge(one)? {
            Verdict::Same => same += 1,
            Verdict::Explained(rule) => *explained.entry(rule).or_default() += 1,
            Verdict::Different(what) => {
                different += 1;
                writeln!(out, "body {place}: {what}")?;
            }
        }
    }
    for (rule, count) in &explained {
        writeln!(out, "{count} other by the rule {rule}")?;
    }
    let all = recorded.len();
    writeln!(
        out,
        "{all} bodies: {same} the same, {} explained, {different} different",
        explained.values().sum::<usize>()
    )?;
    writeln!(out, "{priced} expected pairs of prices are not compared")?;
    Ok(if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn judge(recorded: &Recorded<'_>) -> Result<Verdict, Box<dyn Error>> {
    let model = serde_json::to_string(recorded.model.as_deref().unwrap_or("not-told"))?;
    let body = recorded.body.get().replace('\n', " ");
    let line = format!(r#"{{"event_id":"recorded","timestamp":"2026-08-21T00:00:00Z","model":{model},"body":{body}}}"#);
    let Some(format) = recognised(&Head::of(&line)) else { return Ok(Verdict::Different("no format".to_owned())) };
    let Some((_, provider, flavor)) = VENDORS.into_iter().find(|(name, ..)| *name == format.name) else {
        return Ok(Verdict::Different(format!("taken for {}", format.name)));
    };
    let of = |e: &&Extracted| e.extractors.iter().any(|e| e.provider_id == provider && e.api_flavor == flavor);
    let Some(expected) = recorded.extracted.iter().find(of) else {
        return Ok(Verdict::Different(format!("nothing is expected of {provider}:{flavor}")));
    };
    let now = Timestamp::parse("2026-11-23T00:00:00Z")?;
    let read = preview(Source::of_reader(Cursor::new(line))?, Some(format), &Reading::default(), now)?;
    if let Some(bad) = read.parsed.bad.first() {
        return Ok(Verdict::Different(format!("{}: {}", format.name, bad.problem)));
    }
    let events: Vec<&UsageEvent> = read.events.iter().map(|(_, event)| event).collect();
    Ok(compare(format.name, &expected.usage, &events, recorded.body.get()))
}

/// Compares the sums of the events, first with what is told at the top level, then by the rules.
fn compare(format: &str, expected: &BTreeMap<String, i64>, events: &[&UsageEvent], body: &str) -> Verdict {
    let ours = in_their_words(events, expected);
    let differ = |ours: &BTreeMap<&str, i64>, name: &str| {
        ours.get(name).copied().unwrap_or(0) != expected.get(name).copied().unwrap_or(0)
    };
    let names = |ours: &BTreeMap<&str, i64>| -> Vec<String> {
        let all = expected.keys().map(String::as_str).chain(ours.keys().copied());
        let mut names: Vec<String> = all.filter(|name| differ(ours, name)).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    };
    let text_only = |names: &[String]| names.iter().all(|name| name.ends_with("_text_tokens"));
    let wrong = names(&ours);
    if wrong.is_empty() {
        return Verdict::Same;
    }
    if format == "gemini" && text_only(&wrong) {
        return Verdict::Explained("text-is-the-rest");
    }
    if format == "anthropic-messages" && body.contains("\"advisor_message\"") {
        let own: Vec<&UsageEvent> = events.iter().copied().filter(|event| event.model == events[0].model).collect();
        let left = names(&in_their_words(&own, expected));
        if left == ["output_reasoning_tokens"] {
            return Verdict::Explained("iterations-are-events");
        }
    }
    let shown = |name: &String| format!("{name} expected {:?}, read {:?}", expected.get(name), ours.get(name.as_str()));
    Verdict::Different(format!("{format}: {}", wrong.iter().map(shown).collect::<Vec<_>>().join("; ")))
}

/// Our meters as the project counts: wholes with their parts in them.
fn in_their_words(events: &[&UsageEvent], expected: &BTreeMap<String, i64>) -> BTreeMap<&'static str, i64> {
    let mut theirs = BTreeMap::new();
    let mut add = |name: &'static str, quantity: i64| *theirs.entry(name).or_insert(0) += quantity;
    for (meter, quantity) in events.iter().flat_map(|event| event.quantities.iter()) {
        match meter.side() {
            Side::Prompt => add("input_tokens", quantity),
            Side::Answer => add("output_tokens", quantity),
            Side::Other => debug_assert_ne!(meter.unit(), Unit::Tokens),
        }
        match meter {
            Meter::Input => add("input_text_tokens", quantity),
            Meter::CacheRead => {
                add("cache_read_tokens", quantity);
                add("input_text_tokens", quantity);
            }
            Meter::CacheReadAudio | Meter::CacheReadImage => add("cache_read_tokens", quantity),
            Meter::CacheWrite | Meter::CacheWrite1h => {
                add("cache_write_tokens", quantity);
                add("cache_write_5m_tokens", if meter == Meter::CacheWrite { quantity } else { 0 });
            }
            Meter::Output => add("output_text_tokens", quantity),
            Meter::Reasoning => add("output_reasoning_tokens", quantity),
            Meter::WebSearch => add("web_searches", quantity),
            _ => {}
        }
        match meter {
            Meter::InputAudio | Meter::CacheReadAudio => add("input_audio_tokens", quantity),
            Meter::InputImage | Meter::CacheReadImage => add("input_image_tokens", quantity),
            Meter::InputVideo => add("input_video_tokens", quantity),
            Meter::OutputAudio => add("output_audio_tokens", quantity),
            Meter::OutputImage => add("output_image_tokens", quantity),
            _ => {}
        }
    }
    // Their sub-counts of text are there only where the vendor told them, and what tools add to a prompt is input.
    for name in ["input_text_tokens", "output_text_tokens", "cache_write_5m_tokens"] {
        if !expected.contains_key(name) {
            theirs.remove(name);
        }
    }
    if let Some(tools) = expected.get("input_tool_tokens") {
        theirs.insert("input_tool_tokens", *tools);
    }
    theirs
}
