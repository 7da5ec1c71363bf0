//! Bodies of OpenAI's Responses API, of its images and transcriptions, and of realtime sessions (`response.done`).
//!
//! <https://platform.openai.com/docs/api-reference/responses/object> (`OpenAPI` 2.3.0), read 2026-11-23. `input_tokens`
//! includes cached, written, audio and image tokens. `output_tokens` includes reasoning. `total_tokens` is their sum.
//!
//! Realtime (<https://platform.openai.com/docs/api-reference/realtime-server-events>, read 2026-11-29) reports which of
//! the cached tokens are audio. All its events have an `event_id`. The import skips events without usage.
//!
//! The id is `id`, the time `created_at` in seconds. Searches are `tool_usage.web_search.num_requests`, or otherwise
//! the items `web_search_call` of the output. Images made by a tool (`tool_usage.image_gen`) are not part of the usage.
//! They are an event of the tool's own model: `id#image`. Images and transcriptions have no id: they need an envelope.
//! Not reported: containers of the code interpreter, which several responses share, and searches in files, for which
//! there is no meter (`costs import` has what they cost).

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, epoch};
use crate::import::vendor::envelope::{BATCH, Body, tier};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Responses bodies.
pub const FORMAT: Format = Format {
    name: "openai-responses",
    stored: "openai-responses/1",
    untold: "containers of the code interpreter, searches in files, regional processing, nor for how long prompts were written to a cache",
    summary: "OpenAI Responses, images, transcription and realtime bodies, by themselves or in envelopes",
    example: r#"{"id":"resp_1","created_at":1790848800,"model":"gpt-5.4","usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":60},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":120}}"#,
    kept: Kept { ids: &["id"], times: &["created_at"], usage: &["usage"] },
    recognises: |head| {
        let usage =
            |name: &str| head.body_has(&format!("usage.{name}")) || head.body_has(&format!("response.usage.{name}"));
        usage("input_tokens") && usage("total_tokens")
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one body.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let Some(mut body) = Body::of(record, reading)? else { return Ok(()) };
    // A realtime session reports many events. Only `response.done` has the usage of a response.
    if body.body.has("event_id") && body.body.has("type") && !body.body.has("usage") {
        let done = body.body.text("type")?.as_deref() == Some("response.done");
        let used = body.body.object("response")?.is_some_and(|response| response.has("usage"));
        if !done && !used {
            return Ok(());
        }
    }
    if let Some(response) = body.body.object("response")? {
        body.body = response;
    }
    let usage = body.usage("usage")?;
    let (own, tier_told) = (body.body.clone(), body.tier_told);
    let at = match epoch(&own, "created_at")? {
        None => epoch(&own, "created")?,
        at => at,
    };
    let mut event = body.event(own.text("id")?, at, own.text("model")?)?;
    if !tier_told {
        tier(&own, &mut event)?;
    }
    let answer = if own.is_list("data") { Meter::OutputImage } else { Meter::Output };
    let tools = own.object("tool_usage")?;
    let images = tools.as_ref().map_or(Ok(None), |tools| images(&own, tools, &event))?;
    meters(&usage, answer, &mut event)?;
    event.meters.put(Meter::WebSearch, searches(&own, tools.as_ref())?);
    events.push(&event)?;
    images.map_or(Ok(()), |images| events.push(&images))
}

/// The tokens that a tool used to make images for a response.
fn images<'a>(body: &Record<'a>, tools: &Record<'a>, event: &Event<'a>) -> Result<Option<Event<'a>>, Problem> {
    let Some(usage) = tools.object("image_gen")? else { return Ok(None) };
    if usage.count("total_tokens")?.unwrap_or(0) == 0 {
        return Ok(None);
    }
    let mut model = None;
    for tool in body.list("tools")?.unwrap_or_default() {
        if tool.text("type")?.as_deref() == Some("image_generation") {
            model = tool.text("model")?;
        }
    }
    let model = model.ok_or_else(|| {
        let what = "is reported, but tools do not name the model that made the images";
        tools.wrong("image_gen", what, "the tool image_generation with its model")
    })?;
    let tier = if event.tier == BATCH { event.tier.clone() } else { Cow::Borrowed("") };
    let mut images = Event { id: Cow::Owned(format!("{}#image", event.id)), model, tier, ..event.clone() };
    meters(&usage, Meter::OutputImage, &mut images)?;
    Ok(Some(images))
}

