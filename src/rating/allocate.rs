//! Rounds lines by the nested largest remainder, so that they add up to the rounded total, level by level.
//!
//! The total is rounded half to even. Each line is floored toward minus infinity. The units left over go to the largest
//! remainders; a tie goes to the smaller key. They go first to the groups of the first column, then within each group
//! to the groups of the second column, and so on. So a finer report adds up, group by group, to the coarser one.

use crate::domain::money::Amount;
use crate::domain::ratio::{Overflow, half_even};
use std::collections::BTreeMap;

/// Rounds amounts to whole units of `unit` femto-units, so that they add up to their rounded total.
///
/// Keys are the values of the grouping columns, coarsest first, all of one length. The result is in the order of keys.
pub fn minor_units<K: Ord + Clone>(amounts: &BTreeMap<Vec<K>, Amount>, unit: i128) -> Result<Vec<i128>, Overflow> {
    let lines = lines(amounts);
    let total = sum(&lines)?;
    let mut shares = vec![0; lines.len()];
    share(&lines, 0, half_even(total, unit), unit, &mut shares)?;
    Ok(shares)
}

/// Shares of the total in parts of `parts` (1,000 for tenths of a percent) that add up to it; `None` if the total is
/// not above 0. An exact share is a ratio with the total as denominator, so it compares remainders by their numerators.
pub fn shares<K: Ord + Clone>(amounts: &BTreeMap<Vec<K>, Amount>, parts: i128) -> Result<Option<Vec<i128>>, Overflow> {
    let lines = lines(amounts);
    let total = sum(&lines)?;
    if total <= 0 {
        return Ok(None);
    }
    // amount * parts / total, in units of the total.
    let scaled = lines.into_iter().map(|(key, amount)| Ok((key, amount.checked_mul(parts).ok_or(Overflow)?)));
    let scaled = scaled.collect::<Result<Vec<_>, Overflow>>()?;
    let mut shares = vec![0; scaled.len()];
    share(&scaled, 0, parts, total, &mut shares)?;
    Ok(Some(shares))
}

type Line<'a, K> = (&'a [K], i128);

fn lines<K>(amounts: &BTreeMap<Vec<K>, Amount>) -> Vec<Line<'_, K>> {
    amounts.iter().map(|(key, amount)| (key.as_slice(), amount.femtos())).collect()
}

fn sum<K>(lines: &[Line<'_, K>]) -> Result<i128, Overflow> {
    lines.iter().try_fold(0_i128, |sum, (_, amount)| sum.checked_add(*amount)).ok_or(Overflow)
}

/// Distributes `units` over lines sorted by key: over the groups of the column at `depth`, then within each group.
fn share<K: Ord>(
    lines: &[Line<'_, K>],
    depth: usize,
    units: i128,
    unit: i128,
    out: &mut [i128],
) -> Result<(), Overflow> {
    let deeper = lines.first().is_some_and(|(key, _)| depth < key.len());
    if !deeper {
        // Keys are unique, so a group of the last column is one line.
        if let Some(slot) = out.first_mut() {
            *slot = units;
        }
        return Ok(());
    }
    let groups: Vec<&[Line<'_, K>]> = lines.chunk_by(|a, b| a.0.get(depth) == b.0.get(depth)).collect();
    let mut remainders = Vec::with_capacity(groups.len());
    let mut given = Vec::with_capacity(groups.len());
    for (place, group) in groups.iter().enumerate() {
        let amount = sum(group)?;
        given.push(amount.div_euclid(unit));
        remainders.push((amount.rem_euclid(unit), place));
    }
    let floors = given.iter().try_fold(0_i128, |sum, floor| sum.checked_add(*floor)).ok_or(Overflow)?;
    let left = usize::try_from(units.checked_sub(floors).ok_or(Overflow)?).map_err(|_| Overflow)?;
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, place) in remainders.into_iter().take(left) {
        if let Some(floor) = given.get_mut(place) {
            *floor += 1;
        }
    }
    let mut rest = out;
    for (group, units) in groups.into_iter().zip(given) {
        let (here, after) = rest.split_at_mut_checked(group.len()).ok_or(Overflow)?;
        share(group, depth + 1, units, unit, here)?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amounts(lines: &[(&str, &str, i128)]) -> BTreeMap<Vec<String>, Amount> {
        let line = |(a, b, femtos): &(&str, &str, i128)| {
            (vec![(*a).to_owned(), (*b).to_owned()], Amount::from_femtos(*femtos))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn ties_go_to_the_smaller_key() -> Result<(), Overflow> {
        let thirds = amounts(&[("a", "", 10), ("b", "", 10), ("c", "", 10)]);
        assert_eq!(minor_units(&thirds, 15)?, [1, 1, 0], "30 femtos are 2 units of 15");
        assert_eq!(shares(&thirds, 1_000)?, Some(vec![334, 333, 333]));
        assert_eq!(shares(&amounts(&[("a", "", 0)]), 1_000)?, None);
        Ok(())
    }

    proptest! {
        #[test]
        fn parts_add_up_at_every_level(lines in prop::collection::btree_map((0_u8..4, 0_u8..4, 0_u8..4), -5_000_i128..20_000, 1..40)) {
            let amounts: BTreeMap<Vec<u8>, Amount> =
                lines.iter().map(|((a, b, c), femtos)| (vec![*a, *b, *c], Amount::from_femtos(*femtos))).collect();
            let total: i128 = lines.values().sum();
            let fine = minor_units(&amounts, 1_000).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(fine.iter().sum::<i128>(), half_even(total, 1_000));
            for (share, amount) in fine.iter().zip(amounts.values()) {
                let floor = amount.femtos().div_euclid(1_000);
                prop_assert!(*share == floor || *share == floor + 1);
            }
            for depth in 1..3 {
                let mut coarse: BTreeMap<Vec<u8>, Amount> = BTreeMap::new();
                let mut added: BTreeMap<Vec<u8>, i128> = BTreeMap::new();
                for ((key, amount), share) in amounts.iter().zip(&fine) {
                    let key = key.iter().take(depth).copied().collect::<Vec<_>>();
                    let sum = coarse.entry(key.clone()).or_insert(Amount::ZERO);
                    *sum = sum.plus(*amount).map_err(|e| TestCaseError::fail(e.to_string()))?;
                    *added.entry(key).or_default() += share;
                }
                let coarse = minor_units(&coarse, 1_000).map_err(|e| TestCaseError::fail(e.to_string()))?;
                prop_assert_eq!(coarse, added.into_values().collect::<Vec<_>>());
            }
        }
    }
}
