//! Parse: from a file to sorted batches of checked events, on all threads. Counts events.
//!
//! `import::parse::parse` is the function that an import calls. The figure includes reading the file (from the page
//! cache) and its digest.

use crate::books::{self, EVENTS, Layout};
use divan::Bencher;
use divan::counter::ItemsCount;
use tokenbook::import::file::consumer::Demand;

#[divan::bench(sample_count = 30)]
fn csv(bencher: Bencher<'_, '_>) {
    measure(bencher, Layout::Csv);
}

#[divan::bench(sample_count = 30)]
fn jsonl(bencher: Bencher<'_, '_>) {
    measure(bencher, Layout::Jsonl);
}

fn measure(bencher: Bencher<'_, '_>, layout: Layout) {
    let folder = books::folder();
    let path = books::usage(folder.path(), layout);
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(books::context)
        .bench_local_values(|context| books::read(&path, &context, |_| Demand::More));
}
