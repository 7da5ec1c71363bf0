//! Limits on usage and what follows from them: the policy file, its checks, the periods of budgets, forecasts and thresholds.
//!
//! Everything here is arithmetic on what the caller hands over. Time is an argument, and nothing here reads a ledger or a
//! clock. Amounts and quantities stay whole numbers, and a comparison with a limit is exact.
#![deny(clippy::as_conversions)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

pub mod ask;
pub mod breaker;
pub mod bucket;
pub mod count;
pub mod decide;
pub mod enforced;
pub mod exact;
pub mod forecast;
pub mod lane;
pub mod limit;
pub mod period;
pub mod policy;
pub mod posted;
pub mod replay;
pub mod routes;
pub mod scope;
pub mod span;
pub mod touch;
pub mod window;
