//! Finds ids of new events that other days have too, after all rows of a batch are stored.

use super::Appender;
use crate::domain::number::{BatchId, SourceId};
use crate::ledger::Result;
use crate::ledger::file::watch::Watch;
use crate::ledger::read::scan::integer;
use crate::rows::key::{EventKey, Half};
use rusqlite::CachedStatement;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

const FROM_KEY: &str = "SELECT e.key, e.id, c.source, c.kind, e.batch, e.line FROM usage_event e \
    JOIN event_class c ON c.id = e.class WHERE e.key BETWEEN ?1 AND ?2 ORDER BY e.key";

/// An event with an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// Whether this import brings it. Known events sort first.
    own: bool,
    line: i64,
    key: EventKey,
}

impl Appender<'_> {
    /// Writes the ids of the events so far, and records a conflict for each id that another day has.
    pub(super) fn write_ids(&mut self, watch: &Watch) -> Result<()> {
        let suspects = self.ids.write(watch)?;
        if suspects.is_empty() {
            return Ok(());
        }
        let mut conflicts = Vec::new();
        let mut statement = self.ledger.connection.prepare_cached(FROM_KEY)?;
        for suspect in suspects {
            let mut by_id = BTreeMap::new();
            for half in suspect.iter().flat_map(|key| Half::BOTH.map(|half| key.in_half(half))) {
                self.events_from(half, &mut statement, &mut by_id)?;
            }
            for mut found in by_id.into_values().filter(|found| found.len() > 1) {
                found.sort_unstable();
                let Some((first, others)) = found.split_first() else { continue };
                conflicts
                    .extend(others.iter().filter(|other| other.own).map(|other| (other.line, other.key, first.key)));
            }
        }
        conflicts.sort_unstable();
        // An id on many days is noted once for each event.
        let mut noted = FxHashSet::default();
        for (_, new, other) in conflicts {
            if self.verdicts.has_room_for_conflict() && noted.insert(new) {
                self.verdicts.conflict(self.placement.stored.describe_stored(new, other)?);
            }
        }
        Ok(())
    }

    /// Reads the events from a key to the first free one of its half, by source and id.
    fn events_from(
        &self,
        start: EventKey,
        statement: &mut CachedStatement<'_>,
        by_id: &mut BTreeMap<(SourceId, String), Vec<Found>>,
    ) -> Result<()> {
        let (first, last) = EventKey::range_of_half(start.day(), start.half());
        let mut next = start;
        for (from, to) in [(start, last), (first, start)] {
            let mut rows = statement.query([from.number(), to.number()])?;
            while let Some(row) = rows.next()? {
                if integer(row, 0)? != next.number() {
                    return Ok(());
                }
                // A revision has the id of its record. A retracted event no longer has its id.
                let batch = BatchId::new(integer(row, 4)?);
                if integer(row, 3)? == 0 && !self.placement.retracted.has(next, batch) {
                    let own = self.placement.stored.is_own(batch);
                    let found = Found { own, line: integer(row, 5)?, key: next };
                    by_id.entry((SourceId::new(integer(row, 2)?), row.get(1)?)).or_default().push(found);
                }
                next = next.next_in_half();
                if next == start {
                    return Ok(());
                }
            }
            if next != first || next == start {
                return Ok(());
            }
        }
        Ok(())
    }
}
