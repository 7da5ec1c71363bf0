//! Names and their numbers.

pub mod dictionary;
pub(in crate::ledger) mod numbers;
