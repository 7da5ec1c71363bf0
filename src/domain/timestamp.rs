//! Instants in UTC to the nanosecond, read from one spelling.
//!
//! The profile of RFC 3339: `2026-10-31T23:59:59.123456789-04:00`. Capital `T` and `Z`, an offset always (within
//! 14 hours, `-00:00` refused), at most nine decimals. Second 60 only where there was a leap second; it is kept as the
//! last nanosecond before midnight, so that it stays in its month. The range is 2015 to 2099.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "digits of at most four places, and years of four digits, stay far below 64 bits"
)]

use crate::fault::Code;
use chrono::{DateTime, NaiveDate};
use std::fmt;

/// Nanoseconds in a second.
pub const NANOS: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why the text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// It does not have the form.
    #[error("is not a date and time")]
    Form,
    /// The calendar has no such day or time of day.
    #[error("is not a day and time that exists")]
    Calendar,
    /// It has no offset.
    #[error("has no offset from UTC")]
    NoOffset,
    /// `-00:00`, or beyond 14 hours.
    #[error("has an impossible offset from UTC")]
    Offset,
    /// More than nine decimals of a second.
    #[error("has more than nine decimals")]
    TooFine,
    /// Before 2015 or after 2099.
    #[error("is out of range")]
    Range,
}

impl TimestampError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::TimeInvalid
    }
}

impl Timestamp {
    /// 2015-01-01T00:00:00Z: no usage of language models is older.
    pub const EARLIEST: Self = Self(1_420_070_400 * NANOS);
    /// The last instant of the range, 2099-12-31T23:59:59.999999999Z.
    pub const LATEST: Self = Self(4_102_444_800 * NANOS - 1);

    /// An instant from nanoseconds since 1970; `None` if out of range.
    pub fn from_nanos(nanos: i64) -> Option<Self> {
        (Self::EARLIEST.0..=Self::LATEST.0).contains(&nanos).then_some(Self(nanos))
    }

    /// Nanoseconds since 1970.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS)
    }

    /// The instant this many seconds later; `None` if out of range.
    pub fn plus_seconds(self, seconds: i64) -> Option<Self> {
        Self::from_nanos(self.0.checked_add(seconds.checked_mul(NANOS)?)?)
    }

    /// The instant as a chrono type.
    pub fn to_chrono(self) -> DateTime<chrono::Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }

    /// Reads the profile of RFC 3339 described above.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let (head, rest) = text.as_bytes().split_at_checked(19).ok_or(TimestampError::Form)?;
        let [y0, y1, y2, y3, b'-', o0, o1, b'-', d0, d1, b'T', h0, h1, b':', m0, m1, b':', s0, s1] = *head else {
            return Err(TimestampError::Form);
        };
        let year = pair(y0, y1)? * 100 + pair(y2, y3)?;
        let day = days_since_1970(year, pair(o0, o1)?, pair(d0, d1)?)?;
        let (hour, minute, second) = (pair(h0, h1)?, pair(m0, m1)?, pair(s0, s1)?);
        if hour > 23 || minute > 59 || second > 60 {
            return Err(TimestampError::Calendar);
        }
        let (fraction, zone) = fraction(rest)?;
        let offset = offset_seconds(zone)?;
        let leap = second == 60;
        let clock = hour * 3_600 + minute * 60 + if leap { 59 } else { second };
        let seconds = day * DAY_SECONDS + clock - offset;
        if leap && !LEAP_SECONDS.contains(&(seconds + 1)) {
            return Err(TimestampError::Calendar);
        }
        let nanos = if leap { NANOS - 1 } else { fraction };
        // The year has four digits, so seconds are below 2.6e11. Only the product can exceed the range.
        let total = seconds.checked_mul(NANOS).and_then(|n| n.checked_add(nanos)).ok_or(TimestampError::Range)?;
        Self::from_nanos(total).ok_or(TimestampError::Range)
    }
}

/// The instants right after the leap seconds since 2015.
const LEAP_SECONDS: [i64; 2] = [1_435_708_800, 1_483_228_800];

