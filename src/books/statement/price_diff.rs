//! What offered prices would change: the prices themselves, and the cost of a month's usage with and without them.
//!
//! Nothing is written. Every event of the month is priced at its own instant and in its own band of prompt sizes, with
//! the current book and with the changed book. Daily totals are not enough, because they are cut where known prices
//! change, not where offered ones do.

use crate::books::heading::{heading_of, heading_of_period};
use crate::books::setup::catalogs::{Offered, compared};
use crate::books::statement::reports::thresholds;
use crate::books::watching::watched;
use crate::books::{Act, Books, BooksError, Observer, Stage};
use crate::domain::calendar::Day;
use crate::domain::event::Band;
use crate::domain::meter::Unit;
use crate::domain::money::Amount;
use crate::domain::name::Name;
use crate::domain::number::{ModelId, SourceId, TagSetId};
use crate::domain::period::{Month, Period};
use crate::domain::quantities::QuantityOverflow;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::{Dictionary, Tally, UsageKey, UsageLine, UsageSums};
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::file::watch::Watch;
use crate::ledger::read::scan::StoredEvent;
use crate::price::alias::AliasRow;
use crate::price::catalog::Terms;
use crate::price::change::{Changes, Kind};
use crate::price::{Aliases, Book, PriceRow};
use crate::rating::Cost;
use crate::rating::rate::Rater;
use crate::report::ReportError;
use crate::sheet::{Cell, Column, Heading, Sheet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What offered prices would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceDiff {
    /// The changes of prices.
    pub changes: Changes,
    /// Prices in force that the offer lacks although it has other prices of their models. They are among the changes if
    /// they are to end.
    pub missing: Vec<PriceRow>,
    /// The changes as a table, restricted to the requested kinds.
    pub prices: Sheet,
    /// What the month costs by model, before and after.
    pub cost: Sheet,
}

/// Which changes to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Changed and ended prices. New prices are only counted, because a catalogue has thousands.
    ChangedAndEnded,
    /// All changes.
    All,
}

impl Books {
    /// Compares offered prices with the ledger's, and the cost of the given month, or of the month of `act.now`.
    pub fn price_diff(
        &self,
        offered: &Offered,
        terms: &Terms,
        month: Option<Month>,
        listed: Listed,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<PriceDiff, BooksError> {
        watched(observer, |watch| self.watched_diff(offered, terms, month, listed, (act, watch)))
    }

    fn watched_diff(
        &self,
        offered: &Offered,
        terms: &Terms,
        month: Option<Month>,
        listed: Listed,
        (act, watch): (Act<'_>, &Arc<Watch>),
    ) -> Result<PriceDiff, BooksError> {
        let snapshot = self.ledger.snapshot()?.watched(watch)?;
        let settings = self.settings();
        let (known, aliases) = (snapshot.prices()?, snapshot.aliases()?);
        let (changes, missing) = compared(&known, offered, terms);
        let month = month.unwrap_or_else(|| Month::of(settings.calendar.day_of(act.now)));
        let heading = heading_of(&snapshot, "price changes", terms.valid_from.to_string())?;
        let prices = price_sheet(&changes, listed, heading);
        let mut after = known.clone();
        after.extend(changes.changes.iter().map(|change| change.new.row.clone()));
        let books = Before { rows: &known, book: &terms.book, aliases: &aliases }.and(&after);
        let costs = costs(&snapshot, month.period(), &books)?;
        let cost = cost_sheet(&costs, heading_of_period(&snapshot, "cost of the month", month.period())?)?;
        Ok(PriceDiff { changes, missing, prices, cost })
    }
}

fn price_sheet(changes: &Changes, listed: Listed, heading: Heading) -> Sheet {
    let shown = changes.changes.iter().filter(|change| listed == Listed::All || change.kind != Kind::New);
    let rows = shown.map(|change| {
        let key = &change.new.row.key;
        let rate = |row: Option<&PriceRow>| {
            let rate = row.and_then(|row| row.rate);
            rate.map_or(Cell::Unknown("none"), Cell::Rate)
        };
        vec![
            Cell::text(change.kind.name()),
            Cell::text(key.book.as_str()),
            Cell::some(key.provider.as_ref().map(Name::as_str)),
            Cell::text(key.model.as_str()),
            Cell::text(key.meter.name()),
            Cell::text(key.tier.as_str()),
            if key.prompt_above > 0 { Cell::Count(key.prompt_above.into()) } else { Cell::Nothing },
            rate(change.old.as_ref()),
            rate(Some(&change.new.row)),
            Cell::text(change.new.row.currency.code()),
            Cell::Instant(change.new.row.valid_from),
        ]
    });
    let mut columns: Vec<Column> =
        ["change", "book", "provider", "model", "meter", "service_tier"].map(Column::text).into();
    columns.push(Column::number("prompt_above"));
    columns.extend(["old_per_million", "new_per_million"].map(Column::rate));
    columns.extend([Column::text("currency"), Column::instant("valid_from")]);
    Sheet { heading, columns, rows: rows.collect(), total: None }
}

/// A price book in its current state, with the aliases of models.
struct Before<'a> {
    rows: &'a [PriceRow],
    book: &'a Name,
    aliases: &'a [AliasRow],
}

/// A price book in one of two states, with the prompt sizes at which its prices change.
struct State {
    book: Book,
    thresholds: BTreeMap<String, Vec<i64>>,
}

impl Before<'_> {
    fn and(&self, after: &[PriceRow]) -> [State; 2] {
        let aliases = Arc::new(Aliases::new(self.aliases));
        [self.rows, after].map(|rows| {
            let of_book = rows.iter().filter(|row| row.key.book == *self.book);
            // Bands are cut at the thresholds of all books, as in the ledger.
            State { book: Book::new(of_book).under(Arc::clone(&aliases)), thresholds: thresholds(rows, self.aliases) }
        })
    }
}

