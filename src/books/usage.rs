//! How usage comes in and is retracted: files, events of a program, cost reports.

pub mod costs;
pub mod doubts;
pub mod import;
pub mod import_options;
pub mod imports;
pub mod record;
pub mod recorder;
pub mod retract;
pub mod unserved;
