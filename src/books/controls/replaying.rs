//! What limits would have decided on the recorded requests of a period.

use crate::aggregate::Events;
use crate::books::controls::gateway;
use crate::books::controls::replay_sheet;
use crate::books::watching::watched;
use crate::books::{Books, BooksError, Observer};
use crate::control::enforced::{self, Form};
use crate::control::exact::Counters;
use crate::control::limit::{Admission, Policy};
use crate::control::period::{back, containing};
use crate::control::posted::{Sums, units};
use crate::control::replay::sums::Sum;
use crate::control::replay::{By, Common, Decided, Happened, Replay, Request, World};
use crate::domain::event::PromptSize;
use crate::domain::period::Period;
use crate::domain::tags::TagSet;
use crate::domain::timestamp::Timestamp;
use crate::domain::usage::Dictionary;
use crate::ledger::LedgerError;
use crate::ledger::file::transaction::{Readers, Snapshot};
use crate::ledger::file::watch::Stage;
use crate::ledger::read::class::Classes;
use crate::sheet::Sheet;
use rayon::prelude::*;

/// What to replay.
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// The policies, each with its name, such as that of its file.
    pub policies: Vec<(String, Policy)>,
    /// The period.
    pub period: Period,
    /// What requests are grouped by.
    pub by: Vec<By>,
    /// Whether to list the decision on each request.
    pub detail: bool,
}

/// What the limits of one policy would have decided.
#[derive(Debug)]
pub struct Replayed {
    /// The name of the policy.
    pub policy: String,
    /// The groups with their sums, in the order of their values.
    pub groups: Vec<(Vec<String>, Sum)>,
    /// Thresholds that were reached, and breakers that opened and closed, in their order.
    pub happened: Vec<Happened>,
    /// The decision on each request, in their order, if asked for.
    pub detail: Vec<Line>,
}

/// The decision on a request.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it was made.
    pub at: Timestamp,
    /// The issuer's id.
    pub id: String,
    /// The source.
    pub source: String,
    /// The department that its tags name.
    pub department: Option<String>,
    /// The model.
    pub model: String,
    /// What was decided.
    pub decided: Decided,
}

/// The sheets of a replay.
#[derive(Debug)]
pub struct ReplaySheets {
    /// For each policy: what it would have decided, by group.
    pub policies: Vec<(String, Sheet)>,
    /// For each policy: what happened to its limits.
    pub timelines: Vec<Sheet>,
    /// For each policy: the decision on each request.
    pub details: Vec<Sheet>,
}

impl Books {
    /// Replays the requests of a period under some policies. The same sheets come out with any number of threads.
    pub fn replay(&self, request: &ReplayRequest, observer: &dyn Observer) -> Result<ReplaySheets, BooksError> {
        watched(observer, |watch| {
            let snapshot = self.snapshot_for_all()?.watched(watch)?;
            let (replayed, shared) = self.replayed(&snapshot, request)?;
            replay_sheet::sheets(&snapshot, request, &replayed, shared)
        })
    }

