//! Codex CLI's session logs (`~/.codex/sessions/**/*.jsonl`).
//!
//! No page documents them; as <https://github.com/openai/codex> writes them, read 2026-11-23. A line `token_count` has
//! the tokens of the last request and their sum so far; lines that repeat the sum are no requests. Where the last is
//! missing, it is what the sum grew by. `input_tokens` includes cached ones, `output_tokens` includes reasoning. The
//! model is that of the `turn_context` before. The id is session and place of the request in it, the time the line's.
//! The provider is `model_provider` of the session. Folder and branch become tags. One file is one session, and its lines follow each other in time.

use crate::domain::meter::Meter;
use crate::import::events::{Event, natural_key, provider};
use crate::import::format::{Format, How, Kept};
use crate::import::gathered::{Gathering, Pushing};
use crate::import::reading::instant;
use crate::import::record::{Record, Value};
use crate::text::problem::Problem;
use std::collections::BTreeMap;

/// Session logs.
pub const FORMAT: Format = Format {
    name: "codex-cli",
    stored: "codex-cli/1",
    summary: "Codex CLI session logs (JSONL)",
    example: r#"{"timestamp":"2026-10-01T08:30:00.000Z","type":"session_meta","payload":{"id":"s1","cwd":"/srv/shop","model_provider":"openai"}}
{"timestamp":"2026-10-01T08:30:01.000Z","type":"turn_context","payload":{"model":"gpt-5.4-codex"}}
{"timestamp":"2026-10-01T08:30:09.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":100,"cached_input_tokens":60,"output_tokens":20,"reasoning_output_tokens":8,"total_tokens":120},"last_token_usage":{"input_tokens":100,"cached_input_tokens":60,"output_tokens":20,"reasoning_output_tokens":8,"total_tokens":120}}}}"#,
    cumulative: true,
    kept: Kept { ids: &[], times: &["timestamp"], usage: &[] },
    recognises: |head| {
        let kind = head.text("type");
        head.has("payload") && matches!(kind, "session_meta" | "turn_context" | "event_msg" | "response_item")
    },
    how: How::Gathered(|_| Box::new(Gathering::new(&FORMAT, keep, finish))),
    ..Format::PLAIN
};

/// Keeps lines that name the session or the model, or count tokens.
fn keep(record: &Record<'_>) -> Result<Option<String>, Problem> {
    let Some(kind) = record.text("type")? else { return Ok(None) };
    let Some(payload) = record.object("payload")? else { return Ok(None) };
    let names: &[&str] = match kind.as_ref() {
        "session_meta" => &["id", "cwd", "git", "model_provider"],
        "turn_context" => &["model"],
        "event_msg" if payload.text("type")?.as_deref() == Some("token_count") && payload.has("info") => &["info"],
        _ => return Ok(None),
    };
    let at = instant(record, "timestamp")?.ok_or_else(|| record.wrong("timestamp", "is missing", "a time"))?;
    if let Some(info) = payload.object("info")? {
        for name in ["total_token_usage", "last_token_usage"] {
            if let Some(usage) = info.object(name)? {
                Counts::of(&usage)?;
            }
        }
    }
    let mut kept = vec![format!("\"kind\":\"{kind}\",\"timestamp\":\"{at}\"")];
    for name in names {
        if let Some(Value::Json(raw)) = payload.value(name) {
            kept.push(format!("\"{name}\":{}", raw.get()));
        }
    }
    Ok(Some(format!("{{{}}}", kept.join(","))))
}

/// The tokens of a request, or of all so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    input: i64,
    cached: i64,
    output: i64,
    reasoning: i64,
}

impl Counts {
    fn of(usage: &Record<'_>) -> Result<Self, Problem> {
        let count = |name: &str| usage.count(name).map(|count| count.unwrap_or(0));
        Ok(Self {
            input: usage.needed_count("input_tokens")?,
            cached: count("cached_input_tokens")?,
            output: count("output_tokens")?,
            reasoning: count("reasoning_output_tokens")?,
        })
    }

    /// What was added since; `None` where something became less.
    fn since(self, before: Self) -> Option<Self> {
        let grown = |now: i64, before: i64| (now >= before).then(|| now - before);
        Some(Self {
            input: grown(self.input, before.input)?,
            cached: grown(self.cached, before.cached)?,
            output: grown(self.output, before.output)?,
            reasoning: grown(self.reasoning, before.reasoning)?,
        })
    }
}

