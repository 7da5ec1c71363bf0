//! tokenbook's own CSV: lines below a header with every kind of field. Compares how a line is split with the csv crate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenbook::import::record::reading::Stated;
use tokenbook::text::csv_line::split;
use tokenbook_fuzz::read;

const HEADER: &[u8] = b"event_id,timestamp,model,department,tag.team,input_tokens,web_searches,total_tokens,other\n";

fuzz_target!(|bytes: &[u8]| {
    let file = [HEADER, bytes].concat();
    read(&file, Some("csv"), Stated::default());
    for line in std::str::from_utf8(bytes).unwrap_or_default().split(['\n', '\r']).filter(|line| !line.is_empty()) {
        let mut fields = Vec::new();
        if split(line, &mut fields).is_ok() {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
            let theirs = reader.records().next().expect("a record").expect("valid CSV");
            assert!(fields.iter().map(AsRef::as_ref).eq(&theirs), "{line:?}: {fields:?} and {theirs:?}");
        }
    }
});
