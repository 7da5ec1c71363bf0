//! The bytes of a file: opens and unpacks it, reads whole lines and chunks, and passes its batches to a consumer.

pub mod chunk;
pub mod consumer;
pub mod input;
pub mod paths;
pub mod whole_lines;
