//! Rows of aliases. They are appended and never changed. A later row with the same key and start replaces an earlier
//! one, and both stay readable.

use crate::domain::count::Count;
use crate::domain::name::Name;
use crate::domain::number::EntryId;
use crate::domain::quantities::QuantityOverflow;
use crate::domain::timestamp::Timestamp;
use crate::ledger::chain::fact::{Fact, Payloads};
use crate::ledger::chain::seals;
use crate::ledger::chain::{Kind, Signed};
use crate::ledger::file::transaction::{Snapshot, Transaction};
use crate::ledger::read::thresholds;
use crate::ledger::{Damage, LedgerError, Result, chain, stored};
use crate::price::alias::{AliasKey, AliasRow, Target};
use crate::price::alias_list::ListedAlias;
use crate::rows::canonical::Encoder;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// How the chain records aliases.
pub(in crate::ledger) const FACT: Fact = Fact {
    kind: Kind::Alias,
    tables: &["model_alias"],
    payloads: |connection| Ok(Payloads::of_rows(&all(connection)?, payload)),
    is_sealed: true,
};

/// An alias with its line in the list it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct StoredAlias {
    pub(in crate::ledger) id: i64,
    pub(in crate::ledger) line: i64,
    pub(in crate::ledger) row: AliasRow,
}

/// The outcome of an import of aliases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AliasesAppended {
    /// New aliases.
    pub added: u64,
    /// Known aliases.
    pub unchanged: u64,
    /// Aliases that replaced another with the same key and start: the old one and the new one.
    pub replaced: Vec<(AliasRow, AliasRow)>,
}

const INSERT: &str = "INSERT INTO model_alias (id, entry, line, provider, alias, model, model_provider, valid_from) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const NEXT: &str = "SELECT coalesce(max(id), 0) + 1 FROM model_alias";
const READ: &str =
    "SELECT line, provider, alias, model, valid_from, entry, id, model_provider FROM model_alias ORDER BY id";

impl Transaction<'_> {
    /// Appends the new aliases. If a name stands for a model with thresholds, its totals are cut by these.
    pub fn append_aliases(&self, aliases: &[ListedAlias], now: Timestamp, actor: &str) -> Result<AliasesAppended> {
        let connection = self.connection();
        seals::guard_facts(connection, &FACT)?;
        let mut in_force: BTreeMap<(AliasKey, Timestamp), AliasRow> = BTreeMap::new();
        for (stored, _) in all(connection)? {
            in_force.insert((stored.row.key.clone(), stored.row.valid_from), stored.row);
        }
        let mut outcome = AliasesAppended::default();
        let first: i64 = connection.query_row(NEXT, [], |row| row.get(0))?;
        let (mut new, mut ids) = (Vec::new(), first..);
        for ListedAlias { line, row } in aliases {
            match in_force.get(&(row.key.clone(), row.valid_from)) {
                Some(old) if old == row => {
                    outcome.unchanged.one_more();
                    continue;
                }
                Some(old) => outcome.replaced.push((old.clone(), row.clone())),
                None => outcome.added.one_more(),
            }
            let id = ids.next().ok_or(QuantityOverflow)?;
            new.push(StoredAlias { id, line: stored(*line)?, row: row.clone() });
        }
        if new.is_empty() {
            return Ok(outcome);
        }
        let before = thresholds::by_name(connection)?;
        let recorded = payload(&new.iter().collect::<Vec<_>>());
        chain::append(connection, &FACT, Signed { now, actor }, &recorded, |entry| {
            new.iter().try_for_each(|alias| insert(connection, entry, alias))?;
            self.cut_bands_anew(&before)
        })?;
        Ok(outcome)
    }
}

fn insert(connection: &Connection, entry: EntryId, alias: &StoredAlias) -> Result<()> {
    let StoredAlias { id, line, row: AliasRow { key, valid_from, target } } = alias;
    let of_target = |part: fn(&Target) -> Option<&Name>| target.as_ref().and_then(part).map(Name::as_str);
    connection.prepare_cached(INSERT)?.execute(rusqlite::params![
        id,
        entry,
        line,
        key.provider.as_ref().map_or("", Name::as_str),
        key.alias.as_str(),
        of_target(|target| Some(&target.model)),
        of_target(|target| target.provider.as_ref()),
        valid_from.nanos(),
    ])?;
    Ok(())
}

impl Snapshot<'_> {
    /// Every recorded alias, in the order of import. A later one with the same key and start replaces an earlier one.
    pub fn aliases(&self) -> Result<Vec<AliasRow>> {
        let aliases = all(self.connection())?;
        self.prove_facts(&FACT, &Payloads::of_rows(&aliases, payload))?;
        Ok(aliases.into_iter().map(|(stored, _)| stored.row).collect())
    }
}

/// Every alias with the number of its entry, in the order of import.
pub(in crate::ledger) fn all(connection: &Connection) -> Result<Vec<(StoredAlias, EntryId)>> {
    let mut statement = connection.prepare_cached(READ)?;
    let mut rows = statement.query([])?;
    let mut aliases = Vec::new();
    while let Some(row) = rows.next()? {
        aliases.push((StoredAlias { id: row.get(6)?, line: row.get(0)?, row: alias(row)? }, row.get(5)?));
    }
    Ok(aliases)
}

fn alias(row: &Row<'_>) -> Result<AliasRow> {
    let name = |text: &str, what: &str| {
        Name::recorded(text).map_err(|_| LedgerError::Corrupt(Damage::Value, format!("an alias has an invalid {what}")))
    };
    let provider: String = row.get(1)?;
    let (model, of_prices): (Option<String>, Option<String>) = (row.get(3)?, row.get(7)?);
    let target = |model: String| -> Result<Target> {
        let provider = of_prices.map(|provider| name(&provider, "provider")).transpose()?;
        Ok(Target { model: name(&model, "model")?, provider })
    };
    Ok(AliasRow {
        key: AliasKey {
            alias: name(&row.get::<_, String>(2)?, "name")?,
            provider: if provider.is_empty() { None } else { Some(name(&provider, "provider")?) },
        },
        valid_from: chain::instant(row.get(4)?)?,
        target: model.map(target).transpose()?,
    })
}

/// The payload of a list of aliases: every appended row.
fn payload(rows: &[&StoredAlias]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.count(rows.len());
    for StoredAlias { id, line, row } in rows {
        encoder
            .i64(*id)
            .i64(*line)
            .optional_text(row.key.provider.as_ref().map(Name::as_str))
            .text(row.key.alias.as_str());
        match &row.target {
            // The form of version 1, so that earlier payloads of aliases keep their form.
            None => encoder.u8(0),
            Some(Target { model, provider: None }) => encoder.u8(1).text(model.as_str()),
            Some(Target { model, provider: Some(provider) }) => {
                encoder.u8(2).text(model.as_str()).text(provider.as_str())
            }
        };
        encoder.i64(row.valid_from.nanos());
    }
    encoder.into_bytes()
}
