//! Spend logs of the LiteLLM proxy: its table `LiteLLM_SpendLogs` as JSON, JSONL or a dump in CSV.
//!
//! <https://github.com/BerriAI/litellm> (`schema.prisma` and `spend_tracking_utils.py` of 1.109.1), read 2026-11-23.
//! The id is `request_id`, the time `startTime`, in UTC if it has no offset. `metadata` and `request_tags` may be texts
//! that contain JSON. For Anthropic, `prompt_tokens` includes both caches since 1.83 and did not before. The details
//! show which, or a prompt smaller than its caches, or the vendor; otherwise `--prompt-tokens` must say it. A hit in
//! the proxy's own cache (`cache_hit`) and a failure without tokens used nothing. A row of a finished batch
//! (`batch_models`) is the sum of its requests, at the tier `batch`. The import never reads keys, only their aliases.
//! Older versions do not report how long the cache keeps written tokens.

use crate::domain::event::Span;
use crate::domain::meter::Meter;
use crate::domain::outcome::Outcome;
use crate::import::events::{Event, Events, Tags, provider};
use crate::import::format::{Format, How, Kept};
use crate::import::formats::anthropic_messages;
use crate::import::record::json;
use crate::import::record::reading::{PromptTokens, Stated, instant_utc};
use crate::import::record::{Record, Value};
use crate::import::vendor::envelope::tier;
use crate::text::problem::Problem;
use std::borrow::Cow;

/// `LiteLLM_SpendLogs`.
pub const FORMAT: Format = Format {
    name: "litellm",
    stored: "litellm/1",
    summary: "LiteLLM spend logs (LiteLLM_SpendLogs): JSON, JSONL or CSV",
    example: r#"{"request_id":"chatcmpl-1","startTime":"2026-10-01 08:30:00.123456","model":"gpt-5.4","custom_llm_provider":"openai","prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"request_tags":"[\"team:search\"]","metadata":"{\"user_api_key_alias\":\"search-prod\"}"}"#,
    pages: &["data"],
    kept: Kept {
        ids: &["request_id"],
        times: &["startTime"],
        usage: &["prompt_tokens", "completion_tokens", "total_tokens"],
    },
    recognises: |head| {
        let names = ["request_id", "startTime", "prompt_tokens"];
        head.columns(&names)
            || ["", "data."].iter().any(|page| names.iter().all(|name| head.has(&format!("{page}{name}"))))
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Vendors whose prompt tokens include cached ones. The proxy passes their numbers on.
const INCLUSIVE: [&str; 2] = ["openai", "azure"];

/// The cached tokens of a prompt, and the kinds of its tokens.
#[derive(Debug, Default)]
struct Details {
    read: Option<i64>,
    written: Option<i64>,
    written_1h: Option<i64>,
    text: Option<i64>,
    audio: Option<i64>,
    image: Option<i64>,
    reasoning: Option<i64>,
    output_audio: Option<i64>,
    searches: Option<i64>,
    /// Whether the fields have Anthropic's names.
    anthropic: bool,
}

/// Reads one row.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let (prompt, completion) = (record.count("prompt_tokens")?, record.count("completion_tokens")?);
    let none = prompt.unwrap_or(0) == 0 && completion.unwrap_or(0) == 0;
    if record.flag("cache_hit")? == Some(true) || none && record.text("status")?.as_deref() == Some("failure") {
        return Ok(());
    }
    if none && spent(record)? {
        let what = "is above 0, and the row has no tokens";
        return Err(record.wrong(
            "spend",
            what,
            "tokens: set this row aside with --quarantine, its usage is of another kind",
        ));
    }
    let at = instant_utc(record, "startTime")?.ok_or_else(|| record.missing("startTime", "a time"))?;
    let mut event = Event::request(record.needed("request_id")?, at, record.text("model")?.unwrap_or_default());
    event.provider = provider(&record.text("custom_llm_provider")?.unwrap_or_default());
    let mut holder = String::new();
    let metadata = record.embedded("metadata", &mut holder)?;
    let usage = metadata.as_ref().map_or(Ok(None), |metadata| metadata.object("usage_object"))?;
    let more = metadata.as_ref().map_or(Ok(None), |metadata| metadata.object("additional_usage_values"))?;
    if let Some(usage) = &usage {
        same(usage, "prompt_tokens", prompt)?;
        same(usage, "completion_tokens", completion)?;
        tier(usage, &mut event)?;
        if usage.text("speed")?.as_deref() == Some("fast") {
            event.tier = Cow::Borrowed("fast");
        }
    }
    if let Some(metadata) = &metadata {
        batch(record, metadata, &mut event)?;
    }
    if event.model.is_empty() {
        return Err(record.missing("model", "a text"));
    }
    let geography = usage.as_ref().map_or(Ok(None), anthropic_messages::geography)?;
    event.tier = anthropic_messages::placed(event.tier, geography);
    let details = details(usage.as_ref().or(more.as_ref()))?;
    let conventions = (record, prompt.unwrap_or(0), event.provider.clone());
    let included = included(conventions, &details, reading)?;
    meters(&mut event, (prompt, completion, record.count("total_tokens")?), &details, included)?;
    event.tags = tags(record, metadata.as_ref())?;
    event.outcome = match record.text("status")?.as_deref() {
        Some("success") => Some(Outcome::Completed),
        Some("failure") => Some(Outcome::Failed),
        _ => None,
    };
    events.push(&event)
}

/// A row of a finished batch is the sum of its requests.
fn batch(record: &Record<'_>, metadata: &Record<'_>, event: &mut Event<'_>) -> Result<(), Problem> {
    let models = metadata.values("batch_models")?.unwrap_or_default();
    let polled = record.text("call_type")?.is_some_and(|kind| kind.ends_with("retrieve_batch"));
    if models.is_empty() && !polled {
        return Ok(());
    }
    if models.len() > 1 {
        let what = "are several, and the row is the sum of what they used";
        let expected = "one model: set this row aside with --quarantine, and import the batch's results";
        return Err(metadata.wrong("batch_models", what, expected));
    }
    if let Some(model) = models.first().filter(|_| event.model.is_empty()) {
        let name = json::text("batch_models", model)?;
        event.model = Cow::Owned(name.unwrap_or_default().into_owned());
    }
    event.tier = Cow::Borrowed("batch");
    event.span = Span::Bucket;
    event.meters.put(Meter::Request, metadata.count("batch_successful_requests")?);
    Ok(())
}

/// Whether anything was spent. The number may be a float's spelling; it only matters whether it is 0.
fn spent(record: &Record<'_>) -> Result<bool, Problem> {
    let spend = record.scalar("spend")?.unwrap_or_default();
    let digits = spend.split(['e', 'E']).next().unwrap_or("");
    Ok(digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit)))
}