fn pair(tens: u8, ones: u8) -> Result<i64, TimestampError> {
    if tens.is_ascii_digit() && ones.is_ascii_digit() {
        Ok(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    } else {
        Err(TimestampError::Form)
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> Result<i64, TimestampError> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return Err(TimestampError::Calendar),
    };
    if day < 1 || day > length {
        return Err(TimestampError::Calendar);
    }
    // This calendar starts years in March, so the leap day is the last day of its year. 400 years are 146,097 days.
    let shifted = if month <= 2 { year - 1 } else { year };
    let of_era = shifted.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let of_year = (153 * month_from_march + 2) / 5 + day - 1;
    Ok(shifted.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The nanoseconds of an optional `.123`, and what follows.
fn fraction(rest: &[u8]) -> Result<(i64, &[u8]), TimestampError> {
    let Some((b'.', digits)) = rest.split_first() else {
        return Ok((0, rest));
    };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = digits.split_at_checked(length).ok_or(TimestampError::Form)?;
    match length {
        0 => Err(TimestampError::Form),
        1..=9 => {
            let value = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            let missing = u32::try_from(9 - length).map_err(|_| TimestampError::Form)?;
            Ok((value * 10_i64.pow(missing), zone))
        }
        _ => Err(TimestampError::TooFine),
    }
}

fn offset_seconds(zone: &[u8]) -> Result<i64, TimestampError> {
    let (sign, h0, h1, m0, m1) = match *zone {
        [b'Z'] => return Ok(0),
        [] => return Err(TimestampError::NoOffset),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => (sign, h0, h1, m0, m1),
        _ => return Err(TimestampError::Form),
    };
    let (hours, minutes) = (pair(h0, h1)?, pair(m0, m1)?);
    let seconds = hours * 3_600 + minutes * 60;
    if minutes > 59 || seconds > 14 * 3_600 || (sign == b'-' && seconds == 0) {
        return Err(TimestampError::Offset);
    }
    Ok(if sign == b'-' { -seconds } else { seconds })
}

/// RFC 3339 in UTC, with 0, 3, 6 or 9 decimals as needed: `2026-10-01T00:00:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_chrono().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }
}

/// The day number (days since 1970-01-01) of a date.
pub fn day_number(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_chrono(seconds in 1_420_070_400_i64..4_102_444_800, nanos in 0_u32..1_000_000_000, offset in -840_i32..=840) {
            let zone = chrono::FixedOffset::east_opt(offset * 60).ok_or_else(|| TestCaseError::reject("offset"))?;
            let at = DateTime::from_timestamp(seconds, nanos).ok_or_else(|| TestCaseError::reject("range"))?;
            let text = at.with_timezone(&zone).to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
            prop_assert_eq!(Timestamp::parse(&text).map(Timestamp::nanos).ok(), at.timestamp_nanos_opt());
        }

        #[test]
        fn whatever_is_read_chrono_reads_too(text in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,11})?(Z|[+-][0-2][0-9]:[0-6][0-9])") {
            if let Ok(at) = Timestamp::parse(&text) {
                let theirs = DateTime::parse_from_rfc3339(&text).ok().and_then(|t| t.timestamp_nanos_opt());
                prop_assert!(theirs == Some(at.nanos()) || text.contains(":60"), "{text}");
            }
        }
    }

    #[test]
    fn one_profile_and_nothing_else() {
        use TimestampError as E;
        let cases = [
            ("2026-06-30T23:30:00", E::NoOffset),
            ("2026-06-30 23:30:00Z", E::Form),
            ("2026-06-30t23:30:00z", E::Form),
            ("2026-02-29T00:00:00Z", E::Calendar),
            ("2026-04-31T00:00:00Z", E::Calendar),
            ("2026-04-30T24:00:00Z", E::Calendar),
            ("2026-04-30T10:20:60Z", E::Calendar),
            ("2026-04-30T10:20:00-00:00", E::Offset),
            ("2026-04-30T10:20:00+14:01", E::Offset),
            ("2026-04-30T10:20:00+23:59", E::Offset),
            ("2026-04-30T10:20:00.1234567890Z", E::TooFine),
            ("2026-04-30T10:20:00.Z", E::Form),
            ("0000-01-01T00:00:00Z", E::Range),
            ("9999-12-31T00:00:00Z", E::Range),
            ("1969-12-31T00:00:00Z", E::Range),
            ("1782880200", E::Form),
            ("", E::Form),
        ];
        for (text, error) in cases {
            assert_eq!(Timestamp::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_leap_second_stays_in_its_month() {
        let leap = Timestamp::parse("2016-12-31T23:59:60Z").map(|t| t.to_string());
        assert_eq!(leap, Ok("2016-12-31T23:59:59.999999999Z".to_owned()));
        assert!(Timestamp::parse("2016-12-31T18:59:60-05:00").is_ok());
    }
}
