//! Reports on a ledger: reading one state of it, rating it, and handing it to the report.

use crate::aggregate::attributed::Attribution;
use crate::aggregate::{AggregateError, PriceChanges, from_daily, from_events, from_monthly, rated};
use crate::attribute::Rules;
use crate::books::completeness::{self, Caveats, Known};
use crate::books::rules;
use crate::books::watching::watched;
use crate::books::{Books, BooksError, Observer, Silent, Stage};
use crate::domain::period::Period;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::Dictionary;
use crate::ledger::LedgerError;
use crate::ledger::transaction::Snapshot;
use crate::ledger::watch::Watch;
use crate::price::alias::{self, AliasRow};
use crate::price::{Aliases, Book, PriceRow};
use crate::rating::RatedLine;
use crate::report::by::Dimension;
use crate::report::group::{Totals, group};
use crate::report::roi::{self, list::BenefitList};
use crate::report::{self, Inputs};
use crate::sheet::{Heading, Sheet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often a report is begun on a ledger that is written to all the time.
const ATTEMPTS: u32 = 10;

/// What is asked of a report.
#[derive(Debug, Clone)]
pub struct Request {
    /// The period.
    pub period: Period,
    /// The dimensions to group by.
    pub by: Vec<Dimension>,
    /// Another price book than the ledger's own.
    pub book: Option<String>,
    /// What lines of usage must tell apart.
    pub detail: Detail,
    /// Where usage is read from.
    pub basis: Basis,
    /// Now, to warn about a month that is not over.
    pub now: Option<Timestamp>,
}

/// What lines of usage must tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Days, and every tag.
    Days,
    /// Every tag.
    Tags,
    /// Payers and models only.
    Totals,
}

impl Detail {
    /// What a report needs.
    pub fn of(report: &str, by: &[Dimension]) -> Self {
        let coarse = matches!(report, "chargeback" | "summary" | "roi" | "provider-cost");
        if !coarse || by.contains(&Dimension::Day) {
            Self::Days
        } else if by.iter().all(Dimension::is_of_payer_or_model) {
            Self::Totals
        } else {
            Self::Tags
        }
    }
}

/// Where a report's usage comes from. Both give the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The sums by day, or by month where the days need not be told apart.
    Sums,
    /// Every event, on all threads.
    Events,
}

impl Request {
    /// A period by department, with the ledger's own prices, from the daily sums.
    pub fn of(period: Period) -> Self {
        Self {
            period,
            by: vec![Dimension::Department],
            book: None,
            detail: Detail::Days,
            basis: Basis::Sums,
            now: None,
        }
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
    pub lines: Vec<RatedLine>,
    /// The usage of the period before, if that is a month and has any.
    pub before: Option<Vec<RatedLine>>,
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
        let detail = Detail::of(name, &request.by);
        let statement = self.statement(&Request { detail, ..request.clone() }, &Silent)?;
        statement.report(name, &request.by)
    }

    /// Reads and rates a period, from one state of the ledger. Where another process has written meanwhile, once more.
    pub fn statement(&self, request: &Request, observer: &dyn Observer) -> Result<Statement, BooksError> {
        watched(observer, |watch| {
            for _ in 1..ATTEMPTS {
                match self.statement_of_one_state(request, watch) {
                    Err(BooksError::Aggregate(AggregateError::Ledger(LedgerError::Changed))) => {}
                    result => return result,
                }
            }
            self.statement_of_one_state(request, watch)
        })
    }

    fn statement_of_one_state(&self, request: &Request, watch: &Arc<Watch>) -> Result<Statement, BooksError> {
        let snapshot = self.ledger.snapshot()?.watched(watch)?;
        watch.begin(Stage::Usage, None);
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
        let rules = rules::of_snapshot(&snapshot)?;
        let rating = Rating { snapshot: &snapshot, book, books: &books, rules: &rules };
        let Rated { lines, before, names } = rating.of(request)?;
        let known = Known {
            open: &snapshot.quarantine()?,
            registry: &snapshot.registry()?,
            formats: &snapshot.formats_of(request.period)?,
        };
        let caveats = completeness::caveats(&lines, &names, known, request, settings.calendar);
        let heading = Heading {
            report: String::new(),
            period: request.period.to_string(),
            time_zone: settings.calendar.zone_name().to_owned(),
            currency: settings.currency,
            ledger_head: snapshot.head().to_string(),
            closed: false,
            caveats: caveats.sentences(),
        };
        Ok(Statement {
            heading,
            period: request.period,
            lines,
            before,
            names,
            book: own.to_owned(),
            thresholds: thresholds(&rows, &aliases),
            books,
            caveats,
        })
    }
}

/// The books of all prices, by name.
pub(super) fn books(rows: &[PriceRow], aliases: &[AliasRow]) -> BTreeMap<String, Book> {
    let aliases = Arc::new(Aliases::new(aliases));
    let mut by_name: BTreeMap<String, Vec<&PriceRow>> = BTreeMap::new();
    for row in rows {
        by_name.entry(row.key.book.to_string()).or_default().push(row);
    }
    by_name.into_iter().map(|(name, rows)| (name, Book::new(rows).under(Arc::clone(&aliases)))).collect()
}

