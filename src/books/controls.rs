//! Limits on usage: the policy, budgets under it, and alerts.

pub mod alerts;
pub mod budget_sheet;
pub mod budgets;
pub mod delivery;
pub mod policies;
mod unused;
mod wording;
