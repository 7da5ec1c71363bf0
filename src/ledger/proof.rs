//! Proofs that the ledger still holds what was recorded in it, as a whole and for single days and events. It knows all
//! other rooms.

pub mod find;
pub mod ids;
pub(in crate::ledger) mod rebuild;
pub(in crate::ledger) mod registry;
pub mod since;
pub mod upgrade;
pub mod verify;
