//! Numbers of the file as what they stand for.

use crate::domain::calendar::Day;
use crate::domain::meter::Meter;
use crate::ledger::{LedgerError, Result, fits};

pub(super) fn day(number: i64) -> Result<Day> {
    Day::from_number(number).ok_or_else(|| LedgerError::Corrupt(format!("the day {number} is out of range")))
}

pub(super) fn meter(code: i64) -> Result<Meter> {
    let meter = Meter::from_code(fits(code, "meter")?);
    meter.ok_or_else(|| LedgerError::Corrupt(format!("there is no meter {code}")))
}
