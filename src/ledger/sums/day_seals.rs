//! The seal of a day: a sum of hashes, one for each of the day's totals. A report that reads days checks each total by
//! it.
//!
//! A day may have tens of thousands of totals, and an import of a few events changes only a few. A sum of hashes can be
//! updated without reading the others: the old row's hash is subtracted and the new row's hash is added. If anybody
//! else changes, adds or removes a row, a difference remains, however much is appended later. The seals of a month's
//! days have a seal themselves.

use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::domain::period::Period;
use crate::domain::usage::{UsageKey, UsageLine};
use crate::ledger::values;
use crate::ledger::{Damage, LedgerError, Result, leb128};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// The numbers of a seal, 64 bits each. Other rows with the same sum would have to agree in all 512 bits.
const LANES: usize = 8;
/// The bytes of a seal.
const BYTES: usize = LANES * 8;

/// A sum of hashes, in numbers that wrap around. The sum of no rows is 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::ledger) struct HashSum([u64; LANES]);

/// Hashes the rows of daily totals.
#[derive(Debug)]
pub(in crate::ledger) struct RowHasher {
    hasher: blake3::Hasher,
    /// Numbers of seven bits a byte. A row is usually one block of the hash.
    form: Vec<u8>,
}

impl RowHasher {
    pub(in crate::ledger) fn new() -> Self {
        Self { hasher: blake3::Hasher::new_derive_key("tokenbook 2026 sum of a day"), form: Vec::new() }
    }

    /// The hashes of a total: of its row, and of each of its rare meters, which have their own rows.
    pub(in crate::ledger) fn line(&mut self, line: &UsageLine) -> HashSum {
        let mut seal = self.row(line);
        for (meter, quantity) in line.quantities.rare() {
            seal.add(&self.rare(&line.key, *meter, *quantity));
        }
        seal
    }

    /// The hash of a total's row, without its rare meters.
    pub(in crate::ledger) fn row(&mut self, line: &UsageLine) -> HashSum {
        let counts = [line.events, line.active, line.first_at.nanos(), line.last_at.nanos()];
        self.hash(0, &line.key, counts.into_iter().chain(line.quantities.frequent().words()))
    }

    /// The hash of a rare meter of a total.
    pub(in crate::ledger) fn rare(&mut self, key: &UsageKey, meter: Meter, quantity: i64) -> HashSum {
        self.hash(1, key, [i64::from(meter.code()), quantity].into_iter())
    }

    fn hash(&mut self, what: i64, key: &UsageKey, values: impl Iterator<Item = i64>) -> HashSum {
        let &UsageKey { day, source, tag_set, model, tier, band, .. } = key;
        let numbers = [source.number(), tag_set.number(), model.number(), tier.number(), band.code()];
        let place = [what, i64::from(day.number())].into_iter().chain(numbers);
        self.form.clear();
        for number in place.chain(values) {
            leb128(&mut self.form, number.cast_unsigned());
        }
        let mut bytes = [0; BYTES];
        self.hasher.reset().update(&self.form).finalize_xof().fill(&mut bytes);
        HashSum::of(&bytes)
    }
}

impl HashSum {
    fn of(bytes: &[u8; BYTES]) -> Self {
        let mut lanes = [0; LANES];
        let (of_lanes, _) = bytes.as_chunks::<8>();
        lanes.iter_mut().zip(of_lanes).for_each(|(lane, bytes)| *lane = u64::from_be_bytes(*bytes));
        Self(lanes)
    }

    /// Its bytes, each number big-endian.
    pub(in crate::ledger) fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_be_bytes()).collect()
    }

    pub(in crate::ledger) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane = lane.wrapping_add(other));
    }

    pub(in crate::ledger) fn take(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane = lane.wrapping_sub(other));
    }

    fn is_of_nothing(&self) -> bool {
        self.0.iter().all(|lane| *lane == 0)
    }
}

/// The seal for a day with these totals.
pub(in crate::ledger) fn of_lines(lines: &[UsageLine]) -> HashSum {
    let (mut hasher, mut seal) = (RowHasher::new(), HashSum::default());
    for line in lines {
        seal.add(&hasher.line(line));
    }
    seal
}

const SEAL: &str = "SELECT digest FROM day_seal WHERE day = ?1";
const SEALS: &str = "SELECT day, digest FROM day_seal WHERE day BETWEEN ?1 AND ?2 ORDER BY day";
const SET: &str =
    "INSERT INTO day_seal (day, digest) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET digest = excluded.digest";
const FORGET: &str = "DELETE FROM day_seal WHERE day = ?1";

