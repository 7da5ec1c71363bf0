//! Compares the meters that tokenbook's formats read from a body with the expected usage.
//!
//! The format that recognises a body reads it. The expected usage is the project's, for the vendor of that protocol.

use super::{Extracted, Recorded, Verdict};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Cursor;
use tokenbook::domain::event::UsageEvent;
use tokenbook::domain::meter::{Meter, Side, Unit};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Source;
use tokenbook::import::formats::recognised;
use tokenbook::import::read::preview::preview;
use tokenbook::import::record::head::FileHead;
use tokenbook::import::record::reading::Stated as Options;

/// The vendor whose expectation applies to a format.
const VENDORS: [(&str, &str, &str); 6] = [
    ("openai-chat", "openrouter", "chat"),
    ("openai-responses", "openai", "responses"),
    ("anthropic-messages", "anthropic", "default"),
    ("gemini", "google", "default"),
    ("bedrock-converse", "aws", "default"),
    ("cohere-chat", "cohere", "default"),
];

/// The result of reading a body.
pub(super) struct Reading {
    /// The comparison with the usage expected for the vendor of the protocol.
    pub(super) verdict: Verdict,
    /// The position of that expected usage.
    vendors: Option<usize>,
    events: Vec<UsageEvent>,
}

impl Reading {
    /// Why tokenbook's meters differ from the expected usage at a position; `None` if they agree.
    pub(super) fn differs_from(&self, place: usize, expected: &Extracted) -> Option<&'static str> {
        if self.vendors == Some(place) {
            return match &self.verdict {
                Verdict::Explained(rules) => rules.first().copied(),
                Verdict::Same | Verdict::Different(_) => None,
            };
        }
        let events: Vec<&UsageEvent> = self.events.iter().collect();
        let differing = differing(&in_their_words(&events, &expected.usage), &expected.usage);
        (!differing.is_empty()).then_some("another-reader")
    }
}

/// The line for a body in a file of bodies, in an envelope with these members.
pub(super) fn line(envelope: &serde_json::Value, body: &str) -> String {
    let envelope = envelope.to_string();
    format!(r#"{},"body":{}}}"#, envelope.strip_suffix('}').unwrap_or(&envelope), body.replace(['\n', '\r'], " "))
}

/// Reads a body and compares it.
pub(super) fn read(recorded: &Recorded<'_>, at: Timestamp) -> Result<Reading, Box<dyn Error>> {
    let different = |what: String| Ok(Reading { verdict: Verdict::Different(what), vendors: None, events: Vec::new() });
    let model = recorded.model.as_deref().unwrap_or("not-told");
    let envelope = serde_json::json!({"event_id": "recorded", "timestamp": at.to_string(), "model": model});
    let line = line(&envelope, recorded.body.get());
    let Some(format) = recognised(&FileHead::of(&line)) else { return different("no format".to_owned()) };
    let Some((_, provider, flavor)) = VENDORS.into_iter().find(|(name, ..)| *name == format.name) else {
        return different(format!("taken for {}", format.name));
    };
    let of = |e: &Extracted| e.extractors.iter().any(|e| e.provider_id == provider && e.api_flavor == flavor);
    let Some(vendors) = recorded.extracted.iter().position(of) else {
        return different(format!("nothing is expected of {provider}:{flavor}"));
    };
    let read = preview(Source::of_reader(Cursor::new(line))?, Some(format), &Options::default(), at)?;
    if let Some(bad) = read.parsed.bad.first() {
        return different(format!("{}: {}", format.name, bad.problem));
    }
    let events: Vec<UsageEvent> = read.events.into_iter().map(|(_, event)| event).collect();
    let shown: Vec<&UsageEvent> = events.iter().collect();
    let verdict = compare(format.name, &recorded.extracted[vendors].usage, &shown, recorded.body.get());
    Ok(Reading { verdict, vendors: Some(vendors), events })
}

/// The names of the project's counts for which tokenbook's meters give another number.
fn differing(ours: &BTreeMap<&str, i64>, expected: &BTreeMap<String, i64>) -> Vec<String> {
    let of = |name: &str| (ours.get(name).copied().unwrap_or(0), expected.get(name).copied().unwrap_or(0));
    let all = expected.keys().map(String::as_str).chain(ours.keys().copied());
    let mut names: Vec<String> = all.filter(|name| matches!(of(name), (a, b) if a != b)).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// Compares the sums of the events, first with the top level, then by the rules.
fn compare(format: &str, expected: &BTreeMap<String, i64>, events: &[&UsageEvent], body: &str) -> Verdict {
    let ours = in_their_words(events, expected);
    let text_only = |names: &[String]| names.iter().all(|name| name.ends_with("_text_tokens"));
    let wrong = differing(&ours, expected);
    if wrong.is_empty() {
        return Verdict::Same;
    }
    if format == "gemini" && text_only(&wrong) {
        return Verdict::Explained(vec!["text-is-the-rest"]);
    }
    if format == "anthropic-messages" && body.contains("\"advisor_message\"") {
        let own: Vec<&UsageEvent> = events.iter().copied().filter(|event| event.model == events[0].model).collect();
        let left = differing(&in_their_words(&own, expected), expected);
        if left == ["output_reasoning_tokens"] {
            return Verdict::Explained(vec!["iterations-are-events"]);
        }
    }
    let number = |number: Option<&i64>| number.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let shown = |name: &String| {
        format!("{name} expected {}, read {}", number(expected.get(name)), number(ours.get(name.as_str())))
    };
    Verdict::Different(format!("{format}: {}", wrong.iter().map(shown).collect::<Vec<_>>().join("; ")))
}

/// tokenbook's meters in the project's counts: totals that include their parts.
fn in_their_words(events: &[&UsageEvent], expected: &BTreeMap<String, i64>) -> BTreeMap<&'static str, i64> {
    let mut theirs = BTreeMap::new();
    let mut add = |name: &'static str, quantity: i64| *theirs.entry(name).or_insert(0) += quantity;
    for (meter, quantity) in events.iter().flat_map(|event| event.usage.quantities().iter()) {
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
    // The project has counts of text only if the vendor reports them, and it counts what tools add to a prompt as
    // input.
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
