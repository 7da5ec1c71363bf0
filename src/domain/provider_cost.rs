//! What a provider reports as charged: one line of its cost report. It is compared with computed amounts and never
//! mixed into them.
//!
//! The amount is stored exactly as the report has it, with up to 24 digits. It is rounded half to even to a femto-unit
//! when it is counted, so a sum of a million lines is off by less than a billionth of a unit.

use crate::domain::currency::Currency;
use crate::domain::decimal::{self, DecimalError};
use crate::domain::money::Amount;
use crate::domain::name::Name;
use crate::domain::ratio::half_even;
use crate::domain::timestamp::Timestamp;
use std::collections::BTreeSet;
use std::fmt;

/// One line of a provider's cost report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderCost {
    /// The line of the file, from 1. If the record spans several lines, its first.
    pub line: u64,
    /// The natural key: the span and everything the line is grouped by, in words.
    pub key: String,
    /// The provider, as price lists name it.
    pub provider: Name,
    /// The item, as the provider names it, if it does.
    pub item: Option<Name>,
    /// The model, if the provider names it as usage does.
    pub model: Option<Name>,
    /// The start of the span that the cost covers.
    pub from: Timestamp,
    /// The end of the span, exclusive.
    pub until: Timestamp,
    /// The currency.
    pub currency: Currency,
    /// The amount; below 0 for a credit.
    pub amount: Written,
    /// The decimals to which the provider rounded the line; `None` if it did not round.
    pub rounded_to: Option<u8>,
    /// How much was used, if the provider reports it.
    pub quantity: Option<Written>,
    /// The unit of the quantity, as the provider spells it.
    pub unit: Option<Name>,
}

/// The costs in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderCosts {
    /// The lines in force.
    pub lines: Vec<ProviderCost>,
    /// Providers and sources with a later report that lacks lines of the same days from an earlier one. Both reports
    /// are in force. If they show the same costs in another grouping, these count twice.
    pub beside: BTreeSet<(Name, String)>,
    /// Files of reports that may lack lines after a retraction and were not imported again.
    pub to_import_again: BTreeSet<String>,
}

impl ProviderCost {
    /// The largest error that the provider's rounding may cause in the line.
    pub fn rounding(&self) -> Amount {
        let unit = self.rounded_to.map_or(0, Amount::minor_unit);
        Amount::from_femtos(unit / 2)
    }
}

/// A decimal number exactly as written: `digits x 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The digits and the sign, without trailing zeros.
    digits: i128,
    exponent: i32,
}

/// The largest exponent of an amount.
const EXPONENT: i32 = 60;
/// The power of ten of a femto-unit.
const FEMTO: i32 = -15;

impl Written {
    /// Whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Reads a number that JSON or a spreadsheet holds, in units of `10^power`: -2 if it counts cents.
    pub fn parse(text: &str, power: i32) -> Result<Self, DecimalError> {
        let literal = decimal::literal(text)?;
        let digits = i128::try_from(literal.digits).map_err(|_| DecimalError::TooManyDigits)?;
        if digits == 0 {
            return Ok(Self { digits, exponent: 0 });
        }
        let exponent = literal.exponent.saturating_add(power);
        if !(-EXPONENT..=EXPONENT).contains(&exponent) {
            return Err(DecimalError::TooManyDigits);
        }
        Ok(Self { digits: if literal.negative { -digits } else { digits }, exponent })
    }

    /// The amount, rounded half to even to a femto-unit; `None` if it is too large.
    pub fn amount(self) -> Option<Amount> {
        let shift = self.exponent - FEMTO;
        let power = 10_i128.checked_pow(shift.unsigned_abs());
        let femtos = if shift >= 0 {
            self.digits.checked_mul(power?)?
        } else {
            // If the power does not fit, the denominator is more than twice any number of 24 digits, so the result is
            // 0.
            power.map_or(0, |power| half_even(self.digits, power))
        };
        Some(Amount::from_femtos(femtos))
    }
}

/// Plain digits, without rounding.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let places = usize::try_from(self.exponent.unsigned_abs()).unwrap_or(0);
        if self.exponent >= 0 {
            return write!(f, "{sign}{digits}{}", "0".repeat(places));
        }
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, power: i32) -> (String, Option<String>) {
        let written = Written::parse(text, power);
        let shown = written.map_or_else(|error| error.to_string(), |written| written.to_string());
        (shown, written.ok().and_then(Written::amount).map(|amount| amount.to_string()))
    }

    #[test]
    fn what_was_written_is_kept_and_counted_to_a_femto() {
        let both = |text: &str, amount: &str| (text.to_owned(), Some(amount.to_owned()));
        assert_eq!(parts("0.003835980000000000000000000000", 0), both("0.00383598", "0.00383598"));
        assert_eq!(parts("0.00022500000000000002", 0), both("0.00022500000000000002", "0.000225"));
        assert_eq!(parts("0.0000000000000005", 0), both("0.0000000000000005", "0"));
        assert_eq!(parts("0.0000000000000015", 0), both("0.0000000000000015", "0.000000000000002"));
        assert_eq!(parts("-1e-7", 0), both("-0.0000001", "-0.0000001"));
        assert_eq!(parts("12e2", 0), both("1200", "1200"));
        assert_eq!(parts("0.000", 0), both("0", "0"));
        assert_eq!(parts("123.45", -2), both("1.2345", "1.2345"), "cents");
        assert_eq!(parts("1e-55", 0).1.as_deref(), Some("0"));
        assert_eq!(parts("9e40", 0).1, None);
        for bad in ["", "1,5", "$1", "NaN", "1e61", "1e-99", "0.1234567890123456789012345"] {
            assert!(Written::parse(bad, 0).is_err(), "{bad}");
        }
    }
}
