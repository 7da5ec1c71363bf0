//! The prompt sizes at which a model's prices change. They cut its usage into bands.

use crate::ledger::Result;
use crate::price::alias;
use rusqlite::Connection;
use std::collections::BTreeMap;

const PAIRS: &str = "SELECT DISTINCT alias, model FROM model_alias WHERE model IS NOT NULL";
const THRESHOLDS: &str = "SELECT DISTINCT model, prompt_above FROM price WHERE prompt_above > 0";

/// The thresholds at which some price changes with the prompt's size, ascending, by every name that usage may have.
pub(in crate::ledger) fn by_name(connection: &Connection) -> Result<BTreeMap<String, Vec<i64>>> {
    let mut statement = connection.prepare_cached(THRESHOLDS)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let prices: Vec<(String, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    let aliases = pairs(connection)?;
    Ok(alias::thresholds(
        prices.iter().map(|(model, threshold)| (model.as_str(), *threshold)),
        aliases.iter().map(|(alias, model)| (alias.as_str(), model.as_str())),
    ))
}

/// Every alias with every model that it ever stood for.
fn pairs(connection: &Connection) -> Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached(PAIRS)?;
    let pairs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(pairs.collect::<rusqlite::Result<_>>()?)
}
