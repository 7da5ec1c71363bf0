//! Compares how tokenbook reads and prices recorded response bodies with what an independent project expects.
//!
//! `cargo run --example compare_usages -- FILE [--catalog genai-prices CATALOG] [--at TIME]`. FILE has the shape of
//! `tests/dataset/usages.json` of pydantic/genai-prices. CATALOG is the project's price catalogue from which it made
//! FILE's prices, and TIME is the instant of those prices. If a rule of `docs/RECORDED_USAGE.md` explains a difference,
//! the example counts it under the rule. It prints any other difference and ends with 1. If it could not compare
//! anything, it ends with 2.

mod comparison;

use comparison::Asked;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tokenbook::domain::timestamp::Timestamp;

const USAGE: &str = "expected FILE [--catalog genai-prices CATALOG] [--at TIME]";

fn main() -> ExitCode {
    let compared =
        asked(std::env::args().skip(1)).and_then(|asked| comparison::run(&asked, &mut std::io::stdout().lock()));
    match compared {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // If nobody reads the message, the exit code still shows the failure.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Asked, Box<dyn Error>> {
    let (mut file, mut catalog, mut at) = (None, None, comparison::AT.to_owned());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--catalog" => {
                let name = words.next().ok_or(USAGE)?;
                if name != comparison::CATALOG {
                    return Err(format!("--catalog {name:?} is not {}: {USAGE}", comparison::CATALOG).into());
                }
                catalog = Some(PathBuf::from(words.next().ok_or(USAGE)?));
            }
            "--at" => at = words.next().ok_or(USAGE)?,
            option if option.starts_with("--") => return Err(format!("{option} is no option: {USAGE}").into()),
            _ if file.is_none() => file = Some(PathBuf::from(word)),
            _ => return Err(format!("{word:?} is one word too many: {USAGE}").into()),
        }
    }
    Ok(Asked { file: file.ok_or(USAGE)?, catalog, at: Timestamp::parse(&at)? })
}
