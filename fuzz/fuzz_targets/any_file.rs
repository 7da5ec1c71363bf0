//! Any bytes as a usage file whose format is told by content, compressed or not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenbook::import::record::reading::Reading;
use tokenbook_fuzz::read;

fuzz_target!(|bytes: &[u8]| {
    read(bytes, None, Reading::default());
});
