//! The options for a file of prices: your own list or a public catalogue. `prices import` and `prices diff` share them.

use crate::cli::Session;
use crate::cli::failure::{Code, Failure};
use crate::cli::options::{counted, grouped};
use std::path::{Path, PathBuf};
use tokenbook::books::Books;
use tokenbook::books::setup::catalogs::{Offered, catalog_files};
use tokenbook::domain::name::Name;
use tokenbook::price::catalog::{self, Aside, CATALOGS, Catalog, CatalogList, Inexact, Missing, Pattern, Terms};
use tokenbook::text::problem::{excerpt, listed};

/// The value of `--catalog` for tokenbook's own CSV, which is not a catalogue.
const OWN: &str = "csv";
/// The most unknown providers and snapped prices that the output names.
const NAMED: usize = 12;

/// A file of prices, and how to read it.
#[derive(Debug, clap::Args)]
pub struct SourceOptions {
    /// The file, or for models-dev also a folder of its repository
    pub file: PathBuf,
    /// The kind of file: your own price list (csv) or a public catalogue
    #[arg(long, value_name = "CATALOG", default_value = OWN, value_parser = catalog_names())]
    catalog: String,
    /// The price book for a catalogue, and for rows that name no book (default: the ledger's own)
    #[arg(long, value_name = "NAME")]
    book: Option<String>,
    /// The start of a catalogue's prices that have no date: a date in the ledger's time zone or an instant (default:
    /// today)
    #[arg(long, value_name = "DATE")]
    valid_from: Option<String>,
    /// Import only these models of a catalogue: exact names or patterns with * and ?, of `model` or `provider/model`
    #[arg(long, value_name = "MODEL", num_args = 1..)]
    only: Vec<String>,
    /// Round a price such as 3.6000000000000003e-06 to the nearest nano-unit per million, instead of setting it aside
    #[arg(long)]
    snap: bool,
    /// End prices in force that the catalogue no longer lists, if it lists other prices of the same model
    #[arg(long)]
    end_missing: bool,
    /// Write all prices of a catalogue that are set aside to this CSV file
    #[arg(long, value_name = "FILE")]
    aside: Option<PathBuf>,
}

fn catalog_names() -> clap::builder::PossibleValuesParser {
    let names = std::iter::once(OWN).chain(CATALOGS.iter().map(|catalog| catalog.name));
    clap::builder::PossibleValuesParser::new(names)
}

