//! Names and their numbers.

pub(in crate::ledger) mod dictionary;
pub(in crate::ledger) mod numbers;
