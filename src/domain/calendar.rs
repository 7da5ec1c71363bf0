//! The books' calendar: billing days of one IANA time zone.
//!
//! A billing day starts at the first instant whose local date is that day or later. It ends where the next day starts
//! (half-open). So days follow each other without gap or overlap in every zone, whatever its clocks do at midnight. A
//! day may have 23 or 25 hours.

use crate::domain::timestamp::{NANOS, Timestamp, day_number};
use crate::fault::Code;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use std::fmt;

/// A billing day: days since 1970-01-01 of the ledger's calendar, 2014-12-31 to 2100-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u16);

impl Day {
    /// The first day of the range, 2014-12-31.
    pub const FIRST: Self = Self(16_435);
    /// The last day of the range, 2100-01-01.
    pub const LAST: Self = Self(47_482);

    /// The day of a day number; `None` if out of range.
    pub fn from_number(number: i64) -> Option<Self> {
        let number = u16::try_from(number).ok()?;
        (16_435..=47_482).contains(&number).then_some(Self(number))
    }

    /// The day of a date; `None` if out of range.
    pub fn from_date(date: NaiveDate) -> Option<Self> {
        Self::from_number(day_number(date))
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Nanoseconds from 1970 to 00:00 UTC of the day's date. The day starts then only if the zone is UTC.
    pub fn utc_midnight(self) -> i64 {
        i64::from(self.0).saturating_mul(86_400 * NANOS)
    }

    /// The date.
    pub fn date(self) -> NaiveDate {
        // 16 bits of days after 1970 are within the range of dates.
        NaiveDate::default().checked_add_signed(TimeDelta::days(i64::from(self.0))).unwrap_or(NaiveDate::MAX)
    }

    /// The next day.
    pub fn next(self) -> Option<Self> {
        Self::from_number(i64::from(self.0).saturating_add(1))
    }

    /// The previous day.
    pub fn previous(self) -> Option<Self> {
        Self::from_number(i64::from(self.0).saturating_sub(1))
    }

    /// The month the day is in.
    pub fn month(self) -> crate::domain::period::Month {
        crate::domain::period::Month::of(self)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

/// The text is not an IANA time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an IANA time zone, such as UTC or Europe/Berlin")]
pub struct UnknownZone;

impl UnknownZone {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::ZoneInvalid
    }
}

/// The calendar of one time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    zone: Tz,
}

impl Calendar {
    /// The calendar of a zone by its IANA name.
    pub fn of_zone(name: &str) -> Result<Self, UnknownZone> {
        name.parse().map(|zone| Self { zone }).map_err(|_| UnknownZone)
    }

    /// The calendar of UTC.
    pub const UTC: Self = Self { zone: Tz::UTC };

    /// The instant at which clocks of the zone show a time. `None` if they show it twice or never, or if it is out of
    /// range.
    pub fn instant_of(self, shown: NaiveDateTime) -> Option<Timestamp> {
        self.zone.from_local_datetime(&shown).single()?.timestamp_nanos_opt().and_then(Timestamp::from_nanos)
    }

    /// The zone's IANA name.
    pub fn zone_name(self) -> &'static str {
        self.zone.name()
    }

    /// The version of the time zone database compiled in.
    pub const fn database_version() -> &'static str {
        chrono_tz::IANA_TZDB_VERSION
    }

    /// The first instant of a day: the earliest instant whose local date is the day or later.
    pub fn start_of(self, day: Day) -> Timestamp {
        // Offsets stay within 26 hours of UTC, so the instant lies in this span. By definition of a day's start, local
        // dates never return to a day before it, so a binary search finds it.
        let midnight = i64::from(day.number()).saturating_mul(86_400);
        let (mut before, mut not_before) = (midnight.saturating_sub(26 * 3_600), midnight.saturating_add(26 * 3_600));
        if let Some(guess) = self.local_midnight_guess(midnight, day) {
            return guess;
        }
        while not_before.saturating_sub(before) > 1 {
            let middle = before.midpoint(not_before);
            if self.local_day_number(middle) >= i64::from(day.number()) { not_before = middle } else { before = middle }
        }
        clamp(not_before)
    }

    /// Local midnight, if it exists and is the first instant of its date. Otherwise the caller must take the slow way.
    fn local_midnight_guess(self, midnight: i64, day: Day) -> Option<Timestamp> {
        let utc = DateTime::from_timestamp(midnight, 0)?;
        let local = utc.with_timezone(&self.zone).naive_local().and_utc().timestamp().checked_sub(midnight)?;
        let guess = midnight.checked_sub(local)?;
        let number = i64::from(day.number());
        let is_first = self.local_day_number(guess) == number
            && self.local_day_number(guess.checked_sub(1)?) == number.checked_sub(1)?;
        is_first.then(|| clamp(guess))
    }

    fn local_day_number(self, seconds: i64) -> i64 {
        DateTime::from_timestamp(seconds, 0)
            .map_or(i64::MIN, |at| day_number(at.with_timezone(&self.zone).date_naive()))
    }

    /// The billing day of an instant. For many instants, [`DayFinder`] is faster.
    pub fn day_of(self, at: Timestamp) -> Day {
        DayFinder::new(self).day_of(at)
    }
}

