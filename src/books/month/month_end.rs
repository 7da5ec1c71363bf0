//! The month end: prices, usage, checks, and every file that finance needs, in one repeatable run.

use crate::books::month::manifest::{self, Earlier, InputFile};
use crate::books::month::month_change::{MonthChange, Totals};
use crate::books::month::output::{Folder, file_name, refuse_link, rendered};
use crate::books::setup::prices::Jumps;
use crate::books::statement::completeness::{Coverage, coverage};
use crate::books::statement::reports::{Basis, Request, Statement};
use crate::books::usage::import::{ImportOptions, ImportOutcome};
use crate::books::watching::watched;
use crate::books::{Act, Books, BooksError, Observer, Stage};
use crate::domain::currency::Currency;
use crate::domain::number::EntryId;
use crate::domain::period::{Month, Period};
use crate::ledger::file::watch::Watch;
use crate::ledger::proof::since::Since;
use crate::ledger::{LedgerError, Settings};
use crate::render::json::Document;
use crate::report::by::Dimension;
use crate::report::{FileKind, REPORTS, Report, ReportError, Screen, UserFile, chargeback, summary};
use crate::sheet::{Cell, Sheet};
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
    /// The files that some reports are made from. The month end writes these reports only if their file is given.
    pub report_files: BTreeMap<FileKind, PathBuf>,
    /// The output folder.
    pub out: PathBuf,
    /// How usage is imported.
    pub import: ImportOptions,
}

impl MonthEnd {
    /// The files that it can do without, with the names that the manifest gives them.
    pub fn optional(&self) -> Vec<(&'static str, &PathBuf)> {
        let named = [("aliases", &self.aliases), ("departments", &self.departments), ("rules", &self.rules)];
        let named = named.into_iter().filter_map(|(role, path)| Some((role, path.as_ref()?)));
        named.chain(self.report_files.iter().map(|(kind, path)| (kind.option(), path))).collect()
    }

    /// Refuses a folder with reports of another month, and inputs that cannot be read, before there is a ledger.
    pub fn check(&self) -> Result<(), BooksError> {
        if let Some(earlier) = Earlier::of(&self.out)? {
            earlier.expect_month(&self.out, self.month)?;
        }
        let optional = self.optional().into_iter().map(|(_, path)| path);
        for path in std::iter::once(&self.prices).chain(optional) {
            std::fs::File::open(path).map_err(|error| BooksError::unreadable(path, error))?;
        }
        Ok(())
    }

    /// Refuses a folder with reports in other settings, before there is a ledger of these.
    pub fn check_settings(&self, settings: &Settings) -> Result<(), BooksError> {
        match Earlier::of(&self.out)? {
            Some(earlier) => {
                earlier.expect_settings(&self.out, settings.currency.code(), settings.calendar.zone_name())
            }
            None => Ok(()),
        }
    }
}

