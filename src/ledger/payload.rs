//! What entries of the chain record, in the canonical encoding. `verify` makes each again from the tables and compares.

use crate::domain::canonical::Encoder;
use crate::domain::name::{Name, TagValue};
use crate::domain::rate::Rate;
use crate::domain::rule::{Condition, Share};
use crate::ledger::aliases::StoredAlias;
use crate::ledger::batch_days;
use crate::ledger::departments::StoredDepartment;
use crate::ledger::imports::ImportRow;
use crate::ledger::prices::StoredPrice;
use crate::ledger::quarantine::Held;
use crate::ledger::rules::{StoredRuleSet, precedence_code};
use crate::ledger::settings::Settings;
use crate::ledger::summarise::DaySeal;
use std::collections::BTreeMap;

/// The making of a ledger.
pub(super) fn genesis(settings: &Settings, schema: u32) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.u64(u64::from(schema)).text(settings.currency.code()).text(settings.calendar.zone_name());
    encoder.text(&settings.tz_database).text(settings.book.as_str());
    encoder.into_bytes()
}

/// The schema version that the payload of a genesis begins with.
pub(super) fn schema_of_genesis(payload: &[u8]) -> Option<u32> {
    let (version, _) = payload.split_first_chunk::<8>()?;
    u32::try_from(u64::from_be_bytes(*version)).ok()
}

/// A batch: its number, events, and the digest over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSeal {
    /// The number.
    pub id: i64,
    /// The month all of its events post to; `None` where each posts to its own.
    pub posting_period: Option<i64>,
    /// Events.
    pub events: i64,
    /// BLAKE3 over the digests of its days.
    pub digest: [u8; 32],
    /// Its days.
    pub(super) days: Vec<DaySeal>,
}

impl BatchSeal {
    /// Whether its digest and events are those of its days.
    pub(super) fn is_of_its_days(&self, source: &str) -> bool {
        let events: u64 = self.days.iter().map(|day| day.events).fold(0, u64::saturating_add);
        u64::try_from(self.events) == Ok(events) && self.digest == batch_days::batch_digest(source, &self.days)
    }
}

/// What of an import an earlier one had brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// Events that were duplicates of its events.
    pub events: i64,
    /// Lines that it had set aside alike.
    pub lines: i64,
}

/// An import: the file, its lines, its batches, the lines set aside under their numbers, earlier such lines it resolves, and
/// what of it each earlier import had brought.
pub(super) fn import<'h>(
    import: &ImportRow,
    batches: &[BatchSeal],
    held: impl ExactSizeIterator<Item = (i64, &'h Held)>,
    resolved: &[i64],
    overlaps: &BTreeMap<i64, Overlap>,
) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.i64(import.id).text(&import.source).text(&import.file).text(&import.format).text(&import.options);
    encoder.blob(&import.digest).i64(import.bytes);
    for count in [import.lines, import.header, import.blank, import.accepted, import.duplicates, import.quarantined] {
        encoder.i64(count);
    }
    encoder.optional_i64(import.first_day).optional_i64(import.last_day).count(batches.len());
    for batch in batches {
        encoder.i64(batch.id).optional_i64(batch.posting_period).i64(batch.events).blob(&batch.digest);
    }
    encoder.count(held.len()).blob(&held_digest(held));
    encoder.count(resolved.len());
    for id in resolved {
        encoder.i64(*id);
    }
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 overlaps of an import");
    for (earlier, Overlap { events, lines }) in overlaps {
        for number in [earlier, events, lines] {
            hasher.update(&number.to_be_bytes());
        }
    }
    encoder.count(overlaps.len()).blob(hasher.finalize().as_bytes());
    encoder.into_bytes()
}

/// The digest over lines set aside: there may be more of them than an entry can hold.
fn held_digest<'h>(held: impl Iterator<Item = (i64, &'h Held)>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("tokenbook 2026 quarantined lines");
    for (id, line) in held {
        let mut encoder = Encoder::new();
        encoder.i64(id).i64(line.line).text(&line.field).text(&line.what).text(&line.expected).text(&line.event_id);
        encoder.optional_i64(line.day).text(&line.kept);
        hasher.update(encoder.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// A price list: every row that was appended.
pub(super) fn prices(rows: &[&StoredPrice]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.count(rows.len());
    for StoredPrice { id, line, row } in rows {
        let key = &row.key;
        encoder.i64(*id).i64(*line).text(key.book.as_str()).optional_text(key.provider.as_ref().map(Name::as_str));
        encoder.text(key.model.as_str()).text(key.tier.as_str()).u8(key.meter.code()).i64(key.prompt_above);
        encoder.text(row.currency.code()).optional_i64(row.rate.map(Rate::nanos_per_million));
        encoder.i64(row.valid_from.nanos());
    }
    encoder.into_bytes()
}

/// A list of aliases: every row that was appended.
pub(super) fn aliases(rows: &[&StoredAlias]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.count(rows.len());
    for StoredAlias { id, line, row } in rows {
        encoder
            .i64(*id)
            .i64(*line)
            .optional_text(row.key.provider.as_ref().map(Name::as_str))
            .text(row.key.alias.as_str());
        encoder.optional_text(row.model.as_ref().map(Name::as_str)).i64(row.valid_from.nanos());
    }
    encoder.into_bytes()
}

/// A set of rules.
pub(super) fn rules(set: &StoredRuleSet) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.i64(set.id).text(&set.file).i64(set.valid_from.number().into());
    encoder.count(set.rules.rules().len());
    for rule in set.rules.rules() {
        encoder.u64(rule.line).text(rule.name.as_str()).u8(precedence_code(rule.precedence));
        encoder.count(rule.conditions.len());
        for Condition { subject, operator, value } in &rule.conditions {
            encoder.text(&subject.to_string()).u8(operator.code()).text(value.as_str());
        }
        encoder.count(rule.shares.iter().len());
        for Share { payer, part } in rule.shares.iter() {
            for name in [&payer.department, &payer.project, &payer.environment] {
                encoder.optional_text(name.as_ref().map(TagValue::as_str));
            }
            encoder.i64(*part);
        }
    }
    encoder.into_bytes()
}

/// Departments of the registry.
pub(super) fn departments(departments: &[StoredDepartment]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.count(departments.len());
    for StoredDepartment { id, line, department } in departments {
        encoder.i64(*id).i64(*line).text(department.name.as_str());
        for name in [&department.cost_centre, &department.owner, &department.account] {
            encoder.optional_text(name.as_ref().map(TagValue::as_str));
        }
        for day in [department.active_from, department.active_to] {
            encoder.optional_i64(day.map(|day| day.number().into()));
        }
    }
    encoder.into_bytes()
}

/// Quarantined lines given up, and why.
pub(super) fn discard(ids: &[i64], reason: &str) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.text(reason).count(ids.len());
    for id in ids {
        encoder.i64(*id);
    }
    encoder.into_bytes()
}
