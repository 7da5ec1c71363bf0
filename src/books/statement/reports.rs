//! Reports on a ledger: reads one state of it, rates it, and passes it to the report.

pub use crate::aggregate::fold::Basis;
use crate::books::heading::heading_of_period;
use crate::books::setup::rules;
use crate::books::statement::completeness::{self, Caveats, Circumstances, PricedBy};
use crate::books::statement::reading::{Read, Reading};
use crate::books::watching::watched;
use crate::books::{Books, BooksError, Observer, Silent, Stage};
use crate::domain::calendar::Calendar;
use crate::domain::period::Period;
use crate::domain::provider_cost::ProviderCosts;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::Dictionary;
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Snapshot;
use crate::price::alias::{self, AliasRow};
use crate::price::{Aliases, Book, PriceRow};
use crate::report::by::Dimension;
use crate::report::group::Rated;
use crate::report::{self, Inputs, Payers, Reads, Report, ReportError, UserFile};
pub use crate::report::{Detail, MonthBefore};
use crate::sheet::{Heading, Sheet};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The options of a report.
#[derive(Debug, Clone)]
pub struct Request {
    /// The period.
    pub period: Period,
    /// The dimensions to group by; empty for those that the report has by itself.
    pub by: Vec<Dimension>,
    /// A price book in place of the ledger's own.
    pub book: Option<String>,
    /// The detail in which usage is kept.
    pub detail: Detail,
    /// Whether to compare with the previous month.
    pub month_before: MonthBefore,
    /// What is read besides usage.
    pub reads: Reads,
    /// The source of usage.
    pub basis: Basis,
    /// The current time, to warn about an unfinished month.
    pub now: Option<Timestamp>,
}

impl Request {
    /// A period by department, with the ledger's own prices, from the daily totals, for any report.
    pub fn of(period: Period) -> Self {
        Self {
            period,
            by: Vec::new(),
            book: None,
            detail: Detail::Lines,
            month_before: MonthBefore::Read,
            reads: Reads::Nothing,
            basis: Basis::Sums,
            now: None,
        }
    }

    /// The same request, limited to what one report needs.
    #[must_use]
    pub fn for_report(self, report: &Report) -> Self {
        let detail = (report.detail)(&report.dimensions(&self.by));
        Self { detail, month_before: report.month_before, reads: report.reads, ..self }
    }
}

/// One rated period of a ledger, from which every report starts.
#[derive(Debug)]
pub struct Statement {
    /// The subject.
    pub heading: Heading,
    /// The period.
    pub period: Period,
    /// The days of the ledger.
    pub calendar: Calendar,
    /// Its usage.
    pub rated: Rated,
    /// The usage of the previous month, if it was read and there is any.
    pub before: Option<Rated>,
    /// The names of the numbers in the usage.
    pub names: Dictionary,
    /// The name of the book that rated it.
    pub book: String,
    /// The prompt sizes at which each model's prices change.
    pub thresholds: BTreeMap<String, Vec<i64>>,
    /// Every price book, by name.
    pub books: BTreeMap<String, Book>,
    /// What providers charge, if it was read.
    pub costs: Option<ProviderCosts>,
    /// What a reader must know before using the numbers.
    pub caveats: Caveats,
}

impl Books {
    /// Makes a report that needs no file of the user's. An error if there is none of this name.
    pub fn report(&self, name: &str, request: &Request) -> Result<Sheet, BooksError> {
        let report = report::named(name)?;
        self.statement(&request.clone().for_report(report), &Silent)?.sheet(report, &request.by, None)
    }

    /// Reads and rates a period, from one state of the ledger.
    pub fn statement(&self, request: &Request, observer: &dyn Observer) -> Result<Statement, BooksError> {
        watched(observer, |watch| {
            // Totals by month need one connection. If more are needed and another process wrote before they were
            // opened, all are opened together.
            let snapshot = self.ledger.snapshot()?.watched(watch)?;
            match self.statement_on(&snapshot, request) {
                Err(BooksError::Ledger(LedgerError::Changed)) => {}
                result => return result,
            }
            drop(snapshot);
            self.statement_on(&self.snapshot_for_all()?.watched(watch)?, request)
        })
    }

