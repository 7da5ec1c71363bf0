//! Reading beside a writer: all output of one command comes from one state.

use crate::desk::{Desk, Outcome, PRICES, usage};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::statement::reports::{Basis, Request};
use tokenbook::books::usage::import::ImportOptions;
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::period::Period;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::report::by::Dimension;

/// Imports one small file after another until it must stop. It returns their number.
fn write_on(ledger: &Path, folder: &Path, over: &AtomicBool, written: &AtomicUsize) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let books = Books::open(ledger).map_err(|error| told(&error))?;
    let act = Act { now: Timestamp::parse("2026-12-01T00:00:00Z").map_err(|error| told(&error))?, actor: "writer" };
    let mut files = 0;
    while !over.load(Ordering::Relaxed) {
        files += 1;
        let path = folder.join(format!("more-{files}.csv"));
        std::fs::write(&path, usage(1_000 + files * 3, 3)).map_err(|error| told(&error))?;
        let imported = books.import(&Input::File(path), &ImportOptions::plain(), act, &Silent);
        imported.map_err(|error| told(&error))?;
        written.store(files, Ordering::Relaxed);
    }
    Ok(())
}

#[test]
fn nothing_gives_up_beside_a_writer_that_never_rests() -> Outcome {
    let desk = Desk::new()?;
    desk.write("prices.csv", PRICES)?;
    desk.write("u.csv", usage(0, 300))?;
    desk.run(&["prices", "import", "prices.csv"])?.ends(0)?;
    desk.run(&["import", "u.csv"])?.ends(0)?;
    let (ledger, folder, over) = (desk.ledger(), desk.path("."), AtomicBool::new(false));
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_on(&ledger, &folder, &over, &written));
        let read = || -> Outcome {
            let books = Books::read(&ledger)?;
            let mut last = 0;
            let mut round = 0;
            // If the writer has failed, the test stops waiting for it.
            while !writer.is_finished() && (round < 12 || written.load(Ordering::Relaxed) < 12) {
                round += 1;
                let verified = books.verify(Depth::Full, None, &Silent)?;
                assert_eq!(verified.findings, Vec::<String>::new(), "round {round}");
                assert!(verified.events >= last, "round {round}");
                last = verified.events;
                let by = Dimension::list("tag.team,day")?;
                let basis = if round % 2 == 0 { Basis::Sums } else { Basis::Events };
                let request = Request { by, basis, ..Request::of(Period::parse("2026-10")?) };
                books.report("chargeback", &request)?;
            }
            Ok(())
        };
        let outcome = read();
        over.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| "the writer panicked")??;
        outcome
    })
}
