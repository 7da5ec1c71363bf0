//! Bodies of Anthropic's Messages API, and the results of its Message Batches.
//!
//! <https://platform.claude.com/docs/en/api/messages>, read 2026-11-23. `input_tokens` excludes cached tokens.
//! `cache_creation` splits the written tokens by how long the cache keeps them. `output_tokens` includes thinking.
//!
//! If the vendor ran several iterations for one answer, the top level has the sum of the iterations of type `message`
//! only. Compactions and advisors were billed in addition, advisors with their own model. So each iteration is an
//! event: `id`, then `id#1`, …. The body does not report how much of each iteration was thinking, so thinking stays in
//! their output. It does not report either how long code ran, which is charged by the hour.
//!
//! The id is `id`. A body has no time: the envelope gives it, or `--at`. Inference in one geography (`inference_geo`)
//! costs more (<https://platform.claude.com/docs/en/manage-claude/data-residency>, read 2026-11-25). Its name becomes a
//! tag and part of the tier, `us` or `batch-us`.
//!
//! A body does not name the provider, but its id shows it, as recorded bodies prove: `msg_bdrk_` on Bedrock,
//! `msg_vrtx_` on Vertex AI, and `msg_01` with 22 more characters from Anthropic itself.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, Meters, lowered};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::Stated;
use crate::import::vendor::envelope::{BATCH, Body};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Messages bodies.
pub const FORMAT: Format = Format {
    name: "anthropic-messages",
    stored: "anthropic-messages/1",
    untold: "hours of code execution",
    summary: "Anthropic Messages bodies and Message Batches results, in envelopes or with --at",
    example: r#"{"timestamp":"2026-10-01T08:30:00Z","tags":{"team":"search"},"body":{"id":"msg_1","model":"claude-sonnet-4-5","usage":{"input_tokens":40,"cache_read_input_tokens":60,"cache_creation_input_tokens":0,"output_tokens":20,"service_tier":"standard"}}}"#,
    kept: Kept { ids: &["id"], times: &[], usage: &["usage"] },
    recognises: |head| {
        let usage =
            |name: &str| head.body_has(&format!("usage.{name}")) || head.has(&format!("result.message.usage.{name}"));
        usage("input_tokens") && !usage("total_tokens") && !head.has("message.usage") && !head.has("sessionId")
            || head.has("result.type") && head.has("custom_id")
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one body.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let Some(body) = Body::of(record, reading)? else { return Ok(()) };
    let usage = body.usage("usage")?;
    let (own, tier_told) = (body.body.clone(), body.tier_told);
    let mut event = body.event(own.text("id")?, None, own.text("model")?)?;
    event.implied = Cow::Borrowed(served_by(&event.id, &event.model));
    event.tier = match event.tier {
        // Batches in a geography cost more too.
        told if told == BATCH => placed(told, geography(&usage)?),
        told if tier_told => told,
        _ => tier(&usage)?,
    };
    event.tags.add("inference_geo", geography(&usage)?);
    events_of(&usage, event, events)
}

/// The provider of a message, by its id; empty if the id has no known form.
pub fn served_by(id: &str, model: &str) -> &'static str {
    let Some(rest) = id.strip_prefix("msg_") else { return "" };
    if rest.starts_with("bdrk_") {
        return "bedrock";
    }
    if rest.starts_with("vrtx_") {
        return "vertex_ai";
    }
    // Other sellers that use the protocol issue their own ids, for their own models.
    let own = rest.len() == 24 && rest.starts_with("01") && rest.chars().all(|c| c.is_ascii_alphanumeric());
    if own && model.starts_with("claude-") { "anthropic" } else { "" }
}

/// The tier: the one that the usage names, or `fast` if the answer was bought at higher speed, with the geography of
/// the inference.
pub fn tier<'a>(usage: &Record<'a>) -> Result<Cow<'a, str>, Problem> {
    let tier = if usage.text("speed")?.as_deref() == Some("fast") {
        Cow::Borrowed("fast")
    } else {
        usage.text("service_tier")?.unwrap_or_default()
    };
    Ok(placed(tier, geography(usage)?))
}

/// The geography of the inference; `None` if there is none or it is not reported.
pub fn geography<'a>(usage: &Record<'a>) -> Result<Option<Cow<'a, str>>, Problem> {
    Ok(usage.text("inference_geo")?.filter(|geo| !matches!(geo.as_ref(), "global" | "not_available")))
}

