//! Limits on usage: the policy, budgets under it, and alerts.

pub mod alerts;
pub mod budget_sheet;
pub mod budgets;
pub mod delivery;
pub mod gateway;
pub mod guarded;
pub mod policies;
mod unused;
mod wording;
