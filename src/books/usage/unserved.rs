//! Usage without a provider. An import reports it at once, because the provider cannot be added later.
//!
//! A price without a provider applies to any usage. A provider's price applies to its own usage only.

use crate::books::Books;
use crate::books::statement::reports::books;
use crate::books::usage::import::ImportOptions;
use crate::domain::event::Model;
use crate::domain::name::Name;
use crate::import::format::How;
use crate::import::formats::stored;
use crate::import::read::parse::Context;
use crate::ledger::LedgerError;
use crate::price::nearest::undated;
use std::collections::{BTreeMap, BTreeSet};

/// The models of a file without a provider, and which prices exist for them. Models with a price for any provider are
/// left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unserved {
    /// Models whose prices all name a provider, with these providers.
    pub only: BTreeMap<String, BTreeSet<String>>,
    /// Models without any price, in a vendor's format. In the user's own formats, prices without a provider will
    /// follow.
    pub none: BTreeSet<String>,
    /// Models with a date in their name that have no price, and the names without the date that have one.
    pub dated: BTreeMap<String, String>,
}

impl Books {
    /// The warnings about missing providers of a file.
    pub(in crate::books) fn unserved(
        &self,
        format: &str,
        options: &ImportOptions,
        context: &Context,
    ) -> Result<Unserved, LedgerError> {
        let (models, dated): (BTreeSet<Name>, BTreeSet<Name>) = {
            let names = context.constants.names.lock();
            let named = |model: &&Model| undated(model.name.as_str()).is_some();
            let dated = names.models.iter().filter(named).map(|model| model.name.clone()).collect();
            let unserved = names.models.iter().filter(|model| model.provider.is_none());
            (unserved.map(|model| model.name.clone()).collect(), dated)
        };
        if models.is_empty() && dated.is_empty() {
            return Ok(Unserved::default());
        }
        let snapshot = self.ledger.snapshot()?;
        let books = books(&snapshot.prices()?, &snapshot.aliases()?);
        let book = books.get(self.settings().book.as_str());
        let own = stored(format).is_none_or(|format| matches!(format.how, How::Own(_)));
        let vendors = !own && options.reading.map.is_none();
        let mut unserved = Unserved::default();
        for model in models.iter().map(Name::as_str) {
            match book.map(|book| book.providers_of(model)).filter(|providers| !providers.is_empty()) {
                None if vendors => drop(unserved.none.insert(model.to_owned())),
                Some(providers) if !providers.contains(&None) => {
                    let names = providers.iter().flatten().map(ToString::to_string);
                    unserved.only.insert(model.to_owned(), names.collect());
                }
                _ => {}
            }
        }
        for model in dated.iter().map(Name::as_str) {
            if let Some(name) = book.and_then(|book| book.undated(model)) {
                unserved.dated.insert(model.to_owned(), name.to_owned());
            }
        }
        Ok(unserved)
    }
}
