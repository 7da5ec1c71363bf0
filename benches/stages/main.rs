//! What each stage of the engine takes by itself, on one machine and one month of 100,000 events.
//!
//! `cargo bench` runs all of them, `cargo bench -- parse` those with that word in their name. An item, of which it prints
//! so many a second, is an event, or what else a file says that it counts. Each goes through the public library, by the
//! narrowest entry that holds its stage alone. Whole commands, and other engines, are compared by `benches/compare`.

mod aggregate;
mod append;
mod books;
#[path = "../compare/lines.rs"]
mod lines;
#[path = "../compare/month.rs"]
mod month;
mod parse;
mod rate;
mod render;

fn main() {
    divan::main();
}
