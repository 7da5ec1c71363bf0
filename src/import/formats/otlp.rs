//! Spans of the OpenTelemetry conventions for generative AI, as OTLP JSON: an export request a line, or a document.
//!
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>, read 2026-11-23 (status: development).
//! `gen_ai.usage.input_tokens` includes cached tokens, `output_tokens` includes reasoning. Older senders use
//! `prompt_tokens`, `completion_tokens` and `gen_ai.system`. Some senders exclude cached tokens: a prompt smaller than
//! them shows it, or `--prompt-tokens without-cache` says it.
//!
//! Pydantic AI names parts of both in `gen_ai.usage.details.*` (<https://github.com/pydantic/pydantic-ai>, `usage.py`,
//! read 2026-11-25). There cached audio is part of the cached tokens and of audio. The AI SDK
//! (<https://ai-sdk.dev/docs/ai-sdk-core/telemetry>, read 2026-11-29) has cached tokens in
//! `ai.usage.cachedInputTokens`, and the endpoint in the provider's name. Its outer spans, without `gen_ai.usage`,
//! repeat the inner ones.
//!
//! The tier comes from the response (`openai.response.service_tier`). Only spans of calls to a model are usage (`chat`,
//! `text_completion`, `generate_content`, `embeddings`). Spans of agents repeat the sums of the spans within them. A
//! span without token counts is not an event. The id is trace and span, the time the span's start.

use crate::domain::meter::Meter;
use crate::domain::timestamp::Timestamp;
use crate::import::events::{Event, Events, Meters, Tags, lowered};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{PromptTokens, Stated, epoch_in};
use crate::price::catalog::providers;
use crate::text::problem::Problem;
use std::borrow::Cow;

/// `GenAI` spans.
pub const FORMAT: Format = Format {
    name: "otlp",
    stored: "otlp/1",
    untold: "for how long prompts were written to a cache, searches, and tiers but of OpenAI",
    summary: "OpenTelemetry GenAI spans (OTLP JSON)",
    example: r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"search"}}]},"scopeSpans":[{"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","startTimeUnixNano":"1790848800000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.provider.name","value":{"stringValue":"openai"}},{"key":"gen_ai.response.model","value":{"stringValue":"gpt-5.4"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"31"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":"19"}}]}]}]}]}"#,
    pages: &["resourceSpans"],
    kept: Kept { ids: &[], times: &[], usage: &[] },
    recognises: |head| head.has("resourceSpans") || head.has("scopeSpans.spans"),
    how: How::Records(read),
    ..Format::PLAIN
};

/// The names of operations that call a model.
const CALLS: [&str; 4] = ["chat", "text_completion", "generate_content", "embeddings"];
/// Providers: the names in the conventions, and the names in price lists.
const PROVIDERS: [(&str, &str); 16] = [
    ("aws.bedrock", "bedrock"),
    ("google.vertex", "vertex_ai"),
    ("google_genai", "google"),
    ("mistralai", "mistral"),
    ("moonshot_ai", "moonshotai"),
    ("vertex", "vertex_ai"),
    ("vertexai", "vertex_ai"),
    ("azure.ai.openai", "azure"),
    ("az.ai.openai", "azure"),
    ("azure.ai.inference", "azure_ai"),
    ("az.ai.inference", "azure_ai"),
    ("gcp.gemini", "google"),
    ("gcp.gen_ai", "google"),
    ("gcp.vertex_ai", "vertex_ai"),
    ("mistral_ai", "mistral"),
    ("x_ai", "xai"),
];
/// Attributes of a resource or a span that define who pays, and the tags they become.
const PAYERS: [(&str, &str); 12] = [
    ("department", "department"),
    ("project", "project"),
    ("team", "team"),
    ("team.name", "team"),
    ("cost_center", "cost_center"),
    ("deployment.environment.name", "environment"),
    ("deployment.environment", "environment"),
    ("service.name", "service"),
    ("service.namespace", "service_namespace"),
    ("user.id", "user"),
    ("enduser.id", "user"),
    ("gen_ai.agent.name", "agent"),
];

/// The tier of a response, by its current and its older name.
const TIER: [&str; 2] = ["openai.response.service_tier", "gen_ai.openai.response.service_tier"];
/// Parts of a prompt and of an answer, by the names that the conventions and senders use.
const READ: [&str; 5] = [
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "ai.usage.cachedInputTokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens",
];
const WRITTEN: [&str; 3] = [
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.details.cache_write_tokens",
];
const REASONING: [&str; 3] = [
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "gen_ai.usage.details.thinking_tokens",
];

/// Attributes by their keys.
struct Attributes<'a>(Vec<(Cow<'a, str>, Record<'a>)>);

impl<'a> Attributes<'a> {
    fn of(record: &Record<'a>) -> Result<Self, Problem> {
        let mut attributes = Vec::new();
        for attribute in record.list("attributes")?.unwrap_or_default() {
            let key = attribute.needed("key")?;
            // Prompts are attributes too, so no value is read before it is needed.
            if let Some(value) = attribute.object("value")? {
                attributes.push((key, value));
            }
        }
        Ok(Self(attributes))
    }

    fn attribute(&self, keys: &[&str]) -> Option<&(Cow<'a, str>, Record<'a>)> {
        keys.iter().find_map(|key| self.0.iter().find(|(known, _)| known == key))
    }

    fn text(&self, keys: &[&str]) -> Result<Option<Cow<'a, str>>, Problem> {
        self.attribute(keys).map_or(Ok(None), |(_, value)| value.text("stringValue"))
    }

    fn count(&self, keys: &[&str]) -> Result<Option<i64>, Problem> {
        let Some((key, value)) = self.attribute(keys) else { return Ok(None) };
        // 64-bit numbers are texts in OTLP JSON; some senders write them as doubles.
        let told = match value.loose_count("intValue")? {
            None => value.loose_count("doubleValue")?,
            told => told,
        };
        match told {
            None => Err(Problem::field(key, "is not a number", "an intValue or a doubleValue")),
            told => Ok(told),
        }
    }
}

/// Reads the spans of one resource.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let resource = record.object("resource")?.map(|resource| Attributes::of(&resource)).transpose()?;
    for scope in record.list("scopeSpans")?.unwrap_or_default() {
        for one in scope.list("spans")?.unwrap_or_default() {
            span(&one, resource.as_ref(), reading, events)?;
        }
    }
    Ok(())
}

