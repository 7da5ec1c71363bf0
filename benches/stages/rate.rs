//! Rate: usage lines times the prices in force. Counts lines. A line is the usage of one day, payer, model, tier and
//! band.
//!
//! `Rater::charges` is the narrowest entry. It caches resolved prices, so each run has its own rater.

use crate::books;
use divan::Bencher;
use divan::counter::ItemsCount;
use tokenbook::books::Silent;
use tokenbook::books::statement::reports::Request;
use tokenbook::rating::rate::Rater;

#[divan::bench(sample_count = 30)]
fn charges(bencher: Bencher<'_, '_>) {
    let folder = books::folder();
    let statement = books::ready(books::full_ledger(folder.path()).statement(&Request::of(books::period()), &Silent));
    let book = books::ready(statement.books.get(&statement.book).ok_or("the ledger has no prices"));
    let lines = books::ready(statement.rated.lines());
    bencher
        .counter(ItemsCount::new(lines.len()))
        .with_inputs(|| Rater::new(book, &statement.names, statement.heading.currency))
        .bench_local_values(|mut rater| {
            let charges = lines.iter().map(|line| rater.charges(&line.usage));
            // Kept, as in a report, so the figure excludes freeing them.
            charges.collect::<Vec<_>>()
        });
}
