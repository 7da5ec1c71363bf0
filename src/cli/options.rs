//! Options that several commands share.

use crate::cli::Session;
use crate::cli::failure::{Code, Failure};
use crate::cli::replacing::{place, refuse_ledger, refuse_replacing};
use clap::builder::PossibleValuesParser;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokenbook::books::Books;
use tokenbook::books::usage::doubts::Unregistered;
use tokenbook::books::usage::import::{
    DEFAULT_SOURCE, ImportError, ImportOptions, LISTED, LastLine, QUARANTINE_LIMIT, Quarantine, Run, UnknownFields,
};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::event::PromptBound;
use tokenbook::domain::hashed_tags::{HashKey, HashedTags};
use tokenbook::domain::name::Name;
use tokenbook::domain::secret::looks_secret;
use tokenbook::domain::tags::{IgnoredTagError, IgnoredTags, Tag, TagKey};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::import::file::paths::{Expanded, expand};
use tokenbook::import::record::column_map::ColumnMap;
use tokenbook::import::record::field::whole;
use tokenbook::import::record::reading::{PromptBounds, PromptTokens, Stated};
use tokenbook::ledger::LedgerError;
use tokenbook::render::{self, RENDERERS, Renderer};
use tokenbook::sheet::Sheet;
use tokenbook::text::problem::{listed, nearest};

pub use tokenbook::text::problem::{counted, grouped};

/// How usage files are read.
#[derive(Debug, clap::Args)]
pub struct UsageOptions {
    /// The system that issued the event ids; an id must be unique within its source
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SOURCE)]
    source: String,
    /// The format of the files; auto detects it from their content
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = format_names())]
    format: String,
    /// Add this tag to events that lack it, such as department=research; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// Leave this tag out of every event, such as one that differs for each request; may be repeated
    #[arg(long = "ignore-tag", value_name = "KEY")]
    ignored_tags: Vec<String>,
    /// Store a keyed hash instead of the value of this tag, such as one that names a person; may be repeated
    #[arg(long = "hash-tag", value_name = "KEY")]
    hashed_tags: Vec<String>,
    #[arg(
        long,
        value_name = "PATH",
        requires = "hashed_tags",
        help = "The file with the key for --hash-tag, at least 16 bytes (default: the variable TOKENBOOK_HASH_KEY)"
    )]
    hash_key_file: Option<std::path::PathBuf>,
    /// Who served the usage, if the records do not say; use the provider's name in the price list
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The time of records that have none, such as the day of a batch: 2026-10-01T08:30:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The time zone of times without an offset, if the vendor documents none: UTC, Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    assume_zone: Option<String>,
    /// Whether prompt tokens include cached tokens, if the records do not say
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(PromptTokens::NAMES))]
    prompt_tokens: Option<String>,
    /// The most tokens of each prompt, for records that sum several requests: a price that depends on the prompt's size then
    /// applies to them. For all models, or for one. Events that the ledger has already keep what their first import
    /// stated
    #[arg(long, value_name = "[MODEL=]TOKENS")]
    prompts_within: Vec<String>,
    /// A map of columns (TOML), for a CSV or JSONL of your own: a file, or the name of one that `maps keep` has kept
    #[arg(long, value_name = "FILE|NAME")]
    map: Option<std::path::PathBuf>,
    /// Set up to MAX bad lines aside and import the others (exit code 4; without MAX: 100000)
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true, default_missing_value = MOST)]
    quarantine: Option<usize>,
    /// Write every error to a file; the terminal shows only the first 1,000 of each input. A name that ends with .jsonl
    /// gives JSON Lines, any other name text
    #[arg(long, value_name = "FILE")]
    pub errors: Option<std::path::PathBuf>,
    /// Reject a file that has more bytes than this after decompression
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
    /// Reject a file with unknown fields, instead of naming and ignoring them
    #[arg(long)]
    strict_fields: bool,
    /// Reject a file with departments that are not in the registry, instead of naming them
    #[arg(long)]
    strict_departments: bool,
    #[command(flatten)]
    last_line: LastLineOptions,
}