fn stored(bytes: &[u8]) -> Result<HashSum> {
    let bytes = bytes
        .try_into()
        .map_err(|_| LedgerError::Corrupt(Damage::Value, "a seal of a day has another length".to_owned()))?;
    Ok(HashSum::of(bytes))
}

/// The seal of a day; 0 if it has none.
pub(in crate::ledger) fn of_day(connection: &Connection, day: Day) -> Result<HashSum> {
    let mut statement = connection.prepare_cached(SEAL)?;
    let mut rows = statement.query([day.number()])?;
    let row = rows.next()?;
    row.map_or(Ok(HashSum::default()), |row| stored(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?))
}

/// The seals of a period's days.
pub(in crate::ledger) fn of_period(connection: &Connection, period: Period) -> Result<BTreeMap<Day, HashSum>> {
    let mut statement = connection.prepare_cached(SEALS)?;
    let mut rows = statement.query([period.first().number(), period.last().number()])?;
    let mut seals = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let seal = stored(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        seals.insert(values::day(row.get(0)?)?, seal);
    }
    Ok(seals)
}

/// Adds a change of a day's totals to its seal.
pub(in crate::ledger) fn change(connection: &Connection, day: Day, by: &HashSum) -> Result<()> {
    let mut seal = of_day(connection, day)?;
    seal.add(by);
    if seal.is_of_nothing() {
        connection.prepare_cached(FORGET)?.execute([day.number()])?;
        return Ok(());
    }
    connection.prepare_cached(SET)?.execute((day.number(), seal.bytes()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Band;
    use crate::domain::number::{ModelId, SourceId, TagSetId, TierId};
    use crate::domain::quantities::Quantities;
    use crate::domain::timestamp::Timestamp;
    use crate::ledger::chain;

    fn sum(output: i64) -> Option<UsageLine> {
        let day = Day::from_number(20_727)?;
        let at = Timestamp::from_nanos(1_790_816_400_000_000_000)?;
        let mut quantities = Quantities::NONE;
        quantities.set(Meter::CacheRead, 7);
        quantities.set(Meter::Output, output);
        quantities.set(Meter::Request, 5);
        let (source, tag_set) = (SourceId::new(1), TagSetId::new(300));
        let (model, tier) = (ModelId::new(2), TierId::new(1));
        let key =
            UsageKey { day, posted: day.month(), priced_at: at, source, tag_set, model, tier, band: Band::Unknown };
        let last_at = Timestamp::from_nanos(1_790_816_400_000_000_001)?;
        Some(UsageLine { key, events: 5, active: 4, first_at: at, last_at, quantities })
    }

    #[test]
    fn the_form_is_frozen() -> std::result::Result<(), &'static str> {
        // Made with Python's blake3 from docs/SCHEMA.md.
        let row = "36a98eb6f8ef57239fdde3f12c28105110b53d9377dcf53aa889b45459fee87e\
                   91767ceca494d243b2601a7dbb27eb95bd2796949e12f4e009f68f5d637c237d";
        let rare = "8b64b249bee0495524f3df4a397da6a975b9896fc412062dd1519ba8c211121c\
                    786e03e462f6e22f79e57e17f38ffb961eaa68204e7f0f43f257e6cc5e90bfe6";
        let (mut hasher, line) = (RowHasher::new(), sum(9).ok_or("a sum")?);
        assert_eq!(chain::hex(&hasher.row(&line).bytes()), row, "every ledger holds seals like this");
        assert_eq!(
            chain::hex(&hasher.rare(&line.key, Meter::WebSearch, 4).bytes()),
            rare,
            "every ledger holds seals like this"
        );
        Ok(())
    }

    #[test]
    fn a_seal_does_not_depend_on_the_way_to_its_rows() -> std::result::Result<(), &'static str> {
        let (one, other, both) = (sum(9).ok_or("a sum")?, sum(1).ok_or("a sum")?, sum(10).ok_or("a sum")?);
        let mut hasher = RowHasher::new();
        let mut seal = of_lines(&[one.clone(), other.clone()]);
        assert_eq!(seal, of_lines(&[other.clone(), one.clone()]));
        seal.take(&hasher.line(&one));
        assert_eq!(seal, of_lines(std::slice::from_ref(&other)));
        seal.take(&hasher.line(&other));
        assert!(seal.is_of_nothing());
        seal.add(&hasher.line(&both));
        assert_eq!(seal, of_lines(std::slice::from_ref(&both)));
        assert_ne!(seal, of_lines(&[one, other]));
        Ok(())
    }
}
