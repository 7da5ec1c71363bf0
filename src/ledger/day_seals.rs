//! The seal of a day: a sum of hashes, one for each of the day's sums, so that a report that reads days sees each of them.
//!
//! A day may have tens of thousands of sums, and an import of a few events touches a few. A sum of hashes is kept
//! without a look at the others: what a row was is taken from it, what the row became is added. So a row that was
//! changed, added or removed by anyone else leaves a difference, however much is appended later. The seal of the month
//! covers those of its days.

use crate::domain::calendar::Day;
use crate::domain::canonical::Encoder;
use crate::domain::meter::Meter;
use crate::domain::period::Period;
use crate::domain::usage::{UsageKey, UsageLine};
use crate::ledger::{LedgerError, Result, sums};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// So many numbers of 64 bits: whoever looks for other rows with the same sum has 512 bits to meet.
const LANES: usize = 8;
/// The bytes of a seal.
const BYTES: usize = LANES * 8;

/// A sum of hashes, in numbers that wrap around. That of no rows is 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HashSum([u64; LANES]);

/// Counts sums of days into seals.
#[derive(Debug)]
pub(super) struct RowHasher {
    hasher: blake3::Hasher,
    encoder: Encoder,
}

impl RowHasher {
    pub(super) fn new() -> Self {
        Self { hasher: blake3::Hasher::new_derive_key("tokenbook 2026 sum of a day"), encoder: Encoder::new() }
    }

    /// The hashes of a sum: of its row, and of each of its rare meters, which are rows of their own.
    pub(super) fn line(&mut self, line: &UsageLine) -> HashSum {
        let mut seal = self.row(line);
        for (meter, quantity) in line.quantities.rare() {
            seal.add(&self.rare(&line.key, *meter, *quantity));
        }
        seal
    }

    /// The hash of a sum's row, without its rare meters.
    pub(super) fn row(&mut self, line: &UsageLine) -> HashSum {
        self.key(0, &line.key);
        self.encoder.i64(line.events).i64(line.active).i64(line.first_at.nanos()).i64(line.last_at.nanos());
        for word in line.quantities.frequent().words() {
            self.encoder.i64(word);
        }
        self.hash()
    }

    /// The hash of a rare meter of a sum.
    pub(super) fn rare(&mut self, key: &UsageKey, meter: Meter, quantity: i64) -> HashSum {
        self.key(1, key);
        self.encoder.u8(meter.code()).i64(quantity);
        self.hash()
    }

    fn key(&mut self, what: u8, key: &UsageKey) {
        self.encoder.clear();
        self.encoder.u8(what).i64(i64::from(key.day.number())).i64(key.source).i64(key.tag_set);
        self.encoder.i64(key.model).i64(key.tier).i64(key.band.code());
    }

    fn hash(&mut self) -> HashSum {
        let mut bytes = [0; BYTES];
        self.hasher.reset().update(self.encoder.as_bytes()).finalize_xof().fill(&mut bytes);
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

    /// Its bytes, each number with the high ones first.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_be_bytes()).collect()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane = lane.wrapping_add(other));
    }

    pub(super) fn take(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane = lane.wrapping_sub(other));
    }

    fn is_of_nothing(&self) -> bool {
        self.0.iter().all(|lane| *lane == 0)
    }
}

/// The seal that a day with these sums has.
pub(super) fn of_lines(lines: &[UsageLine]) -> HashSum {
    let (mut hasher, mut seal) = (RowHasher::new(), HashSum::default());
    lines.iter().for_each(|line| seal.add(&hasher.line(line)));
    seal
}

const SEAL: &str = "SELECT digest FROM day_seal WHERE day = ?1";
const SEALS: &str = "SELECT day, digest FROM day_seal WHERE day BETWEEN ?1 AND ?2 ORDER BY day";
const SET: &str =
    "INSERT INTO day_seal (day, digest) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET digest = excluded.digest";
const FORGET: &str = "DELETE FROM day_seal WHERE day = ?1";

fn stored(bytes: &[u8]) -> Result<HashSum> {
    let bytes = bytes.try_into().map_err(|_| LedgerError::Corrupt("a seal of a day has another length".to_owned()))?;
    Ok(HashSum::of(bytes))
}

/// The seal of a day, which is that of nothing where there is none.
pub(super) fn of_day(connection: &Connection, day: Day) -> Result<HashSum> {
    let mut statement = connection.prepare_cached(SEAL)?;
    let mut rows = statement.query([day.number()])?;
    let row = rows.next()?;
    row.map_or(Ok(HashSum::default()), |row| stored(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?))
}

/// The seals of a period's days.
pub(super) fn of_period(connection: &Connection, period: Period) -> Result<BTreeMap<Day, HashSum>> {
    let mut statement = connection.prepare_cached(SEALS)?;
    let mut rows = statement.query([period.first().number(), period.last().number()])?;
    let mut seals = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let seal = stored(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        seals.insert(sums::day(row.get(0)?)?, seal);
    }
    Ok(seals)
}

/// Adds to the seal of a day what was added to its sums, less what was taken.
pub(super) fn change(connection: &Connection, day: Day, by: &HashSum) -> Result<()> {
    let mut seal = of_day(connection, day)?;
    seal.add(by);
    if seal.is_of_nothing() {
        connection.prepare_cached(FORGET)?.execute([day.number()])?;
        return Ok(());
    }
    connection.prepare_cached(SET)?.execute((day.number(), seal.bytes()))?;
    Ok(())
}
