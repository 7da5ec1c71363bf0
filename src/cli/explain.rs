//! `tokenbook explain`: show one event, from its record to its amount.

use super::Session;
use crate::cli::failure::{Code, Exit, Failure};
use tokenbook::books::statement::explain::Explanation;
use tokenbook::render::{self, RENDERERS, printable};

/// Explain an event: show its record, who pays and why, and the price and amount of each meter
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The event's id
    #[arg(value_name = "EVENT_ID")]
    event: String,
    /// The source that issued the id (default: any)
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = ["table", "json"])]
    format: String,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let explained = session.read()?.explain(&arguments.event, arguments.source.as_deref())?;
    if arguments.format == "json" {
        let text = serde_json::to_string_pretty(&explained).map_err(|error| Failure::new(Code::Internal, error))?;
        session.say(text)?;
        return Ok(Exit::Done);
    }
    for (place, explanation) in explained.iter().enumerate() {
        if place > 0 {
            session.say("")?;
        }
        print(explanation, session)?;
    }
    Ok(Exit::Done)
}

fn print(explanation: &Explanation, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let known: Vec<_> = explanation.facts.iter().map(|(name, fact)| (*name, fact.lines())).collect();
    let told = known.iter().filter(|(_, lines)| !lines.is_empty());
    let width = told.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, lines) in told {
        for (place, line) in lines.iter().enumerate() {
            let name = if place == 0 { name } else { "" };
            session.say(format!("{name:width$}  {}", printable(line)))?;
        }
    }
    session.say("")?;
    let table = render::named("table").unwrap_or(&RENDERERS[0]);
    Ok((table.render)(&explanation.charges, &mut session.streams.out)?)
}
