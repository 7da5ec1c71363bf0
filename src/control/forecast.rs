//! The forecast of a budget: what will be used at the end of its period if the days to come are like those before.
//!
//! Method `same-weekday`: each remaining day gets the mean of the same weekdays among the last 28 complete days, from the
//! first of them with usage on. Today gets what is missing to that mean. Means are exact fractions; the sum is rounded once,
//! half to even.

use crate::control::period::back;
use crate::domain::calendar::Day;
use crate::domain::period::Period;
use crate::domain::ratio::{Overflow, Ratio};
use chrono::Datelike;
use std::collections::BTreeMap;

/// The method's name in every output.
pub const METHOD: &str = "same-weekday";

/// Complete days that are looked at.
pub const LOOKED_AT: usize = 28;

/// Complete days that a forecast needs: one of each weekday.
pub const NEEDED: usize = 7;

/// What a period will use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecast {
    /// The period is over.
    Over {
        /// The day on which the limit was reached; `None` if it was not.
        reached_on: Option<Day>,
    },
    /// There are too few complete days with usage.
    TooFew {
        /// How many there are.
        days: usize,
    },
    /// This much.
    Of {
        /// At the end of the period.
        figure: i128,
        /// The day on which the limit is reached; `None` if it is not.
        reached_on: Option<Day>,
    },
}

/// The forecast of a period. `used` has what each day with usage used, from [`LOOKED_AT`] days before today on, or from the period's
/// first day if that is earlier.
pub fn forecast(used: &BTreeMap<Day, i128>, period: Period, today: Day, limit: i128) -> Result<Forecast, Overflow> {
    let of = |day: Day| used.get(&day).copied().unwrap_or(0);
    if today > period.last() {
        let mut sum = 0_i128;
        for day in period.days() {
            sum = sum.checked_add(of(day)).ok_or(Overflow)?;
            if sum >= limit {
                return Ok(Forecast::Over { reached_on: Some(day) });
            }
        }
        return Ok(Forecast::Over { reached_on: None });
    }
    let window = Period::between(back(today, LOOKED_AT), back(today, 1));
    let first = used.keys().find(|day| window.contains(**day)).copied();
    let complete = first.map_or(0, |first| Period::between(first, window.last()).days().count());
    let Some(first) = first.filter(|_| complete >= NEEDED) else { return Ok(Forecast::TooFew { days: complete }) };
    let mean = |weekday: chrono::Weekday| {
        let mut sum = 0_i128;
        let mut count = 0_i128;
        for day in Period::between(first, window.last()).days().filter(|day| day.date().weekday() == weekday) {
            sum = sum.checked_add(of(day)).ok_or(Overflow)?;
            count = count.checked_add(1).ok_or(Overflow)?;
        }
        Ratio::new(sum, count).ok_or(Overflow)
    };
    let mut sum = Ratio::whole(0);
    let mut reached_on = None;
    for day in period.days() {
        let own = Ratio::whole(of(day));
        let expected = if day < today { own } else { larger(own, mean(day.date().weekday())?)? };
        sum = sum.plus(expected)?;
        if reached_on.is_none() && !sum.minus(Ratio::whole(limit))?.is_negative() {
            reached_on = Some(day);
        }
    }
    Ok(Forecast::Of { figure: sum.round_half_even(), reached_on })
}

