//! What looks wrong with prices before anybody is billed by them: jumps and gaps. A report, not a refusal.

use crate::domain::rate::Rate;
use crate::domain::timestamp::Timestamp;
use crate::price::{PriceKey, PriceRow};
use std::collections::BTreeMap;

/// The factor between two prices of one key from which a wrong unit is the likelier reason.
const UNIT_JUMP: i64 = 500;

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A price is about a thousand times the one before it, or a thousandth: per 1,000 read as per 1,000,000?
    Jump {
        /// What it is for.
        key: PriceKey,
        /// When it starts.
        at: Timestamp,
        /// The price before.
        before: Rate,
        /// The price from then on.
        after: Rate,
    },
    /// A price is written as 0: meant, or forgotten?
    Free {
        /// What it is for.
        key: PriceKey,
        /// From when it costs nothing.
        from: Timestamp,
    },
    /// A key ended and began again later: nothing was sold in between.
    Gap {
        /// What it is for.
        key: PriceKey,
        /// When it ended.
        from: Timestamp,
        /// When it began again; `None` if it has not.
        until: Option<Timestamp>,
    },
}

/// The prices of each key by start, replaced rows left out.
pub fn histories<'a>(
    rows: impl IntoIterator<Item = &'a PriceRow>,
) -> BTreeMap<PriceKey, BTreeMap<Timestamp, &'a PriceRow>> {
    let mut histories: BTreeMap<PriceKey, BTreeMap<Timestamp, &'a PriceRow>> = BTreeMap::new();
    for row in rows {
        histories.entry(row.key.clone()).or_default().insert(row.valid_from, row);
    }
    histories
}

/// Jumps, gaps and free prices in the order of keys and starts.
pub fn findings<'a>(rows: impl IntoIterator<Item = &'a PriceRow>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, history) in histories(rows) {
        let rows: Vec<&PriceRow> = history.into_values().collect();
        for (at, row) in rows.iter().enumerate() {
            let next = rows.get(at + 1);
            if row.rate.is_some_and(Rate::is_free) {
                findings.push(Finding::Free { key: key.clone(), from: row.valid_from });
            }
            match (row.rate, next.and_then(|next| next.rate)) {
                (Some(before), Some(after)) if is_jump(before, after) => {
                    let at = next.map_or(row.valid_from, |next| next.valid_from);
                    findings.push(Finding::Jump { key: key.clone(), at, before, after });
                }
                (None, _) => {
                    let until = next.map(|next| next.valid_from);
                    findings.push(Finding::Gap { key: key.clone(), from: row.valid_from, until });
                }
                _ => {}
            }
        }
    }
    findings
}

fn is_jump(before: Rate, after: Rate) -> bool {
    let (low, high) = (before.min(after).nanos_per_million(), before.max(after).nanos_per_million());
    low > 0 && high / low >= UNIT_JUMP
}
