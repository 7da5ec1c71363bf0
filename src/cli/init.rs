//! `tokenbook init`: make a ledger.

use super::Session;
use crate::cli::failure::{Exit, Failure};
use tokenbook::books::Books;
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::name::Name;
use tokenbook::ledger::Settings;

/// Make a ledger; you cannot change its currency, time zone and price book later
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The currency of all amounts, an ISO 4217 code
    #[arg(long, default_value = "USD", value_name = "CODE")]
    currency: String,
    /// The IANA time zone of billing days and months
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    time_zone: String,
    /// The price book whose prices bill the usage
    #[arg(long, default_value = "contract", value_name = "NAME")]
    book: String,
}

/// Reads settings as a user writes them.
pub fn settings(currency: &str, time_zone: &str, book: &str) -> Result<Settings, Failure> {
    Ok(Settings::new(
        Currency::parse(currency).map_err(|error| Failure::option(error.code(), "--currency", currency, error))?,
        Calendar::of_zone(time_zone).map_err(|error| Failure::option(error.code(), "--time-zone", time_zone, error))?,
        Name::new(book).map_err(|error| Failure::option(error.code(), "--book", book, error))?,
    ))
}

pub fn run(arguments: &Arguments, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let settings = settings(&arguments.currency, &arguments.time_zone, &arguments.book)?;
    let books = Books::create(&session.ledger, &settings, session.act())?;
    let head = books.head()?;
    let ledger = session.ledger.display().to_string();
    session.tell(format!(
        "{ledger}: a new ledger in {}, days of {}, prices from the book {}",
        settings.currency,
        settings.calendar.zone_name(),
        settings.book
    ))?;
    session.tell_head(&head)?;
    Ok(Exit::Done)
}
