//! What providers say they charge: importing their cost reports, and comparing them with a statement.

use crate::books::statement::reports::{Request, Statement};
use crate::books::usage::import::{DEFAULT_SOURCE, ImportError, LISTED};
use crate::books::watching::watched;
use crate::books::{Act, Books, BooksError, Observer};
use crate::domain::provider_cost::{ProviderCost, ProviderCosts};
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use crate::import::costs::{self, COST_FILE_LIMIT, CostFormat};
use crate::import::file::input::{Input, Source};
use crate::import::read::parse::latest_from;
use crate::import::record::reading::Reading;
use crate::ledger::facts::costs::CostsAppended;
use crate::ledger::facts::imports::FileFacts;
use crate::ledger::{LedgerError, chain};
use crate::report::Inputs;
use crate::report::provider_cost::{self, Grain};
use crate::sheet::{Heading, Sheet};
use crate::text::problem::Problem;
use std::collections::BTreeMap;
use std::io::Read;

/// How a cost report is imported.
pub struct CostOptions {
    /// Whose report it is: two accounts of one provider are two sources.
    pub source: String,
    /// The format, or any that fits.
    pub format: Option<&'static CostFormat>,
    /// What is said about the file that it does not say itself.
    pub reading: Reading,
}

impl CostOptions {
    /// Nothing special: any format.
    pub fn plain() -> Self {
        Self { source: DEFAULT_SOURCE.to_owned(), format: None, reading: Reading::default() }
    }
}

/// What became of a cost report.
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
    /// What became of the lines.
    pub appended: CostsAppended,
    /// The last entry of the chain afterwards.
    pub head: chain::Head,
}

impl Books {
    /// Imports one cost report: all of it, or nothing. Costs are kept apart from usage.
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

    /// A statement, and the costs that begin in its period, from one state of the ledger.
    pub fn statement_and_costs(
        &self,
        request: &Request,
        observer: &dyn Observer,
    ) -> Result<(Statement, ProviderCosts), BooksError> {
        let calendar = self.settings().calendar;
        let start = calendar.start_of(request.period.first());
        let end = request.period.last().next().map_or(Timestamp::LATEST, |day| calendar.start_of(day));
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            Ok((self.statement_on(&snapshot, request)?, snapshot.provider_costs(start, end)?))
        })
    }

    /// What providers charge beside what the statement computes.
    pub fn provider_cost(
        &self,
        statement: &Statement,
        costs: &ProviderCosts,
        grain: Grain,
    ) -> Result<Sheet, BooksError> {
        let inputs = Inputs {
            heading: Heading {
                caveats: statement.caveats.without_payers().sentences(),
                ..statement.heading_of("provider-cost")
            },
            period: statement.period,
            rated: &statement.rated,
            before: None,
            names: &statement.names,
            book: None,
            by: &[],
        };
        Ok(provider_cost::sheet(&inputs, costs, grain, self.settings().calendar)?)
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
