//! Amounts of money: a whole number of femto-units (1e-15) of one currency.
//!
//! Why amounts are exact: a price is a whole number of nano-units per million tokens
//! ([`Rate`](crate::domain::rate::Rate)), so `rate x tokens` is a whole number of femto-units. Adding whole numbers
//! loses nothing. A sum that does not fit 128 bits is an error.
//!
//! Only two functions round, both half to even: [`Amount::minor_units`] for a reported total, and [`Amount::scaled`]
//! for percentages and exchange rates. An amount does not carry its currency: a ledger has one, and offers convert
//! before they compare.

use crate::domain::decimal;
use crate::domain::ratio::{Overflow, Ratio, half_even};
use rust_decimal::Decimal;
use std::fmt;

/// Femto-units in one unit of currency.
pub const FEMTOS_PER_UNIT: i128 = 1_000_000_000_000_000;

const FEMTO_DIGITS: u32 = 15;

/// An exact amount: femto-units of a currency. May be negative (credits, differences).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    /// Zero. Never use it for "unknown": that is `Option` or an unknown cell.
    pub const ZERO: Self = Self(0);

    /// An amount of this many femto-units.
    pub const fn from_femtos(femtos: i128) -> Self {
        Self(femtos)
    }

    /// The femto-units.
    pub const fn femtos(self) -> i128 {
        self.0
    }

    /// Reads a plain decimal number of currency units, with at most 15 decimals.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        Self::from_decimal(decimal::plain(text)?)
    }

    /// The amount of a decimal number of currency units, if it is a whole number of femto-units.
    pub fn from_decimal(value: Decimal) -> Result<Self, AmountError> {
        decimal::scaled(value, FEMTO_DIGITS).map(Self).ok_or(AmountError::TooFine)
    }

    /// The same amount for code that computes with [`Decimal`]. `None` if it has more than 28 digits, because it would
    /// be rounded.
    pub fn to_decimal(self) -> Option<Decimal> {
        Decimal::try_from_i128_with_scale(self.0, FEMTO_DIGITS).ok().map(|value| value.normalize())
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow)
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
    }

    /// The amount times an exact ratio, rounded half to even to a whole femto-unit. Round once for each line.
    pub fn scaled(self, ratio: Ratio) -> Result<Self, Overflow> {
        let product = Ratio::new(self.0, 1).ok_or(Overflow)?.times(ratio)?;
        Ok(Self(product.round_half_even()))
    }

    /// `self / other` as an exact ratio; `None` when `other` is zero.
    pub fn over(self, other: Self) -> Option<Ratio> {
        Ratio::new(self.0, other.0)
    }

    /// The amount in minor units of a currency with `digits` decimals, half to even.
    pub fn minor_units(self, digits: u8) -> i128 {
        half_even(self.0, Self::minor_unit(digits))
    }

    /// Femto-units in one minor unit of a currency with `digits` decimals (at most 15).
    pub fn minor_unit(digits: u8) -> i128 {
        10_i128.pow(FEMTO_DIGITS.saturating_sub(u32::from(digits)))
    }
}

/// Plain digits, with as many decimals as the amount has: `0.5577`, `-12`, `0.000000000000001`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let femtos = self.0.unsigned_abs();
        let unit = FEMTOS_PER_UNIT.unsigned_abs();
        let fraction = femtos % unit;
        write!(f, "{sign}{}", femtos / unit)?;
        if fraction == 0 {
            return Ok(());
        }
        let digits = format!("{fraction:015}");
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

/// Writes a whole number of `10^-digits` parts as plain digits: 1234 with 2 digits is `12.34`.
pub fn fixed_point(value: i128, digits: u8) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let divisor = 10_u128.pow(u32::from(digits));
    let magnitude = value.unsigned_abs();
    if digits == 0 {
        return format!("{sign}{magnitude}");
    }
    format!("{sign}{}.{:0width$}", magnitude / divisor, magnitude % divisor, width = usize::from(digits))
}

/// Why a text or a decimal number is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a plain decimal number.
    #[error(transparent)]
    Decimal(#[from] decimal::DecimalError),
    /// Finer than a femto-unit, or too large.
    #[error("is finer than 15 decimals or too large")]
    TooFine,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_prints_what_it_was_read_from() {
        for text in ["0", "0.5577", "-12", "0.000000000000001", "123456789.000000000000009", "-0.1"] {
            assert_eq!(Amount::parse(text).map(|a| a.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Amount::parse("0.0000000000000001"), Err(AmountError::TooFine));
    }

    #[test]
    fn a_decimal_is_the_same_amount_or_none() {
        let amount = Amount::from_femtos(-1_234_500_000_000_001);
        assert_eq!(amount.to_decimal().map(|decimal| decimal.to_string()).as_deref(), Some("-1.234500000000001"));
        assert_eq!(amount.to_decimal().map(Amount::from_decimal), Some(Ok(amount)));
        assert_eq!(Amount::from_femtos(i128::MAX).to_decimal(), None, "never rounded to fit");
    }

    #[test]
    fn minor_units_round_half_to_even() {
        let cents = |text: &str| Amount::parse(text).map(|a| a.minor_units(2));
        assert_eq!(cents("0.025"), Ok(2));
        assert_eq!(cents("0.035"), Ok(4));
        assert_eq!(cents("-0.025"), Ok(-2));
        assert_eq!(cents("0.0250000000000001".trim_end_matches("01")), Ok(2));
        assert_eq!(cents("0.025000000000001"), Ok(3));
    }

    #[test]
    fn fixed_point_keeps_its_zeros() {
        assert_eq!(fixed_point(-5, 2), "-0.05");
        assert_eq!(fixed_point(1234, 0), "1234");
        assert_eq!(fixed_point(1, 6), "0.000001");
    }
}
