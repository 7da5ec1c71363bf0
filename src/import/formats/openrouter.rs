//! `OpenRouter`'s activity export, one row for each generation (CSV), and its generation records (`/api/v1/generation`,
//! JSON).
//!
//! <https://openrouter.ai/docs/api-reference/get-a-generation>, read 2026-11-23. The columns are as exports show them.
//! `OpenRouter` charges by the model's own tokenizer: `native_tokens_*` of a generation, `tokens_*` of a row. Prompt
//! tokens include cached tokens, completion tokens include reasoning. The id is the generation's. Times of rows are in
//! UTC. A variant is part of the model's name (`model:free`). The provider is `openrouter`, and the tag `upstream` says
//! who served it. For usage on a key of your own (`is_byok`, `byok_usage_inference`), that provider bills you and
//! `OpenRouter` takes a fee (<https://openrouter.ai/docs/use-cases/byok>, read 2026-11-25). Its tier is `byok`. Not
//! reported: how much was written to a cache, and the number of searches. The export by day is `openrouter-daily`.

use crate::domain::meter::Meter;
use crate::domain::outcome::Outcome;
use crate::import::events::{Event, Events};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant_utc};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Generations.
pub const FORMAT: Format = Format {
    name: "openrouter",
    stored: "openrouter/1",
    untold: "what was written to a cache, and searches",
    summary: "OpenRouter's activity export (CSV, a row a generation) and generation records (JSON)",
    example: "generation_id,created_at,tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name,variant,user,api_key_name,app_name\ngen-1,2026-10-01 08:30:00.250,100,20,8,60,openai/gpt-5.4,OpenAI,standard,,search-prod,assistant",
    kept: Kept {
        ids: &["generation_id", "id"],
        times: &["created_at"],
        usage: &["tokens_prompt", "tokens_completion", "native_tokens_prompt", "native_tokens_completion"],
    },
    recognises: |head| {
        head.columns(&["generation_id", "created_at", "tokens_prompt"])
            || ["", "data."].iter().any(|outer| head.has(&format!("{outer}native_tokens_prompt")))
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one generation.
pub fn read(record: &Record<'_>, _reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let inner = record.object("data")?;
    let record = inner.as_ref().unwrap_or(record);
    let row = record.is_table();
    let (id, model) = if row { ("generation_id", "model_permaslug") } else { ("id", "model") };
    let at = instant_utc(record, "created_at")?.ok_or_else(|| record.missing("created_at", "a time"))?;
    let variant = record.text("variant")?.filter(|variant| variant != "standard");
    let mut model = record.needed(model)?;
    if let Some(variant) = variant.filter(|_| !model.contains(':')) {
        model = Cow::Owned(format!("{model}:{variant}"));
    }
    let mut event = Event::request(record.needed(id)?, at, model);
    event.provider = Cow::Borrowed("openrouter");
    for (key, name) in [
        ("upstream", "provider_name"),
        ("api_key", "api_key_name"),
        ("app", "app_name"),
        ("user", "user"),
        ("user", "external_user"),
    ] {
        event.tags.add(key, record.text(name)?);
    }
    if own_key(record, row)? {
        event.tier = Cow::Borrowed("byok");
    }
    event.outcome = (record.flag("cancelled")? == Some(true)).then_some(Outcome::Cancelled);
    let own = |name: &str| if row { format!("tokens_{name}") } else { format!("native_tokens_{name}") };
    let count = |name: &str| record.loose_count(&own(name));
    let (prompt, completion) = (count("prompt")?, count("completion")?);
    if prompt.is_none() && completion.is_none() {
        return Err(record.missing(&own("prompt"), "the tokens that were charged"));
    }
    let (cached, reasoning, images) = (count("cached")?, count("reasoning")?, count("completion_images")?);
    event.meters.put(Meter::CacheRead, cached);
    event.meters.rest(Meter::Input, (&own("prompt"), prompt), &[(&own("cached"), cached)])?;
    event.meters.put(Meter::Reasoning, reasoning);
    event.meters.put(Meter::OutputImage, images);
    let parts = [("reasoning", reasoning), ("completion_images", images)];
    event.meters.rest(Meter::Output, (&own("completion"), completion), &parts)?;
    events.push(&event)
}

/// Whether a generation was served on the user's own key.
fn own_key(record: &Record<'_>, row: bool) -> Result<bool, Problem> {
    if row {
        let charged = record.scalar("byok_usage_inference")?.unwrap_or_default();
        return Ok(charged.bytes().any(|digit| (b'1'..=b'9').contains(&digit)));
    }
    Ok(record.flag("is_byok")? == Some(true))
}
