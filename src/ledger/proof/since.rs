//! What was recorded after a known entry. It explains why a report made then differs from one made now.

use crate::domain::count::Count;
use crate::domain::number::EntryId;
use crate::ledger::facts::prices;
use crate::ledger::file::transaction::Snapshot;
use crate::ledger::{Damage, LedgerError, Result, chain};
use rusqlite::OptionalExtension;
use std::collections::BTreeSet;

/// What was recorded since the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    /// Prices for new keys and starts.
    pub prices_added: usize,
    /// Prices that replaced others.
    pub prices_replaced: usize,
    /// Aliases of models.
    pub aliases: i64,
    /// Sets of rules.
    pub rule_sets: i64,
    /// Retractions of usage.
    pub retractions: i64,
}

const HASH: &str = "SELECT hash FROM entry WHERE seq = ?1";
const ALIASES: &str = "SELECT count(*) FROM model_alias WHERE entry > ?1";
const RULE_SETS: &str = "SELECT count(*) FROM rule_set WHERE entry > ?1";
const RETRACTIONS: &str = "SELECT count(*) FROM retraction WHERE import IS NOT NULL AND entry > ?1";

impl Snapshot<'_> {
    /// The hash of an entry.
    pub fn hash_of(&self, entry: EntryId) -> Result<[u8; 32]> {
        let found: Option<Vec<u8>> = self.connection().query_row(HASH, [entry], |row| row.get(0)).optional()?;
        let missing = || LedgerError::Corrupt(Damage::Chain, format!("entry {entry} is missing"));
        chain::digest(&found.ok_or_else(missing)?)
    }

    /// The hash of the first entry, which no other ledger has.
    pub fn genesis(&self) -> Result<[u8; 32]> {
        self.hash_of(EntryId::FIRST)
    }

    /// What was recorded after an entry, given by its number and its hash in hexadecimal. `None` if the chain has no
    /// such entry: it belongs to another ledger, or to a later state of this one.
    pub fn since(&self, last: EntryId, hash: &str) -> Result<Option<Since>> {
        let connection = self.connection();
        let found: Option<Vec<u8>> = connection.query_row(HASH, [last], |row| row.get(0)).optional()?;
        if found.is_none_or(|found| chain::hex(&found) != hash) {
            return Ok(None);
        }
        let count = |sql: &str| connection.query_row(sql, [last], |row| row.get(0));
        let mut since = Since {
            aliases: count(ALIASES)?,
            rule_sets: count(RULE_SETS)?,
            retractions: count(RETRACTIONS)?,
            ..Since::default()
        };
        let mut known = BTreeSet::new();
        for (price, entry) in prices::all(connection)? {
            let is_new = known.insert((price.row.key, price.row.valid_from));
            match (entry > last, is_new) {
                (false, _) => {}
                (true, true) => since.prices_added.one_more(),
                (true, false) => since.prices_replaced.one_more(),
            }
        }
        Ok(Some(since))
    }
}
