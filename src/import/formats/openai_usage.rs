//! OpenAI's usage of an organisation: pages of `/v1/organization/usage/*`, and the usage export of the dashboard (CSV).
//!
//! <https://platform.openai.com/docs/api-reference/usage> (`OpenAPI` 2.3.0), read 2026-11-23. A result is a sum over a
//! bucket of time. `input_tokens` includes cached, written, audio and image tokens. Since 2026 the numbers by modality
//! exclude cached tokens, and `input_uncached_tokens` is then present. Before, they included them. The export writes
//! counts as `3.0`.
//!
//! A result has no id: the natural key is the bucket's span and its grouping. The time is the bucket's start. Export
//! with `group_by=model,batch` and with whatever decides who pays. A field that was not grouped by is missing. The
//! import rejects a result without model, and assumes the standard tier for a result without tier. Of web searches
//! (`num_requests`, <https://platform.openai.com/docs/api-reference/usage/web_search_calls>) the import does not count
//! the model requests again. A bucket may grow until its time is over. Costs are not usage, and the import rejects
//! them.

use crate::domain::meter::Meter;
use crate::domain::timestamp::Timestamp;
use crate::import::events::{Event, Events, Meters, natural_key};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, epoch};
use crate::text::problem::{Problem, excerpt};
use std::borrow::Cow;

/// Organisation usage.
pub const FORMAT: Format = Format {
    name: "openai-usage",
    stored: "openai-usage/1",
    untold: "the prompt sizes of requests, regional processing, for how long prompts were written to a cache, nor tiers where they were not grouped by service_tier",
    summary: "OpenAI organisation usage: API pages (completions, embeddings, images, audio, searches) and the dashboard's export",
    example: r#"{"object":"bucket","start_time":1790812800,"end_time":1790816400,"results":[{"object":"organization.usage.completions.result","input_tokens":1000,"input_cached_tokens":400,"output_tokens":500,"num_model_requests":5,"project_id":"proj_1","model":"gpt-5.4","batch":false}]}"#,
    pages: &["data"],
    cumulative: true,
    kept: Kept { ids: &[], times: &["start_time"], usage: &["input_tokens", "output_tokens", "num_model_requests"] },
    recognises: |head| {
        let bucket = ["", "data."]
            .iter()
            .any(|page| head.has(&format!("{page}results")) && head.has(&format!("{page}start_time")));
        bucket || head.columns(&["start_time", "end_time", "start_time_iso"])
    },
    how: How::Records(read),
};

/// A bucket's span, with its ends in whole seconds if possible, so that `1790816400.0` is the same bucket.
struct Span<'a> {
    at: Timestamp,
    from: Cow<'a, str>,
    to: Cow<'a, str>,
}

/// Reads one bucket, or one row of an export.
pub fn read(record: &Record<'_>, _reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let at = epoch(record, "start_time")?.ok_or_else(|| record.missing("start_time", "seconds since 1970"))?;
    let span = Span { at, from: second(record, "start_time")?, to: second(record, "end_time")? };
    if record.is_table() {
        // If an organisation used nothing in a bucket, the bucket has only its times.
        let used =
            ["num_model_requests", "input_tokens", "images", "characters", "seconds", "amount_value", "line_item"];
        return if used.iter().any(|name| record.has(name)) { result(record, &span, events) } else { Ok(()) };
    }
    let results = record.list("results")?.unwrap_or_default();
    results.iter().try_for_each(|one| result(one, &span, events))
}

fn second<'a>(record: &Record<'a>, name: &str) -> Result<Cow<'a, str>, Problem> {
    const NANOS: i64 = 1_000_000_000;
    let whole = epoch(record, name).ok().flatten().map(Timestamp::nanos).filter(|nanos| nanos % NANOS == 0);
    match whole {
        Some(nanos) => Ok(Cow::Owned((nanos / NANOS).to_string())),
        None => Ok(record.scalar(name)?.unwrap_or_default()),
    }
}