/// A tier in a geography. It is a separate tier, because it costs more.
pub fn placed<'a>(tier: Cow<'a, str>, geography: Option<Cow<'_, str>>) -> Cow<'a, str> {
    let plain = tier.is_empty() || tier == "standard";
    match geography.map(|geo| lowered(&geo)) {
        Some(geo) if plain => Cow::Owned(geo),
        Some(geo) => Cow::Owned(format!("{tier}-{geo}")),
        None if plain => Cow::Borrowed(""),
        None => tier,
    }
}

/// One event, or one for each iteration.
pub fn events_of(usage: &Record<'_>, event: Event<'_>, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let iterations = usage.list("iterations")?.unwrap_or_default();
    let searches = match usage.object("server_tool_use")? {
        Some(tools) => tools.count("web_search_requests")?,
        None => None,
    };
    // The sum at the top excludes compactions and advisors, even if nothing else was done.
    let in_sum = |one: &Record<'_>| Ok::<_, Problem>(one.text("type")?.is_none_or(|kind| kind == "message"));
    if iterations.is_empty() || iterations.len() == 1 && iterations.first().map_or(Ok(true), in_sum)? {
        let mut event = event;
        meters(usage, &mut event.meters)?;
        event.meters.put(Meter::WebSearch, searches);
        return events.push(&event);
    }
    check_iterations(usage, &iterations)?;
    for (place, iteration) in iterations.iter().enumerate() {
        let mut part = event.clone();
        if place > 0 {
            part.id = Cow::Owned(format!("{}#{place}", event.id));
        }
        if let Some(model) = iteration.text("model")? {
            part.model = model;
        }
        meters(iteration, &mut part.meters)?;
        if place == 0 {
            part.meters.put(Meter::WebSearch, searches);
        }
        events.push(&part)?;
    }
    Ok(())
}

/// The meters of a usage object or of one iteration.
pub fn meters(usage: &Record<'_>, meters: &mut Meters) -> Result<(), Problem> {
    write_kept(usage, usage.count("cache_creation_input_tokens")?, meters)?;
    meters.put(Meter::Input, Some(usage.needed_count("input_tokens")?));
    meters.put(Meter::CacheRead, usage.count("cache_read_input_tokens")?);
    let thinking = match usage.object("output_tokens_details")? {
        Some(details) => details.count("thinking_tokens")?,
        None => None,
    };
    meters.put(Meter::Reasoning, thinking);
    meters.rest(Meter::Output, ("output_tokens", usage.count("output_tokens")?), &[("thinking_tokens", thinking)])
}

/// Tokens written to a cache, by how long the cache keeps them.
pub fn write_kept(usage: &Record<'_>, written: Option<i64>, meters: &mut Meters) -> Result<(), Problem> {
    let split = usage.object("cache_creation")?;
    let kept = |name: &str| split.as_ref().map_or(Ok(None), |split| split.count(name));
    let (short, long) = (kept("ephemeral_5m_input_tokens")?, kept("ephemeral_1h_input_tokens")?);
    if short.is_some() || long.is_some() {
        let sum = short.unwrap_or(0).saturating_add(long.unwrap_or(0));
        if let Some(written) = written
            && written != sum
        {
            let what = format!("{written} is not the sum of its parts, {sum}");
            return Err(usage.wrong(
                "cache_creation_input_tokens",
                what,
                "the tokens written for 5 minutes and for an hour",
            ));
        }
        meters.put(Meter::CacheWrite, short);
        meters.put(Meter::CacheWrite1h, long);
    } else {
        meters.put(Meter::CacheWrite, written);
    }
    Ok(())
}

/// Rejects iterations of type `message` that do not add up to the top level.
fn check_iterations(usage: &Record<'_>, iterations: &[Record<'_>]) -> Result<(), Problem> {
    for name in ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"] {
        let mut sum = 0_i64;
        for iteration in iterations {
            if iteration.text("type")?.as_deref() == Some("message") {
                sum = sum.saturating_add(iteration.count(name)?.unwrap_or(0));
            }
        }
        let whole = usage.count(name)?.unwrap_or(0);
        if sum != whole {
            let what = format!("{whole} is not the sum of its iterations, {sum}");
            return Err(usage.wrong(name, what, "the sum of the iterations of type message"));
        }
    }
    Ok(())
}
