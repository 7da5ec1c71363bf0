//! Usage of which nobody says who served it: what an import tells at once, since it cannot be said later.
//!
//! A price without a provider holds for any usage, a price of a provider for its own usage only.

use crate::books::Books;
use crate::books::statement::reports::books;
use crate::books::usage::import::ImportOptions;
use crate::domain::name::Name;
use crate::import::format::How;
use crate::import::formats::stored;
use crate::import::read::parse::Context;
use crate::ledger::LedgerError;
use std::collections::{BTreeMap, BTreeSet};

/// The models of a file that stand without a provider, and which prices there are for them; those left out have one for
/// any provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unserved {
    /// Models that have prices of some providers only, with these.
    pub only: BTreeMap<String, BTreeSet<String>>,
    /// Models without any price, in a vendor's format: in one of the user's own, prices without a provider will come.
    pub none: BTreeSet<String>,
}

impl Books {
    /// What there is to say about providers that a file does not name.
    pub(in crate::books) fn unserved(
        &self,
        format: &str,
        options: &ImportOptions,
        context: &Context,
    ) -> Result<Unserved, LedgerError> {
        let models: BTreeSet<Name> = {
            let names = context.constants.names.lock();
            names.models.iter().filter(|model| model.provider.is_none()).map(|model| model.name.clone()).collect()
        };
        if models.is_empty() {
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
        Ok(unserved)
    }
}