fn span(
    span: &Record<'_>,
    resource: Option<&Attributes<'_>>,
    reading: &Stated,
    events: &mut Events<'_, '_>,
) -> Result<(), Problem> {
    let own = Attributes::of(span)?;
    let operation = own.text(&["gen_ai.operation.name"])?;
    let input = own.count(&["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"])?;
    let output = own.count(&["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"])?;
    let call = operation.is_none_or(|name| CALLS.contains(&name.as_ref()));
    if !call || input.is_none() && output.is_none() {
        return Ok(());
    }
    let start = "startTimeUnixNano";
    let at: Timestamp =
        epoch_in(span, start, 1_000_000_000)?.ok_or_else(|| span.missing(start, "nanoseconds since 1970"))?;
    let model = own.text(&["gen_ai.response.model", "gen_ai.request.model"])?;
    let model = model.ok_or_else(|| span.missing("gen_ai.response.model", "the attribute"))?;
    let id = format!("{}/{}", span.needed("traceId")?, span.needed("spanId")?);
    let mut event = Event::request(id, at, model);
    let theirs = own.text(&["gen_ai.provider.name", "gen_ai.system"])?.unwrap_or_default();
    // A library may use any name for what it called, so `--provider` wins.
    event.implied = served_by(&theirs);
    event.tags = tags(&own, resource)?;
    let tier = own.text(&TIER)?.filter(|tier| !matches!(tier.as_ref(), "default" | "auto" | "standard"));
    event.tier = Cow::Owned(lowered(&tier.unwrap_or_default()));
    meters(&own, (input, output), reading, &mut event.meters)?;
    events.push(&event)
}

