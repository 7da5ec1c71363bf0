//! `OpenRouter`'s activity by day (CSV): one row for each day and model.
//!
//! No page documents it. The columns are as exports show them, read 2026-11-23. A row is the sum of a UTC day.
//! Completion tokens include reasoning. It does not report cached tokens, so the whole prompt is `input`; the export
//! with one row for each generation reports them. A row has no id: the natural key is day and model. Today's rows grow.
//! `Usage` is the charge, and the import does not read it. The same usage by day and by generation becomes different
//! events: import one of them.

use crate::domain::meter::Meter;
use crate::import::events::{Event, Events, natural_key};
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::{Stated, instant_utc};
use crate::text::problem::Problem;
use std::borrow::Cow;

/// Days.
pub const FORMAT: Format = Format {
    name: "openrouter-daily",
    stored: "openrouter-daily/1",
    summary: "OpenRouter's activity by day (CSV)",
    example: "Date,Slug,Usage,BYOK Usage,Requests,Prompt Tokens,Completion Tokens,Reasoning Tokens\n\"2026-10-01\",\"openai/gpt-5.4\",\"0.0123\",\"0\",\"4\",\"1200\",\"300\",\"80\"",
    untold: "how much of a prompt was cached (all of it counts as input), nor what was served on keys of your own",
    cumulative: true,
    kept: Kept { ids: &[], times: &["Date"], usage: &["Requests", "Prompt Tokens", "Completion Tokens"] },
    recognises: |head| head.columns(&["Date", "Slug", "Requests", "Prompt Tokens"]),
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one row.
pub fn read(record: &Record<'_>, _reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let at = instant_utc(record, "Date")?.ok_or_else(|| record.missing("Date", "a day of UTC"))?;
    let (day, model) = (at.to_string(), record.needed("Slug")?);
    let id = natural_key("openrouter-daily", &[("day", Some(&day)), ("model", Some(&model))]);
    let mut event = Event::bucket(id, at, model);
    event.provider = Cow::Borrowed("openrouter");
    let needed = |name: &str| record.loose_count(name)?.ok_or_else(|| record.missing(name, "a whole number"));
    event.meters.put(Meter::Request, Some(needed("Requests")?));
    event.meters.put(Meter::Input, Some(needed("Prompt Tokens")?));
    let reasoning = record.loose_count("Reasoning Tokens")?;
    event.meters.put(Meter::Reasoning, reasoning);
    let whole = ("Completion Tokens", Some(needed("Completion Tokens")?));
    event.meters.rest(Meter::Output, whole, &[("Reasoning Tokens", reasoning)])?;
    events.push(&event)
}
