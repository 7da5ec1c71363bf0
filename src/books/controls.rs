//! Limits on usage: the policy, budgets under it, and alerts.

pub mod alerts;
pub mod budget_sheet;
pub mod budgets;
pub mod delivery;
pub mod gateway;
pub mod guarded;
pub mod policies;
pub mod replay_sheet;
pub mod replaying;
pub mod routing;
mod unused;
mod wording;