/// The reports of a month, and the files they were written to.
#[derive(Debug)]
pub struct Reports {
    /// The month, rated.
    pub statement: Statement,
    /// The reports that a person reads first, in the order in which they are read.
    pub printed: Vec<Sheet>,
    /// How the month differs from the earlier reports in the folder, if it does.
    pub change: Option<MonthChange>,
    /// What each source brought.
    pub coverage: Vec<Coverage>,
    /// Events of the ledger before and after the month.
    pub outside: Outside,
    /// The number of files written.
    pub files: usize,
    /// The number of the ledger's last entry.
    pub entry: EntryId,
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
        if imported.len() != inputs.usage.len() {
            return Err(BooksError::NotImported { imported: imported.len(), files: inputs.usage.len() });
        }
        let user_files = read_files(inputs, statement.heading.currency)?;
        let mut sheets = Sheets { statement: &statement, files: &user_files, made: Vec::new() };
        let totals = Totals::of(sheets.of_usage(&chargeback::REPORT, &[Dimension::Department])?);
        let printed = printed(&mut sheets)?;
        let mut outputs = outputs(&mut sheets)?;
        let summary = sheets.of_usage(&summary::REPORT, &[])?.clone();
        let mut reports = Reports {
            printed,
            coverage: coverage(&statement, period)?,
            outside,
            files: 0,
            entry,
            change: MonthChange::since(earlier.as_ref(), since, totals.clone()),
            statement,
        };
        outputs.push((SUMMARY.to_owned(), summary_file(&reports, &summary)?));
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
                entry: snapshot.head().entry,
                outside: Outside { before, after },
                since: since.flatten(),
            })
        })
    }

    /// Refuses files that some reports need and that are wrong, and files and other reports that the reports would
    /// replace, before anything is imported.
    pub fn check_inputs(&self, inputs: &MonthEnd) -> Result<(), BooksError> {
        inputs.check()?;
        inputs.check_settings(self.settings())?;
        let optional = inputs.optional().into_iter().map(|(_, path)| path);
        let read = inputs.usage.iter().chain([&inputs.prices]).chain(optional);
        for path in read.map(PathBuf::as_path).chain([self.path()]) {
            if would_replace(&inputs.out, path) {
                return Err(BooksError::InTheWay(path.display().to_string()));
            }
        }
        for folder in folders() {
            refuse_link(&inputs.out.join(folder))?;
        }
        read_files(inputs, self.settings().currency).map(drop)
    }
}

/// A proved month, all from one state.
struct Proved {
    statement: Statement,
    /// The number of the newest entry.
    entry: EntryId,
    outside: Outside,
    /// What was recorded after the earlier reports in the folder.
    since: Option<Since>,
}

/// The file that has the summary and what else a program wants to know of the month.
const SUMMARY: &str = "summary.json";

/// The names of the files that a month end may write into its folder itself.
fn names() -> impl Iterator<Item = &'static str> {
    REPORTS.iter().flat_map(|report| report.month_files).map(|file| file.name).chain([SUMMARY, manifest::NAME])
}

/// The folders for the files of single departments.
fn folders() -> impl Iterator<Item = &'static str> {
    REPORTS.iter().flat_map(|report| report.month_files).filter_map(|file| file.departments)
}

/// Whether a file has the name of one of the reports of a folder.
fn would_replace(out: &Path, file: &Path) -> bool {
    // A folder or file that does not exist cannot be replaced.
    let (Ok(out), Ok(file)) = (out.canonicalize(), file.canonicalize()) else { return false };
    let named = file.file_name().and_then(|name| name.to_str()).is_some_and(|name| names().any(|own| own == name));
    let parent = file.parent();
    (parent == Some(&out) && named) || folders().any(|folder| parent == Some(&out.join(folder)))
}

/// Reads the files that some reports are made from.
fn read_files(inputs: &MonthEnd, currency: Currency) -> Result<BTreeMap<FileKind, UserFile>, BooksError> {
    let files = inputs.report_files.iter();
    files.map(|(kind, path)| Ok((*kind, user_file(*kind, path, currency)?))).collect()
}

/// Reads a file that a report is made from.
pub fn user_file(kind: FileKind, path: &Path, currency: Currency) -> Result<UserFile, BooksError> {
    let wrong = |problems| BooksError::Lines { file: path.display().to_string(), problems };
    kind.read(&read(path)?, currency).map_err(wrong)
}

/// The manifest's inputs.
fn input_files(inputs: &MonthEnd, imported: &[ImportOutcome], watch: &Watch) -> Result<Vec<InputFile>, BooksError> {
    let optional = inputs.optional();
    let others = optional.iter().map(|(_, path)| *path).chain([&inputs.prices]);
    let sizes = inputs.usage.iter().chain(others).map(|path| std::fs::metadata(path).map(|file| file.len()));
    watch.begin(Stage::Inputs, sizes.sum::<std::io::Result<u64>>().ok());
    let mut files = vec![InputFile::of("prices", &inputs.prices, watch)?];
    for (path, outcome) in inputs.usage.iter().zip(imported) {
        files.push(InputFile::usage(path, outcome, watch)?);
    }
    for (role, path) in optional {
        files.push(InputFile::of(role, path, watch)?);
    }
    Ok(files)
}

