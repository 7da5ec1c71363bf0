//! Langfuse's observations: its exports (JSON, JSONL, CSV) and pages of its API.
//!
//! <https://langfuse.com/docs/observability/features/token-and-cost-tracking>, read 2026-11-23. The id is `id`, the
//! time `start_time`, in UTC if it has no offset. `usage_details` is a list of kinds that do not overlap. Its `total`
//! is their sum, which reveals a sender whose kinds do overlap. The import rejects kinds that a sender invented,
//! because nobody knows what they are part of. Reasoning is a kind of its own, not part of the output. Only
//! observations of type `GENERATION` and `EMBEDDING` are usage. The others repeat the sums of the observations within
//! them. Not reported: tiers and searches.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, Meters};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant_utc};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Observations.
pub const FORMAT: Format = Format {
    name: "langfuse",
    stored: "langfuse/1",
    summary: "Langfuse observations: exports (JSON, JSONL, CSV) and API pages",
    example: r#"{"id":"o1","trace_id":"t1","type":"GENERATION","start_time":"2026-10-01 08:30:00.123456","environment":"production","provided_model_name":"gpt-5.4","usage_details":{"input":40,"input_cached_tokens":60,"output":12,"output_reasoning_tokens":8,"total":120}}"#,
    untold: "tiers and searches",
    pages: &["data"],
    kept: Kept { ids: &["id"], times: &["start_time", "startTime"], usage: &["usage_details", "usageDetails"] },
    recognises: |head| {
        let names = |of: [&str; 3]| {
            head.columns(&of)
                || ["", "data."].iter().any(|page| of.iter().all(|name| head.has(&format!("{page}{name}"))))
        };
        names(["id", "trace_id", "start_time"]) || names(["id", "traceId", "startTime"])
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Kinds of usage, by the names that Langfuse and its integrations use.
const KINDS: [(&str, Meter); 26] = [
    ("input", Meter::Input),
    ("input_tokens", Meter::Input),
    ("prompt_tokens", Meter::Input),
    ("input_text_tokens", Meter::Input),
    ("input_cached_tokens", Meter::CacheRead),
    ("input_cache_read", Meter::CacheRead),
    ("input_cached_text_tokens", Meter::CacheRead),
    ("cache_read_input_tokens", Meter::CacheRead),
    ("input_cache_creation", Meter::CacheWrite),
    ("input_cache_creation_5m", Meter::CacheWrite),
    ("cache_creation_input_tokens", Meter::CacheWrite),
    ("input_cache_write_tokens", Meter::CacheWrite),
    ("input_cache_creation_1h", Meter::CacheWrite1h),
    ("input_audio_tokens", Meter::InputAudio),
    ("input_audio", Meter::InputAudio),
    ("input_image_tokens", Meter::InputImage),
    ("input_image", Meter::InputImage),
    ("output", Meter::Output),
    ("output_tokens", Meter::Output),
    ("completion_tokens", Meter::Output),
    ("output_text_tokens", Meter::Output),
    ("output_reasoning_tokens", Meter::Reasoning),
    ("output_reasoning", Meter::Reasoning),
    ("output_audio_tokens", Meter::OutputAudio),
    ("output_audio", Meter::OutputAudio),
    ("output_image_tokens", Meter::OutputImage),
];
/// Predictions. They are charged as output and reported beside it.
const PREDICTIONS: [&str; 2] = ["output_accepted_prediction_tokens", "output_rejected_prediction_tokens"];

/// Reads one observation.
pub fn read(record: &Record<'_>, _reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let kind = record.needed("type")?;
    if !matches!(kind.as_ref(), "GENERATION" | "EMBEDDING") {
        return Ok(());
    }
    let either = |one: &'static str, other: &'static str| if record.has(one) { one } else { other };
    let mut holder = String::new();
    let name = either("usage_details", "usageDetails");
    let usage = record.embedded(name, &mut holder)?.filter(|usage| usage.fields().next().is_some());
    let Some(usage) = usage else {
        if record.text("level")?.as_deref() == Some("ERROR") {
            return Ok(());
        }
        return Err(record.missing("usage_details", "the usage of the generation, or level ERROR"));
    };
    let start = either("start_time", "startTime");
    let at = instant_utc(record, start)?.ok_or_else(|| record.missing(start, "a time"))?;
    let model = ["provided_model_name", "providedModelName", "model"].into_iter().find(|name| record.has(name));
    let model = model.ok_or_else(|| record.missing("provided_model_name", "a model"))?;
    let mut event = Event::request(record.needed("id")?, at, record.needed(model)?);
    let (used, total) = meters(&usage)?;
    (event.meters, event.total) = (used, total);
    let tags = [
        ("environment", "environment"),
        ("user", "user_id"),
        ("user", "userId"),
        ("trace", "trace_name"),
        ("trace", "traceName"),
        ("langfuse_project", "project_id"),
        ("langfuse_project", "projectId"),
    ];
    for (key, name) in tags {
        event.tags.add(key, record.text(name)?);
    }
    if record.is_list("tags") {
        for tag in record.values("tags")?.unwrap_or_default() {
            let text: Cow<'_, str> = serde_json::from_str(tag.get())
                .map_err(|_| record.wrong("tags", "contains a value that is not a text", "texts"))?;
            match text.split_once(':') {
                Some((key, value)) => event.tags.add_free(key.trim(), Some(Cow::Owned(value.trim().to_owned()))),
                None => event.tags.add_free(&format!("trace_tag/{text}"), Some(Cow::Borrowed("yes"))),
            }
        }
    }
    events.push(&event)
}

/// The kinds as meters, with their total if it is reported.
fn meters(usage: &Record<'_>) -> Result<(Meters, Option<i64>), Problem> {
    let mut meters = Meters::default();
    let names: Vec<String> = usage.fields().map(|(name, _)| name.to_owned()).collect();
    let (mut total, mut predicted) = (None, 0_i64);
    for name in &names {
        let count = usage.loose_count(name)?;
        if matches!(name.as_str(), "total" | "total_tokens") {
            total = count;
            continue;
        }
        if PREDICTIONS.contains(&name.as_str()) {
            predicted = predicted.saturating_add(count.unwrap_or(0));
            continue;
        }
        match KINDS.iter().find(|(kind, _)| kind == name) {
            Some((_, meter)) if meters.get(*meter).is_some() => {
                return Err(usage.wrong(name, "is also reported under another name", "each kind once"));
            }
            Some((_, meter)) => meters.put(*meter, count),
            None if count == Some(0) => {}
            None => {
                let what = "is a kind of usage that tokenbook does not know";
                return Err(usage.wrong(name, what, "a kind that Langfuse documents, or a map of your own (--map)"));
            }
        }
    }
    meters.put(Meter::Output, Some(predicted).filter(|predicted| *predicted > 0));
    Ok((meters, total))
}
