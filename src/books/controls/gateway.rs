//! What a guard needs of the ledger: the limits in force with prices and rules, and what is recorded.

use crate::aggregate::PriceChanges;
use crate::aggregate::fold::{self, Basis, fold};
use crate::attribute::Rules;
use crate::books::controls::policies::understood;
use crate::books::setup::rules;
use crate::books::statement::reports::books;
use crate::books::watching::watched;
use crate::books::{Books, BooksError, Observer};
use crate::control::enforced::{Enforced, Form, enforced};
use crate::control::limit::{Admission, Policy};
use crate::control::period::containing;
use crate::control::posted::{Counting, Sums, units};
use crate::domain::calendar::Day;
use crate::domain::department::Registry;
use crate::domain::number::EntryId;
use crate::domain::period::Period;
use crate::domain::timestamp::Timestamp;
use crate::guard::file::decide::{Count, Moment};
use crate::guard::file::posted::{Posted, Seen};
use crate::guard::file::{GuardFile, GuardFileError};
use crate::guard::once::{self, Request, Ruling};
use crate::guard::terms::Terms;
use crate::guard::{Guard, GuardOptions};
use crate::ledger::Settings;
use crate::ledger::facts::policies::{LIMITS, in_force};
use crate::ledger::file::transaction::Snapshot;
use crate::price::Book;
use std::sync::Arc;

/// How long a refresh waits after the one before: a second.
const REFRESH: i64 = 1_000_000_000;

/// How long until a guard has to be tended again: 50 ms.
const NEXT: i64 = 50_000_000;

impl Books {
    /// A guard of the limits in force, for this process. It opens the guard file beside the ledger, or makes it, and brings it up to
    /// what the ledger has. Give it to a [`Tender`], which keeps it in step.
    pub fn guard(&self, options: &GuardOptions<'_>, now: Timestamp) -> Result<Guard, BooksError> {
        let snapshot = self.ledger.snapshot()?;
        let terms = self.terms(&snapshot, now)?;
        let mut file = GuardFile::open(&terms.ledger, terms.genesis, now)?;
        Self::post(&snapshot, &mut file, &terms, now)?;
        Ok(Guard::new(file, terms, options, now)?)
    }

    /// Decides on one request by one exact transaction. With [`Count::Estimate`], what was asked for counts as used at once.
    pub fn admit_once(
        &self,
        request: &Request<'_>,
        count: Count,
        observer: &dyn Observer,
    ) -> Result<Ruling, BooksError> {
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            let terms = Arc::new(self.terms(&snapshot, request.now)?);
            let opened = GuardFile::open(&terms.ledger, terms.genesis, request.now);
            let decided = opened.map_err(BooksError::from).and_then(|mut file| {
                Self::post(&snapshot, &mut file, &terms, request.now)?;
                Ok(once::decide(&mut file, &terms, request, count)?)
            });
            match decided {
                Err(
                    error @ BooksError::Guard(
                        GuardFileError::Io { .. } | GuardFileError::Replaced { .. } | GuardFileError::Sqlite(_),
                    ),
                ) => once::on_failure(&terms, request).ok_or(error),
                decided => decided,
            }
        })
    }

    /// The first limit of a request that needs more than a number of tokens, and what it counts.
    pub fn needs_more_than_tokens(&self, request: &Request<'_>) -> Result<Option<(String, &'static str)>, BooksError> {
        let terms = Arc::new(self.terms(&self.ledger.snapshot()?, request.now)?);
        Ok(once::needs_more_than_tokens(&terms, request))
    }

    /// Whether somebody asks this ledger about limits, and must not wait for a load.
    pub(in crate::books) fn is_guarded(&self) -> bool {
        crate::guard::file::path_of(self.ledger.path()).exists()
    }

    pub(super) fn terms(&self, snapshot: &Snapshot<'_>, now: Timestamp) -> Result<Terms, BooksError> {
        let settings = self.settings();
        let today = settings.calendar.day_of(now);
        let policies = snapshot.policies(LIMITS)?;
        let stored = in_force(&policies, today);
        let policy = stored.map(understood).transpose()?.map_or(Policy::NONE, |known| known.policy);
        let next = policies.iter().map(|policy| policy.first_day).filter(|day| *day > today).min();
        let head = snapshot.head();
        let Ground { book, rules, registry } = ground(snapshot, settings)?;
        Ok(Terms {
            ledger: self.ledger.path().to_owned(),
            genesis: snapshot.genesis()?,
            seen: Seen {
                head: head.entry,
                hash: head.hash.to_vec(),
                policy: stored.map_or(EntryId::NONE, |stored| stored.entry),
            },
            limits: enforced(&policy),
            admission: policy.admission.or(policy.limits().next().map(|_| Admission::LENIENT)),
            book,
            rules,
            registry,
            calendar: settings.calendar,
            currency: settings.currency,
            until: next.map(|day| settings.calendar.start_of(day)),
        })
    }

    /// Tells the guard file what the ledger has, unless it knows that already.
    pub(super) fn post(
        snapshot: &Snapshot<'_>,
        file: &mut GuardFile,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<(), BooksError> {
        let before = file.seen()?;
        if before == terms.seen {
            return Ok(());
        }
        let recorded = Self::recorded(snapshot, terms, now)?;
        Ok(recorded.post(file, terms, &before, now)?)
    }

    /// What the ledger has of all open periods.
    fn recorded(snapshot: &Snapshot<'_>, terms: &Terms, now: Timestamp) -> Result<Recorded, BooksError> {
        let today = terms.calendar.day_of(now);
        let firsts = terms.limits.iter().filter_map(|limit| match limit.form {
            Form::Period { per, .. } => Some(containing(per, today).first()),
            Form::Bucket { .. } | Form::Breaker(_) => None,
        });
        let first = firsts.min();
        let sums = match first {
            // What was recorded while the clock was ahead counts when its day comes.
            Some(first) => {
                let last = snapshot.days()?.map_or(today, |(_, last)| last.max(today));
                let range = Period::between(first, last);
                sums(snapshot, (&terms.book, &terms.rules), &terms.limits, range)?
            }
            None => Sums::new(),
        };
        Ok(Recorded { sums, first: first.unwrap_or(today) })
    }
}

