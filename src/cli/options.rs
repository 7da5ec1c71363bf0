//! Options that several commands share.

use crate::cli::failure::{Exit, Failure};
use std::path::Path;
use tokenbook::books::import::{DEFAULT_SOURCE, ImportOptions, LISTED, QUARANTINE_LIMIT, Quarantine, Run};
use tokenbook::domain::name::Name;
use tokenbook::domain::tags::{IgnoredTags, Tag};
use tokenbook::render::{self, RENDERERS, Renderer};
use tokenbook::sheet::Sheet;

pub use tokenbook::text::problem::grouped;

/// How usage files are read.
#[derive(Debug, clap::Args)]
pub struct UsageOptions {
    /// Who issued the event ids: an id is unique for its source
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SOURCE)]
    source: String,
    /// The files' format; auto tells it by content
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = format_names())]
    format: String,
    /// A tag for events that lack it, such as department=research; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// A tag that is left out of every event, such as one that differs for each request; may be repeated
    #[arg(long = "ignore-tag", value_name = "KEY")]
    ignored_tags: Vec<String>,
    /// Set bad lines aside, up to MAX of them, and import the others (exit code 4)
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true, default_missing_value = MOST)]
    quarantine: Option<usize>,
    /// Write every bad line's fault to a file, not only the first 1,000 to the terminal
    #[arg(long, value_name = "FILE")]
    pub errors: Option<std::path::PathBuf>,
    /// The last line of a CSV is whole although it has no line end
    #[arg(long)]
    last_line_complete: bool,
}

/// What a bare `--quarantine` allows.
const MOST: &str = "100000";

fn format_names() -> clap::builder::PossibleValuesParser {
    let names = std::iter::once("auto").chain(tokenbook::import::FORMATS.iter().map(|format| format.name));
    clap::builder::PossibleValuesParser::new(names)
}

impl UsageOptions {
    /// As the library takes them.
    pub fn to_import(&self, run: Run) -> Result<ImportOptions, Failure> {
        let source = Name::new(&self.source)
            .map_err(|error| Failure::new(Exit::Usage, format!("--source {:?} {error}", self.source)))?;
        let tag = |text: &String| {
            let error = |error| {
                Failure::new(Exit::Usage, format!("--tag {text:?}: {error}")).hint("such as --tag department=research")
            };
            Tag::parse(text).map_err(error)
        };
        Ok(ImportOptions {
            source: source.to_string(),
            format: tokenbook::import::format::named(&self.format).map(|format| format.name),
            fill: self.tags.iter().map(tag).collect::<Result<_, _>>()?,
            ignored: ignored(&self.ignored_tags)?,
            quarantine: self.quarantine.map_or(Quarantine::Refuse, |most| Quarantine::UpTo(most.min(QUARANTINE_LIMIT))),
            run,
            last_line_complete: self.last_line_complete,
            listed: if self.errors.is_some() { usize::MAX } else { LISTED },
        })
    }
}

fn ignored(keys: &[String]) -> Result<IgnoredTags, Failure> {
    let mut ignored = IgnoredTags::default();
    for key in keys {
        let error = |error| {
            Failure::new(Exit::Usage, format!("--ignore-tag {key:?} {error}")).hint("such as --ignore-tag request_id")
        };
        ignored.add(key).map_err(error)?;
    }
    Ok(ignored)
}

/// Where a report goes, and how.
#[derive(Debug, clap::Args)]
pub struct OutputOptions {
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = RENDERERS[0].name, value_parser = renderer_names())]
    format: String,
    /// Write it to a file, which is replaced whole
    #[arg(long, value_name = "FILE")]
    output: Option<std::path::PathBuf>,
}

fn renderer_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(RENDERERS.iter().map(|renderer| renderer.name))
}

impl OutputOptions {
    fn renderer(&self) -> &'static Renderer {
        render::named(&self.format).unwrap_or(&RENDERERS[0])
    }

    /// Whether two tables may follow each other in what is printed.
    pub fn holds_two(&self) -> bool {
        matches!(self.renderer().name, "table" | "markdown")
    }

    /// Prints or writes a sheet.
    pub fn put(&self, sheet: &Sheet, session: &mut super::Session<'_, '_>) -> Result<(), Failure> {
        self.put_all(&[sheet], session)
    }

    /// Prints or writes sheets, with an empty line between them.
    pub fn put_all(&self, sheets: &[&Sheet], session: &mut super::Session<'_, '_>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for sheet in sheets {
            if !bytes.is_empty() {
                bytes.push(b'\n');
            }
            bytes.extend(tokenbook::books::output::rendered(sheet, self.renderer())?);
        }
        match &self.output {
            None => Ok(session.streams.out.write_all(&bytes)?),
            Some(path) => {
                refuse_ledger(path, &session.ledger)?;
                Ok(tokenbook::books::output::replace(path, &bytes)?)
            }
        }
    }
}

/// An output must not take the ledger's place.
pub fn refuse_ledger(path: &Path, ledger: &Path) -> Result<(), Failure> {
    match (path.canonicalize(), ledger.canonicalize()) {
        (Ok(path), Ok(ledger)) if path == ledger => {
            Err(Failure::new(Exit::Usage, format!("{}: is the ledger itself, expected another file", path.display())))
        }
        _ => Ok(()),
    }
}
