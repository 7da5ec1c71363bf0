//! Reads events back, and decides which of them count.

pub mod class;
pub(in crate::ledger) mod day_digest;
pub(in crate::ledger) mod not_counted;
pub(in crate::ledger) mod revision;
pub mod scan;
pub(in crate::ledger) mod thresholds;
