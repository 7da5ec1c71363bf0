//! Spans of the OpenTelemetry conventions for generative AI, as OTLP JSON: an export request a line, or a document.
//!
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>, read 2026-11-23 (status: development).
//! `gen_ai.usage.input_tokens` includes cached ones, `output_tokens` includes reasoning; older senders say
//! `prompt_tokens`, `completion_tokens` and `gen_ai.system`, and some leave cached tokens out, which a prompt smaller than
//! them shows, or `--prompt-tokens without-cache` says. Only spans of calls to a model are usage (`chat`,
//! `text_completion`, `generate_content`, `embeddings`): spans of agents repeat the sums of those within them. A span
//! without token counts is none. The id is trace and span, the time the span's start.

use crate::domain::meter::Meter;
use crate::domain::timestamp::Timestamp;
use crate::import::events::{Event, Events, Tags, provider};
use crate::import::format::{Format, How, Kept};
use crate::import::reading::{PromptTokens, Reading, epoch_in};
use crate::import::record::Record;
use crate::text::problem::Problem;
use std::borrow::Cow;

/// `GenAI` spans.
pub const FORMAT: Format = Format {
    name: "otlp",
    stored: "otlp/1",
    untold: "for how long prompts were written to a cache",
    summary: "OpenTelemetry GenAI spans (OTLP JSON)",
    example: r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"search"}}]},"scopeSpans":[{"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","startTimeUnixNano":"1790848800000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.provider.name","value":{"stringValue":"openai"}},{"key":"gen_ai.response.model","value":{"stringValue":"gpt-5.4"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"31"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":"19"}}]}]}]}]}"#,
    pages: &["resourceSpans"],
    kept: Kept { ids: &[], times: &[], usage: &[] },
    recognises: |head| head.has("resourceSpans") || head.has("scopeSpans.spans"),
    how: How::Records(read),
    ..Format::PLAIN
};

/// What calls to a model are named.
const CALLS: [&str; 4] = ["chat", "text_completion", "generate_content", "embeddings"];
/// Providers by the names of the conventions, and by those of price lists.
const PROVIDERS: [(&str, &str); 10] = [
    ("aws.bedrock", "bedrock"),
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
/// Attributes of a resource or a span that say who pays, and the tags they become.
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

/// Attributes by their keys.
struct Attributes<'a>(Vec<(Cow<'a, str>, Record<'a>)>);

impl<'a> Attributes<'a> {
    fn of(record: &Record<'a>) -> Result<Self, Problem> {
        let mut attributes = Vec::new();
        for attribute in record.list("attributes")?.unwrap_or_default() {
            let key = attribute.needed("key")?;
            // Prompts are attributes too: no value is read before it is asked for.
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
            None => Err(Problem::field(key, "is no number", "an intValue or a doubleValue")),
            told => Ok(told),
        }
    }
}

/// Reads the spans of one resource.
pub fn read(record: &Record<'_>, reading: &Reading, events: &mut Events<'_, '_>) -> Result<(), Problem> {
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
    reading: &Reading,
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
    let at: Timestamp = epoch_in(span, start, 1_000_000_000)?
        .ok_or_else(|| span.wrong(start, "is missing", "nanoseconds since 1970"))?;
    let model = own.text(&["gen_ai.response.model", "gen_ai.request.model"])?;
    let model = model.ok_or_else(|| span.wrong("gen_ai.response.model", "is missing", "the attribute"))?;
    let id = format!("{}/{}", span.needed("traceId")?, span.needed("spanId")?);
    let mut event = Event::request(id, at, model);
    let theirs = own.text(&["gen_ai.provider.name", "gen_ai.system"])?.unwrap_or_default();
    event.provider = PROVIDERS
        .iter()
        .find(|(name, _)| *name == theirs)
        .map_or_else(|| provider(&theirs), |(_, ours)| Cow::Borrowed(ours));
    event.tags = tags(&own, resource)?;
    let read = own.count(&["gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"])?;
    let written =
        own.count(&["gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"])?;
    let reasoning = own.count(&["gen_ai.usage.reasoning.output_tokens"])?;
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let included = reading.prompt != Some(PromptTokens::WithoutCache) && input.unwrap_or(0) >= cached;
    event.meters.put(Meter::CacheRead, read);
    event.meters.put(Meter::CacheWrite, written);
    let parts = [("cache_read", read), ("cache_creation", written)];
    event.meters.rest(Meter::Input, ("gen_ai.usage.input_tokens", input), if included { &parts } else { &[] })?;
    event.meters.put(Meter::Reasoning, reasoning);
    let whole = ("gen_ai.usage.output_tokens", output);
    event.meters.rest(Meter::Output, whole, &[("reasoning", reasoning)])?;
    events.push(&event)
}

/// What the span says of who pays, then what its resource says.
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