/// How to treat a last line without a line end.
#[derive(Debug, clap::Args)]
struct LastLineOptions {
    /// Accept the last line of a CSV as complete, although it has no line end
    #[arg(long)]
    last_line_complete: bool,
    /// Import a file that is still being written: leave a last line without a line end for the next import
    #[arg(long, conflicts_with = "last_line_complete")]
    tail: bool,
}

impl LastLineOptions {
    const fn known(&self) -> LastLine {
        match (self.tail, self.last_line_complete) {
            (true, _) => LastLine::Unfinished,
            (false, true) => LastLine::Complete,
            (false, false) => LastLine::NotKnown,
        }
    }
}

/// What a bare `--quarantine` allows.
const MOST: &str = "100000";

fn format_names() -> PossibleValuesParser {
    let names = std::iter::once("auto").chain(tokenbook::import::FORMATS.iter().map(|format| format.name));
    PossibleValuesParser::new(names)
}

impl UsageOptions {
    /// The options in the form that the library takes.
    pub fn to_import(&self, run: Run, session: &Session<'_, '_>) -> Result<ImportOptions, Failure> {
        let source =
            Name::new(&self.source).map_err(|error| Failure::option(error.code(), "--source", &self.source, error))?;
        let tag = |text: &String| tag_of(text, "for example --tag department=research");
        Ok(ImportOptions {
            source: source.to_string(),
            format: self.format()?,
            fill: self.tags.iter().map(tag).collect::<Result<_, _>>()?,
            ignored: ignored(&self.ignored_tags)?,
            hashed: self.hashed(session)?,
            provider: self.provider()?,
            reading: self.reading(session)?,
            quarantine: self.quarantine.map_or(Quarantine::Refuse, |most| Quarantine::UpTo(most.min(QUARANTINE_LIMIT))),
            run,
            last_line: self.last_line.known(),
            listed: if self.errors.is_some() { usize::MAX } else { LISTED },
            max_bytes: self.max_bytes,
            expect_rows: None,
            unknown_fields: if self.strict_fields { UnknownFields::Refused } else { UnknownFields::Named },
            unregistered: if self.strict_departments { Unregistered::Refuse } else { Unregistered::Warn },
        })
    }
}

impl UsageOptions {
    /// Refuses to write errors over the ledger or over an input file.
    pub fn refuse_errors_over(&self, inputs: &[Input], ledger: &Path) -> Result<(), Failure> {
        let Some(path) = &self.errors else { return Ok(()) };
        refuse_ledger(path, ledger)?;
        let read = inputs.iter().filter_map(|input| if let Input::File(file) = input { Some(file) } else { None });
        let same = |file: &&std::path::PathBuf| match (path.canonicalize(), file.canonicalize()) {
            (Ok(path), Ok(file)) => path == file,
            _ => false,
        };
        match read.into_iter().find(same) {
            Some(_) => {
                let what = "is a file that this command reads, expected another file";
                Err(Failure::option_file(format!("--errors {}", path.display()), what))
            }
            None => Ok(()),
        }
    }
}

fn ignored(keys: &[String]) -> Result<IgnoredTags, Failure> {
    let mut ignored = IgnoredTags::default();
    for key in keys {
        let error = |error: IgnoredTagError| {
            Failure::option(error.code(), "--ignore-tag", key, error).hint("for example --ignore-tag request_id")
        };
        ignored.add(key).map_err(error)?;
    }
    Ok(ignored)
}

