//! Imports and reads prices.

use crate::books::{Act, Books, BooksError, Observer};
use crate::fault::Code;
use crate::ledger::facts::prices::PricesAppended;
use crate::price::check::{Finding, Histories, findings, histories, is_jump};
use crate::price::read::{ListedPrice, price_list};
use crate::price::{PriceKey, PriceRow};
use crate::text::problem::Problem;

/// How to treat prices that look like a mistake of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jumps {
    /// Rejects a price that is more than ten times the one it replaces or the one before it, or less than a tenth.
    Refuse,
    /// The user has confirmed them.
    Confirmed,
}

impl Books {
    /// Reads a price list without importing it. An empty book means `book`, or the ledger's own.
    pub fn read_price_list(
        &self,
        file: &str,
        bytes: &[u8],
        book: Option<&crate::domain::name::Name>,
    ) -> Result<Vec<ListedPrice>, BooksError> {
        let settings = self.settings();
        price_list(bytes, book.unwrap_or(&settings.book), settings.calendar)
            .map_err(|problems| BooksError::Lines { file: file.to_owned(), problems })
    }

    /// Imports a price list. An empty book means `book`, or the ledger's own.
    pub fn import_prices(
        &self,
        file: &str,
        bytes: &[u8],
        book: Option<&crate::domain::name::Name>,
        jumps: Jumps,
        act: Act<'_>,
        observer: &dyn Observer,
    ) -> Result<PricesAppended, BooksError> {
        let prices = self.read_price_list(file, bytes, book)?;
        self.kept(observer, |write| {
            if jumps == Jumps::Refuse {
                let problems = jumps_of(&write.prices()?, &prices);
                if !problems.is_empty() {
                    return Err(BooksError::Lines { file: file.to_owned(), problems });
                }
            }
            Ok(write.append_prices(&prices, act.now, act.actor)?)
        })
    }

    /// Every price, in the order of import.
    pub fn prices(&self) -> Result<Vec<PriceRow>, BooksError> {
        Ok(self.ledger.snapshot()?.prices()?)
    }
}

/// New prices that look like a mistake: more than ten times the replaced price or a neighbour, or less than a tenth.
pub(in crate::books) fn jumps_of(known: &[PriceRow], new: &[ListedPrice]) -> Vec<Problem> {
    let histories = histories(known);
    let is_known = |row: &PriceRow| {
        histories.get(&row.key).and_then(|of| of.get(&row.valid_from)).is_some_and(|old| **old == *row)
    };
    let new: Vec<&ListedPrice> = new.iter().filter(|price| !is_known(&price.row)).collect();
    let mut problems = replacement_jumps(&histories, &new);
    for problem in neighbour_jumps(known, &new) {
        if !problems.iter().any(|known| known.line == problem.line) {
            problems.push(problem);
        }
    }
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// New prices that are more than ten times, or less than a tenth of, the price with the same key and start.
fn replacement_jumps(histories: &Histories<'_>, new: &[&ListedPrice]) -> Vec<Problem> {
    let jump = |ListedPrice { line, row }: &ListedPrice| {
        let old = histories.get(&row.key)?.get(&row.valid_from)?;
        let (old_rate, new_rate) = (old.rate?, row.rate?);
        let PriceKey { model, meter, .. } = &row.key;
        let from = row.valid_from;
        let what = format!("{model} {meter} from {from} is {old_rate} per million in the ledger and {new_rate} here");
        let expected = "at most ten times as much and at least a tenth (if the price is right, add --accept-jumps)";
        is_jump(old, row).then(|| Problem::field("price", what, expected).coded(Code::PricesJump).at(*line))
    };
    new.iter().copied().filter_map(jump).collect()
}

/// New prices that are more than ten times, or less than a tenth of, a neighbour with the same key.
fn neighbour_jumps(known: &[PriceRow], new: &[&ListedPrice]) -> Vec<Problem> {
    let all = known.iter().chain(new.iter().map(|price| &price.row));
    let mut problems = Vec::new();
    for finding in findings(all) {
        let Finding::Jump { key, at, before, after } = finding else { continue };
        // The price that jumps. If that one was known, the new price that it now jumps from.
        let of_key = || new.iter().filter(|price| price.row.key == key);
        let jumping = of_key().find(|price| price.row.valid_from == at);
        if let Some(price) = jumping.or_else(|| of_key().find(|price| price.row.rate == Some(before))) {
            let what = format!("{} {} goes from {before} to {after} per million at {at}", key.model, key.meter);
            let expected = "at most ten times as much and at least a tenth; check `per` (if the price is right, add --accept-jumps)";
            problems.push(Problem::field("price", what, expected).coded(Code::PricesJump).at(price.line));
        }
    }
    problems
}