/// The endpoint of a result.
fn kind(result: &Record<'_>) -> Result<&'static str, Problem> {
    let object = result.text("object")?.unwrap_or_default();
    if result.has("amount") || result.has("amount_value") || object == "organization.costs.result" {
        return Err(Problem::line(
            "a record of the provider's charges, which is not usage",
            "a usage export (for this file, use `tokenbook costs import`)",
        ));
    }
    let of_columns = [("images", "images"), ("characters", "audio_speeches"), ("seconds", "audio_transcriptions")];
    if object.is_empty() {
        let told = of_columns.iter().find(|(column, _)| result.has(column));
        return Ok(told.map_or("completions", |(_, kind)| kind));
    }
    let name =
        object.strip_prefix("organization.usage.").and_then(|name| name.strip_suffix(".result")).unwrap_or(&object);
    let known = [
        "completions",
        "embeddings",
        "moderations",
        "images",
        "audio_speeches",
        "audio_transcriptions",
        "web_searches",
    ];
    if ["vector_stores", "code_interpreter_sessions", "file_searches"].contains(&name) {
        let what = format!("{object} counts something that no model's price covers");
        return Err(result.wrong(
            "object",
            what,
            "usage of models (the cost report has its cost: `tokenbook costs import`)",
        ));
    }
    known.into_iter().find(|known| *known == name).ok_or_else(|| {
        result.wrong(
            "object",
            format!("{} is not usage of models", excerpt(&object)),
            "completions, embeddings, images or audio",
        )
    })
}

fn result(result: &Record<'_>, span: &Span<'_>, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let kind = kind(result)?;
    let model = result.text("model")?.ok_or_else(|| {
        result.wrong("model", "is missing, so the bucket is a sum over models", "usage requested with group_by=model")
    })?;
    let named = |name: &str| result.scalar(name);
    let (project, user, key) = (named("project_id")?, named("user_id")?, named("api_key_id")?);
    let (batch, tier) = (result.flag("batch")?, result.text("service_tier")?);
    let (size, source, context) = (named("size")?, named("source")?, named("context_level")?);
    let id = natural_key(
        &format!("openai-usage/{kind}"),
        &[
            ("from", Some(&span.from)),
            ("to", Some(&span.to)),
            ("project", project.as_deref()),
            ("user", user.as_deref()),
            ("key", key.as_deref()),
            ("model", Some(&model)),
            ("batch", batch.map(|batch| if batch { "true" } else { "false" })),
            ("tier", tier.as_deref()),
            ("size", size.as_deref()),
            ("source", source.as_deref()),
            ("context", context.as_deref()),
        ],
    );
    let mut event = Event::bucket(id, span.at, model);
    event.provider = Cow::Borrowed("openai");
    event.tier = match (batch, tier) {
        (None, None) if kind == "completions" => {
            let what = "is missing, so the sum includes batches, which cost half the price";
            return Err(result.wrong("batch", what, "usage requested with group_by=model,batch"));
        }
        (Some(true), _) => Cow::Borrowed("batch"),
        (_, Some(tier)) if tier != "default" && tier != "auto" => tier,
        _ => Cow::Borrowed(""),
    };
    let tags = [
        ("project_id", project),
        ("user", user),
        ("api_key", key),
        ("size", size),
        ("source", source),
        ("context_level", context),
    ];
    for (tag, value) in tags {
        event.tags.add(tag, value);
    }
    if kind != "web_searches" {
        // The requests that searched are already among the requests of completions.
        event.meters.put(Meter::Request, result.loose_count("num_model_requests")?);
    }
    match kind {
        "completions" => event.total = completions(result, &mut event.meters)?,
        "web_searches" => {
            let searches = result.loose_count("num_requests")?;
            let searches = searches.ok_or_else(|| result.missing("num_requests", "the number of searches"));
            event.meters.put(Meter::WebSearch, Some(searches?));
        }
        "images" => event.meters.put(Meter::Image, result.loose_count("images")?),
        "audio_speeches" => event.meters.put(Meter::Character, result.loose_count("characters")?),
        "audio_transcriptions" => event.meters.put(Meter::AudioSecond, result.loose_count("seconds")?),
        _ => event.meters.put(Meter::Input, result.loose_count("input_tokens")?),
    }
    events.push(&event)
}

/// The meters of a result of completions, and its total.
fn completions(result: &Record<'_>, meters: &mut Meters) -> Result<Option<i64>, Problem> {
    let count = |name: &str| result.loose_count(name);
    let (input, output) = (count("input_tokens")?, count("output_tokens")?);
    let (cached, written) = (count("input_cached_tokens")?, count("input_cache_write_tokens")?);
    let (audio, image) = (count("input_audio_tokens")?, count("input_image_tokens")?);
    let (cached_audio, cached_image) = (count("input_cached_audio_tokens")?, count("input_cached_image_tokens")?);
    let older = !result.has("input_uncached_tokens") && !result.has("input_cached_text_tokens");
    if older && audio.unwrap_or(0) > 0 && cached.unwrap_or(0) > 0 {
        let what = "includes cached ones in an export of before 2026, and does not report how many";
        return Err(result.wrong("input_audio_tokens", what, "a newer export, with input_uncached_tokens"));
    }
    meters.put(Meter::CacheWrite, written);
    meters.put(Meter::InputAudio, audio);
    meters.put(Meter::InputImage, image);
    meters.put(Meter::CacheReadAudio, cached_audio);
    meters.put(Meter::CacheReadImage, cached_image);
    let kinds = [("input_cached_audio_tokens", cached_audio), ("input_cached_image_tokens", cached_image)];
    meters.rest(Meter::CacheRead, ("input_cached_tokens", cached), &kinds)?;
    let parts = [
        ("input_cached_tokens", cached),
        ("input_cache_write_tokens", written),
        ("input_audio_tokens", audio),
        ("input_image_tokens", image),
    ];
    meters.rest(Meter::Input, ("input_tokens", input), &parts)?;
    if let (Some(uncached), Some(input)) = (count("input_uncached_tokens")?, input) {
        let others = cached.unwrap_or(0).saturating_add(written.unwrap_or(0));
        if uncached.saturating_add(others) != input {
            let what =
                format!("{input} is not its cached, written and uncached tokens together, {}", uncached + others);
            return Err(result.wrong("input_tokens", what, "the sum of them"));
        }
    }
    let (audio, image) = (count("output_audio_tokens")?, count("output_image_tokens")?);
    meters.put(Meter::OutputAudio, audio);
    meters.put(Meter::OutputImage, image);
    let parts = [("output_audio_tokens", audio), ("output_image_tokens", image)];
    meters.rest(Meter::Output, ("output_tokens", output), &parts)?;
    Ok(input.map(|input| input.saturating_add(output.unwrap_or(0))))
}
