//! A ledger for the comparison. It holds the catalogue in its own book, and every body and every expected usage,
//! imported and rated.
//!
//! A body is imported once for each expected price, with the provider of that price and a tag that identifies the
//! price.

use super::bodies::line;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use tokenbook::books::setup::catalogs::{Offered, catalog_files};
use tokenbook::books::setup::prices::Jumps;
use tokenbook::books::statement::reports::{Request, Statement};
use tokenbook::books::usage::import::{ImportError, ImportOptions, QUARANTINE_LIMIT, Quarantine};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::event::{EventId, EventUsage, Model, UsageEvent};
use tokenbook::domain::name::Name;
use tokenbook::domain::period::Period;
use tokenbook::domain::quantities::Quantities;
use tokenbook::domain::tags::{Tag, TagSet};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::Settings;
use tokenbook::price::catalog::{self, CatalogFile, Inexact, Missing, Terms};
use tokenbook::rating::RatedLine;

/// The ledger's own book: the catalogue, unchanged.
const CATALOGUE: &str = "catalogue";
/// The book in which every name in the bodies is exact.
pub(super) const MEANT: &str = "meant";
/// The tag that identifies rated lines.
const OF: &str = "of";

/// A ledger that is deleted with its folder.
pub(super) struct Scratch {
    folder: tempfile::TempDir,
    books: Books,
    at: Timestamp,
}

impl Scratch {
    /// A ledger without prices or usage.
    pub(super) fn new(at: Timestamp) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let settings = Settings::new(Currency::USD, Calendar::UTC, Name::new(CATALOGUE)?);
        let books = Books::create(&folder.path().join("tokenbook.db"), &settings, act(at))?;
        Ok(Self { folder, books, at })
    }

    /// Imports the catalogue's file into the ledger's own book.
    pub(super) fn catalogue(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        self.prices(CATALOGUE, &catalog_files(path)?)
    }

    /// Imports the text of a catalogue into the book of exact names.
    pub(super) fn meant(&self, text: String) -> Result<(), Box<dyn Error>> {
        if text == "[]" {
            return Ok(());
        }
        self.prices(MEANT, &[CatalogFile { name: MEANT.to_owned(), bytes: text.into_bytes() }])
    }

    fn prices(&self, book: &str, files: &[CatalogFile]) -> Result<(), Box<dyn Error>> {
        let reader = catalog::named(super::CATALOG).ok_or("the catalogue's reader is gone")?;
        let book = Name::new(book)?;
        let terms =
            Terms { book, valid_from: self.at, only: Vec::new(), inexact: Inexact::SetAside, missing: Missing::Keep };
        let list = Books::read_catalog(reader, files, &terms)?;
        let file = files.first().map(|file| file.name.clone()).unwrap_or_default();
        let offered = Offered { file, prices: list.prices, unresolved: list.unresolved };
        self.books.import_catalog(&offered, &terms, Jumps::Confirmed, act(self.at), &Silent)?;
        Ok(())
    }

    /// Imports bodies as one file. Returns the errors of rejected bodies by their position.
    pub(super) fn bodies(&self, bodies: &[Used<'_, &str>]) -> Result<BTreeMap<usize, String>, Box<dyn Error>> {
        let mut text = String::new();
        for (place, Used { of, provider, model, what }) in bodies.iter().enumerate() {
            let at = self.at.to_string();
            let envelope = serde_json::json!({
                "timestamp": at, "event_id": format!("body-{place}"), "provider": provider, "model": model,
                "tags": {OF: of},
            });
            text.push_str(&line(&envelope, what));
            text.push('\n');
        }
        let path = self.folder.path().join("bodies.jsonl");
        std::fs::write(&path, text)?;
        let quarantine = Quarantine::UpTo(bodies.len().min(QUARANTINE_LIMIT));
        let options = ImportOptions { format: Some("bodies"), quarantine, ..ImportOptions::plain() };
        let outcome = self.books.import(&Input::File(path), &options, act(self.at), &Silent);
        let outcome = outcome.map_err(|error| match error {
            ImportError::Rejected { problems, .. } => {
                format!("no body was imported: {}", problems.first().map(ToString::to_string).unwrap_or_default())
            }
            other => other.to_string(),
        })?;
        let refused = outcome.problems.iter().filter_map(|problem| {
            let line = usize::try_from(problem.line).ok()?;
            Some((line.checked_sub(1)?, problem.to_string()))
        });
        Ok(refused.collect())
    }

    /// Records usage that is already in tokenbook's meters.
    pub(super) fn usages(&self, usages: &[Used<'_, Quantities>]) -> Result<(), Box<dyn Error>> {
        let mut events = Vec::new();
        for (place, used) in usages.iter().enumerate() {
            let tag = Tag::parse(&format!("{OF}={}", used.of))?;
            let id = EventId::new(&format!("usage-{place}"))?;
            let model = Model { provider: Some(Name::new(used.provider)?), name: Name::new(used.model)? };
            let event = UsageEvent::new(id, self.at, model, EventUsage::request(used.what.iter())?);
            events.push(event.with_tags(TagSet::from_iter([(tag.key, tag.value)])));
        }
        self.books.record(&Name::new("expected")?, &events, act(self.at), &Silent)?;
        Ok(())
    }

    /// Rates everything.
    pub(super) fn rated(&self) -> Result<Rated, Box<dyn Error>> {
        let day = Calendar::UTC.day_of(self.at);
        let statement = self.books.statement(&Request::of(Period::between(day, day)), &Silent)?;
        Ok(Rated(statement))
    }
}

/// Usage of a provider's model, with its identification.
pub(super) struct Used<'a, T> {
    pub(super) of: String,
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) what: T,
}

/// A rated ledger.
pub(super) struct Rated(pub(super) Statement);

impl Rated {
    /// The lines by their identification.
    pub(super) fn lines(&self) -> Result<BTreeMap<&str, Vec<&RatedLine>>, Box<dyn Error>> {
        let mut lines: BTreeMap<&str, Vec<&RatedLine>> = BTreeMap::new();
        for line in self.0.rated.lines()? {
            if let Some(of) = self.0.names.tags(line.usage.key.tag_set).and_then(|tags| tags.get(OF)) {
                lines.entry(of).or_default().push(line);
            }
        }
        Ok(lines)
    }
}

fn act(at: Timestamp) -> Act<'static> {
    Act { now: at, actor: "comparison" }
}
