//! Price rows. They are appended and never changed. A later row with the same key and start replaces an earlier one,
//! and both stay readable.

use crate::domain::count::Count;
use crate::domain::currency::Currency;
use crate::domain::event::ServiceTier;
use crate::domain::name::Name;
use crate::domain::number::EntryId;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::rate::Rate;
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::seals;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::read::thresholds;
use crate::ledger::values;
use crate::ledger::{Damage, LedgerError, Result, chain, stored};
use crate::price::read::ListedPrice;
use crate::price::{PriceKey, PriceRow};
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// How the chain records prices.
pub(in crate::ledger) const FACT: Fact = Fact {
    kind: Kind::Price,
    tables: &["price"],
    payloads: |connection| Ok(Payloads::of_rows(&all(connection)?, payload)),
    is_sealed: true,
};

/// A price with its line in the list it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct StoredPrice {
    pub(in crate::ledger) id: i64,
    pub(in crate::ledger) line: i64,
    pub(in crate::ledger) row: PriceRow,
}

/// The outcome of an import of prices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PricesAppended {
    /// New prices.
    pub added: u64,
    /// Known prices without a change.
    pub unchanged: u64,
    /// Prices that replaced another with the same key and start.
    pub replaced: Vec<Replacement>,
}

/// A price that replaced another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The old price.
    pub old: PriceRow,
    /// The new price.
    pub new: PriceRow,
}

const INSERT: &str = "INSERT INTO price (id, entry, line, book, provider, model, tier, meter, prompt_above, currency, rate, \
    valid_from) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM price";
const READ: &str = "SELECT line, book, provider, model, tier, meter, prompt_above, currency, rate, valid_from, entry, \
    id FROM price ORDER BY id";

impl Transaction<'_> {
    /// Appends the new prices. If one brings a new threshold, its model's totals are cut again.
    pub fn append_prices(&self, prices: &[ListedPrice], now: Timestamp, actor: &str) -> Result<PricesAppended> {
        let connection = self.connection();
        seals::guard_facts(connection, &FACT)?;
        let mut in_force: BTreeMap<(PriceKey, Timestamp), PriceRow> = BTreeMap::new();
        for (stored, _) in all(connection)? {
            in_force.insert((stored.row.key.clone(), stored.row.valid_from), stored.row);
        }
        let mut outcome = PricesAppended::default();
        let first: i64 = connection.query_row(NEXT, [], |row| row.get(0))?;
        let (mut new, mut ids) = (Vec::new(), first..);
        for ListedPrice { line, row } in prices {
            match in_force.get(&(row.key.clone(), row.valid_from)) {
                Some(old) if old == row => {
                    outcome.unchanged.one_more();
                    continue;
                }
                Some(old) => outcome.replaced.push(Replacement { old: old.clone(), new: row.clone() }),
                None => outcome.added.one_more(),
            }
            let id = ids.next().ok_or(QuantityOverflow)?;
            new.push(StoredPrice { id, line: stored(*line)?, row: row.clone() });
        }
        if new.is_empty() {
            return Ok(outcome);
        }
        let before = thresholds::by_name(connection)?;
        let recorded = payload(&new.iter().collect::<Vec<_>>());
        chain::append(connection, &FACT, Signed { now, actor }, &recorded, |entry| {
            new.iter().try_for_each(|price| insert(connection, entry, price))?;
            self.cut_bands_anew(&before)
        })?;
        Ok(outcome)
    }

    /// Computes the totals of models again whose thresholds have changed.
    pub(in crate::ledger) fn cut_bands_anew(&self, before: &BTreeMap<String, Vec<i64>>) -> Result<()> {
        let connection = self.connection();
        let after = thresholds::by_name(connection)?;
        let mut models = BTreeSet::new();
        let mut statement = connection.prepare("SELECT id, name FROM model")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            if before.get(&name) != after.get(&name) {
                models.insert(row.get(0)?);
            }
        }
        if models.is_empty() { Ok(()) } else { self.rebuild_models(&models) }
    }
}

fn insert(connection: &Connection, entry: EntryId, price: &StoredPrice) -> Result<()> {
    let StoredPrice { id, line, row } = price;
    let key = &row.key;
    let provider = key.provider.as_ref().map_or("", Name::as_str);
    let rate = row.rate.map(Rate::nanos_per_million);
    connection.prepare_cached(INSERT)?.execute(rusqlite::params![
        id,
        entry,
        line,
        key.book.as_str(),
        provider,
        key.model.as_str(),
        key.tier.as_str(),
        key.meter.code(),
        key.prompt_above,
        row.currency.code(),
        rate,
        row.valid_from.nanos(),
    ])?;
    Ok(())
}

impl Transaction<'_> {
    /// Every price, as this transaction sees them.
    pub fn prices(&self) -> Result<Vec<PriceRow>> {
        Ok(all(self.connection())?.into_iter().map(|(stored, _)| stored.row).collect())
    }
}

impl Snapshot<'_> {
    /// Every recorded price, in the order of import. A later one with the same key and start replaces an earlier one.
    pub fn prices(&self) -> Result<Vec<PriceRow>> {
        let prices = all(self.connection())?;
        self.prove_facts(&FACT, &Payloads::of_rows(&prices, payload))?;
        Ok(prices.into_iter().map(|(stored, _)| stored.row).collect())
    }
}

/// Every price with the number of its entry, in the order of import.
pub(in crate::ledger) fn all(connection: &Connection) -> Result<Vec<(StoredPrice, EntryId)>> {
    let mut statement = connection.prepare_cached(READ)?;
    let mut rows = statement.query([])?;
    let mut prices = Vec::new();
    while let Some(row) = rows.next()? {
        prices.push((StoredPrice { id: row.get(11)?, line: row.get(0)?, row: price(row)? }, row.get(10)?));
    }
    Ok(prices)
}

fn price(row: &Row<'_>) -> Result<PriceRow> {
    let corrupt = |what: &str| LedgerError::Corrupt(Damage::Value, format!("a price has an invalid {what}"));
    let name = |column: usize, what: &str| Name::recorded(&row.get::<_, String>(column)?).map_err(|_| corrupt(what));
    let provider: String = row.get(2)?;
    let key = PriceKey {
        book: name(1, "book")?,
        provider: if provider.is_empty() { None } else { Some(name(2, "provider")?) },
        model: name(3, "model")?,
        tier: ServiceTier::recorded(&row.get::<_, String>(4)?).map_err(|_| corrupt("tier"))?,
        meter: values::meter(row.get(5)?)?,
        prompt_above: row.get(6)?,
    };
    let currency = Currency::parse(&row.get::<_, String>(7)?).map_err(|_| corrupt("currency"))?;
    let rate = match row.get::<_, Option<i64>>(8)? {
        None => None,
        Some(nanos) => Some(Rate::from_nanos_per_million(nanos).ok_or_else(|| corrupt("rate"))?),
    };
    Ok(PriceRow { key, valid_from: chain::instant(row.get(9)?)?, currency, rate })
}

/// The payload of a price list: every appended row.
fn payload(rows: &[&StoredPrice]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.count(rows.len());
    for StoredPrice { id, line, row } in rows {
        let key = &row.key;
        encoder.i64(*id).i64(*line).text(key.book.as_str()).optional_text(key.provider.as_ref().map(Name::as_str));
        encoder.text(key.model.as_str()).text(key.tier.as_str()).u8(key.meter.code()).i64(key.prompt_above);
        encoder.text(row.currency.code()).optional_i64(row.rate.map(Rate::nanos_per_million));
        encoder.i64(row.valid_from.nanos());
    }
    encoder.into_bytes()
}
