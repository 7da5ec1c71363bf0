//! Chat Completions bodies of OpenAI and of every API with its protocol: Azure, Groq, Mistral, DeepSeek, xAI, …
//!
//! <https://platform.openai.com/docs/api-reference/chat/object> (`OpenAPI` 2.3.0), read 2026-11-23. `prompt_tokens`
//! includes cached, written, audio and image tokens. `completion_tokens` includes reasoning and audio. `total_tokens`
//! is their sum. Only xAI reports reasoning outside `completion_tokens`, and its total shows it. Embeddings have no
//! completion. The id is `id`, the time `created` in seconds. Not reported: who served it, and the price of web
//! searches.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, epoch};
use crate::import::vendor::envelope::{Body, tier};
use crate::text::problem::Problem;

/// Chat Completions bodies.
pub const FORMAT: Format = Format {
    name: "openai-chat",
    stored: "openai-chat/1",
    untold: "searches, regional processing, nor for how long prompts were written to a cache",
    summary: "OpenAI Chat Completions and embeddings bodies, also of compatible vendors, by themselves or in envelopes",
    example: r#"{"id":"chatcmpl-1","created":1790848800,"model":"gpt-5.4","service_tier":"default","usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":60},"completion_tokens_details":{"reasoning_tokens":8}}}"#,
    kept: Kept { ids: &["id"], times: &["created"], usage: &["usage"] },
    recognises: |head| head.body_has("usage.prompt_tokens"),
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one body.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let Some(body) = Body::of(record, reading)? else { return Ok(()) };
    let usage = body.usage("usage")?;
    let (own, tier_told) = (body.body.clone(), body.tier_told);
    let mut event = body.event(own.text("id")?, epoch(&own, "created")?, own.text("model")?)?;
    if !tier_told {
        tier(&own, &mut event)?;
    }
    meters(&usage, &mut event)?;
    events.push(&event)
}

/// The meters of a usage object.
pub fn meters(usage: &Record<'_>, event: &mut Event<'_>) -> Result<(), Problem> {
    let prompt = usage.needed_count("prompt_tokens")?;
    let details = usage.object("prompt_tokens_details")?;
    let part = |name: &str| details.as_ref().map_or(Ok(None), |details| details.count(name));
    let cached = cached(usage, part("cached_tokens")?, prompt)?;
    let (written, audio, image, video) =
        (part("cache_write_tokens")?, part("audio_tokens")?, part("image_tokens")?, part("video_tokens")?);
    let meters = &mut event.meters;
    meters.put(Meter::CacheRead, cached);
    meters.put(Meter::CacheWrite, written);
    meters.put(Meter::InputAudio, audio);
    meters.put(Meter::InputImage, image);
    meters.put(Meter::InputVideo, video);
    let parts = [
        ("cached_tokens", cached),
        ("cache_write_tokens", written),
        ("audio_tokens", audio),
        ("image_tokens", image),
        ("video_tokens", video),
    ];
    meters.rest(Meter::Input, ("prompt_tokens", Some(prompt)), &parts)?;
    completion(usage, prompt, event)
}

/// Cached tokens. Some vendors do not report them in the details.
fn cached(usage: &Record<'_>, cached: Option<i64>, prompt: i64) -> Result<Option<i64>, Problem> {
    let hit = usage.count("prompt_cache_hit_tokens")?;
    if let (Some(hit), Some(miss)) = (hit, usage.count("prompt_cache_miss_tokens")?)
        && hit.saturating_add(miss) != prompt
    {
        let what = format!("{hit} and prompt_cache_miss_tokens {miss} are not prompt_tokens {prompt} together");
        return Err(usage.wrong("prompt_cache_hit_tokens", what, "hits and misses that add up"));
    }
    Ok(match cached.or(hit) {
        None => usage.count("cached_tokens")?,
        told => told,
    })
}

fn completion(usage: &Record<'_>, prompt: i64, event: &mut Event<'_>) -> Result<(), Problem> {
    let total = usage.count("total_tokens")?;
    event.total = total;
    let Some(completion) = usage.count("completion_tokens")? else { return Ok(()) };
    let details = usage.object("completion_tokens_details")?;
    let part = |name: &str| details.as_ref().map_or(Ok(None), |details| details.count(name));
    let (reasoning, audio, image) = (part("reasoning_tokens")?, part("audio_tokens")?, part("image_tokens")?);
    let meters = &mut event.meters;
    meters.put(Meter::Reasoning, reasoning);
    meters.put(Meter::OutputAudio, audio);
    meters.put(Meter::OutputImage, image);
    let beside = total.is_some_and(|total| {
        let sum = prompt.saturating_add(completion);
        total != sum && total == sum.saturating_add(reasoning.unwrap_or(0))
    });
    let parts = [("reasoning_tokens", reasoning.filter(|_| !beside)), ("audio_tokens", audio), ("image_tokens", image)];
    meters.rest(Meter::Output, ("completion_tokens", Some(completion)), &parts)
}
