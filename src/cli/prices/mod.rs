//! `tokenbook prices`: import, compare, list and check prices.

mod diff;
mod import;
mod source;

use super::Session;
use super::options::{OutputOptions, counted, grouped};
use crate::cli::failure::{Exit, Failure};
use diff::DiffOptions;
use source::SourceOptions;
use tokenbook::books::Books;
use tokenbook::books::setup::price_list::Listing;
use tokenbook::books::setup::prices::Jumps;
use tokenbook::domain::period::{self, Month, Period};
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::ledger::facts::prices::Replacement;
use tokenbook::price::check::Finding;
use tokenbook::price::{PriceKey, PriceRow};
use tokenbook::text::problem::{excerpt, listed};

/// Import a price list or a public catalogue, compare it first, list prices, check for gaps and mistakes
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Import your own price list or a public catalogue, the whole file or nothing
    Import {
        #[command(flatten)]
        source: SourceOptions,
        /// Accept prices that look like a mistake: more than ten times the price they
        /// replace or the one before, or less than a tenth
        #[arg(long, alias = "confirm")]
        accept_jumps: bool,
    },
    /// Show what an import would change in prices and in the cost of the month, and change nothing
    Diff(DiffOptions),
    /// List the prices in force on a date, or all prices with their history
    List {
        /// A date in the ledger's time zone, or an RFC 3339 instant (default: now)
        #[arg(long, value_name = "WHEN", conflicts_with = "history")]
        at: Option<String>,
        /// List every price, past, present and future
        #[arg(long)]
        history: bool,
        /// List only this price book
        #[arg(long, value_name = "NAME")]
        book: Option<String>,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Find gaps, jumps of more than ten times, free prices, and usage without a price
    Check {
        /// The period whose usage to check (default: the current month)
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        /// End with code 4 if any usage has no price
        #[arg(long)]
        strict: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Import { source, accept_jumps } => import::run(source, jumps(*accept_jumps), session),
        Command::Diff(options) => diff::run(options, session),
        Command::List { at, history, book, output } => {
            let books = session.read()?;
            let listing = match at {
                _ if *history => Listing::History,
                None => Listing::InForceAt(session.invocation.now),
                Some(text) => Listing::InForceAt(instant("--at", text, &books)?),
            };
            output.put(&books.price_list(listing, book.as_deref())?, session)?;
            Ok(Exit::Done)
        }
        Command::Check { period, strict, output } => check(period.as_deref(), *strict, output, session),
    }
}

/// An instant, or the start of a day in the ledger's time zone.
pub fn instant(option: &str, text: &str, books: &Books) -> Result<Timestamp, Failure> {
    if let Ok(day) = period::day(text) {
        return Ok(books.settings().calendar.start_of(day));
    }
    Timestamp::parse(text).map_err(|error| {
        Failure::option(error.code(), option, text, format!("{error}, expected a date or an RFC 3339 instant"))
    })
}

/// How to treat prices that look like a mistake.
pub fn jumps(accepted: bool) -> Jumps {
    if accepted { Jumps::Confirmed } else { Jumps::Refuse }
}

/// Prints the prices that were replaced, and each month whose amount changes.
pub fn print_replaced(books: &Books, all: &[Replacement], session: &mut Session<'_, '_>) -> Result<(), Failure> {
    for replacement in all {
        session.say(replaced(replacement))?;
    }
    let settings = books.settings();
    for moved in session.progress(|progress| books.price_moves(all, progress))? {
        let (before, after) = moved.amounts(settings.currency.digits());
        let book = if moved.book == settings.book { String::new() } else { format!(" by the book {}", moved.book) };
        let unpriced = if moved.before.unpriced_events == moved.after.unpriced_events {
            String::new()
        } else {
            let (before, after) = (moved.before.unpriced_events, moved.after.unpriced_events);
            format!(", unpriced events {} -> {}", grouped(before), grouped(after))
        };
        session.say(format!("{}{book}: {before} -> {after} {}{unpriced}", moved.month, settings.currency.code()))?;
    }
    Ok(())
}

/// Warns of prices that the ledger's reports cannot use.
pub fn warn_foreign(books: &Books, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let own = books.settings().currency;
    for foreign in books.foreign_prices()? {
        let models = counted(u64::try_from(foreign.models.len()).unwrap_or(u64::MAX), "model has", "models have");
        let example = foreign.models.first().map_or_else(String::new, |model| format!(", such as {}", excerpt(model)));
        let whose = if foreign.models.len() == 1 { "its" } else { "their" };
        session.warn(format!(
            "warning: {models} prices in {} only{example}; the ledger is in {own}, and {whose} usage stays unpriced ({} so far)",
            foreign.currency,
            counted(foreign.events, "event", "events")
        ))?;
    }
    Ok(())
}

/// A replacement in words: `old -> new`.
fn replaced(Replacement { old, new }: &Replacement) -> String {
    format!("replaced: {} from {}: {} -> {}", spelled(&new.key), new.valid_from, price(old), price(new))
}

fn spelled(key: &PriceKey) -> String {
    let provider = key.provider.as_ref().map_or_else(|| "any provider".to_owned(), ToString::to_string);
    let above = if key.prompt_above > 0 { format!(" above {}", key.prompt_above) } else { String::new() };
    format!("{} {provider} {} {} {}{above}", key.book, key.model, key.meter, key.tier)
}

fn price(row: &PriceRow) -> String {
    row.rate.map_or_else(|| "no longer sold".to_owned(), |rate| format!("{rate} {} per million", row.currency))
}

fn check(
    period: Option<&str>,
    strict: bool,
    output: &OutputOptions,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let books = session.read()?;
    let period = match period {
        None => Month::of(books.settings().calendar.day_of(session.invocation.now)).period(),
        Some(text) => Period::parse(text).map_err(|error| Failure::option(error.code(), "--period", text, error))?,
    };
    let (findings, unpriced) = session.progress(|progress| books.check_prices(period, progress))?;
    for finding in &findings {
        session.say(match finding {
            Finding::Jump { key, at, before, after } => {
                format!("jump: {} goes from {before} to {after} per million at {at}; check the unit", spelled(key))
            }
            Finding::Free { key, from } => format!("free: {} costs nothing from {from} on", spelled(key)),
            Finding::Gap { key, from, until: Some(until) } => {
                format!("gap: {} has no price from {from} to {until}", spelled(key))
            }
            Finding::Gap { key, from, until: None } => format!("ended: {} has no price from {from} on", spelled(key)),
        })?;
    }
    if unpriced.rows.is_empty() {
        session.tell({
            let found = listed(findings.len(), "finding", "findings");
            format!("{found}; all usage of {period} has a price")
        })?;
        // An older file of this name would name usage that has a price now.
        if output.is_to_file() {
            output.put(&unpriced, session)?;
        }
        return Ok(Exit::Done);
    }
    output.put(&unpriced, session)?;
    session
        .warn("hint: if the price list uses another name for a model, add an alias with `tokenbook aliases import`")?;
    Ok(if strict { Exit::Incomplete } else { Exit::Done })
}
