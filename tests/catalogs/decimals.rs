//! Compares catalogue prices with an oracle of big rationals that shares no code with the reader.

use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;
use tokenbook::domain::rate::{Rate, RateError, Stated};

/// The exact value of a JSON number.
fn value(text: &str) -> Option<BigRational> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.trim_start_matches('+').parse().ok()?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: BigInt = format!("{whole}{fraction}").parse().ok()?;
    let power = exponent - i32::try_from(fraction.len()).ok()?;
    let scale = BigRational::from_integer(BigInt::from(10).pow(power.unsigned_abs()));
    let digits = BigRational::from_integer(digits);
    Some(if power < 0 { digits / scale } else { digits * scale })
}

/// The expected nano-units per million of a price, and whether they are exact.
fn expected(text: &str, units: u32) -> Option<Result<(BigInt, bool), RateError>> {
    let million = BigRational::from_integer(BigInt::from(1_000_000_000_000_000_u64));
    let nanos = value(text)? * million / BigRational::from_integer(BigInt::from(units));
    if nanos < BigRational::from_integer(BigInt::from(0)) {
        return Some(Err(RateError::Negative));
    }
    let limit = BigInt::from(i64::MAX);
    if nanos.is_integer() {
        let whole = nanos.to_integer();
        return Some(if whole > limit { Err(RateError::TooLarge) } else { Ok((whole, true)) });
    }
    let floor = nanos.floor();
    let half = BigRational::new(BigInt::from(1), BigInt::from(2));
    let fraction = &nanos - &floor;
    let floor = floor.to_integer();
    let even = (&floor % BigInt::from(2)) == BigInt::from(0);
    let nearest = if fraction > half || fraction == half && !even { floor + 1 } else { floor };
    let error = (&nanos - BigRational::from_integer(nearest.clone())).reduced();
    let error = if error < BigRational::from_integer(BigInt::from(0)) { -error } else { error };
    let millionth = &nanos / BigRational::from_integer(BigInt::from(1_000_000));
    Some(match (error > millionth, nearest > limit) {
        (true, _) => Err(RateError::TooFine),
        (false, true) => Err(RateError::TooLarge),
        (false, false) => Ok((nearest, false)),
    })
}

fn found(text: &str, units: u32) -> Result<(BigInt, bool), RateError> {
    Rate::stated(text, units).map(|stated| match stated {
        Stated::Exact(rate) => (BigInt::from(rate.nanos_per_million()), true),
        Stated::Near(rate) => (BigInt::from(rate.nanos_per_million()), false),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_price_is_read_as_the_oracle_reads_it(
        negative in prop::bool::weighted(0.05),
        whole in prop_oneof![Just(0_u64), 0..20_u64, any::<u64>()],
        fraction in "[0-9]{0,17}",
        exponent in prop_oneof![Just(None), (-20..6_i32).prop_map(Some), (-60..60_i32).prop_map(Some)],
        sign in prop_oneof![Just(""), Just("+")],
        units in prop_oneof![Just(1_u32), Just(1_000), Just(1_000_000), Just(3_600)],
    ) {
        let mut text = format!("{}{whole}", if negative { "-" } else { "" });
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(&fraction);
        }
        if let Some(exponent) = exponent {
            let sign = if exponent < 0 { "" } else { sign };
            text = format!("{text}e{sign}{exponent}");
        }
        let found = found(&text, units);
        let significant = text.split('e').next().unwrap_or_default().chars().filter(char::is_ascii_digit).count();
        // The reader rejects numbers with too many digits. The oracle does not know this rule.
        if significant > 24 && found.is_err() {
            return Ok(());
        }
        let expected = expected(&text, units);
        let is_zero = value(&text) == Some(BigRational::from_integer(BigInt::from(0)));
        if negative && is_zero {
            prop_assert_eq!(found, Ok((BigInt::from(0), true)));
        } else {
            prop_assert_eq!(Some(found), expected, "{} for {}", text, units);
        }
    }

    #[test]
    fn no_text_is_read_but_a_number(text in "[-+0-9eE. _,x]{0,8}") {
        let read = Rate::stated(&text, 1);
        let json = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok_and(|raw| raw.get() == text);
        let plain = text.chars().all(|c| c.is_ascii_digit() || "-+eE.".contains(c));
        if json && plain && !text.is_empty() {
            prop_assert!(!matches!(read, Err(RateError::Decimal(_))), "{text:?} is a number: {read:?}");
        } else {
            prop_assert!(read.is_err(), "{text:?} is none: {read:?}");
        }
    }
}
