//! The imports of a ledger, each identified by its entry in the chain.

use crate::books::heading::heading_of;
use crate::books::{Books, BooksError};
use crate::domain::calendar::Day;
use crate::domain::number::EntryId;
use crate::domain::timestamp::Timestamp;
use crate::ledger::facts::costs::CostImportMade;
use crate::ledger::facts::imports::ImportMade;
use crate::sheet::{Cell, Column, Sheet};
use std::collections::BTreeMap;

/// How a list shows what a program recorded without files, where each commit is an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// One line for the commits of a source, an actor and an hour (UTC). Retracted commits have a line of their own, and a commit
    /// that lost single events has one too.
    ByHour,
    /// Each commit.
    Each,
}

impl Books {
    /// Every import that brought something: when, by whom, which file, and the counts of its lines.
    pub fn import_list(&self, commits: Commits) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let rows = lines(snapshot.imports_made()?, commits).iter().map(Line::cells).collect();
        let columns = vec![
            Column::number("entry"),
            Column::number("last_entry"),
            Column::count("commits"),
            Column::instant("imported_at"),
            Column::instant("last_imported_at"),
            Column::text("actor"),
            Column::text("source"),
            Column::text("file"),
            Column::text("format"),
            Column::count("lines"),
            Column::count("accepted"),
            Column::count("duplicates"),
            Column::count("quarantined"),
            Column::day("first_day"),
            Column::day("last_day"),
            Column::text("options"),
            Column::text("retracted_by"),
        ];
        Ok(Sheet { heading: heading_of(&snapshot, "imports", "all")?, columns, rows, total: None })
    }
}

/// One line of the list: an import, or commits that belong together.
#[derive(Debug)]
pub(in crate::books) struct Line {
    /// The first of them.
    pub(in crate::books) first: ImportMade,
    /// The entry of the last one, and when that was made.
    pub(in crate::books) last: (EntryId, Timestamp),
    /// How many there are.
    pub(in crate::books) commits: i64,
    /// Counts of lines: all, accepted, duplicates, quarantined.
    pub(in crate::books) counts: [i64; 4],
    /// From the first day of new events to the last.
    days: Option<(i64, i64)>,
    /// From the first entry that took one of them back to the last.
    retracted: Option<(EntryId, EntryId)>,
}

/// What the commits of a line have in common: source, actor, hour, and whether they were taken back. A commit that lost single
/// events has its entry here.
type Key = (String, String, i64, bool, Option<EntryId>);

/// Imports as lines of a list, in the order of their first entries.
pub(in crate::books) fn lines(imports: Vec<ImportMade>, commits: Commits) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    for made in imports {
        let key = key(&made).filter(|_| commits == Commits::ByHour);
        let known = key.as_ref().and_then(|key| places.get(key)).and_then(|place| lines.get_mut(*place));
        if let Some(line) = known {
            line.add(&made);
            continue;
        }
        places.extend(key.map(|key| (key, lines.len())));
        lines.push(Line::of(made));
    }
    lines
}

/// The line that a commit belongs to; none for the import of a file, which has its own.
fn key(made: &ImportMade) -> Option<Key> {
    let hour = made.at.seconds().div_euclid(3_600);
    let alone = (!made.retracted_in_part.is_empty()).then_some(made.entry);
    let is_retracted = made.retracted.is_some();
    made.row.is_recorded().then(|| (made.row.source.clone(), made.actor.clone(), hour, is_retracted, alone))
}

fn counts(made: &ImportMade) -> [i64; 4] {
    [made.row.lines, made.row.accepted, made.row.duplicates, made.row.quarantined]
}

impl Line {
    fn of(first: ImportMade) -> Self {
        Self {
            last: (first.entry, first.at),
            commits: 1,
            counts: counts(&first),
            days: first.row.first_day.zip(first.row.last_day),
            retracted: first.retracted.map(|by| (by, by)),
            first,
        }
    }

    fn add(&mut self, made: &ImportMade) {
        self.last = (made.entry, made.at);
        self.commits += 1;
        for (sum, count) in self.counts.iter_mut().zip(counts(made)) {
            *sum += count;
        }
        self.days = spanning(self.days, made.row.first_day.zip(made.row.last_day));
        self.retracted = spanning(self.retracted, made.retracted.map(|by| (by, by)));
    }

    fn cells(&self) -> Vec<Cell> {
        let ImportMade { row, entry, at, actor, .. } = &self.first;
        let day = |number: Option<i64>| Cell::day(number.and_then(Day::from_number));
        let count = |count: i64| Cell::Count(i128::from(count));
        let (last_entry, last_at) = self.last;
        let [lines, accepted, duplicates, quarantined] = self.counts;
        vec![
            count(entry.number()),
            count(last_entry.number()),
            count(self.commits),
            Cell::Instant(*at),
            Cell::Instant(last_at),
            Cell::Text(actor.clone()),
            Cell::Text(row.source.clone()),
            Cell::Text(row.file.clone()),
            Cell::Text(row.format.clone()),
            count(lines),
            count(accepted),
            count(duplicates),
            count(quarantined),
            day(self.days.map(|days| days.0)),
            day(self.days.map(|days| days.1)),
            Cell::filled(row.options.clone()),
            Cell::filled(self.retracted_by()),
        ]
    }

    /// The entries that took its imports back.
    fn retracted_by(&self) -> String {
        match self.retracted {
            Some((first, last)) if first != last => format!("{first} to {last}"),
            _ => retracted_by(self.first.retracted, &self.first.retracted_in_part),
        }
    }
}

/// From the lower of two starts to the higher of two ends.
fn spanning<T: Ord>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    match (one, other) {
        (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
        (known, new) => known.or(new),
    }
}

impl Books {
    /// Every import of costs: when, by whom, which file, and the counts of its lines.
    pub fn cost_import_list(&self) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let columns = vec![
            Column::number("entry"),
            Column::instant("imported_at"),
            Column::text("actor"),
            Column::text("source"),
            Column::text("file"),
            Column::text("format"),
            Column::count("costs"),
            Column::count("duplicates"),
            Column::text("retracted_by"),
        ];
        let cells = |made: CostImportMade| {
            vec![
                Cell::Count(i128::from(made.entry.number())),
                Cell::Instant(made.at),
                Cell::Text(made.actor),
                Cell::Text(made.source),
                Cell::Text(made.file),
                Cell::Text(made.format),
                Cell::Count(i128::from(made.lines)),
                Cell::Count(i128::from(made.duplicates)),
                Cell::filled(retracted_by(made.retracted, &[])),
            ]
        };
        let rows = snapshot.cost_imports_made()?.into_iter().map(cells).collect();
        Ok(Sheet { heading: heading_of(&snapshot, "cost imports", "all")?, columns, rows, total: None })
    }
}

/// The entry that retracted an import, or the entries that retracted some of its events.
fn retracted_by(whole: Option<EntryId>, in_part: &[EntryId]) -> String {
    whole.map_or_else(
        || in_part.iter().map(|entry| format!("{entry} (in part)")).collect::<Vec<_>>().join(", "),
        |entry| entry.to_string(),
    )
}
