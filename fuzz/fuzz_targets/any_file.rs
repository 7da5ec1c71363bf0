//! Any bytes as a usage file, compressed or not. The format is detected from the content.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenbook::import::record::reading::Stated;
use tokenbook_fuzz::read;

fuzz_target!(|bytes: &[u8]| {
    read(bytes, None, Stated::default());
});
