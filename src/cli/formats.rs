//! `tokenbook formats`: what `import` can read, from the registry.

use super::Session;
use crate::cli::failure::{Exit, Failure};
use tokenbook::import::{FORMATS, Format};

/// List the formats of usage files, each with an example record
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this format
    #[arg(value_name = "FORMAT", value_parser = clap::builder::PossibleValuesParser::new(FORMATS.iter().map(|f| f.name)))]
    name: Option<String>,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let wanted = |format: &&Format| arguments.name.as_deref().is_none_or(|name| name == format.name);
    for (place, Format { name, summary, example, cumulative, .. }) in FORMATS.iter().filter(wanted).enumerate() {
        if place > 0 {
            session.say("")?;
        }
        session.say(format!("{name}: {summary}"))?;
        if *cumulative {
            session.say("    a record may come again and say more: what was added is appended as a revision")?;
        }
        for line in example.lines() {
            session.say(format!("    {line}"))?;
        }
    }
    Ok(Exit::Done)
}