fn clamp(seconds: i64) -> Timestamp {
    clamp_nanos(seconds.saturating_mul(NANOS))
}

/// The nearest instant in range. The first and the last day of the range begin and end with it.
fn clamp_nanos(nanos: i64) -> Timestamp {
    let nanos = nanos.clamp(Timestamp::EARLIEST.nanos(), Timestamp::LATEST.nanos());
    Timestamp::from_nanos(nanos).unwrap_or(Timestamp::EARLIEST)
}

/// Finds billing days quickly, because it remembers the starts of the days it has seen.
#[derive(Debug, Clone)]
pub struct DayFinder {
    calendar: Calendar,
    /// The span of the last day found. Most instants of a log fall on the same day as the previous one.
    last: Option<(i64, i64, Day)>,
    starts: rustc_hash::FxHashMap<Day, i64>,
}

impl DayFinder {
    /// A finder that has seen no day yet.
    pub fn new(calendar: Calendar) -> Self {
        Self { calendar, last: None, starts: rustc_hash::FxHashMap::default() }
    }

    /// The billing day of an instant.
    pub fn day_of(&mut self, at: Timestamp) -> Day {
        let nanos = at.nanos();
        if let Some((start, end, day)) = self.last
            && (start..end).contains(&nanos)
        {
            return day;
        }
        let utc_day = nanos.div_euclid(86_400 * NANOS);
        let candidates = (utc_day.saturating_sub(2)..=utc_day.saturating_add(2)).filter_map(Day::from_number);
        let mut found = (nanos, nanos, FIRST);
        for day in candidates {
            let start = self.start(day);
            if start > nanos {
                found.1 = start;
                break;
            }
            found = (start, i64::MAX, day);
        }
        self.last = Some(found);
        found.2
    }

    /// The first instant of a day.
    pub fn start_of(&mut self, day: Day) -> Timestamp {
        clamp_nanos(self.start(day))
    }

    fn start(&mut self, day: Day) -> i64 {
        let calendar = self.calendar;
        *self.starts.entry(day).or_insert_with(|| calendar.start_of(day).nanos())
    }
}

const FIRST: Day = Day(16_435);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap_or(Timestamp::EARLIEST)
    }

    fn day(zone: &str, text: &str) -> Option<String> {
        Calendar::of_zone(zone).ok().map(|calendar| calendar.day_of(at(text)).to_string())
    }

    #[test]
    fn days_follow_the_zone() {
        assert_eq!(day("UTC", "2026-06-30T23:30:00-05:00").as_deref(), Some("2026-07-01"));
        assert_eq!(day("America/New_York", "2026-11-01T03:59:59.999999999Z").as_deref(), Some("2026-10-31"));
        assert_eq!(day("America/New_York", "2026-11-01T04:00:00Z").as_deref(), Some("2026-11-01"));
        assert_eq!(day("Pacific/Kiritimati", "2026-10-31T10:00:00Z").as_deref(), Some("2026-11-01"));
        assert!(Calendar::of_zone("Mars/Olympus").is_err());
    }

    #[test]
    fn a_day_begins_where_midnight_does_not_exist() {
        // Chile set its clocks from 24:00 to 01:00 on 2022-09-10: the 11th began at 01:00.
        let chile = Calendar::of_zone("America/Santiago");
        let start = chile.map(|c| Day::from_number(day_number_of("2022-09-11")).map(|d| c.start_of(d).to_string()));
        assert_eq!(start, Ok(Some("2022-09-11T04:00:00Z".to_owned())));
    }

    #[test]
    fn days_have_no_gap_and_no_overlap() -> Result<(), String> {
        for zone in
            ["UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
        {
            let calendar = Calendar::of_zone(zone).map_err(|error| error.to_string())?;
            let mut finder = DayFinder::new(calendar);
            for number in 16_500..21_000 {
                let day = Day::from_number(number).ok_or_else(|| format!("no day {number}"))?;
                let start = calendar.start_of(day);
                assert_eq!(finder.day_of(start), day, "{zone} {day}");
                let before = Timestamp::from_nanos(start.nanos() - 1).map(|t| finder.day_of(t));
                assert_eq!(before, day.previous(), "{zone} {day}");
            }
        }
        Ok(())
    }

    fn day_number_of(date: &str) -> i64 {
        date.parse().map_or(0, day_number)
    }
}
