//! Decimal numbers as people write them: digits, at most one point, nothing else.
//!
//! One spelling only: no exponent, no plus sign, no grouping, no underscore, no bare point. A number with more
//! digits than can be kept is refused; nothing here rounds and nothing passes through a float.

use rust_decimal::Decimal;

/// Why a text is not a plain decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with at most one decimal point.
    #[error("is not a plain decimal number")]
    NotPlain,
    /// More digits than the 28 that are kept exactly.
    #[error("has more digits than can be kept exactly")]
    TooManyDigits,
}

/// Reads `-12.50`, exactly. The sign is allowed here and judged by the caller.
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

/// The whole number `value x 10^power`, if it is one and fits.
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
}
