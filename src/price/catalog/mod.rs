//! The public price catalogues: turns their files into the same rows as tokenbook's own price list.
//!
//! This is the registry. A catalogue is a file and a line in [`CATALOGS`]. It turns a tree of the file into models and
//! their prices as written; all further steps are the same for all catalogues. A price that does not fit a row is set
//! aside with a reason. Such prices are counted and listed, never dropped. Prices are US dollars, as all catalogues
//! state.

mod genai_prices;
mod genai_schedule;
mod litellm;
mod litellm_key;
mod models_dev;
mod openrouter;
mod pattern;
pub mod providers;
mod quote;
mod rows;
mod tree;

use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::fault::Code;
use crate::text::problem::Problem;
use quote::Entry;

pub use pattern::Pattern;
pub use quote::Reason;
pub use rows::{Aside, CatalogList, Counts, Snapped};

/// How to read the files of a catalogue.
#[derive(Debug)]
pub struct Catalog {
    /// The name for `--catalog`.
    pub name: &'static str,
    /// One line on the source of its file.
    pub summary: &'static str,
    entries: fn(&[CatalogFile], &Terms) -> Result<Vec<Entry>, CatalogError>,
}

/// All catalogues, by name.
pub const CATALOGS: &[Catalog] = &[genai_prices::CATALOG, litellm::CATALOG, models_dev::CATALOG, openrouter::CATALOG];

/// A file of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogFile {
    /// Its path, with `/`. models.dev names models by it.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The user's choices for reading a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The book its prices are for.
    pub book: Name,
    /// The start of prices without a date. A catalogue without dates states current prices only.
    pub valid_from: Timestamp,
    /// The models to read; all if empty.
    pub only: Vec<Pattern>,
    /// How to treat prices that are not a whole number of nano-units per million.
    pub inexact: Inexact,
    /// How to treat prices in force that the catalogue lacks.
    pub missing: Missing,
}

/// How to treat prices in force that a catalogue lacks, if it has other prices of their models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// They stay.
    Keep,
    /// They end when the catalogue's prices start.
    End,
}

/// How to treat a price that tokenbook cannot represent exactly, usually because of a binary fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inexact {
    /// It is set aside.
    SetAside,
    /// The nearest rate replaces it, if it differs by less than a millionth.
    Snap,
}

/// The file does not have the catalogue's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogError {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl CatalogError {
    /// The stable code.
    pub fn code(&self) -> Code {
        Problem::shared_code(&self.problems)
    }
}

/// The catalogue with a name.
pub fn named(name: &str) -> Option<&'static Catalog> {
    CATALOGS.iter().find(|catalog| catalog.name == name)
}

/// Reads a whole catalogue, whatever the user chose, so that everything can be counted.
pub fn read(catalog: &Catalog, files: &[CatalogFile], terms: &Terms) -> Result<CatalogList, CatalogError> {
    let entries = (catalog.entries)(files, terms)?;
    if let Some(file) = files.first().filter(|_| entries.is_empty()) {
        return Err(file.problem(Problem::line("contains no models", format!("a catalogue of {}", catalog.summary))));
    }
    Ok(rows::list(&entries, terms))
}

impl CatalogFile {
    fn problem(&self, problem: Problem) -> CatalogError {
        CatalogError { file: self.name.clone(), problems: vec![problem] }
    }
}

/// The file of a catalogue that has a single file.
fn only_file<'a>(files: &'a [CatalogFile], catalog: &Catalog) -> Result<&'a CatalogFile, CatalogError> {
    match files {
        [file] => Ok(file),
        _ => Err(CatalogError {
            file: files.first().map_or_else(String::new, |file| file.name.clone()),
            problems: vec![Problem::line(format!("{} files", files.len()), format!("one file: {}", catalog.summary))],
        }),
    }
}