/// The details of one side. Realtime sessions and transcriptions use another name.
fn details<'a>(usage: &Record<'a>, side: &str) -> Result<Option<Record<'a>>, Problem> {
    match usage.object(&format!("{side}_tokens_details"))? {
        None => usage.object(&format!("{side}_token_details")),
        told => Ok(told),
    }
}

fn part(details: Option<&Record<'_>>, name: &str) -> Result<Option<i64>, Problem> {
    details.map_or(Ok(None), |details| details.count(name))
}

/// The remainder of a modality after its cached part.
fn uncached(details: &Record<'_>, name: &str, whole: Option<i64>, cached: Option<i64>) -> Result<Option<i64>, Problem> {
    let Some(whole) = whole else { return Ok(None) };
    let rest = whole - cached.unwrap_or(0);
    if rest < 0 {
        return Err(details.wrong(
            name,
            format!("{whole} is less than its cached tokens"),
            "a number that includes it",
        ));
    }
    Ok(Some(rest))
}

/// The meters of a usage object. Text of the answer counts as `answer`.
pub fn meters(usage: &Record<'_>, answer: Meter, event: &mut Event<'_>) -> Result<(), Problem> {
    let input = usage.needed_count("input_tokens")?;
    let told = details(usage, "input")?;
    let (cached, written) = (part(told.as_ref(), "cached_tokens")?, part(told.as_ref(), "cache_write_tokens")?);
    let by_kind = told.as_ref().map_or(Ok(None), |details| details.object("cached_tokens_details"))?;
    let (cached_audio, cached_image) =
        (part(by_kind.as_ref(), "audio_tokens")?, part(by_kind.as_ref(), "image_tokens")?);
    let (mut audio, mut image) = (part(told.as_ref(), "audio_tokens")?, part(told.as_ref(), "image_tokens")?);
    if let Some(details) = &told {
        audio = uncached(details, "audio_tokens", audio, cached_audio)?;
        image = uncached(details, "image_tokens", image, cached_image)?;
    }
    let meters = &mut event.meters;
    meters.put(Meter::CacheWrite, written);
    meters.put(Meter::InputAudio, audio);
    meters.put(Meter::InputImage, image);
    meters.put(Meter::CacheReadAudio, cached_audio);
    meters.put(Meter::CacheReadImage, cached_image);
    let kinds = [("audio_tokens", cached_audio), ("image_tokens", cached_image)];
    meters.rest(Meter::CacheRead, ("cached_tokens", cached), &kinds)?;
    let parts = [
        ("cached_tokens", cached),
        ("cache_write_tokens", written),
        ("audio_tokens not cached", audio),
        ("image_tokens not cached", image),
    ];
    meters.rest(Meter::Input, ("input_tokens", Some(input)), &parts)?;
    let told = details(usage, "output")?;
    let output = usage.count("output_tokens")?;
    let (reasoning, audio, image) = (
        part(told.as_ref(), "reasoning_tokens")?,
        part(told.as_ref(), "audio_tokens")?,
        part(told.as_ref(), "image_tokens")?,
    );
    meters.put(Meter::Reasoning, reasoning);
    meters.put(Meter::OutputAudio, audio);
    meters.put(Meter::OutputImage, image);
    let rest = if image.is_some() { Meter::Output } else { answer };
    let parts = [("reasoning_tokens", reasoning), ("audio_tokens", audio), ("image_tokens", image)];
    meters.rest(rest, ("output_tokens", output), &parts)?;
    event.total = usage.count("total_tokens")?;
    Ok(())
}

/// The number of searches, as the vendor counts them, or otherwise from the items of the output. Opening a page that
/// was found is not a search.
fn searches(body: &Record<'_>, tools: Option<&Record<'_>>) -> Result<Option<i64>, Problem> {
    if let Some(told) = tools.map_or(Ok(None), |tools| tools.object("web_search"))? {
        return Ok(told.count("num_requests")?.filter(|searches| *searches > 0));
    }
    if !body.is_list("output") {
        return Ok(None);
    }
    let mut found = 0;
    for item in body.list("output")?.unwrap_or_default() {
        if item.text("type")?.as_deref() == Some("web_search_call") {
            let action = item.object("action")?.map_or(Ok(None), |action| action.text("type"))?;
            found += i64::from(matches!(action, None | Some(Cow::Borrowed("search"))));
        }
    }
    Ok((found > 0).then_some(found))
}
