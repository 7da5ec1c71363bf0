//! Anthropic's usage of an organisation: pages of the Admin API (`usage_report/messages`) and the console's usage CSV.
//!
//! <https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report>, read 2026-11-23. A result
//! is a sum over a bucket of time, without the number of requests. All its numbers are disjoint. It has no id: the
//! natural key is the bucket's span and its grouping. The time is the bucket's start, in UTC.
//!
//! Export with `group_by` model, `service_tier` and `inference_geo`. The import rejects a result without model or tier.
//! The geography is part of the tier, as in `anthropic-messages`. The context window, the geography and the user become
//! tags. A bucket may grow until its time is over. The import rejects cost reports.

use crate::domain::meter::Meter;
use crate::domain::timestamp::Timestamp;
use crate::import::events::{Event, Events, Meters, lowered, natural_key};
use crate::import::format::{Format, How, Kept};
use crate::import::formats::anthropic_messages::{geography, placed};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant, instant_utc};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Organisation usage.
pub const FORMAT: Format = Format {
    name: "anthropic-usage",
    stored: "anthropic-usage/1",
    untold: "the prompt sizes and the number of requests, hours of code execution, nor geographies where they were not grouped by inference_geo",
    summary: "Anthropic organisation usage: pages of usage_report/messages and the console's usage CSV",
    example: r#"{"starting_at":"2026-10-01T00:00:00Z","ending_at":"2026-10-01T01:00:00Z","results":[{"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":500},"cache_read_input_tokens":200,"output_tokens":500,"server_tool_use":{"web_search_requests":10},"workspace_id":"wrkspc_1","model":"claude-sonnet-4-5","service_tier":"standard","context_window":"0-200k"}]}"#,
    pages: &["data"],
    cumulative: true,
    kept: Kept {
        ids: &[],
        times: &["starting_at", "usage_date_utc"],
        usage: &["usage_input_tokens_no_cache", "usage_output_tokens"],
    },
    recognises: |head| {
        let bucket = ["", "data."]
            .iter()
            .any(|page| head.has(&format!("{page}results")) && head.has(&format!("{page}starting_at")));
        bucket || head.columns(&["usage_date_utc"])
    },
    how: How::Records(read),
};

/// The dimensions that results may be grouped by, and the tags they become.
const GROUPS: [(&str, &str); 9] = [
    ("api_key_id", "api_key"),
    ("api_key", "api_key"),
    ("workspace_id", "workspace"),
    ("workspace", "workspace"),
    ("account_id", "account"),
    ("service_account_id", "service_account"),
    ("context_window", "context_window"),
    ("inference_geo", "inference_geo"),
    ("speed", ""),
];

/// Reads one bucket, or one row of the console's export.
pub fn read(record: &Record<'_>, _reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    if record.is_table() {
        let at = instant_utc(record, "usage_date_utc")?;
        let at = at.ok_or_else(|| record.missing("usage_date_utc", "a day, or a day and an hour"))?;
        return result(record, at, "", events);
    }
    let at = instant(record, "starting_at")?.ok_or_else(|| record.missing("starting_at", "a time"))?;
    let end = instant(record, "ending_at")?.ok_or_else(|| record.missing("ending_at", "a time"))?.to_string();
    let results = record.list("results")?.unwrap_or_default();
    results.iter().try_for_each(|one| result(one, at, &end, events))
}

fn result(result: &Record<'_>, at: Timestamp, end: &str, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    if ["amount", "cost_usd", "estimated_cost", "cost_type"].iter().any(|name| result.knows(name)) {
        return Err(Problem::line(
            "a record of the provider's charges, which is not usage",
            "a usage report (for this file, use `tokenbook costs import`)",
        ));
    }
    let model = if result.is_table() { result.text("model_version")? } else { result.text("model")? };
    let model = model.ok_or_else(|| {
        result.wrong("model", "is missing, so the bucket is a sum over models", "usage requested with group_by[]=model")
    })?;
    let tier = tier(result)?;
    let mut groups = Vec::new();
    for (name, _) in GROUPS {
        groups.push((name, result.text(name)?));
    }
    let from = at.to_string();
    let mut parts = vec![("from", Some(from.as_str())), ("to", Some(end).filter(|end| !end.is_empty()))];
    parts.extend([("model", Some(model.as_ref())), ("tier", Some(tier.as_ref()))]);
    parts.extend(groups.iter().map(|(name, text)| (*name, text.as_deref())));
    let mut event = Event::bucket(natural_key("anthropic-usage", &parts), at, model.clone());
    event.provider = Cow::Borrowed("anthropic");
    for ((name, text), (_, tag)) in groups.iter().zip(GROUPS).filter(|(_, (_, tag))| !tag.is_empty()) {
        event.tags.add(tag, if *name == "inference_geo" { geography(result)? } else { text.clone() });
    }
    let fast = result.text("speed")?.as_deref() == Some("fast");
    event.tier = placed(if fast { Cow::Borrowed("fast") } else { tier }, geography(result)?);
    if result.is_table() {
        columns(result, &mut event.meters)?;
    } else {
        fields(result, &mut event.meters)?;
    }
    events.push(&event)
}

/// The tier of a result. The console calls it a type of usage, and calls plain requests messages.
fn tier<'a>(result: &Record<'a>) -> Result<Cow<'a, str>, Problem> {
    let name = if result.is_table() { "usage_type" } else { "service_tier" };
    let tier = result.text(name)?.ok_or_else(|| {
        let what = "is missing, so the sum includes batches, which cost half the price";
        result.wrong(name, what, "usage requested with group_by[]=service_tier")
    })?;
    let plain = lowered(&tier);
    Ok(match plain.as_str() {
        "message" | "messages" | "standard" => Cow::Borrowed("standard"),
        _ => Cow::Owned(plain),
    })
}

fn fields(result: &Record<'_>, meters: &mut Meters) -> Result<(), Problem> {
    meters.put(Meter::Input, result.count("uncached_input_tokens")?);
    meters.put(Meter::CacheRead, result.count("cache_read_input_tokens")?);
    if let Some(written) = result.object("cache_creation")? {
        meters.put(Meter::CacheWrite, written.count("ephemeral_5m_input_tokens")?);
        meters.put(Meter::CacheWrite1h, written.count("ephemeral_1h_input_tokens")?);
    }
    meters.put(Meter::Output, result.count("output_tokens")?);
    if let Some(tools) = result.object("server_tool_use")? {
        meters.put(Meter::WebSearch, tools.count("web_search_requests")?);
    }
    Ok(())
}

fn columns(result: &Record<'_>, meters: &mut Meters) -> Result<(), Problem> {
    let columns = [
        (Meter::Input, "usage_input_tokens_no_cache"),
        (Meter::CacheWrite, "usage_input_tokens_cache_write_5m"),
        (Meter::CacheWrite1h, "usage_input_tokens_cache_write_1h"),
        (Meter::CacheRead, "usage_input_tokens_cache_read"),
        (Meter::Output, "usage_output_tokens"),
        (Meter::WebSearch, "web_search_count"),
    ];
    for (meter, name) in columns {
        meters.put(meter, result.loose_count(name)?);
    }
    Ok(())
}