/// The cost of a model's usage, and how much of it has no price.
#[derive(Debug, Clone)]
struct ModelCost {
    amount: Amount,
    priced: bool,
    /// By unit, because searches and tokens cannot be summed.
    unpriced: BTreeMap<Unit, i64>,
}

const NOTHING: ModelCost = ModelCost { amount: Amount::ZERO, priced: false, unpriced: BTreeMap::new() };

impl ModelCost {
    fn add_unpriced(&mut self, unit: Unit, quantity: i64) -> Result<(), BooksError> {
        let sum = self.unpriced.entry(unit).or_insert(0);
        *sum = sum.checked_add(quantity).ok_or(QuantityOverflow).map_err(ReportError::from)?;
        Ok(())
    }

    fn is_unknown(&self) -> bool {
        !self.priced && self.unpriced.values().any(|quantity| *quantity > 0)
    }
}

type Costs = BTreeMap<(String, String), [ModelCost; 2]>;

fn costs(snapshot: &Snapshot<'_>, period: Period, states: &[State; 2]) -> Result<Costs, BooksError> {
    let names = snapshot.dictionary()?;
    let currency = snapshot.ledger().settings().currency;
    let mut costs = Costs::new();
    for (at, (state, lines)) in states.iter().zip(sums(snapshot, period, states, &names)?).enumerate() {
        let mut rater = Rater::new(&state.book, &names, currency);
        for line in lines {
            let Some(model) = names.models.get(&line.key.model) else { continue };
            let provider = model.provider.as_ref().map_or_else(String::new, ToString::to_string);
            let of_model = costs.entry((provider, model.name.to_string())).or_insert([NOTHING; 2]);
            let Some(cost) = of_model.get_mut(at) else { continue };
            for charge in rater.charges(&line) {
                match charge.cost {
                    Cost::Priced(amount) => {
                        cost.amount = cost.amount.plus(amount).map_err(ReportError::from)?;
                        cost.priced = true;
                    }
                    Cost::NotCharged => {}
                    Cost::Unpriced(_) => cost.add_unpriced(charge.meter.unit(), charge.quantity)?,
                }
            }
        }
    }
    Ok(costs)
}

/// The period's events, summed for each state by everything that their prices depend on.
fn sums(
    snapshot: &Snapshot<'_>,
    period: Period,
    states: &[State; 2],
    names: &Dictionary,
) -> Result<[Vec<UsageLine>; 2], BooksError> {
    let mut summed = states.each_ref().map(|state| Summed::at(state, names));
    let classes = snapshot.classes()?;
    let sealed = snapshot.sealed(period, &classes)?;
    snapshot.watch().begin(Stage::Events, snapshot.events_within(period));
    // The sums are of the whole period.
    let (first, posted) = (period.first(), period.first().month());
    for day in period.days() {
        snapshot.sealed_events(&classes, day, &sealed, |event| {
            summed.iter_mut().try_for_each(|summed| summed.add(event, first, posted))
        })?;
    }
    let [before, after] = summed;
    Ok([before.lines()?, after.lines()?])
}

