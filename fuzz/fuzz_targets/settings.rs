//! Offers in TOML, and benefits in CSV: they are read, or rejected with a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenbook::domain::currency::Currency;
use tokenbook::report::roi::list::BenefitList;
use tokenbook::report::savings::Offers;

fuzz_target!(|bytes: &[u8]| {
    let dollars = Currency::parse("USD").expect("a currency");
    if let Err(problems) = BenefitList::read(bytes, dollars) {
        assert!(!problems.is_empty());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(problems) = Offers::read(text, dollars) {
        assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.what.is_empty()));
    }
});
