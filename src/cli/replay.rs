//! `tokenbook replay`: what limits would have decided on recorded requests.

use super::Session;
use super::options::OutputOptions;
use crate::cli::failure::{Code, Exit, Failure};
use std::path::PathBuf;
use tokenbook::books::controls::replay_sheet::{SHORT, together};
use tokenbook::books::controls::replaying::{ReplayRequest, ReplaySheets};
use tokenbook::control::replay::By;
use tokenbook::domain::period::Period;
use tokenbook::sheet::Sheet;

/// Replay the requests of a period under limits: what would have passed, what not, and what it would have cost
///
/// Requests come in the order of their times. The output states what the replay assumes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A file of limits, no matter when it begins; may be repeated (default: the limits in force at the end of the period)
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// The period
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// What to group by, separated by commas: department, project, model, key
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',', default_value = "department")]
    by: Vec<String>,
    /// Also write the decision on each request to a CSV file
    #[arg(long, value_name = "FILE")]
    detail: Option<PathBuf>,
    /// Also list the thresholds that were reached, and when breakers opened and closed
    #[arg(long)]
    timeline: bool,
    #[command(flatten)]
    output: OutputOptions,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let Arguments { output, detail, .. } = arguments;
    let books = session.read()?;
    let period = Period::parse(&arguments.period)
        .map_err(|error| Failure::option(error.code(), "--period", &arguments.period, error))?;
    if arguments.timeline && !output.holds_two() {
        let what = "--timeline cannot stand beside another table in this format";
        return Err(Failure::new(Code::OptionInvalid, what).hint("leave --format out, or use markdown"));
    }
    output.refuse_detail(detail.as_deref(), &arguments.policies)?;
    let mut policies = Vec::new();
    for path in &arguments.policies {
        output.refuse_input(path)?;
        let (name, bytes) = super::policy::read(path)?;
        let read = books.read_policy(&name, &bytes).map_err(super::policy::wrong_policy)?;
        policies.push((name, read.policy));
    }
    if policies.is_empty() {
        let day = period.last().min(books.settings().calendar.day_of(session.invocation.now));
        let in_force = books.policy_in_force(day)?.ok_or_else(|| {
            Failure::new(Code::PolicyMissing, format!("no limits are in force on {day}"))
                .hint("name a file of limits with --policy FILE")
        })?;
        policies.push((format!("the limits of entry {}", in_force.entry), in_force.policy));
    }
    let by = arguments.by.iter().map(|text| dimension(text)).collect::<Result<Vec<By>, Failure>>()?;
    let request = ReplayRequest { policies, period, by, detail: detail.is_some() };
    let ReplaySheets { policies, timelines, details } =
        session.progress(|progress| books.replay(&request, progress))?;
    let names: Vec<String> = policies.iter().map(|(name, _)| name.clone()).collect();
    if let Some(path) = detail {
        let sheet = one(names.iter().cloned().zip(details).collect())?;
        super::options::write_csv(&sheet, path, session)?;
    }
    let summary = one(policies)?;
    let summary = if output.is_for_people() { short(&summary, &request)? } else { summary };
    if arguments.timeline {
        let timeline = one(names.into_iter().zip(timelines).collect())?;
        output.put_all(&[&summary, &timeline], session)?;
    } else {
        output.put(&summary, session)?;
    }
    Ok(Exit::Done)
}

/// One sheet, also for several policies.
fn one(mut sheets: Vec<(String, Sheet)>) -> Result<Sheet, Failure> {
    let only = if sheets.len() == 1 { sheets.pop().map(|(_, sheet)| sheet) } else { together(sheets) };
    only.ok_or_else(|| Failure::new(Code::Internal, "a replay gave no sheet"))
}

/// The columns that fit a terminal.
fn short(sheet: &Sheet, request: &ReplayRequest) -> Result<Sheet, Failure> {
    let several = (request.policies.len() > 1).then_some("policy");
    // Counts that are 0 everywhere are left out. The others add up to the events.
    let is_used = |name: &str| {
        let place = sheet.columns.iter().position(|column| column.name == name);
        place.is_some_and(|place| sheet.rows.iter().any(|row| row.get(place).is_some_and(|cell| cell.plain() != "0")))
    };
    let shown = SHORT.into_iter().filter(|(name, is_always)| *is_always || is_used(name)).map(|(name, _)| name);
    let names: Vec<&str> = several.into_iter().chain(request.by.iter().map(|by| by.name())).chain(shown).collect();
    sheet.only(&names).map_err(|error| Failure::new(error.code(), error.to_string()))
}

fn dimension(text: &str) -> Result<By, Failure> {
    By::ALL.into_iter().find(|by| by.name() == text.trim()).ok_or_else(|| {
        let known = By::ALL.map(By::name).join(", ");
        Failure::option(Code::OptionInvalid, "--by", text, format!("is no dimension of a replay, expected {known}"))
    })
}
