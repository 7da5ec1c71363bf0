//! Imports public price catalogues: read whole, compared with the prices in force, and recorded in one entry or not at
//! all.

use crate::books::setup::prices::{Jumps, jumps_of};
use crate::books::{Act, Books, BooksError, Observer};
use crate::ledger::facts::prices::PricesAppended;
use crate::price::catalog::{self, Catalog, CatalogFile, CatalogList, Missing, Terms};
use crate::price::change::{Changes, missing};
use crate::price::read::ListedPrice;
use crate::price::{PriceKey, PriceRow};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Prices to import, or to compare with the ledger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The name of their file, for messages.
    pub file: String,
    /// The prices.
    pub prices: Vec<ListedPrice>,
    /// Keys with a price that could not be read.
    pub unresolved: BTreeSet<PriceKey>,
}

/// The outcome of an import of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogOutcome {
    /// The changes.
    pub changes: Changes,
    /// Prices in force that the catalogue lacks. They end if the terms request it.
    pub missing: Vec<PriceRow>,
    /// What was appended.
    pub appended: PricesAppended,
}

/// The files of a catalogue: the file itself, or the `.toml` files below a folder, sorted.
pub fn catalog_files(path: &Path) -> io::Result<Vec<CatalogFile>> {
    let mut files = Vec::new();
    if path.is_dir() {
        gather(&path.canonicalize()?, &mut files)?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        if files.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "contains no .toml file"));
        }
    } else {
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        // The path of a model's file names the model.
        let named = if is_toml { path.canonicalize()? } else { path.to_owned() };
        files.push(CatalogFile { name: spelled(&named), bytes: std::fs::read(path)? });
    }
    Ok(files)
}

fn gather(folder: &Path, files: &mut Vec<CatalogFile>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // A link to a folder could lead in a circle. Models that are links to other models are files.
        if path.symlink_metadata()?.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(CatalogFile { name: spelled(&path), bytes: std::fs::read(&path)? });
        }
    }
    Ok(())
}

fn spelled(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

impl Books {
    /// Reads a catalogue, all of it or the models that the terms select.
    pub fn read_catalog(catalog: &Catalog, files: &[CatalogFile], terms: &Terms) -> Result<CatalogList, BooksError> {
        let list = catalog::read(catalog, files, terms)
            .map_err(|error| BooksError::Lines { file: error.file, problems: error.problems })?;
        match list.unmatched.first() {
            Some(pattern) => Err(BooksError::NoModel(pattern.clone())),
            None => Ok(list),
        }
    }

    /// Imports the new prices of a catalogue. Prices that are in force already add nothing.
    pub fn import_catalog(
        &self,
        offered: &Offered,
        terms: &Terms,
        jumps: Jumps,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<CatalogOutcome, BooksError> {
        self.kept(observer, |write| {
            let known = write.prices()?;
            let (changes, missing) = compared(&known, offered, terms);
            let prices = changes.prices();
            if jumps == Jumps::Refuse {
                let problems = jumps_of(&known, &prices);
                if !problems.is_empty() {
                    return Err(BooksError::Lines { file: offered.file.clone(), problems });
                }
            }
            let appended = write.append_prices(&prices, act.now, act.actor)?;
            Ok(CatalogOutcome { changes, missing, appended })
        })
    }
}

/// The changes that offered prices make, with the ends of missing prices if the terms request them, and the missing
/// prices.
pub(in crate::books) fn compared(known: &[PriceRow], offered: &Offered, terms: &Terms) -> (Changes, Vec<PriceRow>) {
    let at = terms.valid_from;
    let missing = missing(known, &offered.prices, &offered.unresolved, &terms.book, at);
    let mut prices = offered.prices.clone();
    if terms.missing == Missing::End {
        let end = |row: &PriceRow| ListedPrice { line: 1, row: PriceRow { valid_from: at, rate: None, ..row.clone() } };
        prices.extend(missing.iter().map(end));
    }
    (Changes::of(known, &prices), missing)
}
