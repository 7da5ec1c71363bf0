//! From a file to events: open, decompress, cut into chunks, parse in parallel, check, intern.
//!
//! Every line of a file is accounted for: `lines = header + blank + accepted + duplicate + quarantined`. A format says
//! how a vendor spells an event and hands over a [`Draft`]; what an event must be is checked in one place, the [`sink`].
//! Prompt and answer texts are never read into an event, whatever else a record holds.

pub mod batch_line;
pub mod batches;
pub mod buckets;
pub mod chunk;
pub mod column_map;
pub mod consumer;
pub mod costs;
pub mod csv;
pub mod document;
pub mod envelope;
pub mod events;
pub mod field;
pub mod format;
pub mod formats;
pub mod gathered;
pub mod head;
pub mod input;
pub mod intern;
pub mod json;
pub mod jsonl;
pub mod pages;
pub mod parse;
pub mod paths;
pub mod plain;
pub mod preview;
pub mod reading;
pub mod record;
pub mod shapes;
pub mod sink;
pub mod vendor;
pub mod whole_lines;

pub use format::{FORMATS, Format};
pub use parse::{BadLine, Context, LineCounts, Parsed};
pub use sink::Draft;
