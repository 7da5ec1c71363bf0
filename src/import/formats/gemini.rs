//! Bodies of Google's Gemini API and of Vertex AI: `generateContent` and embeddings.
//!
//! <https://ai.google.dev/api/generate-content#UsageMetadata>, read 2026-11-23. `promptTokenCount` includes cached
//! tokens. `candidatesTokenCount` excludes thoughts. `toolUsePromptTokenCount` is not part of the prompt count, and has
//! the price of input. Pages of documents are images. The details by modality are sometimes incomplete: the remainder
//! is text. Cached video counts as `cache_read`. The id is `responseId`. Vertex has `createTime`, the Gemini API has no
//! time. The import also reads lines of batch results. A body does not report searches for grounding: the rules that
//! charge them depend on more than the body has.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, lowered};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant};
use crate::import::vendor::envelope::Body;
use crate::text::problem::{Problem, excerpt};
use std::borrow::Cow;

/// Gemini bodies.
pub const FORMAT: Format = Format {
    name: "gemini",
    stored: "gemini/1",
    untold: "searches for grounding",
    summary: "Gemini and Vertex AI response bodies (usageMetadata), in envelopes or with --at where they have no time",
    example: r#"{"responseId":"r1","createTime":"2026-10-01T08:30:00Z","modelVersion":"gemini-2.5-flash","usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":12,"thoughtsTokenCount":8,"totalTokenCount":120}}"#,
    kept: Kept { ids: &["responseId"], times: &["createTime"], usage: &["usageMetadata"] },
    recognises: |head| head.body_has("usageMetadata"),
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one body.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let Some(body) = Body::of(record, reading)? else { return Ok(()) };
    let usage = body.usage("usageMetadata")?;
    let (own, tier_told) = (body.body.clone(), body.tier_told);
    let mut event = body.event(own.text("responseId")?, instant(&own, "createTime")?, own.text("modelVersion")?)?;
    if !tier_told {
        event.tier = tier(&usage)?;
    }
    meters(&usage, &mut event)?;
    events.push(&event)
}

/// The tier, by the names of the Gemini API or of Vertex AI.
pub fn tier<'a>(usage: &Record<'a>) -> Result<Cow<'a, str>, Problem> {
    if let Some(tier) = usage.text("serviceTier")? {
        let tier = lowered(&tier);
        return Ok(Cow::Owned(if matches!(tier.as_str(), "standard" | "unspecified") { String::new() } else { tier }));
    }
    let Some(traffic) = usage.text("trafficType")? else { return Ok(Cow::Borrowed("")) };
    match traffic.as_ref() {
        "ON_DEMAND" | "TRAFFIC_TYPE_UNSPECIFIED" => Ok(Cow::Borrowed("")),
        "ON_DEMAND_FLEX" => Ok(Cow::Borrowed("flex")),
        "ON_DEMAND_PRIORITY" => Ok(Cow::Borrowed("priority")),
        "PROVISIONED_THROUGHPUT" => Ok(Cow::Borrowed("provisioned")),
        _ => Err(usage.wrong(
            "trafficType",
            "is not known",
            "ON_DEMAND, PROVISIONED_THROUGHPUT or another documented one",
        )),
    }
}

/// Tokens by modality.
#[derive(Debug, Default)]
struct Kinds {
    audio: Option<i64>,
    image: Option<i64>,
    video: Option<i64>,
}

impl Kinds {
    fn of(usage: &Record<'_>, name: &str) -> Result<Self, Problem> {
        let mut kinds = Self::default();
        for detail in usage.list(name)?.unwrap_or_default() {
            let kind = detail.text("modality")?.unwrap_or_default();
            let kept = match kind.as_ref() {
                "AUDIO" => &mut kinds.audio,
                // Pages of a document are charged as images.
                "IMAGE" | "DOCUMENT" => &mut kinds.image,
                "VIDEO" => &mut kinds.video,
                "TEXT" | "MODALITY_UNSPECIFIED" => continue,
                _ => {
                    return Err(detail.wrong(
                        "modality",
                        format!("{} is not known", excerpt(&kind)),
                        "TEXT, AUDIO, IMAGE or VIDEO",
                    ));
                }
            };
            let tokens = detail.count("tokenCount")?.unwrap_or(0);
            *kept = Some(kept.unwrap_or(0).saturating_add(tokens));
        }
        Ok(kinds)
    }

    fn any(&self) -> bool {
        [self.audio, self.image, self.video].iter().flatten().any(|tokens| *tokens > 0)
    }
}

/// The meters of `usageMetadata`.
pub fn meters(usage: &Record<'_>, event: &mut Event<'_>) -> Result<(), Problem> {
    let prompt = usage.count("promptTokenCount")?;
    let cached = usage.count("cachedContentTokenCount")?;
    let kinds = Kinds::of(usage, "promptTokensDetails")?;
    let cached_kinds = Kinds::of(usage, "cacheTokensDetails")?;
    if cached.is_some_and(|cached| cached > 0) && kinds.any() && !usage.is_list("cacheTokensDetails") {
        let what = "is not reported by modality, and the prompt is not text only";
        return Err(usage.wrong("cachedContentTokenCount", what, "cacheTokensDetails as well"));
    }
    let meters = &mut event.meters;
    let uncached = |name: &str, whole: Option<i64>, cached: Option<i64>| match whole {
        Some(whole) if whole < cached.unwrap_or(0) => Err(usage.wrong(
            "promptTokensDetails",
            format!("{name} {whole} is less than the cached tokens"),
            "the whole",
        )),
        whole => Ok(whole.map(|whole| whole - cached.unwrap_or(0))),
    };
    let audio = uncached("AUDIO", kinds.audio, cached_kinds.audio)?;
    let image = uncached("IMAGE", kinds.image, cached_kinds.image)?;
    let video = uncached("VIDEO", kinds.video, cached_kinds.video)?;
    meters.put(Meter::InputAudio, audio);
    meters.put(Meter::InputImage, image);
    meters.put(Meter::InputVideo, video);
    meters.put(Meter::CacheReadAudio, cached_kinds.audio);
    meters.put(Meter::CacheReadImage, cached_kinds.image);
    let by_kind = [("cached AUDIO", cached_kinds.audio), ("cached IMAGE", cached_kinds.image)];
    meters.rest(Meter::CacheRead, ("cachedContentTokenCount", cached), &by_kind)?;
    let parts = [
        ("cachedContentTokenCount", cached),
        ("AUDIO not cached", audio),
        ("IMAGE not cached", image),
        ("VIDEO not cached", video),
    ];
    meters.rest(Meter::Input, ("promptTokenCount", prompt), &parts)?;
    meters.put(Meter::Input, usage.count("toolUsePromptTokenCount")?);
    let answers = Kinds::of(usage, "candidatesTokensDetails")?;
    meters.put(Meter::OutputAudio, answers.audio);
    meters.put(Meter::OutputImage, answers.image);
    meters.put(Meter::OutputVideo, answers.video);
    let parts = [("AUDIO", answers.audio), ("IMAGE", answers.image), ("VIDEO", answers.video)];
    meters.rest(Meter::Output, ("candidatesTokenCount", usage.count("candidatesTokenCount")?), &parts)?;
    meters.put(Meter::Reasoning, usage.count("thoughtsTokenCount")?);
    event.total = usage.count("totalTokenCount")?;
    Ok(())
}
