//! `tokenbook report`: print or write any report, in any format.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Code, Exit, Failure};
use std::path::{Path, PathBuf};
use tokenbook::books::month::month_end::user_file;
use tokenbook::books::statement::reports::{Basis, Request};
use tokenbook::domain::period::Period;
use tokenbook::report::by::{Choice, Dimension, NotADimension};
use tokenbook::report::{self, FileKind, REPORTS, Report};

/// Make a report of a period
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The report
    #[arg(value_name = "NAME", value_parser = names())]
    name: String,
    /// The period: YYYY-MM, YYYY-Qn, YYYY, or YYYY-MM-DD..YYYY-MM-DD with both days included
    #[arg(long, value_name = "PERIOD")]
    period: String,
    #[arg(
        long,
        value_name = "DIMENSIONS",
        help = "Group by any of department, cost_centre, project, environment, provider, model, meter, day, tag.KEY; group provider-cost by provider or model, savings by department"
    )]
    by: Option<String>,
    /// Use this price book instead of the ledger's own
    #[arg(long, value_name = "NAME")]
    book: Option<String>,
    /// Benefits and costs, a CSV, for the report roi
    #[arg(long, value_name = "FILE")]
    roi: Option<PathBuf>,
    /// Offers, a TOML file, for the report savings
    #[arg(long, value_name = "FILE")]
    offers: Option<PathBuf>,
    /// Compute from every event instead of the daily totals; the numbers are the same
    #[arg(long)]
    recompute: bool,
    /// End with code 4 if something is unpriced, unallocated or quarantined
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    output: OutputOptions,
}

fn names() -> clap::builder::PossibleValuesParser {
    let value = |report: &Report| clap::builder::PossibleValue::new(report.name).help(report.summary);
    clap::builder::PossibleValuesParser::new(REPORTS.iter().map(value))
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let report = report::named(&arguments.name).map_err(|error| Failure::new(error.code(), error))?;
    let path = fitting(arguments, report)?;
    let period = Period::parse(&arguments.period)
        .map_err(|error| Failure::option(error.code(), "--period", &arguments.period, error))?;
    let request = Request {
        by: dimensions(arguments.by.as_deref(), report)?,
        book: arguments.book.clone(),
        basis: if arguments.recompute { Basis::Events } else { Basis::Sums },
        now: Some(session.invocation.now),
        ..Request::of(period)
    }
    .for_report(report);
    if let Some((_, path)) = path {
        arguments.output.refuse_input(path)?;
    }
    let books = session.read()?;
    let currency = books.settings().currency;
    let file = path.map(|(kind, path)| user_file(kind, path, currency)).transpose()?;
    let statement = session.progress(|progress| books.statement(&request, progress))?;
    arguments.output.put(&statement.sheet(report, &request.by, file.as_ref())?, session)?;
    let complete = statement.caveats_of(report).is_clean();
    Ok(if arguments.strict && !complete { Exit::Incomplete } else { Exit::Done })
}

/// The dimensions of `--by`. Rejects dimensions that the report does not have.
fn dimensions(by: Option<&str>, report: &Report) -> Result<Vec<Dimension>, Failure> {
    let Some(text) = by else { return Ok(Vec::new()) };
    let wrong = |error: NotADimension| Failure::new(error.code(), format!("--by {error}"));
    if matches!(report.by, Choice::Any { .. }) {
        return Dimension::list(text).map_err(wrong);
    }
    for word in text.split(',') {
        if !Dimension::list(word).is_ok_and(|list| list.iter().all(|dimension| report.by.allows(dimension))) {
            let (name, expected) = (report.name, report.by.expected());
            let what = format!("--by {word:?} is not a dimension of the report {name}, expected {expected}");
            return Err(Failure::new(Code::DimensionUnknown, what));
        }
    }
    Dimension::list(text).map_err(wrong)
}

/// The file that the report is made from. Rejects options that the report would ignore.
fn fitting<'a>(arguments: &'a Arguments, report: &Report) -> Result<Option<(FileKind, &'a Path)>, Failure> {
    let reports = |fits: &dyn Fn(&Report) -> bool| {
        REPORTS.iter().filter(|report| fits(report)).map(|report| report.name).collect::<Vec<_>>().join(" or ")
    };
    let refused = |option: &str, expected: String| {
        let what = format!("{option} does not fit the report {}, expected {expected}", report.name);
        Err(Failure::new(Code::OptionsConflict, what))
    };
    if arguments.by.is_some() && report.by == Choice::Nothing {
        return refused("--by", reports(&|report| report.by != Choice::Nothing));
    }
    let given = |kind| match kind {
        FileKind::Benefits => arguments.roi.as_deref(),
        FileKind::Offers => arguments.offers.as_deref(),
    };
    for kind in FileKind::ALL {
        if given(kind).is_some() && report.file_kind() != Some(kind) {
            return refused(&format!("--{}", kind.option()), reports(&|report| report.file_kind() == Some(kind)));
        }
    }
    let Some(kind) = report.file_kind() else { return Ok(None) };
    let path = given(kind).ok_or_else(|| {
        Failure::new(Code::OptionMissing, format!("the report {} needs {}", report.name, kind.what()))
            .hint(format!("name it with --{} FILE", kind.option()))
    })?;
    Ok(Some((kind, path)))
}
