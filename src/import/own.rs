//! tokenbook's own formats, CSV and JSONL.

pub mod csv;
pub mod jsonl;
pub mod plain;
