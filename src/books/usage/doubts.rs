//! What there is to say about the departments, tags and buckets of a file of usage.

use crate::attribute::departments::unregistered;
use crate::books::Books;
use crate::books::usage::import::{ImportError, ImportOptions};
use crate::domain::hashed_tags::HashedTags;
use crate::domain::name::similar_names;
use crate::domain::tags::{TagKey, TagSet};
use crate::import::events::buckets;
use crate::import::read::parse::Context;
use crate::ledger::LedgerError;
use crate::text::problem::Problem;
use std::collections::BTreeSet;
use std::sync::PoisonError;

/// What becomes of a file whose departments are not in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unregistered {
    /// It is imported, and they are named.
    Warn,
    /// It is refused.
    Refuse,
}

/// Tags of which hashes were to be kept, and that no event has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotHashed {
    /// Those tags.
    pub missing: Vec<String>,
    /// The tags that the events do have, beside who pays, kept as they came.
    pub kept: BTreeSet<String>,
}

/// What an import of usage says about its departments and tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doubts {
    /// A vendor's sum of the file, and one of the ledger that holds its usage as well: both count.
    pub overlapping: Option<(String, String)>,
    /// Whether some tag was to be hashed in vain.
    pub not_hashed: NotHashed,
    /// Names, of the import and of the ledger, that differ only in case, spacing or look.
    pub similar: Vec<(String, String)>,
    /// Names of the import that are not in the registry, where there is one.
    pub unregistered: Vec<Problem>,
}

fn not_hashed(hashed: &HashedTags, tag_sets: &[TagSet]) -> NotHashed {
    let met: BTreeSet<&str> = tag_sets.iter().flat_map(TagSet::iter).map(|(key, _)| key).collect();
    let is_met = |key: &&TagKey| met.iter().any(|met| met.eq_ignore_ascii_case(key.as_str()));
    let missing: Vec<String> = hashed.keys().filter(|key| !is_met(key)).map(ToString::to_string).collect();
    if missing.is_empty() || tag_sets.is_empty() {
        return NotHashed::default();
    }
    let is_kept = |key: &&str| !TagKey::OWN_FIELDS.contains(key) && !hashed.has(key);
    NotHashed { missing, kept: met.into_iter().filter(is_kept).map(str::to_owned).collect() }
}

impl Books {
    /// What there is to say about the departments and tags of a file, or that it is refused for them.
    pub(in crate::books) fn doubts(
        &self,
        file: &str,
        options: &ImportOptions,
        context: &Context,
    ) -> Result<Doubts, ImportError> {
        let names = context.constants.names.lock();
        let new: BTreeSet<String> =
            names.tag_sets.iter().filter_map(|tags| tags.department().map(str::to_owned)).collect();
        let mut doubts = self.doubts_of(&new).map_err(ImportError::Ledger)?;
        doubts.overlapping = self.overlapping(context).map_err(ImportError::Ledger)?;
        doubts.not_hashed = not_hashed(&options.hashed, &names.tag_sets);
        if options.unregistered == Unregistered::Refuse && !doubts.unregistered.is_empty() {
            return Err(ImportError::Unregistered { file: file.to_owned(), problems: doubts.unregistered });
        }
        Ok(doubts)
    }

    /// The first bucket of an import whose usage another one of the ledger holds, over a longer or shorter span.
    fn overlapping(&self, context: &Context) -> Result<Option<(String, String)>, LedgerError> {
        let mut met = context.constants.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Threads met them in any order, and the same file is told the same.
        met.sort_unstable();
        let others = met.iter().flat_map(|id| buckets::overlapping(id));
        let dated = others.map(|(other, start)| (other, context.calendar.day_of(start)));
        let Some(other) = self.ledger.first_that_counts(&context.source, self.key_hash, dated)? else {
            return Ok(None);
        };
        let own = met.iter().find(|id| buckets::overlapping(id).iter().any(|(id, _)| *id == other));
        Ok(own.map(|own| (own.clone(), other)))
    }

    /// What there is to say about departments that usage names.
    pub(in crate::books) fn doubts_of(&self, names: &BTreeSet<String>) -> Result<Doubts, LedgerError> {
        if names.is_empty() {
            return Ok(Doubts::default());
        }
        let (known, registry) = (self.ledger.departments()?, self.ledger.registry()?);
        let unregistered = names.iter().filter_map(|name| unregistered(name, &registry)).collect();
        Ok(Doubts { similar: similar_names(&known, names), unregistered, ..Doubts::default() })
    }
}
