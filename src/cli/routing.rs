//! `tokenbook routing`: what a period would have cost if its requests had gone to other models.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Code, Exit, Failure};
use std::path::PathBuf;
use tokenbook::books::Books;
use tokenbook::books::controls::routing::{RoutingBy, RoutingRequest};
use tokenbook::domain::period::Period;

/// Show what the requests of a period would have cost if a file of routes had sent them to other models
///
/// The first rule that matches a request decides. The file is not applied to the ledger. A rule may cost more than was recorded; then the
/// saving is below 0.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The routes, a TOML file
    #[arg(long, value_name = "FILE")]
    routes: PathBuf,
    /// The period
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// What to group by, separated by commas: rule, department
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',', default_value = "rule")]
    by: Vec<String>,
    /// Also write each request with its rule and its amounts to a CSV file
    #[arg(long, value_name = "FILE")]
    detail: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOptions,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let Arguments { routes, detail, output, .. } = arguments;
    let period = Period::parse(&arguments.period)
        .map_err(|error| Failure::option(error.code(), "--period", &arguments.period, error))?;
    let by = arguments.by.iter().map(|text| dimension(text)).collect::<Result<Vec<RoutingBy>, Failure>>()?;
    output.refuse_input(routes)?;
    output.refuse_detail(detail.as_deref(), std::slice::from_ref(routes))?;
    let (name, bytes) = super::policy::read(routes)?;
    let routes = Books::read_routes(&name, &bytes)
        .map_err(|error| Failure::from(error).hint("correct the lines; docs/LIMITS.md lists the keys of routes"))?;
    let request = RoutingRequest { routes, period, by, detail: detail.is_some() };
    let books = session.read()?;
    let (sheet, requests) = session.progress(|progress| books.routing(&request, progress))?;
    if let (Some(path), Some(requests)) = (detail, requests) {
        super::options::write_csv(&requests, path, session)?;
    }
    output.put(&sheet, session)?;
    Ok(Exit::Done)
}

fn dimension(text: &str) -> Result<RoutingBy, Failure> {
    RoutingBy::ALL.into_iter().find(|by| by.name() == text.trim()).ok_or_else(|| {
        let known = RoutingBy::ALL.map(RoutingBy::name).join(", ");
        Failure::option(Code::OptionInvalid, "--by", text, format!("is no dimension of routing, expected {known}"))
    })
}
