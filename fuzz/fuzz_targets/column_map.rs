//! A map of columns, a line `---`, and a file to read by the map.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tokenbook::import::record::column_map::ColumnMap;
use tokenbook::import::record::reading::Stated;
use tokenbook_fuzz::{all_said, read};

const BETWEEN: &[u8] = b"\n---\n";

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.windows(BETWEEN.len()).position(|part| part == BETWEEN);
    let (map, file) = match at {
        Some(at) => (&bytes[..at], &bytes[at + BETWEEN.len()..]),
        None => (bytes, &b""[..]),
    };
    match ColumnMap::read(map) {
        Ok(map) => {
            read(file, Some("mapped"), Stated { map: Some(Arc::new(map)), ..all_said() });
        }
        Err(problems) => assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.what.is_empty())),
    }
});
