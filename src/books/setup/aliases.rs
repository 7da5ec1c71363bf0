//! Importing aliases of models, and aliases as a sheet.

use crate::books::heading::heading_of;
use crate::books::setup::price_list::Listing;
use crate::books::{Act, Books, BooksError, Observer};
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::ledger::facts::aliases::AliasesAppended;
use crate::price::alias::{AliasKey, AliasRow};
use crate::price::alias_list::{ListedAlias, alias_list};
use crate::price::nearest::nearest_names;
use crate::sheet::{Cell, Column, Sheet};
use std::collections::{BTreeMap, BTreeSet};

/// What an import of aliases did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasesImported {
    /// What was appended.
    pub appended: AliasesAppended,
    /// Aliases of the list that stand for a name which no price has.
    pub without_price: Vec<WithoutPrice>,
}

/// An alias that stands for a name which no price has: not yet, or by a slip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithoutPrice {
    /// Its line.
    pub line: u64,
    /// The name.
    pub model: String,
    /// The nearest names that have prices.
    pub nearest: Vec<String>,
}

impl Books {
    /// Imports a list of aliases: all of it, or nothing.
    pub fn import_aliases(
        &self,
        file: &str,
        bytes: &[u8],
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<AliasesImported, BooksError> {
        let aliases: Vec<ListedAlias> = alias_list(bytes, self.settings().calendar)
            .map_err(|problems| BooksError::Lines { file: file.to_owned(), problems })?;
        self.kept(observer, |write| {
            let priced: BTreeSet<String> = write.prices()?.into_iter().map(|row| row.key.model.to_string()).collect();
            let without_price = aliases.iter().filter_map(|listed| without_price(listed, &priced)).collect();
            let appended = write.append_aliases(&aliases, act.now, act.actor)?;
            Ok(AliasesImported { appended, without_price })
        })
    }

    /// Aliases in the order of their names and starts. What is listed as CSV can be imported again.
    pub fn alias_list(&self, listing: Listing) -> Result<Sheet, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let mut histories: BTreeMap<AliasKey, BTreeMap<Timestamp, AliasRow>> = BTreeMap::new();
        for row in snapshot.aliases()? {
            histories.entry(row.key.clone()).or_default().insert(row.valid_from, row);
        }
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for history in histories.values() {
            match listing {
                Listing::History => rows.extend(history.values().map(cells)),
                Listing::InForceAt(at) => {
                    let last = history.range(..=at).next_back().map(|(_, row)| row);
                    rows.extend(last.filter(|row| row.model.is_some()).map(cells));
                }
            }
        }
        let heading = heading_of(&snapshot, "aliases", listing.to_string())?;
        let columns = ["alias", "provider", "model", "valid_from"].map(Column::text).into();
        Ok(Sheet { heading, columns, rows, total: None })
    }
}

fn without_price(listed: &ListedAlias, priced: &BTreeSet<String>) -> Option<WithoutPrice> {
    let model = listed.row.model.as_ref().filter(|model| !priced.contains(model.as_str()))?;
    let nearest = nearest_names(model.as_str(), priced.iter().map(String::as_str));
    let nearest = nearest.into_iter().map(str::to_owned).collect();
    Some(WithoutPrice { line: listed.line, model: model.to_string(), nearest })
}

fn cells(row: &AliasRow) -> Vec<Cell> {
    vec![
        Cell::text(row.key.alias.as_str()),
        Cell::text(row.key.provider.as_ref().map_or("", Name::as_str)),
        Cell::text(row.model.as_ref().map_or("-", Name::as_str)),
        Cell::text(row.valid_from.to_string()),
    ]
}
