//! How alerts leave the house: addresses, bodies, signatures, the schedule of attempts, HTTPS, and programs.
//!
//! Nothing here reads a ledger, the environment or a clock. Messages of errors show the scheme and the host of an address only, because
//! the address of a chat is a secret.
#![deny(clippy::as_conversions)]

pub mod address;
pub mod bodies;
pub mod command;
#[cfg(feature = "webhooks")]
mod http;
pub mod schedule;
#[cfg(feature = "webhooks")]
pub mod signature;

#[cfg(feature = "webhooks")]
pub use http::post;

#[cfg(not(feature = "webhooks"))]
mod without;
#[cfg(not(feature = "webhooks"))]
pub use without::{post, signature};
