//! tokenbook's own JSONL. Compares its fast pass with the JSON reader. A space after the brace makes the fast pass give
//! up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenbook::import::record::reading::Stated;
use tokenbook_fuzz::read;

fuzz_target!(|bytes: &[u8]| {
    let fast = read(bytes, Some("jsonl"), Stated::default());
    let mut spaced = Vec::with_capacity(bytes.len() + 64);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b"{") {
            // A line with only a brace counts as an object spread over lines, with or without a space.
            Some(rest) if rest.iter().any(|byte| !byte.is_ascii_whitespace()) => {
                spaced.extend_from_slice(b"{ ");
                spaced.extend_from_slice(rest);
            }
            _ => spaced.extend_from_slice(line),
        }
    }
    assert_eq!(fast, read(&spaced, Some("jsonl"), Stated::default()));
});
