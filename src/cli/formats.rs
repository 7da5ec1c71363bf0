//! `tokenbook formats`: list the registry of formats that `import` and `costs import` read.

use super::Session;
use crate::cli::failure::{Exit, Failure};
use tokenbook::import::costs::COST_FORMATS;
use tokenbook::import::{FORMATS, Format};

/// List the formats that tokenbook reads, for usage and for cost reports, each with an example record
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// List only this format
    #[arg(value_name = "FORMAT", value_parser = names())]
    name: Option<String>,
}

fn names() -> clap::builder::PossibleValuesParser {
    let usage = FORMATS.iter().map(|format| format.name);
    clap::builder::PossibleValuesParser::new(usage.chain(COST_FORMATS.iter().map(|format| format.name)))
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let wanted = |name: &str| arguments.name.as_deref().is_none_or(|wanted| wanted == name);
    let mut first = true;
    for Format { name, summary, example, cumulative, .. } in FORMATS.iter().filter(|format| wanted(format.name)) {
        let note = cumulative.then_some(
            "a record may come again with larger counts; the ledger then appends the difference as a revision",
        );
        show((name, summary, example), note, &mut first, session)?;
    }
    for format in COST_FORMATS.iter().filter(|format| wanted(format.name)) {
        let note = Some(
            "a cost report for `costs import`; tokenbook compares it with the computed cost and does not count it as usage",
        );
        show((format.name, format.summary, format.example), note, &mut first, session)?;
    }
    Ok(Exit::Done)
}

fn show(
    (name, summary, example): (&str, &str, &str),
    note: Option<&str>,
    first: &mut bool,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    if !std::mem::replace(first, false) {
        session.say("")?;
    }
    session.say(format!("{name}: {summary}"))?;
    for line in note.into_iter().chain(example.lines()) {
        session.say(format!("    {line}"))?;
    }
    Ok(())
}
