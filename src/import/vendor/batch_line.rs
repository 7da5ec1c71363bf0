//! Lines of batch results: which vendor wrote a line, where the response is, and what else the line says.
//!
//! OpenAI (<https://platform.openai.com/docs/guides/batch>) and Anthropic
//! (<https://platform.claude.com/docs/en/build-with-claude/batch-processing>) name the request in `custom_id`; Gemini
//! (<https://ai.google.dev/gemini-api/docs/batch-api>) in `key`. Vertex AI
//! (<https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini>) repeats it in
//! `request`, Bedrock (<https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html>) in
//! `modelInput`. All read 2026-11-25. A request in a batch has another price than the same request by itself.

use crate::domain::timestamp::Timestamp;
use crate::import::record::Record;
use crate::import::record::head::FileHead;
use crate::import::record::reading::instant;
use crate::text::problem::Problem;
use std::borrow::Cow;

/// A line of a batch's results.
#[derive(Debug)]
pub struct BatchLine<'a> {
    /// The response; `None` if the request failed, which used nothing.
    pub body: Option<Record<'a>>,
    /// An id from the line, for a response without one.
    pub id: Option<Cow<'a, str>>,
    /// The time when the request was done, for a response without a time.
    pub at: Option<Timestamp>,
}

impl<'a> BatchLine<'a> {
    /// Reads a line of a batch's results, if the record is one.
    pub fn of(record: &Record<'a>) -> Result<Option<Self>, Problem> {
        if record.has("custom_id") {
            return Ok(Some(Self { body: named(record)?, id: record.text("id")?, at: done(record)? }));
        }
        if record.is_object("modelInput") {
            let body = response(record, "modelOutput")?;
            return Ok(Some(Self { body, id: record.text("recordId")?, at: None }));
        }
        // A proxy's own log may have requests, responses and keys too, but they are not batches.
        let of_gemini = record.has("key") && record.fields().all(|(name, _)| GEMINI.contains(&name));
        if of_gemini || record.is_object("request") && record.has("processed_time") {
            return Ok(Some(Self { body: response(record, "response")?, id: None, at: done(record)? }));
        }
        Ok(None)
    }
}

/// The format of a batch's results if no request succeeded: the line's envelope is the only evidence.
pub fn failed_batch(head: &FileHead) -> Option<&'static str> {
    if head.has("custom_id") && (head.has("response") || head.has("error")) {
        return Some("openai-chat");
    }
    if head.has("modelInput") && head.has("error") {
        return Some("bedrock-converse");
    }
    let of_vertex = head.has("request") && head.has("processed_time");
    (of_vertex || head.has("key") && head.has("error")).then_some("gemini")
}

/// All fields of a line of Gemini's results.
const GEMINI: [&str; 4] = ["key", "response", "error", "metadata"];

fn done(record: &Record<'_>) -> Result<Option<Timestamp>, Problem> {
    instant(record, "processed_time")
}

/// The response of a line that names its request in `custom_id`.
fn named<'a>(record: &Record<'a>) -> Result<Option<Record<'a>>, Problem> {
    if let Some(answer) = record.object("response")? {
        if answer.has("usage") {
            return Ok(Some(answer));
        }
        let failed = answer.count("status_code")?.is_some_and(|status| status >= 400);
        let body = answer.object("body")?;
        return match body {
            Some(body) if body.has("usage") => Ok(Some(body)),
            _ if failed || record.has("error") || record.has("status") => Ok(None),
            Some(body) => Ok(Some(body)),
            None => Err(answer.missing("body", "the response, or a status_code of 400 or more")),
        };
    }
    if let Some(result) = record.object("result")? {
        let message = result.object("message")?;
        return match result.needed("type")?.as_ref() {
            "succeeded" => message.ok_or_else(|| result.missing("message", "the message")).map(Some),
            _ => Ok(None),
        };
    }
    if record.has("error") {
        return Ok(None);
    }
    Err(Problem::line("is not a result of a batch", "a line with a response, a result or an error"))
}

/// The response of a line that repeats its request, or explains why there is none.
fn response<'a>(record: &Record<'a>, name: &str) -> Result<Option<Record<'a>>, Problem> {
    let answer = record.object(name)?.filter(|answer| answer.fields().next().is_some());
    match answer {
        None if record.has("error") || record.has("status") => Ok(None),
        None => Err(record.missing(name, "the response, or the error of the request")),
        answer => Ok(answer),
    }
}
