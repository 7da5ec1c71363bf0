//! Helicone's requests, as its API and its exporter write them (JSON, JSONL, CSV).
//!
//! <https://docs.helicone.ai/rest/request/post-v1requestquery>, read 2026-11-23. The id is `request_id`, the time
//! `request_created_at`. No page says whether `prompt_tokens` includes cached tokens. The total shows it, or a prompt
//! smaller than its cached tokens; otherwise `--prompt-tokens` must say it. Counts may be written as `12.0`. Properties
//! become tags. A failed request without tokens used nothing. Not reported: reasoning, tiers, searches, and how long
//! the cache keeps written tokens.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, lowered, provider};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{PromptTokens, Stated, instant_utc};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Requests.
pub const FORMAT: Format = Format {
    name: "helicone",
    stored: "helicone/1",
    untold: "tiers, searches, and for how long prompts were written to a cache",
    summary: "Helicone requests (JSON, JSONL or CSV)",
    example: r#"{"request_id":"h1","request_created_at":"2026-10-01T08:30:00Z","response_status":200,"response_model":"gpt-5.4","provider":"OPENAI","prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"request_user_id":"u1","request_properties":{"team":"search"}}"#,
    pages: &["data"],
    kept: Kept {
        ids: &["request_id"],
        times: &["request_created_at"],
        usage: &["prompt_tokens", "completion_tokens", "total_tokens", "prompt_cache_read_tokens"],
    },
    recognises: |head| {
        let columns = head.columns(&["request_id", "request_created_at"]);
        columns || ["", "data."].iter().any(|page| head.has(&format!("{page}request_created_at")))
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one request.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let count = |name: &str| record.loose_count(name);
    let (prompt, completion) = (count("prompt_tokens")?, count("completion_tokens")?);
    if prompt.unwrap_or(0) == 0 && completion.unwrap_or(0) == 0 {
        if record.loose_count("response_status")?.is_some_and(|status| status != 200) {
            return Ok(());
        }
        return Err(record.missing("prompt_tokens", "what the request used"));
    }
    let at = instant_utc(record, "request_created_at")?;
    let at = at.ok_or_else(|| record.missing("request_created_at", "a time"))?;
    let model = ["response_model", "model_override", "request_model"].into_iter().find(|name| record.has(name));
    let model = model.ok_or_else(|| record.missing("response_model", "a model"))?;
    let (read, written) = (count("prompt_cache_read_tokens")?, count("prompt_cache_write_tokens")?);
    let mut event = Event::request(record.needed("request_id")?, at, record.needed(model)?);
    event.provider = provider(&lowered(&record.text("provider")?.unwrap_or_default()));
    event.tags.add("user", record.text("request_user_id")?);
    let mut holder = String::new();
    if let Some(properties) = record.embedded("request_properties", &mut holder)? {
        for (name, _) in properties.fields() {
            let plain = name.strip_prefix("Helicone-Property-").unwrap_or(name);
            let value = properties.scalar(name)?.map(|value| Cow::Owned(value.into_owned()));
            event.tags.add_free(plain, value);
        }
    }
    let told = (prompt.unwrap_or(0), completion.unwrap_or(0), count("total_tokens")?);
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let included = cached > 0 && included(record, told, cached, reading)?;
    event.meters.put(Meter::CacheRead, read);
    event.meters.put(Meter::CacheWrite, written);
    let parts = [("prompt_cache_read_tokens", read), ("prompt_cache_write_tokens", written)];
    event.meters.rest(Meter::Input, ("prompt_tokens", prompt), if included { &parts } else { &[] })?;
    event.meters.put(Meter::Output, completion);
    // If the prompt leaves out cached tokens, a total of prompt plus completion leaves them out too.
    let plain = told.0.saturating_add(told.1);
    event.total = told.2.map(|total| if !included && total == plain { total.saturating_add(cached) } else { total });
    events.push(&event)
}

fn included(
    record: &Record<'_>,
    (prompt, completion, total): (i64, i64, Option<i64>),
    cached: i64,
    reading: &Stated,
) -> Result<bool, Problem> {
    let plain = prompt.saturating_add(completion);
    if prompt < cached || total == Some(plain.saturating_add(cached)) {
        return Ok(false);
    }
    match reading.prompt {
        Some(told) => Ok(told == PromptTokens::WithCache),
        None => Err(record.wrong(
            "prompt_tokens",
            format!("{prompt} may or may not include the {cached} cached ones; the record does not say"),
            "--prompt-tokens with-cache or without-cache",
        )),
    }
}
