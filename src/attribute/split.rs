//! Splits a whole quantity into whole parts that add up to it, by the largest remainder.
//!
//! Each part is floored toward minus infinity. The units left over go, one each, to the largest remainders; a tie goes
//! to the earlier payer. If several quantities are split one after another, a payer who got less than the exact part of
//! one comes first at the next. Nobody gets a fraction of a token, and no token is lost.

use crate::domain::rule::Share;

/// What shares are owed from the quantities divided so far, in parts of the shares' whole. Below 0 for a share that
/// received too much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owed(Vec<i128>);

/// The part of a quantity for each share, in the order of the shares. The remainder goes first to the shares that are
/// owed most, so many small quantities are divided like their sum.
pub fn split(quantity: i64, shares: &[Share], owed: &mut Owed) -> Vec<i64> {
    let whole = shares.iter().map(|share| i128::from(share.part)).sum::<i128>().max(1);
    let scaled = |share: &Share| i128::from(quantity) * i128::from(share.part);
    let mut parts: Vec<i128> = shares.iter().map(|share| scaled(share).div_euclid(whole)).collect();
    owed.0.resize(shares.len(), 0);
    for (owed, share) in owed.0.iter_mut().zip(shares) {
        *owed += scaled(share).rem_euclid(whole);
    }
    let mut order: Vec<(i128, usize)> = owed.0.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut left = i128::from(quantity) - parts.iter().sum::<i128>();
    for (_, place) in order {
        if let (Some(part), Some(owed)) = (parts.get_mut(place).filter(|_| left > 0), owed.0.get_mut(place)) {
            *part += 1;
            *owed -= whole;
            left -= 1;
        }
    }
    // A part is between 0 and the quantity.
    parts.into_iter().map(|part| i64::try_from(part).unwrap_or(quantity)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::TagValue;
    use crate::domain::rule::{Payer, WHOLE_LIMIT};
    use proptest::prelude::*;

    fn shares(parts: &[i64]) -> Vec<Share> {
        let share = |(place, part): (usize, &i64)| Share {
            payer: Payer { department: TagValue::new(&format!("d{place}")).ok(), ..Payer::default() },
            part: *part,
        };
        parts.iter().enumerate().map(share).collect()
    }

    #[test]
    fn what_is_left_over_goes_to_the_largest_remainders() {
        assert_eq!(split(100, &shares(&[1, 1, 1]), &mut Owed::default()), [34, 33, 33], "a tie goes to the first");
        assert_eq!(split(10, &shares(&[1, 2, 4]), &mut Owed::default()), [1, 3, 6]);
        assert_eq!(split(1, &shares(&[1, 2]), &mut Owed::default()), [0, 1]);
        assert_eq!(split(0, &shares(&[1, 2]), &mut Owed::default()), [0, 0]);
        assert_eq!(split(-100, &shares(&[1, 1, 1]), &mut Owed::default()), [-33, -33, -34]);
        assert_eq!(split(i64::MAX, &shares(&[1]), &mut Owed::default()), [i64::MAX]);
    }

    #[test]
    fn many_small_quantities_are_divided_like_their_sum() {
        for (parts, expected) in
            [(vec![1, 1], vec![50, 50]), (vec![1, 3], vec![25, 75]), (vec![1, 2, 7], vec![10, 20, 70])]
        {
            let (shares, mut owed, mut sums) = (shares(&parts), Owed::default(), vec![0; parts.len()]);
            for _ in 0..100 {
                for (sum, part) in sums.iter_mut().zip(split(1, &shares, &mut owed)) {
                    assert!(part >= 0);
                    *sum += part;
                }
            }
            assert_eq!(sums, expected);
        }
    }

    proptest! {
        #[test]
        fn after_each_quantity_all_parts_are_near_their_share(
            quantities in prop::collection::vec(0_i64..20, 1..40),
            parts in prop::collection::vec(1_i64..10, 1..6),
        ) {
            let (shares, mut owed) = (shares(&parts), Owed::default());
            let (mut sums, mut sum, whole) = (vec![0; parts.len()], 0, parts.iter().sum::<i64>());
            for quantity in quantities {
                let found = split(quantity, &shares, &mut owed);
                prop_assert_eq!(found.iter().sum::<i64>(), quantity);
                sum += quantity;
                for ((total, found), part) in sums.iter_mut().zip(&found).zip(&parts) {
                    prop_assert!(*found >= 0);
                    *total += found;
                    let off = *total * whole - sum * part;
                    prop_assert!(off.abs() < whole * i64::try_from(parts.len()).unwrap_or(0), "{off} of {whole}");
                }
            }
        }

        #[test]
        fn parts_add_up_and_are_near_their_share(
            quantity in prop_oneof![-1_000_i64..1_000, any::<i64>()],
            parts in prop::collection::vec(prop_oneof![1_i64..10, 1..=WHOLE_LIMIT / 8], 1..8),
        ) {
            let shares = shares(&parts);
            let found = split(quantity, &shares, &mut Owed::default());
            prop_assert_eq!(found.iter().map(|part| i128::from(*part)).sum::<i128>(), i128::from(quantity));
            let whole: i128 = parts.iter().map(|part| i128::from(*part)).sum();
            for (found, part) in found.iter().zip(&parts) {
                let off = i128::from(*found) * whole - i128::from(quantity) * i128::from(*part);
                prop_assert!(off.abs() < whole, "{} of {} for {}/{}", found, quantity, part, whole);
            }
        }
    }
}
