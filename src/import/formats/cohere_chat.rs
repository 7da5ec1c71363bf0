//! Bodies of Cohere's Chat API, version 2.
//!
//! <https://docs.cohere.com/reference/chat>, read 2026-11-23. The vendor charges `billed_units`. `tokens` also counts
//! what the vendor adds to a prompt, so the import does not read it. The id is `id`. A body has no model and no time:
//! it needs an envelope.

use crate::domain::meter::Meter;
use crate::import::events::Events;
use crate::import::format::{Format, How, Kept};
use crate::import::record::Record;
use crate::import::record::reading::Stated;
use crate::import::vendor::envelope::Body;
use crate::text::problem::Problem;

/// Chat bodies.
pub const FORMAT: Format = Format {
    name: "cohere-chat",
    stored: "cohere-chat/1",
    summary: "Cohere Chat (v2) bodies, in envelopes that say model and time",
    example: r#"{"timestamp":"2026-10-01T08:30:00Z","model":"command-a","body":{"id":"c1","usage":{"billed_units":{"input_tokens":100,"output_tokens":20}}}}"#,
    kept: Kept { ids: &["id"], times: &[], usage: &["usage"] },
    recognises: |head| head.body_has("usage.billed_units"),
    how: How::Records(read),
    ..Format::PLAIN
};

/// Reads one body.
pub fn read(record: &Record<'_>, reading: &Stated, events: &mut Events<'_, '_>) -> Result<(), Problem> {
    let Some(body) = Body::of(record, reading)? else { return Ok(()) };
    let usage = body.usage("usage")?;
    let own = body.body.clone();
    let mut event = body.event(own.text("id")?, None, None)?;
    let billed = usage.object("billed_units")?.ok_or_else(|| usage.missing("billed_units", "the charged units"))?;
    // The vendor's own clients write these counts as 41.0.
    event.meters.put(Meter::Input, billed.loose_count("input_tokens")?);
    event.meters.put(Meter::Output, billed.loose_count("output_tokens")?);
    events.push(&event)
}
