//! The policy file: `limits.toml`, from its text to checked limits, and what changes from one to the next.

pub mod difference;
mod parts;
pub mod read;
mod read_channel;
mod read_limit;
pub mod read_routes;
mod values;
