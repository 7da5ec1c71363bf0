//! The parallel stage: from stored usage to rated lines. The result does not depend on the number of threads.
//!
//! Two ways lead to the same lines. Reports read the daily sums, which cost days times combinations. Recomputing reads
//! every event, and is the check on the first. Both go a day at a time over all threads (`fold.rs`), and lines are handed
//! over one by one, as there may be millions. Sums are whole numbers, so the order in which they are added cannot show.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod attributed;
pub mod fold;
pub mod from_daily;
pub mod from_events;
pub mod from_monthly;
pub mod rated;

use crate::domain::calendar::Day;
use crate::domain::number::ModelId;
use crate::domain::period::Period;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::ratio;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Dictionary, UsageLine};
use crate::fault::Code;
use crate::ledger::LedgerError;
use crate::ledger::facts::sealed_events::Sealed;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::read::class::Classes;
use crate::price::Book;
use rustc_hash::FxHashMap;

/// Why usage could not be aggregated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A total left its range.
    #[error(transparent)]
    Overflow(#[from] QuantityOverflow),
    /// An amount left its range.
    #[error(transparent)]
    Amount(#[from] ratio::Overflow),
}

impl AggregateError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Ledger(error) => error.code(),
            Self::Overflow(error) => error.code(),
            Self::Amount(error) => error.code(),
        }
    }
}

/// The data needed to read events.
#[derive(Debug)]
pub struct Events {
    /// The classes of events.
    pub classes: Classes,
    /// The digests that prove the events.
    pub sealed: Sealed,
}

impl Events {
    /// The data for the days of a period.
    pub fn of(snapshot: &Snapshot<'_>, period: Period) -> Result<Self, LedgerError> {
        let classes = snapshot.classes()?;
        let sealed = snapshot.sealed(period, &classes)?;
        Ok(Self { classes, sealed })
    }
}

/// The instants at which a model's prices change inside a day, over all relevant books.
#[derive(Debug)]
pub struct PriceChanges<'a> {
    books: Vec<&'a Book>,
    names: &'a Dictionary,
}

impl<'a> PriceChanges<'a> {
    /// The changes of some books.
    pub fn new(books: Vec<&'a Book>, names: &'a Dictionary) -> Self {
        Self { books, names }
    }

    /// The names in the usage.
    pub const fn names(&self) -> &'a Dictionary {
        self.names
    }

    /// The instants strictly between two others at which some price of a model starts or ends, sorted.
    fn within(&self, model: ModelId, after: Timestamp, before: Timestamp) -> Vec<Timestamp> {
        let Some(model) = self.names.models.get(&model) else { return Vec::new() };
        let of_book = |book: &&Book| book.changes_within(model.name.as_str(), after, before);
        let mut changes: Vec<Timestamp> = self.books.iter().flat_map(of_book).collect();
        changes.sort_unstable();
        changes.dedup();
        changes
    }

    /// Whether some price of any model changes strictly between two instants.
    fn any_within(&self, after: Timestamp, before: Timestamp) -> bool {
        self.names.models.keys().any(|model| !self.within(*model, after, before).is_empty())
    }

    /// Whether no price of the lines' models changes between a line's price instant and the end of the span that begins
    /// with its day. Lines of one day must be consecutive.
    fn are_outside(&self, lines: &[UsageLine], end_of: impl Fn(Day) -> Timestamp) -> bool {
        lines.chunk_by(|a, b| a.key.day == b.key.day).all(|of_span| {
            let Some(first) = of_span.first() else { return true };
            let end = end_of(first.key.day);
            let mut models: Vec<ModelId> = of_span.iter().map(|line| line.key.model).collect();
            models.sort_unstable();
            models.dedup();
            models.into_iter().all(|model| self.within(model, first.key.priced_at, end).is_empty())
        })
    }
}

/// The changes inside one day, by model; most days have none.
type DayChanges = FxHashMap<ModelId, Vec<Timestamp>>;

/// The part of a day that contains an instant: the day's start, or the last change before the instant.
fn priced_at(changes: &DayChanges, model: ModelId, start: Timestamp, at: Timestamp) -> Timestamp {
    let changes = changes.get(&model);
    changes.and_then(|changes| changes.iter().rev().find(|change| **change <= at)).copied().unwrap_or(start)
}
