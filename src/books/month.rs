//! The month end: its reports as a set of files with a manifest, and what changed since the last set.

pub mod manifest;
pub mod month_change;
pub mod month_end;
pub mod output;
pub mod run;
