//! Amazon Bedrock's model invocation logs, from S3 or `CloudWatch`.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html>, read 2026-11-23. The id is
//! `requestId`, the time `timestamp`. `inputTokenCount` excludes cached tokens for models of Anthropic and Amazon, and
//! includes them for models of `OpenAI`. For other models with cached tokens it is unknown, and `--prompt-tokens` must
//! say it.
//!
//! `requestMetadata`, account, region and principal become tags. The model is the last part of an ARN. For an
//! application inference profile this is the profile's own id, which needs its own price. A failed request
//! (`errorCode`) used nothing. If the log contains the response (`outputBodyJson`), it shows the tier and how long the
//! cache keeps written tokens. Otherwise these are not reported.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, Meters};
use crate::import::format::{Format, How, Kept};
use crate::import::formats::{anthropic_messages, bedrock_converse};
use crate::import::record::Record;
use crate::import::record::reading::{PromptTokens, Stated, instant};
use crate::text::problem::{Problem, excerpt};
use std::borrow::Cow;

/// Invocation logs.
pub const FORMAT: Format = Format {
    name: "bedrock-logs",
    stored: "bedrock-logs/1",
    untold: "tiers and for how long prompts were written to a cache, where responses are not logged",
    summary: "Amazon Bedrock model invocation logs (JSONL)",
    example: r#"{"schemaType":"ModelInvocationLog","schemaVersion":"1.0","timestamp":"2026-10-01T08:30:00Z","accountId":"123456789012","region":"us-east-1","requestId":"r1","operation":"Converse","modelId":"anthropic.claude-sonnet-4-5-20250929-v1:0","requestMetadata":{"team":"search"},"input":{"inputTokenCount":40,"cacheReadInputTokenCount":60},"output":{"outputTokenCount":20}}"#,
    pages: &["Records"],
    kept: Kept { ids: &["requestId"], times: &["timestamp"], usage: &[] },
    recognises: |head| head.text("schemaType") == "ModelInvocationLog" || head.has("requestId") && head.has("modelId"),
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one invocation.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let (input, output) = (record.object("input")?, record.object("output")?);
    let side = |side: &Option<Record<'_>>, name: &str| side.as_ref().map_or(Ok(None), |side| side.count(name));
    let (prompt, answer) = (side(&input, "inputTokenCount")?, side(&output, "outputTokenCount")?);
    if prompt.is_none() && answer.is_none() {
        if record.has("errorCode") {
            return Ok(());
        }
        return Err(record.missing("input.inputTokenCount", "the tokens, or an errorCode"));
    }
    let at = instant(record, "timestamp")?.ok_or_else(|| record.missing("timestamp", "a time"))?;
    let full = record.needed("modelId")?;
    let model = full.rsplit('/').next().unwrap_or(&full).to_owned();
    let (read, written) = (side(&input, "cacheReadInputTokenCount")?, side(&input, "cacheWriteInputTokenCount")?);
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let included = cached > 0 && included(record, &model, reading)?;
    let mut event = Event::request(record.needed("requestId")?, at, model);
    event.provider = Cow::Borrowed("bedrock");
    if let Some(metadata) = record.object("requestMetadata")? {
        event.tags.add_all(&metadata)?;
    }
    event.tags.add("account", record.text("accountId")?);
    event.tags.add("region", record.text("region")?);
    if let Some(identity) = record.object("identity")? {
        event.tags.add("principal", identity.text("arn")?);
    }
    event.meters.put(Meter::CacheRead, read);
    let answered = output.as_ref().filter(|output| output.is_object("outputBodyJson"));
    let body = answered.map_or(Ok(None), |output| output.object("outputBodyJson"))?;
    if let Some(body) = &body {
        event.tier = bedrock_converse::tier(body)?;
    }
    write_kept(body.as_ref(), written, &mut event.meters)?;
    let parts = [("cacheReadInputTokenCount", read), ("cacheWriteInputTokenCount", written)];
    event.meters.rest(Meter::Input, ("inputTokenCount", prompt), if included { &parts } else { &[] })?;
    event.meters.put(Meter::Output, answer);
    events.push(&event)
}

/// Tokens written to a cache, by how long the cache keeps them, if a response of Converse or of Anthropic reports it.
fn write_kept(body: Option<&Record<'_>>, written: Option<i64>, meters: &mut Meters) -> Result<(), Problem> {
    let usage = body.filter(|body| body.is_object("usage")).map_or(Ok(None), |body| body.object("usage"))?;
    let Some(usage) = usage.filter(|_| written.is_some_and(|written| written > 0)) else {
        meters.put(Meter::CacheWrite, written);
        return Ok(());
    };
    if usage.is_object("cache_creation") {
        return anthropic_messages::write_kept(&usage, written, meters);
    }
    bedrock_converse::write_kept(&usage, written, meters)
}

/// Whether the prompt of a model's family includes cached tokens.
fn included(record: &Record<'_>, model: &str, reading: &Stated) -> Result<bool, Problem> {
    let family = |name: &str| model.starts_with(name) || model.contains(&format!(".{name}"));
    if family("anthropic.") || family("amazon.") {
        return Ok(false);
    }
    if family("openai.") {
        return Ok(true);
    }
    match reading.prompt {
        Some(prompt) => Ok(prompt == PromptTokens::WithCache),
        None => Err(record.wrong(
            "input.inputTokenCount",
            format!("may or may not include cached ones; tokenbook does not know it for {}", excerpt(model)),
            "--prompt-tokens with-cache or without-cache",
        )),
    }
}