/// Rejects a row whose details contradict its columns.
fn same(usage: &Record<'_>, name: &str, column: Option<i64>) -> Result<(), Problem> {
    match usage.count(name)? {
        Some(told) if told != column.unwrap_or(0) => {
            let what = format!("{told} is not what the column {name} says, {}", column.unwrap_or(0));
            Err(usage.wrong(name, what, "the same number"))
        }
        _ => Ok(()),
    }
}

fn details(usage: Option<&Record<'_>>) -> Result<Details, Problem> {
    let mut found = Details::default();
    let Some(usage) = usage else { return Ok(found) };
    found.read = usage.count("cache_read_input_tokens")?;
    found.written = usage.count("cache_creation_input_tokens")?;
    found.anthropic = found.read.is_some() || found.written.is_some();
    if let Some(prompt) = usage.object("prompt_tokens_details")? {
        found.read = found.read.or(prompt.count("cached_tokens")?);
        found.written =
            found.written.or(prompt.count("cache_creation_tokens")?).or(prompt.count("cache_write_tokens")?);
        found.text = prompt.count("text_tokens")?;
        found.audio = prompt.count("audio_tokens")?;
        found.image = prompt.count("image_tokens")?;
        found.searches = prompt.count("web_search_requests")?;
        if let Some(kept) = prompt.object("cache_creation_token_details")? {
            found.written_1h = kept.count("ephemeral_1h_input_tokens")?;
        }
    }
    if let Some(completion) = usage.object("completion_tokens_details")? {
        found.reasoning = completion.count("reasoning_tokens")?;
        found.output_audio = completion.count("audio_tokens")?;
    }
    if let Some(tools) = usage.object("server_tool_use")? {
        // The same searches as in the details, if both report them.
        found.searches = tools.count("web_search_requests")?.or(found.searches);
    }
    Ok(found)
}

