//! Pure types: money, meters, names, time and events. No input, no output, no serialisation.
//!
//! Every value that exists is valid. Constructors reject what the ledger could not store, so no later layer checks
//! again.
#![deny(clippy::indexing_slicing, clippy::as_conversions)]

pub mod calendar;
pub mod currency;
pub mod decimal;
pub mod department;
pub mod event;
pub mod event_builder;
pub mod hashed_tags;
pub mod meter;
pub mod money;
pub mod name;
pub mod outcome;
pub mod period;
pub mod provider_cost;
pub mod quantities;
pub mod rate;
pub mod ratio;
pub mod rule;
pub mod secret;
pub mod tags;
pub mod timestamp;
pub mod usage;
