//! Guards limits while requests are made: a gateway asks before each request and says afterwards what it used.
//!
//! ```text
//! Books ── limits, prices, what is recorded ──> Guard (one for a process, shared by its threads)
//!                                                ├─ counters: what this process holds, one lock over an array
//!                                                └─ file: what all processes took, one lock over SQLite
//! ```
//!
//! The guard file beside a ledger, `tokenbook.db.guard`, names its ledger. It holds what is no fact of the books and still must survive
//! a crash: counters, breakers, and which alerts were sent. No backup contains it. Deleting it is a reset.
//!
//! A process takes units of a counter in advance, a lease, and spends them without asking anybody. Units that are not given back are
//! spent: a kill, a power cut and a clock that jumps are one case. A request that the lease does not cover is decided by one
//! transaction in the file. So what is admitted never passes a limit, over any number of processes.
#![deny(clippy::as_conversions)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

mod admit;
mod counters;
pub mod document;
pub mod file;
pub mod once;
pub mod refusal;
pub mod route;
pub mod settle;
mod tend;
pub mod terms;

use crate::control::breaker::ProbeId;
use crate::control::lane::Units;
use crate::control::window::IGNORED_STEP_BACK;
use crate::domain::calendar::Calendar;
use crate::domain::event::{Model, ServiceTier};
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use counters::{Coming, Counters};
use file::decide::Moment;
use file::returned::Returned;
use file::{GuardFile, GuardFileError};
use refusal::Refusal;
use route::{Caller, Lanes, Route};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terms::Terms;

/// The limits of a ledger as this process enforces them. It is cheap to clone and shared by all threads.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    counters: Mutex<Counters>,
    file: Mutex<GuardFile>,
    terms: Mutex<Arc<Terms>>,
    /// Goes up with the terms, so that a route knows whether it is of older ones.
    generation: AtomicU64,
    source: String,
    holder: i64,
    /// When the file was last told what requests settled.
    settled_at: AtomicI64,
    /// The time of the file, where it was found to be later than the clock.
    floor: AtomicI64,
}

/// How a process guards limits.
#[derive(Debug, Clone, Copy)]
pub struct GuardOptions<'a> {
    /// The source under which its traffic will be recorded. That source should have no other traffic.
    pub source: &'a Name,
    /// The name of this process, for people.
    pub holder: &'a str,
}

/// Whether a request may go.
#[derive(Debug)]
#[must_use = "a permit counts in full until it is settled"]
pub enum Decision {
    /// It may.
    Allow(Permit),
    /// It may if another model is used.
    Downgrade {
        /// The permit for the other model.
        permit: Permit,
        /// Why the model that was asked for is refused.
        refused: Refusal,
    },
    /// It may not.
    Refuse(Refusal),
}

/// Units taken for a request. One that is dropped counts in full.
#[derive(Debug)]
#[must_use = "a permit counts in full until it is settled"]
pub struct Permit {
    route: Arc<Lanes>,
    lane: usize,
    at: Timestamp,
    /// The units taken of each counter; below 0 if none were taken, since a limit in shadow would refuse.
    units: Units,
    /// Breakers that try this request.
    probes: SmallVec<[(usize, ProbeId); 1]>,
}

impl Permit {
    /// When the request was admitted. If the clock was set back, this may be up to a minute later than the time that the caller gave.
    pub const fn admitted_at(&self) -> Timestamp {
        self.at
    }

    /// The model that may be used.
    pub fn model(&self) -> &Model {
        let lanes = &self.route.models;
        lanes.get(self.lane).map_or(&self.route.asked, |lane| &lane.model)
    }
}

impl Guard {
    /// A guard over an open guard file, which knows what the ledger has.
    pub(crate) fn new(
        mut file: GuardFile,
        terms: Terms,
        options: &GuardOptions<'_>,
        now: Timestamp,
    ) -> Result<Self, GuardFileError> {
        let holder = file.register(options.holder, now)?;
        Ok(Self(Arc::new(Shared {
            counters: Mutex::default(),
            file: Mutex::new(file),
            terms: Mutex::new(Arc::new(terms)),
            generation: AtomicU64::new(0),
            source: options.source.as_str().to_owned(),
            holder,
            settled_at: AtomicI64::new(0),
            floor: AtomicI64::new(0),
        })))
    }

    /// Finds the counters and prices for a caller and a model, and for the models of a downgrade. Keep it for requests of the same
    /// kind; a route of older limits or prices is looked up again by itself.
    pub fn route(&self, caller: Caller<'_>, model: &Model, tier: &ServiceTier, now: Timestamp) -> Route {
        let generation = self.0.generation.load(Ordering::Acquire);
        let terms = Arc::clone(&lock(&self.0.terms));
        let mut lanes = Lanes::new(&terms, caller, model, tier, &self.0.source, now);
        lanes.generation = generation;
        let mut counters = lock(&self.0.counters);
        for lane in &mut lanes.models {
            lane.slots = lane.touches.iter().map(|touch| counters.place(&terms, touch)).collect();
        }
        drop(counters);
        Route(Mutex::new(Arc::new(lanes)))
    }

    /// The route itself, or a new one if its limits or prices are older than those of now.
    fn current(&self, route: &Route, now: Timestamp) -> Arc<Lanes> {
        let mut lanes = lock(&route.0);
        if lanes.generation != self.0.generation.load(Ordering::Acquire) || now >= lanes.until {
            let fresh = self.route(Caller { tags: &lanes.tags }, &lanes.asked, &lanes.tier, now);
            *lanes = fresh.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
        Arc::clone(&lanes)
    }

    /// Returns the caller's time. If the clock was set back by less than a minute, it returns the time of the guard file instead.
    fn time(&self, now: Timestamp) -> Timestamp {
        let floor = self.0.floor.load(Ordering::Relaxed);
        let behind = floor.saturating_sub(now.nanos());
        if behind <= 0 {
            return now;
        }
        if behind > IGNORED_STEP_BACK {
            self.0.floor.store(0, Ordering::Relaxed);
            return now;
        }
        Timestamp::from_nanos(floor).unwrap_or(now)
    }

    /// Uses other limits and prices from now on.
    pub(crate) fn renew(&self, terms: Terms) {
        *lock(&self.0.terms) = Arc::new(terms);
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The limits and prices in use.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&lock(&self.0.terms))
    }

    /// Works on the guard file.
    pub(crate) fn with_file<T>(&self, work: impl FnOnce(&mut GuardFile) -> T) -> T {
        work(&mut lock(&self.0.file))
    }

    pub(crate) fn moment<'a>(&'a self, terms: &Terms, now: Timestamp) -> Moment<'a> {
        let settled_for = terms.settled_for();
        let calendar: Calendar = terms.calendar;
        Moment { now, calendar, settled_for, source: &self.0.source, holder: Some(self.0.holder) }
    }
}

/// The units in the form that the file takes.
fn returned(coming: &[Coming]) -> Vec<Returned<'_>> {
    coming.iter().filter_map(Coming::returned).collect()
}

/// A lock that a thread left in a panic is taken all the same: every change under it is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
