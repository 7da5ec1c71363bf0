//! A format's name on the first line, then a file of that format. All options that supply missing fields are set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenbook::import::formats::named;
use tokenbook_fuzz::{all_said, first_line, read};

fuzz_target!(|bytes: &[u8]| {
    let Some((name, file)) = first_line(bytes) else { return };
    if name != "mapped" && named(name).is_some() {
        read(file, Some(name), all_said());
    }
});