/// The key from a file, without its final line end, or else from the environment.
fn hash_key(file: Option<&Path>, session: &Session<'_, '_>) -> Result<HashKey, Failure> {
    let (whose, text) = match (file, &session.invocation.hash_key) {
        (Some(path), _) => {
            let text = std::fs::read(path)
                .map_err(|error| Failure::option_file(format!("--hash-key-file {}", path.display()), error))?;
            (format!("the key in {}", path.display()), text)
        }
        (None, Some(key)) => ("the key in TOKENBOOK_HASH_KEY".to_owned(), key.clone()),
        (None, None) => {
            return Err(Failure::new(Code::OptionMissing, "--hash-tag needs a key")
                .hint("name its file with --hash-key-file PATH, or set TOKENBOOK_HASH_KEY"));
        }
    };
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    HashKey::new(text).map_err(|error| {
        Failure::new(error.code(), format!("{whose} {error}"))
            .hint("make a key that nobody can guess with `openssl rand -hex 32`")
    })
}

/// The map from a file, or else the map that the ledger keeps under this name.
fn read_map(path: &Path, session: &Session<'_, '_>) -> Result<Arc<ColumnMap>, Failure> {
    let shown = path.display().to_string();
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => kept_map(&shown, session)?,
        Err(error) => return Err(Failure::option_file(format!("--map {shown}"), error)),
    };
    ColumnMap::read(&bytes).map(Arc::new).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(|problem| problem.in_file(&shown)).collect();
        Failure::new(Code::OptionFile, problems.join("\n"))
            .hint("see an example of a map with `tokenbook formats mapped`")
    })
}

fn kept_map(name: &str, session: &Session<'_, '_>) -> Result<Vec<u8>, Failure> {
    let maps = match Books::read(&session.ledger) {
        Ok(books) => books.maps()?,
        Err(LedgerError::Missing(_)) => BTreeMap::new(),
        Err(error) => return Err(error.into()),
    };
    maps.get(name).map(|map| map.clone().into_bytes()).ok_or_else(|| {
        Failure::new(Code::MapUnknown, format!("--map {name}: no file and no map of the ledger has this name"))
            .hint("see the names with `tokenbook maps list`; keep a map with `tokenbook maps keep NAME FILE`")
    })
}

impl UsageOptions {
    fn format(&self) -> Result<Option<&'static str>, Failure> {
        match (&self.map, self.format.as_str()) {
            (None, "mapped") => {
                Err(Failure::new(Code::OptionMissing, "--format mapped needs a map")
                    .hint("name the map with --map FILE"))
            }
            (Some(_), "auto" | "mapped") => Ok(Some("mapped")),
            (Some(_), other) => Err(Failure::new(
                Code::OptionsConflict,
                format!("--map does not fit --format {other}, expected no --format"),
            )),
            (None, name) => Ok(tokenbook::import::formats::named(name).map(|format| format.name)),
        }
    }

    /// The tags to hash, with the key.
    fn hashed(&self, session: &Session<'_, '_>) -> Result<HashedTags, Failure> {
        if self.hashed_tags.is_empty() {
            return Ok(HashedTags::default());
        }
        let mut hashed = HashedTags::with(hash_key(self.hash_key_file.as_deref(), session)?);
        for key in &self.hashed_tags {
            let wrong = |code: Code, what: &str| Failure::new(code, format!("--hash-tag {key:?} {what}"));
            if self.ignored_tags.contains(key) {
                return Err(wrong(Code::OptionsConflict, "is also given to --ignore-tag, expected one of the two"));
            }
            hashed.add(key).map_err(|error| match error {
                IgnoredTagError::Payer => wrong(error.code(), "decides who pays and cannot be hashed"),
                _ => wrong(error.code(), &error.to_string()).hint("for example --hash-tag user"),
            })?;
        }
        Ok(hashed)
    }

    fn provider(&self) -> Result<String, Failure> {
        let Some(provider) = &self.provider else { return Ok(String::new()) };
        let name = Name::new(provider).map_err(|error| Failure::option(error.code(), "--provider", provider, error))?;
        Ok(name.to_string())
    }

    fn reading(&self, session: &Session<'_, '_>) -> Result<Stated, Failure> {
        let at = |text: &String| {
            Timestamp::parse(text).map_err(|error| {
                Failure::option(error.code(), "--at", text, error).hint("for example --at 2026-10-01T08:30:00Z")
            })
        };
        let zone = |text: &String| {
            Calendar::of_zone(text).map_err(|error| Failure::option(error.code(), "--assume-zone", text, error))
        };
        Ok(Stated {
            at: self.at.as_ref().map(at).transpose()?,
            zone: self.assume_zone.as_ref().map(zone).transpose()?,
            prompt: self.prompt_tokens.as_deref().and_then(PromptTokens::named),
            map: self.map.as_deref().map(|map| read_map(map, session)).transpose()?,
            prompts_within: self.prompts_within()?,
        })
    }

    fn prompts_within(&self) -> Result<PromptBounds, Failure> {
        let mut bounds = PromptBounds::default();
        for text in &self.prompts_within {
            let (model, tokens) = match text.rsplit_once('=') {
                Some((model, tokens)) => (Some(model), tokens),
                None => (None, text.as_str()),
            };
            let wrong = |why: &str| Failure::new(Code::OptionInvalid, format!("--prompts-within {text:?} {why}"));
            let bound = whole(tokens).and_then(PromptBound::new);
            let bound = bound.ok_or_else(|| {
                wrong("is not a number of tokens, expected 272000 or MODEL=272000, of at least 1000 tokens")
            })?;
            if model == Some("") {
                return Err(wrong("names no model, expected MODEL=TOKENS"));
            }
            if !bounds.state(model, bound) {
                return Err(wrong("gives a second bound for the same models, expected one"));
            }
        }
        Ok(bounds)
    }
}