/// Whether the prompt includes cached tokens.
fn included(
    (record, prompt, provider): (&Record<'_>, i64, Cow<'_, str>),
    details: &Details,
    reading: &Stated,
) -> Result<bool, Problem> {
    let sum = |parts: &[Option<i64>]| parts.iter().flatten().fold(0, |sum: i64, part| sum.saturating_add(*part));
    let cached = sum(&[details.read, details.written]);
    if cached == 0 || prompt < cached {
        return Ok(false);
    }
    if let Some(text) = details.text.filter(|text| *text > 0) {
        let plain = sum(&[Some(text), details.audio, details.image]);
        if plain == prompt {
            return Ok(false);
        }
        if plain.saturating_add(cached) == prompt {
            return Ok(true);
        }
    }
    if !details.anthropic || INCLUSIVE.contains(&provider.as_ref()) {
        return Ok(true);
    }
    if let Some(told) = reading.prompt {
        return Ok(told == PromptTokens::WithCache);
    }
    let what = format!("{prompt} may or may not include the {cached} cached ones: the row does not tell");
    let expected = "--prompt-tokens with-cache (LiteLLM 1.83 and later) or --prompt-tokens without-cache";
    Err(record.wrong("prompt_tokens", what, expected))
}

fn meters(
    event: &mut Event<'_>,
    (prompt, completion, total): (Option<i64>, Option<i64>, Option<i64>),
    details: &Details,
    included: bool,
) -> Result<(), Problem> {
    let meters = &mut event.meters;
    meters.put(Meter::CacheRead, details.read);
    meters.put(Meter::CacheWrite1h, details.written_1h);
    let hour = [("ephemeral_1h_input_tokens", details.written_1h)];
    meters.rest(Meter::CacheWrite, ("cache_creation_input_tokens", details.written), &hour)?;
    meters.put(Meter::InputAudio, details.audio);
    meters.put(Meter::InputImage, details.image);
    let cached = |part: Option<i64>| part.filter(|_| included);
    let parts = [
        ("cached tokens", cached(details.read)),
        ("tokens written to a cache", cached(details.written)),
        ("audio_tokens", details.audio),
        ("image_tokens", details.image),
    ];
    meters.rest(Meter::Input, ("prompt_tokens", prompt), &parts)?;
    meters.put(Meter::Reasoning, details.reasoning);
    meters.put(Meter::OutputAudio, details.output_audio);
    let parts = [("reasoning_tokens", details.reasoning), ("audio_tokens", details.output_audio)];
    meters.rest(Meter::Output, ("completion_tokens", completion), &parts)?;
    meters.put(Meter::WebSearch, details.searches);
    // If the prompt leaves out cached tokens, the total may leave them out too.
    let plain = prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0));
    let beside = details.read.unwrap_or(0).saturating_add(details.written.unwrap_or(0));
    event.total = match total {
        Some(total) if !included && total == plain => Some(plain.saturating_add(beside)),
        total => total,
    };
    Ok(())
}

/// The tags of the request, then the tags of its key.
fn tags<'a>(record: &Record<'a>, metadata: Option<&Record<'_>>) -> Result<Tags<'a>, Problem> {
    let mut tags = Tags::default();
    let owned = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
    if let Some(own) = metadata.map_or(Ok(None), |metadata| metadata.object("spend_logs_metadata"))? {
        for (name, _) in own.fields().filter(|(name, _)| !own.is_list(name) && !own.is_object(name)) {
            tags.add_free(name, owned(own.scalar(name)?));
        }
    }
    for tag in request_tags(record)? {
        match tag.split_once(':') {
            // The proxy adds the calling program to the tags of the request.
            Some(("User-Agent", _)) => {}
            Some((key, value)) => tags.add_free(key.trim(), Some(Cow::Owned(value.trim().to_owned()))),
            None => tags.add_free(&format!("request_tag/{tag}"), Some(Cow::Borrowed("yes"))),
        }
    }
    if let Some(metadata) = metadata {
        let of_key = [
            ("project", "user_api_key_project_alias"),
            ("team", "user_api_key_team_alias"),
            ("api_key", "user_api_key_alias"),
            ("user", "user_api_key_user_id"),
        ];
        for (key, name) in of_key {
            tags.add(key, owned(metadata.text(name)?));
        }
    }
    let columns =
        [("team_id", "team_id"), ("organization", "organization_id"), ("user", "user"), ("end_user", "end_user")];
    for (key, name) in columns {
        tags.add(key, record.text(name)?);
    }
    Ok(tags)
}

/// The tags of a request: an array, or a text that contains one.
fn request_tags(record: &Record<'_>) -> Result<Vec<String>, Problem> {
    let wrong = || record.wrong("request_tags", "is not an array of texts", "[\"team:search\"], or nothing");
    let text = match record.value("request_tags") {
        None => return Ok(Vec::new()),
        Some(Value::Json(raw)) if raw.get().starts_with('[') => Cow::Borrowed(raw.get()),
        Some(Value::Json(raw)) if raw.get() == "{}" => return Ok(Vec::new()),
        Some(_) => record.text("request_tags")?.unwrap_or_default(),
    };
    serde_json::from_str(&text).map_err(|_| wrong())
}
