//! Whole quantities into whole parts that add up to them: the largest remainder.
//!
//! Each part is floored toward minus infinity, and what is left over goes, one each, to the largest remainders; a tie
//! goes to the payer that comes first. Nobody gets a part of a token, and no token is lost.

use crate::domain::rule::Share;

/// The part of a quantity that each share gets, in the order of the shares.
pub fn split(quantity: i64, shares: &[Share]) -> Vec<i64> {
    let whole = shares.iter().map(|share| i128::from(share.part)).sum::<i128>().max(1);
    let scaled = |share: &Share| i128::from(quantity) * i128::from(share.part);
    let mut parts: Vec<i128> = shares.iter().map(|share| scaled(share).div_euclid(whole)).collect();
    let mut remainders: Vec<(i128, usize)> =
        shares.iter().enumerate().map(|(place, share)| (scaled(share).rem_euclid(whole), place)).collect();
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut left = i128::from(quantity) - parts.iter().sum::<i128>();
    for (_, place) in remainders {
        if let Some(part) = parts.get_mut(place).filter(|_| left > 0) {
            *part += 1;
            left -= 1;
        }
    }
    // A part is between 0 and the quantity.
    parts.into_iter().map(|part| i64::try_from(part).unwrap_or(quantity)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::Name;
    use crate::domain::rule::{Payer, WHOLE_LIMIT};
    use proptest::prelude::*;

    fn shares(parts: &[i64]) -> Vec<Share> {
        let share = |(place, part): (usize, &i64)| Share {
            payer: Payer { department: Name::new(&format!("d{place}")).ok(), ..Payer::default() },
            part: *part,
        };
        parts.iter().enumerate().map(share).collect()
    }

    #[test]
    fn what_is_left_over_goes_to_the_largest_remainders() {
        assert_eq!(split(100, &shares(&[1, 1, 1])), [34, 33, 33], "a tie goes to the first");
        assert_eq!(split(10, &shares(&[1, 2, 4])), [1, 3, 6]);
        assert_eq!(split(1, &shares(&[1, 2])), [0, 1]);
        assert_eq!(split(0, &shares(&[1, 2])), [0, 0]);
        assert_eq!(split(-100, &shares(&[1, 1, 1])), [-33, -33, -34]);
        assert_eq!(split(i64::MAX, &shares(&[1])), [i64::MAX]);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_are_near_their_share(
            quantity in prop_oneof![-1_000_i64..1_000, any::<i64>()],
            parts in prop::collection::vec(prop_oneof![1_i64..10, 1..=WHOLE_LIMIT / 8], 1..8),
        ) {
            let shares = shares(&parts);
            let found = split(quantity, &shares);
            prop_assert_eq!(found.iter().map(|part| i128::from(*part)).sum::<i128>(), i128::from(quantity));
            let whole: i128 = parts.iter().map(|part| i128::from(*part)).sum();
            for (found, part) in found.iter().zip(&parts) {
                let off = i128::from(*found) * whole - i128::from(quantity) * i128::from(*part);
                prop_assert!(off.abs() < whole, "{} of {} for {}/{}", found, quantity, part, whole);
            }
        }
    }
}
