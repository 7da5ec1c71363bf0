//! The quantity of each meter. "Not reported" (`None`) and zero are different, also in sums.

use crate::domain::meter::{FREQUENT, Meter, Side, Unit};
use crate::fault::Code;

/// A sum of quantities exceeded 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum of quantities does not fit 64 bits")]
pub struct QuantityOverflow;

impl QuantityOverflow {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::QuantityOverflow
    }
}

/// The frequent meters of one record, in as little memory as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequent {
    quantities: [i64; FREQUENT],
    /// A bit for each meter that was reported.
    reported: u8,
}

/// The bit of a place; none beyond the frequent meters.
fn bit(place: usize) -> u8 {
    u32::try_from(place).ok().and_then(|place| 1_u8.checked_shl(place)).unwrap_or(0)
}

impl Frequent {
    /// Nothing reported.
    pub const NONE: Self = Self { quantities: [0; FREQUENT], reported: 0 };

    /// Quantities by position, and a bit for each one that was reported. The others are 0.
    pub const fn of(quantities: [i64; FREQUENT], reported: u8) -> Self {
        Self { quantities, reported }
    }

    /// The quantity at a position; `None` if it was not reported.
    pub fn get(&self, place: usize) -> Option<i64> {
        self.quantities.get(place).copied().filter(|_| self.reported & bit(place) != 0)
    }

    /// Sets the quantity at a position. It ignores positions beyond the frequent meters.
    pub fn set(&mut self, place: usize, quantity: i64) {
        if let Some(slot) = self.quantities.get_mut(place) {
            *slot = quantity;
            self.reported |= bit(place);
        }
    }

    /// Removes and returns the quantity at a position.
    pub fn take(&mut self, place: usize) -> Option<i64> {
        let quantity = self.get(place);
        if let Some(slot) = self.quantities.get_mut(place) {
            *slot = 0;
            self.reported &= !bit(place);
        }
        quantity
    }

    /// All quantities as whole numbers. Two different sets of quantities give different numbers.
    pub fn words(&self) -> impl Iterator<Item = i64> {
        self.quantities.into_iter().chain([i64::from(self.reported)])
    }

    /// Whether nothing was reported.
    pub const fn is_empty(&self) -> bool {
        self.reported == 0
    }

    /// The quantities of all positions, in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<i64>> + '_ {
        (0..FREQUENT).map(|place| self.get(place))
    }

    fn add(&mut self, other: &Self) -> Result<(), QuantityOverflow> {
        // Unreported quantities are 0 in the array, so the addition need not distinguish them.
        for (sum, quantity) in self.quantities.iter_mut().zip(&other.quantities) {
            *sum = sum.checked_add(*quantity).ok_or(QuantityOverflow)?;
        }
        self.reported |= other.reported;
        Ok(())
    }
}

/// Quantities by meter. Unreported meters are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantities {
    frequent: Frequent,
    /// Sorted by meter. It never contains frequent meters.
    rare: Vec<(Meter, i64)>,
}

impl Quantities {
    /// Nothing reported.
    pub const NONE: Self = Self { frequent: Frequent::NONE, rare: Vec::new() };

