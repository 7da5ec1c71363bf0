//! Proof: that the ledger says what was put into it, and of single days and events. It knows all other rooms.

pub mod find;
pub mod ids;
pub(in crate::ledger) mod rebuild;
pub(in crate::ledger) mod registry;
pub mod since;
pub mod upgrade;
pub mod verify;
