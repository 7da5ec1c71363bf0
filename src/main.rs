//! The command, which comes with the facade.
fn main() {}