    /// A state of the ledger with a reader for each thread.
    pub(in crate::books) fn snapshot_for_all(&self) -> Result<Snapshot<'_>, LedgerError> {
        self.ledger.snapshot_for(rayon::current_num_threads())
    }

    /// Reads and rates a period of a state.
    pub(in crate::books) fn statement_on(
        &self,
        snapshot: &Snapshot<'_>,
        request: &Request,
    ) -> Result<Statement, BooksError> {
        snapshot.watch().begin(Stage::Usage, None);
        snapshot.prove_retractions()?;
        let settings = self.settings();
        let (rows, aliases) = (snapshot.prices()?, snapshot.aliases()?);
        let books = books(&rows, &aliases);
        let own = request.book.as_deref().unwrap_or(settings.book.as_str());
        let empty = Book::default();
        let book = match books.get(own) {
            Some(book) => book,
            None if request.book.is_none() => &empty,
            None => return Err(BooksError::NoBook(own.to_owned())),
        };
        let rules = rules::of_snapshot(snapshot)?;
        let stated = snapshot.stated_prompts()?;
        let reading = Reading { snapshot, book, books: &books, rules: &rules, stated: &stated };
        let Read { rated, before, names, counted } = reading.of(request)?;
        let thresholds = thresholds(&rows, &aliases);
        let priced_by = PricedBy { book, thresholds: &thresholds, names: &names, stated: &stated };
        let known = Circumstances {
            priced_by,
            open: &snapshot.quarantine()?,
            registry: &snapshot.registry()?,
            formats: &snapshot.formats_of(request.period)?,
            to_repeat: &snapshot.files_to_repeat(request.period)?,
        };
        let caveats = completeness::caveats(&counted, known, request, settings.calendar);
        let heading = Heading { caveats: caveats.sentences(), ..heading_of_period(snapshot, "", request.period)? };
        Ok(Statement {
            heading,
            period: request.period,
            calendar: settings.calendar,
            rated,
            before,
            names,
            book: own.to_owned(),
            thresholds,
            books,
            costs: costs_read(snapshot, request, settings.calendar)?,
            caveats,
        })
    }
}

/// The costs that begin in the period, if the report reads them.
fn costs_read(
    snapshot: &Snapshot<'_>,
    request: &Request,
    calendar: Calendar,
) -> Result<Option<ProviderCosts>, LedgerError> {
    if request.reads != Reads::ProviderCosts {
        return Ok(None);
    }
    let start = calendar.start_of(request.period.first());
    let end = request.period.last().next().map_or(Timestamp::LATEST, |day| calendar.start_of(day));
    snapshot.provider_costs(start, end).map(Some)
}

/// The books of all prices, by name.
pub(in crate::books) fn books(rows: &[PriceRow], aliases: &[AliasRow]) -> BTreeMap<String, Book> {
    let aliases = Arc::new(Aliases::new(aliases));
    let mut by_name: BTreeMap<String, Vec<&PriceRow>> = BTreeMap::new();
    for row in rows {
        by_name.entry(row.key.book.to_string()).or_default().push(row);
    }
    by_name.into_iter().map(|(name, rows)| (name, Book::new(rows).under(Arc::clone(&aliases)))).collect()
}

/// The prompt sizes at which some price of each model changes, ascending. They cut the ledger's bands.
pub(in crate::books) fn thresholds(rows: &[PriceRow], aliases: &[AliasRow]) -> BTreeMap<String, Vec<i64>> {
    let aliases = aliases.iter().filter_map(|row| Some((row.key.alias.as_str(), row.target.as_ref()?.model.as_str())));
    alias::thresholds(rows.iter().map(|row| (row.key.model.as_str(), row.key.prompt_above)), aliases)
}

impl Statement {
    /// A report that needs usage only, by the dimensions or by its own if there are none.
    pub fn report(&self, name: &str, by: &[Dimension]) -> Result<Sheet, BooksError> {
        self.sheet(report::named(name)?, by, None)
    }

    /// A report, from the user's file if it needs one.
    pub fn sheet(&self, report: &Report, by: &[Dimension], file: Option<&UserFile>) -> Result<Sheet, BooksError> {
        if let Some(dimension) = by.iter().find(|dimension| !report.by.allows(dimension)) {
            let (dimension, expected) = (dimension.column().into_owned(), report.by.expected());
            return Err(ReportError::NotBy { report: report.name, dimension, expected }.into());
        }
        let inputs = Inputs {
            heading: self.heading_of(report),
            period: self.period,
            calendar: self.calendar,
            rated: &self.rated,
            before: self.before.as_ref(),
            names: &self.names,
            book: &self.book,
            books: &self.books,
            thresholds: &self.thresholds,
            by: &report.dimensions(by),
            file,
            costs: self.costs.as_ref(),
        };
        Ok((report.sheet)(&inputs)?)
    }

    /// What makes a report of it incomplete.
    pub fn caveats_of(&self, report: &Report) -> Cow<'_, Caveats> {
        match report.payers {
            Payers::Matter => Cow::Borrowed(&self.caveats),
            Payers::Ignored => Cow::Owned(self.caveats.without_payers()),
        }
    }

    fn heading_of(&self, report: &Report) -> Heading {
        let caveats = self.caveats_of(report).sentences();
        Heading { report: report.name.to_owned(), caveats, ..self.heading.clone() }
    }
}
