//! How files spell records: lines, comma-separated fields, and the description of a wrong line.
//!
//! It is strict where the usual readers are lenient: a record is one physical line. So a stray quote cannot swallow the
//! rest of a file, lines can be counted, and many threads can read one file. This layer does not know what a field
//! means.

pub mod csv_line;
pub mod problem;
pub mod table;
pub mod toml_table;
pub mod wildcard;
