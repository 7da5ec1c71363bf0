//! A compressed file must give the original file. The first byte decides the compression. Otherwise the bytes are
//! themselves an archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::Write;
use tokenbook::import::record::reading::Stated;
use tokenbook_fuzz::read;

fuzz_target!(|bytes: &[u8]| {
    let Some((how, file)) = bytes.split_first() else { return };
    let packed = match how {
        b'g' => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(file).expect("written to memory");
            encoder.finish().expect("written to memory")
        }
        b'z' => zstd::stream::encode_all(file, 1).expect("written to memory"),
        _ => {
            read(bytes, None, Stated::default());
            return;
        }
    };
    // A packed file inside a packed file stays packed.
    if !file.starts_with(&[0x1f, 0x8b]) && !file.starts_with(&[0x28, 0xb5]) && file.get(1) != Some(&0x2a) {
        assert_eq!(read(&packed, None, Stated::default()), read(file, None, Stated::default()));
    }
});
