//! Claude Code's session logs (`~/.claude/projects/*/*.jsonl`, and the logs of sub-agents in folders below).
//!
//! No page documents them. This reader follows <https://github.com/ryoppippi/ccusage>, read 2026-11-23. A line of type
//! `assistant` has the usage of a message as the Messages API reports it. Claude Code writes a message again while it
//! streams, and copies it, under another request, into the logs of side chains. Of all lines of a message in a file,
//! the line with the most tokens counts, the first of equal ones.
//!
//! The id is the message's id. The time, the folder and the branch are from the message's first line, so they stay the
//! same while it streams. Folder and branch become tags. The import does not read logged costs. Messages of the program
//! itself (`<synthetic>`) used nothing. A session goes on: if a message was still streaming at the import, it appears
//! again with higher counts, and the import revises it. The id of a message shows who served it, as in bodies of the
//! Messages API.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Meters};
use crate::import::format::{Format, How, Kept};
use crate::import::formats::anthropic_messages::{events_of, meters, served_by, tier};
use crate::import::formats::gathered::{Gathering, Pushing};
use crate::import::record::reading::instant;
use crate::import::record::{Record, Value};
use crate::text::problem::Problem;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Session logs.
pub const FORMAT: Format = Format {
    name: "claude-code",
    stored: "claude-code/1",
    summary: "Claude Code session logs (JSONL)",
    example: r#"{"type":"assistant","timestamp":"2026-10-01T08:30:00.000Z","sessionId":"s1","cwd":"/srv/shop","gitBranch":"main","requestId":"req_1","message":{"id":"msg_1","model":"claude-sonnet-4-5","usage":{"input_tokens":40,"cache_read_input_tokens":60,"cache_creation_input_tokens":0,"output_tokens":20}}}"#,
    cumulative: true,
    kept: Kept { ids: &["requestId"], times: &["timestamp"], usage: &[] },
    recognises: |head| {
        let kind = head.text("type");
        head.has("sessionId") && !head.has("event_id")
            || kind == "summary" && head.has("leafUuid")
            || kind == "file-history-snapshot" && head.has("messageId")
    },
    how: How::Gathered(|_| Box::new(Gathering::new(&FORMAT, keep, finish))),
    ..Format::PLAIN
};

/// Keeps the fields that the events need, for a line with usage.
fn keep(record: &Record<'_>) -> Result<Option<String>, Problem> {
    let Some(message) = record.object("message")? else { return Ok(None) };
    let failed = record.flag("isApiErrorMessage")? == Some(true);
    if failed || !message.has("usage") || message.text("model")?.as_deref() == Some("<synthetic>") {
        return Ok(None);
    }
    instant(record, "timestamp")?.ok_or_else(|| record.wrong("timestamp", "is missing", "a time"))?;
    message.needed("id")?;
    message.needed("model")?;
    let usage = message.object("usage")?.ok_or_else(|| message.wrong("usage", "is missing", "the usage"))?;
    meters(&usage, &mut Meters::default())?;
    let mut kept = Vec::new();
    for (place, names) in [(record, &["timestamp", "cwd", "gitBranch"][..]), (&message, &["id", "model", "usage"][..])]
    {
        for name in names {
            if let Some(Value::Json(raw)) = place.value(name) {
                kept.push(format!("\"{name}\":{}", raw.get()));
            }
        }
    }
    Ok(Some(format!("{{{}}}", kept.join(","))))
}

/// The relevant lines of a message.
struct Message {
    first: u64,
    most: i64,
    fullest: u64,
}

/// Makes an event for each message, from its fullest line and its first.
fn finish(lines: &BTreeMap<u64, String>, pushing: &mut Pushing<'_, '_>) -> Result<(), Problem> {
    let mut messages: BTreeMap<String, Message> = BTreeMap::new();
    for (line, text) in lines {
        let record = Record::of_json(text)?;
        let id = record.needed("id")?.into_owned();
        let tokens = tokens(&record)?;
        match messages.get_mut(&id) {
            Some(message) if tokens > message.most => (message.most, message.fullest) = (tokens, *line),
            Some(_) => {}
            None => drop(messages.insert(id, Message { first: *line, most: tokens, fullest: *line })),
        }
    }
    for Message { first, fullest, .. } in messages.values() {
        let (Some(begun), Some(text)) = (lines.get(first), lines.get(fullest)) else { continue };
        let (begun, record) = (Record::of_json(begun)?, Record::of_json(text)?);
        push(&begun, &record, *fullest, pushing).map_err(|problem| problem.at(*fullest))?;
    }
    Ok(())
}

fn tokens(record: &Record<'_>) -> Result<i64, Problem> {
    let mut read = Meters::default();
    if let Some(usage) = record.object("usage")? {
        meters(&usage, &mut read)?;
    }
    Ok(read.as_slice().iter().filter(|(meter, _)| *meter != Meter::Request).map(|(_, tokens)| *tokens).sum())
}

fn push(begun: &Record<'_>, record: &Record<'_>, line: u64, pushing: &mut Pushing<'_, '_>) -> Result<(), Problem> {
    let at = instant(begun, "timestamp")?.ok_or_else(|| begun.wrong("timestamp", "is missing", "a time"))?;
    let usage = record.object("usage")?.ok_or_else(|| record.wrong("usage", "is missing", "the usage"))?;
    let mut event = Event::request(record.needed("id")?, at, record.needed("model")?);
    event.implied = Cow::Borrowed(served_by(&event.id, &event.model));
    event.tier = tier(&usage)?;
    event.tags.add("cwd", begun.text("cwd")?);
    event.tags.add("git_branch", begun.text("gitBranch")?);
    events_of(&usage, event, &mut pushing.at(line))
}
