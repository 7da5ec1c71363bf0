//! Generation records of Vercel's AI Gateway (`/v1/generation`, JSON).
//!
//! <https://vercel.com/docs/ai-gateway/usage>, read 2026-11-29. They have the spelling of `OpenRouter`'s records, and
//! two more numbers: tokens written to a cache (`native_tokens_cache_creation`) and charged searches
//! (`billable_web_search_calls`). The id is the generation's (`gen_…`), the time `created_at`. The provider is
//! `vercel_ai_gateway`, the gateway's name in catalogues, and the tag `upstream` says who served it. Usage on a key of
//! your own (`is_byok`) has the tier `byok`. Completion tokens include reasoning. The page does not say whether prompt
//! tokens include cached tokens. A prompt smaller than them shows that it does not; otherwise `--prompt-tokens` must
//! say it.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{PromptTokens, Stated, instant};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Generations.
pub const FORMAT: Format = Format {
    name: "vercel-gateway",
    stored: "vercel-gateway/1",
    untold: "for how long prompts were written to a cache, and tiers",
    summary: "Vercel AI Gateway's generation records (JSON)",
    example: r#"{"data":{"id":"gen_1","created_at":"2026-10-01T08:30:00.000Z","model":"openai/gpt-5.4","provider_name":"openai","is_byok":false,"total_cost":0.001,"native_tokens_prompt":100,"native_tokens_completion":20,"native_tokens_reasoning":8,"native_tokens_cached":0,"native_tokens_cache_creation":0,"billable_web_search_calls":1}}"#,
    kept: Kept {
        ids: &["id"],
        times: &["created_at"],
        usage: &[
            "native_tokens_prompt",
            "native_tokens_completion",
            "native_tokens_cached",
            "native_tokens_cache_creation",
        ],
    },
    recognises: |head| {
        ["", "data."].iter().any(|outer| {
            let has = |name: &str| head.has(&format!("{outer}{name}"));
            let own = has("native_tokens_cache_creation") || has("billable_web_search_calls");
            has("native_tokens_prompt") && (own || head.text(&format!("{outer}id")).starts_with("gen_"))
        })
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one generation.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let inner = record.object("data")?;
    let record = inner.as_ref().unwrap_or(record);
    let at = instant(record, "created_at")?.ok_or_else(|| record.missing("created_at", "a time"))?;
    let mut event = Event::request(record.needed("id")?, at, record.needed("model")?);
    event.provider = Cow::Borrowed("vercel_ai_gateway");
    event.tags.add("upstream", record.text("provider_name")?);
    if record.flag("is_byok")? == Some(true) {
        event.tier = Cow::Borrowed("byok");
    }
    let count = |name: &str| record.loose_count(name);
    let (prompt, completion) = (count("native_tokens_prompt")?, count("native_tokens_completion")?);
    if prompt.is_none() && completion.is_none() {
        return Err(record.missing("native_tokens_prompt", "the tokens that were charged"));
    }
    let (cached, written) = (count("native_tokens_cached")?, count("native_tokens_cache_creation")?);
    let reasoning = count("native_tokens_reasoning")?;
    event.meters.put(Meter::CacheRead, cached);
    event.meters.put(Meter::CacheWrite, written);
    let parts = [("native_tokens_cached", cached), ("native_tokens_cache_creation", written)];
    let included = included(record, prompt, cached.unwrap_or(0).saturating_add(written.unwrap_or(0)), reading)?;
    event.meters.rest(Meter::Input, ("native_tokens_prompt", prompt), if included { &parts } else { &[] })?;
    event.meters.put(Meter::Reasoning, reasoning);
    let parts = [("native_tokens_reasoning", reasoning)];
    event.meters.rest(Meter::Output, ("native_tokens_completion", completion), &parts)?;
    event.meters.put(Meter::WebSearch, count("billable_web_search_calls")?.filter(|searches| *searches > 0));
    events.push(&event)
}

/// Whether the prompt includes cached tokens.
fn included(record: &Record<'_>, prompt: Option<i64>, cached: i64, reading: &Stated) -> Result<bool, Problem> {
    if cached == 0 || prompt.unwrap_or(0) < cached {
        return Ok(false);
    }
    match reading.prompt {
        Some(prompt) => Ok(prompt == PromptTokens::WithCache),
        None => Err(record.wrong(
            "native_tokens_prompt",
            "may or may not include cached ones; the gateway does not say",
            "--prompt-tokens with-cache or without-cache",
        )),
    }
}
