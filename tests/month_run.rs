//! A month end whose steps fail or are stopped, one after the other: it goes on to the same reports, or writes none.

use crate::desk::{Desk, Outcome, PRICES, usage};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokenbook::{
    Act, Books, BooksError, Calendar, Code, Currency, FileKind, ImportOptions, Jumps, LedgerError, Month, MonthEnd,
    Name, Observer, Settings, Silent, Step, Timestamp,
};

fn act() -> Outcome<Act<'static>> {
    Ok(Act { now: Timestamp::parse("2026-11-02T09:00:00Z")?, actor: "test" })
}

/// A desk with every kind of input, and a new ledger.
fn opened() -> Outcome<(Desk, Books, MonthEnd)> {
    let desk = Desk::empty()?;
    let settings = Settings::new(Currency::parse("USD")?, Calendar::of_zone("UTC")?, Name::new("contract")?);
    let books = Books::create(&desk.ledger(), &settings, act()?)?;
    let offers = "[[offer]]\nname = \"Less\"\ndiscount_percent = \"10\"\n";
    let inputs = MonthEnd {
        month: Month::parse("2026-10")?,
        usage: vec![desk.write("a.csv", usage(0, 40))?, desk.write("b.csv", usage(40, 30))?],
        prices: desk.write("prices.csv", PRICES)?,
        jumps: Jumps::Refuse,
        aliases: Some(desk.write("aliases.csv", "alias,model,valid_from\nold,m,2026-01-01\n")?),
        rules: Some(desk.write("rules.csv", "rule,key,value,department\nall,model,m,Legal\n")?),
        departments: Some(desk.write("departments.csv", "department\nLegal\nEngineering\n")?),
        report_files: BTreeMap::from([(FileKind::Offers, desk.write("offers.toml", offers)?)]),
        out: desk.path("out"),
        import: ImportOptions::plain(),
    };
    Ok((desk, books, inputs))
}

/// The files of the month but its manifest, which names the ledger's head.
fn written(desk: &Desk) -> Outcome<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for name in desk
        .names("out")?
        .into_iter()
        .filter(|name| std::path::Path::new(name).extension().is_some_and(|end| end == "csv"))
    {
        files.insert(name.clone(), desk.read(&format!("out/{name}"))?);
    }
    Ok(files)
}

/// What a month end without any fault writes.
fn whole() -> Outcome<BTreeMap<String, Vec<u8>>> {
    let (desk, books, inputs) = opened()?;
    books.month_end(&inputs, act()?, &Silent)?;
    written(&desk)
}

/// Asks for a stop at one question.
struct StopAt {
    question: usize,
    asked: AtomicUsize,
}

impl Observer for StopAt {
    fn stop(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) == self.question
    }
}

#[test]
fn a_file_that_is_missing_for_a_while_stops_its_own_step_only() -> Outcome {
    let expected = whole()?;
    assert_eq!(expected.len(), 5, "{:?}", expected.keys());
    let (_, _, inputs) = opened()?;
    let places = 1 + inputs.optional().len();
    for place in 0..places {
        let (desk, books, inputs) = opened()?;
        let optional: Vec<PathBuf> = inputs.optional().into_iter().map(|(_, path)| path.clone()).collect();
        let file = if place == 0 { inputs.prices.clone() } else { optional[place - 1].clone() };
        let mut run = books.month_run(&inputs, act()?)?;
        let text = std::fs::read(&file)?;
        std::fs::remove_file(&file)?;
        let mut failed = 0;
        loop {
            match run.step(&Silent) {
                Ok(Step::Reports(_)) => break,
                Ok(Step::Usage(_, result)) => assert!(result.is_ok()),
                Ok(_) => {}
                // Tried twice, so that a step cannot be skipped at the second time.
                Err(BooksError::Unreadable { .. }) if failed < 2 => failed += 1,
                Err(error) => return Err(error.into()),
            }
            if failed == 2 {
                std::fs::write(&file, &text)?;
            }
        }
        assert_eq!(failed, 2, "{}", file.display());
        assert_eq!(written(&desk)?, expected, "{}", file.display());
    }
    Ok(())
}

#[test]
fn a_usage_file_that_is_rejected_keeps_all_reports_from_being_written() -> Outcome {
    for place in 0..2 {
        let (desk, books, inputs) = opened()?;
        std::fs::write(&inputs.usage[place], "event_id\n")?;
        let error = books.month_end(&inputs, act()?, &Silent).err().ok_or("no error")?;
        assert!(matches!(&error, BooksError::UsageRejected { rejected, files: 2, .. } if rejected.len() == 1));
        assert!(error.code() != Code::Internal && !desk.path("out").exists(), "{error}");
        assert!(desk.events()? > 0, "the other file is imported");
    }
    Ok(())
}

#[test]
fn a_stop_at_any_question_can_be_followed_by_the_same_reports() -> Outcome {
    let expected = whole()?;
    let (mut stopped, mut question) = (0, 0);
    loop {
        let (desk, books, inputs) = opened()?;
        let observer = StopAt { question, asked: AtomicUsize::new(0) };
        let mut run = books.month_run(&inputs, act()?)?;
        let mut stops = 0;
        loop {
            match run.step(&observer) {
                Ok(Step::Reports(_)) => break,
                Ok(Step::Usage(_, result)) => assert!(result.is_ok(), "{result:?}"),
                Ok(_) => {}
                Err(BooksError::Ledger(LedgerError::Stopped)) => {
                    assert!(!desk.path("out").exists(), "question {question}");
                    stops += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        assert_eq!(written(&desk)?, expected, "question {question}");
        stopped += stops;
        if observer.asked.load(Ordering::Relaxed) <= question {
            break;
        }
        question += 1;
    }
    assert!(stopped > 3, "{stopped} stops over {question} questions");
    Ok(())
}
