//! Exact rational numbers for percentages, exchange rates and shares, with one rounding at the end.
//!
//! A ratio is `numerator / denominator` of 128-bit integers in lowest terms, with a denominator above 0. A product that
//! does not fit is an error. It never wraps and is never approximated.

use crate::domain::decimal::{self, DecimalError};
use crate::fault::Code;
use rust_decimal::Decimal;
use std::fmt;

/// A computation exceeded 128-bit integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount does not fit: a total is limited to about 1.7e23 units of currency")]
pub struct Overflow;

impl Overflow {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::AmountOverflow
    }
}

/// `numerator / denominator`, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    /// One.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator / denominator`; `None` if the denominator is 0 or the ratio does not fit.
    pub fn new(numerator: i128, denominator: i128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let divisor = gcd(numerator.unsigned_abs(), denominator.unsigned_abs());
        let divisor = i128::try_from(divisor).ok()?.checked_mul(denominator.signum())?;
        Some(Self { numerator: numerator.checked_div(divisor)?, denominator: denominator.checked_div(divisor)? })
    }

    /// A whole number.
    pub const fn whole(number: i128) -> Self {
        Self { numerator: number, denominator: 1 }
    }

    /// Reads a plain decimal number.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let value = decimal::plain(text)?;
        Self::from_decimal(value).ok_or(DecimalError::TooManyDigits)
    }

    /// A decimal number as a ratio.
    pub fn from_decimal(value: Decimal) -> Option<Self> {
        Self::new(value.mantissa(), 10_i128.checked_pow(value.scale())?)
    }

    /// The ratio of a percentage.
    pub fn percent(self) -> Result<Self, Overflow> {
        self.times(Self { numerator: 1, denominator: 100 })
    }

    /// The numerator, in lowest terms.
    pub const fn numerator(self) -> i128 {
        self.numerator
    }

    /// The denominator, in lowest terms; above 0.
    pub const fn denominator(self) -> i128 {
        self.denominator
    }

    /// Whether the ratio is below zero.
    pub fn is_negative(self) -> bool {
        self.numerator < 0
    }

    /// Whether the ratio is zero.
    pub fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// The product.
    pub fn times(self, other: Self) -> Result<Self, Overflow> {
        // Reducing crosswise first keeps the intermediate products as small as possible.
        let left = Self::new(self.numerator, other.denominator).ok_or(Overflow)?;
        let right = Self::new(other.numerator, self.denominator).ok_or(Overflow)?;
        Ok(Self {
            numerator: left.numerator.checked_mul(right.numerator).ok_or(Overflow)?,
            denominator: left.denominator.checked_mul(right.denominator).ok_or(Overflow)?,
        })
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        let left = self.numerator.checked_mul(other.denominator).ok_or(Overflow)?;
        let right = other.numerator.checked_mul(self.denominator).ok_or(Overflow)?;
        let denominator = self.denominator.checked_mul(other.denominator).ok_or(Overflow)?;
        Self::new(left.checked_add(right).ok_or(Overflow)?, denominator).ok_or(Overflow)
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        self.plus(Self { numerator: other.numerator.checked_neg().ok_or(Overflow)?, denominator: other.denominator })
    }

    /// The quotient; an error if `other` is 0.
    pub fn over(self, other: Self) -> Result<Self, Overflow> {
        self.times(Self::new(other.denominator, other.numerator).ok_or(Overflow)?)
    }

    /// The nearest whole number, halves to the even one.
    pub fn round_half_even(self) -> i128 {
        half_even(self.numerator, self.denominator)
    }
}

/// A fraction in lowest terms, `2/3`, or a whole number.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => self.numerator.fmt(f),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

/// `numerator / denominator` to the nearest whole number, halves to the even one. The denominator is above 0.
pub fn half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let remainder = numerator.rem_euclid(denominator);
    // The comparison does not double the remainder, so it works for any denominator.
    let rest = denominator.saturating_sub(remainder);
    let up = remainder > rest || (remainder == rest && floor.rem_euclid(2) == 1);
    if up { floor.saturating_add(1) } else { floor }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or(0));
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_number() {
        let cases = [(1, 2, 0), (3, 2, 2), (5, 2, 2), (-1, 2, 0), (-3, 2, -2), (7, 4, 2), (-7, 4, -2), (5, 4, 1)];
        for (numerator, denominator, expected) in cases {
            assert_eq!(half_even(numerator, denominator), expected, "{numerator}/{denominator}");
        }
        assert_eq!(half_even(i128::MAX, i128::MAX), 1);
    }
}
