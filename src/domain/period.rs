//! Periods: calendar months, quarters, years and spans of days in the books' calendar.

use crate::domain::calendar::Day;
use crate::fault::Code;
use chrono::{Datelike, NaiveDate};
use std::fmt;

/// A calendar month: the number of months since January of the year 0, so that a sum's key stays short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u16);

/// Months of a year.
const OF_YEAR: u16 = 12;

/// The text is not a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a period between 2015 and 2099: expected YYYY-MM, YYYY-Qn, YYYY, or YYYY-MM-DD..YYYY-MM-DD with both days included"
)]
pub struct PeriodError;

impl PeriodError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::PeriodInvalid
    }
}

/// The text is not a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a month between 2015 and 2099")]
pub struct MonthError;

impl MonthError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::PeriodInvalid
    }
}

/// The text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a day between 2015 and 2099")]
pub struct DayError;

impl DayError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::TimeInvalid
    }
}

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
        let year = u16::try_from(year).ok().filter(|year| (2015..=2099).contains(year)).ok_or(MonthError)?;
        Self::of_year(year, month).ok_or(MonthError)
    }

    /// A month of a year, 1 to 12.
    fn of_year(year: u16, month: u32) -> Option<Self> {
        let month = u16::try_from(month).ok().filter(|month| (1..=OF_YEAR).contains(month))?;
        year.checked_mul(OF_YEAR)?.checked_add(month)?.checked_sub(1).map(Self)
    }

    /// The month of a day.
    pub fn of(day: Day) -> Self {
        let date = day.date();
        // Days are of few years.
        u16::try_from(date.year()).ok().and_then(|year| Self::of_year(year, date.month())).unwrap_or(Self(0))
    }

    const fn year(self) -> u16 {
        self.0 / OF_YEAR
    }

    /// 1 to 12.
    const fn month(self) -> u16 {
        (self.0 % OF_YEAR).saturating_add(1)
    }

    /// The month's number in the ledger: 202610.
    pub fn code(self) -> i64 {
        i64::from(self.year()).saturating_mul(100).saturating_add(i64::from(self.month()))
    }

    /// The month of a number in the ledger; `None` if out of range.
    pub fn from_code(code: i64) -> Option<Self> {
        let year = u16::try_from(code.div_euclid(100)).ok().filter(|year| (2014..=2100).contains(year))?;
        Self::of_year(year, u32::try_from(code.rem_euclid(100)).ok()?)
    }

    /// The next month.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The previous month.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The first day.
    pub fn first(self) -> Day {
        NaiveDate::from_ymd_opt(self.year().into(), self.month().into(), 1)
            .and_then(Day::from_date)
            .unwrap_or(Day::LAST)
    }

    /// The last day.
    pub fn last(self) -> Day {
        self.next().first().previous().unwrap_or(Day::LAST)
    }

    /// The month as a period.
    pub fn period(self) -> Period {
        Period { first: self.first(), last: self.last(), form: Form::Month }
    }

    /// The quarter that it is in.
    pub fn quarter(self) -> Period {
        let first = Self(self.0.saturating_sub(self.0 % 3));
        Period { first: first.first(), last: first.next().next().last(), form: Form::Quarter }
    }

    /// The year that it is in.
    pub fn whole_year(self) -> Period {
        let first = Self(self.0.saturating_sub(self.0 % OF_YEAR));
        let last = Self(first.0.saturating_add(OF_YEAR.saturating_sub(1)));
        Period { first: first.first(), last: last.last(), form: Form::Year }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.month())
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
            let first = Month::new(year, quarter.saturating_mul(3).saturating_sub(2))?;
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
            Form::Quarter => write!(f, "{:04}-Q{}", month.year(), month.month().div_ceil(3)),
            Form::Year => write!(f, "{:04}", month.year()),
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
    fn months_follow_each_other_and_keep_their_codes() {
        let months = std::iter::successors(Month::from_code(201_412), |month| Some(month.next()));
        let expected = (2014..=2100).flat_map(|year| (1..=12).map(move |month| (year, month))).skip(11);
        let mut before = None;
        for ((year, number), month) in expected.zip(months) {
            assert_eq!((month.code(), month.to_string()), (year * 100 + number, format!("{year}-{number:02}")));
            assert_eq!(Month::from_code(month.code()), Some(month));
            assert!(before.is_none_or(|before| before < month && month.previous() == before));
            before = Some(month);
        }
        for code in [0, -1, 201_312, 202_600, 202_613, 210_101, i64::MAX, i64::MIN] {
            assert_eq!(Month::from_code(code), None, "{code}");
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
