//! Codex CLI's session logs (`~/.codex/sessions/**/*.jsonl`).
//!
//! No page documents them. This reader follows <https://github.com/openai/codex>, which writes them, read 2026-11-23. A
//! line `token_count` has the tokens of the last request and the sum so far. A line that repeats the sum is not a
//! request. If the last request is missing, its tokens are the growth of the sum. `input_tokens` includes cached and
//! written tokens, `output_tokens` includes reasoning.
//!
//! The model comes from the `turn_context` before the line. The id is the session and the place of the request in it.
//! The time is the line's. The provider is `model_provider` of the session. Folder and branch become tags. One file is
//! one session, and its lines are in the order of time.
//!
//! Since 0.15x, a line `token_usage_record` has the tokens of each response and its thread, including responses that
//! compact a session. From the first such line on, these lines count and lines `token_count` do not. Others read them
//! in the same way, such as <https://github.com/ccusage/ccusage>, read 2026-11-25.
//!
//! A session forked from another (`forked_from_id`) begins with the other's lines, under new times. They were used in
//! the other session, and they count there. Its own turns have an id made after the session began (UUID, version 7), as
//! <https://github.com/kenn-io/agentsview/pull/657> found and ccusage 1370 reports, read 2026-11-25.

use crate::domain::meter::Meter;
use crate::import::events::{Event, natural_key, provider};
use crate::import::format::{Format, How, Kept};
use crate::import::formats::gathered::{Gathering, Pushing};
use crate::import::record::reading::instant;
use crate::import::record::{Record, Value};
use crate::text::problem::Problem;
use std::collections::{BTreeMap, BTreeSet};

/// Session logs.
pub const FORMAT: Format = Format {
    name: "codex-cli",
    stored: "codex-cli/1",
    summary: "Codex CLI session logs (JSONL)",
    example: r#"{"timestamp":"2026-10-01T08:30:00.000Z","type":"session_meta","payload":{"id":"s1","cwd":"/srv/shop","model_provider":"openai"}}
{"timestamp":"2026-10-01T08:30:01.000Z","type":"turn_context","payload":{"model":"gpt-5.4-codex"}}
{"timestamp":"2026-10-01T08:30:09.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":100,"cached_input_tokens":60,"output_tokens":20,"reasoning_output_tokens":8,"total_tokens":120},"last_token_usage":{"input_tokens":100,"cached_input_tokens":60,"output_tokens":20,"reasoning_output_tokens":8,"total_tokens":120}}}}"#,
    untold: "searches, tiers, and in older logs requests that compacted a session",
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
        "session_meta" => &["id", "session_id", "forked_from_id", "cwd", "git", "model_provider"],
        "turn_context" => &["model", "turn_id"],
        "event_msg" if payload.text("type")?.as_deref() == Some("token_count") && payload.has("info") => &["info"],
        "token_usage_record" if payload.has("usage") => &["thread_id", "response_id", "usage"],
        _ => return Ok(None),
    };
    let at = instant(record, "timestamp")?.ok_or_else(|| record.missing("timestamp", "a time"))?;
    if let Some(info) = payload.object("info")? {
        for name in ["total_token_usage", "last_token_usage"] {
            if let Some(usage) = info.object(name)? {
                Counts::of(&usage)?;
            }
        }
    }
    if let Some(usage) = payload.object("usage")? {
        Counts::of(&usage)?;
    }
    let mut kept = vec![format!("\"kind\":\"{kind}\",\"timestamp\":\"{at}\"")];
    for name in names {
        if let Some(Value::Json(raw)) = payload.value(name) {
            kept.push(format!("\"{name}\":{}", raw.get()));
        }
    }
    Ok(Some(format!("{{{}}}", kept.join(","))))
}

/// The tokens of a request, or the sum so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    input: i64,
    cached: i64,
    written: i64,
    output: i64,
    reasoning: i64,
}

impl Counts {
    fn of(usage: &Record<'_>) -> Result<Self, Problem> {
        let count = |name: &str| usage.count(name).map(|count| count.unwrap_or(0));
        Ok(Self {
            input: usage.needed_count("input_tokens")?,
            cached: count("cached_input_tokens")?,
            written: count("cache_write_input_tokens")?,
            output: count("output_tokens")?,
            reasoning: count("reasoning_output_tokens")?,
        })
    }

    /// The difference to an earlier count; `None` if a count became smaller.
    fn since(self, before: Self) -> Option<Self> {
        let grown = |now: i64, before: i64| (now >= before).then(|| now - before);
        Some(Self {
            input: grown(self.input, before.input)?,
            cached: grown(self.cached, before.cached)?,
            written: grown(self.written, before.written)?,
            output: grown(self.output, before.output)?,
            reasoning: grown(self.reasoning, before.reasoning)?,
        })
    }
}

/// The state after the lines so far.
#[derive(Debug, Default)]
struct Session {
    id: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    cwd: Option<String>,
    branch: Option<String>,
    sum: Counts,
    requests: u64,
    turn: Turn,
    /// Sessions whose lines this session repeats.
    others: BTreeSet<String>,
    /// The responses that records have reported; `None` before the first record.
    responses: Option<BTreeSet<String>>,
}

/// Which session a turn belongs to.
#[derive(Debug, Clone, Copy, Default)]
enum Turn {
    /// The session itself.
    #[default]
    Own,
    /// The session that this one forked from at this time, in milliseconds. The fork repeats its turn.
    Repeated(i64),
    /// Unknown: the fork began at this time, and the turn's id does not show when it was made.
    Untold(i64),
}

