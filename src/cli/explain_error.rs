//! `tokenbook explain-error`: show what the code of an error means, why it happens, and what to do.

use super::Session;
use crate::cli::failure::{Code, Exit, Failure};
use tokenbook::fault::{CODES, Explained};
use tokenbook::text::problem::nearest;

/// Explain the code of an error: what it means, why it happens, and what to do
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The code, as `error[CODE]` shows it (default: list all codes)
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// List all codes, each with what it means
    #[arg(long, conflicts_with = "code")]
    list: bool,
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match arguments.code.as_deref().filter(|_| !arguments.list) {
        Some(code) => entry(asked(code)?, session)?,
        None => list(session)?,
    }
    Ok(Exit::Done)
}

/// The entry of a code. Accepts `error[CODE]` as messages show it.
fn asked(text: &str) -> Result<&'static Explained, Failure> {
    let word = text.trim().trim_end_matches(':');
    let word = word.strip_prefix("error[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    Code::named(&word.to_ascii_lowercase()).ok_or_else(|| {
        let failure = Failure::new(Code::CodeUnknown, format!("no error has the code {word:?}"));
        let near = near(word);
        failure.hint(if near.is_empty() {
            "see all codes with `tokenbook explain-error --list`".to_owned()
        } else {
            format!("did you mean {}? `tokenbook explain-error --list` shows all codes", near.join(" or "))
        })
    })
}

/// Codes with a similar name: the nearest one, and those that contain all words of the text.
fn near(text: &str) -> Vec<&'static str> {
    const MOST: usize = 5;
    let names = || Code::all().map(|explained| explained.name);
    let words: Vec<&str> = text.split(['-', '_', ' ']).filter(|word| word.len() > 2).collect();
    let has_all = |name: &&str| !words.is_empty() && words.iter().all(|word| name.contains(word));
    let mut near: Vec<&str> = nearest(text, names()).into_iter().collect();
    near.extend(names().filter(has_all).filter(|name| !near.contains(name)).collect::<Vec<_>>());
    near.truncate(MOST);
    near
}

fn entry(explained: &Explained, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let Explained { name, exit, meaning, cause, remedy, .. } = explained;
    session.say(format!("{name}: {meaning}"))?;
    session.say("")?;
    session.say(format!("Why it happens: {cause}"))?;
    session.say(format!("What to do: {remedy}"))?;
    session.say(format!("Exit code: {}", exit.code()))
}

fn list(session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let width = Code::all().map(|explained| explained.name.len()).max().unwrap_or(0);
    for (place, (heading, codes)) in CODES.iter().enumerate() {
        if place > 0 {
            session.say("")?;
        }
        session.say(format!("{heading}:"))?;
        for Explained { name, meaning, .. } in *codes {
            session.say(format!("  {name:width$}  {meaning}"))?;
        }
    }
    Ok(())
}
