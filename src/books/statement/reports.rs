//! Reports on a ledger: reading one state of it, rating it, and handing it to the report.

use crate::aggregate::AggregateError;
pub use crate::aggregate::fold::Basis;
use crate::books::heading::heading_of;
use crate::books::setup::rules;
use crate::books::statement::completeness::{self, Caveats, Known, PricedBy};
use crate::books::statement::reading::{Read, Reading};
use crate::books::watching::watched;
use crate::books::{Books, BooksError, Observer, Silent, Stage};
use crate::domain::period::Period;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::Dictionary;
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Snapshot;
use crate::price::alias::{self, AliasRow};
use crate::price::{Aliases, Book, PriceRow};
use crate::report::by::Dimension;
use crate::report::group::{Rated, Totals};
use crate::report::provider_cost::Grain;
use crate::report::roi::{self, list::BenefitList};
use crate::report::{self, Inputs};
use crate::sheet::{Heading, Sheet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is asked of a report.
#[derive(Debug, Clone)]
pub struct Request {
    /// The period.
    pub period: Period,
    /// The dimensions to group by.
    pub by: Vec<Dimension>,
    /// Another price book than the ledger's own.
    pub book: Option<String>,
    /// How finely its usage is kept.
    pub detail: Detail,
    /// Whether there is something to compare it with.
    pub month_before: MonthBefore,
    /// Where usage is read from.
    pub basis: Basis,
    /// Now, to warn about a month that is not over.
    pub now: Option<Timestamp>,
}

/// How finely usage is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Every line of every day.
    Lines,
    /// The lines of which something has no price.
    Unpriced,
    /// Sums by these dimensions: as many as groups, however much usage there is.
    Groups(Vec<Dimension>),
}

/// Whether the month before is read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthBefore {
    /// It is, where the period is a month.
    Read,
    /// It is not.
    Left,
}

impl Request {
    /// A period by department, with the ledger's own prices, from the daily sums, for any report.
    pub fn of(period: Period) -> Self {
        Self {
            period,
            by: vec![Dimension::Department],
            book: None,
            detail: Detail::Lines,
            month_before: MonthBefore::Read,
            basis: Basis::Sums,
            now: None,
        }
    }

    /// The same, with no more of it read and kept than one report needs.
    #[must_use]
    pub fn for_report(self, name: &str) -> Self {
        let (detail, month_before) = match name {
            "summary" => (Detail::Groups(vec![Dimension::Department]), MonthBefore::Read),
            "roi" => (Detail::Groups(vec![Dimension::Department]), MonthBefore::Left),
            "chargeback" => (Detail::Groups(self.by.clone()), MonthBefore::Left),
            "provider-cost" => (Detail::Groups(Grain::of(&self.by).dimensions().to_vec()), MonthBefore::Left),
            "unpriced" => (Detail::Unpriced, MonthBefore::Left),
            "savings" => (Detail::Lines, MonthBefore::Left),
            _ => (Detail::Lines, MonthBefore::Read),
        };
        Self { detail, month_before, ..self }
    }
}

/// One period of a ledger, rated: what every report of it starts from.
#[derive(Debug)]
pub struct Statement {
    /// What it is about.
    pub heading: Heading,
    /// The period.
    pub period: Period,
    /// Its usage.
    pub rated: Rated,
    /// The usage of the month before, if it was read and there is any.
    pub before: Option<Rated>,
    /// The names of its numbers.
    pub names: Dictionary,
    /// The name of the book it was rated with.
    pub book: String,
    /// The prompt sizes at which prices of each model change.
    pub thresholds: BTreeMap<String, Vec<i64>>,
    /// Every price book, by name.
    pub books: BTreeMap<String, Book>,
    /// What a reader must know.
    pub caveats: Caveats,
}

impl Books {
    /// Makes a report.
    pub fn report(&self, name: &str, request: &Request) -> Result<Sheet, BooksError> {
        let name = report_of(name).name;
        let statement = self.statement(&request.clone().for_report(name), &Silent)?;
        statement.report(name, &request.by)
    }

    /// Reads and rates a period, from one state of the ledger.
    pub fn statement(&self, request: &Request, observer: &dyn Observer) -> Result<Statement, BooksError> {
        watched(observer, |watch| {
            // Sums by month need one connection. Where more are needed and another process has written before they were
            // opened, all are opened at once.
            let snapshot = self.ledger.snapshot()?.watched(watch)?;
            match self.statement_on(&snapshot, request) {
                Err(BooksError::Aggregate(AggregateError::Ledger(LedgerError::Changed))) => {}
                result => return result,
            }
            drop(snapshot);
            self.statement_on(&self.snapshot_for_all()?.watched(watch)?, request)
        })
    }

    /// A state of the ledger, with a reader for each thread.
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
        let known = Known {
            priced_by,
            open: &snapshot.quarantine()?,
            registry: &snapshot.registry()?,
            formats: &snapshot.formats_of(request.period)?,
            to_repeat: &snapshot.files_to_repeat(request.period)?,
        };
        let caveats = completeness::caveats(&counted, known, request, settings.calendar);
        let heading = Heading { caveats: caveats.sentences(), ..heading_of(snapshot, "", request.period.to_string())? };
        Ok(Statement {
            heading,
            period: request.period,
            rated,
            before,
            names,
            book: own.to_owned(),
            thresholds,
            books,
            caveats,
        })
    }
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

/// The prompt sizes at which some price of each model changes, ascending, as the ledger's bands are cut by them.
pub(in crate::books) fn thresholds(rows: &[PriceRow], aliases: &[AliasRow]) -> BTreeMap<String, Vec<i64>> {
    let aliases = aliases.iter().filter_map(|row| Some((row.key.alias.as_str(), row.target.as_ref()?.model.as_str())));
    alias::thresholds(rows.iter().map(|row| (row.key.model.as_str(), row.key.prompt_above)), aliases)
}

/// The report of a name; the first where there is none.
fn report_of(name: &str) -> &'static report::Report {
    report::named(name).unwrap_or(&report::REPORTS[0])
}

impl Statement {
    /// A report that needs nothing but usage.
    pub fn report(&self, name: &str, by: &[Dimension]) -> Result<Sheet, BooksError> {
        let found = report_of(name);
        let inputs = Inputs {
            heading: self.heading_of(found.name),
            period: self.period,
            rated: &self.rated,
            before: self.before.as_ref(),
            names: &self.names,
            book: self.books.get(&self.book),
            by,
        };
        Ok((found.sheet)(&inputs)?)
    }

    /// The heading, for a report.
    pub fn heading_of(&self, report: &str) -> Heading {
        Heading { report: report.to_owned(), ..self.heading.clone() }
    }

    /// The return on investment, from a list of benefits and costs.
    pub fn roi(&self, list: &BenefitList) -> Result<Sheet, BooksError> {
        let departments = self.rated.grouped(&[Dimension::Department], &self.names)?.into_owned().into_groups();
        let unknown = |(key, totals): (&Vec<String>, &Totals)| key.first().filter(|_| totals.is_unknown()).cloned();
        let unpriced: BTreeSet<String> = departments.iter().filter_map(unknown).collect();
        let all = !departments.is_empty() && unpriced.len() == departments.len();
        let known = if all { roi::Known::Nothing } else { roi::Known::Something };
        let costs = departments.into_iter().filter_map(|(key, totals)| Some((key.into_iter().next()?, totals.amount)));
        let sheet = roi::sheet(list, &costs.collect(), self.period, self.heading_of("roi"))?;
        Ok(roi::with_unknown_costs(sheet, &unpriced, known))
    }
}
