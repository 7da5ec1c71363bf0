//! Compares decimals and rates with whole numbers of any size. Accepted numbers must be exact, and rejections must be
//! right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use num_bigint::BigInt;
use tokenbook::domain::decimal::{DecimalError, LITERAL_DIGITS, literal, plain, scaled};
use tokenbook::domain::rate::{Per, Rate};

/// A number as `whole x 10^-decimals`, read only by the rules of the grammar.
struct Exact {
    whole: BigInt,
    decimals: usize,
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `-?(0|[1-9][0-9]*)(.[0-9]+)?`
fn exact(text: &str) -> Option<Exact> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, rest)| (whole, Some(rest)));
    let one_spelling = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    if !one_spelling || !fraction.is_none_or(is_digits) {
        return None;
    }
    let fraction = fraction.unwrap_or("");
    let digits: BigInt = format!("{whole}{fraction}").parse().ok()?;
    Some(Exact { whole: if text.starts_with('-') { -digits } else { digits }, decimals: fraction.len() })
}

fn ten(power: usize) -> BigInt {
    BigInt::from(10).pow(u32::try_from(power).expect("a small power"))
}

/// `whole x 10^(power - decimals)`, if it is a whole number.
fn shifted(Exact { whole, decimals }: &Exact, power: usize) -> Option<BigInt> {
    if power >= *decimals {
        return Some(whole * ten(power - decimals));
    }
    let by = ten(decimals - power);
    (whole % &by == BigInt::ZERO).then(|| whole / by)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.len() > 400 {
        return;
    }
    let expected = exact(text);
    match (plain(text), &expected) {
        (Err(DecimalError::NotPlain), None) => {}
        (Err(DecimalError::TooManyDigits), Some(number)) => {
            let fits = number.decimals <= 28 && number.whole.magnitude().bits() <= 96;
            assert!(!fits, "{text:?} has a place for every digit");
        }
        (Ok(value), Some(number)) => {
            let found = Exact { whole: value.mantissa().into(), decimals: usize::try_from(value.scale()).unwrap() };
            assert_eq!(shifted(&found, 400), shifted(number, 400), "{text:?}");
            for power in 0..=18 {
                let whole = shifted(number, power).and_then(|whole| i128::try_from(whole).ok());
                assert_eq!(scaled(value, u32::try_from(power).unwrap()), whole, "{text:?} at {power}");
            }
        }
        (found, _) => panic!("{text:?}: {found:?}, by the grammar {}", expected.is_some()),
    }
    for (per, power) in [(Per::One, 15), (Per::Thousand, 12), (Per::Million, 9)] {
        if let Ok(rate) = Rate::parse(text, per) {
            let number = expected.as_ref().expect("a rate is a number");
            assert_eq!(shifted(number, power), Some(rate.nanos_per_million().into()), "{text:?}");
        }
    }
    check_literal(text);
});

/// A literal is its digits, without zeros at either end, and a power of ten.
fn check_literal(text: &str) {
    let (number, power) = text.split_once(['e', 'E']).map_or((text, None), |(number, power)| (number, Some(power)));
    let signed = |power: &str| {
        let digits = power.strip_prefix(['-', '+']).unwrap_or(power);
        let size: Option<BigInt> = is_digits(digits).then(|| digits.parse().ok()).flatten();
        size.map(|size| if power.starts_with('-') { -size } else { size })
    };
    let power = power.map_or(Some(BigInt::ZERO), signed);
    match (literal(text), exact(number), power) {
        (Err(DecimalError::NotPlain), None, _) | (Err(DecimalError::NotPlain), _, None) => {}
        (Err(DecimalError::TooManyDigits), Some(number), Some(_)) => {
            let digits = number.whole.magnitude().to_string();
            assert!(digits.trim_end_matches('0').len() > LITERAL_DIGITS, "{text:?}");
        }
        (Ok(found), Some(number), Some(power)) => {
            let digits = number.whole.magnitude().to_string();
            let kept = digits.trim_end_matches('0');
            if kept.is_empty() {
                assert_eq!((found.negative, found.digits, found.exponent), (false, 0, 0), "{text:?}");
                return;
            }
            assert_eq!(found.digits.to_string(), kept, "{text:?}");
            assert_eq!(found.negative, number.whole < BigInt::ZERO, "{text:?}");
            // Beyond this, exponents are cut.
            if power.magnitude() < &100_000_u32.into() {
                let exponent = power - number.decimals + (digits.len() - kept.len());
                assert_eq!(BigInt::from(found.exponent), exponent, "{text:?}");
            }
        }
        (found, number, power) => panic!("{text:?}: {found:?}, number {}, power {power:?}", number.is_some()),
    }
}
