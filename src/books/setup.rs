//! What reading and billing of usage depend on: prices, aliases, rules, the registry of departments, maps.

pub mod aliases;
pub mod catalogs;
pub mod departments;
pub mod foreign_prices;
pub mod maps;
pub mod price_list;
pub mod prices;
pub mod rules;
