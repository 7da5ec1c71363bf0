//! What a period cost: statements, reports, and what other prices would make of them.

pub mod completeness;
pub mod explain;
pub mod pool;
pub mod price_check;
pub mod price_diff;
pub mod price_moves;
pub(in crate::books) mod reading;
pub mod reports;
