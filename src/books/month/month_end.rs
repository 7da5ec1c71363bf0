//! The month end: prices, usage, checks, and every file that finance needs, in one repeatable run.

use crate::books::month::manifest::{self, Earlier, InputFile};
use crate::books::month::month_change::{MonthChange, Totals};
use crate::books::month::output::{Folder, file_name, refuse_link, rendered};
use crate::books::setup::aliases::AliasesImported;
use crate::books::setup::prices::Jumps;
use crate::books::setup::rules::RulesImported;
use crate::books::statement::completeness::{Coverage, coverage};
use crate::books::statement::reports::{Basis, Request, Statement};
use crate::books::usage::import::{ImportOptions, ImportOutcome};
use crate::books::watching::watched;
use crate::books::{Act, Books, BooksError, Observer, Stage};
use crate::domain::currency::Currency;
use crate::domain::period::{Month, Period};
use crate::ledger::LedgerError;
use crate::ledger::facts::departments::DepartmentsAppended;
use crate::ledger::facts::prices::PricesAppended;
use crate::ledger::file::watch::Watch;
use crate::ledger::proof::since::Since;
use crate::render::json::Document;
use crate::report::by::Dimension;
use crate::report::roi::list::BenefitList;
use crate::report::savings::{By, Offers};
use crate::sheet::{Cell, Sheet};
use crate::text::problem::Problem;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The inputs of a month end.
#[derive(Debug, Clone)]
pub struct MonthEnd {
    /// The month.
    pub month: Month,
    /// The usage files.
    pub usage: Vec<PathBuf>,
    /// The price list.
    pub prices: PathBuf,
    /// Whether to accept prices that look like a mistake.
    pub jumps: Jumps,
    /// Aliases of models.
    pub aliases: Option<PathBuf>,
    /// Rules of attribution, which apply from the month's first day.
    pub rules: Option<PathBuf>,
    /// The registry of departments.
    pub departments: Option<PathBuf>,
    /// Benefits and costs, for the return on investment.
    pub roi: Option<PathBuf>,
    /// Offers, for the savings.
    pub offers: Option<PathBuf>,
    /// The output folder.
    pub out: PathBuf,
    /// How usage is imported.
    pub import: ImportOptions,
}

impl MonthEnd {
    /// The optional files, with their names in the manifest.
    pub fn optional(&self) -> [(&'static str, Option<&PathBuf>); 5] {
        [
            ("aliases", self.aliases.as_ref()),
            ("departments", self.departments.as_ref()),
            ("rules", self.rules.as_ref()),
            ("roi", self.roi.as_ref()),
            ("offers", self.offers.as_ref()),
        ]
    }
}

/// The reports of a month, and the files they were written to.
#[derive(Debug)]
pub struct Reports {
    /// The month, rated.
    pub statement: Statement,
    /// Departments compared with the previous month.
    pub summary: Sheet,
    /// The return on investment, if asked for.
    pub roi: Option<Sheet>,
    /// The savings of each offer, if asked for.
    pub savings: Option<Sheet>,
    /// How the month differs from the earlier reports in the folder, if it does.
    pub change: Option<MonthChange>,
    /// What is unpriced.
    pub unpriced: Sheet,
    /// What each source brought.
    pub coverage: Vec<Coverage>,
    /// Events of the ledger before and after the month.
    pub outside: Outside,
    /// The number of files written.
    pub files: usize,
    /// The number of the ledger's last entry.
    pub entry: u64,
}

impl Reports {
    /// Whether the month has usage, and all of it has a price and a payer.
    pub fn is_clean(&self) -> bool {
        !self.statement.rated.is_empty() && self.statement.caveats.is_clean()
    }
}

/// Events of the ledger outside the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// Earlier than the month.
    pub before: i64,
    /// Later than the month.
    pub after: i64,
}

