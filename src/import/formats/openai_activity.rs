//! OpenAI's older activity export of the dashboard (CSV).
//!
//! No page documents it. The columns are as exports show them, read 2026-11-23. A row is a sum over requests.
//! `n_context_tokens_total` includes cached tokens. Times are seconds since 1970, or have no zone and need
//! `--assume-zone`. A row has no id: the natural key is the time and every column that is not a number. Only
//! `usage_type` or `request_type` shows the tier, if it is `batch`. A row may grow until its time is over.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, natural_key};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, epoch, instant_assumed, is_number};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// The activity export.
pub const FORMAT: Format = Format {
    name: "openai-activity",
    stored: "openai-activity/1",
    untold: "the prompt sizes of requests, nor tiers other than batch",
    summary: "OpenAI's older activity export (CSV with n_context_tokens_total)",
    example: "timestamp,model,operation,n_context_tokens_total,n_cached_context_tokens_total,n_generated_tokens_total,num_requests\n1790812800,gpt-5.4,completion,5000.0,1000.0,700.0,3",
    cumulative: true,
    kept: Kept { ids: &[], times: &["timestamp"], usage: &["n_context_tokens_total", "n_generated_tokens_total"] },
    recognises: |head| head.columns(&["timestamp", "model", "n_context_tokens_total", "n_generated_tokens_total"]),
    how: How::Records(read),
    ..Format::PLAIN
};

/// Columns that distinguish rows with the same time, and the tags they become.
const NAMES: [(&str, &str); 11] = [
    ("organization_id", ""),
    ("operation", ""),
    ("api_key_id", "api_key_id"),
    ("api_key_name", "api_key"),
    ("project_id", "project_id"),
    ("project_name", "project"),
    ("request_type", ""),
    ("usage_type", ""),
    ("image_size", "size"),
    ("user", "user"),
    ("model", ""),
];

/// Reads one row.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let at = if is_number(record, "timestamp") {
        epoch(record, "timestamp")
    } else {
        instant_assumed(record, "timestamp", reading)
    };
    let at = at?.ok_or_else(|| record.missing("timestamp", "a time"))?;
    let time = at.to_string();
    let mut texts = Vec::new();
    for (column, _) in NAMES {
        texts.push((column, record.text(column)?));
    }
    let mut parts = vec![("at", Some(time.as_str()))];
    parts.extend(texts.iter().map(|(column, text)| (*column, text.as_deref())));
    let mut event = Event::bucket(natural_key("openai-activity", &parts), at, record.needed("model")?);
    event.provider = Cow::Borrowed("openai");
    for ((_, tag), (_, text)) in NAMES.iter().zip(&texts).filter(|((_, tag), _)| !tag.is_empty()) {
        event.tags.add(*tag, text.clone());
    }
    let batch = ["usage_type", "request_type"].iter().any(|name| {
        texts.iter().any(|(column, text)| {
            column == name && text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("batch"))
        })
    });
    event.tier = Cow::Borrowed(if batch { "batch" } else { "" });
    let count = |name: &str| record.loose_count(name);
    let requests = match count("num_requests")? {
        None => count("n_requests")?,
        told => told,
    };
    let meters = &mut event.meters;
    meters.put(Meter::Request, requests);
    let (cached, audio) = (count("n_cached_context_tokens_total")?, count("n_context_audio_tokens_total")?);
    meters.put(Meter::CacheRead, cached);
    meters.put(Meter::InputAudio, audio);
    let parts = [("n_cached_context_tokens_total", cached), ("n_context_audio_tokens_total", audio)];
    meters.rest(Meter::Input, ("n_context_tokens_total", count("n_context_tokens_total")?), &parts)?;
    let audio = count("n_generated_audio_tokens_total")?;
    meters.put(Meter::OutputAudio, audio);
    let whole = ("n_generated_tokens_total", count("n_generated_tokens_total")?);
    meters.rest(Meter::Output, whole, &[("n_generated_audio_tokens_total", audio)])?;
    meters.put(Meter::Image, count("num_images")?);
    meters.put(Meter::Character, count("num_characters")?);
    events.push(&event)
}