fn larger(one: Ratio, other: Ratio) -> Result<Ratio, Overflow> {
    Ok(if other.minus(one)?.is_negative() { one } else { other })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::limit::Per;
    use crate::control::period::{containing, forward};
    use crate::domain::period::day;
    use proptest::prelude::*;
    use std::error::Error;

    type Outcome<T = ()> = Result<T, Box<dyn Error>>;

    /// November 2026 from its first day: 40 a weekday, 10 a day at weekends, 41 on the 9th, 15 on the 18th so far.
    fn november() -> Outcome<BTreeMap<Day, i128>> {
        let mut used = BTreeMap::new();
        for day in containing(Per::Month, day("2026-11-18")?).days().take(18) {
            let is_weekend = day.date().weekday().num_days_from_monday() >= 5;
            let amount = match day.to_string().as_str() {
                "2026-11-09" => 41,
                "2026-11-18" => 15,
                _ if is_weekend => 10,
                _ => 40,
            };
            used.insert(day, amount * 1_000_000_000_000_000);
        }
        Ok(used)
    }

    #[test]
    fn the_worked_example_gives_its_figures() -> Outcome {
        let (used, today) = (november()?, day("2026-11-18")?);
        let month = containing(Per::Month, today);
        let unit = 1_000_000_000_000_000_i128;
        assert_eq!(used.values().sum::<i128>(), 546 * unit);
        let found = forecast(&used, month, today, 1_500 * unit)?;
        // 2795/3 of a unit, to a femto.
        assert_eq!(found, Forecast::Of { figure: 931_666_666_666_666_667, reached_on: None });
        let found = forecast(&used, month, today, 900 * unit)?;
        assert_eq!(found, Forecast::Of { figure: 931_666_666_666_666_667, reached_on: Some(day("2026-11-30")?) });
        assert_eq!(
            forecast(&used, month, day("2026-12-01")?, unit)?,
            Forecast::Over { reached_on: Some(day("2026-11-01")?) }
        );
        let after = forecast(&used, month, day("2026-12-01")?, 547 * unit)?;
        assert_eq!(after, Forecast::Over { reached_on: None });
        let two: BTreeMap<Day, i128> = used.into_iter().skip(15).collect();
        assert_eq!(forecast(&two, month, today, unit)?, Forecast::TooFew { days: 2 });
        Ok(())
    }

    #[test]
    fn the_day_on_which_a_limit_was_reached_is_in_the_past() -> Outcome {
        let (used, today) = (november()?, day("2026-11-18")?);
        let found = forecast(&used, containing(Per::Month, today), today, 10_000_000_000_000_000)?;
        let Forecast::Of { reached_on, .. } = found else { return Err("no forecast".into()) };
        assert_eq!(reached_on, Some(day("2026-11-01")?));
        Ok(())
    }

    /// The forecast in twelfths, which every mean of one to four days is a whole number of.
    fn twelfths(used: &[i128], first: Day, today_at: usize, period: Period) -> i128 {
        let days: Vec<Day> = (0..used.len()).map(|place| forward(first, place)).collect();
        let begin = (today_at.saturating_sub(LOOKED_AT)..today_at).find(|place| used[*place] != 0).unwrap_or(today_at);
        let mean = |weekday: chrono::Weekday| {
            let same = (begin..today_at).filter(|place| days[*place].date().weekday() == weekday);
            let same: Vec<i128> = same.map(|place| used[place]).collect();
            same.iter().sum::<i128>() * 12 / i128::try_from(same.len()).unwrap_or(1)
        };
        let mut total = 0;
        for day in period.days() {
            let place = days.iter().position(|known| *known == day);
            let own = place.filter(|place| *place <= today_at).map_or(0, |place| used[place] * 12);
            total += if day < days[today_at] { own } else { own.max(mean(day.date().weekday())) };
        }
        total
    }

    proptest! {
        #[test]
        fn a_forecast_is_what_twelfths_say(used in prop::collection::vec(0_i128..1_000_000, 60), back in 0_usize..20) {
            let fail = |error: &dyn Error| TestCaseError::fail(error.to_string());
            let first = day("2026-09-20").map_err(|error| fail(&error))?;
            let today_at = 59 - back;
            let today = forward(first, today_at);
            let days = used.iter().take(today_at + 1).enumerate().filter(|(_, used)| **used != 0);
            let days = days.map(|(place, used)| (forward(first, place), *used)).collect();
            let period = containing(Per::Month, today);
            let found = forecast(&days, period, today, i128::MAX / 1_000_000).map_err(|error| fail(&error))?;
            let expected = twelfths(&used, first, today_at, period);
            let (whole, rest) = (expected / 12, expected % 12);
            let rounded = if rest > 6 || rest == 6 && whole % 2 == 1 { whole + 1 } else { whole };
            prop_assert_eq!(found, Forecast::Of { figure: rounded, reached_on: None });
        }
    }
}
