//! The price of one million units of a meter, as a whole number of nano-units of the currency.
//!
//! Nano-units per million tokens times tokens are femto-units (1e-9 x 1e-6 = 1e-15). So rating is one integer
//! multiplication and cannot round. A rate is at most `i64::MAX` nano-units per million (9.2e9 units of currency), and
//! a quantity is at most `i64::MAX`. So a product is below 2^126 and always fits.

use crate::domain::decimal::{self, DecimalError};
use crate::domain::money::Amount;
use crate::fault::Code;
use std::fmt;

const NANO_DIGITS: u32 = 9;
/// A price of 1 for each piece has 10 to this power nano-units per million.
const NANOS_OF_ONE: i32 = 15;

/// Nano-units of a currency per million units of a meter. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

/// The number of units that a price in a list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// One token, request or search.
    One,
    /// One thousand.
    Thousand,
    /// One million, the default.
    Million,
}

impl Per {
    fn powers_to_million(self) -> u32 {
        match self {
            Self::One => 6,
            Self::Thousand => 3,
            Self::Million => 0,
        }
    }
}

/// A price from a public catalogue, as a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stated {
    /// It is a whole number of nano-units per million.
    Exact(Rate),
    /// It is not a whole number. This is the nearest, off by less than a millionth of the price.
    Near(Rate),
}

impl Rate {
    /// Nothing.
    pub const FREE: Self = Self(0);

    /// A rate of this many nano-units per million; `None` if negative.
    pub fn from_nanos_per_million(nanos: i64) -> Option<Self> {
        (nanos >= 0).then_some(Self(nanos))
    }

    /// The nano-units per million.
    pub const fn nanos_per_million(self) -> i64 {
        self.0
    }

    /// Reads a price: `2.50` per million is 2,500,000,000 nano-units. It rejects a price that it cannot represent
    /// exactly.
    pub fn parse(price: &str, per: Per) -> Result<Self, RateError> {
        let value = decimal::plain(price)?;
        // `-0` is neither free nor `-`, no longer sold: it is a slip, and nobody can tell of which.
        if value.is_sign_negative() || price.starts_with('-') {
            return Err(RateError::Negative);
        }
        let power = NANO_DIGITS.saturating_add(per.powers_to_million());
        let nanos = decimal::scaled(value, power).ok_or(RateError::TooFine)?;
        i64::try_from(nanos).map(Self).map_err(|_| RateError::TooLarge)
    }

    /// Reads a price for a number of units, as a program wrote it, such as `2.5e-06` for one token. If the price shows
    /// the error of a binary fraction (`3.6000000000000003e-06`), or is a repeating decimal, it returns the nearest
    /// rate and marks it as inexact.
    pub fn stated(price: &str, units: u32) -> Result<Stated, RateError> {
        let literal = decimal::literal(price)?;
        if literal.negative {
            return Err(RateError::Negative);
        }
        let power = literal.exponent.saturating_add(NANOS_OF_ONE);
        let scale = 10_u128.checked_pow(power.unsigned_abs());
        let units = u128::from(units.max(1));
        let (numerator, denominator) = if power < 0 {
            let scale = scale.and_then(|scale| scale.checked_mul(units));
            (literal.digits, scale.ok_or(RateError::TooFine)?)
        } else {
            let scaled = scale.and_then(|scale| literal.digits.checked_mul(scale));
            (scaled.ok_or(RateError::TooLarge)?, units)
        };
        let divided = numerator.checked_div(denominator).zip(numerator.checked_rem(denominator));
        let (whole, rest) = divided.ok_or(RateError::TooFine)?;
        let rate = |nanos: u128| i64::try_from(nanos).map(Self).map_err(|_| RateError::TooLarge);
        if rest == 0 {
            return rate(whole).map(Stated::Exact);
        }
        // Half to even, as in all roundings.
        let above = denominator.saturating_sub(rest);
        let up = rest > above || rest == above && !whole.is_multiple_of(2);
        if rest.min(above) > numerator / 1_000_000 {
            return Err(RateError::TooFine);
        }
        rate(whole.saturating_add(u128::from(up))).map(Stated::Near)
    }

    /// The exact price of a quantity.
    pub fn price_of(self, quantity: i64) -> Amount {
        // The product of two numbers of 64 bits fits 128.
        Amount::from_femtos(i128::from(self.0).saturating_mul(i128::from(quantity)))
    }

    /// Whether the price is 0.
    pub const fn is_free(self) -> bool {
        self.0 == 0
    }
}

/// Currency units per million, in plain digits.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A nano-unit is a million femto-units.
        Amount::from_femtos(i128::from(self.0).saturating_mul(1_000_000)).fmt(f)
    }
}

/// Why the text is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// Not a plain decimal number.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// Below zero.
    #[error("is negative")]
    Negative,
    /// Not a whole number of nano-units per million.
    #[error("is finer than a nano-unit per million")]
    TooFine,
    /// Above 9.2e9 units per million.
    #[error("is above 9,223,372,036 per million")]
    TooLarge,
}

impl RateError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::NumberInvalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_per_thousand_is_a_thousandth_of_a_price_per_million() {
        assert_eq!(Rate::parse("0.0025", Per::Thousand), Rate::parse("2.5", Per::Million));
        assert_eq!(Rate::parse("0.0000025", Per::One), Rate::parse("2.5", Per::Million));
        assert_eq!(Rate::parse("0.000000000000001", Per::One).map(Rate::nanos_per_million), Ok(1));
        assert_eq!(Rate::parse("0.0000000001", Per::Million), Err(RateError::TooFine));
        assert_eq!(Rate::parse("-1", Per::Million), Err(RateError::Negative));
        assert_eq!(Rate::parse("9223372037", Per::Million), Err(RateError::TooLarge));
    }

    #[test]
    fn a_million_tokens_cost_the_rate() {
        let rate = Rate::parse("0.42", Per::Million);
        assert_eq!(rate.map(|r| r.price_of(1_000_000).to_string()), Ok("0.42".to_owned()));
        assert_eq!(rate.map(|r| r.price_of(35_000).to_string()), Ok("0.0147".to_owned()));
    }

    #[test]
    fn a_price_of_a_program_is_exact_or_said_to_be_near() {
        let exact = |nanos| Ok(Stated::Exact(Rate(nanos)));
        let near = |nanos| Ok(Stated::Near(Rate(nanos)));
        assert_eq!(Rate::stated("2.5e-06", 1), exact(2_500_000_000));
        assert_eq!(Rate::stated("0.0000025", 1), exact(2_500_000_000));
        assert_eq!(Rate::stated("10", 1_000), exact(10_000_000_000_000));
        assert_eq!(Rate::stated("0.0", 1), exact(0));
        assert_eq!(Rate::stated("3.6000000000000003e-06", 1), near(3_600_000_000));
        assert_eq!(Rate::stated("9.499999999999999e-07", 1), near(950_000_000));
        assert_eq!(Rate::stated("0.00000008333333333333334", 1), near(83_333_333));
        assert_eq!(Rate::stated("0.04", 3_600), near(11_111_111_111));
        assert_eq!(Rate::stated("0.36", 3_600), exact(100_000_000_000));
        // Rounding changes a price by at most a millionth, so it makes nothing free.
        assert_eq!(Rate::stated("1e-16", 1), Err(RateError::TooFine));
        assert_eq!(Rate::stated("1e-300", 1), Err(RateError::TooFine));
        assert_eq!(Rate::stated("1e300", 1), Err(RateError::TooLarge));
        assert_eq!(Rate::stated("-1", 1), Err(RateError::Negative));
    }
}
