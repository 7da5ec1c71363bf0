//! Aggregate: from the ledger to the month's usage lines, and from rated lines to groups. Counts the events behind
//! them.
//!
//! `from_daily` reads the daily totals, `from_events` every event, each day on all threads. `group` adds up rated lines
//! by department.

use crate::books::{self, EVENTS};
use divan::Bencher;
use divan::counter::ItemsCount;
use std::sync::Arc;
use tokenbook::aggregate::from_events::ReadBy;
use tokenbook::aggregate::{AggregateError, Events, PriceChanges, from_daily, from_events};
use tokenbook::books::Silent;
use tokenbook::books::statement::reports::Request;
use tokenbook::ledger::file::connection::{Access, Ledger};
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
    let events = || Events::of(&snapshot, statement.period).map(Arc::new);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let mut lines = Vec::new();
        for day in statement.period.days() {
            match from {
                From::Daily => books::ready(from_daily::of_day(&snapshot, day, &changes, events, |line| {
                    lines.push(line);
                    Ok::<_, AggregateError>(())
                })),
                From::Events => {
                    let Events { classes, .. } = &*books::ready(events());
                    let day = from_events::of_day(&snapshot, day, &changes, classes, ReadBy::ByAll, |_| true);
                    lines.extend(books::ready(day));
                }
            }
        }
        lines
    });
}

#[divan::bench(sample_count = 30)]
fn by_department(bencher: Bencher<'_, '_>) {
    let folder = books::folder();
    let statement = books::ready(books::full_ledger(folder.path()).statement(&Request::of(books::period()), &Silent));
    let lines = books::ready(statement.rated.lines());
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench_local(|| books::ready(group::group(lines, &[Dimension::Department], &statement.names)));
}
