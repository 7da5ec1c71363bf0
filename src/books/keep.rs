//! Keeping a ledger: verifying, rebuilding, copying, upgrading.

pub mod upgrade;
pub mod verify;
