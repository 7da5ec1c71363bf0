//! Append: parsed events into a ledger, on one thread. Counts events.
//!
//! `Appender::append` places, sums and seals. An import does the summing on a second thread. The figure includes taking
//! the write lock and undoing the transaction. It excludes a commit and its syncs.

use crate::books::{self, EVENTS, Layout};
use divan::Bencher;
use divan::counter::ItemsCount;
use std::path::Path;
use tokenbook::books::usage::import::DEFAULT_SOURCE;
use tokenbook::import::file::consumer::Demand;
use tokenbook::import::read::parse::Context;
use tokenbook::ledger::append::{Appended, Appender};
use tokenbook::ledger::file::connection::{Access, Ledger};
use tokenbook::ledger::file::transaction::Transaction;
use tokenbook::ledger::file::watch::Watch;
use tokenbook::rows::batch::{Batch, Names};

#[divan::bench(sample_count = 10)]
fn new_events(bencher: Bencher<'_, '_>) {
    let folder = books::folder();
    books::ledger(folder.path());
    measure(bencher, folder.path());
}

#[divan::bench(sample_count = 10)]
fn duplicates(bencher: Bencher<'_, '_>) {
    let folder = books::folder();
    books::full_ledger(folder.path());
    measure(bencher, folder.path());
}

fn measure(bencher: Bencher<'_, '_>, folder: &Path) {
    let ledger = books::ready(Ledger::open(&folder.join("ledger.db"), Access::Write));
    let (context, batches) = parsed(folder);
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| {
            batches
                .iter()
                .map(|batch| books::ready(Batch::merged(&[batch.whole()], Batch::new())))
                .collect::<Vec<Batch>>()
        })
        .bench_local_values(|batches| {
            let write = books::ready(ledger.write(|| {}));
            append(&write, batches, &context.constants.names.lock())
        });
}

fn append(write: &Transaction<'_>, batches: Vec<Batch>, names: &Names) -> Appended {
    let mut appender = books::ready(Appender::new(write, DEFAULT_SOURCE));
    let mut summariser = appender.summariser();
    for batch in batches {
        books::ready(appender.append(batch, names, &mut summariser));
    }
    books::ready(appender.finish(&Watch::default()))
}

/// The month, and the names its batches refer to.
fn parsed(folder: &Path) -> (Context, Vec<Batch>) {
    let (context, path) = (books::context(), books::usage(folder, Layout::Csv));
    let mut batches = Vec::new();
    books::read(&path, &context, |batch| {
        batches.push(batch);
        Demand::More
    });
    (context, batches)
}
