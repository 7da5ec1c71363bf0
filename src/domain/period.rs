//! Periods: calendar months, quarters, years and spans of days in the books' calendar.

use crate::domain::calendar::Day;
use chrono::{Datelike, NaiveDate};
use std::fmt;

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    /// 1 to 12.
    month: u32,
}

/// The text is not a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a period between 2015 and 2099: expected YYYY-MM, YYYY-Qn, YYYY, or YYYY-MM-DD..YYYY-MM-DD with both days included"
)]
pub struct PeriodError;

/// The text is not a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a month between 2015 and 2099")]
pub struct MonthError;

/// The text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a day between 2015 and 2099")]
pub struct DayError;

impl From<MonthError> for PeriodError {
    fn from(_: MonthError) -> Self {
        Self
    }
}

impl From<DayError> for PeriodError {
    fn from(_: DayError) -> Self {
        Self
    }
}

impl Month {
    /// Reads `YYYY-MM`.
    pub fn parse(text: &str) -> Result<Self, MonthError> {
        let (year, month) = text.split_once('-').ok_or(MonthError)?;
        Self::new(number(year, 4)?, number(month, 2)?)
    }

    fn new(year: u32, month: u32) -> Result<Self, MonthError> {
        if (2015..=2099).contains(&year) && (1..=12).contains(&month) {
            Ok(Self { year: i32::try_from(year).map_err(|_| MonthError)?, month })
        } else {
            Err(MonthError)
        }
    }

    /// The month of a day.
    pub fn of(day: Day) -> Self {
        let date = day.date();
        Self { year: date.year(), month: date.month() }
    }

    /// The month's number in the ledger: 202610.
    pub fn code(self) -> i64 {
        i64::from(self.year) * 100 + i64::from(self.month)
    }

    /// The month of a number in the ledger; `None` if out of range.
    pub fn from_code(code: i64) -> Option<Self> {
        let year = i32::try_from(code.div_euclid(100)).ok().filter(|year| (2014..=2100).contains(year))?;
        let month = u32::try_from(code.rem_euclid(100)).ok().filter(|month| (1..=12).contains(month))?;
        Some(Self { year, month })
    }

    /// The next month.
    pub fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { year: self.year, month: self.month + 1 }
        }
    }

    /// The previous month.
    pub fn previous(self) -> Self {
        if self.month == 1 {
            Self { year: self.year - 1, month: 12 }
        } else {
            Self { year: self.year, month: self.month - 1 }
        }
    }

    /// The first day.
    pub fn first(self) -> Day {
        NaiveDate::from_ymd_opt(self.year, self.month, 1).and_then(Day::from_date).unwrap_or(Day::LAST)
    }

    /// The last day.
    pub fn last(self) -> Day {
        self.next().first().previous().unwrap_or(Day::LAST)
    }

    /// The month as a period.
    pub fn period(self) -> Period {
        Period { first: self.first(), last: self.last(), form: Form::Month }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Month,
    Quarter,
    Year,
    Days,
}

/// A span of whole billing days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    first: Day,
    last: Day,
    form: Form,
}

impl Period {
    /// Reads `YYYY-MM`, `YYYY-Qn`, `YYYY` or `YYYY-MM-DD..YYYY-MM-DD`.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        if let Some((first, last)) = text.split_once("..") {
            let (first, last) = (day(first)?, day(last)?);
            return if first <= last { Ok(Self { first, last, form: Form::Days }) } else { Err(PeriodError) };
        }
        if let Some((year, quarter)) = text.split_once("-Q") {
            let (year, quarter) = (number(year, 4)?, number(quarter, 1)?);
            let first = Month::new(year, quarter * 3 - 2 * u32::from(quarter > 0))?;
            return Ok(Self { first: first.first(), last: first.next().next().last(), form: Form::Quarter });
        }
        if text.len() == 4 {
            let year = number(text, 4)?;
            let (first, last) = (Month::new(year, 1)?, Month::new(year, 12)?);
            return Ok(Self { first: first.first(), last: last.last(), form: Form::Year });
        }
        Ok(Month::parse(text)?.period())
    }

    /// All days from the first to the last, both included.
    pub fn between(first: Day, last: Day) -> Self {
        Self { first: first.min(last), last: first.max(last), form: Form::Days }
    }

    /// The first day.
    pub const fn first(self) -> Day {
        self.first
    }

    /// The last day.
    pub const fn last(self) -> Day {
        self.last
    }

    /// Whether a day is in the period.
    pub fn contains(self, day: Day) -> bool {
        (self.first..=self.last).contains(&day)
    }

    /// Every day of the period.
    pub fn days(self) -> impl Iterator<Item = Day> {
        std::iter::successors(Some(self.first), move |day| day.next().filter(|next| *next <= self.last))
    }

    /// Every month the period touches.
    pub fn months(self) -> impl Iterator<Item = Month> {
        let last = Month::of(self.last);
        std::iter::successors(Some(Month::of(self.first)), move |month| (*month < last).then(|| month.next()))
    }

    /// The period extended to all days of the months that it touches.
    pub fn whole_months(self) -> Self {
        Self { first: self.first.month().first(), last: self.last.month().last(), form: Form::Days }
    }

    /// Whether it consists of whole months.
    pub fn is_whole_months(self) -> bool {
        self.first() == self.first().month().first() && self.last() == self.last().month().last()
    }

    /// The month, if the period is one month.
    pub fn as_month(self) -> Option<Month> {
        (self.form == Form::Month).then(|| Month::of(self.first))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let month = Month::of(self.first);
        match self.form {
            Form::Month => month.fmt(f),
            Form::Quarter => write!(f, "{:04}-Q{}", month.year, month.month.div_ceil(3)),
            Form::Year => write!(f, "{:04}", month.year),
            Form::Days => write!(f, "{}..{}", self.first, self.last),
        }
    }
}

/// Reads a date `YYYY-MM-DD`. It accepts no other spelling.
pub fn day(text: &str) -> Result<Day, DayError> {
    let date: NaiveDate = text.parse().map_err(|_| DayError)?;
    // chrono also reads `2026-1-5`. Only the full form prints as it was written.
    if date.to_string() != text {
        return Err(DayError);
    }
    Day::from_date(date).ok_or(DayError)
}

fn number(text: &str, digits: usize) -> Result<u32, MonthError> {
    if text.len() != digits || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(MonthError);
    }
    text.parse().map_err(|_| MonthError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_print_as_they_are_read() {
        for text in ["2026-10", "2026-Q1", "2026-Q4", "2026", "2026-10-01..2026-10-15", "2099-12", "2015-01"] {
            assert_eq!(Period::parse(text).map(|p| p.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "2026-13",
            "2026-00",
            "2026-Q0",
            "2026-Q5",
            "26-10",
            "2026-1",
            "2026-10-2..2026-10-03",
            "2026-10-02..2026-10-01",
            "",
            "2014-12",
            "2100-01",
            "+026-10",
        ] {
            assert_eq!(Period::parse(text), Err(PeriodError), "{text}");
        }
    }

    #[test]
    fn a_period_knows_its_days_and_months() {
        let quarter = Period::parse("2026-Q1").map(|p| (p.days().count(), p.months().count(), p.last().to_string()));
        assert_eq!(quarter, Ok((90, 3, "2026-03-31".to_owned())));
        let leap = Period::parse("2028-02").map(|p| p.days().count());
        assert_eq!(leap, Ok(29));
    }
}
