//! Adds to the totals by day and by month. When a total by day changes, the seal of its day changes in the same step.

use crate::domain::calendar::Day;
use crate::domain::quantities::{Quantities, QuantityOverflow};
use crate::domain::usage::{UsageKey, UsageLine};
use crate::ledger::sums::day_seals::{self, HashSum, RowHasher};
use crate::ledger::sums::{AMOUNTS, Grain, frequent};
use crate::ledger::{Damage, LedgerError, Result, chain};
use rusqlite::{CachedStatement, Connection};
use std::collections::BTreeMap;

/// The totals of one statement.
const LINES: usize = 16;
/// The columns of a total.
const COLUMNS: usize = 18;

/// Adds to the totals of a table, and updates the seals of days.
pub(in crate::ledger) struct Adder<'w> {
    connection: &'w Connection,
    grain: Grain,
    find: CachedStatement<'w>,
    add_new: CachedStatement<'w>,
    add_many: CachedStatement<'w>,
    replace: CachedStatement<'w>,
    find_rare: CachedStatement<'w>,
    put_rare: CachedStatement<'w>,
    hasher: RowHasher,
    /// The changes of the seals of days.
    changes: BTreeMap<Day, HashSum>,
}

impl<'w> Adder<'w> {
    pub(in crate::ledger) fn new(connection: &'w Connection, grain: Grain) -> Result<Self> {
        let (table, column) = (grain.table(), grain.column());
        let key = format!("{column}, posting_period, source, tag_set, model, tier, band");
        let into = format!("INSERT INTO {table} ({key}, {AMOUNTS}) VALUES ");
        let values = format!("({})", ["?"; COLUMNS].join(", "));
        let is_it = format!(
            "WHERE {column} = ?1 AND posting_period = ?2 AND source = ?3 AND tag_set = ?4 AND model = ?5 AND tier = ?6 \
             AND band = ?7"
        );
        let amounts = (8..).zip(AMOUNTS.split(", "));
        let sets = amounts.map(|(place, amount)| format!("{amount} = ?{place}")).collect::<Vec<_>>();
        let find = format!("SELECT {AMOUNTS} FROM {table} {is_it}");
        let add_many = format!("{into} {}", vec![values.as_str(); LINES].join(", "));
        let replace = format!("UPDATE {table} SET {} {is_it}", sets.join(", "));
        let find_rare = format!("SELECT quantity FROM {table}_meter {is_it} AND meter = ?8");
        let put_rare = format!(
            "INSERT INTO {table}_meter ({key}, meter, quantity) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT DO UPDATE SET quantity = excluded.quantity"
        );
        Ok(Self {
            connection,
            grain,
            find: connection.prepare_cached(&find)?,
            add_new: connection.prepare_cached(&format!("{into} {values}"))?,
            add_many: connection.prepare_cached(&add_many)?,
            replace: connection.prepare_cached(&replace)?,
            find_rare: connection.prepare_cached(&find_rare)?,
            put_rare: connection.prepare_cached(&put_rare)?,
            hasher: RowHasher::new(),
            changes: BTreeMap::new(),
        })
    }

    /// Adds lines to a span without totals. The lines are in key order. Nothing is looked up, and one statement inserts
    /// many lines.
    pub(in crate::ledger) fn add_to_none(&mut self, lines: &[UsageLine]) -> Result<()> {
        let chunks = lines.chunks_exact(LINES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (number, line) in chunk.iter().enumerate() {
                bind(&mut self.add_many, number.saturating_mul(COLUMNS), self.grain, line)?;
            }
            self.add_many.raw_execute()?;
            for line in chunk {
                self.count(line);
                self.add_rare(line)?;
            }
        }
        rest.iter().try_for_each(|line| self.add(line))
    }

