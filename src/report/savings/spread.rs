//! Multiplies an amount by a ratio and splits it, so that the parts add up to it exactly, in femto-units.

use crate::domain::money::Amount;
use crate::domain::ratio::{Overflow, Ratio};
use std::cmp::Reverse;

/// The parts of a femto-unit by which remainders are compared.
const FINENESS: i128 = 1_000_000_000;

/// Each part times the ratio. The results add up to the sum of the parts times the ratio, rounded half to even to a
/// femto-unit. Femto-units left over go to the largest remainders; a tie goes to the earlier part.
pub(super) fn spread(parts: &[Amount], ratio: Ratio) -> Result<Vec<Amount>, Overflow> {
    let total = sum(parts)?.scaled(ratio)?;
    let mut shares = Vec::with_capacity(parts.len());
    let mut remainders = Vec::with_capacity(parts.len());
    for (place, part) in parts.iter().enumerate() {
        let (floor, remainder) = floor(whole(part.femtos())?.times(ratio)?)?;
        shares.push(floor);
        remainders.push((Reverse(remainder), place));
    }
    let left = total.minus(sum(&shares)?)?.femtos();
    remainders.sort_unstable();
    for (_, place) in remainders.into_iter().take(usize::try_from(left).map_err(|_| Overflow)?) {
        if let Some(share) = shares.get_mut(place) {
            *share = share.plus(Amount::from_femtos(1))?;
        }
    }
    Ok(shares)
}

/// The sum of amounts.
pub(super) fn sum<'a>(amounts: impl IntoIterator<Item = &'a Amount>) -> Result<Amount, Overflow> {
    amounts.into_iter().try_fold(Amount::ZERO, |sum, amount| sum.plus(*amount))
}

/// The whole femto-units of a ratio, toward minus infinity, and the remainder.
fn floor(exact: Ratio) -> Result<(Amount, i128), Overflow> {
    let nearest = exact.round_half_even();
    let above = exact.minus(whole(nearest)?)?;
    let (floor, rest) = if above.is_negative() {
        (nearest.checked_sub(1).ok_or(Overflow)?, above.plus(Ratio::ONE)?)
    } else {
        (nearest, above)
    };
    Ok((Amount::from_femtos(floor), rest.times(whole(FINENESS)?)?.round_half_even()))
}

fn whole(number: i128) -> Result<Ratio, Overflow> {
    Ratio::new(number, 1).ok_or(Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_add_up_to_the_rounded_whole(
            parts in prop::collection::vec(-5_000_i128..1_000_000_000_000, 1..12),
            over in 1_i128..100_000,
            under in 1_i128..100_000,
        ) {
            let failed = |Overflow| TestCaseError::fail("overflow");
            let ratio = Ratio::new(over, under).ok_or_else(|| TestCaseError::fail("no ratio"))?;
            let amounts: Vec<Amount> = parts.iter().copied().map(Amount::from_femtos).collect();
            let shares = spread(&amounts, ratio).map_err(failed)?;
            let whole = sum(&amounts).and_then(|sum| sum.scaled(ratio)).map_err(failed)?;
            prop_assert_eq!(sum(&shares).map_err(failed)?, whole);
            for (share, part) in shares.iter().zip(parts) {
                let floor = (part * over).div_euclid(under);
                prop_assert!(share.femtos() == floor || share.femtos() == floor + 1);
            }
        }
    }
}
