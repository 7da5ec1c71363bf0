//! The file: opening, schema and settings, transactions, copies, and the comparison with the chain before data is
//! trusted.

pub mod backup;
pub mod connection;
pub(in crate::ledger) mod gather;
pub(in crate::ledger) mod proving;
pub(in crate::ledger) mod retracted;
pub mod schema;
pub mod settings;
pub mod transaction;
pub mod watch;
