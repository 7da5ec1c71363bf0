//! The inputs of the stages: files of the month that `benches/compare` generates, and a ledger that holds it.

use crate::lines;
use crate::month::Event;
use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::usage::import::{DEFAULT_SOURCE, ImportOptions};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::name::Name;
use tokenbook::domain::period::Period;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::events::intern::SharedNames;
use tokenbook::import::events::sink::Constants;
use tokenbook::import::file::consumer::Demand;
use tokenbook::import::file::input::{Input, Source};
use tokenbook::import::read::parse::{Context, OnBad, Parsed, latest_from, parse};
use tokenbook::import::record::reading::{PromptBounds, Stated};
use tokenbook::ledger::Settings;
use tokenbook::rows::batch::Batch;
use tokenbook::rows::key::KeyHash;

/// The number of events of the month, in time order.
pub(crate) const EVENTS: u32 = 100_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Returns a value that a stage needs, or ends the process with the error.
pub(crate) fn ready<T, E: Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        // If standard error is closed as well, nobody can read the message.
        let _ = writeln!(io::stderr(), "error: {error}");
        std::process::exit(2)
    })
}

/// A format of usage files.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    Csv,
    Jsonl,
}

/// A folder that is deleted when it is dropped.
pub(crate) fn folder() -> TempDir {
    ready(tempfile::tempdir())
}

/// Writes the month into a folder.
pub(crate) fn usage(folder: &Path, layout: Layout) -> PathBuf {
    let path = folder.join("usage");
    ready(write_usage(&path, layout));
    path
}

fn write_usage(path: &Path, layout: Layout) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    if let Layout::Csv = layout {
        lines::write_header(&mut file, false)?;
    }
    let mut line = Vec::new();
    for number in 0..u64::from(EVENTS) {
        let event = Event::draw(1, number, u64::from(EVENTS), None);
        match layout {
            Layout::Csv => event.write_csv(&mut line)?,
            Layout::Jsonl => event.write_jsonl(&mut line)?,
        }
        file.write_all(&line)?;
        line.clear();
    }
    file.flush()
}

/// Reads a file of usage like an import, with the calendar of [`ledger`].
pub(crate) fn read(path: &Path, context: &Context, mut deliver: impl FnMut(Batch) -> Demand) -> Parsed {
    let source = ready(Source::open(&Input::File(path.to_owned())));
    ready(parse(source, None, context, &mut deliver))
}

/// The settings with which an import into [`ledger`] reads.
pub(crate) fn context() -> Context {
    let (settings, now) = ready(fixed());
    Context {
        constants: Constants {
            names: SharedNames::default(),
            fill: Vec::new(),
            provider: String::new(),
            prompts_within: PromptBounds::default(),
            latest: latest_from(now),
            buckets: std::sync::Mutex::default(),
        },
        calendar: settings.calendar,
        key_hash: KeyHash::FULL,
        source: DEFAULT_SOURCE.to_owned(),
        keep_bad: 0,
        on_bad: OnBad::DropEvents,
        last_line_complete: false,
        reading: Stated::default(),
    }
}

fn fixed() -> Outcome<(Settings, Timestamp)> {
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    Ok((settings, Timestamp::parse("2026-11-01T00:00:00Z")?))
}

pub(crate) fn period() -> Period {
    ready(Period::parse("2026-10"))
}

/// A ledger with the month's prices and no usage.
pub(crate) fn ledger(folder: &Path) -> Books {
    ready(priced(folder))
}

fn priced(folder: &Path) -> Outcome<Books> {
    let (settings, now) = fixed()?;
    let act = Act { now, actor: "bench" };
    let books = Books::create(&folder.join("ledger.db"), &settings, act)?;
    let mut prices = Vec::new();
    lines::write_prices(&mut prices)?;
    books.import_prices("prices", prices.as_slice(), None, Jumps::Refuse, act, &Silent)?;
    Ok(books)
}

/// A ledger with the month's prices and usage.
pub(crate) fn full_ledger(folder: &Path) -> Books {
    let (books, path) = (ledger(folder), usage(folder, Layout::Csv));
    let (_, now) = ready(fixed());
    let act = Act { now, actor: "bench" };
    ready(books.import(&Input::File(path), &ImportOptions::plain(), act, &Silent));
    books
}