impl Books {
    /// Imports the month's prices. Its usage files are imported one by one with [`Books::import`].
    pub fn import_month_prices(
        &self,
        inputs: &MonthEnd,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<PricesAppended, BooksError> {
        let bytes = read(&inputs.prices)?;
        self.import_prices(&inputs.prices.display().to_string(), &bytes, None, inputs.jumps, act, observer)
    }

    /// Imports the month's aliases, if any are given. The result names their file.
    pub fn import_month_aliases(
        &self,
        inputs: &MonthEnd,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Option<(String, AliasesImported)>, BooksError> {
        let Some(path) = &inputs.aliases else { return Ok(None) };
        let name = path.display().to_string();
        let imported = self.import_aliases(&name, &read(path)?, act, observer)?;
        Ok(Some((name, imported)))
    }

    /// Imports the month's departments, if any are given.
    pub fn import_month_departments(
        &self,
        inputs: &MonthEnd,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Option<DepartmentsAppended>, BooksError> {
        let Some(path) = &inputs.departments else { return Ok(None) };
        self.import_departments(&path.display().to_string(), &read(path)?, act, observer).map(Some)
    }

    /// Imports the month's rules, if any are given. They apply from its first day.
    pub fn import_month_rules(
        &self,
        inputs: &MonthEnd,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Option<RulesImported>, BooksError> {
        let Some(path) = &inputs.rules else { return Ok(None) };
        let from = Some(inputs.month.first());
        self.import_rules(&path.display().to_string(), &read(path)?, from, act, observer).map(Some)
    }

    /// Makes the reports after every file was imported, and writes them, the manifest last.
    pub fn report_month(
        &self,
        inputs: &MonthEnd,
        imported: &[ImportOutcome],
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<Reports, BooksError> {
        let period = inputs.month.period();
        let request = Request { now: Some(act.now), basis: Basis::Sums, ..Request::of(period) };
        let earlier = Earlier::of(&inputs.out)?;
        let Proved { statement, entry, outside, since } =
            self.proved(&request, inputs.month, earlier.as_ref(), observer)?;
        let (roi, savings) = statement.with_files(inputs)?;
        let mut reports = Reports {
            summary: statement.report("summary", &[])?,
            unpriced: statement.report("unpriced", &[])?,
            coverage: coverage(&statement, period)?,
            outside,
            files: 0,
            entry,
            change: None,
            roi,
            savings: savings.as_ref().map(|(by_offer, _)| by_offer.clone()),
            statement,
        };
        let by_department = reports.statement.report("chargeback", &[Dimension::Department])?;
        let detail = reports.statement.report("chargeback", &DETAIL)?;
        let totals = Totals::of(&by_department);
        reports.change = MonthChange::since(earlier.as_ref(), since, totals.clone());
        let outputs = outputs(&reports, &by_department, &detail, savings.as_ref())?;
        let files = watched(observer, |watch| input_files(inputs, imported, watch))?;
        // All reports are ready. Only now the writing starts, and it runs to the end, because half of the files would
        // be useless.
        if observer.stop() {
            return Err(LedgerError::Stopped.into());
        }
        let mut folder = Folder::open(&inputs.out)?;
        manifest::write_set(&mut folder, &outputs, |written| {
            manifest::bytes(&reports.statement.heading, reports.entry, &totals, files, written)
        })?;
        reports.files = folder.written().len();
        Ok(reports)
    }

    /// Proves everything that a month is billed from, and reads the data of its reports from the same state.
    fn proved(
        &self,
        request: &Request,
        month: Month,
        earlier: Option<&Earlier>,
        observer: &dyn Observer,
    ) -> Result<Proved, BooksError> {
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            // This month is compared with the previous one.
            self.prove_months(&snapshot, Period::between(month.previous().first(), month.last()))?;
            let since =
                earlier.map(|earlier| snapshot.since(earlier.ledger_entry, &earlier.ledger_head)).transpose()?;
            let (before, after) = snapshot.events_outside(month.period())?;
            Ok(Proved {
                statement: self.statement_on(&snapshot, request)?,
                entry: snapshot.head().seq,
                outside: Outside { before, after },
                since: since.flatten(),
            })
        })
    }

    /// Rejects unreadable benefits and offers before anything is imported. It also rejects files and other reports that
    /// the reports would replace.
    pub fn check_inputs(&self, inputs: &MonthEnd) -> Result<(), BooksError> {
        if let Some(earlier) = Earlier::of(&inputs.out)? {
            let settings = self.settings();
            earlier.expect_month(&inputs.out, inputs.month)?;
            earlier.expect_settings(&inputs.out, settings.currency.code(), settings.calendar.zone_name())?;
        }
        let read =
            inputs.usage.iter().chain([&inputs.prices]).chain(inputs.optional().into_iter().filter_map(|(_, p)| p));
        for path in read.map(PathBuf::as_path).chain([self.path()]) {
            if would_replace(&inputs.out, path) {
                return Err(BooksError::InTheWay(path.display().to_string()));
            }
        }
        refuse_link(&inputs.out.join("departments"))?;
        let currency = self.settings().currency;
        if let Some(path) = &inputs.roi {
            benefits(path, currency)?;
        }
        if let Some(path) = &inputs.offers {
            offers(path, currency)?;
        }
        Ok(())
    }
}

/// A proved month, all from one state.
struct Proved {
    statement: Statement,
    /// The number of the newest entry.
    entry: u64,
    outside: Outside,
    /// What was recorded after the earlier reports in the folder.
    since: Option<Since>,
}

/// The return on investment, and the savings by offer and by department.
type WithFiles = (Option<Sheet>, Option<(Sheet, Sheet)>);

impl Statement {
    /// The reports that need a file of the user's: the return on investment, and the savings by offer and by department.
    fn with_files(&self, inputs: &MonthEnd) -> Result<WithFiles, BooksError> {
        let currency = self.heading.currency;
        let roi = inputs.roi.as_ref().map(|path| self.roi(&benefits(path, currency)?)).transpose()?;
        let savings = inputs.offers.as_ref().map(|path| {
            let comparisons = self.compare(&offers(path, currency)?)?;
            Ok::<_, BooksError>((
                self.savings_sheet(&comparisons, By::Offer)?,
                self.savings_sheet(&comparisons, By::Department)?,
            ))
        });
        Ok((roi, savings.transpose()?))
    }
}

/// The files that a month end writes beside those of the departments.
const OUTPUTS: [&str; 8] = [
    "chargeback.csv",
    "chargeback-detail.csv",
    "unpriced.csv",
    "roi.csv",
    "savings.csv",
    "savings-by-department.csv",
    "summary.json",
    manifest::NAME,
];

/// Whether a file has the name of one of the reports of a folder.
fn would_replace(out: &Path, file: &Path) -> bool {
    // A folder or file that does not exist cannot be replaced.
    let (Ok(out), Ok(file)) = (out.canonicalize(), file.canonicalize()) else { return false };
    let named = file.file_name().and_then(|name| name.to_str()).is_some_and(|name| OUTPUTS.contains(&name));
    let parent = file.parent();
    (parent == Some(&out) && named) || parent == Some(&out.join("departments"))
}

/// Reads a list of benefits and costs.
pub fn benefits(path: &Path, currency: Currency) -> Result<BenefitList, BooksError> {
    let file = path.display().to_string();
    BenefitList::read(&read(path)?, currency).map_err(|problems| BooksError::Lines { file, problems })
}

/// Reads offers.
pub fn offers(path: &Path, currency: Currency) -> Result<Offers, BooksError> {
    let file = path.display().to_string();
    let text = String::from_utf8(read(path)?).map_err(|_| BooksError::Lines {
        file: file.clone(),
        problems: vec![Problem::line("the file is not UTF-8", "TOML text")],
    })?;
    Offers::read(&text, currency).map_err(|problems| BooksError::Lines { file, problems })
}

/// The manifest's inputs.
fn input_files(inputs: &MonthEnd, imported: &[ImportOutcome], watch: &Watch) -> Result<Vec<InputFile>, BooksError> {
    let optional = inputs.optional();
    let others = optional.iter().filter_map(|(_, path)| *path).chain([&inputs.prices]);
    let sizes = inputs.usage.iter().chain(others).map(|path| std::fs::metadata(path).map(|file| file.len()));
    watch.begin(Stage::Inputs, sizes.sum::<std::io::Result<u64>>().ok());
    let mut files = vec![InputFile::of("prices", &inputs.prices, watch)?];
    for (path, outcome) in inputs.usage.iter().zip(imported) {
        files.push(InputFile::usage(path, outcome, watch)?);
    }
    for (role, path) in optional {
        files.extend(path.map(|path| InputFile::of(role, path, watch)).transpose()?);
    }
    Ok(files)
}

/// Every file except the manifest, in the order of writing.
fn outputs(
    reports: &Reports,
    by_department: &Sheet,
    detail: &Sheet,
    savings: Option<&(Sheet, Sheet)>,
) -> Result<Vec<(String, Vec<u8>)>, BooksError> {
    let departments = departments(detail);
    let mut sheets = vec![("chargeback.csv".to_owned(), by_department), ("chargeback-detail.csv".to_owned(), detail)];
    sheets.extend(departments.iter().map(|(name, sheet)| (format!("departments/{name}.csv"), sheet)));
    sheets.push(("unpriced.csv".to_owned(), &reports.unpriced));
    sheets.extend(reports.roi.as_ref().map(|sheet| ("roi.csv".to_owned(), sheet)));
    if let Some((by_offer, by_department)) = savings {
        sheets.push(("savings.csv".to_owned(), by_offer));
        sheets.push(("savings-by-department.csv".to_owned(), by_department));
    }
    let csv = crate::render::named("csv").unwrap_or(&crate::render::RENDERERS[0]);
    let bytes = |(name, sheet)| Ok((name, rendered(sheet, csv)?));
    let mut files = sheets.into_iter().map(bytes).collect::<Result<Vec<_>, BooksError>>()?;
    files.push(("summary.json".to_owned(), summary_file(reports)?));
    Ok(files)
}

/// The dimensions of the detailed chargeback.
const DETAIL: [Dimension; 6] = [
    Dimension::Department,
    Dimension::Project,
    Dimension::Environment,
    Dimension::Provider,
    Dimension::Model,
    Dimension::Meter,
];

fn read(path: &Path) -> Result<Vec<u8>, BooksError> {
    std::fs::read(path).map_err(|error| BooksError::io(path, error))
}

/// The detail's rows by department, under safe file names. Ignoring case, no two are equal.
fn departments(detail: &Sheet) -> BTreeMap<String, Sheet> {
    let mut sheets: BTreeMap<String, Sheet> = BTreeMap::new();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for row in &detail.rows {
        let Some(Cell::Text(department)) = row.first() else { continue };
        let mut name = file_name(department);
        let owner = taken.entry(name.to_lowercase()).or_insert_with(|| department.clone());
        if owner != department {
            name = format!("{name}-{}", blake3::hash(department.as_bytes()).to_hex().get(..8).unwrap_or(""));
        }
        let sheet = sheets.entry(name).or_insert_with(|| Sheet { rows: Vec::new(), total: None, ..detail.clone() });
        sheet.rows.push(row.clone());
    }
    sheets
}

#[derive(Serialize)]
struct SummaryFile<'a> {
    clean: bool,
    unpriced_events: i64,
    unallocated_events: i64,
    quarantined_lines: usize,
    files_to_import_again: &'a BTreeSet<String>,
    sources: Vec<SourceCoverage<'a>>,
    events_outside_the_month: Outside,
    summary: Document<'a>,
}

#[derive(Serialize)]
struct SourceCoverage<'a> {
    source: &'a str,
    events: i64,
    events_before: Option<i64>,
    first_event: String,
    last_event: String,
    days_without_events: Vec<String>,
}

fn summary_file(reports: &Reports) -> Result<Vec<u8>, BooksError> {
    let caveats = &reports.statement.caveats;
    let sources = reports
        .coverage
        .iter()
        .map(|coverage| SourceCoverage {
            source: &coverage.source,
            events: coverage.events,
            events_before: coverage.events_before,
            first_event: coverage.first_at.to_string(),
            last_event: coverage.last_at.to_string(),
            days_without_events: coverage.empty_days.iter().map(ToString::to_string).collect(),
        })
        .collect();
    let file = SummaryFile {
        clean: reports.is_clean(),
        unpriced_events: caveats.unpriced_events,
        unallocated_events: caveats.unallocated_events,
        quarantined_lines: caveats.quarantined_lines,
        files_to_import_again: &caveats.to_import_again,
        sources,
        events_outside_the_month: reports.outside,
        summary: Document(&reports.summary),
    };
    let mut bytes =
        serde_json::to_vec_pretty(&file).map_err(|error| BooksError::io(Path::new("summary.json"), error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