impl Turn {
    /// The owner of the turn that follows this one and has this id.
    fn then(self, id: Option<&str>) -> Self {
        let (Self::Repeated(begun) | Self::Untold(begun)) = self else { return Self::Own };
        match id.and_then(made_at) {
            Some(made) if made >= begun => Self::Own,
            Some(_) => Self::Repeated(begun),
            None => Self::Untold(begun),
        }
    }
}

/// The time in a UUID of version 7, in milliseconds since 1970.
fn made_at(id: &str) -> Option<i64> {
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    let version = digits.as_bytes().get(12).copied();
    let time = digits.get(..12).filter(|_| digits.len() == 32 && version == Some(b'7'))?;
    i64::from_str_radix(time, 16).ok()
}

/// The line `token_count` that reports the same response as the first `token_usage_record` after it.
fn twin(lines: &BTreeMap<u64, String>) -> Result<Option<u64>, Problem> {
    let mut before = None;
    for (line, text) in lines {
        let record = Record::of_json(text)?;
        match record.needed("kind")?.as_ref() {
            "event_msg" => {
                let info = record.object("info")?;
                let last = info.map_or(Ok(None), |info| info.object("last_token_usage"))?;
                before = last.map(|last| Counts::of(&last)).transpose()?.map(|last| (*line, last));
            }
            "token_usage_record" => {
                let usage = record.object("usage")?.map(|usage| Counts::of(&usage)).transpose()?;
                return Ok(before.filter(|(_, last)| Some(*last) == usage).map(|(line, _)| line));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Walks through the session.
fn finish(lines: &BTreeMap<u64, String>, pushing: &mut Pushing<'_, '_>) -> Result<(), Problem> {
    let mut session = Session::default();
    let twin = twin(lines)?;
    for (line, text) in lines.iter().filter(|(line, _)| Some(**line) != twin) {
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
                // A resumed session repeats this line of the session that it continues. The first one belongs to the
                // file's own session.
                if self.id.is_none() && record.has("forked_from_id") {
                    let written = instant(record, "timestamp")?.map_or(0, |at| at.nanos() / 1_000_000);
                    self.turn = Turn::Repeated(owned("id")?.as_deref().and_then(made_at).unwrap_or(written));
                }
                self.others.extend(owned("forked_from_id")?.or(owned("id")?.filter(|_| self.id.is_some())));
                // For a subagent, `session_id` is the parent's. Older files have no other id.
                self.id = self.id.take().or(owned("id")?).or(owned("session_id")?);
                self.cwd = self.cwd.take().or(owned("cwd")?);
                self.provider = self.provider.take().or(owned("model_provider")?);
                if let Some(git) = record.object("git")? {
                    self.branch = self.branch.take().or(git.text("branch")?.map(std::borrow::Cow::into_owned));
                }
                Ok(())
            }
            "turn_context" => {
                self.model = owned("model")?.or(self.model.take());
                self.turn = self.turn.then(owned("turn_id")?.as_deref());
                Ok(())
            }
            "token_usage_record" => match self.response(record)? {
                Some(counts) => self.own(record, line, counts, pushing),
                None => Ok(()),
            },
            _ if self.responses.is_some() => Ok(()),
            _ => match self.request(record)? {
                Some(counts) => self.own(record, line, counts, pushing),
                None => Ok(()),
            },
        }
    }

    /// Takes a request, unless the session repeats it from the one it forked from.
    fn own(
        &mut self,
        record: &Record<'_>,
        line: u64,
        counts: Counts,
        pushing: &mut Pushing<'_, '_>,
    ) -> Result<(), Problem> {
        let thread = record.text("thread_id")?;
        match self.turn {
            _ if thread.is_some() && thread.as_deref() == self.id.as_deref() => {}
            _ if thread.is_some_and(|thread| self.others.contains(thread.as_ref())) => return Ok(()),
            Turn::Own => {}
            Turn::Repeated(_) => return Ok(()),
            Turn::Untold(_) => {
                let what = "does not show whether its requests repeat requests of the session that it was forked from";
                return Err(Problem::field("turn_context.turn_id", what, "a UUID of version 7, as Codex makes them"));
            }
        }
        self.push(record, line, counts, pushing)
    }

    /// The tokens of a response that a record reports; `None` if an earlier record reported it.
    fn response(&mut self, record: &Record<'_>) -> Result<Option<Counts>, Problem> {
        let known = self.responses.get_or_insert_default();
        if let Some(id) = record.text("response_id")?
            && !known.insert(id.into_owned())
        {
            return Ok(None);
        }
        record.object("usage")?.map(|usage| Counts::of(&usage)).transpose()
    }

    /// The tokens of a request; `None` if a line only repeats the sum.
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
        let missing = |what: &str| Problem::field(what, "is missing", "an earlier line of the session with it");
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
        let written = Some(counts.written).filter(|written| *written > 0);
        event.meters.put(Meter::CacheWrite, written);
        let parts = [("cached_input_tokens", Some(counts.cached)), ("cache_write_input_tokens", written)];
        event.meters.rest(Meter::Input, ("input_tokens", Some(counts.input)), &parts)?;
        event.meters.put(Meter::Reasoning, Some(counts.reasoning));
        let reasoning = [("reasoning_output_tokens", Some(counts.reasoning))];
        event.meters.rest(Meter::Output, ("output_tokens", Some(counts.output)), &reasoning)?;
        pushing.at(line).push(&event)
    }
}