/// How a report is printed, and where.
#[derive(Debug, clap::Args)]
pub struct OutputOptions {
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = RENDERERS[0].name, value_parser = renderer_names())]
    format: String,
    /// Only these columns, in this order, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// Write the output to a file, which is replaced whole
    #[arg(long, value_name = "FILE")]
    output: Option<std::path::PathBuf>,
}

fn renderer_names() -> PossibleValuesParser {
    PossibleValuesParser::new(RENDERERS.iter().map(|renderer| renderer.name))
}

impl OutputOptions {
    fn renderer(&self) -> &'static Renderer {
        render::named(&self.format).unwrap_or(&RENDERERS[0])
    }

    /// The sheet with the columns that the user asks for.
    fn chosen<'a>(&self, sheet: &'a Sheet) -> Result<Cow<'a, Sheet>, Failure> {
        if self.columns.is_empty() {
            return Ok(Cow::Borrowed(sheet));
        }
        let names: Vec<&str> = self.columns.iter().map(|name| name.trim()).collect();
        if let Some((_, twice)) =
            names.iter().enumerate().find(|(place, name)| names.iter().take(*place).any(|n| n == *name))
        {
            return Err(Failure::new(
                Code::OptionInvalid,
                format!("--columns: {twice:?} is given twice, expected once"),
            ));
        }
        let only = sheet.only(&names);
        only.map(Cow::Owned).map_err(|error| Failure::new(error.code(), format!("--columns: {error}")))
    }

    /// Whether it is a table for a terminal, with the columns that fit one.
    pub fn is_for_people(&self) -> bool {
        self.renderer().name == "table" && self.columns.is_empty()
    }

    /// Whether it goes to a file.
    pub const fn is_to_file(&self) -> bool {
        self.output.is_some()
    }

    /// Whether the output can hold two tables, one after the other.
    pub fn holds_two(&self) -> bool {
        matches!(self.renderer().name, "table" | "markdown")
    }

    /// Prints or writes a sheet.
    pub fn put(&self, sheet: &Sheet, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        self.put_all(&[sheet], session)
    }

    /// Prints or writes sheets, with an empty line between them.
    pub fn put_all(&self, sheets: &[&Sheet], session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for sheet in sheets {
            if !bytes.is_empty() {
                bytes.push(b'\n');
            }
            bytes.extend(tokenbook::books::month::output::rendered(self.chosen(sheet)?.as_ref(), self.renderer())?);
        }
        match &self.output {
            None => Ok(session.streams.out.write_all(&bytes)?),
            Some(path) => {
                refuse_ledger(path, &session.ledger)?;
                Ok(tokenbook::books::month::output::replace(path, &bytes)?)
            }
        }
    }

    /// Rejects an output that would replace a file that the command reads.
    pub fn refuse_input(&self, input: &Path) -> Result<(), Failure> {
        self.output.as_deref().map_or(Ok(()), |output| refuse_replacing("--output", output, input))
    }

    /// Rejects a file of details that would replace the output, or a file that the command reads.
    pub fn refuse_detail(&self, detail: Option<&Path>, inputs: &[PathBuf]) -> Result<(), Failure> {
        let Some(detail) = detail else { return Ok(()) };
        inputs.iter().try_for_each(|input| refuse_replacing("--detail", detail, input))?;
        match &self.output {
            Some(output) if place(output) == place(detail) => {
                let what = format!("--detail {}: is the file of --output too, expected another file", detail.display());
                Err(Failure::new(Code::OutputReplacesInput, what))
            }
            _ => Ok(()),
        }
    }
}

