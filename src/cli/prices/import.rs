//! `tokenbook prices import`: import your own price list or a public catalogue.

use super::source::SourceOptions;
use super::{print_replaced, spelled, warn_foreign};
use crate::cli::Session;
use crate::cli::failure::{Exit, Failure};
use crate::cli::options::counted;
use crate::cli::progress::Progress;
use tokenbook::books::Books;
use tokenbook::books::setup::catalogs::CatalogOutcome;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::price::catalog::Missing;
use tokenbook::price::change::Kind;
use tokenbook::text::problem::listed;

/// Imports the prices of a file.
pub fn run(source: &SourceOptions, jumps: Jumps, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let own = if source.catalog().is_none() { Some((source.book()?, source.bytes()?)) } else { None };
    let books = session.open()?;
    let file = source.shown();
    let Some((book, bytes)) = own else { return catalog(source, jumps, &books, session) };
    let import =
        |progress: &Progress| books.import_prices(&file, &bytes, book.as_ref(), jumps, session.act(), progress);
    let outcome = session.progress(import)?;
    print_replaced(&books, &outcome.replaced, session)?;
    warn_foreign(&books, session)?;
    let head = books.head()?;
    session.tell(format!(
        "{file}: {} added, {} replaced, {} unchanged",
        counted(outcome.added, "price", "prices"),
        outcome.replaced.len(),
        outcome.unchanged
    ))?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}

fn catalog(
    source: &SourceOptions,
    jumps: Jumps,
    books: &Books,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let terms = source.terms(books, session)?;
    let offered = source.offered(books, &terms, session)?;
    let file = source.shown();
    let import = |progress: &Progress| books.import_catalog(&offered, &terms, jumps, session.act(), progress);
    let outcome = session.progress(import)?;
    let CatalogOutcome { changes, missing, appended } = &outcome;
    print_replaced(books, &appended.replaced, session)?;
    warn_foreign(books, session)?;
    if terms.missing == Missing::Keep && !missing.is_empty() {
        let example = missing.first().map_or_else(String::new, |row| spelled(&row.key));
        let prices = listed(missing.len(), "price", "prices");
        session.tell(format!(
            "not in the catalogue, though it has other prices of the same models: {prices} in force, such as {example} \
             (without --end-missing, tokenbook keeps them)"
        ))?;
    }
    let head = books.head()?;
    session.tell(format!(
        "{file}: {} new, {} changed, {} ended, {} unchanged, from {}",
        counted(u64::try_from(changes.count(Kind::New)).unwrap_or(u64::MAX), "price", "prices"),
        changes.count(Kind::Changed),
        changes.count(Kind::Ended),
        changes.unchanged,
        terms.valid_from
    ))?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}
