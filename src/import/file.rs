//! The bytes of a file: opening and unpacking it, whole lines, chunks, and who takes its batches.

pub mod chunk;
pub mod consumer;
pub mod input;
pub mod paths;
pub mod whole_lines;
