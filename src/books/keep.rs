//! Keeping a ledger: verifying, rebuilding, copying.

pub mod verify;
