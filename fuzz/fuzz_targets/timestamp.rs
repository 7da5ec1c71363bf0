//! Compares instants with chrono. chrono must read every accepted instant alike, and tokenbook must read what chrono
//! writes in its profile.
#![no_main]

use chrono::{DateTime, SecondsFormat};
use libfuzzer_sys::fuzz_target;
use tokenbook::domain::timestamp::{Timestamp, TimestampError};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let theirs = DateTime::parse_from_rfc3339(text);
    match Timestamp::parse(text) {
        Ok(at) => {
            let nanos = theirs.ok().and_then(|theirs| theirs.timestamp_nanos_opt());
            // tokenbook stores a leap second as the last nanosecond before midnight; chrono counts on.
            assert!(nanos == Some(at.nanos()) || text[..19].ends_with(":60"), "{text:?}: {at} and {nanos:?}");
            assert_eq!(Timestamp::parse(&at.to_string()), Ok(at), "{text:?}");
        }
        Err(error) => {
            let Ok(theirs) = theirs else { return };
            let within = theirs.timestamp_nanos_opt().and_then(Timestamp::from_nanos).is_some();
            let offset = theirs.offset().local_minus_utc().abs() <= 14 * 3_600;
            let formats = [SecondsFormat::Secs, SecondsFormat::Millis, SecondsFormat::Micros, SecondsFormat::Nanos];
            let written = formats.into_iter().any(|format| {
                theirs.to_rfc3339_opts(format, true) == text || theirs.to_rfc3339_opts(format, false) == text
            });
            let leap = text.get(..19).is_some_and(|head| head.ends_with(":60"));
            if within && offset && written && !leap {
                panic!("{text:?} is refused: {error:?}");
            }
            if error == TimestampError::Range {
                assert!(!within || leap, "{text:?} is in the range");
            }
        }
    }
});