/// The prompt sizes at which some price of each model changes, ascending, as the ledger's bands are cut by them.
pub(super) fn thresholds(rows: &[PriceRow], aliases: &[AliasRow]) -> BTreeMap<String, Vec<i64>> {
    let aliases = aliases.iter().filter_map(|row| Some((row.key.alias.as_str(), row.model.as_ref()?.as_str())));
    alias::thresholds(rows.iter().map(|row| (row.key.model.as_str(), row.key.prompt_above)), aliases)
}

struct Rating<'a> {
    snapshot: &'a Snapshot<'a>,
    book: &'a Book,
    books: &'a BTreeMap<String, Book>,
    rules: &'a Rules,
}

/// The usage of a period and of the month before, with the names of its numbers.
struct Rated {
    lines: Vec<RatedLine>,
    before: Option<Vec<RatedLine>>,
    names: Dictionary,
}

impl Rating<'_> {
    /// The usage by who pays it.
    fn of(&self, request: &Request) -> Result<Rated, BooksError> {
        let rated = self.by_tags(request)?;
        if self.rules.is_empty() {
            return Ok(rated);
        }
        let mut attribution = Attribution::new(self.rules, rated.names);
        let lines = attribution.attributed(rated.lines).map_err(AggregateError::from)?;
        let before = rated.before.map(|before| attribution.attributed(before)).transpose();
        Ok(Rated { lines, before: before.map_err(AggregateError::from)?, names: attribution.into_names() })
    }

    fn by_tags(&self, request: &Request) -> Result<Rated, BooksError> {
        let month_before = request.period.as_month().map(|month| month.previous().period());
        let some = |lines: Vec<RatedLine>| Some(lines).filter(|lines| !lines.is_empty());
        let coarse = request.basis == Basis::Sums && request.detail == Detail::Totals;
        let mut periods = std::iter::once(request.period).chain(month_before);
        if coarse && request.period.is_whole_months() && periods.all(|period| self.rules.are_of_months(period)) {
            let names = self.snapshot.dictionary_of_payers()?;
            let of_months = |period| self.of_months(period, &names);
            let lines = of_months(request.period)?;
            if let (Some(lines), Some(before)) = (lines, month_before.map_or(Ok(Some(Vec::new())), of_months)?) {
                return Ok(Rated { lines, before: some(before), names });
            }
        }
        let names = self.snapshot.dictionary()?;
        let days_matter = request.detail == Detail::Days || !self.rules.is_empty();
        let rated = |period, basis| {
            let by_month = if days_matter || basis == Basis::Events { None } else { self.of_tags(period, &names)? };
            by_month.map_or_else(|| self.of_days(period, basis, &names), Ok)
        };
        let lines = rated(request.period, request.basis)?;
        let before = month_before.map_or(Ok(Vec::new()), |period| rated(period, Basis::Sums))?;
        Ok(Rated { lines, before: some(before), names })
    }

    fn of_months(&self, period: Period, names: &Dictionary) -> Result<Option<Vec<RatedLine>>, BooksError> {
        let changes = PriceChanges::new(self.books.values().collect(), names);
        let currency = self.snapshot.ledger().settings().currency;
        let usage = from_monthly::usage(self.snapshot, period, &changes)?;
        Ok(usage.and_then(|usage| rated::rated_as_it_is(usage, self.book, names, currency)))
    }

    /// The usage of a period whose days need not be told apart: a sum for each month, tag set and model instead of one
    /// for each day. `None` where days differ in more than quantities.
    fn of_tags(&self, period: Period, names: &Dictionary) -> Result<Option<Vec<RatedLine>>, BooksError> {
        let changes = PriceChanges::new(self.books.values().collect(), names);
        let currency = self.snapshot.ledger().settings().currency;
        let usage = from_daily::usage_by_month(self.snapshot, period, &changes)?;
        Ok(usage.and_then(|usage| rated::rated_as_it_is(usage, self.book, names, currency)))
    }

    fn of_days(&self, period: Period, basis: Basis, names: &Dictionary) -> Result<Vec<RatedLine>, BooksError> {
        let changes = PriceChanges::new(self.books.values().collect(), names);
        let usage = match basis {
            Basis::Sums => from_daily::usage(self.snapshot, period, &changes)?,
            Basis::Events => from_events::usage(self.snapshot, period, &changes)?,
        };
        let currency = self.snapshot.ledger().settings().currency;
        Ok(rated::rated(self.snapshot, usage, self.book, names, currency, &changes)?)
    }
}

impl Statement {
    /// A report that needs nothing but usage.
    pub fn report(&self, name: &str, by: &[Dimension]) -> Result<Sheet, BooksError> {
        let found = report::named(name).unwrap_or(&report::REPORTS[0]);
        let inputs = Inputs {
            heading: self.heading_of(found.name),
            period: self.period,
            lines: &self.lines,
            before: self.before.as_deref(),
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
        let departments = group(&self.lines, &[Dimension::Department], &self.names)?;
        let unknown = |(key, totals): (&Vec<String>, &Totals)| key.first().filter(|_| totals.is_unknown()).cloned();
        let unpriced: BTreeSet<String> = departments.iter().filter_map(unknown).collect();
        let all = !departments.is_empty() && unpriced.len() == departments.len();
        let known = if all { roi::Known::Nothing } else { roi::Known::Something };
        let costs = departments.into_iter().filter_map(|(key, totals)| Some((key.into_iter().next()?, totals.amount)));
        let sheet = roi::sheet(list, &costs.collect(), self.period, self.heading_of("roi"))?;
        Ok(roi::with_unknown_costs(sheet, &unpriced, known))
    }
}