/// Events summed for one state of a book.
struct Summed<'a> {
    book: &'a Book,
    /// The prompt sizes that cut bands, by model.
    thresholds: BTreeMap<ModelId, &'a [i64]>,
    /// One instant for each span without a change of prices.
    instants: BTreeMap<usize, Timestamp>,
    tally: Tally<UsageKey>,
}

impl<'a> Summed<'a> {
    fn at(state: &'a State, names: &Dictionary) -> Self {
        let thresholds = names.models.iter().filter_map(|(id, model)| {
            let sizes = state.thresholds.get(model.name.as_str())?;
            Some((*id, sizes.as_slice()))
        });
        Self { book: &state.book, thresholds: thresholds.collect(), instants: BTreeMap::new(), tally: Tally::new() }
    }

    fn add(&mut self, event: &StoredEvent<'_>, day: Day, posted: Month) -> Result<(), LedgerError> {
        let sizes = self.thresholds.get(&event.class.model).copied().unwrap_or_default();
        let size = if sizes.is_empty() { 0 } else { event.quantities.prompt_size()? };
        let priced_at = *self.instants.entry(self.book.epoch(event.at)).or_insert(event.at);
        let key = UsageKey {
            day,
            posted,
            priced_at,
            source: SourceId::NONE,
            tag_set: TagSetId::NONE,
            model: event.class.model,
            tier: event.class.tier,
            band: Band::of(event.class.prompt, size, sizes),
        };
        Ok(self.tally.add(key, event.at, &event.quantities)?)
    }

    fn lines(mut self) -> Result<Vec<UsageLine>, BooksError> {
        let mut sums = UsageSums::new();
        self.tally.drain(&mut sums, Ok::<_, ReportError>)?;
        Ok(sums.take())
    }
}

fn cost_sheet(costs: &Costs, heading: Heading) -> Result<Sheet, BooksError> {
    let mut columns: Vec<Column> = ["provider", "model"].map(Column::text).into();
    let money = |name| Column::money(name, Some(heading.currency));
    columns.extend(["amount_before", "amount_after", "change"].map(money));
    // Tokens always, and other units only if some of them are unpriced.
    let used = costs.values().flatten().flat_map(|cost| cost.unpriced.keys().copied());
    let units: BTreeSet<Unit> = std::iter::once(Unit::Tokens).chain(used).collect();
    for unit in &units {
        let column = |state| Column::quantity(format!("unpriced_{}_{state}", unit.name()), Some(*unit));
        columns.extend(["before", "after"].map(column));
    }
    let mut total = [NOTHING; 2];
    let mut rows = Vec::new();
    for ((provider, model), states) in costs {
        rows.push(row(Cell::text(provider), Cell::text(model), states, &units)?);
        for (sum, state) in total.iter_mut().zip(states) {
            sum.amount = sum.amount.plus(state.amount).map_err(ReportError::from)?;
            sum.priced |= state.priced;
            state.unpriced.iter().try_for_each(|(unit, quantity)| sum.add_unpriced(*unit, *quantity))?;
        }
    }
    let total = row(Cell::Word("total"), Cell::Nothing, &total, &units)?;
    Ok(Sheet { heading, columns, rows, total: Some(total) })
}

fn row(
    provider: Cell,
    model: Cell,
    [before, after]: &[ModelCost; 2],
    units: &BTreeSet<Unit>,
) -> Result<Vec<Cell>, BooksError> {
    let amount = |cost: &ModelCost| {
        if cost.is_unknown() { Cell::Unknown("unpriced") } else { Cell::Exact(cost.amount) }
    };
    let change = if before.is_unknown() || after.is_unknown() {
        Cell::Unknown("unpriced")
    } else {
        Cell::Exact(after.amount.minus(before.amount).map_err(ReportError::from)?)
    };
    let mut cells = vec![provider, model, amount(before), amount(after), change];
    for unit in units {
        let unpriced = |cost: &ModelCost| Cell::Count(cost.unpriced.get(unit).copied().unwrap_or(0).into());
        cells.extend([unpriced(before), unpriced(after)]);
    }
    Ok(cells)
}
