//! What a batch of events is made of: rows in little room, the keys they get, and the canonical form that digests are over.
#![deny(clippy::indexing_slicing, clippy::as_conversions)]

pub mod batch;
pub mod canonical;
pub mod key;
mod packed;
