//! The periods of budgets: which days of the ledger's calendar count together.

use crate::control::limit::Per;
use crate::domain::calendar::Day;
use crate::domain::period::{Month, Period};
use chrono::Datelike;

/// The period that a day is in.
pub fn containing(per: Per, day: Day) -> Period {
    let month = Month::of(day);
    match per {
        Per::Day => Period::between(day, day),
        Per::Week => {
            let into = usize::try_from(day.date().weekday().num_days_from_monday()).unwrap_or(0);
            let monday = back(day, into);
            Period::between(monday, forward(monday, 6))
        }
        Per::Month => month.period(),
        Per::Quarter => month.quarter(),
        Per::Year => month.whole_year(),
    }
}

/// The period's name: a day by its date, everything else as reports name it.
pub fn label(per: Per, period: Period) -> String {
    if per == Per::Day { period.first().to_string() } else { period.to_string() }
}

/// The day so many days before, or the first of the calendar.
pub fn back(day: Day, days: usize) -> Day {
    (0..days).fold(day, |day, _| day.previous().unwrap_or(day))
}

/// The day so many days after, or the last of the calendar.
pub fn forward(day: Day, days: usize) -> Day {
    (0..days).fold(day, |day, _| day.next().unwrap_or(day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::period;
    use std::error::Error;

    #[test]
    fn every_day_is_in_one_period_of_each_length() -> Result<(), Box<dyn Error>> {
        let mut day = period::day("2025-12-20")?;
        for _ in 0..800 {
            for per in Per::ALL {
                let own = containing(per, day);
                assert!(own.contains(day), "{per:?} {day}");
                assert_eq!(containing(per, own.first()), own);
                assert_eq!(containing(per, own.last()), own);
                let after = forward(own.last(), 1);
                assert_eq!(containing(per, after).first(), after, "{per:?}: periods follow each other");
            }
            day = forward(day, 1);
        }
        Ok(())
    }

    #[test]
    fn periods_are_those_of_the_calendar() -> Result<(), Box<dyn Error>> {
        let day = period::day("2026-11-18")?;
        for (per, first, last, name) in [
            (Per::Day, "2026-11-18", "2026-11-18", "2026-11-18"),
            (Per::Week, "2026-11-16", "2026-11-22", "2026-11-16..2026-11-22"),
            (Per::Month, "2026-11-01", "2026-11-30", "2026-11"),
            (Per::Quarter, "2026-10-01", "2026-12-31", "2026-Q4"),
            (Per::Year, "2026-01-01", "2026-12-31", "2026"),
        ] {
            let found = containing(per, day);
            assert_eq!((found.first().to_string(), found.last().to_string()), (first.to_owned(), last.to_owned()));
            assert_eq!(label(per, found), name);
        }
        Ok(())
    }
}
