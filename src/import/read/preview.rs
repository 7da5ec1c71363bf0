//! The events that a format reads from a file, with their names in full, without a ledger.
//!
//! It reads and checks like an import. Use it to examine a format, and in tests. It holds all events in memory.

use crate::domain::calendar::Calendar;
use crate::domain::event::{EventId, EventUsage, UsageEvent};
use crate::domain::timestamp::Timestamp;
use crate::import::events::intern::SharedNames;
use crate::import::events::sink::Constants;
use crate::import::file::consumer::Demand;
use crate::import::file::input::Source;
use crate::import::format::Format;
use crate::import::read::parse::{self, Context, OnBad, ParseError, Parsed};
use crate::import::record::reading::Stated;
use crate::rows::batch::{Batch, Names, Row, wide};
use crate::rows::key::KeyHash;

/// A file that has been read.
#[derive(Debug)]
pub struct Preview {
    /// The events with their first lines, in the order of lines and, on one line, of ids.
    pub events: Vec<(u64, UsageEvent)>,
    /// The counts of lines, and the errors.
    pub parsed: Parsed,
}

/// Reads a file and quarantines bad lines. An event after `now` counts as in the future.
pub fn preview(
    source: Source,
    format: Option<&'static Format>,
    reading: &Stated,
    now: Timestamp,
) -> Result<Preview, ParseError> {
    let context = Context {
        constants: Constants {
            names: SharedNames::default(),
            fill: Vec::new(),
            provider: String::new(),
            prompts_within: reading.prompts_within.clone(),
            latest: parse::latest_from(now),
            buckets: std::sync::Mutex::default(),
        },
        calendar: Calendar::UTC,
        key_hash: KeyHash::FULL,
        source: String::new(),
        keep_bad: usize::MAX,
        on_bad: OnBad::KeepEvents,
        last_line_complete: false,
        reading: reading.clone(),
    };
    let mut batches = Vec::new();
    let mut deliver = |batch| {
        batches.push(batch);
        Demand::More
    };
    let parsed = parse::parse(source, format, &context, &mut deliver)?;
    let names = context.constants.names.lock();
    let spelled = |batch: &Batch, row: &Row| spelled(batch, row, &names).map(|event| (row.line, event));
    let mut events: Vec<(u64, UsageEvent)> =
        batches.iter().flat_map(|batch| batch.rows().iter().filter_map(|row| spelled(batch, row))).collect();
    events.sort_by(|(a, one), (b, other)| (a, &one.id).cmp(&(b, &other.id)));
    drop(names);
    Ok(Preview { events, parsed })
}

/// An event with its names. The names of a row are always known.
fn spelled(batch: &Batch, row: &Row, names: &Names) -> Option<UsageEvent> {
    let class = names.classes.get(wide(row.class))?;
    Some(UsageEvent {
        id: EventId::new(batch.id(row)).ok()?,
        at: row.at,
        model: names.models.get(wide(class.model))?.clone(),
        tier: names.tiers.get(usize::from(class.tier))?.clone(),
        tags: names.tag_sets.get(wide(class.tags))?.clone(),
        outcome: class.outcome,
        // A number of requests is already among the quantities, so this derives the same values again.
        usage: EventUsage::bucket(batch.quantities(row).iter()).ok()?,
    })
}
