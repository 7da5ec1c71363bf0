//! Imports aliases of models, and lists them as a sheet.

use crate::books::heading::heading_of;
use crate::books::setup::price_list::Listing;
use crate::books::{Act, Books, BooksError, Observer};
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::ledger::facts::aliases::AliasesAppended;
use crate::price::alias::{AliasKey, AliasRow, EVERY};
use crate::price::alias_list::{ListedAlias, alias_list};
use crate::price::nearest::nearest_names;
use crate::sheet::{Cell, Column, Sheet};
use crate::text::problem::excerpt;
use std::collections::{BTreeMap, BTreeSet};

/// The outcome of an import of aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasesImported {
    /// What was appended.
    pub appended: AliasesAppended,
    /// Aliases whose target has no price.
    pub without_price: Vec<WithoutPrice>,
}

/// An alias whose target has no price: the price may come later, or the name may be a typing error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithoutPrice {
    /// Its line.
    pub line: u64,
    /// The name, or the provider, in words.
    pub name: String,
    /// The nearest names that have prices.
    pub nearest: Vec<String>,
}

impl Books {
    /// Imports a list of aliases, all of it or nothing.
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
            let prices = write.prices()?;
            let priced = prices.iter().map(|row| row.key.model.as_str()).collect();
            let providers = prices.iter().filter_map(|row| row.key.provider.as_ref()).collect();
            let lacks = |listed| without_price(listed, &priced, &providers);
            let without_price = aliases.iter().filter_map(lacks).collect();
            let appended = write.append_aliases(&aliases, act.now, act.actor)?;
            Ok(AliasesImported { appended, without_price })
        })
    }

    /// Aliases in the order of their names and starts. The list can be imported again as CSV.
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
                    rows.extend(last.filter(|row| row.target.is_some()).map(cells));
                }
            }
        }
        let heading = heading_of(&snapshot, "aliases", listing.to_string())?;
        let mut columns: Vec<Column> = ["alias", "provider", "model", "model_provider"].map(Column::text).into();
        columns.push(Column::instant("valid_from"));
        Ok(Sheet { heading, columns, rows, total: None })
    }
}

fn without_price(listed: &ListedAlias, priced: &BTreeSet<&str>, providers: &BTreeSet<&Name>) -> Option<WithoutPrice> {
    let target = listed.row.target.as_ref()?;
    let line = listed.line;
    if let Some(provider) = target.provider.as_ref().filter(|provider| !providers.contains(provider)) {
        let nearest = nearest_names(provider.as_str(), providers.iter().map(|provider| provider.as_str()));
        let nearest = nearest.into_iter().map(str::to_owned).collect();
        return Some(WithoutPrice { line, name: format!("provider {}", excerpt(provider.as_str())), nearest });
    }
    let model = target.model.as_str();
    if model == EVERY || priced.contains(model) {
        return None;
    }
    let nearest = nearest_names(model, priced.iter().copied()).into_iter().map(str::to_owned).collect();
    Some(WithoutPrice { line, name: excerpt(model), nearest })
}

fn cells(row: &AliasRow) -> Vec<Cell> {
    vec![
        Cell::text(row.key.alias.as_str()),
        Cell::some(row.key.provider.as_ref().map(Name::as_str)),
        row.target.as_ref().map_or(Cell::Word("-"), |target| Cell::text(target.model.as_str())),
        Cell::some(row.target.as_ref().and_then(|target| target.provider.as_ref()).map(Name::as_str)),
        Cell::Instant(row.valid_from),
    ]
}