    /// The quantity of a meter; `None` if it was not reported.
    pub fn get(&self, meter: Meter) -> Option<i64> {
        match meter.frequent() {
            Some(place) => self.frequent.get(place),
            None => self.rare.iter().find(|(m, _)| *m == meter).map(|(_, quantity)| *quantity),
        }
    }

    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        self.frequent.is_empty() && self.rare.is_empty()
    }

    /// Sets the quantity of a meter.
    pub fn set(&mut self, meter: Meter, quantity: i64) {
        if let Some(place) = meter.frequent() {
            self.frequent.set(place, quantity);
            return;
        }
        match self.rare.binary_search_by_key(&meter, |(m, _)| *m) {
            Ok(at) => {
                if let Some(slot) = self.rare.get_mut(at) {
                    slot.1 = quantity;
                }
            }
            Err(at) => self.rare.insert(at, (meter, quantity)),
        }
    }

    /// The reported quantities in the order of the meters.
    pub fn iter(&self) -> impl Iterator<Item = (Meter, i64)> + '_ {
        let frequent = Meter::ALL.into_iter().zip(self.frequent.iter()).filter_map(|(m, q)| q.map(|q| (m, q)));
        frequent.chain(self.rare.iter().copied())
    }

    /// The frequent meters, in the form of the ledger's columns.
    pub const fn frequent(&self) -> &Frequent {
        &self.frequent
    }

    /// The rare meters, sorted.
    pub fn rare(&self) -> &[(Meter, i64)] {
        &self.rare
    }

    /// Quantities from the ledger's columns.
    pub const fn from_frequent(frequent: Frequent) -> Self {
        Self { frequent, rare: Vec::new() }
    }

    /// Adds another record's quantities.
    pub fn add(&mut self, other: &Self) -> Result<(), QuantityOverflow> {
        self.frequent.add(&other.frequent)?;
        for (meter, quantity) in &other.rare {
            let sum = match self.get(*meter) {
                Some(sum) => sum.checked_add(*quantity).ok_or(QuantityOverflow)?,
                None => *quantity,
            };
            self.set(*meter, sum);
        }
        Ok(())
    }

    /// The difference to an earlier state. `None` if a meter has decreased or is no longer reported.
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let shrank = |(meter, before): (Meter, i64)| self.get(meter).is_none_or(|now| now < before);
        if earlier.iter().any(shrank) {
            return None;
        }
        let mut added = Self::NONE;
        for (meter, now) in self.iter() {
            added.set(meter, now.checked_sub(earlier.get(meter).unwrap_or(0))?);
        }
        Some(added)
    }

    /// Whether any meter of usage is above zero, except `request`: whether there is something to price.
    pub fn is_active(&self) -> bool {
        self.iter().any(|(meter, quantity)| meter != Meter::Request && !meter.is_measure() && quantity > 0)
    }

    /// The size of the prompt: the sum of all meters of its side.
    pub fn prompt_size(&self) -> Result<i64, QuantityOverflow> {
        self.sum_where(|meter| meter.side() == Side::Prompt)
    }

    /// All tokens, of both sides.
    pub fn tokens(&self) -> Result<i64, QuantityOverflow> {
        self.sum_where(|meter| meter.unit() == Unit::Tokens)
    }

    fn sum_where(&self, belongs: impl Fn(Meter) -> bool) -> Result<i64, QuantityOverflow> {
        let mut parts = self.iter().filter(|(meter, _)| belongs(*meter));
        parts.try_fold(0_i64, |sum, (_, quantity)| sum.checked_add(quantity)).ok_or(QuantityOverflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreported_stays_unreported_in_a_sum() -> Result<(), QuantityOverflow> {
        let mut sum = Quantities::NONE;
        let mut one = Quantities::NONE;
        one.set(Meter::Output, 0);
        one.set(Meter::WebSearch, 2);
        sum.add(&one)?;
        sum.add(&one)?;
        assert_eq!(sum.get(Meter::Output), Some(0));
        assert_eq!(sum.get(Meter::Input), None);
        assert_eq!(sum.get(Meter::WebSearch), Some(4));
        Ok(())
    }

    #[test]
    fn what_was_added_and_the_earlier_state_are_the_later_one() -> Result<(), QuantityOverflow> {
        let of = |quantities: &[(Meter, i64)]| {
            let mut all = Quantities::NONE;
            for (meter, quantity) in quantities {
                all.set(*meter, *quantity);
            }
            all
        };
        let earlier = of(&[(Meter::Input, 5), (Meter::Output, 0), (Meter::Image, 2)]);
        let later = of(&[(Meter::Input, 5), (Meter::Output, 7), (Meter::Image, 3), (Meter::WebSearch, 0)]);
        let added = later.since(&earlier);
        assert_eq!(added, Some(of(&[(Meter::Input, 0), (Meter::Output, 7), (Meter::Image, 1), (Meter::WebSearch, 0)])));
        let mut sum = earlier.clone();
        sum.add(&added.unwrap_or(Quantities::NONE))?;
        assert_eq!(sum, later);
        assert_eq!(earlier.since(&later), None, "less");
        assert_eq!(of(&[(Meter::Input, 9)]).since(&earlier), None, "no longer reported");
        Ok(())
    }

    #[test]
    fn a_sum_beyond_64_bits_is_an_error() {
        let mut sum = Quantities::NONE;
        sum.set(Meter::Input, i64::MAX);
        let mut one = Quantities::NONE;
        one.set(Meter::Input, 1);
        assert_eq!(sum.add(&one), Err(QuantityOverflow));
    }
}