/// Prices, rules and departments of a state of the ledger.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) book: Book,
    pub(super) rules: Rules,
    pub(super) registry: Registry,
}

pub(super) fn ground(snapshot: &Snapshot<'_>, settings: &Settings) -> Result<Ground, BooksError> {
    let mut books = books(&snapshot.prices()?, &snapshot.aliases()?);
    let book = books.remove(settings.book.as_str()).unwrap_or_default();
    Ok(Ground { book, rules: rules::of_snapshot(snapshot)?, registry: snapshot.registry()? })
}

/// What the ledger has of some limits in a range of days, by counter, day and source.
pub(super) fn sums(
    snapshot: &Snapshot<'_>,
    (book, rules): (&Book, &Rules),
    limits: &[Enforced],
    range: Period,
) -> Result<Sums, BooksError> {
    snapshot.prove_retractions()?;
    let names = snapshot.dictionary()?;
    let rating = fold::Rating { book, changes: PriceChanges::new(vec![book], &names), names: &names, rules };
    let count = |counting: &mut Counting<'_>, line, names: &_| Ok::<_, BooksError>(counting.add(&line, names)?);
    let mut all = Sums::new();
    for (counting, names) in fold(snapshot, &rating, range, Basis::Sums, || Counting::of(limits), count)? {
        counting.add_to(&mut all, &names)?;
    }
    Ok(all)
}

/// What the ledger has of open periods.
struct Recorded {
    sums: Sums,
    /// The first day that was read.
    first: Day,
}

impl Recorded {
    fn post(&self, file: &mut GuardFile, terms: &Terms, before: &Seen, now: Timestamp) -> Result<(), GuardFileError> {
        let posted = self.sums.iter().filter_map(|(((place, value), day, source), sum)| {
            let limit = terms.limits.get(*place)?;
            Some(Posted { limit, value, day: *day, source, units: units(limit, *sum) })
        });
        let posted: Vec<Posted<'_>> = posted.collect();
        let settled_for = terms.settled_for();
        let moment = Moment { now, calendar: terms.calendar, settled_for, source: "", holder: None };
        file.post(&posted, &terms.seen, before, self.first, &moment)
    }
}

/// Keeps a guard in step with its ledger, which it only reads. It lives on one thread of the embedder.
#[derive(Debug)]
pub struct Tender {
    books: Books,
    guard: Guard,
    refreshed_at: i64,
}

impl Tender {
    /// A tender of a guard. The books are those that the guard was opened with, or others of the same ledger.
    pub const fn new(books: Books, guard: Guard) -> Self {
        Self { books, guard, refreshed_at: 0 }
    }

    /// Renews leases, gives idle ones back, and reads new limits, prices and records. Returns when to call it again.
    pub fn tend(&mut self, now: Timestamp) -> Result<Timestamp, BooksError> {
        self.guard.tend_leases(now)?;
        let age = now.nanos().saturating_sub(self.refreshed_at);
        if !(0..REFRESH).contains(&age) {
            self.refreshed_at = now.nanos();
            self.refresh(now)?;
        }
        Ok(Timestamp::from_nanos(now.nanos().saturating_add(NEXT)).unwrap_or(Timestamp::LATEST))
    }

    fn refresh(&self, now: Timestamp) -> Result<(), BooksError> {
        let terms = self.guard.terms();
        let before = self.guard.with_file(|file| file.seen())?;
        let head = self.books.head()?;
        let is_known = terms.seen.head == head.entry && terms.seen.hash == head.hash;
        let is_over = terms.until.is_some_and(|until| now >= until);
        if is_known && !is_over && before == terms.seen {
            return Ok(());
        }
        let snapshot = self.books.ledger.snapshot()?;
        let terms = self.books.terms(&snapshot, now)?;
        if before != terms.seen {
            let recorded = Books::recorded(&snapshot, &terms, now)?;
            self.guard.with_file(|file| recorded.post(file, &terms, &before, now))?;
        }
        self.guard.renew(terms);
        Ok(())
    }

    /// Gives back everything that the process holds. Without it that stays spent.
    pub fn close(self, now: Timestamp) -> Result<(), BooksError> {
        Ok(self.guard.give_back(now)?)
    }
}
