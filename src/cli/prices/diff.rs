//! `tokenbook prices diff`: show what an import of prices would change, before you import.

use super::source::SourceOptions;
use super::spelled;
use crate::cli::Session;
use crate::cli::failure::{Code, Exit, Failure};
use crate::cli::options::{OutputOptions, counted};
use crate::cli::progress::Progress;
use tokenbook::books::statement::price_diff::{Listed, PriceDiff};
use tokenbook::domain::period::Month;
use tokenbook::price::catalog::{Missing, Terms};
use tokenbook::price::change::Kind;
use tokenbook::text::problem::listed;

/// The part of the comparison to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The prices that change
    Prices,
    /// The cost of the month by model, before and after
    Cost,
}

/// The options of `prices diff`.
#[derive(Debug, clap::Args)]
pub struct DiffOptions {
    #[command(flatten)]
    source: SourceOptions,
    /// The month whose cost to compare (default: the current month)
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
    /// List new prices too, not only changed and ended prices
    #[arg(long)]
    new: bool,
    /// Print only this table (default: both; csv and json need one of them)
    #[arg(long, value_enum, value_name = "PART")]
    part: Option<Part>,
    #[command(flatten)]
    output: OutputOptions,
}

/// Compares the prices of a file with the ledger's.
pub fn run(options: &DiffOptions, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    if options.part.is_none() && !options.output.holds_two() {
        return Err(Failure::new(
            Code::OptionMissing,
            "two tables do not fit one file, expected --part prices or --part cost",
        ));
    }
    let month = options.month.as_deref().map(Month::parse).transpose().map_err(|error| {
        let month = options.month.as_deref().unwrap_or_default();
        Failure::option(error.code(), "--month", month, format!("{error}, expected YYYY-MM"))
    })?;
    let books = session.read()?;
    let source = &options.source;
    let terms = source.terms(&books, session)?;
    let offered = source.offered(&books, &terms, session)?;
    let listed = if options.new { Listed::All } else { Listed::ChangedAndEnded };
    let diff = |progress: &Progress| books.price_diff(&offered, &terms, month, listed, session.act(), progress);
    let diff = session.progress(diff)?;
    tell(options, &terms, &diff, session)?;
    let sheets = match options.part {
        None => vec![&diff.prices, &diff.cost],
        Some(Part::Prices) => vec![&diff.prices],
        Some(Part::Cost) => vec![&diff.cost],
    };
    options.output.put_all(&sheets, session)?;
    Ok(Exit::Done)
}

fn tell(options: &DiffOptions, terms: &Terms, diff: &PriceDiff, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let PriceDiff { changes, missing, .. } = diff;
    let hidden = if options.new || changes.count(Kind::New) == 0 { "" } else { " (--new lists them)" };
    session.tell(format!(
        "{}: {} new{hidden}, {} changed, {} ended, {} unchanged",
        options.source.shown(),
        counted(u64::try_from(changes.count(Kind::New)).unwrap_or(u64::MAX), "price", "prices"),
        changes.count(Kind::Changed),
        changes.count(Kind::Ended),
        changes.unchanged
    ))?;
    if options.source.catalog().is_some() && terms.missing == Missing::Keep && !missing.is_empty() {
        let example = missing.first().map_or_else(String::new, |row| spelled(&row.key));
        let prices = listed(missing.len(), "price", "prices");
        session.tell(format!(
            "not in the catalogue, though it has other prices of the same models: {prices} in force, such as {example} \
             (without --end-missing, tokenbook keeps them)"
        ))?;
    }
    Ok(())
}