/// What the lines so far have said.
#[derive(Debug, Default)]
struct Session {
    id: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    cwd: Option<String>,
    branch: Option<String>,
    sum: Counts,
    requests: u64,
}

/// Walks through the session.
fn finish(lines: &BTreeMap<u64, String>, pushing: &mut Pushing<'_, '_>) -> Result<(), Problem> {
    let mut session = Session::default();
    for (line, text) in lines {
        let record = Record::of_json(text)?;
        session.read(&record, *line, pushing).map_err(|problem| problem.at(*line))?;
    }
    Ok(())
}

impl Session {
    fn read(&mut self, record: &Record<'_>, line: u64, pushing: &mut Pushing<'_, '_>) -> Result<(), Problem> {
        let owned = |name: &str| record.text(name).map(|text| text.map(std::borrow::Cow::into_owned));
        match record.needed("kind")?.as_ref() {
            "session_meta" => {
                // A resumed session repeats the line of the one it goes on from: the first is the file's own.
                self.id = self.id.take().or(owned("id")?);
                self.cwd = self.cwd.take().or(owned("cwd")?);
                self.provider = self.provider.take().or(owned("model_provider")?);
                if let Some(git) = record.object("git")? {
                    self.branch = self.branch.take().or(git.text("branch")?.map(std::borrow::Cow::into_owned));
                }
                Ok(())
            }
            "turn_context" => {
                self.model = owned("model")?.or(self.model.take());
                Ok(())
            }
            _ => match self.request(record)? {
                Some(counts) => self.push(record, line, counts, pushing),
                None => Ok(()),
            },
        }
    }

    /// The tokens of a request; `None` where a line only repeats the sum.
    fn request(&mut self, record: &Record<'_>) -> Result<Option<Counts>, Problem> {
        let Some(info) = record.object("info")? else { return Ok(None) };
        let of = |name: &str| info.object(name)?.map(|usage| Counts::of(&usage)).transpose();
        let (sum, last) = (of("total_token_usage")?, of("last_token_usage")?);
        let Some(sum) = sum else { return Ok(last) };
        let before = std::mem::replace(&mut self.sum, sum);
        if sum == before {
            return Ok(None);
        }
        match last {
            Some(last) => Ok(Some(last)),
            None => sum.since(before).map(Some).ok_or_else(|| {
                info.wrong(
                    "total_token_usage",
                    "is less than before, and last_token_usage is missing",
                    "a sum that grows",
                )
            }),
        }
    }

    fn push(
        &mut self,
        record: &Record<'_>,
        line: u64,
        counts: Counts,
        pushing: &mut Pushing<'_, '_>,
    ) -> Result<(), Problem> {
        let missing =
            |what: &str| Problem::field(what, "is missing", "a line of the session that says it, before this one");
        let session = self.id.as_deref().ok_or_else(|| missing("session_meta.id"))?;
        let model = self.model.clone().ok_or_else(|| missing("turn_context.model"))?;
        let at = instant(record, "timestamp")?.ok_or_else(|| missing("timestamp"))?;
        self.requests += 1;
        let place = self.requests.to_string();
        let id = natural_key("codex-cli", &[("session", Some(session)), ("request", Some(&place))]);
        let mut event = Event::request(id, at, model);
        event.provider = provider(self.provider.as_deref().unwrap_or_default());
        event.tags.add("cwd", self.cwd.clone().map(Into::into));
        event.tags.add("git_branch", self.branch.clone().map(Into::into));
        event.meters.put(Meter::CacheRead, Some(counts.cached));
        let cached = [("cached_input_tokens", Some(counts.cached))];
        event.meters.rest(Meter::Input, ("input_tokens", Some(counts.input)), &cached)?;
        event.meters.put(Meter::Reasoning, Some(counts.reasoning));
        let reasoning = [("reasoning_output_tokens", Some(counts.reasoning))];
        event.meters.rest(Meter::Output, ("output_tokens", Some(counts.output)), &reasoning)?;
        pushing.at(line).push(&event)
    }
}