impl SourceOptions {
    /// The catalogue; `None` for tokenbook's own list.
    pub fn catalog(&self) -> Option<&'static Catalog> {
        catalog::named(&self.catalog)
    }

    /// The file's name in messages.
    pub fn shown(&self) -> String {
        self.file.display().to_string()
    }

    /// The book, if the option names one.
    pub fn book(&self) -> Result<Option<Name>, Failure> {
        let named = |book: &str| Name::new(book).map_err(|error| Failure::option(error.code(), "--book", book, error));
        self.book.as_deref().map(named).transpose()
    }

    /// The bytes of a price list in tokenbook's own form.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        self.only_for_catalogs()?;
        std::fs::read(&self.file).map_err(|error| unreadable(&self.file, &error))
    }

    /// The user's choices for reading a catalogue.
    pub fn terms(&self, books: &Books, session: &Session<'_, '_>) -> Result<Terms, Failure> {
        let calendar = books.settings().calendar;
        let valid_from = match &self.valid_from {
            None => calendar.start_of(calendar.day_of(session.invocation.now)),
            Some(text) => super::instant("--valid-from", text, books)?,
        };
        Ok(Terms {
            book: self.book()?.unwrap_or_else(|| books.settings().book.clone()),
            valid_from,
            only: self.only.iter().map(|text| Pattern::new(text)).collect(),
            inexact: if self.snap { Inexact::Snap } else { Inexact::SetAside },
            missing: if self.end_missing { Missing::End } else { Missing::Keep },
        })
    }

    /// The prices from tokenbook's own list or from a catalogue. It prints the counts of a catalogue.
    pub fn offered(&self, books: &Books, terms: &Terms, session: &mut Session<'_, '_>) -> Result<Offered, Failure> {
        let Some(catalog) = self.catalog() else {
            let prices = books.read_price_list(&self.shown(), &self.bytes()?, self.book()?.as_ref())?;
            return Ok(Offered { file: self.shown(), prices, unresolved: std::collections::BTreeSet::new() });
        };
        let files = catalog_files(&self.file).map_err(|error| unreadable(&self.file, &error))?;
        let list = Books::read_catalog(catalog, &files, terms)?;
        self.tell(&list, session)?;
        if let Some(path) = &self.aside {
            write(&list.asides, path, session)?;
        }
        Ok(Offered { file: self.shown(), prices: list.prices, unresolved: list.unresolved })
    }

    fn only_for_catalogs(&self) -> Result<(), Failure> {
        let given = [
            (self.valid_from.is_some(), "--valid-from"),
            (!self.only.is_empty(), "--only"),
            (self.snap, "--snap"),
            (self.end_missing, "--end-missing"),
            (self.aside.is_some(), "--aside"),
        ];
        match given.into_iter().find(|(given, _)| *given) {
            Some((_, option)) => Err(Failure::new(
                Code::OptionsConflict,
                format!("{option} is for catalogues, expected --catalog as well"),
            )
            .hint("tokenbook's own price list has columns for the models and the dates")),
            None => Ok(()),
        }
    }

    /// Prints how every price of the catalogue was counted, with an example of each reason for setting prices aside.
    fn tell(&self, list: &CatalogList, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let (file, counts) = (self.shown(), &list.counts);
        session.tell(format!(
            "{file}: {} = {} taken + {} set aside + {} not asked for",
            counted(counts.quotes, "price", "prices"),
            grouped(counts.quotes_used),
            grouped(counts.quotes_aside),
            grouped(counts.quotes_not_asked)
        ))?;
        session.tell(format!(
            "{file}: {} = {} priced + {} with all prices set aside + {} without a price + {} not asked for",
            counted(counts.models, "model", "models"),
            grouped(counts.models_priced),
            grouped(counts.models_aside),
            grouped(counts.models_without_price),
            grouped(counts.models_not_asked)
        ))?;
        for of_reason in list.asides.chunk_by(|a, b| a.reason == b.reason) {
            if let Some(example) = of_reason.first() {
                let number = u64::try_from(of_reason.len()).unwrap_or(u64::MAX);
                session.tell(format!("set aside: {} {}: {}", grouped(number), example.reason, told(example)))?;
            }
        }
        for snapped in list.snapped.iter().take(NAMED) {
            let (model, key, text, rate) = (&snapped.model, &snapped.key, excerpt(&snapped.text), snapped.rate);
            session.tell(format!("snapped: {model} {key} {text} to {rate} per million"))?;
        }
        if list.snapped.len() > NAMED {
            let more = u64::try_from(list.snapped.len() - NAMED).unwrap_or(u64::MAX);
            session.tell(format!("snapped: {} more", grouped(more)))?;
        }
        if counts.patterns > 0 {
            let models = counted(counts.patterns, "model is", "models are");
            session.tell(format!("{models} also matched by patterns; tokenbook uses exact names only"))?;
        }
        if counts.free > 0 {
            session.tell(format!("{} 0", counted(counts.free, "price is", "prices are")))?;
        }
        if !list.unknown_providers.is_empty() {
            let names: Vec<&str> = list.unknown_providers.keys().take(NAMED).map(String::as_str).collect();
            let more = if list.unknown_providers.len() > NAMED { ", …" } else { "" };
            let names = names.join(", ");
            let providers = listed(list.unknown_providers.len(), "provider keeps", "providers keep");
            session.tell(format!("{providers} the catalogue's name: {names}{more}"))?;
        }
        Ok(())
    }
}

/// Writes every price that was set aside to a CSV for people.
fn write(asides: &[Aside], path: &Path, session: &Session<'_, '_>) -> Result<(), Failure> {
    crate::cli::replacing::refuse_ledger(path, &session.ledger)?;
    let mut csv = String::from("reason,model,key,price,line\n");
    for Aside { reason, model, key, text, line } in asides {
        let fields = [reason.words(), model, key, text, &line.to_string()].map(quoted);
        csv.push_str(&fields.join(","));
        csv.push('\n');
    }
    Ok(tokenbook::books::month::output::replace(path, csv.as_bytes())?)
}

fn told(Aside { model, key, text, line, .. }: &Aside) -> String {
    format!("{} {} {} (line {line})", excerpt(model), excerpt(key), excerpt(text))
}

/// A field of a CSV for people: quoted, and guarded against being run as a formula.
fn quoted(field: &str) -> String {
    let guard = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\"").replace(['\r', '\n'], " "))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unreadable(path.display(), error)
}
