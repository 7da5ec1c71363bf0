//! From usage to rated lines: charges, and the number of events in a line with something unpriced.

use crate::aggregate::from_events::{ReadBy, visit};
use crate::aggregate::{AggregateError, DayChanges, PriceChanges, priced_at};
use crate::domain::calendar::Day;
use crate::domain::count::Count;
use crate::domain::currency::Currency;
use crate::domain::meter::Meter;
use crate::domain::number::PayerOf;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::usage::{Dictionary, UsageKey, UsageLine};
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::read::class::Classes;
use crate::ledger::{Damage, LedgerError};
use crate::price::Book;
use crate::rating::rate::Rater;
use crate::rating::{Charge, Cost, RatedLine};
use rustc_hash::FxHashMap;

/// Rates usage with a book. `None` if events must be read to count those that lack some price.
pub fn rated_as_it_is(
    usage: Vec<UsageLine>,
    book: &Book,
    names: &Dictionary,
    currency: Currency,
) -> Option<Vec<RatedLine>> {
    let mut rater = LineRater::new(book, names, currency);
    usage.into_iter().map(|line| rater.rated(line)).collect()
}

/// Rates lines one by one. Partly priced lines wait until their events are counted.
pub(super) struct LineRater<'a> {
    rater: Rater<'a>,
    waiting: Vec<(RatedLine, Vec<Meter>)>,
}

impl<'a> LineRater<'a> {
    pub(super) fn new(book: &'a Book, names: &'a Dictionary, currency: Currency) -> Self {
        Self { rater: Rater::new(book, names, currency), waiting: Vec::new() }
    }

    /// The line with its charges; `None` if it waits.
    pub(super) fn rated(&mut self, usage: UsageLine) -> Option<RatedLine> {
        let charges = self.rater.charges(&usage);
        let (unpriced_events, unpriced) = match unpriced(&charges) {
            Unpriced::Nothing => (0, None),
            Unpriced::Everything => (usage.active, None),
            Unpriced::Some(meters) => (0, Some(meters)),
        };
        let payer = PayerOf::Tags(usage.key.tag_set);
        let line = RatedLine { usage, payer, charges, unpriced_events, of_unpriced: false };
        match unpriced {
            None => Some(line),
            Some(meters) => {
                self.waiting.push((line, meters));
                None
            }
        }
    }

    /// Whether any line waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The waiting lines of a day, after its events were read.
    pub(super) fn counted(
        &mut self,
        snapshot: &Snapshot<'_>,
        day: Day,
        changes: &PriceChanges<'_>,
        classes: &Classes,
        reading: ReadBy<'_>,
    ) -> Result<Vec<RatedLine>, AggregateError> {
        let (mut lines, mut partly) = (Vec::with_capacity(self.waiting.len()), Partly::default());
        for (line, meters) in self.waiting.drain(..) {
            partly.insert(line.usage.key, meters);
            lines.push(line);
        }
        let counts = count(snapshot, day, &partly, changes, classes, reading)?;
        for line in &mut lines {
            // Something unpriced was counted in the total, so some event has it.
            let events = counts.get(&line.usage.key).copied();
            line.unpriced_events = events.ok_or_else(|| daily_sums_differ(&line.usage.key))?;
        }
        Ok(lines)
    }
}

fn daily_sums_differ(key: &UsageKey) -> AggregateError {
    let what =
        format!("the daily totals of {} differ from its events (`tokenbook rebuild` computes them again)", key.day);
    AggregateError::Ledger(LedgerError::Corrupt(Damage::Totals, what))
}

enum Unpriced {
    Nothing,
    /// All of the usage: every active event has something unpriced.
    Everything,
    /// These meters. Others are priced.
    Some(Vec<Meter>),
}

fn unpriced(charges: &[Charge]) -> Unpriced {
    let meters: Vec<Meter> =
        charges.iter().filter(|charge| matches!(charge.cost, Cost::Unpriced(_))).map(|charge| charge.meter).collect();
    if meters.is_empty() {
        return Unpriced::Nothing;
    }
    let all = charges
        .iter()
        .filter(|charge| charge.quantity > 0 && charge.meter != Meter::Request)
        .all(|charge| meters.contains(&charge.meter));
    if all && !meters.contains(&Meter::Request) { Unpriced::Everything } else { Unpriced::Some(meters) }
}

type Partly = FxHashMap<UsageKey, Vec<Meter>>;
type Counts = FxHashMap<UsageKey, i64>;

/// Counts the events of a day in which one of a line's unpriced meters is above 0.
fn count(
    snapshot: &Snapshot<'_>,
    day: Day,
    partly: &Partly,
    changes: &PriceChanges<'_>,
    classes: &Classes,
    reading: ReadBy<'_>,
) -> Result<Counts, AggregateError> {
    let calendar = snapshot.ledger().settings().calendar;
    let (posted, start) = (day.month(), calendar.start_of(day));
    let end = day.next().map_or(start, |next| calendar.start_of(next));
    let counted = visit(snapshot, day, reading, Counts::default, |counts, part, reader| {
        let mut inside = DayChanges::default();
        part.events(reader, classes, |event| {
            let model = event.class.model;
            inside.entry(model).or_insert_with(|| changes.within(model, start, end));
            let priced_at = priced_at(&inside, model, start, event.at);
            let key = event.class.usage_key(day, posted, priced_at, event.class.band(&event.quantities)?);
            let has_unpriced =
                |meters: &Vec<Meter>| meters.iter().any(|meter| event.quantities.get(*meter).is_some_and(|q| q > 0));
            if partly.get(&key).is_some_and(has_unpriced) {
                counts.entry(key).or_default().one_more();
            }
            Ok(())
        })?;
        Ok(())
    })?;
    let mut total = Counts::default();
    for (key, events) in counted.into_iter().flatten() {
        let sum = total.entry(key).or_default();
        *sum = sum.checked_add(events).ok_or(QuantityOverflow)?;
    }
    Ok(total)
}