/// Writes a sheet to a CSV file, which is replaced whole.
pub fn write_csv(sheet: &Sheet, path: &Path, session: &Session<'_, '_>) -> Result<(), Failure> {
    refuse_ledger(path, &session.ledger)?;
    let renderer = render::named("csv").unwrap_or(&RENDERERS[0]);
    let bytes = tokenbook::books::month::output::rendered(sheet, renderer)?;
    Ok(tokenbook::books::month::output::replace(path, &bytes)?)
}

/// The files below these paths. A note on standard error counts the entries of a folder that were left out.
pub fn files_of_paths(paths: &[PathBuf], follow: bool, session: &mut Session<'_, '_>) -> Result<Vec<Input>, Failure> {
    let expanded = expand(paths, follow, &session.ledger).map_err(|error| Failure::from(ImportError::Input(error)))?;
    let Expanded { inputs, hidden, special } = expanded;
    if hidden > 0 {
        let entries = listed(hidden, "hidden file or folder is", "hidden files or folders are");
        session.warn(format!("note: {entries} left out (to import one, name it)"))?;
    }
    if special > 0 {
        let entries = listed(special, "pipe, socket or device is", "pipes, sockets or devices are");
        session.warn(format!("note: {entries} left out"))?;
    }
    Ok(inputs)
}

/// Reads a tag as the user types it. It rejects a near miss of `department`, `project` or `environment`: that would
/// become another tag, and the usage would stay unallocated.
pub fn tag_of(text: &str, hint: &str) -> Result<Tag, Failure> {
    let wrong = |code, error: &dyn std::fmt::Display| Failure::new(code, format!("--tag {text:?}: {error}"));
    let tag = Tag::parse(text).map_err(|error| wrong(error.code(), &error).hint(hint))?;
    let key = tag.key.as_str();
    match nearest(key, TagKey::OWN_FIELDS).filter(|known| *known != key) {
        Some(known) => {
            let what = format!("the key {key:?} is almost {known:?}, expected {known:?} or a different word");
            Err(wrong(Code::TagInvalid, &what)
                .hint(format!("write --tag {known}=…; events can bring a tag with the other name themselves")))
        }
        None => Ok(tag),
    }
}

/// Checks a reason that the chain will record. It must not be empty or contain a secret. `what` names the action in the
/// error.
pub fn reason_of<'r>(reason: &'r str, what: &str) -> Result<&'r str, Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::new(Code::OptionInvalid, format!("--reason is empty, expected why {what}")));
    }
    if looks_secret(reason) {
        return Err(Failure::new(
            Code::SecretFound,
            "--reason contains a secret key, which the ledger would keep for ever",
        ));
    }
    Ok(reason)
}
