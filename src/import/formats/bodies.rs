//! Response bodies of several vendors in one file, as a proxy logs them. The shape of its usage decides how a body is
//! read.
//!
//! This format has no vendor. Other formats read its records and define what the numbers mean. It is available only by
//! name (`--format bodies`), because a file of one vendor should not hold bodies of another.

use crate::import::events::Events;
use crate::import::format::{Format, How, Kept, ReadRecord};
use crate::import::formats::{
    anthropic_messages, bedrock_converse, cohere_chat, gemini, openai_chat, openai_responses,
};
use crate::import::record::Record;
use crate::import::record::reading::Stated;
use crate::text::problem::Problem;

/// Bodies of any vendor.
pub const FORMAT: Format = Format {
    name: "bodies",
    stored: "bodies/1",
    summary: "response bodies of several vendors in one file, each as the formats above read it (only by --format bodies)",
    example: r#"{"timestamp":"2026-10-01T08:30:00Z","body":{"id":"msg_1","model":"claude-sonnet-4-5","usage":{"input_tokens":40,"output_tokens":20}}}
{"id":"chatcmpl-1","created":1790848800,"model":"gpt-5.4","usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}"#,
    kept: Kept {
        ids: &["id", "responseId"],
        times: &["created", "created_at", "createTime"],
        usage: &["usage", "usageMetadata"],
    },
    how: How::Records(read),
    ..Format::PLAIN
};

/// Names inside a usage object, in the order in which they are searched, with the reader of each.
const LOOKS: [(&str, ReadRecord); 6] = [
    ("prompt_tokens", openai_chat::read),
    ("billed_units", cohere_chat::read),
    ("inputTokens", bedrock_converse::read),
    ("total_tokens", openai_responses::read),
    ("input_tokens", anthropic_messages::read),
    ("promptTokenCount", gemini::read),
];

/// Reads one body.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    if let Some(read) = look(record, 0)? {
        return read(record, reading, events);
    }
    // An error has no usage, so it belongs to no vendor.
    let body = record.object("body")?;
    if record.has("error") || body.as_ref().is_some_and(|body| body.has("error")) {
        return Ok(());
    }
    Err(Problem::field(
        "usage",
        "is missing, or belongs to no vendor that tokenbook knows",
        "a body in a form that `tokenbook formats` shows",
    ))
}

/// The reader for the usage in the record, or in what it wraps.
fn look(record: &Record<'_>, depth: u8) -> Result<Option<ReadRecord>, Problem> {
    for name in ["usage", "usageMetadata"] {
        if record.is_object(name)
            && let Some(usage) = record.object(name)?
            && let Some((_, read)) = LOOKS.iter().find(|(look, _)| usage.knows(look))
        {
            return Ok(Some(*read));
        }
    }
    for name in ["body", "response", "modelOutput", "result", "message"] {
        if depth < 3
            && record.is_object(name)
            && let Some(inner) = record.object(name)?
            && let Some(read) = look(&inner, depth + 1)?
        {
            return Ok(Some(read));
        }
    }
    Ok(None)
}
