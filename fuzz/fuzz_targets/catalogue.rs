//! A catalogue's name on the first line, then its file. Every price and every model must be counted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenbook::domain::name::Name;
use tokenbook::price::catalog::{CatalogFile, Inexact, Missing, Terms, named, read};
use tokenbook_fuzz::{first_line, now};

fuzz_target!(|bytes: &[u8]| {
    let Some((name, file)) = first_line(bytes) else { return };
    let Some(catalog) = named(name) else { return };
    for inexact in [Inexact::SetAside, Inexact::Snap] {
        let terms = Terms {
            book: Name::new("list").expect("a name"),
            valid_from: now(),
            only: Vec::new(),
            inexact,
            missing: Missing::Keep,
        };
        let files = [CatalogFile { name: "catalogue.json".to_owned(), bytes: file.to_vec() }];
        let Ok(list) = read(catalog, &files, &terms) else { return };
        let counts = list.counts;
        assert_eq!(counts.quotes, counts.quotes_used + counts.quotes_aside + counts.quotes_not_asked, "{counts:?}");
        let models = counts.models_priced + counts.models_aside + counts.models_without_price + counts.models_not_asked;
        assert_eq!(counts.models, models, "{counts:?}");
        assert!(list.prices.iter().all(|price| price.row.rate.is_none_or(|rate| rate.nanos_per_million() >= 0)));
    }
});
