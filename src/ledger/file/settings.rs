//! The settings that are fixed when a ledger is made: its currency, its calendar, its price book.

use crate::domain::calendar::Calendar;
use crate::domain::currency::Currency;
use crate::domain::name::Name;
use crate::domain::number::EntryId;
use crate::ledger::chain::Kind;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::file::schema;
use crate::ledger::{Damage, LedgerError, Result};
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, OptionalExtension};

/// How the chain records the settings.
pub(in crate::ledger) const FACT: Fact = Fact { kind: Kind::Genesis, tables: &["ledger"], payloads, is_sealed: true };

/// The settings of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The reporting currency.
    pub currency: Currency,
    /// The calendar of billing days.
    pub calendar: Calendar,
    /// The price book that amounts come from.
    pub book: Name,
    /// The version of the time zone database at that time.
    pub tz_database: String,
}

impl Settings {
    /// Settings for a new ledger.
    pub fn new(currency: Currency, calendar: Calendar, book: Name) -> Self {
        Self { currency, calendar, book, tz_database: Calendar::database_version().to_owned() }
    }
}

const READ: &str = "SELECT currency, time_zone, tz_database, book FROM ledger WHERE id = 1";
const WRITE: &str = "INSERT INTO ledger (id, currency, time_zone, tz_database, book) VALUES (1, ?1, ?2, ?3, ?4)";

pub(in crate::ledger) fn read(connection: &Connection) -> Result<Settings> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let stored = connection.query_row(READ, [], row).optional()?;
    let none = || LedgerError::Corrupt(Damage::Settings, "it has no settings".to_owned());
    let (currency, zone, tz_database, book): (String, String, String, String) = stored.ok_or_else(none)?;
    let corrupt = |what: &str| LedgerError::Corrupt(Damage::Settings, format!("its {what} is invalid"));
    Ok(Settings {
        currency: Currency::parse(&currency).map_err(|_| corrupt("currency"))?,
        calendar: Calendar::of_zone(&zone).map_err(|_| corrupt("time zone"))?,
        book: Name::recorded(&book).map_err(|_| corrupt("price book"))?,
        tz_database,
    })
}

const GENESIS: &str = "SELECT payload FROM entry WHERE seq = 1";

/// The payload of the first entry, computed from the settings. It begins with the schema version that the ledger was
/// made with, because the file may have been upgraded since. A newer version than this program's is impossible. If
/// there is no entry, the ledger is just being made.
fn payloads(connection: &Connection) -> Result<Payloads> {
    let stored: Option<Vec<u8>> = connection.query_row(GENESIS, [], |row| row.get(0)).optional()?;
    let made_with = match stored {
        Some(stored) => schema_of_genesis(&stored).unwrap_or(0),
        None => schema::newest(),
    };
    let mut payloads = Payloads::default();
    payloads.insert(EntryId::new(1), payload(&read(connection)?, made_with.min(schema::newest())));
    Ok(payloads)
}

pub(in crate::ledger) fn write(connection: &Connection, settings: &Settings) -> Result<()> {
    let zone = settings.calendar.zone_name();
    connection.execute(WRITE, (settings.currency.code(), zone, &settings.tz_database, settings.book.as_str()))?;
    Ok(())
}

/// The payload of the first entry.
pub(in crate::ledger) fn payload(settings: &Settings, schema: u32) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.u64(u64::from(schema)).text(settings.currency.code()).text(settings.calendar.zone_name());
    encoder.text(&settings.tz_database).text(settings.book.as_str());
    encoder.into_bytes()
}

/// The schema version at the start of a first entry's payload.
fn schema_of_genesis(payload: &[u8]) -> Option<u32> {
    let (version, _) = payload.split_first_chunk::<8>()?;
    u32::try_from(u64::from_be_bytes(*version)).ok()
}
