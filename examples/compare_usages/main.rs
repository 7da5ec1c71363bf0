//! Compares our reading of recorded response bodies, and what they cost, with what an independent project expects.
//!
//! `cargo run --example compare_usages -- FILE [--catalog genai-prices CATALOG] [--at TIME]`. FILE is of the shape of
//! `tests/dataset/usages.json` of pydantic/genai-prices, CATALOG the price catalogue of that project from which FILE's
//! prices were made, TIME the instant they were made for. Differences that a rule of `docs/RECORDED_USAGE.md` explains
//! are counted under it; any other is printed, and the exit code is 1; it is 2
//! where nothing could be compared.

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
            // Where nobody listens, the exit code tells as well.
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
