//! The file: opening it, its schema and settings, transactions, copies, and what is compared with the chain before anything is
//! believed.

pub mod backup;
pub mod connection;
pub(in crate::ledger) mod gather;
pub(in crate::ledger) mod proving;
pub(in crate::ledger) mod retracted;
pub mod schema;
pub mod settings;
pub mod transaction;
pub mod watch;