    fn replayed(
        &self,
        snapshot: &Snapshot<'_>,
        request: &ReplayRequest,
    ) -> Result<(Vec<Replayed>, Shared), BooksError> {
        let ground = gateway::ground(snapshot, self.settings())?;
        let names = snapshot.dictionary()?;
        let world = World {
            book: &ground.book,
            rules: &ground.rules,
            registry: &ground.registry,
            currency: self.settings().currency,
        };
        let mut runs = Vec::with_capacity(request.policies.len());
        for (name, policy) in &request.policies {
            let counters = self.filled(snapshot, &ground, policy, request.period)?;
            let admission = policy.admission.unwrap_or(Admission::LENIENT);
            let replay = Replay::new(world, admission, counters, request.by.clone());
            runs.push(Run { name, replay, detail: Vec::new() });
        }
        let shared = Self::run(snapshot, request, &names, &mut runs)?;
        let finish = |run: Run<'_>| {
            let (groups, happened) = run.replay.into_sums();
            Replayed { policy: run.name.to_owned(), groups, happened, detail: run.detail }
        };
        Ok((runs.into_iter().map(finish).collect(), shared))
    }

    /// Counters that have what was used of longer periods before the period begins.
    fn filled(
        &self,
        snapshot: &Snapshot<'_>,
        ground: &gateway::Ground,
        policy: &Policy,
        period: Period,
    ) -> Result<Counters, BooksError> {
        let calendar = self.settings().calendar;
        let limits = enforced::all(policy);
        let start = calendar.start_of(period.first());
        let firsts = limits.iter().filter_map(|limit| match limit.form {
            Form::Period { per, .. } => Some(containing(per, period.first()).first()),
            Form::Bucket { .. } | Form::Breaker(_) => None,
        });
        let first = firsts.min().filter(|first| *first < period.first());
        let sums = match first {
            Some(first) => gateway::sums(
                snapshot,
                (&ground.book, &ground.rules),
                &limits,
                Period::between(first, back(period.first(), 1)),
            )?,
            None => Sums::new(),
        };
        let mut counters = Counters::new(limits.clone(), calendar);
        for (((place, value), day, _), sum) in &sums {
            let Some(limit) = limits.get(*place) else { continue };
            let Form::Period { per, .. } = limit.form else { continue };
            if *day >= containing(per, period.first()).first() {
                counters.fill(*place, value, units(limit, *sum), start);
            }
        }
        Ok(counters)
    }

    /// Reads as many days at once as there are threads, while the days before are decided on.
    fn run(
        snapshot: &Snapshot<'_>,
        request: &ReplayRequest,
        names: &Dictionary,
        runs: &mut [Run<'_>],
    ) -> Result<Shared, BooksError> {
        let events = Events::of(snapshot, request.period)?;
        snapshot.watch().begin(Stage::Events, snapshot.events_within(request.period));
        let readers = snapshot.readers();
        let days: Vec<_> = request.period.days().collect();
        let day = |day: &_| requests_of_day(&readers, &events, *day, names);
        let (mut waiting, mut shared): (Vec<Request>, Shared) = (Vec::new(), Shared::default());
        for days in days.chunks(rayon::current_num_threads().max(1)) {
            let mut read: Result<Vec<(Vec<Request>, Shared)>, BooksError> = Ok(Vec::new());
            rayon::in_place_scope(|scope| {
                let waiting = &waiting;
                let classes = &events.classes;
                for run in runs.iter_mut() {
                    scope.spawn(move |_| run.decide(waiting, classes, names, request.detail));
                }
                read = days.par_iter().map(day).collect();
            });
            waiting.clear();
            for (requests, of_day) in read? {
                waiting.extend(requests);
                shared.events = shared.events.saturating_add(of_day.events);
                shared.several = shared.several.saturating_add(of_day.several);
            }
        }
        for run in runs.iter_mut() {
            run.decide(&waiting, &events.classes, names, request.detail);
        }
        Ok(shared)
    }
}

/// How many events were read, and how many of them stand for several requests.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Shared {
    pub(super) events: u64,
    pub(super) several: u64,
}

struct Run<'a> {
    name: &'a str,
    replay: Replay<'a>,
    detail: Vec<Line>,
}

impl Run<'_> {
    fn decide(&mut self, requests: &[Request], classes: &Classes, names: &Dictionary, detail: bool) {
        let nobody = TagSet::new();
        for request in requests {
            let Ok(class) = classes.get(request.class) else { continue };
            let (Some(model), Some(tier)) = (names.models.get(&class.model), names.tiers.get(&class.tier)) else {
                continue;
            };
            let tags = names.tags(class.tag_set).unwrap_or(&nobody);
            let source = names.sources.get(&class.source).map_or("", String::as_str);
            let decided = self.replay.take(request, Common { source, tags, model, tier });
            if detail {
                self.detail.push(Line {
                    at: request.at,
                    id: request.id.clone(),
                    source: source.to_owned(),
                    department: tags.department().map(str::to_owned),
                    model: model.name.as_str().to_owned(),
                    decided,
                });
            }
        }
    }
}

/// The requests of a day in the order of their instants, sources and ids. The chain proves every event of the day.
pub(super) fn requests_of_day(
    readers: &Readers,
    events: &Events,
    day: crate::domain::calendar::Day,
    names: &Dictionary,
) -> Result<(Vec<Request>, Shared), BooksError> {
    readers
        .read(|reader| {
            let (mut requests, mut shared) = (Vec::new(), Shared::default());
            reader.sealed_events(&events.classes, day, &events.sealed, |event| {
                let band = event.class.band(&event.quantities)?;
                shared.events = shared.events.saturating_add(1);
                if event.class.prompt != PromptSize::Exact {
                    shared.several = shared.several.saturating_add(1);
                }
                let (quantities, id) = (event.quantities.clone(), event.id.clone());
                requests.push(Request { at: event.at, day, class: event.class.number, band, quantities, id });
                Ok(())
            })?;
            let source = |request: &Request| {
                let class = events.classes.get(request.class).ok()?;
                names.sources.get(&class.source)
            };
            requests.sort_unstable_by(|a, b| (a.at, source(a), &a.id).cmp(&(b.at, source(b), &b.id)));
            Ok::<_, LedgerError>((requests, shared))
        })
        .map_err(BooksError::from)
}
