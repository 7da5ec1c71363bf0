//! The pipeline: from a file to its events, on all threads.

pub mod document;
pub mod parse;
pub mod preview;