/// The reports of a month. Each is made once, however often it is printed and written.
struct Sheets<'a> {
    statement: &'a Statement,
    files: &'a BTreeMap<FileKind, UserFile>,
    made: Vec<(&'static str, Vec<Dimension>, Sheet)>,
}

impl Sheets<'_> {
    /// A report that needs no file.
    fn of_usage(&mut self, report: &Report, by: &[Dimension]) -> Result<&Sheet, BooksError> {
        let lacks = ReportError::Lacks { report: report.name, needed: "a file" };
        Ok(self.get(report, by)?.ok_or(lacks)?)
    }

    /// A report, unless the file that it needs is not given.
    fn get(&mut self, report: &Report, by: &[Dimension]) -> Result<Option<&Sheet>, BooksError> {
        let file = match report.file_kind().map(|kind| self.files.get(&kind)) {
            Some(None) => return Ok(None),
            Some(file) => file,
            None => None,
        };
        let by = report.dimensions(by);
        let found = self.made.iter().position(|(name, of, _)| *name == report.name && *of == by);
        let place = if let Some(place) = found {
            place
        } else {
            let sheet = self.statement.sheet(report, &by, file)?;
            self.made.push((report.name, by, sheet));
            self.made.len().saturating_sub(1)
        };
        Ok(self.made.get(place).map(|(_, _, sheet)| sheet))
    }
}

/// The reports that the month end prints: first those that it always prints.
fn printed(sheets: &mut Sheets<'_>) -> Result<Vec<Sheet>, BooksError> {
    let (mut always, mut with_rows) = (Vec::new(), Vec::new());
    for report in REPORTS {
        match report.screen {
            Screen::Always => always.extend(sheets.get(report, &[])?.cloned()),
            Screen::IfRows => {
                with_rows.extend(sheets.get(report, &[])?.filter(|sheet| !sheet.rows.is_empty()).cloned());
            }
            Screen::Never => {}
        }
    }
    always.append(&mut with_rows);
    Ok(always)
}

/// Every file except the manifest, in the order of writing.
fn outputs(sheets: &mut Sheets<'_>) -> Result<Vec<(String, Vec<u8>)>, BooksError> {
    let csv = crate::render::named("csv").unwrap_or(&crate::render::RENDERERS[0]);
    let mut outputs = Vec::new();
    for report in REPORTS {
        for file in report.month_files {
            let Some(sheet) = sheets.get(report, file.by)? else { continue };
            outputs.push((file.name.to_owned(), rendered(sheet, csv)?));
            let Some(folder) = file.departments else { continue };
            for (name, sheet) in departments(sheet) {
                outputs.push((format!("{folder}/{name}.csv"), rendered(&sheet, csv)?));
            }
        }
    }
    Ok(outputs)
}

/// The bytes of a file that the user names.
pub(in crate::books::month) fn read(path: &Path) -> Result<Vec<u8>, BooksError> {
    std::fs::read(path).map_err(|error| BooksError::unreadable(path, error))
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
        let sheet = sheets.entry(name).or_insert_with(|| Sheet {
            heading: detail.heading.clone(),
            columns: detail.columns.clone(),
            rows: Vec::new(),
            total: None,
        });
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

fn summary_file(reports: &Reports, summary: &Sheet) -> Result<Vec<u8>, BooksError> {
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
        summary: Document(summary),
    };
    let mut bytes =
        serde_json::to_vec_pretty(&file).map_err(|error| BooksError::io(Path::new(SUMMARY), error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
