//! What providers charge: imports their cost reports, and compares them with a statement.

use crate::books::usage::import::{DEFAULT_SOURCE, ImportError, LISTED};
use crate::books::{Act, Books, Observer};
use crate::domain::provider_cost::ProviderCost;
use crate::fault::Code;
use crate::import::costs::{self, COST_FILE_LIMIT, CostFormat};
use crate::import::file::input::{Input, Source};
use crate::import::read::parse::latest_from;
use crate::import::record::reading::Stated;
use crate::ledger::facts::costs::CostsAppended;
use crate::ledger::facts::imports::FileFacts;
use crate::ledger::{LedgerError, chain};
use crate::text::problem::Problem;
use std::collections::BTreeMap;
use std::io::Read;

/// The options for importing a cost report.
#[derive(Debug)]
pub struct CostOptions {
    /// The source of the report. Two accounts of one provider are two sources.
    pub source: String,
    /// The format; `None` to detect it.
    pub format: Option<&'static CostFormat>,
    /// What the user states about the file.
    pub reading: Stated,
}

impl CostOptions {
    /// Detects the format and states nothing.
    pub fn plain() -> Self {
        Self { source: DEFAULT_SOURCE.to_owned(), format: None, reading: Stated::default() }
    }
}

/// The outcome of importing a cost report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostOutcome {
    /// The file's name.
    pub file: String,
    /// The format's name, with its version.
    pub format: &'static str,
    /// Lines of cost.
    pub lines: u64,
    /// Records without a cost.
    pub empty: u64,
    /// The counts of its lines.
    pub appended: CostsAppended,
    /// The last entry of the chain afterwards.
    pub head: chain::Head,
}

impl Books {
    /// Imports one cost report, all of it or nothing. Costs stay separate from usage.
    pub fn import_costs(
        &self,
        input: &Input,
        options: &CostOptions,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<CostOutcome, ImportError> {
        let file = input.name();
        let unreadable = |error| ImportError::Unreadable { file: file.clone(), error };
        let mut source = Source::open(input)?;
        let mut bytes = Vec::new();
        source.by_ref().take(COST_FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let whole = |problem| ImportError::File { file: file.clone(), problem };
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > COST_FILE_LIMIT {
            let problem = Problem::line("is larger than 256 MiB", "the cost report of fewer days");
            return Err(whole(problem.coded(Code::FileTooLarge)));
        }
        let digest = source.finish().map_err(unreadable)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| whole(Problem::line("is not UTF-8", "UTF-8 text").coded(Code::NotUtf8)))?;
        let report = costs::read(&text, options.format, &options.reading, latest_from(act.now))
            .map_err(|problems| rejected(&file, problems))?;
        let lines = u64::try_from(report.costs.len()).unwrap_or(u64::MAX);
        let facts = FileFacts {
            source: options.source.clone(),
            file: file.clone(),
            format: report.format.stored.to_owned(),
            options: options.reading.spelling().join("\n"),
            digest: digest.digest,
            bytes: digest.bytes,
            lines,
            header: 0,
            blank: report.empty,
            quarantined: 0,
        };
        let (appended, head) = self.append_costs(&facts, report.costs, act, observer).map_err(ImportError::Ledger)?;
        Ok(CostOutcome { file, format: report.format.stored, lines, empty: report.empty, appended, head })
    }

    fn append_costs(
        &self,
        facts: &FileFacts,
        costs: Vec<ProviderCost>,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<(CostsAppended, chain::Head), LedgerError> {
        let write = self.ledger.write(|| observer.waiting())?;
        let appended = write.append_costs(facts, costs, act.now, act.actor)?;
        if appended.recorded {
            write.commit()?;
            self.ledger.checkpoint()?;
        } else {
            drop(write);
        }
        Ok((appended, self.head()?))
    }
}

fn rejected(file: &str, problems: Vec<Problem>) -> ImportError {
    if let [problem] = problems.as_slice()
        && problem.line == 0
    {
        return ImportError::File { file: file.to_owned(), problem: problem.clone() };
    }
    let mut by_field: BTreeMap<String, u64> = BTreeMap::new();
    for problem in &problems {
        *by_field.entry(problem.field.clone().unwrap_or_else(|| "(line)".to_owned())).or_default() += 1;
    }
    let total = u64::try_from(problems.len()).unwrap_or(u64::MAX);
    let problems = problems.into_iter().take(LISTED).collect();
    ImportError::Rejected { file: file.to_owned(), problems, total, by_field }
}
