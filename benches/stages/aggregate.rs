//! Aggregate: from the ledger to the month's usage lines, and from rated lines to groups. Counts the events behind them.
//!
//! `from_daily` reads the daily sums, `from_events` every event on all threads, `group` adds rated lines up by department.

use crate::books::{self, EVENTS};
use divan::Bencher;
use divan::counter::ItemsCount;
use tokenbook::aggregate::{PriceChanges, from_daily, from_events};
use tokenbook::books::Silent;
use tokenbook::books::reports::Request;
use tokenbook::ledger::connection::{Access, Ledger};
use tokenbook::report::by::Dimension;
use tokenbook::report::group;

/// The ways from the ledger to usage lines.
#[derive(Clone, Copy)]
enum From {
    Daily,
    Events,
}

#[divan::bench(sample_count = 30)]
fn daily(bencher: Bencher<'_, '_>) {
    measure(bencher, From::Daily);
}

#[divan::bench(sample_count = 30)]
fn events(bencher: Bencher<'_, '_>) {
    measure(bencher, From::Events);
}

fn measure(bencher: Bencher<'_, '_>, from: From) {
    let folder = books::folder();
    let statement = books::ready(books::full_ledger(folder.path()).statement(&Request::of(books::period()), &Silent));
    let ledger = books::ready(Ledger::open(&folder.path().join("ledger.db"), Access::Read));
    let snapshot = books::ready(ledger.snapshot());
    let changes = PriceChanges::new(statement.books.values().collect(), &statement.names);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        books::ready(match from {
            From::Daily => from_daily::usage(&snapshot, statement.period, &changes),
            From::Events => from_events::usage(&snapshot, statement.period, &changes),
        })
    });
}

#[divan::bench(sample_count = 30)]
fn by_department(bencher: Bencher<'_, '_>) {
    let folder = books::folder();
    let statement = books::ready(books::full_ledger(folder.path()).statement(&Request::of(books::period()), &Silent));
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench_local(|| books::ready(group::group(&statement.lines, &[Dimension::Department], &statement.names)));
}
