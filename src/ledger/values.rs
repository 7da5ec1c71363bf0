//! Converts numbers of the file to the types that they stand for.

use crate::domain::calendar::Day;
use crate::domain::event::PromptSize;
use crate::domain::meter::Meter;
use crate::domain::number::{
    BatchId, ClassId, CostImportId, EntryId, ImportId, ModelId, QuarantinedId, SourceId, TagSetId, TierId,
};
use crate::domain::outcome::Outcome;
use crate::domain::period::Month;
use crate::ledger::{Damage, LedgerError, Result, fits};
use crate::rows::key::EventKey;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

macro_rules! in_columns {
    ($($number:ident),+) => {$(
        impl ToSql for $number {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.number()))
            }
        }

        impl FromSql for $number {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self::new)
            }
        }
    )+};
}

in_columns!(SourceId, TagSetId, ModelId, TierId, ClassId, BatchId, ImportId, CostImportId, QuarantinedId, EntryId);

pub(super) fn day(number: i64) -> Result<Day> {
    Day::from_number(number)
        .ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("the day {number} is out of range")))
}

pub(super) fn key(number: i64) -> Result<EventKey> {
    EventKey::from_number(number)
        .ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("the key {number} is out of range")))
}

pub(super) fn month(code: i64) -> Result<Month> {
    Month::from_code(code)
        .ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("the month {code} does not exist")))
}

pub(super) fn prompt(code: i64) -> Result<PromptSize> {
    PromptSize::from_code(code)
        .ok_or_else(|| LedgerError::Corrupt(Damage::Value, "the kind of a prompt is out of range".to_owned()))
}

pub(super) fn outcome(code: i64) -> Result<Option<Outcome>> {
    let outcome = Outcome::from_code(fits(code, "outcome")?);
    outcome.ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("the outcome {code} does not exist")))
}

pub(super) fn meter(code: i64) -> Result<Meter> {
    let meter = Meter::from_code(fits(code, "meter")?);
    meter.ok_or_else(|| LedgerError::Corrupt(Damage::Value, format!("the meter {code} does not exist")))
}
