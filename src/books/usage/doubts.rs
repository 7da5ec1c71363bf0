//! Warnings about the departments, tags and buckets of a usage file.

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

/// How to treat a file with departments that the registry lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unregistered {
    /// Import it and name them.
    Warn,
    /// Reject it.
    Refuse,
}

/// Tags to hash that no event has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotHashed {
    /// Those tags.
    pub missing: Vec<String>,
    /// The tags that the events have, except those that define who pays. Their values were stored unhashed.
    pub kept: BTreeSet<String>,
}

/// The warnings of a usage import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doubts {
    /// A vendor's bucket in the file, and one in the ledger that contains the same usage. Both count.
    pub overlapping: Option<(String, String)>,
    /// Tags to hash that no event has.
    pub not_hashed: NotHashed,
    /// Names in the import and the ledger that differ only in case, spacing or look-alike letters.
    pub similar: Vec<(String, String)>,
    /// Names in the import that the registry lacks, if there is one.
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
    /// The warnings for a file's departments and tags, or the error that rejects it.
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

    /// The first bucket of an import whose usage is also in a bucket of the ledger, over a longer or shorter span.
    fn overlapping(&self, context: &Context) -> Result<Option<(String, String)>, LedgerError> {
        let mut met = context.constants.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Threads collect them in any order. Sorting gives the same warning for the same file.
        met.sort_unstable();
        let others = met.iter().flat_map(|id| buckets::overlapping(id));
        let dated = others.map(|(other, start)| (other, context.calendar.day_of(start)));
        let Some(other) = self.ledger.first_that_counts(&context.source, self.key_hash, dated)? else {
            return Ok(None);
        };
        let own = met.iter().find(|id| buckets::overlapping(id).iter().any(|(id, _)| *id == other));
        Ok(own.map(|own| (own.clone(), other)))
    }

    /// The warnings for the departments in usage.
    pub(in crate::books) fn doubts_of(&self, names: &BTreeSet<String>) -> Result<Doubts, LedgerError> {
        if names.is_empty() {
            return Ok(Doubts::default());
        }
        let (known, registry) = (self.ledger.departments()?, self.ledger.registry()?);
        let unregistered = names.iter().filter_map(|name| unregistered(name, &registry)).collect();
        Ok(Doubts { similar: similar_names(&known, names), unregistered, ..Doubts::default() })
    }
}
