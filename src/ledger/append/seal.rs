//! Digests of days whose rows are not stored as they came. They are computed from the stored rows.

use crate::domain::calendar::{Day, DayFinder};
use crate::domain::number::{BatchId, ClassId};
use crate::ledger::file::watch::{Watch, WatchedLedger};
use crate::ledger::read::class::Classes;
use crate::ledger::read::day_digest::{DayHasher, DaySeal};
use crate::ledger::read::scan::parts;
use crate::ledger::read::scan::{self, Columns, StoredEvent};
use crate::ledger::{Ledger, Result};
use crate::rows::key::EventKey;
use rustc_hash::FxHashMap;

/// Reading one event by its key costs as much as scanning this many events of the day.
const SCAN_FACTOR: usize = 64;

const NEWEST_CLASS: &str = "SELECT coalesce(max(id), 0) FROM event_class NOT INDEXED";

/// Computes digests of what the ledger holds.
pub(super) struct Sealer<'w> {
    ledger: &'w Ledger,
    forms: Option<Forms>,
}

/// The classes up to a number, with their canonical forms.
struct Forms {
    newest: ClassId,
    classes: Classes,
    by_class: FxHashMap<ClassId, Vec<u8>>,
}

impl<'w> Sealer<'w> {
    pub(super) const fn new(ledger: &'w Ledger) -> Self {
        Self { ledger, forms: None }
    }

    /// The digest of a batch's events of a day, which have these keys, as they stand there. The day has so many events.
    pub(super) fn seal(&mut self, batch: BatchId, day: Day, keys: &[EventKey], events: usize) -> Result<DaySeal> {
        let forms = self.forms()?;
        let watched = WatchedLedger { ledger: self.ledger, watch: &Watch::default() };
        let mut hasher = DayHasher::new();
        let mut add = |event: &StoredEvent<'_>| {
            if event.batch == batch {
                hasher.add(parts(event, &forms.by_class)?, &event.quantities);
            }
            Ok(())
        };
        if keys.len().saturating_mul(SCAN_FACTOR) < events {
            for key in keys {
                scan::events(watched, &forms.classes, *key, *key, Columns::All, &mut add)?;
            }
        } else {
            let (first, last) = EventKey::range_of(day);
            scan::events(watched, &forms.classes, first, last, Columns::All, &mut add)?;
        }
        self.forms = Some(forms);
        Ok(hasher.seal(day))
    }

    /// The forms of all classes. It reads them again if there are newer ones.
    fn forms(&mut self) -> Result<Forms> {
        let connection = &self.ledger.connection;
        let newest = connection.prepare_cached(NEWEST_CLASS)?.query_row([], |row| row.get(0))?;
        match self.forms.take() {
            Some(forms) if forms.newest == newest => Ok(forms),
            _ => {
                let classes = Classes::read(connection, DayFinder::new(self.ledger.settings().calendar))?;
                let by_class = classes.forms(connection)?;
                Ok(Forms { newest, classes, by_class })
            }
        }
    }
}
