//! Compares new prices with the ledger's prices, before any of them is recorded.
//!
//! A new price is compared with the price in force at its start. If both are equal, the new price adds nothing and is
//! left out. So a catalogue that you import every day adds only its changes.

use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::price::read::ListedPrice;
use crate::price::{PriceKey, PriceRow};
use std::collections::{BTreeMap, BTreeSet};

/// The effect of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The ledger has no price in force at that time. Another new price may be in force.
    New,
    /// The ledger has a different price.
    Changed,
    /// No price is in force from then on.
    Ended,
}

impl Kind {
    /// The kind in a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Ended => "ended",
        }
    }
}

/// A price that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its effect.
    pub kind: Kind,
    /// The price in force until then, from the ledger or from the new prices; `None` if there is none.
    pub old: Option<PriceRow>,
    /// The new price with its line.
    pub new: ListedPrice,
}

/// What new prices would change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The changes, in the order of keys and starts.
    pub changes: Vec<Change>,
    /// The number of new prices that are in force already.
    pub unchanged: u64,
}

impl Changes {
    /// Compares new prices with known ones, which must be in the order of their import.
    pub fn of(known: &[PriceRow], offered: &[ListedPrice]) -> Self {
        let mut histories: BTreeMap<&PriceKey, BTreeMap<Timestamp, &PriceRow>> = BTreeMap::new();
        for row in known {
            histories.entry(&row.key).or_default().insert(row.valid_from, row);
        }
        let ledgers = histories.clone();
        let in_ledger = |row: &PriceRow| {
            let last = ledgers.get(&row.key).and_then(|history| history.range(..=row.valid_from).next_back());
            last.is_some_and(|(_, row)| row.rate.is_some())
        };
        let mut sorted: Vec<&ListedPrice> = offered.iter().collect();
        sorted.sort_by(|a, b| (&a.row.key, a.row.valid_from, a.line).cmp(&(&b.row.key, b.row.valid_from, b.line)));
        let mut found = Self::default();
        for price in sorted {
            let history = histories.entry(&price.row.key).or_default();
            let before = history.range(..=price.row.valid_from).next_back().map(|(_, row)| *row);
            let before = before.filter(|row| row.rate.is_some());
            let kind = match (before, price.row.rate) {
                (None, None) => None,
                (None, Some(_)) => Some(Kind::New),
                (Some(_), None) => Some(Kind::Ended),
                (Some(row), rate) => (row.rate != rate || row.currency != price.row.currency)
                    .then(|| if in_ledger(&price.row) { Kind::Changed } else { Kind::New }),
            };
            let old = before.filter(|_| kind != Some(Kind::New)).cloned();
            match kind {
                Some(kind) => found.changes.push(Change { kind, old, new: price.clone() }),
                None => found.unchanged += 1,
            }
            history.insert(price.row.valid_from, &price.row);
        }
        found
    }

    /// The number of changes of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.changes.iter().filter(|change| change.kind == kind).count()
    }

    /// The prices to record.
    pub fn prices(&self) -> Vec<ListedPrice> {
        self.changes.iter().map(|change| change.new.clone()).collect()
    }
}

/// Prices of a book in force at an instant that the offer lacks, although it has other prices of their models: a tier
/// or threshold that is no longer sold, or a price from elsewhere. `unresolved` has keys whose new price cannot be
/// read.
pub fn missing(
    known: &[PriceRow],
    offered: &[ListedPrice],
    unresolved: &BTreeSet<PriceKey>,
    book: &Name,
    at: Timestamp,
) -> Vec<PriceRow> {
    let keys: BTreeSet<&PriceKey> = offered.iter().map(|price| &price.row.key).chain(unresolved).collect();
    let models: BTreeSet<(Option<&Name>, &Name)> =
        offered.iter().map(|price| (price.row.key.provider.as_ref(), &price.row.key.model)).collect();
    let mut in_force: BTreeMap<&PriceKey, BTreeMap<Timestamp, &PriceRow>> = BTreeMap::new();
    for row in known.iter().filter(|row| row.valid_from <= at && row.key.book == *book) {
        in_force.entry(&row.key).or_default().insert(row.valid_from, row);
    }
    let last = in_force.into_values().filter_map(|history| history.into_values().next_back());
    let is_missing = |row: &&PriceRow| {
        row.rate.is_some() && models.contains(&(row.key.provider.as_ref(), &row.key.model)) && !keys.contains(&row.key)
    };
    last.filter(is_missing).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Calendar;
    use crate::price::read::price_list;

    /// Prices of one key, by day of October 2026 and rate.
    fn prices(rows: &[(&str, &str, &str)]) -> Vec<ListedPrice> {
        let lines: Vec<String> =
            rows.iter().map(|(model, day, price)| format!("{model},input,USD,{price},2026-10-{day}")).collect();
        let list = format!("model,meter,currency,price,valid_from\n{}\n", lines.join("\n"));
        let read = Name::new("contract").ok().zip(Calendar::of_zone("UTC").ok());
        read.and_then(|(book, calendar)| price_list(list.as_bytes(), &book, calendar).ok()).unwrap_or_default()
    }

    fn kinds(known: &[(&str, &str, &str)], offered: &[(&str, &str, &str)]) -> (Vec<(Kind, u64)>, u64) {
        let known: Vec<PriceRow> = prices(known).into_iter().map(|price| price.row).collect();
        let changes = Changes::of(&known, &prices(offered));
        (changes.changes.iter().map(|change| (change.kind, change.new.line)).collect(), changes.unchanged)
    }

    #[test]
    fn a_price_is_compared_with_the_one_in_force_at_its_start() {
        let known = [("m", "01", "1"), ("m", "10", "2"), ("m", "20", "-")];
        assert_eq!(kinds(&known, &[("m", "05", "1")]), (vec![], 1));
        assert_eq!(kinds(&known, &[("m", "05", "2")]), (vec![(Kind::Changed, 2)], 0));
        assert_eq!(kinds(&known, &[("m", "10", "3")]), (vec![(Kind::Changed, 2)], 0));
        assert_eq!(kinds(&known, &[("m", "15", "-")]), (vec![(Kind::Ended, 2)], 0));
        assert_eq!(kinds(&known, &[("m", "25", "-")]), (vec![], 1));
        assert_eq!(kinds(&known, &[("m", "25", "2")]), (vec![(Kind::New, 2)], 0));
        assert_eq!(kinds(&known, &[("n", "05", "1")]), (vec![(Kind::New, 2)], 0));
        assert_eq!(kinds(&[("m", "02", "1")], &[("m", "01", "1")]), (vec![(Kind::New, 2)], 0));
    }

    #[test]
    fn offered_prices_follow_each_other() {
        // The second price repeats the first, and the third ends what the first began, whatever the order of the lines.
        let offered = [("m", "20", "-"), ("m", "05", "1"), ("m", "10", "1")];
        assert_eq!(kinds(&[], &offered), (vec![(Kind::New, 3), (Kind::Ended, 2)], 1));
    }
}
