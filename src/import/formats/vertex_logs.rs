//! Vertex AI's log of requests and responses, rows of its `BigQuery` table as JSON, JSONL or CSV.
//!
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/request-response-logging>, read 2026-11-23.
//! `full_response` is the response of Gemini or Claude, as JSON or as a text that contains it. `gemini` and
//! `anthropic-messages` define what its numbers mean. The id is `request_id`, the time `logging_time` (UTC). Labels of
//! the request become tags. So does the location of the endpoint, because a regional one may cost more than the global
//! one (<https://cloud.google.com/vertex-ai/generative-ai/pricing>, read 2026-11-25). A request that failed used
//! nothing. If the table holds a sample, it does not report the requests that were left out.

use crate::import::events::{Event, Events};
use crate::import::format::{Format, How, Kept};
use crate::import::formats::{anthropic_messages, gemini};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant_utc};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Rows of the log.
pub const FORMAT: Format = Format {
    name: "vertex-logs",
    stored: "vertex-logs/1",
    summary: "Vertex AI's request-response log: rows of its BigQuery table (JSON, JSONL or CSV)",
    example: r#"{"endpoint":"projects/1/locations/global/publishers/google/models/gemini-2.5-flash","logging_time":"2026-10-01 08:30:00.250000 UTC","request_id":"7001","model":"gemini-2.5-flash","full_request":{"labels":{"team":"search"}},"full_response":{"responseId":"r1","modelVersion":"gemini-2.5-flash","usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":120}}}"#,
    untold: "requests that its sampling left out, searches for grounding, nor what a regional endpoint costs more",
    kept: Kept { ids: &["request_id"], times: &["logging_time"], usage: &[] },
    recognises: |head| {
        let names = ["logging_time", "request_id", "full_response"];
        head.columns(&names) || names.iter().all(|name| head.has(name))
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one row.
pub fn read(record: &Record<'_>, _reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let at =
        instant_utc(record, "logging_time")?.ok_or_else(|| record.missing("logging_time", "the time of the row"))?;
    let id = record.scalar("request_id")?.ok_or_else(|| record.missing("request_id", "the row's id"))?;
    let (mut asked, mut answered) = (String::new(), String::new());
    let Some(response) = record.embedded("full_response", &mut answered)? else {
        let expected = "the response, as tables of the current schema have it";
        return Err(record.missing("full_response", expected));
    };
    let usage = match (response.object("usageMetadata")?, response.object("usage")?) {
        (Some(usage), _) | (None, Some(usage)) => usage,
        (None, None) if response.has("error") => return Ok(()),
        (None, None) => {
            return Err(response.missing("usageMetadata", "the usage, or an error of the request"));
        }
    };
    let whole = record.text("model")?.or(record.text("endpoint")?);
    let named = whole.as_deref().and_then(|name| name.rsplit('/').next()).map(|name| Cow::Owned(name.to_owned()));
    let model = response.text("modelVersion")?.or(response.text("model")?).or(named);
    let model = model.ok_or_else(|| record.missing("model", "the model"))?;
    let mut event = Event::request(id, at, model);
    event.provider = Cow::Borrowed("vertex_ai");
    if let Some(request) = record.embedded("full_request", &mut asked)?
        && let Some(labels) = request.object("labels")?
    {
        for (label, _) in labels.fields() {
            event.tags.add_free(label, labels.text(label)?.map(|value| Cow::Owned(value.into_owned())));
        }
    }
    let place = record.text("endpoint")?.and_then(|endpoint| location(&endpoint));
    event.tags.add("location", place.map(Cow::Owned));
    if response.has("usageMetadata") {
        event.tier = gemini::tier(&usage)?;
        gemini::meters(&usage, &mut event)?;
        return events.push(&event);
    }
    event.tier = anthropic_messages::tier(&usage)?;
    anthropic_messages::events_of(&usage, event, events)
}

/// The location in an endpoint's name, `projects/…/locations/us-central1/…`.
fn location(endpoint: &str) -> Option<String> {
    let (_, rest) = endpoint.split_once("locations/")?;
    rest.split('/').next().filter(|place| !place.is_empty()).map(str::to_owned)
}
