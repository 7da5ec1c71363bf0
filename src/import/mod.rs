//! From a file to events: open, decompress, cut into chunks, parse in parallel, check, intern.
//!
//! Every line of a file is counted: `lines = header + blank + accepted + duplicate + quarantined`. A format knows how a
//! vendor spells an event and passes on a [`Draft`]. The [`sink`](events::sink) is the only place that checks what an
//! event must be. No event contains the text of a prompt or an answer, whatever else a record holds.

pub mod costs;
pub mod events;
pub mod file;
pub mod format;
pub mod formats;
pub mod own;
pub mod read;
pub mod record;
pub mod vendor;

pub use events::sink::Draft;
pub use format::Format;
pub use formats::FORMATS;
pub use read::parse::{BadLine, Context, LineCounts, Parsed};
