//! Measures each stage of the engine separately, on one machine and one month of 100,000 events.
//!
//! `cargo bench` runs all stages, and `cargo bench -- parse` those with that word in their name. It prints items a
//! second. An item is an event, unless the stage's file says otherwise. Each stage uses the public library, through the
//! narrowest entry that contains it alone. `benches/compare` compares whole commands and other engines.

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
