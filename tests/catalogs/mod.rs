//! Public price catalogues: what of a file becomes a price, what is set aside, and what an import would change.
//!
//! The files under `fixtures/catalogs` are invented, in the form of the catalogues; each has the price list, the list of
//! prices set aside and the account that must come of it. `UPDATE_GOLDEN=1` writes them, and the difference is read.

mod decimals;
mod diff;
mod golden;
mod refused;
