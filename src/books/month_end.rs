//! The month end: prices, usage, checks, and every file finance needs, in one run that can be run again.

use crate::books::completeness::{Coverage, coverage};
use crate::books::import::{ImportOptions, ImportOutcome};
use crate::books::manifest::{self, InputFile};
use crate::books::output::{Folder, file_name};
use crate::books::prices::Jumps;
use crate::books::reports::{Basis, Request, Statement};
use crate::books::{Act, Books, BooksError, Observer};
use crate::domain::period::Month;
use crate::ledger::prices::PricesAppended;
use crate::render::json::Document;
use crate::report::by::Dimension;
use crate::sheet::{Cell, Sheet};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a month end is made from.
#[derive(Debug, Clone)]
pub struct MonthEnd {
    /// The month.
    pub month: Month,
    /// The usage files.
    pub usage: Vec<PathBuf>,
    /// The price list.
    pub prices: PathBuf,
    /// Benefits and costs, for the return on investment.
    pub roi: Option<PathBuf>,
    /// Offers, for the savings.
    pub offers: Option<PathBuf>,
    /// Where the files go.
    pub out: PathBuf,
    /// How usage is imported.
    pub import: ImportOptions,
}

/// The reports of a month, and the files they were written to.
#[derive(Debug)]
pub struct Reports {
    /// The month, rated.
    pub statement: Statement,
    /// Departments against the month before.
    pub summary: Sheet,
    /// The return on investment, if asked for.
    pub roi: Option<Sheet>,
    /// The savings of each offer, if asked for.
    pub savings: Option<Sheet>,
    /// What is unpriced.
    pub unpriced: Sheet,
    /// What each source delivered.
    pub coverage: Vec<Coverage>,
    /// Events of the ledger before and after the month.
    pub outside: Outside,
    /// How many files were written.
    pub files: usize,
    /// The number of the ledger's last entry.
    pub entry: u64,
}

/// Events of the ledger that are not of the month.
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
        self.import_prices(&inputs.prices.display().to_string(), &bytes, None, Jumps::Refuse, act, observer)
    }

    /// Makes the reports when every file was imported, and writes them, the manifest last.
    pub fn report_month(
        &self,
        inputs: &MonthEnd,
        imported: &[ImportOutcome],
        act: Act<'_>,
    ) -> Result<Reports, BooksError> {
        let period = inputs.month.period();
        let request = Request { now: Some(act.now), basis: Basis::Daily, ..Request::of(period) };
        let statement = self.statement(&request)?;
        // What may be refused is made before the first file is written.
        let roi = match &inputs.roi {
            None => None,
            Some(path) => Some(statement.roi(&path.display().to_string(), &read(path)?)?),
        };
        let savings = inputs.offers.as_deref().map(|path| Self::savings_sheets(&statement, path)).transpose()?;
        let mut folder = Folder::open(&inputs.out)?;
        let by_department = statement.report("chargeback", &[Dimension::Department])?;
        folder.write_csv("chargeback.csv", &by_department)?;
        let detail = statement.report("chargeback", &DETAIL)?;
        folder.write_csv("chargeback-detail.csv", &detail)?;
        for (name, sheet) in departments(&detail) {
            folder.write_csv(&format!("departments/{name}.csv"), &sheet)?;
        }
        let unpriced = statement.report("unpriced", &[])?;
        folder.write_csv("unpriced.csv", &unpriced)?;
        let summary = statement.report("summary", &[])?;
        let mut files = vec![InputFile::of("prices", &inputs.prices)?];
        for (path, outcome) in inputs.usage.iter().zip(imported) {
            files.push(InputFile::usage(path, outcome)?);
        }
        if let (Some(path), Some(sheet)) = (&inputs.roi, &roi) {
            folder.write_csv("roi.csv", sheet)?;
            files.push(InputFile::of("roi", path)?);
        }
        if let (Some(path), Some((by_offer, by_department))) = (&inputs.offers, &savings) {
            folder.write_csv("savings.csv", by_offer)?;
            folder.write_csv("savings-by-department.csv", by_department)?;
            files.push(InputFile::of("offers", path)?);
        }
        let savings = savings.map(|(by_offer, _)| by_offer);
        let coverage = coverage(&statement.lines, statement.before.as_deref(), &statement.names, period);
        let snapshot = self.ledger.snapshot()?;
        let (before, after) = snapshot.events_outside(period)?;
        let outside = Outside { before, after };
        folder.write("summary.json", &summary_file(&summary, &statement, &coverage, outside)?)?;
        manifest::clear_away(folder.path(), folder.written())?;
        let manifest = manifest::bytes(&statement.heading, snapshot.head().seq, files, folder.written())?;
        folder.write(manifest::NAME, &manifest)?;
        let (files, entry) = (folder.written().len(), snapshot.head().seq);
        Ok(Reports { statement, summary, roi, savings, unpriced, coverage, outside, files, entry })
    }
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

/// The detail's rows by department, under file names that are safe and, ignoring case, different.
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

fn summary_file(
    summary: &Sheet,
    statement: &Statement,
    coverage: &[Coverage],
    outside: Outside,
) -> Result<Vec<u8>, BooksError> {
    let sources = coverage
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
        clean: statement.caveats.is_clean(),
        unpriced_events: statement.caveats.unpriced_events,
        unallocated_events: statement.caveats.unallocated_events,
        quarantined_lines: statement.caveats.quarantined_lines,
        sources,
        events_outside_the_month: outside,
        summary: Document(summary),
    };
    let mut bytes =
        serde_json::to_vec_pretty(&file).map_err(|error| BooksError::io(Path::new("summary.json"), error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
