//! Imports arbitrary bytes. Nothing panics, a rejected file leaves no trace, and the lines of an accepted one add up.
//!
//! The bytes come from real fixtures with parts changed, repeated, dropped or mixed with others, because pure chance
//! hardly ever makes a line. `fuzz/` does the same for each reader alone, and longer.

use proptest::prelude::*;
use proptest::sample::Index;
use std::error::Error;
use std::path::{Path, PathBuf};
use tokenbook::books::keep::verify::Depth;
use tokenbook::books::usage::import::{ImportError, ImportOptions, ImportOutcome, Quarantine};
use tokenbook::books::{Act, Books, Silent};
use tokenbook::domain::calendar::Calendar;
use tokenbook::domain::currency::Currency;
use tokenbook::domain::name::Name;
use tokenbook::domain::timestamp::Timestamp;
use tokenbook::import::file::input::Input;
use tokenbook::ledger::Settings;

/// Every usage file among the fixtures except large ones.
fn samples() -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut folders = vec![root.join("formats"), root.join("import")];
    let mut paths: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    Ok(paths.into_iter().map(std::fs::read).collect::<Result<_, _>>()?)
}

/// One change to some bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Drop(Index, Index),
    Repeat(Index, Index),
    Insert(Index, Vec<u8>),
    Mix(Index, Index),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let telling =
        ["\"", "{", "}", "[", "]", ",", "\n", "\r", ":", "-", "0", "1e9", "null", "\u{feff}", "\\u0000", "\t"];
    let inserted = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..6),
        proptest::sample::select(telling.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, mask)| Change::Flip(at, mask)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(at, length)| Change::Drop(at, length)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(at, length)| Change::Repeat(at, length)),
        4 => (any::<Index>(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(at, other)| Change::Mix(at, other)),
        1 => any::<Index>().prop_map(Change::Cut),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change], samples: &[Vec<u8>]) -> Vec<u8> {
    for change in changes {
        let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        let span = |at: &Index, length: &Index, bytes: &[u8]| {
            let start = place(at, bytes);
            start..(start + length.index(60)).min(bytes.len())
        };
        match change {
            Change::Flip(at, mask) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Change::Flip(..) => {}
            Change::Drop(at, length) => drop(bytes.drain(span(at, length, &bytes))),
            Change::Repeat(at, length) => {
                let span = span(at, length, &bytes);
                let part = bytes[span.clone()].to_vec();
                bytes.splice(span.start..span.start, part);
            }
            Change::Insert(at, inserted) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Change::Mix(at, other) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, samples[other.index(samples.len())].iter().copied());
            }
            Change::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        }
    }
    bytes
}

struct Desk {
    folder: tempfile::TempDir,
    books: Books,
}

impl Desk {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let settings =
            Settings::new(Currency::parse("USD")?, Calendar::of_zone("America/New_York")?, Name::new("contract")?);
        let books = Books::create(&folder.path().join("l.db"), &settings, Self::act()?)?;
        Ok(Self { folder, books })
    }

    fn act() -> Result<Act<'static>, Box<dyn Error>> {
        Ok(Act { now: Timestamp::parse("2026-11-23T12:00:00Z")?, actor: "test" })
    }

    fn import(
        &self,
        bytes: &[u8],
        quarantine: Quarantine,
    ) -> Result<Result<ImportOutcome, ImportError>, Box<dyn Error>> {
        let path = self.folder.path().join("usage");
        std::fs::write(&path, bytes)?;
        let options = ImportOptions { quarantine, ..ImportOptions::plain() };
        Ok(self.books.import(&Input::File(path), &options, Self::act()?, &Silent))
    }

    /// Imports bytes and returns an error if a condition does not hold.
    fn judge(&self, bytes: &[u8], quarantine: Quarantine) -> Result<(), Box<dyn Error>> {
        let head = self.books.head()?;
        match self.import(bytes, quarantine)? {
            Ok(outcome) => {
                let ImportOutcome { lines, header, blank, accepted, duplicates, quarantined, .. } = outcome;
                let sum = header + blank + accepted + duplicates + quarantined;
                if lines != sum || lines == header + blank {
                    return Err(format!("the lines do not add up: {outcome:?}").into());
                }
                // An identical file brings nothing new.
                let again =
                    self.import(bytes, quarantine)?.map_err(|error| format!("refused when it came again: {error}"))?;
                if again.accepted != 0 || again.lines != lines {
                    return Err(format!("another account when it came again: {again:?}").into());
                }
            }
            Err(ImportError::Ledger(error)) => return Err(format!("the ledger was blamed: {error}").into()),
            Err(_) if self.books.head()? == head => {}
            Err(error) => return Err(format!("a trace was left: {error}").into()),
        }
        Ok(())
    }
}

#[test]
fn every_file_is_refused_or_accounted_for() -> Result<(), Box<dyn Error>> {
    let (samples, desk) = (samples()?, Desk::new()?);
    assert!(samples.len() > 40, "{}", samples.len());
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    let input = (any::<Index>(), proptest::collection::vec(change(), 0..6), any::<bool>());
    proptest::test_runner::TestRunner::new(config).run(&input, |(sample, changes, set_aside)| {
        let bytes = changed(samples[sample.index(samples.len())].clone(), &changes, &samples);
        let quarantine = if set_aside { Quarantine::UpTo(1_000) } else { Quarantine::Refuse };
        desk.judge(&bytes, quarantine)
            .map_err(|error| TestCaseError::fail(format!("{error}: {}", bytes.escape_ascii())))
    })?;
    assert_eq!(desk.books.verify(Depth::WithIntegrity, None, &Silent)?.findings, Vec::<String>::new());
    Ok(())
}
