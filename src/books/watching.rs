//! Reports the progress of long work to an observer, and asks it whether to stop.

use crate::books::{Books, Observer};
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::Transaction;
use crate::ledger::file::watch::Watch;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often an observer receives the progress and is asked.
const EVERY: Duration = Duration::from_millis(50);

/// Does work while another thread watches it. The observer is asked before it begins, and receives the progress at its
/// end.
pub(super) fn watched<T>(observer: &dyn Observer, work: impl FnOnce(&Arc<Watch>) -> T) -> T {
    let watch = Arc::new(Watch::default());
    if observer.stop() {
        watch.stop();
    }
    std::thread::scope(|scope| {
        // Nothing is ever sent. When the sender is dropped, the work is over.
        let (working, over) = channel::<Infallible>();
        let seen = Arc::clone(&watch);
        scope.spawn(move || {
            while over.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if observer.stop() {
                    seen.stop();
                }
                seen.reached().into_iter().for_each(|reached| observer.reached(reached));
            }
            seen.reached().into_iter().for_each(|reached| observer.reached(reached));
        });
        let result = work(&watch);
        drop(working);
        result
    })
}

impl Books {
    /// Does work that appends, while another thread watches it. It commits unless the observer wants to stop.
    pub(super) fn kept<'a, T, E: From<LedgerError>>(
        &'a self,
        observer: &dyn Observer,
        work: impl FnOnce(&Transaction<'a>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.kept_in(observer, |waiting| self.ledger.write(waiting), work)
    }

    /// The same, in a transaction that the caller begins.
    pub(super) fn kept_in<'a, T, E: From<LedgerError>>(
        &'a self,
        observer: &dyn Observer,
        begin: impl FnOnce(&dyn Fn()) -> Result<Transaction<'a>, LedgerError>,
        work: impl FnOnce(&Transaction<'a>) -> Result<T, E>,
    ) -> Result<T, E> {
        watched(observer, |watch| {
            let write = begin(&|| observer.waiting())?.watched(watch);
            let result = work(&write)?;
            if observer.stop() {
                return Err(LedgerError::Stopped.into());
            }
            write.commit()?;
            self.ledger.checkpoint()?;
            Ok(result)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::books::keep::verify::Depth;
    use crate::books::statement::reports::{Basis, Request};
    use crate::books::usage::import::ImportOptions;
    use crate::books::{Act, Books, BooksError, Observer, Reached, Silent, Stage};
    use crate::domain::calendar::Calendar;
    use crate::domain::currency::Currency;
    use crate::domain::name::Name;
    use crate::domain::period::Period;
    use crate::domain::timestamp::Timestamp;
    use crate::import::file::input::Input;
    use crate::ledger::{LedgerError, Settings};
    use std::error::Error;
    use std::fmt::Write;
    use std::sync::Mutex;

    type Outcome<T = ()> = Result<T, Box<dyn Error>>;

    /// Records the progress of each stage.
    #[derive(Default)]
    struct Heard(Mutex<Vec<Reached>>);

    impl Observer for Heard {
        fn reached(&self, reached: Reached) {
            if let Ok(mut heard) = self.0.lock() {
                heard.push(reached);
            }
        }
    }

    /// An observer that lets nothing begin.
    struct Unwilling;

    impl Observer for Unwilling {
        fn stop(&self) -> bool {
            true
        }
    }

    fn books(folder: &std::path::Path) -> Outcome<Books> {
        let act = Act { now: Timestamp::parse("2026-11-23T08:00:00Z")?, actor: "tester" };
        let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
        let books = Books::create(&folder.join("tokenbook.db"), &settings, act)?;
        let mut text = "event_id,timestamp,model,input_tokens\n".to_owned();
        for number in 0..3_000 {
            writeln!(text, "e{number},2026-10-{:02}T10:00:00Z,m,1", number % 31 + 1)?;
        }
        let file = folder.join("u.csv");
        std::fs::write(&file, text)?;
        books.import(&Input::File(file), &ImportOptions::plain(), act, &Silent)?;
        Ok(books)
    }

    fn request() -> Outcome<Request> {
        Ok(Request { basis: Basis::Events, ..Request::of(Period::parse("2026-10")?) })
    }

    #[test]
    fn an_observer_hears_how_far_reading_has_come() -> Outcome {
        let folder = tempfile::tempdir()?;
        let (books, heard) = (books(folder.path())?, Heard::default());
        books.statement(&request()?, &heard)?;
        let last = heard.0.lock().map_err(|_| "poisoned")?.last().copied();
        assert_eq!(last, Some(Reached { stage: Stage::Events, done: 3_000, all: Some(3_000) }));
        let part = Request { period: Period::parse("2026-10-01..2026-10-03")?, ..request()? };
        books.statement(&part, &heard)?;
        let last = heard.0.lock().map_err(|_| "poisoned")?.last().copied();
        assert_eq!(last, Some(Reached { stage: Stage::Events, done: 291, all: Some(291) }));
        books.verify(Depth::WithIntegrity, None, &heard)?;
        let last = heard.0.lock().map_err(|_| "poisoned")?.last().copied();
        assert_eq!(last, Some(Reached { stage: Stage::File, done: 0, all: None }));
        Ok(())
    }

    #[test]
    fn reading_stops_when_it_is_not_wanted_and_can_be_done_again() -> Outcome {
        let folder = tempfile::tempdir()?;
        let books = books(folder.path())?;
        let stopped = books.statement(&request()?, &Unwilling);
        assert!(matches!(stopped, Err(BooksError::Ledger(LedgerError::Stopped))), "{stopped:?}");
        assert!(matches!(books.verify(Depth::Full, None, &Unwilling), Err(LedgerError::Stopped)));
        assert!(books.verify(Depth::Full, None, &Silent)?.findings.is_empty());
        books.statement(&request()?, &Silent)?;
        Ok(())
    }
}
