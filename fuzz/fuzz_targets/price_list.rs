//! tokenbook's own price list, and lists of aliases. After reading, prices can be looked up at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::event::{Band, Model};
use tokenbook::domain::name::Name;
use tokenbook::domain::rate::Rate;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::price::alias_list::alias_list;
use tokenbook::price::read::price_list;
use tokenbook::price::{Aliases, Book, check};

fuzz_target!(|bytes: &[u8]| {
    let calendar = Calendar::of_zone("America/New_York").expect("a zone");
    let own = Name::new("contract").expect("a name");
    let aliases = alias_list(bytes, calendar).unwrap_or_default();
    let aliases = Arc::new(Aliases::new(aliases.iter().map(|listed| &listed.row)));
    let prices = match price_list(bytes, &own, calendar) {
        Ok(prices) => prices,
        Err(problems) => {
            assert!(!problems.is_empty());
            return;
        }
    };
    assert!(!prices.is_empty());
    assert!(prices.iter().all(|price| price.row.rate.is_none_or(|rate| rate.nanos_per_million() >= 0)));
    let rows: Vec<_> = prices.iter().map(|price| price.row.clone()).collect();
    let book = Book::new(&rows).under(aliases);
    for row in &rows {
        let model = Model { provider: row.key.provider.clone(), name: row.key.model.clone() };
        for at in [Timestamp::EARLIEST, row.valid_from, Timestamp::LATEST] {
            for band in [Band::Unknown, Band::Above(0), Band::Above(row.key.prompt_above)] {
                book.resolve(&model, &row.key.tier, row.key.meter, band, at);
            }
        }
        // A printed rate must read as the same rate.
        let text = row.rate.map(|rate| rate.to_string());
        let again = text.map(|text| Rate::parse(&text, tokenbook::domain::rate::Per::Million).expect("a rate"));
        assert_eq!(again, row.rate);
    }
    check::findings(&rows);
});
