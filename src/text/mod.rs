//! How files spell records: lines, comma-separated fields, and what to say about a line that is wrong.
//!
//! Strict where the usual readers are lenient: a record is one physical line, so a stray quote cannot swallow the rest
//! of a file, lines can be counted, and a file can be read by many threads. Nothing here knows what a field means.

pub mod csv_line;
pub mod problem;
pub mod table;
pub mod toml_table;
pub mod wildcard;
