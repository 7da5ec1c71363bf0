//! The parts of a batch of events: compact rows, their keys, and the canonical form that digests cover.
#![deny(clippy::indexing_slicing, clippy::as_conversions)]

pub mod batch;
pub mod canonical;
pub mod key;
mod packed;
