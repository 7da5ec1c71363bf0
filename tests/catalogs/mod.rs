//! Public price catalogues: which prices of a file become rows, which are set aside, and what an import would change.
//!
//! The files under `fixtures/catalogs` are invented, in the form of the catalogues. Each has its expected price list,
//! its expected list of prices set aside, and its expected counts. `UPDATE_GOLDEN=1` writes them; read the difference.

mod decimals;
mod diff;
mod golden;
mod refused;
