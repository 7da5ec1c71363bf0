//! Bodies of Amazon Bedrock's Converse API.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html>, read 2026-11-23.
//! `inputTokens` excludes cached tokens for most models and includes them for some, such as OpenAI's. `totalTokens`
//! shows which. The import rejects a record with cached tokens and no total, unless `--prompt-tokens` says it.
//! `cacheReadInputTokenCount` has the same meaning as `cacheReadInputTokens`. `cacheDetails` splits the written tokens
//! by how long the cache keeps them.
//!
//! The tier is `serviceTier.type`, or `optimized` if `performanceConfig.latency` says so
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>, read 2026-11-25). A body has
//! no id, model or time: it needs an envelope.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, Meters, lowered};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{PromptTokens, Stated};
use crate::import::vendor::envelope::Body;
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Converse bodies.
pub const FORMAT: Format = Format {
    name: "bedrock-converse",
    stored: "bedrock-converse/1",
    summary: "Amazon Bedrock Converse bodies, in envelopes that say id, model and time",
    example: r#"{"timestamp":"2026-10-01T08:30:00Z","event_id":"r1","model":"anthropic.claude-sonnet-4-5","body":{"usage":{"inputTokens":40,"cacheReadInputTokens":60,"outputTokens":20,"totalTokens":120}}}"#,
    kept: Kept { ids: &[], times: &[], usage: &["usage"] },
    recognises: |head| head.body_has("usage.inputTokens"),
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one body.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let Some(body) = Body::of(record, reading)? else { return Ok(()) };
    let usage = body.usage("usage")?;
    let (own, tier_told) = (body.body.clone(), body.tier_told);
    let mut event = body.event(None, None, None)?;
    if !tier_told {
        event.tier = tier(&own)?;
    }
    meters(&usage, reading, &mut event)?;
    events.push(&event)
}

/// The tier that served a response. It has its own prices.
pub fn tier(body: &Record<'_>) -> Result<Cow<'static, str>, Problem> {
    let named = |object: &str, name: &str| match body.object(object)? {
        Some(inner) => inner.text(name).map(|text| text.map(|text| lowered(&text))),
        None => Ok(None),
    };
    let tier = named("serviceTier", "type")?.filter(|tier| tier != "default");
    let fast = named("performanceConfig", "latency")?.filter(|latency| latency != "standard");
    let parts: Vec<String> = tier.into_iter().chain(fast).collect();
    Ok(Cow::Owned(parts.join("-")))
}

/// The meters of a usage object.
pub fn meters(usage: &Record<'_>, reading: &Stated, event: &mut Event<'_>) -> Result<(), Problem> {
    let either = |name: &str| match usage.count(name)? {
        None => usage.count(&name.replace("Tokens", "TokenCount")),
        told => Ok(told),
    };
    let input = usage.needed_count("inputTokens")?;
    let output = usage.count("outputTokens")?;
    let (read, written) = (either("cacheReadInputTokens")?, either("cacheWriteInputTokens")?);
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let total = usage.count("totalTokens")?;
    let plain = input.saturating_add(output.unwrap_or(0));
    let included = match (total, reading.prompt) {
        _ if cached == 0 => false,
        (Some(total), _) => total == plain,
        (None, Some(prompt)) => prompt == PromptTokens::WithCache,
        (None, None) => {
            let what = "is missing, and without it tokenbook cannot know whether inputTokens includes the cached ones";
            return Err(usage.wrong("totalTokens", what, "the field, or --prompt-tokens with-cache or without-cache"));
        }
    };
    let meters = &mut event.meters;
    meters.put(Meter::CacheRead, read);
    write_kept(usage, written, meters)?;
    let parts: &[(&str, Option<i64>)] =
        if included { &[("cacheReadInputTokens", read), ("cacheWriteInputTokens", written)] } else { &[] };
    meters.rest(Meter::Input, ("inputTokens", Some(input)), parts)?;
    meters.put(Meter::Output, output);
    event.total = total;
    Ok(())
}

/// Tokens written to a cache, by how long the cache keeps them.
pub fn write_kept(usage: &Record<'_>, written: Option<i64>, meters: &mut Meters) -> Result<(), Problem> {
    let mut long = None;
    let mut sum = 0_i64;
    let Some(details) = usage.list("cacheDetails")? else {
        meters.put(Meter::CacheWrite, written);
        return Ok(());
    };
    for detail in &details {
        let tokens = detail.needed_count("inputTokens")?;
        sum = sum.saturating_add(tokens);
        if detail.text("ttl")?.as_deref() == Some("1h") {
            long = Some(long.unwrap_or(0_i64).saturating_add(tokens));
        }
    }
    if written.is_none() && sum > 0 {
        let what = format!("is missing, and cacheDetails have {sum}");
        return Err(usage.wrong("cacheWriteInputTokens", what, "the sum of them"));
    }
    if let Some(written) = written.filter(|written| *written != sum && !details.is_empty()) {
        let what = format!("{written} is not the sum of cacheDetails, {sum}");
        return Err(usage.wrong("cacheWriteInputTokens", what, "the tokens written for each time to live"));
    }
    meters.put(Meter::CacheWrite1h, long);
    meters.put(Meter::CacheWrite, written.map(|written| written - long.unwrap_or(0)));
    Ok(())
}