/// tokenbook's name of a provider. The AI SDK adds the endpoint (`openai.responses`), and others use capitals. Unknown
/// names stay unchanged.
fn served_by(theirs: &str) -> Cow<'static, str> {
    let lower = theirs.to_ascii_lowercase();
    let mut name = lower.as_str();
    loop {
        if let Some((_, ours)) = PROVIDERS.iter().find(|(known, _)| *known == name) {
            return Cow::Borrowed(ours);
        }
        if let (ours, true) = providers::ours(name) {
            return Cow::Owned(ours.to_owned());
        }
        let Some((shorter, _)) = name.rsplit_once('.') else { return Cow::Owned(theirs.to_owned()) };
        name = shorter;
    }
}

/// The meters of a call, each part by the names that senders use.
fn meters(
    own: &Attributes<'_>,
    (input, output): (Option<i64>, Option<i64>),
    reading: &Stated,
    meters: &mut Meters,
) -> Result<(), Problem> {
    let (read, written, reasoning) = (own.count(&READ)?, own.count(&WRITTEN)?, own.count(&REASONING)?);
    let cached_audio = own.count(&["gen_ai.usage.details.cache_audio_read_tokens"])?;
    let audio = own.count(&["gen_ai.usage.details.input_audio_tokens"])?;
    meters.put(Meter::CacheReadAudio, cached_audio);
    meters.rest(Meter::CacheRead, ("cache_read", read), &[("cache_audio_read_tokens", cached_audio)])?;
    meters.put(Meter::CacheWrite, written);
    // The cached part of the audio is already among the cached tokens.
    let cached = ("cache_audio_read_tokens", cached_audio.filter(|_| audio.is_some()));
    meters.rest(Meter::InputAudio, ("input_audio_tokens", audio), &[cached])?;
    let audio = meters.get(Meter::InputAudio);
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let included = reading.prompt != Some(PromptTokens::WithoutCache) && input.unwrap_or(0) >= cached;
    let parts = [("input_audio_tokens", audio), ("cache_read", read), ("cache_creation", written)];
    let parts = if included { &parts[..] } else { &parts[..1] };
    meters.rest(Meter::Input, ("gen_ai.usage.input_tokens", input), parts)?;
    let audio = own.count(&["gen_ai.usage.details.output_audio_tokens"])?;
    meters.put(Meter::Reasoning, reasoning);
    meters.put(Meter::OutputAudio, audio);
    let parts = [("reasoning", reasoning), ("output_audio_tokens", audio)];
    meters.rest(Meter::Output, ("gen_ai.usage.output_tokens", output), &parts)
}

/// The tags that define who pays: the tags of the span, then the tags of its resource.
fn tags<'a>(own: &Attributes<'a>, resource: Option<&Attributes<'a>>) -> Result<Tags<'a>, Problem> {
    let mut tags = Tags::default();
    for (attribute, key) in PAYERS {
        tags.add(key, own.text(&[attribute])?);
    }
    for (attribute, key) in PAYERS {
        tags.add(key, resource.map_or(Ok(None), |resource| resource.text(&[attribute]))?);
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_has_one_name_however_a_library_writes_it() {
        let cases = [
            ("OpenAI", "openai"),
            ("openai.responses", "openai"),
            ("openai.chat", "openai"),
            ("anthropic.messages", "anthropic"),
            ("google.generative-ai", "google"),
            ("google.vertex.chat", "vertex_ai"),
            ("vertex.anthropic.messages", "vertex_ai"),
            ("gcp.vertex_ai", "vertex_ai"),
            ("gcp.gemini", "google"),
            ("aws.bedrock", "bedrock"),
            ("amazon-bedrock", "bedrock"),
            ("azure.ai.openai", "azure"),
            ("azure.ai.inference", "azure_ai"),
            ("azure-openai.chat", "azure"),
            ("azure.responses", "azure"),
            ("mistral.chat", "mistral"),
            ("mistral_ai", "mistral"),
            ("xai.chat", "xai"),
            ("Acme.Chat", "Acme.Chat"),
            ("ibm.watsonx.ai", "ibm.watsonx.ai"),
            ("", ""),
        ];
        for (theirs, ours) in cases {
            assert_eq!(served_by(theirs), ours, "{theirs}");
        }
    }
}
