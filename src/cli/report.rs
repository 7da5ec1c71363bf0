//! `tokenbook report`: print or write any report, in any format.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Code, Exit, Failure};
use std::path::PathBuf;
use tokenbook::books::month::month_end;
use tokenbook::books::statement::reports::{Basis, Request, Statement};
use tokenbook::domain::period::Period;
use tokenbook::report::REPORTS;
use tokenbook::report::by::Dimension;
use tokenbook::report::provider_cost::Grain;
use tokenbook::report::savings::By;
use tokenbook::sheet::Sheet;

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
    #[arg(long, value_name = "FILE", required_if_eq("name", "roi"))]
    roi: Option<PathBuf>,
    /// Offers, a TOML file, for the report savings
    #[arg(long, value_name = "FILE", required_if_eq("name", "savings"))]
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
    let value = |name: &'static str, summary: &'static str| clap::builder::PossibleValue::new(name).help(summary);
    let plain = REPORTS.iter().map(move |report| value(report.name, report.summary));
    let others = [
        value("roi", "benefits and costs against the LLM cost"),
        value("savings", "what other offers would have cost"),
        value("provider-cost", "what providers say they charge, beside the computed cost"),
    ];
    clap::builder::PossibleValuesParser::new(plain.chain(others))
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    fitting(arguments)?;
    let period = Period::parse(&arguments.period)
        .map_err(|error| Failure::option(error.code(), "--period", &arguments.period, error))?;
    let by = dimensions(arguments)?;
    let compared = arguments.name == "provider-cost";
    let default = if compared { Dimension::Provider } else { Dimension::Department };
    let dimensions = by.clone().unwrap_or_else(|| vec![default]);
    let request = Request {
        by: dimensions,
        book: arguments.book.clone(),
        basis: if arguments.recompute { Basis::Events } else { Basis::Sums },
        now: Some(session.invocation.now),
        ..Request::of(period)
    }
    .for_report(&arguments.name);
    let books = session.read()?;
    let (sheet, caveats) = session.progress(|progress| {
        if compared {
            let (statement, costs) = books.statement_and_costs(&request, progress)?;
            let sheet = books.provider_cost(&statement, &costs, Grain::of(&request.by))?;
            return Ok((sheet, statement.caveats.without_payers()));
        }
        let statement = books.statement(&request, progress)?;
        Ok::<_, Failure>((sheet(arguments, by.as_deref(), &request, &statement)?, statement.caveats))
    })?;
    arguments.output.put(&sheet, session)?;
    Ok(if arguments.strict && !caveats.is_clean() { Exit::Incomplete } else { Exit::Done })
}

/// Makes a report from a statement, with the user's file if the report needs one.
fn sheet(
    arguments: &Arguments,
    by: Option<&[Dimension]>,
    request: &Request,
    statement: &Statement,
) -> Result<Sheet, Failure> {
    let currency = statement.heading.currency;
    Ok(match (&arguments.roi, &arguments.offers) {
        (Some(path), _) => statement.roi(&month_end::benefits(path, currency)?)?,
        (_, Some(path)) => {
            let department = by.is_some_and(|by| by.contains(&Dimension::Department));
            statement
                .savings(&month_end::offers(path, currency)?, if department { By::Department } else { By::Offer })?
        }
        _ => statement.report(&arguments.name, &request.by)?,
    })
}

/// The dimensions of `--by`. Rejects dimensions that the report does not have.
fn dimensions(arguments: &Arguments) -> Result<Option<Vec<Dimension>>, Failure> {
    let Some(text) = &arguments.by else { return Ok(None) };
    let (has, expected, hint): (fn(&Dimension) -> bool, _, _) = match arguments.name.as_str() {
        "provider-cost" => (
            |dimension| matches!(dimension, Dimension::Provider | Dimension::Model),
            "provider or model",
            "--by model has the line items that name no model in a column of their own; nothing else is told by both sides",
        ),
        "savings" => {
            (|dimension| *dimension == Dimension::Department, "department", "without --by it has a line an offer")
        }
        _ => {
            return Dimension::list(text)
                .map(Some)
                .map_err(|error| Failure::new(error.code(), format!("--by {error}")));
        }
    };
    for word in text.split(',') {
        if !Dimension::list(word).is_ok_and(|list| list.iter().all(has)) {
            let what = format!("--by {word:?} is no dimension of the report {}, expected {expected}", arguments.name);
            return Err(Failure::new(Code::DimensionUnknown, what).hint(hint));
        }
    }
    Ok(Dimension::list(text).ok())
}

/// Rejects options that the report would ignore.
fn fitting(arguments: &Arguments) -> Result<(), Failure> {
    let name = arguments.name.as_str();
    for (option, given, report) in [
        ("--roi", arguments.roi.is_some(), &["roi"][..]),
        ("--offers", arguments.offers.is_some(), &["savings"]),
        ("--by", arguments.by.is_some(), &["chargeback", "savings", "provider-cost"]),
    ] {
        if given && !report.contains(&name) {
            let what = format!("{option} is not for the report {name}, expected {}", report.join(" or "));
            return Err(Failure::new(Code::OptionsConflict, what));
        }
    }
    Ok(())
}
