//! Reads decimal numbers exactly. People write digits and at most one point; programs may add an exponent.
//!
//! It rejects a plus sign, grouping, underscores, a bare point, and numbers with more digits than it can store. Nothing
//! here rounds, and nothing passes through a float.

use crate::fault::Code;
use rust_decimal::Decimal;

/// Why a text is not a plain decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// Not digits with at most one decimal point.
    #[error("is not a plain decimal number")]
    NotPlain,
    /// More than the 28 digits that can be stored exactly.
    #[error("has more digits than can be kept exactly")]
    TooManyDigits,
}

impl DecimalError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::NumberInvalid
    }
}

/// Reads `-12.50`, exactly. It accepts a sign; the caller decides whether a negative number is valid.
pub fn plain(text: &str) -> Result<Decimal, DecimalError> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !fraction.is_none_or(digits) {
        return Err(DecimalError::NotPlain);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(DecimalError::NotPlain);
    }
    Decimal::from_str_exact(text).map_err(|_| DecimalError::TooManyDigits)
}

/// A number that a program wrote, such as `2.5e-06`: exactly `digits x 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    /// Whether it is below zero.
    pub negative: bool,
    /// The digits without trailing zeros; at most [`LITERAL_DIGITS`] of them.
    pub digits: u128,
    /// The power of ten that multiplies the digits; 0 if there is no exponent.
    pub exponent: i32,
}

/// The largest number of digits of a literal. A binary float has at most 17.
pub const LITERAL_DIGITS: usize = 24;
/// Larger exponents are cut to this one. No price comes near it.
const EXPONENT_LIMIT: i32 = 100_000;

/// Reads a number as JSON writes it, exactly.
pub fn literal(text: &str) -> Result<Literal, DecimalError> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, power(exponent)?),
        None => (text, 0),
    };
    let unsigned = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let whole_is_one = !whole.is_empty() && digits(whole) && (whole.len() == 1 || !whole.starts_with('0'));
    if !whole_is_one || unsigned.ends_with('.') || !digits(fraction) {
        return Err(DecimalError::NotPlain);
    }
    let all = format!("{whole}{fraction}");
    let kept = all.trim_end_matches('0');
    let dropped = all.len().saturating_sub(kept.len());
    let significant = kept.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(Literal { negative: false, digits: 0, exponent: 0 });
    }
    if significant.len() > LITERAL_DIGITS {
        return Err(DecimalError::TooManyDigits);
    }
    let shift = |count: usize| i32::try_from(count).map_err(|_| DecimalError::TooManyDigits);
    let exponent = exponent.saturating_sub(shift(fraction.len())?).saturating_add(shift(dropped)?);
    let digits = significant.parse().map_err(|_| DecimalError::TooManyDigits)?;
    Ok(Literal { negative: number.starts_with('-'), digits, exponent })
}

/// The exact product of two numbers that programs wrote, as one literal.
pub fn product(one: &str, other: &str) -> Result<String, DecimalError> {
    let (one, other) = (literal(one)?, literal(other)?);
    let digits = one.digits.checked_mul(other.digits).ok_or(DecimalError::TooManyDigits)?;
    let sign = if one.negative == other.negative || digits == 0 { "" } else { "-" };
    Ok(format!("{sign}{digits}e{}", one.exponent.saturating_add(other.exponent)))
}

/// The exponent after the `e`, cut to the limit.
fn power(text: &str) -> Result<i32, DecimalError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::NotPlain);
    }
    let size: i32 = digits.parse().unwrap_or(EXPONENT_LIMIT).min(EXPONENT_LIMIT);
    Ok(if negative { size.saturating_neg() } else { size })
}

/// The number `value x 10^power`, if it is whole and fits.
pub fn scaled(value: Decimal, power: u32) -> Option<i128> {
    let value = value.normalize();
    let shift = power.checked_sub(value.scale())?;
    value.mantissa().checked_mul(10_i128.checked_pow(shift)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_is_read() {
        for text in ["", ".", "1.", ".5", "+1", "1e3", "1_000", "01", "1,5", "0x1", "NaN", " 1", "--1", "١٢"] {
            assert_eq!(plain(text), Err(DecimalError::NotPlain), "{text:?}");
        }
        assert_eq!(plain("0.0000000000000000000000000000001"), Err(DecimalError::TooManyDigits));
        assert_eq!(plain("-0.5").map(|d| scaled(d, 1)), Ok(Some(-5)));
        assert_eq!(plain("0.25").map(|d| scaled(d, 1)), Ok(None));
        assert_eq!(plain("2.500").map(|d| scaled(d, 1)), Ok(Some(25)));
    }

    #[test]
    fn a_product_is_exact() {
        let of = |one, other| product(one, other).and_then(|text| literal(&text));
        assert_eq!(of("6.25e-06", "1.1"), literal("6.875e-06"));
        assert_eq!(of("3.6000000000000003e-06", "2.0"), literal("7.2000000000000006e-06"));
        assert_eq!(of("-1", "1.1"), literal("-1.1"));
        assert_eq!(of("-1", "0.0"), literal("0"));
        assert_eq!(of("123456789012345678901234", "123456789012345678901234"), Err(DecimalError::TooManyDigits));
        assert_eq!(of("1", "free"), Err(DecimalError::NotPlain));
    }

    #[test]
    fn a_literal_is_its_digits_and_a_power_of_ten() {
        let parts = |text| literal(text).map(|l| (l.negative, l.digits, l.exponent));
        assert_eq!(parts("2.5e-06"), Ok((false, 25, -7)));
        assert_eq!(parts("3.6000000000000003e-06"), Ok((false, 36_000_000_000_000_003, -22)));
        assert_eq!(parts("-1"), Ok((true, 1, 0)));
        assert_eq!(parts("0.00000008333333333333334"), Ok((false, 8_333_333_333_333_334, -23)));
        assert_eq!(parts("1200"), Ok((false, 12, 2)));
        assert_eq!(parts("1E+3"), Ok((false, 1, 3)));
        assert_eq!(parts("-0.000e7"), Ok((false, 0, 0)));
        assert_eq!(parts("1e-99999999999"), Ok((false, 1, -EXPONENT_LIMIT)));
        assert_eq!(parts("0.1234567890123456789012345"), Err(DecimalError::TooManyDigits));
        for text in ["", "-", ".5", "1.", "01", "1e", "1e+", "+1", "1e1.5", "NaN", "inf", "1_0", " 1", "1,5", "0x1"] {
            assert_eq!(parts(text), Err(DecimalError::NotPlain), "{text:?}");
        }
    }
}
