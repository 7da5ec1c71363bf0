//! Recorded facts, one file for each kind: how it is appended, what the chain records of it, and how it is read.

pub mod alerts;
pub mod aliases;
pub mod batch_days;
pub mod batch_seal;
pub mod costs;
pub mod departments;
pub mod imports;
pub(in crate::ledger) mod maps;
pub(in crate::ledger) mod migration;
pub mod policies;
pub mod prices;
pub mod quarantine;
pub mod retraction;
pub mod rules;
pub mod sealed_events;