    /// Adds a line. A line without events, from grown records, goes to the total that has them.
    pub(in crate::ledger) fn add(&mut self, line: &UsageLine) -> Result<()> {
        match self.found(line)? {
            Some(mut sum) => {
                self.discount(&sum);
                sum.add(line)?;
                bind(&mut self.replace, 0, self.grain, &sum)?;
                self.replace.raw_execute()?;
                self.count(&sum);
            }
            None if line.events == 0 => {
                let what = "no daily total includes a record that grew (`tokenbook rebuild` computes them again)";
                return Err(LedgerError::Corrupt(Damage::Totals, what.to_owned()));
            }
            None => {
                bind(&mut self.add_new, 0, self.grain, line)?;
                self.add_new.raw_execute()?;
                self.count(line);
            }
        }
        self.add_rare(line)
    }

    /// Adds to the totals of the rare meters. Each has its own row.
    fn add_rare(&mut self, line: &UsageLine) -> Result<()> {
        let head = head(self.grain, &line.key);
        for (meter, quantity) in line.quantities.rare() {
            for (parameter, value) in (1_usize..).zip(head.into_iter().chain([i64::from(meter.code())])) {
                self.find_rare.raw_bind_parameter(parameter, value)?;
                self.put_rare.raw_bind_parameter(parameter, value)?;
            }
            let before: Option<i64> = self.find_rare.raw_query().next()?.map(|row| row.get(0)).transpose()?;
            let after = before.unwrap_or(0).checked_add(*quantity).ok_or(QuantityOverflow)?;
            self.put_rare.raw_bind_parameter(9, after)?;
            self.put_rare.raw_execute()?;
            if self.grain == Grain::Day {
                let seal = self.changes.entry(line.key.day).or_default();
                if let Some(before) = before {
                    seal.take(&self.hasher.rare(&line.key, *meter, before));
                }
                seal.add(&self.hasher.rare(&line.key, *meter, after));
            }
        }
        Ok(())
    }

    /// The total that a line is added to, without its rare meters.
    fn found(&mut self, line: &UsageLine) -> Result<Option<UsageLine>> {
        for (parameter, value) in (1_usize..).zip(head(self.grain, &line.key)) {
            self.find.raw_bind_parameter(parameter, value)?;
        }
        let mut rows = self.find.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(UsageLine {
            key: line.key,
            events: row.get(0)?,
            active: row.get(1)?,
            first_at: chain::instant(row.get(2)?)?,
            last_at: chain::instant(row.get(3)?)?,
            quantities: Quantities::from_frequent(frequent(row, 4)?),
        }))
    }

    fn count(&mut self, line: &UsageLine) {
        if self.grain == Grain::Day {
            self.changes.entry(line.key.day).or_default().add(&self.hasher.row(line));
        }
    }

    fn discount(&mut self, line: &UsageLine) {
        if self.grain == Grain::Day {
            self.changes.entry(line.key.day).or_default().take(&self.hasher.row(line));
        }
    }

    /// Removes lines from the seals of their days. The caller removes the rows.
    pub(in crate::ledger) fn forget(&mut self, lines: &[UsageLine]) {
        for line in lines {
            let gone = self.hasher.line(line);
            self.changes.entry(line.key.day).or_default().take(&gone);
        }
    }

    /// Writes the seals of the changed days.
    pub(in crate::ledger) fn finish(self) -> Result<()> {
        self.changes.iter().try_for_each(|(day, change)| day_seals::change(self.connection, *day, change))
    }
}

/// The key columns of a total.
fn head(grain: Grain, key: &UsageKey) -> [i64; 7] {
    let (span, posting) = (grain.number(key.day), key.posted.code());
    let &UsageKey { source, tag_set, model, tier, band, .. } = key;
    [span, posting, source.number(), tag_set.number(), model.number(), tier.number(), band.code()]
}

/// Binds a line from a parameter on, counting from 0.
fn bind(statement: &mut CachedStatement<'_>, from: usize, grain: Grain, line: &UsageLine) -> Result<()> {
    let counts = [line.events, line.active, line.first_at.nanos(), line.last_at.nanos()];
    let known = head(grain, &line.key).into_iter().chain(counts).map(Some);
    for (parameter, value) in (from.saturating_add(1)..).zip(known.chain(line.quantities.frequent().iter())) {
        statement.raw_bind_parameter(parameter, value)?;
    }
    Ok(())
}
