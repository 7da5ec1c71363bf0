//! `tokenbook report`: any report, in any format.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Exit, Failure};
use std::path::{Path, PathBuf};
use tokenbook::books::reports::{Basis, Request};
use tokenbook::domain::period::Period;
use tokenbook::report::REPORTS;
use tokenbook::report::by::Dimension;
use tokenbook::report::savings::By;

/// Make a report of a period
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which report
    #[arg(value_name = "NAME", value_parser = names())]
    name: String,
    /// YYYY-MM, YYYY-Qn, YYYY, or YYYY-MM-DD..YYYY-MM-DD with both days included
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// Group by any of department, project, environment, provider, model, meter, day, tag.KEY
    #[arg(long, value_name = "DIMENSIONS")]
    by: Option<String>,
    /// Use another price book than the ledger's own
    #[arg(long, value_name = "NAME")]
    book: Option<String>,
    /// Benefits and costs, for the report roi
    #[arg(long, value_name = "FILE", required_if_eq("name", "roi"))]
    roi: Option<PathBuf>,
    /// Offers, for the report savings
    #[arg(long, value_name = "FILE", required_if_eq("name", "savings"))]
    offers: Option<PathBuf>,
    /// Compute from every event instead of the daily sums; the numbers are the same
    #[arg(long)]
    recompute: bool,
    /// End with code 4 if something is unpriced, unallocated or quarantined
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    output: OutputOptions,
}

fn names() -> clap::builder::PossibleValuesParser {
    let value = |name: &'static str, summary: &'static str| clap::builder::PossibleValue::new(name).help(summary);
    let plain = REPORTS.iter().map(move |report| value(report.name, report.summary));
    let others = [
        value("roi", "benefits and costs against the LLM cost"),
        value("savings", "what other offers would have cost"),
    ];
    clap::builder::PossibleValuesParser::new(plain.chain(others))
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let usage = |error: String| Failure::new(Exit::Usage, error);
    let period =
        Period::parse(&arguments.period).map_err(|error| usage(format!("--period {:?} {error}", arguments.period)))?;
    let by =
        arguments.by.as_deref().map(Dimension::list).transpose().map_err(|error| usage(format!("--by {error}")))?;
    let request = Request {
        by: by.clone().unwrap_or_else(|| vec![Dimension::Department]),
        book: arguments.book.clone(),
        basis: if arguments.recompute { Basis::Events } else { Basis::Daily },
        now: Some(session.invocation.now),
        ..Request::of(period)
    };
    let books = session.read()?;
    let statement = books.statement(&request)?;
    let sheet = match (&arguments.roi, &arguments.offers) {
        (Some(path), _) if arguments.name == "roi" => statement.roi(&shown(path), &bytes(path)?)?,
        (_, Some(path)) if arguments.name == "savings" => {
            let by = if by.is_some_and(|by| by.contains(&Dimension::Department)) { By::Department } else { By::Offer };
            let text = String::from_utf8(bytes(path)?)
                .map_err(|_| Failure::new(Exit::Rejected, format!("{}: is not UTF-8", shown(path))))?;
            statement.savings(&shown(path), &text, by)?
        }
        _ => statement.report(&arguments.name, &request.by)?,
    };
    arguments.output.put(&sheet, session)?;
    Ok(if arguments.strict && !statement.caveats.is_clean() { Exit::Incomplete } else { Exit::Done })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(Exit::Rejected, format!("{}: {error}", path.display())))
}
