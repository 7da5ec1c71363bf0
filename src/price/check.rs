//! Finds suspicious prices before anybody is billed by them: jumps and gaps. It reports them and rejects nothing.

use crate::domain::rate::Rate;
use crate::domain::timestamp::Timestamp;
use crate::price::{PriceKey, PriceRow};
use std::collections::BTreeMap;

/// Above this factor between two prices of one key, a typing error or a wrong unit is likelier than a change.
const JUMP: i64 = 10;

/// Something suspicious.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A price is more than ten times the previous one, or less than a tenth of it. Perhaps a digit is wrong, or a price per
    /// 1,000 was read as per 1,000,000.
    Jump {
        /// The key of the price.
        key: PriceKey,
        /// The start of the price.
        at: Timestamp,
        /// The previous price.
        before: Rate,
        /// The new price.
        after: Rate,
    },
    /// A price is 0. Perhaps somebody forgot to enter it.
    Free {
        /// The key of the price.
        key: PriceKey,
        /// The start of the price.
        from: Timestamp,
    },
    /// A key ended and began again later, so there is no price in between.
    Gap {
        /// The key of the price.
        key: PriceKey,
        /// The end of the earlier price.
        from: Timestamp,
        /// The start of the later price; `None` if there is none.
        until: Option<Timestamp>,
    },
}

/// The prices of each key by start, without replaced rows.
pub type Histories<'a> = BTreeMap<PriceKey, BTreeMap<Timestamp, &'a PriceRow>>;

/// The prices of each key by start, without replaced rows.
pub fn histories<'a>(rows: impl IntoIterator<Item = &'a PriceRow>) -> Histories<'a> {
    let mut histories = Histories::new();
    for row in rows {
        histories.entry(row.key.clone()).or_default().insert(row.valid_from, row);
    }
    histories
}

/// Jumps, gaps and free prices, in the order of keys and starts.
pub fn findings<'a>(rows: impl IntoIterator<Item = &'a PriceRow>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, history) in histories(rows) {
        let rows: Vec<&PriceRow> = history.into_values().collect();
        for (at, row) in rows.iter().enumerate() {
            let next = rows.get(at + 1);
            if row.rate.is_some_and(Rate::is_free) {
                findings.push(Finding::Free { key: key.clone(), from: row.valid_from });
            }
            if row.rate.is_none() {
                let until = next.map(|next| next.valid_from);
                findings.push(Finding::Gap { key: key.clone(), from: row.valid_from, until });
            }
            if let Some((next, before, after)) = next.and_then(|next| Some((next, row.rate?, next.rate?)))
                && !before.is_free()
                && !after.is_free()
                && is_jump(row, next)
            {
                findings.push(Finding::Jump { key: key.clone(), at: next.valid_from, before, after });
            }
        }
    }
    findings
}

/// Whether a price is more than ten times another of its key and currency, or less than a tenth.
pub fn is_jump(old: &PriceRow, new: &PriceRow) -> bool {
    let (Some(old_rate), Some(new_rate)) = (old.rate, new.rate) else { return false };
    let (low, high) = (old_rate.min(new_rate).nanos_per_million(), old_rate.max(new_rate).nanos_per_million());
    old.currency == new.currency && low.checked_mul(JUMP).is_some_and(|tenfold| high > tenfold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::currency::Currency;
    use crate::domain::event::ServiceTier;
    use crate::domain::meter::Meter;
    use crate::domain::name::Name;

    type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

    fn row(price: Option<i64>, currency: &str) -> Outcome<PriceRow> {
        let key = PriceKey {
            book: Name::new("contract")?,
            provider: None,
            model: Name::new("m")?,
            tier: ServiceTier::new("standard")?,
            meter: Meter::Input,
            prompt_above: 0,
        };
        let rate = price.map(|nanos| Rate::from_nanos_per_million(nanos).ok_or("negative")).transpose()?;
        Ok(PriceRow { key, valid_from: Timestamp::EARLIEST, currency: Currency::parse(currency)?, rate })
    }

    #[test]
    fn more_than_tenfold_either_way_is_a_jump() -> Outcome {
        for (one, other, expected) in [
            (1, 10, false),
            (1, 11, true),
            (10, 100, false),
            (10, 101, true),
            (7, 7, false),
            (0, 1, true),
            (0, 0, false),
            (1_100_000_000, 1_000_000_000_000, true),
            (i64::MAX / 10, i64::MAX, true),
            (i64::MAX / 10 + 1, i64::MAX, false),
            (i64::MAX, i64::MAX, false),
        ] {
            let (one, other) = (row(Some(one), "USD")?, row(Some(other), "USD")?);
            assert_eq!(is_jump(&one, &other), expected, "{one:?} {other:?}");
            assert_eq!(is_jump(&other, &one), expected, "{other:?} {one:?}");
        }
        assert!(!is_jump(&row(Some(1), "USD")?, &row(Some(150), "JPY")?), "another currency, another size");
        assert!(!is_jump(&row(Some(1), "USD")?, &row(None, "USD")?), "the end of a price is no price");
        Ok(())
    }
}
